/* A growing list of ranges; see range_list.h. */
#include "imap/range_list.h"

#include "base/mem.h"

void range_list_append(struct range_list *l, uint32_t first, uint32_t last)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->range = mem_resize(l->range, l->cap, sizeof *l->range);
    }
    l->range[l->n++] = (struct uid_range){first, last};
}

void range_list_add(struct range_list *l, uint32_t number)
{
    if (l->n && l->range[l->n - 1].last + 1 == number)
        l->range[l->n - 1].last = number;
    else
        range_list_append(l, number, number);
}

uint64_t range_list_count(const struct range_list *l)
{
    uint64_t count = 0;
    for (size_t i = 0; i < l->n; i++)
        count += (uint64_t)l->range[i].last - l->range[i].first + 1;
    return count;
}

void range_list_free(struct range_list *l)
{
    mem_free(l->range);
    *l = (struct range_list){0};
}
