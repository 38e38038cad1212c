/* Messages coming in: the row of one, APPEND, and delivery to many. */
#include "base/clock.h"
#include "store/internal.h"

void box_account(struct account *a, struct box *b, uint64_t flags, uint32_t size, int by)
{
    uint32_t one = (uint32_t)by;
    b->m.exists += one;
    if (!(flags & FLAG_SEEN))
        b->m.unseen += one;
    if (flags & FLAG_DELETED)
        b->m.deleted += one;
    uint64_t bytes = by > 0 ? size : -(uint64_t)size;
    b->m.bytes += bytes;
    a->work.bytes += bytes;
}

enum error message_insert(struct shard *sh, struct account *a, struct box *b,
                          const struct new_message *m, uint64_t flags, uint64_t modseq,
                          uint32_t *uid)
{
    uint64_t email = a->work.next_email++, thread;
    enum error e = thread_find(sh, a->id, m->thread, email, &thread);
    if (e != OK)
        return e;
    *uid = b->m.uid_next++;
    int64_t key = row_key(b->num, *uid);
    sqlite3_stmt *st = index_use(&sh->w, ST_MSG_ADD);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_i(st, 1, key);
    bind_u(st, 2, flags);
    bind_u(st, 3, modseq);
    bind_u(st, 4, m->size);
    bind_u(st, 5, m->body->id);
    bind_u(st, 6, email);
    bind_u(st, 7, thread);
    bind_i(st, 8, m->internal_date);
    bind_i(st, 9, m->zone);
    bind_i(st, 10, clock_wall());
    bind_i(st, 11, m->sent);
    bind_i(st, 12, m->has_attachment ? MESSAGE_HAS_ATTACHMENT : 0);
    if ((e = txn_run(sh, st)) != OK)
        return e;
    if ((st = index_use(&sh->w, ST_META_ADD)) == NULL)
        return txn_fail(sh, ERR_IO);
    bind_i(st, 1, key);
    bind_blob(st, 2, m->meta);
    if ((e = txn_run(sh, st)) != OK)
        return e;
    m->body->uses++;
    box_account(a, b, flags, m->size, 1);
    work_touch(b, modseq);
    struct snapshot_entry entry = {*uid, m->size, flags, modseq};
    delta_add(sh, a, b->m.id, false, &entry);
    return OK;
}

/* --- APPEND --- */

struct append_job {
    struct job job;
    uint64_t account, quota;
    uint32_t mailbox, uid_validity;
    const struct store_message *given;
    struct new_message *made;
    uint32_t *uids;
    size_t n;
};

static enum error append_check(struct account *a, struct box *b, const struct append_job *j)
{
    uint64_t bytes = 0;
    if (b == NULL)
        return ERR_NOTFOUND;
    for (size_t i = 0; i < j->n; i++) {
        enum error e = work_flags_fit(a, &j->given[i].flags);
        if (e != OK)
            return e;
        bytes += j->made[i].size;
    }
    if (j->quota > 0 && a->work.bytes + bytes > j->quota)
        return ERR_QUOTA;
    return b->m.uid_next + (uint64_t)j->n > UINT32_MAX ? ERR_LIMIT : OK;
}

static enum error run_append(struct shard *sh, struct job *job)
{
    struct append_job *j = (struct append_job *)job;
    struct account *a;
    enum error e = work_account(sh, j->account, &a);
    if (e != OK)
        return e;
    struct box *b = work_box(a, j->mailbox);
    if ((e = append_check(a, b, j)) != OK)
        return e;
    uint64_t modseq = work_step(a);
    for (size_t i = 0; i < j->n && e == OK; i++) {
        uint64_t flags;
        e = work_flags(sh, a, &j->given[i].flags, true, &flags);
        if (e == OK)
            e = message_insert(sh, a, b, &j->made[i], flags, modseq, &j->uids[i]);
        if (e == OK)
            e = body_insert(sh, j->made[i].body);
    }
    j->uid_validity = b->m.uid_validity;
    return e;
}

enum error store_append(struct store *s, uint64_t account, uint32_t mailbox,
                        const struct store_message *m, size_t n, uint64_t quota, uint32_t *uids,
                        uint32_t *uid_validity)
{
    enum error e = OK;
    struct append_job j = {.job.run = run_append,
                           .account = account,
                           .quota = quota,
                           .mailbox = mailbox,
                           .given = m,
                           .uids = uids,
                           .n = n};
    j.made = mem_array(n, sizeof *j.made);
    j.job.bodies = mem_array(n, sizeof *j.job.bodies);
    struct thread_keys *keys = mem_array(n, sizeof *keys);
    struct buf *meta = mem_array(n, sizeof *meta);
    for (size_t i = 0; i < n && e == OK; i++) {
        e = body_prepare(s, m[i].raw, true, &j.job.bodies[i]);
        j.job.n_bodies = i + 1;
        thread_keys_make(&m[i].summary, &keys[i]);
        buf_init(&meta[i], LIMIT_META);
        meta_encode(&m[i].summary, SLICE(""), &meta[i]);
        if (e == OK)
            e = buf_check(&meta[i]);
        j.made[i] = (struct new_message){&j.job.bodies[i],   buf_slice(&meta[i]),
                                         &keys[i],           (uint32_t)m[i].raw.n,
                                         m[i].internal_date, m[i].internal_zone,
                                         m[i].summary.sent,  m[i].summary.has_attachment};
    }
    if (e == OK)
        e = job_do(store_shard(s, account), &j.job);
    if (e == OK)
        *uid_validity = j.uid_validity;
    for (size_t i = 0; i < n; i++) {
        body_discard(&j.job.bodies[i]);
        buf_free(&meta[i]);
    }
    mem_free(j.made);
    mem_free(j.job.bodies);
    mem_free(keys);
    mem_free(meta);
    return e;
}
