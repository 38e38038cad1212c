/* The guard's memory: what each address did, and the rule that closes it. No disk, no clock: times
 * are given, in milliseconds since 1970. Thread-safe. */
#ifndef DEPESCHE_GUARD_TABLE_H
#define DEPESCHE_GUARD_TABLE_H

#include "guard/guard.h"

struct guard_table;

struct guard_rule {
    unsigned tolerated, closings;
    int64_t window_ms, close_ms, closings_ms, machine_ms;
    bool repeated_counts;
};

/* At most `limit` addresses; those that matter least give way to new ones. */
struct guard_table *guard_table_new(const struct guard_rule *rule, size_t limit) must_use;
void guard_table_free(struct guard_table *t);

/* All addresses are in the counting form (ip_counting). */
enum guard_level guard_table_level(struct guard_table *t, struct ip ip, int64_t now,
                                   int64_t *until);

struct guard_verdict {
    enum guard_level level; /* that holds now */
    int64_t until;
    bool counted;
    bool closed; /* this failure closed it: a new ban until `until`, and a closing */
};
struct guard_verdict guard_table_fail(struct guard_table *t, struct ip ip, int64_t now,
                                      uint64_t account, uint64_t tag);

/* What a former run left. A ban that would last longer than the rule allows is cut. */
void guard_table_restore_failure(struct guard_table *t, struct ip ip, int64_t at);
void guard_table_restore_closing(struct guard_table *t, struct ip ip, int64_t at);
void guard_table_restore_ban(struct guard_table *t, struct ip ip, enum guard_level level,
                             int64_t since, int64_t until, int64_t now);

/* Everything about the address; the level that held. */
enum guard_level guard_table_forget(struct guard_table *t, struct ip ip, int64_t now);

/* The bans that hold, in no order. */
must_use enum error guard_table_bans(struct guard_table *t, int64_t now, struct arena *a,
                                     struct guard_ban **out, size_t *n);
size_t guard_table_count(struct guard_table *t);

#endif
