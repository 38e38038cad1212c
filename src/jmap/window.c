/* Which results of a query are given; see window.h. */
#include "jmap/window.h"

bool jmap_window_read(struct jmap_call *c, struct jmap_window *w)
{
    uint64_t limit = LIMIT_JMAP_QUERY;
    *w = (struct jmap_window){0};
    if (!jmap_arg_int(c, "position", &w->position) || !jmap_arg_text(c, "anchor", &w->anchor) ||
        !jmap_arg_int(c, "anchorOffset", &w->anchor_offset) || !jmap_arg_uint(c, "limit", &limit) ||
        !jmap_arg_bool(c, "calculateTotal", &w->total))
        return false;
    w->limit = limit < LIMIT_JMAP_QUERY ? limit : LIMIT_JMAP_QUERY;
    json_t *asked = json_object_get(c->args, "limit");
    w->limited = asked == NULL || json_is_null(asked) || w->limit != limit;
    if (w->anchor.p != NULL) {
        struct slice real = jmap_id_resolve(c, w->anchor);
        if (real.p != NULL)
            w->anchor = real;
    }
    return true;
}

bool jmap_window_cut(struct jmap_call *c, const struct jmap_window *w, size_t n, size_t anchor_at,
                     size_t *from, size_t *count)
{
    int64_t at = w->position;
    if (w->anchor.p != NULL) {
        if (anchor_at >= n) {
            jmap_fail(c, "anchorNotFound", NULL);
            return false;
        }
        at = (int64_t)anchor_at + w->anchor_offset;
    } else if (at < 0) {
        at += (int64_t)n;
    }
    if (at < 0)
        at = 0;
    *from = (uint64_t)at < n ? (size_t)at : n;
    *count = n - *from < w->limit ? n - *from : (size_t)w->limit;
    return true;
}

void jmap_window_answer(struct jmap_call *c, const struct jmap_window *w, struct slice state,
                        bool can_calculate, size_t from, size_t total)
{
    struct json_writer *out = c->out;
    jmap_answer(c);
    jw_key(out, "queryState");
    jw_text(out, state);
    jw_key(out, "canCalculateChanges");
    jw_bool(out, can_calculate);
    jw_key(out, "position");
    jw_uint(out, from);
    if (w->total) {
        jw_key(out, "total");
        jw_uint(out, total);
    }
    if (w->limited) {
        jw_key(out, "limit");
        jw_uint(out, w->limit);
    }
}
