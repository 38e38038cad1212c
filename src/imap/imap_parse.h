/* The lexer of IMAP commands (RFC 9051 section 9), over bytes that nobody vouches for.
 *
 * A command is one gathered text and its literals. The reader (reader.h) takes "{n}" CRLF out of
 * the line and leaves the single byte '{' in its place; literal k stands where literals[k].at says.
 * So the lexer walks one slice, forward only, and a literal's bytes are never copied.
 *
 * Errors are sticky: after the first one every function gives nothing (empty slice, zero, false)
 * and takes nothing; look at lex_end() once at the end. Loops must end at lex_ok() == false, which
 * the list functions here do by themselves. What is made lives in the arena; slices without escapes
 * point into the command. Everything is gone when the command is done. */
#ifndef DEPESCHE_IMAP_IMAP_PARSE_H
#define DEPESCHE_IMAP_IMAP_PARSE_H

#include "base/arena.h"
#include "base/date.h"
#include "base/limits.h"
#include "store/store.h"

struct imap_literal {
    size_t at;          /* offset of its '{' in the text */
    struct slice bytes; /* the content */
    bool binary;        /* a literal8, "~{n}": may hold NUL */
};

struct imap_text {
    struct slice text; /* tag, command and arguments, without the line end */
    const struct imap_literal *literals;
    size_t n;
};

struct imap_lexer {
    struct arena *arena;
    struct slice rest;
    const uint8_t *start;
    const struct imap_literal *literals;
    size_t n_literals, next_literal;
    unsigned depth;   /* open parentheses taken with lex_open() */
    bool utf8;        /* IMAP4rev2 or UTF8=ACCEPT: mailbox names are UTF-8, else modified UTF-7 */
    bool uid;         /* the command came with the UID prefix */
    bool pattern;     /* within lex_list_mailbox() */
    enum error error; /* ERR_INPUT: BAD; ERR_LIMIT: BAD, a limit was hit */
    const char *why;  /* static text for the BAD answer */
};

/* The text must outlive the lexer. */
void lex_init(struct imap_lexer *l, struct arena *a, const struct imap_text *t);

static inline bool lex_ok(const struct imap_lexer *l)
{
    return l->error == OK;
}
/* Sets the error, once. `why` is static text: "Missing mailbox name". */
void lex_fail(struct imap_lexer *l, const char *why);
void lex_limit(struct imap_lexer *l, const char *why);
/* The command must be over, all literals taken and parentheses closed. Returns the sticky error. */
must_use enum error lex_end(struct imap_lexer *l);
/* True when nothing is left (no error). */
bool lex_at_end(const struct imap_lexer *l);
/* The next byte, -1 at the end or after an error. */
int lex_peek(const struct imap_lexer *l);
/* Takes the byte if it stands here. */
bool lex_skip(struct imap_lexer *l, uint8_t byte);
/* The byte must stand here. */
void lex_expect(struct imap_lexer *l, uint8_t byte);
/* Exactly one SP must stand here. */
void lex_sp(struct imap_lexer *l);
/* Takes '(' / ')' and counts; over LIMIT_IMAP_NESTING is an error. lex_open: false (no error) when
 * there is no '('. */
bool lex_open(struct imap_lexer *l);
bool lex_close(struct imap_lexer *l);
/* For lists: inside parentheses after an element, takes SP and is true, or takes ')' and is false.
 * Anything else is an error (and false). Typical:
 *     lex_open_list(l);  do { ...one element... } while (lex_more(l)); */
void lex_open_list(struct imap_lexer *l);
bool lex_more(struct imap_lexer *l);

/* Takes the word (any case; given in upper case) when it stands here as a whole, that is, no atom
 * character follows. */
bool lex_word(struct imap_lexer *l, const char *word);
/* An attribute or command name: letters, digits, '.', '-', '=', '/' and '+'. Ends before '[', '<'
 * and blanks: "BODY.PEEK" of "BODY.PEEK[HEADER]<0.10>". Error when empty. */
struct slice lex_name(struct imap_lexer *l);
/* At most LIMIT_IMAP_TAG bytes. */
struct slice lex_tag(struct imap_lexer *l);
/* 1*ATOM-CHAR */
struct slice lex_atom(struct imap_lexer *l);
/* quoted or literal; no NUL. */
struct slice lex_string(struct imap_lexer *l);
/* string, or 1*ASTRING-CHAR. */
struct slice lex_astring(struct imap_lexer *l);
/* "NIL" gives p == NULL, else a string. */
struct slice lex_nstring(struct imap_lexer *l);
/* True when the next token is a string (quoted or literal); takes nothing. */
bool lex_is_string(const struct imap_lexer *l);
/* A literal or literal8 as it came; NULs are left to the caller. *binary says literal8. */
struct slice lex_literal(struct imap_lexer *l, bool *binary);

/* number 0..2^32-1, nz-number, number64 / mod-sequence 0..2^63-1. */
uint32_t lex_number(struct imap_lexer *l);
uint32_t lex_nz_number(struct imap_lexer *l);
uint64_t lex_number64(struct imap_lexer *l);

/* A mailbox name as UTF-8 in NFC; "inbox" in any case (also as the first level) becomes "INBOX". In
 * utf8 mode an invalid UTF-8 name is an error; else modified UTF-7 is decoded, and only its one
 * canonical form is taken, so that LIST shows the name as it was given; a name with bytes over 127
 * is taken as UTF-8. A trailing '/' is taken off. */
struct slice lex_mailbox(struct imap_lexer *l);
/* list-mailbox: as lex_mailbox, but % and * may stand in an unquoted one, a trailing '/' stays, and
 * what is no modified UTF-7 (a wildcard may stand in a run) is taken as it is. */
struct slice lex_list_mailbox(struct imap_lexer *l);

/* A flag list "(\Seen $Work)", or with `bare` also "\Seen $Work" without parentheses (STORE).
 * \Recent is taken and ignored; any other unknown \Flag is an error, and so is a keyword over
 * LIMIT_KEYWORD_NAME bytes or more than LIMIT_KEYWORDS. */
void lex_flags(struct imap_lexer *l, bool bare, struct flag_list *out);

/* "dd-Mon-yyyy hh:mm:ss +zzzz" in quotes. */
struct date lex_date_time(struct imap_lexer *l);
/* date: with or without quotes; the day's first second. */
int64_t lex_day(struct imap_lexer *l);

/* --- Sets of message numbers or uids --- */

/* As written: 0 stands for '*'. At most LIMIT_IMAP_SET_RANGES ranges. */
struct imap_set {
    struct uid_range *range; /* first and last in the order given; either may be 0 */
    size_t n;
    bool saved; /* "$": the saved search result (RFC 9051 6.4.4.1); n is 0 then */
};
/* sequence-set: numbers, ranges, '*' and '$'. */
void lex_set(struct imap_lexer *l, struct imap_set *out);
/* A uid-set without '*' and '$' (QRESYNC's known-uids, UID lists): error when one stands there. */
void lex_uid_set(struct imap_lexer *l, struct imap_set *out);

/* Sorts ranges by their first member and merges what touches or overlaps; first > last is turned
 * round before. In place; returns the new number. O(n log n), O(n) when sorted already. */
size_t ranges_normalise(struct uid_range *r, size_t n);
/* Is the uid in normalised ranges? */
bool ranges_have(const struct uid_range *r, size_t n, uint32_t uid);
/* What stands in both; both normalised. The result is made in `a` (NULL and *out_n 0 at the cap or
 * when nothing is common). */
struct uid_range *ranges_intersect(struct arena *a, const struct uid_range *x, size_t nx,
                                   const struct uid_range *y, size_t ny, size_t *out_n);

#endif
