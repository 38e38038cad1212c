/* The session engine (internal to smtp/): a state machine between pieces of input, shared by both
 * faces. It owns the dialogue's order, limits, replies and the message's way into its memfd; a face
 * decides who may send and what becomes of a message. */
#ifndef DEPESCHE_SMTP_SESSION_H
#define DEPESCHE_SMTP_SESSION_H

#include "auth/sasl.h"
#include "smtp/command.h"
#include "smtp/content.h"
#include "smtp/smtp.h"
#include "smtp/trace.h"

enum smtp_mode {
    MODE_COMMAND,
    MODE_SKIP_LINE, /* the rest of an overlong line is thrown away */
    MODE_AUTH,      /* a line of the login */
    MODE_DATA,
    MODE_CHUNK,
};

/* A message on its way in. */
struct smtp_incoming {
    bool open;        /* it is being kept ... */
    int fd;           /* ... in a memfd, or while that is -1 ... */
    struct buf small; /* ... here */
    uint64_t size;
    _Atomic uint64_t *share; /* counts this and what else its address is sending; set while open */
    size_t front;            /* bytes kept free in front */
    struct content content;
    enum smtp_reply refused; /* REPLY_NONE while it is wanted */
};

struct smtp_transaction {
    bool open; /* MAIL was accepted */
    struct arena arena;
    struct slice sender;
    struct smtp_command mail; /* its parameters; slices in the arena */
    struct handover_recipient *recipients;
    size_t n_recipients, cap_recipients;
    char id[TRACE_ID];
    bool chunks; /* BDAT began */
};

struct smtp_session;

struct smtp_face {
    bool submission;
    /* REPLY_NONE: greet and go on; otherwise say that and close. */
    enum smtp_reply (*admit)(struct smtp_session *s, char *text, size_t size);
    enum smtp_reply (*mail)(struct smtp_session *s, const struct smtp_command *c);
    /* REPLY_RECIPIENT_OK or the refusal. */
    enum smtp_reply (*rcpt)(struct smtp_session *s, struct slice address);
    /* The message is whole and good. REPLY_ACCEPTED once it is kept. */
    enum smtp_reply (*message)(struct smtp_session *s);
    /* A command that only this face has (AUTH, XCLIENT); NULL: REPLY_NOT_HERE. */
    enum smtp_reply (*other)(struct smtp_session *s, const struct smtp_command *c);
    enum smtp_reply (*auth_line)(struct smtp_session *s, struct slice line);
    void (*announce)(struct smtp_session *s); /* EHLO lines of its own; may be NULL */
    void (*end)(struct smtp_session *s);      /* may be NULL */
};

struct smtp_session {
    struct conn *conn;
    const struct smtp_face *face;
    const char *host;
    uint64_t max_size;
    uint32_t max_recipients;
    struct ip peer; /* the client's; XCLIENT changes it */
    enum smtp_mode mode;
    bool extended;  /* EHLO, not HELO */
    bool stopping;  /* the service ends: after what is in flight */
    bool closing;   /* the last reply is written */
    bool handshake; /* STARTTLS was answered: the runtime's own deadline holds */
    uint8_t helo_n;
    char helo[LIMIT_DOMAIN];
    unsigned errors, refused, commands, transactions;
    int64_t ends; /* clock_ms */
    struct smtp_transaction t;
    struct smtp_incoming in;
    uint64_t chunk_left;
    bool chunk_last;
    /* Submission */
    struct sasl *sasl;           /* while MODE_AUTH */
    struct account *account;     /* logged in */
    struct login_session *login; /* as long as account */
    struct waker *waker;
    uint64_t wrong; /* keyed hash of the last wrong user and password, 0: none */
};

/* --- session.c --- */

/* Makes the session in open(), with what the service says; greets. */
enum after smtp_session_open(struct conn *c, const struct smtp_face *face, const char *host,
                             const struct smtp_limits *limits);
enum after smtp_session_input(struct conn *c);
enum after smtp_session_timeout(struct conn *c);
/* Says `r` and closes; a message that is on its way is lost to its sender's knowledge. */
enum after smtp_session_break(struct smtp_session *s, enum smtp_reply r);
enum after smtp_session_stopping(struct conn *c);
void smtp_session_close(struct conn *c);
/* Writes the reply; `text` replaces the table's when it is not NULL. 421 and 554 5.5.0 close. */
void smtp_say(struct smtp_session *s, enum smtp_reply r, const char *text);
/* The opening of a session, also after XCLIENT: asks admit() and greets. */
void smtp_greet(struct smtp_session *s);
/* Carries out one command line, without its CRLF. */
void smtp_do_line(struct smtp_session *s, struct slice line);
/* What to park with: the nearest deadline. */
enum after smtp_park(struct smtp_session *s);

/* --- transaction.c: MAIL, RCPT and what belongs to them --- */

enum smtp_reply smtp_do_mail(struct smtp_session *s, const struct smtp_command *c);
enum smtp_reply smtp_do_rcpt(struct smtp_session *s, const struct smtp_command *c);
/* Forgets the transaction and the message with it. */
void smtp_transaction_reset(struct smtp_session *s);
/* The line that a message leaves in the log: `r` is what its sender was told. */
void smtp_log_message(struct smtp_session *s, enum smtp_reply r);

/* --- incoming.c: DATA and BDAT --- */

enum smtp_reply smtp_do_data(struct smtp_session *s);
enum smtp_reply smtp_do_bdat(struct smtp_session *s, const struct smtp_command *c);
/* Takes content off the input; false when more must come first. */
bool smtp_take_data(struct smtp_session *s);
bool smtp_take_chunk(struct smtp_session *s);
/* Throws the message away. */
void smtp_incoming_reset(struct smtp_session *s);

#endif
