/* What the files of the memory share: memory.c (database, lines, ratchet, MTA-STS), memory_cache.c
 * (what is at hand without the database), tally.c (counts for TLS reports). */
#ifndef DEPESCHE_QUEUE_MEMORY_PRIVATE_H
#define DEPESCHE_QUEUE_MEMORY_PRIVATE_H

#include "base/limits.h"
#include "base/sql.h"
#include "queue/memory.h"
#include <pthread.h>

/* Everything remembered of one domain. */
struct memory_known {
    bool has_line;
    enum demand demand;    /* of the line */
    struct slice mx_names; /* of the line */
    struct memory_ratchet ratchet;
    struct relay_sts sts;
};

/* --- At hand: what was asked for lately, the one unused for longest goes first --- */

enum { CACHE_BUCKETS = 4096 };

struct cached;
struct memory_cache {
    pthread_mutex_t lock;
    /* Counts what made cached answers wrong. An answer read from the database before such a moment
     * is not kept after it. */
    uint64_t generation;
    struct cached *bucket[CACHE_BUCKETS];
    struct cached *newest, *oldest;
    size_t n, bytes;
};
void memory_cache_init(struct memory_cache *c);
void memory_cache_free(struct memory_cache *c);
/* Slices in `a`; `a` NULL: they are left empty. False: not at hand, and *generation is for
 * memory_cache_keep(). ERR_LIMIT in *e: `a` is full. */
bool memory_cache_find(struct memory_cache *c, struct slice domain, struct arena *a,
                       struct memory_known *out, uint64_t *generation, enum error *e);
void memory_cache_keep(struct memory_cache *c, struct slice domain, const struct memory_known *k,
                       uint64_t generation);
/* The database says something else about the domain now; empty: about any. */
void memory_cache_drop(struct memory_cache *c, struct slice domain);

/* --- Counts that are not in the database yet --- */

struct tally_item {
    uint64_t hash;
    int64_t day;
    struct slice domain, rua;
    struct memory_tally tally;
};
struct tallies {
    pthread_mutex_t lock;
    struct arena arena;
    struct tally_item item[LIMIT_TALLY_WAITING];
    size_t n;
    int64_t since; /* wall seconds: of the oldest */
};
void tallies_init(struct memory *m);
void tallies_free(struct memory *m);
/* Writes them to the database; what cannot be written is lost, and logged. */
void tallies_flush(struct memory *m);
/* Forgets what nobody fetched for LIMIT_TALLY_SECONDS. */
must_use enum error tallies_expire(struct memory *m, int64_t now);

enum memory_statement {
    Q_LINE_GET,
    Q_LINE_SET,
    Q_LINE_REMOVE,
    Q_LINE_LIST,
    Q_RATCHET_GET,
    Q_RATCHET_REACHED,
    Q_RATCHET_FORGET,
    Q_RATCHET_EXPIRE,
    Q_STS_GET,
    Q_STS_SET,
    Q_STS_REMOVE,
    Q_STS_EXPIRE,
    Q_WORD_GIVEN,
    Q_WORDS,
    Q_REPORT_WANTED,
    Q_REPORTS_DUE,
    Q_REPORT_FORGET,
    Q_REPORT_EXPIRE,
    Q_TALLY_ROWS,
    Q_TALLY_ADD,
    Q_TALLY_LIST,
    Q_TALLY_FORGET,
    Q_TALLY_EXPIRE,
    Q_COUNT,
};

struct memory {
    struct sql *reader, *writer; /* a look does not wait for a commit */
    struct sql_watch *watch;
    int64_t words; /* of the operator, seen by the watch; its thread alone uses it */
    struct memory_cache cache;
    struct tallies tallies;
};

static inline struct sql *memory_locked(struct sql *db)
{
    sql_lock(db);
    return db;
}

/* All that is remembered. Slices in `a`, or left empty when it is NULL. */
must_use enum error memory_know(struct memory *m, struct slice domain, struct arena *a,
                                struct memory_known *out);

#endif
