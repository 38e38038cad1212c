/* Outlook's Autodiscover: POX (XML by POST) and JSON v2. IMAP and SMTP only: ActiveSync gets the
 * error that its clients understand. */
#include "base/clock.h"
#include "base/json_write.h"
#include "base/random.h"
#include "web/autodiscover_request.h"
#include "web/facts.h"
#include "web/handlers.h"
#include "web/markup.h"

#define XML_TYPE "text/xml; charset=utf-8"
#define OUTER    "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
#define INNER    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"

static void answer_error(struct http_exchange *x, unsigned code, const char *message)
{
    struct buf out = BUF_INIT(8192);
    int64_t ms = clock_wall_ms();
    char at[32];
    snprintf(at, sizeof at, "%02d:%02d:%02d.%03d", (int)(ms / 3600000 % 24), (int)(ms / 60000 % 60),
             (int)(ms / 1000 % 60), (int)(ms % 1000));
    markup(&out,
           "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
           "<Autodiscover xmlns=\"" OUTER "\">\n  <Response>\n"
           "    <Error Time=\"%s\" Id=\"%u\">\n      <ErrorCode>%u</ErrorCode>\n"
           "      <Message>%s</Message>\n      <DebugData/>\n    </Error>\n"
           "  </Response>\n</Autodiscover>\n",
           at, (unsigned)random_below(UINT32_MAX), code, message);
    http_answer_buf(x, 200, XML_TYPE, &out);
}

static void write_protocol(struct buf *out, const char *type, const struct config *c,
                           enum config_service implicit, enum config_service upgraded,
                           const char *address)
{
    unsigned port = facts_port(c, implicit);
    bool tls = port != 0;
    if (!tls)
        port = facts_port(c, upgraded);
    if (port == 0)
        return;
    bool smtp = implicit == SERVICE_SUBMISSIONS;
    markup(out,
           "      <Protocol>\n"
           "        <Type>%s</Type>\n"
           "        <Server>%s</Server>\n"
           "        <Port>%u</Port>\n"
           "        <DomainRequired>off</DomainRequired>\n"
           "        <LoginName>%s</LoginName>\n"
           "        <SPA>off</SPA>\n"
           "        <SSL>on</SSL>\n"
           "        <Encryption>%s</Encryption>\n"
           "        <AuthRequired>on</AuthRequired>\n",
           type, c->host, port, address, tls ? "SSL" : "TLS");
    if (smtp)
        markup(out, "        <UsePOPAuth>on</UsePOPAuth>\n        <SMTPLast>off</SMTPLast>\n");
    markup(out, "      </Protocol>\n");
}

static void begin(struct http_exchange *x)
{
    http_take_body(x, LIMIT_AUTODISCOVER);
}

static void answer_xml(struct http_exchange *x)
{
    const struct web_service *s = http_service(x);
    const struct config *c = s->config;
    struct autodiscover_request rq;
    char domain[LIMIT_DOMAIN + 1];
    if (autodiscover_read(http_body(x), &rq) || !rq.address[0] ||
        (rq.schema[0] && strcmp(rq.schema, INNER) != 0)) {
        answer_error(x, 600, "Invalid Request");
        return;
    }
    if (facts_domain(x, slice_str(rq.address), domain)) {
        answer_error(x, 500, "The e-mail address is not served here.");
        return;
    }
    struct buf out = BUF_INIT(64 * 1024);
    markup(&out,
           "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
           "<Autodiscover xmlns=\"" OUTER "\">\n  <Response xmlns=\"" INNER "\">\n"
           "    <User>\n      <DisplayName>%s</DisplayName>\n    </User>\n"
           "    <Account>\n      <AccountType>email</AccountType>\n"
           "      <Action>settings</Action>\n",
           rq.address);
    write_protocol(&out, "IMAP", c, SERVICE_IMAPS, SERVICE_IMAP, rq.address);
    write_protocol(&out, "SMTP", c, SERVICE_SUBMISSIONS, SERVICE_SUBMISSION, rq.address);
    markup(&out, "    </Account>\n  </Response>\n</Autodiscover>\n");
    http_answer_buf(x, 200, XML_TYPE, &out);
}

/* A GET without TLS: Outlook follows it to the host that can prove its name. */
static void answer_plain(struct http_exchange *x)
{
    const struct web_service *s = http_service(x);
    struct slice base = facts_base(s->config, http_arena(x));
    http_set_field(
        x, "location",
        arena_printf(http_arena(x), "%.*s/autodiscover/autodiscover.xml", SLICE_FMT(base)));
    http_answer(x, 302, NULL, SLICE_NONE);
}

static void answer_json(struct http_exchange *x)
{
    const struct web_service *s = http_service(x);
    struct slice protocol = SLICE_NONE;
    struct buf out = BUF_INIT(8192);
    struct json_writer w;
    /* The letters' case varies with the client. */
    bool known = (http_parameter(x, SLICE("Protocol"), &protocol) ||
                  http_parameter(x, SLICE("protocol"), &protocol)) &&
                 slice_ieq(protocol, SLICE("AutodiscoverV1"));
    jw_init(&w, &out);
    jw_object(&w);
    if (known) {
        struct slice base = facts_base(s->config, http_arena(x));
        jw_key(&w, "Protocol");
        jw_str(&w, "AutodiscoverV1");
        jw_key(&w, "Url");
        jw_text(&w,
                arena_printf(http_arena(x), "%.*s/autodiscover/autodiscover.xml", SLICE_FMT(base)));
    } else {
        jw_key(&w, "ErrorCode");
        jw_str(&w, "InvalidProtocol");
        jw_key(&w, "ErrorMessage");
        jw_str(&w, "The given protocol value is invalid. Supported values are 'AutodiscoverV1'.");
    }
    jw_end(&w);
    http_answer_buf(x, known ? 200 : 400, "application/json", &out);
}

/* Without TLS it is a GET; the paths come in any letter case. */
static void finish(struct http_exchange *x)
{
    if (slice_istarts(http_path(x), SLICE("/autodiscover/autodiscover.json")))
        answer_json(x);
    else if (!http_is_tls(x))
        answer_plain(x);
    else
        answer_xml(x);
}

const struct http_handler web_autodiscover = {.begin = begin, .finish = finish};
