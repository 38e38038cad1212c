/* The command reader: gathers a command's text and its literals out of a stream of bytes that may
 * stop anywhere. Pure: bytes in, an event out; it neither reads nor writes the connection.
 *
 * A literal is refused before it is read: the caller is asked with its size (READER_LITERAL) and
 * answers with reader_accept(), or reader_next() to forget the whole command. Memory grows with
 * what has come, not with what was announced. */
#ifndef DEPESCHE_IMAP_READER_H
#define DEPESCHE_IMAP_READER_H

#include "base/buf.h"
#include "imap/imap_parse.h"

enum reader_state {
    READER_IN_LINE,
    READER_IN_LITERAL,
    READER_IN_LONG_LINE, /* over the limit: skipped up to its end */
    READER_ASKING,
};

enum reader_event {
    READER_MORE,    /* everything was taken; feed more */
    READER_LITERAL, /* a literal of reader.asked bytes is announced */
    READER_COMMAND, /* a whole command: reader_text() */
    /* A line over LIMIT_IMAP_LINE was skipped; reader_text() has its beginning. When r->last is '}'
     * a literal may follow that nobody can tell from commands: close. */
    READER_TOO_LONG,
};

struct reader_literal;

struct reader {
    struct buf text;
    struct reader_literal *literals; /* array that grows by doubling */
    struct imap_literal *view;
    size_t n_literals, cap_literals;
    enum reader_state state;
    size_t left;       /* bytes of the literal still to come */
    uint64_t total;    /* bytes of all literals of this command */
    uint64_t asked;    /* announced size; UINT64_MAX when it does not fit */
    bool asked_sync;   /* the client waits for "+" */
    bool asked_binary; /* "~{n}" */
    uint8_t last;      /* of a line that is skipped: its last byte before the line end */
    size_t skipped;    /* bytes of that line that were thrown away; the caller may set it back */
};

void reader_init(struct reader *r);
/* Gives all memory back; ready for the next command. */
void reader_free(struct reader *r);
/* As reader_free, after wiping: for commands that may hold a password. */
void reader_wipe(struct reader *r);
/* True when nothing of a command has been taken yet: the session may be parked without memory. */
bool reader_empty(const struct reader *r);

/* Takes bytes off *in until something happens. */
enum reader_event reader_feed(struct reader *r, struct slice *in);
/* After READER_LITERAL: the bytes that follow are the literal. */
void reader_accept(struct reader *r);
/* The command as gathered so far (after READER_LITERAL: up to before the literal) or as a whole.
 * Valid until the next reader_feed() or reader_next(). */
struct imap_text reader_text(struct reader *r);
/* Forgets the command; the next byte begins a new one. Keeps small memory. */
void reader_next(struct reader *r);
/* One line off *in without the rules of commands (SASL, DONE); false when it is not whole yet: all
 * was taken and kept. *too_long when it is over `max`. Valid as reader_text(). */
bool reader_line(struct reader *r, struct slice *in, size_t max, struct slice *line,
                 bool *too_long);

#endif
