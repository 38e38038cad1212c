/* Writing responses (RFC 9051 section 7). Everything goes to the connection, which gathers it; a
 * peer that is gone shows in conn_broken(), which long loops should ask now and then. */
#ifndef DEPESCHE_IMAP_RESPOND_H
#define DEPESCHE_IMAP_RESPOND_H

#include "imap/session.h"

/* --- The tagged answer; written by the frame when the command is done. The last call counts. ---
 * `text` is plain ASCII without line ends. Codes: "TRYCREATE", without brackets. */

void imap_ok(struct imap_session *s, const char *text);
void imap_ok_code(struct imap_session *s, struct slice code, const char *text);
void imap_no(struct imap_session *s, const char *code /* or NULL */, const char *text);
void imap_bad(struct imap_session *s, const char *text);
/* NO with the code and sentence that belong to an error of a lower room: ERR_QUOTA OVERQUOTA,
 * ERR_FULL UNAVAILABLE, ERR_NOTFOUND NONEXISTENT, ERR_CONFLICT ALREADYEXISTS, ERR_LIMIT LIMIT,
 * ERR_AUTH NOPERM, ERR_INPUT CANNOT, ERR_IO and others UNAVAILABLE or SERVERBUG. */
void imap_error(struct imap_session *s, enum error e);

/* --- Untagged --- */

void imap_write(struct imap_session *s, struct slice raw);
#define imap_lit(s, literal) imap_write((s), SLICE(literal))
void imap_printf(struct imap_session *s, const char *format, ...) printf_like(2, 3);
void imap_dec(struct imap_session *s, uint64_t value);
/* A whole line: "* " ... CRLF. */
void imap_untagged(struct imap_session *s, const char *format, ...) printf_like(2, 3);

/* quoted where possible, else a literal. 8-bit UTF-8 is quoted only when the client enabled it. */
void imap_string(struct imap_session *s, struct slice text);
/* "{n}" CRLF bytes; "~{n}" for literal8. */
void imap_literal(struct imap_session *s, struct slice bytes);
void imap_literal8(struct imap_session *s, struct slice bytes);
/* The name as a string: UTF-8 or modified UTF-7 as the session has it. */
void imap_mailbox_name(struct imap_session *s, struct slice name);

/* "(\Seen $Work)" */
void imap_flag_names(struct imap_session *s, uint64_t flags);
/* "1:3,7" of normalised ranges. */
void imap_ranges(struct imap_session *s, const struct uid_range *r, size_t n);
void imap_ranges_print(struct buf *out, const struct uid_range *r, size_t n);

/* OBJECTID (RFC 8474): "F12", "M1a2b", "T1a2b", without parentheses. */
void imap_mailbox_id(struct imap_session *s, uint32_t id);
void imap_email_id(struct imap_session *s, uint64_t id);
void imap_thread_id(struct imap_session *s, uint64_t id);

/* "* 3 FETCH (UID 7 FLAGS (\Seen) MODSEQ (12))" CRLF as the session wants it told: MODSEQ with
 * CONDSTORE; UID in UID commands, with QRESYNC and with IMAP4rev2. */
void imap_fetch_flags(struct imap_session *s, uint32_t seq, const struct snapshot_entry *e);

#endif
