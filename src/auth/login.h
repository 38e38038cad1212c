/* Logging in: joins directory and guard for every service, remembers good passwords for minutes,
 * and ends live sessions whose account changed.
 *
 * The memory: a keyed hash (key drawn at start) of account, epoch and password, LIMIT_LOGIN_CACHE
 * entries, LIMIT_LOGIN_CACHE_SECONDS; so a client that opens five connections pays Argon2id once.
 */
#ifndef DEPESCHE_AUTH_LOGIN_H
#define DEPESCHE_AUTH_LOGIN_H

#include "directory/directory.h"
#include "guard/guard.h"
#include "net/runtime.h"

struct login;

/* Registers itself with directory_on_change(). Neither is owned. */
must_use enum error login_new(struct directory *d, struct guard *g, struct login **out);
void login_free(struct login *l);

enum login_result {
    LOGIN_OK,
    LOGIN_WRONG,    /* user or password wrong: nobody is told which */
    LOGIN_BLOCKED,  /* the address is locked out until *until */
    LOGIN_DISABLED, /* right password, but the account may not log in */
    LOGIN_BUSY,     /* temporary: try again */
};

struct login_request {
    struct ip peer;      /* the client's, also behind a proxy */
    const char *service; /* "imap", "submission", "web" */
    struct slice user, password;
};

/* Blocks for the time of an Argon2id hash. Counts failures with the guard, and logs one line for
 * each result. On LOGIN_OK *out is filled; on LOGIN_BLOCKED *until (wall seconds). */
enum login_result login_check(struct login *l, const struct login_request *rq, struct account *out,
                              int64_t *until);

/* --- Live sessions --- */

/* Registers a session. When the account's state or password changes so that the session may not go
 * on, it is marked revoked and its waker woken. Does not own the waker's reference after
 * login_session_end(). */
struct login_session;
struct login_session *login_session_begin(struct login *l, const struct account *a,
                                          const char *service, struct waker *w) must_use;
/* Where it comes from, for lists; as known after login_session_begin(). */
void login_session_peer(struct login_session *s, struct ip peer);
bool login_session_revoked(const struct login_session *s);
void login_session_end(struct login_session *s);

/* For people to look at, and to end one by one. */
struct live_session {
    uint64_t id; /* of this run of the program */
    const char *service;
    struct ip peer;
    int64_t since; /* wall seconds */
};
/* An account's sessions that are not revoked, newest first, in `a`. ERR_LIMIT: the arena's. */
must_use enum error login_session_list(struct login *l, uint64_t account, struct arena *a,
                                       struct live_session **out, size_t *n);
/* Revokes one. ERR_NOTFOUND. */
must_use enum error login_session_revoke(struct login *l, uint64_t account, uint64_t id);

#endif
