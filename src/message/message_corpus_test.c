/* Every message of the corpus against what Dovecot says of it (test/dovecot_reference.py wrote the
 * golden files): ENVELOPE, BODYSTRUCTURE, BODY, and the bytes of every section. There is no message
 * on which this program means to differ. */
#include "base/limits.h"
#include "message/structure_records.h"
#include "message/summary.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
/* cmocka needs those above first. */
#include <cmocka.h>

enum { FILE_MAX = 4 * 1024 * 1024, CORPUS_MIN = 140 };

static void read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("%s cannot be opened", path);
    char piece[65536];
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        buf_add(out, slice_of(piece, n));
    fclose(f);
}

static void to_crlf(struct slice in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\n' && (i == 0 || in.p[i - 1] != '\r'))
            buf_byte(out, '\r');
        buf_byte(out, in.p[i]);
    }
}

/* "folder__name.eml.txt" is the golden file of "folder/name.eml". */
static void read_message(const char *golden, struct buf *out)
{
    char path[1024];
    const char *name = strstr(golden, "__");
    assert_non_null(name);
    snprintf(path, sizeof path, "%s/mime-corpus/%.*s/%.*s", TEST_DATA, (int)(name - golden), golden,
             (int)(strlen(name) - 2 - strlen(".txt")), name + 2);
    autobuf raw;
    buf_init(&raw, FILE_MAX);
    read_file(path, &raw);
    to_crlf(buf_slice(&raw), out);
}

static void compare(const char *golden)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/mime-golden/%s", TEST_DATA, golden);
    autobuf theirs, message, ours;
    buf_init(&theirs, FILE_MAX);
    buf_init(&message, FILE_MAX);
    buf_init(&ours, FILE_MAX);
    read_file(path, &theirs);
    read_message(golden, &message);
    if (!structure_records(buf_slice(&message), &ours))
        fail_msg("%s: not parsed", golden);
    if (!slice_eq(buf_slice(&theirs), buf_slice(&ours)))
        fail_msg("%s differs\n--- Dovecot\n%.*s--- this program\n%.*s", golden,
                 SLICE_FMT(buf_slice(&theirs)), SLICE_FMT(buf_slice(&ours)));
}

static void test_corpus_agrees_with_dovecot(void **state)
{
    DIR *d = opendir(TEST_DATA "/mime-golden");
    assert_non_null(d);
    int n = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.') {
            compare(e->d_name);
            n++;
        }
    closedir(d);
    assert_true(n >= CORPUS_MIN);
}

/* BODY made of the stored BODYSTRUCTURE is the BODY made of the message. */
static void test_body_of_structure(void **state)
{
    DIR *d = opendir(TEST_DATA "/mime-golden");
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        autobuf message, direct, derived;
        buf_init(&message, FILE_MAX);
        buf_init(&direct, FILE_MAX);
        buf_init(&derived, FILE_MAX);
        read_message(e->d_name, &message);
        autoarena a;
        arena_init(&a, LIMIT_SUMMARY_ARENA);
        struct summary s;
        struct mime_tree *tree;
        assert_int_equal(summary_make(&a, buf_slice(&message), 0, &s), OK);
        assert_int_equal(mime_parse(&a, buf_slice(&message), &tree), OK);
        summary_structure(&a, tree, false, &direct);
        assert_int_equal(summary_body_of_structure(s.body_structure, &derived), OK);
        assert_true(slice_eq(buf_slice(&direct), buf_slice(&derived)));
    }
    closedir(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corpus_agrees_with_dovecot),
        cmocka_unit_test(test_body_of_structure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
