/* Tests of reading replies: forms, bounds, enhanced codes, text for people, EHLO. */
#include "base/limits.h"
#include "base/utf8.h"
#include "outbound/reply.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Feeds the lines of `text`; the error of the first that is refused. */
static enum error feed(struct reply *r, struct slice text, bool *complete)
{
    struct slice line;
    enum error e = OK;
    reply_reset(r);
    *complete = false;
    while (e == OK && slice_line(&text, &line))
        e = reply_line(r, line, complete);
    return e;
}

static void forms(void **state)
{
    static const struct {
        const char *lines;
        enum error error;
        bool complete;
        uint16_t code;
        const char *status;
        bool has_status;
        const char *text; /* for people */
    } table[] = {
        {"250 OK", OK, true, 250, "2.0.0", false, "OK"},
        {"250", OK, true, 250, "2.0.0", false, ""},
        {"250 ", OK, true, 250, "2.0.0", false, ""},
        {"250-", OK, false, 250, "2.0.0", false, ""},
        {"250-a\n250-b\n250 c", OK, true, 250, "2.0.0", false, "a b c"},
        {"250-a\n250", OK, true, 250, "2.0.0", false, "a"},
        {"550 5.1.1 nobody", OK, true, 550, "5.1.1", true, "nobody"},
        {"550-5.1.1 no\n550 5.1.1 body", OK, true, 550, "5.1.1", true, "no body"},
        {"550 5.1.1", OK, true, 550, "5.1.1", true, ""},
        {"450 4.100.999 x", OK, true, 450, "4.100.999", true, "x"},
        /* the code's class wins */
        {"550 4.2.2 full", OK, true, 550, "5.2.2", true, "full"},
        {"451 5.7.1 later", OK, true, 451, "4.7.1", true, "later"},
        {"354 2.0.0 go on", OK, true, 354, "3.0.0", false, "go on"},
        /* no enhanced codes */
        {"550 5.1.1000 x", OK, true, 550, "5.0.0", false, "5.1.1000 x"},
        {"550 5.1.1x", OK, true, 550, "5.0.0", false, "5.1.1x"},
        {"550 3.1.1 x", OK, true, 550, "5.0.0", false, "3.1.1 x"},
        {"550 5..1 x", OK, true, 550, "5.0.0", false, "5..1 x"},
        {"550 5.1. x", OK, true, 550, "5.0.0", false, "5.1. x"},
        {"550 5.1", OK, true, 550, "5.0.0", false, "5.1"},
        {"550 5", OK, true, 550, "5.0.0", false, "5"},
        {"550  5.1.1 x", OK, true, 550, "5.0.0", false, "5.1.1 x"},
        /* what is no reply */
        {"", OK, false, 0, "", false, ""},
        {"\n", ERR_INPUT, false, 0, "", false, ""},
        {"25", ERR_INPUT, false, 0, "", false, ""},
        {"25x", ERR_INPUT, false, 0, "", false, ""},
        {"150 x", ERR_INPUT, false, 0, "", false, ""},
        {"600 x", ERR_INPUT, false, 0, "", false, ""},
        {"2500", ERR_INPUT, false, 0, "", false, ""},
        {"250\tx", ERR_INPUT, false, 0, "", false, ""},
        {" 250 x", ERR_INPUT, false, 0, "", false, ""},
        {"HTTP/1.1 400 Bad Request", ERR_INPUT, false, 0, "", false, ""},
        {"SSH-2.0-OpenSSH_9.2", ERR_INPUT, false, 0, "", false, ""},
        {"250-a\n251 b", ERR_INPUT, false, 250, "2.0.0", false, "a"},
        {"250-a\nb", ERR_INPUT, false, 250, "2.0.0", false, "a"},
    };
    struct reply r;
    reply_init(&r);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        bool complete;
        autobuf text = BUF_INIT(2 * LIMIT_RELAY_ANSWER);
        print_message("\"%s\"\n", table[i].lines);
        assert_int_equal(feed(&r, slice_str(table[i].lines), &complete), table[i].error);
        assert_int_equal(complete, table[i].complete);
        assert_int_equal(r.code, table[i].code);
        assert_string_equal(r.status, table[i].status);
        assert_int_equal(r.has_status, table[i].has_status);
        reply_text(&r, &text);
        assert_true(slice_eq(buf_slice(&text), slice_str(table[i].text)));
    }
    reply_free(&r);
}

static void a_nul_is_no_reply(void **state)
{
    struct reply r;
    bool complete;
    reply_init(&r);
    assert_int_equal(reply_line(&r, SLICE("250 a\0b"), &complete), ERR_INPUT);
    assert_int_equal(reply_line(&r, SLICE("250\0"), &complete), ERR_INPUT);
    reply_free(&r);
}

static void lines_are_counted(void **state)
{
    struct reply r;
    bool complete;
    reply_init(&r);
    for (int i = 0; i < REPLY_LINES; i++)
        assert_int_equal(reply_line(&r, SLICE("250-x"), &complete), OK);
    assert_int_equal(reply_line(&r, SLICE("250 x"), &complete), ERR_LIMIT);
    reply_free(&r);
}

static void bytes_are_counted(void **state)
{
    static uint8_t line[4000];
    struct reply r;
    bool complete;
    enum error e = OK;
    unsigned taken = 0;
    memset(line, 'x', sizeof line);
    memcpy(line, "250-", 4);
    reply_init(&r);
    for (; e == OK; taken++)
        e = reply_line(&r, slice_of(line, sizeof line), &complete);
    assert_int_equal(e, ERR_LIMIT);
    assert_int_equal(taken, REPLY_BYTES / sizeof line + 1);
    assert_true(r.text.n <= REPLY_BYTES);
    reply_free(&r);
}

static void text_is_clean(void **state)
{
    static const struct {
        const char *line, *text;
    } table[] = {
        {"550 tab\there", "tab here"},
        {"550 bell\a esc\033[31m del\177", "bell esc[31m del"},
        {"550 bare\rcr", "barecr"},
        {"550 gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"550 latin gr\xfc\xdf", "latin gr??"},
        {"550 c1 \xc2\x9b", "c1 "},
        {"550 line\xe2\x80\xa8separator", "lineseparator"},
        {"550 turned\xe2\x80\xae round", "turned round"},
        {"550 hid\xf3\xa0\x81\x81"
         "den\xd8\x9c tags",
         "hidden tags"},
        {"550 cut \xe2\x82", "cut ?"},
    };
    struct reply r;
    reply_init(&r);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        bool complete;
        autobuf text = BUF_INIT(2 * LIMIT_RELAY_ANSWER);
        assert_int_equal(feed(&r, slice_str(table[i].line), &complete), OK);
        reply_text(&r, &text);
        assert_int_equal(text.n, strlen(table[i].text));
        assert_memory_equal(text.p, table[i].text, text.n);
    }
    reply_free(&r);
}

/* Cut at the limit, between two code points, and after what stood in the buffer before. */
static void text_is_cut(void **state)
{
    static uint8_t line[3000];
    struct reply r;
    bool complete;
    autobuf text = BUF_INIT(4 * LIMIT_RELAY_ANSWER);
    memcpy(line, "550 x", 5);
    for (size_t i = 5; i + 2 <= sizeof line; i += 2)
        memcpy(line + i, "\xc3\xa4", 2);
    reply_init(&r);
    assert_int_equal(reply_line(&r, slice_of(line, sizeof line - 1), &complete), OK);
    buf_lit(&text, "before");
    reply_text(&r, &text);
    assert_int_equal(text.n, 6 + LIMIT_RELAY_ANSWER - 1);
    assert_true(utf8_valid(buf_slice(&text)));
    reply_free(&r);
}

static void ehlo_announcements(void **state)
{
    struct reply r;
    struct ehlo e;
    bool complete;
    reply_init(&r);
    assert_int_equal(feed(&r,
                          SLICE("250-PIPELINING greets you\n250-starttls\n250-Size 1000\n"
                                "250-8BITMIME\n250-AUTH CRAM-MD5 PLAIN\n250-AUTH=LOGIN\n"
                                "250-DSN \n250-SMTPUTF8\n250-XSTARTTLSX\n250 REQUIRETLS"),
                          &complete),
                     OK);
    reply_ehlo(&r, &e);
    assert_false(e.pipelining);
    assert_true(e.starttls && e.size && e.eight_bit && e.dsn && e.smtputf8 && e.require_tls);
    assert_true(e.auth_plain && e.auth_login);
    assert_false(e.chunking || e.enhanced);
    assert_int_equal(e.max_size, 1000);

    assert_int_equal(feed(&r,
                          SLICE("250-host\n250-SIZE\n250-PIPELINING\n250-CHUNKING\n"
                                "250-ENHANCEDSTATUSCODES\n250-AUTH PLAINER\n250 DSNX"),
                          &complete),
                     OK);
    reply_ehlo(&r, &e);
    assert_true(e.size && e.pipelining && e.chunking && e.enhanced);
    assert_false(e.auth_plain || e.auth_login || e.dsn || e.starttls);
    assert_int_equal(e.max_size, 0);

    assert_int_equal(feed(&r, SLICE("250-host\n250 SIZE 99999999999999999999999"), &complete), OK);
    reply_ehlo(&r, &e);
    assert_int_equal(e.max_size, 0);
    reply_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(a_nul_is_no_reply),
        cmocka_unit_test(lines_are_counted),
        cmocka_unit_test(bytes_are_counted),
        cmocka_unit_test(text_is_clean),
        cmocka_unit_test(text_is_cut),
        cmocka_unit_test(ehlo_announcements),
    };
    return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
