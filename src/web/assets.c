/* The webmail's files, and the empty documents in which mail is shown. */
#include "web/assets.h"

#include "web/handlers.h"
#include "web/http.h"

/* --- Negotiation --- */

struct form {
    struct slice bytes;
    const char *coding; /* NULL: none */
};

static struct form best_form(struct http_exchange *x, const struct web_asset *a)
{
    if (a->brotli.n > 0 && http_accepts(x, "br"))
        return (struct form){a->brotli, "br"};
    if (a->gzip.n > 0 && http_accepts(x, "gzip"))
        return (struct form){a->gzip, "gzip"};
    return (struct form){a->identity, NULL};
}

/* --- Serving --- */

static const struct web_asset *find(struct slice path)
{
    size_t low = 0, high = web_asset_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = slice_cmp(path, web_asset_table[mid].path);
        if (c == 0)
            return &web_asset_table[mid];
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

/* Is it what the client has (RFC 9110 13.1.2)? Tags hold neither commas nor quotes. */
static bool is_known(struct http_exchange *x, struct slice tag)
{
    struct slice list = http_field(x, "if-none-match"), item;
    while (slice_split(&list, ',', &item)) {
        item = slice_trim(item);
        if (slice_starts(item, SLICE("W/")))
            item = slice_from(item, 2);
        if (slice_eq(item, tag) || slice_eq(item, SLICE("*")))
            return true;
    }
    return false;
}

static void answer(struct http_exchange *x, const struct web_asset *a, struct slice caching)
{
    struct form f = best_form(x, a);
    struct slice tag = arena_printf(http_arena(x), "\"%s%s%s\"", a->tag, f.coding ? "-" : "",
                                    f.coding ? f.coding : "");
    http_set_field(x, "etag", tag);
    http_set_field(x, "cache-control", caching);
    http_set_field(x, "vary", SLICE("accept-encoding"));
    if (is_known(x, tag)) {
        http_answer(x, 304, NULL, SLICE_NONE);
        return;
    }
    if (f.coding != NULL)
        http_set_field(x, "content-encoding", slice_str(f.coding));
    http_answer_static(x, 200, a->type, f.bytes);
}

static void finish_missing(struct http_exchange *x)
{
    http_problem(x, 404, "about:blank", "There is no such file; load the page anew",
                 "Diese Datei gibt es nicht; laden Sie die Seite neu");
}

static void finish_mail(struct http_exchange *x)
{
    const struct web_asset *a = find(SLICE("/mail/"));
    if (a != NULL)
        answer(x, a, SLICE("no-cache"));
    else
        finish_missing(x);
}

const struct http_handler web_mail = {.finish = finish_mail};

static void finish_asset(struct http_exchange *x)
{
    const struct web_asset *a = find(http_path(x));
    if (a != NULL)
        answer(x, a, SLICE("public, max-age=31536000, immutable"));
    else
        finish_missing(x);
}

const struct http_handler web_assets = {.finish = finish_asset};

/* --- Frames --- */

/* Mail is put into one of these by the webmail, cleaned before. Here nothing in it can run, load or
 * be sent, whatever got through: no scripts, forms, frames or plugins, styles only inline, links
 * only in a new window. */
#define FRAME_CSP                                                                                  \
    "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "  \
    "style-src 'unsafe-inline'; font-src data:; frame-ancestors 'self'; img-src data: blob: "      \
    "'self'"

static void finish_frame(struct http_exchange *x)
{
    bool remote = slice_ends(http_path(x), SLICE("-remote"));
    http_set_field(x, "content-security-policy",
                   remote ? SLICE(FRAME_CSP " https: http:") : SLICE(FRAME_CSP));
    http_set_field(x, "cache-control", SLICE("no-cache"));
    http_answer_static(x, 200, "text/html; charset=utf-8",
                       SLICE("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title></title>"
                             "</head><body></body></html>\n"));
}

const struct http_handler web_frame = {.finish = finish_frame};
