/* Character sets; see charset.h. */
#include "message/charset.h"

#include "base/utf8.h"
#include <errno.h>
#include <iconv.h>

enum kind { UTF8, CP1252, ICONV };

/* Aliases are compared without case; the last column is iconv's name. */
static const struct charset {
    struct slice name;
    enum kind kind;
    const char *iconv;
} charsets[] = {
    {SLICE_INIT("utf-8"), UTF8, NULL},
    {SLICE_INIT("us-ascii"), UTF8, NULL},
    {SLICE_INIT("utf8"), UTF8, NULL},
    {SLICE_INIT("ascii"), UTF8, NULL},
    {SLICE_INIT("ansi_x3.4-1968"), UTF8, NULL},
    {SLICE_INIT("iso-8859-1"), CP1252, NULL},
    {SLICE_INIT("iso8859-1"), CP1252, NULL},
    {SLICE_INIT("iso_8859-1"), CP1252, NULL},
    {SLICE_INIT("latin1"), CP1252, NULL},
    {SLICE_INIT("windows-1252"), CP1252, NULL},
    {SLICE_INIT("cp1252"), CP1252, NULL},
    {SLICE_INIT("iso-8859-2"), ICONV, "ISO-8859-2"},
    {SLICE_INIT("iso-8859-3"), ICONV, "ISO-8859-3"},
    {SLICE_INIT("iso-8859-4"), ICONV, "ISO-8859-4"},
    {SLICE_INIT("iso-8859-5"), ICONV, "ISO-8859-5"},
    {SLICE_INIT("iso-8859-6"), ICONV, "ISO-8859-6"},
    {SLICE_INIT("iso-8859-7"), ICONV, "ISO-8859-7"},
    {SLICE_INIT("iso-8859-8"), ICONV, "ISO-8859-8"},
    {SLICE_INIT("iso-8859-8-i"), ICONV, "ISO-8859-8"},
    {SLICE_INIT("iso-8859-9"), ICONV, "ISO-8859-9"},
    {SLICE_INIT("iso-8859-10"), ICONV, "ISO-8859-10"},
    {SLICE_INIT("iso-8859-13"), ICONV, "ISO-8859-13"},
    {SLICE_INIT("iso-8859-14"), ICONV, "ISO-8859-14"},
    {SLICE_INIT("iso-8859-15"), ICONV, "ISO-8859-15"},
    {SLICE_INIT("iso-8859-16"), ICONV, "ISO-8859-16"},
    {SLICE_INIT("windows-1250"), ICONV, "CP1250"},
    {SLICE_INIT("windows-1251"), ICONV, "CP1251"},
    {SLICE_INIT("cp1251"), ICONV, "CP1251"},
    {SLICE_INIT("windows-1253"), ICONV, "CP1253"},
    {SLICE_INIT("windows-1254"), ICONV, "CP1254"},
    {SLICE_INIT("windows-1255"), ICONV, "CP1255"},
    {SLICE_INIT("windows-1256"), ICONV, "CP1256"},
    {SLICE_INIT("windows-1257"), ICONV, "CP1257"},
    {SLICE_INIT("windows-1258"), ICONV, "CP1258"},
    {SLICE_INIT("koi8-r"), ICONV, "KOI8-R"},
    {SLICE_INIT("koi8-u"), ICONV, "KOI8-U"},
    {SLICE_INIT("macintosh"), ICONV, "MACINTOSH"},
    {SLICE_INIT("ibm437"), ICONV, "CP437"},
    {SLICE_INIT("cp437"), ICONV, "CP437"},
    {SLICE_INIT("cp850"), ICONV, "CP850"},
    {SLICE_INIT("ibm850"), ICONV, "CP850"},
    {SLICE_INIT("tis-620"), ICONV, "TIS-620"},
    {SLICE_INIT("windows-874"), ICONV, "CP874"},
    {SLICE_INIT("iso-2022-jp"), ICONV, "ISO-2022-JP-2"},
    {SLICE_INIT("shift_jis"), ICONV, "CP932"},
    {SLICE_INIT("windows-31j"), ICONV, "CP932"},
    {SLICE_INIT("euc-jp"), ICONV, "EUC-JP"},
    {SLICE_INIT("iso-2022-kr"), ICONV, "ISO-2022-KR"},
    {SLICE_INIT("euc-kr"), ICONV, "CP949"},
    {SLICE_INIT("ks_c_5601-1987"), ICONV, "CP949"},
    {SLICE_INIT("gb2312"), ICONV, "GB18030"},
    {SLICE_INIT("gbk"), ICONV, "GB18030"},
    {SLICE_INIT("gb18030"), ICONV, "GB18030"},
    {SLICE_INIT("big5"), ICONV, "BIG5-HKSCS"},
    {SLICE_INIT("utf-7"), ICONV, "UTF-7"},
    {SLICE_INIT("utf-16"), ICONV, "UTF-16"},
    {SLICE_INIT("utf-16le"), ICONV, "UTF-16LE"},
    {SLICE_INIT("utf-16be"), ICONV, "UTF-16BE"},
    {SLICE_INIT("utf-32"), ICONV, "UTF-32"},
};
enum { CHARSETS = sizeof charsets / sizeof charsets[0] };

static const struct charset *find(struct slice name)
{
    name = slice_trim(slice_sub(name, 0, slice_index(name, '*')));
    for (size_t i = 0; i < CHARSETS; i++)
        if (slice_ieq(name, charsets[i].name))
            return &charsets[i];
    return NULL;
}

bool charset_known(struct slice name)
{
    return find(name) != NULL;
}

/* Windows-1252 above 0x7F; the five bytes that it leaves open are themselves, as in Latin-1. */
static const uint16_t high[32] = {
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008D, 0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178,
};

static void from_cp1252(struct slice in, struct buf *out)
{
    size_t start = 0;
    for (size_t i = 0; i < in.n; i++) {
        uint8_t c = in.p[i];
        if (c < 0x80)
            continue;
        buf_add(out, slice_sub(in, start, i));
        utf8_put(out, c < 0xA0 ? high[c - 0x80] : c);
        start = i + 1;
    }
    buf_add(out, slice_from(in, start));
}

static void from_iconv(const char *set, struct slice in, struct buf *out)
{
    iconv_t cd = iconv_open("UTF-8", set);
    if (cd == (iconv_t)-1) { /* the converter is not installed, or cannot be loaded in here */
        utf8_clean(in, out);
        return;
    }
    char piece[2048];
    /* iconv's interface is from before const; it does not write through the input pointer. */
    char *from = (char *)(uintptr_t)in.p;
    size_t left = in.n;
    bool flush = false;
    while (!out->failed) {
        char *to = piece;
        size_t room = sizeof piece;
        size_t r = flush ? iconv(cd, NULL, NULL, &to, &room) : iconv(cd, &from, &left, &to, &room);
        int why = errno;
        buf_add(out, slice_of(piece, sizeof piece - room));
        if (r != (size_t)-1) {
            if (flush)
                break;
            flush = true;
        } else if (why != E2BIG) {
            if (flush)
                break;
            utf8_put(out, 0xFFFD);
            if (why == EINVAL || left == 0) { /* cut in the middle of a character */
                flush = true;
                continue;
            }
            from++;
            left--;
        }
    }
    iconv_close(cd);
}

void charset_to_utf8(struct slice name, struct slice in, struct buf *out)
{
    const struct charset *set = find(name);
    if (set != NULL && set->kind == ICONV)
        from_iconv(set->iconv, in, out);
    else if ((set != NULL && set->kind == CP1252) || !utf8_valid(in))
        /* What says to be ASCII or UTF-8 and is not, was mostly written in Windows-1252. */
        set != NULL &&slice_ieq(set->name, SLICE("utf-8")) ? utf8_clean(in, out)
                                                           : from_cp1252(in, out);
    else
        buf_add(out, in);
}

void charset_prepare(void)
{
    static bool done;
    if (done)
        return;
    done = true;
    /* Kept open on purpose: a converter in use stays loaded. */
    static iconv_t kept[CHARSETS];
    for (size_t i = 0; i < CHARSETS; i++)
        if (charsets[i].kind == ICONV)
            kept[i] = iconv_open("UTF-8", charsets[i].iconv);
    (void)kept;
}
