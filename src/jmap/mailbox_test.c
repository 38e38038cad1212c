/* Tests of Mailbox and Thread methods on a real store. Anna's mailboxes: B1 INBOX, B2 Drafts,
 * B3 Sent, B4 Junk, B5 Trash, B6 Archive. */
#include "jmap/jmap_fixture.h"
#include "jmap/method.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

static struct jmap_fixture *f;
static char anna_state[JMAP_STATE_TEXT];

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

/* Formats the arguments first. */
static const char *text(const char *format, ...) printf_like(1, 2);
static const char *text(const char *format, ...)
{
    static char out[8192];
    va_list args;
    va_start(args, format);
    vsnprintf(out, sizeof out, format, args);
    va_end(args);
    return out;
}

static const char *now(void)
{
    json_t *a = jmap_fixture_call(f, "Mailbox/get", "{'accountId': 'A1', 'ids': []}");
    snprintf(anna_state, sizeof anna_state, "%s", json_string_value(json_object_get(a, "state")));
    json_decref(a);
    return anna_state;
}

static void append(const char *mailbox, const char *subject, const char *more)
{
    char raw[1024];
    snprintf(raw, sizeof raw, "From: x@example.net\nSubject: %s\n%s\nHello\n", subject, more);
    jmap_fixture_append(f, f->anna.id, mailbox, raw);
}

static void flag(const char *mailbox, uint32_t uid, uint64_t flags)
{
    struct uid_range range = {uid, uid};
    const struct flag_list list = {flags, NULL, 0};
    assert_int_equal(store_flags(f->service.store, f->anna.id,
                                 jmap_fixture_mailbox(f, f->anna.id, mailbox), &range, 1, FLAGS_ADD,
                                 &list, NULL, NULL, NULL, NULL),
                     OK);
}

static uint32_t make(const char *name)
{
    uint32_t id = 0;
    assert_int_equal(
        store_mailbox_create(f->service.store, f->anna.id, slice_str(name), USE_NONE, &id), OK);
    return id;
}

/* --- get --- */

#define RIGHTS(own)                                                                                \
    "{'mayReadItems': true, 'mayAddItems': true, 'mayRemoveItems': true, 'maySetSeen': true,"      \
    " 'maySetKeywords': true, 'mayCreateChild': true, 'mayRename': " own ", 'mayDelete': " own     \
    ", 'maySubmit': true}"

static void test_get(void **state)
{
    make("Work/Projekte");
    append("INBOX", "one", "");
    jmap_expect_call(
        f, "Mailbox/get", "{'accountId': 'A1', 'ids': ['B1', 'B8', 'B77']}",
        "{'accountId': 'A1', 'state': '*', 'list': [{'id': 'B1', 'name': 'Inbox', 'parentId': null,"
        " 'role': 'inbox', 'sortOrder': 1, 'totalEmails': 1, 'unreadEmails': 1, 'totalThreads': 1,"
        " 'unreadThreads': 1, 'myRights': " RIGHTS(
            "false") ", 'isSubscribed': true},"
                     " {'id': 'B8', 'name': 'Projekte', 'parentId': 'B7', 'role': null, "
                     "'sortOrder': 10,"
                     " 'totalEmails': 0, 'unreadEmails': 0, 'totalThreads': 0, 'unreadThreads': 0,"
                     " 'myRights': " RIGHTS(
                         "true") ", 'isSubscribed': false}], 'notFound': ['B77']}");
    jmap_expect_call(f, "Mailbox/get", "{'accountId': 'A1', 'ids': null, 'properties': ['role']}",
                     "{'accountId': 'A1', 'state': '*', 'list': [{'id': 'B1', 'role': 'inbox'},"
                     " {'id': 'B6', 'role': 'archive'}, {'id': 'B2', 'role': 'drafts'},"
                     " {'id': 'B4', 'role': 'junk'}, {'id': 'B3', 'role': 'sent'}, {'id': 'B5', "
                     "'role': 'trash'},"
                     " {'id': 'B7', 'role': null}, {'id': 'B8', 'role': null}], 'notFound': []}");
}

static void test_counts(void **state)
{
    append("INBOX", "talk", "Message-ID: <a@x>\n");
    append("INBOX", "Re: talk", "Message-ID: <b@x>\nIn-Reply-To: <a@x>\n");
    append("Archive", "Re: talk", "Message-ID: <c@x>\nIn-Reply-To: <a@x>\n");
    append("INBOX", "other", "Message-ID: <d@x>\n");
    append("INBOX", "deleted", "Message-ID: <e@x>\n");
    flag("INBOX", 1, FLAG_SEEN);
    flag("INBOX", 2, FLAG_SEEN);
    flag("INBOX", 4, FLAG_DELETED);
    /* The thread is unread by its email in Archive. */
    jmap_expect_call(f, "Mailbox/get",
                     "{'accountId': 'A1', 'ids': ['B1', 'B6'], 'properties': ['totalEmails',"
                     " 'unreadEmails', 'totalThreads', 'unreadThreads']}",
                     "{'accountId': 'A1', 'state': '*', 'notFound': [], 'list': ["
                     "{'id': 'B1', 'totalEmails': 3, 'unreadEmails': 1, 'totalThreads': 2,"
                     " 'unreadThreads': 2},"
                     "{'id': 'B6', 'totalEmails': 1, 'unreadEmails': 1, 'totalThreads': 1,"
                     " 'unreadThreads': 1}]}");
}

/* --- changes --- */

static void expect_changes(const char *since, const char *created, const char *updated,
                           const char *destroyed, const char *properties)
{
    char args[256], want[1024];
    snprintf(args, sizeof args, "{'accountId': 'A1', 'sinceState': '%s'}", since);
    snprintf(want, sizeof want,
             "{'accountId': 'A1', 'oldState': '%s', 'newState': '*', 'hasMoreChanges': false,"
             " 'created': %s, 'updated': %s, 'destroyed': %s, 'updatedProperties': %s}",
             since, created, updated, destroyed, properties);
    jmap_expect_call(f, "Mailbox/changes", args, want);
}

#define COUNTS "['totalEmails', 'unreadEmails', 'totalThreads', 'unreadThreads']"

static void test_changes(void **state)
{
    char before[JMAP_STATE_TEXT];
    snprintf(before, sizeof before, "%s", now());
    expect_changes(before, "[]", "[]", "[]", "null");
    append("INBOX", "one", "Message-ID: <a@x>\n");
    expect_changes(before, "[]", "['B1']", "[]", COUNTS);
    append("Archive", "Re: one", "Message-ID: <b@x>\nIn-Reply-To: <a@x>\n");
    snprintf(before, sizeof before, "%s", now());
    /* Reading it in one place changes the other's count of threads: only counts there. */
    flag("Archive", 1, FLAG_SEEN);
    expect_changes(before, "[]", "['B1', 'B6']", "[]", COUNTS);
    assert_int_equal(store_subscribe(f->service.store, f->anna.id, SLICE("INBOX"), false), OK);
    expect_changes(before, "[]", "['B1', 'B6']", "[]", "null");
    snprintf(before, sizeof before, "%s", now());
    make("New");
    make("Brief");
    assert_int_equal(
        store_mailbox_rename(f->service.store, f->anna.id, SLICE("Junk"), SLICE("Spam")), OK);
    assert_int_equal(store_mailbox_delete(f->service.store, f->anna.id, SLICE("Archive")), OK);
    assert_int_equal(store_mailbox_delete(f->service.store, f->anna.id, SLICE("Brief")), OK);
    expect_changes(before, "['B7']", "'*'", "['B6']", "null");
    jmap_expect_error(f, "Mailbox/changes",
                      text("{'accountId': 'A1', 'sinceState': '%s', 'maxChanges': 1}", before),
                      "cannotCalculateChanges");
}

/* --- query --- */

static void expect_query(const char *arguments, const char *ids)
{
    char args[1024], want[1024];
    snprintf(args, sizeof args, "{'accountId': 'A1'%s%s}", *arguments ? ", " : "", arguments);
    snprintf(want, sizeof want, "{'ids': %s, '...': 0}", ids);
    jmap_expect_call(f, "Mailbox/query", args, want);
}

static void test_query(void **state)
{
    make("b/z"); /* B7, B8 */
    make("b/a"); /* B9 */
    make("B2");  /* B10 */
    expect_query("'filter': {'role': 'inbox'}", "['B1']");
    expect_query("'filter': {'role': null, 'parentId': null}, 'sort': [{'property': 'name'}]",
                 "['B7', 'B10']");
    expect_query("'filter': {'hasAnyRole': false}, 'sort': [{'property': 'name'}],"
                 " 'sortAsTree': true",
                 "['B7', 'B9', 'B8', 'B10']");
    expect_query("'filter': {'parentId': 'B7'}, 'sort': [{'property': 'name', 'isAscending':"
                 " false}]",
                 "['B8', 'B9']");
    expect_query("'filter': {'name': 'DRAFT'}", "['B2']");
    expect_query("'filter': {'isSubscribed': false}, 'sort': [{'property': 'parentId'},"
                 " {'property': 'name'}]",
                 "['B7', 'B10', 'B9', 'B8']");
    expect_query("'filter': {'operator': 'OR', 'conditions': [{'name': 'z'}, {'role': 'sent'}]},"
                 " 'sort': [{'property': 'sortOrder'}]",
                 "['B3', 'B8']");
    expect_query("'filter': {'operator': 'NOT', 'conditions': [{'hasAnyRole': true},"
                 " {'parentId': null}]}, 'sort': [{'property': 'name'}]",
                 "['B9', 'B8']");
    expect_query("'filter': {'operator': 'AND', 'conditions': [{'hasAnyRole': false},"
                 " {'operator': 'NOT', 'conditions': [{'name': 'b'}]}]}, 'filterAsTree': true",
                 "[]");
    expect_query("'filter': {'parentId': 'B99'}", "[]");
    expect_query("'sort': [{'property': 'sortOrder'}], 'limit': 2, 'position': 1", "['B2', 'B3']");
    expect_query("'sort': [{'property': 'sortOrder'}], 'position': -2, 'filter': {'hasAnyRole':"
                 " true}",
                 "['B4', 'B5']");
    expect_query("'sort': [{'property': 'sortOrder'}], 'anchor': 'B6', 'anchorOffset': -1,"
                 " 'limit': 2, 'calculateTotal': true",
                 "['B3', 'B6']");
    expect_query("'position': 99", "[]");
    expect_query("'limit': 0", "[]");
    jmap_expect_error(f, "Mailbox/query", "{'accountId': 'A1', 'anchor': 'B99'}", "anchorNotFound");
}

static void test_bad_queries(void **state)
{
    static const char *const filters[] = {
        "1",
        "[]",
        "{'color': 1}",
        "{'name': 1}",
        "{'role': 1}",
        "{'hasAnyRole': 1}",
        "{'parentId': 5}",
        "{'operator': 'XOR', 'conditions': []}",
        "{'operator': 'AND'}",
        "{'operator': 'AND', 'conditions': [1]}",
        "{'operator': 'AND', 'conditions': [], 'name': 'x'}",
    };
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++)
        jmap_expect_error(f, "Mailbox/query", text("{'accountId': 'A1', 'filter': %s}", filters[i]),
                          "unsupportedFilter");
    jmap_expect_error(f, "Mailbox/query", "{'accountId': 'A1', 'sort': [{'property': 'color'}]}",
                      "unsupportedSort");
    jmap_expect_error(f, "Mailbox/query", "{'accountId': 'A1', 'sort': [1]}", "unsupportedSort");
    jmap_expect_error(f, "Mailbox/query",
                      "{'accountId': 'A1', 'sort': [{'property': 'name', 'collation': 'x'}]}",
                      "unsupportedSort");
    char many[8192] = "{'accountId': 'A1', 'filter': {'operator': 'OR', 'conditions': [{}";
    for (int i = 0; i < LIMIT_JMAP_FILTER; i++)
        memcpy(many + strlen(many), ",{}", 4);
    memcpy(many + strlen(many), "]}}", 4);
    jmap_expect_error(f, "Mailbox/query", many, "unsupportedFilter");
}

static void test_query_changes(void **state)
{
    char before[JMAP_STATE_TEXT];
    snprintf(before, sizeof before, "%s", now());
    make("New");
    assert_int_equal(store_mailbox_delete(f->service.store, f->anna.id, SLICE("Archive")), OK);
    jmap_expect_call(f, "Mailbox/queryChanges",
                     text("{'accountId': 'A1', 'sinceQueryState': '%s', 'calculateTotal': true,"
                          " 'sort': [{'property': 'sortOrder'}]}",
                          before),
                     "{'accountId': 'A1', 'oldQueryState': '*', 'newQueryState': '*', 'total': 6,"
                     " 'removed': ['B6', 'B7'], 'added': [{'id': 'B7', 'index': 5}]}");
    jmap_expect_error(f, "Mailbox/queryChanges",
                      text("{'accountId': 'A1', 'sinceQueryState': '%s', 'maxChanges': 1}", before),
                      "tooManyChanges");
    jmap_expect_call(
        f, "Mailbox/queryChanges",
        text("{'accountId': 'A1', 'sinceQueryState': '%s', 'filterAsTree': true}", now()),
        "{'accountId': 'A1', 'oldQueryState': '*', 'newQueryState': '*',"
        " 'removed': [], 'added': []}");
}

/* --- set --- */

static void test_create(void **state)
{
    jmap_expect_call(
        f, "Mailbox/set",
        "{'accountId': 'A1', 'create': {'a': {'name': 'Zu\\u0308ge', 'isSubscribed': true,"
        " 'parentId': null}, 'b': {'name': 'Wichtig', 'role': 'important', 'parentId': '#a'}}}",
        "{'accountId': 'A1', 'oldState': '*', 'newState': '*', 'created': {"
        "'a': {'id': 'B7', 'name': 'Z\\u00fcge', 'role': null, 'sortOrder': 10, 'totalEmails': 0,"
        " 'unreadEmails': 0, 'totalThreads': 0, 'unreadThreads': 0, 'myRights': " RIGHTS(
            "true") "}, 'b': {'id': 'B8', 'sortOrder': 8, 'isSubscribed': false, 'totalEmails': 0,"
                    " 'unreadEmails': 0, 'totalThreads': 0, 'unreadThreads': 0, "
                    "'myRights': " RIGHTS("true") "}}, 'updated': null, 'destroyed': null, "
                                                  "'notCreated': null, 'notUpdated': null,"
                                                  " 'notDestroyed': null}");
    jmap_expect_call(f, "Mailbox/get",
                     "{'accountId': 'A1', 'ids': ['B7', 'B8'], 'properties': ['name', 'parentId',"
                     " 'role', 'isSubscribed']}",
                     "{'accountId': 'A1', 'state': '*', 'notFound': [], 'list': ["
                     "{'id': 'B7', 'name': 'Z\\u00fcge', 'parentId': null, 'role': null,"
                     " 'isSubscribed': true},"
                     "{'id': 'B8', 'name': 'Wichtig', 'parentId': 'B7', 'role': 'important',"
                     " 'isSubscribed': false}]}");
}

static void test_create_refused(void **state)
{
    static const struct {
        const char *object, *property;
    } cases[] = {
        {"{}", "name"},
        {"{'name': ''}", "name"},
        {"{'name': 5}", "name"},
        {"{'name': 'a/b'}", "name"},
        {"{'name': 'a\\u0007'}", "name"},
        {"{'name': 'Drafts'}", "name"},
        {"{'name': 'inbox'}", "name"},
        {"{'name': 'x', 'parentId': 'B99'}", "parentId"},
        {"{'name': 'x', 'parentId': 5}", "parentId"},
        {"{'name': 'x', 'role': 'inbox'}", "role"},
        {"{'name': 'x', 'role': 'color'}", "role"},
        {"{'name': 'x', 'role': 1}", "role"},
        {"{'name': 'x', 'sortOrder': -1}", "sortOrder"},
        {"{'name': 'x', 'isSubscribed': 'yes'}", "isSubscribed"},
        {"{'name': 'x', 'totalEmails': 1}", "totalEmails"},
        {"{'name': 'x', 'id': 'B50'}", "id"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char want[512];
        snprintf(want, sizeof want,
                 "{'created': null, 'notCreated': {'a': {'type': 'invalidProperties',"
                 " 'properties': ['%s'], 'description': '*'}}, '...': 0}",
                 cases[i].property);
        jmap_expect_call(f, "Mailbox/set",
                         text("{'accountId': 'A1', 'create': {'a': %s}}", cases[i].object), want);
    }
    char name[300] = {0};
    memset(name, 'x', 256);
    jmap_expect_call(f, "Mailbox/set",
                     text("{'accountId': 'A1', 'create': {'a': {'name': '%s'}}}", name),
                     "{'created': null, 'notCreated': '*', '...': 0}");
}

static void expect_update(const char *id, const char *patch, const char *updated,
                          const char *not_updated)
{
    char args[512], want[1024];
    snprintf(args, sizeof args, "{'accountId': 'A1', 'update': {'%s': %s}}", id, patch);
    snprintf(want, sizeof want, "{'updated': %s, 'notUpdated': %s, '...': 0}", updated,
             not_updated);
    jmap_expect_call(f, "Mailbox/set", args, want);
}

static void test_update(void **state)
{
    make("a/b/c"); /* B7 B8 B9 */
    append("a/b", "one", "");
    expect_update("B8", "{'name': 'x', 'parentId': null}", "{'B8': null}", "null");
    (void)jmap_fixture_mailbox(f, f->anna.id, "x/c");
    expect_update("B7", "{'parentId': 'B9'}", "{'B7': null}", "null");
    (void)jmap_fixture_mailbox(f, f->anna.id, "x/c/a");
    expect_update("B8", "{'parentId': 'B7'}", "null",
                  "{'B8': {'type': 'invalidProperties', 'properties': ['parentId'],"
                  " 'description': '*'}}");
    expect_update("B8", "{'parentId': 'B8'}", "null",
                  "{'B8': {'type': 'invalidProperties', '...': 0}}");
    expect_update("B8", "{'name': 'Sent'}", "null",
                  "{'B8': {'type': 'invalidProperties', 'properties': ['name'],"
                  " 'description': '*'}}");
    expect_update("B8", "{'isSubscribed': true, 'name': 'x', 'role': null, 'sortOrder': 10}",
                  "{'B8': null}", "null");
    expect_update("B8", "{'role': 'archive'}", "null",
                  "{'B8': {'type': 'invalidProperties', 'properties': ['role'], 'description':"
                  " '*'}}");
    expect_update("B8", "{'sortOrder': 3}", "null",
                  "{'B8': {'type': 'invalidProperties', 'properties': ['sortOrder'],"
                  " 'description': '*'}}");
    expect_update("B1", "{'name': 'Inbox', 'isSubscribed': false}", "{'B1': null}", "null");
    expect_update("B1", "{'name': 'Other'}", "null", "{'B1': {'type': 'forbidden', '...': 0}}");
    expect_update("B1", "{'parentId': 'B8'}", "null", "{'B1': {'type': 'forbidden', '...': 0}}");
    expect_update("B99", "{'name': 'Other'}", "null", "{'B99': {'type': 'notFound'}}");
    expect_update("B8", "{'myRights/mayRename': false}", "null",
                  "{'B8': {'type': 'invalidProperties', '...': 0}}");
    /* A name that was moved keeps its messages. */
    jmap_expect_call(f, "Mailbox/get",
                     "{'accountId': 'A1', 'ids': ['B8'], 'properties': ['totalEmails']}",
                     "{'list': [{'id': 'B8', 'totalEmails': 1}], '...': 0}");
}

static void expect_destroy(const char *id, bool with_emails, const char *destroyed,
                           const char *not_destroyed)
{
    char args[512], want[1024];
    snprintf(args, sizeof args,
             "{'accountId': 'A1', 'destroy': ['%s'],"
             " 'onDestroyRemoveEmails': %s}",
             id, with_emails ? "true" : "false");
    snprintf(want, sizeof want, "{'destroyed': %s, 'notDestroyed': %s, '...': 0}", destroyed,
             not_destroyed);
    jmap_expect_call(f, "Mailbox/set", args, want);
}

static void test_destroy(void **state)
{
    make("a/b"); /* B7 B8 */
    append("a/b", "one", "");
    expect_destroy("B1", true, "null", "{'B1': {'type': 'forbidden', 'description': '*'}}");
    expect_destroy("B7", true, "null", "{'B7': {'type': 'mailboxHasChild'}}");
    expect_destroy("B8", false, "null", "{'B8': {'type': 'mailboxHasEmail'}}");
    expect_destroy("B8", true, "['B8']", "null");
    expect_destroy("B8", true, "null", "{'B8': {'type': 'notFound'}}");
    expect_destroy("B7", false, "['B7']", "null");
    make("Hidden"); /* B9 */
    append("Hidden", "one", "");
    flag("Hidden", 1, FLAG_DELETED);
    expect_destroy("B9", false, "['B9']", "null");
    /* Asked to be changed and to go: it goes. */
    make("Both"); /* B10 */
    jmap_expect_call(f, "Mailbox/set",
                     "{'accountId': 'A1', 'update': {'B10': {'name': 'Y'}}, 'destroy': ['B10',"
                     " 'B10']}",
                     "{'updated': null, 'notUpdated': {'B10': {'type': 'willDestroy'}},"
                     " 'destroyed': ['B10'], 'notDestroyed': null, '...': 0}");
}

static void test_if_in_state(void **state)
{
    char args[256];
    snprintf(args, sizeof args,
             "{'accountId': 'A1', 'ifInState': '%s', 'create': {'a': {'name': 'One'}}}", now());
    jmap_expect_call(f, "Mailbox/set", args, "{'created': {'a': '*'}, '...': 0}");
    jmap_expect_error(f, "Mailbox/set", args, "stateMismatch");
}

/* --- Threads --- */

static void test_threads(void **state)
{
    append("INBOX", "talk", "Message-ID: <a@x>\n");
    json_t *a = jmap_fixture_call(f, "Mailbox/get", "{'accountId': 'A1', 'ids': []}");
    char before[JMAP_STATE_TEXT], args[256];
    snprintf(before, sizeof before, "%s", json_string_value(json_object_get(a, "state")));
    json_decref(a);
    append("INBOX", "Re: talk", "Message-ID: <b@x>\nIn-Reply-To: <a@x>\n");
    append("Sent", "new", "Message-ID: <c@x>\n");
    struct view *v;
    size_t n;
    assert_int_equal(store_view(f->service.store, f->anna.id, &v), OK);
    const struct view_message *m = view_messages(v, &n);
    uint64_t old = 0, fresh = 0, first = 0, second = 0;
    for (size_t i = 0; i < n; i++) {
        if (m[i].mailbox != 1) {
            fresh = m[i].thread;
        } else {
            old = m[i].thread;
            *(m[i].uid == 1 ? &first : &second) = m[i].email;
        }
    }
    view_unref(v);
    char want[512];
    snprintf(args, sizeof args, "{'accountId': 'A1', 'ids': ['T%llu', 'T999', 'x']}",
             (unsigned long long)old);
    snprintf(want, sizeof want,
             "{'accountId': 'A1', 'state': '*', 'list': [{'id': 'T%llu', 'emailIds': ['M%llu',"
             " 'M%llu']}], 'notFound': ['T999', 'x']}",
             (unsigned long long)old, (unsigned long long)first, (unsigned long long)second);
    jmap_expect_call(f, "Thread/get", args, want);
    jmap_expect_error(f, "Thread/get", "{'accountId': 'A1', 'ids': null}", "requestTooLarge");
    snprintf(args, sizeof args, "{'accountId': 'A1', 'sinceState': '%s'}", before);
    snprintf(want, sizeof want,
             "{'accountId': 'A1', 'oldState': '*', 'newState': '*', 'hasMoreChanges': false,"
             " 'created': ['T%llu'], 'updated': ['T%llu'], 'destroyed': []}",
             (unsigned long long)fresh, (unsigned long long)old);
    jmap_expect_call(f, "Thread/changes", args, want);
    /* Flags change no thread; what is deleted does. */
    snprintf(args, sizeof args, "{'accountId': 'A1', 'sinceState': '%s'}", now());
    flag("INBOX", 1, FLAG_SEEN);
    flag("Sent", 1, FLAG_DELETED);
    snprintf(want, sizeof want, "{'created': [], 'updated': [], 'destroyed': ['T%llu'], '...': 0}",
             (unsigned long long)fresh);
    jmap_expect_call(f, "Thread/changes", args, want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_get, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_query, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_queries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_query_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_create, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_create_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_update, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_destroy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_if_in_state, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_threads, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
