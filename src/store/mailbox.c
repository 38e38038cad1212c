/* Mailboxes: the published list, and what makes, renames, subscribes and deletes them. */
#include "base/clock.h"
#include "base/utf8.h"
#include "store/internal.h"

bool mailbox_is_inbox(struct slice name)
{
    return slice_ieq(name, SLICE("INBOX"));
}

/* INBOX first, in any case of its letters, then by bytes. */
int mailbox_order(struct slice a, struct slice b)
{
    bool x = mailbox_is_inbox(a), y = mailbox_is_inbox(b);
    if (x || y)
        return (int)y - (int)x;
    return slice_cmp(a, b);
}

/* --- The list --- */

struct list_held {
    struct mailbox_list list;
    atomic_uint refs;
    struct mailbox box[];
};

static struct mailbox_list *list_make(const struct account *a)
{
    size_t names = 0;
    for (size_t i = 0; i < a->n_pub; i++)
        names += a->pub[i].m.name.n;
    struct list_held *h = mem_alloc(sizeof *h + a->n_pub * sizeof h->box[0] + names);
    uint8_t *p = (uint8_t *)(h->box + a->n_pub);
    for (size_t i = 0; i < a->n_pub; i++) {
        h->box[i] = a->pub[i].m;
        struct slice name = h->box[i].name;
        memcpy(p, name.p, name.n);
        h->box[i].name = slice_of(p, name.n);
        p += name.n;
    }
    atomic_init(&h->refs, 1);
    h->list = (struct mailbox_list){a->id, a->pub_modseq, h->box, a->n_pub};
    return &h->list;
}

void store_mailboxes_unref(const struct mailbox_list *l)
{
    struct list_held *h = (struct list_held *)(uintptr_t)l;
    if (h != NULL && atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) == 1)
        mem_free(h);
}

enum error store_mailboxes(struct store *s, uint64_t account, const struct mailbox_list **out)
{
    struct account *a = account_get(store_shard(s, account), account);
    enum error e = account_published(a);
    if (e == OK) {
        if (a->list == NULL)
            a->list = list_make(a);
        struct list_held *h = (struct list_held *)a->list;
        atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
        *out = &h->list;
        pthread_mutex_unlock(&a->shard->lock);
    }
    account_put(a);
    return e;
}

const struct mailbox *store_mailbox_named(const struct mailbox_list *l, struct slice name)
{
    size_t lo = 0, hi = l->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = mailbox_order(l->box[mid].name, name);
        if (c == 0)
            return &l->box[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

const struct mailbox *store_mailbox_by_id(const struct mailbox_list *l, uint32_t id)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->box[i].id == id)
            return &l->box[i];
    return NULL;
}

const struct mailbox *store_mailbox_by_use(const struct mailbox_list *l, enum special_use use)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->box[i].use == use)
            return &l->box[i];
    return NULL;
}

enum error store_usage(struct store *s, uint64_t account, struct store_usage *out)
{
    const struct mailbox_list *l;
    enum error e = store_mailboxes(s, account, &l);
    if (e != OK)
        return e;
    *out = (struct store_usage){0};
    for (size_t i = 0; i < l->n; i++) {
        out->bytes += l->box[i].bytes;
        out->messages += l->box[i].exists;
    }
    store_mailboxes_unref(l);
    return OK;
}

/* --- Names --- */

static enum error name_check(struct slice name)
{
    size_t levels = 0;
    struct slice rest = name, level;
    if (name.n == 0 || name.n > LIMIT_MAILBOX_NAME || name.p[name.n - 1] == '/')
        return ERR_INPUT;
    while (slice_split(&rest, '/', &level))
        if (level.n == 0 || ++levels > LIMIT_MAILBOX_LEVELS)
            return ERR_INPUT;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] < ' ' || name.p[i] == 0x7f)
            return ERR_INPUT;
    autobuf nfc = BUF_INIT(LIMIT_MAILBOX_NAME * 3);
    enum error e = utf8_nfc(name, &nfc);
    if (e != OK || nfc.failed || !slice_eq(buf_slice(&nfc), name))
        return ERR_INPUT;
    return OK;
}

/* The first level of a name as it is kept: "inbox/x" lies under "INBOX". */
static struct slice canonical(struct slice name, uint8_t *room)
{
    size_t first = slice_index(name, '/');
    if (!mailbox_is_inbox(slice_sub(name, 0, first)))
        return name;
    memcpy(room, name.p, name.n);
    for (size_t i = 0; i < first; i++)
        room[i] = ascii_upper(room[i]);
    return slice_of(room, name.n);
}

static size_t levels_of(struct slice name)
{
    size_t n = 1;
    for (size_t i = 0; i < name.n; i++)
        n += name.p[i] == '/';
    return n;
}

static bool is_below(struct slice name, struct slice superior)
{
    return name.n > superior.n && name.p[superior.n] == '/' && slice_starts(name, superior);
}

/* --- In the committer --- */

static uint32_t next_validity(struct account *a)
{
    int64_t now = clock_wall();
    uint32_t wall = now > 0 && now < UINT32_MAX ? (uint32_t)now : 1;
    uint32_t v = a->work.next_validity > wall ? a->work.next_validity : wall;
    a->work.next_validity = v + 1;
    return v;
}

static enum error box_make(struct shard *sh, struct account *a, struct slice name,
                           enum special_use use, bool subscribed, struct box **out)
{
    struct box *b = mem_alloc(sizeof *b);
    uint8_t *copy = mem_alloc(name.n);
    memcpy(copy, name.p, name.n);
    b->num = sh->next_num++;
    b->m = (struct mailbox){.id = a->work.next_mailbox++,
                            .uid_validity = next_validity(a),
                            .name = slice_of(copy, name.n),
                            .use = use,
                            .subscribed = subscribed,
                            .uid_next = 1};
    work_touch(b, a->work.modseq);
    b->m.shaped = b->m.modseq;
    work_box_add(a, b);
    a->structure_changed = true;
    *out = b;
    sqlite3_stmt *st = index_use(&sh->w, ST_BOX_ADD);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, b->num);
    bind_u(st, 2, a->id);
    bind_u(st, 3, b->m.id);
    bind_text(st, 4, b->m.name);
    bind_i(st, 5, b->m.use);
    bind_i(st, 6, b->m.subscribed);
    bind_u(st, 7, b->m.uid_validity);
    bind_u(st, 8, b->m.uid_next);
    bind_u(st, 9, b->m.modseq);
    return txn_run(sh, st);
}

static enum error box_rename(struct shard *sh, struct account *a, struct box *b)
{
    a->structure_changed = true;
    work_touch(b, a->work.modseq);
    b->m.shaped = b->m.modseq;
    sqlite3_stmt *st = index_use(&sh->w, ST_BOX_NAME);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, b->num);
    bind_text(st, 2, b->m.name);
    bind_i(st, 3, b->m.use);
    bind_i(st, 4, b->m.subscribed);
    bind_u(st, 5, b->m.shaped);
    return txn_run(sh, st);
}

enum error account_defaults(struct shard *sh, struct account *a, struct slice language)
{
    static const struct {
        enum special_use use;
        struct slice english, german;
    } boxes[] = {
        {USE_INBOX, SLICE_INIT("INBOX"), SLICE_INIT("INBOX")},
        {USE_DRAFTS, SLICE_INIT("Drafts"), SLICE_INIT("Entw\xc3\xbcrfe")},
        {USE_SENT, SLICE_INIT("Sent"), SLICE_INIT("Gesendet")},
        {USE_JUNK, SLICE_INIT("Junk"), SLICE_INIT("Spam")},
        {USE_TRASH, SLICE_INIT("Trash"), SLICE_INIT("Papierkorb")},
        {USE_ARCHIVE, SLICE_INIT("Archive"), SLICE_INIT("Archiv")},
    };
    if (a->work.n > 0)
        return OK;
    bool german = slice_istarts(language, SLICE("de"));
    enum error e = OK;
    (void)work_step(a);
    for (size_t i = 0; i < sizeof boxes / sizeof boxes[0] && e == OK; i++) {
        struct box *b;
        e = box_make(sh, a, german ? boxes[i].german : boxes[i].english, boxes[i].use, true, &b);
    }
    work_sort(a);
    return e;
}

struct mailbox_job {
    struct job job;
    uint64_t account;
    struct slice name, to, language;
    enum special_use use;
    bool flag;
    uint32_t id;
};

static enum error run_ensure(struct shard *sh, struct job *job)
{
    struct mailbox_job *j = (struct mailbox_job *)job;
    struct account *a;
    enum error e = work_account(sh, j->account, &a);
    return e == OK ? account_defaults(sh, a, j->language) : e;
}

enum error store_account_ensure(struct store *s, uint64_t account, struct slice language)
{
    struct shard *sh = store_shard(s, account);
    struct account *a = account_get(sh, account);
    enum error e = account_published(a);
    bool there = false;
    if (e == OK) {
        there = a->n_pub > 0;
        pthread_mutex_unlock(&sh->lock);
    }
    account_put(a);
    if (e != OK || there)
        return e;
    struct mailbox_job j = {.job.run = run_ensure, .account = account, .language = language};
    return job_do(sh, &j.job);
}

/* Forgets that the name was subscribed while it did not exist; *was says whether it was. */
static enum error take_subscription(struct shard *sh, uint64_t account, struct slice name,
                                    bool *was)
{
    sqlite3_stmt *st = index_use(&sh->w, ST_SUB_DROP);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, account);
    bind_text(st, 2, name);
    enum error e = txn_run(sh, st);
    *was = sqlite3_changes(sh->w.db) > 0;
    return e;
}

/* How many mailboxes making `name` makes: itself and its missing superiors. */
static size_t missing_levels(struct account *a, struct slice name)
{
    size_t n = 1;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == '/' && work_named(a, slice_sub(name, 0, i)) == NULL)
            n++;
    return n;
}

/* Makes what is missing above `name`. */
static enum error make_superiors(struct shard *sh, struct account *a, struct slice name)
{
    enum error e = OK;
    for (size_t i = 0; i < name.n && e == OK; i++) {
        struct slice above = slice_sub(name, 0, i);
        struct box *b;
        bool subscribed = false;
        if (name.p[i] != '/' || work_named(a, above) != NULL)
            continue;
        e = take_subscription(sh, a->id, above, &subscribed);
        if (e == OK)
            e = box_make(sh, a, above, USE_NONE, subscribed, &b);
        work_sort(a);
    }
    return e;
}

enum error mailbox_make(struct shard *sh, struct account *a, struct slice name,
                        enum special_use use, struct box **out)
{
    bool subscribed = false;
    if (a->work.n + missing_levels(a, name) > LIMIT_MAILBOXES)
        return ERR_LIMIT;
    enum error e = make_superiors(sh, a, name);
    if (e == OK)
        e = take_subscription(sh, a->id, name, &subscribed);
    if (e == OK && work_by_use(a, use) != NULL)
        use = USE_NONE;
    if (e == OK)
        e = box_make(sh, a, name, use, subscribed, out);
    work_sort(a);
    return e;
}

static enum error run_create(struct shard *sh, struct job *job)
{
    struct mailbox_job *j = (struct mailbox_job *)job;
    struct account *a;
    struct box *b;
    enum error e = work_account(sh, j->account, &a);
    if (e != OK)
        return e;
    if (work_named(a, j->name) != NULL || (j->use != USE_NONE && work_by_use(a, j->use) != NULL))
        return ERR_CONFLICT;
    if (a->work.n + missing_levels(a, j->name) > LIMIT_MAILBOXES)
        return ERR_LIMIT;
    (void)work_step(a);
    e = mailbox_make(sh, a, j->name, j->use, &b);
    if (e == OK)
        j->id = b->m.id;
    return e;
}

enum error store_mailbox_create(struct store *s, uint64_t account, struct slice name,
                                enum special_use use, uint32_t *id)
{
    uint8_t room[LIMIT_MAILBOX_NAME];
    if (name_check(name) != OK)
        return ERR_INPUT;
    struct mailbox_job j = {
        .job.run = run_create, .account = account, .name = canonical(name, room), .use = use};
    enum error e = job_do(store_shard(s, account), &j.job);
    if (e == OK)
        *id = j.id;
    return e;
}

/* ERR_LIMIT: as many names without a mailbox are remembered as there may be mailboxes. */
static enum error keep_subscription(struct shard *sh, uint64_t account, struct slice name)
{
    sqlite3_stmt *st = index_use(&sh->w, ST_SUB_COUNT);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, account);
    if (txn_row(sh, st) != 1)
        return txn_fail(sh, ERR_IO);
    bool full = col_i(st, 0) >= LIMIT_MAILBOXES;
    index_reset(st);
    if (full)
        return ERR_LIMIT;
    st = index_use(&sh->w, ST_SUB_ADD);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, account);
    bind_text(st, 2, name);
    return txn_run(sh, st);
}

/* The mailbox leaves the account at once; its rows stay until the days of recovery are over. */
static enum error run_delete(struct shard *sh, struct job *job)
{
    struct mailbox_job *j = (struct mailbox_job *)job;
    struct account *a;
    enum error e = work_account(sh, j->account, &a);
    if (e != OK)
        return e;
    struct box *b = work_named(a, j->name);
    if (b == NULL)
        return ERR_NOTFOUND;
    if (b->m.use == USE_INBOX)
        return ERR_AUTH;
    for (size_t i = 0; i < a->work.n; i++)
        if (is_below(a->work.box[i]->m.name, b->m.name))
            return ERR_CONFLICT;
    work_touch(b, work_step(a)); /* its row's modseq says when it went */
    if (b->m.subscribed)
        e = keep_subscription(sh, a->id, b->m.name);
    sqlite3_stmt *st = index_use(&sh->w, ST_BOX_GONE);
    if ((e != OK && e != ERR_LIMIT) || st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, b->num);
    bind_i(st, 2, clock_wall());
    e = txn_run(sh, st);
    if (e == OK)
        e = work_flush(sh); /* its row too, as it is no longer in the list */
    work_box_remove(a, b);
    a->structure_changed = true;
    return e == OK ? purge_surplus(sh, a->id) : e;
}

enum error store_mailbox_delete(struct store *s, uint64_t account, struct slice name)
{
    struct mailbox_job j = {.job.run = run_delete, .account = account, .name = name};
    return job_do(store_shard(s, account), &j.job);
}

static enum error rename_check(struct account *a, struct box *b, struct slice to)
{
    if (b == NULL)
        return ERR_NOTFOUND;
    if (work_named(a, to) != NULL || is_below(to, b->m.name))
        return ERR_CONFLICT;
    for (size_t i = 0; i < a->work.n; i++) {
        struct slice name = a->work.box[i]->m.name;
        if (is_below(name, b->m.name) &&
            (name.n - b->m.name.n + to.n > LIMIT_MAILBOX_NAME ||
             levels_of(name) - levels_of(b->m.name) + levels_of(to) > LIMIT_MAILBOX_LEVELS))
            return ERR_INPUT;
    }
    return a->work.n + missing_levels(a, to) - 1 > LIMIT_MAILBOXES ? ERR_LIMIT : OK;
}

static enum error run_rename(struct shard *sh, struct job *job)
{
    struct mailbox_job *j = (struct mailbox_job *)job;
    struct account *a;
    enum error e = work_account(sh, j->account, &a);
    if (e != OK)
        return e;
    struct box *b = work_named(a, j->name);
    if ((e = rename_check(a, b, j->to)) != OK)
        return e;
    (void)work_step(a);
    e = make_superiors(sh, a, j->to);
    for (size_t i = 0; i < a->work.n && e == OK; i++) {
        struct box *x = a->work.box[i];
        if (x != b && !is_below(x->m.name, j->name))
            continue;
        struct slice tail = slice_from(x->m.name, j->name.n), old = x->m.name;
        uint8_t *name = mem_alloc(j->to.n + tail.n);
        memcpy(name, j->to.p, j->to.n);
        if (tail.n > 0)
            memcpy(name + j->to.n, tail.p, tail.n);
        x->m.name = slice_of(name, j->to.n + tail.n);
        mem_free((void *)(uintptr_t)old.p);
        bool was = false;
        e = take_subscription(sh, a->id, x->m.name, &was);
        if (e != OK)
            break;
        x->m.subscribed = x->m.subscribed || was;
        e = box_rename(sh, a, x);
    }
    work_sort(a);
    return e;
}

/* RFC 9051 6.3.6: the messages go, INBOX stays. */
static enum error rename_inbox(struct store *s, uint64_t account, struct slice to)
{
    const struct mailbox_list *l;
    uint32_t id, validity;
    enum error e = store_mailboxes(s, account, &l);
    if (e != OK)
        return e;
    const struct mailbox *inbox = store_mailbox_named(l, SLICE("INBOX"));
    uint32_t from = inbox ? inbox->id : 0;
    store_mailboxes_unref(l);
    if (from == 0)
        return ERR_NOTFOUND;
    e = store_mailbox_create(s, account, to, USE_NONE, &id);
    if (e != OK)
        return e;
    autoarena a;
    struct uid_pair *pairs;
    size_t n;
    arena_init(&a, (size_t)1 << 40);
    struct uid_range all = {1, UINT32_MAX};
    return store_copy(s, account, from, &all, 1, id, true, 0, &a, &pairs, &n, &validity);
}

enum error store_mailbox_rename(struct store *s, uint64_t account, struct slice from,
                                struct slice to)
{
    uint8_t room_from[LIMIT_MAILBOX_NAME], room_to[LIMIT_MAILBOX_NAME];
    if (name_check(to) != OK)
        return ERR_INPUT;
    if (from.n == 0 || from.n > LIMIT_MAILBOX_NAME)
        return ERR_NOTFOUND;
    if (mailbox_is_inbox(from))
        return rename_inbox(s, account, to);
    struct mailbox_job j = {.job.run = run_rename,
                            .account = account,
                            .name = canonical(from, room_from),
                            .to = canonical(to, room_to)};
    return job_do(store_shard(s, account), &j.job);
}

static enum error run_subscribe(struct shard *sh, struct job *job)
{
    struct mailbox_job *j = (struct mailbox_job *)job;
    struct account *a;
    bool was = false;
    enum error e = work_account(sh, j->account, &a);
    if (e != OK)
        return e;
    struct box *b = work_named(a, j->name);
    if (b == NULL)
        return j->flag ? keep_subscription(sh, a->id, j->name)
                       : take_subscription(sh, a->id, j->name, &was);
    if (b->m.subscribed == j->flag)
        return OK;
    (void)work_step(a);
    b->m.subscribed = j->flag;
    return box_rename(sh, a, b);
}

enum error store_subscribe(struct store *s, uint64_t account, struct slice name, bool subscribed)
{
    uint8_t room[LIMIT_MAILBOX_NAME];
    if (name_check(name) != OK)
        return ERR_INPUT;
    struct mailbox_job j = {.job.run = run_subscribe,
                            .account = account,
                            .name = canonical(name, room),
                            .flag = subscribed};
    return job_do(store_shard(s, account), &j.job);
}

enum error store_subscribed_missing(struct store *s, uint64_t account, struct arena *a,
                                    struct slice **names, size_t *n)
{
    struct shard *sh = store_shard(s, account);
    struct reader *r;
    struct slice *list = NULL;
    size_t count = 0, cap = 0;
    enum error e = reader_get(sh, &r);
    if (e != OK)
        return e;
    sqlite3_stmt *st = index_use(&r->x, ST_SUB_LIST);
    if (st != NULL)
        bind_u(st, 1, account);
    while (index_row(&r->x, st, &e) == 1) {
        if (count == cap) {
            cap = cap ? cap * 2 : 8;
            list = mem_resize(list, cap, sizeof *list);
        }
        list[count++] = arena_dup(a, col_slice(st, 0));
    }
    reader_put(sh, r);
    struct slice *out = arena_array(a, count, sizeof *out);
    if (e == OK && (out == NULL || a->failed))
        e = ERR_LIMIT;
    if (e == OK) {
        if (count > 0)
            memcpy(out, list, count * sizeof *out);
        *names = out;
        *n = count;
    }
    mem_free(list);
    return e;
}
