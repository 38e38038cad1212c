/* Printing; see output.h. */
#include "cli/output.h"
#include "base/date.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"

enum kind { TEXT, NUMBER, BOOLEAN, NONE, LIST };

/* A list's text holds its JSON form; `plain` what is shown to people. */
struct cell {
    enum kind kind;
    char *text, *json;
    size_t n;
    uint64_t number;
};

static void start(struct output *o, bool json, const char *const *columns, size_t n, bool record)
{
    *o = (struct output){.json = json, .record = record, .columns = columns, .n_columns = n};
}

void output_table(struct output *o, bool json, const char *const *columns, size_t n)
{
    start(o, json, columns, n, false);
}

void output_record(struct output *o, bool json, const char *const *columns, size_t n)
{
    start(o, json, columns, n, true);
}

static struct cell *next(struct output *o, enum kind kind)
{
    if (o->n == o->cap) {
        o->cap = o->cap ? o->cap * 2 : 64;
        o->cells = mem_resize(o->cells, o->cap, sizeof *o->cells);
    }
    struct cell *c = &o->cells[o->n++];
    *c = (struct cell){.kind = kind};
    return c;
}

static char *copy(struct slice s)
{
    char *to = mem_alloc(s.n + 1);
    if (s.n)
        memcpy(to, s.p, s.n);
    return to;
}

/* Clean UTF-8 without bytes that would move a terminal's cursor. */
static struct slice clean(struct slice s, struct buf *room)
{
    utf8_clean(s, room);
    for (size_t i = 0; i < room->n; i++)
        if (room->p[i] < ' ' || room->p[i] == 127)
            room->p[i] = ' ';
    return buf_slice(room);
}

void output_text(struct output *o, struct slice s)
{
    struct buf room = BUF_INIT(s.n * 3 + 16);
    struct cell *c = next(o, TEXT);
    c->text = copy(clean(s, &room));
    buf_free(&room);
}

void output_str(struct output *o, const char *s)
{
    output_text(o, slice_str(s));
}

void output_number(struct output *o, uint64_t n)
{
    next(o, NUMBER)->number = n;
}

void output_bool(struct output *o, bool b)
{
    next(o, BOOLEAN)->number = b;
}

void output_none(struct output *o)
{
    (void)next(o, NONE);
}

void output_time(struct output *o, int64_t seconds)
{
    struct buf text = BUF_INIT(64);
    date_print_iso(seconds, &text);
    output_text(o, buf_slice(&text));
    buf_free(&text);
}

void output_list(struct output *o, const struct slice *s, size_t n)
{
    struct buf plain = BUF_INIT(LIMIT_CLI_ARENA), json = BUF_INIT(LIMIT_CLI_ARENA);
    buf_lit(&json, "[");
    for (size_t i = 0; i < n; i++) {
        struct buf room = BUF_INIT(s[i].n * 3 + 16);
        buf_str(&plain, i ? ", " : "");
        buf_add(&plain, clean(s[i], &room));
        buf_str(&json, i ? "," : "");
        json_string(s[i], &json);
        buf_free(&room);
    }
    buf_lit(&json, "]");
    struct cell *c = next(o, LIST);
    c->text = copy(buf_slice(&plain));
    c->json = copy(buf_slice(&json));
    buf_free(&plain);
    buf_free(&json);
}

void json_string(struct slice s, struct buf *out)
{
    struct buf room = BUF_INIT(s.n * 3 + 16);
    utf8_clean(s, &room);
    buf_byte(out, '"');
    for (size_t i = 0; i < room.n; i++) {
        uint8_t b = room.p[i];
        if (b == '"' || b == '\\')
            buf_byte(out, '\\');
        if (b < ' ' || b == 127)
            buf_printf(out, "\\u%04x", b);
        else
            buf_byte(out, b);
    }
    buf_byte(out, '"');
    buf_free(&room);
}

static void cell_json(const struct cell *c, struct buf *out)
{
    switch (c->kind) {
    case TEXT:
        json_string(slice_str(c->text), out);
        break;
    case NUMBER:
        buf_dec(out, c->number);
        break;
    case BOOLEAN:
        buf_str(out, c->number ? "true" : "false");
        break;
    case NONE:
        buf_lit(out, "null");
        break;
    case LIST:
        buf_str(out, c->json);
        break;
    }
}

static void cell_plain(const struct cell *c, struct buf *out)
{
    if (c->kind == TEXT || c->kind == LIST)
        buf_str(out, c->text);
    else if (c->kind == NUMBER)
        buf_dec(out, c->number);
    else if (c->kind == BOOLEAN)
        buf_str(out, c->number ? "yes" : "no");
}

/* Columns on a terminal: one for each code point, which is right for the letters of names. */
static size_t width_of(struct slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += (s.p[i] & 0xc0) != 0x80;
    return n;
}

static size_t cell_width(const struct cell *c)
{
    struct buf text = BUF_INIT(LIMIT_CLI_ARENA);
    cell_plain(c, &text);
    size_t n = width_of(buf_slice(&text));
    buf_free(&text);
    return n;
}

static void print_json(const struct output *o, struct buf *out)
{
    size_t rows = o->n / o->n_columns;
    buf_str(out, o->record ? "" : "[");
    for (size_t r = 0; r < rows; r++) {
        buf_str(out, r ? ",\n " : "");
        for (size_t k = 0; k < o->n_columns; k++) {
            buf_str(out, k ? "," : "{");
            json_string(slice_str(o->columns[k]), out);
            buf_byte(out, ':');
            cell_json(&o->cells[r * o->n_columns + k], out);
        }
        buf_byte(out, '}');
    }
    buf_str(out, o->record ? "\n" : "]\n");
}

static void pad(struct buf *out, size_t n)
{
    while (n-- > 0)
        buf_byte(out, ' ');
}

static void print_record(const struct output *o, struct buf *out)
{
    size_t width = 0;
    for (size_t k = 0; k < o->n_columns; k++)
        if (strlen(o->columns[k]) > width)
            width = strlen(o->columns[k]);
    for (size_t k = 0; k < o->n_columns && k < o->n; k++) {
        buf_str(out, o->columns[k]);
        pad(out, width + 2 - strlen(o->columns[k]));
        cell_plain(&o->cells[k], out);
        buf_byte(out, '\n');
    }
}

static void print_table(const struct output *o, struct buf *out)
{
    size_t rows = o->n / o->n_columns;
    size_t *widths = mem_array(o->n_columns, sizeof *widths);
    for (size_t k = 0; k < o->n_columns; k++) {
        widths[k] = strlen(o->columns[k]);
        for (size_t r = 0; r < rows; r++) {
            size_t w = cell_width(&o->cells[r * o->n_columns + k]);
            widths[k] = w > widths[k] ? w : widths[k];
        }
    }
    for (size_t r = 0; rows && r < rows + 1; r++) {
        for (size_t k = 0; k < o->n_columns; k++) {
            size_t before = out->n;
            if (r == 0)
                buf_str(out, o->columns[k]);
            else
                cell_plain(&o->cells[(r - 1) * o->n_columns + k], out);
            size_t w = width_of(slice_from(buf_slice(out), before));
            if (k + 1 < o->n_columns)
                pad(out, widths[k] + 2 - w);
        }
        buf_byte(out, '\n');
    }
    mem_free(widths);
}

void output_print(struct output *o)
{
    struct buf out = BUF_INIT(LIMIT_CLI_ARENA);
    if (o->json)
        print_json(o, &out);
    else if (o->record)
        print_record(o, &out);
    else
        print_table(o, &out);
    fwrite(out.p, 1, out.n, stdout);
    fflush(stdout);
    buf_free(&out);
    for (size_t i = 0; i < o->n; i++) {
        mem_free(o->cells[i].text);
        mem_free(o->cells[i].json);
    }
    mem_free(o->cells);
    *o = (struct output){.json = o->json};
}

void output_done(bool json, const char *key, struct slice value, const char *format, ...)
{
    if (json) {
        struct buf out = BUF_INIT(LIMIT_CLI_ARENA);
        buf_printf(&out, "{\"done\":true,\"%s\":", key);
        json_string(value, &out);
        buf_lit(&out, "}\n");
        fwrite(out.p, 1, out.n, stdout);
        buf_free(&out);
    } else {
        va_list ap;
        va_start(ap, format);
        vprintf(format, ap);
        va_end(ap);
        putchar('\n');
    }
    fflush(stdout);
}
