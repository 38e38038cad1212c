/* The list of providers to which nothing goes unencrypted: a readable file, built in, and replaced
 * by one that the configuration names (sending.providers). One line a provider:
 *
 *     # verified 2026-11: how and by whom
 *     t-online.de                  verify    *.t-online.de
 *     posteo.de posteo.net         dane
 *
 * domains, then the level (encrypt, verify, dane), then names that a certificate may be for ("*."
 * stands for exactly one label). A domain means itself, not what is below it. The comment lines
 * directly above a line, or above the lines that follow each other, are its remark. */
#ifndef DEPESCHE_QUEUE_PROVIDERS_H
#define DEPESCHE_QUEUE_PROVIDERS_H

#include "base/arena.h"
#include "base/buf.h"
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
/* Copies what it needs of `text`. On ERR_INPUT and ERR_LIMIT (LIMIT_PROVIDERS_TEXT,
 * LIMIT_PROVIDERS) `why` has the line, what was found and what was expected; 256 bytes are always
 * enough for it. */
must_use enum error providers_read(struct slice text, struct providers **out, char *why,
                                   size_t why_size);
/* The list in that file; "": the one that is built in. Errors as file_read()'s and
 * providers_read()'s, `why` is empty when the file cannot be read. */
must_use enum error providers_load(const char *path, struct providers **out, char *why,
                                   size_t why_size);
/* NULL is allowed. */
void providers_free(struct providers *p);
/* The line for exactly this domain (lower case A-labels); false: none. Slices live as the list. */
bool providers_find(const struct providers *p, struct slice domain, struct provider *out);
/* All, in order, for printing: one call for each domain. */
void providers_each(const struct providers *p, void (*fn)(void *arg, const struct provider *p),
                    void *arg);

/* Names for certificates, separated by blanks: host names, or "*." and one, each at least two
 * labels. Writes them in lower case with single blanks to *out. ERR_INPUT; ERR_LIMIT: more than
 * LIMIT_STS_MX, or than *out takes. */
must_use enum error providers_names(struct slice names, struct buf *out);

#endif
