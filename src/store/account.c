/* Accounts in memory: the committer's working state, and what is published of it.
 *
 * The published state is only ever set under the shard's lock, right after a commit, with absolute
 * values; a reader that loads it from the index installs what it read only if nothing was published
 * since it began. */
#include "base/clock.h"
#include "base/log.h"
#include "store/internal.h"

static struct slice dup_text(struct slice s)
{
    uint8_t *p = mem_alloc(s.n);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return slice_of(p, s.n);
}

static void free_text(struct slice s)
{
    mem_free((void *)(uintptr_t)s.p);
}

/* --- The map --- */

static struct account **bucket(struct shard *sh, uint64_t id)
{
    return &sh->accounts[(id * UINT64_C(0x9E3779B97F4A7C15)) >> 54];
}

static struct account *get_locked(struct shard *sh, uint64_t id)
{
    struct account **at = bucket(sh, id), *a = *at;
    while (a != NULL && a->id != id)
        a = a->next;
    if (a == NULL) {
        a = mem_alloc(sizeof *a);
        a->id = id;
        a->shard = sh;
        a->next = *at;
        *at = a;
    }
    a->refs++;
    return a;
}

struct account *account_get(struct shard *sh, uint64_t id)
{
    pthread_mutex_lock(&sh->lock);
    struct account *a = get_locked(sh, id);
    pthread_mutex_unlock(&sh->lock);
    return a;
}

static void put_locked(struct account *a)
{
    a->refs--;
    if (a->refs == 0)
        a->used_ms = clock_ms();
}

void account_put(struct account *a)
{
    struct shard *sh = a->shard;
    pthread_mutex_lock(&sh->lock);
    put_locked(a);
    pthread_mutex_unlock(&sh->lock);
}

/* --- Work --- */

void work_clear(struct account *a)
{
    struct work *w = &a->work;
    for (size_t i = 0; i < w->n; i++) {
        free_text(w->box[i]->m.name);
        mem_free(w->box[i]);
    }
    mem_free(w->box);
    for (size_t i = 0; i < w->n_keywords; i++)
        free_text(w->keyword[i]);
    mem_free(w->keyword);
    *w = (struct work){0};
    a->work_ok = a->structure_changed = a->keywords_changed = false;
}

static int box_order(const void *a, const void *b)
{
    const struct box *const *x = a, *const *y = b;
    return mailbox_order((*x)->m.name, (*y)->m.name);
}

void work_sort(struct account *a)
{
    if (a->work.n > 1)
        qsort(a->work.box, a->work.n, sizeof(struct box *), box_order);
}

void work_box_add(struct account *a, struct box *b)
{
    struct work *w = &a->work;
    w->box = mem_resize(w->box, w->n + 1, sizeof(struct box *));
    w->box[w->n++] = b;
}

void work_box_remove(struct account *a, struct box *b)
{
    struct work *w = &a->work;
    size_t i = 0;
    while (i < w->n && w->box[i] != b)
        i++;
    if (i == w->n)
        return;
    memmove(w->box + i, w->box + i + 1, (w->n - i - 1) * sizeof(struct box *));
    w->n--;
    w->bytes -= b->m.bytes;
    free_text(b->m.name);
    mem_free(b);
}

static void keyword_add(struct work *w, struct slice name)
{
    w->keyword = mem_resize(w->keyword, w->n_keywords + 1, sizeof *w->keyword);
    w->keyword[w->n_keywords++] = dup_text(name);
}

/* Reads an account with any connection; used for the committer's and for the published state. */
static enum error load_work(struct index *x, uint64_t id, struct work *w, bool *exists)
{
    enum error e = OK;
    int r;
    sqlite3_stmt *st = index_use(x, ST_ACCOUNT_GET);
    if (st == NULL)
        return ERR_IO;
    bind_u(st, 1, id);
    *exists = (r = index_row(x, st, &e)) == 1;
    if (r < 0)
        return e;
    w->next_mailbox = w->next_validity = 1;
    w->next_email = 1;
    if (*exists) {
        w->modseq = col_u(st, 0);
        w->next_mailbox = col_u32(st, 1);
        w->next_validity = col_u32(st, 2);
        w->next_email = col_u(st, 3);
        index_reset(st);
    }
    if ((st = index_use(x, ST_BOX_LIST)) == NULL)
        return ERR_IO;
    bind_u(st, 1, id);
    size_t cap = 0;
    while ((r = index_row(x, st, &e)) == 1) {
        struct box *b = mem_alloc(sizeof *b);
        b->num = col_u32(st, 0);
        b->m = (struct mailbox){.id = col_u32(st, 1),
                                .name = dup_text(col_slice(st, 2)),
                                .use = (enum special_use)col_i(st, 3),
                                .subscribed = col_i(st, 4) != 0,
                                .uid_validity = col_u32(st, 5),
                                .uid_next = col_u32(st, 6),
                                .modseq = col_u(st, 7),
                                .exists = col_u32(st, 8),
                                .unseen = col_u32(st, 9),
                                .deleted = col_u32(st, 10),
                                .bytes = col_u(st, 11)};
        b->floor = col_u(st, 12);
        b->m.shaped = col_u(st, 13);
        w->bytes += b->m.bytes;
        if (w->n == cap) {
            cap = cap ? cap * 2 : 8;
            w->box = mem_resize(w->box, cap, sizeof(struct box *));
        }
        w->box[w->n++] = b;
    }
    if (r < 0 || (st = index_use(x, ST_KEYWORDS)) == NULL)
        return r < 0 ? e : ERR_IO;
    bind_u(st, 1, id);
    while ((r = index_row(x, st, &e)) == 1 && w->n_keywords < LIMIT_KEYWORDS)
        keyword_add(w, col_slice(st, 0));
    index_reset(st);
    return r < 0 ? e : OK;
}

enum error work_account(struct shard *sh, uint64_t id, struct account **out)
{
    struct account *a = account_get(sh, id);
    if (a->touched) {
        account_put(a); /* the transaction holds one reference already */
        *out = a;
        return OK;
    }
    if (!a->work_ok) {
        bool exists;
        enum error e = load_work(&sh->w, id, &a->work, &exists);
        if (e != OK) {
            work_clear(a);
            account_put(a);
            return txn_fail(sh, e);
        }
        work_sort(a);
        a->work_ok = true;
    }
    if (sh->n_touched == sh->cap_touched) {
        sh->cap_touched = sh->cap_touched ? sh->cap_touched * 2 : 64;
        sh->touched = mem_resize(sh->touched, sh->cap_touched, sizeof(struct account *));
    }
    sh->touched[sh->n_touched++] = a;
    a->touched = true;
    *out = a;
    return OK;
}

struct box *work_box(struct account *a, uint32_t mailbox)
{
    for (size_t i = 0; i < a->work.n; i++)
        if (a->work.box[i]->m.id == mailbox)
            return a->work.box[i];
    return NULL;
}

struct box *work_named(struct account *a, struct slice name)
{
    size_t lo = 0, hi = a->work.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = mailbox_order(a->work.box[mid]->m.name, name);
        if (c == 0)
            return a->work.box[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

struct box *work_by_use(struct account *a, enum special_use use)
{
    for (size_t i = 0; i < a->work.n; i++)
        if (a->work.box[i]->m.use == use)
            return a->work.box[i];
    return NULL;
}

uint64_t work_step(struct account *a)
{
    return ++a->work.modseq;
}

void work_touch(struct box *b, uint64_t modseq)
{
    b->touched = true;
    b->m.modseq = modseq;
}

static size_t keyword_find(const struct work *w, struct slice name)
{
    size_t k = 0;
    while (k < w->n_keywords && !slice_ieq(w->keyword[k], name))
        k++;
    return k;
}

enum error work_flags_fit(struct account *a, const struct flag_list *f)
{
    size_t fresh = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (f->keywords[i].n == 0 || f->keywords[i].n > LIMIT_KEYWORD_NAME)
            return ERR_LIMIT;
        if (keyword_find(&a->work, f->keywords[i]) == a->work.n_keywords)
            fresh++;
    }
    return a->work.n_keywords + fresh > LIMIT_KEYWORDS ? ERR_LIMIT : OK;
}

enum error work_flags(struct shard *sh, struct account *a, const struct flag_list *f, bool add,
                      uint64_t *out)
{
    struct work *w = &a->work;
    uint64_t flags = f->system & FLAG_SYSTEM;
    for (size_t i = 0; i < f->n; i++) {
        size_t k = keyword_find(w, f->keywords[i]);
        if (k == w->n_keywords) {
            if (!add || k == LIMIT_KEYWORDS)
                continue;
            sqlite3_stmt *st = index_use(&sh->w, ST_KEYWORD_ADD);
            if (st == NULL)
                return txn_fail(sh, ERR_IO);
            bind_u(st, 1, a->id);
            bind_u(st, 2, k);
            bind_text(st, 3, f->keywords[i]);
            enum error e = txn_run(sh, st);
            if (e != OK)
                return e;
            keyword_add(w, f->keywords[i]);
            a->keywords_changed = true;
        }
        flags |= UINT64_C(1) << (FLAG_KEYWORD_SHIFT + k);
    }
    *out = flags;
    return OK;
}

static enum error flush_box(struct shard *sh, const struct box *b)
{
    sqlite3_stmt *st = index_use(&sh->w, ST_BOX_PUT);
    if (st == NULL)
        return ERR_IO;
    bind_u(st, 1, b->num);
    bind_u(st, 2, b->m.uid_next);
    bind_u(st, 3, b->m.modseq);
    bind_u(st, 4, b->m.exists);
    bind_u(st, 5, b->m.unseen);
    bind_u(st, 6, b->m.deleted);
    bind_u(st, 7, b->m.bytes);
    bind_u(st, 8, b->floor);
    return index_run(&sh->w, st);
}

enum error work_flush(struct shard *sh)
{
    enum error e = OK;
    for (size_t i = 0; i < sh->n_touched && e == OK; i++) {
        struct account *a = sh->touched[i];
        bool changed = a->structure_changed || a->keywords_changed;
        if (a->removed)
            continue;
        for (size_t k = 0; k < a->work.n && e == OK; k++) {
            if (a->work.box[k]->touched) {
                e = flush_box(sh, a->work.box[k]);
                changed = true;
            }
        }
        if (!changed || e != OK)
            continue;
        sqlite3_stmt *st = index_use(&sh->w, ST_ACCOUNT_PUT);
        if (st == NULL)
            return ERR_IO;
        bind_u(st, 1, a->id);
        bind_u(st, 2, a->work.modseq);
        bind_u(st, 3, a->work.next_mailbox);
        bind_u(st, 4, a->work.next_validity);
        bind_u(st, 5, a->work.next_email);
        e = index_run(&sh->w, st);
    }
    return e;
}

/* --- Keywords --- */

struct keywords_held {
    struct keyword_table table;
    atomic_uint refs;
};

/* Most accounts have none: they share this one, whose first reference is its own. */
static struct keywords_held no_keywords = {.refs = 1};

static struct keyword_table *keywords_make(const struct work *w)
{
    if (w->n_keywords == 0) {
        atomic_fetch_add_explicit(&no_keywords.refs, 1, memory_order_relaxed);
        return &no_keywords.table;
    }
    struct keywords_held *h = mem_alloc(sizeof *h);
    atomic_init(&h->refs, 1);
    h->table.n = w->n_keywords;
    for (size_t i = 0; i < w->n_keywords; i++)
        h->table.name[i] = dup_text(w->keyword[i]);
    return &h->table;
}

void store_keywords_unref(const struct keyword_table *t)
{
    if (t == NULL)
        return;
    struct keywords_held *h = (struct keywords_held *)(uintptr_t)t;
    if (atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < h->table.n; i++)
        free_text(h->table.name[i]);
    mem_free(h);
}

enum error store_keywords(struct store *s, uint64_t account, const struct keyword_table **out)
{
    struct account *a = account_get(store_shard(s, account), account);
    enum error e = account_published(a);
    if (e == OK) {
        struct keywords_held *h = (struct keywords_held *)a->keywords;
        atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
        *out = &h->table;
        pthread_mutex_unlock(&a->shard->lock);
    }
    account_put(a);
    return e;
}

/* --- Published --- */

static void pub_box_free(struct pub_box *p)
{
    free_text(p->m.name);
    snapshot_unref(p->snap);
    mem_free(p->pending);
}

struct pub_box *pub_find(struct account *a, uint32_t mailbox)
{
    for (size_t i = 0; i < a->n_pub; i++)
        if (a->pub[i].m.id == mailbox)
            return &a->pub[i];
    return NULL;
}

static void drop_list(struct account *a)
{
    store_mailboxes_unref(a->list);
    a->list = NULL;
}

static void drop_keywords(struct account *a)
{
    store_keywords_unref(a->keywords);
    a->keywords = NULL;
}

struct pub_at {
    uint32_t id;
    struct pub_box *p;
};

static int pub_at_order(const void *x, const void *y)
{
    const struct pub_at *a = x, *b = y;
    return (a->id > b->id) - (a->id < b->id);
}

/* The account's published mailboxes by id; the caller frees it. */
static struct pub_at *pub_by_id(struct account *a)
{
    struct pub_at *at = mem_array(a->n_pub, sizeof *at);
    for (size_t i = 0; i < a->n_pub; i++)
        at[i] = (struct pub_at){a->pub[i].m.id, &a->pub[i]};
    if (a->n_pub > 1)
        qsort(at, a->n_pub, sizeof *at, pub_at_order);
    return at;
}

/* Under the lock: pub becomes what `w` says; snapshots of mailboxes that stay are kept. Others of
 * the shard wait meanwhile, so that it must stay quick with LIMIT_MAILBOXES. */
static void pub_rebuild(struct account *a, const struct work *w)
{
    struct pub_box *old = a->pub;
    size_t n_old = a->n_pub;
    struct pub_at *by_id = pub_by_id(a);
    struct pub_box *fresh = mem_array(w->n, sizeof *fresh);
    for (size_t i = 0; i < w->n; i++) {
        struct pub_at key = {.id = w->box[i]->m.id};
        struct pub_at *at = n_old ? bsearch(&key, by_id, n_old, sizeof key, pub_at_order) : NULL;
        struct pub_box *was = at ? at->p : NULL;
        if (was != NULL) {
            fresh[i] = *was;
            free_text(was->m.name);
            *was = (struct pub_box){0};
        }
        fresh[i].m = w->box[i]->m;
        fresh[i].m.name = dup_text(w->box[i]->m.name);
        fresh[i].num = w->box[i]->num;
        fresh[i].floor = w->box[i]->floor;
        fresh[i].touched = w->box[i]->touched;
    }
    for (size_t i = 0; i < n_old; i++)
        if (old[i].m.name.p != NULL)
            pub_box_free(&old[i]);
    mem_free(by_id);
    mem_free(old);
    a->pub = fresh;
    a->n_pub = w->n;
    a->pub_ok = true;
}

static void publish_account(struct account *a)
{
    bool changed = a->structure_changed || a->keywords_changed;
    for (size_t i = 0; i < a->work.n && !changed; i++)
        changed = a->work.box[i]->touched;
    if (!changed)
        return;
    a->version++;
    a->pub_modseq = a->work.modseq;
    a->pub_next_email = a->work.next_email;
    a->pub_next_mailbox = a->work.next_mailbox;
    drop_list(a);
    if (!a->pub_ok || a->structure_changed) {
        pub_rebuild(a, &a->work);
    } else {
        /* Same order as long as the structure is the same. */
        for (size_t i = 0; i < a->work.n; i++) {
            struct box *b = a->work.box[i];
            struct pub_box *p = &a->pub[i];
            if (!b->touched)
                continue;
            struct slice name = p->m.name;
            p->m = b->m;
            p->m.name = name;
            p->floor = b->floor;
            p->touched = true;
        }
    }
    if (a->keywords_changed || a->keywords == NULL) {
        drop_keywords(a);
        a->keywords = keywords_make(&a->work);
    }
}

static struct snapshot_info pub_info(const struct account *a, const struct pub_box *p)
{
    return (struct snapshot_info){.account = a->id,
                                  .mailbox = p->m.id,
                                  .uid_validity = p->m.uid_validity,
                                  .uid_next = p->m.uid_next,
                                  .modseq = p->m.modseq};
}

static void publish_deltas(struct shard *sh)
{
    if (sh->n_delta > 1)
        qsort(sh->delta, sh->n_delta, sizeof sh->delta[0], delta_order);
    for (size_t i = 0; i < sh->n_delta;) {
        const struct delta *d = &sh->delta[i];
        size_t n = 1;
        while (i + n < sh->n_delta && d[n].account == d->account && d[n].mailbox == d->mailbox)
            n++;
        i += n;
        struct pub_box *p = pub_find(d->account, d->mailbox);
        if (p == NULL)
            continue;
        if (p->loading) {
            if (p->n_pending + n > p->cap_pending) {
                p->cap_pending = (p->n_pending + n) * 2;
                p->pending = mem_resize(p->pending, p->cap_pending, sizeof p->pending[0]);
            }
            memcpy(p->pending + p->n_pending, d, n * sizeof *d);
            /* Later commits count after earlier ones. */
            for (size_t k = 0; k < n; k++)
                p->pending[p->n_pending + k].order = (uint32_t)(p->n_pending + k);
            p->n_pending += n;
        }
        if (p->snap != NULL) {
            struct snapshot_info info = pub_info(d->account, p);
            struct snapshot *next = snapshot_apply(p->snap, d, n, &info);
            snapshot_unref(p->snap);
            p->snap = next;
        }
    }
}

static void wake_watchers(struct account *a)
{
    for (struct store_watch *w = a->watches; w != NULL; w = w->next) {
        bool wake = w->mailbox == 0;
        if (!wake) {
            /* A mailbox that vanished is news too. */
            struct pub_box *p = pub_find(a, w->mailbox);
            wake = p == NULL || p->touched;
        }
        if (wake)
            waker_wake(w->waker);
    }
}

void work_publish(struct shard *sh, bool ok)
{
    pthread_mutex_lock(&sh->lock);
    for (size_t i = 0; i < sh->n_touched && ok; i++)
        publish_account(sh->touched[i]);
    if (ok)
        publish_deltas(sh);
    for (size_t i = 0; i < sh->n_touched; i++) {
        struct account *a = sh->touched[i];
        bool changed = a->structure_changed || a->keywords_changed;
        for (size_t k = 0; k < a->work.n; k++) {
            changed = changed || a->work.box[k]->touched;
            a->work.box[k]->touched = false;
        }
        if (ok && changed)
            wake_watchers(a);
        for (size_t k = 0; k < a->n_pub; k++)
            a->pub[k].touched = false;
        a->touched = a->structure_changed = a->keywords_changed = false;
        if (!ok || a->removed)
            work_clear(a);
        a->removed = false;
        put_locked(a);
    }
    sh->n_touched = 0;
    sh->n_delta = 0;
    if (sh->publish_waited)
        pthread_cond_broadcast(&sh->loaded);
    sh->publish_waited = false;
    pthread_mutex_unlock(&sh->lock);
    if (sh->cap_delta > (size_t)LIMIT_TXN_ROWS * 4) {
        mem_free(sh->delta);
        sh->delta = NULL;
        sh->cap_delta = 0;
    }
}

enum error account_published(struct account *a)
{
    struct shard *sh = a->shard;
    bool beside = sh->store->read_only;
    pthread_mutex_lock(&sh->lock);
    while (!a->pub_ok || beside) {
        struct account private = {.id = a->id, .shard = sh};
        struct reader *r;
        uint64_t version = a->version;
        bool exists;
        pthread_mutex_unlock(&sh->lock);
        enum error e = reader_get(sh, &r);
        if (e == OK) {
            e = index_read_begin(&r->x);
            if (e == OK)
                e = load_work(&r->x, a->id, &private.work, &exists);
            index_read_end(&r->x);
            reader_put(sh, r);
        }
        work_sort(&private);
        pthread_mutex_lock(&sh->lock);
        if (e == OK && (!a->pub_ok || beside) && version == a->version) {
            a->pub_modseq = private.work.modseq;
            a->pub_next_email = private.work.next_email;
            a->pub_next_mailbox = private.work.next_mailbox;
            drop_list(a);
            drop_keywords(a);
            a->keywords = keywords_make(&private.work);
            pub_rebuild(a, &private.work);
            beside = false;
        }
        work_clear(&private);
        if (e != OK) {
            pthread_mutex_unlock(&sh->lock);
            return e;
        }
    }
    return OK;
}

static void account_free(struct account *a)
{
    work_clear(a);
    account_drop_view(a);
    for (size_t i = 0; i < a->n_pub; i++)
        pub_box_free(&a->pub[i]);
    mem_free(a->pub);
    drop_list(a);
    drop_keywords(a);
    mem_free(a);
}

/* Snapshots that only this memory holds go; who watches an account need not look into all of it. */
static void snapshots_tend(struct account *a, int64_t now_ms)
{
    if (a->view != NULL && now_ms - a->view_used_ms >= LIMIT_ACCOUNT_IDLE_MS)
        account_drop_view(a);
    for (size_t i = 0; i < a->n_pub; i++) {
        struct pub_box *p = &a->pub[i];
        if (p->snap == NULL || now_ms - p->snap_used_ms < LIMIT_ACCOUNT_IDLE_MS ||
            !snapshot_alone(p->snap))
            continue;
        snapshot_unref(p->snap);
        p->snap = NULL;
    }
}

void accounts_tend(struct shard *sh, int64_t now_ms, bool all)
{
    pthread_mutex_lock(&sh->lock);
    for (size_t i = 0; i < ACCOUNT_BUCKETS; i++) {
        struct account **at = &sh->accounts[i];
        while (*at != NULL) {
            struct account *a = *at;
            if (!all && (a->refs > 0 || now_ms - a->used_ms < LIMIT_ACCOUNT_IDLE_MS)) {
                snapshots_tend(a, now_ms);
                at = &a->next;
                continue;
            }
            *at = a->next;
            account_free(a);
        }
    }
    pthread_mutex_unlock(&sh->lock);
}
