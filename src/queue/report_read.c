/* Reading TLS reports of others; see report.h. They come by mail from anybody. */
#include "queue/report.h"

#include "base/date.h"
#include "base/json_read.h"
#include "base/limits.h"
#include "message/mime.h"
#include <zlib.h>

enum { GZIP_WINDOW = 15 + 16 };

/* --- Out of the message --- */

/* Reads one gzip member; what stands behind it is not looked at. */
static enum error unpack(struct slice in, struct buf *out)
{
    z_stream z = {0};
    uint8_t piece[16384];
    int code = Z_OK;
    if (in.n > UINT32_MAX || inflateInit2(&z, GZIP_WINDOW) != Z_OK)
        return ERR_LIMIT;
    /* zlib reads only; its interface is older than const. */
    z.next_in = (Bytef *)(uintptr_t)in.p;
    z.avail_in = (uInt)in.n;
    while (code == Z_OK && !out->failed) {
        z.next_out = piece;
        z.avail_out = sizeof piece;
        code = inflate(&z, Z_NO_FLUSH);
        buf_add(out, slice_of(piece, sizeof piece - z.avail_out));
    }
    inflateEnd(&z);
    if (out->failed)
        return ERR_LIMIT;
    return code == Z_STREAM_END ? OK : ERR_INPUT;
}

/* application/tlsrpt+gzip and +json (RFC 8460 6.3, 6.4), and what older drafts had. */
static bool is_report(const struct mime_part *part)
{
    return part->kind == MIME_LEAF && slice_ieq(part->type, SLICE("application")) &&
           slice_istarts(part->subtype, SLICE("tlsrpt"));
}

/* The next part in order of appearance. */
static const struct mime_part *next_part(const struct mime_part *p)
{
    if (p->child != NULL)
        return p->child;
    while (p != NULL && p->next == NULL)
        p = p->parent;
    return p ? p->next : NULL;
}

enum error tls_report_of_message(struct arena *a, struct slice raw, struct tls_report_in *out)
{
    struct mime_tree *tree;
    enum error e = mime_parse(a, raw, &tree);
    if (e != OK)
        return e;
    const struct mime_part *part = tree->root;
    while (part != NULL && !is_report(part))
        part = next_part(part);
    if (part == NULL)
        return ERR_NOTFOUND;
    autobuf content = BUF_INIT(LIMIT_TLSRPT), json = BUF_INIT(LIMIT_TLSRPT);
    e = mime_decode(part, &content);
    if (e != OK)
        return e;
    /* By its first bytes: the type is wrong often enough. */
    if (!slice_starts(buf_slice(&content), SLICE("\x1f\x8b")))
        return tls_report_of_json(a, buf_slice(&content), out);
    e = unpack(buf_slice(&content), &json);
    return e == OK ? tls_report_of_json(a, buf_slice(&json), out) : e;
}

/* --- JSON --- */

/* Whole characters of UTF-8. */
static struct slice clip(struct slice s)
{
    size_t n = s.n < LIMIT_TLSRPT_TEXT ? s.n : LIMIT_TLSRPT_TEXT;
    while (n < s.n && n > 0 && (s.p[n] & 0xC0) == 0x80)
        n--;
    return slice_sub(s, 0, n);
}

/* A string that can be shown: it goes to terminals. */
static struct slice text_of(struct arena *a, const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    struct slice s = clip(slice_of(json_string_value(v), json_string_length(v)));
    uint8_t *copy = s.n > 0 ? arena_alloc(a, s.n) : NULL;
    if (copy == NULL)
        return SLICE("");
    for (size_t i = 0; i < s.n; i++) {
        /* U+0080 to U+009F are controls, too. */
        bool c1 = s.p[i] == 0xC2 && i + 1 < s.n && s.p[i + 1] < 0xA0;
        copy[i] = s.p[i] < ' ' || s.p[i] == 0x7F || c1 ? '?' : s.p[i];
        if (c1)
            copy[++i] = '?';
    }
    return slice_of(copy, s.n);
}

static uint64_t count_of(const json_t *object, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(object, key));
    return n > 0 ? (uint64_t)n : 0;
}

static int64_t time_of(struct arena *a, const json_t *object, const char *key)
{
    int64_t at;
    return date_parse_iso(text_of(a, object, key), &at) == OK ? at : 0;
}

static struct slice detail_of(struct arena *a, const json_t *failure)
{
    struct slice code = text_of(a, failure, "failure-reason-code");
    struct slice more = text_of(a, failure, "additional-information");
    if (code.n == 0 || more.n == 0)
        return code.n > 0 ? code : more;
    return arena_printf(a, "%.*s; %.*s", SLICE_FMT(code), SLICE_FMT(more));
}

static void read_policy(struct arena *a, const json_t *item, struct tls_report_in *r)
{
    const json_t *policy = json_object_get(item, "policy");
    const json_t *summary = json_object_get(item, "summary");
    const json_t *failures = json_object_get(item, "failure-details");
    const struct tls_report_line sum = {
        .policy = text_of(a, policy, "policy-type"),
        .policy_domain = text_of(a, policy, "policy-domain"),
        .success = count_of(summary, "total-successful-session-count"),
        .failure = count_of(summary, "total-failure-session-count"),
    };
    r->line[r->n++] = sum;
    for (size_t i = 0; i < json_array_size(failures); i++) {
        const json_t *f = json_array_get(failures, i);
        r->line[r->n++] = (struct tls_report_line){
            .policy = sum.policy,
            .policy_domain = sum.policy_domain,
            .result = text_of(a, f, "result-type"),
            .mx = text_of(a, f, "receiving-mx-hostname"),
            .peer = text_of(a, f, "receiving-ip"),
            .detail = detail_of(a, f),
            .failure = count_of(f, "failed-session-count"),
        };
    }
}

static enum error read_report(struct arena *a, const json_t *root, struct tls_report_in *out)
{
    const json_t *policies = json_object_get(root, "policies");
    const json_t *range = json_object_get(root, "date-range");
    size_t lines = json_array_size(policies);
    if (!json_is_array(policies))
        return ERR_INPUT;
    for (size_t i = 0; i < json_array_size(policies); i++)
        lines += json_array_size(json_object_get(json_array_get(policies, i), "failure-details"));
    if (lines > LIMIT_TLSRPT_LINES)
        return ERR_LIMIT;
    struct tls_report_in r = {
        .organization = text_of(a, root, "organization-name"),
        .id = text_of(a, root, "report-id"),
        .contact = text_of(a, root, "contact-info"),
        .begin = time_of(a, range, "start-datetime"),
        .end = time_of(a, range, "end-datetime"),
        .line = arena_array(a, lines, sizeof *r.line),
    };
    if (r.line == NULL)
        return ERR_LIMIT;
    for (size_t i = 0; i < json_array_size(policies); i++)
        read_policy(a, json_array_get(policies, i), &r);
    if (a->failed)
        return ERR_LIMIT;
    *out = r;
    return OK;
}

enum error tls_report_of_json(struct arena *a, struct slice json, struct tls_report_in *out)
{
    json_t *root;
    if (json.n > LIMIT_TLSRPT)
        return ERR_LIMIT;
    enum error e = json_read(json, LIMIT_TLSRPT_DEPTH, LIMIT_TLSRPT_VALUES, &root);
    if (e != OK)
        return e;
    e = read_report(a, root, out);
    json_decref(root);
    return e;
}
