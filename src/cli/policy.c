/* `depesche queue policy`: how well a destination must be known before mail goes there, why, and
 * the operator's word about it. */
#include "cli/policy.h"
#include "base/clock.h"
#include "cli/output.h"
#include "cli/queue.h"
#include "queue/providers.h"

struct policy {
    struct memory *memory;
    struct providers *list;
};

static void close_policy(struct policy *p)
{
    memory_close(p->memory);
    providers_free(p->list);
}

static bool open_policy(struct call *c, struct policy *p)
{
    char why[256];
    if (!call_memory(c, &p->memory))
        return false;
    enum error e = providers_load(c->config->providers, &p->list, why, sizeof why);
    if (e) {
        refuse("%s: the list of providers cannot be read: %s", c->config->providers,
               why[0] ? why : error_name(e));
        memory_close(p->memory);
    }
    return e == OK;
}

/* --- All lines --- */

struct listing {
    struct output o;
    const struct memory_line *line; /* the operator's, by domain */
    size_t n;
};

/* The remarks are sentences: too wide for a table that is read. */
static void put_line(struct output *o, struct slice domain, enum demand demand, const char *from,
                     struct slice names, struct slice remark)
{
    output_text(o, domain);
    output_str(o, demand_word(demand));
    output_str(o, from);
    output_text(o, names);
    if (o->json)
        output_text(o, remark);
}

static void put_provider(void *arg, const struct provider *p)
{
    struct listing *l = arg;
    for (size_t i = 0; i < l->n; i++)
        if (slice_eq(l->line[i].domain, p->domain))
            return; /* it stands above, with the operator's line */
    put_line(&l->o, p->domain, p->demand, demand_source_word(SOURCE_LIST), p->mx_names, p->remark);
}

static int list_lines(struct call *c, struct policy *p)
{
    static const char *const columns[] = {"domain", "level", "from", "mx_names", "remark"};
    struct listing l = {0};
    struct memory_line *line;
    enum error e = memory_line_list(p->memory, &c->arena, &line, &l.n);
    if (e)
        return refuse("the lines cannot be read (%s); `depesche doctor` looks closer",
                      error_name(e));
    l.line = line;
    output_table(&l.o, c->json, columns, c->json ? 5 : 4);
    for (size_t i = 0; i < l.n; i++)
        put_line(&l.o, line[i].domain, line[i].demand, demand_source_word(SOURCE_OPERATOR),
                 line[i].mx_names, SLICE(""));
    providers_each(p->list, put_provider, &l);
    output_print(&l.o);
    return DONE;
}

/* --- One domain --- */

/* The operator's line for it; false: there is none. */
static bool find_line(struct call *c, struct policy *p, struct slice domain,
                      struct memory_line *out)
{
    struct memory_line *line;
    size_t n;
    if (memory_line_list(p->memory, &c->arena, &line, &n))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!slice_eq(line[i].domain, domain))
            continue;
        *out = line[i];
        return true;
    }
    return false;
}

static void put_time(struct output *o, int64_t at)
{
    if (at)
        output_time(o, at);
    else
        output_none(o);
}

static void put_level(struct output *o, bool there, enum demand demand)
{
    if (there)
        output_str(o, demand_word(demand));
    else
        output_none(o);
}

static void put_lines(struct output *o, struct slice text)
{
    struct slice lines[LIMIT_STS_MX], line;
    size_t n = 0;
    while (n < LIMIT_STS_MX && slice_line(&text, &line))
        lines[n++] = line;
    output_list(o, lines, n);
}

static void put_ratchet(struct policy *p, struct slice domain, struct output *o)
{
    struct memory_ratchet r;
    memory_ratchet(p->memory, domain, &r);
    if (r.best)
        output_str(o, security_word(r.best));
    else
        output_none(o);
    put_time(o, r.best_at);
    put_time(o, r.tls_at);
}

static void put_plan(const struct policy_plan *plan, struct output *o)
{
    static const char *const sts[] = {[PLAN_STS_NONE] = "none",
                                      [PLAN_STS_TESTING] = "testing",
                                      [PLAN_STS_ENFORCE] = "enforce",
                                      [PLAN_STS_ERROR] = "cannot be had"};
    if (plan->problem)
        output_str(o, problem_text(plan->problem, false));
    else
        output_none(o);
    output_bool(o, plan->mx_secure);
    output_list(o, plan->host, plan->n_hosts);
    output_str(o, sts[plan->sts_mode]);
    put_lines(o, plan->sts_policy);
    put_time(o, plan->sts_until);
    output_text(o, plan->rua);
}

/* What the level means, and what can be done about it. */
static void advise(const struct memory_demand *d, const char *domain)
{
    static const char *const means[DEMAND_COUNT] = {
        [DEMAND_NOTHING] =
            "Nothing is demanded here: encrypted where the other side can, else in clear text.",
        [DEMAND_ENCRYPT] = "Encrypted, or the message waits.",
        [DEMAND_VERIFY] =
            ("Encrypted, to a server proven by DANE, MTA-STS or a certificate for one "
             "of mx_names; else the message waits."),
        [DEMAND_DANE] = "Encrypted, to a server proven by DANE; else the message waits.",
    };
    printf(
        "\n%s What the domain publishes itself (DANE, MTA-STS) comes on top; `mx` has the sum.\n",
        means[d->demand]);
    if (d->source == SOURCE_RATCHET || d->source == SOURCE_RATCHET_TLS)
        printf("It was reached so well before. If it gave that up on purpose, "
               "`depesche queue policy %s --allow-weaker` forgets it.\n",
               domain);
    if (d->source == SOURCE_LIST)
        printf("`depesche queue policy %s --lift` takes the list's line away.\n", domain);
    if (d->source == SOURCE_OPERATOR)
        printf("`depesche queue policy %s --default` takes your line away.\n", domain);
}

/* What is remembered; and what the DNS says, when it is asked (NULL: it is not). */
static int show_domain(struct call *c, struct policy *p, const char *domain, struct look *ask)
{
    static const char *const columns[] = {
        "domain",   "demand",  "because",        "mx_names",      "list",      "list_remark",
        "operator", "reached", "reached_at",     "tls_at",        "problem",   "mx_secure",
        "mx",       "mta_sts", "mta_sts_policy", "mta_sts_until", "reports_to"};
    struct slice name = slice_str(domain);
    struct provider listed = {0};
    struct memory_line line = {0};
    struct memory_demand d;
    struct relay_sts sts;
    struct policy_plan plan;
    struct memory_way way;
    enum error e = policy_way(c, name, &way)
                       ? memory_demand_via(p->memory, p->list, name, &way, &c->arena, &d)
                       : memory_demand(p->memory, p->list, name, c->config->clear_text,
                                       clock_wall(), &c->arena, &d);
    if (e)
        return refuse("what is remembered of %s cannot be read (%s); `depesche doctor` looks "
                      "closer",
                      domain, error_name(e));
    memory_sts(p->memory, name, &c->arena, &sts);
    if (ask && !policy_plan(c, ask, name, &d, &sts, &plan))
        return REFUSED;
    struct output o;
    output_record(&o, c->json, columns, ask ? 17 : 10);
    output_str(&o, domain);
    output_str(&o, demand_word(d.demand));
    output_str(&o, demand_source_word(d.source));
    output_text(&o, d.mx_names);
    bool is_listed = providers_find(p->list, name, &listed);
    put_level(&o, is_listed, listed.demand);
    output_text(&o, listed.remark);
    bool has_line = find_line(c, p, name, &line);
    put_level(&o, has_line, line.demand);
    put_ratchet(p, name, &o);
    if (ask)
        put_plan(&plan, &o);
    output_print(&o);
    if (!c->json)
        advise(&d, domain);
    return DONE;
}

/* --- The operator's word --- */

static bool changes(const struct call *c)
{
    return call_has(c, "level") || call_has(c, "lift") || call_has(c, "default") ||
           call_has(c, "allow-weaker");
}

/* One of --level, --lift, --default; and what belongs to them. */
static bool well_asked(const struct call *c)
{
    if (call_has(c, "level") + call_has(c, "lift") + call_has(c, "default") > 1)
        wrong_usage("only one of --level, --lift and --default says what the line is to be");
    else if (changes(c) && c->n_args == 0)
        wrong_usage("which DOMAIN?");
    else if (call_has(c, "mx") && !call_has(c, "level"))
        wrong_usage("--mx belongs to --level verify");
    else
        return true;
    return false;
}

static int set_line(struct call *c, struct policy *p, const char *domain)
{
    const char *level = call_option(c, "level"), *mx = call_option(c, "mx");
    enum demand demand = DEMAND_NOTHING;
    if (level && (!demand_parse(slice_str(level), &demand) || demand == DEMAND_NOTHING))
        return wrong_usage("--level is encrypt, verify or dane, not '%s'; --lift demands nothing",
                           level);
    if (mx && demand != DEMAND_VERIFY)
        return wrong_usage("--mx belongs to --level verify");
    enum error e = memory_line_set(p->memory, slice_str(domain), demand, slice_str(mx));
    if (e == ERR_INPUT || e == ERR_LIMIT)
        return wrong_usage("--mx takes names of mail servers separated by blanks, such as "
                           "\"*.example.net mx.example.org\"");
    return e ? refuse("the line cannot be written (%s)", error_name(e)) : DONE;
}

static int change(struct call *c, struct policy *p, const char *domain)
{
    int status = DONE;
    if (call_has(c, "level") || call_has(c, "lift"))
        status = set_line(c, p, domain);
    if (status == DONE && call_has(c, "default")) {
        enum error e = memory_line_remove(p->memory, slice_str(domain));
        if (e == ERR_NOTFOUND)
            return refuse("there is no line of yours for %s", domain);
        if (e)
            return refuse("the line cannot be removed (%s)", error_name(e));
    }
    if (status == DONE && call_has(c, "allow-weaker")) {
        enum error e = memory_allow_weaker(p->memory, slice_str(domain));
        bool alone = !call_has(c, "level") && !call_has(c, "lift") && !call_has(c, "default");
        if (e == ERR_NOTFOUND && alone)
            return refuse("nothing is remembered of %s", domain);
        if (e && e != ERR_NOTFOUND)
            return refuse("it cannot be forgotten (%s)", error_name(e));
    }
    return status;
}

int command_queue_policy(struct call *c)
{
    struct policy p;
    char domain[LIMIT_DOMAIN + 1];
    int status;
    if (!well_asked(c))
        return USAGE;
    if (c->n_args > 0 && mail_domain_parse(call_arg(c, 0), domain))
        return wrong_usage("expected a domain, found '%s'", c->args[0]);
    struct look look, *ask = NULL;
    if (c->n_args > 0 && !changes(c) && !call_has(c, "no-lookup"))
        ask = &look;
    if (!call_config(c) || (ask && !look_begin(c, ask)))
        return REFUSED;
    if (!open_policy(c, &p)) {
        if (ask)
            look_end(ask);
        return REFUSED;
    }
    if (c->n_args == 0)
        status = list_lines(c, &p);
    else
        status = change(c, &p, domain);
    if (c->n_args > 0 && status == DONE)
        status = show_domain(c, &p, domain, ask);
    close_policy(&p);
    if (ask)
        look_end(ask);
    return status;
}
