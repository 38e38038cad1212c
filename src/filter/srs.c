/* SRS; see srs.h. */
#include "filter/srs.h"
#include "base/limits.h"
#include <sodium.h>

#define HASH_CHARS 8
#define DAY        86400
#define DAYS       1024 /* what two characters of base 32 can count */

static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";

/* The parts of an address that is rewritten are joined by '='. The hash is over all that follows
 * it, without case: servers on the way may change that. */
static void hash_of(const struct srs *s, struct slice kind, struct slice rest, char out[HASH_CHARS])
{
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, s->secret, sizeof s->secret);
    crypto_auth_hmacsha256_update(&state, kind.p, kind.n);
    for (size_t i = 0; i < rest.n; i++) {
        uint8_t lower = ascii_lower(rest.p[i]);
        crypto_auth_hmacsha256_update(&state, &lower, 1);
    }
    crypto_auth_hmacsha256_final(&state, mac);
    for (size_t i = 0; i < HASH_CHARS; i++)
        out[i] = digits[mac[i] & 31];
}

static bool hash_fits(const struct srs *s, struct slice kind, struct slice rest, struct slice hash)
{
    char want[HASH_CHARS];
    uint8_t difference = 0;
    if (hash.n != HASH_CHARS)
        return false;
    hash_of(s, kind, rest, want);
    for (size_t i = 0; i < HASH_CHARS; i++)
        difference |= (uint8_t)(ascii_lower(hash.p[i]) ^ (uint8_t)want[i]);
    return difference == 0;
}

static void put_stamp(int64_t now, struct buf *out)
{
    unsigned day = (unsigned)(now / DAY % DAYS);
    buf_byte(out, (uint8_t)digits[day / 32]);
    buf_byte(out, (uint8_t)digits[day % 32]);
}

static int digit_value(uint8_t c)
{
    for (int i = 0; i < 32; i++)
        if (digits[i] == (char)ascii_lower(c))
            return i;
    return -1;
}

/* Made within LIMIT_SRS_DAYS before now, or on a clock that is a day ahead. */
static bool stamp_holds(struct slice stamp, int64_t now)
{
    if (stamp.n != 2)
        return false;
    int high = digit_value(stamp.p[0]), low = digit_value(stamp.p[1]);
    if (high < 0 || low < 0)
        return false;
    int64_t age = (now / DAY - (high * 32 + low) + 1) % DAYS;
    return (age + DAYS) % DAYS <= LIMIT_SRS_DAYS + 1;
}

/* Takes what stands before the next `separator` off *rest. */
static bool take(struct slice *rest, struct slice *out)
{
    size_t at = slice_index(*rest, '=');
    if (at == rest->n)
        return false;
    *out = slice_sub(*rest, 0, at);
    *rest = slice_from(*rest, at + 1);
    return true;
}

static enum error put_rewritten(const struct srs *s, struct slice kind, struct slice rest,
                                struct slice domain, struct buf *out)
{
    char hash[HASH_CHARS];
    if (kind.n + 1 + HASH_CHARS + 1 + rest.n > LIMIT_SRS_LOCAL)
        return ERR_LIMIT;
    hash_of(s, kind, rest, hash);
    buf_add(out, kind);
    buf_lit(out, "=");
    buf_add(out, slice_of(hash, sizeof hash));
    buf_lit(out, "=");
    buf_add(out, rest);
    buf_lit(out, "@");
    buf_add(out, domain);
    return buf_check(out);
}

/* A sender that others have rewritten keeps its first form: only who rewrote it first, and what it
 * wrote, go on ("SRS1=hash=first.example==hash=stamp=domain=local"). */
static enum error forward_again(const struct srs *s, struct slice local, struct slice from,
                                struct slice domain, struct buf *out)
{
    autobuf rest = BUF_INIT(LIMIT_ADDRESS);
    struct slice kept = slice_from(local, 4), hash;
    if (slice_istarts(local, SLICE("SRS1"))) {
        kept = slice_from(kept, 1);
        if (!take(&kept, &hash)) /* theirs; ours takes its place */
            return ERR_INPUT;
    } else {
        buf_add(&rest, from);
        buf_lit(&rest, "=");
    }
    buf_add(&rest, kept);
    enum error e = buf_check(&rest);
    return e ? e : put_rewritten(s, SLICE("SRS1"), buf_slice(&rest), domain, out);
}

enum error srs_forward(const struct srs *s, struct slice sender, struct slice domain, int64_t now,
                       struct buf *out)
{
    if (sender.n == 0)
        return OK;
    size_t at = slice_rindex(sender, '@');
    if (at == 0 || at + 1 >= sender.n)
        return ERR_INPUT;
    struct slice local = slice_sub(sender, 0, at), from = slice_from(sender, at + 1);
    if (slice_ieq(from, domain)) {
        buf_add(out, sender);
        return buf_check(out);
    }
    /* A quoted local part may hold anything: it would not survive as a piece of another. */
    if (slice_has(local, '"') || slice_has(from, '='))
        return ERR_INPUT;
    if (srs_looks_like(local))
        return forward_again(s, local, from, domain, out);
    autobuf rest = BUF_INIT(LIMIT_ADDRESS + 8);
    put_stamp(now, &rest);
    buf_lit(&rest, "=");
    buf_add(&rest, from);
    buf_lit(&rest, "=");
    buf_add(&rest, local);
    enum error e = buf_check(&rest);
    return e ? e : put_rewritten(s, SLICE("SRS0"), buf_slice(&rest), domain, out);
}

bool srs_looks_like(struct slice local)
{
    return local.n > 5 &&
           (slice_istarts(local, SLICE("SRS0")) || slice_istarts(local, SLICE("SRS1"))) &&
           (local.p[4] == '=' || local.p[4] == '+' || local.p[4] == '-');
}

static enum error back_to_sender(struct slice rest, int64_t now, struct buf *out)
{
    struct slice stamp, domain;
    if (!take(&rest, &stamp) || !take(&rest, &domain) || domain.n == 0 || rest.n == 0)
        return ERR_NOTFOUND;
    if (!stamp_holds(stamp, now))
        return ERR_AUTH;
    buf_add(out, rest);
    buf_lit(out, "@");
    buf_add(out, domain);
    return buf_check(out);
}

static enum error back_to_first(struct slice rest, struct buf *out)
{
    struct slice first;
    if (!take(&rest, &first) || first.n == 0 || rest.n == 0)
        return ERR_NOTFOUND;
    buf_lit(out, "SRS0");
    buf_add(out, rest);
    buf_lit(out, "@");
    buf_add(out, first);
    return buf_check(out);
}

enum error srs_back(const struct srs *s, struct slice local, int64_t now, struct buf *out)
{
    struct slice rest, hash;
    if (!srs_looks_like(local) || local.p[4] != '=')
        return ERR_NOTFOUND;
    bool again = local.p[3] == '1';
    rest = slice_from(local, 5);
    if (!take(&rest, &hash))
        return ERR_NOTFOUND;
    if (!hash_fits(s, again ? SLICE("SRS1") : SLICE("SRS0"), rest, hash))
        return ERR_AUTH;
    return again ? back_to_first(rest, out) : back_to_sender(rest, now, out);
}
