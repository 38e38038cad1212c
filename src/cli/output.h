/* What commands print: tables of rows and single records, as aligned text or as JSON. */
#ifndef DEPESCHE_CLI_OUTPUT_H
#define DEPESCHE_CLI_OUTPUT_H

#include "base/buf.h"

struct cell;

/* A table: with JSON an array of objects, one a row, keys as the columns' names; as text a header
 * line and aligned columns. A record is a table of one row: with JSON one object; as text a line a
 * column. */
struct output {
    bool json, record;
    const char *const *columns;
    size_t n_columns;
    struct cell *cells;
    size_t n, cap;
};

void output_table(struct output *o, bool json, const char *const *columns, size_t n);
void output_record(struct output *o, bool json, const char *const *columns, size_t n);

/* The next cell, row after row. Texts are copied; what is not clean UTF-8 is replaced. */
void output_text(struct output *o, struct slice s);
void output_str(struct output *o, const char *s);
void output_number(struct output *o, uint64_t n);
void output_bool(struct output *o, bool b);
/* null, or nothing as text. */
void output_none(struct output *o);
/* Seconds since 1970 as a date. */
void output_time(struct output *o, int64_t seconds);
/* A list of texts: an array, or separated by commas. */
void output_list(struct output *o, const struct slice *s, size_t n);

/* Writes it to standard output and frees it. */
void output_print(struct output *o);

/* For commands whose whole result is that it is done: `{"done":true,...}` with the record's key and
 * value, or the sentence. */
void printf_like(4, 5)
    output_done(bool json, const char *key, struct slice value, const char *format, ...);

/* s as a JSON string with its quotes. */
void json_string(struct slice s, struct buf *out);

#endif
