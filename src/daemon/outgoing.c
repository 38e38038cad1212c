/* mail's side of sending; see outgoing.h. */
#include "daemon/outgoing.h"
#include "base/clock.h"
#include "base/cursor.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/reports.h"
#include "filter/notice.h"
#include <pthread.h>

#define REPORTS_MS (60 * 60 * 1000)

struct outgoing {
    const struct config *config;
    const struct delivery_service *delivery;
    struct providers *providers;
    struct memory *memory;
    struct queue *queue;
    struct forecasts *forecasts;
    pthread_mutex_t handing;          /* held while a message is handed over, and for: */
    struct handover_server *handover; /* NULL: nobody is to be handed anything */
    struct queue_transport *transports;
    size_t n_transports;
    char password[LIMIT_PASSWORD + 1]; /* of the smart host; "" : none */
    int64_t reports_at;                /* clock_ms() */
    pthread_mutex_t lock;              /* for what follows: how edge stands */
    bool told, validates;
    char proof[300];
};

/* --- Before the walls --- */

static enum error read_providers(const struct config *c, struct providers **out)
{
    char why[CONFIG_WHY];
    enum error e = providers_load(c->providers, out, why, sizeof why);
    if (e)
        log_error("providers.unread", log_text("file", c->providers),
                  log_text("error", error_name(e)), log_text("why", why));
    return e;
}

/* The file's first line. */
static enum error read_password(const struct config *c, char out[LIMIT_PASSWORD + 1])
{
    struct buf text = BUF_INIT(LIMIT_PASSWORD + 2);
    struct slice rest, line = SLICE("");
    enum error e = OK;
    if (c->smarthost_password_file[0])
        e = file_read(c->smarthost_password_file, &text);
    rest = buf_slice(&text);
    if (!e)
        (void)slice_line(&rest, &line);
    if (!e)
        e = slice_cstr(line, out, LIMIT_PASSWORD + 1);
    if (!e && c->smarthost_user[0] && !out[0])
        e = ERR_NOTFOUND; /* a login without one fails at each attempt, and in the end bounces all
                           */
    if (e)
        log_error("smarthost.no_password", log_text("file", c->smarthost_password_file),
                  log_text("error", error_name(e)));
    buf_wipe(&text);
    return e;
}

static void list_transports(struct outgoing *o, const struct config *c)
{
    o->transports = mem_array(c->transports.n + 1, sizeof *o->transports);
    for (size_t i = 0; i < c->transports.n; i++)
        o->transports[o->n_transports++] = (struct queue_transport){
            .domain = c->transports.item[i].domain,
            .host = c->transports.item[i].to.host,
            .port = c->transports.item[i].to.port,
            .login = "",
            .password = "",
        };
    if (c->smarthost.host[0])
        o->transports[o->n_transports++] = (struct queue_transport){
            .domain = "",
            .host = c->smarthost.host,
            .port = c->smarthost.port,
            .login = c->smarthost_user,
            .password = o->password,
        };
}

enum error outgoing_prepare(const struct config *c, struct outgoing **out)
{
    struct outgoing *o = mem_alloc(sizeof *o);
    *o = (struct outgoing){.config = c};
    pthread_mutex_init(&o->handing, NULL);
    pthread_mutex_init(&o->lock, NULL);
    enum error e = read_providers(c, &o->providers);
    if (!e)
        e = read_password(c, o->password);
    if (e) {
        outgoing_free(o, 0);
        return e;
    }
    list_transports(o, c);
    *out = o;
    return OK;
}

const struct providers *outgoing_providers(const struct outgoing *o)
{
    return o->providers;
}

/* --- The queue's ways out --- */

static enum error send_relay(void *arg, const struct relay_request *rq, struct slice raw,
                             void *token)
{
    struct outgoing *o = arg;
    pthread_mutex_lock(&o->handing);
    enum error e = o->handover ? handover_relay(o->handover, rq, raw, token) : ERR_CLOSED;
    pthread_mutex_unlock(&o->handing);
    return e;
}

static enum error tell(void *arg, const struct queue_notice *n)
{
    struct outgoing *o = arg;
    return notice_deliver(o->delivery, n);
}

enum error outgoing_open(struct outgoing *o, const struct delivery_service *delivery)
{
    const struct config *c = o->config;
    char path[1100];
    o->delivery = delivery;
    snprintf(path, sizeof path, "%s/policy.db", c->data);
    enum error e = memory_open(path, &o->memory);
    if (e)
        return e;
    struct queue_options options = {
        .store = delivery->store,
        .memory = o->memory,
        .providers = o->providers,
        .transports = o->transports,
        .n_transports = o->n_transports,
        .port = (uint16_t)c->sending_port,
        .clear_allowed = c->clear_text,
        .connections = (unsigned)c->sending_connections,
        .per_destination = (unsigned)c->destination_connections,
        .retry_first = (int64_t)c->retry_first,
        .retry_most = (int64_t)c->retry_most,
        .give_up = (int64_t)c->give_up,
        .delay_notice = (int64_t)c->delay_notice,
        .keep_results = (int64_t)c->keep_results,
        .send = send_relay,
        .tell = tell,
        .arg = o,
    };
    const struct forecast_options forecast = {
        .directory = delivery->directory,
        .memory = o->memory,
        .providers = o->providers,
        .transports = o->transports,
        .n_transports = o->n_transports,
        .port = (uint16_t)c->sending_port,
        .clear_allowed = c->clear_text,
        .send = send_relay,
        .arg = o,
    };
    o->forecasts = forecasts_new(&forecast);
    return queue_new(&options, &o->queue);
}

enum error outgoing_run(struct outgoing *o, struct handover_server *handover)
{
    o->handover = handover;
    return queue_run(o->queue);
}

void outgoing_edge_gone(struct outgoing *o)
{
    queue_edge(o->queue, false);
}

void outgoing_stop(struct outgoing *o)
{
    pthread_mutex_lock(&o->handing);
    o->handover = NULL;
    pthread_mutex_unlock(&o->handing);
}

void outgoing_relayed(struct outgoing *o, void *token, const struct relay_result *r)
{
    if (!forecast_relayed(o->forecasts, token, r))
        queue_relayed(o->queue, token, r);
}

enum jmap_travel outgoing_forecast(void *arg, struct slice address, char host[256])
{
    struct outgoing *o = arg;
    return forecast_ask(o->forecasts, address, host);
}

void outgoing_health(struct outgoing *o, bool validates, struct slice text)
{
    pthread_mutex_lock(&o->lock);
    o->told = true;
    o->validates = validates;
    snprintf(o->proof, sizeof o->proof, "%.*s", SLICE_FMT(text));
    pthread_mutex_unlock(&o->lock);
    queue_edge(o->queue, true);
}

void outgoing_tend(struct outgoing *o)
{
    int64_t now = clock_wall();
    queue_tend(o->queue);
    if (clock_ms() < o->reports_at)
        return;
    o->reports_at = clock_ms() + REPORTS_MS;
    memory_tend(o->memory, now);
    reports_send(o->memory, o->delivery, o->config, now);
}

/* --- Commands --- */

enum error outgoing_command(struct outgoing *o, struct slice request, struct buf *answer)
{
    static const char *const words[] = {[QUEUE_RETRY] = "retry",
                                        [QUEUE_HOLD] = "hold",
                                        [QUEUE_RELEASE] = "release",
                                        [QUEUE_CANCEL] = "cancel"};
    struct cursor c = cur_of(request);
    uint8_t action = cur_u8(&c);
    struct queue_selector s = {.all = cur_u8(&c) == 1};
    s.entry = cur_u64(&c);
    s.recipient = cur_bytes(&c, LIMIT_ADDRESS);
    s.sender = cur_bytes(&c, LIMIT_ADDRESS);
    s.destination = cur_bytes(&c, LIMIT_ADDRESS);
    if (!cur_ok(&c) || !cur_end(&c) || action > QUEUE_CANCEL)
        return ERR_INPUT;
    size_t n = 0;
    enum error e = queue_do(o->queue, (enum queue_action)action, &s, &n);
    log_info("queue.command", log_text("action", words[action]), log_id("entry", s.entry),
             log_u64("recipients", n), log_text("error", error_name(e)));
    if (e == OK || e == ERR_NOTFOUND) /* nothing fits: none */
        buf_dec(answer, e == OK ? n : 0);
    return e == ERR_NOTFOUND ? OK : e;
}

void outgoing_status(struct outgoing *o, struct buf *out)
{
    struct queue_stats s = queue_stats(o->queue);
    buf_printf(out, "queue_entries %zu\nqueue_recipients %zu\nqueue_due %zu\n", s.entries,
               s.recipients, s.due);
    buf_printf(out, "queue_under_way %zu\nqueue_held %zu\nqueue_broken %zu\n", s.under_way, s.held,
               s.broken);
    buf_printf(out, "queue_destinations %zu\nqueue_failing %zu\nqueue_bytes %zu\n", s.destinations,
               s.failing, s.bytes);
    pthread_mutex_lock(&o->lock);
    if (o->told)
        buf_printf(out, "dns_validates %s\ndns_proof %s\n", o->validates ? "yes" : "no", o->proof);
    pthread_mutex_unlock(&o->lock);
}

void outgoing_free(struct outgoing *o, int grace_ms)
{
    if (!o)
        return;
    if (o->queue)
        queue_free(o->queue, grace_ms);
    forecasts_free(o->forecasts);
    if (o->memory)
        memory_close(o->memory);
    mem_wipe(o->password, sizeof o->password);
    mem_free(o->transports);
    providers_free(o->providers);
    pthread_mutex_destroy(&o->lock);
    pthread_mutex_destroy(&o->handing);
    mem_free(o);
}
