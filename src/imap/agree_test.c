/* Several sessions change one mailbox at once, each on a thread of its own. Each keeps a picture of
 * the mailbox made only of what the server told it: message numbers must never slip under a
 * command, and in the end all pictures are the mailbox. */
#include "base/log.h"
#include "base/mem.h"
#include "imap/imap_fixture.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SESSIONS = 5, STEPS = 120, MESSAGES_MAX = 4096, FLAGS_TEXT = 96 };

struct shown {
    uint32_t uid; /* 0: not told yet */
    bool flags_known;
    char flags[FLAGS_TEXT];
};

struct view {
    struct imap_client *client;
    pthread_t thread;
    unsigned number, seed;
    bool qresync;
    bool hold;             /* a command by message numbers runs: none may go */
    struct shown *message; /* [MESSAGES_MAX] */
    uint32_t n;
};

static uint32_t dice(struct view *v, uint32_t sides)
{
    v->seed = v->seed * 1103515245u + 12345u;
    return sides ? (v->seed >> 16) % sides : 0;
}

/* --- Reading what the server tells --- */

static void drop(struct view *v, uint32_t seq)
{
    assert_in_range(seq, 1, v->n);
    memmove(&v->message[seq - 1], &v->message[seq], (v->n - seq) * sizeof *v->message);
    v->n--;
}

static void drop_uid(struct view *v, uint32_t uid)
{
    /* Its number may have been told but never its uid: as uids grow with numbers, it is then one of
     * the unknown ones behind the greatest smaller uid; which of them makes no difference. */
    uint32_t unknown = 0;
    for (uint32_t seq = 1; seq <= v->n; seq++) {
        uint32_t known = v->message[seq - 1].uid;
        if (known == uid) {
            drop(v, seq);
            return;
        }
        if (known > uid)
            break;
        if (known != 0)
            unknown = 0;
        else if (unknown == 0)
            unknown = seq;
    }
    if (unknown == 0)
        fail_msg("uid %u vanished, but was not there", (unsigned)uid);
    drop(v, unknown);
}

static void see_vanished(struct view *v, const char *set)
{
    while (*set >= '0' && *set <= '9') {
        char *end;
        uint32_t first = (uint32_t)strtoul(set, &end, 10), last = first;
        if (*end == ':')
            last = (uint32_t)strtoul(end + 1, &end, 10);
        for (uint32_t uid = first; uid <= last; uid++)
            drop_uid(v, uid);
        set = *end == ',' ? end + 1 : end;
    }
}

/* `final`: everything was told before, so nothing may be new. */
static void see_fetch(struct view *v, uint32_t seq, const char *line, const char *eol, bool final)
{
    assert_in_range(seq, 1, v->n);
    struct shown *m = &v->message[seq - 1];
    const char *uid = strstr(line, "UID "), *flags = strstr(line, "FLAGS (");
    if (uid && uid < eol) {
        uint32_t told = (uint32_t)strtoul(uid + 4, NULL, 10);
        if (m->uid != 0 && m->uid != told)
            fail_msg("session %u: number %u is uid %u, not %u", v->number, (unsigned)seq,
                     (unsigned)told, (unsigned)m->uid);
        m->uid = told;
    }
    if (flags && flags < eol) {
        const char *from = flags + 7, *end = strchr(from, ')');
        assert_non_null(end);
        size_t n = (size_t)(end - from);
        assert_in_range(n, 0, FLAGS_TEXT - 1);
        if (final && m->flags_known && (strlen(m->flags) != n || memcmp(m->flags, from, n) != 0))
            fail_msg("session %u: flags of uid %u were (%s), but are (%.*s)", v->number,
                     (unsigned)m->uid, m->flags, (int)n, from);
        memcpy(m->flags, from, n);
        m->flags[n] = '\0';
        m->flags_known = true;
    }
}

static void see(struct view *v, const char *text, bool final)
{
    for (const char *line = text; *line;) {
        const char *eol = strstr(line, "\r\n");
        assert_non_null(eol);
        char *rest;
        if (strncmp(line, "* VANISHED ", 11) == 0) {
            assert_true(v->qresync && !v->hold);
            see_vanished(v, line + 11);
        } else if (line[0] == '*' && line[2] >= '0' && line[2] <= '9') {
            uint32_t number = (uint32_t)strtoul(line + 2, &rest, 10);
            if (strncmp(rest, " EXISTS", 7) == 0) {
                assert_in_range(number, v->n, MESSAGES_MAX);
                memset(&v->message[v->n], 0, (number - v->n) * sizeof *v->message);
                v->n = number;
            } else if (strncmp(rest, " EXPUNGE", 8) == 0) {
                assert_false(v->qresync || v->hold);
                drop(v, number);
            } else if (strncmp(rest, " FETCH", 6) == 0) {
                see_fetch(v, number, line, eol, final);
            }
        }
        line = eol + 2;
    }
}

/* --- What a session does --- */

static uint32_t some_uid(struct view *v)
{
    return v->n ? v->message[dice(v, v->n)].uid : 0;
}

static void idle_a_moment(struct view *v)
{
    imap_client_send(v->client, SLICE("i IDLE\r\n"));
    see(v, imap_client_until(v->client, "+ idling\r\n"), false);
    imap_client_send(v->client, SLICE("DONE\r\n"));
    see(v, imap_client_until(v->client, "i OK"), false);
}

static void step(struct view *v)
{
    static const char *const flags[] = {"\\Seen", "\\Flagged", "\\Answered", "$One", "$Two"};
    struct imap_client *c = v->client;
    const char *flag = flags[dice(v, 5)];
    char sign = dice(v, 2) ? '+' : '-';
    uint32_t seq = v->n ? 1 + dice(v, v->n) : 0, uid = some_uid(v);
    v->hold = false;
    switch (dice(v, 9)) {
    case 0:
    case 1:
        see(v, imap_client_ok(c, "APPEND shared {17+}\r\nSubject: x\r\n\r\nx\r\n"), false);
        return;
    case 2:
    case 3:
        v->hold = true;
        if (seq)
            see(v, imap_client_do(c, "STORE %u %cFLAGS (%s)", (unsigned)seq, sign, flag), false);
        return;
    case 4:
        if (uid)
            see(v, imap_client_do(c, "UID STORE %u %cFLAGS.SILENT (%s)", (unsigned)uid, sign, flag),
                false);
        /* What it did itself and asked not to be told of. */
        for (uint32_t i = 0; i < v->n; i++)
            if (v->message[i].uid == uid)
                v->message[i].flags_known = false;
        return;
    case 5:
        if (uid && dice(v, 2)) {
            see(v, imap_client_do(c, "UID STORE %u +FLAGS (\\Deleted)", (unsigned)uid), false);
            see(v, imap_client_do(c, "UID EXPUNGE %u", (unsigned)uid), false);
        }
        return;
    case 6:
        v->hold = true;
        see(v, imap_client_do(c, "FETCH 1:* (UID FLAGS)"), false);
        return;
    case 7:
        if (seq)
            see(v, imap_client_do(c, "COPY %u shared", (unsigned)seq), false);
        return;
    default:
        idle_a_moment(v);
        return;
    }
}

static void *live(void *arg)
{
    struct view *v = arg;
    for (int i = 0; i < STEPS; i++)
        step(v);
    v->hold = false;
    return NULL;
}

static void begin(struct view *v, struct imap_fixture *f, unsigned number)
{
    v->number = number;
    v->seed = 4711 + number;
    v->qresync = number % 2 == 1;
    v->message = mem_array(MESSAGES_MAX, sizeof *v->message);
    v->client = imap_client_anna(f);
    if (v->qresync)
        imap_client_ok(v->client, "ENABLE QRESYNC");
    see(v, imap_client_ok(v->client, "SELECT shared"), false);
    see(v, imap_client_ok(v->client, "FETCH 1:* (UID FLAGS)"), false);
}

static void test_views_agree(void **state)
{
    struct imap_fixture *f = imap_fixture_start();
    struct imap_client *c = imap_client_anna(f);
    imap_client_ok(c, "CREATE shared");
    for (int i = 0; i < 20; i++)
        imap_fixture_append(f, f->anna.id, "shared", "Subject: x\n\nx\n");
    struct view views[SESSIONS] = {0};
    for (unsigned i = 0; i < SESSIONS; i++)
        begin(&views[i], f, i);
    for (unsigned i = 0; i < SESSIONS; i++)
        assert_int_equal(pthread_create(&views[i].thread, NULL, live, &views[i]), 0);
    for (unsigned i = 0; i < SESSIONS; i++)
        pthread_join(views[i].thread, NULL);
    imap_client_ok(c, "EXAMINE shared");
    char *truth = mem_strdup(imap_client_ok(c, "FETCH 1:* (UID FLAGS)"));
    for (unsigned i = 0; i < SESSIONS; i++) {
        see(&views[i], imap_client_ok(views[i].client, "NOOP"), false);
        see(&views[i], truth, true);
        const char *own = imap_client_ok(views[i].client, "FETCH 1:* (UID FLAGS)");
        see(&views[i], own, true);
        assert_int_equal(strcspn(own, "T"), strcspn(truth, "T"));
        imap_client_close(views[i].client);
        mem_free(views[i].message);
    }
    mem_free(truth);
    imap_client_close(c);
    imap_fixture_stop(f);
}

int main(void)
{
    log_set_level(LOG_WARNING);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_views_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
