/* The runtime: workers and parked connections.
 *
 * Workers wait in one shared epoll; a connection is registered one-shot, so one worker owns it at a
 * time and the protocol's code is plain sequential C without locks. While nothing happens a
 * connection is PARKED and costs no thread, no stack and no buffer.
 *
 * The one clever place of the program is who owns a connection. Its state is one atomic word:
 *   PARKED      nobody runs it; epoll is armed for it
 *   OWNED       one worker runs it
 *   OWNED+WAKE  as OWNED, and somebody wants event() called before it parks again
 * Only a compare-and-swap from PARKED gives ownership, and only the owner re-arms epoll or frees.
 * Wakers and timers never touch the socket: they take a PARKED connection and queue it for a
 * worker, or set WAKE on an owned one, which the owner sees in the swap that parks.
 *
 * A protocol's functions run on a worker and may block for short work (a database, a commit, a
 * write with its deadline) but never to wait for the peer's next input: for that they return PARK.
 */
#ifndef DEPESCHE_NET_RUNTIME_H
#define DEPESCHE_NET_RUNTIME_H

#include "base/buf.h"
#include "net/address.h"
#include "net/tls.h"

struct runtime;
struct conn;

enum after {
    PARK,  /* call again when there is input, an event or the deadline */
    CLOSE, /* flush what is written, then close */
};

/* What a listener speaks. All functions but open and input may be NULL. conn_data(c) is the
 * session. None is called twice at once for one connection; close is called exactly once if open
 * was. */
struct protocol {
    const char *name;
    /* The connection is accepted (implicit TLS: after the handshake). Greets. */
    enum after (*open)(struct conn *c);
    /* There are new bytes in conn_input(). Handle every whole unit, conn_consume() it, leave a
     * partial one: it is kept. Called again only when more bytes came. */
    enum after (*input)(struct conn *c);
    /* conn_wake() was called, once or more often. */
    enum after (*event)(struct conn *c);
    /* The deadline set by conn_deadline() passed. NULL closes. */
    enum after (*timeout)(struct conn *c);
    /* The service is stopping: say goodbye (the return value is taken as CLOSE, unless something is
     * in flight: PARK then, and close after it). NULL closes. */
    enum after (*stopping)(struct conn *c);
    /* Frees the session. The peer may be gone already; nothing can be written any more. */
    void (*close)(struct conn *c);
    /* The names for ALPN (RFC 7301) that it speaks, ours first, each after its length byte:
     * SLICE_INIT("\x02h2"). A client that offers only others is refused. Empty: ALPN is ignored. */
    struct slice alpn;
    /* All that conn_send() had left behind is with the peer's system now. NULL: nothing to do. */
    enum after (*writable)(struct conn *c);
};

struct listener_options {
    int fd; /* a listening socket; the runtime owns it from now on */
    const struct protocol *protocol;
    void *service;            /* for conn_service() */
    struct tls_server *tls;   /* for implicit TLS and conn_start_tls(); NULL: no TLS here */
    bool implicit_tls;        /* the handshake is done before open() */
    uint32_t max_connections; /* of this listener; 0: LIMIT_CONNECTIONS */
    uint32_t
        max_per_address; /* counted over all listeners with the same `protocol`; 0: the default */
    /* Asked for each accepted address before anything else; false: closed at once. May be NULL. */
    bool (*admit)(void *service, struct ip peer);
    /* True: max_per_address does not count for this address (a trusted webmail host). May be NULL.
     */
    bool (*exempt)(void *service, struct ip peer);
    /* What to write (cleartext listeners only) before closing when a limit is hit; may be empty. */
    struct slice busy_text;
};

struct runtime_options {
    /* At once for one listener, and for submitted jobs together; 0: LIMIT_WORKERS_PER_LISTENER.
     * The pool may grow to the sum, so that no listener waits for another. */
    uint32_t max_workers;
};

must_use enum error runtime_new(const struct runtime_options *o, struct runtime **out);
/* Adds a listener; also while running. On error the caller still owns o->fd. `tls` must outlive the
 * runtime. At most 64 listeners (ERR_LIMIT). */
must_use enum error runtime_listen(struct runtime *r, const struct listener_options *o);
/* Runs until runtime_stop() was called and every connection is closed; when the `grace_ms` given
 * there have passed, those left are cut off (close() is still called). Submitted jobs and protocol
 * functions that run at that time are waited for. Blocks the calling thread (it becomes the keeper
 * of timers and the worker pool). Workers have all signals blocked. */
void runtime_run(struct runtime *r);
/* Ends accepting at once and calls stopping() on every connection. A listening socket is closed but
 * not shut down: another process that holds it goes on. Async-signal-safe: no. Thread-safe. */
void runtime_stop(struct runtime *r, int grace_ms);
/* After runtime_run returned. Wakers may still be held, woken and given back. */
void runtime_free(struct runtime *r);

/* Calls fn(arg) on the keeper thread every `every_ms`, first after that time; for short
 * house-keeping. */
void runtime_every(struct runtime *r, int every_ms, void (*fn)(void *arg), void *arg);

/* Runs fn(arg) on a pool worker soon. For work that may block. */
void runtime_submit(struct runtime *r, void (*fn)(void *arg), void *arg);

/* Figures for logs and `depesche doctor`. */
struct runtime_stats {
    uint32_t connections, workers, idle_workers;
    uint64_t accepted, refused;
};
struct runtime_stats runtime_stats(struct runtime *r);

/* --- The connection, for its owner: to be called only inside a protocol function --- */

void *conn_service(struct conn *c);
void *conn_data(struct conn *c);
void conn_set_data(struct conn *c, void *data);
struct ip conn_peer(struct conn *c);
/* A number that is unique in this process, for log lines. */
uint64_t conn_id(struct conn *c);

/* Bytes received and not consumed; valid until conn_consume() or return. At most
 * LIMIT_INPUT_BUFFER are held back: a protocol must consume or close before that. What is consumed
 * is overwritten. */
struct slice conn_input(struct conn *c);
void conn_consume(struct conn *c, size_t n);
/* Reads more into the input without blocking, to run on within one call (the body of a big
 * literal): OK when bytes were added, ERR_AGAIN when there are none now, ERR_LIMIT when the input
 * is full, ERR_CLOSED / ERR_IO when the connection is gone. */
must_use enum error conn_read_more(struct conn *c);

/* Output is gathered and sent by conn_flush(), when 16 KiB (one TLS record) are there, and before
 * PARK. Blocks when the peer does not read, at most LIMIT_WRITE_MS for each 16 KiB; on failure the
 * connection is marked broken, further writes are dropped, and it closes after return. */
void conn_write(struct conn *c, struct slice s);
void conn_printf(struct conn *c, const char *format, ...) printf_like(2, 3);
void conn_flush(struct conn *c);
bool conn_broken(const struct conn *c);

/* For answers of any size, without a worker waiting for the peer: sends what the peer takes now. A
 * rest (of at most LIMIT_INPUT_BUFFER bytes, what a call may bring) stays here, and the connection
 * is stalled: return PARK, write nothing more until writable() is called, and set a deadline. To
 * CLOSE a stalled connection drops the rest. */
void conn_send(struct conn *c, struct slice s);
bool conn_stalled(const struct conn *c);

/* Milliseconds from now until timeout(); replaces the one before; 0: none. Cheap enough for every
 * command. During a handshake LIMIT_HANDSHAKE_MS counts and this one is kept for afterwards. */
void conn_deadline(struct conn *c, int ms);

/* STARTTLS: call after writing the go-ahead and consuming the command, then return PARK and write
 * nothing more. The input must be empty then, otherwise the go-ahead is not sent, the connection is
 * marked broken (bytes that were sent in clear must never count as sent under TLS; CVE-2011-0411).
 * The handshake runs parked; `open_tls` is called instead of open() when it is done. */
must_use enum error conn_start_tls(struct conn *c, enum after (*open_tls)(struct conn *c));
bool conn_tls(const struct conn *c);
/* "TLSv1.3", the cipher's IANA name as "TLS_AES_256_GCM_SHA384"; empty without TLS. Valid while c
 * lives. */
struct slice conn_tls_version(const struct conn *c);
struct slice conn_tls_cipher(const struct conn *c);
/* The protocol that was agreed on by ALPN, as "h2"; empty without one. Valid while c lives. */
struct slice conn_alpn(const struct conn *c);

/* --- Waking, for everybody --- */

/* A handle that others may hold and wake; reference-counted, outlives the connection. */
struct waker;
/* A new reference to the connection's waker. */
struct waker *conn_waker(struct conn *c) must_use;
struct waker *waker_ref(struct waker *w) must_use;
void waker_unref(struct waker *w);
/* event() will be called soon on a worker, once for any number of calls before it runs. Never
 * blocks, callable from any thread with any lock held; nothing happens when the connection is gone.
 */
void waker_wake(struct waker *w);

#endif
