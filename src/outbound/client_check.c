/* What of a request can be said to this server: sizes, extensions, and the forms of addresses and
 * parameters on the wire. A byte that would end a path or a line never gets past here. */
#include "base/utf8.h"
#include "outbound/client_private.h"
#include <idn2.h>

/* SRS makes local parts that are longer than RFC 5321's 64. */
#define PATH_LENGTH (LIMIT_SRS_LOCAL + 1 + LIMIT_DOMAIN)

/* A problem that this side finds, for good. */
static struct client_failure verdict(enum problem problem, const char *status, const char *text)
{
    struct client_failure f;
    client_fail(&f, problem, status, text);
    f.permanent = true;
    return f;
}

/* Every CR is followed by LF and every LF follows a CR (RFC 5321 2.3.8): anything else is read as
 * the end of a line by some servers and not by others, which is how a second message is smuggled
 * in. */
static bool lines_are_whole(struct slice raw)
{
    if (raw.n == 0)
        return true;
    const uint8_t *p = raw.p, *end = raw.p + raw.n;
    while (p < end) {
        const uint8_t *lf = memchr(p, '\n', (size_t)(end - p));
        const uint8_t *stop = lf ? lf : end;
        const uint8_t *cr = memchr(p, '\r', (size_t)(stop - p));
        if (lf ? cr == NULL || cr != lf - 1 : cr != NULL)
            return false;
        p = lf ? lf + 1 : end;
    }
    return true;
}

static bool is_control(uint8_t c)
{
    return c < ' ' || c == 127;
}

/* Where the quoted string that begins `s` ends (after its quote), 0: it does not. */
static size_t quoted_length(struct slice s)
{
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] == '"')
            return i + 1;
        if (s.p[i] == '\\')
            i++;
    }
    return 0;
}

/* Whether it can stand between < and > and be nothing but one mailbox there. What it means is for
 * the other server to judge. */
static bool is_path(struct slice s)
{
    const bool quoted = s.n > 0 && s.p[0] == '"';
    const size_t local = quoted ? quoted_length(s) : slice_index(s, '@');
    if (local == 0 || local + 1 >= s.n || s.n > PATH_LENGTH || s.p[local] != '@' || !utf8_valid(s))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        const bool plain = !quoted || i >= local;
        if (is_control(s.p[i]))
            return false;
        if (plain && memchr(" <>()\\,;\"", s.p[i], 9) != NULL)
            return false;
        if (plain && i != local && s.p[i] == '@')
            return false;
    }
    return true;
}

/* The value of a parameter: printable, no blank, no "=" (RFC 5321 4.1.2 esmtp-value), UTF-8 as
 * RFC 6533 allows. */
static bool is_value(struct slice s, size_t max)
{
    for (size_t i = 0; i < s.n; i++)
        if (is_control(s.p[i]) || s.p[i] == ' ' || s.p[i] == '=')
            return false;
    return s.n <= max && utf8_valid(s);
}

static bool is_orcpt(struct slice s)
{
    const size_t semicolon = slice_index(s, ';');
    return s.n == 0 || (semicolon > 0 && semicolon + 1 < s.n && is_value(s, LIMIT_SMTP_ORCPT));
}

/* The domain's A-labels when nothing else needs SMTPUTF8: that form passes everywhere. */
static enum error with_a_labels(struct arena *a, struct slice address, struct slice *out)
{
    const size_t at = slice_rindex(address, '@');
    const struct slice local = slice_sub(address, 0, at);
    const struct slice domain = slice_from(address, at + 1);
    *out = address;
    if (!ascii_only(local) || ascii_only(domain))
        return OK;
    char text[PATH_LENGTH + 1], *found = NULL;
    if (slice_cstr(domain, text, sizeof text) != OK ||
        idn2_to_ascii_8z(text, &found,
                         IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL | IDN2_USE_STD3_ASCII_RULES) !=
            IDN2_OK)
        return ERR_INPUT;
    *out = arena_printf(a, "%.*s@%s", SLICE_FMT(local), found);
    idn2_free(found);
    return out->n > 0 ? OK : ERR_LIMIT;
}

/* An address that has no form for the wire; for want of memory it is only not now. */
static struct client_failure no_path(enum error e, const char *status, const char *text)
{
    if (e != ERR_LIMIT)
        return verdict(PROBLEM_UNSENDABLE, status, text);
    struct client_failure f;
    client_fail(&f, PROBLEM_BUSY, "4.3.1", "");
    return f;
}

static enum error wire_path(struct arena *a, struct slice address, struct slice *out)
{
    return is_path(address) ? with_a_labels(a, address, out) : ERR_INPUT;
}

/* RFC 6533 3: where SMTPUTF8 is not spoken, each character that is not ASCII is written \x{HEX}. */
static struct slice wire_orcpt(struct arena *a, struct slice orcpt, bool smtputf8)
{
    if (smtputf8 || ascii_only(orcpt))
        return orcpt;
    autobuf text = BUF_INIT(LIMIT_SMTP_ORCPT * 8);
    for (int32_t c; (c = utf8_next(&orcpt)) >= 0;) {
        if (c < 128)
            buf_byte(&text, (uint8_t)c);
        else
            buf_printf(&text, "\\x{%X}", (unsigned)c);
    }
    return arena_dup(a, buf_slice(&text));
}

/* The header alone counts: bodies of eight bits are 8BITMIME's business. */
static bool header_is_ascii(struct slice raw)
{
    return ascii_only(slice_sub(raw, 0, slice_find(raw, SLICE("\r\n\r\n"))));
}

/* What concerns all recipients alike; false: *f says why nothing can be sent. */
static bool check_message(struct transaction *t, struct client_failure *f)
{
    const struct ehlo *ehlo = &t->c->ehlo;
    const struct relay_request *rq = t->rq;
    enum error e = rq->sender.n > 0 ? wire_path(t->a, rq->sender, &t->sender) : OK;
    if (!lines_are_whole(t->raw))
        *f = verdict(PROBLEM_UNSENDABLE, "5.6.0", "a bare CR or LF in the message");
    else if (ehlo->size && ehlo->max_size > 0 && t->raw.n > ehlo->max_size)
        *f = verdict(PROBLEM_TOO_BIG, "5.3.4", "");
    else if (!is_value(rq->envid, LIMIT_SMTP_ENVID) || !ascii_only(rq->envid))
        *f = verdict(PROBLEM_UNSENDABLE, "5.5.4", "the envelope id cannot be sent");
    else if (e != OK)
        *f = no_path(e, "5.1.7", "the sender's address cannot be sent");
    else if (relay_insists(rq) && !(ehlo->require_tls && dial_is_tls(t->c->d)))
        *f = verdict(PROBLEM_NO_REQUIRETLS, "5.7.30", "");
    else if (!ehlo->smtputf8 &&
             (!ascii_only(t->sender) || (rq->smtputf8 && !header_is_ascii(t->raw))))
        *f = verdict(PROBLEM_NO_SMTPUTF8, "5.6.7", "");
    else
        return true;
    return false;
}

static bool check_recipient(struct transaction *t, size_t i, struct client_failure *f)
{
    const struct relay_recipient *r = &t->rq->recipient[i];
    struct client_recipient *w = &t->recipient[i];
    enum error e = is_orcpt(r->orcpt) ? wire_path(t->a, r->address, &w->address) : ERR_INPUT;
    if (e != OK)
        *f = no_path(e, "5.1.3", "the recipient's address cannot be sent");
    else if (!t->c->ehlo.smtputf8 && !ascii_only(w->address))
        *f = verdict(PROBLEM_NO_SMTPUTF8, "5.6.7", "");
    else
        return true;
    return false;
}

void client_check(struct transaction *t)
{
    struct client_failure f;
    bool need_utf8 = t->rq->smtputf8;
    if (!check_message(t, &f)) {
        client_decide_rest(t, &f);
        return;
    }
    for (size_t i = 0; i < t->rq->n_recipients; i++) {
        if (!check_recipient(t, i, &f)) {
            client_decide(t, i, &f);
            continue;
        }
        need_utf8 = need_utf8 || !ascii_only(t->recipient[i].address);
        t->open++;
    }
    t->smtputf8 = t->c->ehlo.smtputf8 && (need_utf8 || !ascii_only(t->sender));
    for (size_t i = 0; i < t->rq->n_recipients; i++)
        t->recipient[i].orcpt = wire_orcpt(t->a, t->rq->recipient[i].orcpt, t->smtputf8);
}
