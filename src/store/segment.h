/* The segment log of a shard: bodies of messages, one record after the other, in files that are
 * only ever appended to. The index says which bytes count; what stands behind the last record that
 * it knows is the tail of a crash and is cut at start-up.
 *
 * A record, all numbers big-endian: checksum u64 (of what follows), magic u32, codec u8, three zero
 * bytes, stored length u32, raw length u32, stored bytes. Small bodies are kept in the index as the
 * same record. */
#ifndef DEPESCHE_STORE_SEGMENT_H
#define DEPESCHE_STORE_SEGMENT_H

#include "base/slice.h"
#include "store/io.h"
#include <pthread.h>

#define RECORD_HEADER 24u
enum record_codec { CODEC_RAW, CODEC_ZSTD };

/* A whole record in memory. */
struct body_record {
    uint8_t *p;
    size_t n;
    uint32_t raw;
};

/* Fills the header in front of the `stored` bytes that stand at p + RECORD_HEADER. */
void record_seal(uint8_t *p, enum record_codec codec, uint32_t stored, uint32_t raw);
struct record_head {
    enum record_codec codec;
    uint32_t stored, raw;
};
/* Checks magic, lengths and checksum; ERR_INPUT when the record is damaged. */
must_use enum error record_check(struct slice record, struct record_head *out);

/* Where a body lies. */
struct body_place {
    uint64_t offset;
    uint32_t segment; /* from 1; 0: in the index */
    uint32_t length;  /* of the whole record */
};

#define SEGMENT_FDS 64

struct segment_log {
    const char *dir;
    /* the open segment; its writer's */
    uint32_t number;
    uint64_t end;
    int fd;
    /* descriptors for reading, by segment % SEGMENT_FDS */
    pthread_mutex_t lock;
    struct {
        uint32_t number;
        int fd;
        unsigned users;
    } readable[SEGMENT_FDS];
};

/* For reading only until segment_open_tail. `dir` must stay. */
void segment_init(struct segment_log *l, const char *dir);
/* Opens segment `number` for appending, cuts it to `end`, and removes segments behind it.
 * ERR_IO: it is shorter than `end` or cannot be opened (a log line says which). */
must_use enum error segment_open_tail(struct segment_log *l, uint32_t number, uint64_t end);
void segment_close(struct segment_log *l);

/* Appends the records one after the other and fills their places; all or none. Not durable before
 * segment_sync(), but on their way to the disk. A full segment is synced and the next begun.
 * ERR_FULL: no room, nothing is left of it; ERR_AGAIN: no descriptor for the next segment, nothing
 * is left either; ERR_IO: the log cannot be trusted any more. */
must_use enum error segment_append(struct segment_log *l, const struct body_record *const *records,
                                   struct body_place *const *places, size_t n);
/* Once for all appended since. Any error is final: the caller must not try again. */
must_use enum error segment_sync(struct segment_log *l);
/* Cuts the open segment back to where it was, after a transaction failed. */
void segment_back(struct segment_log *l, uint32_t number, uint64_t end);

/* Reads a record's bytes into `to` (place->length of them); the caller checks them. Thread-safe.
 * ERR_NOTFOUND: the segment is not there (any more); ERR_AGAIN: no descriptor for it just now. */
must_use enum error segment_read(struct segment_log *l, const struct body_place *place,
                                 uint8_t *to);
/* Calls see(arg) for each segment that has a file, in no order; it may remove that file. Any
 * thread. */
must_use enum error segment_each(const struct segment_log *l,
                                 void (*see)(void *arg, uint32_t number), void *arg);
/* Removes a closed segment that nothing refers to. Any thread. */
void segment_remove(struct segment_log *l, uint32_t number);
/* Closes reading descriptors that nobody uses now. */
void segment_rest(struct segment_log *l);

#endif
