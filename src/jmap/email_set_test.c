/* Email/set and Email/import: composing, keywords and mailboxes, copies, refusals. */
#include "jmap/jmap_fixture.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
/* cmocka needs those above first. */
#include <cmocka.h>

static int start(void **state)
{
    *state = jmap_fixture_start();
    return 0;
}

static int stop(void **state)
{
    jmap_fixture_stop(*state);
    return 0;
}

#define HELLO                                                                                      \
    "From: ben@example.org\nTo: anna@example.org\nSubject: Hello\nMessage-ID: <h@b>\n\nHi\n"

/* --- create --- */

/* The message as it was made, without what is random in it. */
static void assert_made(struct jmap_fixture *f, const char *id, const char *const *parts)
{
    struct jmap_blob *b;
    struct buf raw = BUF_INIT(1 << 20);
    assert_int_equal(jmap_blob_open(&f->service, &f->user, slice_str(id), &b), OK);
    while (raw.n < jmap_blob_size(b))
        assert_int_equal(jmap_blob_read(b, 1000, &raw), OK);
    jmap_blob_close(b);
    buf_byte(&raw, 0);
    const char *at = (const char *)raw.p;
    for (; *parts; parts++) {
        const char *found = strstr(at, *parts);
        if (!found)
            fail_msg("\"%s\" is not in\n%s", *parts, at);
        at = found + strlen(*parts);
    }
    buf_free(&raw);
}

static void test_text(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_expect_call(
        f, "Email/set",
        "{'accountId': 'A1', 'create': {'k': {'mailboxIds': {'B2': true},"
        " 'keywords': {'$draft': true, '$Seen': true, 'Blue': true},"
        " 'receivedAt': '2020-01-02T03:04:05Z', 'sentAt': '2020-01-02T04:04:05+01:00',"
        " 'messageId': ['one@example.org'], 'references': ['a@b', 'c@d'], 'inReplyTo': ['c@d'],"
        " 'from': [{'name': 'Anna', 'email': 'anna@example.org'}],"
        " 'to': [{'name': null, 'email': 'ben@example.org'}, {'name': 'M\xc3\xbcller',"
        " 'email': 'm@example.net'}], 'subject': 'Gr\xc3\xbc\xc3\x9f"
        "e', 'header:X-Priority:asText': '1',"
        " 'textBody': [{'partId': 'p'}], 'bodyValues': {'p': {'value': 'Hallo\\nWelt'}}}}}",
        "{'accountId': 'A1', 'oldState': '*', 'newState': '*',"
        " 'created': {'k': {'id': 'M1', 'blobId': 'M1', 'threadId': 'T1', 'size': '*'}},"
        " 'updated': null, 'destroyed': null, 'notCreated': null, 'notUpdated': null,"
        " 'notDestroyed': null}");
    static const char *const parts[] = {"Date: Thu, 2 Jan 2020 04:04:05 +0100\r\n",
                                        "Message-ID: <one@example.org>\r\n",
                                        "From: Anna <anna@example.org>\r\n",
                                        "To: ben@example.org, =?utf-8?q?M=C3=BCller?= <m@",
                                        "Subject: =?utf-8?q?",
                                        "In-Reply-To: <c@d>\r\n",
                                        "References: <a@b> <c@d>\r\n",
                                        "X-Priority: 1\r\nMIME-Version: 1.0\r\n",
                                        "Content-Type: text/plain;\r\n\tcharset=utf-8\r\n",
                                        "\r\n\r\nHallo\r\nWelt",
                                        NULL};
    assert_made(f, "M1", parts);
    jmap_expect_call(f, "Email/get",
                     "{'accountId': 'A1', 'ids': ['M1'], 'properties': ['keywords',"
                     " 'mailboxIds', 'receivedAt', 'subject', 'hasAttachment']}",
                     "{'accountId': 'A1', 'state': '*', 'notFound': [], 'list': [{'id': 'M1',"
                     " 'keywords': {'$draft': true, '$seen': true, 'blue': true},"
                     " 'mailboxIds': {'B2': true}, 'receivedAt': '2020-01-02T03:04:05Z',"
                     " 'subject': 'Gr\xc3\xbc\xc3\x9f"
                     "e', 'hasAttachment': false}]}");
}

static char *upload(struct jmap_fixture *f, const char *content)
{
    static char id[64];
    struct jmap_upload *up;
    struct buf json = BUF_INIT(1000);
    assert_int_equal(jmap_upload_begin(&f->service, &f->user, SLICE("x/y"), &up), OK);
    assert_int_equal(jmap_upload_take(up, slice_str(content)), OK);
    assert_int_equal(jmap_upload_done(up, &json), OK);
    json_t *answer = json_loadb((const char *)json.p, json.n, 0, NULL);
    snprintf(id, sizeof id, "%s", json_string_value(json_object_get(answer, "blobId")));
    json_decref(answer);
    buf_free(&json);
    return id;
}

/* Both texts, an image in the HTML, and an attachment: mixed(alternative(text, related(html,
 * image)), file), which the reader sees as it was said. */
static void test_structure(void **state)
{
    struct jmap_fixture *f = *state;
    char image[64], file[64];
    autobuf args = BUF_INIT(65536);
    snprintf(image, sizeof image, "%s", upload(f, "PNG"));
    snprintf(file, sizeof file, "%s", upload(f, "PDF"));
    buf_printf(&args,
               "{'accountId': 'A1', 'create': {'k': {'mailboxIds': {'B2': true}, 'subject': 's',"
               " 'textBody': [{'partId': '1', 'type': 'text/plain'}],"
               " 'htmlBody': [{'partId': '2', 'type': 'text/html'}],"
               " 'bodyValues': {'1': {'value': 't'}, '2': {'value': '<img src=cid:i>'}},"
               " 'attachments': [{'blobId': '%s', 'type': 'image/png', 'cid': 'i',"
               " 'disposition': 'inline'}, {'blobId': '%s', 'type': 'application/pdf',"
               " 'name': '\xc3\x9c.pdf', 'disposition': 'attachment'}]}}}",
               image, file);
    buf_byte(&args, 0);
    json_decref(jmap_fixture_call(f, "Email/set", (const char *)args.p));
    jmap_expect_call(
        f, "Email/get",
        "{'accountId': 'A1', 'ids': ['M1'], 'properties': ['bodyStructure', 'attachments'],"
        " 'bodyProperties': ['type', 'name', 'cid', 'disposition', 'size', 'subParts']}",
        "{'accountId': 'A1', 'state': '*', 'notFound': [], 'list': [{'id': 'M1',"
        " 'bodyStructure': {'type': 'multipart/mixed', '...': 0, 'subParts': ["
        "{'type': 'multipart/alternative', '...': 0, 'subParts': ["
        "{'type': 'text/plain', '...': 0}, {'type': 'multipart/related', '...': 0, 'subParts': ["
        "{'type': 'text/html', '...': 0}, {'type': 'image/png', 'cid': 'i', '...': 0}]}]},"
        " {'type': 'application/pdf', 'name': '\xc3\x9c.pdf', 'size': 3, '...': 0}]},"
        " 'attachments': '*'}]}");
}

static void test_refusals(void **state)
{
    struct jmap_fixture *f = *state;
    static const struct {
        const char *object, *error;
    } cases[] = {
        {"{}", "{'type': 'invalidProperties', 'properties': ['mailboxIds'], '...': 0}"},
        {"{'mailboxIds': {'B99': true}}", "{'type': 'invalidProperties', '...': 0}"},
        {"{'mailboxIds': {'B2': false}}", "{'type': 'invalidProperties', '...': 0}"},
        {"{'mailboxIds': {'B2': true}, 'id': 'M7'}", "{'type': 'invalidProperties', '...': 0}"},
        {"{'mailboxIds': {'B2': true}, 'keywords': {'a b': true}}",
         "{'type': 'invalidProperties', '...': 0}"},
        {"{'mailboxIds': {'B2': true}, 'from': [{'email': 'a@b>\\r\\nBcc: c'}]}",
         "{'type': 'invalidProperties', 'properties': ['from'], '...': 0}"},
        {"{'mailboxIds': {'B2': true}, 'messageId': ['a> <b']}",
         "{'type': 'invalidProperties', '...': 0}"},
        {"{'mailboxIds': {'B2': true}, 'sentAt': 'yesterday'}",
         "{'type': 'invalidProperties', '...': 0}"},
        {"{'mailboxIds': {'B2': true}, 'subject': 'a', 'header:Subject:asText': 'b'}",
         "{'type': 'invalidProperties', '...': 0}"},
        {"{'mailboxIds': {'B2': true}, 'header:Content-Type': 'text/html'}",
         "{'type': 'invalidProperties', '...': 0}"},
        {"{'mailboxIds': {'B2': true}, 'header:X\\r\\nY:asText': 'b'}",
         "{'type': 'invalidProperties', '...': 0}"},
        {"{'mailboxIds': {'B2': true}, 'attachments': [{'blobId': 'U0'}]}",
         "{'type': 'blobNotFound', 'notFound': ['U0']}"},
        {"{'mailboxIds': {'B2': true}, 'textBody': [{'partId': 'x'}]}",
         "{'type': 'invalidProperties', '...': 0}"},
        {"{'mailboxIds': {'B2': true}, 'textBody': [{'partId': 'x', 'type': 'text/html'}],"
         " 'bodyValues': {'x': {'value': ''}}}",
         "{'type': 'invalidProperties', '...': 0}"},
        {"{'mailboxIds': {'B2': true}, 'bodyStructure': {'type': 'multipart/mixed'}}",
         "{'type': 'invalidProperties', '...': 0}"},
        {"{'mailboxIds': {'B2': true}, 'bodyStructure': {'partId': '1', 'type': 'text/plain'},"
         " 'textBody': [], 'bodyValues': {'1': {'value': ''}}}",
         "{'type': 'invalidProperties', '...': 0}"},
        {"{'mailboxIds': {'B2': true}, 'bodyStructure': {'blobId': 'U1', 'type': 'a/b\\r\\nX: y'}}",
         "{'type': 'invalidProperties', '...': 0}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        autobuf args = BUF_INIT(65536);
        buf_printf(&args, "{'accountId': 'A1', 'create': {'k': %s}}", cases[i].object);
        buf_byte(&args, 0);
        print_message("%s\n", cases[i].object);
        json_t *answer = jmap_fixture_call(f, "Email/set", (const char *)args.p);
        jmap_match(json_object_get(json_object_get(answer, "notCreated"), "k"), cases[i].error);
        json_decref(answer);
    }
    jmap_expect_call(f, "Email/query", "{'accountId': 'A1'}", "{'ids': [], '...': 0}");
}

/* --- update and destroy --- */

static void expect_email(struct jmap_fixture *f, const char *expected)
{
    json_t *answer = jmap_fixture_call(
        f, "Email/get",
        "{'accountId': 'A1', 'ids': ['M1'], 'properties': ['keywords', 'mailboxIds']}");
    jmap_match(json_object_get(answer, "list"), expected);
    json_decref(answer);
}

static void update(struct jmap_fixture *f, const char *patch, const char *expected)
{
    autobuf args = BUF_INIT(65536);
    buf_printf(&args, "{'accountId': 'A1', 'update': {'M1': %s}}", patch);
    buf_byte(&args, 0);
    json_t *answer = jmap_fixture_call(f, "Email/set", (const char *)args.p);
    assert_true(json_is_null(json_object_get(answer, "notUpdated")));
    json_decref(answer);
    expect_email(f, expected);
}

static void test_update(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_fixture_append(f, f->anna.id, "INBOX", HELLO);
    update(f, "{'keywords/$seen': true}",
           "[{'id': 'M1', 'keywords': {'$seen': true}, 'mailboxIds': {'B1': true}}]");
    update(f, "{'keywords': {'$flagged': true, 'work': true}}",
           "[{'id': 'M1', 'keywords': {'$flagged': true, 'work': true},"
           " 'mailboxIds': {'B1': true}}]");
    update(f, "{'keywords/WORK': null, 'mailboxIds/B1': null, 'mailboxIds/B6': true}",
           "[{'id': 'M1', 'keywords': {'$flagged': true}, 'mailboxIds': {'B6': true}}]");
    update(
        f, "{'mailboxIds/B1': true}",
        "[{'id': 'M1', 'keywords': {'$flagged': true}, 'mailboxIds': {'B1': true, 'B6': true}}]");
    /* What one copy gets, all have. */
    update(f, "{'keywords/$seen': true}",
           "[{'id': 'M1', 'keywords': {'$seen': true, '$flagged': true},"
           " 'mailboxIds': {'B1': true, 'B6': true}}]");
    update(f, "{'mailboxIds': {'B5': true}}",
           "[{'id': 'M1', 'keywords': {'$seen': true, '$flagged': true},"
           " 'mailboxIds': {'B5': true}}]");
    update(f, "{'mailboxIds': {'B1': true, 'B3': true, 'B6': true}}",
           "[{'id': 'M1', 'keywords': {'$seen': true, '$flagged': true},"
           " 'mailboxIds': {'B1': true, 'B3': true, 'B6': true}}]");
    jmap_expect_call(
        f, "Email/set", "{'accountId': 'A1', 'destroy': ['M1', 'M9']}",
        "{'destroyed': ['M1'], 'notDestroyed': {'M9': {'type': 'notFound'}}, '...': 0}");
    expect_email(f, "[]");
}

static void test_bad_updates(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_fixture_append(f, f->anna.id, "INBOX", HELLO);
    static const struct {
        const char *patch, *type;
    } cases[] = {
        {"{'mailboxIds': {}}", "invalidProperties"},
        {"{'mailboxIds/B1': null}", "invalidProperties"},
        {"{'mailboxIds/B77': true}", "invalidProperties"},
        {"{'mailboxIds/B1': 5}", "invalidProperties"},
        {"{'subject': 'x'}", "invalidProperties"},
        {"{'keywords/$seen/x': true}", "invalidPatch"},
        {"{'keywords/$seen': 'yes'}", "invalidProperties"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        autobuf args = BUF_INIT(65536);
        buf_printf(&args, "{'accountId': 'A1', 'update': {'M1': %s}}", cases[i].patch);
        buf_byte(&args, 0);
        print_message("%s\n", cases[i].patch);
        json_t *answer = jmap_fixture_call(f, "Email/set", (const char *)args.p);
        json_t *error = json_object_get(json_object_get(answer, "notUpdated"), "M1");
        assert_string_equal(json_string_value(json_object_get(error, "type")), cases[i].type);
        json_decref(answer);
    }
    expect_email(f, "[{'id': 'M1', 'keywords': {}, 'mailboxIds': {'B1': true}}]");
    jmap_expect_error(f, "Email/set", "{'accountId': 'A1', 'ifInState': 'x', 'destroy': ['M1']}",
                      "stateMismatch");
}

/* What was made in the same request can be named. */
static void test_creation_ids(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_expect(f,
                "[['Mailbox/set', {'accountId': 'A1', 'create': {'m': {'name': 'Projekt'}}}, 'a'],"
                " ['Email/set', {'accountId': 'A1', 'create': {'e': {'mailboxIds': {'#m': true},"
                " 'subject': 's'}}}, 'b'],"
                " ['Email/set', {'accountId': 'A1', 'update': {'#e': {'mailboxIds/B1': true,"
                " 'mailboxIds/#m': null}}}, 'c']]",
                "[['Mailbox/set', {'created': {'m': {'id': 'B7', '...': 0}}, '...': 0}, 'a'],"
                " ['Email/set', {'created': {'e': {'id': 'M1', '...': 0}}, '...': 0}, 'b'],"
                " ['Email/set', {'updated': {'M1': null}, '...': 0}, 'c']]");
    expect_email(f, "[{'id': 'M1', 'keywords': {}, 'mailboxIds': {'B1': true}}]");
}

/* --- import --- */

static void test_import(void **state)
{
    struct jmap_fixture *f = *state;
    autobuf args = BUF_INIT(65536);
    char good[64], empty[64];
    snprintf(good, sizeof good, "%s", upload(f, "Subject: x\nFrom: a@b\n\nbody\n"));
    snprintf(empty, sizeof empty, "%s", upload(f, ""));
    buf_printf(&args,
               "{'accountId': 'A1', 'emails': {'a': {'blobId': '%s', 'mailboxIds': {'B1': true,"
               " 'B6': true}, 'keywords': {'$seen': true}, 'receivedAt': '2001-02-03T04:05:06Z'},"
               " 'b': {'blobId': '%s', 'mailboxIds': {'B1': true}},"
               " 'c': {'blobId': 'U1', 'mailboxIds': {'B1': true}}}}",
               good, empty);
    buf_byte(&args, 0);
    jmap_expect_call(f, "Email/import", (const char *)args.p,
                     "{'created': {'a': {'id': 'M1', 'size': 31, '...': 0}}, 'notCreated': {"
                     "'b': {'type': 'invalidEmail'},"
                     " 'c': {'type': 'blobNotFound', 'notFound': ['U1']}}, '...': 0}");
    expect_email(f, "[{'id': 'M1', 'keywords': {'$seen': true},"
                    " 'mailboxIds': {'B1': true, 'B6': true}}]");
}

/* --- blobs --- */

static void test_blobs(void **state)
{
    struct jmap_fixture *f = *state;
    struct jmap_blob *b;
    char id[80];
    snprintf(id, sizeof id, "%s", upload(f, "0123456789"));
    assert_int_equal(jmap_blob_open(&f->service, &f->user, slice_str(id), &b), OK);
    assert_int_equal(jmap_blob_size(b), 10);
    jmap_blob_close(b);
    /* Another user's upload is not there. */
    struct jmap_user ben = f->user;
    ben.account = f->ben;
    assert_int_equal(jmap_blob_open(&f->service, &ben, slice_str(id), &b), ERR_NOTFOUND);
    static const char *const bad[] = {"",    "U",    "U../../x", "M1", "M1-0", "M",
                                      "M-1", "U0-0", "M1-",      "T1", "M01",  "M1-01"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(jmap_blob_open(&f->service, &f->user, slice_str(bad[i]), &b),
                         ERR_NOTFOUND);
    jmap_fixture_append(f, f->anna.id, "INBOX",
                        "Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x\n"
                        "Content-Transfer-Encoding: base64\n\ndHdv\n--x--\n");
    static const struct {
        const char *id, *content;
    } parts[] = {{"M1-1", "one"}, {"M1-2", "two"}};
    for (size_t i = 0; i < 2; i++) {
        struct buf out = BUF_INIT(100);
        assert_int_equal(jmap_blob_open(&f->service, &f->user, slice_str(parts[i].id), &b), OK);
        assert_int_equal(jmap_blob_read(b, 100, &out), OK);
        assert_true(slice_eq(buf_slice(&out), slice_str(parts[i].content)));
        jmap_blob_close(b);
        buf_free(&out);
    }
    assert_int_equal(jmap_blob_open(&f->service, &f->user, SLICE("M1-0"), &b), ERR_NOTFOUND);
    assert_int_equal(jmap_blob_open(&f->service, &f->user, SLICE("M1-3"), &b), ERR_NOTFOUND);
    assert_int_equal(jmap_blob_open(&f->service, &ben, SLICE("M1"), &b), ERR_NOTFOUND);
}

/* So many uploads may be written at once, and no more than so many bytes wait. */
static void test_upload_limits(void **state)
{
    struct jmap_fixture *f = *state;
    struct jmap_upload *up[LIMIT_JMAP_CONCURRENT_UPLOAD + 1];
    for (size_t i = 0; i < LIMIT_JMAP_CONCURRENT_UPLOAD; i++)
        assert_int_equal(jmap_upload_begin(&f->service, &f->user, SLICE(""), &up[i]), OK);
    assert_int_equal(
        jmap_upload_begin(&f->service, &f->user, SLICE(""), &up[LIMIT_JMAP_CONCURRENT_UPLOAD]),
        ERR_LIMIT);
    for (size_t i = 0; i < LIMIT_JMAP_CONCURRENT_UPLOAD; i++)
        jmap_upload_drop(up[i]);
    assert_int_equal(jmap_upload_begin(&f->service, &f->user, SLICE(""), &up[0]), OK);
    static uint8_t much[1024 * 1024];
    for (int i = 0; i < 50; i++)
        assert_int_equal(jmap_upload_take(up[0], slice_of(much, sizeof much)), OK);
    assert_int_equal(jmap_upload_take(up[0], SLICE("x")), ERR_LIMIT);
    jmap_upload_drop(up[0]);
}

/* Nor any number of files, however small. */
static void test_empty_uploads(void **state)
{
    struct jmap_fixture *f = *state;
    struct jmap_upload *up;
    char path[300];
    assert_int_equal(jmap_upload_begin(&f->service, &f->user, SLICE(""), &up), OK);
    jmap_upload_drop(up);
    for (int i = 0; i < 4000; i++) {
        snprintf(path, sizeof path, "%s/1/U%d", f->uploads, i);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fclose(file), 0);
    }
    assert_int_equal(jmap_upload_begin(&f->service, &f->user, SLICE(""), &up), ERR_LIMIT);
}

/* One long value in very many parts: what is too large is not all written first. */
static void test_too_large(void **state)
{
    struct jmap_fixture *f = *state;
    autobuf args = BUF_INIT(LIMIT_JMAP_REQUEST);
    buf_lit(&args, "{'accountId': 'A1', 'create': {'k': {'mailboxIds': {'B2': true}, 'bodyValues':"
                   " {'p': {'value': '");
    for (int i = 0; i < 4000000; i++)
        buf_byte(&args, 'x');
    buf_lit(&args, "'}}, 'bodyStructure': {'type': 'multipart/mixed', 'subParts': [");
    for (int i = 0; i < 900; i++)
        buf_printf(&args, "%s{'partId': 'p', 'type': 'text/plain'}", i ? "," : "");
    buf_lit(&args, "]}}}}");
    buf_byte(&args, 0);
    clock_t begun = clock();
    jmap_expect_call(f, "Email/set", (const char *)args.p,
                     "{'notCreated': {'k': {'type': 'tooLarge'}}, '...': 0}");
    assert_true(clock() - begun < 5 * CLOCKS_PER_SEC);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(test_text),          T(test_structure),    T(test_refusals),      T(test_update),
        T(test_bad_updates),   T(test_creation_ids), T(test_import),        T(test_blobs),
        T(test_upload_limits), T(test_too_large),    T(test_empty_uploads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
