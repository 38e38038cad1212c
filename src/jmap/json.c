/* JSON in with its bounds, and trees out; see method.h. */
#include "base/buf.h"
#include "jmap/method.h"

enum error jmap_json_parse(struct slice text, json_t **out)
{
    return json_read(text, LIMIT_JMAP_DEPTH, LIMIT_JMAP_VALUES, out);
}

static int take(const char *bytes, size_t n, void *arg)
{
    struct buf *out = arg;
    buf_add(out, slice_of(bytes, n));
    return out->failed ? -1 : 0; /* ends it */
}

void jmap_write_json(struct json_writer *w, const json_t *value)
{
    jw_raw(w, SLICE(""));
    json_dump_callback(value, take, w->out, JSON_COMPACT | JSON_ENCODE_ANY);
}
