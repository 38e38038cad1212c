/* The committer: one thread a shard that makes changes durable, many at a time. It takes all that
 * waits, appends the bodies that are too big for the index, runs the jobs in one transaction, syncs
 * the log, commits, publishes, and answers. It never waits for more to come: while one
 * group is on its way to the disk the next one gathers by itself. */
#include "base/log.h"
#include "store/internal.h"
#include <errno.h>

/* A checkpoint when the log has this many pages and nobody waits, and in any case at the second. */
#define CHECKPOINT_PAGES     1000
#define CHECKPOINT_PAGES_MAX 4000

void job_submit(struct shard *sh, struct job *j)
{
    enum error e = OK;
    j->next = NULL;
    sem_init(&j->done, 0, 0);
    pthread_mutex_lock(&sh->qlock);
    if (!sh->thread_runs || sh->stopping)
        e = ERR_CLOSED;
    else if (atomic_load(&sh->failed))
        e = ERR_IO;
    if (e == OK) {
        *sh->tail = j;
        sh->tail = &j->next;
        if (sh->waiting)
            pthread_cond_signal(&sh->qcond);
    }
    pthread_mutex_unlock(&sh->qlock);
    if (e != OK) {
        j->result = e;
        sem_post(&j->done);
    }
}

enum error job_wait(struct job *j)
{
    while (sem_wait(&j->done) != 0 && errno == EINTR)
        ;
    sem_destroy(&j->done);
    return j->result;
}

enum error job_do(struct shard *sh, struct job *j)
{
    job_submit(sh, j);
    return job_wait(j);
}

enum error txn_fail(struct shard *sh, enum error e)
{
    if (sh->txn_error == OK)
        sh->txn_error = e;
    return e;
}

enum error txn_run(struct shard *sh, sqlite3_stmt *st)
{
    enum error e = index_run(&sh->w, st);
    return e == OK ? OK : txn_fail(sh, e);
}

int txn_row(struct shard *sh, sqlite3_stmt *st)
{
    enum error e;
    int r = index_row(&sh->w, st, &e);
    if (r < 0)
        (void)txn_fail(sh, e);
    return r;
}

void delta_add(struct shard *sh, struct account *a, uint32_t mailbox, bool gone,
               const struct snapshot_entry *e)
{
    if (sh->n_delta == sh->cap_delta) {
        sh->cap_delta = sh->cap_delta ? sh->cap_delta * 2 : 64;
        sh->delta = mem_resize(sh->delta, sh->cap_delta, sizeof sh->delta[0]);
    }
    sh->delta[sh->n_delta] = (struct delta){a, mailbox, gone, (uint32_t)sh->n_delta, *e};
    sh->n_delta++;
}

/* After this nothing is written any more until the store is opened anew: what the kernel said it
 * could not write may be gone from its cache too, and a second sync would lie. */
static void shut(struct shard *sh)
{
    if (!atomic_exchange(&sh->failed, true))
        log_error("store.closed-for-writing", log_text("shard", sh->dir));
}

static void note_full(struct shard *sh)
{
    if (!atomic_exchange(&sh->full_logged, true))
        log_error("store.disk-full", log_text("shard", sh->dir));
}

static void answer(struct job *j, enum error e)
{
    j->result = e;
    sem_post(&j->done);
}

/* Takes a job out of the group and answers it. */
static void refuse(struct shard *sh, size_t at, enum error e)
{
    answer(sh->group[at], e);
    sh->group[at] = NULL;
}

/* --- Bodies --- */

#define BATCH 256

static enum error append_batch(struct shard *sh, const struct body_record **records,
                               struct body_place **places, size_t *n)
{
    enum error e = *n > 0 ? segment_append(&sh->log, records, places, *n) : OK;
    *n = 0;
    return e;
}

/* Also when the log is full every body has its number: small ones go on without the big ones. */
static void number_bodies(struct shard *sh)
{
    for (size_t g = 0; g < sh->n_group; g++) {
        struct job *j = sh->group[g];
        for (size_t i = 0; i < j->n_bodies; i++) {
            j->bodies[i].id = sh->next_body++;
            j->bodies[i].uses = 0;
            j->bodies[i].place = (struct body_place){.length = (uint32_t)j->bodies[i].record.n};
        }
    }
}

/* Appends the bodies of the group that are too big for the index. */
static enum error append_bodies(struct shard *sh, bool *appended)
{
    const struct body_record *records[BATCH];
    struct body_place *places[BATCH];
    size_t n = 0;
    enum error e = OK;
    for (size_t g = 0; g < sh->n_group && e == OK; g++) {
        struct job *j = sh->group[g];
        for (size_t i = 0; i < j->n_bodies && e == OK; i++) {
            struct new_body *b = &j->bodies[i];
            if (b->record.n <= LIMIT_SMALL_BODY)
                continue;
            if (n == BATCH)
                e = append_batch(sh, records, places, &n);
            records[n] = &b->record;
            places[n++] = &b->place;
            *appended = true;
        }
    }
    return e == OK ? append_batch(sh, records, places, &n) : e;
}

/* When there is no room for the bodies of all, those who bring big ones are told so and the others
 * go on: expunging must work on a full disk. */
static void refuse_big(struct shard *sh)
{
    for (size_t g = 0; g < sh->n_group; g++) {
        bool big = false;
        for (size_t i = 0; i < sh->group[g]->n_bodies; i++)
            big = big || sh->group[g]->bodies[i].record.n > LIMIT_SMALL_BODY;
        if (big)
            refuse(sh, g, ERR_FULL);
    }
}

/* *appended: there is something to sync before the commit. */
static enum error write_bodies(struct shard *sh, bool *appended)
{
    number_bodies(sh);
    enum error e = append_bodies(sh, appended);
    if (e == ERR_FULL) {
        note_full(sh);
        refuse_big(sh);
        *appended = false;
        return OK;
    }
    return e;
}

/* --- The transaction --- */

static void run_jobs(struct shard *sh)
{
    for (size_t g = 0; g < sh->n_group && sh->txn_error == OK; g++) {
        struct job *j = sh->group[g];
        if (j == NULL)
            continue;
        j->result = j->run(sh, j);
    }
}

/* The bodies are written to the disk while the jobs run; the commit waits for them. *at_commit: it
 * was the commit itself that failed. */
static enum error transact(struct shard *sh, bool appended, bool *at_commit)
{
    enum error e = index_run(&sh->w, index_use(&sh->w, ST_BEGIN_WRITE));
    if (e != OK)
        return e;
    sh->txn_error = OK;
    sh->w.unprepared = OK;
    sh->n_delta = 0;
    run_jobs(sh);
    e = sh->txn_error;
    if (e == OK)
        e = work_flush(sh);
    if (e == OK && appended)
        e = segment_sync(&sh->log);
    if (e == OK) {
        e = index_run(&sh->w, index_use(&sh->w, ST_COMMIT));
        *at_commit = e != OK;
    }
    /* Who got no statement says ERR_IO; the index knows better. */
    if (e == ERR_IO && !*at_commit && sh->w.unprepared != OK)
        e = sh->w.unprepared;
    if (e != OK && !sqlite3_get_autocommit(sh->w.db) &&
        index_run(&sh->w, index_use(&sh->w, ST_ROLLBACK)) != OK)
        e = ERR_IO;
    return e;
}

static void checkpoint(struct shard *sh, int mode)
{
    int rc = sqlite3_wal_checkpoint_v2(sh->w.db, NULL, mode, NULL, NULL);
    if ((rc & 0xff) == SQLITE_IOERR && sqlite3_extended_errcode(sh->w.db) == SQLITE_IOERR_FSYNC)
        shut(sh);
    else if ((rc & 0xff) == SQLITE_FULL)
        note_full(sh);
    sh->wal_pages = 0;
}

static void commit_group(struct shard *sh)
{
    uint32_t segment = sh->log.number;
    uint64_t end = sh->log.end;
    sh->group_segment = segment;
    /* What waited behind the group that failed is not written either. */
    bool appended = false, at_commit = false;
    enum error e = atomic_load(&sh->failed) ? ERR_IO : write_bodies(sh, &appended);
    if (e == OK)
        e = transact(sh, appended, &at_commit);
    if (e == OK)
        atomic_store(&sh->full_logged, false);
    else if (e == ERR_FULL)
        note_full(sh);
    /* A commit that failed to sync may be on the disk all the same: then the bytes that its rows
     * name must be there too, and only the next start knows. So must they after a commit that found
     * no memory, which may have come that far. */
    if (e != OK && e != ERR_FULL && e != ERR_AGAIN && e != ERR_BUG)
        shut(sh);
    else if (e == ERR_FULL || (e != OK && !at_commit))
        segment_back(&sh->log, segment, end);
    work_publish(sh, e == OK);
    queue_publish(sh, e == OK);
    for (size_t g = 0; g < sh->n_group; g++)
        if (sh->group[g] != NULL)
            answer(sh->group[g], e == OK ? sh->group[g]->result : e);
}

/* Called with qlock held; false when it is time to end. */
static bool take_group(struct shard *sh, bool *idle)
{
    size_t bytes = 0;
    while (sh->head == NULL && !sh->stopping && !sh->want_checkpoint) {
        sh->waiting = true;
        pthread_cond_wait(&sh->qcond, &sh->qlock);
        sh->waiting = false;
    }
    sh->n_group = 0;
    while (sh->head != NULL && sh->n_group < LIMIT_GROUP_MESSAGES && bytes < LIMIT_GROUP_BYTES) {
        struct job *j = sh->head;
        sh->head = j->next;
        for (size_t i = 0; i < j->n_bodies; i++)
            bytes += j->bodies[i].record.n;
        sh->group[sh->n_group++] = j;
    }
    if (sh->head == NULL)
        sh->tail = &sh->head;
    *idle = sh->head == NULL;
    return sh->n_group > 0 || !sh->stopping;
}

static int on_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    ((struct shard *)arg)->wal_pages = pages;
    return SQLITE_OK;
}

static void *committer_main(void *arg)
{
    struct shard *sh = arg;
    bool idle;
    pthread_mutex_lock(&sh->qlock);
    while (take_group(sh, &idle)) {
        bool asked = sh->want_checkpoint && idle;
        if (idle)
            sh->want_checkpoint = false;
        pthread_mutex_unlock(&sh->qlock);
        if (sh->n_group > 0)
            commit_group(sh);
        if (asked && !atomic_load(&sh->failed)) {
            checkpoint(sh, SQLITE_CHECKPOINT_PASSIVE);
            sqlite3_db_release_memory(sh->w.db);
        }
        pthread_mutex_lock(&sh->qlock);
        if (atomic_load(&sh->failed) || sh->wal_pages < CHECKPOINT_PAGES ||
            (sh->head != NULL && sh->wal_pages < CHECKPOINT_PAGES_MAX))
            continue;
        pthread_mutex_unlock(&sh->qlock);
        checkpoint(sh, SQLITE_CHECKPOINT_PASSIVE);
        pthread_mutex_lock(&sh->qlock);
    }
    pthread_mutex_unlock(&sh->qlock);
    return NULL;
}

enum error committer_start(struct shard *sh)
{
    pthread_attr_t attr;
    sh->group = mem_array(LIMIT_GROUP_MESSAGES, sizeof(struct job *));
    sqlite3_wal_hook(sh->w.db, on_wal, sh);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, LIMIT_WORKER_STACK);
    sh->thread_runs = pthread_create(&sh->thread, &attr, committer_main, sh) == 0;
    pthread_attr_destroy(&attr);
    return sh->thread_runs ? OK : ERR_AGAIN;
}

void committer_stop(struct shard *sh)
{
    if (sh->thread_runs) {
        pthread_mutex_lock(&sh->qlock);
        sh->stopping = true;
        pthread_cond_signal(&sh->qcond);
        pthread_mutex_unlock(&sh->qlock);
        pthread_join(sh->thread, NULL);
        sh->thread_runs = false;
    }
    mem_free(sh->group);
    mem_free(sh->touched);
    mem_free(sh->delta);
    mem_free(sh->accepted);
    sh->group = NULL;
    sh->touched = NULL;
    sh->delta = NULL;
    sh->accepted = NULL;
}
