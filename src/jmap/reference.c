/* Back-references (RFC 8620 3.7): arguments that are taken from an earlier call's answer. */
#include "base/buf.h"
#include "base/mem.h"
#include "jmap/request.h"

enum { REFERENCES_CALL = 16 }; /* of one call */

struct walk {
    size_t left; /* values it may still look at */
    json_t *results;
    bool star; /* there was one: the result is an array, however many there are */
};

static json_t *answer_of(struct jmap_request *rq, struct slice id, struct slice name)
{
    for (size_t i = 0; i < rq->n_answers; i++) {
        struct jmap_answer *a = &rq->answer[i];
        if (!slice_eq(a->id, id))
            continue;
        if (!slice_eq(a->name, name))
            return NULL;
        if (a->parsed == NULL && !a->unusable)
            a->unusable =
                jmap_json_parse(slice_sub(buf_slice(rq->out), a->from, a->to), &a->parsed) != OK;
        return a->parsed;
    }
    return NULL;
}

/* The item of an array that a step names: digits without leading zeros. */
static json_t *item(json_t *array, struct slice step)
{
    uint32_t i;
    if (parse_u32(step, UINT32_MAX, &i) != OK || (step.n > 1 && step.p[0] == '0'))
        return NULL;
    return json_array_get(array, i);
}

/* Follows `path` from `at`; what it leads to is appended to w->results, an array's items one by one
 * when `flat`. As deep as the answer is. */
static bool follow(struct arena *a, struct walk *w, json_t *at, struct slice path, bool flat)
{
    struct slice step;
    while (jmap_patch_step(a, &path, &step)) {
        if (w->left-- == 0)
            return false;
        if (json_is_array(at) && slice_eq(step, SLICE("*"))) {
            size_t i;
            json_t *v;
            w->star = true;
            json_array_foreach(at, i, v) if (!follow(a, w, v, path, true)) return false;
            return true;
        }
        at =
            json_is_array(at) ? item(at, step) : json_object_getn(at, (const char *)step.p, step.n);
        if (at == NULL)
            return false;
    }
    if (!flat || !json_is_array(at)) {
        if (w->left-- == 0)
            return false;
        return json_array_append(w->results, at) == 0;
    }
    if (json_array_size(at) > w->left)
        return false;
    w->left -= json_array_size(at);
    return json_array_extend(w->results, at) == 0;
}

/* The value a ResultReference leads to, a new reference; NULL: none. */
static json_t *resolve(struct jmap_request *rq, const json_t *reference)
{
    struct slice id = jmap_string(json_object_get(reference, "resultOf"));
    struct slice name = jmap_string(json_object_get(reference, "name"));
    struct slice path = jmap_string(json_object_get(reference, "path"));
    if (id.p == NULL || name.p == NULL || path.p == NULL || json_object_size(reference) != 3 ||
        path.n > LIMIT_JMAP_PATH || (path.n > 0 && path.p[0] != '/'))
        return NULL;
    json_t *from = answer_of(rq, id, name);
    if (from == NULL)
        return NULL;
    path = path.n > 0 ? slice_from(path, 1) : SLICE_NONE;
    autoarena a;
    arena_init(&a, LIMIT_JMAP_ARENA);
    struct walk w = {.left = LIMIT_JMAP_REFERENCES, .results = json_array()};
    json_t *result = NULL;
    if (follow(&a, &w, from, path, false))
        result = json_incref(w.star ? w.results : json_array_get(w.results, 0));
    json_decref(w.results);
    return result;
}

bool jmap_references(struct jmap_request *rq, json_t *args, const char **error)
{
    const char *found[REFERENCES_CALL], *name;
    size_t n = 0;
    json_t *v;
    json_object_foreach(args, name, v)
    {
        if (name[0] != '#')
            continue;
        *error = "invalidArguments";
        if (n == REFERENCES_CALL || !json_is_object(v) || json_object_get(args, name + 1) != NULL)
            return false;
        found[n++] = name;
    }
    for (size_t i = 0; i < n; i++) {
        json_t *value = resolve(rq, json_object_get(args, found[i]));
        *error = "invalidResultReference";
        if (value == NULL || json_object_set_new(args, found[i] + 1, value) != 0)
            return false;
        json_object_del(args, found[i]);
    }
    return true;
}
