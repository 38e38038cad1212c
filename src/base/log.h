/* Log lines, logfmt to standard error (the journal takes it from there):
 *   2026-11-22T12:00:00.123Z info smtp.accept from=a@example.org size=1234
 * Values are quoted and escaped as needed, so that no mail can forge a line. One write(2) a line.
 * Never give a password, a key or message content to a log function.
 *
 *   log_info("smtp.accept", log_slice("from", from), log_u64("size", n)); */
#ifndef DEPESCHE_BASE_LOG_H
#define DEPESCHE_BASE_LOG_H

#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

struct log_field {
    const char *key;
    struct slice text; /* text value, when text.p is set */
    int64_t number;    /* else this */
    bool hexadecimal;  /* of number */
};

static inline struct log_field log_slice(const char *key, struct slice s)
{
    return (struct log_field){key, s.p ? s : SLICE(""), 0, false};
}
static inline struct log_field log_text(const char *key, const char *s)
{
    return log_slice(key, slice_str(s));
}
static inline struct log_field log_u64(const char *key, uint64_t n)
{
    return (struct log_field){key, SLICE_NONE, (int64_t)n, false};
}
static inline struct log_field log_i64(const char *key, int64_t n)
{
    return (struct log_field){key, SLICE_NONE, n, false};
}
/* The id of a queue entry, in hexadecimal: as `depesche queue` prints and takes it. */
static inline struct log_field log_id(const char *key, uint64_t id)
{
    return (struct log_field){key, SLICE_NONE, (int64_t)id, true};
}

void log_event(enum log_level level, const char *event, const struct log_field *fields, size_t n);

#define LOG_FIELDS(...)                                                                            \
    (const struct log_field[]){__VA_ARGS__},                                                       \
        sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field)
#define log_debug(event, ...)   log_event(LOG_DEBUG, event, LOG_FIELDS(__VA_ARGS__))
#define log_info(event, ...)    log_event(LOG_INFO, event, LOG_FIELDS(__VA_ARGS__))
#define log_warning(event, ...) log_event(LOG_WARNING, event, LOG_FIELDS(__VA_ARGS__))
#define log_error(event, ...)   log_event(LOG_ERROR, event, LOG_FIELDS(__VA_ARGS__))

/* Lines below `level` are not written. Default LOG_INFO. */
void log_set_level(enum log_level level);
/* A word before the event that names the process: "edge", "mail". The string must stay. */
void log_set_role(const char *role);

#endif
