/* For tests: verifies a signature as RFC 6376 section 6.1.3 says, from what h= and bh= tell, so
 * that what signing selected and what it wrote must agree. */
#ifndef DEPESCHE_TRUST_DKIM_VERIFY_H
#define DEPESCHE_TRUST_DKIM_VERIFY_H

#include "base/base64.h"
#include "message/header.h"
#include "trust/canonical.h"

/* A tag of a field, without blanks, in `out`; *at tells where its value stands in the field. */
static inline bool dkim_tag(struct slice field, const char *name, struct buf *out, struct slice *at)
{
    struct slice rest = slice_from(field, slice_index(field, ':') + 1), tag;
    while (slice_split(&rest, ';', &tag)) {
        size_t equals = slice_index(tag, '=');
        if (!slice_eq(slice_trim(slice_sub(tag, 0, equals)), slice_str(name)))
            continue;
        *at = slice_from(tag, equals + 1);
        for (size_t i = 0; i < at->n; i++)
            if (at->p[i] > ' ')
                buf_byte(out, at->p[i]);
        return !out->failed;
    }
    return false;
}

/* The n-th field of that name, counted from the bottom. */
static inline bool dkim_from_bottom(struct slice header, struct slice name, size_t n,
                                    struct header_field *out)
{
    size_t count = header_count(header, name, SIZE_MAX);
    if (n >= count)
        return false;
    for (size_t skip = count - n; header_next(&header, out);)
        if (slice_ieq(out->name, name) && --skip == 0)
            return true;
    return false;
}

static inline void dkim_hash_header(struct canonical *c, struct slice header, struct slice names)
{
    struct slice rest = names, name;
    while (slice_split(&rest, ':', &name)) {
        size_t before = 0;
        struct slice others = slice_of(names.p, (size_t)(name.p - names.p)), other;
        while (slice_split(&others, ':', &other))
            before += slice_ieq(other, name);
        struct header_field f;
        if (!dkim_from_bottom(header, name, before, &f))
            continue;
        canonical_field(c, f.raw);
        canonical_crlf(c);
    }
}

static inline bool dkim_body_fits(struct slice raw, struct slice bh)
{
    struct canonical c;
    uint8_t hash[CANONICAL_HASH];
    autobuf text = BUF_INIT(100);
    canonical_begin(&c);
    canonical_body(&c, slice_from(raw, header_length(raw)));
    if (canonical_end(&c, hash) != OK)
        return false;
    base64_encode(slice_of(hash, sizeof hash), &text);
    return slice_eq(bh, buf_slice(&text));
}

/* The hash that a signature field signs. */
static inline bool dkim_header_hash(struct slice raw, struct slice field,
                                    uint8_t hash[CANONICAL_HASH])
{
    autobuf h = BUF_INIT(65536), b = BUF_INIT(65536), bare = BUF_INIT(65536);
    struct slice at;
    if (!dkim_tag(field, "h", &h, &at) || !dkim_tag(field, "b", &b, &at))
        return false;
    buf_add(&bare, slice_of(field.p, (size_t)(at.p - field.p)));
    buf_add(&bare, slice_of(at.p + at.n, (size_t)(field.p + field.n - at.p - at.n)));
    struct canonical c;
    canonical_begin(&c);
    dkim_hash_header(&c, slice_sub(raw, 0, header_length(raw)), buf_slice(&h));
    canonical_field(&c, buf_slice(&bare));
    return canonical_end(&c, hash) == OK && !bare.failed;
}

/* Is the index-th DKIM-Signature of the message good by this key? */
static inline bool dkim_verify(struct slice raw, size_t index, EVP_PKEY *key)
{
    struct header_field f;
    struct slice rest = slice_sub(raw, 0, header_length(raw)), at;
    for (size_t seen = 0;;) {
        if (!header_next(&rest, &f))
            return false;
        if (slice_ieq(f.name, SLICE("DKIM-Signature")) && seen++ == index)
            break;
    }
    uint8_t hash[CANONICAL_HASH];
    autobuf bh = BUF_INIT(100), b = BUF_INIT(4096), made = BUF_INIT(4096);
    if (!dkim_tag(f.raw, "bh", &bh, &at) || !dkim_body_fits(raw, buf_slice(&bh)) ||
        !dkim_tag(f.raw, "b", &b, &at) || base64_decode(buf_slice(&b), &made) != OK ||
        !dkim_header_hash(raw, f.raw, hash))
        return false;
    bool good;
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) {
        EVP_MD_CTX *md = EVP_MD_CTX_new();
        good = EVP_DigestVerifyInit(md, NULL, NULL, NULL, key) == 1 &&
               EVP_DigestVerify(md, made.p, made.n, hash, sizeof hash) == 1;
        EVP_MD_CTX_free(md);
    } else {
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
        good = EVP_PKEY_verify_init(ctx) == 1 &&
               EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
               EVP_PKEY_verify(ctx, made.p, made.n, hash, sizeof hash) == 1;
        EVP_PKEY_CTX_free(ctx);
    }
    return good;
}

#endif
