/* Zip archives as a stream; see zip.h. */
#include "web/zip.h"

#include "base/date.h"
#include <zlib.h>

enum {
    LOCAL = 0x04034b50,
    DESCRIPTOR = 0x08074b50,
    CENTRAL = 0x02014b50,
    END = 0x06054b50,
    END_64 = 0x06064b50,
    LOCATOR_64 = 0x07064b50,
    VERSION = 20,    /* needed to extract */
    VERSION_64 = 45, /* the same, with zip64 */
    UNIX = 3 << 8,   /* made by: so the attributes are a mode */
    FLAGS = 0x0808,  /* a descriptor follows; names are UTF-8 */
    EXTRA_64 = 1,
    FILE_MODE = 0100600,
    FOLDER = 0040700,
    DOS_FOLDER = 16,
    /* Places in an entry of the directory, 4.3.12. */
    ENTRY_CRC = 16,
    ENTRY_SIZES = 20,
    ENTRY_SIZE = 46
};

static const uint32_t MOST_32 = UINT32_MAX;
static const uint16_t MOST_16 = UINT16_MAX;

/* Numbers are little-endian. */
static void put(struct buf *out, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        buf_byte(out, (uint8_t)(v >> (8 * i)));
}

static void put_16(struct buf *out, uint32_t v)
{
    put(out, v, 2);
}

static void put_32(struct buf *out, uint64_t v)
{
    put(out, v, 4);
}

static void put_64(struct buf *out, uint64_t v)
{
    put(out, v, 8);
}

static void set_32(struct buf *b, size_t at, uint32_t v)
{
    for (size_t i = 0; i < 4 && at + i < b->n; i++)
        b->p[at + i] = (uint8_t)(v >> (8 * i));
}

/* What is appended to `out` from here on is counted by added(). */
static void added(struct zip *z, const struct buf *out, size_t before)
{
    z->at += out->n - before;
}

void zip_init(struct zip *z, size_t limit)
{
    *z = (struct zip){.directory = BUF_INIT(limit)};
}

void zip_free(struct zip *z)
{
    buf_free(&z->directory);
}

/* The clock and calendar of MS-DOS, 4.4.6: from 1980, two seconds fine. */
static uint32_t dos_time(int64_t seconds)
{
    struct civil c = date_to_civil(seconds);
    if (c.year < 1980)
        return 1 << 21 | 1 << 16;
    if (c.year > 2107)
        c.year = 2107;
    return (uint32_t)(c.year - 1980) << 25 | (uint32_t)c.month << 21 | (uint32_t)c.day << 16 |
           (uint32_t)c.hour << 11 | (uint32_t)c.minute << 5 | (uint32_t)c.second >> 1;
}

void zip_begin(struct zip *z, struct slice name, int64_t modified, bool large, struct buf *out)
{
    uint32_t time = dos_time(modified);
    uint64_t begin = z->at;
    size_t before = out->n;
    name = slice_sub(name, 0, UINT16_MAX);
    put_32(out, LOCAL);
    put_16(out, large ? VERSION_64 : VERSION);
    put_16(out, FLAGS);
    put_16(out, 0); /* stored */
    put_32(out, time);
    put_32(out, 0); /* checksum and sizes: in the descriptor */
    put_32(out, large ? MOST_32 : 0);
    put_32(out, large ? MOST_32 : 0);
    put_16(out, (uint32_t)name.n);
    put_16(out, large ? 20 : 0);
    buf_add(out, name);
    if (large) { /* says that the descriptor's sizes have 64 bits */
        put_16(out, EXTRA_64);
        put_16(out, 16);
        put_64(out, 0);
        put_64(out, 0);
    }
    added(z, out, before);

    bool far = begin >= MOST_32;
    struct buf *d = &z->directory;
    z->entry = d->n;
    z->from = z->at;
    z->crc = 0;
    z->large = large;
    z->files++;
    put_32(d, CENTRAL);
    put_16(d, UNIX | VERSION_64);
    put_16(d, large || far ? VERSION_64 : VERSION);
    put_16(d, FLAGS);
    put_16(d, 0);
    put_32(d, time);
    put_32(d, 0); /* checksum and sizes: set at its end */
    put_32(d, MOST_32);
    put_32(d, MOST_32);
    put_16(d, (uint32_t)name.n);
    put_16(d, large || far ? 4 + 16 * large + 8 * far : 0);
    put_16(d, 0); /* no comment */
    put_16(d, 0); /* first disk */
    put_16(d, 0); /* not said to be text */
    put_32(d, slice_ends(name, SLICE("/")) ? (uint64_t)FOLDER << 16 | DOS_FOLDER
                                           : (uint64_t)FILE_MODE << 16);
    put_32(d, far ? MOST_32 : begin);
    buf_add(d, name);
    if (large || far) {
        put_16(d, EXTRA_64);
        put_16(d, 16 * large + 8 * far);
        if (large) {
            put_64(d, 0);
            put_64(d, 0);
        }
        if (far)
            put_64(d, begin);
    }
}

void zip_data(struct zip *z, struct slice data, struct buf *out)
{
    z->crc = (uint32_t)crc32_z(z->crc, data.p, data.n);
    buf_add(out, data);
    z->at += data.n;
}

void zip_end(struct zip *z, struct buf *out)
{
    uint64_t size = z->at - z->from;
    size_t before = out->n;
    struct buf *d = &z->directory;
    put_32(out, DESCRIPTOR);
    put_32(out, z->crc);
    put(out, size, z->large ? 8 : 4);
    put(out, size, z->large ? 8 : 4);
    added(z, out, before);
    if (d->failed)
        return;
    set_32(d, z->entry + ENTRY_CRC, z->crc);
    if (!z->large) {
        d->failed = size >= MOST_32;
        set_32(d, z->entry + ENTRY_SIZES, (uint32_t)size);
        set_32(d, z->entry + ENTRY_SIZES + 4, (uint32_t)size);
        return;
    }
    /* In its extra field, behind the name. */
    size_t name = (size_t)d->p[z->entry + 28] | (size_t)d->p[z->entry + 29] << 8;
    size_t at = z->entry + ENTRY_SIZE + name + 4;
    for (size_t i = 0; i < 16; i += 8) {
        set_32(d, at + i, (uint32_t)size);
        set_32(d, at + i + 4, (uint32_t)(size >> 32));
    }
}

static void put_end(struct zip *z, uint64_t from, struct buf *out)
{
    uint64_t size = z->at - from, end = z->at;
    bool large = z->files >= MOST_16 || size >= MOST_32 || from >= MOST_32;
    if (large) {
        put_32(out, END_64);
        put_64(out, 44); /* the rest of this record */
        put_16(out, UNIX | VERSION_64);
        put_16(out, VERSION_64);
        put_32(out, 0); /* disks */
        put_32(out, 0);
        put_64(out, z->files);
        put_64(out, z->files);
        put_64(out, size);
        put_64(out, from);
        put_32(out, LOCATOR_64);
        put_32(out, 0);
        put_64(out, end);
        put_32(out, 1);
    }
    put_32(out, END);
    put_16(out, 0); /* disks */
    put_16(out, 0);
    put_16(out, large ? MOST_16 : (uint32_t)z->files);
    put_16(out, large ? MOST_16 : (uint32_t)z->files);
    put_32(out, large ? MOST_32 : size);
    put_32(out, large ? MOST_32 : from);
    put_16(out, 0); /* no comment */
}

bool zip_finish(struct zip *z, size_t max, struct buf *out)
{
    struct slice piece = slice_sub(buf_slice(&z->directory), z->sent, z->sent + max);
    buf_add(out, piece);
    z->at += piece.n;
    z->sent += piece.n;
    if (z->sent < z->directory.n)
        return true;
    put_end(z, z->at - z->directory.n, out);
    return false;
}

enum error zip_check(const struct zip *z)
{
    return buf_check(&z->directory);
}
