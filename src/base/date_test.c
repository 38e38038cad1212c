/* Tests of dates: the calendar, and the three ways mail writes them. */
#include "base/date.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

static void test_calendar(void **state)
{
    /* Every day of years 0 to 9999 in order, against a plain count. */
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t t = -62167219200;
    uint8_t weekday = 6; /* 1 January 0000 was a Saturday */
    for (int32_t y = 0; y <= 9999; y++) {
        bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
        for (uint8_t m = 1; m <= 12; m++) {
            int last = days[m - 1] + (m == 2 && leap);
            for (int d = 1; d <= last; d++, t += 86400, weekday = (uint8_t)((weekday + 1) % 7)) {
                struct civil c = date_to_civil(t + 86399);
                if (c.year != y || c.month != m || c.day != d || c.weekday != weekday ||
                    c.hour != 23 || c.minute != 59 || c.second != 59)
                    fail_msg("%d-%u-%d", y, m, d);
                if (date_from_civil(&c) != t + 86399)
                    fail_msg("back %d-%u-%d", y, m, d);
            }
        }
    }
    assert_int_equal(date_to_civil(INT64_MAX).year, 9999);
    assert_int_equal(date_to_civil(INT64_MIN).year, 0);
}

static void test_rfc5322(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
        int16_t zone;
    } good[] = {
        {"Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360},
        {"21 Nov 97 09:55:06 GMT", 880106106, 0},
        {"Thu, 13 Feb 1969 23:32:54 -0330", -27723426, -210},
        {"Thu,\r\n 13\r\n Feb\r\n 1969\r\n 23:32\r\n -0330 (Newfoundland Time)", -27723480, -210},
        {"(a (nested \\) one)) Fri (x), 21 (y) Nov 1997 09(:)(z):(u)55:06 -0600 (end", 880127706,
         -360},
        {"1 Jan 1970 00:00 +0000", 0, 0},
        {"1 jan 1970 00:00:00 UT", 0, 0},
        {"1 JAN 70 1:00:00 +0100", 0, 60},
        {"31 Dec 49 00:00:00 Z", 2524521600, 0},
        {"1 Jan 50 00:00:00 A", -631152000, 0},
        {"1 Jan 101 00:00:00 +0000", 978307200, 0},
        {"29 Feb 2000 12:00:00 EDT", 951840000, -240},
        {"29 Feb 2000 12:00:00 pst", 951854400, -480},
        {"31 Dec 1998 23:59:60 +0000", 915148800, 0},
        {"Fri 21 Nov 1997 09:55:06", 880106106, 0},
        {"21 Nov 1997 09:55:06 CEST", 880106106, 0},
        {"1 Jan 0001 00:00:00 +9959", -62135596800 - INT64_C(60) * 5999, 5999},
        {"  1 Jan 1970 00:00:00 +0000  ", 0, 0},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct date d = {0, 0};
        if (date_parse_rfc5322(slice_str(good[i].text), &d) != OK)
            fail_msg("not parsed: %s", good[i].text);
        if (d.seconds != good[i].seconds || d.zone != good[i].zone)
            fail_msg("%s: %lld %d", good[i].text, (long long)d.seconds, d.zone);
    }
    static const char *const bad[] = {
        "",
        "   ",
        "Fri,",
        "21",
        "21 Nov",
        "21 Nov 1997",
        "21 Nov 1997 09",
        "21 Nov 1997 09:5",
        "32 Jan 2000 00:00:00 +0000",
        "0 Jan 2000 00:00:00 +0000",
        "29 Feb 1900 00:00:00 +0000",
        "29 Feb 2023 00:00:00 +0000",
        "1 Foo 2000 00:00:00 +0000",
        "1 Jan 0000 00:00:00 +0000",
        "1 Jan 20000 00:00:00 +0000",
        "1 Jan 2 00:00:00 +0000",
        "1 Jan 2000 24:00:00 +0000",
        "1 Jan 2000 00:60:00 +0000",
        "1 Jan 2000 00:00:61 +0000",
        "1 Jan 2000 00:00:00 +000",
        "1 Jan 2000 00:00:00 +00000",
        "1 Jan 2000 00:00:00 +0060",
        "1 Jan 2000 00:00:00 +0000 x",
        "1 Jan 2000 00:00:00 *",
        "-1 Jan 2000 00:00:00 +0000",
        "001 Jan 2000 00:00:00 +0000",
        "1 January 2000 00:00:00 +0000",
        "(((((((",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct date d = {77, 7};
        if (date_parse_rfc5322(slice_str(bad[i]), &d) != ERR_INPUT)
            fail_msg("parsed: %s", bad[i]);
        assert_int_equal(d.seconds, 77);
    }
}

static void test_imap(void **state)
{
    struct date d;
    autobuf b = BUF_INIT(100);
    assert_int_equal(date_parse_imap(SLICE("17-Jul-1996 02:44:25 -0700"), &d), OK);
    assert_int_equal(d.seconds, 837596665);
    assert_int_equal(d.zone, -420);
    date_print_imap(d, &b);
    assert_true(slice_eq(buf_slice(&b), SLICE("17-Jul-1996 02:44:25 -0700")));
    assert_int_equal(date_parse_imap(SLICE(" 7-JUL-1996 02:44:25 +0000"), &d), OK);
    static const char *const bad[] = {
        "",
        "7-Jul-1996 02:44:25 +0000",
        "17-Jul-96 02:44:25 +0000",
        "17-Jul-1996 2:44:25 +0000",
        "17-Jul-1996 02:44:25",
        "17-Jul-1996 02:44:25 GMT",
        "31-Jun-1996 02:44:25 +0000",
        "17-Jul-1996  02:44:25 +0000",
        "17-Jul-1996 02:44:25 +0000 ",
        " 17-Jul-1996 02:44:25 +0000",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (date_parse_imap(slice_str(bad[i]), &d) != ERR_INPUT)
            fail_msg("parsed: %s", bad[i]);

    int64_t day;
    assert_int_equal(date_parse_imap_day(SLICE("1-Feb-1994"), &day), OK);
    assert_int_equal(day, 760060800);
    assert_int_equal(date_parse_imap_day(SLICE("01-feb-1994"), &day), OK);
    assert_int_equal(day, 760060800);
    assert_int_equal(date_parse_imap_day(SLICE("1-Feb-94"), &day), ERR_INPUT);
    assert_int_equal(date_parse_imap_day(SLICE("30-Feb-1994"), &day), ERR_INPUT);
    assert_int_equal(date_parse_imap_day(SLICE("1-Feb-1994x"), &day), ERR_INPUT);
}

static void test_print(void **state)
{
    autobuf b = BUF_INIT(200);
    date_print_rfc5322((struct date){880127706, -360}, &b);
    assert_true(slice_eq(buf_slice(&b), SLICE("Fri, 21 Nov 1997 09:55:06 -0600")));
    buf_reset(&b);
    date_print_rfc5322((struct date){0, 330}, &b);
    assert_true(slice_eq(buf_slice(&b), SLICE("Thu, 1 Jan 1970 05:30:00 +0530")));
    buf_reset(&b);
    date_print_iso(1795348800, &b);
    assert_true(slice_eq(buf_slice(&b), SLICE("2026-11-22T12:00:00Z")));
    int64_t t;
    assert_int_equal(date_parse_iso(buf_slice(&b), &t), OK);
    assert_int_equal(t, 1795348800);
    assert_int_equal(date_parse_iso(SLICE("2026-11-22T12:00:00"), &t), ERR_INPUT);
    assert_int_equal(date_parse_iso(SLICE("2026-13-22T12:00:00Z"), &t), ERR_INPUT);
    assert_int_equal(date_parse_iso(SLICE("2026-11-22 12:00:00Z"), &t), ERR_INPUT);
}

static void test_local_zone(void **state)
{
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    assert_int_equal(date_local_zone(1784721600), 120); /* July */
    assert_int_equal(date_local_zone(1795348800), 60);  /* November */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calendar),   cmocka_unit_test(test_rfc5322),
        cmocka_unit_test(test_imap),       cmocka_unit_test(test_print),
        cmocka_unit_test(test_local_zone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
