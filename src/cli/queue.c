/* `depesche queue`: mail that waits for its way out. */
#include "cli/queue.h"
#include "base/clock.h"
#include "cli/output.h"
#include "queue/describe.h"

static void output_id(struct output *o, uint64_t id)
{
    char text[QUEUE_ID_TEXT];
    queue_id_print(id, text);
    output_str(o, text);
}

static void output_sender(struct output *o, struct slice sender)
{
    output_text(o, sender.n ? sender : SLICE("<>"));
}

struct listing {
    struct output o;
    struct queue_selector selector;
    unsigned states; /* a bit for each enum queue_state */
};

/* An entry that lost its recipients, which is broken. */
static void list_bare(struct listing *l, const struct queue_entry *e)
{
    output_id(&l->o, e->id);
    output_time(&l->o, e->created);
    output_number(&l->o, e->size);
    output_sender(&l->o, e->sender);
    output_none(&l->o);
    output_str(&l->o, queue_state_name(QUEUE_BROKEN));
    output_number(&l->o, 0);
    output_none(&l->o);
    output_str(&l->o, "its recipients are gone");
}

static bool list_entry(void *arg, const struct queue_entry *e)
{
    struct listing *l = arg;
    if (e->n_recipients == 0 && !e->finished && l->states & 1u << QUEUE_BROKEN &&
        queue_selects(&l->selector, e->id, e->sender, SLICE("")))
        list_bare(l, e);
    for (size_t i = 0; i < e->n_recipients; i++) {
        const struct queue_recipient *r = &e->recipients[i];
        if (!(l->states & 1u << r->state) ||
            !queue_selects(&l->selector, e->id, e->sender, r->address))
            continue;
        output_id(&l->o, e->id);
        output_time(&l->o, e->created);
        output_number(&l->o, e->size);
        output_sender(&l->o, e->sender);
        output_text(&l->o, r->address);
        output_str(&l->o, queue_state_name(r->state));
        output_number(&l->o, r->attempts);
        output_time(&l->o, r->next_attempt);
        output_text(&l->o, r->last_answer);
    }
    return true;
}

/* Without a wish: what is not finished. */
static unsigned states_wanted(const struct call *c)
{
    unsigned states = 0;
    if (call_has(c, "held"))
        states |= 1u << QUEUE_HELD;
    if (call_has(c, "broken"))
        states |= 1u << QUEUE_BROKEN;
    if (call_has(c, "finished"))
        states |= 1u << QUEUE_DELIVERED | 1u << QUEUE_RETURNED | 1u << QUEUE_CANCELLED;
    return states ? states : 1u << QUEUE_WAITING | 1u << QUEUE_HELD | 1u << QUEUE_BROKEN;
}

int command_queue_list(struct call *c)
{
    static const char *const columns[] = {"id",    "created",  "size", "sender",     "recipient",
                                          "state", "attempts", "next", "last_answer"};
    struct listing l = {.states = states_wanted(c)};
    struct store *s;
    int status;
    if (!queue_selection(c, &l.selector, &status))
        return status;
    if (!call_store(c, &s))
        return REFUSED;
    output_table(&l.o, c->json, columns, 9);
    enum error e = store_queue_list(s, 0, list_entry, &l);
    store_close(s);
    if (e)
        return refuse("the queue cannot be read (%s); `depesche doctor` looks closer",
                      error_name(e));
    bool none = l.o.n == 0;
    output_print(&l.o);
    if (none && !c->json)
        puts("Nothing waits.");
    return DONE;
}

static void print_recipients(const struct queue_entry *q)
{
    struct buf text = BUF_INIT(LIMIT_CLI_ARENA);
    for (size_t i = 0; i < q->n_recipients; i++) {
        buf_reset(&text);
        queue_describe(&q->recipients[i], clock_wall(), &text);
        printf("\n%.*s: %.*s", SLICE_FMT(q->recipients[i].address), SLICE_FMT(buf_slice(&text)));
    }
    putchar('\n');
    buf_free(&text);
}

static void print_header(const struct store_body *b)
{
    struct slice rest = b->raw, line;
    putchar('\n');
    while (slice_line(&rest, &line) && line.n) {
        for (size_t i = 0; i < line.n; i++)
            putchar(line.p[i] >= ' ' && line.p[i] != 127 ? line.p[i] : '\t');
        putchar('\n');
    }
}

/* A list of its lines. */
static void output_header(struct output *o, const struct store_body *b, struct arena *a)
{
    struct slice rest = b->raw, line;
    size_t n = 0;
    while (slice_line(&rest, &line) && line.n)
        n++;
    struct slice *lines = arena_array(a, n + 1, sizeof *lines);
    rest = b->raw;
    for (size_t i = 0; lines && i < n; i++)
        (void)slice_line(&rest, &lines[i]);
    output_list(o, lines, lines ? n : 0);
}

int command_queue_show(struct call *c)
{
    static const char *const columns[] = {"id",          "created", "size",       "sender",
                                          "require_tls", "account", "recipients", "state",
                                          "next",        "header" /* JSON */};
    struct queue_selector selector;
    struct store *s;
    struct queue_entry q = {0};
    int status;
    if (!queue_selection(c, &selector, &status))
        return status;
    if (!call_store(c, &s))
        return REFUSED;
    enum error e = store_queue_get(s, selector.entry, &c->arena, &q);
    struct store_body body = {0};
    if (!e)
        e = store_queue_body(s, selector.entry, &body);
    if (e == ERR_NOTFOUND && q.id == selector.entry) /* finished: the message is gone */
        e = OK;
    if (e) {
        store_close(s);
        if (e == ERR_NOTFOUND)
            return refuse("there is no entry %s; `depesche queue list` lists them", c->args[0]);
        return refuse("the entry cannot be read (%s)", error_name(e));
    }
    struct slice *addresses = arena_array(&c->arena, q.n_recipients + 1, sizeof *addresses);
    for (size_t i = 0; addresses && i < q.n_recipients; i++)
        addresses[i] = q.recipients[i].address;
    struct output o;
    output_record(&o, c->json, columns, c->json ? 10 : 9);
    output_id(&o, q.id);
    output_time(&o, q.created);
    output_number(&o, q.size);
    output_sender(&o, q.sender);
    output_bool(&o, q.require_tls);
    output_number(&o, q.account);
    output_list(&o, addresses, addresses ? q.n_recipients : 0);
    output_str(&o, queue_state_name(queue_entry_state(&q)));
    int64_t next = queue_entry_next(&q);
    if (next)
        output_time(&o, next);
    else
        output_none(&o);
    if (c->json)
        output_header(&o, &body, &c->arena);
    output_print(&o);
    if (!c->json) {
        print_recipients(&q);
        print_header(&body);
    }
    store_body_free(&body);
    store_close(s);
    return DONE;
}
