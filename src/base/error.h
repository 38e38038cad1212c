/* Errors: the one return type of everything that can fail.
 *
 * A function that can fail returns `enum error` and fills its out-parameters only on OK.
 * What the environment does wrong (disk, memory, configuration) ends in die(); what this program
 * does wrong ends in bug(). Both log one line and end the process: the supervisor starts it anew.
 */
#ifndef DEPESCHE_BASE_ERROR_H
#define DEPESCHE_BASE_ERROR_H

enum error {
    OK = 0,
    ERR_INPUT,    /* the bytes or arguments given are malformed */
    ERR_LIMIT,    /* a named limit is reached (limits.h or configuration) */
    ERR_AGAIN,    /* not now: would block, or a temporary condition; the same call may work later */
    ERR_IO,       /* the disk or the network failed */
    ERR_FULL,     /* no room: the disk is full (a quota is ERR_QUOTA) */
    ERR_QUOTA,    /* the account's quota is used up */
    ERR_AUTH,     /* credentials or rights do not suffice */
    ERR_NOTFOUND, /* the thing named does not exist */
    ERR_CONFLICT, /* it exists already, or changed meanwhile */
    ERR_TIMEOUT,  /* the deadline passed */
    ERR_CLOSED,   /* the peer ended the connection, or the service is stopping */
    ERR_BUG,      /* an invariant does not hold; only returned where ending the process is worse */
};

#define must_use          __attribute__((warn_unused_result))
#define printf_like(a, b) __attribute__((format(printf, a, b)))

/* A short English name for logs: "input", "limit", ... Never NULL. */
const char *error_name(enum error e);

/* Logs the message at level error with file and line, then aborts. For broken invariants only. */
#define bug(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void bug_at(const char *file, int line, const char *format, ...) printf_like(3, 4);

/* Logs the message at level error and exits with status 1. For an environment that cannot serve. */
_Noreturn void die(const char *format, ...) printf_like(1, 2);

#endif
