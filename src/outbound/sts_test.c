/* MTA-STS policies, records and patterns; TLSRPT addresses. */
#include "base/mem.h"
#include "outbound/sts.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void records(void **state)
{
    static const struct {
        const char *txt, *id; /* NULL: refused */
    } cases[] = {
        {"v=STSv1; id=20160831085700Z;", "20160831085700Z"},
        {"v=STSv1;id=a", "a"},
        {"v=STSv1 ; future=x; id=a1 ;", "a1"},
        {"v=STSv1; id=12345678901234567890123456789012", "12345678901234567890123456789012"},
        {"v=STSv1; id=123456789012345678901234567890123", NULL},
        {"v=STSv1; id=", NULL},
        {"v=STSv1;", NULL},
        {"v=STSv1; id=a; id=b", NULL},
        {"v=STSv1; id=a-b", NULL},
        {"v=STSv1; =x; id=a", NULL},
        {"v=STSv1; nonsense; id=a", NULL},
        {"v=STSv11; id=a", NULL},
        {"V=stsv1; id=a", NULL},
        {"id=a; v=STSv1", NULL},
        {"v=spf1 -all", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice id = SLICE_NONE;
        enum error e = sts_record_id(slice_str(cases[i].txt), &id);
        print_message("%s\n", cases[i].txt);
        assert_int_equal(e, cases[i].id ? OK : ERR_INPUT);
        assert_true(slice_eq(id, slice_str(cases[i].id)));
    }
}

static void read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    uint8_t *p = buf_room(out, 4096);
    buf_grew(out, fread(p, 1, 4096, f));
    fclose(f);
}

static void published_files(void **state)
{
    DIR *d = opendir(TEST_DATA "/mta-sts");
    assert_non_null(d);
    unsigned seen = 0;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        struct slice name = slice_str(e->d_name);
        struct sts_policy p;
        if (!slice_ends(name, SLICE(".txt")))
            continue;
        char path[1024];
        snprintf(path, sizeof path, "%s/mta-sts/%s", TEST_DATA, e->d_name);
        autobuf file = BUF_INIT(65536);
        read_file(path, &file);
        print_message("%s\n", e->d_name);
        assert_int_equal(sts_policy_read(buf_slice(&file), &p) == OK,
                         slice_starts(name, SLICE("valid-")));
        seen++;
    }
    closedir(d);
    assert_int_equal(seen, 12);
}

static void policies(void **state)
{
    static const struct {
        const char *file;
        enum error e;
        enum sts_mode mode;
        uint64_t max_age;
        size_t n_mx;
    } cases[] = {
        {"version: STSv1\r\nmode: enforce\r\nmx: a.example\r\nmx: *.b.example\r\nmax_age: 5\r\n",
         OK, STS_ENFORCE, 5, 2},
        {"max_age:5\nmx:\ta.example \nmode: testing\t\nversion:STSv1", OK, STS_TESTING, 5, 1},
        /* only the first of what may not repeat counts */
        {"version: STSv1\nmode: none\nmode: enforce\nmax_age: 1\nmax_age: x\n", OK, STS_NONE, 1, 0},
        {"version: STSv1\nmode: none\nmax_age: 9999999999\n", OK, STS_NONE, LIMIT_STS_MAX_AGE, 0},
        {"version: STSv1\nmode: none\nmax_age: 99999999999\n", ERR_INPUT, 0, 0, 0},
        {"version: STSv1\nmode: none\nmax_age: \n", ERR_INPUT, 0, 0, 0},
        {"version: STSv1\nmode: Enforce\nmax_age: 1\nmx: a\n", ERR_INPUT, 0, 0, 0},
        {"version: STSv1\nmode: testing\nmax_age: 1\n", ERR_INPUT, 0, 0, 0},
        {"version: STSv1\nmode: none\n", ERR_INPUT, 0, 0, 0},
        {"version: STSv1\nmax_age: 1\n", ERR_INPUT, 0, 0, 0},
        {"version: STSv1\nmode: none\nmax_age: 1\nno colon\n", ERR_INPUT, 0, 0, 0},
        {"version: STSv1\nmode: enforce\nmax_age: 1\nmx: a..b\n", ERR_INPUT, 0, 0, 0},
        {"version: STSv1\nmode: enforce\nmax_age: 1\nmx: a.*.b\n", ERR_INPUT, 0, 0, 0},
        {"version: STSv1\nmode: enforce\nmax_age: 1\nmx: *.\n", ERR_INPUT, 0, 0, 0},
        {"version: STSv1\nmode: enforce\nmax_age: 1\nmx: *\n", ERR_INPUT, 0, 0, 0},
        {"version: STSv1\nmode: enforce\nmax_age: 1\nmx: a b\n", ERR_INPUT, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sts_policy p = {0};
        print_message("%s\n", cases[i].file);
        assert_int_equal(sts_policy_read(slice_str(cases[i].file), &p), cases[i].e);
        if (cases[i].e != OK)
            continue;
        assert_int_equal(p.mode, cases[i].mode);
        assert_int_equal(p.max_age, cases[i].max_age);
        assert_int_equal(p.n_mx, cases[i].n_mx);
    }
}

static void limits(void **state)
{
    autobuf b = BUF_INIT(2 * LIMIT_STS_POLICY);
    struct sts_policy p;
    buf_lit(&b, "version: STSv1\nmode: enforce\nmax_age: 1\n");
    for (unsigned i = 0; i < LIMIT_STS_MX; i++)
        buf_lit(&b, "mx: a.example\n");
    assert_int_equal(sts_policy_read(buf_slice(&b), &p), OK);
    buf_lit(&b, "mx: a.example\n");
    assert_int_equal(sts_policy_read(buf_slice(&b), &p), ERR_LIMIT);
    buf_reset(&b);
    while (b.n <= LIMIT_STS_POLICY)
        buf_lit(&b, "x: y\n");
    assert_int_equal(sts_policy_read(buf_slice(&b), &p), ERR_LIMIT);
}

static void patterns(void **state)
{
    static const struct {
        const char *pattern, *host;
        bool match;
    } cases[] = {
        {"mx.example.net", "mx.example.net", true},
        {"mx.example.net", "MX.Example.NET", true},
        {"mx.example.net", "mx.example.net.evil", false},
        {"mx.example.net", "amx.example.net", false},
        {"*.example.net", "mx.example.net", true},
        {"*.EXAMPLE.net", "mx.example.net", true},
        {"*.example.net", "a.mx.example.net", false},
        {"*.example.net", "example.net", false},
        {"*.example.net", ".example.net", false},
        {"*.example.net", "mxexample.net", false},
        {"*.example.net", "", false},
        {"", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        print_message("%s %s\n", cases[i].pattern, cases[i].host);
        assert_int_equal(sts_match(slice_str(cases[i].pattern), slice_str(cases[i].host)),
                         cases[i].match);
    }
}

static void report_addresses(void **state)
{
    static const struct {
        const char *txt, *rua;
    } cases[] = {
        {"v=TLSRPTv1; rua=mailto:reports@example.com", "mailto:reports@example.com"},
        {"v=TLSRPTv1;rua=mailto:a@b.example , https://b.example/v1;",
         "mailto:a@b.example https://b.example/v1"},
        {"v=TLSRPTv1; rua=ftp://b.example/, mailto:a@b.example", "mailto:a@b.example"},
        {"v=TLSRPTv1; rua=mailto:a b@b.example", ""},
        {"v=TLSRPTv1; x=y", ""},
        {"v=TLSRPTv1; rua", ""},
        {"v=TLSRPTv2; rua=mailto:a@b.example", ""},
        {"rua=mailto:a@b.example", ""},
        {"", ""},
    };
    autoarena a;
    arena_init(&a, 65536);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        print_message("%s\n", cases[i].txt);
        assert_true(slice_eq(tlsrpt_rua(slice_str(cases[i].txt), &a), slice_str(cases[i].rua)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records),  cmocka_unit_test(published_files),
        cmocka_unit_test(policies), cmocka_unit_test(limits),
        cmocka_unit_test(patterns), cmocka_unit_test(report_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
