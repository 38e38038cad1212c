/* See store_kit.h. */
#include "store/store_kit.h"

#include "base/clock.h"
#include "store/internal.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

/* --- Stand-ins for the runtime's wakers: they count --- */

void __wrap_waker_wake(struct waker *w);
struct waker *__wrap_waker_ref(struct waker *w);
void __wrap_waker_unref(struct waker *w);

void __wrap_waker_wake(struct waker *w)
{
    atomic_fetch_add(&((struct kit_waker *)w)->wakes, 1);
}

struct waker *__wrap_waker_ref(struct waker *w)
{
    atomic_fetch_add(&((struct kit_waker *)w)->refs, 1);
    return w;
}

void __wrap_waker_unref(struct waker *w)
{
    atomic_fetch_sub(&((struct kit_waker *)w)->refs, 1);
}

struct waker *kit_waker(struct kit_waker *w)
{
    return (struct waker *)w;
}

static void remove_tree(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (d != NULL) {
        for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
            if (!slice_eq(slice_str(e->d_name), SLICE(".")) &&
                !slice_eq(slice_str(e->d_name), SLICE("..")))
                remove_tree(dirfd(d), e->d_name);
        closedir(d);
        unlinkat(at, name, AT_REMOVEDIR);
    } else {
        unlinkat(at, name, 0);
    }
}

void kit_open(struct kit *k, int undelete_days)
{
    struct store_options o = {.dir = k->dir, .shards = k->shards, .undelete_days = undelete_days};
    assert_int_equal(store_open(&o, &k->s), OK);
}

void kit_close(struct kit *k)
{
    store_close(k->s);
    k->s = NULL;
}

struct kit *kit_new(unsigned shards)
{
    struct kit *k = mem_alloc(sizeof *k);
    const char *tmp = getenv("TMPDIR");
    snprintf(k->dir, sizeof k->dir, "%s/depesche-store-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(k->dir));
    k->shards = shards;
    arena_init(&k->a, (size_t)1 << 30);
    kit_open(k, 0);
    return k;
}

void kit_reopen(struct kit *k)
{
    kit_close(k);
    kit_open(k, 0);
}

void kit_free(struct kit *k)
{
    kit_close(k);
    remove_tree(AT_FDCWD, k->dir);
    arena_free(&k->a);
    mem_free(k);
}

static void print_line(void *arg, const char *line)
{
    (void)arg;
    print_message("store_check: %s\n", line);
}

void kit_sound(struct kit *k)
{
    unsigned bad = 99;
    assert_int_equal(store_check(k->s, false, print_line, NULL, NULL, &bad), OK);
    assert_int_equal(bad, 0);
}

struct execute_job {
    struct job job;
    const char *sql;
};

static enum error run_execute(struct shard *sh, struct job *job)
{
    const char *sql = ((struct execute_job *)job)->sql;
    return sqlite3_exec(sh->w.db, sql, NULL, NULL, NULL) == SQLITE_OK ? OK : ERR_BUG;
}

void kit_execute(struct kit *k, const char *sql)
{
    struct execute_job j = {.job.run = run_execute, .sql = sql};
    assert_int_equal(job_do(&k->s->shard[0], &j.job), OK);
}

struct slice kit_raw(struct kit *k, const char *subject, const char *text)
{
    return arena_printf(&k->a,
                        "From: Anna Example <anna@example.org>\r\n"
                        "To: ben@example.org\r\n"
                        "Subject: %s\r\n"
                        "Message-ID: <%s@example.org>\r\n"
                        "\r\n"
                        "%s\r\n",
                        subject, subject, text);
}

struct slice kit_big(struct kit *k, size_t size, uint32_t seed)
{
    uint8_t *p = arena_alloc(&k->a, size);
    uint32_t x = seed | 1;
    for (size_t i = 0; i < size; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        p[i] = i % 76 == 74 ? '\r' : i % 76 == 75 ? '\n' : (uint8_t)(33 + x % 90);
    }
    return slice_of(p, size);
}

struct summary kit_summary(struct kit *k, struct slice raw)
{
    struct summary m;
    assert_int_equal(summary_make(&k->a, raw, 1000, &m), OK);
    return m;
}

uint32_t kit_box(struct kit *k, uint64_t account, const char *name)
{
    const struct mailbox_list *l;
    assert_int_equal(store_account_ensure(k->s, account, SLICE("en")), OK);
    assert_int_equal(store_mailboxes(k->s, account, &l), OK);
    const struct mailbox *m = store_mailbox_named(l, slice_str(name));
    uint32_t id = m != NULL ? m->id : 0;
    store_mailboxes_unref(l);
    return id;
}

struct mailbox kit_figures(struct kit *k, uint64_t account, uint32_t mailbox)
{
    const struct mailbox_list *l;
    assert_int_equal(store_mailboxes(k->s, account, &l), OK);
    const struct mailbox *m = store_mailbox_by_id(l, mailbox);
    assert_non_null(m);
    struct mailbox copy = *m;
    copy.name = arena_dup(&k->a, m->name);
    store_mailboxes_unref(l);
    return copy;
}

uint32_t kit_deliver(struct kit *k, uint64_t account, struct slice raw)
{
    struct delivery_target t = {.account = account, .language = SLICE("en"), .use = USE_INBOX};
    struct store_delivery d = {.raw = raw,
                               .summary = kit_summary(k, raw),
                               .received = 1000,
                               .targets = &t,
                               .n_targets = 1};
    assert_int_equal(store_deliver(k->s, &d), OK);
    assert_int_equal(t.result, OK);
    return t.uid;
}

uint32_t kit_append(struct kit *k, uint64_t account, uint32_t mailbox, struct slice raw,
                    uint64_t flags)
{
    uint32_t uid, validity;
    struct store_message m = {.raw = raw,
                              .summary = kit_summary(k, raw),
                              .internal_date = 2000,
                              .internal_zone = 60,
                              .flags.system = flags};
    assert_int_equal(store_append(k->s, account, mailbox, &m, 1, 0, &uid, &validity), OK);
    return uid;
}

void kit_body_is(struct kit *k, uint64_t account, uint32_t mailbox, uint32_t uid,
                 struct slice expected)
{
    struct store_body b;
    assert_int_equal(store_body(k->s, account, mailbox, uid, &b), OK);
    assert_int_equal(b.raw.n, expected.n);
    assert_memory_equal(b.raw.p, expected.p, expected.n);
    store_body_free(&b);
}

struct snapshot *kit_snapshot(struct kit *k, uint64_t account, uint32_t mailbox)
{
    struct snapshot *n;
    assert_int_equal(store_snapshot(k->s, account, mailbox, &n), OK);
    return n;
}

const char *kit_uids(struct kit *k, uint64_t account, uint32_t mailbox)
{
    struct buf text = BUF_INIT(1 << 20);
    struct snapshot *n = kit_snapshot(k, account, mailbox);
    for (uint32_t i = 1; i <= snapshot_info(n).count; i++) {
        const struct snapshot_entry *e = snapshot_at(n, i);
        buf_printf(&text, "%s%u%s", i > 1 ? " " : "", e->uid, e->flags & FLAG_DELETED ? "!" : "");
    }
    snapshot_unref(n);
    char *out = arena_cstr(&k->a, buf_slice(&text));
    buf_free(&text);
    return out != NULL ? out : "";
}
