/* Making a view of the one before it: what came and went is found by comparing the mailboxes'
 * snapshots, new messages are read from the index and sorted, and everything is merged in one pass.
 * The first view of an account is made of an empty one in the same way. */
#include "store/view_private.h"

static struct view_order *order_new(size_t n)
{
    struct view_order *o = mem_resize(NULL, sizeof *o + 4 * n * sizeof o->at[0], 1);
    atomic_init(&o->refs, 1);
    o->by_box = o->at;
    o->by_uid = o->at + n;
    o->by_email = o->at + 2 * n;
    o->by_thread = o->at + 3 * n;
    return o;
}

void view_order_unref(struct view_order *o)
{
    if (o != NULL && atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) == 1)
        mem_free(o);
}

/* --- Sorting --- */

struct item {
    uint64_t key;
    uint32_t at;
};

/* By key, stable; one pass for each byte in which keys differ. Gives items or tmp. */
static struct item *sort_items(struct item *items, struct item *tmp, size_t n)
{
    uint64_t differ = 0;
    for (size_t i = 1; i < n; i++)
        differ |= items[i].key ^ items[0].key;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t start[257] = {0};
        if ((differ >> shift & 255) == 0)
            continue;
        for (size_t i = 0; i < n; i++)
            start[(items[i].key >> shift & 255) + 1]++;
        for (size_t k = 1; k < 256; k++)
            start[k] += start[k - 1];
        for (size_t i = 0; i < n; i++)
            tmp[start[items[i].key >> shift & 255]++] = items[i];
        struct item *swap = items;
        items = tmp;
        tmp = swap;
    }
    return items;
}

/* Later dates have smaller keys. */
static uint64_t received_key(const struct view_message *m)
{
    return ~((uint64_t)m->received ^ UINT64_C(1) << 63);
}

/* --- What is to do --- */

struct flag_change {
    uint32_t at; /* position in the old view */
    uint64_t flags, modseq;
};

struct piece { /* new messages of a mailbox */
    size_t box;
    uint32_t first_seq, n;
    size_t row;
};

struct build {
    struct shard *sh;
    struct view *old;
    bool spent;
    struct view *v;
    bool *gone; /* of the old view's positions; NULL: none */
    size_t n_gone;
    struct flag_change *change;
    size_t n_change, cap_change;
    struct piece *piece;
    size_t n_piece;
    struct view_message *row; /* what is new */
    size_t n_row;
    uint16_t *box_now; /* of the old view's boxes */
    bool same_boxes;
    uint32_t *map;    /* old positions to new ones */
    uint32_t *row_at; /* where rows went */
    struct item *items, *tmp;
    /* The mailbox that is compared. */
    const struct view_box *box_old;
    size_t box_new;
};

static void mark_gone(struct build *b, uint32_t at)
{
    if (b->gone == NULL)
        b->gone = mem_array(b->old->n, sizeof *b->gone);
    b->gone[at] = true;
    b->n_gone++;
}

static void diff_gone(void *arg, uint32_t seq, uint32_t uid)
{
    struct build *b = arg;
    (void)uid;
    mark_gone(b, b->old->order->by_uid[b->box_old->first + seq - 1]);
}

static void diff_changed(void *arg, uint32_t seq, const struct snapshot_entry *e,
                         uint64_t old_flags)
{
    struct build *b = arg;
    uint32_t before;
    (void)seq;
    (void)old_flags;
    if (snapshot_uid(b->box_old->snap, e->uid, &before) == NULL)
        bug("a message that changed was not there");
    if (b->n_change == b->cap_change) {
        b->cap_change = b->cap_change ? b->cap_change * 2 : 16;
        b->change = mem_resize(b->change, b->cap_change, sizeof *b->change);
    }
    b->change[b->n_change++] = (struct flag_change){
        b->old->order->by_uid[b->box_old->first + before - 1], e->flags, e->modseq};
}

static void diff_added(void *arg, uint32_t first_seq, uint32_t count)
{
    struct build *b = arg;
    if (count == 0)
        return;
    b->piece[b->n_piece++] =
        (struct piece){.box = b->box_new, .first_seq = first_seq, .n = count, .row = b->n_row};
    b->n_row += count;
}

/* What the mailboxes' snapshots say; both views' boxes are in order. */
static void compare(struct build *b)
{
    const struct snapshot_diff diff = {diff_gone, diff_changed, diff_added, b};
    size_t n_old = b->old != NULL ? b->old->n_boxes : 0, o = 0;
    b->same_boxes = n_old == b->v->n_boxes;
    for (b->box_new = 0; b->box_new < b->v->n_boxes || o < n_old;) {
        const struct view_box *was = o < n_old ? &b->old->box[o] : NULL;
        const struct view_box *is = b->box_new < b->v->n_boxes ? &b->v->box[b->box_new] : NULL;
        if (is == NULL || (was != NULL && was->mailbox < is->mailbox)) {
            for (uint32_t i = 0; i < was->n; i++)
                mark_gone(b, b->old->order->by_uid[was->first + i]);
            b->same_boxes = false;
            o++;
        } else if (was == NULL || is->mailbox < was->mailbox) {
            diff_added(b, 1, is->n);
            b->same_boxes = false;
            b->box_new++;
        } else {
            b->box_old = was;
            if (was->snap != is->snap)
                snapshot_compare(was->snap, is->snap, &diff);
            b->box_now[o++] = (uint16_t)b->box_new++;
        }
    }
}

/* --- Reading what is new --- */

static void take_columns(struct view_message *m, sqlite3_stmt *st)
{
    m->email = col_u(st, 1);
    m->thread = col_u(st, 2);
    m->received = col_i(st, 3);
    m->sent = col_i(st, 4);
    m->has_attachment = (col_i(st, 5) & MESSAGE_HAS_ATTACHMENT) != 0;
    m->again = (col_i(st, 5) & MESSAGE_SHOWN_AGAIN) != 0;
    m->born = col_u(st, 6);
    m->hidden = col_u(st, 7);
    /* The index may be ahead of the snapshot; of what is later nothing is known here. */
    if (m->born > m->modseq)
        m->born = m->modseq;
    if (!(m->flags & FLAG_DELETED))
        m->hidden = 0;
    else if (m->hidden == 0 || m->hidden > m->modseq)
        m->hidden = m->modseq;
}

/* A message that was expunged since the snapshot was made. */
static enum error read_expunged(struct index *x, uint32_t num, struct view_message *m)
{
    enum error e = OK;
    sqlite3_stmt *st = index_use(x, ST_EXP_COLUMNS);
    if (st == NULL)
        return ERR_IO;
    bind_i(st, 1, row_key(num, m->uid));
    int r = index_row(x, st, &e);
    if (r == 1)
        take_columns(m, st);
    index_reset(st);
    return r == 0 ? ERR_AGAIN : e;
}

static enum error read_piece(struct index *x, struct build *b, const struct piece *p)
{
    const struct view_box *box = &b->v->box[p->box];
    struct view_message *m = b->row + p->row;
    enum error e = OK;
    for (uint32_t i = 0; i < p->n;) {
        uint32_t run;
        const struct snapshot_entry *s = snapshot_run(box->snap, p->first_seq + i, &run);
        for (uint32_t k = 0; k < run && i < p->n; k++, i++)
            m[i] = (struct view_message){.flags = s[k].flags,
                                         .modseq = s[k].modseq,
                                         .mailbox = box->mailbox,
                                         .uid = s[k].uid,
                                         .size = s[k].size,
                                         .box = (uint16_t)p->box};
    }
    sqlite3_stmt *st = index_use(x, ST_MSG_COLUMNS);
    if (st == NULL)
        return ERR_IO;
    bind_i(st, 1, row_key(box->num, m[0].uid));
    bind_i(st, 2, row_key(box->num, m[p->n - 1].uid));
    uint32_t at = 0;
    while (index_row(x, st, &e) == 1) {
        uint32_t uid = row_uid(col_i(st, 0));
        for (; at < p->n && m[at].uid < uid && e == OK; at++)
            e = read_expunged(x, box->num, &m[at]);
        if (e != OK)
            break;
        if (at < p->n && m[at].uid == uid)
            take_columns(&m[at++], st);
    }
    index_reset(st);
    for (; at < p->n && e == OK; at++)
        e = read_expunged(x, box->num, &m[at]);
    return e;
}

static enum error read_rows(struct build *b)
{
    struct reader *r;
    b->row = mem_resize(NULL, b->n_row, sizeof *b->row);
    if (b->n_row == 0)
        return OK;
    enum error e = reader_get(b->sh, &r);
    if (e != OK)
        return e;
    e = index_read_begin(&r->x);
    for (size_t i = 0; i < b->n_piece && e == OK; i++)
        e = read_piece(&r->x, b, &b->piece[i]);
    index_read_end(&r->x);
    reader_put(b->sh, r);
    return e;
}

/* --- Merging --- */

/* Whether the new row comes after the old message; no two are equal in all. */
static bool comes_after(const struct view_message *row, const struct view_message *m)
{
    if (row->received != m->received)
        return row->received < m->received;
    if (row->email != m->email)
        return row->email < m->email;
    if (row->mailbox != m->mailbox)
        return row->mailbox > m->mailbox;
    return row->uid > m->uid;
}

/* The old messages up to `to` follow. */
static void put_old(struct build *b, size_t *from, size_t to, size_t *at)
{
    for (; *from < to; (*from)++) {
        b->map[*from] = (uint32_t)*at;
        if (b->gone != NULL && b->gone[*from])
            continue;
        struct view_message *m = &b->v->m[(*at)++];
        *m = b->old->m[*from];
        m->box = b->box_now[m->box];
    }
}

/* The rows in the order of the array, each with the old position that it stands before. */
static struct item *place_rows(struct build *b)
{
    size_t n_old = b->old != NULL ? b->old->n : 0, lo = 0;
    /* Rows come by mailbox and uid; a stable sort keeps that where all else is equal. */
    for (size_t i = 0; i < b->n_row; i++)
        b->items[i] = (struct item){~b->row[i].email, (uint32_t)i};
    struct item *sorted = sort_items(b->items, b->tmp, b->n_row);
    for (size_t i = 0; i < b->n_row; i++)
        sorted[i].key = received_key(&b->row[sorted[i].at]);
    sorted = sort_items(sorted, sorted == b->items ? b->tmp : b->items, b->n_row);
    for (size_t i = 0; i < b->n_row; i++) {
        const struct view_message *row = &b->row[sorted[i].at];
        size_t hi = n_old;
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            if (comes_after(row, &b->old->m[mid]))
                lo = mid + 1;
            else
                hi = mid;
        }
        sorted[i].key = lo;
    }
    return sorted;
}

static void merge_messages(struct build *b, const struct item *placed)
{
    size_t n_old = b->old != NULL ? b->old->n : 0, from = 0, at = 0;
    b->v->m = mem_resize(NULL, b->v->n, sizeof b->v->m[0]);
    for (size_t i = 0; i < b->n_row; i++) {
        put_old(b, &from, placed[i].key, &at);
        b->row_at[placed[i].at] = (uint32_t)at;
        b->v->m[at++] = b->row[placed[i].at];
    }
    put_old(b, &from, n_old, &at);
    if (at != b->v->n)
        bug("a view of %zu messages has %zu", b->v->n, at);
}

/* As above where messages only came, into the array of a view that nobody looks at: new memory for
 * all of them is most of the work when one has come. */
static void insert_messages(struct build *b, const struct item *placed)
{
    struct view *v = b->v;
    size_t to = b->old->n;
    v->m = mem_resize(b->old->m, v->n, sizeof v->m[0]);
    b->old->m = NULL;
    for (size_t i = b->n_row; i-- > 0;) {
        size_t from = placed[i].key;
        memmove(&v->m[from + i + 1], &v->m[from], (to - from) * sizeof v->m[0]);
        for (; to > from; to--)
            b->map[to - 1] = (uint32_t)(to + i);
        v->m[from + i] = b->row[placed[i].at];
        b->row_at[placed[i].at] = (uint32_t)(from + i);
    }
    for (; to > 0; to--)
        b->map[to - 1] = (uint32_t)(to - 1);
}

/* insert_messages() has moved them. */
static const struct view_message *old_message(const struct build *b, uint32_t at)
{
    return b->old->m != NULL ? &b->old->m[at] : &b->v->m[b->map[at]];
}

/* The index by email, or by thread, which goes against the order of the array. */
static void merge_index(struct build *b, const uint32_t *was, uint32_t *is, bool thread)
{
    size_t n_old = b->old != NULL ? b->old->n : 0, from = 0, at = 0;
    size_t n = 0;
    /* In the order in which equal ones shall stand. */
    for (size_t i = 0; i < b->n_row; i++)
        b->items[i] = (struct item){b->row_at[i], b->row_at[i]};
    struct item *sorted = sort_items(b->items, b->tmp, b->n_row);
    struct item *other = sorted == b->items ? b->tmp : b->items;
    for (size_t i = 0; i < b->n_row; i++) {
        uint32_t place = sorted[thread ? b->n_row - 1 - i : i].at;
        const struct view_message *m = &b->v->m[place];
        other[n++] = (struct item){thread ? m->thread : m->email, place};
    }
    sorted = sort_items(other, sorted, n);
    for (size_t i = 0; i <= n; i++) {
        size_t lo = from, hi = n_old;
        while (i < n && lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            const struct view_message *m = old_message(b, was[mid]);
            uint64_t key = thread ? m->thread : m->email;
            uint32_t place = b->map[was[mid]];
            bool before = key != sorted[i].key ? key < sorted[i].key
                          : thread             ? place > sorted[i].at
                                               : place < sorted[i].at;
            if (before)
                lo = mid + 1;
            else
                hi = mid;
        }
        for (size_t to = i < n ? lo : n_old; from < to; from++)
            if (b->gone == NULL || !b->gone[was[from]])
                is[at++] = b->map[was[from]];
        if (i < n)
            is[at++] = sorted[i].at;
    }
}

static void merge_boxes(struct build *b)
{
    struct view *v = b->v;
    uint32_t *next = mem_array(v->n_boxes, sizeof *next);
    for (size_t i = 0; i < v->n_boxes; i++)
        next[i] = v->box[i].first;
    for (size_t i = 0; i < v->n; i++)
        v->order->by_box[next[v->m[i].box]++] = (uint32_t)i;
    /* By uid: the old ones that are left, then the new ones. */
    for (size_t i = 0; i < v->n_boxes; i++)
        next[i] = v->box[i].first;
    for (size_t o = 0; b->old != NULL && o < b->old->n_boxes; o++) {
        const struct view_box *was = &b->old->box[o];
        for (uint32_t i = 0; i < was->n; i++) {
            uint32_t at = b->old->order->by_uid[was->first + i];
            if (b->gone == NULL || !b->gone[at])
                v->order->by_uid[next[b->box_now[o]]++] = b->map[at];
        }
    }
    for (size_t i = 0; i < b->n_piece; i++)
        for (uint32_t k = 0; k < b->piece[i].n; k++)
            v->order->by_uid[next[b->piece[i].box]++] = b->row_at[b->piece[i].row + k];
    mem_free(next);
}

/* --- Counts that are taken over --- */

static bool same_aside(const struct view *a, const struct view *b)
{
    for (size_t i = 0; i < a->n_boxes; i++)
        if (a->box[i].aside != b->box[i].aside)
            return false;
    return true;
}

static struct view_counts *copy_counts(const struct view *v)
{
    const struct view_counts *counts = atomic_load_explicit(&v->counts, memory_order_acquire);
    if (counts == NULL)
        return NULL;
    struct view_counts *copy = mem_array(v->n_boxes, sizeof *copy);
    if (v->n_boxes > 0)
        memcpy(copy, counts, v->n_boxes * sizeof *copy);
    return copy;
}

/* The counts of the view before, if one new message is all that it lacks; without its thread. */
static struct view_counts *counts_without(const struct build *b)
{
    if (b->n_row != 1 || b->n_gone > 0 || b->n_change > 0 || !b->same_boxes ||
        !same_aside(b->old, b->v))
        return NULL;
    struct view_counts *counts = copy_counts(b->old);
    if (counts == NULL)
        return NULL;
    struct view_tally *tally = view_tally_new(b->old, counts);
    view_tally_thread(tally, b->row->thread, -1);
    view_tally_free(tally);
    return counts;
}

static void merge(struct build *b)
{
    struct view_counts *counts = counts_without(b);
    size_t n_old = b->old != NULL ? b->old->n : 0;
    b->map = mem_resize(NULL, n_old, sizeof *b->map);
    b->row_at = mem_resize(NULL, b->n_row, sizeof *b->row_at);
    b->items = mem_resize(NULL, b->n_row, sizeof *b->items);
    b->tmp = mem_resize(NULL, b->n_row, sizeof *b->tmp);
    b->v->order = order_new(b->v->n);
    const struct item *placed = place_rows(b);
    if (b->spent && b->same_boxes && b->n_gone == 0)
        insert_messages(b, placed);
    else
        merge_messages(b, placed);
    merge_index(b, b->old != NULL ? b->old->order->by_email : NULL, b->v->order->by_email, false);
    merge_index(b, b->old != NULL ? b->old->order->by_thread : NULL, b->v->order->by_thread, true);
    merge_boxes(b);
    if (counts == NULL)
        return;
    struct view_tally *tally = view_tally_new(b->v, counts);
    view_tally_thread(tally, b->row->thread, 1);
    view_tally_free(tally);
    atomic_store_explicit(&b->v->counts, counts, memory_order_relaxed);
}

/* --- Flags --- */

static void change_one(struct view_message *m, const struct flag_change *c)
{
    if ((m->flags & ~c->flags) & FLAG_DELETED) {
        m->born = c->modseq;
        m->again = true;
        m->hidden = 0;
    } else if ((c->flags & ~m->flags) & FLAG_DELETED) {
        m->hidden = c->modseq;
    }
    m->flags = c->flags;
    m->modseq = c->modseq;
}

/* Whether counting the threads that change costs less than counting all. */
static bool few_counts_change(const struct build *b)
{
    size_t cost = 0;
    for (size_t i = 0; i < b->n_change && cost <= b->v->n / 8; i++) {
        size_t n;
        (void)view_thread(b->old, b->old->m[b->change[i].at].thread, &n);
        cost += n;
    }
    return cost <= b->v->n / 8;
}

/* The same messages in the same order: only flags changed, and the counts where they did. A view
 * that nobody looks at gives its messages away; copying them is most of the work. */
static void change_flags(struct build *b)
{
    struct view *v = b->v;
    struct view_tally *tally = NULL;
    struct view_counts *counts = NULL;
    if (same_aside(b->old, v) && few_counts_change(b))
        counts = copy_counts(b->old);
    v->order = b->old->order;
    atomic_fetch_add_explicit(&v->order->refs, 1, memory_order_relaxed);
    if (b->spent) {
        v->m = b->old->m;
        b->old->m = NULL;
    } else {
        v->m = mem_resize(NULL, v->n, sizeof v->m[0]);
        if (v->n > 0)
            memcpy(v->m, b->old->m, v->n * sizeof v->m[0]);
    }
    atomic_store_explicit(&v->counts, counts, memory_order_relaxed);
    if (counts != NULL)
        tally = view_tally_new(v, counts);
    for (size_t i = 0; i < b->n_change; i++) {
        struct view_message *m = &v->m[b->change[i].at];
        if (tally != NULL)
            view_tally_thread(tally, m->thread, -1);
        change_one(m, &b->change[i]);
        if (tally != NULL)
            view_tally_thread(tally, m->thread, 1);
    }
    view_tally_free(tally);
}

enum error view_build(struct shard *sh, struct view *old, bool spent, struct view *v)
{
    struct build b = {.sh = sh, .old = old, .spent = spent, .v = v};
    b.piece = mem_array(v->n_boxes, sizeof *b.piece);
    b.box_now = mem_array(old != NULL ? old->n_boxes : 0, sizeof *b.box_now);
    compare(&b);
    enum error e = read_rows(&b);
    if (e == OK) {
        if (old != NULL && b.n_row == 0 && b.n_gone == 0 && b.same_boxes) {
            change_flags(&b);
        } else {
            merge(&b);
            for (size_t i = 0; i < b.n_change; i++)
                change_one(&v->m[b.map[b.change[i].at]], &b.change[i]);
        }
    }
    mem_free(b.gone);
    mem_free(b.change);
    mem_free(b.piece);
    mem_free(b.row);
    mem_free(b.box_now);
    mem_free(b.map);
    mem_free(b.row_at);
    mem_free(b.items);
    mem_free(b.tmp);
    return e;
}
