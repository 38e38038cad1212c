/* Zip archives, written as a stream (PKWARE APPNOTE 6.3): files are stored as they are, their
 * checksum and size follow them (data descriptors), and files or archives over 4 GiB use zip64.
 * What is kept meanwhile is the directory that stands at the archive's end: some 100 bytes a file.
 */
#ifndef DEPESCHE_WEB_ZIP_H
#define DEPESCHE_WEB_ZIP_H

#include "base/buf.h"

struct zip {
    struct buf directory;
    uint64_t at, files; /* bytes written */
    /* The file that is being written. */
    size_t entry;  /* its place in the directory */
    uint64_t from; /* where its bytes begin */
    uint32_t crc;
    bool large;
    size_t sent; /* of the directory */
};

/* `limit`: of the directory. */
void zip_init(struct zip *z, size_t limit);
void zip_free(struct zip *z);
/* Begins a file, or with '/' at its end a folder, without data. `name` is UTF-8 with '/' between
 * folders, of at most 65535 bytes; `modified` in seconds UTC; large: it may come to 4 GiB or more.
 */
void zip_begin(struct zip *z, struct slice name, int64_t modified, bool large, struct buf *out);
void zip_data(struct zip *z, struct slice data, struct buf *out);
void zip_end(struct zip *z, struct buf *out);
/* The directory, in pieces: appends at most about `max` bytes; false when that was the last. */
bool zip_finish(struct zip *z, size_t max, struct buf *out);
/* ERR_LIMIT: there were too many files, or one was larger than was said: what was written is
 * nothing. */
must_use enum error zip_check(const struct zip *z);

#endif
