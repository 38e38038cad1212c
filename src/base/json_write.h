/* JSON, written as a stream into a buffer: no tree, no allocation of its own. Commas and nesting
 * are kept track of; text is checked to be UTF-8 (malformed bytes become U+FFFD) and escaped so
 * that the result may stand in HTML's <script> too ('<' as \u003c, U+2028 and U+2029 escaped).
 *
 *   struct json_writer w;
 *   jw_init(&w, &buf);
 *   jw_object(&w);  jw_key(&w, "id");  jw_text(&w, id);  jw_end(&w);
 *
 * Using it wrongly (a value where a key belongs, too deep) is a bug() at once. Running over the
 * buffer's limit is seen with buf_check(). */
#ifndef DEPESCHE_BASE_JSON_WRITE_H
#define DEPESCHE_BASE_JSON_WRITE_H

#include "base/buf.h"

#define JSON_WRITE_DEPTH 64

struct json_writer {
    struct buf *out;
    uint8_t depth;
    uint64_t object;  /* bit d: level d is an object, else an array */
    uint64_t started; /* bit d: level d has an item */
    bool keyed;       /* a key was written, its value comes next */
};

void jw_init(struct json_writer *w, struct buf *out);
void jw_object(struct json_writer *w);
void jw_array(struct json_writer *w);
/* Ends the innermost object or array. */
void jw_end(struct json_writer *w);
/* The next member's name: a literal of this program, ASCII without characters to escape. */
void jw_key(struct json_writer *w, const char *name);
/* A name that comes from data. */
void jw_key_text(struct json_writer *w, struct slice name);
void jw_text(struct json_writer *w, struct slice utf8);
void jw_str(struct json_writer *w, const char *s);
void jw_uint(struct json_writer *w, uint64_t v);
void jw_int(struct json_writer *w, int64_t v);
void jw_bool(struct json_writer *w, bool v);
void jw_null(struct json_writer *w);
/* RFC 3339 in UTC, "2026-11-22T18:00:00Z": JMAP's UTCDate. */
void jw_utc_date(struct json_writer *w, int64_t seconds);
/* Text that is JSON already, written by this program. */
void jw_raw(struct json_writer *w, struct slice json);

#endif
