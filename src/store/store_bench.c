/* Figures of the store alone: deliveries a second with 1, 16 and 128 threads, rows a second of
 * store_read, what a snapshot of a big mailbox costs, and a view of a big account.
 *
 *   store_bench DIR [deliveries] [bytes] [shards] [rounds of reading] [messages of the view]
 *
 * DIR is made and must not exist. Half of each message is text that compresses and half is not. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "store/store.h"
#include "store/view.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

#define ACCOUNTS 50

struct bench {
    struct store *s;
    struct slice raw;
    struct summary summary;
    _Atomic unsigned left;
    uint32_t rounds;
};

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void fill_summary(struct summary *m)
{
    *m = (struct summary){
        .envelope = SLICE("(\"Mon, 02 Nov 2026 10:00:00 +0100\" \"Minutes of the meeting\" "
                          "((\"Anna Example\" NIL \"anna\" \"example.org\")) ((\"Anna Example\" "
                          "NIL \"anna\" \"example.org\")) ((\"Anna Example\" NIL \"anna\" "
                          "\"example.org\")) ((\"Ben Example\" NIL \"ben\" \"example.org\")) NIL "
                          "NIL NIL \"<20261102100000.1234@example.org>\")"),
        .body_structure =
            SLICE("((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"quoted-printable\" 2048 "
                  "40 NIL NIL NIL NIL)(\"text\" \"html\" (\"charset\" \"utf-8\") NIL NIL "
                  "\"quoted-printable\" 4096 80 NIL NIL NIL NIL) \"alternative\" (\"boundary\" "
                  "\"xyz\") NIL NIL NIL)"),
        .base_subject = SLICE("minutes of the meeting"),
        .subject = SLICE("Minutes of the meeting"),
        .from = SLICE("Anna Example"),
        .preview = SLICE("Dear Ben, here are the minutes of the meeting of last week."),
        .header_size = 600,
        .lines = 90,
    };
}

static void *deliverer(void *arg)
{
    struct bench *b = arg;
    char id[64];
    while (atomic_fetch_sub(&b->left, 1) - 1u < 1u << 30) {
        struct delivery_target t = {.account = 1 + random_below(ACCOUNTS),
                                    .language = SLICE("en"),
                                    .use = USE_INBOX,
                                    .prefix = SLICE("Return-Path: <anna@example.org>\r\n")};
        struct store_delivery d = {.raw = b->raw,
                                   .summary = b->summary,
                                   .received = clock_wall(),
                                   .targets = &t,
                                   .n_targets = 1};
        int n = snprintf(id, sizeof id, "<%016llx@example.org>", (unsigned long long)random_u64());
        d.summary.message_id = slice_of(id, (size_t)n);
        if (store_deliver(b->s, &d) != OK)
            die("a delivery failed");
    }
    return NULL;
}

static void deliver(struct bench *b, unsigned threads, unsigned n)
{
    pthread_t t[128];
    atomic_store(&b->left, n);
    double cpu = cpu_seconds();
    int64_t start = clock_us();
    for (unsigned i = 0; i < threads; i++)
        if (pthread_create(&t[i], NULL, deliverer, b) != 0)
            die("no thread");
    for (unsigned i = 0; i < threads; i++)
        pthread_join(t[i], NULL);
    double seconds = (double)(clock_us() - start) / 1e6;
    printf("deliver   %3u threads: %8.0f /s   cpu %6.1f us each\n", threads, n / seconds,
           (cpu_seconds() - cpu) * 1e6 / n);
}

static bool count_row(void *arg, const struct store_row *r)
{
    *(size_t *)arg += r->envelope.n > 0 && r->structure.n > 0;
    return true;
}

static void read_rows(struct bench *b, uint64_t account, uint32_t mailbox, unsigned want)
{
    struct uid_range all = {1, want};
    unsigned fields = FIELD_ENVELOPE | FIELD_STRUCTURE | FIELD_DATES | FIELD_IDS;
    for (unsigned round = 0; round < b->rounds; round++) {
        size_t rows = 0;
        double cpu = cpu_seconds();
        int64_t start = clock_us();
        if (store_read(b->s, account, mailbox, &all, 1, fields, count_row, &rows) != OK)
            die("store_read failed");
        double ms = (double)(clock_us() - start) / 1e3;
        printf("read      %zu rows: %.2f ms, cpu %.2f ms\n", rows, ms, (cpu_seconds() - cpu) * 1e3);
    }
}

static void big_mailbox(struct bench *b, unsigned n)
{
    uint64_t account = 1000;
    const struct mailbox_list *l;
    struct snapshot *snap;
    uint32_t *uids = mem_array(200, sizeof *uids), validity;
    struct store_message *m = mem_array(200, sizeof *m);
    for (size_t i = 0; i < 200; i++)
        m[i] = (struct store_message){
            .raw = b->raw, .summary = b->summary, .internal_date = clock_wall()};
    if (store_account_ensure(b->s, account, SLICE("en")) != OK ||
        store_mailboxes(b->s, account, &l) != OK)
        die("no account");
    uint32_t inbox = store_mailbox_by_use(l, USE_INBOX)->id;
    store_mailboxes_unref(l);
    int64_t start = clock_us();
    for (unsigned i = 0; i < n; i += 200)
        if (store_append(b->s, account, inbox, m, 200, 0, uids, &validity) != OK)
            die("append failed");
    printf("append    %u in groups of 200: %.0f /s\n", n, n / ((double)(clock_us() - start) / 1e6));
    start = clock_us();
    if (store_snapshot(b->s, account, inbox, &snap) != OK)
        die("no snapshot");
    printf("snapshot  of %u: %.2f ms\n", snapshot_info(snap).count,
           (double)(clock_us() - start) / 1e3);
    snapshot_unref(snap);
    read_rows(b, account, inbox, 5000);
    struct uid_range all = {1, UINT32_MAX};
    struct flag_list seen = {.system = FLAG_SEEN};
    start = clock_us();
    if (store_flags(b->s, account, inbox, &all, 1, FLAGS_ADD, &seen, NULL, NULL, NULL, NULL) != OK)
        die("flags failed");
    printf("flags     on %u: %.2f ms\n", n, (double)(clock_us() - start) / 1e3);
    mem_free(uids);
    mem_free(m);
}

static void look(struct bench *b, uint64_t account, uint32_t inbox, const char *what)
{
    struct view *v;
    size_t n, found = 0;
    double cpu = cpu_seconds();
    int64_t start = clock_us();
    if (store_view(b->s, account, &v) != OK)
        die("no view");
    double made = (double)(clock_us() - start) / 1e3, spent = (cpu_seconds() - cpu) * 1e3;
    start = clock_us();
    struct view_counts c = view_counts(v, inbox);
    double counted = (double)(clock_us() - start) / 1e3;
    const struct view_message *m = view_messages(v, &n);
    start = clock_us();
    for (size_t i = 0; i < 10000 && n > 0; i++) {
        size_t copies;
        (void)view_email(v, m[(i * 7919) % n].email, &copies);
        found += copies;
    }
    printf("view      of %zu %s: %.2f ms, cpu %.2f ms; counts %.2f ms (%u threads), look-up %.2f us"
           " (%zu)\n",
           n, what, made, spent, counted, c.threads, (double)(clock_us() - start) / 1e4, found);
    view_unref(v);
}

/* An account with several mailboxes; each message has a thread of its own. */
static void view(struct bench *b, unsigned n)
{
    uint64_t account = 2000;
    const struct mailbox_list *l;
    uint32_t uids[200], validity, box[6];
    struct store_message m[200];
    char ids[200][40];
    if (store_account_ensure(b->s, account, SLICE("en")) != OK ||
        store_mailboxes(b->s, account, &l) != OK)
        die("no account");
    for (size_t i = 0; i < 6; i++)
        box[i] = l->box[i].id;
    store_mailboxes_unref(l);
    for (unsigned i = 0; i < n; i += 200) {
        for (size_t k = 0; k < 200; k++) {
            m[k] = (struct store_message){.raw = b->raw, .summary = b->summary};
            m[k].internal_date = clock_wall() - random_below(100000000);
            m[k].summary.sent = m[k].internal_date;
            int length = snprintf(ids[k], sizeof ids[k], "<%016llx@example.org>",
                                  (unsigned long long)random_u64());
            m[k].summary.message_id = slice_of(ids[k], (size_t)length);
        }
        if (store_append(b->s, account, box[i / 200 % 6], m, 200, 0, uids, &validity) != OK)
            die("append failed");
    }
    struct uid_range one = {1, 1};
    struct flag_list flag = {.system = FLAG_FLAGGED}, seen = {.system = FLAG_SEEN};
    look(b, account, box[0], "cold");
    look(b, account, box[0], "as it was");
    for (int i = 0; i < 2; i++) {
        const struct flag_list *f = i == 0 ? &flag : &seen;
        if (store_flags(b->s, account, box[0], &one, 1, FLAGS_ADD, f, NULL, NULL, NULL, NULL) != OK)
            die("flags failed");
        look(b, account, box[0], i == 0 ? "after a flag" : "after another");
    }
    if (store_append(b->s, account, box[0], m, 1, 0, uids, &validity) != OK)
        die("append failed");
    look(b, account, box[0], "after a message");
}

int main(int argc, char **argv)
{
    uint32_t n = 8000, size = 4096, shards = 1, rounds = 3, big = 20000;
    if (argc < 2 || (argc > 2 && parse_u32(slice_str(argv[2]), 10000000, &n) != OK) ||
        (argc > 3 && parse_u32(slice_str(argv[3]), 50000000, &size) != OK) ||
        (argc > 4 && parse_u32(slice_str(argv[4]), LIMIT_SHARDS, &shards) != OK) ||
        (argc > 5 && parse_u32(slice_str(argv[5]), 100000, &rounds) != OK) ||
        (argc > 6 && parse_u32(slice_str(argv[6]), 10000000, &big) != OK)) {
        fputs("usage: store_bench DIR [deliveries] [bytes] [shards] [rounds] [view]\n", stderr);
        return 2;
    }
    struct bench b = {.rounds = rounds};
    struct store_options o = {.dir = argv[1], .shards = shards};
    uint8_t *raw = mem_alloc(size);
    for (uint32_t i = 0; i < size; i++)
        raw[i] = i < size / 2 ? (uint8_t)("The meeting begins at ten. "[i % 27])
                              : (uint8_t)(33 + random_below(90));
    b.raw = slice_of(raw, size);
    fill_summary(&b.summary);
    if (store_open(&o, &b.s) != OK)
        die("cannot open %s", argv[1]);
    deliver(&b, 1, n / 8);
    deliver(&b, 16, n);
    deliver(&b, 128, n);
    big_mailbox(&b, 5000);
    view(&b, big);
    store_close(b.s);
    mem_free(raw);
    return 0;
}
