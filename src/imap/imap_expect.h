/* For tests: what a response must and must not hold. */
#ifndef DEPESCHE_IMAP_IMAP_EXPECT_H
#define DEPESCHE_IMAP_IMAP_EXPECT_H

#include "imap/imap_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Not inlined: with sanitizers the compiler would see paths where the text is NULL. */
__attribute__((noinline, unused)) static void expect_at(int line, const char *text,
                                                        const char *needle, bool present)
{
    if ((strstr(text, needle) != NULL) != present)
        fail_msg("line %d: \"%s\" %s: %s", line, needle, present ? "is not in" : "is in", text);
}
#define expect(text, needle)     expect_at(__LINE__, (text), (needle), true)
#define expect_not(text, needle) expect_at(__LINE__, (text), (needle), false)

/* What follows the first `needle`, which must be there. */
__attribute__((noinline, unused, returns_nonnull)) static const char *after_text(const char *text,
                                                                                 const char *needle)
{
    const char *at = strstr(text, needle);
    if (!at) {
        fail_msg("\"%s\" is not in: %s", needle, text);
        abort();
    }
    return at + strlen(needle);
}

/* A session of anna in a new mailbox with `n` copies of the message. */
static inline struct imap_client *imap_in_mailbox(struct imap_fixture *f, const char *name,
                                                  const char *mail, unsigned n)
{
    struct imap_client *c = imap_client_anna(f);
    imap_client_ok(c, "CREATE %s", name);
    for (unsigned i = 0; i < n; i++)
        imap_fixture_append(f, f->anna.id, name, mail);
    imap_client_ok(c, "SELECT %s", name);
    return c;
}

/* Another session of anna in the mailbox. */
static inline struct imap_client *imap_also_in(struct imap_fixture *f, const char *name)
{
    struct imap_client *c = imap_client_anna(f);
    imap_client_ok(c, "SELECT %s", name);
    return c;
}

#endif
