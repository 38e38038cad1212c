/* SRS: the envelope sender of a forward, rewritten to an address here, so that the next server's
 * SPF check speaks of us, and back again when a bounce comes to it.
 * SRS0=HHHHHHHH=TT=domain=local@ours, SRS1 for what was rewritten already elsewhere; a keyed hash
 * and a day stamp of LIMIT_SRS_DAYS keep others from using it as a relay. */
#ifndef DEPESCHE_FILTER_SRS_H
#define DEPESCHE_FILTER_SRS_H

#include "base/buf.h"

#define SRS_SECRET 32

struct srs {
    uint8_t secret[SRS_SECRET];
};
/* `sender` rewritten to an address in `domain`, appended to out. The empty sender, and one in
 * `domain` itself, stays as it is. ERR_LIMIT: it would be longer than an address may be (the local
 * part than LIMIT_SRS_LOCAL); ERR_INPUT: not an address. `now`: wall seconds. */
must_use enum error srs_forward(const struct srs *s, struct slice sender, struct slice domain,
                                int64_t now, struct buf *out);
/* Is this local part one of ours in form? Cheap. */
bool srs_looks_like(struct slice local);
/* The sender behind it. ERR_NOTFOUND: not in form; ERR_AUTH: a wrong hash, or too old. */
must_use enum error srs_back(const struct srs *s, struct slice local, int64_t now, struct buf *out);

#endif
