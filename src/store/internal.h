/* What the files of the embedded engine share; nothing outside src/store/ includes it.
 *
 * Who may touch what:
 *   - a shard's index connection `w`, its open segment and every account's `work` state belong to
 *     its committer thread alone (and to store_open before that thread starts);
 *   - the published state (`pub`, snapshots, watches, the map of accounts) is under shard->lock;
 *   - the queue of jobs is under shard->qlock.
 * Locks are taken one at a time, but for the body cache's, which may be taken under none or last,
 * and for store->watch_lock, under which the queue's watcher takes its own.
 */
#ifndef DEPESCHE_STORE_INTERNAL_H
#define DEPESCHE_STORE_INTERNAL_H

#include "base/buf.h"
#include "base/mem.h"
#include "store/index.h"
#include "store/segment.h"
#include "store/store.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

/* --- Rows --- */

/* Messages of a mailbox stand side by side in the index: their key is the mailbox's number in the
 * shard and the uid. */
static inline int64_t row_key(uint32_t num, uint32_t uid)
{
    return (int64_t)((uint64_t)num << 32 | uid);
}
static inline uint32_t row_uid(int64_t key)
{
    return (uint32_t)((uint64_t)key & UINT32_MAX);
}
static inline uint32_t row_num(int64_t key)
{
    return (uint32_t)((uint64_t)key >> 32);
}

/* In a row's `bits`. */
#define MESSAGE_HAS_ATTACHMENT 1
#define MESSAGE_SHOWN_AGAIN    2 /* it has lost \Deleted, and `born` says when */

/* --- Accounts --- */

struct box {
    struct mailbox m; /* the name is owned */
    uint32_t num;
    uint64_t floor; /* expunges up to this modseq are forgotten */
    bool touched;   /* in this transaction */
};

/* The account as the committer has it: the committed state and what this transaction did. */
struct work {
    uint64_t modseq;
    uint32_t next_mailbox, next_validity;
    uint64_t next_email;
    uint64_t bytes;
    struct box **box; /* sorted as in struct mailbox_list */
    size_t n;
    struct slice *keyword;
    size_t n_keywords;
};

struct delta {
    struct account *account;
    uint32_t mailbox;
    bool gone;
    uint32_t order; /* later ones win */
    struct snapshot_entry e;
};

/* A mailbox as everybody may see it. */
struct pub_box {
    struct mailbox m; /* the name is owned */
    uint32_t num;
    uint64_t floor;
    struct snapshot *snap; /* NULL: not in memory */
    int64_t snap_used_ms;  /* asked for at that time */
    bool loading;          /* somebody reads the index for `snap` ... */
    struct delta *pending; /* ... and this was committed meanwhile */
    size_t n_pending, cap_pending;
    bool touched;
};

struct store_watch {
    struct store_watch *next, **link;
    struct account *account;
    uint32_t mailbox;
    struct waker *waker;
};

struct account {
    uint64_t id;
    struct shard *shard;
    struct account *next;
    unsigned refs;
    int64_t used_ms;
    /* the committer's */
    bool work_ok, touched, structure_changed, keywords_changed;
    bool removed; /* its work state goes after the commit */
    struct work work;
    /* published */
    bool pub_ok;
    uint64_t version; /* counts publications */
    uint64_t pub_modseq;
    struct pub_box *pub; /* sorted as in struct mailbox_list */
    size_t n_pub;
    struct mailbox_list *list; /* made of pub when asked for; NULL: stale */
    struct keyword_table *keywords;
    struct store_watch *watches;
    uint64_t pub_next_email;
    uint32_t pub_next_mailbox;
    struct view *view; /* the newest that was asked for; NULL: none */
    bool view_building;
    int64_t view_used_ms;
};

/* --- Bodies on their way in --- */

struct new_body {
    struct body_record record; /* made on the caller's thread */
    uint64_t id;
    struct body_place place; /* where the committer put it; segment 0: in the index */
    uint32_t uses;           /* rows of this transaction that refer to it */
};

/* --- Jobs --- */

struct job {
    struct job *next;
    /* Runs in the committer's transaction. Checks everything first: a job that returns an error has
     * changed nothing, unless the whole transaction failed (shard->txn_error). */
    enum error (*run)(struct shard *sh, struct job *j);
    struct new_body *bodies;
    size_t n_bodies;
    enum error result;
    sem_t done;
};

#define ACCOUNT_BUCKETS 1024

struct uid_list {
    uint32_t *v;
    size_t n, cap;
};

struct reader {
    struct index x;
    struct reader *next;
    int64_t used_ms;
};

struct shard {
    struct store *store;
    unsigned number;
    char *dir, *index_path;
    pthread_t thread;
    bool thread_runs;

    pthread_mutex_t qlock;
    pthread_cond_t qcond;
    struct job *head, **tail;
    bool stopping, waiting;
    bool want_checkpoint;
    atomic_bool failed; /* closed for writing */
    atomic_bool full_logged;

    /* the committer's */
    struct index w;
    struct segment_log log;
    enum error txn_error; /* what broke the running transaction */
    uint64_t next_body;
    uint32_t next_num;
    uint64_t next_queue;
    int wal_pages;
    struct account **touched;
    size_t n_touched, cap_touched;
    struct delta *delta;
    size_t n_delta, cap_delta;
    struct job **group;
    size_t n_group;
    uint32_t group_segment;    /* the log's when the group began: the ones before it are complete */
    struct accepted *accepted; /* by this transaction, with their callers' slices */
    size_t n_accepted, cap_accepted;

    pthread_mutex_t lock;
    pthread_cond_t loaded;
    struct account *accounts[ACCOUNT_BUCKETS];
    bool publish_waited;     /* somebody waits in `loaded` for the next commit to be published */
    struct uid_list damaged; /* numbers of segments that compaction leaves alone */

    pthread_mutex_t rlock;
    pthread_cond_t rcond;
    struct reader *readers; /* at rest */
    unsigned n_readers;     /* all */
};

struct body_cache;
struct store {
    char *dir;
    bool read_only;
    int undelete_days;
    int lock_fd;
    struct zpool *zpool;
    struct body_cache *cache;
    unsigned n_shards;
    struct shard *shard;
    pthread_mutex_t watch_lock; /* also while `accepted` is called */
    /* store_queue_watch() */
    void (*accepted)(void *arg, const struct queue_entry *e, struct slice raw);
    void *accepted_arg;
    atomic_size_t view_bytes; /* of the accounts' newest views */
    size_t view_limit;
};

/* shard.c */
struct shard *store_shard(struct store *s, uint64_t account);
must_use enum error shard_open(struct store *s, unsigned number, struct shard *sh);
void shard_close(struct shard *sh);
must_use enum error reader_get(struct shard *sh, struct reader **out);
void reader_put(struct shard *sh, struct reader *r);
/* Gives readers back that rest for long; all of them with `all`. */
void readers_tend(struct shard *sh, int64_t now_ms, bool all);

/* committer.c */
must_use enum error committer_start(struct shard *sh);
void committer_stop(struct shard *sh);
/* Queues the job; job_wait() must follow. */
void job_submit(struct shard *sh, struct job *j);
enum error job_wait(struct job *j);
/* Both: the durable result of the job. */
must_use enum error job_do(struct shard *sh, struct job *j);
/* Notes that the running transaction cannot go on; returns e. */
enum error txn_fail(struct shard *sh, enum error e);
/* A step of a changing statement in the committer: OK or the transaction fails. */
must_use enum error txn_run(struct shard *sh, sqlite3_stmt *st);
/* As index_row, in the committer: 1 a row, 0 none, -1 the transaction fails. */
int txn_row(struct shard *sh, sqlite3_stmt *st);
void delta_add(struct shard *sh, struct account *a, uint32_t mailbox, bool gone,
               const struct snapshot_entry *e);

/* account.c: the map of accounts and their two states */
/* With a reference; made when it is not there. */
struct account *account_get(struct shard *sh, uint64_t id);
void account_put(struct account *a);
/* Makes pub valid. Called without the lock; returns with it HELD on OK. */
must_use enum error account_published(struct account *a);
struct pub_box *pub_find(struct account *a, uint32_t mailbox);
/* For jobs: the account with valid work state, touched in this transaction. */
must_use enum error work_account(struct shard *sh, uint64_t id, struct account **out);
struct box *work_box(struct account *a, uint32_t mailbox);
struct box *work_named(struct account *a, struct slice name);
struct box *work_by_use(struct account *a, enum special_use use);
void work_box_add(struct account *a, struct box *b);
void work_box_remove(struct account *a, struct box *b);
void work_sort(struct account *a);
void work_clear(struct account *a);
/* Writes the rows of touched accounts and mailboxes. */
must_use enum error work_flush(struct shard *sh);
/* After the commit: everything becomes visible, watchers are woken. After a failed one (ok false):
 * work states are thrown away. */
void work_publish(struct shard *sh, bool ok);
/* Frees accounts that nobody uses; all of them at the end. */
void accounts_tend(struct shard *sh, int64_t now_ms, bool all);
/* The next modseq of the account, also for the mailbox. */
uint64_t work_step(struct account *a);
void work_touch(struct box *b, uint64_t modseq);
/* Flags as one word; new keywords enter the table when `add`, else they are left out. ERR_LIMIT. */
must_use enum error work_flags(struct shard *sh, struct account *a, const struct flag_list *f,
                               bool add, uint64_t *out);
/* Whether work_flags would succeed. */
must_use enum error work_flags_fit(struct account *a, const struct flag_list *f);

/* mailbox.c */
int mailbox_order(struct slice a, struct slice b);
bool mailbox_is_inbox(struct slice name);
must_use enum error account_defaults(struct shard *sh, struct account *a, struct slice language);
/* In the committer: makes the mailbox, whose name is a good one that none has, and its missing
 * superiors; without the special use when another has it. ERR_LIMIT: too many. */
must_use enum error mailbox_make(struct shard *sh, struct account *a, struct slice name,
                                 enum special_use use, struct box **out);

/* snapshot.c */
struct snapshot_builder;
struct snapshot_builder *snapshot_builder_new(void);
void snapshot_builder_add(struct snapshot_builder *b, const struct snapshot_entry *e);
struct snapshot *snapshot_builder_done(struct snapshot_builder *b,
                                       const struct snapshot_info *info);
void snapshot_builder_drop(struct snapshot_builder *b);
/* `d` ascending by uid; of several with one uid the last counts. A delta that was applied before
 * does no harm. */
struct snapshot *snapshot_apply(const struct snapshot *n, const struct delta *d, size_t count,
                                const struct snapshot_info *info);
/* How many entries from these numbers on (both exist) lie in whole nodes that both share. */
uint32_t snapshot_shared(const struct snapshot *a, uint32_t seq_a, const struct snapshot *b,
                         uint32_t seq_b);
/* Whether the caller's is the only reference. */
bool snapshot_alone(const struct snapshot *n);
int delta_order(const void *a, const void *b);

/* meta.c: the part of a message's row that listings show */
struct meta {
    uint32_t header_size, lines;
    bool has_attachment;
    struct slice prefix, envelope, structure, message_id, in_reply_to, references, subject, from,
        preview;
};
void meta_encode(const struct summary *m, struct slice prefix, struct buf *out);
must_use enum error meta_decode(struct slice data, struct meta *out);

/* body.c */
struct zpool *zpool_new(void);
void zpool_free(struct zpool *z);
void zpool_tend(struct zpool *z);
/* Makes the record; compressed when that is wanted and pays. */
must_use enum error body_prepare(struct store *s, struct slice raw, bool compress,
                                 struct new_body *out);
void body_discard(struct new_body *b);
/* Reads a body by its id; `prefix` stands in front of it. ERR_CONFLICT: its segment is not there.
 * When the view of the index is older than a compaction the body has moved: a newer one says
 * where. In the newest view it is damage. */
must_use enum error body_load(struct shard *sh, struct index *x, uint64_t id, struct slice prefix,
                              struct store_body *out);
/* Reads it from the disk in any case. ERR_NOTFOUND: there is no such body (any more); ERR_CONFLICT
 * as above. */
must_use enum error body_verify(struct shard *sh, struct index *x, uint64_t id);
/* In the committer: the row of a new body that is used; one more or less use of a known one. */
must_use enum error body_insert(struct shard *sh, struct new_body *b);
must_use enum error body_count(struct shard *sh, uint64_t id, int by);
/* In the committer: bytes of a segment that count now, or no longer. */
must_use enum error segment_live(struct shard *sh, uint32_t segment, int64_t by);
struct body_cache *body_cache_new(void);
void body_cache_free(struct body_cache *c);
void body_cache_tend(struct body_cache *c, int64_t now_ms);

/* read.c: reads the published mailbox's snapshot if there is none. Under the lock, which is given
 * back meanwhile. */
must_use enum error account_snapshot(struct account *a, uint32_t mailbox);

/* view.c */
/* Under the lock. */
void account_drop_view(struct account *a);
/* Gives the least used views back until the limit holds. */
void views_trim(struct store *s);

/* thread.c */
#define THREAD_REFS 8
struct thread_keys {
    int64_t own, subject;
    int64_t refs[THREAD_REFS]; /* newest first */
    size_t n_refs;
    bool has_own, has_subject, is_reply;
};
void thread_keys_make(const struct summary *m, struct thread_keys *out);
must_use enum error thread_find(struct shard *sh, uint64_t account, const struct thread_keys *k,
                                uint64_t new_thread, uint64_t *out);

/* append.c */
struct new_message {
    struct new_body *body;
    struct slice meta;
    const struct thread_keys *thread;
    uint32_t size;
    int64_t internal_date;
    int16_t zone;
    int64_t sent;
    bool has_attachment;
};
/* In the committer; everything was checked before. */
must_use enum error message_insert(struct shard *sh, struct account *a, struct box *b,
                                   const struct new_message *m, uint64_t flags, uint64_t modseq,
                                   uint32_t *uid);
/* The figures of a mailbox when a message comes (by 1) or goes (by -1). */
void box_account(struct account *a, struct box *b, uint64_t flags, uint32_t size, int by);

/* submission.c: in the committer, the account's submissions, some at a time. */
must_use enum error submissions_drop(struct shard *sh, uint64_t account, bool *more);

/* queue.c */
struct queue_new {
    const struct queue_entry *entry;
    struct new_body *body;
    struct slice raw;
    int64_t created;
};
struct accepted {
    struct queue_entry entry;
    struct slice raw;
};
must_use enum error queue_insert(struct shard *sh, const struct queue_new *q);
/* In the committer, after the commit (ok) or when there is none: tells who watches the queue. */
void queue_publish(struct shard *sh, bool ok);

/* compact.c: empties a segment of which little lives, a step at a time; false: nothing was done. A
 * segment with damage in it is left as it is from then on. */
bool compact_step(struct shard *sh);

/* purge.c */
/* One step of removing what is past its days (account 0), or all of what is gone in an account.
 * *more: there is more to do. */
must_use enum error purge_step(struct shard *sh, uint64_t account, int64_t before, bool *more);
/* In the committer: when more than LIMIT_MAILBOXES mailboxes of the account are gone, the oldest
 * is removed for good, a very big one in several calls. */
must_use enum error purge_surplus(struct shard *sh, uint64_t account);
void segments_tend(struct shard *sh);
/* Removes the files of segments that lost their rows just before a crash. Before the committer
 * starts. */
must_use enum error segments_sweep(struct shard *sh);
/* The segments whose files are there without a row, as `x` sees it; the caller frees out->v. */
must_use enum error segments_stray(struct shard *sh, struct index *x, struct uid_list *out);

/* Lists of uids that a job gathers. */
void uid_list_add(struct uid_list *l, uint32_t uid);
/* As merged ranges in the arena; frees the list. */
must_use enum error uid_list_ranges(struct uid_list *l, struct arena *a, struct uid_range **out,
                                    size_t *n);

#endif
