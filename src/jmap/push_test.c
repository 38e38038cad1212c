/* Tests of push: which changes make which events, and who is woken. */
#include "jmap/jmap_fixture.h"
#include "jmap/method.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

static struct jmap_fixture *f;

static int set_up(void **state)
{
    f = jmap_fixture_start();
    return 0;
}

static int tear_down(void **state)
{
    jmap_fixture_stop(f);
    return 0;
}

/* In the place of the runtime's wakers, which belong to connections: these count (linked with
 * --wrap). */
static _Atomic unsigned woken, references;
static uint8_t stand_in;

void __wrap_waker_wake(struct waker *w);
struct waker *__wrap_waker_ref(struct waker *w);
void __wrap_waker_unref(struct waker *w);

void __wrap_waker_wake(struct waker *w)
{
    woken++;
}

struct waker *__wrap_waker_ref(struct waker *w)
{
    references++;
    return w;
}

void __wrap_waker_unref(struct waker *w)
{
    references--;
}

static void test_types(void **state)
{
    assert_int_equal(jmap_types(SLICE("*")), JMAP_ALL_TYPES);
    assert_int_equal(jmap_types(SLICE("Email,Mailbox")), JMAP_EMAIL | JMAP_MAILBOX);
    assert_int_equal(jmap_types(SLICE("Quota,Color,")), JMAP_QUOTA);
    assert_int_equal(jmap_types(SLICE("")), 0);
    assert_int_equal(jmap_types(SLICE("EmailDelivery,EmailSubmission,VacationResponse")),
                     JMAP_EMAIL_DELIVERY | JMAP_SUBMISSION | JMAP_VACATION);
}

/* The event's JSON, or NULL. */
static json_t *event(struct jmap_push *p)
{
    json_t *v = NULL;
    autobuf out = BUF_INIT(65536);
    if (!jmap_push_event(p, &out)) {
        assert_int_equal(out.n, 0);
        return NULL;
    }
    struct slice s = buf_slice(&out), head = SLICE("event: state\ndata: ");
    assert_true(slice_starts(s, head) && slice_ends(s, SLICE("\n\n")));
    assert_int_equal(jmap_json_parse(slice_sub(s, head.n, s.n - 2), &v), OK);
    return v;
}

static void test_push(void **state)
{
    struct jmap_push *p;
    struct waker *w = (struct waker *)&stand_in;
    woken = references = 0;
    jmap_expect_call(f, "Identity/get", "{'accountId': 'A1', 'ids': null}", "'*'");
    assert_int_equal(jmap_push_begin(&f->service, &f->user, JMAP_ALL_TYPES & ~JMAP_QUOTA, w, &p),
                     OK);
    assert_null(event(p));
    jmap_fixture_append(f, f->anna.id, "INBOX", "Subject: x\n\n1\n");
    assert_true(woken > 0);
    json_t *e = event(p);
    jmap_match(e, "{'@type': 'StateChange', 'changed': {'A1': {'Email': '*', 'Mailbox': '*',"
                  " 'Thread': '*', 'EmailDelivery': '*'}}}");
    json_t *get = jmap_fixture_call(f, "Mailbox/get", "{'accountId': 'A1', 'ids': []}");
    assert_true(json_equal(
        json_object_get(get, "state"),
        json_object_get(json_object_get(json_object_get(e, "changed"), "A1"), "Mailbox")));
    json_decref(get);
    json_decref(e);
    assert_null(event(p));
    unsigned before = woken;
    jmap_expect_call(f, "Identity/set", "{'accountId': 'A1', 'update': {'I1': {'name': 'A'}}}",
                     "{'updated': '*', '...': 0}");
    jmap_expect_call(f, "VacationResponse/set",
                     "{'accountId': 'A1', 'update': {'singleton': {'isEnabled': true}}}",
                     "{'updated': '*', '...': 0}");
    assert_true(woken > before);
    e = event(p);
    jmap_match(e, "{'@type': 'StateChange', 'changed': {'A1': {'Identity': '2',"
                  " 'VacationResponse': '1'}}}");
    json_decref(e);
    /* Others' mail is nobody's concern. */
    before = woken;
    jmap_fixture_append(f, f->ben.id, "INBOX", "Subject: x\n\n1\n");
    assert_int_equal(woken, before);
    jmap_push_end(p);
    jmap_push_wake(f->anna.id);
    assert_int_equal(woken, before);
    assert_int_equal(references, 0);
}

static void test_push_of_submissions(void **state)
{
    struct jmap_push *p;
    woken = references = 0;
    jmap_fixture_append(f, f->anna.id, "Drafts",
                        "From: anna@example.org\nTo: ben@example.org\nSubject: x\n\n1\n");
    jmap_expect_call(f, "Identity/get", "{'accountId': 'A1', 'ids': null}", "'*'");
    assert_int_equal(
        jmap_push_begin(&f->service, &f->user, JMAP_SUBMISSION, (struct waker *)&stand_in, &p), OK);
    jmap_expect_call(f, "EmailSubmission/set",
                     "{'accountId': 'A1', 'create': {'s': {'identityId': 'I1', 'emailId': 'M1',"
                     " 'envelope': {'mailFrom': {'email': 'anna@example.org', 'parameters':"
                     " {'HOLDFOR': '3600'}}, 'rcptTo': [{'email': 'ben@example.org'}]}}}}",
                     "{'created': {'s': '*'}, '...': 0}");
    assert_true(woken > 0);
    json_t *e = event(p);
    jmap_match(e, "{'@type': 'StateChange', 'changed': {'A1': {'EmailSubmission': '*'}}}");
    json_decref(e);
    jmap_push_end(p);
    assert_int_equal(references, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test_setup_teardown(test_push, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_push_of_submissions, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
