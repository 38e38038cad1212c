/* JSON in with its bounds, and trees out; see method.h. */
#include "base/buf.h"
#include "base/random.h"
#include "jmap/method.h"
#include <pthread.h>

/* Counts depth and values before the parser allocates anything: ten megabytes of "[],[],[],"
 * would become more than half a gigabyte of tree. */
static enum error measure(struct slice text)
{
    size_t depth = 0, values = 1;
    bool quoted = false;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            values++;
            if (++depth > LIMIT_JMAP_DEPTH)
                return ERR_LIMIT;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        } else if (c == ',' && ++values > LIMIT_JMAP_VALUES) {
            return ERR_LIMIT;
        }
        if (values > LIMIT_JMAP_VALUES)
            return ERR_LIMIT;
    }
    return OK;
}

/* Before the first tree: the hash must not be guessable where the kernel's file cannot be read. */
static void seed_once(void)
{
    json_object_seed((size_t)random_u64() | 1);
}

enum error jmap_json_parse(struct slice text, json_t **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, seed_once);
    enum error e = measure(text);
    if (e != OK)
        return e;
    json_error_t why;
    json_t *v = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &why);
    if (v == NULL)
        return ERR_INPUT;
    *out = v;
    return OK;
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
