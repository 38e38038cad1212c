/* Which recipients an operator speaks of. */
#include "queue/queue.h"

static struct slice domain_of(struct slice address)
{
    size_t at = slice_rindex(address, '@');
    return at < address.n ? slice_from(address, at + 1) : address;
}

static bool fits(struct slice wanted, struct slice have)
{
    return wanted.n == 0 || slice_ieq(wanted, have);
}

bool queue_selects(const struct queue_selector *s, uint64_t entry, struct slice sender,
                   struct slice recipient)
{
    return (s->entry == 0 || s->entry == entry) && fits(s->recipient, recipient) &&
           fits(s->sender, sender) && fits(s->destination, domain_of(recipient));
}
