/* JMAP on a real store and directory, for tests; see jmap_fixture.h. */
#include "jmap/jmap_fixture.h"
#include "base/clock.h"
#include "base/mem.h"
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { APPEND_ARENA = 16 * 1024 * 1024, MESSAGE_MAX = 64 * 1024 * 1024, PATH_SIZE = 128 };

static void must(enum error e, const char *what)
{
    if (e != OK)
        fail_msg("%s: %s", what, error_name(e));
}

static const char *path_of(struct jmap_fixture *f, const char *name, char out[PATH_SIZE])
{
    snprintf(out, PATH_SIZE, "%s/%s", f->dir, name);
    return out;
}

static void add_account(struct directory *d, const char *address, const char *language,
                        struct account *out)
{
    must(directory_account_add(d, slice_str(address), SLICE(""), slice_str(language),
                               SLICE(JMAP_FIXTURE_PASSWORD), out),
         "account");
}

struct jmap_fixture *jmap_fixture_start(void)
{
    char path[PATH_SIZE];
    struct jmap_fixture *f = mem_alloc(sizeof *f);
    struct jmap_service *s = &f->service;
    snprintf(f->dir, sizeof f->dir, "/tmp/jmap-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->uploads, sizeof f->uploads, "%s/uploads", f->dir);
    assert_int_equal(mkdir(f->uploads, 0700), 0);
    must(directory_open(path_of(f, "directory.db", path), &s->directory), "directory");
    must(directory_domain_add(s->directory, SLICE("example.org"), SLICE("")), "domain");
    add_account(s->directory, "anna@example.org", "en", &f->anna);
    add_account(s->directory, "ben@example.org", "de", &f->ben);
    must(guard_open(&(struct guard_options){.path = path_of(f, "guard.db", path),
                                            .repeated_password_counts = true},
                    &s->guard),
         "guard");
    must(sending_open(&(struct sending_options){.path = path_of(f, "sending.db", path)},
                      &f->submission.sending),
         "sending");
    must(login_new(s->directory, s->guard, &s->login), "login");
    must(web_sessions_open(path_of(f, "sessions.db", path), s->directory, &s->sessions),
         "web sessions");
    must(store_open(&(struct store_options){.dir = path_of(f, "store", path)}, &s->store), "store");
    must(store_account_ensure(s->store, f->anna.id, SLICE("en")), "anna's mailboxes");
    must(store_account_ensure(s->store, f->ben.id, SLICE("de")), "ben's mailboxes");
    s->host = "mail.example.org";
    s->delivery =
        (struct delivery_service){.store = s->store, .directory = s->directory, .host = s->host};
    f->submission.host = s->host;
    f->submission.login = s->login;
    f->submission.guard = s->guard;
    f->submission.delivery = s->delivery;
    s->submission = &f->submission;
    s->uploads = f->uploads;
    s->message_size = 50 * 1024 * 1024;
    s->undelete_days = 14;
    f->user.account = f->anna;
    must(ip_parse(SLICE("192.0.2.1"), &f->user.peer), "address");
    return f;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    return remove(path);
}

void jmap_fixture_stop(struct jmap_fixture *f)
{
    struct jmap_service *s = &f->service;
    store_close(s->store);
    web_sessions_close(s->sessions);
    login_free(s->login);
    sending_close(f->submission.sending);
    guard_close(s->guard);
    directory_close(s->directory);
    nftw(f->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    mem_free(f);
}

uint32_t jmap_fixture_mailbox(struct jmap_fixture *f, uint64_t account, const char *name)
{
    const struct mailbox_list *list;
    must(store_mailboxes(f->service.store, account, &list), "mailboxes");
    const struct mailbox *box = store_mailbox_named(list, slice_str(name));
    if (box == NULL)
        fail_msg("there is no mailbox %s", name);
    uint32_t id = box->id;
    store_mailboxes_unref(list);
    return id;
}

uint32_t jmap_fixture_append(struct jmap_fixture *f, uint64_t account, const char *mailbox,
                             const char *raw)
{
    autoarena a;
    autobuf crlf = BUF_INIT(MESSAGE_MAX);
    arena_init(&a, APPEND_ARENA);
    for (const char *p = raw; *p; p++) {
        if (*p == '\n' && (p == raw || p[-1] != '\r'))
            buf_byte(&crlf, '\r');
        buf_byte(&crlf, (uint8_t)*p);
    }
    struct store_message m = {.raw = buf_slice(&crlf), .internal_date = clock_wall()};
    must(summary_make(&a, m.raw, m.internal_date, &m.summary), "summary");
    uint32_t uid, uid_validity, box = jmap_fixture_mailbox(f, account, mailbox);
    must(store_append(f->service.store, account, box, &m, 1, 0, &uid, &uid_validity), "append");
    return uid;
}

/* --- Asking --- */

json_t *jmap_fixture_api(struct jmap_fixture *f, struct slice request, int *status)
{
    json_error_t why;
    autobuf out = BUF_INIT(LIMIT_JMAP_RESPONSE);
    *status = jmap_api(&f->service, &f->user, request, &out);
    assert_false(out.failed);
    json_t *answer = json_loadb((const char *)out.p, out.n, JSON_REJECT_DUPLICATES, &why);
    if (answer == NULL)
        fail_msg("the answer is not JSON: %s: %.*s", why.text, SLICE_FMT(buf_slice(&out)));
    return answer;
}

static void add_quoted(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_byte(out, *text == '\'' ? '"' : (uint8_t)*text);
}

json_t *jmap_fixture_calls(struct jmap_fixture *f, const char *calls)
{
    int status;
    autobuf request = BUF_INIT(LIMIT_JMAP_REQUEST);
    add_quoted(&request, "{'using': ['urn:ietf:params:jmap:core', 'urn:ietf:params:jmap:mail',"
                         " 'urn:ietf:params:jmap:submission',"
                         " 'urn:ietf:params:jmap:vacationresponse',"
                         " 'urn:ietf:params:jmap:blob', 'urn:ietf:params:jmap:quota',"
                         " 'urn:depesche:account'], 'methodCalls': ");
    add_quoted(&request, calls);
    buf_byte(&request, '}');
    json_t *answer = jmap_fixture_api(f, buf_slice(&request), &status);
    json_t *responses = json_incref(json_object_get(answer, "methodResponses"));
    if (status != 200 || responses == NULL)
        fail_msg("status %d: %s", status, json_dumps(answer, 0));
    json_decref(answer);
    return responses;
}

static json_t *one_call(struct jmap_fixture *f, const char *method, const char *args)
{
    autobuf calls = BUF_INIT(LIMIT_JMAP_REQUEST);
    buf_printf(&calls, "[['%s', ", method);
    buf_str(&calls, args);
    buf_lit(&calls, ", 'x']]");
    buf_byte(&calls, '\0');
    return jmap_fixture_calls(f, (const char *)calls.p);
}

json_t *jmap_fixture_call(struct jmap_fixture *f, const char *method, const char *args)
{
    json_t *responses = one_call(f, method, args), *first = json_array_get(responses, 0);
    if (strcmp(json_string_value(json_array_get(first, 0)), method) != 0)
        fail_msg("%s: %s", method, json_dumps(first, 0));
    json_t *answer = json_incref(json_array_get(first, 1));
    json_decref(responses);
    return answer;
}

/* --- Comparing --- */

static bool matches(const json_t *got, const json_t *want);

static bool object_matches(const json_t *got, const json_t *want)
{
    const char *name;
    json_t *v;
    bool open = json_object_get(want, "...") != NULL;
    json_object_foreach((json_t *)(uintptr_t)want, name, v)
    {
        if (strcmp(name, "...") != 0 && !matches(json_object_get(got, name), v))
            return false;
    }
    return open || json_object_size(got) == json_object_size(want);
}

static bool array_matches(const json_t *got, const json_t *want)
{
    if (json_array_size(got) != json_array_size(want))
        return false;
    for (size_t i = 0; i < json_array_size(want); i++)
        if (!matches(json_array_get(got, i), json_array_get(want, i)))
            return false;
    return true;
}

static bool matches(const json_t *got, const json_t *want)
{
    if (got == NULL)
        return false;
    if (json_is_string(want) && strcmp(json_string_value(want), "*") == 0)
        return true;
    if (json_is_object(want))
        return json_is_object(got) && object_matches(got, want);
    if (json_is_array(want))
        return json_is_array(got) && array_matches(got, want);
    return json_equal(got, want) != 0;
}

void jmap_match_at(const json_t *got, const char *expected, const char *file, int line)
{
    json_error_t why;
    autobuf text = BUF_INIT(LIMIT_JMAP_REQUEST);
    add_quoted(&text, expected);
    json_t *want = json_loadb((const char *)text.p, text.n, JSON_DECODE_ANY, &why);
    if (want == NULL)
        fail_msg("%s:%d: what is expected is not JSON: %s", file, line, why.text);
    if (!matches(got, want))
        fail_msg("%s:%d:\nexpected %s\ngot      %s", file, line, expected,
                 json_dumps(got, JSON_ENCODE_ANY));
    json_decref(want);
}

void jmap_expect_at(struct jmap_fixture *f, const char *calls, const char *expected,
                    const char *file, int line)
{
    json_t *responses = jmap_fixture_calls(f, calls);
    jmap_match_at(responses, expected, file, line);
    json_decref(responses);
}

static void expect_one(struct jmap_fixture *f, const char *method, const char *args,
                       const char *expected, const char *file, int line)
{
    json_t *responses = one_call(f, method, args);
    jmap_match_at(responses, expected, file, line);
    json_decref(responses);
}

void jmap_expect_call_at(struct jmap_fixture *f, const char *method, const char *args,
                         const char *expected, const char *file, int line)
{
    autobuf want = BUF_INIT(LIMIT_JMAP_REQUEST);
    buf_printf(&want, "[['%s', ", method);
    buf_str(&want, expected);
    buf_lit(&want, ", 'x']]");
    buf_byte(&want, '\0');
    expect_one(f, method, args, (const char *)want.p, file, line);
}

void jmap_expect_error_at(struct jmap_fixture *f, const char *method, const char *args,
                          const char *type, const char *file, int line)
{
    autobuf want = BUF_INIT(LIMIT_JMAP_REQUEST);
    buf_printf(&want, "[['error', {'type': '%s', '...': 0}, 'x']]", type);
    buf_byte(&want, '\0');
    expect_one(f, method, args, (const char *)want.p, file, line);
}
