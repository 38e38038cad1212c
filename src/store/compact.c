/* Giving room in the log back. A closed segment of which less than half lives is emptied: its
 * bodies are appended anew, some at a time, as any change is, and the index then says the new
 * place. The file goes when nothing in it counts any more. */
#include "base/log.h"
#include "store/internal.h"

#define STEP_BODIES 256
#define STEP_BYTES  ((size_t)8 << 20)

struct move_job {
    struct job job;
    uint32_t segment; /* where they come from */
    uint64_t *ids;    /* of the bodies, as job.bodies */
};

/* Only bodies that are still there and still where they were read from. */
static enum error move_one(struct shard *sh, const struct move_job *j, size_t i)
{
    const struct new_body *b = &j->job.bodies[i];
    sqlite3_stmt *st = index_use(&sh->w, ST_BODY_MOVE);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, j->ids[i]);
    bind_u(st, 2, b->place.segment);
    bind_u(st, 3, b->place.offset);
    bind_u(st, 4, j->segment);
    enum error e = txn_run(sh, st);
    if (e != OK || sqlite3_changes(sh->w.db) == 0)
        return e;
    e = segment_live(sh, j->segment, -(int64_t)b->place.length);
    return e == OK ? segment_live(sh, b->place.segment, b->place.length) : e;
}

static enum error run_move(struct shard *sh, struct job *job)
{
    struct move_job *j = (struct move_job *)job;
    enum error e = OK;
    for (size_t i = 0; i < j->job.n_bodies && e == OK; i++)
        e = move_one(sh, j, i);
    return e;
}

static bool is_damaged(struct shard *sh, uint32_t segment)
{
    bool found = false;
    pthread_mutex_lock(&sh->lock);
    for (size_t i = 0; i < sh->damaged.n && !found; i++)
        found = sh->damaged.v[i] == segment;
    pthread_mutex_unlock(&sh->lock);
    return found;
}

/* Damage is not copied on: the segment stays for who repairs it, and the others have their turn.
 * The list ends with the process; it is no longer than there are segments. */
static void leave_alone(struct shard *sh, uint32_t segment)
{
    pthread_mutex_lock(&sh->lock);
    uid_list_add(&sh->damaged, segment);
    pthread_mutex_unlock(&sh->lock);
    log_error("store.segment-damaged", log_text("shard", sh->dir), log_u64("segment", segment),
              log_text("effect", "its room is not given back"));
}

/* A segment that is worth it; 0: none. */
static enum error choose(struct shard *sh, struct index *x, uint32_t *segment)
{
    enum error e = OK;
    sqlite3_stmt *st = index_use(x, ST_SEG_SPARSE);
    *segment = 0;
    if (st == NULL)
        return ERR_IO;
    bind_i(st, 1, LIMIT_SEGMENT_SIZE / 2);
    while (*segment == 0 && index_row(x, st, &e) == 1)
        if (!is_damaged(sh, col_u32(st, 0)))
            *segment = col_u32(st, 0);
    index_reset(st);
    return e;
}

/* Reads the records of the next bodies of the segment, as they are. ERR_INPUT: one is damaged or
 * cannot be read. */
static enum error read_step(struct shard *sh, struct index *x, struct move_job *j)
{
    struct body_place place[STEP_BODIES];
    size_t n = 0, bytes = 0;
    enum error e = OK;
    sqlite3_stmt *st = index_use(x, ST_BODY_OF_SEGMENT);
    if (st == NULL)
        return ERR_IO;
    bind_u(st, 1, j->segment);
    while (n < STEP_BODIES && bytes < STEP_BYTES && index_row(x, st, &e) == 1) {
        place[n] = (struct body_place){
            .segment = j->segment, .offset = col_u(st, 1), .length = col_u32(st, 2)};
        bytes += place[n].length;
        j->ids[n++] = col_u(st, 0);
    }
    index_reset(st);
    for (size_t i = 0; i < n && e == OK; i++) {
        struct record_head head;
        struct new_body *b = &j->job.bodies[i];
        *b = (struct new_body){.record = {.n = place[i].length}};
        b->record.p = mem_resize(NULL, place[i].length, 1);
        j->job.n_bodies = i + 1;
        e = segment_read(&sh->log, &place[i], b->record.p);
        if (e == OK)
            e = record_check(slice_of(b->record.p, b->record.n), &head);
        else if (e != ERR_AGAIN)
            e = ERR_INPUT;
    }
    return e;
}

bool compact_step(struct shard *sh)
{
    struct reader *r;
    struct move_job j = {.job.run = run_move};
    bool moved = false;
    if (reader_get(sh, &r) != OK)
        return false;
    j.job.bodies = mem_array(STEP_BODIES, sizeof *j.job.bodies);
    j.ids = mem_array(STEP_BODIES, sizeof *j.ids);
    enum error e = choose(sh, &r->x, &j.segment);
    if (e == OK && j.segment != 0)
        e = read_step(sh, &r->x, &j);
    reader_put(sh, r);
    if (e == OK && j.job.n_bodies > 0) {
        e = job_do(sh, &j.job);
        moved = e == OK;
    }
    if (e == ERR_INPUT) {
        leave_alone(sh, j.segment);
        moved = true;
    } else if (e != OK) {
        log_warning("store.compact-failed", log_text("shard", sh->dir),
                    log_u64("segment", j.segment), log_text("reason", error_name(e)));
    }
    for (size_t i = 0; i < j.job.n_bodies; i++)
        body_discard(&j.job.bodies[i]);
    mem_free(j.job.bodies);
    mem_free(j.ids);
    return moved;
}
