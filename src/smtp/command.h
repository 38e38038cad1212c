/* SMTP command lines (RFC 5321 4.1 and the extensions served): a line in, a typed command or the
 * reply that refuses it out. Pure: it allocates nothing, all slices point into the line. Which
 * command may come when is the session's business, not the parser's. */
#ifndef DEPESCHE_SMTP_COMMAND_H
#define DEPESCHE_SMTP_COMMAND_H

#include "smtp/reply.h"

enum smtp_verb {
    VERB_UNKNOWN,
    VERB_EHLO,
    VERB_HELO,
    VERB_MAIL,
    VERB_RCPT,
    VERB_DATA,
    VERB_BDAT,
    VERB_RSET,
    VERB_NOOP,
    VERB_VRFY,
    VERB_EXPN,
    VERB_HELP,
    VERB_QUIT,
    VERB_STARTTLS,
    VERB_AUTH,
    VERB_XCLIENT,
    VERB_FOREIGN, /* a command of HTTP or another protocol: somebody misuses a browser */
};

enum smtp_body { BODY_NONE, BODY_7BIT, BODY_8BITMIME };

struct smtp_command {
    enum smtp_verb verb;
    /* EHLO and HELO: the client's name; AUTH: the mechanism; XCLIENT: the attributes; VRFY and
     * HELP: the text. */
    struct slice argument;
    struct slice initial; /* AUTH: the initial response; p == NULL: none was sent */

    struct slice path; /* MAIL, RCPT: what stands between < and >, a source route removed */

    bool has_size;
    uint64_t size;
    enum smtp_body body;
    bool smtputf8, require_tls;
    uint8_t ret;        /* as in struct queue_entry */
    struct slice envid; /* xtext as sent */

    uint8_t notify;     /* as in struct queue_recipient */
    struct slice orcpt; /* addr-type;xtext as sent */

    uint64_t chunk; /* BDAT */
    bool last;
};

/* `line` is without its CRLF. REPLY_NONE when *out is a good command; otherwise the reply, and only
 * out->verb is set. Paths are checked for their form as a path, the address in it is
 * mailbox_parse()'s to judge. Linear in the line. */
enum smtp_reply smtp_command_parse(struct slice line, struct smtp_command *out);

/* Takes one NAME=value attribute of XCLIENT off *rest; false at the end or when it is malformed
 * (then *rest is not empty). Values are xtext-decoded into `value` of `size` bytes. */
bool smtp_xclient_next(struct slice *rest, struct slice *name, char *value, size_t size);

#endif
