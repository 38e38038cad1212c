/* Whole JMAP requests on a real store with one account. Whatever comes in, the answer is JSON
 * without duplicate names. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "jmap/jmap.h"
#include <ftw.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct smtp_submission submission;
static struct jmap_service service;
static struct jmap_user user;
static char folder[64], uploads[96];

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    return remove(path);
}

static void tear_down(void)
{
    store_close(service.store);
    web_sessions_close(service.sessions);
    login_free(service.login);
    sending_close(submission.sending);
    guard_close(service.guard);
    directory_close(service.directory);
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void must(enum error e)
{
    if (e != OK)
        die("setting up: %s", error_name(e));
}

static const char *path_of(const char *name, char out[96])
{
    snprintf(out, 96, "%s/%s", folder, name);
    return out;
}

static void add_message(const char *raw)
{
    autoarena a;
    uint32_t uid, validity;
    arena_init(&a, 1024 * 1024);
    struct store_message m = {.raw = slice_str(raw), .internal_date = clock_wall()};
    must(summary_make(&a, m.raw, m.internal_date, &m.summary));
    must(store_append(service.store, user.account.id, 1, &m, 1, 0, &uid, &validity));
}

static void set_up(void)
{
    char path[96];
    snprintf(folder, sizeof folder, "/tmp/jmap-fuzz-XXXXXX");
    if (mkdtemp(folder) == NULL || mkdir(path_of("uploads", uploads), 0700) != 0)
        die("no folder");
    must(directory_open(path_of("directory.db", path), &service.directory));
    must(directory_domain_add(service.directory, SLICE("example.org"), SLICE("")));
    must(directory_account_add(service.directory, SLICE("anna@example.org"), SLICE(""), SLICE("en"),
                               SLICE_NONE, &user.account));
    must(guard_open(&(struct guard_options){.path = path_of("guard.db", path)}, &service.guard));
    must(sending_open(&(struct sending_options){.path = path_of("sending.db", path)},
                      &submission.sending));
    must(login_new(service.directory, service.guard, &service.login));
    must(web_sessions_open(path_of("sessions.db", path), service.directory, &service.sessions));
    must(store_open(&(struct store_options){.dir = path_of("store", path)}, &service.store));
    must(store_account_ensure(service.store, user.account.id, SLICE("en")));
    service.host = "mail.example.org";
    service.delivery = (struct delivery_service){
        .store = service.store, .directory = service.directory, .host = service.host};
    submission.host = service.host;
    submission.login = service.login;
    submission.guard = service.guard;
    submission.delivery = service.delivery;
    service.submission = &submission;
    service.uploads = uploads;
    service.message_size = 1024 * 1024;
    service.undelete_days = 14;
    add_message("From: a@x\r\nSubject: one\r\nMessage-ID: <a@x>\r\n\r\nHello\r\n");
    add_message("From: b@x\r\nSubject: Re: one\r\nIn-Reply-To: <a@x>\r\n"
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
                "Content-Type: image/png; name=x.png\r\n\r\npng\r\n--b--\r\n");
    atexit(tear_down);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_error_t why;
    autobuf out = BUF_INIT(LIMIT_JMAP_RESPONSE);
    if (service.store == NULL)
        set_up();
    int status = jmap_api(&service, &user, slice_of(data, size), &out);
    json_t *answer = json_loadb((const char *)out.p, out.n, JSON_REJECT_DUPLICATES, &why);
    if ((status != 200 && status != 400) || out.failed || answer == NULL)
        bug("status %d, %s", status, why.text);
    json_decref(answer);
    return 0;
}
