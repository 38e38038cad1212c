/* Signs any bytes. What must hold: it works, both signatures verify by what they say themselves,
 * and the message with them in front reads as before, with two fields more. */
#include "base/limits.h"
#include "trust/dkim_private.h"
#include "trust/dkim_verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define check(what)                                                                                \
    do {                                                                                           \
        if (!(what))                                                                               \
            bug("%s", #what);                                                                      \
    } while (0)

/* Verifying looks at the header once for each name in h=. */
enum { VERIFIED_MAX = 8192 };

/* Ed25519, made once: RSA's mathematics are slow and the same for every message. */
static struct dkim_key *key(void)
{
    static struct dkim_key *made;
    if (!made) {
        autobuf pem = BUF_INIT(LIMIT_DKIM_PEM);
        check(dkim_key_make(DKIM_ED25519, &pem) == OK);
        check(dkim_key_read(DKIM_ED25519, buf_slice(&pem), &made) == OK);
    }
    return made;
}

static void check_fields(struct slice fields)
{
    struct slice rest = fields, line;
    while (slice_line(&rest, &line)) {
        check(line.n <= 78 && slice_trim(line).n > 0);
        for (size_t i = 0; i < line.n; i++)
            check(line.p[i] >= ' ' && line.p[i] < 127);
    }
    check(slice_ends(fields, SLICE("\r\n")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice raw = slice_of(data, size);
    const struct dkim_signature with[2] = {{key(), SLICE("one")}, {key(), SLICE("two")}};
    autobuf out = BUF_INIT(2 * LIMIT_DKIM_FIELD + LIMIT_MESSAGE_SIZE);
    check(dkim_sign(with, 2, SLICE("example.org"), raw, 1795348800, &out) == OK);
    check_fields(buf_slice(&out));
    struct slice name = SLICE("DKIM-Signature");
    size_t before = header_count(raw, name, SIZE_MAX);
    bool folded = size > 0 && (data[0] == ' ' || data[0] == '\t');
    buf_add(&out, raw);
    /* A message that begins with a blank would go on with the last signature. */
    if (!folded)
        check(header_count(buf_slice(&out), name, SIZE_MAX) == before + 2);
    if (!folded && size <= VERIFIED_MAX)
        for (size_t i = 0; i < 2; i++)
            check(dkim_verify(buf_slice(&out), i, key()->key));
    autoarena a;
    arena_init(&a, LIMIT_SUMMARY_ARENA);
    struct slice domain = dkim_from_domain(raw, &a);
    for (size_t i = 0; i < domain.n; i++)
        check(domain.p[i] > ' ' && domain.p[i] < 127);
    arena_free(&a);
    return 0;
}
