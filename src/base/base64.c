/* Base64; see base64.h. */
#include "base/base64.h"

#include "base/mem.h"

/* NO is a bit that no value has. */
enum { PIECE = 3 * 1024, NO = 64, PAD = 65 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct slice in, struct buf *out)
{
    uint8_t piece[PIECE / 3 * 4];
    size_t n = 0;
    size_t i = 0;
    for (; in.n - i >= 3; i += 3) {
        uint32_t v = (uint32_t)in.p[i] << 16 | (uint32_t)in.p[i + 1] << 8 | in.p[i + 2];
        piece[n++] = (uint8_t)alphabet[v >> 18];
        piece[n++] = (uint8_t)alphabet[v >> 12 & 63];
        piece[n++] = (uint8_t)alphabet[v >> 6 & 63];
        piece[n++] = (uint8_t)alphabet[v & 63];
        if (n == sizeof piece) {
            buf_add(out, slice_of(piece, n));
            n = 0;
        }
    }
    buf_add(out, slice_of(piece, n));
    size_t left = in.n - i;
    if (left == 0)
        return;
    uint32_t v = (uint32_t)in.p[i] << 16 | (left == 2 ? (uint32_t)in.p[i + 1] << 8 : 0);
    buf_byte(out, (uint8_t)alphabet[v >> 18]);
    buf_byte(out, (uint8_t)alphabet[v >> 12 & 63]);
    buf_byte(out, left == 2 ? (uint8_t)alphabet[v >> 6 & 63] : '=');
    buf_byte(out, '=');
}

#define N4(v) v, v, v, v
#define NO4   N4(NO)
#define NO16  NO4, NO4, NO4, NO4
/* The value of each byte, NO for one outside the alphabet, PAD for "=". */
static const uint8_t values[256] = {
    NO16, NO16, NO4,  NO4,  NO,   NO,   NO,   62,   NO, NO, NO, 63,                  /* + and / */
    52,   53,   54,   55,   56,   57,   58,   59,   60, 61, NO, NO, NO, PAD, NO, NO, /* 0-9 and = */
    NO,   0,    1,    2,    3,    4,    5,    6,    7,  8,  9,  10, 11, 12,  13, 14, /* A-O */
    15,   16,   17,   18,   19,   20,   21,   22,   23, 24, 25, NO, NO, NO,  NO, NO, /* P-Z */
    NO,   26,   27,   28,   29,   30,   31,   32,   33, 34, 35, 36, 37, 38,  39, 40, /* a-o */
    41,   42,   43,   44,   45,   46,   47,   48,   49, 50, 51, NO, NO, NO,  NO, NO, /* p-z */
    NO16, NO16, NO16, NO16, NO16, NO16, NO16, NO16,
};

enum error base64_decode(struct slice in, struct buf *out)
{
    if (in.n % 4 != 0)
        return ERR_INPUT;
    /* Decoded whole before anything is added: `out` is filled only on OK. */
    size_t pad = 0;
    while (pad < 2 && pad < in.n && in.p[in.n - 1 - pad] == '=')
        pad++;
    for (size_t i = 0; i < in.n - pad; i++)
        if (values[in.p[i]] >= NO)
            return ERR_INPUT;
    if (pad > 0) {
        /* The bits that the padding cuts off are zero, or there would be many spellings. */
        uint8_t last = values[in.p[in.n - 1 - pad]];
        if ((last & (pad == 1 ? 3 : 15)) != 0)
            return ERR_INPUT;
    }
    base64_decode_lenient(in, out);
    return buf_check(out);
}

/* Four characters of the alphabet at once, as nearly all are; false when one is not. */
static bool group(const uint8_t *p, uint8_t *out)
{
    uint32_t a = values[p[0]], b = values[p[1]], c = values[p[2]], d = values[p[3]];
    if (((a | b | c | d) & NO) != 0)
        return false;
    uint32_t bits = a << 18 | b << 12 | c << 6 | d;
    out[0] = (uint8_t)(bits >> 16);
    out[1] = (uint8_t)(bits >> 8);
    out[2] = (uint8_t)bits;
    return true;
}

void base64_decode_lenient(struct slice in, struct buf *out)
{
    uint8_t piece[PIECE];
    size_t n = 0;
    uint32_t bits = 0;
    unsigned have = 0; /* characters collected of a group of four */
    for (size_t i = 0; i < in.n; i++) {
        if (have == 0 && in.n - i >= 4 && sizeof piece - n >= 3 && group(in.p + i, piece + n)) {
            n += 3;
            i += 3;
            continue;
        }
        if (n == sizeof piece) {
            buf_add(out, slice_of(piece, n));
            n = 0;
        }
        uint8_t v = values[in.p[i]];
        if (v >= NO) {
            if (v == PAD)
                break;
            continue;
        }
        bits = bits << 6 | v;
        if (++have < 4)
            continue;
        piece[n++] = (uint8_t)(bits >> 16);
        piece[n++] = (uint8_t)(bits >> 8);
        piece[n++] = (uint8_t)bits;
        bits = 0;
        have = 0;
    }
    buf_add(out, slice_of(piece, n));
    /* It may have been a password. */
    mem_wipe(piece, n);
    if (have == 3)
        buf_byte(out, (uint8_t)(bits >> 10));
    if (have == 3)
        buf_byte(out, (uint8_t)(bits >> 2));
    if (have == 2)
        buf_byte(out, (uint8_t)(bits >> 4));
}
