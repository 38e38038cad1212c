/* What an account says about itself: identities to write as, an absence notice, and settings of the
 * webmail. In directory.db; changed by JMAP only. Each kind has a state number of the account that
 * grows with every change of that kind. */
#ifndef DEPESCHE_DIRECTORY_PROFILE_H
#define DEPESCHE_DIRECTORY_PROFILE_H

#include "directory/directory.h"

enum profile_kind { PROFILE_IDENTITY, PROFILE_VACATION, PROFILE_SETTINGS };

must_use enum error directory_profile_state(struct directory *d, uint64_t account,
                                            enum profile_kind kind, uint64_t *state);

/* An identity (RFC 8621 6). Slices from the directory live in the arena given. `reply_to` and `bcc`
 * are JSON arrays of EmailAddress, or empty. */
struct identity {
    uint32_t id;
    bool may_delete;  /* false: the account's own address, made with its first look */
    uint64_t changed; /* the state of its last change */
    struct slice name, email, reply_to, bcc, text_signature, html_signature;
};
/* By id, that is, as they were made. With the account's own address and each alias that leads to it
 * alone, made when they are first seen; one whose alias is gone goes too. ERR_NOTFOUND: no such
 * account. */
must_use enum error directory_identities(struct directory *d, uint64_t account, struct arena *a,
                                         struct identity **out, size_t *n);
/* ERR_AUTH: the account may not send as that address (RFC 8621: forbiddenFrom); ERR_LIMIT:
 * LIMIT_IDENTITIES_ACCOUNT, LIMIT_IDENTITY_NAME or LIMIT_SIGNATURE; ERR_INPUT: not an address.
 * *id is filled. */
must_use enum error directory_identity_add(struct directory *d, uint64_t account,
                                           const struct identity *i, uint32_t *id);
/* All but id, email, may_delete. ERR_NOTFOUND. */
must_use enum error directory_identity_change(struct directory *d, uint64_t account,
                                              const struct identity *i);
/* ERR_AUTH: not may_delete; ERR_NOTFOUND. */
must_use enum error directory_identity_remove(struct directory *d, uint64_t account, uint32_t id);
/* Identities removed after `state`. ERR_AGAIN: not known that far back. */
must_use enum error directory_identities_gone(struct directory *d, uint64_t account, uint64_t state,
                                              struct arena *a, uint32_t **ids, size_t *n);

/* The absence notice (RFC 8621 8). */
struct vacation {
    bool enabled;
    int64_t from, to;                 /* wall seconds; 0: open */
    struct slice subject, text, html; /* empty: none */
};
must_use enum error directory_vacation(struct directory *d, uint64_t account, struct arena *a,
                                       struct vacation *out);
/* ERR_LIMIT: LIMIT_IDENTITY_NAME for the subject, LIMIT_SIGNATURE for the texts. */
must_use enum error directory_vacation_set(struct directory *d, uint64_t account,
                                           const struct vacation *v);

/* The webmail's settings: one JSON object of at most LIMIT_WEB_SETTINGS bytes, kept as it is; "{}"
 * when none was set. */
must_use enum error directory_settings(struct directory *d, uint64_t account, struct arena *a,
                                       struct slice *json);
/* ERR_LIMIT. */
must_use enum error directory_settings_set(struct directory *d, uint64_t account,
                                           struct slice json);

#endif
