/* Sequence sets and uid ranges: reading, normalising, intersecting. */
#include "imap/imap_parse.h"

enum { SET_FIRST_CAPACITY = 16 };

static uint32_t take_member(struct imap_lexer *l, bool star)
{
    if (lex_skip(l, '*')) {
        if (!star)
            lex_fail(l, "'*' may not stand here");
        return 0;
    }
    return lex_nz_number(l);
}

/* Room for one more range; the array doubles in the arena, so that its garbage stays below its
 * size. */
static bool room_for_range(struct imap_lexer *l, struct imap_set *set, size_t *cap)
{
    if (set->n >= LIMIT_IMAP_SET_RANGES) {
        lex_limit(l, "Too many ranges in a set");
        return false;
    }
    if (set->n < *cap)
        return true;
    size_t grown = *cap ? *cap * 2 : SET_FIRST_CAPACITY;
    struct uid_range *r = arena_array(l->arena, grown, sizeof *r);
    if (!r) {
        lex_limit(l, "Too many ranges in a set");
        return false;
    }
    if (set->n)
        memcpy(r, set->range, set->n * sizeof *r);
    set->range = r;
    *cap = grown;
    return true;
}

static void take_set(struct imap_lexer *l, bool star, struct imap_set *out)
{
    size_t cap = 0;
    do {
        struct uid_range r;
        r.first = take_member(l, star);
        r.last = lex_skip(l, ':') ? take_member(l, star) : r.first;
        if (!lex_ok(l) || !room_for_range(l, out, &cap))
            return;
        out->range[out->n++] = r;
    } while (lex_skip(l, ','));
}

void lex_set(struct imap_lexer *l, struct imap_set *out)
{
    *out = (struct imap_set){0};
    if (lex_skip(l, '$')) {
        out->saved = true;
        return;
    }
    take_set(l, true, out);
}

void lex_uid_set(struct imap_lexer *l, struct imap_set *out)
{
    *out = (struct imap_set){0};
    take_set(l, false, out);
}

static int compare_ranges(const void *a, const void *b)
{
    const struct uid_range *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

size_t ranges_normalise(struct uid_range *r, size_t n)
{
    if (n == 0)
        return 0;
    bool sorted = true;
    for (size_t i = 0; i < n; i++) {
        if (r[i].first > r[i].last) {
            uint32_t t = r[i].first;
            r[i].first = r[i].last;
            r[i].last = t;
        }
        if (i > 0 && r[i - 1].first > r[i].first)
            sorted = false;
    }
    /* glibc's qsort is a merge sort here; 50,000 ranges stay far below its memory limit. */
    if (!sorted)
        qsort(r, n, sizeof *r, compare_ranges);
    size_t m = 0;
    for (size_t i = 1; i < n; i++) {
        if (r[m].last == UINT32_MAX || r[i].first <= r[m].last + 1) {
            if (r[i].last > r[m].last)
                r[m].last = r[i].last;
        } else {
            r[++m] = r[i];
        }
    }
    return m + 1;
}

bool ranges_have(const struct uid_range *r, size_t n, uint32_t uid)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (r[mid].last < uid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && r[lo].first <= uid;
}

struct uid_range *ranges_intersect(struct arena *a, const struct uid_range *x, size_t nx,
                                   const struct uid_range *y, size_t ny, size_t *out_n)
{
    *out_n = 0;
    if (nx == 0 || ny == 0)
        return NULL;
    /* Each step ends one range of the two, so there are fewer than nx + ny pieces. */
    struct uid_range *out = arena_array(a, nx + ny, sizeof *out);
    if (!out)
        return NULL;
    size_t i = 0, j = 0, n = 0;
    while (i < nx && j < ny) {
        uint32_t first = x[i].first > y[j].first ? x[i].first : y[j].first;
        uint32_t last = x[i].last < y[j].last ? x[i].last : y[j].last;
        if (first <= last)
            out[n++] = (struct uid_range){first, last};
        if (x[i].last < y[j].last)
            i++;
        else
            j++;
    }
    *out_n = n;
    return n ? out : NULL;
}
