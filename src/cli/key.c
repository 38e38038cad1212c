/* `depesche key`: the keys that sign, and how they are changed without a letter that nobody can
 * verify: published first, used next, taken back last. TLS keys are in roll.c. */
#include "base/clock.h"
#include "cli/dns.h"
#include "cli/keys.h"
#include "cli/output.h"

/* Mail under way, and mail that is looked at again, is verified with keys that sign no more. */
enum { RETIRED_DAYS = 14, TXT_STRING = 255 };

static const char *state_name(enum dkim_state s)
{
    static const char *const names[] = {"next", "active", "retired"};
    return names[s];
}

static int failed(struct slice domain, enum error e)
{
    if (e == ERR_NOTFOUND || e == ERR_INPUT)
        return refuse("%.*s is not one of our domains; `depesche domain list` lists them",
                      SLICE_FMT(domain));
    return refuse("%.*s: %s; `depesche doctor` looks closer", SLICE_FMT(domain), error_name(e));
}

static bool outlived(const struct directory_dkim *k)
{
    return k->state == DKIM_RETIRED && k->retired + RETIRED_DAYS * 86400 <= clock_wall();
}

static void put_name(struct output *o, const struct directory_dkim *k)
{
    struct buf name = BUF_INIT(2 * LIMIT_DOMAIN);
    buf_printf(&name, "%s._domainkey.%s.", k->selector, k->domain);
    output_text(o, buf_slice(&name));
    buf_free(&name);
}

/* A TXT record's text as a zone file has it: in strings of at most 255 bytes (RFC 6376 3.6.2.2). */
static void put_record(struct output *o, struct slice record)
{
    struct buf text = BUF_INIT(LIMIT_DKIM_PEM);
    while (record.n > 0) {
        struct slice piece = slice_sub(record, 0, TXT_STRING);
        buf_str(&text, text.n ? " \"" : "\"");
        buf_add(&text, piece);
        buf_byte(&text, '"');
        record = slice_from(record, piece.n);
    }
    output_text(o, buf_slice(&text));
    buf_free(&text);
}

static enum error list_keys(struct call *c, struct directory *d, struct slice domain)
{
    static const char *const columns[] = {"name", "kind", "state", "created", "retired"};
    struct directory_dkim *list;
    size_t n;
    struct output o;
    enum error e = directory_dkim_list(d, domain, &c->arena, &list, &n);
    if (e)
        return e;
    output_table(&o, c->json, columns, 5);
    for (size_t i = 0; i < n; i++) {
        put_name(&o, &list[i]);
        output_str(&o, list[i].ed25519 ? "ed25519" : "rsa");
        output_str(&o, state_name(list[i].state));
        output_time(&o, list[i].created);
        if (list[i].retired)
            output_time(&o, list[i].retired);
        else
            output_none(&o);
    }
    output_print(&o);
    return OK;
}

int command_key_list(struct call *c)
{
    struct directory *d;
    struct slice domain = call_arg(c, 0);
    if (!call_directory(c, &d))
        return REFUSED;
    bool ours = domain.n == 0 || directory_domain_is_ours(d, domain);
    enum error e = ours ? list_keys(c, d, domain) : ERR_NOTFOUND;
    directory_close(d);
    return e ? failed(domain, e) : DONE;
}

/* --- key roll --dkim --- */

struct roll {
    struct call *call;
    struct directory *directory;
    struct look look; /* for whether the next keys may be used; only when they are to be */
    struct output table;
    size_t next;     /* records that wait for a switch */
    size_t switched; /* domains */
};

/* Retired keys whose time is over go, before their number grows for ever. */
static enum error sweep(struct roll *r, struct slice domain)
{
    struct directory_dkim *list;
    size_t n;
    enum error e = directory_dkim_list(r->directory, domain, &r->call->arena, &list, &n);
    for (size_t i = 0; e == OK && i < n; i++)
        if (outlived(&list[i]))
            e = directory_dkim_remove(r->directory, domain, slice_str(list[i].selector));
    return e;
}

static enum error count_keys(struct roll *r, struct slice domain, size_t count[3])
{
    struct directory_dkim *list;
    size_t n;
    enum error e = directory_dkim_list(r->directory, domain, &r->call->arena, &list, &n);
    for (size_t i = 0; e == OK && i < n; i++)
        count[list[i].state]++;
    return e;
}

/* Everything that the domain's zone must have now. */
static enum error show_records(struct roll *r, struct slice domain)
{
    struct directory_dkim *list;
    size_t n;
    enum error e = directory_dkim_list(r->directory, domain, &r->call->arena, &list, &n);
    for (size_t i = 0; e == OK && i < n; i++) {
        put_name(&r->table, &list[i]);
        output_str(&r->table, "TXT");
        output_str(&r->table, state_name(list[i].state));
        if (r->call->json)
            output_text(&r->table, list[i].record);
        else
            put_record(&r->table, list[i].record);
        r->next += list[i].state == DKIM_NEXT;
    }
    return e;
}

/* One step: the first keys sign at once, since nothing was signed before; later ones are made and
 * wait, until the operator says that they are published. */
static enum error roll_dkim(struct roll *r, struct slice domain)
{
    size_t count[3] = {0};
    enum error e = sweep(r, domain);
    if (e == OK)
        e = count_keys(r, domain, count);
    bool switching = call_has(r->call, "switch");
    if (e == OK && count[DKIM_NEXT] > 0 && switching) {
        e = directory_dkim_switch(r->directory, domain, clock_wall());
        r->switched++;
    }
    if (e == OK && count[DKIM_NEXT] == 0 && !switching)
        e = keys_make_dkim(r->directory, domain, count[DKIM_ACTIVE] ? DKIM_NEXT : DKIM_ACTIVE);
    return e == OK ? show_records(r, domain) : e;
}

static int roll_one(struct roll *r, struct slice domain)
{
    bool ours = directory_domain_is_ours(r->directory, domain);
    enum error e = ours ? roll_dkim(r, domain) : ERR_NOTFOUND;
    return e ? failed(domain, e) : DONE;
}

/* The step for the domain in the first argument, or for all until one is refused. */
static int each_domain(struct roll *r, int (*step)(struct roll *, struct slice))
{
    struct domain *list;
    size_t n;
    if (r->call->n_args)
        return step(r, call_arg(r->call, 0));
    enum error e = directory_domain_list(r->directory, &r->call->arena, &list, &n);
    if (e)
        return failed(SLICE("domains"), e);
    int result = DONE;
    for (size_t i = 0; i < n && result == DONE; i++)
        result = step(r, slice_str(list[i].name));
    return result;
}

/* --- May the next keys sign? --- */

static struct slice explain(struct call *c, const struct publish_finding *f)
{
    struct arena *a = &c->arena;
    switch (f->state) {
    case PUBLISH_OK:
        break;
    case PUBLISH_MISSING:
        return arena_printf(a, "%.*s is not published yet", SLICE_FMT(f->what));
    case PUBLISH_WRONG:
        return arena_printf(a, "%.*s is wrong (%.*s)", SLICE_FMT(f->what), SLICE_FMT(f->help));
    case PUBLISH_UNKNOWN:
        return arena_printf(a, "%.*s cannot be looked up (%.*s)", SLICE_FMT(f->what),
                            SLICE_FMT(f->found));
    }
    return SLICE_NONE;
}

static int judge_key(struct roll *r, const struct publish_finding *f)
{
    if (f->state == PUBLISH_OK)
        return DONE;
    struct slice text = explain(r->call, f);
    if (!call_has(r->call, "force"))
        return refuse("%.*s; %s, or switch nevertheless with --force", SLICE_FMT(text),
                      f->state == PUBLISH_UNKNOWN
                          ? "try again later"
                          : "publish it as `depesche key roll --dkim` prints it");
    warn("%.*s; nobody can verify what its key signs", SLICE_FMT(text));
    return DONE;
}

static int judge_domain(struct roll *r, struct slice domain)
{
    struct publish_input in = {
        .config = r->call->config, .directory = r->directory, .domain = domain};
    struct publish_finding *f;
    size_t n;
    enum error e = dns_ask(&r->look, &in, PUBLISH_NEXT_DKIM, &r->call->arena, &f, &n);
    if (e)
        return call_has(r->call, "force") && e != ERR_NOTFOUND ? DONE : failed(domain, e);
    int result = DONE;
    for (size_t i = 0; i < n && result == DONE; i++)
        result = judge_key(r, &f[i]);
    return result;
}

static int roll_dkim_keys(struct call *c)
{
    static const char *const columns[] = {"name", "type", "state", "text"};
    struct roll r = {.call = c, .look = {.fd = -1}};
    bool switching = call_has(c, "switch");
    if (!call_config(c) || (switching && !look_begin(c, &r.look)))
        return REFUSED;
    if (!call_directory(c, &r.directory)) {
        look_end(&r.look);
        return REFUSED;
    }
    output_table(&r.table, c->json, columns, 4);
    /* All domains before the first one switches: a refusal changes nothing. */
    int result = switching ? each_domain(&r, judge_domain) : DONE;
    look_end(&r.look);
    bool may = result == DONE;
    if (may)
        result = each_domain(&r, roll_one);
    directory_close(r.directory);
    if (may)
        output_print(&r.table);
    if (!c->json && r.next)
        printf("\nPublish these records; when everybody can see the next ones, `depesche key roll "
               "--dkim --switch` signs with them.\n");
    if (result == DONE && switching && r.switched == 0)
        return refuse("no next keys wait for a switch; `depesche key roll --dkim` makes them");
    return result;
}

int command_key_roll(struct call *c)
{
    if (call_has(c, "dkim"))
        return roll_dkim_keys(c);
    return key_roll_tls(c);
}
