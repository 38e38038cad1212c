/* Replies of an SMTP server (RFC 5321 4.2, RFC 2034), read as lines. The server is hostile until
 * proven otherwise: lines, their number and their bytes are bounded, what is no reply ends the
 * session. Pure: lines in, reply out. */
#ifndef DEPESCHE_OUTBOUND_REPLY_H
#define DEPESCHE_OUTBOUND_REPLY_H

#include "base/buf.h"
#include "net/security.h"

#define REPLY_LINES 128         /* LIMIT: of one reply */
#define REPLY_BYTES (16 * 1024) /* LIMIT: text kept of one reply */

struct reply {
    uint16_t code; /* 200..599 */
    /* Enhanced code, "2.1.5"; made from the code ("5.0.0") when it has none. Its class is always
     * the code's, whatever the server wrote: RFC 2034 4 wants them equal, and the code is what
     * counts. */
    char status[12];
    bool has_status;
    struct buf text; /* all lines joined by '\n' as they came, code and separator removed */
    unsigned lines;
};

void reply_init(struct reply *r);
void reply_free(struct reply *r);
void reply_reset(struct reply *r);
/* Takes one line (without its end). *complete: it was the last. ERR_INPUT: not a reply, codes that
 * differ, NUL; ERR_LIMIT: too many lines or bytes. */
must_use enum error reply_line(struct reply *r, struct slice line, bool *complete);
/* The text on one line for people: enhanced codes (they are in `status`) and controls out, what is
 * not UTF-8 as '?', at most LIMIT_RELAY_ANSWER bytes. Appends to *out. */
void reply_text(const struct reply *r, struct buf *out);

/* What an EHLO reply announces. */
struct ehlo {
    bool starttls, pipelining, eight_bit, smtputf8, dsn, size, require_tls, chunking, enhanced;
    bool auth_plain, auth_login;
    uint64_t max_size; /* 0: no limit told */
};
void reply_ehlo(const struct reply *r, struct ehlo *out);

#endif
