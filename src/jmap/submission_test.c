/* EmailSubmission: sent at once, later, taken back, refused; what follows success. */
#include "jmap/jmap_fixture.h"

#include "base/clock.h"
#include "base/date.h"
#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>
/* cmocka needs those above first. */
#include <cmocka.h>

static int start(void **state)
{
    struct jmap_fixture *f = jmap_fixture_start();
    /* A draft of anna's, M1. */
    jmap_fixture_append(f, f->anna.id, "Drafts",
                        "From: Anna <anna@example.org>\nTo: ben@example.org\n"
                        "Cc: Ben <BEN@example.org>\nSubject: Hello\n\nHi\n");
    *state = f;
    return 0;
}

static int stop(void **state)
{
    jmap_fixture_stop(*state);
    return 0;
}

static size_t mails_of(struct jmap_fixture *f, uint64_t account)
{
    struct store_usage u;
    assert_int_equal(store_usage(f->service.store, account, &u), OK);
    return (size_t)u.messages;
}

static void test_at_once(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_expect(f,
                "[['EmailSubmission/set', {'accountId': 'A1', 'create': {'s': {'identityId': 'I1',"
                " 'emailId': 'M1'}}, 'onSuccessUpdateEmail': {'#s': {'mailboxIds': {'B3': true},"
                " 'keywords/$draft': null, 'keywords/$seen': true}}}, 'a']]",
                "[['EmailSubmission/set', {'created': {'s': {'id': 'S1', 'threadId': 'T1',"
                " 'undoStatus': 'final', 'sendAt': '*'}}, 'notCreated': null, '...': 0}, 'a'],"
                " ['Email/set', {'updated': {'M1': null}, '...': 0}, 'a']]");
    assert_int_equal(mails_of(f, f->ben.id), 1); /* one, though he stands in To and Cc */
    jmap_expect_call(
        f, "EmailSubmission/get", "{'accountId': 'A1', 'ids': ['S1', 'S2']}",
        "{'list': [{'id': 'S1', 'identityId': 'I1', 'emailId': 'M1', 'threadId': 'T1',"
        " 'envelope': {'mailFrom': {'email': 'anna@example.org'},"
        " 'rcptTo': [{'email': 'ben@example.org'}]}, 'sendAt': '*', 'undoStatus': 'final',"
        " 'deliveryStatus': {'ben@example.org': {'smtpReply': '*', 'delivered': 'queued',"
        " 'displayed': 'unknown'}}, 'dsnBlobIds': [], 'mdnBlobIds': []}],"
        " 'notFound': ['S2'], '...': 0}");
    jmap_expect_call(f, "Email/get",
                     "{'accountId': 'A1', 'ids': ['M1'], 'properties': ['mailboxIds', 'keywords']}",
                     "{'list': [{'id': 'M1', 'mailboxIds': {'B3': true},"
                     " 'keywords': {'$seen': true}}], '...': 0}");
    jmap_expect_call(f, "EmailSubmission/set",
                     "{'accountId': 'A1', 'update': {'S1': {"
                     "'undoStatus': 'canceled'}}}",
                     "{'notUpdated': {'S1': {'type': 'cannotUnsend'}}, '...': 0}");
    jmap_expect_call(f, "EmailSubmission/changes", "{'accountId': 'A1', 'sinceState': '0'}",
                     "{'created': ['S1'], 'updated': [], 'destroyed': [], '...': 0}");
}

/* With its hold as a parameter of mailFrom. */
static void hold(struct jmap_fixture *f, const char *parameter, const char *expected)
{
    autobuf args = BUF_INIT(4096);
    buf_printf(&args,
               "{'accountId': 'A1', 'create': {'s': {'identityId': 'I1', 'emailId': 'M1',"
               " 'envelope': {'mailFrom': {'email': 'anna@example.org', 'parameters': {%s}},"
               " 'rcptTo': [{'email': 'ben@example.org'}]}}}}",
               parameter);
    buf_byte(&args, 0);
    jmap_expect_call(f, "EmailSubmission/set", (const char *)args.p, expected);
}

static void test_take_back(void **state)
{
    struct jmap_fixture *f = *state;
    hold(f, "'HOLDFOR': '10'",
         "{'created': {'s': {'id': 'S1', 'undoStatus': 'pending', '...': 0}}, '...': 0}");
    jmap_tend(&f->service);
    assert_int_equal(mails_of(f, f->ben.id), 0);
    jmap_expect_call(f, "EmailSubmission/set", "{'accountId': 'A1', 'destroy': ['S1']}",
                     "{'notDestroyed': {'S1': {'type': 'forbidden', '...': 0}}, '...': 0}");
    jmap_expect_call(f, "EmailSubmission/query",
                     "{'accountId': 'A1', 'filter': {'undoStatus': 'pending'}}",
                     "{'ids': ['S1'], '...': 0}");
    jmap_expect_call(f, "EmailSubmission/set",
                     "{'accountId': 'A1', 'update': {'S1': {'undoStatus': 'canceled'}}}",
                     "{'updated': {'S1': null}, 'notUpdated': null, '...': 0}");
    jmap_expect_call(f, "EmailSubmission/query",
                     "{'accountId': 'A1', 'filter': {'undoStatus': 'pending'}}",
                     "{'ids': [], '...': 0}");
    jmap_expect_call(f, "EmailSubmission/set", "{'accountId': 'A1', 'destroy': ['S1']}",
                     "{'destroyed': ['S1'], '...': 0}");
}

/* What is held keeps its bytes, whatever becomes of the draft. */
static void test_later(void **state)
{
    struct jmap_fixture *f = *state;
    char parameter[64];
    autobuf at = BUF_INIT(64);
    date_print_iso(clock_wall() + 1, &at);
    snprintf(parameter, sizeof parameter, "'HOLDUNTIL': '%.*s'", SLICE_FMT(buf_slice(&at)));
    hold(f, parameter, "{'created': {'s': {'undoStatus': 'pending', '...': 0}}, '...': 0}");
    jmap_expect_call(f, "Email/set", "{'accountId': 'A1', 'destroy': ['M1']}",
                     "{'destroyed': ['M1'], '...': 0}");
    for (int i = 0; i < 100 && mails_of(f, f->ben.id) == 0; i++) {
        usleep(50000);
        jmap_tend(&f->service);
    }
    assert_int_equal(mails_of(f, f->ben.id), 1);
    jmap_expect_call(f, "EmailSubmission/get",
                     "{'accountId': 'A1', 'ids': ['S1'], 'properties': ['undoStatus']}",
                     "{'list': [{'id': 'S1', 'undoStatus': 'final'}], '...': 0}");
}

static void test_refusals(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_fixture_append(f, f->anna.id, "Drafts",
                        "From: ben@example.org\nTo: ben@example.org\n\nnot mine\n");
    jmap_fixture_append(f, f->anna.id, "Drafts", "From: anna@example.org\n\nto nobody\n");
    jmap_fixture_append(f, f->anna.id, "Drafts", "To: ben@example.org\n\nfrom nobody\n");
    static const struct {
        const char *object, *error;
    } cases[] = {
        {"{'identityId': 'I1', 'emailId': 'M9'}", "{'type': 'invalidProperties', '...': 0}"},
        {"{'identityId': 'I9', 'emailId': 'M1'}", "{'type': 'invalidProperties', '...': 0}"},
        {"{'emailId': 'M1'}", "{'type': 'invalidProperties', '...': 0}"},
        {"{'identityId': 'I1', 'emailId': 'M1', 'sendAt': 'x'}",
         "{'type': 'invalidProperties', '...': 0}"},
        {"{'identityId': 'I1', 'emailId': 'M2'}", "{'type': 'forbiddenFrom'}"},
        {"{'identityId': 'I1', 'emailId': 'M3'}", "{'type': 'noRecipients'}"},
        {"{'identityId': 'I1', 'emailId': 'M4'}", "{'type': 'invalidEmail', '...': 0}"},
        {"{'identityId': 'I1', 'emailId': 'M1', 'envelope': {'mailFrom': {'email':"
         " 'ben@example.org'}, 'rcptTo': [{'email': 'ben@example.org'}]}}",
         "{'type': 'forbiddenMailFrom'}"},
        {"{'identityId': 'I1', 'emailId': 'M1', 'envelope': {'mailFrom': {'email':"
         " 'anna@example.org'}, 'rcptTo': [{'email': 'nobody'}]}}",
         "{'type': 'invalidRecipients', 'invalidRecipients': ['nobody']}"},
        {"{'identityId': 'I1', 'emailId': 'M1', 'envelope': {'mailFrom': {'email':"
         " 'anna@example.org', 'parameters': {'HOLDFOR': '-1'}},"
         " 'rcptTo': [{'email': 'ben@example.org'}]}}",
         "{'type': 'invalidProperties', '...': 0}"},
        {"{'identityId': 'I1', 'emailId': 'M1', 'envelope': {'mailFrom': {'email':"
         " 'anna@example.org', 'parameters': {'X': '1'}},"
         " 'rcptTo': [{'email': 'ben@example.org'}]}}",
         "{'type': 'invalidProperties', '...': 0}"},
        {"{'identityId': 'I1', 'emailId': 'M1', 'envelope': {'mailFrom': {'email':"
         " 'anna@example.org'}, 'rcptTo': [{'email': 'nobody@example.org'}]}}",
         "{'type': 'forbiddenToSend', '...': 0}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        autobuf args = BUF_INIT(4096);
        buf_printf(&args, "{'accountId': 'A1', 'create': {'s': %s}}", cases[i].object);
        buf_byte(&args, 0);
        print_message("%s\n", cases[i].object);
        json_t *answer = jmap_fixture_call(f, "EmailSubmission/set", (const char *)args.p);
        jmap_match(json_object_get(json_object_get(answer, "notCreated"), "s"), cases[i].error);
        json_decref(answer);
    }
    assert_int_equal(mails_of(f, f->ben.id), 0);
    jmap_expect_call(f, "EmailSubmission/query", "{'accountId': 'A1'}", "{'ids': [], '...': 0}");
}

static void test_no_send(void **state)
{
    struct jmap_fixture *f = *state;
    assert_int_equal(directory_account_state(f->service.directory, f->anna.id, ACCOUNT_NO_SEND),
                     OK);
    jmap_expect_call(f, "EmailSubmission/set",
                     "{'accountId': 'A1', 'create': {'s': {'identityId': 'I1', 'emailId': 'M1'}}}",
                     "{'notCreated': {'s': {'type': 'forbiddenToSend', '...': 0}}, '...': 0}");
}

/* Refused when its time came, with nobody there to hear it: the sender gets a report. */
static void test_refused_later(void **state)
{
    struct jmap_fixture *f = *state;
    hold(f, "'HOLDFOR': '1'", "{'created': {'s': {'undoStatus': 'pending', '...': 0}}, '...': 0}");
    assert_int_equal(directory_account_state(f->service.directory, f->anna.id, ACCOUNT_NO_SEND),
                     OK);
    for (int i = 0; i < 100 && mails_of(f, f->anna.id) == 1; i++) {
        usleep(50000);
        jmap_tend(&f->service);
    }
    assert_int_equal(mails_of(f, f->anna.id), 2);
    jmap_expect_call(f, "Email/query", "{'accountId': 'A1', 'filter': {'inMailbox': 'B1'}}",
                     "{'ids': ['M2'], '...': 0}");
}

/* A letter of anna's to `to`, whose time was `ago` seconds ago. */
static json_t *send_to(struct jmap_fixture *f, const char *to, int64_t ago)
{
    autobuf args = BUF_INIT(4096), at = BUF_INIT(64);
    date_print_iso(clock_wall() - ago, &at);
    buf_printf(&args,
               "{'accountId': 'A1', 'create': {'s': {'identityId': 'I1', 'emailId': 'M1',"
               " 'envelope': {'mailFrom': {'email': 'anna@example.org', 'parameters':"
               " {'HOLDUNTIL': '%.*s'}}, 'rcptTo': [{'email': '%s'}]}}}}",
               SLICE_FMT(buf_slice(&at)), to);
    buf_byte(&args, 0);
    return jmap_fixture_call(f, "EmailSubmission/set", (const char *)args.p);
}

static void fill_up_ben(struct jmap_fixture *f)
{
    assert_int_equal(directory_account_quota(f->service.directory, f->ben.id, 1), OK);
}

/* What cannot leave, however much, does not hold up the rest, and is tried again. */
static void test_stuck(void **state)
{
    struct jmap_fixture *f = *state;
    fill_up_ben(f);
    for (int i = 0; i < 70; i++) {
        json_t *answer = send_to(f, "ben@example.org", 10);
        jmap_match(answer, "{'created': {'s': {'undoStatus': 'pending', '...': 0}}, '...': 0}");
        json_decref(answer);
    }
    json_decref(send_to(f, "anna@example.org", -1));
    assert_int_equal(mails_of(f, f->anna.id), 1);
    for (int i = 0; i < 100 && mails_of(f, f->anna.id) == 1; i++) {
        usleep(50000);
        jmap_tend(&f->service);
    }
    assert_int_equal(mails_of(f, f->anna.id), 2);
    assert_int_equal(mails_of(f, f->ben.id), 0);
}

/* Not for ever. */
static void test_gives_up(void **state)
{
    struct jmap_fixture *f = *state;
    fill_up_ben(f);
    json_t *answer = send_to(f, "ben@example.org", LIMIT_SUBMISSION_RETRY + 1);
    jmap_match(answer, "{'notCreated': {'s': {'type': 'forbiddenToSend', '...': 0}}, '...': 0}");
    json_decref(answer);
}

/* An envelope made of a header with very many addresses. */
static void test_many_recipients(void **state)
{
    struct jmap_fixture *f = *state;
    autobuf text = BUF_INIT(4 << 20);
    buf_lit(&text, "From: anna@example.org\n");
    for (int i = 0; i < 40000; i++)
        buf_printf(&text, "%sx%d@example.net%s", i % 1000 ? "" : "To: ", i,
                   i % 1000 == 999 ? "\n" : ",\n ");
    buf_lit(&text, "\nHi\n");
    buf_byte(&text, 0);
    jmap_fixture_append(f, f->anna.id, "Drafts", (const char *)text.p);
    clock_t begun = clock();
    jmap_expect_call(f, "EmailSubmission/set",
                     "{'accountId': 'A1', 'create': {'s': {'identityId': 'I1', 'emailId': 'M2'}}}",
                     "{'notCreated': {'s': {'type': 'tooManyRecipients'}}, '...': 0}");
    assert_true(clock() - begun < 2 * CLOCKS_PER_SEC);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(test_at_once),  T(test_take_back), T(test_later),
        T(test_refusals), T(test_no_send),   T(test_refused_later),
        T(test_stuck),    T(test_gives_up),  T(test_many_recipients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
