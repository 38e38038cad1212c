/* `depesche queue retry|hold|release|cancel`: what only the running server can do to its queue. */
#include "cli/output.h"
#include "cli/queue.h"
#include "config/control.h"

static bool read_id(const char *text, uint64_t *out)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; text[i]; i++) {
        char b = (char)ascii_lower((uint8_t)text[i]);
        int digit = b >= '0' && b <= '9' ? b - '0' : b >= 'a' && b <= 'f' ? b - 'a' + 10 : -1;
        if (digit < 0 || i == 16)
            return false;
        n = n << 4 | (unsigned)digit;
    }
    *out = n;
    return i > 0 && n > 0;
}

void queue_id_print(uint64_t id, char out[QUEUE_ID_TEXT])
{
    snprintf(out, QUEUE_ID_TEXT, "%llx", (unsigned long long)id);
}

static struct slice option_or_empty(const struct call *c, const char *name)
{
    const char *value = call_option(c, name);
    return value ? slice_str(value) : SLICE("");
}

bool queue_selection(struct call *c, struct queue_selector *out, int *status)
{
    *out = (struct queue_selector){
        .recipient = option_or_empty(c, "recipient"),
        .sender = option_or_empty(c, "sender"),
        .destination = option_or_empty(c, "destination"),
        .all = call_has(c, "all"),
    };
    if (c->n_args == 0 || read_id(c->args[0], &out->entry))
        return true;
    *status = wrong_usage("expected an id as in `depesche queue list`, found '%s'", c->args[0]);
    return false;
}

bool queue_selection_empty(const struct queue_selector *s)
{
    return s->entry == 0 && s->recipient.n == 0 && s->sender.n == 0 && s->destination.n == 0;
}

static int ask(struct call *c, enum queue_action action, const char *done)
{
    struct queue_selector s;
    int status;
    if (!queue_selection(c, &s, &status))
        return status;
    if (queue_selection_empty(&s) && !s.all)
        return wrong_usage(
            "which mail? give an ID, --recipient, --sender, --destination, or --all");
    if (!call_config(c))
        return REFUSED;
    autobuf request = BUF_INIT(4096), answer = BUF_INIT(4096);
    buf_byte(&request, CONTROL_QUEUE);
    buf_byte(&request, (uint8_t)action);
    buf_byte(&request, s.all);
    buf_u64(&request, s.entry);
    buf_bytes(&request, s.recipient);
    buf_bytes(&request, s.sender);
    buf_bytes(&request, s.destination);
    if (request.failed)
        return wrong_usage("the addresses are too long");
    enum error e = control_ask(c->config->run, buf_slice(&request), &answer);
    uint32_t n = 0;
    if (e == ERR_NOTFOUND)
        return refuse("the server does not run; start it first, the queue is its to change");
    if (e || parse_u32(buf_slice(&answer), UINT32_MAX, &n))
        return refuse("the server could not do it (%s); its log says why", error_name(e));
    if (n == 0)
        return refuse("nothing in the queue fits; `depesche queue list` shows what waits");
    output_done(c->json, "recipients", buf_slice(&answer), "%s: %u recipient%s", done, n,
                n == 1 ? "" : "s");
    return DONE;
}

int command_queue_retry(struct call *c)
{
    return ask(c, QUEUE_RETRY, "to be tried at once");
}

int command_queue_hold(struct call *c)
{
    return ask(c, QUEUE_HOLD, "held");
}

int command_queue_release(struct call *c)
{
    return ask(c, QUEUE_RELEASE, "released");
}

int command_queue_cancel(struct call *c)
{
    return ask(c, QUEUE_CANCEL, "cancelled");
}
