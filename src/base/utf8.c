/* UTF-8 and the forms of Unicode text; see utf8.h. ASCII, which nearly all text is, takes a short
 * way; the tables of Unicode come from libunistring. */
#include "base/utf8.h"

#include "base/mem.h"
#include <pthread.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

enum { REPLACEMENT = 0xFFFD, RUN = 128, PLACE = 4 * RUN };

/* How many bytes of `s` are below 0x80 before the first that is not. */
static size_t seven_bit(struct slice s)
{
    size_t i = 0;
    uint64_t word;
    for (; s.n - i >= sizeof word; i += sizeof word) {
        memcpy(&word, s.p + i, sizeof word);
        if (word & 0x8080808080808080u)
            break;
    }
    while (i < s.n && s.p[i] < 0x80)
        i++;
    return i;
}

bool ascii_only(struct slice s)
{
    return seven_bit(s) == s.n && !slice_has(s, 0);
}

/* Decodes the sequence at the beginning of `s` (not empty). Gives its length and the code point, or
 * -1 and the length of the maximal subpart (Unicode 15, table 3-7). */
static size_t sequence(struct slice s, int32_t *code_point)
{
    uint8_t lead = s.p[0];
    size_t length;
    uint8_t low = 0x80, high = 0xBF; /* of the second byte */
    *code_point = -1;
    if (lead < 0x80) {
        *code_point = lead;
        return 1;
    }
    if (lead >= 0xC2 && lead <= 0xDF) {
        length = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        length = 3;
        low = lead == 0xE0 ? 0xA0 : low;
        high = lead == 0xED ? 0x9F : high;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        length = 4;
        low = lead == 0xF0 ? 0x90 : low;
        high = lead == 0xF4 ? 0x8F : high;
    } else {
        return 1;
    }
    int32_t v = lead & (0x7F >> length);
    for (size_t i = 1; i < length; i++) {
        if (i >= s.n || s.p[i] < low || s.p[i] > high)
            return i;
        v = v << 6 | (s.p[i] & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    *code_point = v;
    return length;
}

bool utf8_valid(struct slice s)
{
    while (s.n > 0) {
        s = slice_from(s, seven_bit(s));
        if (s.n == 0)
            break;
        int32_t c;
        size_t n = sequence(s, &c);
        if (c < 0)
            return false;
        s = slice_from(s, n);
    }
    return true;
}

int32_t utf8_next(struct slice *rest)
{
    if (rest->n == 0)
        return -1;
    int32_t c;
    size_t n = sequence(*rest, &c);
    *rest = slice_from(*rest, n);
    return c < 0 ? REPLACEMENT : c;
}

void utf8_put(struct buf *out, uint32_t c)
{
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        c = REPLACEMENT;
    uint8_t bytes[4];
    size_t n = 0;
    if (c < 0x80) {
        buf_byte(out, (uint8_t)c);
        return;
    }
    if (c < 0x800) {
        bytes[n++] = (uint8_t)(0xC0 | c >> 6);
    } else if (c < 0x10000) {
        bytes[n++] = (uint8_t)(0xE0 | c >> 12);
        bytes[n++] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
    } else {
        bytes[n++] = (uint8_t)(0xF0 | c >> 18);
        bytes[n++] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
        bytes[n++] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
    }
    bytes[n++] = (uint8_t)(0x80 | (c & 0x3F));
    buf_add(out, slice_of(bytes, n));
}

void utf8_clean(struct slice s, struct buf *out)
{
    while (s.n > 0) {
        size_t n = seven_bit(s);
        buf_add(out, slice_sub(s, 0, n));
        s = slice_from(s, n);
        if (s.n == 0)
            break;
        int32_t c;
        n = sequence(s, &c);
        if (c < 0)
            utf8_put(out, REPLACEMENT);
        else
            buf_add(out, slice_sub(s, 0, n));
        s = slice_from(s, n);
    }
}

struct searching {
    struct buf *out;
    bool after_space;
};

static void put_searched_space(struct searching *w)
{
    if (!w->after_space)
        buf_byte(w->out, ' ');
    w->after_space = true;
}

/* The ASCII bytes at the beginning of `s`, folded; gives how many they were. */
static size_t search_ascii(struct searching *w, struct slice s)
{
    uint8_t piece[512];
    size_t n = 0, i = 0;
    bool after_space = w->after_space;
    for (; i < s.n && s.p[i] < 0x80; i++) {
        uint8_t c = s.p[i];
        bool space = c == ' ' || (c >= '\t' && c <= '\r');
        if (space && after_space)
            continue;
        after_space = space;
        piece[n++] = space ? ' ' : ascii_lower(c);
        if (n == sizeof piece) {
            buf_add(w->out, slice_of(piece, n));
            n = 0;
        }
    }
    buf_add(w->out, slice_of(piece, n));
    w->after_space = after_space;
    return i;
}

/* Frees what libunistring allocated because the given place was too small. */
static void free_unless(uint32_t *got, const uint32_t *place)
{
    if (got != place)
        mem_free(got);
}

static void put_searched(struct searching *w, const uint32_t *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t c = text[i];
        if (uc_is_property_white_space(c)) {
            put_searched_space(w);
        } else if (!uc_is_general_category_withtable(c,
                                                     UC_CATEGORY_MASK_Mn | UC_CATEGORY_MASK_Me)) {
            utf8_put(w->out, c);
            w->after_space = false;
        }
    }
}

/* Decomposing, folding and dropping marks each look at one code point at a time (the order of marks
 * does not matter where all are dropped), so text may be cut into runs anywhere. Folding gives new
 * composed letters now and then: hence the second decomposition. */
static void search_run(struct searching *w, const uint32_t *run, size_t count)
{
    uint32_t place1[PLACE], place2[PLACE], place3[PLACE];
    size_t n1 = PLACE, n2 = PLACE, n3 = PLACE;
    uint32_t *first = u32_normalize(UNINORM_NFKD, run, count, place1, &n1);
    if (first == NULL)
        die("no memory to normalize text");
    uint32_t *folded = u32_casefold(first, n1, NULL, NULL, place2, &n2);
    if (folded == NULL)
        die("no memory to fold text");
    uint32_t *last = u32_normalize(UNINORM_NFKD, folded, n2, place3, &n3);
    if (last == NULL)
        die("no memory to normalize text");
    put_searched(w, last, n3);
    free_unless(first, place1);
    free_unless(folded, place2);
    free_unless(last, place3);
}

/* The forms of the code points from U+0080 to U+24FF (Latin, Greek, Cyrillic, Hebrew, Arabic,
 * punctuation), made once: asking the library each time takes six times as long. */
enum { TABLE_FIRST = 0x80, TABLE_END = 0x2500, FORM_SIZE = 7, FORM_ASK = 0xFF };

struct form {
    uint8_t n; /* bytes of `text`, or FORM_ASK: white space, or too long for the table */
    uint8_t text[FORM_SIZE];
};

static struct form forms[TABLE_END - TABLE_FIRST];
static pthread_once_t forms_made = PTHREAD_ONCE_INIT;

static void make_forms(void)
{
    autobuf b = BUF_INIT(256);
    for (uint32_t c = TABLE_FIRST; c < TABLE_END; c++) {
        struct searching w = {&b, false};
        struct form *f = &forms[c - TABLE_FIRST];
        buf_reset(&b);
        search_run(&w, &c, 1);
        if (b.n > FORM_SIZE || slice_has(buf_slice(&b), ' ')) {
            f->n = FORM_ASK;
            continue;
        }
        f->n = (uint8_t)b.n;
        memcpy(f->text, b.n ? b.p : f->text, b.n);
    }
}

static bool search_known(struct searching *w, uint32_t c)
{
    if (c < TABLE_FIRST || c >= TABLE_END)
        return false;
    const struct form *f = &forms[c - TABLE_FIRST];
    if (f->n == FORM_ASK)
        return false;
    buf_add(w->out, slice_of(f->text, f->n));
    if (f->n > 0)
        w->after_space = false;
    return true;
}

void utf8_search_form(struct slice s, struct buf *out)
{
    struct searching w = {out, false};
    uint32_t run[RUN];
    s = slice_from(s, search_ascii(&w, s));
    if (s.n > 0)
        pthread_once(&forms_made, make_forms);
    while (s.n > 0) {
        size_t n = 0;
        while (n < RUN && s.n > 0 && s.p[0] >= 0x80) {
            struct slice rest = s;
            uint32_t c = (uint32_t)utf8_next(&rest);
            if (n == 0 && search_known(&w, c)) {
                s = rest;
                continue;
            }
            if (n > 0 && c < TABLE_END)
                break;
            run[n++] = c;
            s = rest;
        }
        if (n > 0)
            search_run(&w, run, n);
        s = slice_from(s, search_ascii(&w, s));
    }
}

enum error utf8_nfc(struct slice s, struct buf *out)
{
    if (seven_bit(s) == s.n) {
        buf_add(out, s);
        return buf_check(out);
    }
    if (!utf8_valid(s))
        return ERR_INPUT;
    uint8_t place[1024];
    size_t n = sizeof place;
    uint8_t *got = u8_normalize(UNINORM_NFC, s.p, s.n, place, &n);
    if (got == NULL)
        die("no memory to normalize text");
    buf_add(out, slice_of(got, n));
    if (got != place)
        mem_free(got);
    return buf_check(out);
}
