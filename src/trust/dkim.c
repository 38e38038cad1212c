/* DKIM signatures; see dkim.h. The fields are collected in one walk over the header and hashed
 * once; each signature goes on from there with its own field. */
#include "base/base64.h"
#include "base/limits.h"
#include "message/address.h"
#include "message/header.h"
#include "trust/canonical.h"
#include "trust/dkim_private.h"
#include <idn2.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

/* Signed where they are there. What decides how a message reads, and no list or relay adds, is
 * `closed`: signed once more than it is there, so that adding one breaks the signature. Lists add
 * Sender, List-* and Resent-*, and may: these are signed, but not closed. Trace fields, and what
 * receivers write (Authentication-Results, Return-Path, Delivered-To), are not signed at all. */
static const struct {
    struct slice name;
    bool closed;
} signable[] = {
    {SLICE_INIT("From"), true},
    {SLICE_INIT("To"), true},
    {SLICE_INIT("Cc"), true},
    {SLICE_INIT("Subject"), true},
    {SLICE_INIT("Date"), true},
    {SLICE_INIT("Message-ID"), true},
    {SLICE_INIT("Reply-To"), true},
    {SLICE_INIT("In-Reply-To"), true},
    {SLICE_INIT("References"), true},
    {SLICE_INIT("MIME-Version"), true},
    {SLICE_INIT("Content-Type"), true},
    {SLICE_INIT("Content-Transfer-Encoding"), true},
    {SLICE_INIT("Sender"), false},
    {SLICE_INIT("Auto-Submitted"), false},
    {SLICE_INIT("Autocrypt"), false},
    {SLICE_INIT("OpenPGP"), false},
    {SLICE_INIT("Resent-Date"), false},
    {SLICE_INIT("Resent-From"), false},
    {SLICE_INIT("Resent-Sender"), false},
    {SLICE_INIT("Resent-To"), false},
    {SLICE_INIT("Resent-Cc"), false},
    {SLICE_INIT("Resent-Message-ID"), false},
    {SLICE_INIT("List-Id"), false},
    {SLICE_INIT("List-Help"), false},
    {SLICE_INIT("List-Subscribe"), false},
    {SLICE_INIT("List-Unsubscribe"), false},
    {SLICE_INIT("List-Unsubscribe-Post"), false}, /* RFC 8058 section 4 asks for it */
    {SLICE_INIT("List-Post"), false},
    {SLICE_INIT("List-Owner"), false},
    {SLICE_INIT("List-Archive"), false},
    {SLICE_INIT("TLS-Report-Domain"), false}, /* RFC 8460 */
    {SLICE_INIT("TLS-Report-Submitter"), false},
};
enum { SIGNABLE = sizeof signable / sizeof signable[0], LINE = 77 }; /* and a semicolon */

/* The fields of one name. Signatures count from the bottom (RFC 6376 5.4.2), so of too many the
 * last ones are kept, in a ring. */
struct same {
    size_t n;
    struct slice field[LIMIT_DKIM_SAME];
};

static void collect(struct slice raw, struct same same[SIGNABLE])
{
    struct header_field f;
    while (header_next(&raw, &f)) {
        for (size_t i = 0; i < SIGNABLE; i++) {
            if (!slice_ieq(f.name, signable[i].name))
                continue;
            same[i].field[same[i].n++ % LIMIT_DKIM_SAME] = f.raw;
            break;
        }
    }
}

/* Writes a field in lines. */
struct lines {
    struct buf *out;
    size_t column;
};

static void line_break(struct lines *l)
{
    buf_lit(l->out, "\r\n ");
    l->column = 1;
}

/* What may not be divided. */
static void put(struct lines *l, struct slice s)
{
    if (l->column + s.n > LINE && l->column > 1)
        line_break(l);
    buf_add(l->out, s);
    l->column += s.n;
}

static void put_tag(struct lines *l, const char *name, struct slice value)
{
    autobuf tag = BUF_INIT(LIMIT_DOMAIN + 64);
    buf_str(&tag, name);
    buf_byte(&tag, '=');
    buf_add(&tag, value);
    buf_byte(&tag, ';');
    /* The blank before it goes with it, or away at a line's end. */
    if (l->column + 1 + tag.n > LINE)
        line_break(l);
    else if (l->column > 1)
        put(l, SLICE(" "));
    put(l, buf_slice(&tag));
    l->out->failed = l->out->failed || tag.failed;
}

/* h=, and what it says into the hash. */
static void put_names(struct lines *l, const struct same same[SIGNABLE], struct canonical *hash)
{
    line_break(l);
    put(l, SLICE("h="));
    for (size_t i = 0; i < SIGNABLE; i++) {
        const struct same *s = &same[i];
        size_t kept = s->n < LIMIT_DKIM_SAME ? s->n : LIMIT_DKIM_SAME;
        for (size_t k = 0; k < kept; k++) {
            canonical_field(hash, s->field[(s->n - 1 - k) % LIMIT_DKIM_SAME]);
            canonical_crlf(hash);
        }
        size_t named = kept + (signable[i].closed && s->n == kept);
        for (size_t k = 0; k < named; k++) {
            bool first = i == 0 && k == 0; /* From is closed: it is always named */
            autobuf name = BUF_INIT(64);
            if (!first)
                buf_byte(&name, ':');
            buf_add(&name, signable[i].name);
            put(l, buf_slice(&name));
        }
    }
    buf_byte(l->out, ';');
}

static enum error sign_rsa(EVP_PKEY *key, const uint8_t hash[CANONICAL_HASH], uint8_t *out,
                           size_t *n)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    bool good = ctx && EVP_PKEY_sign_init(ctx) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
                EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
                EVP_PKEY_sign(ctx, out, n, hash, CANONICAL_HASH) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good ? OK : ERR_IO;
}

/* RFC 8463 section 3: PureEdDSA over the SHA-256 hash. */
static enum error sign_ed25519(const struct dkim_key *k, const uint8_t hash[CANONICAL_HASH],
                               uint8_t *out, size_t *n)
{
    *n = crypto_sign_ed25519_BYTES;
    return crypto_sign_ed25519_detached(out, NULL, hash, CANONICAL_HASH, k->ed25519) == 0 ? OK
                                                                                          : ERR_IO;
}

static enum error put_signature(struct lines *l, const struct dkim_key *key,
                                const uint8_t hash[CANONICAL_HASH])
{
    uint8_t made[LIMIT_DKIM_RSA_BITS_MOST / 8];
    size_t n = sizeof made;
    enum error e = key->algorithm == DKIM_RSA ? sign_rsa(key->key, hash, made, &n)
                                              : sign_ed25519(key, hash, made, &n);
    if (e != OK) {
        ERR_clear_error();
        return e;
    }
    autobuf text = BUF_INIT(sizeof made * 2);
    base64_encode(slice_of(made, n), &text);
    for (struct slice rest = buf_slice(&text); rest.n > 0;) {
        if (l->column >= LINE)
            line_break(l);
        struct slice piece = slice_sub(rest, 0, LINE - l->column);
        put(l, piece);
        rest = slice_from(rest, piece.n);
    }
    buf_lit(l->out, "\r\n");
    return buf_check(&text);
}

/* What all signatures of a message have in common. */
struct signing_parts {
    struct slice domain, names, body_hash; /* names: h= in its lines, ready */
    struct canonical *header;              /* of the fields that are named */
    int64_t at;
};

static enum error put_field(const struct dkim_signature *s, const struct signing_parts *p,
                            struct buf *out)
{
    size_t begin = out->n;
    struct lines l = {out, 0};
    char at[24];
    snprintf(at, sizeof at, "%lld", (long long)p->at);
    put(&l, SLICE("DKIM-Signature: v=1;"));
    put_tag(&l, "a", s->key->algorithm == DKIM_RSA ? SLICE("rsa-sha256") : SLICE("ed25519-sha256"));
    put_tag(&l, "c", SLICE("relaxed/relaxed"));
    put_tag(&l, "d", p->domain);
    put_tag(&l, "s", s->selector);
    put_tag(&l, "t", slice_str(at));
    buf_add(out, p->names);
    line_break(&l);
    put_tag(&l, "bh", p->body_hash);
    line_break(&l);
    put(&l, SLICE("b="));
    if (out->failed)
        return ERR_LIMIT;
    /* Its own field stands last in the hash, with b= empty and no line end (RFC 6376 3.7). */
    struct canonical c;
    uint8_t hash[CANONICAL_HASH];
    canonical_fork(&c, p->header);
    canonical_field(&c, slice_from(buf_slice(out), begin));
    enum error e = canonical_end(&c, hash);
    if (e == OK)
        e = put_signature(&l, s->key, hash);
    return e == OK ? buf_check(out) : e;
}

/* A name that cannot break out of its tag. */
static bool is_name(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '.')
            return false;
    return s.n > 0 && s.n <= LIMIT_DOMAIN;
}

static enum error hash_body(struct slice body, struct buf *base64)
{
    struct canonical c;
    uint8_t hash[CANONICAL_HASH];
    canonical_begin(&c);
    canonical_body(&c, body);
    enum error e = canonical_end(&c, hash);
    if (e == OK)
        base64_encode(slice_of(hash, sizeof hash), base64);
    return e == OK ? buf_check(base64) : e;
}

enum error dkim_sign(const struct dkim_signature *s, size_t n, struct slice domain,
                     struct slice raw, int64_t at, struct buf *out)
{
    bool good = is_name(domain);
    for (size_t i = 0; i < n; i++)
        good = good && is_name(s[i].selector);
    if (!good)
        return ERR_INPUT;
    struct slice header = slice_sub(raw, 0, header_length(raw));
    struct same same[SIGNABLE] = {0};
    collect(header, same);
    autobuf body_hash = BUF_INIT(64), names = BUF_INIT(LIMIT_DKIM_FIELD);
    struct canonical fields;
    canonical_begin(&fields);
    put_names(&(struct lines){&names, 0}, same, &fields);
    enum error e = hash_body(slice_from(raw, header.n), &body_hash);
    if (e == OK)
        e = buf_check(&names);
    size_t begin = out->n;
    struct signing_parts parts = {.domain = domain,
                                  .names = buf_slice(&names),
                                  .body_hash = buf_slice(&body_hash),
                                  .header = &fields,
                                  .at = at};
    for (size_t i = 0; i < n && e == OK; i++)
        e = put_field(&s[i], &parts, out);
    if (e != OK)
        out->n = begin; /* all signatures or none */
    uint8_t unused[CANONICAL_HASH];
    enum error end = canonical_end(&fields, unused);
    return e == OK ? end : e;
}

/* --- Whose message it is --- */

static bool find_only_from(struct slice raw, struct header_field *out)
{
    struct header_field f;
    size_t n = 0;
    while (header_next(&raw, &f))
        if (slice_ieq(f.name, SLICE("From"))) {
            *out = f;
            n++;
        }
    return n == 1;
}

static struct slice to_ascii(struct slice domain, struct arena *a)
{
    char text[4 * LIMIT_DOMAIN + 1];
    if (slice_cstr(domain, text, sizeof text) != OK)
        return SLICE_NONE;
    char *found = NULL;
    int code = idn2_to_ascii_8z(text, &found, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    struct slice name = code == IDN2_OK ? slice_str(found) : SLICE_NONE;
    struct slice out = SLICE_NONE;
    if (is_name(name)) {
        for (char *p = found; *p; p++)
            *p = (char)ascii_lower((uint8_t)*p);
        out = arena_dup(a, name);
    }
    idn2_free(found);
    return out;
}

struct slice dkim_from_domain(struct slice raw, struct arena *a)
{
    struct header_field f;
    struct address *list = NULL;
    if (!find_only_from(raw, &f) || address_list(a, f.value, &list) != OK || !list || list->next ||
        list->host.n == 0)
        return SLICE_NONE;
    return to_ascii(list->host, a);
}
