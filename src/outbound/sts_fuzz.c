/* Fuzz target: policy files, the records that announce them, and TLSRPT records. */
#include "outbound/sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct slice piece, struct slice whole)
{
    return piece.n == 0 || (piece.p >= whole.p && piece.p + piece.n <= whole.p + whole.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct sts_policy p;
    struct slice id;
    if (sts_policy_read(in, &p) == OK) {
        if (p.max_age > LIMIT_STS_MAX_AGE || p.n_mx > LIMIT_STS_MX)
            bug("over a limit");
        for (size_t i = 0; i < p.n_mx; i++)
            if (!inside(p.mx[i], in) || (p.mx[i].p[0] != '*' && !sts_names(&p, p.mx[i])))
                bug("a pattern does not match itself");
    }
    if (sts_record_id(in, &id) == OK && (!inside(id, in) || id.n == 0 || id.n > 32))
        bug("an id that is none");
    autoarena a;
    arena_init(&a, 65536);
    struct slice rua = tlsrpt_rua(in, &a);
    struct slice uri;
    while (slice_split(&rua, ' ', &uri))
        if (!slice_istarts(uri, SLICE("mailto:")) && !slice_istarts(uri, SLICE("https://")))
            bug("an address of another kind");
    return 0;
}
