/* Email/get: the examples of RFC 8621, structures made by hand, every form of a header field, and
 * the corpus of broken mail. */
#include "base/mem.h"
#include "jmap/jmap_fixture.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
/* cmocka needs those above first. */
#include <cmocka.h>

enum { FILE_MAX = 4 * 1024 * 1024 };

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

/* Asks for emails by the `ids`, `more` being further arguments; compares the list. */
static void expect_emails(struct jmap_fixture *f, const char *ids, const char *more,
                          const char *expected)
{
    autobuf args = BUF_INIT(65536);
    buf_printf(&args, "{'accountId': 'A1', 'ids': %s, %s}", ids, more);
    buf_byte(&args, 0);
    json_t *answer = jmap_fixture_call(f, "Email/get", (const char *)args.p);
    jmap_match(json_object_get(answer, "list"), expected);
    json_decref(answer);
}

#define PROPERTIES(list) "'properties': [" list "]"

static void test_list_properties(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_fixture_append(f, f->anna.id, "INBOX",
                        "From: Joe Bloggs <joe@example.com>, =?utf-8?q?J=C3=BCrgen?= <j@x.de>\n"
                        "To: undisclosed-recipients:;\n"
                        "Cc: \"Doe, Jane\" <jane.doe@example.org>\n"
                        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n from here\n"
                        "Date: Sun, 13 Oct 2013 14:12:00 +0200\n"
                        "Message-ID: <1@example.com>\n"
                        "In-Reply-To: (comment) <a@b> <c@d>\n"
                        "References: <z@y> <a@b>\n\n  Hello\n\n  there\n");
    expect_emails(
        f, "['M1']",
        PROPERTIES("'blobId', 'threadId', 'mailboxIds', 'keywords', 'size', 'receivedAt',"
                   "'messageId', 'inReplyTo', 'references', 'from', 'to', 'cc', 'bcc', 'subject',"
                   "'sentAt', 'hasAttachment', 'preview'"),
        "[{'id': 'M1', 'blobId': 'M1', 'threadId': 'T1', 'mailboxIds': {'B1': true},"
        " 'keywords': {}, 'size': 341, 'receivedAt': '*', 'messageId': ['1@example.com'],"
        " 'inReplyTo': ['a@b', 'c@d'], 'references': ['z@y', 'a@b'],"
        " 'from': [{'name': 'Joe Bloggs', 'email': 'joe@example.com'},"
        "          {'name': 'J\u00fcrgen', 'email': 'j@x.de'}],"
        " 'to': [], 'cc': [{'name': 'Doe, Jane', 'email': 'jane.doe@example.org'}], 'bcc': null,"
        " 'subject': 'Gr\u00fc\u00dfe from here', 'sentAt': '2013-10-13T14:12:00+02:00',"
        " 'hasAttachment': false, 'preview': 'Hello there'}]");
    /* Sender and Reply-To are absent, though ENVELOPE says they are From. */
    expect_emails(f, "['M1']", PROPERTIES("'sender', 'replyTo'"),
                  "[{'id': 'M1', 'sender': null, 'replyTo': null}]");
}

static void test_absent_fields(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_fixture_append(f, f->anna.id, "INBOX", "X-Nothing: 1\n\n");
    expect_emails(f, "['M1']",
                  PROPERTIES("'messageId', 'inReplyTo', 'references', 'sender', 'from', 'to', 'cc',"
                             "'bcc', 'replyTo', 'subject', 'sentAt', 'preview'"),
                  "[{'id': 'M1', 'messageId': null, 'inReplyTo': null, 'references': null,"
                  " 'sender': null, 'from': null, 'to': null, 'cc': null, 'bcc': null,"
                  " 'replyTo': null, 'subject': null, 'sentAt': null, 'preview': ''}]");
}

/* What does not fit into the envelope's text is read from the message. */
static void test_long_lists(void **state)
{
    struct jmap_fixture *f = *state;
    autobuf raw = BUF_INIT(1024 * 1024);
    buf_lit(&raw, "From: a@example.org\nTo: x@example.org");
    for (int i = 0; i < 999; i++)
        buf_printf(&raw, ",\n recipient.number.%d.of.a.long.list@long-domain.example.org", i);
    buf_lit(&raw, "\nSubject: many\n\nHello\n");
    buf_byte(&raw, 0);
    jmap_fixture_append(f, f->anna.id, "INBOX", (const char *)raw.p);
    json_t *answer = jmap_fixture_call(f, "Email/get",
                                       "{'accountId': 'A1', 'ids': ['M1'], 'properties': ['to']}");
    json_t *to = json_object_get(json_array_get(json_object_get(answer, "list"), 0), "to");
    assert_int_equal(json_array_size(to), 1000);
    json_decref(answer);
}

static void test_arguments(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_fixture_append(f, f->anna.id, "INBOX", "Subject: 1\n\n");
    static const struct {
        const char *args, *type;
    } bad[] = {
        {"{'accountId': 'A2', 'ids': []}", "accountNotFound"},
        {"{'accountId': 'A1', 'ids': ['M1'], 'properties': ['nothing']}", "invalidArguments"},
        {"{'accountId': 'A1', 'ids': ['M1'], 'properties': ['header:From:asDate']}",
         "invalidArguments"},
        {"{'accountId': 'A1', 'ids': ['M1'], 'properties': ['header:']}", "invalidArguments"},
        {"{'accountId': 'A1', 'ids': ['M1'], 'properties': ['header:A:all:asText']}",
         "invalidArguments"},
        {"{'accountId': 'A1', 'ids': ['M1'], 'properties': ['header:A:']}", "invalidArguments"},
        {"{'accountId': 'A1', 'ids': ['M1'], 'properties': [1]}", "invalidArguments"},
        {"{'accountId': 'A1', 'ids': ['M1'], 'bodyProperties': ['subject']}", "invalidArguments"},
        {"{'accountId': 'A1', 'ids': ['M1'], 'maxBodyValueBytes': -1}", "invalidArguments"},
        {"{'accountId': 'A1', 'ids': ['M1'], 'fetchTextBodyValues': 1}", "invalidArguments"},
        {"{'accountId': 'A1', 'ids': ['M1'], 'other': 1}", "invalidArguments"},
        {"{'accountId': 'A1', 'ids': 'M1'}", "invalidArguments"},
        {"{'accountId': 'A1'}", "requestTooLarge"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        jmap_expect_error(f, "Email/get", bad[i].args, bad[i].type);
    jmap_expect_call(f, "Email/get",
                     "{'accountId': 'A1', 'ids': ['M7', 'M1', 'T1', 'M01', '', 'M1'],"
                     " 'properties': ['id', 'id', 'subject']}",
                     "{'accountId': 'A1', 'state': '*', 'list': [{'id': 'M1', 'subject': '1'}],"
                     " 'notFound': ['M7', 'T1', 'M01', '']}");
}

static void set_flags(struct jmap_fixture *f, const char *box, uint32_t uid, uint64_t system,
                      const char *keyword)
{
    struct uid_range range = {uid, uid}, *modified;
    struct slice name = slice_str(keyword);
    struct flag_list flags = {system, &name, keyword ? 1 : 0};
    autoarena a;
    size_t n;
    arena_init(&a, 65536);
    assert_int_equal(store_flags(f->service.store, f->anna.id,
                                 jmap_fixture_mailbox(f, f->anna.id, box), &range, 1, FLAGS_ADD,
                                 &flags, NULL, &a, &modified, &n),
                     OK);
}

static void copy(struct jmap_fixture *f, const char *from, uint32_t uid, const char *to)
{
    struct uid_range range = {uid, uid};
    struct uid_pair *pairs;
    autoarena a;
    size_t n;
    uint32_t validity;
    arena_init(&a, 65536);
    assert_int_equal(
        store_copy(f->service.store, f->anna.id, jmap_fixture_mailbox(f, f->anna.id, from), &range,
                   1, jmap_fixture_mailbox(f, f->anna.id, to), false, 0, &a, &pairs, &n, &validity),
        OK);
}

static void test_copies_are_one_email(void **state)
{
    struct jmap_fixture *f = *state;
    uint32_t uid = jmap_fixture_append(f, f->anna.id, "INBOX", "Subject: 1\n\n");
    copy(f, "INBOX", uid, "Archive");
    set_flags(f, "INBOX", uid, FLAG_FLAGGED, "$Forwarded");
    set_flags(f, "Archive", 1, FLAG_SEEN, NULL);
    const char *asked = PROPERTIES("'mailboxIds', 'keywords'");
    char expected[256];
    unsigned inbox = jmap_fixture_mailbox(f, f->anna.id, "INBOX");
    unsigned archive = jmap_fixture_mailbox(f, f->anna.id, "Archive");
    snprintf(expected, sizeof expected,
             "[{'id': 'M1', 'mailboxIds': {'B%u': true, 'B%u': true},"
             " 'keywords': {'$seen': true, '$flagged': true, '$forwarded': true}}]",
             inbox, archive);
    expect_emails(f, "['M1']", asked, expected);
    /* One that is marked for deletion is not there. */
    set_flags(f, "INBOX", uid, FLAG_DELETED, NULL);
    snprintf(expected, sizeof expected,
             "[{'id': 'M1', 'mailboxIds': {'B%u': true}, 'keywords': {'$seen': true}}]", archive);
    expect_emails(f, "['M1']", asked, expected);
    set_flags(f, "Archive", 1, FLAG_DELETED, NULL);
    expect_emails(f, "['M1']", asked, "[]");
}

/* --- Header fields --- */

static void test_header_forms(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_fixture_append(
        f, f->anna.id, "INBOX",
        "X-Addr: \"  James Smythe\" <james@example.com>, Friends: jane@example.com,\n"
        " =?UTF-8?Q?John_Sm=C3=AEth?= <john@example.com>;\n"
        "Subject: first\n"
        "subject:  =?iso-8859-1?q?caf=E9?=\n"
        "Resent-To: a@x.org\n"
        "Resent-To: b@x.org, c@x.org\n"
        "List-Post: (Mails only) <mailto:partytime@\n lists.example.com>, <https://x.org/p>\n"
        "List-Help: nothing\n"
        "Date: Fri, 21 Nov 1997 09:55:06 -0600\n"
        "X-Date: yesterday\n"
        "Message-ID: <one@x.org>\n"
        "X-Raw: caf\xE9\n"
        "X-Empty:\n\n"
        "Hello\n");
    expect_emails(
        f, "['M1']",
        PROPERTIES("'header:X-Addr:asAddresses', 'header:X-Addr:asGroupedAddresses',"
                   "'header:SUBJECT', 'header:Subject:asText', 'header:subject:asText:all',"
                   "'header:Resent-To:asAddresses:all', 'header:List-POST:asURLs',"
                   "'header:List-Help:asURLs', 'header:Date:asDate', 'header:X-Date:asDate',"
                   "'header:Message-ID:asMessageIds', 'header:X-Raw:asRaw', 'header:X-Empty',"
                   "'header:X-None', 'header:X-None:all', 'header:X-None:asAddresses'"),
        "[{'id': 'M1',"
        " 'header:X-Addr:asAddresses': ["
        "  {'name': 'James Smythe', 'email': 'james@example.com'},"
        "  {'name': null, 'email': 'jane@example.com'},"
        "  {'name': 'John Sm\u00eeth', 'email': 'john@example.com'}],"
        " 'header:X-Addr:asGroupedAddresses': ["
        "  {'name': null, 'addresses': [{'name': 'James Smythe', 'email': 'james@example.com'}]},"
        "  {'name': 'Friends', 'addresses': [{'name': null, 'email': 'jane@example.com'},"
        "    {'name': 'John Sm\u00eeth', 'email': 'john@example.com'}]}],"
        " 'header:SUBJECT': '  =?iso-8859-1?q?caf=E9?=', 'header:Subject:asText': 'caf\u00e9',"
        " 'header:subject:asText:all': ['first', 'caf\u00e9'],"
        " 'header:Resent-To:asAddresses:all': [[{'name': null, 'email': 'a@x.org'}],"
        "  [{'name': null, 'email': 'b@x.org'}, {'name': null, 'email': 'c@x.org'}]],"
        " 'header:List-POST:asURLs': ['mailto:partytime@lists.example.com', 'https://x.org/p'],"
        " 'header:List-Help:asURLs': null,"
        " 'header:Date:asDate': '1997-11-21T09:55:06-06:00', 'header:X-Date:asDate': null,"
        " 'header:Message-ID:asMessageIds': ['one@x.org'], 'header:X-Raw:asRaw': ' caf\ufffd',"
        " 'header:X-Empty': '', 'header:X-None': null, 'header:X-None:all': [],"
        " 'header:X-None:asAddresses': null}]");
}

static void test_headers(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_fixture_append(f, f->anna.id, "INBOX", "A: 1\nB: two\n lines\nA: 2\n\nHello\n");
    expect_emails(f, "['M1']", PROPERTIES("'headers'"),
                  "[{'id': 'M1', 'headers': [{'name': 'A', 'value': ' 1'},"
                  " {'name': 'B', 'value': ' two\\r\\n lines'}, {'name': 'A', 'value': ' 2'}]}]");
}

/* --- Bodies --- */

/* Writes the names of a list's parts: the letter that is their file name, or their content. */
static void names_of(const json_t *email, const char *list, const char *content, char *out)
{
    const json_t *parts = json_object_get(email, list), *values = json_object_get(email, content);
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *p = json_array_get(parts, i);
        const json_t *value =
            json_object_get(values, json_string_value(json_object_get(p, "partId")));
        const char *text = json_string_value(json_object_get(p, "name"));
        if (text == NULL)
            text = json_string_value(json_object_get(value, "value"));
        out[n++] = text ? text[0] : '?';
    }
    out[n] = 0;
}

#define TYPE(type)         "Content-Type: " type "\n"
#define PART(b, type, x)   "--" b "\n" TYPE(type) "\n" x "\n"
#define INLINE(b, type, x) "--" b "\n" TYPE(type) "Content-Disposition: inline\n\n" x "\n"
#define FILED(b, type, x)                                                                          \
    "--" b "\n" TYPE(type) "Content-Disposition: attachment; filename=" x "\n\n..\n"
#define NAMED(b, type, x) "--" b "\n" TYPE(type "; name=" x) "\n" x "\n"
#define MULTI(kind, b)    TYPE("multipart/" kind "; boundary=" b) "\n"
#define OPEN(b, kind, in) "--" b "\n" MULTI(kind, in)
#define END(b)            "--" b "--\n"

static const struct {
    const char *raw, *text, *html, *attachments;
} structures[] = {
    {TYPE("text/plain") "\nA", "A", "A", ""},
    {TYPE("text/html") "\nA", "A", "A", ""},
    {"Subject: no type\n\nA", "A", "A", ""},
    {TYPE("application/pdf; name=A") "\nx", "", "", "A"},
    {TYPE("image/png; name=A") "\nx", "A", "A", ""},
    {MULTI("alternative", "a") PART("a", "text/plain", "A") PART("a", "text/html", "B") END("a"),
     "A", "B", ""},
    {MULTI("alternative", "a") PART("a", "text/html", "B") END("a"), "B", "B", ""},
    {MULTI("alternative", "a") PART("a", "text/plain", "A") END("a"), "A", "A", ""},
    {MULTI("alternative", "a") PART("a", "text/plain", "A") PART("a", "text/html", "B")
         NAMED("a", "text/calendar", "C") END("a"),
     "A", "B", "C"},
    {MULTI("mixed", "a") PART("a", "text/plain", "A") FILED("a", "text/plain", "B") NAMED(
         "a", "text/plain", "C") NAMED("a", "image/png", "D") PART("a", "text/plain", "E") END("a"),
     "ADE", "ADE", "BC"},
    {MULTI("related", "a") PART("a", "text/html", "A") NAMED("a", "image/png", "B") END("a"), "A",
     "A", "B"},
    {MULTI("alternative", "a") PART("a", "text/plain", "A") OPEN("a", "related", "b")
         PART("b", "text/html", "B") NAMED("b", "image/png", "C") END("b") END("a"),
     "A", "B", "C"},
    {MULTI("mixed", "a") PART("a", "text/plain", "A") NAMED("a", "message/rfc822", "B") END("a"),
     "A", "A", "B"},
    /* RFC 8621 4.1.4 */
    {MULTI("mixed", "m1") INLINE("m1", "text/plain", "A") OPEN("m1", "mixed", "m2")
         OPEN("m2", "alternative", "al") OPEN("al", "mixed", "m3") INLINE("m3", "text/plain", "B")
             INLINE("m3", "image/jpeg; name=C", "x") INLINE("m3", "text/plain", "D") END("m3") OPEN(
                 "al", "related", "re") PART("re", "text/html", "E") NAMED("re", "image/jpeg", "F")
                 END("re") END("al") FILED("m2", "image/jpeg", "G")
                     FILED("m2", "application/x-excel", "H") NAMED("m2", "message/rfc822", "J")
                         END("m2") INLINE("m1", "text/plain", "K") END("m1"),
     "ABCDK", "AEK", "CFGHJ"},
};

static void test_structures(void **state)
{
    struct jmap_fixture *f = *state;
    for (size_t i = 0; i < sizeof structures / sizeof structures[0]; i++) {
        char args[256], text[32], html[32], attachments[32];
        jmap_fixture_append(f, f->anna.id, "INBOX", structures[i].raw);
        snprintf(args, sizeof args,
                 "{'accountId': 'A1', 'ids': ['M%zu'], 'fetchAllBodyValues': true,"
                 " 'properties': ['textBody', 'htmlBody', 'attachments', 'bodyValues']}",
                 i + 1);
        json_t *answer = jmap_fixture_call(f, "Email/get", args);
        const json_t *email = json_array_get(json_object_get(answer, "list"), 0);
        names_of(email, "textBody", "bodyValues", text);
        names_of(email, "htmlBody", "bodyValues", html);
        names_of(email, "attachments", "bodyValues", attachments);
        if (strcmp(text, structures[i].text) != 0 || strcmp(html, structures[i].html) != 0 ||
            strcmp(attachments, structures[i].attachments) != 0)
            fail_msg("structure %zu: text %s, html %s, attachments %s", i, text, html, attachments);
        json_decref(answer);
    }
}

static void test_part_properties(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_fixture_append(
        f, f->anna.id, "INBOX",
        MULTI("mixed", "a") PART(
            "a", "TEXT/Plain", "Hi") "--a\n"
                                     "Content-Type: image/PNG\n"
                                     "Content-Disposition: INLINE; filename*=utf-8''%C3%9Cber.png\n"
                                     "Content-ID: <pic@x.org> (comment)\n"
                                     "Content-Language: de, en\n"
                                     "Content-Location: http://x.org/\n"
                                     "Content-Transfer-Encoding: base64\n\n"
                                     "AAECAwQ=\n" END("a"));
    expect_emails(
        f, "['M1']", PROPERTIES("'bodyStructure', 'attachments'"),
        "[{'id': 'M1', 'attachments': [], 'bodyStructure': {"
        " 'partId': null, 'blobId': null, 'size': '*', 'name': null, 'type': 'multipart/mixed',"
        " 'charset': null, 'disposition': null, 'cid': null, 'language': null, 'location': null,"
        " 'subParts': [{'partId': '1', 'blobId': 'M1-1', 'size': 2, 'name': null,"
        "   'type': 'text/plain', 'charset': 'us-ascii', 'disposition': null, 'cid': null,"
        "   'language': null, 'location': null},"
        "  {'partId': '2', 'blobId': 'M1-2', 'size': 5, 'name': '\u00dcber.png',"
        "   'type': 'image/png', 'charset': null, 'disposition': 'inline', 'cid': 'pic@x.org',"
        "   'language': ['de', 'en'], 'location': 'http://x.org/'}]}}]");
    expect_emails(f, "['M1']",
                  PROPERTIES("'textBody'") ", 'bodyProperties': ['partId', 'subParts', 'headers',"
                                           " 'header:Content-Type:asText']",
                  "[{'id': 'M1', 'textBody': [{'partId': '1', 'subParts': null,"
                  " 'headers': [{'name': 'Content-Type', 'value': ' TEXT/Plain'}],"
                  " 'header:Content-Type:asText': 'TEXT/Plain'}, '*']}]");
}

/* Adds the email *number + 1, and compares the value of its only part. */
static void expect_body(struct jmap_fixture *f, unsigned *number, const char *raw, const char *more,
                        const char *expected)
{
    char ids[32], asked[256], answer[512];
    jmap_fixture_append(f, f->anna.id, "INBOX", raw);
    snprintf(ids, sizeof ids, "['M%u']", ++*number);
    snprintf(asked, sizeof asked, PROPERTIES("'bodyValues'") ", 'fetchTextBodyValues': true%s",
             more);
    snprintf(answer, sizeof answer, "[{'id': 'M%u', 'bodyValues': {'0': %s}}]", *number, expected);
    expect_emails(f, ids, asked, answer);
}

static void test_body_values(void **state)
{
    struct jmap_fixture *f = *state;
    unsigned n = 0;
#define VALUE(text, problem, truncated)                                                            \
    "{'value': '" text "', 'isEncodingProblem': " problem ", 'isTruncated': " truncated "}"
    expect_body(f, &n, "S: 1\n\na\nb\n", "", VALUE("a\\nb\\n", "false", "false"));
    expect_body(f, &n, TYPE("text/plain; charset=utf-8") "\nab\xC3\xA4z",
                ", 'maxBodyValueBytes': 3", VALUE("ab", "false", "true"));
    expect_body(f, &n, TYPE("text/plain; charset=utf-8") "\nab\xC3\xA4z",
                ", 'maxBodyValueBytes': 4", VALUE("ab\u00e4", "false", "true"));
    expect_body(f, &n, TYPE("text/plain; charset=utf-8") "\nab\xC3\xA4z",
                ", 'maxBodyValueBytes': 5", VALUE("ab\u00e4z", "false", "false"));
    expect_body(f, &n, TYPE("text/plain; charset=utf-8") "\nab\xC3z", "",
                VALUE("ab\ufffdz", "true", "false"));
    expect_body(f, &n, TYPE("text/plain; charset=iso-8859-1") "\nab\xE4z", "",
                VALUE("ab\u00e4z", "false", "false"));
    expect_body(f, &n, TYPE("text/plain; charset=klingon") "\nab", "",
                VALUE("ab", "true", "false"));
    expect_body(f, &n, TYPE("text/plain") "Content-Transfer-Encoding: x-odd\n\nab", "",
                VALUE("ab", "true", "false"));
    expect_body(f, &n, TYPE("text/html") "\n<p>Hi <a href=http://x.org/>there</a>",
                ", 'maxBodyValueBytes': 12", VALUE("<p>Hi ", "false", "true"));
    expect_body(f, &n, TYPE("text/html") "\n<p>1 < 2 and so on</p>", ", 'maxBodyValueBytes': 8",
                VALUE("<p>1 < 2", "false", "true"));
    expect_body(f, &n,
                TYPE("text/plain; charset=utf-8") "Content-Transfer-Encoding: base64\n\nw6Q=\n", "",
                VALUE("\u00e4", "false", "false"));
}

/* --- All there is, of all the corpus --- */

#define EVERYTHING                                                                                 \
    "'fetchAllBodyValues': true, 'properties': ['id', 'blobId', 'threadId', 'mailboxIds',"         \
    " 'keywords', 'size', 'receivedAt', 'messageId', 'inReplyTo', 'references', 'sender',"         \
    " 'from', 'to', 'cc', 'bcc', 'replyTo', 'subject', 'sentAt', 'hasAttachment', 'preview',"      \
    " 'bodyStructure', 'bodyValues', 'textBody', 'htmlBody', 'attachments', 'headers',"            \
    " 'header:From:asGroupedAddresses:all', 'header:X-A:asURLs', 'header:Received:all'],"          \
    " 'bodyProperties': ['partId', 'blobId', 'size', 'name', 'type', 'charset', 'disposition',"    \
    " 'cid', 'language', 'location', 'subParts', 'headers', 'header:Content-Type:asText']"

static size_t count_leaves(const json_t *part)
{
    const json_t *children = json_object_get(part, "subParts");
    if (!json_is_array(children))
        return 1;
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(children); i++)
        n += count_leaves(json_array_get(children, i));
    return n;
}

static bool has_part(const json_t *list, const json_t *id)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_object_get(json_array_get(list, i), "partId"), id))
            return true;
    return false;
}

/* Each part is shown somewhere: RFC 8621 4.1.4 on `attachments`. */
static void check_all_shown(const char *name, const json_t *email, const json_t *part)
{
    const json_t *children = json_object_get(part, "subParts");
    const json_t *id = json_object_get(part, "partId");
    if (json_is_array(children)) {
        assert_true(json_is_null(id));
        for (size_t i = 0; i < json_array_size(children); i++)
            check_all_shown(name, email, json_array_get(children, i));
        return;
    }
    if (!has_part(json_object_get(email, "textBody"), id) &&
        !has_part(json_object_get(email, "htmlBody"), id) &&
        !has_part(json_object_get(email, "attachments"), id))
        fail_msg("%s: part %s is nowhere", name, json_string_value(id));
}

static void check_file(struct jmap_fixture *f, const char *path, size_t number)
{
    autobuf raw = BUF_INIT(FILE_MAX);
    char piece[65536], args[1500];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    for (size_t n; (n = fread(piece, 1, sizeof piece, file)) > 0;)
        for (size_t i = 0; i < n; i++)
            if (piece[i] != 0) /* as the fixture takes a C string */
                buf_byte(&raw, (uint8_t)piece[i]);
    fclose(file);
    buf_byte(&raw, 0);
    jmap_fixture_append(f, f->anna.id, "INBOX", (const char *)raw.p);
    snprintf(args, sizeof args, "{'accountId': 'A1', 'ids': ['M%zu'], %s}", number, EVERYTHING);
    json_t *answer = jmap_fixture_call(f, "Email/get", args);
    const json_t *email = json_array_get(json_object_get(answer, "list"), 0);
    const json_t *structure = json_object_get(email, "bodyStructure");
    if (!json_is_object(structure) || count_leaves(structure) == 0)
        fail_msg("%s: no structure", path);
    check_all_shown(path, email, structure);
    json_decref(answer);
}

static void test_corpus(void **state)
{
    struct jmap_fixture *f = *state;
    DIR *folders = opendir(TEST_DATA "/mime-corpus");
    size_t n = 0;
    assert_non_null(folders);
    for (struct dirent *e; (e = readdir(folders)) != NULL;) {
        char path[600], file[900];
        if (e->d_name[0] == '.' || strchr(e->d_name, '.') != NULL)
            continue;
        snprintf(path, sizeof path, "%s/mime-corpus/%s", TEST_DATA, e->d_name);
        DIR *d = opendir(path);
        assert_non_null(d);
        for (struct dirent *m; (m = readdir(d)) != NULL;) {
            if (m->d_name[0] == '.')
                continue;
            snprintf(file, sizeof file, "%s/%s", path, m->d_name);
            check_file(f, file, ++n);
        }
        closedir(d);
    }
    closedir(folders);
    assert_true(n > 100);
}

/* Deeper than JSON is written: cut, not refused. */
static void test_deep_structure(void **state)
{
    struct jmap_fixture *f = *state;
    autobuf raw = BUF_INIT(1024 * 1024);
    char args[1500];
    for (int i = 0; i < 90; i++)
        buf_printf(&raw, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
    buf_lit(&raw, "\nHello\n");
    buf_byte(&raw, 0);
    jmap_fixture_append(f, f->anna.id, "INBOX", (const char *)raw.p);
    snprintf(args, sizeof args, "{'accountId': 'A1', 'ids': ['M1'], %s}", EVERYTHING);
    json_decref(jmap_fixture_call(f, "Email/get", args));
    expect_emails(f, "['M1']", PROPERTIES("'textBody'") ", 'bodyProperties': ['partId']",
                  "[{'id': 'M1', 'textBody': [{'partId': '90'}]}]");
}

/* A whole request of RFC 8621 4.2.1, with our ids. */
static void test_example(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_fixture_append(f, f->anna.id, "INBOX",
                        "From: Joe Bloggs <joe@example.com>\n"
                        "Subject: Dinner on Thursday?\n"
                        "List-Post: <mailto:partytime@lists.example.com>\n" MULTI("mixed", "a")
                            PART("a", "text/html", "<html><body><p>Hello ...")
                                PART("a", "text/plain", "-- Sent by your friendly mailing list ...")
                                    END("a"));
    jmap_expect_call(
        f, "Email/get",
        "{'accountId': 'A1', 'ids': ['M1', 'M457'], 'properties': ['threadId', 'mailboxIds',"
        " 'from', 'subject', 'receivedAt', 'header:List-POST:asURLs', 'htmlBody', 'bodyValues'],"
        " 'bodyProperties': ['partId', 'blobId', 'size', 'type'], 'fetchHTMLBodyValues': true,"
        " 'maxBodyValueBytes': 256}",
        "{'accountId': 'A1', 'state': '*', 'list': [{'id': 'M1', 'threadId': 'T1',"
        " 'mailboxIds': {'B1': true}, 'from': [{'name': 'Joe Bloggs', 'email': 'joe@example.com'}],"
        " 'subject': 'Dinner on Thursday?', 'receivedAt': '*',"
        " 'header:List-POST:asURLs': ['mailto:partytime@lists.example.com'],"
        " 'htmlBody': [{'partId': '1', 'blobId': 'M1-1', 'size': 24, 'type': 'text/html'},"
        "              {'partId': '2', 'blobId': 'M1-2', 'size': 41, 'type': 'text/plain'}],"
        " 'bodyValues': {"
        "  '1': {'isEncodingProblem': false, 'isTruncated': false,"
        "        'value': '<html><body><p>Hello ...'},"
        "  '2': {'isEncodingProblem': false, 'isTruncated': false,"
        "        'value': '-- Sent by your friendly mailing list ...'}}}],"
        " 'notFound': ['M457']}");
}

/* The parts of an attached message can be fetched in their turn. */
static void test_parts_of_a_parsed_message(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_fixture_append(f, f->anna.id, "INBOX",
                        MULTI("mixed", "a") "--a\nContent-Type: application/octet-stream\n"
                                            "Content-Transfer-Encoding: base64\n\n"
                                            /* multipart/mixed with one part, "Deep" */
                                            "Q29udGVudC1UeXBlOiBtdWx0aXBhcnQvbWl4ZWQ7IGJvdW5kYXJ5"
                                            "PWINCg0KLS1iDQoNCkRlZXANCi0tYi0tDQo=\n" END("a"));
    jmap_expect_call(f, "Email/parse",
                     "{'accountId': 'A1', 'blobIds': ['M1-1'], 'properties': ['textBody'],"
                     " 'bodyProperties': ['blobId', 'size']}",
                     "{'...': 0, 'parsed': {'M1-1': {'textBody': [{'blobId': 'M1-1-1',"
                     " 'size': 4}]}}}");
    static const struct {
        const char *id;
        uint64_t size;
    } blobs[] = {{"M1-1", 65}, {"M1-1-1", 4}, {"M1-1-2", 0}, {"M1-1-", 0}, {"M1--1", 0},
                 {"M1-", 0},   {"", 0},       {"-", 0},      {"M1-01", 0}, {"M1-1-1-1-1", 0}};
    for (size_t i = 0; i < sizeof blobs / sizeof blobs[0]; i++) {
        struct jmap_blob *b;
        enum error e = jmap_blob_open(&f->service, &f->user, slice_str(blobs[i].id), &b);
        assert_int_equal(e, blobs[i].size ? OK : ERR_NOTFOUND);
        if (e != OK)
            continue;
        assert_int_equal(jmap_blob_size(b), blobs[i].size);
        jmap_blob_close(b);
    }
}

static void test_parse(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_fixture_append(
        f, f->anna.id, "INBOX",
        MULTI("mixed", "a")
            PART("a", "text/plain", "Hi") "--a\n"
                                          "Content-Type: message/rfc822\n\n"
                                          "From: x@y.org\nSubject: inner\n\nDeep\n" END("a"));
    jmap_expect_call(
        f, "Email/parse",
        "{'accountId': 'A1', 'blobIds': ['M1-2', 'M1-1', 'M9'], 'fetchTextBodyValues': true,"
        " 'properties': ['id', 'blobId', 'threadId', 'mailboxIds', 'keywords', 'receivedAt',"
        " 'from', 'subject', 'preview', 'textBody', 'bodyValues', 'hasAttachment'],"
        " 'bodyProperties': ['partId', 'type']}",
        "{'accountId': 'A1', 'parsed': {'M1-2': {'id': null, 'blobId': 'M1-2', 'threadId': null,"
        " 'mailboxIds': null, 'keywords': null, 'receivedAt': null,"
        " 'from': [{'name': null, 'email': 'x@y.org'}], 'subject': 'inner', 'preview': 'Deep',"
        " 'textBody': [{'partId': '0', 'type': 'text/plain'}], 'hasAttachment': false,"
        " 'bodyValues': {'0': {'value': 'Deep', 'isEncodingProblem': false,"
        "                      'isTruncated': false}}}},"
        " 'notParsable': ['M1-1'], 'notFound': ['M9']}");
    jmap_expect_error(f, "Email/parse", "{'accountId': 'A1', 'blobIds': 'M1'}", "invalidArguments");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_list_properties, start, stop),
        cmocka_unit_test_setup_teardown(test_absent_fields, start, stop),
        cmocka_unit_test_setup_teardown(test_long_lists, start, stop),
        cmocka_unit_test_setup_teardown(test_arguments, start, stop),
        cmocka_unit_test_setup_teardown(test_copies_are_one_email, start, stop),
        cmocka_unit_test_setup_teardown(test_header_forms, start, stop),
        cmocka_unit_test_setup_teardown(test_headers, start, stop),
        cmocka_unit_test_setup_teardown(test_structures, start, stop),
        cmocka_unit_test_setup_teardown(test_part_properties, start, stop),
        cmocka_unit_test_setup_teardown(test_body_values, start, stop),
        cmocka_unit_test_setup_teardown(test_corpus, start, stop),
        cmocka_unit_test_setup_teardown(test_deep_structure, start, stop),
        cmocka_unit_test_setup_teardown(test_example, start, stop),
        cmocka_unit_test_setup_teardown(test_parse, start, stop),
        cmocka_unit_test_setup_teardown(test_parts_of_a_parsed_message, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
