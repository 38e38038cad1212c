/* Tests of address lists and SMTP mailboxes. */
#include "message/address.h"

#include "base/limits.h"
#include <setjmp.h>
#include <stdarg.h>
/* cmocka needs those above first. */
#include <cmocka.h>

/* An address list as one line: name|route|mailbox|host, "-" for absent. */
static void show(const struct address *a, struct buf *out)
{
    for (; a != NULL; a = a->next) {
        const struct slice parts[] = {a->name, a->route, a->mailbox, a->host};
        for (size_t i = 0; i < 4; i++) {
            if (i > 0)
                buf_byte(out, '|');
            buf_add(out, parts[i].p ? parts[i] : SLICE("-"));
        }
        if (a->next != NULL)
            buf_lit(out, " & ");
    }
}

static const struct {
    const char *in, *out;
} lists[] = {
    {"", ""},
    {" \t ", ""},
    {"(only a comment)", ""},
    {"a@b", "-|-|a|b"},
    {"a@b.example, <c@d>", "-|-|a|b.example & -|-|c|d"},
    {"Anna Berg <anna@example.org>", "Anna Berg|-|anna|example.org"},
    {"\"Berg, Anna\" <anna@example.org>", "Berg, Anna|-|anna|example.org"},
    {"\"A\\\"B\\\\\" <a@b>", "A\"B\\|-|a|b"},
    {"J. R. Hacker <a@b>", "J. R. Hacker|-|a|b"},
    {"a@b (Anna)", "Anna|-|a|b"},
    {"a@b (An (nested) na)", "An (nested) na|-|a|b"},
    {"\"a b\"@c", "-|-|a b|c"},
    {"a @ b . c", "-|-|a|b.c"},
    {"a@[192.0.2.1]", "-|-|a|[192.0.2.1]"},
    {"Friends: a@b, C <c@d>;", "-|-|Friends|- & -|-|a|b & C|-|c|d & -|-|-|-"},
    {"undisclosed-recipients:;", "-|-|undisclosed-recipients|- & -|-|-|-"},
    {"Friends:;, x@y", "-|-|Friends|- & -|-|-|- & -|-|x|y"},
    {"<@relay,@other:a@b>", "-|@relay,@other|a|b"},
    {"A\r\n B <a@b>,\r\n\tc@d", "A B|-|a|b & -|-|c|d"},
    {"=?utf-8?q?J=C3=B6rg?= <j@x>", "=?utf-8?q?J=C3=B6rg?=|-|j|x"},
    {"J\xC3\xB6rg <j\xC3\xB6@x>", "J\xC3\xB6rg|-|j\xC3\xB6|x"},
    {".a..b.@c", "-|-|.a..b.|c"},
    /* Broken ones, as Dovecot keeps them. */
    {"a", "-|-|a|MISSING_DOMAIN"},
    {"A B", "A B|-|MISSING_MAILBOX|MISSING_DOMAIN"},
    {"\"a\"", "a|-|MISSING_MAILBOX|MISSING_DOMAIN"},
    {"X <a@b", "X|-|a|SYNTAX_ERROR"},
    {"X <>", "X|-|MISSING_MAILBOX|MISSING_DOMAIN"},
    {"X <@r>", "X|INVALID_ROUTE|MISSING_MAILBOX|MISSING_DOMAIN"},
    {"@", "-|-|MISSING_MAILBOX|MISSING_DOMAIN"},
    {"\"unterminated <a@b>", "-|-|MISSING_MAILBOX|MISSING_DOMAIN"},
    {"G: a@b", "-|-|G|- & -|-|a|b & -|-|-|-"},
};

static void test_lists(void **state)
{
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        autoarena a;
        arena_init(&a, 1 << 20);
        struct address *list = NULL;
        autobuf out;
        buf_init(&out, 4096);
        assert_int_equal(address_list(&a, slice_str(lists[i].in), &list), OK);
        show(list, &out);
        if (!slice_eq(buf_slice(&out), slice_str(lists[i].out)))
            fail_msg("[%s] gives [%.*s], not [%s]", lists[i].in, SLICE_FMT(buf_slice(&out)),
                     lists[i].out);
    }
}

static void test_list_has_a_limit(void **state)
{
    autobuf in;
    buf_init(&in, 1 << 24);
    for (int i = 0; i < 500000; i++)
        buf_lit(&in, "a@b, ");
    autoarena a;
    arena_init(&a, 4 << 20);
    struct address *list;
    assert_int_equal(address_list(&a, buf_slice(&in), &list), OK);
    size_t n = 0;
    for (; list != NULL; list = list->next)
        n++;
    assert_int_equal(n, LIMIT_ADDRESSES);
}

static void test_list_at_the_cap(void **state)
{
    autoarena a;
    arena_init(&a, 2048);
    autobuf in;
    buf_init(&in, 1 << 20);
    for (int i = 0; i < 1000; i++)
        buf_lit(&in, "\"a\\b\" <c@d>, ");
    struct address *list;
    assert_int_equal(address_list(&a, buf_slice(&in), &list), ERR_LIMIT);
}

static const struct {
    const char *in;
    bool utf8, good;
    const char *local, *domain;
} mailboxes[] = {
    {"a@b", false, true, "a", "b"},
    {"first.last+tag@mail.example.org", false, true, "first.last+tag", "mail.example.org"},
    {"!#$%&'*+-/=?^_`{|}~@x", false, true, "!#$%&'*+-/=?^_`{|}~", "x"},
    {"\"a b\"@x", false, true, "a b", "x"},
    {"\"a\\\"b\"@x", false, true, "a\"b", "x"},
    {"\"\"@x", false, true, "", "x"},
    {"a@[192.0.2.1]", false, true, "a", "[192.0.2.1]"},
    {"a@[IPv6:2001:db8::1]", false, true, "a", "[IPv6:2001:db8::1]"},
    {"a@[IPv6:::ffff:192.0.2.1]", false, true, "a", "[IPv6:::ffff:192.0.2.1]"},
    {"a@[IPv6:1:2:3:4:5:6:7:8]", false, true, "a", "[IPv6:1:2:3:4:5:6:7:8]"},
    {"a@[x-tag:data]", false, true, "a", "[x-tag:data]"},
    {"a@xn--bcher-kva.example", false, true, "a", "xn--bcher-kva.example"},
    {"a@under_score.example", false, true, "a", "under_score.example"},
    {"j\xC3\xB6@b\xC3\xBC.example", true, true, "j\xC3\xB6", "b\xC3\xBC.example"},
    {"j\xC3\xB6@x", false, false, NULL, NULL},
    {"j\xF6@x", true, false, NULL, NULL},
    {"", false, false, NULL, NULL},
    {"a", false, false, NULL, NULL},
    {"@b", false, false, NULL, NULL},
    {"a@", false, false, NULL, NULL},
    {".a@b", false, false, NULL, NULL},
    {"a.@b", false, false, NULL, NULL},
    {"a..b@c", false, false, NULL, NULL},
    {"a b@c", false, false, NULL, NULL},
    {"a@b c", false, false, NULL, NULL},
    {"a@b@c", false, false, NULL, NULL},
    {"a@b.", false, false, NULL, NULL},
    {"a@.b", false, false, NULL, NULL},
    {"a@b..c", false, false, NULL, NULL},
    {"a@-b", false, false, NULL, NULL},
    {"a@b-", false, false, NULL, NULL},
    {"\"a@b", false, false, NULL, NULL},
    {"\"a\"b@c", false, false, NULL, NULL},
    {"\"a\r\n\"@c", false, false, NULL, NULL},
    {"a@[192.0.2]", false, false, NULL, NULL},
    {"a@[192.0.2.256]", false, false, NULL, NULL},
    {"a@[192.0.2.1.]", false, false, NULL, NULL},
    {"a@[IPv6:1:2:3:4:5:6:7:8:9]", false, false, NULL, NULL},
    {"a@[IPv6:1::2::3]", false, false, NULL, NULL},
    {"a@[IPv6:12345::]", false, false, NULL, NULL},
    {"a@[IPv6:1:2:3:]", false, false, NULL, NULL},
    {"a@[192.0.2.1", false, false, NULL, NULL},
    {"a@[]", false, false, NULL, NULL},
    {"a@b>", false, false, NULL, NULL},
};

static void test_mailboxes(void **state)
{
    for (size_t i = 0; i < sizeof mailboxes / sizeof mailboxes[0]; i++) {
        autoarena a;
        arena_init(&a, 1 << 16);
        struct mailbox_address m;
        enum error e = mailbox_parse(&a, slice_str(mailboxes[i].in), mailboxes[i].utf8, &m);
        if ((e == OK) != mailboxes[i].good)
            fail_msg("[%s] is %s", mailboxes[i].in, error_name(e));
        if (e != OK)
            continue;
        assert_true(slice_eq(m.local, slice_str(mailboxes[i].local)));
        assert_true(slice_eq(m.domain, slice_str(mailboxes[i].domain)));
        autobuf out;
        buf_init(&out, 1024);
        mailbox_print(&m, &out);
        if (!slice_eq(buf_slice(&out), slice_str(mailboxes[i].in)))
            fail_msg("[%s] is printed [%.*s]", mailboxes[i].in, SLICE_FMT(buf_slice(&out)));
    }
}

static void test_mailbox_lengths(void **state)
{
    char text[400];
    struct mailbox_address m;
    autoarena a;
    arena_init(&a, 1 << 16);
    for (int n = 63; n <= 65; n++) {
        int length = snprintf(text, sizeof text, "%0*d@x", n, 7);
        assert_int_equal(mailbox_parse(&a, slice_of(text, (size_t)length), false, &m),
                         n <= 64 ? OK : ERR_INPUT);
        length = snprintf(text, sizeof text, "a@%0*d.org", n, 7);
        assert_int_equal(mailbox_parse(&a, slice_of(text, (size_t)length), false, &m),
                         n <= 63 ? OK : ERR_INPUT);
    }
    int length = snprintf(text, sizeof text, "a@%060d.%060d.%060d.%060d.%011d", 1, 2, 3, 4, 5);
    assert_int_equal(mailbox_parse(&a, slice_of(text, (size_t)length), false, &m), OK);
    length = snprintf(text, sizeof text, "a@%060d.%060d.%060d.%060d.%012d", 1, 2, 3, 4, 5);
    assert_int_equal(mailbox_parse(&a, slice_of(text, (size_t)length), false, &m), ERR_INPUT);
}

static void test_null_sender_prints_empty(void **state)
{
    struct mailbox_address m = {SLICE_INIT(""), SLICE_INIT("")};
    autobuf out;
    buf_init(&out, 16);
    mailbox_print(&m, &out);
    assert_int_equal(out.n, 0);
    m.local = SLICE("postmaster");
    mailbox_print(&m, &out);
    assert_true(slice_eq(buf_slice(&out), SLICE("postmaster")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),           cmocka_unit_test(test_list_has_a_limit),
        cmocka_unit_test(test_list_at_the_cap), cmocka_unit_test(test_mailboxes),
        cmocka_unit_test(test_mailbox_lengths), cmocka_unit_test(test_null_sender_prints_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
