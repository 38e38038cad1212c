/* Uploads, for the files of this room; begin, take, done and drop stand in jmap.h. */
#ifndef DEPESCHE_JMAP_UPLOAD_H
#define DEPESCHE_JMAP_UPLOAD_H

#include "jmap/jmap.h"

enum { UPLOAD_ID = 33 };

/* As jmap_upload_done(), with the blob id instead of the answer. */
must_use enum error jmap_upload_keep(struct jmap_upload *up, char id[UPLOAD_ID + 1]);
uint64_t jmap_upload_size(const struct jmap_upload *up);
/* An upload of this user by its blob id; the descriptor is the caller's. ERR_NOTFOUND. */
must_use enum error upload_open(const struct jmap_service *s, const struct jmap_user *u,
                                struct slice id, int *fd, uint64_t *size);
/* Removes what nobody used for LIMIT_JMAP_UPLOAD_SECONDS, and what broke off. */
void upload_tend(const struct jmap_service *s);

#endif
