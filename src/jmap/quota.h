/* The state of the account's quota, for Quota methods and for push. */
#ifndef DEPESCHE_JMAP_QUOTA_H
#define DEPESCHE_JMAP_QUOTA_H

#include "jmap/method.h"

must_use enum error jmap_quota_state(const struct jmap_service *s, const struct jmap_user *u,
                                     char out[JMAP_STATE_TEXT]);

#endif
