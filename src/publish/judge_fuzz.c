/* TXT records of others: tags, SPF and DMARC read to their end, whatever stands in them. */
#include "publish/publish_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    struct ip ip[2] = {{{[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}}, {{0x20, 0x01, [15] = 1}}};
    struct slice value = publish_tag(text, SLICE("p"));
    if (value.n > 0 && (value.p < data || value.p + value.n > data + size))
        abort();
    (void)publish_judge_spf(text, SLICE("mail.example.org"), ip, 2);
    (void)publish_judge_dmarc(text);
    return 0;
}
