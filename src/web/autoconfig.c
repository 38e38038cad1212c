/* Thunderbird's autoconfig, version 1.1, and the IETF's mail-v1.xml
 * (draft-ietf-mailmaint-autoconfig): the same for every address, existing or not, and never asking
 * for a password. */
#include "base/utf8.h"
#include "web/facts.h"
#include "web/handlers.h"
#include "web/markup.h"

struct server {
    const char *kind, *protocol, *socket; /* "incoming", "imap", "SSL" */
    enum config_service service;
};
/* The best first: clients take the first they can. */
static const struct server servers[] = {
    {"incoming", "imap", "SSL", SERVICE_IMAPS},
    {"incoming", "imap", "STARTTLS", SERVICE_IMAP},
    {"outgoing", "smtp", "SSL", SERVICE_SUBMISSIONS},
    {"outgoing", "smtp", "STARTTLS", SERVICE_SUBMISSION},
};

static void write_server(const struct config *c, const struct server *s, struct buf *out)
{
    unsigned port = facts_port(c, s->service);
    if (port == 0)
        return;
    markup(out,
           "    <%sServer type=\"%s\">\n"
           "      <hostname>%s</hostname>\n"
           "      <port>%u</port>\n"
           "      <socketType>%s</socketType>\n"
           "      <authentication>password-cleartext</authentication>\n"
           "      <username>%%EMAILADDRESS%%</username>\n"
           "    </%sServer>\n",
           s->kind, s->protocol, c->host, port, s->socket, s->kind);
}

static void write_jmap(struct slice base, struct buf *out)
{
    markup(out,
           "    <incomingServer type=\"jmap\">\n"
           "      <url>%S/.well-known/jmap</url>\n"
           "      <authentication>basic</authentication>\n"
           "      <username>%%EMAILADDRESS%%</username>\n"
           "    </incomingServer>\n",
           &base);
}

/* The short name has at most 20 characters. */
static struct slice shortened(const char *name)
{
    struct slice rest = slice_str(name);
    for (int i = 0; i < 20 && rest.n; i++)
        (void)utf8_next(&rest);
    return slice_of(name, strlen(name) - rest.n);
}

static void write_config(struct http_exchange *x, const char *domain, bool newer, struct buf *out)
{
    const struct web_service *s = http_service(x);
    const struct config *c = s->config;
    struct slice base = facts_base(c, http_arena(x)), brief = shortened(facts_name(c));
    bool web = facts_port(c, SERVICE_HTTPS) != 0;
    markup(out,
           "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
           "<clientConfig version=\"%s\">\n"
           "  <emailProvider id=\"%s\">\n"
           "    <domain>%s</domain>\n"
           "    <displayName>%s</displayName>\n"
           "    <displayShortName>%S</displayShortName>\n",
           newer ? "1.2" : "1.1", domain, domain, facts_name(c), &brief);
    if (newer && web)
        write_jmap(base, out);
    for (size_t i = 0; i < sizeof servers / sizeof servers[0]; i++)
        write_server(c, &servers[i], out);
    if (web)
        markup(out,
               "    <documentation url=\"%S/\">\n"
               "      <descr lang=\"de\">Angaben zum Server</descr>\n"
               "      <descr lang=\"en\">Details of the server</descr>\n"
               "    </documentation>\n",
               &base);
    markup(out, "  </emailProvider>\n");
    if (web)
        markup(out, "  <webMail>\n    <loginPage url=\"%S/mail/\"/>\n  </webMail>\n", &base);
    markup(out, "</clientConfig>\n");
}

static void finish(struct http_exchange *x)
{
    struct slice address = SLICE_NONE;
    char domain[LIMIT_DOMAIN + 1];
    (void)http_parameter(x, SLICE("emailaddress"), &address);
    if (facts_domain(x, address, domain)) {
        http_problem(x, 404, "domain", "This domain is not served here.",
                     "Diese Domain wird hier nicht bedient.");
        return;
    }
    struct buf out = BUF_INIT(64 * 1024);
    write_config(x, domain, slice_ends(http_path(x), SLICE("/mail-v1.xml")), &out);
    http_answer_buf(x, 200, "text/xml; charset=utf-8", &out);
}

const struct http_handler web_autoconfig = {.finish = finish};
