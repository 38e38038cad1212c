/* What the files of the runtime share; nobody outside net/ includes this.
 *
 * Who may touch what:
 *   - a connection's fields belong to its owner, except the atomic ones;
 *   - `next` belongs to the queue that the connection stands in (it is OWNED then, by the queue);
 *   - locks are leaves: none of them is held while another is taken or a protocol runs, but
 *     accept_lock -> slots.lock.
 */
#ifndef DEPESCHE_NET_RUNTIME_PRIVATE_H
#define DEPESCHE_NET_RUNTIME_PRIVATE_H

#include "base/limits.h"
#include "net/runtime.h"
#include <pthread.h>
#include <stdatomic.h>

/* --- The word of ownership: generation in the upper half, these bits in the lower --- */

#define OWN_LIVE  1u /* the slot is in use */
#define OWN_OWNED 2u /* a worker, or a queue on its way to a worker, has it; else PARKED */
/* Reasons to run, left for the owner: it cannot park while one is set. */
#define OWN_INPUT 4u  /* epoll reported it (and is disarmed) */
#define OWN_WAKE  8u  /* waker_wake() */
#define OWN_TIMER 16u /* its entry in the timer heap was due */
#define OWN_STOP  32u /* the service stops */
#define OWN_CUT   64u /* the grace is over */
#define OWN_WHY   (OWN_INPUT | OWN_WAKE | OWN_TIMER | OWN_STOP | OWN_CUT)

#define NEVER INT64_MAX

enum phase {
    PHASE_NEW,       /* accepted, nothing done */
    PHASE_HANDSHAKE, /* TLS handshake, parked between its flights */
    PHASE_OPEN,      /* the protocol talks */
};

struct worker;

/* A lane is what shares one limit of workers: a listener, or the submitted jobs. */
struct lane {
    pthread_mutex_t lock;
    uint32_t running, limit;
    struct conn *first, *last; /* owned connections waiting for a place in the lane */
    atomic_uint waiting;       /* length of that list */
};

struct listener {
    struct runtime *rt;
    struct listener_options o;
    uint32_t index; /* 1 and up: its name in epoll */
    struct lane lane;
    pthread_mutex_t accept_lock;
    bool closed;        /* under accept_lock */
    atomic_bool paused; /* no descriptors were left; the keeper arms it again */
    atomic_uint connections;
    struct listener *next;
};

/* Connections of one address to one protocol. */
struct peer_count {
    struct peer_count *next;
    const struct protocol *protocol;
    struct ip ip;
    uint32_t n;
};

/* Lives in a slot that is never given back while the runtime lives, so that a late event, waker or
 * timer can look at `word` at any time: its generation tells that they are late. */
struct conn {
    _Atomic uint64_t word;
    _Atomic int64_t deadline; /* clock_ms() or NEVER; written by the owner */
    _Atomic int64_t timer_at; /* when its heap entry is due, NEVER without; under timer.lock */
    uint32_t timer_pos;       /* in the heap; under timer.lock */
    uint32_t index;           /* of the slot */
    struct conn *next;

    struct listener *listener;
    struct worker *worker; /* while a function runs */
    void *data;
    struct ssl_st *ssl;
    struct waker *waker;
    struct peer_count *count;
    enum after (*open_tls)(struct conn *c);
    int64_t kept_deadline; /* the protocol's, during a handshake */
    uint64_t id;
    struct buf in, out;
    uint32_t in_at; /* consumed bytes at the front of `in` */
    int fd;
    struct ip peer;
    uint8_t phase;
    bool counted; /* in listener->connections */
    bool opened, broken, eof;
    bool registered; /* epoll knows the descriptor */
    bool armed;      /* and will report it */
    bool armed_out;  /* and also that there is room to write */
    bool stalled;    /* `out` holds a rest of conn_send(), not to be waited for */
    bool want_write; /* the handshake waits for room to write */
    bool more;       /* the last read left something behind, surely or maybe */
    bool wake_kept;  /* woken during a handshake */
};

#define SLOTS_CHUNK  256
#define SLOTS_CHUNKS (LIMIT_SLOTS / SLOTS_CHUNK)

struct slots {
    pthread_mutex_t lock;
    _Atomic(struct conn *) chunk[SLOTS_CHUNKS];
    atomic_uint used;  /* slots that were ever in use */
    struct conn *free; /* linked by next */
};

struct timer_entry {
    int64_t at;
    struct conn *c;
};

struct timers {
    pthread_mutex_t lock; /* also the keeper's condition */
    pthread_cond_t changed;
    struct timer_entry *heap;
    uint32_t n, cap;
    int64_t keeper_until; /* the keeper sleeps until then */
    bool poked;
};

struct job {
    struct job *next;
    void (*fn)(void *arg);
    void *arg;
};

struct every {
    struct every *next;
    void (*fn)(void *arg);
    void *arg;
    int every_ms;
    int64_t at;
};

struct queue {
    pthread_mutex_t lock;
    struct conn *first, *last;
    struct job *first_job, *last_job;
    uint32_t jobs_running;
    bool jobs_turn;     /* connections and jobs take turns */
    atomic_uint length; /* connections, and jobs that may run: a hint that needs no lock */
    atomic_bool kicked; /* a kick is on its way through epoll */
    int kick_fd;
};

struct pool {
    pthread_mutex_t lock;
    uint32_t workers, limit, soft; /* under lock */
    bool starting;                 /* a worker was started and did not look for work yet */
    bool have_corpse;
    pthread_t corpse; /* the last worker that ended, to be joined by the next one */
    atomic_uint now;  /* as `workers`, to look at without the lock */
    atomic_uint idle;
    atomic_ullong served;
    atomic_bool watch; /* the keeper looks every LIMIT_WORKER_WATCH_MS */
    atomic_bool ending;
};

#define COUNT_BUCKETS 4096
#define MAX_LISTENERS 64

struct runtime {
    atomic_uint refs; /* the owner's, and one a waker */
    int epoll_fd;
    uint32_t workers_per_lane;
    struct slots slots;
    struct timers timers;
    struct queue queue;
    struct pool pool;
    pthread_mutex_t lock; /* listeners, every, counts */
    struct listener *listeners;
    uint32_t n_listeners;
    _Atomic(struct listener *) listener_at[MAX_LISTENERS]; /* by index - 1 */
    struct every *every;
    struct peer_count *counts[COUNT_BUCKETS];
    atomic_uint connections;
    atomic_ullong accepted, refused, last_id;
    atomic_bool stopping, cut;
    _Atomic int64_t stop_until;
    atomic_bool paused;          /* some listener is */
    _Atomic int64_t quiet_until; /* no further log line about that before */
};

struct worker {
    struct runtime *rt;
    struct buf spare_in, spare_out; /* buffers of the right size, kept between connections */
};

/* --- slots.c: slots and the word --- */

/* A slot, OWNED by the caller, all fields zero but its index; NULL over LIMIT_SLOTS. */
struct conn *slot_take(struct runtime *rt);
/* Ends ownership for good: the generation moves on and the slot may be used again. */
void slot_give(struct runtime *rt, struct conn *c);
void slots_free(struct runtime *rt);
/* The name of a connection in epoll. */
uint64_t slot_name(struct conn *c);
/* The slot of a name and its generation; NULL when there is none. */
struct conn *slot_find(struct runtime *rt, uint64_t name, uint32_t *generation);
uint32_t own_generation(struct conn *c);
/* Leaves a reason with the connection. True: it was PARKED and the caller owns it now (and must
 * run or queue it). False: its owner will see the reason, or the generation is over. */
bool own_notify(struct conn *c, uint32_t generation, uint32_t why);
/* For the owner: takes the reasons off. */
uint32_t own_take(struct conn *c);
/* For the owner: leaves itself a reason, so that it does not park. */
void own_again(struct conn *c, uint32_t why);
/* For the owner: is a reason waiting? */
bool own_asked(struct conn *c);
/* PARKED, unless a reason is there: then false, and the caller still owns it. After true the
 * connection must not be touched. */
must_use bool own_park(struct conn *c);

/* --- timer.c --- */

void timer_init(struct runtime *rt);
void timer_free(struct runtime *rt);
/* After a change of c->deadline, by the owner. Takes the lock only when the deadline moved to
 * before the heap's entry. */
void timer_ensure(struct runtime *rt, struct conn *c);
void timer_remove(struct runtime *rt, struct conn *c);
/* Takes the connections that are due and PARKED into the list `due` (the caller owns them then) and
 * tells the owners of the others; returns when the next entry is. Caller holds timers.lock. */
int64_t timer_due(struct runtime *rt, int64_t now, struct conn **due);
/* Lets the keeper look around. */
void keeper_poke(struct runtime *rt);

/* --- pool.c: threads, queues, lanes --- */

void lane_init(struct lane *l, uint32_t limit);
void pool_init(struct runtime *rt);
void pool_free(struct runtime *rt);
/* Starts the first workers. */
void pool_begin(struct runtime *rt);
/* Lets all workers end and joins them; the queue is empty then. */
void pool_end(struct runtime *rt);
/* The keeper's look; true while it wants to look again soon. */
bool pool_watch(struct runtime *rt, uint64_t *served, uint32_t *burst, uint32_t *calm);
/* A connection that the caller owns goes to some worker. Never blocks for long. */
void queue_conn(struct runtime *rt, struct conn *c);
void pool_poke(struct runtime *rt);
/* True when some other connection of the lane, or the queue, waits for a worker. */
bool pool_crowded(struct runtime *rt, struct lane *l);

/* --- accept.c --- */

void accept_one(struct worker *w, struct listener *l);
void accept_resume(struct runtime *rt);
void accept_close(struct listener *l);
must_use bool accept_arm(struct listener *l, int op);
/* Gives back what the connection counted for. */
void accept_uncount(struct conn *c);

/* --- run.c --- */

/* Runs a connection that the worker owns until it is parked, queued again, or ended. */
void run_conn(struct worker *w, struct conn *c);
/* Closes a connection that the worker owns (c->worker is set); the slot is given back. */
void end_conn(struct conn *c);
/* As run_conn, within the lane of its listener: may also leave it waiting there. */
void run_in_lane(struct worker *w, struct conn *c);

/* --- stream.c: bytes in and out, in clear or through TLS --- */

/* Sets up the server side of TLS on the connection's descriptor. */
must_use enum error stream_tls(struct conn *c);
/* OK: done. ERR_AGAIN: park until the descriptor is ready. Else failed. */
must_use enum error stream_handshake(struct conn *c);
/* Reads into `room`; sets c->more. As conn_read_more. */
must_use enum error stream_read(struct conn *c, uint8_t *room, size_t size, size_t *n);
/* Writes all, waiting at most LIMIT_WRITE_MS for each LIMIT_WRITE_CHUNK. */
must_use enum error stream_write(struct conn *c, struct slice s);
/* Writes what is taken without waiting; `*taken` is set always. ERR_AGAIN: not all was, the rest
 * must be the beginning of the next call. */
must_use enum error stream_offer(struct conn *c, struct slice s, size_t *taken);
/* Ends the stream; with `polite` the peer gets a close_notify, and what it still sent is read away
 * so that the kernel does not answer with a reset that could destroy our last words. */
void stream_close(struct conn *c, bool polite);

/* --- conn.c --- */

/* Reads once (more often while TLS has whole records at hand). As conn_read_more. */
must_use enum error conn_fill(struct conn *c);
/* Gives buffers back to the worker before parking; keeps unconsumed input in a small one. */
void conn_shed(struct conn *c);
/* Goes on with the rest of conn_send(). */
void conn_resume(struct conn *c);

/* --- waker.c --- */

void runtime_unref(struct runtime *rt);

#endif
