/* Tests of log lines (no mail can forge one), error names and hashes. */
#include "base/log.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

/* Runs fn in a child with standard error in a pipe; gives what it wrote and how it ended. */
static int captured(void (*fn)(void), char *out, size_t size)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        fn();
        _exit(0);
    }
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got; n < size - 1 && (got = read(ends[0], out + n, size - 1 - n)) > 0;)
        n += (size_t)got;
    out[n] = 0;
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void write_lines(void)
{
    log_info("test.plain", log_text("a", "x@example.org"), log_u64("n", 12), log_i64("m", -3));
    log_set_role("mail");
    log_warning("test.quoted", log_slice("v", SLICE("a b\"c\\d=\r\n2026 forged\x1b[31m\0\xC3\xA4")),
                log_text("e", ""), log_text("none", NULL));
    log_info("test.id", log_id("entry", 0x8f01), log_id("most", UINT64_MAX), log_id("none", 0));
    log_debug("test.debug", log_u64("n", 1));
    log_set_level(LOG_ERROR);
    log_info("test.hidden", log_u64("n", 1));
}

static void test_lines(void **state)
{
    char text[8192];
    assert_int_equal(captured(write_lines, text, sizeof text), 0);
    struct slice rest = slice_str(text), line;
    assert_true(slice_line(&rest, &line));
    assert_int_equal(line.p[4], '-');
    assert_int_equal(line.p[23], 'Z');
    assert_true(slice_eq(slice_from(line, 25), SLICE("info test.plain a=x@example.org n=12 m=-3")));
    assert_true(slice_line(&rest, &line));
    assert_true(slice_eq(slice_from(line, 25),
                         SLICE("warning mail test.quoted v=\"a b\\\"c\\\\d=\\x0D\\x0A2026 "
                               "forged\\x1B[31m\\x00\\xC3\\xA4\" e=\"\" none=\"\"")));
    assert_true(slice_line(&rest, &line));
    assert_true(slice_eq(slice_from(line, 25),
                         SLICE("info mail test.id entry=8f01 most=ffffffffffffffff none=0")));
    assert_false(slice_line(&rest, &line));
}

static void write_long(void)
{
    char *big = mem_alloc(100000);
    memset(big, 'x', 99999);
    log_info("test.long", log_text("a", big));
    memset(big, 1, 99999);
    log_info("test.longer", log_text("a", big), log_text("b", big), log_u64("n", 7));
    mem_free(big);
}

static void test_long_values(void **state)
{
    char text[16384];
    assert_int_equal(captured(write_long, text, sizeof text), 0);
    struct slice rest = slice_str(text), line;
    assert_true(slice_line(&rest, &line));
    assert_in_range(line.n, 1024, 1200);
    assert_true(slice_ends(line, SLICE("xxx...\"")));
    assert_true(slice_line(&rest, &line));
    assert_true(line.n < 4096);
    assert_true(slice_ends(line, SLICE(" cut=1")));
    assert_false(slice_line(&rest, &line));
}

static void do_die(void)
{
    die("no %s", "luck");
}

static void do_bug(void)
{
    bug("count %d", 3);
}

static void test_ends(void **state)
{
    char text[4096];
    int status = captured(do_die, text, sizeof text);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    assert_non_null(strstr(text, "error die message=\"no luck\""));
    status = captured(do_bug, text, sizeof text);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "error bug file="));
    assert_non_null(strstr(text, "message=\"count 3\""));
}

static void test_names(void **state)
{
    for (int e = OK; e <= ERR_BUG; e++)
        assert_string_not_equal(error_name((enum error)e), "unknown");
    assert_string_equal(error_name((enum error)99), "unknown");
}

static void test_hash(void **state)
{
    assert_true(hash_bytes(SLICE("a")) == hash_bytes(SLICE("a")));
    assert_true(hash_bytes(SLICE("a")) != hash_bytes(SLICE("b")));
    assert_true(hash_bytes(SLICE("")) == hash_bytes(SLICE_NONE));
    assert_true(hash_u64(1) != hash_u64(2));
    /* Stored in databases: this value may never change. BLAKE2b-128 of "abc" begins so. */
    assert_true(checksum64(SLICE("abc")) == 0xcf4ab791c62b8d2bu);
}

static void test_clock(void **state)
{
    int64_t a = clock_us(), b = clock_us();
    assert_true(b >= a);
    assert_true(clock_ms() >= a / 1000);
    assert_true(clock_wall() > 1700000000);
    assert_true(clock_wall_ms() / 1000 - clock_wall() <= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines), cmocka_unit_test(test_long_values),
        cmocka_unit_test(test_ends),  cmocka_unit_test(test_names),
        cmocka_unit_test(test_hash),  cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
