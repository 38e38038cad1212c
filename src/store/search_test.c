/* Text search by looking into messages. */
#include "store/store_kit.h"

static const char *const messages[] = {
    /* 1 */ "From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>\r\nTo: ben@example.org\r\n"
            "Cc: carla@example.net\r\nSubject: =?utf-8?q?Gr=C3=B6=C3=9Fe?= der Kiste\r\n"
            "X-Spam: no\r\n\r\nDie   Kiste\r\nist gelb.\r\n",
    /* 2 */
    "From: anna@example.org\r\nSubject: plain\r\nContent-Type: text/html\r\n\r\n"
    "<p class=\"secret\">Gr&ouml;&szlig;e und Ge<b>wicht</b></p>\r\n",
    /* 3 */
    "From: anna@example.org\r\nSubject: mixed\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
    "Content-Type: text/plain; charset=iso-8859-1\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n\r\nK=E4se=\r\nkuchen\r\n--x\r\n"
    "Content-Type: application/octet-stream; name=report.pdf\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\nS2lzdGU=\r\n--x--\r\n",
    /* 4 */ "\r\n\r\n",
};

static void test_match(void **state)
{
    static const struct {
        enum text_field field;
        const char *header, *needle;
        bool hit[5]; /* of uids 1 to 4, and one that is gone */
    } cases[] = {
        {TEXT_SUBJECT, "", "gr\xc3\xb6sse", {1, 0, 0, 0, 0}},
        {TEXT_SUBJECT, "", "KISTE", {1, 0, 0, 0, 0}},
        {TEXT_FROM, "", "jorg", {1, 0, 0, 0, 0}},
        {TEXT_FROM, "", "example.org", {1, 1, 1, 0, 0}},
        {TEXT_TO, "", "ben", {1, 0, 0, 0, 0}},
        {TEXT_CC, "", "CARLA@", {1, 0, 0, 0, 0}},
        {TEXT_BCC, "", "carla", {0, 0, 0, 0, 0}},
        {TEXT_HEADER, "x-spam", "", {1, 0, 0, 0, 0}},
        {TEXT_HEADER, "X-Spam", "yes", {0, 0, 0, 0, 0}},
        {TEXT_BODY, "", "die kiste ist", {1, 0, 0, 0, 0}},
        {TEXT_BODY, "", "grosse", {0, 1, 0, 0, 0}},
        {TEXT_BODY, "", "gewicht", {0, 1, 0, 0, 0}},
        {TEXT_BODY, "", "kasekuchen", {0, 0, 1, 0, 0}},
        {TEXT_BODY, "", "report.pdf", {0, 0, 1, 0, 0}},
        {TEXT_BODY, "", "secret", {0, 0, 0, 0, 0}},
        {TEXT_BODY, "", "", {1, 1, 1, 1, 0}},
        {TEXT_ALL, "", "kiste", {1, 0, 0, 0, 0}},
        {TEXT_ALL, "", "mixed", {0, 0, 1, 0, 0}},
        {TEXT_ALL, "", "grosse", {1, 1, 0, 0, 0}},
    };
    enum { N = sizeof cases / sizeof cases[0] };
    struct kit *k = kit_new(1);
    uint32_t box = kit_box(k, 1, "INBOX");
    const uint32_t uids[5] = {1, 2, 3, 4, 5};
    struct text_query q[N];
    bool hit[N * 5];
    (void)state;
    for (size_t i = 0; i < 4; i++)
        kit_append(k, 1, box, slice_str(messages[i]), 0);
    for (size_t i = 0; i < N; i++)
        q[i] = (struct text_query){cases[i].field, slice_str(cases[i].header),
                                   slice_str(cases[i].needle)};
    assert_int_equal(store_text_match(k->s, 1, box, uids, 5, q, N, hit, NULL, NULL), OK);
    for (size_t i = 0; i < N; i++) {
        bool alone[5];
        for (size_t j = 0; j < 5; j++)
            if (hit[i * 5 + j] != cases[i].hit[j])
                fail_msg("query %zu (%s), message %zu", i, cases[i].needle, j + 1);
        /* What one asks must not change the answer of another. */
        assert_int_equal(store_text_match(k->s, 1, box, uids, 5, &q[i], 1, alone, NULL, NULL), OK);
        assert_memory_equal(alone, hit + i * 5, 5);
    }
    kit_free(k);
}

static bool three_times(void *arg)
{
    return ++*(int *)arg <= 3;
}

static void test_again(void **state)
{
    struct kit *k = kit_new(1);
    uint32_t box = kit_box(k, 1, "INBOX"), uids[5] = {1, 2, 3, 4, 5};
    struct text_query q = {.field = TEXT_ALL, .needle = SLICE("x")};
    bool hit[5];
    int asked = 0;
    (void)state;
    assert_int_equal(store_text_match(k->s, 1, box, uids, 5, &q, 1, hit, three_times, &asked),
                     ERR_CLOSED);
    assert_int_equal(asked, 4);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
