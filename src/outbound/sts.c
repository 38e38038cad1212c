/* MTA-STS: the pure parts. Records and policy files come from strangers; everything is a slice,
 * read once, forward. */
#include "outbound/sts.h"
#include "base/buf.h"

#define STS_ID_MAX    32 /* RFC 8461 3.1 */
#define STS_DIGITS    10 /* of max_age, RFC 8461 3.2 */
#define RUA_ADDRESSES 8  /* LIMIT: of one TLSRPT record */

static struct slice trim_blanks(struct slice s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = slice_from(s, 1);
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s = slice_sub(s, 0, s.n - 1);
    return s;
}

static bool all_alnum(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]))
            return false;
    return true;
}

/* Takes the version off a "v=...; name=value; ..." record: false when it is another one's. */
static bool record_starts(struct slice *rest, struct slice version)
{
    struct slice piece;
    return slice_split(rest, ';', &piece) && slice_eq(trim_blanks(piece), version);
}

/* The next "name=value" that is not empty; false at the end. *ok is cleared by a field without a
 * name. */
static bool record_field(struct slice *rest, struct slice *name, struct slice *value, bool *ok)
{
    struct slice piece;
    while (slice_split(rest, ';', &piece)) {
        piece = trim_blanks(piece);
        if (piece.n == 0)
            continue;
        size_t eq = slice_index(piece, '=');
        if (eq == 0 || eq == piece.n)
            *ok = false;
        *name = slice_sub(piece, 0, eq);
        *value = slice_from(piece, eq + 1);
        return true;
    }
    return false;
}

enum error sts_record_id(struct slice txt, struct slice *id)
{
    struct slice name, value, found = SLICE_NONE;
    bool ok = true;
    if (!record_starts(&txt, SLICE("v=STSv1")))
        return ERR_INPUT;
    while (ok && record_field(&txt, &name, &value, &ok)) {
        if (!slice_eq(name, SLICE("id")))
            continue;
        if (found.n || value.n == 0 || value.n > STS_ID_MAX || !all_alnum(value))
            return ERR_INPUT;
        found = value;
    }
    if (!ok || found.n == 0)
        return ERR_INPUT;
    *id = found;
    return OK;
}

/* Letters, digits, hyphens and dots as host names have them; no empty label. */
static bool is_domain(struct slice s)
{
    struct slice rest = s, label;
    if (s.n == 0 || s.n > 253 || s.p[s.n - 1] == '.')
        return false;
    while (slice_split(&rest, '.', &label)) {
        if (label.n == 0 || label.n > 63)
            return false;
        for (size_t i = 0; i < label.n; i++)
            if (!ascii_alpha(label.p[i]) && !ascii_digit(label.p[i]) && label.p[i] != '-' &&
                label.p[i] != '_')
                return false;
    }
    return true;
}

static bool is_pattern(struct slice s)
{
    return is_domain(slice_starts(s, SLICE("*.")) ? slice_from(s, 2) : s);
}

/* What was seen of a file: of fields that may not repeat only the first counts (RFC 8461 3.2). */
struct policy_seen {
    bool version, mode, max_age;
};

static enum error policy_mode(struct slice value, enum sts_mode *out)
{
    if (slice_eq(value, SLICE("enforce")))
        *out = STS_ENFORCE;
    else if (slice_eq(value, SLICE("testing")))
        *out = STS_TESTING;
    else if (slice_eq(value, SLICE("none")))
        *out = STS_NONE;
    else
        return ERR_INPUT;
    return OK;
}

static enum error policy_age(struct slice value, uint64_t *out)
{
    uint64_t seconds;
    if (value.n > STS_DIGITS || parse_u64(value, UINT64_MAX, &seconds) != OK)
        return ERR_INPUT;
    *out = seconds < LIMIT_STS_MAX_AGE ? seconds : LIMIT_STS_MAX_AGE;
    return OK;
}

static enum error policy_mx(struct slice value, struct sts_policy *p)
{
    if (!is_pattern(value))
        return ERR_INPUT;
    if (p->n_mx == LIMIT_STS_MX)
        return ERR_LIMIT;
    p->mx[p->n_mx++] = value;
    return OK;
}

static enum error policy_field(struct slice name, struct slice value, struct policy_seen *seen,
                               struct sts_policy *p)
{
    if (slice_eq(name, SLICE("mx")))
        return policy_mx(value, p);
    if (slice_eq(name, SLICE("version")) && !seen->version) {
        seen->version = true;
        return slice_eq(value, SLICE("STSv1")) ? OK : ERR_INPUT;
    }
    if (slice_eq(name, SLICE("mode")) && !seen->mode) {
        seen->mode = true;
        return policy_mode(value, &p->mode);
    }
    if (slice_eq(name, SLICE("max_age")) && !seen->max_age) {
        seen->max_age = true;
        return policy_age(value, &p->max_age);
    }
    return OK;
}

enum error sts_policy_read(struct slice file, struct sts_policy *out)
{
    struct policy_seen seen = {0};
    struct sts_policy p = {0};
    struct slice line;
    if (file.n > LIMIT_STS_POLICY)
        return ERR_LIMIT;
    while (slice_line(&file, &line)) {
        line = trim_blanks(line);
        if (line.n == 0)
            continue;
        size_t colon = slice_index(line, ':');
        if (colon == 0 || colon == line.n)
            return ERR_INPUT;
        enum error e = policy_field(slice_sub(line, 0, colon),
                                    trim_blanks(slice_from(line, colon + 1)), &seen, &p);
        if (e != OK)
            return e;
    }
    if (!seen.version || !seen.mode || !seen.max_age || (p.n_mx == 0 && p.mode != STS_NONE))
        return ERR_INPUT;
    *out = p;
    return OK;
}

bool sts_match(struct slice pattern, struct slice host)
{
    if (!slice_starts(pattern, SLICE("*.")))
        return host.n && slice_ieq(pattern, host);
    size_t dot = slice_index(host, '.');
    return dot > 0 && dot < host.n && slice_ieq(slice_from(pattern, 1), slice_from(host, dot));
}

bool sts_names(const struct sts_policy *p, struct slice host)
{
    for (size_t i = 0; i < p->n_mx; i++)
        if (sts_match(p->mx[i], host))
            return true;
    return false;
}

/* An address that a report may go to. It is kept in a list separated by blanks, so it has none. */
static bool is_report_address(struct slice uri)
{
    if (!slice_istarts(uri, SLICE("mailto:")) && !slice_istarts(uri, SLICE("https://")))
        return false;
    for (size_t i = 0; i < uri.n; i++)
        if (uri.p[i] <= ' ' || uri.p[i] > '~')
            return false;
    return true;
}

static void rua_add(struct slice list, struct buf *out, unsigned *n)
{
    struct slice uri;
    while (slice_split(&list, ',', &uri)) {
        uri = trim_blanks(uri);
        if (*n == RUA_ADDRESSES || !is_report_address(uri))
            continue;
        if (out->n)
            buf_byte(out, ' ');
        buf_add(out, uri);
        (*n)++;
    }
}

struct slice tlsrpt_rua(struct slice txt, struct arena *a)
{
    autobuf list = BUF_INIT(LIMIT_TLSRPT_RUA);
    struct slice name, value;
    bool ok = true;
    unsigned n = 0;
    if (!record_starts(&txt, SLICE("v=TLSRPTv1")))
        return SLICE_NONE;
    while (ok && record_field(&txt, &name, &value, &ok))
        if (ok && slice_eq(name, SLICE("rua")))
            rua_add(value, &list, &n);
    if (!ok || buf_check(&list) != OK)
        return SLICE_NONE;
    return arena_dup(a, buf_slice(&list));
}
