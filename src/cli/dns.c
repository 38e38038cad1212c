/* `depesche dns show` and `dns check`: what to publish, and whether it is. A confined child that
 * has none of it reads from the network (look.h); files are read as whoever called, then the
 * process becomes the data folder's owner. */
#include "cli/dns.h"
#include "base/clock.h"
#include "cli/output.h"

bool dns_identities(struct call *c, struct publish_identity **out, size_t *n)
{
    char why[CONFIG_WHY];
    if (!call_config(c))
        return false;
    enum error e = publish_identities(c->config, &c->arena, out, n, why);
    if (e)
        refuse("%s", why);
    return e == OK;
}

/* Config, identities, directory: what all of it needs. */
static bool open_input(struct call *c, struct publish_input *in)
{
    struct publish_identity *id;
    *in = (struct publish_input){0};
    if (!dns_identities(c, &id, &in->n_identities) || !call_directory(c, &in->directory))
        return false;
    in->identity = id;
    in->config = c->config;
    return true;
}

static int failed(struct slice domain, enum error e)
{
    if (e == ERR_NOTFOUND || e == ERR_INPUT)
        return refuse("%.*s is not one of our domains; `depesche domain list` lists them",
                      SLICE_FMT(domain));
    return refuse("%.*s: cannot be looked up (%s); `depesche doctor` looks closer",
                  SLICE_FMT(domain), error_name(e));
}

static const char *need_name(enum publish_need n)
{
    static const char *const names[] = {"must", "should", "may"};
    return names[n];
}

/* --- show --- */

static void print_records(const struct publish_record *r, size_t n)
{
    static const char *const columns[] = {"name", "type", "ttl", "value", "need", "hint", "remark"};
    struct output o;
    output_table(&o, true, columns, 7);
    for (size_t i = 0; i < n; i++) {
        output_text(&o, r[i].name);
        output_str(&o, publish_type_name(r[i].type));
        output_number(&o, r[i].ttl);
        output_text(&o, r[i].value);
        output_str(&o, need_name(r[i].need));
        output_bool(&o, r[i].hint);
        output_text(&o, r[i].remark);
    }
    output_print(&o);
}

static enum error print_zone(struct call *c, const struct publish_record *r, size_t n)
{
    autobuf zone = BUF_INIT(LIMIT_PUBLISH_ZONE);
    publish_zone(r, n, publish_sts_policy(c->config, &c->arena), &zone);
    if (buf_check(&zone) == OK)
        fwrite(zone.p, 1, zone.n, stdout);
    return buf_check(&zone);
}

int command_dns_show(struct call *c)
{
    struct publish_input in;
    struct publish_record *r;
    size_t n;
    if (!open_input(c, &in))
        return REFUSED;
    in.domain = call_arg(c, 0);
    enum error e = publish_records(&in, &c->arena, &r, &n);
    directory_close(in.directory);
    if (!e && c->json)
        print_records(r, n);
    else if (!e)
        e = print_zone(c, r, n);
    return e ? failed(in.domain, e) : DONE;
}

/* --- check --- */

struct check {
    struct call *call;
    struct publish_input in;
    struct look look;
    struct publish_finding *host;
    size_t n_host;
    struct output table;
    bool log; /* warnings instead of a table */
    unsigned bad;
};

static const char *state_name(enum publish_state s)
{
    static const char *const names[] = {"ok", "missing", "wrong", "unknown"};
    return names[s];
}

/* All of it in one cell, last in its line: values may be long. */
static struct slice comment(struct arena *a, const struct publish_finding *f)
{
    autobuf b = BUF_INIT(LIMIT_CLI_ARENA);
    if (f->state == PUBLISH_WRONG && f->expected.n) {
        buf_add(&b, f->found.n ? f->found : SLICE("nothing"));
        buf_str(&b, " instead of ");
        buf_add(&b, f->expected);
    } else {
        buf_add(&b, f->state == PUBLISH_MISSING ? f->expected : f->found);
    }
    if (f->help.n) {
        buf_str(&b, b.n ? "; " : "");
        buf_add(&b, f->help);
    }
    return arena_dup(a, buf_slice(&b));
}

static void put_finding(struct check *k, const struct publish_finding *f)
{
    output_str(&k->table, state_name(f->state));
    output_str(&k->table, need_name(f->need));
    output_bool(&k->table, f->secure);
    output_text(&k->table, f->what);
    if (!k->call->json) {
        output_text(&k->table, comment(&k->call->arena, f));
        return;
    }
    output_text(&k->table, f->expected);
    output_text(&k->table, f->found);
    output_text(&k->table, f->help);
}

static void report(struct check *k, const struct publish_finding *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool bad = f[i].need == PUBLISH_MUST &&
                   (f[i].state == PUBLISH_WRONG || f[i].state == PUBLISH_MISSING);
        k->bad += bad;
        if (!k->log)
            put_finding(k, &f[i]);
        else if (bad)
            log_warning("dns.record", log_slice("what", f[i].what),
                        log_text("state", state_name(f[i].state)),
                        log_slice("expected", f[i].expected), log_slice("found", f[i].found),
                        log_slice("help", f[i].help));
    }
}

/* The providers' wishes need both kinds of findings. */
static enum error check_providers(struct check *k, const struct publish_finding *f, size_t n)
{
    struct arena *a = &k->call->arena;
    struct publish_finding *both = arena_array(a, k->n_host + n + 1, sizeof *both), *out;
    size_t n_out;
    if (!both)
        return ERR_LIMIT;
    for (size_t i = 0; i < k->n_host; i++)
        both[i] = k->host[i];
    for (size_t i = 0; i < n; i++)
        both[k->n_host + i] = f[i];
    enum error e = publish_check_providers(both, k->n_host + n, a, &out, &n_out);
    if (!e)
        report(k, out, n_out);
    return e;
}

enum error dns_ask(struct look *l, const struct publish_input *in, enum publish_question what,
                   struct arena *a, struct publish_finding **out, size_t *n)
{
    autobuf question = BUF_INIT(LIMIT_LOOK_RECORD), answer = BUF_INIT(LIMIT_LOOK_RECORD);
    enum error e = publish_ask(in, what, a, &question);
    if (!e)
        e = look_ask(l, LOOK_RECORDS, buf_slice(&question), &answer);
    return e ? e : publish_read_findings(arena_dup(a, buf_slice(&answer)), a, out, n);
}

enum error dns_visible(struct look *l, const struct config *c, const char *hash,
                       struct publish_visible *out)
{
    const struct publish_input in = {.config = c};
    autobuf question = BUF_INIT(LIMIT_LOOK_RECORD), answer = BUF_INIT(LIMIT_LOOK_RECORD);
    autoarena a;
    arena_init(&a, LIMIT_PUBLISH_LIST);
    enum error e = publish_ask(&in, PUBLISH_TLSA_SEEN, &a, &question);
    if (!e)
        e = look_ask(l, LOOK_RECORDS, buf_slice(&question), &answer);
    return e ? e : publish_visible(c, buf_slice(&answer), hash, clock_wall(), out);
}

static enum error check_domain(struct check *k, struct slice domain)
{
    struct publish_finding *f;
    size_t n;
    k->in.domain = domain;
    enum error e = dns_ask(&k->look, &k->in, PUBLISH_DOMAIN, &k->call->arena, &f, &n);
    if (e)
        return e;
    report(k, f, n);
    return check_providers(k, f, n);
}

static int check_domains(struct check *k)
{
    struct domain *list;
    size_t n;
    struct arena *a = &k->call->arena;
    if (k->call->n_args) {
        enum error e = check_domain(k, call_arg(k->call, 0));
        return e ? failed(call_arg(k->call, 0), e) : DONE;
    }
    enum error e = directory_domain_list(k->in.directory, a, &list, &n);
    for (size_t i = 0; e == OK && i < n; i++)
        e = check_domain(k, slice_str(list[i].name));
    return e ? failed(SLICE("domains"), e) : DONE;
}

/* Also keeps the note since when the records of keys can be seen, which `key roll` asks for. */
static enum error check_host(struct check *k)
{
    struct publish_visible visible;
    enum error e = dns_visible(&k->look, k->in.config, "", &visible);
    if (!e && visible.wait == PUBLISH_CANNOT_TELL)
        log_warning("dns.unknown", log_text("why", visible.why));
    if (!e)
        e = dns_ask(&k->look, &k->in, PUBLISH_HOST, &k->call->arena, &k->host, &k->n_host);
    if (!e)
        report(k, k->host, k->n_host);
    return e;
}

static int check_all(struct check *k)
{
    enum error e = check_host(k);
    return e ? failed(slice_str(k->in.config->host), e) : check_domains(k);
}

static void begin_table(struct check *k)
{
    static const char *const text[] = {"state", "need", "dnssec", "record", "found"};
    static const char *const json[] = {"state",    "need",  "dnssec", "record",
                                       "expected", "found", "help"};
    if (k->call->json)
        output_table(&k->table, true, json, 7);
    else
        output_table(&k->table, false, text, 5);
}

int command_dns_check(struct call *c)
{
    struct check k = {.call = c, .log = call_has(c, "log")};
    if (!call_config(c) || !look_begin(c, &k.look))
        return REFUSED;
    int result = REFUSED;
    begin_table(&k);
    if (open_input(c, &k.in)) {
        result = check_all(&k);
        directory_close(k.in.directory);
    }
    look_end(&k.look);
    if (!k.log)
        output_print(&k.table);
    if (result == DONE && k.bad && !k.log)
        return refuse("%u of what must be there %s missing or wrong", k.bad,
                      k.bad == 1 ? "is" : "are");
    return k.bad ? REFUSED : result;
}
