/* Patterns of LIST; see list_pattern.h. */
#include "imap/list_pattern.h"
#include "base/limits.h"

enum { WORDS_MAX = (LIMIT_MAILBOX_NAME + 64) / 64, ANCESTORS_MAX = 64 };

static bool is_wild(uint8_t c)
{
    return c == '*' || c == '%';
}

enum error list_pattern_make(struct arena *a, struct slice text, struct list_pattern *out)
{
    if (text.n > LIMIT_MAILBOX_NAME)
        return ERR_LIMIT;
    struct list_pattern p = {.words = (text.n + 64) / 64};
    p.letters = arena_array(a, 256 * p.words, sizeof *p.letters);
    p.stars = arena_array(a, p.words, sizeof *p.stars);
    p.percents = arena_array(a, p.words, sizeof *p.percents);
    if (!p.letters || !p.stars || !p.percents)
        return ERR_LIMIT;
    for (size_t i = 0; i < text.n;) {
        size_t word = p.n / 64;
        uint64_t bit = UINT64_C(1) << p.n % 64;
        if (is_wild(text.p[i])) {
            bool star = false;
            for (; i < text.n && is_wild(text.p[i]); i++)
                star |= text.p[i] == '*';
            *(star ? &p.stars[word] : &p.percents[word]) |= bit;
        } else {
            p.letters[text.p[i] * p.words + word] |= bit;
            i++;
        }
        p.n++;
    }
    *out = p;
    return OK;
}

/* A wildcard may stand for nothing: who waits at one waits behind it too. Two never follow each
 * other, so one step is enough. */
static void skip_wildcards(const struct list_pattern *p, uint64_t *at)
{
    uint64_t carry = 0;
    for (size_t w = 0; w < p->words; w++) {
        uint64_t wild = at[w] & (p->stars[w] | p->percents[w]);
        at[w] |= wild << 1 | carry;
        carry = wild >> 63;
    }
}

/* Returns false when nothing can match any more. */
static bool step(const struct list_pattern *p, uint8_t c, uint64_t *at)
{
    const uint64_t *letters = p->letters + c * p->words;
    uint64_t carry = 0, any = 0;
    for (size_t w = 0; w < p->words; w++) {
        uint64_t moved = at[w] & letters[w];
        uint64_t stay = at[w] & (c == '/' ? p->stars[w] : p->stars[w] | p->percents[w]);
        at[w] = stay | moved << 1 | carry;
        carry = moved >> 63;
        any |= at[w];
    }
    skip_wildcards(p, at);
    return any != 0;
}

bool list_pattern_match(const struct list_pattern *p, struct slice name, uint64_t *ancestors)
{
    uint64_t at[WORDS_MAX] = {1};
    size_t end_word = p->n / 64, level = 0;
    uint64_t end_bit = UINT64_C(1) << p->n % 64;
    if (ancestors)
        *ancestors = 0;
    skip_wildcards(p, at);
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '/') {
            if (ancestors && level < ANCESTORS_MAX && (at[end_word] & end_bit))
                *ancestors |= UINT64_C(1) << level;
            level++;
        }
        if (!step(p, name.p[i], at))
            return false;
    }
    return (at[end_word] & end_bit) != 0;
}
