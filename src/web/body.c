/* Small JSON bodies; see body.h. */
#include "web/body.h"

#include "base/limits.h"

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
    json_t *object;
    /* A worker's stack is small, and nobody has logged in yet: nothing deeper is read. */
    if (json_read(http_body(x), 1, LIMIT_WEB_BODY, &object) != OK)
        object = NULL;
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
