/* Fuzz target: the first line names the mechanism, the second (when there) is the initial response,
 * the others are answers. Whoever is done has a user and a password, without NUL. */
#include "auth/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct sasl *s, enum sasl_step step)
{
    if (step == SASL_DONE && (s->user_n == 0 || s->password_n == 0 || s->user_n > LIMIT_ADDRESS ||
                              s->password_n > LIMIT_PASSWORD || strlen(s->user) != s->user_n ||
                              strlen(s->password) != s->password_n))
        bug("done without credentials");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size), mechanism, line;
    struct sasl s;
    if (!slice_line(&rest, &mechanism))
        return 0;
    bool initial = slice_line(&rest, &line);
    enum sasl_step step = sasl_start(&s, mechanism, initial && line.n > 0 ? line : SLICE_NONE);
    check(&s, step);
    while (slice_line(&rest, &line)) {
        bool over = step != SASL_CHALLENGE;
        step = sasl_next(&s, line);
        if (over && step != SASL_BAD)
            bug("it goes on after its end");
        check(&s, step);
    }
    sasl_end(&s);
    return 0;
}
