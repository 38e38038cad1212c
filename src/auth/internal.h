/* What the files of auth/ share. */
#ifndef DEPESCHE_AUTH_INTERNAL_H
#define DEPESCHE_AUTH_INTERNAL_H

#include "auth/login.h"
#include <pthread.h>

/* --- Good passwords, remembered for minutes --- */

struct login_cache;
struct login_cache *login_cache_new(size_t entries, int64_t lifetime_ms) must_use;
void login_cache_free(struct login_cache *c);
/* Was this the account's password a short while ago? Not if the account changed since (epoch). */
bool login_cache_has(struct login_cache *c, const struct account *a, struct slice password,
                     int64_t now_ms);
void login_cache_add(struct login_cache *c, const struct account *a, struct slice password,
                     int64_t now_ms);
/* Tells wrong passwords apart without revealing them; never 0. */
uint64_t login_cache_tag(struct login_cache *c, struct slice user, struct slice password);

/* --- Live sessions --- */

struct sessions;
struct sessions *sessions_new(struct directory *d) must_use;
/* All sessions must have ended. */
void sessions_free(struct sessions *s);
struct login_session *sessions_add(struct sessions *s, const struct account *a, const char *service,
                                   struct waker *w) must_use;
must_use enum error sessions_list(struct sessions *s, uint64_t account, struct arena *a,
                                  struct live_session **out, size_t *n);
must_use enum error sessions_revoke(struct sessions *s, uint64_t account, uint64_t id);
/* Looks at every account with a session again. */
void sessions_recheck(struct sessions *s);

#endif
