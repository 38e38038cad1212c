/* The heap of deadlines against a plain list, and its laziness. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "net/runtime_private.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define CONNS 500

struct fixture {
    struct runtime *rt;
    struct conn *c[CONNS];
};

static int setup(void **state)
{
    struct fixture *f = mem_alloc(sizeof *f);
    struct runtime_options o = {0};
    if (runtime_new(&o, &f->rt) != OK)
        return 1;
    for (int i = 0; i < CONNS; i++) {
        f->c[i] = slot_take(f->rt);
        if (!own_park(f->c[i]))
            return 1;
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    runtime_free(f->rt);
    mem_free(f);
    return 0;
}

static void set(struct fixture *f, int i, int64_t at)
{
    atomic_store(&f->c[i]->deadline, at);
    timer_ensure(f->rt, f->c[i]);
}

/* Marks who is due at `now`, and parks them again without a deadline; returns how many. */
static int collect(struct fixture *f, int64_t now, int64_t *next)
{
    int n = 0;
    struct conn *due;
    pthread_mutex_lock(&f->rt->timers.lock);
    *next = timer_due(f->rt, now, &due);
    pthread_mutex_unlock(&f->rt->timers.lock);
    for (; due; due = due->next) {
        n++;
        assert_true(atomic_load(&due->deadline) <= now);
        assert_int_equal(own_take(due), OWN_TIMER);
        atomic_store(&due->deadline, NEVER);
        assert_true(own_park(due));
    }
    return n;
}

static void test_against_list(void **state)
{
    struct fixture *f = *state;
    int64_t list[CONNS];
    for (int i = 0; i < CONNS; i++)
        list[i] = NEVER;
    for (int64_t now = 0; now < 2000; now++) {
        for (int k = 0; k < 20; k++) {
            int i = (int)random_below(CONNS);
            list[i] = random_below(10) == 0 ? NEVER : now + 1 + random_below(300);
            set(f, i, list[i]);
            if (random_below(50) == 0) { /* as at the end of a connection */
                timer_remove(f->rt, f->c[i]);
                atomic_store(&f->c[i]->deadline, NEVER);
                list[i] = NEVER;
            }
        }
        int due = 0;
        int64_t earliest = NEVER, next;
        for (int i = 0; i < CONNS; i++) {
            if (list[i] <= now) {
                list[i] = NEVER;
                due++;
            } else if (list[i] < earliest) {
                earliest = list[i];
            }
        }
        assert_int_equal(collect(f, now, &next), due);
        assert_true(next <= earliest);
        assert_true(next > now);
    }
}

static void test_lazy(void **state)
{
    /* A deadline that only moves later leaves the heap alone until the first one is due. */
    struct fixture *f = *state;
    int64_t next;
    set(f, 0, 100);
    for (int64_t at = 101; at < 1000; at++)
        set(f, 0, at);
    assert_int_equal(f->rt->timers.heap[0].at, 100);
    assert_int_equal(collect(f, 99, &next), 0);
    assert_int_equal(next, 100);
    assert_int_equal(collect(f, 100, &next), 0);
    assert_int_equal(next, 999);
    set(f, 0, 500); /* and back */
    assert_int_equal(collect(f, 499, &next), 0);
    assert_int_equal(next, 500);
    assert_int_equal(collect(f, 500, &next), 1);
    assert_int_equal(next, NEVER);
}

static void test_owned(void **state)
{
    /* The deadline of a connection that is running is left with its owner. */
    struct fixture *f = *state;
    int64_t next;
    struct conn *c = f->c[0];
    assert_true(own_notify(c, own_generation(c), OWN_INPUT));
    assert_int_equal(own_take(c), OWN_INPUT);
    set(f, 0, 10);
    assert_int_equal(collect(f, 20, &next), 0);
    assert_int_equal(next, NEVER);
    assert_false(own_park(c));
    assert_int_equal(own_take(c), OWN_TIMER);
    assert_true(own_park(c));
}

static void test_generations(void **state)
{
    struct fixture *f = *state;
    struct conn *c = f->c[0];
    uint32_t old = own_generation(c), found = 0;
    uint64_t name = slot_name(c);
    assert_ptr_equal(slot_find(f->rt, name, &found), c);
    assert_int_equal(found, old);
    assert_true(own_notify(c, old, OWN_WAKE));
    assert_false(own_notify(c, old, OWN_WAKE)); /* owned by now */
    slot_give(f->rt, c);
    assert_false(own_notify(c, old, OWN_WAKE));
    assert_ptr_equal(slot_take(f->rt), c); /* the same place, another connection */
    assert_int_not_equal(own_generation(c), old);
    assert_int_equal(own_take(c), 0);
    assert_true(own_park(c));
    assert_false(own_notify(c, old, OWN_INPUT)); /* a late event of the old one */
    assert_int_equal(own_take(c), 0);
    assert_null(slot_find(f->rt, (uint64_t)1 << 32 | 0xffffff, &found));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_against_list),
        CASE(test_lazy),
        CASE(test_owned),
        CASE(test_generations),
    };
    return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
