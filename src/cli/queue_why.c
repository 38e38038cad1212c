/* `depesche queue why`: the queue told in sentences. */
#include "base/clock.h"
#include "cli/output.h"
#include "cli/queue.h"
#include "queue/describe.h"

struct telling {
    struct queue_selector selector;
    bool json, empty; /* empty: nothing is selected, so what is finished is left out */
    struct output o;
    size_t told;
};

static void tell_recipient(struct telling *t, const struct queue_entry *e,
                           const struct queue_recipient *r)
{
    autobuf text = BUF_INIT(LIMIT_CLI_ARENA);
    char id[QUEUE_ID_TEXT];
    queue_id_print(e->id, id);
    queue_explain(e, r, clock_wall(), &text);
    t->told++;
    if (t->json) {
        output_str(&t->o, id);
        output_text(&t->o, e->sender);
        output_text(&t->o, r->address);
        output_str(&t->o, queue_state_name(r->state));
        output_text(&t->o, buf_slice(&text));
        return;
    }
    printf("%s%s from <%.*s> to <%.*s>\n%.*s", t->told > 1 ? "\n" : "", id, SLICE_FMT(e->sender),
           SLICE_FMT(r->address), SLICE_FMT(buf_slice(&text)));
}

static bool tell_entry(void *arg, const struct queue_entry *e)
{
    struct telling *t = arg;
    for (size_t i = 0; i < e->n_recipients; i++) {
        const struct queue_recipient *r = &e->recipients[i];
        if (t->empty && r->state >= QUEUE_DELIVERED)
            continue;
        if (queue_selects(&t->selector, e->id, e->sender, r->address))
            tell_recipient(t, e, r);
    }
    return true;
}

int command_queue_why(struct call *c)
{
    static const char *const columns[] = {"id", "sender", "recipient", "state", "why"};
    struct telling t = {.json = c->json};
    struct store *s;
    int status;
    if (!queue_selection(c, &t.selector, &status))
        return status;
    t.empty = queue_selection_empty(&t.selector);
    if (!call_store(c, &s))
        return REFUSED;
    output_table(&t.o, c->json, columns, 5);
    struct queue_entry q;
    enum error e = OK;
    if (t.selector.entry == 0)
        e = store_queue_list(s, 0, tell_entry, &t);
    else if ((e = store_queue_get(s, t.selector.entry, &c->arena, &q)) == OK)
        (void)tell_entry(&t, &q);
    store_close(s);
    if (e && e != ERR_NOTFOUND)
        return refuse("the queue cannot be read (%s); `depesche doctor` looks closer",
                      error_name(e));
    if (t.told == 0 && !t.empty)
        return refuse("nothing in the queue fits; what left before sending.keep_results is in the "
                      "log");
    if (c->json)
        output_print(&t.o);
    else if (t.told == 0)
        printf("Nothing waits.\n");
    return DONE;
}
