/* `depesche account`: the people who have mail here. */
#include "base/mem.h"
#include "cli/command.h"
#include "cli/output.h"
#include "config/control.h"
#include <unistd.h>

static const char *const state_names[] = {
    [ACCOUNT_ACTIVE] = "active",
    [ACCOUNT_NO_SEND] = "no-send",
    [ACCOUNT_NO_LOGIN] = "no-login",
    [ACCOUNT_CLOSED] = "closed",
};

static int failed(struct slice address, enum error e)
{
    switch (e) {
    case ERR_INPUT:
        return refuse("'%.*s' is not an address that an account can have", SLICE_FMT(address));
    case ERR_CONFLICT:
        return refuse("%.*s exists already as account or alias", SLICE_FMT(address));
    case ERR_NOTFOUND:
        return refuse("there is no account %.*s; `depesche account list` lists them",
                      SLICE_FMT(address));
    default:
        return refuse("%.*s: %s; `depesche doctor` looks closer", SLICE_FMT(address),
                      error_name(e));
    }
}

/* Opens the directory and finds the account of the first argument. */
static bool open_account(struct call *c, struct directory **d, struct account *a)
{
    if (!call_directory(c, d))
        return false;
    enum error e = directory_account_find(*d, call_arg(c, 0), a);
    if (!e)
        return true;
    failed(call_arg(c, 0), e);
    directory_close(*d);
    return false;
}

static int finish(struct call *c, struct directory *d, const struct account *a, enum error e,
                  const char *done)
{
    directory_close(d);
    if (e)
        return failed(slice_str(a->address), e);
    output_done(c->json, "account", slice_str(a->address), "%s: %s", a->address, done);
    return DONE;
}

static bool read_quota(const char *text, uint64_t *out)
{
    static const char letters[] = "KMGT";
    struct slice s = slice_str(text);
    unsigned shift = 0;
    if (slice_ieq(s, SLICE("none"))) {
        *out = 0;
        return true;
    }
    if (s.n > 1) {
        const char *at = strchr(letters, ascii_upper(s.p[s.n - 1]));
        if (at && *at) {
            shift = 10 * (unsigned)(at - letters + 1);
            s = slice_sub(s, 0, s.n - 1);
        }
    }
    uint64_t n;
    if (parse_u64(s, UINT64_MAX >> (shift + 1), &n) || n == 0)
        return false;
    *out = n << shift;
    return true;
}

static bool good_language(const char *s)
{
    return strcmp(s, "de") == 0 || strcmp(s, "en") == 0;
}

/* A password that keeps the rule; advice goes to standard error. */
static bool new_password(struct call *c, struct slice address, char out[LIMIT_PASSWORD + 1])
{
    if (!call_password(c, "New password: ", true, out))
        return false;
    const char *why = NULL;
    if (password_rule(slice_str(out), address, "en", &why)) {
        refuse("%s", why);
        mem_wipe(out, LIMIT_PASSWORD + 1);
        return false;
    }
    const char *advice = password_advice(slice_str(out), "en");
    if (advice)
        fprintf(stderr, "depesche: %s\n", advice);
    return true;
}

int command_account_add(struct call *c)
{
    struct directory *d;
    struct slice address = call_arg(c, 0);
    const char *language = call_option(c, "language"), *quota = call_option(c, "quota");
    uint64_t bytes = 0;
    if (language && !good_language(language))
        return wrong_usage("--language: expected de or en, found '%s'", language);
    if (quota && !read_quota(quota, &bytes))
        return wrong_usage("--quota: expected a size such as 2G or none, found '%s'", quota);
    char password[LIMIT_PASSWORD + 1] = "";
    bool without = call_has(c, "no-password");
    if (!without && !new_password(c, address, password))
        return REFUSED;
    struct account a;
    enum error e = ERR_IO;
    bool opened = call_directory(c, &d);
    if (opened)
        e = directory_account_add(d, address, slice_str(call_option(c, "name")),
                                  slice_str(language ? language : "en"),
                                  without ? SLICE_NONE : slice_str(password), &a);
    mem_wipe(password, sizeof password);
    if (!opened)
        return REFUSED;
    if (!e && quota)
        e = directory_account_quota(d, a.id, bytes);
    directory_close(d);
    if (e == ERR_NOTFOUND)
        return refuse("the domain of %.*s is not ours; `depesche domain add` adds it",
                      SLICE_FMT(address));
    if (e)
        return failed(address, e);
    output_done(c->json, "account", slice_str(a.address), "%s: made%s", a.address,
                without ? ", without a password: nobody can log in" : "");
    return DONE;
}

int command_account_passwd(struct call *c)
{
    struct directory *d;
    struct account a;
    if (!open_account(c, &d, &a))
        return REFUSED;
    char password[LIMIT_PASSWORD + 1] = "";
    if (!new_password(c, slice_str(a.address), password)) {
        directory_close(d);
        return REFUSED;
    }
    enum error e = directory_password_set(d, a.id, slice_str(password));
    mem_wipe(password, sizeof password);
    return finish(c, d, &a, e, "the password is changed; sessions with the old one end");
}

static void account_row(struct output *o, const struct account *a)
{
    output_str(o, a->address);
    output_str(o, a->name);
    output_str(o, state_names[a->state]);
    output_number(o, a->quota);
    output_str(o, a->language);
    output_bool(o, a->has_password);
    output_time(o, a->created);
}

int command_account_list(struct call *c)
{
    static const char *const columns[] = {"account",  "name",     "state",  "quota",
                                          "language", "password", "created"};
    struct directory *d;
    struct account *list;
    size_t n;
    if (!call_directory(c, &d))
        return REFUSED;
    enum error e = directory_account_list(d, &c->arena, &list, &n);
    directory_close(d);
    if (e)
        return failed(SLICE("accounts"), e);
    const char *domain = call_option(c, "domain");
    struct output o;
    output_table(&o, c->json, columns, 7);
    for (size_t i = 0; i < n; i++) {
        struct slice a = slice_str(list[i].address);
        if (!domain || slice_ieq(slice_from(a, slice_rindex(a, '@') + 1), slice_str(domain)))
            account_row(&o, &list[i]);
    }
    output_print(&o);
    return DONE;
}

/* What the store holds; nothing when there is no store yet. */
static void usage_cells(struct call *c, struct output *o, const struct account *a)
{
    char path[1100];
    snprintf(path, sizeof path, "%s/store", c->config->data);
    struct store_options so = {.dir = path, .read_only = true};
    struct store *s = NULL;
    struct store_usage u;
    if (access(path, F_OK) == 0 && store_open(&so, &s) == OK && store_usage(s, a->id, &u) == OK) {
        output_number(o, u.bytes);
        output_number(o, u.messages);
    } else {
        output_none(o);
        output_none(o);
    }
    if (s)
        store_close(s);
}

int command_account_show(struct call *c)
{
    static const char *const columns[] = {"account",  "name",     "state",    "quota",
                                          "language", "password", "created",  "id",
                                          "bytes",    "messages", "forwards", "keeps_own_copy"};
    struct directory *d;
    struct account a;
    struct slice *targets;
    size_t n;
    bool keep;
    if (!open_account(c, &d, &a))
        return REFUSED;
    enum error e = directory_forward_get(d, a.id, &c->arena, &targets, &n, &keep);
    directory_close(d);
    if (e)
        return failed(slice_str(a.address), e);
    struct output o;
    output_record(&o, c->json, columns, 12);
    account_row(&o, &a);
    output_number(&o, a.id);
    usage_cells(c, &o, &a);
    output_list(&o, targets, n);
    output_bool(&o, n == 0 || keep);
    output_print(&o);
    return DONE;
}

int command_account_suspend(struct call *c)
{
    static const struct {
        const char *option, *done;
        enum account_state state;
    } kinds[] = {
        {"no-send", "may not send any more; receives and reads", ACCOUNT_NO_SEND},
        {"no-login", "cannot log in any more; receives", ACCOUNT_NO_LOGIN},
        {"closed", "is closed: mail to it is refused", ACCOUNT_CLOSED},
    };
    size_t chosen = 1, n = 0;
    for (size_t i = 0; i < 3; i++)
        if (call_has(c, kinds[i].option)) {
            chosen = i;
            n++;
        }
    if (n > 1)
        return wrong_usage("one of --no-send, --no-login and --closed, not several");
    struct directory *d;
    struct account a;
    if (!open_account(c, &d, &a))
        return REFUSED;
    return finish(c, d, &a, directory_account_state(d, a.id, kinds[chosen].state),
                  kinds[chosen].done);
}

int command_account_resume(struct call *c)
{
    struct directory *d;
    struct account a;
    if (!open_account(c, &d, &a))
        return REFUSED;
    return finish(c, d, &a, directory_account_state(d, a.id, ACCOUNT_ACTIVE), "is active again");
}

int command_account_quota(struct call *c)
{
    struct directory *d;
    struct account a;
    uint64_t bytes;
    if (!read_quota(c->args[1], &bytes))
        return wrong_usage("expected a size such as 2G, or none, found '%s'", c->args[1]);
    if (!open_account(c, &d, &a))
        return REFUSED;
    return finish(c, d, &a, directory_account_quota(d, a.id, bytes),
                  bytes ? "the quota is set" : "has no quota any more");
}

int command_account_language(struct call *c)
{
    struct directory *d;
    struct account a;
    if (!good_language(c->args[1]))
        return wrong_usage("expected de or en, found '%s'", c->args[1]);
    if (!open_account(c, &d, &a))
        return REFUSED;
    return finish(c, d, &a, directory_account_language(d, a.id, call_arg(c, 1)),
                  "the language is set");
}

int command_account_name(struct call *c)
{
    struct directory *d;
    struct account a;
    if (!open_account(c, &d, &a))
        return REFUSED;
    enum error e = directory_account_name(d, a.id, call_arg(c, 1));
    if (e == ERR_INPUT) {
        directory_close(d);
        return refuse("expected a name of one line in UTF-8, at most %d bytes long",
                      LIMIT_ACCOUNT_NAME);
    }
    return finish(c, d, &a, e, "the name is set");
}

int command_account_forward(struct call *c)
{
    struct directory *d;
    struct account a;
    struct slice targets[CALL_VALUES];
    size_t n = 0;
    bool off = call_has(c, "off");
    for (size_t i = 1; i < c->n_args; i++)
        targets[n++] = call_arg(c, i);
    if (off != (n == 0))
        return wrong_usage("name the addresses that get a copy, or say --off");
    if (!open_account(c, &d, &a))
        return REFUSED;
    enum error e = directory_forward_set(d, a.id, targets, n, call_has(c, "keep"));
    if (e == ERR_INPUT) {
        directory_close(d);
        return refuse("one of the targets is not a mail address");
    }
    return finish(c, d, &a, e, off ? "is not forwarded any more" : "is forwarded");
}

int command_account_import_hash(struct call *c)
{
    struct directory *d;
    struct account a;
    char hash[1024];
    if (!open_account(c, &d, &a))
        return REFUSED;
    if (!call_secret(c, "hash-fd", "Hash: ", false, hash, sizeof hash)) {
        directory_close(d);
        return REFUSED;
    }
    enum error e = directory_password_import(d, a.id, slice_str(hash));
    mem_wipe(hash, sizeof hash);
    if (e == ERR_INPUT) {
        directory_close(d);
        return refuse("nobody could verify a password with that hash; crypt(3) forms and Argon2id "
                      "are taken");
    }
    return finish(c, d, &a, e, "the hash is taken over; the next login makes it Argon2id");
}

/* The store has one writer: the running server when there is one, else this command. */
static enum error remove_from_store(struct call *c, uint64_t account)
{
    struct buf request = BUF_INIT(16), answer = BUF_INIT(4096);
    buf_byte(&request, CONTROL_REMOVE_ACCOUNT);
    buf_u64(&request, account);
    enum error e = control_ask(c->config->run, buf_slice(&request), &answer);
    buf_free(&request);
    buf_free(&answer);
    if (e != ERR_NOTFOUND)
        return e;
    char path[1100];
    snprintf(path, sizeof path, "%s/store", c->config->data);
    if (access(path, F_OK) != 0)
        return OK;
    struct store_options o = {.dir = path};
    struct store *s;
    e = store_open(&o, &s);
    if (e)
        return e;
    e = store_account_remove(s, account);
    store_close(s);
    return e;
}

int command_account_remove(struct call *c)
{
    struct directory *d;
    struct account a;
    if (!open_account(c, &d, &a))
        return REFUSED;
    char answer[LIMIT_ADDRESS + 2] = "";
    if (!call_has(c, "yes") &&
        (!ask_line("All mail of the account goes with it. Its address once more: ", NULL, answer,
                   sizeof answer) ||
         !slice_ieq(slice_str(answer), slice_str(a.address)))) {
        directory_close(d);
        return refuse("not confirmed, nothing was removed; --yes confirms without asking");
    }
    /* Closed first, so that nothing new comes while the old goes. */
    enum error e = directory_account_state(d, a.id, ACCOUNT_CLOSED);
    if (!e)
        e = remove_from_store(c, a.id);
    if (e) {
        directory_close(d);
        return refuse("%s: its mail could not be removed (%s); the account is closed, try again",
                      a.address, error_name(e));
    }
    return finish(c, d, &a, directory_account_remove(d, a.id), "is removed with all its mail");
}
