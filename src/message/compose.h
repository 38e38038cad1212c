/* Fields that a mail server writes itself: in front of a message on its way (trace fields, RFC 5321
 * 4.4), and those that submission adds when they are missing (RFC 6409 8). Values given as slices
 * may come from the network: what could break a line is taken out of them. */
#ifndef DEPESCHE_MESSAGE_COMPOSE_H
#define DEPESCHE_MESSAGE_COMPOSE_H

#include "base/buf.h"

/* One field "Name: value CRLF", folded before a word that would pass column 78; a longer word stays
 * whole. `value` is ASCII or UTF-8 (in a message that may have that); control characters become
 * SP. Text that needs encoded words goes through header_encode_words(). */
void compose_field(const char *name, struct slice value, struct buf *out);

/* What a Received field tells (RFC 5321 4.4). Empty slices leave their clause out. */
struct compose_received {
    struct slice helo;      /* what the client said; "unknown" when empty */
    struct slice peer;      /* its address, "192.0.2.1" or "2001:db8::1"; empty hides the client */
    struct slice name;      /* its verified host name */
    struct slice by;        /* this host */
    struct slice protocol;  /* "ESMTPS", "ESMTPSA", "UTF8SMTPS", "LMTP" ... */
    struct slice tls;       /* "TLS1.3 TLS_AES_256_GCM_SHA384": a comment */
    struct slice id;        /* the transaction's */
    struct slice recipient; /* only when there is one, so that none is disclosed to another */
    int64_t when;           /* seconds since 1970 */
    int16_t zone;           /* minutes east of UTC */
};
void compose_received(const struct compose_received *r, struct buf *out);

/* "Return-Path: <sender> CRLF", the null sender empty; `mailbox` as mailbox_print() writes it. */
void compose_return_path(struct slice mailbox, struct buf *out);
/* "Delivered-To: mailbox CRLF" */
void compose_delivered_to(struct slice mailbox, struct buf *out);

/* "Date: ... CRLF" */
void compose_date(int64_t when, int16_t zone, struct buf *out);
/* A new identifier "<...@domain>", unique by time and 60 random bits. */
void compose_message_id(struct slice domain, struct buf *out);
/* The same as a field. */
void compose_message_id_field(struct slice domain, struct buf *out);

#endif
