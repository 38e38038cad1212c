/* Email/changes; its method stands in the table of email_get.c. */
#ifndef DEPESCHE_JMAP_EMAIL_CHANGES_H
#define DEPESCHE_JMAP_EMAIL_CHANGES_H

#include "jmap/method.h"

void email_changes(struct jmap_call *c);

#endif
