/* The mail transaction: its sender, its recipients, its end. */
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "message/address.h"
#include "smtp/session.h"

void smtp_transaction_reset(struct smtp_session *s)
{
    smtp_incoming_reset(s);
    arena_reset(&s->t.arena);
    struct arena kept = s->t.arena;
    mem_free(s->t.recipients);
    s->t = (struct smtp_transaction){.arena = kept};
    s->chunk_left = 0;
    s->chunk_last = false;
}

/* The address as everyone here compares it: an unneeded quoting undone. In the arena. */
static enum smtp_reply take_address(struct smtp_session *s, struct slice path, bool utf8,
                                    enum smtp_reply bad, struct slice *out)
{
    struct mailbox_address m;
    /* The one recipient that needs no domain (RFC 5321 4.5.1). */
    if (bad == REPLY_BAD_RECIPIENT && slice_ieq(path, SLICE("postmaster"))) {
        *out = SLICE("postmaster");
        return REPLY_NONE;
    }
    if (!utf8 && !ascii_only(path))
        return REPLY_NEED_UTF8;
    if (mailbox_parse(&s->t.arena, path, utf8, &m) != OK)
        return s->t.arena.failed ? REPLY_TOO_MANY_RCPT : bad;
    struct buf b = BUF_INIT(2 * LIMIT_ADDRESS);
    mailbox_print(&m, &b);
    *out = arena_dup(&s->t.arena, buf_slice(&b));
    bool failed = b.failed || s->t.arena.failed;
    buf_free(&b);
    return failed ? bad : REPLY_NONE;
}

static enum smtp_reply check_mail(struct smtp_session *s, const struct smtp_command *c)
{
    if (s->helo_n == 0)
        return REPLY_NEED_HELLO;
    if (s->t.open)
        return REPLY_BAD_SEQUENCE;
    if (s->transactions >= LIMIT_SMTP_TRANSACTIONS)
        return REPLY_TOO_LONG;
    if (c->has_size && c->size > s->max_size)
        return REPLY_TOO_BIG;
    if (c->require_tls && !conn_tls(s->conn))
        return REPLY_NEED_TLS_FOR_IT;
    return REPLY_NONE;
}

enum smtp_reply smtp_do_mail(struct smtp_session *s, const struct smtp_command *c)
{
    enum smtp_reply r = check_mail(s, c);
    struct slice sender = SLICE("");
    if (r == REPLY_NONE && c->path.n > 0)
        r = take_address(s, c->path, c->smtputf8, REPLY_BAD_SENDER, &sender);
    struct smtp_command mail = *c;
    mail.path = sender;
    if (r == REPLY_NONE)
        r = s->face->mail(s, &mail);
    if (r != REPLY_NONE)
        return r;
    s->t.open = true;
    s->t.sender = sender;
    s->t.mail = mail;
    s->t.mail.argument = SLICE_NONE;
    s->t.mail.envid = c->envid.n ? arena_dup(&s->t.arena, c->envid) : SLICE("");
    trace_id(s->t.id);
    s->transactions++;
    s->commands = 0;
    return REPLY_SENDER_OK;
}

static void log_refused(struct smtp_session *s, struct slice address, enum smtp_reply r)
{
    char ip[IP_TEXT];
    ip_print(s->peer, ip);
    log_info("smtp.recipient-refused", log_text("id", s->t.id), log_text("peer", ip),
             log_slice("from", s->t.sender), log_slice("to", address),
             log_u64("code", smtp_reply(r)->code), log_text("status", smtp_reply(r)->enhanced),
             log_text("reason", smtp_reply(r)->text));
}

static void recipient_room(struct smtp_transaction *t)
{
    if (t->n_recipients < t->cap_recipients)
        return;
    size_t cap = t->cap_recipients ? t->cap_recipients * 2 : 4;
    t->recipients = mem_resize(t->recipients, cap, sizeof *t->recipients);
    t->cap_recipients = cap;
}

enum smtp_reply smtp_do_rcpt(struct smtp_session *s, const struct smtp_command *c)
{
    struct smtp_transaction *t = &s->t;
    if (!t->open)
        return REPLY_NEED_MAIL;
    if (t->chunks)
        return REPLY_BAD_SEQUENCE;
    if (t->n_recipients >= s->max_recipients)
        return REPLY_TOO_MANY_RCPT;
    struct slice address = SLICE("");
    enum smtp_reply r = take_address(s, c->path, t->mail.smtputf8, REPLY_BAD_RECIPIENT, &address);
    if (r == REPLY_NONE)
        r = s->face->rcpt(s, address);
    struct slice orcpt = c->orcpt.n ? arena_dup(&t->arena, c->orcpt) : SLICE("");
    if (r == REPLY_RECIPIENT_OK && t->arena.failed)
        r = REPLY_TOO_MANY_RCPT;
    if (r != REPLY_RECIPIENT_OK) {
        s->refused++;
        log_refused(s, address.n ? address : c->path, r);
        return r;
    }
    recipient_room(t);
    s->commands = 0; /* recipients have a limit of their own */
    t->recipients[t->n_recipients++] =
        (struct handover_recipient){.address = address, .orcpt = orcpt, .notify = c->notify};
    return REPLY_RECIPIENT_OK;
}

void smtp_log_message(struct smtp_session *s, enum smtp_reply r)
{
    const struct smtp_reply_text *t = smtp_reply(r);
    char ip[IP_TEXT];
    ip_print(s->peer, ip);
    bool kept = r == REPLY_ACCEPTED;
    log_info(kept ? "smtp.accepted" : "smtp.refused", log_text("id", s->t.id), log_text("peer", ip),
             log_slice("helo", slice_of(s->helo, s->helo_n)),
             log_text("user", s->account ? s->account->address : ""),
             log_slice("from", s->t.sender),
             log_slice("to", s->t.n_recipients ? s->t.recipients[0].address : SLICE("")),
             log_u64("recipients", s->t.n_recipients), log_u64("size", s->in.size),
             log_slice("tls", conn_tls_version(s->conn)), log_u64("code", t->code),
             log_text("reason", kept ? "" : t->text));
}
