/* Tests of the list of providers. */
#include "queue/providers.h"

#include "base/limits.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

static struct providers *read_list(struct slice text)
{
    struct providers *p;
    char why[256] = "";
    if (providers_read(text, &p, why, sizeof why) != OK)
        fail_msg("%s", why);
    return p;
}

static void assert_slice(struct slice s, const char *want)
{
    if (!slice_eq(s, slice_str(want)))
        fail_msg("\"%.*s\", not \"%s\"", SLICE_FMT(s), want);
}

static void lines(void **state)
{
    struct provider p;
    struct providers *list =
        read_list(SLICE("# far away\n"
                        "\n"
                        "  # seen in 2026,\r\n"
                        "#by nobody\r\n"
                        "A.example\tb.example verify *.MX.example  mx.example\n"
                        "c.example dane\n"
                        "# others\n"
                        "m\xc3\xbcller.example encrypt\n"
                        "\n"
                        "d.example encrypt"));
    assert_true(providers_find(list, SLICE("b.example"), &p));
    assert_int_equal(p.demand, DEMAND_VERIFY);
    assert_int_equal(p.line, 5);
    assert_slice(p.domain, "b.example");
    assert_slice(p.mx_names, "*.mx.example mx.example");
    assert_slice(p.remark, "seen in 2026, by nobody");
    assert_true(providers_find(list, SLICE("a.example"), &p));
    assert_true(providers_find(list, SLICE("c.example"), &p));
    assert_int_equal(p.demand, DEMAND_DANE);
    assert_slice(p.mx_names, "");
    assert_slice(p.remark, "seen in 2026, by nobody");
    assert_true(providers_find(list, SLICE("xn--mller-kva.example"), &p));
    assert_slice(p.remark, "others");
    assert_true(providers_find(list, SLICE("d.example"), &p));
    assert_slice(p.remark, "");
    assert_false(providers_find(list, SLICE("x.a.example"), &p));
    assert_false(providers_find(list, SLICE("example"), &p));
    assert_false(providers_find(list, SLICE(""), &p));
    providers_free(list);
}

static void empty(void **state)
{
    struct provider p;
    struct providers *list = read_list(SLICE("# nothing\n\n"));
    assert_false(providers_find(list, SLICE("a.example"), &p));
    providers_free(list);
    list = read_list(SLICE_NONE);
    assert_false(providers_find(list, SLICE("a.example"), &p));
    providers_free(list);
    providers_free(NULL);
}

static void refused(void **state)
{
    static const struct {
        struct slice text;
        const char *why;
    } rows[] = {
        {SLICE_INIT("a.example"), "line 1: without a level: encrypt, verify or dane"},
        {SLICE_INIT("\n\nencrypt"), "line 3: without a domain before the level"},
        {SLICE_INIT("a.example nothing"),
         "line 1: \"nothing\": not a domain; a level is encrypt, verify or dane"},
        {SLICE_INIT("a.example b..example dane"),
         "line 1: \"b..example\": not a domain; a level is encrypt, verify or dane"},
        {SLICE_INIT("*.example dane"),
         "line 1: \"*.example\": not a domain; a level is encrypt, verify or dane"},
        {SLICE_INIT("a.example verify *.*.example"),
         "line 1: \"*.*.example\": after the level come names of mail servers, such as "
         "*.example.net"},
        {SLICE_INIT("a.example verify *.example"),
         "line 1: \"*.example\": after the level come names of mail servers, such as "
         "*.example.net"},
        {SLICE_INIT("a.example dane # no"),
         "line 1: \"#?no\": after the level come names of mail servers, such as *.example.net"},
        {SLICE_INIT("a.example dane\nb.example A.example encrypt"),
         "line 2: \"a.example\": has a line already further up"},
        {SLICE_INIT("a\0.example\x1b dane"),
         "line 1: \"a?.example?\": not a domain; a level is encrypt, verify or dane"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct providers *p;
        char why[256] = "";
        assert_int_equal(providers_read(rows[i].text, &p, why, sizeof why), ERR_INPUT);
        assert_string_equal(why, rows[i].why);
    }
}

static void too_much(void **state)
{
    struct providers *p;
    char why[256] = "";
    autobuf b = BUF_INIT(4 * LIMIT_PROVIDERS_TEXT);
    while (b.n <= LIMIT_PROVIDERS_TEXT)
        buf_lit(&b, "# as long as it likes to be\n");
    assert_int_equal(providers_read(buf_slice(&b), &p, why, sizeof why), ERR_LIMIT);
    buf_reset(&b);
    for (int i = 0; i <= LIMIT_PROVIDERS; i++)
        buf_printf(&b, "%d.example ", i);
    buf_lit(&b, "dane\n");
    assert_true(b.n < LIMIT_PROVIDERS_TEXT);
    assert_int_equal(providers_read(buf_slice(&b), &p, why, sizeof why), ERR_LIMIT);
}

struct seen {
    size_t n, without_remark, verify_without_names;
};

static void on_each(void *arg, const struct provider *p)
{
    struct seen *s = arg;
    s->n++;
    s->without_remark += p->remark.n == 0;
    s->verify_without_names += p->demand == DEMAND_VERIFY && p->mx_names.n == 0;
}

/* The list that is shipped: readable, every line with its origin, and the great ones in it. */
static void builtin(void **state)
{
    static const struct {
        struct slice domain;
        enum demand demand;
    } rows[] = {
        {SLICE_INIT("t-online.de"), DEMAND_VERIFY}, {SLICE_INIT("gmx.de"), DEMAND_DANE},
        {SLICE_INIT("gmx.net"), DEMAND_DANE},       {SLICE_INIT("web.de"), DEMAND_DANE},
        {SLICE_INIT("freenet.de"), DEMAND_VERIFY},  {SLICE_INIT("online.de"), DEMAND_VERIFY},
        {SLICE_INIT("strato.de"), DEMAND_ENCRYPT},  {SLICE_INIT("posteo.de"), DEMAND_DANE},
        {SLICE_INIT("mailbox.org"), DEMAND_DANE},   {SLICE_INIT("mail.de"), DEMAND_DANE},
        {SLICE_INIT("tutanota.de"), DEMAND_DANE},   {SLICE_INIT("vodafone.de"), DEMAND_ENCRYPT},
        {SLICE_INIT("arcor.de"), DEMAND_ENCRYPT},   {SLICE_INIT("o2online.de"), DEMAND_ENCRYPT},
        {SLICE_INIT("gmail.com"), DEMAND_VERIFY},
    };
    struct providers *list = read_list(providers_builtin());
    struct seen seen = {0};
    providers_each(list, on_each, &seen);
    assert_true(seen.n > 60);
    assert_int_equal(seen.without_remark, 0);
    assert_int_equal(seen.verify_without_names, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct provider p;
        if (!providers_find(list, rows[i].domain, &p))
            fail_msg("%.*s", SLICE_FMT(rows[i].domain));
        assert_int_equal(p.demand, rows[i].demand);
    }
    providers_free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),    cmocka_unit_test(empty),   cmocka_unit_test(refused),
        cmocka_unit_test(too_much), cmocka_unit_test(builtin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
