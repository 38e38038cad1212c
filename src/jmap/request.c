/* A request from its bytes to its answer: the calls in their order, each with the earlier ones'
 * answers at hand; see jmap.h. */
#include "jmap/request.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/tally.h"

/* Kept free in the response for the errors of all calls, whose ids may grow sixfold. */
enum { RESERVE = JMAP_ANSWERS * (6 * LIMIT_JMAP_CALL_ID + 512) };

/* --- Problems (RFC 8620 3.6.1) --- */

static int problem(struct buf *out, const char *type, const char *detail, const char *limit)
{
    struct json_writer w;
    buf_reset(out);
    jw_init(&w, out);
    jw_object(&w);
    jw_key(&w, "type");
    autobuf name = BUF_INIT(128);
    buf_printf(&name, "urn:ietf:params:jmap:error:%s", type);
    jw_text(&w, buf_slice(&name));
    jw_key(&w, "status");
    jw_uint(&w, 400);
    jw_key(&w, "detail");
    jw_str(&w, detail);
    if (limit != NULL) {
        jw_key(&w, "limit");
        jw_str(&w, limit);
    }
    jw_end(&w);
    return 400;
}

/* --- Calls --- */

static void write_error(struct jmap_request *rq, const char *type, const char *detail,
                        int64_t until)
{
    struct json_writer *w = &rq->writer;
    jw_object(w);
    jw_key(w, "type");
    jw_str(w, type);
    if (detail != NULL) {
        jw_key(w, "description");
        jw_str(w, detail);
    }
    if (until != 0) {
        jw_key(w, "until");
        jw_utc_date(w, until);
    }
    jw_end(w);
}

static bool may_use(const struct jmap_request *rq, const char *capability)
{
    for (unsigned i = 0; jmap_capabilities[i] != NULL; i++)
        if (strcmp(jmap_capabilities[i], capability) == 0)
            return (rq->using >> i & 1) != 0;
    return false;
}

/* What became too big was done all the same where it changed something. */
static const char *too_big(const char *method)
{
    struct slice s = slice_str(method);
    return slice_ends(s, SLICE("/get")) || slice_ends(s, SLICE("/query")) ||
                   slice_ends(s, SLICE("/changes"))
               ? "requestTooLarge"
               : "serverPartialFail";
}

static void begin_answer(struct jmap_request *rq, struct slice name, struct slice id)
{
    jw_array(&rq->writer);
    jw_text(&rq->writer, name);
    rq->answer[rq->n_answers] = (struct jmap_answer){.id = id, .name = name, .from = rq->out->n};
}

static void end_answer(struct jmap_request *rq, struct slice id)
{
    struct jmap_answer *a = &rq->answer[rq->n_answers++];
    a->to = rq->out->n;
    if (a->from < a->to && rq->out->p[a->from] == ',')
        a->from++;
    jw_text(&rq->writer, id);
    jw_end(&rq->writer);
}

static void answer_error(struct jmap_request *rq, struct slice id, const char *type,
                         const char *detail, int64_t until)
{
    begin_answer(rq, SLICE("error"), id);
    write_error(rq, type, detail, until);
    end_answer(rq, id);
}

static void drop_implicit(struct jmap_request *rq)
{
    for (size_t i = 0; i < rq->n_implicit; i++)
        json_decref(rq->implicit[i].args);
    rq->n_implicit = 0;
}

static void run_method(struct jmap_request *rq, const struct jmap_method *m, json_t *args,
                       struct slice id)
{
    autoarena arena;
    arena_init(&arena, LIMIT_JMAP_ARENA);
    struct jmap_call c = {.service = rq->service,
                          .user = rq->user,
                          .name = m->name,
                          .args = args,
                          .out = &rq->writer,
                          .arena = &arena,
                          .request = rq};
    struct jmap_mark before = jmap_mark(&rq->writer);
    begin_answer(rq, slice_str(m->name), id);
    rq->out->limit = LIMIT_JMAP_RESPONSE - RESERVE;
    size_t begun = rq->out->n;
    m->run(&c);
    rq->out->limit = LIMIT_JMAP_RESPONSE;
    if (c.failed == NULL && rq->out->failed)
        jmap_fail(&c, too_big(m->name), "the answer would be too large");
    if (c.failed == NULL && rq->out->n == begun) {
        log_error("jmap.no-answer", log_text("method", m->name));
        jmap_fail(&c, "serverFail", NULL);
    }
    if (c.failed == NULL) {
        end_answer(rq, id);
        return;
    }
    jmap_rewind(&rq->writer, &before);
    answer_error(rq, id, c.failed, c.detail, c.until);
    drop_implicit(rq);
}

static void run_implicit(struct jmap_request *rq, struct slice id)
{
    for (size_t i = 0; i < rq->n_implicit; i++) {
        const struct jmap_method *m = jmap_method_find(slice_str(rq->implicit[i].name));
        if (m == NULL)
            bug("no method %s", rq->implicit[i].name);
        json_t *args = rq->implicit[i].args;
        size_t n = rq->n_implicit;
        /* What follows does not bring more with it, and takes nothing of the others'. */
        run_method(rq, m, args, id);
        if (rq->n_implicit != n && rq->n_implicit != 0)
            bug("%s follows another call and brings one with it", m->name);
        if (rq->n_implicit == 0)
            return;
    }
    drop_implicit(rq);
}

static void run_call(struct jmap_request *rq, json_t *call)
{
    struct slice name = jmap_string(json_array_get(call, 0));
    json_t *args = json_array_get(call, 1);
    struct slice id = jmap_string(json_array_get(call, 2));
    const struct jmap_method *m = jmap_method_find(name);
    const char *error;
    if (m == NULL || !may_use(rq, m->capability)) {
        answer_error(rq, id, "unknownMethod", NULL, 0);
        return;
    }
    if (!jmap_references(rq, args, &error)) {
        answer_error(rq, id, error, NULL, 0);
        return;
    }
    run_method(rq, m, args, id);
    run_implicit(rq, id);
}

/* --- The request --- */

/* The type of the problem, or NULL. */
static const char *read_using(struct jmap_request *rq, const json_t *using)
{
    size_t i;
    json_t *v;
    if (!json_is_array(using))
        return "notRequest";
    json_array_foreach(using, i, v)
    {
        struct slice name = jmap_string(v);
        unsigned k = 0;
        if (name.p == NULL)
            return "notRequest";
        while (jmap_capabilities[k] != NULL && !slice_eq(name, slice_str(jmap_capabilities[k])))
            k++;
        if (jmap_capabilities[k] == NULL)
            return "unknownCapability";
        rq->using |= 1u << k;
    }
    return NULL;
}

static bool good_calls(const json_t *calls)
{
    size_t i;
    json_t *call;
    if (!json_is_array(calls))
        return false;
    json_array_foreach(calls, i, call)
    {
        if (json_array_size(call) != 3 || !json_is_string(json_array_get(call, 0)) ||
            !json_is_object(json_array_get(call, 1)) || !json_is_string(json_array_get(call, 2)) ||
            json_string_length(json_array_get(call, 2)) > LIMIT_JMAP_CALL_ID)
            return false;
    }
    return true;
}

static bool read_created(struct jmap_request *rq, json_t *given)
{
    const char *id;
    json_t *v;
    rq->created = json_object();
    if (given == NULL)
        return true;
    if (!json_is_object(given))
        return false;
    json_object_foreach(given, id, v)
    {
        if (!json_is_string(v))
            return false;
        json_object_set_nocheck(rq->created, id, v);
    }
    return true;
}

static int run_all(struct jmap_request *rq, json_t *calls, bool tell_created)
{
    struct json_writer *w = &rq->writer;
    char state[JMAP_SESSION_STATE];
    size_t i;
    json_t *call;
    jw_init(w, rq->out);
    jw_object(w);
    jw_key(w, "methodResponses");
    jw_array(w);
    int64_t deadline = clock_ms() + LIMIT_JMAP_REQUEST_MS;
    json_array_foreach(calls, i, call)
    {
        /* What has begun is ended; a worker is not one account's for minutes. */
        if (clock_ms() < deadline)
            run_call(rq, call);
        else
            answer_error(rq, jmap_string(json_array_get(call, 2)), "serverUnavailable",
                         "the calls before took too long", 0);
    }
    jw_end(w);
    if (tell_created) {
        jw_key(w, "createdIds");
        jmap_write_json(w, rq->created);
    }
    jmap_session_state(rq->service, rq->user, state);
    jw_key(w, "sessionState");
    jw_str(w, state);
    jw_end(w);
    if (rq->out->failed)
        return problem(rq->out, "limit", "the response would be too large", "maxSizeRequest");
    return 200;
}

static int run_parsed(struct jmap_request *rq, json_t *root)
{
    json_t *calls = json_object_get(root, "methodCalls");
    json_t *created = json_object_get(root, "createdIds");
    const char *bad = "notRequest";
    if (json_is_object(root) && good_calls(calls) && read_created(rq, created))
        bad = read_using(rq, json_object_get(root, "using"));
    if (bad != NULL && strcmp(bad, "unknownCapability") == 0)
        return problem(rq->out, bad, "\"using\" names a capability that this server lacks", NULL);
    if (bad != NULL)
        return problem(rq->out, bad, "the JSON is no JMAP request", NULL);
    if (json_array_size(calls) > LIMIT_JMAP_CALLS)
        return problem(rq->out, "limit", "too many method calls", "maxCallsInRequest");
    return run_all(rq, calls, created != NULL);
}

static int run_text(const struct jmap_service *s, const struct jmap_user *u, struct slice request,
                    struct buf *out)
{
    json_t *root;
    if (request.n > LIMIT_JMAP_REQUEST)
        return problem(out, "limit", "the request is too large", "maxSizeRequest");
    enum error e = jmap_json_parse(request, &root);
    if (e == ERR_LIMIT)
        return problem(out, "limit", "too deep, or too many values", "maxSizeRequest");
    if (e != OK)
        return problem(out, "notJSON", "the request is no I-JSON", NULL);
    struct jmap_request *rq = mem_alloc(sizeof *rq);
    rq->service = s;
    rq->user = u;
    rq->out = out;
    int status = run_parsed(rq, root);
    for (size_t i = 0; i < rq->n_answers; i++)
        json_decref(rq->answer[i].parsed);
    if (rq->view != NULL)
        view_unref(rq->view);
    json_decref(rq->created);
    json_decref(root);
    mem_free(rq);
    return status;
}

int jmap_api(const struct jmap_service *s, const struct jmap_user *u, struct slice request,
             struct buf *out)
{
    static struct tally running = TALLY_INIT;
    struct tally_use one = {0};
    if (!tally_take(&running, &one, u->account.id, 1, LIMIT_JMAP_CONCURRENT))
        return problem(out, "limit", "too many requests at once", "maxConcurrentRequests");
    int status = run_text(s, u, request, out);
    tally_give(&running, &one);
    return status;
}
