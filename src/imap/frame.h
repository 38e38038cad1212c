/* What the frame (imap.c) and the commands that change a session's course (login.c, idle.c) ask of
 * each other. */
#ifndef DEPESCHE_IMAP_FRAME_H
#define DEPESCHE_IMAP_FRAME_H

#include "imap/session.h"
#include "imap/sync.h"

/* Ends a command: syncs, writes the tagged answer of s->reply (none: nothing), and forgets the
 * command. */
void imap_finish(struct imap_session *s, enum imap_sync how);

/* login.c */

/* The capability list for the session's present state; in the arena. */
struct slice imap_capabilities(struct imap_session *s);
/* Writes BYE and is true when the guard has closed the services to the client's address. */
bool imap_refuse_address(struct imap_session *s);
/* A client's line during AUTHENTICATE. */
void imap_sasl_line(struct imap_session *s, struct slice line);
void imap_sasl_free(struct imap_session *s);
/* After STARTTLS was answered: hands the connection to TLS. */
enum after imap_start_tls(struct imap_session *s);

/* idle.c: a client's line during IDLE. */
void imap_idle_line(struct imap_session *s, struct slice line);

#endif
