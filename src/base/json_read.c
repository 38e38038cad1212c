/* JSON from outside, read into jansson's trees; see json_read.h. */
#include "base/json_read.h"

#include "base/mem.h"
#include "base/random.h"
#include <pthread.h>

static enum error measure(struct slice text, size_t depth_most, size_t values_most)
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
            if (++depth > depth_most)
                return ERR_LIMIT;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        } else if (c == ',') {
            values++;
        }
        if (values > values_most)
            return ERR_LIMIT;
    }
    return OK;
}

static void *take(size_t n)
{
    return mem_resize(NULL, n, 1);
}

/* Before the first tree: jansson would make a seed itself, of time and process id where the
 * kernel's file cannot be read, and keep it. */
static void set_up(void)
{
    json_set_alloc_funcs(take, mem_free_wiped);
    json_object_seed((size_t)random_u64() | 1);
}

enum error json_read(struct slice text, size_t depth, size_t values, json_t **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    json_error_t why;
    pthread_once(&once, set_up);
    enum error e = measure(text, depth, values);
    if (e != OK)
        return e;
    json_t *v = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &why);
    if (v == NULL)
        return ERR_INPUT;
    *out = v;
    return OK;
}
