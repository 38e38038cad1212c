/* Tests of the SMTP client's session: greeting, EHLO, STARTTLS, AUTH, with decent and hostile
 * servers. */
#include "outbound/test_script.h"

static void greetings(void **state)
{
    static const struct {
        const char *script;
        enum problem problem;
        uint16_t code;
        const char *status;
        bool permanent;
        const char *text;
    } table[] = {
        {HELLO(PIPELINING) "hang\n", PROBLEM_NONE, 0, "", false, ""},
        {"> 220-a\n> 220 b\n< EHLO me.example\n> 250 b\nhang\n", PROBLEM_NONE, 0, "", false, ""},
        {"> 220 a\n< EHLO me.example\n> 502 what?\n< HELO me.example\n> 250 b\nhang\n",
         PROBLEM_NONE, 0, "", false, ""},
        {"> 554 5.7.1 go\taway\x1b\nhang\n", PROBLEM_REFUSED, 554, "5.7.1", true, "go away"},
        {"> 421 busy\nhang\n", PROBLEM_REFUSED, 421, "4.0.0", false, "busy"},
        {"> 450 4.3.2 busy\nhang\n", PROBLEM_REFUSED, 450, "4.3.2", false, "busy"},
        {"> 220 a\n< EHLO me.example\n> 550 no\n< HELO me.example\n> 550 no\nhang\n",
         PROBLEM_REFUSED, 550, "5.0.0", true, "no"},
        {"> 220 a\n< EHLO me.example\n> 451 later\nhang\n", PROBLEM_REFUSED, 451, "4.0.0", false,
         "later"},
        {"> 220 a\n< EHLO me.example\n> 354 go\nhang\n", PROBLEM_SYNTAX, 354, "4.5.0", false, "go"},
        {"> 250 a\nhang\n", PROBLEM_SYNTAX, 250, "4.5.0", false, "a"},
        {"", PROBLEM_LOST, 0, "4.4.2", false, ""},
        {">> 220 a\n", PROBLEM_LOST, 0, "4.4.2", false, ""},
        {"> 220 a\n< EHLO me.example\nreset\n", PROBLEM_LOST, 0, "4.4.2", false, ""},
        {"hang\n", PROBLEM_TIMEOUT, 0, "4.4.2", false, ""},
        {"> 220-a\nhang\n", PROBLEM_TIMEOUT, 0, "4.4.2", false, ""},
        {"drip\n", PROBLEM_TIMEOUT, 0, "4.4.2", false, ""},
        {"> 220 a\n< EHLO me.example\nflood\n", PROBLEM_SYNTAX, 0, "4.5.0", false,
         "a reply that is too long"},
        {"> 220 a\n< EHLO me.example\nlong\n", PROBLEM_SYNTAX, 0, "4.5.0", false,
         "a reply that is too long"},
        {"> 220 a\n< EHLO me.example\n> 250-a\n> 251 b\nhang\n", PROBLEM_SYNTAX, 0, "4.5.0", false,
         "what came is not a reply"},
        {"> SSH-2.0-OpenSSH_9.2\nhang\n", PROBLEM_SYNTAX, 0, "4.5.0", false,
         "what came is not a reply"},
        {"> \x16\x03\x01\x02\nhang\n", PROBLEM_SYNTAX, 0, "4.5.0", false,
         "what came is not a reply"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct world *w = *state;
        const bool slow = table[i].problem == PROBLEM_TIMEOUT;
        const int64_t begin = clock_ms();
        print_message("%s", table[i].script);
        meet(w, table[i].script, slow ? 300 : PATIENCE_MS);
        assert_int_equal(w->error == OK, table[i].problem == PROBLEM_NONE);
        assert_int_equal(w->why.problem, table[i].problem);
        assert_int_equal(w->why.code, table[i].code);
        assert_string_equal(w->why.status, table[i].status);
        assert_string_equal(w->why.text, table[i].text);
        assert_int_equal(w->why.permanent, table[i].permanent);
        assert_true(clock_ms() - begin < PATIENCE_MS / 2);
        must_have_followed(w);
    }
}

static void tls_forgets_what_was_announced(void **state)
{
    struct world *w = *state;
    meet(w,
         OFFER_TLS "> 220 go\ntls\n< EHLO me.example\n> 250-mx\n> 250-STARTTLS\n> 250 DSN\n"
                   "< QUIT\n",
         PATIENCE_MS);
    assert_int_equal(w->error, OK);
    assert_true(client_ehlo(w->client)->pipelining);
    assert_int_equal(start_tls(w), OK);
    assert_true(client_ehlo(w->client)->dsn);
    assert_false(client_ehlo(w->client)->pipelining);
    assert_false(client_ehlo(w->client)->starttls);
    assert_true(client_reusable(w->client));
    must_have_followed(w);
}

static void tls_forgets_even_without_ehlo(void **state)
{
    struct world *w = *state;
    meet(w,
         OFFER_TLS "> 220 go\ntls\n< EHLO me.example\n> 502 what?\n< HELO me.example\n> 250 mx\n"
                   "< QUIT\n",
         PATIENCE_MS);
    assert_int_equal(start_tls(w), OK);
    assert_false(client_ehlo(w->client)->pipelining);
    must_have_followed(w);
}

static void tls_that_does_not_come(void **state)
{
    static const struct {
        const char *script;
        enum problem problem;
        bool standing;
    } table[] = {
        {OFFER_TLS "> 454 4.7.0 no key\n< QUIT\n", PROBLEM_TLS_REFUSED, true},
        {OFFER_TLS "> 501 5.5.4 what?\n< QUIT\n", PROBLEM_TLS_REFUSED, true},
        {OFFER_TLS "> 421 bye\nhang\n", PROBLEM_TLS_REFUSED, false},
        {OFFER_TLS ">> 220 go|250-evil|\nhang\n", PROBLEM_INJECTION, false},
        {OFFER_TLS "> 220 go\n", PROBLEM_LOST, false},
        {OFFER_TLS "> 220 go\n> this is no handshake\nhang\n", PROBLEM_NONE, false},
        {HELLO(PIPELINING) "< QUIT\n", PROBLEM_NO_TLS, true},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct world *w = *state;
        meet(w, table[i].script, PATIENCE_MS);
        assert_int_equal(w->error, OK);
        assert_int_not_equal(start_tls(w), OK);
        if (table[i].problem != PROBLEM_NONE)
            assert_int_equal(w->why.problem, table[i].problem);
        assert_int_not_equal(w->why.problem, PROBLEM_NONE);
        assert_int_equal(client_standing(w->client), table[i].standing);
        assert_int_equal(client_reusable(w->client), table[i].standing);
        must_have_followed(w);
    }
}

static void logins(void **state)
{
    static const struct {
        const char *script;
        enum problem problem;
    } table[] = {
        {TLS_WITH("AUTH LOGIN PLAIN") "< AUTH PLAIN AGFubmEAZ2VoZWlt\n> 235 ok\n< QUIT\n",
         PROBLEM_NONE},
        {TLS_WITH("AUTH LOGIN") "< AUTH LOGIN\n> 334 VXNlcm5hbWU6\n< YW5uYQ==\n> 334 x\n"
                                "< Z2VoZWlt\n> 235 ok\n< QUIT\n",
         PROBLEM_NONE},
        {TLS_WITH("AUTH PLAIN") "< AUTH PLAIN *\n> 535 5.7.8 wrong\n< QUIT\n", PROBLEM_LOGIN},
        {TLS_WITH("AUTH LOGIN") "< AUTH LOGIN\n> 504 5.5.4 no\n< QUIT\n", PROBLEM_LOGIN},
        {TLS_WITH("AUTH CRAM-MD5") "< QUIT\n", PROBLEM_LOGIN},
        {TLS_WITH("AUTH PLAIN") "< AUTH PLAIN *\n> 334 more\nhang\n", PROBLEM_SYNTAX},
        {TLS_WITH("AUTH PLAIN") "< AUTH PLAIN *\n", PROBLEM_LOST},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct world *w = *state;
        meet(w, table[i].script, PATIENCE_MS);
        assert_int_equal(start_tls(w), OK);
        enum error e = client_login(w->client, SLICE("anna"), SLICE("geheim"), &w->why);
        assert_int_equal(e == OK, table[i].problem == PROBLEM_NONE);
        assert_int_equal(w->why.problem, table[i].problem);
        must_have_followed(w);
    }
}

/* Whoever reads the log, or a report, must not find it there. */
static void a_password_that_is_repeated_is_forgotten(void **state)
{
    static const char *const script[] = {
        TLS_WITH("AUTH PLAIN") "< AUTH PLAIN *\n> 535 5.7.8 no: PLAIN AGFubmEAZ2VoZWlt\n< QUIT\n",
        TLS_WITH("AUTH PLAIN") "< AUTH PLAIN *\n> 250-AGFubmEAZ2VoZWlt\n> 250 x\nhang\n",
        TLS_WITH("AUTH LOGIN") "< AUTH LOGIN\n> 334 \n< YW5uYQ==\n> 334 \n< Z2VoZWlt\n"
                               "> 535-what is Z2VoZWlt\n> 535 Z2VoZWlt\n< QUIT\n",
        TLS_WITH("AUTH PLAIN") "< AUTH PLAIN *\n> 535 geheim is wrong\n< QUIT\n",
    };
    for (size_t i = 0; i < sizeof script / sizeof *script; i++) {
        struct world *w = *state;
        meet(w, script[i], PATIENCE_MS);
        assert_int_equal(start_tls(w), OK);
        assert_int_not_equal(client_login(w->client, SLICE("anna"), SLICE("geheim"), &w->why), OK);
        assert_null(strstr(w->why.text, "Z2VoZWlt"));
        assert_null(strstr(w->why.text, "geheim"));
        assert_non_null(strstr(w->why.text, "repeats"));
        must_have_followed(w);
    }
}

static void no_login_in_clear_text(void **state)
{
    struct world *w = *state;
    meet(w, HELLO("> 250 AUTH PLAIN LOGIN\n") "< QUIT\n", PATIENCE_MS);
    assert_int_equal(client_login(w->client, SLICE("anna"), SLICE("geheim"), &w->why), ERR_AUTH);
    assert_int_equal(w->why.problem, PROBLEM_LOGIN);
    must_have_followed(w);
}

/* Too long for a command's line: a line of its own after the server's go. */
static void a_long_password_waits(void **state)
{
    struct world *w = *state;
    static uint8_t password[400];
    memset(password, 'p', sizeof password);
    meet(w, TLS_WITH("AUTH PLAIN") "< AUTH PLAIN\n> 334 \n< AGFubmEAcHBw*\n> 235 ok\n< QUIT\n",
         PATIENCE_MS);
    assert_int_equal(start_tls(w), OK);
    assert_int_equal(
        client_login(w->client, SLICE("anna"), slice_of(password, sizeof password), &w->why), OK);
    must_have_followed(w);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_world, free_world)
    const struct CMUnitTest tests[] = {
        TEST(greetings),
        TEST(tls_forgets_what_was_announced),
        TEST(tls_forgets_even_without_ehlo),
        TEST(tls_that_does_not_come),
        TEST(logins),
        TEST(a_password_that_is_repeated_is_forgotten),
        TEST(no_login_in_clear_text),
        TEST(a_long_password_waits),
    };
    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
