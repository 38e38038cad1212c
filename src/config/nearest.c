/* The nearest match: which known word did somebody mean? */
#include "config/config.h"

/* Edit distance of two words of at most LIMIT_NEAREST_WORD bytes, without case: letters changed,
 * lost, added, or two neighbours swapped. */
static unsigned distance(struct slice a, struct slice b)
{
    unsigned rows[3][LIMIT_NEAREST_WORD + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b.n; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a.n; i++) {
        uint8_t x = ascii_lower(a.p[i - 1]);
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.n; j++) {
            uint8_t y = ascii_lower(b.p[j - 1]);
            unsigned best = last[j - 1] + (x == y ? 0 : 1);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && x == ascii_lower(b.p[j - 2]) && y == ascii_lower(a.p[i - 2]) &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        unsigned *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b.n];
}

const char *nearest_word(struct slice word, const char *const *candidates, size_t n)
{
    if (word.n == 0 || word.n > LIMIT_NEAREST_WORD)
        return NULL;
    const char *best = NULL;
    /* A third of the letters may be wrong, at least one, at most four: further away is a guess. */
    unsigned limit = (unsigned)(word.n / 3 < 1 ? 1 : word.n / 3 > 4 ? 4 : word.n / 3);
    for (size_t i = 0; i < n; i++) {
        struct slice c = slice_str(candidates[i]);
        if (c.n > LIMIT_NEAREST_WORD)
            continue;
        unsigned d = distance(word, c);
        if (d <= limit) {
            best = candidates[i];
            if (d == 0)
                break;
            limit = d - 1;
        }
    }
    return best;
}
