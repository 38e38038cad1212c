/* Fuzz target: an address that was parsed is canonical: parsing it again changes nothing. */
#include "directory/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mail_address a, b;
    char text[LIMIT_ADDRESS + 1], base[LIMIT_ADDRESS + 1];
    if (mail_address_parse(slice_of(data, size), &a) != OK)
        return 0;
    if (a.local[0] == 0 || a.domain[0] == 0 || strchr(a.domain, '@') != NULL)
        bug("an address with a part missing");
    if (a.plain && strpbrk(a.local, "@\" \r\n<>") != NULL)
        bug("a plain local part that is not: %s", a.local);
    if (mail_address_base(a.local, base) && strchr(base, '+') != NULL)
        bug("a base with a sub-address: %s", base);
    if (mail_address_join(a.local, a.domain, text) != OK)
        return 0;
    /* Lower case of some letters is longer than the limit allows. */
    if (strlen(a.local) > LIMIT_LOCAL_PART)
        return 0;
    if (mail_address_parse(slice_str(text), &b) != OK)
        bug("not an address any more: %s", text);
    if (strcmp(a.local, b.local) != 0 || strcmp(a.domain, b.domain) != 0 || a.plain != b.plain)
        bug("not canonical: %s became %s@%s", text, b.local, b.domain);
    return 0;
}
