/* Signing what leaves: which of our domains answers for a message, and with which keys. Keys are
 * read from the directory, kept parsed, and looked at again after LIMIT_SIGNING_MS, so that new
 * ones sign soon. Thread-safe. */
#ifndef DEPESCHE_FILTER_SIGNING_H
#define DEPESCHE_FILTER_SIGNING_H

#include "base/buf.h"
#include "directory/directory.h"

struct signing;

/* The directory must stay. */
struct signing *signing_new(struct directory *d);
void signing_free(struct signing *s);

struct signing_request {
    struct slice raw;    /* CRLF lines */
    struct slice sender; /* of the envelope in which it leaves; may be empty */
    bool ours;           /* submitted by an account or made here; else it only passes through */
    int64_t at;          /* wall seconds */
};
/* Appends the DKIM-Signature fields, which belong in front of raw; none when no domain of ours
 * answers for the message.
 * - Ours: the domain of From; else the nearest of our domains above it (From postmaster@
 *   mail.example.org: example.org); else the same for the sender.
 * - Passing through: the sender's domain (a forward under SRS), but never one that is aligned with
 *   From: whoever wrote that into a message outside shall not have it proved by us.
 * ERR_IO, ERR_LIMIT: it cannot be signed now, and should not leave. */
must_use enum error signing_sign(struct signing *s, const struct signing_request *rq,
                                 struct buf *out);

#endif
