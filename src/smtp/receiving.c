/* Receiving: port 25, in `edge`. Everybody may say anything; what is ours `mail` knows. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "smtp/session.h"

static const struct smtp_receiving *service(const struct smtp_session *s)
{
    return conn_service(s->conn);
}

static enum smtp_reply admit(struct smtp_session *s, char *text, size_t size)
{
    return handover_client_alive(service(s)->handover) ? REPLY_NONE : REPLY_BACKEND_GONE;
}

static enum smtp_reply mail(struct smtp_session *s, const struct smtp_command *c)
{
    return REPLY_NONE;
}

/* What it means that `mail` did not answer. */
static enum smtp_reply no_answer(enum error e)
{
    log_warning("smtp.no-answer", log_text("error", error_name(e)));
    return e == ERR_CLOSED ? REPLY_BACKEND_GONE : REPLY_TEMPORARY;
}

static enum smtp_reply rcpt(struct smtp_session *s, struct slice address)
{
    enum handover_status status;
    uint64_t size = s->t.mail.has_size ? s->t.mail.size : 0;
    enum error e = handover_resolve(service(s)->handover, address, size, &status);
    return e == OK ? smtp_reply_of_handover(status) : no_answer(e);
}

static enum smtp_reply hand_over(struct smtp_session *s, const struct handover_envelope *e)
{
    size_t n = e->n_recipients;
    enum handover_status *status = mem_array(n, sizeof *status);
    const struct handover_message m = {s->in.fd, buf_slice(&s->in.small)};
    enum error error = handover_deliver(service(s)->handover, e, &m, status);
    enum smtp_reply r;
    if (error == OK) {
        enum smtp_reply *each = mem_array(n, sizeof *each);
        for (size_t i = 0; i < n; i++)
            each[i] = smtp_reply_of_handover(status[i]);
        r = smtp_reply_of_all(each, n);
        mem_free(each);
    } else {
        r = no_answer(error);
    }
    mem_free(status);
    return r;
}

static enum smtp_reply message(struct smtp_session *s)
{
    const struct smtp_transaction *t = &s->t;
    int64_t now = clock_wall();
    struct slice helo = slice_of(s->helo, s->helo_n);
    const struct trace trace = {
        .helo = helo,
        .peer = s->peer,
        .host = s->host,
        .extended = s->extended,
        .smtputf8 = t->mail.smtputf8,
        .tls_version = conn_tls_version(s->conn),
        .tls_cipher = conn_tls_cipher(s->conn),
        .id = slice_str(t->id),
        .only_recipient = t->n_recipients == 1 ? t->recipients[0].address : SLICE_NONE,
        .received = now,
    };
    autobuf field = BUF_INIT(LIMIT_SMTP_TRACE);
    trace_received(&trace, &field);
    if (field.failed || (s->in.fd >= 0 && ipc_memfd_seal(s->in.fd) != OK))
        return REPLY_TEMPORARY;
    const struct handover_envelope e = {
        .peer = s->peer,
        .helo = helo,
        .tls_version = trace.tls_version,
        .tls_cipher = trace.tls_cipher,
        .sender = t->sender,
        .envid = t->mail.envid,
        .ret = t->mail.ret,
        .smtputf8 = t->mail.smtputf8,
        .require_tls = t->mail.require_tls,
        .trace = buf_slice(&field),
        .received = now,
        .recipients = t->recipients,
        .n_recipients = t->n_recipients,
    };
    return hand_over(s, &e);
}

static const struct smtp_face face = {
    .admit = admit,
    .mail = mail,
    .rcpt = rcpt,
    .message = message,
};

static enum after open_session(struct conn *c)
{
    const struct smtp_receiving *r = conn_service(c);
    return smtp_session_open(c, &face, r->host, &r->limits);
}

const struct protocol smtp_receiving_protocol = {
    .name = "smtp",
    .open = open_session,
    .input = smtp_session_input,
    .timeout = smtp_session_timeout,
    .stopping = smtp_session_stopping,
    .close = smtp_session_close,
};
