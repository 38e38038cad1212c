/* The answer of a standard /changes (RFC 8620 5.2). */
#ifndef DEPESCHE_JMAP_CHANGES_H
#define DEPESCHE_JMAP_CHANGES_H

#include "jmap/method.h"

struct jmap_numbers {
    uint64_t *v;
    size_t n;
};
struct jmap_changes {
    char letter; /* of the ids */
    struct slice since, now;
    struct jmap_numbers created, updated, destroyed;
    uint64_t most; /* maxChanges; more than that are cannotCalculateChanges */
};
/* Room for at most n of each, in the call's arena. False: the call has failed. */
bool jmap_changes_room(struct jmap_call *c, size_t n, struct jmap_changes *ch);
void jmap_changes_write(struct jmap_call *c, const struct jmap_changes *ch);

/* States that are one number (a profile's kind, submissions). */
void jmap_number_print(uint64_t state, char out[JMAP_STATE_TEXT]);
/* sinceState; fails with cannotCalculateChanges when it is none or after `now`. */
bool jmap_number_since(struct jmap_call *c, uint64_t now, uint64_t *since);

#endif
