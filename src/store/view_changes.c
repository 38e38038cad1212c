/* What changed in an account since an earlier modseq. What is there now the view knows; what is
 * gone, and whether it was there then, say the rows that expunges and deleted mailboxes leave. */
#include "store/view_private.h"

struct candidate {
    uint64_t email, thread;
    bool existed; /* one of its messages could be seen at `since` ... */
    bool maybe;   /* ... or may have been */
};

struct changes {
    const struct view *v;
    uint64_t since;
    struct candidate *c;
    size_t n, cap;
};

static void add(struct changes *x, uint64_t email, uint64_t thread, bool existed, bool maybe)
{
    if (x->n == x->cap) {
        x->cap = x->cap ? x->cap * 2 : 64;
        x->c = mem_resize(x->c, x->cap, sizeof *x->c);
    }
    x->c[x->n++] = (struct candidate){email, thread, existed, maybe};
}

static bool seen_at(uint64_t since, uint64_t born, uint64_t hidden)
{
    return born <= since && (hidden == 0 || hidden > since);
}

static bool maybe_seen_at(uint64_t since, uint64_t born, bool again)
{
    return born > since && again;
}

/* The log of gone messages reaches back to `since`. */
static enum error check_floor(struct index *x, uint64_t account, uint64_t since)
{
    enum error e = OK;
    uint64_t floor = 0;
    sqlite3_stmt *st = index_use(x, ST_ACCOUNT_FLOOR);
    if (st == NULL)
        return ERR_IO;
    bind_u(st, 1, account);
    if (index_row(x, st, &e) == 1)
        floor = col_u(st, 0);
    index_reset(st);
    return e == OK && since < floor ? ERR_AGAIN : e;
}

static enum error add_gone(struct shard *sh, struct changes *x)
{
    struct reader *r;
    enum error e = reader_get(sh, &r);
    if (e != OK)
        return e;
    if ((e = index_read_begin(&r->x)) == OK)
        e = check_floor(&r->x, x->v->account, x->since);
    if (e == OK) {
        sqlite3_stmt *st = index_use(&r->x, ST_EXP_OF_ACCOUNT);
        if (st != NULL) {
            bind_u(st, 1, x->v->account);
            bind_u(st, 2, x->since + 1);
            bind_u(st, 3, x->v->state.modseq);
        }
        while (index_row(&r->x, st, &e) == 1)
            add(x, col_u(st, 0), col_u(st, 1), seen_at(x->since, col_u(st, 2), col_u(st, 3)),
                maybe_seen_at(x->since, col_u(st, 2), (col_i(st, 4) & MESSAGE_SHOWN_AGAIN) != 0));
    }
    index_read_end(&r->x);
    reader_put(sh, r);
    return e;
}

/* Messages of the view that changed since. */
static void add_changed(struct changes *x)
{
    const struct view *v = x->v;
    for (size_t i = 0; i < v->n_boxes; i++) {
        const struct view_box *b = &v->box[i];
        if (snapshot_info(b->snap).modseq <= x->since)
            continue;
        for (uint32_t seq = 1; seq <= b->n;) {
            uint32_t run;
            const struct snapshot_entry *s = snapshot_run(b->snap, seq, &run);
            for (uint32_t k = 0; k < run; k++, seq++) {
                const struct view_message *m = &v->m[v->order->by_uid[b->first + seq - 1]];
                if (s[k].modseq > x->since)
                    add(x, m->email, m->thread, seen_at(x->since, m->born, m->hidden),
                        maybe_seen_at(x->since, m->born, m->again));
            }
        }
    }
}

static int candidate_order(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return (x->email > y->email) - (x->email < y->email);
}

/* What is left of an email: whether a message can be seen now, and could be then. */
static void look_at_rest(const struct changes *x, uint64_t email, bool *exists, bool *existed)
{
    size_t n;
    const uint32_t *at = view_email(x->v, email, &n);
    for (size_t i = 0; i < n; i++) {
        const struct view_message *m = &x->v->m[at[i]];
        *exists = *exists || !(m->flags & FLAG_DELETED);
        *existed = *existed || seen_at(x->since, m->born, m->hidden);
    }
}

static enum error settle(struct changes *x, struct arena *a, struct email_change **out, size_t *n)
{
    size_t count = 0;
    struct email_change *list = arena_array(a, x->n, sizeof *list);
    if (list == NULL)
        return ERR_LIMIT;
    if (x->n > 1)
        qsort(x->c, x->n, sizeof *x->c, candidate_order);
    for (size_t i = 0; i < x->n;) {
        struct email_change e = {.email = x->c[i].email, .thread = x->c[i].thread};
        bool exists = false, existed = false, maybe = false;
        for (; i < x->n && x->c[i].email == e.email; i++) {
            existed = existed || x->c[i].existed;
            maybe = maybe || x->c[i].maybe;
        }
        look_at_rest(x, e.email, &exists, &existed);
        if (!exists && !existed && !maybe)
            continue;
        e.kind = !exists ? EMAIL_DESTROYED : existed ? EMAIL_UPDATED : EMAIL_CREATED;
        list[count++] = e;
    }
    *out = list;
    *n = count;
    return OK;
}

enum error store_email_changes(struct store *s, const struct view *v, uint64_t since,
                               struct arena *a, struct email_change **out, size_t *n)
{
    struct changes x = {.v = v, .since = since};
    if (since > v->state.modseq)
        return ERR_AGAIN;
    enum error e = add_gone(store_shard(s, v->account), &x);
    if (e == OK) {
        add_changed(&x);
        e = settle(&x, a, out, n);
    }
    mem_free(x.c);
    return e;
}

enum error store_mailboxes_gone(struct store *s, uint64_t account, uint64_t since, struct arena *a,
                                uint32_t **ids, size_t *n)
{
    struct shard *sh = store_shard(s, account);
    struct uid_list list = {0};
    struct reader *r;
    enum error e = reader_get(sh, &r);
    if (e != OK)
        return e;
    if ((e = index_read_begin(&r->x)) == OK)
        e = check_floor(&r->x, account, since);
    if (e == OK) {
        sqlite3_stmt *st = index_use(&r->x, ST_BOX_GONE_SINCE);
        if (st != NULL) {
            bind_u(st, 1, account);
            bind_u(st, 2, since);
        }
        while (index_row(&r->x, st, &e) == 1)
            uid_list_add(&list, col_u32(st, 0));
    }
    index_read_end(&r->x);
    reader_put(sh, r);
    uint32_t *out = e == OK ? arena_array(a, list.n, sizeof *out) : NULL;
    if (e == OK && out == NULL)
        e = ERR_LIMIT;
    if (e == OK) {
        if (list.n > 0)
            memcpy(out, list.v, list.n * sizeof *out);
        *ids = out;
        *n = list.n;
    }
    mem_free(list.v);
    return e;
}
