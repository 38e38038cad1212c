/* Names of errors, and the two ways to end the process; see error.h. */
#include "base/error.h"

#include "base/log.h"
#include <stdarg.h>
#include <unistd.h>

enum { MESSAGE_SIZE = 1024 };

const char *error_name(enum error e)
{
    static const char *const names[] = {
        [OK] = "ok",
        [ERR_INPUT] = "input",
        [ERR_LIMIT] = "limit",
        [ERR_AGAIN] = "again",
        [ERR_IO] = "io",
        [ERR_FULL] = "full",
        [ERR_QUOTA] = "quota",
        [ERR_AUTH] = "auth",
        [ERR_NOTFOUND] = "notfound",
        [ERR_CONFLICT] = "conflict",
        [ERR_TIMEOUT] = "timeout",
        [ERR_CLOSED] = "closed",
        [ERR_BUG] = "bug",
    };
    if ((unsigned)e >= sizeof names / sizeof names[0])
        return "unknown";
    return names[e];
}

_Noreturn void bug_at(const char *file, int line, const char *format, ...)
{
    char message[MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    log_error("bug", log_text("file", file), log_i64("line", line), log_text("message", message));
    abort();
}

_Noreturn void die(const char *format, ...)
{
    char message[MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    log_error("die", log_text("message", message));
    /* Without exit handlers: other threads may still run and use what those would take down. */
    _exit(1);
}
