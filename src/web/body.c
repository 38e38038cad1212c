/* Small JSON bodies; see body.h. */
#include "web/body.h"

#include "base/mem.h"

void body_wipe(struct slice text)
{
    void *p; /* jansson's own copy, or the collected body; nobody reads it after this */
    memcpy(&p, &text.p, sizeof p);
    if (p != NULL)
        mem_wipe(p, text.n);
}

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

/* Is it one object or array at most, with nothing deeper? jansson reads by recursion, and a
 * worker's stack is small. What is no JSON at all it finds itself. */
static bool is_flat(struct slice json)
{
    unsigned opened = 0;
    bool text = false;
    for (size_t i = 0; i < json.n; i++) {
        uint8_t c = json.p[i];
        if (c == '"')
            text = !text;
        else if (text && c == '\\')
            i++;
        else if (!text && (c == '{' || c == '[') && ++opened > 1)
            return false;
    }
    return true;
}

json_t *body_object(struct http_exchange *x)
{
    struct slice body = http_body(x);
    json_error_t why;
    json_t *object = NULL;
    if (body.n > 0 && is_flat(body))
        object = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, &why);
    body_wipe(body); /* there are passwords in it */
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
