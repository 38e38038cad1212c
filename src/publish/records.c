/* What to publish. One table would not do: most records depend on keys, names and addresses. */
#include "publish/publish_private.h"
#include <openssl/evp.h>

enum { TTL = 3600, TXT_STRING = 255, STS_MAX_AGE = 7 * 86400 };

struct list {
    const struct publish_input *in;
    struct arena *a;
    struct slice domain, host; /* lower case, without the last dot */
    struct buf records;
};

static void add(struct list *l, struct publish_record r)
{
    r.ttl = TTL;
    buf_add(&l->records, slice_of(&r, sizeof r));
}

static struct slice name_in(struct list *l, const char *label, struct slice domain)
{
    return arena_printf(l->a, "%s%s%.*s.", label, label[0] ? "." : "", SLICE_FMT(domain));
}

/* A TXT value: strings of at most 255 bytes (RFC 1035 3.3, RFC 7208 3.3). */
static struct slice quoted(struct arena *a, struct slice text)
{
    autobuf b = BUF_INIT(LIMIT_PUBLISH_VALUE);
    do {
        struct slice piece = slice_sub(text, 0, TXT_STRING);
        buf_str(&b, b.n ? " \"" : "\"");
        for (size_t i = 0; i < piece.n; i++) {
            if (piece.p[i] == '"' || piece.p[i] == '\\')
                buf_byte(&b, '\\');
            buf_byte(&b, piece.p[i]);
        }
        buf_byte(&b, '"');
        text = slice_from(text, piece.n);
    } while (text.n > 0);
    return arena_dup(a, buf_slice(&b));
}

static void add_text(struct list *l, enum publish_need need, struct slice name, struct slice text,
                     const char *remark)
{
    add(l, (struct publish_record){.name = name,
                                   .type = DNS_TXT,
                                   .value = quoted(l->a, text),
                                   .text = text,
                                   .remark = slice_str(remark),
                                   .need = need});
}

static void add_value(struct list *l, enum publish_need need, struct slice name, enum dns_type type,
                      struct slice value, const char *remark)
{
    add(l,
        (struct publish_record){
            .name = name, .type = type, .value = value, .remark = slice_str(remark), .need = need});
}

/* --- The host's --- */

/* Not for the inside of a machine or a network only (RFC 6890, as far as one meets it). */
static bool is_public(struct ip ip)
{
    static const char *const inside[] = {"0.0.0.0/8",      "10.0.0.0/8",     "100.64.0.0/10",
                                         "127.0.0.0/8",    "169.254.0.0/16", "172.16.0.0/12",
                                         "192.168.0.0/16", "224.0.0.0/3",    "::/16",
                                         "fc00::/7",       "fe80::/10",      "ff00::/8"};
    bool v4 = ip_is_v4(ip);
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        struct ip_net net;
        bool of_v4 = strchr(inside[i], '.') != NULL;
        if (of_v4 == v4 && ip_net_parse(slice_str(inside[i]), &net) == OK && ip_net_has(&net, ip))
            return false;
    }
    return true;
}

static bool add_address(struct list *l, struct ip ip)
{
    char text[IP_TEXT];
    if (!is_public(ip))
        return false;
    ip_print(ip, text);
    struct slice name = name_in(l, "", l->host), value = arena_dup(l->a, slice_str(text));
    const struct publish_record *r = (const struct publish_record *)(const void *)l->records.p;
    for (size_t i = 0; i < l->records.n / sizeof *r; i++)
        if (slice_eq(r[i].value, value))
            return true;
    add_value(l, ip_is_v4(ip) ? PUBLISH_MUST : PUBLISH_SHOULD, name,
              ip_is_v4(ip) ? DNS_A : DNS_AAAA, value, "this server");
    return true;
}

static void add_placeholder(struct list *l, enum dns_type type, const char *value)
{
    add(l, (struct publish_record){.name = name_in(l, "", l->host),
                                   .type = type,
                                   .value = slice_str(value),
                                   .remark = SLICE("this server's address as others see it"),
                                   .need = type == DNS_A ? PUBLISH_MUST : PUBLISH_SHOULD,
                                   .hint = true});
}

/* Those that are written in the configuration; behind NAT, or with "every address", nothing here
 * knows what others see. */
static void add_addresses(struct list *l)
{
    const struct config *c = l->in->config;
    const struct config_ips *ips[] = {&c->sending_from, &c->listen_address};
    bool v4 = false, v6 = false;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < ips[k]->n; i++)
            if (add_address(l, ips[k]->item[i])) {
                v4 = v4 || ip_is_v4(ips[k]->item[i]);
                v6 = v6 || !ip_is_v4(ips[k]->item[i]);
            }
    if (!v4)
        add_placeholder(l, DNS_A, "<IPv4 address>");
    if (!v6)
        add_placeholder(l, DNS_AAAA, "<IPv6 address>");
}

static void add_tlsa(struct list *l)
{
    struct slice name = name_in(l, "_25._tcp", l->host);
    for (size_t i = 0; i < l->in->n_identities; i++) {
        const struct publish_identity *id = &l->in->identity[i];
        if (!id->names_host)
            continue;
        add_value(l, PUBLISH_MUST, name, DNS_TLSA, arena_printf(l->a, "3 1 1 %s", id->present),
                  "DANE: the key in use; needs a zone signed with DNSSEC");
        if (id->next[0])
            add_value(l, PUBLISH_SHOULD, name, DNS_TLSA, arena_printf(l->a, "3 1 1 %s", id->next),
                      "DANE: the next key; `depesche key roll`");
    }
}

static void add_host(struct list *l)
{
    add_addresses(l);
    add_tlsa(l);
    add_value(l, PUBLISH_MAY, name_in(l, "", l->host), DNS_CAA,
              SLICE("0 issue \"letsencrypt.org\""),
              "who may issue certificates; name your own authority");
}

/* --- The domain's --- */

static const char *dkim_remark(enum dkim_state s)
{
    static const char *const remarks[] = {"DKIM: a next key; `depesche key roll --dkim --switch`",
                                          "DKIM: signs what leaves",
                                          "DKIM: retired; mail under way is verified with it"};
    return remarks[s];
}

static void add_dkim_key(struct list *l, const struct directory_dkim *k)
{
    add_text(l, k->state == DKIM_ACTIVE ? PUBLISH_MUST : PUBLISH_SHOULD,
             arena_printf(l->a, "%s._domainkey.%.*s.", k->selector, SLICE_FMT(l->domain)),
             k->record, dkim_remark(k->state));
}

static enum error add_dkim(struct list *l)
{
    struct directory_dkim *k;
    size_t n;
    enum error e = directory_dkim_list(l->in->directory, l->domain, l->a, &k, &n);
    for (size_t i = 0; e == OK && i < n; i++)
        add_dkim_key(l, &k[i]);
    return e;
}

static enum error add_next_dkim(struct list *l)
{
    struct directory_dkim *k;
    size_t n;
    enum error e = directory_dkim_list(l->in->directory, l->domain, l->a, &k, &n);
    for (size_t i = 0; e == OK && i < n; i++)
        if (k[i].state == DKIM_NEXT)
            add_dkim_key(l, &k[i]);
    return e;
}

struct slice publish_sts_policy(const struct config *c, struct arena *a)
{
    return arena_printf(a, "version: STSv1\r\nmode: enforce\r\nmx: %s\r\nmax_age: %d\r\n", c->host,
                        STS_MAX_AGE);
}

/* A new policy has a new id, the same one always the same (RFC 8461 3.1). */
static void add_sts(struct list *l)
{
    struct slice policy = publish_sts_policy(l->in->config, l->a);
    uint8_t sum[32];
    char id[2 * 10 + 1];
    if (!EVP_Digest(policy.p, policy.n, sum, NULL, EVP_sha256(), NULL))
        bug("SHA-256 failed");
    publish_hex(slice_of(sum, 10), id);
    const char *remark = "MTA-STS: only with a certificate that is good for mta-sts.<domain>, "
                         "where this server shows the policy below";
    add_text(l, PUBLISH_MAY, name_in(l, "_mta-sts", l->domain),
             arena_printf(l->a, "v=STSv1; id=%s;", id), remark);
    add_value(l, PUBLISH_MAY, name_in(l, "mta-sts", l->domain), DNS_CNAME, name_in(l, "", l->host),
              remark);
}

/* Reports go where `depesche dns reports` looks for them. */
static enum error add_tlsrpt(struct list *l)
{
    struct resolved_target *target;
    struct slice address = arena_printf(l->a, "tlsrpt@%.*s", SLICE_FMT(l->domain));
    enum error e = directory_resolve(l->in->directory, address, l->a, &target);
    if (e == ERR_NOTFOUND || e == ERR_CLOSED)
        address = arena_printf(l->a, "postmaster@%.*s", SLICE_FMT(l->domain));
    else if (e)
        return e;
    add_text(l, PUBLISH_SHOULD, name_in(l, "_smtp._tls", l->domain),
             arena_printf(l->a, "v=TLSRPTv1; rua=mailto:%.*s", SLICE_FMT(address)),
             "reports of how others reached us; `depesche dns reports`");
    return OK;
}

/* "0 1 993 mail.example.org.", with the first port of a service that is offered. */
static struct slice srv_of(struct list *l, enum config_service service, unsigned priority,
                           unsigned weight)
{
    const struct config *c = l->in->config;
    struct slice host = name_in(l, "", l->host);
    return arena_printf(l->a, "%u %u %u %.*s", priority, weight,
                        (unsigned)c->listen[service].item[0].at.port, SLICE_FMT(host));
}

static void add_srv(struct list *l)
{
    static const struct {
        const char *label;
        enum config_service service;
        unsigned priority;
        enum publish_need need;
    } services[] = {
        {"_imaps._tcp", SERVICE_IMAPS, 0, PUBLISH_SHOULD},
        {"_submissions._tcp", SERVICE_SUBMISSIONS, 0, PUBLISH_SHOULD},
        {"_imap._tcp", SERVICE_IMAP, 10, PUBLISH_MAY},
        {"_submission._tcp", SERVICE_SUBMISSION, 10, PUBLISH_MAY},
    };
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        struct slice name = name_in(l, services[i].label, l->domain);
        if (l->in->config->listen[services[i].service].n)
            add_value(l, services[i].need, name, DNS_SRV,
                      srv_of(l, services[i].service, services[i].priority, 1),
                      "mail programs find the server");
        else
            add_value(l, PUBLISH_MAY, name, DNS_SRV, SLICE("0 0 0 ."), "this is not offered");
    }
    static const char *const pop3[] = {"_pop3._tcp", "_pop3s._tcp"};
    for (size_t i = 0; i < 2; i++)
        add_value(l, PUBLISH_MAY, name_in(l, pop3[i], l->domain), DNS_SRV, SLICE("0 0 0 ."),
                  "there is no POP3");
}

static void add_autoconfig(struct list *l)
{
    const char *remark = "mail programs set themselves up; best with a certificate that is good "
                         "for this name";
    struct slice host = name_in(l, "", l->host);
    add_value(l, PUBLISH_MAY, name_in(l, "autoconfig", l->domain), DNS_CNAME, host, remark);
    add_value(l, PUBLISH_MAY, name_in(l, "autodiscover", l->domain), DNS_CNAME, host, remark);
    add_value(l, PUBLISH_MAY, name_in(l, "_autodiscover._tcp", l->domain), DNS_SRV,
              srv_of(l, SERVICE_HTTPS, 0, 0), remark);
    add_value(l, PUBLISH_MAY, name_in(l, "_jmap._tcp", l->domain), DNS_SRV,
              srv_of(l, SERVICE_HTTPS, 0, 1), "JMAP programs find the server");
}

static enum error add_domain(struct list *l)
{
    struct slice domain = name_in(l, "", l->domain);
    add_value(l, PUBLISH_MUST, domain, DNS_MX, arena_printf(l->a, "10 %.*s.", SLICE_FMT(l->host)),
              "mail comes here");
    add_text(l, PUBLISH_MUST, domain, SLICE("v=spf1 mx -all"), "SPF: only this server sends");
    enum error e = add_dkim(l);
    add_text(l, PUBLISH_MUST, name_in(l, "_dmarc", l->domain),
             arena_printf(l->a, "v=DMARC1; p=quarantine; rua=mailto:postmaster@%.*s",
                          SLICE_FMT(l->domain)),
             "DMARC: what others do with forgeries, and where they report");
    if (e == OK)
        e = add_tlsrpt(l);
    add_srv(l);
    /* What our own web server answers for. */
    if (l->in->config->listen[SERVICE_HTTPS].n > 0) {
        add_autoconfig(l);
        add_sts(l);
    }
    return e;
}

/* --- Together --- */

static enum error our_domain(const struct publish_input *in, char out[LIMIT_DOMAIN + 1])
{
    enum error e = mail_domain_parse(in->domain, out);
    if (e)
        return e;
    return directory_domain_is_ours(in->directory, slice_str(out)) ? OK : ERR_NOTFOUND;
}

static void list_init(struct list *l, const struct publish_input *in, struct arena *a,
                      const char *domain)
{
    *l = (struct list){.in = in, .a = a, .records = BUF_INIT(LIMIT_PUBLISH_LIST)};
    l->domain = arena_dup(a, slice_str(domain));
    l->host = slice_str(in->config->host);
    if (slice_ends(l->host, SLICE(".")))
        l->host.n--;
}

static enum error list_take(struct list *l, enum error e, struct publish_record **out, size_t *n)
{
    size_t count = l->records.n / sizeof **out;
    struct publish_record *r = arena_array(l->a, count + 1, sizeof *r);
    if (!r || l->a->failed || l->records.failed)
        e = e ? e : ERR_LIMIT;
    if (e == OK) {
        if (count)
            memcpy(r, l->records.p, l->records.n);
        *out = r;
        *n = count;
    }
    buf_free(&l->records);
    return e;
}

enum error publish_host_records(const struct publish_input *in, struct arena *a,
                                struct publish_record **out, size_t *n)
{
    struct list l;
    list_init(&l, in, a, "");
    add_host(&l);
    return list_take(&l, OK, out, n);
}

static enum error records_of(const struct publish_input *in, enum error (*fill)(struct list *),
                             struct arena *a, struct publish_record **out, size_t *n)
{
    struct list l;
    char domain[LIMIT_DOMAIN + 1];
    enum error e = our_domain(in, domain);
    if (e)
        return e;
    list_init(&l, in, a, domain);
    return list_take(&l, fill(&l), out, n);
}

enum error publish_domain_records(const struct publish_input *in, struct arena *a,
                                  struct publish_record **out, size_t *n)
{
    return records_of(in, add_domain, a, out, n);
}

enum error publish_next_dkim_records(const struct publish_input *in, struct arena *a,
                                     struct publish_record **out, size_t *n)
{
    return records_of(in, add_next_dkim, a, out, n);
}

static bool is_inside(struct slice host, struct slice domain)
{
    return slice_ieq(host, domain) ||
           (slice_iends(host, domain) && host.p[host.n - domain.n - 1] == '.');
}

enum error publish_records(const struct publish_input *in, struct arena *a,
                           struct publish_record **out, size_t *n)
{
    struct list l;
    char domain[LIMIT_DOMAIN + 1];
    enum error e = our_domain(in, domain);
    if (e)
        return e;
    list_init(&l, in, a, domain);
    e = add_domain(&l);
    if (is_inside(l.host, l.domain))
        add_host(&l);
    else
        add(&l,
            (struct publish_record){
                .name = name_in(&l, "", l.host),
                .type = DNS_A,
                .value = SLICE("..."),
                .remark = SLICE("in another zone: the server's A, AAAA, TLSA and CAA records; "
                                "`depesche dns show` of its own domain, if that is served here"),
                .need = PUBLISH_MUST,
                .hint = true});
    return list_take(&l, e, out, n);
}

/* --- As text --- */

const char *publish_type_name(enum dns_type type)
{
    static const struct {
        enum dns_type type;
        const char *name;
    } names[] = {{DNS_A, "A"},     {DNS_CNAME, "CNAME"}, {DNS_PTR, "PTR"},
                 {DNS_MX, "MX"},   {DNS_TXT, "TXT"},     {DNS_AAAA, "AAAA"},
                 {DNS_SRV, "SRV"}, {DNS_TLSA, "TLSA"},   {DNS_CAA, "CAA"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].type == type)
            return names[i].name;
    return "?";
}

void publish_zone(const struct publish_record *r, size_t n, struct slice sts_policy,
                  struct buf *out)
{
    static const char *const needs[] = {"must", "should", "may"};
    for (size_t i = 0; i < n; i++) {
        bool new = i == 0 || !slice_eq(r[i].remark, r[i - 1].remark) || r[i].need != r[i - 1].need;
        if (new &&r[i].remark.n)
            buf_printf(out, "%s; %.*s (%s)\n", i ? "\n" : "", SLICE_FMT(r[i].remark),
                       needs[r[i].need]);
        buf_printf(out, "%s%.*s %u IN %s ", r[i].hint ? "; " : "", SLICE_FMT(r[i].name), r[i].ttl,
                   publish_type_name(r[i].type));
        buf_add(out, r[i].value);
        buf_byte(out, '\n');
    }
    buf_str(out, "\n; the MTA-STS policy (lines end with CRLF):\n");
    struct slice line;
    while (slice_line(&sts_policy, &line))
        buf_printf(out, ";   %.*s\n", SLICE_FMT(line));
}
