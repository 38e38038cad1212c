/* Small JSON bodies; see body.h. */
#include "web/body.h"

#include "base/mem.h"

void body_take_json(struct http_exchange *x, size_t limit)
{
    struct slice type = http_field(x, "content-type");
    type = slice_trim(slice_sub(type, 0, slice_index(type, ';')));
    if (!slice_ieq(type, SLICE("application/json"))) {
        http_problem(x, 415, "about:blank", "The Content-Type must be application/json",
                     "Der Content-Type muss application/json sein");
        return;
    }
    http_take_body(x, limit);
}

json_t *body_object(struct http_exchange *x)
{
    struct slice body = http_body(x);
    json_error_t why;
    json_t *object =
        body.n == 0 ? NULL : json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(object))
        return object;
    json_decref(object);
    http_problem(x, 400, "about:blank", "The body is not a JSON object",
                 "Der Inhalt ist kein JSON-Objekt");
    return NULL;
}

struct slice body_text(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_string(v) ? slice_of(json_string_value(v), json_string_length(v)) : SLICE_NONE;
}

void body_wipe(struct slice text)
{
    void *p; /* jansson's own copy, which is about to be freed */
    memcpy(&p, &text.p, sizeof p);
    if (p != NULL)
        mem_wipe(p, text.n);
}
