/* Tests of buffers and arenas: growth, limits, and what happens at them. */
#include "base/buf.h"

#include "base/arena.h"
#include "base/cursor.h"
#include "base/mem.h"
#include "base/random.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

static void test_buf_limit(void **state)
{
    autobuf b = BUF_INIT(10);
    assert_null(b.p);
    buf_lit(&b, "12345");
    buf_lit(&b, "67890");
    assert_int_equal(buf_check(&b), OK);
    buf_byte(&b, 'x');
    assert_int_equal(buf_check(&b), ERR_LIMIT);
    assert_true(slice_eq(buf_slice(&b), SLICE("1234567890")));
    buf_drop(&b, 5);
    buf_lit(&b, "y"); /* sticky: no hole in the text may be filled later */
    assert_true(slice_eq(buf_slice(&b), SLICE("67890")));
    buf_reset(&b);
    buf_lit(&b, "123456789ab");
    assert_true(b.failed);
    assert_true(slice_eq(buf_slice(&b), SLICE("123456789a")));
    buf_free(&b);
    assert_null(b.p);
    assert_int_equal(b.limit, 10);
    buf_lit(&b, "again");
    assert_int_equal(b.n, 5);
}

static void test_buf_growth(void **state)
{
    autobuf b = BUF_INIT(1000000);
    for (uint32_t i = 0; i < 250000; i++)
        buf_u32(&b, i);
    assert_int_equal(buf_check(&b), OK);
    struct cursor c = cur_of(buf_slice(&b));
    for (uint32_t i = 0; i < 250000; i++)
        assert_int_equal(cur_u32(&c), i);
    assert_true(cur_ok(&c) && cur_end(&c));
    assert_true(b.cap <= b.limit);
    buf_byte(&b, 0);
    assert_true(b.failed);
}

static void test_buf_print(void **state)
{
    autobuf b = BUF_INIT(5000);
    buf_printf(&b, "%s-%d", "a", 5);
    buf_dec(&b, 0);
    buf_dec(&b, UINT64_MAX);
    buf_str(&b, "!");
    assert_true(slice_eq(buf_slice(&b), SLICE("a-5018446744073709551615!")));
    buf_reset(&b);
    buf_printf(&b, "%01000d", 7);
    assert_int_equal(b.n, 1000);
    buf_printf(&b, "%09000d", 7);
    assert_int_equal(b.n, 5000);
    assert_true(b.failed);
}

static void test_buf_integers(void **state)
{
    autobuf b = BUF_INIT(100);
    buf_u32(&b, 0x01020304);
    buf_u64(&b, 0x1112131415161718);
    buf_bytes(&b, SLICE("hi"));
    assert_true(slice_eq(buf_slice(&b),
                         SLICE("\x01\x02\x03\x04\x11\x12\x13\x14\x15\x16\x17\x18\0\0\0\x02hi")));
}

static void test_buf_room(void **state)
{
    autobuf b = BUF_INIT(100);
    uint8_t *p = buf_room(&b, 60);
    assert_non_null(p);
    memset(p, 'x', 60);
    buf_grew(&b, 60);
    assert_null(buf_room(&b, 41));
    assert_true(b.failed);
    b.failed = false;
    assert_non_null(buf_room(&b, 40));
    assert_int_equal(b.n, 60);
    buf_drop(&b, 60);
    assert_int_equal(b.n, 0);
    autobuf none = BUF_INIT(0);
    buf_byte(&none, 1);
    assert_true(none.failed);
}

static void test_buf_wipe(void **state)
{
    struct buf b = BUF_INIT(64);
    buf_lit(&b, "secret");
    buf_wipe(&b);
    assert_null(b.p);
    assert_int_equal(b.n, 0);
    buf_wipe(&b);
}

static void test_arena_basic(void **state)
{
    struct arena a;
    arena_init(&a, 100000);
    assert_null(a.blocks);
    for (size_t i = 0; i < 500; i++) {
        uint8_t *p = arena_alloc(&a, i % 50);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t k = 0; k < i % 50; k++) {
            assert_int_equal(p[k], 0);
            p[k] = 0xAA;
        }
    }
    struct slice s = arena_dup(&a, SLICE("kept"));
    assert_true(slice_eq(s, SLICE("kept")));
    char *c = arena_cstr(&a, SLICE("text"));
    assert_string_equal(c, "text");
    assert_null(arena_cstr(&a, SLICE("a\0b")));
    assert_true(slice_eq(arena_printf(&a, "%d/%s", 7, "x"), SLICE("7/x")));
    assert_false(a.failed);

    arena_reset(&a);
    assert_non_null(a.blocks);
    assert_true(a.used <= 2048);
    uint8_t *p = arena_alloc(&a, 100); /* zeroed also after a reset */
    for (size_t k = 0; k < 100; k++)
        assert_int_equal(p[k], 0);
    arena_free(&a);
    assert_null(a.blocks);
    assert_int_equal(a.used, 0);
    assert_non_null(arena_alloc(&a, 1));
    arena_free(&a);
}

static void test_arena_cap(void **state)
{
    autoarena a;
    arena_init(&a, 10000);
    size_t got = 0;
    while (arena_alloc(&a, 100) != NULL)
        got += 100;
    assert_true(a.failed);
    assert_in_range(got, 6000, 10000);
    assert_true(a.used <= a.cap);
    assert_int_equal(arena_dup(&a, SLICE("this finds no room in it: "
                                         "more than a hundred bytes that are not there any longer, "
                                         "and still it is a slice"))
                         .n,
                     0);
    arena_reset(&a);
    assert_false(a.failed);
    assert_non_null(arena_alloc(&a, 100));
    assert_null(arena_alloc(&a, 10001));
    assert_true(a.failed);
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_array(&a, SIZE_MAX / 2, 3));
    assert_null(arena_alloc(&a, SIZE_MAX - 20));

    autoarena tiny; /* the first small block is always allowed */
    arena_init(&tiny, 1);
    assert_non_null(arena_alloc(&tiny, 100));
    assert_null(arena_alloc(&tiny, 5000));
}

static const size_t MIB = 1048576;

static void test_arena_big(void **state)
{
    autoarena a;
    arena_init(&a, 4 * MIB);
    uint8_t *small = arena_alloc(&a, 10);
    uint8_t *big = arena_alloc(&a, MIB);
    uint8_t *next = arena_alloc(&a, 10);
    assert_non_null(big);
    memset(big, 1, MIB);
    /* The small block stays in use behind a big one. */
    assert_true(next > small && next - small < 1024);
    arena_reset(&a);
    assert_true(a.used <= 2048);

    autoarena b; /* a big one first: nothing small to keep */
    arena_init(&b, 4 * MIB);
    assert_non_null(arena_alloc(&b, 100000));
    arena_reset(&b);
    assert_int_equal(b.used, 0);
    assert_null(b.blocks);
}

static void test_memory(void **state)
{
    uint32_t *p = mem_array(10, sizeof *p);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(p[i], 0);
    p[9] = 5;
    p = mem_resize(p, 1000, sizeof *p);
    assert_int_equal(p[9], 5);
    mem_wipe(p, 40);
    assert_int_equal(p[9], 0);
    mem_free(p);
    void *none = mem_alloc(0);
    assert_non_null(none);
    mem_free(none);
    mem_free(NULL);
    char *s = mem_strdup("hello");
    assert_string_equal(s, "hello");
    mem_free(s);
}

static void test_random(void **state)
{
    assert_true(random_u64() != random_u64());
    unsigned seen[7] = {0};
    for (int i = 0; i < 7000; i++) {
        uint32_t v = random_below(7);
        assert_true(v < 7);
        seen[v]++;
    }
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 600, 1400);
    assert_int_equal(random_below(1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf_limit),   cmocka_unit_test(test_buf_growth),
        cmocka_unit_test(test_buf_print),   cmocka_unit_test(test_buf_integers),
        cmocka_unit_test(test_buf_room),    cmocka_unit_test(test_buf_wipe),
        cmocka_unit_test(test_arena_basic), cmocka_unit_test(test_arena_cap),
        cmocka_unit_test(test_arena_big),   cmocka_unit_test(test_memory),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
