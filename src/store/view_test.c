/* Tests of views: after random changes a view shows what reading every mailbox shows, counts what
 * counting by hand counts, and changes since any earlier state lead from that state to this one. */
#include "store/view.h"

#include "base/random.h"
#include "store/internal.h"
#include "store/store_kit.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* --- The same by hand --- */

struct plain {
    struct view_message *m;
    size_t n, cap;
    uint32_t box;
    const struct snapshot *snap;
};

static bool plain_row(void *arg, const struct store_row *r)
{
    struct plain *p = arg;
    const struct snapshot_entry *e = snapshot_uid(p->snap, r->uid, NULL);
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 64;
        p->m = mem_resize(p->m, p->cap, sizeof *p->m);
    }
    assert_non_null(e);
    assert_int_equal(e->size, r->size);
    p->m[p->n++] = (struct view_message){.email = r->email_id,
                                         .thread = r->thread_id,
                                         .received = r->internal_date,
                                         .sent = r->sent,
                                         .flags = e->flags,
                                         .modseq = e->modseq,
                                         .mailbox = p->box,
                                         .uid = r->uid,
                                         .size = r->size,
                                         .has_attachment = r->has_attachment};
    return true;
}

static int plain_order(const void *a, const void *b)
{
    const struct view_message *x = a, *y = b;
    if (x->received != y->received)
        return x->received > y->received ? -1 : 1;
    if (x->email != y->email)
        return x->email > y->email ? -1 : 1;
    if (x->mailbox != y->mailbox)
        return x->mailbox < y->mailbox ? -1 : 1;
    return x->uid < y->uid ? -1 : x->uid > y->uid;
}

static struct plain plain_view(struct kit *k, uint64_t account)
{
    struct plain p = {0};
    const struct mailbox_list *l;
    struct uid_range all = {1, UINT32_MAX};
    assert_int_equal(store_mailboxes(k->s, account, &l), OK);
    for (size_t i = 0; i < l->n; i++) {
        struct snapshot *snap = kit_snapshot(k, account, l->box[i].id);
        p.box = l->box[i].id;
        p.snap = snap;
        assert_int_equal(store_read(k->s, account, p.box, &all, 1,
                                    FIELD_IDS | FIELD_DATES | FIELD_SHAPE, plain_row, &p),
                         OK);
        snapshot_unref(snap);
    }
    store_mailboxes_unref(l);
    if (p.n > 1)
        qsort(p.m, p.n, sizeof *p.m, plain_order);
    return p;
}

static bool visible(const struct view_message *m)
{
    return !(m->flags & FLAG_DELETED);
}

static bool is_aside(const struct mailbox_list *l, uint32_t box)
{
    enum special_use use = store_mailbox_by_id(l, box)->use;
    return use == USE_TRASH || use == USE_JUNK;
}

static bool email_unread(const struct plain *p, uint64_t email)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->m[i].email == email && visible(&p->m[i]) &&
            (p->m[i].flags & (FLAG_SEEN | FLAG_DRAFT)))
            return false;
    return true;
}

/* One email, one thread at a time: whether it was met before in this mailbox. */
static struct view_counts plain_counts(const struct plain *p, const struct mailbox_list *l,
                                       uint32_t box)
{
    struct view_counts c = {0};
    for (size_t i = 0; i < p->n; i++) {
        const struct view_message *m = &p->m[i];
        bool email_met = false, thread_met = false, unread = false;
        if (m->mailbox != box || !visible(m))
            continue;
        for (size_t k = 0; k < i; k++) {
            const struct view_message *x = &p->m[k];
            if (x->mailbox != box || !visible(x))
                continue;
            email_met = email_met || x->email == m->email;
            thread_met = thread_met || x->thread == m->thread;
        }
        if (!email_met) {
            c.emails++;
            c.unread_emails += email_unread(p, m->email);
        }
        if (thread_met)
            continue;
        for (size_t k = 0; k < p->n && !unread; k++) {
            const struct view_message *x = &p->m[k];
            bool here = is_aside(l, box) ? x->mailbox == box : !is_aside(l, x->mailbox);
            unread = x->thread == m->thread && visible(x) && here && email_unread(p, x->email);
        }
        c.threads++;
        c.unread_threads += unread;
    }
    return c;
}

/* --- Comparing --- */

static void same_messages(const struct view *v, const struct plain *p)
{
    size_t n;
    const struct view_message *m = view_messages(v, &n);
    assert_int_equal(n, p->n);
    for (size_t i = 0; i < n; i++) {
        const struct view_message *x = &p->m[i];
        assert_int_equal(m[i].email, x->email);
        assert_int_equal(m[i].thread, x->thread);
        assert_true(m[i].received == x->received && m[i].sent == x->sent);
        assert_int_equal(m[i].flags, x->flags);
        assert_int_equal(m[i].modseq, x->modseq);
        assert_int_equal(m[i].mailbox, x->mailbox);
        assert_int_equal(m[i].uid, x->uid);
        assert_int_equal(m[i].size, x->size);
        assert_int_equal(m[i].has_attachment, x->has_attachment);
        assert_true(m[i].born > 0 && m[i].born <= m[i].modseq);
        assert_true((m[i].hidden != 0) == !visible(&m[i]));
    }
}

static void same_lookups(const struct view *v, const struct plain *p, const struct mailbox_list *l)
{
    size_t n, at;
    for (size_t b = 0; b < l->n; b++) {
        const uint32_t *pos = view_mailbox(v, l->box[b].id, &n);
        at = 0;
        for (size_t i = 0; i < p->n; i++)
            if (p->m[i].mailbox == l->box[b].id)
                assert_true(at < n && pos[at++] == i);
        assert_int_equal(at, n);
    }
    for (size_t i = 0; i < p->n; i++) {
        const uint32_t *pos = view_email(v, p->m[i].email, &n);
        at = 0;
        for (size_t k = 0; k < p->n; k++)
            if (p->m[k].email == p->m[i].email)
                assert_true(at < n && pos[at++] == k);
        assert_int_equal(at, n);
        pos = view_thread(v, p->m[i].thread, &n);
        at = 0;
        for (size_t k = p->n; k-- > 0;)
            if (p->m[k].thread == p->m[i].thread)
                assert_true(at < n && pos[at++] == k);
        assert_int_equal(at, n);
    }
    (void)view_email(v, 99999999, &n);
    assert_int_equal(n, 0);
    (void)view_mailbox(v, 99999999, &n);
    assert_int_equal(n, 0);
}

static void view_is_right(struct kit *k, uint64_t account, const struct view *v)
{
    const struct mailbox_list *l;
    struct plain p = plain_view(k, account);
    assert_int_equal(store_mailboxes(k->s, account, &l), OK);
    same_messages(v, &p);
    same_lookups(v, &p, l);
    for (size_t i = 0; i < l->n; i++) {
        struct view_counts is = view_counts(v, l->box[i].id),
                           should = plain_counts(&p, l, l->box[i].id);
        assert_memory_equal(&is, &should, sizeof is);
    }
    store_mailboxes_unref(l);
    mem_free(p.m);
}

/* --- Earlier states --- */

struct past {
    struct view *v;
    uint32_t *ids; /* of the mailboxes */
    uint64_t *modseqs;
    size_t n;
};

/* What JMAP shows of an email: mailboxes and flags of what can be seen. 0: nothing. */
static uint64_t digest(const struct view *v, uint64_t email)
{
    size_t n, all;
    const uint32_t *pos = view_email(v, email, &n);
    const struct view_message *m = view_messages(v, &all);
    uint64_t d = 0;
    for (size_t i = 0; i < n; i++) {
        const struct view_message *x = &m[pos[i]];
        if (visible(x))
            d += 1 + (x->flags + 77) * UINT64_C(0x9E3779B97F4A7C15) * (x->mailbox + 1000);
    }
    return d;
}

struct shown {
    uint64_t email[4096];
    size_t n;
};

static bool has(const struct shown *s, uint64_t email)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->email[i] == email)
            return true;
    return false;
}

/* `again`: emails that were hidden and shown again at some time. */
static void changes_are_right(struct kit *k, const struct view *before, const struct view *now,
                              const struct shown *again)
{
    struct email_change *c;
    size_t n, all_before, all_now, at = 0;
    autoarena a;
    arena_init(&a, 1 << 24);
    assert_int_equal(store_email_changes(k->s, now, view_state(before).modseq, &a, &c, &n), OK);
    uint64_t last = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t was = digest(before, c[i].email), is = digest(now, c[i].email);
        assert_true(c[i].email > last);
        last = c[i].email;
        switch (c[i].kind) {
        case EMAIL_CREATED:
            assert_true(is != 0 && (was == 0 || has(again, c[i].email)));
            break;
        case EMAIL_UPDATED:
            assert_true(is != 0 && was != 0);
            break;
        case EMAIL_DESTROYED:
            assert_true(is == 0 && (was != 0 || has(again, c[i].email)));
            break;
        }
    }
    /* Nothing that differs is missing. */
    const struct view_message *m[2] = {view_messages(before, &all_before),
                                       view_messages(now, &all_now)};
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < (side == 0 ? all_before : all_now); i++) {
            uint64_t email = m[side][i].email;
            for (at = 0; at < n && c[at].email != email; at++)
                ;
            if (digest(before, email) != digest(now, email))
                assert_true(at < n);
        }
    }
}

static void keep_past(struct kit *k, uint64_t account, struct view *v, struct past *p)
{
    const struct mailbox_list *l;
    assert_int_equal(store_mailboxes(k->s, account, &l), OK);
    *p = (struct past){.v = v, .n = l->n};
    p->ids = mem_array(l->n, sizeof *p->ids);
    p->modseqs = mem_array(l->n, sizeof *p->modseqs);
    for (size_t i = 0; i < l->n; i++) {
        p->ids[i] = l->box[i].id;
        p->modseqs[i] = l->box[i].modseq;
    }
    store_mailboxes_unref(l);
}

/* Mailboxes: made since have higher ids, changed ones a higher modseq, the others are gone. */
static void mailboxes_are_right(struct kit *k, uint64_t account, const struct past *p)
{
    const struct mailbox_list *l;
    uint32_t *gone;
    size_t n, found = 0;
    struct view_state then = view_state(p->v);
    assert_int_equal(store_mailboxes(k->s, account, &l), OK);
    assert_int_equal(store_mailboxes_gone(k->s, account, then.modseq, &k->a, &gone, &n), OK);
    for (size_t i = 0; i < n; i++)
        assert_null(store_mailbox_by_id(l, gone[i]));
    for (size_t i = 0; i < p->n; i++) {
        const struct mailbox *m = store_mailbox_by_id(l, p->ids[i]);
        bool named = false;
        for (size_t g = 0; g < n; g++)
            named = named || gone[g] == p->ids[i];
        assert_true((m == NULL) == named);
        if (m != NULL && m->modseq != p->modseqs[i])
            assert_true(m->modseq > then.modseq);
        found += m != NULL;
    }
    for (size_t i = 0; i < l->n; i++)
        found += l->box[i].id >= then.next_mailbox;
    assert_int_equal(found, l->n);
    store_mailboxes_unref(l);
}

/* --- Random changes --- */

static uint32_t any_box(struct kit *k)
{
    const struct mailbox_list *l;
    assert_int_equal(store_mailboxes(k->s, 1, &l), OK);
    uint32_t id = l->box[random_below((uint32_t)l->n)].id;
    store_mailboxes_unref(l);
    return id;
}

static void random_append(struct kit *k)
{
    char subject[40];
    struct store_message m[3];
    uint32_t uids[3], validity;
    size_t n = 1 + random_below(3);
    for (size_t i = 0; i < n; i++) {
        snprintf(subject, sizeof subject, "%s%u", random_below(2) ? "Re: " : "", random_below(12));
        m[i] = (struct store_message){.raw = kit_raw(k, subject, "text"),
                                      .internal_date = 1000 + random_below(50),
                                      .flags.system = random_below(3) ? 0 : 1u << random_below(5)};
        m[i].summary = kit_summary(k, m[i].raw);
        m[i].summary.message_id =
            arena_printf(&k->a, "<%016llx@x>", (unsigned long long)random_u64());
        m[i].summary.has_attachment = random_below(2) == 0;
    }
    assert_int_equal(store_append(k->s, 1, any_box(k), m, n, 0, uids, &validity), OK);
}

static void note_hidden(struct kit *k, struct shown *again)
{
    struct plain p = plain_view(k, 1);
    for (size_t i = 0; i < p.n; i++)
        if (!visible(&p.m[i]) && !has(again, p.m[i].email) && again->n < 4096)
            again->email[again->n++] = p.m[i].email;
    mem_free(p.m);
}

static void random_flags(struct kit *k, struct shown *again)
{
    uint32_t first = 1 + random_below(30);
    struct uid_range r = {first, first + random_below(4)};
    struct slice word = SLICE("$label");
    struct flag_list f = {.system = 1u << random_below(5), .keywords = &word, .n = random_below(2)};
    enum flag_op op = (enum flag_op)random_below(3);
    /* What is shown again is what is hidden now, or what this hides. */
    note_hidden(k, again);
    assert_int_equal(store_flags(k->s, 1, any_box(k), &r, 1, op, &f, NULL, NULL, NULL, NULL), OK);
    note_hidden(k, again);
}

struct found_numbers {
    uint64_t number[64];
    size_t n;
};

static void keep_number(void *arg, const struct deleted_message *m)
{
    struct found_numbers *f = arg;
    assert_true(f->n < 64);
    f->number[f->n++] = m->number;
}

static void random_undelete(struct kit *k)
{
    struct found_numbers f = {0};
    size_t total, n;
    assert_int_equal(
        store_deleted_list(k->s, 1, random_below(3), 1 + random_below(8), keep_number, &f, &total),
        OK);
    if (f.n == 0)
        return;
    assert_int_equal(store_undelete(k->s, 1, f.number, f.n, 0, &n), OK);
    assert_int_equal(n, f.n);
    assert_int_equal(store_undelete(k->s, 1, f.number, f.n, 0, &n), ERR_NOTFOUND);
    assert_int_equal(n, 0);
}

static const char *const names[] = {"a", "b", "a/x", "b/y", "Archive", "Drafts"};

static struct slice any_name(void)
{
    return slice_str(names[random_below(sizeof names / sizeof names[0])]);
}

/* So that the next one is made of nothing. */
static void forget_view(struct kit *k)
{
    struct account *a = account_get(&k->s->shard[0], 1);
    pthread_mutex_lock(&a->shard->lock);
    account_drop_view(a);
    pthread_mutex_unlock(&a->shard->lock);
    account_put(a);
}

static void random_change(struct kit *k, struct shown *again)
{
    struct uid_range r = {1 + random_below(30), 0};
    struct uid_pair *pairs;
    uint32_t validity, id;
    size_t n;
    enum error e = OK;
    r.last = r.first + random_below(6);
    switch (random_below(16)) {
    case 0:
        e = store_expunge(k->s, 1, any_box(k), &r, random_below(2));
        break;
    case 1:
    case 2:
        e = store_copy(k->s, 1, any_box(k), &r, 1, any_box(k), random_below(2) == 0, 0, &k->a,
                       &pairs, &n, &validity);
        break;
    case 3:
        e = store_mailbox_create(k->s, 1, any_name(), USE_NONE, &id);
        break;
    case 4:
        e = store_mailbox_rename(k->s, 1, any_name(), any_name());
        break;
    case 5:
        if (random_below(2))
            e = store_mailbox_delete(k->s, 1, any_name());
        break;
    case 6:
        e = store_subscribe(k->s, 1, any_name(), random_below(2) == 0);
        break;
    case 7:
        random_undelete(k);
        break;
    case 8:
        kit_deliver(k, 1, kit_raw(k, "Re: 1", "text"));
        break;
    case 9:
        forget_view(k);
        break;
    case 10:
    case 11:
    case 12:
        random_append(k);
        break;
    default:
        random_flags(k, again);
        break;
    }
    assert_true(e == OK || e == ERR_NOTFOUND || e == ERR_CONFLICT);
}

#define STEPS 400

static void run_random(void)
{
    struct kit *k = kit_new(1);
    struct past *past = mem_array(STEPS, sizeof *past);
    struct shown *again = mem_alloc(sizeof *again);
    kit_box(k, 1, "INBOX");
    for (int i = 0; i < STEPS; i++) {
        struct view *v;
        random_change(k, again);
        assert_int_equal(store_view(k->s, 1, &v), OK);
        view_is_right(k, 1, v);
        keep_past(k, 1, v, &past[i]);
        for (int t = 0; t < 8; t++) {
            const struct past *p = &past[random_below((uint32_t)i + 1)];
            changes_are_right(k, p->v, v, again);
            mailboxes_are_right(k, 1, p);
        }
        changes_are_right(k, past[i > 0 ? i - 1 : 0].v, v, again);
        /* A view that nobody holds is changed in its place. */
        for (int t = 0; random_below(2) && t < 3; t++) {
            struct view *unheld;
            forget_view(k);
            assert_int_equal(store_view(k->s, 1, &unheld), OK);
            (void)view_counts(unheld, 1);
            view_unref(unheld);
            random_flags(k, again);
            assert_int_equal(store_view(k->s, 1, &unheld), OK);
            view_is_right(k, 1, unheld);
            view_unref(unheld);
        }
        if (random_below(60) == 0)
            kit_reopen(k);
    }
    kit_sound(k);
    for (int i = 0; i < STEPS; i++) {
        view_unref(past[i].v);
        mem_free(past[i].ids);
        mem_free(past[i].modseqs);
    }
    mem_free(past);
    mem_free(again);
    kit_free(k);
}

static void test_random(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        run_random();
}

/* --- The log's end --- */

static void test_log_ends(void **state)
{
    (void)state;
    struct kit *k = kit_new(1);
    uint32_t box = kit_box(k, 1, "INBOX"), id, *ids;
    struct email_change *c;
    struct view *v;
    size_t n;
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("x"), USE_NONE, &id), OK);
    kit_append(k, 1, box, kit_raw(k, "a", "t"), FLAG_DELETED);
    kit_append(k, 1, id, kit_raw(k, "b", "t"), 0);
    kit_append(k, 1, id, kit_raw(k, "c", "t"), FLAG_DELETED);
    assert_int_equal(store_expunge(k->s, 1, id, NULL, 0), OK);
    uint64_t first = kit_figures(k, 1, id).modseq;
    assert_int_equal(store_expunge(k->s, 1, box, NULL, 0), OK);
    uint64_t second = kit_figures(k, 1, box).modseq;
    assert_int_equal(store_mailbox_delete(k->s, 1, SLICE("x")), OK);
    kit_append(k, 1, box, kit_raw(k, "d", "t"), 0);
    assert_int_equal(store_view(k->s, 1, &v), OK);
    uint64_t now = view_state(v).modseq;
    assert_int_equal(store_email_changes(k->s, v, 0, &k->a, &c, &n), OK);
    assert_int_equal(n, 1);
    assert_int_equal(c[0].kind, EMAIL_CREATED);
    assert_int_equal(store_email_changes(k->s, v, now + 1, &k->a, &c, &n), ERR_AGAIN);
    assert_int_equal(store_email_changes(k->s, v, now, &k->a, &c, &n), OK);
    assert_int_equal(n, 0);
    assert_int_equal(store_email_changes(k->s, v, second, &k->a, &c, &n), OK);
    assert_int_equal(n, 2);
    assert_int_equal(c[0].kind, EMAIL_DESTROYED);
    /* What was expunged in the mailbox that is gone is purged first. */
    kit_execute(k, "UPDATE expunged SET time = 1 WHERE id >> 32 ="
                   " (SELECT num FROM mailbox WHERE name = 'x')");
    store_tend(k->s);
    assert_int_equal(store_email_changes(k->s, v, first - 1, &k->a, &c, &n), ERR_AGAIN);
    assert_int_equal(store_email_changes(k->s, v, first, &k->a, &c, &n), OK);
    kit_execute(k, "UPDATE expunged SET time = 1");
    store_tend(k->s);
    assert_int_equal(store_email_changes(k->s, v, second - 1, &k->a, &c, &n), ERR_AGAIN);
    assert_int_equal(store_email_changes(k->s, v, second, &k->a, &c, &n), OK);
    assert_int_equal(n, 2);
    assert_int_equal(store_mailboxes_gone(k->s, 1, second, &k->a, &ids, &n), OK);
    assert_int_equal(n, 1);
    assert_int_equal(ids[0], id);
    kit_execute(k, "UPDATE mailbox SET gone = 1 WHERE gone <> 0");
    for (int i = 0; i < 3; i++)
        store_tend(k->s);
    assert_int_equal(store_mailboxes_gone(k->s, 1, second, &k->a, &ids, &n), ERR_AGAIN);
    assert_int_equal(store_email_changes(k->s, v, second, &k->a, &c, &n), ERR_AGAIN);
    assert_int_equal(store_email_changes(k->s, v, now, &k->a, &c, &n), OK);
    assert_int_equal(n, 0);
    view_unref(v);
    kit_reopen(k);
    assert_int_equal(store_mailboxes_gone(k->s, 1, second, &k->a, &ids, &n), ERR_AGAIN);
    kit_sound(k);
    kit_free(k);
}

/* --- Memory --- */

static bool has_view(struct kit *k, uint64_t account)
{
    struct account *a = account_get(store_shard(k->s, account), account);
    bool has = a->view != NULL;
    account_put(a);
    return has;
}

static void look(struct kit *k, uint64_t account)
{
    struct view *v;
    assert_int_equal(store_view(k->s, account, &v), OK);
    view_unref(v);
}

static void test_memory(void **state)
{
    (void)state;
    struct kit *k = kit_new(2);
    for (uint64_t account = 1; account <= 8; account++) {
        uint32_t box = kit_box(k, account, "INBOX");
        for (int i = 0; i < 20; i++)
            kit_append(k, account, box, kit_raw(k, "a", "t"), 0);
        look(k, account);
    }
    size_t all = atomic_load(&k->s->view_bytes);
    assert_true(all > 8 * 20 * sizeof(struct view_message));
    for (uint64_t account = 1; account <= 8; account++)
        assert_true(has_view(k, account));
    struct account *first = account_get(store_shard(k->s, 1), 1);
    first->view_used_ms = 0; /* for longest */
    account_put(first);
    k->s->view_limit = all - 1;
    look(k, 5);
    assert_true(atomic_load(&k->s->view_bytes) < all);
    assert_false(has_view(k, 1));
    k->s->view_limit = 0;
    look(k, 1);
    assert_int_equal(atomic_load(&k->s->view_bytes), 0);
    k->s->view_limit = all;
    look(k, 2);
    for (unsigned i = 0; i < 2; i++)
        accounts_tend(&k->s->shard[i], INT64_MAX, false);
    assert_int_equal(atomic_load(&k->s->view_bytes), 0);
    kit_free(k);
}

/* --- Many at once --- */

struct busy {
    struct kit *k;
    uint32_t box[3];
    atomic_bool stop;
    unsigned rounds;
};

static void must(bool ok, const char *what)
{
    if (!ok)
        bug("%s", what);
}

/* Moves the messages around, and new ones come. */
static void *mover(void *arg)
{
    struct busy *x = arg;
    struct uid_range all = {1, UINT32_MAX};
    for (unsigned i = 0; i < x->rounds; i++) {
        struct uid_pair *pairs;
        uint32_t validity, from = random_below(3);
        size_t n;
        autoarena a;
        arena_init(&a, 1 << 20);
        struct flag_list f = {.system = 1u << random_below(3)};
        must(store_copy(x->k->s, 1, x->box[from], &all, 1, x->box[(from + 1) % 3], true, 0, &a,
                        &pairs, &n, &validity) == OK,
             "move");
        must(store_flags(x->k->s, 1, x->box[random_below(3)], &all, 1,
                         random_below(2) ? FLAGS_ADD : FLAGS_REMOVE, &f, NULL, NULL, NULL,
                         NULL) == OK,
             "flags");
    }
    return NULL;
}

static void *looker(void *arg)
{
    struct busy *x = arg;
    struct view *before = NULL, *now;
    static const struct shown none = {.n = 0};
    while (!atomic_load(&x->stop)) {
        size_t n;
        must(store_view(x->k->s, 1, &now) == OK, "view");
        const struct view_message *m = view_messages(now, &n);
        must(n == 10, "each message is in one place at any moment");
        for (size_t i = 1; i < n; i++)
            must(plain_order(&m[i - 1], &m[i]) < 0, "in order");
        for (size_t i = 0; i < n; i++)
            must(m[i].modseq <= view_state(now).modseq, "nothing of a later state");
        (void)view_counts(now, x->box[0]);
        if (before != NULL && view_state(before).modseq <= view_state(now).modseq)
            changes_are_right(x->k, before, now, &none);
        view_unref(before);
        before = now;
        if (random_below(4) == 0) /* forgets views and snapshots */
            accounts_tend(&x->k->s->shard[0], INT64_MAX, false);
    }
    view_unref(before);
    return NULL;
}

static void test_busy(void **state)
{
    (void)state;
    struct busy x = {.k = kit_new(1), .rounds = 300};
    pthread_t t[6];
    static const char *const in[] = {"INBOX", "Archive", "Trash"};
    for (int i = 0; i < 3; i++)
        x.box[i] = kit_box(x.k, 1, in[i]);
    for (int i = 0; i < 10; i++)
        kit_append(x.k, 1, x.box[i % 3], kit_raw(x.k, "a", "t"), 0);
    for (int i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&t[i], NULL, i < 2 ? mover : looker, &x), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    atomic_store(&x.stop, true);
    for (int i = 2; i < 6; i++)
        pthread_join(t[i], NULL);
    kit_sound(x.k);
    kit_free(x.k);
}

static void *view_state_of(void *arg)
{
    struct kit *k = arg;
    struct view *v;
    must(store_view(k->s, 1, &v) == OK, "view");
    uint64_t *modseq = mem_alloc(sizeof *modseq);
    *modseq = view_state(v).modseq;
    view_unref(v);
    return modseq;
}

/* A snapshot read from a commit that is not published yet must not stand beside older ones. */
static void test_unpublished(void **state)
{
    (void)state;
    struct kit *k = kit_new(1);
    uint32_t box = kit_box(k, 1, "INBOX");
    pthread_t t;
    uint64_t *modseq;
    for (int published = 1; published >= 0; published--) {
        uint64_t before;
        kit_append(k, 1, box, kit_raw(k, "a", "t"), 0);
        accounts_tend(&k->s->shard[0], INT64_MAX, false);
        const struct mailbox_list *l;
        assert_int_equal(store_mailboxes(k->s, 1, &l), OK);
        before = l->modseq;
        store_mailboxes_unref(l);
        kit_execute(k, "UPDATE mailbox SET modseq = (SELECT modseq + 1 FROM account) WHERE id = 1");
        assert_int_equal(pthread_create(&t, NULL, view_state_of, k), 0);
        usleep(100000);
        if (published)
            kit_append(k, 1, box, kit_raw(k, "b", "t"), 0);
        assert_int_equal(pthread_join(t, (void **)&modseq), 0);
        /* When it never comes, the index is damaged, and what there is must do. */
        assert_int_equal(*modseq, before + (published ? 1 : 0));
        mem_free(modseq);
    }
    kit_free(k);
}

/* A message that went after the snapshot was made, and before it was read. */
static void test_gone_meanwhile(void **state)
{
    (void)state;
    struct kit *k = kit_new(1);
    uint32_t box = kit_box(k, 1, "INBOX");
    struct view *v;
    size_t n;
    kit_append(k, 1, box, kit_raw(k, "a", "t"), 0);
    kit_append(k, 1, box, kit_raw(k, "b", "t"), 0);
    snapshot_unref(kit_snapshot(k, 1, box));
    kit_execute(k, "CREATE TABLE kept AS SELECT * FROM message;"
                   "INSERT INTO expunged SELECT id, 9, flags, modseq + 1, size, body, email,"
                   " thread, internal_date, zone, save_date, 77, 1, born, hidden FROM message"
                   " WHERE id & 15 = 1; DELETE FROM message WHERE id & 15 = 1");
    assert_int_equal(store_view(k->s, 1, &v), OK);
    const struct view_message *m = view_messages(v, &n);
    assert_int_equal(n, 2);
    for (size_t i = 0; i < n; i++)
        assert_true((m[i].sent == 77) == (m[i].uid == 1));
    view_unref(v);
    forget_view(k);
    kit_execute(k, "DELETE FROM expunged; DELETE FROM message");
    assert_int_equal(store_view(k->s, 1, &v), ERR_AGAIN);
    kit_execute(k, "INSERT INTO message SELECT * FROM kept; DROP TABLE kept");
    assert_int_equal(store_view(k->s, 1, &v), OK);
    view_is_right(k, 1, v);
    view_unref(v);
    kit_sound(k);
    kit_free(k);
}

static void test_beside(void **state)
{
    (void)state;
    struct kit *k = kit_new(1);
    struct view *v;
    kit_box(k, 1, "INBOX");
    kit_close(k);
    struct store_options o = {.dir = k->dir, .read_only = true};
    assert_int_equal(store_open(&o, &k->s), OK);
    assert_int_equal(store_view(k->s, 1, &v), ERR_CLOSED);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),      cmocka_unit_test(test_log_ends),
        cmocka_unit_test(test_memory),      cmocka_unit_test(test_busy),
        cmocka_unit_test(test_unpublished), cmocka_unit_test(test_gone_meanwhile),
        cmocka_unit_test(test_beside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
