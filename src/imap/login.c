/* Commands before and around login: CAPABILITY, NOOP, LOGOUT, ID, STARTTLS, LOGIN, AUTHENTICATE,
 * ENABLE, NAMESPACE. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "imap/frame.h"
#include "imap/respond.h"

/* --- Capabilities --- */

#define CAPABILITIES_ALWAYS "IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE"

/* Before TLS there is nothing to do but to start it; before login only what helps to log in. */
struct slice imap_capabilities(struct imap_session *s)
{
    if (!conn_tls(s->conn))
        return SLICE(CAPABILITIES_ALWAYS " STARTTLS LOGINDISABLED");
    if (s->state == IMAP_NOT_AUTHENTICATED)
        return SLICE(CAPABILITIES_ALWAYS " IDLE AUTH=PLAIN AUTH=LOGIN");
    return arena_printf(
        &s->arena,
        CAPABILITIES_ALWAYS
        " IDLE NAMESPACE UIDPLUS UNSELECT MOVE CHILDREN SPECIAL-USE CREATE-SPECIAL-USE"
        " LIST-EXTENDED LIST-STATUS STATUS=SIZE ESEARCH SEARCHRES CONDSTORE QRESYNC BINARY"
        " MULTIAPPEND QUOTA QUOTA=RES-STORAGE OBJECTID UTF8=ACCEPT APPENDLIMIT=%llu",
        (unsigned long long)imap_message_size(s));
}

static void run_capability(struct imap_session *s, void *args)
{
    imap_lit(s, "* CAPABILITY ");
    imap_write(s, imap_capabilities(s));
    imap_lit(s, "\r\n");
    imap_ok(s, "That is all");
}

static void run_noop(struct imap_session *s, void *args)
{
    imap_ok(s, "Done");
}

static void run_logout(struct imap_session *s, void *args)
{
    imap_lit(s, "* BYE Goodbye\r\n");
    s->closing = true;
    imap_ok(s, "Logged out");
}

/* --- Who may come in --- */

static void write_closed_bye(struct imap_session *s, int64_t until)
{
    /* `until` was rounded up to seconds and the clock is rounded down: one second too many. */
    int64_t minutes = (until - 1 - clock_wall() + 59) / 60;
    imap_printf(s,
                "* BYE [UNAVAILABLE] Too many wrong passwords came from your address; "
                "try again in %lld minute%s\r\n",
                (long long)(minutes < 1 ? 1 : minutes), minutes <= 1 ? "" : "s");
    s->closing = true;
}

bool imap_refuse_address(struct imap_session *s)
{
    int64_t until = 0;
    if (guard_admit(s->service->guard, s->peer, &until) == GUARD_OPEN)
        return false;
    char ip[IP_TEXT];
    ip_print(s->peer, ip);
    log_info("imap.refuse", log_u64("session", conn_id(s->conn)), log_text("ip", ip),
             log_text("why", "locked out"));
    write_closed_bye(s, until);
    return true;
}

/* --- ID (RFC 2971) --- */

enum { ID_FIELDS = 30, ID_VALUE = 1024 };

struct id_args {
    struct slice name, version, originating_ip;
};

static enum error parse_id(struct imap_lexer *l, void **out)
{
    struct id_args *a = arena_new(l->arena, struct id_args);
    if (!a)
        return ERR_LIMIT;
    *out = a;
    lex_sp(l);
    if (lex_word(l, "NIL"))
        return lex_end(l);
    lex_open_list(l);
    if (lex_close(l))
        return lex_end(l);
    size_t fields = 0;
    do {
        struct slice key = lex_string(l);
        lex_sp(l);
        struct slice value = lex_nstring(l);
        if (++fields > ID_FIELDS || value.n > ID_VALUE)
            lex_limit(l, "Too much in ID");
        if (slice_ieq(key, SLICE("name")))
            a->name = value;
        else if (slice_ieq(key, SLICE("version")))
            a->version = value;
        else if (slice_ieq(key, SLICE("x-originating-ip")))
            a->originating_ip = value;
    } while (lex_more(l));
    return lex_end(l);
}

static void run_id(struct imap_session *s, void *args)
{
    struct id_args *a = args;
    struct ip client;
    if (a->originating_ip.n && s->state == IMAP_NOT_AUTHENTICATED &&
        guard_is_proxy(s->service->guard, conn_peer(s->conn)) &&
        ip_parse(a->originating_ip, &client) == OK)
        s->peer = client;
    char ip[IP_TEXT];
    ip_print(s->peer, ip);
    log_info("imap.id", log_u64("session", conn_id(s->conn)), log_text("ip", ip),
             log_slice("name", a->name), log_slice("version", a->version));
    imap_lit(s, "* ID (\"name\" \"Depesche\" \"version\" \"" DEPESCHE_VERSION "\")\r\n");
    if (imap_refuse_address(s))
        imap_no(s, "UNAVAILABLE", "Closed to this address");
    else
        imap_ok(s, "Pleased to meet you");
}

/* --- STARTTLS --- */

static void run_starttls(struct imap_session *s, void *args)
{
    if (conn_tls(s->conn)) {
        imap_bad(s, "TLS is active already");
        return;
    }
    s->starting_tls = true;
    imap_ok(s, "Begin TLS now");
}

static enum after open_tls(struct conn *c)
{
    conn_deadline(c, LIMIT_IMAP_PREAUTH_MS);
    return PARK;
}

enum after imap_start_tls(struct imap_session *s)
{
    s->starting_tls = false;
    /* What was said in clear does not count under TLS. */
    s->peer = conn_peer(s->conn);
    reader_free(&s->reader);
    arena_free(&s->arena);
    /* Bytes that were sent in clear behind the command break the connection there. */
    return conn_start_tls(s->conn, open_tls) == OK ? PARK : CLOSE;
}

/* --- LOGIN and AUTHENTICATE --- */

static void logged_in(struct imap_session *s, const struct account *a)
{
    enum error e = store_account_ensure(s->service->store, a->id, slice_str(a->language));
    if (e != OK) {
        imap_no(s, "UNAVAILABLE", "The mailboxes cannot be opened now, try again later");
        return;
    }
    s->waker = conn_waker(s->conn);
    s->login = login_session_begin(s->service->login, a, "imap", s->waker);
    login_session_peer(s->login, s->peer);
    s->account = a->id;
    s->address = mem_strdup(a->address);
    s->quota = a->quota;
    s->state = IMAP_AUTHENTICATED;
    s->errors = 0;
    struct slice code = arena_printf(&s->arena, "CAPABILITY %.*s", SLICE_FMT(imap_capabilities(s)));
    imap_ok_code(s, code, "Logged in");
}

static void log_in(struct imap_session *s, struct slice user, struct slice password)
{
    struct account account;
    int64_t until = 0;
    enum login_result r =
        login_check(s->service->login,
                    &(struct login_request){
                        .peer = s->peer, .service = "imap", .user = user, .password = password},
                    &account, &until);
    switch (r) {
    case LOGIN_OK:
        logged_in(s, &account);
        return;
    case LOGIN_WRONG:
        imap_no(s, "AUTHENTICATIONFAILED", "The user name or the password is wrong");
        return;
    case LOGIN_BLOCKED:
        write_closed_bye(s, until);
        imap_no(s, "UNAVAILABLE", "Closed to this address");
        return;
    case LOGIN_DISABLED:
        imap_no(s, "AUTHORIZATIONFAILED", "This account may not log in");
        return;
    case LOGIN_BUSY:
        imap_no(s, "UNAVAILABLE", "Too many logins at once, try again in a moment");
        return;
    }
}

static bool in_clear(struct imap_session *s)
{
    if (conn_tls(s->conn))
        return false;
    imap_no(s, "PRIVACYREQUIRED", "Start TLS first");
    return true;
}

struct login_args {
    struct slice user, password;
};

static enum error parse_login(struct imap_lexer *l, void **out)
{
    struct login_args *a = arena_new(l->arena, struct login_args);
    if (!a)
        return ERR_LIMIT;
    *out = a;
    lex_sp(l);
    a->user = lex_astring(l);
    lex_sp(l);
    a->password = lex_astring(l);
    return lex_end(l);
}

static void run_login(struct imap_session *s, void *args)
{
    struct login_args *a = args;
    if (!in_clear(s))
        log_in(s, a->user, a->password);
    /* A password with escapes was copied into the arena, which is not wiped; the reader is. */
    void *copy;
    memcpy(&copy, &a->password.p, sizeof copy);
    mem_wipe(copy, a->password.n);
}

struct authenticate_args {
    struct slice mechanism, initial; /* initial.p NULL: none was sent */
};

/* base64 and "=" are more than an atom holds, so the rest of the line is taken as it is. */
static struct slice take_rest(struct imap_lexer *l)
{
    struct slice rest = l->rest;
    l->rest = slice_from(rest, rest.n);
    return rest;
}

static enum error parse_authenticate(struct imap_lexer *l, void **out)
{
    struct authenticate_args *a = arena_new(l->arena, struct authenticate_args);
    if (!a)
        return ERR_LIMIT;
    *out = a;
    lex_sp(l);
    a->mechanism = lex_atom(l);
    if (lex_skip(l, ' '))
        a->initial = take_rest(l);
    return lex_end(l);
}

void imap_sasl_free(struct imap_session *s)
{
    if (!s->sasl)
        return;
    sasl_end(s->sasl);
    mem_wipe(s->sasl, sizeof *s->sasl);
    mem_free(s->sasl);
    s->sasl = NULL;
}

/* What a step of the exchange leads to: a challenge, or the command's answer in s->reply. */
static void sasl_result(struct imap_session *s, enum sasl_step step)
{
    switch (step) {
    case SASL_CHALLENGE:
        imap_lit(s, "+ ");
        imap_write(s, s->sasl->challenge);
        imap_lit(s, "\r\n");
        return;
    case SASL_DONE:
        log_in(s, slice_of(s->sasl->user, s->sasl->user_n),
               slice_of(s->sasl->password, s->sasl->password_n));
        return;
    case SASL_CANCELLED:
        imap_bad(s, "Cancelled");
        return;
    case SASL_BAD:
        imap_bad(s, "Malformed response");
        return;
    case SASL_UNKNOWN:
        imap_no(s, "CANNOT", "There is no such mechanism");
        return;
    case SASL_MISMATCH:
        imap_no(s, "AUTHORIZATIONFAILED", "Nobody may act as somebody else");
        return;
    }
}

static void run_authenticate(struct imap_session *s, void *args)
{
    struct authenticate_args *a = args;
    if (in_clear(s))
        return;
    s->sasl = mem_alloc(sizeof *s->sasl);
    enum sasl_step step = sasl_start(s->sasl, a->mechanism, a->initial);
    sasl_result(s, step);
    if (step == SASL_CHALLENGE) {
        s->pending_tag = arena_cstr(&s->arena, s->tag);
        s->pending_tag = s->pending_tag ? mem_strdup(s->pending_tag) : NULL;
        s->mode = IMAP_SASL;
    } else {
        imap_sasl_free(s);
    }
}

void imap_sasl_line(struct imap_session *s, struct slice line)
{
    enum sasl_step step = sasl_next(s->sasl, line);
    s->tag = slice_str(s->pending_tag);
    sasl_result(s, step);
    imap_finish(s, IMAP_SYNC_ALL);
    if (step == SASL_CHALLENGE)
        return;
    imap_sasl_free(s);
    mem_free(s->pending_tag);
    s->pending_tag = NULL;
    s->mode = IMAP_COMMANDS;
}

/* --- ENABLE (RFC 5161) --- */

static const struct {
    const char *name;
    unsigned bits;
} extensions[] = {
    {"CONDSTORE", IMAP_CONDSTORE},
    {"QRESYNC", IMAP_QRESYNC | IMAP_CONDSTORE},
    {"UTF8=ACCEPT", IMAP_UTF8},
    {"IMAP4REV2", IMAP_REV2},
};

enum { N_EXTENSIONS = sizeof extensions / sizeof extensions[0] };

struct enable_args {
    bool wanted[N_EXTENSIONS];
};

static enum error parse_enable(struct imap_lexer *l, void **out)
{
    struct enable_args *a = arena_new(l->arena, struct enable_args);
    if (!a)
        return ERR_LIMIT;
    *out = a;
    lex_sp(l);
    do {
        struct slice name = lex_atom(l);
        for (size_t i = 0; i < N_EXTENSIONS; i++)
            if (slice_ieq(name, slice_str(extensions[i].name)))
                a->wanted[i] = true;
    } while (lex_skip(l, ' '));
    return lex_end(l);
}

static void run_enable(struct imap_session *s, void *args)
{
    const struct enable_args *a = args;
    unsigned bits = 0;
    for (size_t i = 0; i < N_EXTENSIONS; i++)
        if (a->wanted[i])
            bits |= extensions[i].bits;
    if (bits & IMAP_CONDSTORE)
        imap_use_condstore(s);
    s->enabled |= bits;
    imap_lit(s, "* ENABLED");
    for (size_t i = 0; i < N_EXTENSIONS; i++)
        if (a->wanted[i])
            imap_printf(s, " %s",
                        extensions[i].bits == IMAP_REV2 ? "IMAP4rev2" : extensions[i].name);
    imap_lit(s, "\r\n");
    imap_ok(s, "Enabled");
}

/* --- NAMESPACE (RFC 2342) --- */

static void run_namespace(struct imap_session *s, void *args)
{
    imap_lit(s, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
    imap_ok(s, "That is all");
}

static const struct imap_command commands[] = {
    {"NOOP", IMAP_ANY, 0, NULL, run_noop},
    {"CAPABILITY", IMAP_ANY, 0, NULL, run_capability},
    {"LOGOUT", IMAP_ANY, 0, NULL, run_logout},
    {"ID", IMAP_ANY, 0, parse_id, run_id},
    {"STARTTLS", IMAP_NOT_AUTHENTICATED, 0, NULL, run_starttls},
    {"LOGIN", IMAP_NOT_AUTHENTICATED, 0, parse_login, run_login},
    {"AUTHENTICATE", IMAP_NOT_AUTHENTICATED, 0, parse_authenticate, run_authenticate},
    {"ENABLE", IMAP_LOGGED_IN, 0, parse_enable, run_enable},
    {"NAMESPACE", IMAP_LOGGED_IN, 0, NULL, run_namespace},
};
const struct imap_command_table imap_session_commands = {commands,
                                                         sizeof commands / sizeof commands[0]};
