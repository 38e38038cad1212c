/* Reads any bytes as an address list. What must hold: groups begin and end in turn, every other
 * address has a mailbox and a host. */
#include "base/limits.h"
#include "message/address.h"
#include "message/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autoarena a;
    arena_init(&a, LIMIT_SUMMARY_ARENA);
    struct address *list;
    if (address_list(&a, slice_of(data, size), &list) != OK)
        bug("address_list failed on %zu bytes", size);
    bool in_group = false;
    size_t n = 0;
    for (; list != NULL; list = list->next, n++) {
        if (list->host.p == NULL) {
            if ((list->mailbox.p != NULL) == in_group)
                bug("group out of turn");
            in_group = !in_group;
        } else if (list->mailbox.p == NULL || list->host.n == 0) {
            bug("an address is half empty");
        }
    }
    if (n > 2 * LIMIT_ADDRESSES || in_group)
        bug("%zu addresses, group open: %d", n, in_group);
    (void)header_token(&a, slice_of(data, size));
    return 0;
}
