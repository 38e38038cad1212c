/* Fuzzes the reader of the list of providers. What it took must be found again, and be written in
 * the form that it would take again. */
#include "queue/providers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_each(void *arg, const struct provider *p)
{
    struct provider found;
    autobuf names = BUF_INIT(1024 * 1024);
    if (!providers_find(arg, p->domain, &found) || found.line != p->line)
        bug("a domain of the list is not found");
    if (p->demand <= DEMAND_NOTHING || p->demand >= DEMAND_COUNT)
        bug("a line without a level");
    if (providers_names(p->mx_names, &names) != OK || !slice_eq(buf_slice(&names), p->mx_names))
        bug("names change when they are read again");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct providers *list;
    char why[256] = "";
    if (providers_read(slice_of(data, size), &list, why, sizeof why) != OK) {
        if (why[0] == 0)
            bug("refused without a reason");
        return 0;
    }
    providers_each(list, on_each, list);
    providers_free(list);
    return 0;
}
