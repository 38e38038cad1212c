/* The list of providers to which nothing goes unencrypted: a readable file, built in, and replaced
 * by one that the configuration names (sending.providers). One line a provider:
 *
 *     # verified 2026-11: how and by whom
 *     gmx.de gmx.net gmx.at        verify    *.gmx.net
 *     posteo.de posteo.net         dane
 *     mx:*.kundenserver.de         verify    *.kundenserver.de
 *
 * domains, then the level (encrypt, verify, dane), then names that a certificate may be for. An
 * "mx:" pattern speaks of domains whose mail server has such a name, and counts only when the MX
 * answer is authenticated: it is looked at by `edge`'s result, not before. */
#ifndef DEPESCHE_QUEUE_PROVIDERS_H
#define DEPESCHE_QUEUE_PROVIDERS_H

#include "base/arena.h"
#include "net/security.h"

struct providers; /* immutable */

struct provider {
    struct slice domain; /* of the line that was asked for */
    enum demand demand;
    struct slice mx_names; /* patterns separated by blanks */
    struct slice remark;   /* the comment lines above it, joined */
    unsigned line;
};

/* The list that is built in, as text. */
struct slice providers_builtin(void);
/* On ERR_INPUT `why` (CONFIG_WHY bytes) has line, what was found and what was expected. */
must_use enum error providers_read(struct slice text, struct providers **out, char *why,
                                   size_t why_size);
void providers_free(struct providers *p);
/* The line for exactly this domain (lower case A-labels); false: none. */
bool providers_find(const struct providers *p, struct slice domain, struct provider *out);
/* All, in order, for printing. */
void providers_each(const struct providers *p, void (*fn)(void *arg, const struct provider *p),
                    void *arg);

#endif
