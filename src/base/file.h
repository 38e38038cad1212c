/* Whole files, as they are read at a start. */
#ifndef DEPESCHE_BASE_FILE_H
#define DEPESCHE_BASE_FILE_H

#include "base/buf.h"

/* Appends the file to `out`, whose limit bounds it. ERR_NOTFOUND; ERR_LIMIT: it is larger; ERR_IO:
 * errno says what. No copy of a secret stays elsewhere. */
must_use enum error file_read(const char *path, struct buf *out);

#endif
