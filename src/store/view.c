/* Views: the newest of each account is kept, and the next one is made of it. Who asks first makes
 * it, others wait for him; it is made of snapshots that were taken together under the shard's lock,
 * so that it shows one moment. */
#include "base/clock.h"
#include "store/view_private.h"

struct view *view_ref(struct view *v)
{
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    return v;
}

void view_unref(struct view *v)
{
    if (v == NULL || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < v->n_boxes; i++)
        snapshot_unref(v->box[i].snap);
    view_order_unref(v->order);
    mem_free(v->m);
    mem_free(atomic_load_explicit(&v->counts, memory_order_relaxed));
    mem_free(v);
}

/* --- Looking --- */

struct view_state view_state(const struct view *v)
{
    return v->state;
}

const struct view_message *view_messages(const struct view *v, size_t *n)
{
    *n = v->n;
    return v->m;
}

const struct view_box *view_box_of(const struct view *v, uint32_t mailbox)
{
    size_t lo = 0, hi = v->n_boxes;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (v->box[mid].mailbox == mailbox)
            return &v->box[mid];
        if (v->box[mid].mailbox < mailbox)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

const uint32_t *view_mailbox(const struct view *v, uint32_t mailbox, size_t *n)
{
    const struct view_box *b = view_box_of(v, mailbox);
    *n = b != NULL ? b->n : 0;
    return b != NULL ? v->order->by_box + b->first : v->order->by_box;
}

static uint64_t key_at(const struct view *v, const uint32_t *at, size_t i, bool thread)
{
    const struct view_message *m = &v->m[at[i]];
    return thread ? m->thread : m->email;
}

static const uint32_t *equal_range(const struct view *v, const uint32_t *at, bool thread,
                                   uint64_t key, size_t *n)
{
    size_t lo = 0, hi = v->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (key_at(v, at, mid, thread) < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    size_t end = lo;
    while (end < v->n && key_at(v, at, end, thread) == key)
        end++;
    *n = end - lo;
    return at + lo;
}

const uint32_t *view_email(const struct view *v, uint64_t email, size_t *n)
{
    return equal_range(v, v->order->by_email, false, email, n);
}

const uint32_t *view_thread(const struct view *v, uint64_t thread, size_t *n)
{
    return equal_range(v, v->order->by_thread, true, thread, n);
}

/* --- Making --- */

static size_t bytes_of(const struct view *v)
{
    return sizeof *v + v->n_boxes * (sizeof v->box[0] + sizeof(struct view_counts)) +
           v->n * (sizeof v->m[0] + 4 * sizeof v->order->at[0] + sizeof(struct snapshot_entry));
}

/* Under the lock: another one, or none, is the newest. The one before, which the caller unrefs. */
static struct view *replace(struct account *a, struct view *v)
{
    struct store *s = a->shard->store;
    struct view *old = a->view;
    if (old != NULL)
        atomic_fetch_sub(&s->view_bytes, bytes_of(old));
    if (v != NULL)
        atomic_fetch_add(&s->view_bytes, bytes_of(v));
    a->view = v;
    return old;
}

void account_drop_view(struct account *a)
{
    if (!a->view_building)
        view_unref(replace(a, NULL));
}

static int box_order(const void *a, const void *b)
{
    const struct view_box *x = a, *y = b;
    return (x->mailbox > y->mailbox) - (x->mailbox < y->mailbox);
}

/* Until something is published; not for ever, as a damaged index may say what never comes. */
static bool wait_published(struct shard *sh)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LIMIT_VIEW_WAIT_S;
    sh->publish_waited = true;
    return pthread_cond_timedwait(&sh->loaded, &sh->lock, &until) == 0;
}

/* Under the lock, which is given back where a snapshot must be read first: all of them at one
 * moment. One that was read from a commit that is not published yet is waited for. */
static enum error gather_snapshots(struct account *a)
{
    bool again, patient = true;
    do {
        again = false;
        for (size_t i = 0; i < a->n_pub; i++) {
            struct pub_box *p = &a->pub[i];
            uint64_t version = a->version;
            p->snap_used_ms = clock_ms();
            if (p->snap == NULL) {
                enum error e = account_snapshot(a, p->m.id);
                again = true;
                if (e != OK && e != ERR_NOTFOUND)
                    return e;
            } else if (patient && snapshot_info(p->snap).modseq > a->pub_modseq) {
                patient = wait_published(a->shard);
                again = true;
            }
            if (a->version != version)
                break; /* the mailboxes may be others */
        }
    } while (again);
    return OK;
}

/* With the lock, given back meanwhile; a view that knows its boxes and its state only. */
static enum error gather(struct account *a, struct view **out)
{
    enum error e = gather_snapshots(a);
    if (e != OK)
        return e;
    struct view *v = mem_alloc(sizeof *v + a->n_pub * sizeof v->box[0]);
    atomic_init(&v->refs, 1);
    v->account = a->id;
    v->state = (struct view_state){a->pub_modseq, a->pub_next_email, a->pub_next_mailbox};
    v->n_boxes = a->n_pub;
    for (size_t i = 0; i < a->n_pub; i++) {
        const struct pub_box *p = &a->pub[i];
        v->box[i] = (struct view_box){.mailbox = p->m.id,
                                      .num = p->num,
                                      .aside = p->m.use == USE_TRASH || p->m.use == USE_JUNK,
                                      .snap = snapshot_ref(p->snap)};
    }
    if (v->n_boxes > 1)
        qsort(v->box, v->n_boxes, sizeof v->box[0], box_order);
    for (size_t i = 0; i < v->n_boxes; i++) {
        v->box[i].n = snapshot_info(v->box[i].snap).count;
        v->box[i].first = (uint32_t)v->n;
        v->n += v->box[i].n;
    }
    *out = v;
    return OK;
}

#define TRIES 10 /* a message that is purged within moments after it came is rare */

/* With the lock, which is given back meanwhile. */
static enum error make_newest(struct account *a, struct view **out)
{
    struct shard *sh = a->shard;
    enum error e = ERR_AGAIN;
    for (int i = 0; i < TRIES && e == ERR_AGAIN; i++) {
        struct view *v = NULL, *old;
        if ((e = gather(a, &v)) != OK)
            break;
        /* While this thread makes the next one it stays, and nobody gets it any more. */
        old = a->view;
        bool spent = old != NULL && atomic_load_explicit(&old->refs, memory_order_acquire) == 1;
        pthread_mutex_unlock(&sh->lock);
        e = v->n < UINT32_MAX ? view_build(sh, old, spent, v) : ERR_LIMIT;
        if (e != OK)
            view_unref(v);
        pthread_mutex_lock(&sh->lock);
        if (e != OK)
            continue;
        old = replace(a, v);
        *out = view_ref(v);
        pthread_mutex_unlock(&sh->lock);
        view_unref(old);
        pthread_mutex_lock(&sh->lock);
    }
    return e;
}

static bool is_newest(const struct account *a)
{
    if (a->view == NULL)
        return false;
    struct view_state s = a->view->state;
    return s.modseq == a->pub_modseq && s.next_email == a->pub_next_email &&
           s.next_mailbox == a->pub_next_mailbox;
}

enum error store_view(struct store *s, uint64_t account, struct view **out)
{
    struct shard *sh = store_shard(s, account);
    if (s->read_only)
        return ERR_CLOSED;
    struct account *a = account_get(sh, account);
    enum error e = account_published(a);
    if (e != OK) {
        account_put(a);
        return e;
    }
    while (!is_newest(a) && a->view_building)
        pthread_cond_wait(&sh->loaded, &sh->lock);
    a->view_used_ms = clock_ms();
    if (is_newest(a)) {
        *out = view_ref(a->view);
    } else {
        a->view_building = true;
        e = make_newest(a, out);
        a->view_building = false;
        pthread_cond_broadcast(&sh->loaded);
    }
    pthread_mutex_unlock(&sh->lock);
    account_put(a);
    if (atomic_load(&s->view_bytes) > s->view_limit)
        views_trim(s);
    return e;
}

/* --- Giving back --- */

/* The account with the view that is unused for longest, with a reference; NULL: none of them. */
static struct account *least_used(struct store *s)
{
    struct account *found = NULL;
    int64_t used = INT64_MAX;
    for (unsigned i = 0; i < s->n_shards; i++) {
        struct shard *sh = &s->shard[i];
        struct account *here = NULL;
        pthread_mutex_lock(&sh->lock);
        for (size_t k = 0; k < ACCOUNT_BUCKETS; k++) {
            for (struct account *a = sh->accounts[k]; a != NULL; a = a->next) {
                if (a->view != NULL && !a->view_building && a->view_used_ms < used) {
                    used = a->view_used_ms;
                    here = a;
                }
            }
        }
        if (here != NULL)
            here->refs++;
        pthread_mutex_unlock(&sh->lock);
        if (here != NULL) {
            if (found != NULL)
                account_put(found);
            found = here;
        }
    }
    return found;
}

void views_trim(struct store *s)
{
    while (atomic_load(&s->view_bytes) > s->view_limit) {
        struct account *a = least_used(s);
        if (a == NULL)
            return;
        pthread_mutex_lock(&a->shard->lock);
        account_drop_view(a);
        pthread_mutex_unlock(&a->shard->lock);
        account_put(a);
    }
}
