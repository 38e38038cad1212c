/* Logging in: guard, memory of good passwords, directory, in this order; see login.h. */
#include "auth/login.h"

#include "auth/internal.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

enum { LANES = 256 };

struct login {
    struct directory *directory;
    struct guard *guard;
    struct login_cache *cache;
    struct sessions *sessions;
    /* Logins from one address go one after the other: or many at once would each have been let in
     * before the first wrong one counted. So also five connections at once hash only once. */
    pthread_mutex_t lanes[LANES];
};

static void on_change(void *arg)
{
    struct login *l = arg;
    sessions_recheck(l->sessions);
}

enum error login_new(struct directory *d, struct guard *g, struct login **out)
{
    struct login *l = mem_alloc(sizeof *l);
    l->directory = d;
    l->guard = g;
    l->cache = login_cache_new(LIMIT_LOGIN_CACHE, LIMIT_LOGIN_CACHE_SECONDS * INT64_C(1000));
    l->sessions = sessions_new(d);
    for (size_t i = 0; i < LANES; i++)
        pthread_mutex_init(&l->lanes[i], NULL);
    enum error e = directory_on_change(d, on_change, l);
    if (e != OK) {
        l->directory = NULL;
        login_free(l);
        return e;
    }
    *out = l;
    return OK;
}

void login_free(struct login *l)
{
    if (l == NULL)
        return;
    if (l->directory != NULL && directory_on_change(l->directory, NULL, NULL) != OK)
        bug("the directory keeps calling");
    sessions_free(l->sessions);
    login_cache_free(l->cache);
    for (size_t i = 0; i < LANES; i++)
        pthread_mutex_destroy(&l->lanes[i]);
    mem_free(l);
}

static pthread_mutex_t *lane_of(struct login *l, const struct login_request *rq)
{
    struct ip ip = ip_counting(rq->peer);
    uint64_t h = hash_bytes(slice_of(ip.b, sizeof ip.b));
    /* Behind a trusted address there are many people, and nothing is counted: one lane a user. */
    if (guard_is_trusted(l->guard, rq->peer))
        h ^= hash_bytes(rq->user);
    return &l->lanes[h % LANES];
}

static void log_result(const struct login_request *rq, const char *event, const char *reason)
{
    char ip[IP_TEXT];
    ip_print(rq->peer, ip);
    log_info(event, log_slice("user", slice_sub(rq->user, 0, LIMIT_ADDRESS)), log_text("ip", ip),
             log_text("service", rq->service), log_text("reason", reason));
}

static bool may_log_in(const struct account *a)
{
    return a->state == ACCOUNT_ACTIVE || a->state == ACCOUNT_NO_SEND;
}

/* Right password, in memory or verified. */
static enum login_result admitted(const struct login_request *rq, const struct account *a,
                                  bool remembered, struct account *out)
{
    if (!may_log_in(a)) {
        log_result(rq, "login.disabled", a->state == ACCOUNT_CLOSED ? "closed" : "no-login");
        return LOGIN_DISABLED;
    }
    log_result(rq, "login.ok", remembered ? "remembered" : "verified");
    *out = *a;
    return LOGIN_OK;
}

static bool is_blocked(struct login *l, const struct login_request *rq, int64_t *until)
{
    if (guard_admit(l->guard, rq->peer, until) == GUARD_OPEN)
        return false;
    log_result(rq, "login.blocked", "address");
    return true;
}

static bool is_remembered(struct login *l, const struct login_request *rq, struct account *a)
{
    return directory_account_find(l->directory, rq->user, a) == OK &&
           login_cache_has(l->cache, a, rq->password, clock_ms());
}

static enum login_result verify(struct login *l, const struct login_request *rq,
                                struct account *out, int64_t *until)
{
    struct account a;
    enum error e = directory_verify(l->directory, rq->user, rq->password, &a);
    if (e == OK) {
        login_cache_add(l->cache, &a, rq->password, clock_ms());
        return admitted(rq, &a, false, out);
    }
    if (e != ERR_AUTH) {
        log_result(rq, "login.busy", error_name(e));
        return LOGIN_BUSY;
    }
    uint64_t tag = login_cache_tag(l->cache, rq->user, rq->password);
    guard_failed(l->guard, rq->peer, rq->user, rq->service, tag, until);
    log_result(rq, "login.wrong", "credentials");
    return LOGIN_WRONG;
}

enum login_result login_check(struct login *l, const struct login_request *rq, struct account *out,
                              int64_t *until)
{
    struct account a;
    if (is_blocked(l, rq, until))
        return LOGIN_BLOCKED;
    if (is_remembered(l, rq, &a))
        return admitted(rq, &a, true, out);
    pthread_mutex_t *lane = lane_of(l, rq);
    enum login_result result;
    pthread_mutex_lock(lane);
    /* Both may have changed while this one waited for its turn. */
    if (is_blocked(l, rq, until))
        result = LOGIN_BLOCKED;
    else if (is_remembered(l, rq, &a))
        result = admitted(rq, &a, true, out);
    else
        result = verify(l, rq, out, until);
    pthread_mutex_unlock(lane);
    return result;
}

struct login_session *login_session_begin(struct login *l, const struct account *a,
                                          const char *service, struct waker *w)
{
    return sessions_add(l->sessions, a, service, w);
}

enum error login_session_list(struct login *l, uint64_t account, struct arena *a,
                              struct live_session **out, size_t *n)
{
    return sessions_list(l->sessions, account, a, out, n);
}

enum error login_session_revoke(struct login *l, uint64_t account, uint64_t id)
{
    return sessions_revoke(l->sessions, account, id);
}
