/* The lexer of structured header fields (RFC 5322 3.2 with the obsolete forms, RFC 2045 5.1), used
 * by the address and the MIME parser. It reads raw values, folds still inside, and is as forgiving
 * as Dovecot: what it skips and what it refuses decides what clients see in ENVELOPE. Reading never
 * goes back, so a value is read in linear time. */
#ifndef DEPESCHE_MESSAGE_SCAN_H
#define DEPESCHE_MESSAGE_SCAN_H

#include "base/arena.h"

/* Text put together from pieces of one input. As long as the pieces are neighbours it is a
 * sub-slice; only what has to be joined is copied, into the arena. Zero-initialise. */
struct text {
    struct slice s;
    uint8_t *own; /* the copy, NULL while it is a sub-slice */
    size_t room;  /* bytes of the copy */
};

void text_add(struct text *t, struct arena *a, struct slice piece);
void text_byte(struct text *t, struct arena *a, uint8_t byte);

/* What a rule found: it does not stand there, it does and the input is used up, it does and more
 * follows. */
enum scan_result { SCAN_BROKEN = -1, SCAN_END = 0, SCAN_MORE = 1 };

struct scan {
    struct arena *a;
    const uint8_t *p, *end;
    struct text comment; /* the last comment that was skipped, without its parentheses */
};

static inline struct scan scan_of(struct arena *a, struct slice s)
{
    return (struct scan){a, s.p, s.p ? s.p + s.n : s.p, {{NULL, 0}, NULL, 0}};
}
static inline bool scan_at(const struct scan *s, uint8_t byte)
{
    return s->p < s->end && *s->p == byte;
}
static inline enum scan_result scan_state(const struct scan *s)
{
    return s->p < s->end ? SCAN_MORE : SCAN_END;
}

/* Part of an atom: no control, blank or special; all bytes over 127 are (RFC 6532). */
bool scan_is_atext(uint8_t c);

/* Blanks, line ends and comments. BROKEN for a comment without end. */
enum scan_result scan_blanks(struct scan *s);
/* All that follow append what they read to `out`, and skip the blanks after it. */
enum scan_result scan_atom(struct scan *s, struct text *out);
enum scan_result scan_dot_atom(struct scan *s, struct text *out);
/* At the opening quote. Escapes and folds are undone. */
enum scan_result scan_quoted(struct scan *s, struct text *out);
/* Words joined by one SP; may be empty. */
enum scan_result scan_phrase(struct scan *s, struct text *out);
/* At the "@" before the domain, which may be a literal. */
enum scan_result scan_domain(struct scan *s, struct text *out);
/* A MIME token, may be empty. */
enum scan_result scan_token(struct scan *s, struct text *out);

#endif
