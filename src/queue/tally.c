/* Counts for TLS reports: in memory for up to a minute, then in policy.db; see memory.h. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "queue/memory_private.h"

enum { DAY = 24 * 3600, TALLIES_ARENA = LIMIT_TALLY_WAITING * 4 * LIMIT_TALLY_TEXT };

void tallies_init(struct memory *m)
{
    pthread_mutex_init(&m->tallies.lock, NULL);
    arena_init(&m->tallies.arena, TALLIES_ARENA);
}

void tallies_free(struct memory *m)
{
    arena_free(&m->tallies.arena);
    pthread_mutex_destroy(&m->tallies.lock);
}

/* --- Counting --- */

static int64_t day_of(int64_t now)
{
    return now - now % DAY;
}

/* Whole lines: half of one would say something else. */
static struct slice cut_lines(struct slice text)
{
    if (text.n <= LIMIT_TALLY_TEXT)
        return text;
    text = slice_sub(text, 0, LIMIT_TALLY_TEXT);
    size_t end = slice_rindex(text, '\n');
    return slice_sub(text, 0, end < text.n ? end : 0);
}

/* Whole addresses. */
static struct slice cut_words(struct slice text)
{
    if (text.n <= LIMIT_TALLY_TEXT)
        return text;
    text = slice_sub(text, 0, LIMIT_TALLY_TEXT);
    size_t end = slice_rindex(text, ' ');
    return slice_sub(text, 0, end < text.n ? end : 0);
}

static struct slice cut_name(struct slice name)
{
    return name.n <= LIMIT_DOMAIN ? name : SLICE_NONE;
}

/* Success is counted by policy alone: a report asks for nothing more. */
static struct memory_tally tally_of(const struct relay_tls_event *e)
{
    struct memory_tally t = {.policy = e->policy,
                             .result = e->result,
                             .policy_text = cut_lines(e->policy_text),
                             .mx_pattern = cut_lines(e->mx_pattern),
                             .sessions = 1};
    if (e->result != TLSRPT_SUCCESS) {
        t.mx_host = cut_name(e->mx_host);
        t.peer = e->peer;
        t.source = e->source;
    }
    return t;
}

static bool same(const struct tally_item *a, const struct tally_item *b)
{
    const struct memory_tally *x = &a->tally, *y = &b->tally;
    return a->hash == b->hash && a->day == b->day && slice_eq(a->domain, b->domain) &&
           x->policy == y->policy && x->result == y->result &&
           slice_eq(x->policy_text, y->policy_text) && slice_eq(x->mx_host, y->mx_host) &&
           slice_eq(x->mx_pattern, y->mx_pattern) && ip_eq(x->peer, y->peer) &&
           ip_eq(x->source, y->source);
}

static uint64_t hash_of(const struct tally_item *i)
{
    const struct memory_tally *t = &i->tally;
    const uint64_t parts[] = {hash_bytes(i->domain), hash_bytes(t->policy_text),
                              hash_bytes(t->mx_host), (uint64_t)i->day,
                              (uint64_t)t->policy << 32 | (uint64_t)t->result};
    return hash_bytes(slice_of(parts, sizeof parts));
}

static void copy_texts(struct tally_item *i, struct arena *a)
{
    i->domain = arena_dup(a, i->domain);
    i->rua = arena_dup(a, i->rua);
    i->tally.policy_text = arena_dup(a, i->tally.policy_text);
    i->tally.mx_host = arena_dup(a, i->tally.mx_host);
    i->tally.mx_pattern = arena_dup(a, i->tally.mx_pattern);
}

static void flush_locked(struct memory *m);

static void count(struct memory *m, const struct tally_item *item, int64_t now)
{
    struct tallies *t = &m->tallies;
    for (size_t i = 0; i < t->n; i++) {
        if (same(&t->item[i], item)) {
            t->item[i].tally.sessions++;
            return;
        }
    }
    if (t->n == LIMIT_TALLY_WAITING)
        flush_locked(m);
    if (t->n == 0)
        t->since = now;
    t->item[t->n] = *item;
    copy_texts(&t->item[t->n], &t->arena);
    if (!t->arena.failed)
        t->n++;
}

void memory_tally(struct memory *m, struct slice domain, struct slice rua, int64_t now,
                  const struct relay_tls_event *events, size_t n)
{
    struct tallies *t = &m->tallies;
    struct slice to = cut_words(rua);
    if (to.n == 0 || n == 0)
        return;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < n; i++) {
        struct tally_item item = {.day = day_of(now), .domain = domain, .rua = to};
        item.tally = tally_of(&events[i]);
        item.hash = hash_of(&item);
        count(m, &item, now);
    }
    if (t->n > 0 && (now - t->since >= LIMIT_TALLY_FLUSH_SECONDS || now < t->since))
        flush_locked(m);
    pthread_mutex_unlock(&t->lock);
}

/* --- Into the database --- */

static struct slice text(struct slice s)
{
    return s.p ? s : SLICE("");
}

static enum error want_report(struct sql *db, const struct tally_item *i)
{
    struct sql_query q = sql_query(db, Q_REPORT_WANTED);
    sql_int(&q, i->day);
    sql_text(&q, i->domain);
    sql_text(&q, i->rua);
    return sql_run(&q);
}

/* What a destination with ever new hosts and policies adds after its share is counted, unnamed. */
static enum error keep_share(struct sql *db, struct tally_item *i)
{
    struct sql_query q = sql_query(db, Q_TALLY_ROWS);
    sql_int(&q, i->day);
    sql_text(&q, i->domain);
    bool full = sql_row(&q) && sql_get_int(&q, 0) >= LIMIT_TALLY_ROWS;
    if (full)
        i->tally = (struct memory_tally){
            .policy = i->tally.policy, .result = i->tally.result, .sessions = i->tally.sessions};
    return sql_done(&q);
}

static enum error write_item(struct sql *db, struct tally_item *i)
{
    enum error e = want_report(db, i);
    if (e == OK)
        e = keep_share(db, i);
    if (e != OK)
        return e;
    const struct memory_tally *t = &i->tally;
    struct sql_query q = sql_query(db, Q_TALLY_ADD);
    sql_int(&q, i->day);
    sql_text(&q, i->domain);
    sql_int(&q, t->policy);
    sql_int(&q, t->result);
    sql_text(&q, text(t->policy_text));
    sql_text(&q, text(t->mx_host));
    sql_text(&q, text(t->mx_pattern));
    sql_blob(&q, t->peer.b, sizeof t->peer.b);
    sql_blob(&q, t->source.b, sizeof t->source.b);
    sql_int(&q, (int64_t)t->sessions);
    return sql_run(&q);
}

static enum error write_items(struct memory *m)
{
    struct tallies *t = &m->tallies;
    autosql *db = memory_locked(m->writer);
    autotxn txn = sql_begin(db);
    enum error e = txn.e;
    for (size_t i = 0; e == OK && i < t->n; i++)
        e = write_item(db, &t->item[i]);
    return e == OK ? sql_commit(&txn) : e;
}

static void flush_locked(struct memory *m)
{
    struct tallies *t = &m->tallies;
    enum error e = t->n > 0 ? write_items(m) : OK;
    if (e != OK)
        log_warning("memory.failed", log_text("what", "tallies"), log_u64("lost", t->n),
                    log_text("error", error_name(e)));
    t->n = 0;
    arena_reset(&t->arena);
}

void tallies_flush(struct memory *m)
{
    pthread_mutex_lock(&m->tallies.lock);
    flush_locked(m);
    pthread_mutex_unlock(&m->tallies.lock);
}

/* --- For the reports --- */

/* The rows that a query collected in `rows`, as an array in `a`. */
static enum error rows_out(struct arena *a, const struct buf *rows, enum error e, size_t size,
                           void *out, size_t *n)
{
    void *array = arena_alloc(a, rows->n);
    if (e == OK && (rows->failed || a->failed))
        e = ERR_LIMIT;
    if (e != OK)
        return e;
    if (rows->n > 0)
        memcpy(array, rows->p, rows->n);
    *(void **)out = array;
    *n = rows->n / size;
    return OK;
}

enum error memory_reports_due(struct memory *m, int64_t now, size_t max, struct arena *a,
                              struct memory_report **out, size_t *n)
{
    tallies_flush(m);
    autobuf rows = BUF_INIT(max * sizeof **out);
    autosql *db = memory_locked(m->reader);
    struct sql_query q = sql_query(db, Q_REPORTS_DUE);
    sql_int(&q, now - DAY);
    sql_int(&q, (int64_t)max);
    while (sql_row(&q)) {
        struct memory_report r = {sql_get_int(&q, 0), arena_dup(a, sql_get(&q, 1)),
                                  arena_dup(a, sql_get(&q, 2))};
        buf_add(&rows, slice_of(&r, sizeof r));
    }
    return rows_out(a, &rows, sql_done(&q), sizeof **out, out, n);
}

static struct ip get_ip(const struct sql_query *q, int column)
{
    struct ip ip = {{0}};
    struct slice s = sql_get(q, column);
    if (s.n == sizeof ip.b)
        memcpy(ip.b, s.p, s.n);
    return ip;
}

enum error memory_tallies(struct memory *m, int64_t day, struct slice domain, struct arena *a,
                          struct memory_tally **out, size_t *n)
{
    tallies_flush(m);
    autobuf rows = BUF_INIT(2 * LIMIT_TALLY_ROWS * sizeof **out);
    autosql *db = memory_locked(m->reader);
    struct sql_query q = sql_query(db, Q_TALLY_LIST);
    sql_int(&q, day);
    sql_text(&q, domain);
    while (sql_row(&q)) {
        struct memory_tally t = {.policy = (enum tlsrpt_policy)sql_get_int(&q, 0),
                                 .result = (enum tlsrpt_result)sql_get_int(&q, 1),
                                 .policy_text = arena_dup(a, sql_get(&q, 2)),
                                 .mx_host = arena_dup(a, sql_get(&q, 3)),
                                 .mx_pattern = arena_dup(a, sql_get(&q, 4)),
                                 .peer = get_ip(&q, 5),
                                 .source = get_ip(&q, 6),
                                 .sessions = (uint64_t)sql_get_int(&q, 7)};
        buf_add(&rows, slice_of(&t, sizeof t));
    }
    return rows_out(a, &rows, sql_done(&q), sizeof **out, out, n);
}

static enum error forget(struct sql *db, enum memory_statement what, int64_t day,
                         struct slice domain)
{
    struct sql_query q = sql_query(db, what);
    sql_int(&q, day);
    if (domain.n > 0)
        sql_text(&q, domain);
    return sql_run(&q);
}

enum error memory_reported(struct memory *m, int64_t day, struct slice domain)
{
    autosql *db = memory_locked(m->writer);
    autotxn txn = sql_begin(db);
    enum error e = txn.e;
    if (e == OK)
        e = forget(db, Q_REPORT_FORGET, day, domain);
    if (e == OK)
        e = forget(db, Q_TALLY_FORGET, day, domain);
    return e == OK ? sql_commit(&txn) : e;
}

enum error tallies_expire(struct memory *m, int64_t now)
{
    autosql *db = memory_locked(m->writer);
    enum error e = forget(db, Q_REPORT_EXPIRE, now - LIMIT_TALLY_SECONDS, SLICE_NONE);
    return e == OK ? forget(db, Q_TALLY_EXPIRE, now - LIMIT_TALLY_SECONDS, SLICE_NONE) : e;
}
