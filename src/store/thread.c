/* Threads: a message joins the thread of a message that it refers to, or of one that refers to it,
 * or, when it is a reply without any reference, of the last one with the same base subject. One
 * small table says which thread a message id (as a hash) belongs to. */
#include "base/hash.h"
#include "store/internal.h"

static int64_t key_of(struct slice s)
{
    return (int64_t)checksum64(s);
}

void thread_keys_make(const struct summary *m, struct thread_keys *out)
{
    *out = (struct thread_keys){0};
    out->has_own = m->message_id.n > 0;
    if (out->has_own)
        out->own = key_of(m->message_id);
    struct slice refs = slice_trim(m->references);
    if (m->in_reply_to.n > 0)
        out->refs[out->n_refs++] = key_of(m->in_reply_to);
    while (refs.n > 0 && out->n_refs < THREAD_REFS) {
        size_t blank = slice_rindex(refs, ' ');
        struct slice id = blank < refs.n ? slice_from(refs, blank + 1) : refs;
        refs = slice_trim(slice_sub(refs, 0, blank < refs.n ? blank : 0));
        if (id.n > 0 && !slice_eq(id, m->in_reply_to))
            out->refs[out->n_refs++] = key_of(id);
    }
    /* A base subject differs from an id's text, which has its < and >. */
    out->has_subject = m->base_subject.n > 0;
    if (out->has_subject)
        out->subject = key_of(m->base_subject);
    out->is_reply =
        slice_istarts(m->subject, SLICE("re:")) || slice_istarts(m->subject, SLICE("aw:")) ||
        slice_istarts(m->subject, SLICE("re[")) || slice_istarts(m->subject, SLICE("antwort:"));
}

static enum error look(struct shard *sh, uint64_t account, int64_t key, uint64_t *thread)
{
    sqlite3_stmt *st = index_use(&sh->w, ST_THREAD_GET);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, account);
    bind_i(st, 2, key);
    int r = txn_row(sh, st);
    if (r < 0)
        return sh->txn_error;
    if (r == 1) {
        *thread = col_u(st, 0);
        index_reset(st);
    }
    return OK;
}

static enum error note(struct shard *sh, uint64_t account, int64_t key, uint64_t thread,
                       enum statement which)
{
    sqlite3_stmt *st = index_use(&sh->w, which);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, account);
    bind_i(st, 2, key);
    bind_u(st, 3, thread);
    return txn_run(sh, st);
}

enum error thread_find(struct shard *sh, uint64_t account, const struct thread_keys *k,
                       uint64_t new_thread, uint64_t *out)
{
    uint64_t thread = 0;
    bool own_known = false;
    enum error e = OK;
    if (k->has_own) {
        e = look(sh, account, k->own, &thread);
        own_known = thread != 0;
    }
    for (size_t i = 0; i < k->n_refs && e == OK && thread == 0; i++)
        e = look(sh, account, k->refs[i], &thread);
    if (e == OK && thread == 0 && k->n_refs == 0 && k->is_reply && k->has_subject)
        e = look(sh, account, k->subject, &thread);
    bool fresh = thread == 0;
    if (fresh)
        thread = new_thread;
    if (e == OK && k->has_own && !own_known)
        e = note(sh, account, k->own, thread, ST_THREAD_ADD);
    /* So that what it answers joins it, when that comes later. */
    if (e == OK && k->n_refs > 0)
        e = note(sh, account, k->refs[0], thread, ST_THREAD_ADD);
    if (e == OK && fresh && k->has_subject)
        e = note(sh, account, k->subject, thread, ST_THREAD_SET);
    *out = thread;
    return e;
}
