/* Hash tables' hash: SipHash-2-4 with a key drawn at process start, so that nobody outside can aim
 * for collisions. Not stable over restarts; for stored checksums use checksum64 (see below). */
#ifndef DEPESCHE_BASE_HASH_H
#define DEPESCHE_BASE_HASH_H

#include "base/slice.h"

uint64_t hash_bytes(struct slice s);
uint64_t hash_u64(uint64_t v);
/* Stable 64-bit checksum of stored records (BLAKE2b cut to 8 bytes). Finds damage, not malice. */
uint64_t checksum64(struct slice s);

#endif
