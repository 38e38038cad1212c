/* A look at our own ports as others see them: connect, start TLS in the protocol's words, leave. */
#include "base/clock.h"
#include "base/limits.h"
#include "net/dial.h"
#include "publish/publish_private.h"

struct probe {
    struct dial *d;
    int64_t deadline;
    const char *host;
};

static enum error say(struct probe *p, const char *words)
{
    dial_write(p->d, slice_str(words));
    return dial_flush(p->d, p->deadline, 0);
}

/* --- SMTP --- */

/* A whole reply; *offered: one of its lines is the keyword STARTTLS. */
static enum error smtp_reply(struct probe *p, const char *code, bool *offered)
{
    struct slice line;
    for (int i = 0; i < LIMIT_PUBLISH_LINES; i++) {
        enum error e = dial_line(p->d, LIMIT_DIAL_BUFFER, p->deadline, &line);
        if (e)
            return e;
        if (!slice_starts(line, slice_str(code)))
            return ERR_AUTH;
        if (offered && slice_ieq(slice_trim(slice_from(line, 4)), SLICE("STARTTLS")))
            *offered = true;
        if (line.n == 3 || line.p[3] == ' ')
            return OK;
    }
    return ERR_LIMIT;
}

static enum error smtp_start(struct probe *p)
{
    char ehlo[LIMIT_DOMAIN + 16];
    bool offered = false;
    snprintf(ehlo, sizeof ehlo, "EHLO %s\r\n", p->host);
    enum error e = smtp_reply(p, "220", NULL);
    if (!e)
        e = say(p, ehlo);
    if (!e)
        e = smtp_reply(p, "250", &offered);
    if (!e && !offered)
        e = ERR_NOTFOUND;
    if (!e)
        e = say(p, "STARTTLS\r\n");
    return e ? e : smtp_reply(p, "220", NULL);
}

/* --- IMAP --- */

static enum error imap_start(struct probe *p)
{
    struct slice line;
    enum error e = dial_line(p->d, LIMIT_DIAL_BUFFER, p->deadline, &line);
    if (!e && !slice_istarts(line, SLICE("* OK")))
        e = ERR_AUTH;
    if (!e)
        e = say(p, "a STARTTLS\r\n");
    for (int i = 0; !e && i < LIMIT_PUBLISH_LINES; i++) {
        e = dial_line(p->d, LIMIT_DIAL_BUFFER, p->deadline, &line);
        if (!e && slice_starts(line, SLICE("a ")))
            return slice_istarts(line, SLICE("a OK")) ? OK : ERR_NOTFOUND;
    }
    return e ? e : ERR_LIMIT;
}

/* --- */

static enum error start(struct probe *p, enum config_service service)
{
    switch (service) {
    case SERVICE_SMTP:
    case SERVICE_SUBMISSION:
        return smtp_start(p);
    case SERVICE_IMAP:
        return imap_start(p);
    case SERVICE_SUBMISSIONS:
    case SERVICE_IMAPS:
    case SERVICE_HTTPS:
    case SERVICE_HTTP:
    case SERVICE_COUNT:
        break;
    }
    return OK;
}

static const char *explain(enum error e)
{
    if (e == ERR_NOTFOUND)
        return "it offers no STARTTLS";
    if (e == ERR_AUTH)
        return "it does not let us in";
    return e == ERR_TIMEOUT ? "it does not answer in time" : "it breaks off";
}

/* A service on every address listens on loopback, too. */
static struct dial_address address_of(const struct config_endpoint *to)
{
    struct dial_address a = {to->ip, to->port};
    struct ip none4 = {{[10] = 0xff, [11] = 0xff}}, none6 = {{0}};
    if (ip_eq(to->ip, none4))
        a.ip = (struct ip){{[10] = 0xff, [11] = 0xff, 127, 0, 0, 1}};
    else if (ip_eq(to->ip, none6))
        a.ip = (struct ip){{[15] = 1}};
    return a;
}

bool publish_probe(enum config_service service, const struct config_endpoint *to, const char *host,
                   struct tls_client *client, const struct tls_wish *wish, struct tls_outcome *out,
                   char why[200])
{
    struct dial_address address = address_of(to);
    struct probe p = {.deadline = clock_ms() + LIMIT_PUBLISH_PROBE_MS, .host = host};
    struct dial_options o = {.address = &address, .n = 1, .deadline = p.deadline};
    size_t which;
    int why_errno = 0;
    if (dial_open(&o, &p.d, &which, &why_errno) != OK) {
        snprintf(why, 200, "no connection: %s", strerror(why_errno));
        return false;
    }
    enum error e = start(&p, service);
    if (e)
        snprintf(why, 200, "%s", explain(e));
    else if ((e = dial_start_tls(p.d, client, wish, p.deadline, out)) != OK)
        snprintf(why, 200, "no TLS: %.150s", out->detail);
    dial_close(p.d);
    return e == OK;
}
