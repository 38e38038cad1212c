/* Figures of JMAP alone: what the list of 50 conversations in a big mailbox costs, with and without
 * a total, and other queries over all of it.
 *
 *   jmap_bench DIR [messages] [rounds] [request number]
 *
 * DIR is made and must not exist. */
#include "base/clock.h"
#include "base/mem.h"
#include "jmap/jmap.h"
#include <sys/resource.h>

enum { BATCH = 200 };

static double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void must(enum error e, const char *what)
{
    if (e != OK)
        die("%s: %s", what, error_name(e));
}

/* Two of three messages begin a conversation. */
static void fill(struct store *s, size_t messages)
{
    struct store_message *m = mem_array(BATCH, sizeof *m);
    struct buf *raw = mem_array(BATCH, sizeof *raw);
    uint32_t uids[BATCH], validity;
    autoarena a;
    arena_init(&a, (size_t)BATCH * LIMIT_SUMMARY_ARENA);
    for (size_t at = 0; at < messages; at += BATCH) {
        arena_reset(&a);
        for (size_t i = 0; i < BATCH; i++) {
            size_t n = at + i;
            buf_init(&raw[i], 4096);
            buf_printf(&raw[i], "From: Anna Example <anna%zu@example.org>\r\n", n % 1000);
            buf_lit(&raw[i], "To: Ben Example <ben@example.org>, Carl <carl@example.net>\r\n");
            buf_printf(&raw[i], "Subject: Minutes of the meeting %zu\r\n", n);
            buf_printf(&raw[i], "Message-ID: <%zu@example.org>\r\n", n);
            if (n % 3 == 2)
                buf_printf(&raw[i], "References: <%zu@example.org>\r\n", n - 1);
            buf_lit(&raw[i], "Date: Mon, 02 Nov 2026 10:00:00 +0100\r\n\r\n"
                             "Dear Ben, here are the minutes of the meeting of last week.\r\n");
            m[i] = (struct store_message){.raw = buf_slice(&raw[i]),
                                          .internal_date = 1700000000 + (int64_t)n * 60};
            must(summary_make(&a, m[i].raw, m[i].internal_date, &m[i].summary), "summary");
        }
        must(store_append(s, 1, 1, m, BATCH, 0, uids, &validity), "append");
        for (size_t i = 0; i < BATCH; i++)
            buf_free(&raw[i]);
    }
    mem_free(m);
    mem_free(raw);
}

#define QUERY(filter, more)                                                                        \
    "[\"Email/query\",{\"accountId\":\"A1\",\"filter\":{" filter "},\"collapseThreads\":true,"     \
    "\"limit\":50" more "},\"q\"]"
#define NEWEST ",\"sort\":[{\"property\":\"receivedAt\",\"isAscending\":false}]"
#define GET                                                                                        \
    ",[\"Email/get\",{\"accountId\":\"A1\",\"#ids\":{\"resultOf\":\"q\",\"name\":\"Email/query\"," \
    "\"path\":\"/ids\"},\"properties\":[\"threadId\",\"mailboxIds\",\"keywords\",\"from\",\"to\"," \
    "\"subject\",\"receivedAt\",\"sentAt\",\"size\",\"preview\",\"hasAttachment\"]},\"g\"]"

static const struct {
    const char *what, *calls;
} requests[] = {
    {"query of 50", QUERY("\"inMailbox\":\"B1\"", NEWEST)},
    {"query of 50, get", QUERY("\"inMailbox\":\"B1\"", NEWEST) GET},
    {"query of 50 with total, get",
     QUERY("\"inMailbox\":\"B1\"", NEWEST ",\"calculateTotal\":true") GET},
    {"query of unread with total",
     QUERY("\"inMailbox\":\"B1\",\"notKeyword\":\"$seen\"", NEWEST ",\"calculateTotal\":true")},
    {"query from position 50,000", QUERY("\"inMailbox\":\"B1\"", NEWEST ",\"position\":50000")},
    {"query by subject", QUERY("\"inMailbox\":\"B1\"", ",\"sort\":[{\"property\":\"subject\"}]")},
    {"search of a word of the newest 200", QUERY("\"text\":\"minutes\"", NEWEST)},
};
enum { REQUESTS = sizeof requests / sizeof requests[0] };

static void run(const struct jmap_service *s, const struct jmap_user *u, size_t which, int rounds)
{
    autobuf request = BUF_INIT(65536), answer = BUF_INIT(LIMIT_JMAP_RESPONSE);
    buf_lit(&request, "{\"using\":[\"urn:ietf:params:jmap:core\",\"urn:ietf:params:jmap:mail\"],"
                      "\"methodCalls\":[");
    buf_str(&request, requests[which].calls);
    buf_lit(&request, "]}");
    (void)jmap_api(s, u, buf_slice(&request), &answer); /* what is kept is made */
    double before = cpu_us();
    for (int i = 0; i < rounds; i++) {
        buf_reset(&answer);
        (void)jmap_api(s, u, buf_slice(&request), &answer);
    }
    printf("%-36s %9.0f us, %zu bytes\n", requests[which].what, (cpu_us() - before) / rounds,
           answer.n);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        die("usage: jmap_bench DIR [messages] [rounds] [request number]");
    uint32_t messages = 100000, rounds = 20, which = REQUESTS;
    if ((argc > 2 && parse_u32(slice_str(argv[2]), 10000000, &messages) != OK) ||
        (argc > 3 && parse_u32(slice_str(argv[3]), 1000000, &rounds) != OK) || rounds == 0 ||
        (argc > 4 && parse_u32(slice_str(argv[4]), REQUESTS, &which) != OK))
        die("what is to be counted must be a number");
    struct jmap_service s = {.host = "mail.example.org", .message_size = LIMIT_MESSAGE_SIZE};
    struct jmap_user u = {.account = {.id = 1}};
    must(store_open(&(struct store_options){.dir = argv[1]}, &s.store), "store");
    must(store_account_ensure(s.store, 1, SLICE("en")), "account");
    char guard[4096];
    snprintf(guard, sizeof guard, "%s/guard.db", argv[1]);
    must(guard_open(&(struct guard_options){.path = guard}, &s.guard), "guard");
    fill(s.store, messages);
    for (size_t i = 0; i < REQUESTS; i++)
        if (which == REQUESTS || which == i)
            run(&s, &u, i, (int)rounds);
    guard_close(s.guard);
    store_close(s.store);
    return 0;
}
