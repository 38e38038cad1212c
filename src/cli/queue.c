/* `depesche queue`: mail that waits for its way out. */
#include "base/clock.h"
#include "cli/command.h"
#include "cli/output.h"
#include "queue/describe.h"

/* Ids look the same in lists, logs and as an argument: hexadecimal. */
static void output_id(struct output *o, uint64_t id)
{
    char text[20];
    snprintf(text, sizeof text, "%llx", (unsigned long long)id);
    output_str(o, text);
}

static void output_sender(struct output *o, struct slice sender)
{
    output_text(o, sender.n ? sender : SLICE("<>"));
}

static bool list_entry(void *arg, const struct queue_entry *e)
{
    struct output *o = arg;
    for (size_t i = 0; i < e->n_recipients; i++) {
        const struct queue_recipient *r = &e->recipients[i];
        output_id(o, e->id);
        output_time(o, e->created);
        output_number(o, e->size);
        output_sender(o, e->sender);
        output_text(o, r->address);
        output_str(o, queue_state_name(r->state));
        output_number(o, r->attempts);
        output_time(o, r->next_attempt);
        output_text(o, r->last_answer);
    }
    return true;
}

int command_queue_list(struct call *c)
{
    static const char *const columns[] = {"id",    "created",  "size", "sender",     "recipient",
                                          "state", "attempts", "next", "last_answer"};
    struct store *s;
    if (!call_store(c, &s))
        return REFUSED;
    struct output o;
    output_table(&o, c->json, columns, 9);
    enum error e = store_queue_list(s, 0, list_entry, &o);
    store_close(s);
    if (e)
        return refuse("the queue cannot be read (%s); `depesche doctor` looks closer",
                      error_name(e));
    output_print(&o);
    return DONE;
}

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
    return i > 0;
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
    uint64_t id;
    struct store *s;
    struct queue_entry q;
    if (!read_id(c->args[0], &id))
        return wrong_usage("expected an id as in `depesche queue list`, found '%s'", c->args[0]);
    if (!call_store(c, &s))
        return REFUSED;
    enum error e = store_queue_get(s, id, &c->arena, &q);
    struct store_body body = {0};
    if (!e)
        e = store_queue_body(s, id, &body);
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
