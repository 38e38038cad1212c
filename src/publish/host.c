/* What all domains share: the host's addresses and their names, and what its ports really show. */
#include "base/clock.h"
#include "base/date.h"
#include "net/tls_client.h"
#include "publish/publish_private.h"

enum { DAY = 86400, EXPIRES_SOON = 14 * DAY };

struct host {
    struct findings f;
    struct arena *a;
    struct dns *dns;
    const struct question *q;
    struct slice name; /* without the last dot */
    struct dns_answer tlsa;
    struct tls_client *client;
};

/* --- Addresses --- */

/* Providers' names for lines of their customers have the address in them, or say what they are. */
static bool is_generic(struct slice name, struct ip ip)
{
    static const char *const words[] = {"dyn", "dip", "dial", "dhcp", "dsl", "pool", "broadband"};
    char number[8];
    size_t at = 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (slice_find(name, slice_str(words[i])) < name.n)
            return true;
    if (!ip_is_v4(ip))
        return false;
    /* The last two numbers, in any order: 192.0.2.17 is p2-17.example and 17.2.0.192.example. */
    for (size_t i = 14; i < 16; i++) {
        snprintf(number, sizeof number, "%u", ip.b[i]);
        at += slice_find(name, slice_str(number)) < name.n && ip.b[i] > 9;
    }
    return at == 2;
}

static bool leads_back(struct host *h, struct slice name, struct ip ip)
{
    struct dns_answer answer;
    struct ip found;
    dns_lookup(h->dns, name, ip_is_v4(ip) ? DNS_A : DNS_AAAA, h->f.deadline, h->a, &answer);
    for (size_t i = 0; answer.status == DNS_OK && i < answer.n; i++)
        if (dns_read_ip(answer.record[i], &found) == OK && ip_eq(found, ip))
            return true;
    return false;
}

/* RFC 8499: the address has a name, and the name that address. */
static void judge_reverse(struct host *h, struct ip ip, const struct dns_answer *answer,
                          struct publish_finding *f)
{
    bool confirmed = false, ours = false;
    for (size_t i = 0; i < answer->n; i++) {
        struct slice name;
        if (dns_read_name(answer->record[i], h->a, &name) != OK)
            continue;
        f->found = f->found.n
                       ? arena_printf(h->a, "%.*s, %.*s.", SLICE_FMT(f->found), SLICE_FMT(name))
                       : arena_printf(h->a, "%.*s.", SLICE_FMT(name));
        if (i < 4 && leads_back(h, name, ip)) { /* nobody else looks at many, either */
            confirmed = true;
            ours = ours || slice_ieq(name, h->name);
        }
    }
    f->state = confirmed && ours ? PUBLISH_OK : PUBLISH_WRONG;
    f->need = confirmed ? PUBLISH_SHOULD : PUBLISH_MUST;
    if (f->state == PUBLISH_WRONG)
        f->help = SLICE("set the address's name at whoever rents it to you");
    else if (is_generic(h->name, ip)) {
        f->state = PUBLISH_WRONG;
        f->help = SLICE("a name like those of dial-up lines: some providers refuse it");
    }
    if (f->state == PUBLISH_OK)
        f->need = PUBLISH_MUST;
}

static void check_reverse(struct host *h, struct ip ip)
{
    char text[IP_TEXT];
    struct dns_answer answer;
    ip_print(ip, text);
    dns_lookup(h->dns, dns_reverse_name(ip, h->a), DNS_PTR, h->f.deadline, h->a, &answer);
    struct publish_finding f = {
        .what = arena_printf(h->a, "FCrDNS %s", text),
        .need = PUBLISH_MUST,
        .state = PUBLISH_UNKNOWN,
        .expected = arena_printf(h->a, "%.*s.", SLICE_FMT(h->name)),
        .secure = answer.secure,
    };
    if (answer.status == DNS_OK) {
        judge_reverse(h, ip, &answer, &f);
    } else if (answer.status == DNS_NODATA || answer.status == DNS_NXDOMAIN) {
        f.state = PUBLISH_MISSING;
        f.help = SLICE("set the address's name at whoever rents it to you; many refuse mail "
                       "from addresses without a name");
    } else {
        f.found = answer.why;
    }
    findings_add(&h->f, f);
}

/* `told`: the addresses are known here, and there is a finding about each. */
static void check_addresses(struct host *h, enum dns_type type, enum publish_need need, bool told)
{
    struct dns_answer answer;
    autobuf found = BUF_INIT(LIMIT_PUBLISH_VALUE);
    struct ip ip[LIMIT_DNS_RECORDS];
    size_t n = 0;
    dns_lookup(h->dns, h->name, type, h->f.deadline, h->a, &answer);
    for (size_t i = 0; answer.status == DNS_OK && i < answer.n && n < LIMIT_DNS_RECORDS; i++)
        if (dns_read_ip(answer.record[i], &ip[n]) == OK) {
            char text[IP_TEXT];
            ip_print(ip[n++], text);
            buf_printf(&found, "%s%s", found.n ? ", " : "", text);
        }
    bool failed = answer.status == DNS_FAILED || answer.status == DNS_BOGUS;
    if (!told)
        findings_add(&h->f, (struct publish_finding){
                                .what = arena_printf(h->a, "%s %.*s.", publish_type_name(type),
                                                     SLICE_FMT(h->name)),
                                .need = need,
                                .state = n        ? PUBLISH_OK
                                         : failed ? PUBLISH_UNKNOWN
                                                  : PUBLISH_MISSING,
                                .found = failed ? answer.why : arena_dup(h->a, buf_slice(&found)),
                                .secure = answer.secure,
                            });
    for (size_t i = 0; i < n; i++)
        check_reverse(h, ip[i]);
}

static void check_signed(struct host *h)
{
    bool told = h->tlsa.status != DNS_FAILED && dns_validates(h->dns);
    findings_add(&h->f, (struct publish_finding){
                            .what = arena_printf(h->a, "DNSSEC %.*s.", SLICE_FMT(h->name)),
                            .state = !told            ? PUBLISH_UNKNOWN
                                     : h->tlsa.secure ? PUBLISH_OK
                                                      : PUBLISH_MISSING,
                            .need = PUBLISH_SHOULD,
                            .secure = h->tlsa.secure,
                            .help = h->tlsa.secure ? SLICE_NONE
                                                   : SLICE("without a signed zone nobody counts "
                                                           "TLSA records (DANE)"),
                        });
}

/* --- Certificates --- */

static bool is_ours(const struct question *q, const char *hash)
{
    for (size_t i = 0; i < q->n_ours; i++)
        if (slice_eq(q->ours[i], slice_str(hash)))
            return true;
    return false;
}

/* Records of keys that are here no more: one that others may still match does no harm, but each
 * hides that somebody forgot something. */
static void check_stale(struct host *h)
{
    for (size_t i = 0; h->tlsa.status == DNS_OK && i < h->tlsa.n; i++) {
        struct dns_tlsa t;
        char hash[PUBLISH_TLSA];
        if (dns_read_tlsa(h->tlsa.record[i], &t) != OK || t.usage != 3 || t.selector != 1 ||
            t.matching != 1 || t.data.n != 32)
            continue;
        publish_hex(t.data, hash);
        if (!is_ours(h->q, hash))
            findings_add(&h->f,
                         (struct publish_finding){
                             .what = arena_printf(h->a, "TLSA _25._tcp.%.*s.", SLICE_FMT(h->name)),
                             .state = PUBLISH_WRONG,
                             .need = PUBLISH_MAY,
                             .expected = SLICE("only keys that are here"),
                             .found = arena_printf(h->a, "3 1 1 %s", hash),
                             .help = SLICE("of no key here: take it away two times its TTL "
                                           "after that key was replaced"),
                             .secure = h->tlsa.secure,
                         });
    }
}

static bool dane_counts(const struct host *h)
{
    return h->tlsa.status == DNS_OK && h->tlsa.secure && h->tlsa.n > 0;
}

static struct slice what_is_shown(struct host *h, const struct tls_outcome *o)
{
    char hash[PUBLISH_TLSA];
    autobuf day = BUF_INIT(64);
    publish_hex(slice_of(o->leaf_key_sha256, 32), hash);
    date_print_iso(o->leaf_expires, &day);
    return arena_printf(h->a, "key %s, until %.*s, %s", hash, (int)(day.n < 10 ? day.n : 10),
                        (const char *)day.p, o->version);
}

static void judge_certificate(struct host *h, const struct tls_outcome *o, bool dane,
                              struct publish_finding *f)
{
    char hash[PUBLISH_TLSA];
    publish_hex(slice_of(o->leaf_key_sha256, 32), hash);
    f->found = what_is_shown(h, o);
    f->state = PUBLISH_WRONG;
    if (o->problem != PROBLEM_NONE)
        f->help = dane ? SLICE("no TLSA record fits: mail stays away; publish what `depesche dns "
                               "show` prints")
                       : arena_printf(h->a, "others do not trust it: %s%s%s",
                                      problem_text(o->problem, false), o->detail[0] ? "; " : "",
                                      o->detail);
    else if (!is_ours(h->q, hash))
        f->help = SLICE("not the certificate in the file; `systemctl reload depesche`");
    else if (o->leaf_expires < clock_wall() + EXPIRES_SOON)
        f->help = SLICE("it expires soon: renew it");
    else
        f->state = PUBLISH_OK;
}

/* Port 25 as a server with DANE sees it, all others as a user's program does. */
static void check_port(struct host *h, enum config_service service,
                       const struct config_endpoint *to)
{
    struct dns_tlsa tlsa[LIMIT_PUBLISH_TLSA];
    struct tls_outcome outcome = {0};
    char why[200];
    bool dane = service == SERVICE_SMTP && dane_counts(h);
    struct tls_wish wish = {.check = dane ? TLS_CHECK_DANE : TLS_CHECK_PKIX,
                            .sni = h->name,
                            .names = &h->name,
                            .n_names = 1,
                            .tlsa = tlsa};
    for (size_t i = 0; dane && i < h->tlsa.n && i < LIMIT_PUBLISH_TLSA; i++)
        if (dns_read_tlsa(h->tlsa.record[i], &tlsa[wish.n_tlsa]) == OK)
            wish.n_tlsa++;
    struct publish_finding f = {
        .what = arena_printf(h->a, "certificate on port %u (%s)", to->port,
                             config_service_name(service)),
        .need = PUBLISH_MUST,
        .expected = dane ? SLICE("a key with a TLSA record")
                         : arena_printf(h->a, "a trusted certificate for %.*s", SLICE_FMT(h->name)),
        .secure = dane,
    };
    if (!publish_probe(service, to, h->q->config->host, h->client, &wish, &outcome, why)) {
        f.state = PUBLISH_WRONG;
        f.found = arena_dup(h->a, slice_str(why));
        f.help = SLICE("does the server run? `depesche doctor` looks closer");
    } else {
        judge_certificate(h, &outcome, dane, &f);
        /* Without DANE and MTA-STS servers take any certificate. */
        if (service == SERVICE_SMTP && !dane && outcome.problem != PROBLEM_NONE)
            f.need = PUBLISH_SHOULD;
    }
    findings_add(&h->f, f);
}

static enum error check_ports(struct host *h)
{
    for (enum config_service s = 0; s < SERVICE_COUNT; s++) {
        struct config_endpoint *at;
        size_t n;
        enum error e = config_endpoints(h->q->config, s, h->a, &at, &n);
        if (e)
            return e;
        if (n && s != SERVICE_HTTP) /* the one without TLS */
            check_port(h, s, &at[0]);
    }
    return OK;
}

/* --- */

static bool has_type(const struct publish_record *r, size_t n, enum dns_type type)
{
    for (size_t i = 0; i < n; i++)
        if (r[i].type == type && !r[i].hint)
            return true;
    return false;
}

static enum error check_host(struct host *h)
{
    const struct publish_record *r = h->q->record;
    size_t n = h->q->n_records;
    dns_lookup(h->dns, arena_printf(h->a, "_25._tcp.%.*s", SLICE_FMT(h->name)), DNS_TLSA,
               h->f.deadline, h->a, &h->tlsa);
    publish_compare(&h->f, h->dns, h->q);
    check_addresses(h, DNS_A, PUBLISH_MUST, has_type(r, n, DNS_A));
    check_addresses(h, DNS_AAAA, PUBLISH_SHOULD, has_type(r, n, DNS_AAAA));
    check_signed(h);
    check_stale(h);
    return check_ports(h);
}

enum error publish_check_host(const struct question *q, struct dns *dns, struct slice authorities,
                              struct arena *a, struct publish_finding **out, size_t *n)
{
    struct host h = {.a = a, .dns = dns, .q = q, .name = slice_str(q->config->host)};
    char why[CONFIG_WHY];
    findings_init(&h.f, a);
    enum error e = tls_client_new(TLS_MODERN, authorities, &h.client, why, sizeof why);
    if (!e)
        e = check_host(&h);
    tls_client_free(h.client);
    if (e)
        buf_free(&h.f.list);
    return e ? e : findings_take(&h.f, out, n);
}

/* --- Providers --- */

static bool is_kind(const struct publish_finding *f, const char *kind)
{
    if (strcmp(kind, "FCrDNS") == 0)
        return slice_starts(f->what, SLICE("FCrDNS "));
    if (strcmp(kind, "DKIM") == 0)
        return f->need == PUBLISH_MUST && slice_starts(f->expected, SLICE("v=DKIM1"));
    return slice_starts(f->expected, SLICE("v=spf1"));
}

/* All findings of the kind are good, and there is one. */
static bool fulfilled(const struct publish_finding *f, size_t n, const char *kind)
{
    bool any = false;
    for (size_t i = 0; i < n; i++)
        if (is_kind(&f[i], kind)) {
            any = true;
            if (f[i].state != PUBLISH_OK)
                return false;
        }
    return any;
}

enum error publish_check_providers(const struct publish_finding *f, size_t n_f, struct arena *a,
                                   struct publish_finding **out, size_t *n)
{
    static const char *const good[] = {"no", "yes"};
    struct findings list;
    bool reverse = fulfilled(f, n_f, "FCrDNS"), dkim = fulfilled(f, n_f, "DKIM"),
         spf = fulfilled(f, n_f, "SPF");
    findings_init(&list, a);
    findings_add(&list, (struct publish_finding){
                            .what = SLICE("Deutsche Telekom (t-online.de)"),
                            .state = reverse ? PUBLISH_UNKNOWN : PUBLISH_WRONG,
                            .need = PUBLISH_SHOULD,
                            .expected = SLICE("FCrDNS; a website with an Impressum"),
                            .found = reverse ? SLICE("FCrDNS; the website is yours to look at")
                                             : SLICE("no FCrDNS"),
                            .help = SLICE("a new address is refused until you ask at "
                                          "https://postmaster.t-online.de"),
                        });
    findings_add(&list, (struct publish_finding){
                            .what = SLICE("GMX, WEB.DE"),
                            .state = reverse && dkim && spf ? PUBLISH_OK : PUBLISH_WRONG,
                            .need = PUBLISH_SHOULD,
                            .expected = SLICE("FCrDNS with a name of its own, DKIM, SPF"),
                            .found = arena_printf(a, "FCrDNS: %s, DKIM: %s, SPF: %s", good[reverse],
                                                  good[dkim], good[spf]),
                            .help = SLICE("https://postmaster.gmx.net, https://postmaster.web.de"),
                        });
    return findings_take(&list, out, n);
}
