/* A growing list of ascending numbers, kept as ranges: message numbers or uids that a command has
 * picked. Its size is bounded by the mailbox, so it lies on the heap and not in the command's
 * arena. */
#ifndef DEPESCHE_IMAP_RANGE_LIST_H
#define DEPESCHE_IMAP_RANGE_LIST_H

#include "store/store.h"

struct range_list {
    struct uid_range *range;
    size_t n, cap;
};

/* Adds `number`, greater than all that stand in the list. */
void range_list_add(struct range_list *l, uint32_t number);
/* Adds the range as it is, greater than all that stand in the list; not joined with the last. */
void range_list_append(struct range_list *l, uint32_t first, uint32_t last);
/* How many numbers there are. */
uint64_t range_list_count(const struct range_list *l);

void range_list_free(struct range_list *l);
#define autoranges __attribute__((cleanup(range_list_free))) struct range_list

#endif
