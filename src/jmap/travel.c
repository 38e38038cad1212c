/* Recipient/travel: how mail would reach somebody; our own extension, doc/jmap-extensions.md. */
#include "base/clock.h"
#include "jmap/methods.h"

#define ADDRESSES_MOST 20

static const char *const words[] = {
    [TRAVEL_LOCAL] = "local",         [TRAVEL_DANE] = "dane",       [TRAVEL_VERIFIED] = "verified",
    [TRAVEL_ENCRYPTED] = "encrypted", [TRAVEL_MAYBE] = "maybe",     [TRAVEL_CLEAR] = "clear",
    [TRAVEL_NOWHERE] = "nowhere",     [TRAVEL_UNKNOWN] = "unknown",
};

/* Name servers that are silent cost their time once, not for each address. */
static void write_one(struct jmap_call *c, struct slice address, int64_t deadline)
{
    const struct jmap_service *s = c->service;
    char host[256] = "";
    enum jmap_travel travel =
        s->forecast && clock_ms() < deadline ? s->forecast(s->arg, address, host) : TRAVEL_UNKNOWN;
    jw_object(c->out);
    jw_key(c->out, "address");
    jw_text(c->out, address);
    jw_key(c->out, "travel");
    jw_str(c->out, words[travel]);
    jw_key(c->out, "host");
    if (host[0])
        jw_str(c->out, host);
    else
        jw_null(c->out);
    jw_end(c->out);
}

static void travel(struct jmap_call *c)
{
    static const char *const known[] = {"addresses", NULL};
    json_t *list = json_object_get(c->args, "addresses"), *v;
    int64_t deadline = clock_ms() + LIMIT_FORECAST_MS;
    size_t i;
    if (!jmap_account(c) || !jmap_only(c, known))
        return;
    bool good = json_is_array(list) && json_array_size(list) <= ADDRESSES_MOST;
    if (good)
        json_array_foreach(list, i, v) good = good && json_is_string(v);
    if (!good) {
        jmap_fail(c, "invalidArguments", "addresses: must be at most 20 strings");
        return;
    }
    jmap_answer(c);
    jw_key(c->out, "list");
    jw_array(c->out);
    json_array_foreach(list, i, v) write_one(c, jmap_string(v), deadline);
    jw_end(c->out);
    jw_end(c->out);
}

const struct jmap_method jmap_travel_methods[] = {
    {"Recipient/travel", CAPABILITY_ACCOUNT, travel},
    {NULL, NULL, NULL},
};
