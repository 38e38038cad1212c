/* Delivery: one message to many targets and into the queue. What is the same for all (the
 * compressed body, the thread's keys) is made once; each shard that is concerned gets one job. */
#include "store/internal.h"

struct deliver_job {
    struct job job;
    struct new_body body;
    struct store_delivery *d;
    struct shard *shard;
    struct thread_keys *keys;
    struct buf *meta; /* one a target */
    bool queue;
};

/* Where a target's message goes; mailboxes are made when there are none. A mailbox for the use may
 * have been deleted: then it is the Inbox. */
static enum error target_box(struct shard *sh, struct delivery_target *t, struct account **a,
                             struct box **b)
{
    enum error e = work_account(sh, t->account, a);
    if (e == OK)
        e = account_defaults(sh, *a, t->language);
    if (e != OK)
        return e;
    *b = work_by_use(*a, t->use);
    if (*b == NULL)
        *b = work_by_use(*a, USE_INBOX);
    return *b != NULL ? OK : ERR_NOTFOUND;
}

static enum error deliver_one(struct shard *sh, struct deliver_job *j, size_t k)
{
    struct store_delivery *d = j->d;
    struct delivery_target *t = &d->targets[k];
    struct account *a;
    struct box *b;
    uint64_t flags;
    uint64_t size = t->prefix.n + d->raw.n;
    enum error e = target_box(sh, t, &a, &b);
    if (e != OK)
        return e;
    if (t->quota > 0 && a->work.bytes + size > t->quota)
        return ERR_QUOTA;
    if (b->m.uid_next == UINT32_MAX)
        return ERR_LIMIT;
    /* Mail is not lost for want of a keyword: one that finds no room is left out. */
    if ((e = work_flags(sh, a, &t->flags, true, &flags)) != OK)
        return e;
    struct new_message m = {
        &j->body,        buf_slice(&j->meta[k]),   j->keys, (uint32_t)size, d->received, d->zone,
        d->summary.sent, d->summary.has_attachment};
    t->mailbox = b->m.id;
    return message_insert(sh, a, b, &m, flags, work_step(a), &t->uid);
}

static enum error run_deliver(struct shard *sh, struct job *job)
{
    struct deliver_job *j = (struct deliver_job *)job;
    struct store_delivery *d = j->d;
    for (size_t k = 0; k < d->n_targets; k++) {
        if (store_shard(sh->store, d->targets[k].account) != sh)
            continue;
        d->targets[k].result = deliver_one(sh, j, k);
        if (sh->txn_error != OK)
            return sh->txn_error;
    }
    for (size_t k = 0; j->queue && k < d->n_queue; k++) {
        struct queue_new q = {&d->queue[k], &j->body, d->raw, d->received};
        enum error e = queue_insert(sh, &q);
        if (e != OK)
            return e;
    }
    return body_insert(sh, &j->body);
}

/* The failure of a shard is the failure of its targets. */
static void spread(struct store *s, struct deliver_job *j, enum error e)
{
    for (size_t k = 0; k < j->d->n_targets && e != OK; k++)
        if (store_shard(s, j->d->targets[k].account) == j->shard)
            j->d->targets[k].result = e;
}

static bool concerned(struct store *s, const struct store_delivery *d, struct shard *sh)
{
    for (size_t k = 0; k < d->n_targets; k++)
        if (store_shard(s, d->targets[k].account) == sh)
            return true;
    return false;
}

static enum error deliver_all(struct store *s, struct store_delivery *d, struct deliver_job *base)
{
    enum error result = OK;
    struct shard *home = d->n_targets > 0 ? store_shard(s, d->targets[0].account) : &s->shard[0];
    struct deliver_job *jobs = mem_array(s->n_shards, sizeof *jobs);
    size_t n = 0;
    for (unsigned i = 0; i < s->n_shards; i++) {
        struct shard *sh = &s->shard[i];
        bool queue = sh == home && d->n_queue > 0;
        if (!queue && !concerned(s, d, sh))
            continue;
        jobs[n] = *base;
        jobs[n].shard = sh;
        jobs[n].queue = queue;
        jobs[n].job.run = run_deliver;
        jobs[n].job.bodies = &jobs[n].body;
        jobs[n].job.n_bodies = 1;
        job_submit(sh, &jobs[n++].job);
    }
    for (size_t i = 0; i < n; i++) {
        enum error e = job_wait(&jobs[i].job);
        spread(s, &jobs[i], e);
        if (e != OK && result == OK)
            result = e;
    }
    for (size_t k = 0; k < d->n_targets && result == OK; k++)
        if (d->targets[k].result != OK && d->targets[k].result != ERR_QUOTA)
            result = d->targets[k].result;
    mem_free(jobs);
    return result;
}

enum error store_deliver(struct store *s, struct store_delivery *d)
{
    struct thread_keys keys;
    struct deliver_job base = {.d = d, .keys = &keys};
    if (d->n_targets == 0 && d->n_queue == 0)
        return OK;
    /* What only waits to leave is gone in a moment, most often: compressing it would cost more than
     * the room it takes. */
    enum error e = body_prepare(s, d->raw, d->n_targets > 0, &base.body);
    if (e != OK)
        return e;
    if (d->n_targets > 0)
        thread_keys_make(&d->summary, &keys);
    base.meta = mem_array(d->n_targets, sizeof *base.meta);
    for (size_t k = 0; k < d->n_targets; k++) {
        buf_init(&base.meta[k], LIMIT_META);
        meta_encode(&d->summary, d->targets[k].prefix, &base.meta[k]);
        if (e == OK)
            e = buf_check(&base.meta[k]);
    }
    if (e == OK) {
        e = deliver_all(s, d, &base);
    } else {
        for (size_t k = 0; k < d->n_targets; k++)
            d->targets[k].result = e;
    }
    for (size_t k = 0; k < d->n_targets; k++)
        buf_free(&base.meta[k]);
    mem_free(base.meta);
    body_discard(&base.body);
    return e;
}
