/* `depesche dns reports`: what other servers tell of their way to us (TLS reports, RFC 8460). They
 * come by mail to tlsrpt@ of our domains, or to its postmaster, and are read where they lie. */
#include "base/clock.h"
#include "cli/command.h"
#include "cli/output.h"
#include "queue/report.h"
#include <stdlib.h>

enum { DAY = 24 * 3600, DAYS_DEFAULT = 30, DAYS_MOST = 3650 };

/* A policy of a report. */
struct row {
    int64_t day;
    struct slice reporter, id, domain, policy;
    uint64_t ok, failed;
    struct slice *why;
    size_t n_why;
    size_t message, index; /* in the order of reading */
};

struct search {
    struct call *call;
    struct store *store;
    int64_t since;
    uint64_t account;
    uint32_t mailbox;
    struct buf accounts; /* uint64_t each */
    struct buf rows;     /* struct row each */
    size_t messages, unread;
};

/* --- Whose mail is looked through --- */

static void add_account(struct search *s, uint64_t account)
{
    for (size_t i = 0; i < s->accounts.n; i += sizeof account)
        if (memcmp(s->accounts.p + i, &account, sizeof account) == 0)
            return;
    buf_add(&s->accounts, slice_of(&account, sizeof account));
}

static enum error add_readers(struct search *s, struct directory *d, const char *domain)
{
    struct arena *a = &s->call->arena;
    struct resolved_target *target;
    enum error e = directory_resolve(d, arena_printf(a, "tlsrpt@%s", domain), a, &target);
    if (e == ERR_NOTFOUND)
        e = directory_resolve(d, arena_printf(a, "postmaster@%s", domain), a, &target);
    if (e == ERR_NOTFOUND || e == ERR_CLOSED)
        return OK; /* nobody here has them */
    for (; e == OK && target != NULL; target = target->next)
        if (target->account != 0)
            add_account(s, target->account);
    return e;
}

static enum error find_readers(struct search *s)
{
    struct directory *d;
    struct domain *domain = NULL;
    size_t n = 0;
    if (!call_directory(s->call, &d))
        return ERR_IO;
    enum error e = OK;
    if (s->call->config->postmaster[0])
        e = directory_postmaster(d, slice_str(s->call->config->postmaster));
    if (e == OK)
        e = directory_domain_list(d, &s->call->arena, &domain, &n);
    for (size_t i = 0; e == OK && i < n; i++)
        e = add_readers(s, d, domain[i].name);
    directory_close(d);
    if (e != OK)
        refuse("who gets the reports cannot be found out (%s)", error_name(e));
    return e;
}

/* --- Messages --- */

static struct slice tell_failure(struct arena *a, const struct tls_report_line *l)
{
    struct slice where = l->mx.n ? l->mx : l->peer;
    return arena_printf(a, "%.*s %llu%s%.*s%s%.*s", SLICE_FMT(l->result),
                        (unsigned long long)l->failure, where.n ? " at " : "", SLICE_FMT(where),
                        l->detail.n ? ": " : "", SLICE_FMT(l->detail));
}

/* The sums at *i and the failures behind them; *i is moved on. */
static struct row read_row(struct search *s, const struct tls_report_in *r, size_t *i)
{
    struct arena *a = &s->call->arena;
    const struct tls_report_line *sum = &r->line[*i];
    size_t n = 1;
    while (*i + n < r->n && r->line[*i + n].result.n > 0)
        n++;
    struct row row = {
        .day = r->begin,
        .reporter = arena_dup(a, r->organization),
        .id = arena_dup(a, r->id),
        .domain = arena_dup(a, sum->policy_domain),
        .policy = arena_dup(a, sum->policy),
        .ok = sum->success,
        .failed = sum->failure,
        .why = arena_array(a, n, sizeof(struct slice)),
        .message = s->messages,
        .index = *i,
    };
    for (size_t k = 1; row.why && k < n; k++)
        row.why[row.n_why++] = tell_failure(a, &sum[k]);
    *i += n;
    return row;
}

static void read_message(struct search *s, struct slice raw)
{
    autoarena a;
    struct tls_report_in r;
    arena_init(&a, LIMIT_TLSRPT_ARENA);
    enum error e = tls_report_of_message(&a, raw, &r);
    if (e == ERR_NOTFOUND)
        return;
    if (e != OK) {
        s->unread++;
        return;
    }
    s->messages++;
    for (size_t i = 0; i < r.n;) {
        struct row row = read_row(s, &r, &i);
        buf_add(&s->rows, slice_of(&row, sizeof row));
    }
}

/* Does the structure name a part of type application/tlsrpt...? */
static bool may_be_report(struct slice structure)
{
    for (size_t i = 0; i < structure.n; i++)
        if (ascii_lower(structure.p[i]) == 't' &&
            slice_istarts(slice_from(structure, i), SLICE("tlsrpt")))
            return true;
    return false;
}

static bool on_message(void *arg, const struct store_row *row)
{
    struct search *s = arg;
    struct store_body body;
    if (row->internal_date < s->since || !may_be_report(row->structure))
        return true;
    if (store_body(s->store, s->account, s->mailbox, row->uid, &body) == OK) {
        read_message(s, body.raw);
        store_body_free(&body);
    }
    return true;
}

/* The newest LIMIT_TLSRPT_SCAN messages. */
static enum error search_mailbox(struct search *s)
{
    struct snapshot *n;
    enum error e = store_snapshot(s->store, s->account, s->mailbox, &n);
    if (e != OK)
        return e == ERR_NOTFOUND ? OK : e;
    uint32_t count = snapshot_info(n).count;
    uint32_t first = count > LIMIT_TLSRPT_SCAN ? count - LIMIT_TLSRPT_SCAN + 1 : 1;
    if (count > 0) {
        struct uid_range range = {snapshot_at(n, first)->uid, UINT32_MAX};
        e = store_read(s->store, s->account, s->mailbox, &range, 1, FIELD_STRUCTURE | FIELD_DATES,
                       on_message, s);
    }
    snapshot_unref(n);
    return e;
}

static enum error search_account(struct search *s)
{
    const struct mailbox_list *l;
    enum error e = store_mailboxes(s->store, s->account, &l);
    if (e != OK)
        return e == ERR_NOTFOUND ? OK : e;
    for (size_t i = 0; e == OK && i < l->n; i++) {
        s->mailbox = l->box[i].id;
        if (l->box[i].use != USE_JUNK)
            e = search_mailbox(s);
    }
    store_mailboxes_unref(l);
    return e;
}

static enum error search_all(struct search *s)
{
    enum error e = OK;
    if (!call_store(s->call, &s->store))
        return ERR_IO;
    for (size_t i = 0; e == OK && i < s->accounts.n; i += sizeof s->account) {
        memcpy(&s->account, s->accounts.p + i, sizeof s->account);
        e = search_account(s);
    }
    store_close(s->store);
    if (e == OK && (s->rows.failed || s->call->arena.failed))
        e = ERR_LIMIT;
    if (e != OK)
        refuse("the mail cannot be looked through (%s); try fewer --days", error_name(e));
    return e;
}

/* --- The table --- */

static int same_report(const struct row *a, const struct row *b)
{
    int order = (a->day > b->day) - (a->day < b->day);
    if (order == 0)
        order = slice_cmp(a->reporter, b->reporter);
    return order != 0 ? order : slice_cmp(a->id, b->id);
}

static int by_day(const void *x, const void *y)
{
    const struct row *a = x, *b = y;
    int order = same_report(a, b);
    if (order == 0)
        order = (a->message > b->message) - (a->message < b->message);
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static void put_row(struct output *o, const struct row *r)
{
    output_time(o, r->day);
    output_text(o, r->reporter);
    output_text(o, r->domain);
    output_text(o, r->policy);
    output_number(o, r->ok);
    output_number(o, r->failed);
    output_list(o, r->why, r->n_why);
}

static void print_rows(struct search *s)
{
    static const char *const columns[] = {"day", "reporter", "domain", "policy",
                                          "ok",  "failed",   "why"};
    struct output o;
    size_t n = s->rows.n / sizeof(struct row), first = 0;
    struct row *row = arena_array(&s->call->arena, n, sizeof *row);
    if (row == NULL)
        n = 0;
    for (size_t i = 0; i < n; i++)
        memcpy(&row[i], s->rows.p + i * sizeof *row, sizeof *row);
    qsort(row, n, sizeof *row, by_day);
    output_table(&o, s->call->json, columns, 7);
    for (size_t i = 0; i < n; i++) {
        /* Several mailboxes may have the same report. */
        if (same_report(&row[i], &row[first]) != 0)
            first = i;
        if (row[i].message == row[first].message)
            put_row(&o, &row[i]);
    }
    bool none = o.n == 0;
    output_print(&o);
    if (none && !s->call->json)
        puts("No reports.");
    if (s->unread > 0)
        fprintf(stderr, "%zu more cannot be read as reports\n", s->unread);
}

int command_dns_reports(struct call *c)
{
    const char *days = call_option(c, "days");
    uint32_t n = DAYS_DEFAULT;
    struct search s = {
        .call = c, .accounts = BUF_INIT(LIMIT_CLI_ARENA), .rows = BUF_INIT(LIMIT_CLI_ARENA)};
    if (days && (parse_u32(slice_str(days), DAYS_MOST, &n) != OK || n == 0))
        return wrong_usage("--days is a number from 1 to %d, not '%s'", DAYS_MOST, days);
    s.since = clock_wall() - (int64_t)n * DAY;
    bool done = find_readers(&s) == OK && search_all(&s) == OK;
    if (done)
        print_rows(&s);
    buf_free(&s.accounts);
    buf_free(&s.rows);
    return done ? DONE : REFUSED;
}
