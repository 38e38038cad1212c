/* Log lines; see log.h. A line is built on the stack and written at once, so that lines of several
 * threads and processes never mix. */
#include "base/log.h"

#include "base/clock.h"
#include "base/date.h"
#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

enum {
    LINE_SIZE = 4096,
    VALUE_SIZE = 1024, /* bytes of one value that are shown */
    TAIL_SIZE = 16,    /* kept for " cut=1" and the line end */
};

struct line {
    char text[LINE_SIZE];
    size_t n;
    bool cut;
};

static _Atomic int lowest = LOG_INFO;
static const char *_Atomic role;

void log_set_level(enum log_level level)
{
    atomic_store(&lowest, (int)level);
}

void log_set_role(const char *name)
{
    atomic_store(&role, name);
}

static void put(struct line *l, const char *s, size_t n)
{
    if (l->cut || n > LINE_SIZE - TAIL_SIZE - l->n) {
        l->cut = true;
        return;
    }
    memcpy(l->text + l->n, s, n);
    l->n += n;
}

static void put_str(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

static bool plain(struct slice s)
{
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c <= ' ' || c >= 127 || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return true;
}

static void put_value(struct line *l, struct slice s)
{
    bool shortened = s.n > VALUE_SIZE;
    s = slice_sub(s, 0, VALUE_SIZE);
    if (plain(s) && !shortened) {
        put(l, (const char *)s.p, s.n);
        return;
    }
    put_str(l, "\"");
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        char escape[5];
        if (c == '"' || c == '\\')
            put(l, (const char[]){'\\', (char)c}, 2);
        else if (c < ' ' || c >= 127)
            put(l, escape, (size_t)snprintf(escape, sizeof escape, "\\x%02X", c));
        else
            put(l, (const char *)&s.p[i], 1);
    }
    put_str(l, shortened ? "...\"" : "\"");
}

static void put_number(struct line *l, const struct log_field *f)
{
    char text[24];
    int n = f->hexadecimal ? snprintf(text, sizeof text, "%llx", (unsigned long long)f->number)
                           : snprintf(text, sizeof text, "%lld", (long long)f->number);
    put(l, text, (size_t)n);
}

static void put_time(struct line *l)
{
    int64_t ms = clock_wall_ms();
    struct civil c = date_to_civil(ms / 1000);
    char text[64];
    int n = snprintf(text, sizeof text, "%04d-%02u-%02uT%02u:%02u:%02u.%03uZ ", c.year, c.month,
                     c.day, c.hour, c.minute, c.second, (unsigned)(ms % 1000));
    put(l, text, (size_t)n);
}

static void write_line(const struct line *l)
{
    int kept = errno;
    /* Where the log cannot be written there is nobody to tell. */
    ssize_t written;
    do {
        written = write(STDERR_FILENO, l->text, l->n);
    } while (written < 0 && errno == EINTR);
    errno = kept;
}

void log_event(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
    static const char *const names[] = {"debug ", "info ", "warning ", "error "};
    if ((int)level < atomic_load_explicit(&lowest, memory_order_relaxed))
        return;
    struct line l;
    l.n = 0;
    l.cut = false;
    put_time(&l);
    put_str(&l, names[level]);
    const char *who = atomic_load_explicit(&role, memory_order_relaxed);
    if (who != NULL) {
        put_str(&l, who);
        put_str(&l, " ");
    }
    put_str(&l, event);
    for (size_t i = 0; i < n; i++) {
        put_str(&l, " ");
        put_str(&l, fields[i].key);
        put_str(&l, "=");
        if (fields[i].text.p != NULL)
            put_value(&l, fields[i].text);
        else
            put_number(&l, &fields[i]);
    }
    if (l.cut) {
        memcpy(l.text + l.n, " cut=1", 6);
        l.n += 6;
    }
    l.text[l.n++] = '\n';
    write_line(&l);
}
