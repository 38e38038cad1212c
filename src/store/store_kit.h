/* What the store's tests share: a store in a folder of its own, messages, short ways to deliver and
 * look. A test program that runs the conformance suite against another engine gives its own
 * kit_open. */
#ifndef DEPESCHE_STORE_STORE_KIT_H
#define DEPESCHE_STORE_STORE_KIT_H

/* cmocka needs these before itself. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "base/mem.h"
#include "store/store.h"

/* In the place of a connection's waker. */
struct kit_waker {
    _Atomic unsigned wakes, refs;
};
struct waker *kit_waker(struct kit_waker *w);

struct kit {
    char dir[64];
    unsigned shards;
    struct store *s;
    struct arena a;
};

/* A new store in a new folder. */
struct kit *kit_new(unsigned shards);
/* Closes and opens it again, as the process would. */
void kit_reopen(struct kit *k);
void kit_open(struct kit *k, int undelete_days);
void kit_close(struct kit *k);
/* With the folder. */
void kit_free(struct kit *k);
/* store_check finds nothing. */
void kit_sound(struct kit *k);

/* Runs SQL on the committer's thread, whose connection it is. */
void kit_execute(struct kit *k, const char *sql);

/* A message with this subject and text; lives in k->a. */
struct slice kit_raw(struct kit *k, const char *subject, const char *text);
struct slice kit_big(struct kit *k, size_t size, uint32_t seed);
struct summary kit_summary(struct kit *k, struct slice raw);

uint32_t kit_box(struct kit *k, uint64_t account, const char *name);
struct mailbox kit_figures(struct kit *k, uint64_t account, uint32_t mailbox);
uint32_t kit_deliver(struct kit *k, uint64_t account, struct slice raw);
uint32_t kit_append(struct kit *k, uint64_t account, uint32_t mailbox, struct slice raw,
                    uint64_t flags);
void kit_body_is(struct kit *k, uint64_t account, uint32_t mailbox, uint32_t uid,
                 struct slice expected);
/* "1 2 3!" : the uids, those with \Deleted marked by an exclamation mark. */
const char *kit_uids(struct kit *k, uint64_t account, uint32_t mailbox);
struct snapshot *kit_snapshot(struct kit *k, uint64_t account, uint32_t mailbox);

#endif
