/* Web sessions: what a browser that logged in carries as a cookie. Kept on the server in
 * sessions.db (only a hash of the token), so that they can be listed, ended one by one, and outlive
 * a restart.
 *
 * A token is 256 random bits. When it is older than LIMIT_WEB_ROTATE_SECONDS a new one is offered;
 * it replaces the old one with its first use (rotation), and the old one serves
 * LIMIT_WEB_ROTATE_GRACE_SECONDS more for requests that are under way. An offer whose answer got
 * lost costs nobody the session: the old token goes on, and another is offered. A session ends
 * after LIMIT_WEB_IDLE_SECONDS without use, LIMIT_WEB_SECONDS in all, by logout, and when the
 * account's epoch changes (password, state), but for the session that changed the password itself.
 *
 * Thread-safe. A look-up touches memory only, but once an hour a session, when it offers a token:
 * that is on the disk before the browser has it. Ended is on the disk too when a function that ends
 * returns, or, when the disk fails, is tried again by web_sessions_tend(). */
#ifndef DEPESCHE_AUTH_WEB_SESSION_H
#define DEPESCHE_AUTH_WEB_SESSION_H

#include "auth/login.h"

struct web_sessions;

must_use enum error web_sessions_open(const char *path, struct directory *d,
                                      struct web_sessions **out);
/* Writes what is not written yet. NULL is allowed. */
void web_sessions_close(struct web_sessions *w);

#define WEB_TOKEN_TEXT 43 /* base64url of 32 bytes without padding */

struct web_session {
    uint64_t id; /* for lists and logs; says nothing about the token */
    uint64_t account;
    int64_t created, last_used;
    struct ip ip;    /* of the last use */
    char agent[200]; /* User-Agent as sent, cut and cleaned to printable UTF-8 */
};

/* A new session after a good login_check(): `a` is its account. At most LIMIT_WEB_SESSIONS_ACCOUNT
 * of an account: the least used one ends. token is filled with WEB_TOKEN_TEXT characters and a NUL.
 */
must_use enum error web_session_begin(struct web_sessions *w, const struct account *a, struct ip ip,
                                      struct slice agent, char token[WEB_TOKEN_TEXT + 1]);
/* Whose session is it? OK fills *s and *a (the account as it is now, active). `fresh`: "" or the
 * token that is to replace this one, to be sent as a cookie. ERR_AUTH: no such session, or
 * it ended, or the account may not log in. Others: the directory cannot say now. */
must_use enum error web_session_find(struct web_sessions *w, struct slice token, struct ip ip,
                                     struct web_session *s, struct account *a,
                                     char fresh[WEB_TOKEN_TEXT + 1]);
/* Is it still there? For streams that outlive the request they came with. Not a use. */
bool web_session_alive(struct web_sessions *w, uint64_t account, uint64_t id);
/* Ends one of the account's sessions. ERR_NOTFOUND. */
must_use enum error web_session_end(struct web_sessions *w, uint64_t account, uint64_t id);
/* Ends all but `keep` (0: all); returns how many. */
size_t web_session_end_others(struct web_sessions *w, uint64_t account, uint64_t keep);
/* After this session's user changed the password: it goes on under the account's new epoch.
 * ERR_NOTFOUND. */
must_use enum error web_session_adopt(struct web_sessions *w, uint64_t id, uint64_t epoch);
/* Newest use first. */
must_use enum error web_session_list(struct web_sessions *w, uint64_t account, struct arena *a,
                                     struct web_session **out, size_t *n);
/* Writes uses, forgets what ended; about every minute, on a worker. A crash loses the uses since.
 */
void web_sessions_tend(struct web_sessions *w);

#endif
