/* Tests of the zip writer: other programs must be able to read what it writes. */
#include "base/test_folder.h"
#include "web/zip.h"
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

static struct test_folder folder;

static int set_up(void **state)
{
    return test_folder_make(&folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    return test_folder_remove(&folder) ? 0 : -1;
}

static void write_file(const char *name, struct slice s)
{
    int fd = open(test_folder_file(&folder, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, s.p, s.n), (ssize_t)s.n);
    close(fd);
}

static int run(const char *program, const char *a, const char *b, const char *c)
{
    char args[4][300];
    const char *const in[] = {program, a, b, c};
    char *argv[5] = {NULL};
    for (size_t i = 0; i < 4 && in[i] != NULL; i++) {
        snprintf(args[i], sizeof args[i], "%s", in[i]);
        argv[i] = args[i];
    }
    pid_t child;
    int status;
    if (posix_spawnp(&child, program, NULL, NULL, argv, environ) != 0 ||
        waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void finish(struct zip *z, size_t piece, struct buf *out)
{
    int n = 0;
    while (zip_finish(z, piece, out))
        assert_true(++n < 1000000);
    assert_int_equal(zip_check(z), OK);
    assert_int_equal(buf_check(out), OK);
}

static const char script[] = "import sys, zipfile\n"
                             "z = zipfile.ZipFile(sys.argv[1])\n"
                             "assert z.testzip() is None\n"
                             "want = eval(open(sys.argv[2]).read())\n"
                             "got = [(i.filename, z.read(i).decode()) for i in z.infolist()]\n"
                             "assert got == want, (got[:9], want[:9])\n"
                             "assert all(i.date_time == (2026, 11, 22, 19, 45, 6) for i in "
                             "z.infolist())\n";

/* Python reads it, and finds what `want`, a list of pairs in its own notation, says. */
static void python_finds(struct slice zip, const char *want)
{
    char program[128], archive[128];
    write_file("want", slice_str(want));
    write_file("check.py", slice_str(script));
    snprintf(program, sizeof program, "%s", folder.file);
    write_file("a.zip", zip);
    snprintf(archive, sizeof archive, "%s", folder.file);
    assert_int_equal(run("python3", program, archive, test_folder_file(&folder, "want")), 0);
}

static const int64_t time_1 = 1795376706; /* 2026-11-22 19:45:06 */

static void add(struct zip *z, const char *name, const char *text, bool large, struct buf *out)
{
    zip_begin(z, slice_str(name), time_1, large, out);
    for (size_t i = 0; i < strlen(text); i += 3)
        zip_data(z, slice_sub(slice_str(text), i, i + 3), out);
    zip_end(z, out);
}

static void test_files(void **state)
{
    struct zip z;
    autobuf out = BUF_INIT(1 << 20);
    zip_init(&z, 1 << 20);
    add(&z, "INBOX.mbox", "From a\nhello\n", false, &out);
    add(&z, "empty", "", false, &out);
    add(&z, "Gel\xC3\xB6scht/", "", false, &out);
    add(&z, "Gel\xC3\xB6scht/large", "0123456789", true, &out);
    finish(&z, 7, &out);
    python_finds(buf_slice(&out), "[('INBOX.mbox', 'From a\\nhello\\n'), ('empty', ''), "
                                  "('Gel\\xf6scht/', ''), ('Gel\\xf6scht/large', '0123456789')]");
    if (access("/usr/bin/unzip", X_OK) == 0)
        assert_int_equal(run("unzip", "-tqq", test_folder_file(&folder, "a.zip"), NULL), 0);
    zip_free(&z);
}

static void test_none(void **state)
{
    struct zip z;
    autobuf out = BUF_INIT(1 << 20);
    zip_init(&z, 1 << 20);
    finish(&z, 100, &out);
    python_finds(buf_slice(&out), "[]");
    zip_free(&z);
}

static void test_many(void **state)
{
    struct zip z;
    autobuf out = BUF_INIT(64 << 20);
    zip_init(&z, 64 << 20);
    for (int i = 0; i < 70000; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d", i);
        add(&z, name, "x", false, &out);
    }
    finish(&z, 65536, &out);
    python_finds(buf_slice(&out), "[(str(i), 'x') for i in range(70000)]");
    zip_free(&z);
}

/* Over 4 GiB: the bytes are not kept, the file on the disk has holes for them. */
static void test_far(void **state)
{
    static const char check[] = "import sys, zipfile\n"
                                "z = zipfile.ZipFile(sys.argv[1])\n"
                                "big, small = z.infolist()\n"
                                "assert big.file_size == 5 << 30 and small.file_size == 5, big\n"
                                "assert z.read(small) == b'small'\n"
                                "assert z.open(big).read(9) == bytes(9)\n";
    static const uint8_t zeros[1 << 20];
    struct zip z;
    autobuf out = BUF_INIT(2 << 20);
    char program[128];
    write_file("check.py", slice_str(check));
    snprintf(program, sizeof program, "%s", folder.file);
    write_file("a.zip", SLICE_NONE);
    int fd = open(folder.file, O_WRONLY | O_CLOEXEC);
    zip_init(&z, 1 << 20);
    zip_begin(&z, SLICE("big"), time_1, true, &out);
    assert_int_equal(write(fd, out.p, out.n), (ssize_t)out.n);
    for (int i = 0; i < 5 << 10; i++) {
        buf_reset(&out);
        zip_data(&z, slice_of(zeros, sizeof zeros), &out);
    }
    assert_true(lseek(fd, INT64_C(5) << 30, SEEK_CUR) > 0);
    buf_reset(&out);
    zip_end(&z, &out);
    add(&z, "small", "small", false, &out);
    finish(&z, 1 << 20, &out);
    assert_int_equal(write(fd, out.p, out.n), (ssize_t)out.n);
    close(fd);
    assert_int_equal(run("python3", program, test_folder_file(&folder, "a.zip"), NULL), 0);
    zip_free(&z);
}

static void test_limit(void **state)
{
    struct zip z;
    autobuf out = BUF_INIT(1 << 20);
    zip_init(&z, 100);
    add(&z, "one", "x", false, &out);
    assert_int_equal(zip_check(&z), OK);
    add(&z, "two", "x", true, &out);
    assert_int_equal(zip_check(&z), ERR_LIMIT);
    zip_free(&z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_far, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limit, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
