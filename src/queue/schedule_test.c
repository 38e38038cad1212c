/* The schedule: fairness, failing destinations, memory, and a long random run beside a model that
 * is too simple to be wrong. */
#include "queue/schedule.h"

#include "base/limits.h"
#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* The end of a letter's turn, all at once. */
static void done(struct schedule *s, uint32_t letter, enum schedule_end end, uint32_t left,
                 int64_t at, int64_t now)
{
    schedule_landed(s, letter, end, at, now);
    schedule_done(s, letter, left, at);
}

static uint64_t key(const char *kind, unsigned i)
{
    char text[40];
    int n = snprintf(text, sizeof text, "%s%u.example", kind, i);
    return schedule_key(slice_of(text, (size_t)n));
}

static struct schedule *make(unsigned places, unsigned per_destination)
{
    return schedule_new(&(struct schedule_options){places, per_destination});
}

/* The entry whose turn it is; 0: none. */
static uint64_t turn(struct schedule *s, int64_t now, struct schedule_turn *t)
{
    int64_t next;
    return schedule_next(s, now, t, &next) ? t->entry : 0;
}

/* --- Fairness --- */

/* A mailing of 10,000 to so many destinations is under way; another's letter comes. How many turns
 * of the mailing come before it? */
static unsigned turns_before(unsigned destinations, unsigned other_destination)
{
    struct schedule *s = make(100, 10);
    struct schedule_turn t, going[100];
    unsigned n = 0, turns = 0;
    for (unsigned i = 0; i < 10000; i++)
        schedule_add(s, 1 + i, key("d", i % destinations), key("mailing", 0), 1, 10);
    while (turn(s, 10, &t) != 0)
        going[n++] = t;
    assert_int_equal(n, destinations == 1 ? LIMIT_QUEUE_UNTRIED : 51);
    schedule_add(s, 77777, key("d", other_destination), key("other", 0), 1, 11);
    for (;; turns++) {
        uint64_t entry = turn(s, 11, &t);
        if (entry == 77777)
            break;
        assert_true(turns < 100);
        if (entry == 0) { /* somebody must end first */
            done(s, going[turns % n].letter, SCHEDULE_TOOK, 0, 0, 11);
            entry = turn(s, 11, &t);
            if (entry == 77777)
                break;
            going[turns % n] = t;
        }
    }
    schedule_free(s);
    return turns;
}

static void mailing(void **state)
{
    assert_int_equal(turns_before(1, 9999), 0);  /* elsewhere: at once */
    assert_true(turns_before(1, 0) <= 1);        /* the same destination: one of the others first */
    assert_true(turns_before(1000, 99999) <= 1); /* all places taken: when one is free */
    assert_true(turns_before(1000, 5) <= 1);
}

/* Each of the senders writes to as many servers, which say nothing: how many places has each? */
static void assert_shares(unsigned places, const unsigned *share, unsigned senders)
{
    struct schedule *s = make(places, 10);
    struct schedule_turn t;
    for (unsigned k = 0; k < senders; k++) {
        unsigned n = 0;
        for (unsigned i = 0; i < 200; i++)
            schedule_add(s, 1 + k * 1000 + i, key("d", k * 1000 + i), key("s", k), 1, k);
        while (turn(s, k, &t) != 0) {
            assert_int_equal(t.entry / 1000, k);
            n++;
        }
        assert_int_equal(n, share[k]);
    }
    schedule_free(s);
}

static void shares(void **state)
{
    assert_shares(100, (const unsigned[]){51, 25, 13, 6, 3, 1, 1, 0}, 8);
    assert_shares(20, (const unsigned[]){11, 5, 3, 1, 0}, 5);
    assert_shares(1, (const unsigned[]){1, 0}, 2);
    /* What gets free evens it out. */
    struct schedule *s = make(10, 10);
    struct schedule_turn t, going[10];
    unsigned of[2] = {0}, n = 0;
    for (unsigned i = 0; i < 100; i++)
        schedule_add(s, 1 + i, key("d", i), key("a", 0), 1, 0);
    while (turn(s, 1, &going[n]) != 0)
        n++;
    assert_int_equal(n, 6);
    for (unsigned i = 0; i < 100; i++)
        schedule_add(s, 5001 + i, key("e", i), key("b", 0), 1, 1);
    for (unsigned i = 0; i < 3; i++)
        assert_true(turn(s, 1, &t) > 5000);
    assert_int_equal(turn(s, 1, &t), 0);
    for (unsigned i = 0; i < 5; i++) {
        done(s, going[i].letter, SCHEDULE_TOOK, 0, 0, 1);
        while (turn(s, 1, &t) != 0)
            of[t.entry > 5000]++;
    }
    assert_int_equal(of[0], 3);
    assert_int_equal(of[1], 1);
    schedule_free(s);
}

/* Its connection is free for the next letter while its outcome is made durable. */
static void landing(void **state)
{
    struct schedule *s = make(100, 1);
    struct schedule_turn first, t;
    (void)state;
    for (uint64_t i = 1; i <= 2; i++)
        schedule_add(s, i, key("d", 0), key("s", 0), 1, 0);
    assert_int_equal(turn(s, 0, &first), 1);
    assert_int_equal(turn(s, 0, &t), 0);
    assert_true(schedule_waits(s));
    schedule_landed(s, first.letter, SCHEDULE_TOOK, 0, 0);
    assert_int_equal(turn(s, 0, &t), 2);
    assert_false(schedule_waits(s));
    assert_true(schedule_under_way(s, 1, key("d", 0)));
    assert_false(schedule_remove(s, 1, key("d", 0)));
    schedule_done(s, first.letter, 1, 5); /* freed: it was removed meanwhile */
    done(s, t.letter, SCHEDULE_TOOK, 0, 0, 0);
    assert_int_equal(schedule_stats(s).letters, 0);
    assert_int_equal(schedule_stats(s).under_way, 0);
    schedule_free(s);
}

/* --- Failing and recovering --- */

static void failing(void **state)
{
    struct schedule *s = make(100, 10);
    struct schedule_turn t, going[10];
    int64_t next;
    for (unsigned i = 0; i < 50 + LIMIT_QUEUE_UNTRIED; i++)
        schedule_add(s, 1 + i, key("d", 0), key("a", i % 7), 1, 0);
    /* Who says nothing holds few places. */
    for (unsigned i = 0; i < LIMIT_QUEUE_UNTRIED; i++)
        assert_true(turn(s, 0, &going[i]) != 0);
    assert_int_equal(turn(s, 0, &t), 0);
    for (unsigned i = 0; i < LIMIT_QUEUE_UNTRIED; i++)
        done(s, going[i].letter, SCHEDULE_TOOK, 0, 0, 0);
    for (unsigned i = 0; i < 10; i++)
        assert_true(turn(s, 0, &going[i]) != 0);
    assert_int_equal(turn(s, 0, &t), 0);
    for (unsigned i = 0; i < 10; i++)
        done(s, going[i].letter, SCHEDULE_FAILED, 1, 300, 0);
    assert_int_equal(schedule_stats(s).failing, 1);
    assert_false(schedule_next(s, 299, &t, &next));
    assert_int_equal(next, 300);
    assert_true(turn(s, 300, &going[0]) != 0);
    assert_int_equal(turn(s, 300, &t), 0); /* one place */
    /* Far away: it is looked at earlier, by a letter that is due. */
    done(s, going[0].letter, SCHEDULE_FAILED, 1, 100000, 300);
    assert_false(schedule_next(s, 300, &t, &next));
    assert_int_equal(next, 300 + LIMIT_QUEUE_PROBE_SECONDS);
    assert_true(turn(s, next, &going[0]) != 0);
    done(s, going[0].letter, SCHEDULE_TOOK, 0, 0, next);
    /* All are due, also those that had failed before. */
    assert_int_equal(schedule_stats(s).failing, 0);
    assert_int_equal(schedule_stats(s).due, 49);
    for (unsigned i = 0; i < 49; i++) {
        assert_true(turn(s, next, &t) != 0);
        done(s, t.letter, SCHEDULE_TOOK, 0, 0, next);
    }
    struct schedule_stats st = schedule_stats(s);
    assert_true(st.letters == 0 && st.destinations == 0 && st.senders == 0 && st.due == 0);
    schedule_free(s);
}

static void adding_and_removing(void **state)
{
    struct schedule *s = make(10, 2);
    struct schedule_turn t;
    uint64_t d = key("d", 0), a = key("a", 0);
    for (unsigned i = 0; i < 5; i++)
        schedule_add(s, 1 + i, d, a, 1, 1000);
    assert_int_equal(turn(s, 0, &t), 0);
    for (unsigned i = 0; i < 5; i++)
        schedule_add(s, 1 + i, d, a, 1, 0);
    assert_int_equal(schedule_stats(s).letters, 5);
    assert_true(schedule_remove(s, 3, d));
    assert_false(schedule_remove(s, 3, d));
    assert_false(schedule_remove(s, 4, a));
    assert_true(turn(s, 0, &t) != 0);
    assert_true(schedule_under_way(s, t.entry, d));
    assert_false(schedule_remove(s, t.entry, d));
    done(s, t.letter, SCHEDULE_DEFERRED, 1, 5, 0);
    assert_int_equal(schedule_stats(s).letters, 3); /* what was removed under way is gone */
    /* More recipients for a letter under way: it waits on for them. */
    uint64_t entry = turn(s, 0, &t);
    assert_true(entry != 0);
    schedule_add(s, entry, d, a, 2, 7);
    done(s, t.letter, SCHEDULE_TOOK, 0, 0, 0);
    assert_int_equal(schedule_stats(s).letters, 3);
    /* An earlier time counts. */
    schedule_add(s, 99, key("e", 0), a, 1, 500);
    schedule_add(s, 99, key("e", 0), a, 1, 2);
    for (unsigned i = 0; i < 3; i++) {
        entry = turn(s, 2, &t);
        assert_true(entry != 0);
        if (entry == 99)
            break;
    }
    assert_int_equal(entry, 99);
    schedule_free(s);
}

/* --- Memory --- */

static double bytes_each(unsigned n, unsigned senders, unsigned destinations)
{
    struct schedule *s = make(100, 10);
    for (unsigned i = 0; i < n; i++)
        schedule_add(s, i + 1, key("destination", i * 7919u % destinations),
                     key("sender", i * 104729u % senders), 1, 1000 + i % 1000);
    double each = (double)schedule_stats(s).bytes / n;
    print_message("%u letters, %u senders, %u destinations: %.0f bytes each\n", n, senders,
                  destinations, each);
    schedule_free(s);
    return each;
}

static void memory(void **state)
{
    assert_true(bytes_each(100000, 1, 1) < 100);
    assert_true(bytes_each(100000, 100, 5000) <= 200);
    assert_true(bytes_each(100000, 100000, 100000) <= 200);
    assert_true(bytes_each(140000, 140000, 140000) <= 200);
}

/* --- Beside a model --- */

enum { ENTRIES = 60, NAMES = 7, STEPS = 60000, PLACES = 6, EACH = 2 };

struct model_letter {
    bool there, under_way, dropped;
    uint32_t count, handle;
    int64_t at;
};
static struct model {
    struct model_letter l[ENTRIES]
                         [NAMES]; /* by entry and destination; the sender is entry % NAMES */
    bool failing[NAMES];
    int64_t closed[NAMES];
    int64_t now;
} m;
static uint32_t seed;
static unsigned turns;

static uint32_t dice(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

static unsigned under_way(int sender, int destination)
{
    unsigned n = 0;
    for (int e = 0; e < ENTRIES; e++)
        for (int d = 0; d < NAMES; d++)
            n += m.l[e][d].under_way && (sender < 0 || e % NAMES == sender) &&
                 (destination < 0 || d == destination);
    return n;
}

static bool model_has_place(int d)
{
    return m.closed[d] <= m.now && under_way(-1, d) < (m.failing[d] ? 1u : EACH);
}

static bool eligible(int e, int d)
{
    const struct model_letter *l = &m.l[e][d];
    return l->there && !l->under_way && l->at <= m.now && model_has_place(d) &&
           (under_way(e % NAMES, -1) == 0 ||
            (under_way(-1, -1) + 1 < PLACES &&
             under_way(e % NAMES, -1) <= PLACES - under_way(-1, -1)));
}

/* A destination without letters is forgotten, with its failures. */
static void forget_empty(int d)
{
    for (int e = 0; e < ENTRIES; e++)
        if (m.l[e][d].there)
            return;
    m.failing[d] = false;
    m.closed[d] = 0;
}

static int64_t model_next(void)
{
    int64_t next = INT64_MAX;
    for (int d = 0; d < NAMES; d++) {
        if (m.closed[d] > m.now && m.closed[d] < next)
            next = m.closed[d];
        for (int e = 0; e < ENTRIES; e++)
            if (m.l[e][d].there && !m.l[e][d].under_way && m.l[e][d].at > m.now &&
                m.l[e][d].at < next)
                next = m.l[e][d].at;
    }
    return next;
}

static void step_add(struct schedule *s, int e, int d)
{
    struct model_letter *l = &m.l[e][d];
    uint32_t n = 1 + dice(3);
    int64_t at = m.now - 5 + dice(60);
    schedule_add(s, (uint64_t)e + 1, key("d", (unsigned)d), key("s", (unsigned)e % NAMES), n, at);
    if (l->dropped)
        l->count = 0;
    l->dropped = false;
    l->count += n;
    if (!l->there || at < l->at)
        l->at = at;
    l->there = true;
}

static void step_next(struct schedule *s)
{
    struct schedule_turn t;
    int64_t next;
    bool full = under_way(-1, -1) == PLACES;
    if (!schedule_next(s, m.now, &t, &next)) {
        for (int e = 0; e < ENTRIES && !full; e++)
            for (int d = 0; d < NAMES; d++)
                assert_false(eligible(e, d));
        assert_true(next == model_next());
        return;
    }
    assert_false(full);
    int e = (int)t.entry - 1, d = 0;
    while (key("d", (unsigned)d) != t.destination)
        d++;
    assert_true(eligible(e, d));
    turns++;
    m.l[e][d].under_way = true;
    m.l[e][d].count = 0;
    m.l[e][d].at = INT64_MAX;
    m.l[e][d].handle = t.letter;
}

static void model_answer(int d, enum schedule_end end, int64_t at)
{
    bool before = m.failing[d];
    int64_t probe = m.now + LIMIT_QUEUE_PROBE_SECONDS;
    if (end == SCHEDULE_FAILED) {
        int64_t until = at > m.now && at < probe ? at : probe;
        m.failing[d] = true;
        m.closed[d] = m.closed[d] > m.now && m.closed[d] < until ? m.closed[d] : until;
    } else if (end != SCHEDULE_UNKNOWN) {
        m.failing[d] = false;
        m.closed[d] = 0;
        for (int e = 0; e < ENTRIES && before && end == SCHEDULE_TOOK; e++)
            if (m.l[e][d].there && !m.l[e][d].under_way && m.l[e][d].at > m.now)
                m.l[e][d].at = m.now;
    }
}

static void step_done(struct schedule *s, int e, int d)
{
    struct model_letter *l = &m.l[e][d];
    enum schedule_end end = (enum schedule_end)dice(4);
    uint32_t left = dice(2);
    int64_t at = m.now + dice(40);
    done(s, l->handle, end, left, at, m.now);
    model_answer(d, end, at);
    l->under_way = false;
    l->count += left;
    if (left > 0 && at < l->at)
        l->at = at;
    if (l->dropped || l->count == 0)
        *l = (struct model_letter){0};
    forget_empty(d);
}

/* One that is under way, from a random place on. */
static void step_done_some(struct schedule *s)
{
    for (uint32_t i = 0, at = dice(ENTRIES * NAMES); i < ENTRIES * NAMES; i++) {
        uint32_t k = (at + i) % (ENTRIES * NAMES);
        if (m.l[k / NAMES][k % NAMES].under_way) {
            step_done(s, (int)(k / NAMES), (int)(k % NAMES));
            return;
        }
    }
}

static void step_remove(struct schedule *s, int e, int d)
{
    struct model_letter *l = &m.l[e][d];
    bool gone = schedule_remove(s, (uint64_t)e + 1, key("d", (unsigned)d));
    assert_int_equal(gone, l->there && !l->under_way);
    if (gone)
        *l = (struct model_letter){0};
    else if (l->there)
        l->dropped = true;
    forget_empty(d);
}

static void step_open(struct schedule *s, int d)
{
    schedule_open(s, key("d", (unsigned)d));
    m.closed[d] = 0;
}

static void compare(struct schedule *s)
{
    size_t letters = 0, failing_ones = 0;
    for (int d = 0; d < NAMES; d++) {
        failing_ones += m.failing[d];
        for (int e = 0; e < ENTRIES; e++)
            letters += m.l[e][d].there;
    }
    struct schedule_stats st = schedule_stats(s);
    assert_int_equal(st.letters, letters);
    assert_int_equal(st.failing, failing_ones);
    assert_int_equal(st.under_way, under_way(-1, -1));
}

static void beside_a_model(void **state)
{
    for (uint32_t run = 1; run <= 3; run++) {
        struct schedule *s = make(PLACES, EACH);
        m = (struct model){.now = 1000};
        seed = run;
        for (int i = 0; i < STEPS; i++) {
            int e = (int)dice(ENTRIES), d = (int)dice(NAMES);
            uint32_t what = dice(100);
            if (what < 20)
                step_add(s, e, d);
            else if (what < 60)
                step_next(s);
            else if (what < 92)
                step_done_some(s);
            else if (what < 94)
                step_remove(s, e, d);
            else if (what < 95)
                step_open(s, d);
            else if (what >= 97)
                m.now += dice(30);
            if (i % 64 == 0)
                compare(s);
        }
        schedule_free(s);
    }
    print_message("%u turns\n", turns);
    assert_true(turns > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mailing),
        cmocka_unit_test(shares),
        cmocka_unit_test(landing),
        cmocka_unit_test(failing),
        cmocka_unit_test(adding_and_removing),
        cmocka_unit_test(memory),
        cmocka_unit_test(beside_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
