/* Live sessions, and ending those whose account changed; see login.h. */
#include "auth/internal.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include <stdatomic.h>

enum { BUCKETS = 1024, IDS_SIZE = 64 * 1024 * 1024 };

struct login_session {
    struct sessions *all;
    struct login_session *next, **place;
    uint64_t id, account, epoch;
    int64_t since;
    struct ip peer; /* with the bucket's lock */
    char address[LIMIT_ADDRESS + 1];
    const char *service;
    struct waker *waker;
    _Atomic bool revoked;
};

struct bucket {
    pthread_mutex_t lock;
    struct login_session *first;
};

struct sessions {
    struct directory *directory;
    _Atomic uint64_t last_id;
    struct bucket buckets[BUCKETS];
};

struct sessions *sessions_new(struct directory *d)
{
    struct sessions *s = mem_alloc(sizeof *s);
    s->directory = d;
    for (size_t i = 0; i < BUCKETS; i++)
        pthread_mutex_init(&s->buckets[i].lock, NULL);
    return s;
}

void sessions_free(struct sessions *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        if (s->buckets[i].first != NULL)
            bug("a session outlives the login");
        pthread_mutex_destroy(&s->buckets[i].lock);
    }
    mem_free(s);
}

static struct bucket *bucket_of(struct sessions *s, uint64_t account)
{
    return &s->buckets[hash_u64(account) % BUCKETS];
}

/* With the bucket's lock, so that the waker is there. */
static void end_session(struct login_session *session)
{
    if (atomic_exchange(&session->revoked, true))
        return;
    log_info("login.revoked", log_text("account", session->address),
             log_text("service", session->service));
    if (session->waker != NULL)
        waker_wake(session->waker);
}

/* The epoch of an account now: 0 when it is gone. False when the database does not say. */
static bool epoch_now(struct sessions *s, uint64_t account, uint64_t *epoch)
{
    struct account a;
    enum error e = directory_account_get(s->directory, account, &a);
    *epoch = e == OK ? a.epoch : 0;
    return e == OK || e == ERR_NOTFOUND;
}

static void apply_epoch(struct bucket *b, uint64_t account, uint64_t epoch)
{
    pthread_mutex_lock(&b->lock);
    for (struct login_session *l = b->first; l != NULL; l = l->next)
        /* A newer session than the answer is left alone. */
        if (l->account == account && (epoch == 0 || l->epoch < epoch))
            end_session(l);
    pthread_mutex_unlock(&b->lock);
}

/* The accounts of one bucket, each once where its sessions stand together. */
static void collect(struct bucket *b, struct buf *ids)
{
    uint64_t last = 0;
    buf_reset(ids);
    pthread_mutex_lock(&b->lock);
    for (const struct login_session *l = b->first; l != NULL; l = l->next) {
        if (l->account != last)
            buf_add(ids, slice_of(&l->account, sizeof l->account));
        last = l->account;
    }
    pthread_mutex_unlock(&b->lock);
}

void sessions_recheck(struct sessions *s)
{
    autobuf ids = BUF_INIT(IDS_SIZE);
    for (size_t i = 0; i < BUCKETS; i++) {
        collect(&s->buckets[i], &ids);
        for (size_t at = 0; at < ids.n; at += sizeof(uint64_t)) {
            uint64_t account, epoch;
            memcpy(&account, ids.p + at, sizeof account);
            /* Without the lock: the database may keep us waiting. */
            if (epoch_now(s, account, &epoch))
                apply_epoch(&s->buckets[i], account, epoch);
        }
    }
}

struct login_session *sessions_add(struct sessions *s, const struct account *a, const char *service,
                                   struct waker *w)
{
    struct login_session *l = mem_alloc(sizeof *l);
    struct bucket *b = bucket_of(s, a->id);
    l->all = s;
    l->id = atomic_fetch_add(&s->last_id, 1) + 1;
    l->since = clock_wall();
    l->account = a->id;
    l->epoch = a->epoch;
    l->service = service;
    memcpy(l->address, a->address, sizeof l->address);
    l->waker = w != NULL ? waker_ref(w) : NULL;
    pthread_mutex_lock(&b->lock);
    l->next = b->first;
    l->place = &b->first;
    if (b->first != NULL)
        b->first->place = &l->next;
    b->first = l;
    pthread_mutex_unlock(&b->lock);
    /* A change between the login and now went by without this session. */
    uint64_t epoch;
    if (epoch_now(s, a->id, &epoch))
        apply_epoch(b, a->id, epoch);
    return l;
}

void login_session_peer(struct login_session *s, struct ip peer)
{
    struct bucket *b = bucket_of(s->all, s->account);
    pthread_mutex_lock(&b->lock);
    s->peer = peer;
    pthread_mutex_unlock(&b->lock);
}

enum error sessions_list(struct sessions *s, uint64_t account, struct arena *a,
                         struct live_session **out, size_t *n)
{
    struct bucket *b = bucket_of(s, account);
    size_t count = 0, k = 0;
    pthread_mutex_lock(&b->lock);
    for (const struct login_session *l = b->first; l != NULL; l = l->next)
        count += l->account == account;
    struct live_session *list = arena_array(a, count + 1, sizeof *list);
    for (const struct login_session *l = b->first; l != NULL && list != NULL; l = l->next)
        if (l->account == account && !atomic_load(&l->revoked))
            list[k++] = (struct live_session){l->id, l->service, l->peer, l->since};
    pthread_mutex_unlock(&b->lock);
    if (list == NULL)
        return ERR_LIMIT;
    *out = list;
    *n = k;
    return OK;
}

enum error sessions_revoke(struct sessions *s, uint64_t account, uint64_t id)
{
    struct bucket *b = bucket_of(s, account);
    enum error e = ERR_NOTFOUND;
    pthread_mutex_lock(&b->lock);
    for (struct login_session *l = b->first; l != NULL; l = l->next)
        if (l->account == account && l->id == id && !atomic_load(&l->revoked)) {
            end_session(l);
            e = OK;
        }
    pthread_mutex_unlock(&b->lock);
    return e;
}

bool login_session_revoked(const struct login_session *s)
{
    return atomic_load(&s->revoked);
}

void login_session_end(struct login_session *s)
{
    if (s == NULL)
        return;
    struct bucket *b = bucket_of(s->all, s->account);
    pthread_mutex_lock(&b->lock);
    *s->place = s->next;
    if (s->next != NULL)
        s->next->place = s->place;
    pthread_mutex_unlock(&b->lock);
    if (s->waker != NULL)
        waker_unref(s->waker);
    mem_free(s);
}
