/* Relaxed canonicalisation; see canonical.h. */
#include "trust/canonical.h"
#include <pthread.h>

/* Looked up once: that costs more than starting a hash. Stays as long as the process. */
static EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void sha256_fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
}

void canonical_begin(struct canonical *c)
{
    pthread_once(&sha256_once, sha256_fetch);
    c->n = 0;
    c->md = EVP_MD_CTX_new();
    if (c->md && EVP_DigestInit_ex(c->md, sha256, NULL) != 1) {
        EVP_MD_CTX_free(c->md);
        c->md = NULL;
    }
}

static void hash(struct canonical *c, const void *p, size_t n)
{
    if (c->md && n > 0 && EVP_DigestUpdate(c->md, p, n) != 1) {
        EVP_MD_CTX_free(c->md);
        c->md = NULL;
    }
}

static void flush(struct canonical *c)
{
    hash(c, c->room, c->n);
    c->n = 0;
}

static void add(struct canonical *c, const uint8_t *p, size_t n)
{
    if (n > sizeof c->room - c->n)
        flush(c);
    if (n > sizeof c->room) {
        hash(c, p, n);
    } else if (n > 0) {
        memcpy(c->room + c->n, p, n);
        c->n += n;
    }
}

static void add_byte(struct canonical *c, uint8_t byte)
{
    if (c->n == sizeof c->room)
        flush(c);
    c->room[c->n++] = byte;
}

void canonical_fork(struct canonical *c, struct canonical *from)
{
    flush(from);
    c->n = 0;
    c->md = from->md ? EVP_MD_CTX_new() : NULL;
    if (c->md && EVP_MD_CTX_copy_ex(c->md, from->md) != 1) {
        EVP_MD_CTX_free(c->md);
        c->md = NULL;
    }
}

enum error canonical_end(struct canonical *c, uint8_t out[CANONICAL_HASH])
{
    flush(c);
    bool good = c->md && EVP_DigestFinal_ex(c->md, out, NULL) == 1;
    EVP_MD_CTX_free(c->md);
    c->md = NULL;
    return good ? OK : ERR_IO;
}

void canonical_crlf(struct canonical *c)
{
    add_byte(c, '\r');
    add_byte(c, '\n');
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static bool is_crlf(struct slice s, size_t at)
{
    return at + 1 < s.n && s.p[at] == '\r' && s.p[at + 1] == '\n';
}

void canonical_field(struct canonical *c, struct slice field)
{
    size_t colon = slice_index(field, ':');
    size_t name = colon;
    while (name > 0 && is_blank(field.p[name - 1]))
        name--;
    for (size_t i = 0; i < name; i++)
        add_byte(c, ascii_lower(field.p[i]));
    add_byte(c, ':');
    /* A run of blanks, line ends counted in, becomes one SP; at both ends of the value, none. */
    bool begun = false, gap = false;
    for (size_t i = colon + 1; i < field.n; i++) {
        if (is_crlf(field, i)) {
            i++;
        } else if (is_blank(field.p[i])) {
            gap = begun;
        } else {
            if (gap)
                add_byte(c, ' ');
            add_byte(c, field.p[i]);
            begun = true;
            gap = false;
        }
    }
}

/* Without the lines at the end that are empty, and without what makes none empty: blanks. */
static struct slice without_end(struct slice body)
{
    size_t n = body.n;
    for (;;) {
        if (n >= 2 && is_crlf(body, n - 2))
            n -= 2;
        else if (n > 0 && is_blank(body.p[n - 1]))
            n--;
        else
            return slice_sub(body, 0, n);
    }
}

enum { STRIDE = 32 };

/* Nothing in these bytes is changed: no tab, and no space that a blank or a line end may follow.
 * Without branches, so that the compiler looks at all of them at once; p[STRIDE] is read too. */
static bool is_plain(const uint8_t *p)
{
    unsigned found = 0;
    for (size_t i = 0; i < STRIDE; i++)
        found |= (p[i] == '\t') | ((p[i] == ' ') & (p[i + 1] <= ' '));
    return found == 0;
}

void canonical_body(struct canonical *c, struct slice body)
{
    struct slice s = without_end(body);
    size_t begin = 0; /* of what is taken as it is */
    size_t seen = 0;  /* up to here it was looked at as a whole, and is not plain */
    for (size_t i = 0; i < s.n;) {
        if (i >= seen && i + STRIDE < s.n) {
            if (is_plain(s.p + i)) {
                i += STRIDE;
                continue;
            }
            seen = i + STRIDE;
        }
        if (!is_blank(s.p[i])) {
            i++;
            continue;
        }
        size_t end = i + 1;
        while (end < s.n && is_blank(s.p[end]))
            end++;
        bool last = is_crlf(s, end);
        if (last || end - i > 1 || s.p[i] != ' ') {
            add(c, s.p + begin, i - begin);
            if (!last)
                add_byte(c, ' ');
            begin = end;
        }
        i = end;
    }
    if (s.n == 0)
        return;
    add(c, s.p + begin, s.n - begin);
    canonical_crlf(c);
}
