/* Core/echo (RFC 8620 4). */
#include "jmap/methods.h"

static void echo(struct jmap_call *c)
{
    jmap_write_json(c->out, c->args);
}

const struct jmap_method jmap_core_methods[] = {
    {"Core/echo", CAPABILITY_CORE, echo},
    {NULL, NULL, NULL},
};
