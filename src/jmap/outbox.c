/* Sending what was submitted; see outbox.h. */
#include "jmap/outbox.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "jmap/method.h"
#include "message/dsn.h"
#include "smtp/submit.h"
#include <pthread.h>
#include <stdatomic.h>

#define DUE_MOST    64
#define AGAIN_MOST  16    /* in one turn, of those that could not leave */
#define STUCK_MOST  10000 /* of them that are told apart from the rest */
#define PAUSE_MS    30000 /* until they are tried again */
#define FORGET_MS   (60 * 60 * 1000)
#define ARENA_MOST  (16 * 1024 * 1024)
#define ANSWER_MOST 300

/* --- One at a time --- */

/* Those being sent or taken back: sending takes a while, and must not happen twice, nor be promised
 * to be undone meanwhile. */
struct busy {
    uint64_t account, id;
    struct busy *next;
};
static struct busy *all_busy;
static pthread_mutex_t busy_lock = PTHREAD_MUTEX_INITIALIZER;

static bool busy_begin(struct busy *b)
{
    bool free = true;
    pthread_mutex_lock(&busy_lock);
    for (const struct busy *o = all_busy; o; o = o->next)
        free = free && !(o->account == b->account && o->id == b->id);
    if (free) {
        b->next = all_busy;
        all_busy = b;
    }
    pthread_mutex_unlock(&busy_lock);
    return free;
}

static void busy_end(struct busy *b)
{
    pthread_mutex_lock(&busy_lock);
    struct busy **at = &all_busy;
    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    pthread_mutex_unlock(&busy_lock);
}

/* --- Reading --- */

const struct submission *outbox_find(const struct jmap_service *s, struct arena *a,
                                     uint64_t account, uint64_t id)
{
    struct submission *out = arena_new(a, struct submission);
    return out && store_submission(s->store, account, id, a, out) == OK ? out : NULL;
}

static struct slice parameter(json_t *address, const char *name)
{
    return jmap_string(json_object_get(json_object_get(address, "parameters"), name));
}

static uint8_t notify_of(struct slice value)
{
    static const struct {
        struct slice word;
        uint8_t bit;
    } words[] = {{SLICE_INIT("NEVER"), NOTIFY_NEVER},
                 {SLICE_INIT("SUCCESS"), NOTIFY_SUCCESS},
                 {SLICE_INIT("FAILURE"), NOTIFY_FAILURE},
                 {SLICE_INIT("DELAY"), NOTIFY_DELAY}};
    uint8_t bits = 0;
    struct slice word;
    for (bool more = value.n > 0; more;) {
        more = slice_split(&value, ',', &word);
        if (!more)
            word = value;
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
            if (slice_ieq(word, words[i].word))
                bits |= words[i].bit;
    }
    return bits;
}

/* The envelope was checked when it was taken. */
static bool read_letter(json_t *envelope, struct arena *a, struct submit_letter *out)
{
    json_t *from = json_object_get(envelope, "mailFrom"), *to = json_object_get(envelope, "rcptTo");
    json_t *one;
    size_t i;
    out->sender = jmap_string(json_object_get(from, "email"));
    out->envid = parameter(from, "ENVID");
    out->require_tls = json_object_get(json_object_get(from, "parameters"), "REQUIRETLS") != NULL;
    struct slice ret = parameter(from, "RET");
    out->ret = slice_ieq(ret, SLICE("FULL"))   ? RET_FULL
               : slice_ieq(ret, SLICE("HDRS")) ? RET_HEADERS
                                               : 0;
    out->n = json_array_size(to);
    out->to = arena_array(a, out->n + 1, sizeof *out->to);
    if (!out->to)
        return false;
    out->smtputf8 = !ascii_only(out->sender);
    json_array_foreach(to, i, one)
    {
        struct slice address = jmap_string(json_object_get(one, "email"));
        out->to[i] = (struct delivery_recipient){.address = address,
                                                 .notify = notify_of(parameter(one, "NOTIFY"))};
        out->smtputf8 = out->smtputf8 || !ascii_only(address);
    }
    return out->n > 0;
}

/* --- Sending --- */

static void print_answer(enum smtp_reply r, char out[ANSWER_MOST])
{
    const struct smtp_reply_text *t = smtp_reply(r == REPLY_NONE ? REPLY_DONE : r);
    snprintf(out, ANSWER_MOST, "%u %s %s", t->code, t->enhanced, t->text);
}

/* To the sender: it never left. */
static void report(const struct jmap_service *s, const struct account *from,
                   const struct submit_letter *l, const char *answer)
{
    autobuf text = BUF_INIT(LIMIT_REPORT);
    struct dsn_recipient *failed = mem_array(l->n, sizeof *failed);
    for (size_t i = 0; i < l->n; i++)
        failed[i] = (struct dsn_recipient){.address = l->to[i].address,
                                           .action = DSN_FAILED,
                                           .status = SLICE("5.0.0"),
                                           .diagnostic = slice_str(answer)};
    const struct dsn d = {.host = s->host,
                          .german = strcmp(from->language, "de") == 0,
                          .to = slice_str(from->address),
                          .arrival = l->now,
                          .now = l->now,
                          .raw = l->raw,
                          .give_back = l->raw.n <= LIMIT_REPORT_FULL ? DSN_FULL : DSN_HEADERS,
                          .recipient = failed,
                          .n_recipients = l->n};
    enum error e = dsn_make(&d, &text);
    struct delivery_recipient to = {.address = slice_str(from->address), .notify = NOTIFY_NEVER};
    struct delivery_request rq = {.sender = SLICE(""),
                                  .raw = buf_slice(&text),
                                  .received = l->now,
                                  .recipients = &to,
                                  .n_recipients = 1};
    if (!e)
        delivery_run(&s->delivery, &rq);
    if (e || to.status != DELIVERY_OK)
        log_error("outbox.unreported", log_text("user", from->address),
                  log_text("error", error_name(e)));
    mem_free(failed);
}

static bool is_temporary(enum smtp_reply r)
{
    return r != REPLY_NONE && smtp_reply(r)->code < 500;
}

static void settle(const struct jmap_service *s, uint64_t account, uint64_t id, enum smtp_reply r)
{
    char answer[ANSWER_MOST];
    print_answer(r, answer);
    enum error e = store_submission_settle(s->store, account, id,
                                           r == REPLY_NONE ? SUBMISSION_FINAL : SUBMISSION_FAILED,
                                           slice_str(answer), 0);
    if (e) /* it is sent, and may be once more: rather twice than lost */
        log_error("outbox.unsettled", log_u64("account", account), log_u64("submission", id),
                  log_text("error", error_name(e)));
    jmap_push_wake(account);
}

/* Each of these: does it stay, to be tried again? */
static bool send_letter(const struct jmap_service *s, const struct account *from,
                        const struct submission *sub, struct submit_letter *l, bool tell)
{
    char answer[ANSWER_MOST];
    enum smtp_reply r = smtp_submit(s->submission, l);
    print_answer(r, answer);
    log_info("outbox.sent", log_text("user", from->address), log_u64("submission", sub->id),
             log_u64("recipients", l->n), log_text("answer", answer));
    if (is_temporary(r) && l->now < sub->send_at + LIMIT_SUBMISSION_RETRY)
        return true;
    if (r != REPLY_NONE && tell)
        report(s, from, l, answer);
    settle(s, from->id, sub->id, r);
    return false;
}

static bool send_found(const struct jmap_service *s, const struct submission *sub, uint64_t account,
                       struct arena *a, bool tell)
{
    struct account from;
    struct store_body body;
    json_t *envelope = NULL;
    struct submit_letter l = {.account = &from, .now = clock_wall()};
    enum error e = directory_account_get(s->directory, account, &from);
    if (!e)
        e = jmap_json_parse(sub->envelope, &envelope);
    if (!e)
        e = store_submission_body(s->store, account, sub->id, &body);
    if (e) {
        log_error("outbox.unreadable", log_u64("account", account), log_u64("submission", sub->id),
                  log_text("error", error_name(e)));
        json_decref(envelope);
        return true;
    }
    l.raw = body.raw;
    bool stays = false;
    if (read_letter(envelope, a, &l))
        stays = send_letter(s, &from, sub, &l, tell);
    else
        settle(s, account, sub->id, REPLY_NEED_RCPT);
    store_body_free(&body);
    json_decref(envelope);
    return stays;
}

bool outbox_send(const struct jmap_service *s, uint64_t account, uint64_t id, bool tell)
{
    struct busy b = {.account = account, .id = id};
    autoarena a;
    arena_init(&a, ARENA_MOST);
    if (!busy_begin(&b))
        return false;
    const struct submission *sub = outbox_find(s, &a, account, id);
    bool stays = !sub;
    if (!sub)
        log_error("outbox.unreadable", log_u64("account", account), log_u64("submission", id));
    else if (sub->state == SUBMISSION_PENDING)
        stays = send_found(s, sub, account, &a, tell);
    busy_end(&b);
    return stays;
}

enum error outbox_cancel(const struct jmap_service *s, uint64_t account, uint64_t id)
{
    struct busy b = {.account = account, .id = id};
    if (!busy_begin(&b))
        return ERR_CONFLICT;
    enum error e =
        store_submission_settle(s->store, account, id, SUBMISSION_CANCELED, SLICE_NONE, 0);
    busy_end(&b);
    return e;
}

/* --- What is due --- */

struct due {
    struct due_item {
        uint64_t account, id;
    } * item;
    size_t n, room;
};

static void take_due(void *arg, uint64_t account, uint64_t id)
{
    struct due *d = arg;
    if (d->n < d->room)
        d->item[d->n++] = (struct due_item){account, id};
}

/* What is due comes oldest first, so those that could not leave (a full mailbox, a sending limit)
 * stand in front of all that came later. They must not hold up what others send: so many are known
 * to stand there, and have turns of their own. When one of them is taken back, one that did not
 * fail counts as one of them, until its turn. */
static struct {
    atomic_flag busy;
    size_t stuck;
    size_t next; /* of them, in this round */
    int64_t round_at;
} line = {.busy = ATOMIC_FLAG_INIT};

static bool send_due(const struct jmap_service *s, const struct due_item *item)
{
    return outbox_send(s, item->account, item->id, true);
}

static void try_again(const struct jmap_service *s, const struct due *d, size_t stuck)
{
    if (clock_ms() < line.round_at)
        return;
    for (size_t k = 0, i = line.next; k < AGAIN_MOST && i < stuck; k++, i++) {
        if (send_due(s, &d->item[i]))
            line.next++;
        else
            line.stuck--;
    }
    if (line.next >= line.stuck) {
        line.next = 0;
        line.round_at = clock_ms() + PAUSE_MS;
    }
}

static void send_all(const struct jmap_service *s)
{
    struct due d = {.room = line.stuck + DUE_MOST};
    d.item = mem_array(d.room, sizeof *d.item);
    enum error e = store_submissions_due(s->store, clock_wall(), d.room, take_due, &d);
    if (e) {
        log_warning("outbox.unread", log_text("error", error_name(e)));
        mem_free(d.item);
        return;
    }
    if (line.stuck > d.n)
        line.stuck = d.n;
    size_t stuck = line.stuck, more = 0;
    for (size_t i = stuck; i < d.n; i++)
        more += send_due(s, &d.item[i]);
    try_again(s, &d, stuck);
    line.stuck += more;
    if (line.stuck > STUCK_MOST)
        line.stuck = STUCK_MOST;
    mem_free(d.item);
}

static void forget_old(const struct jmap_service *s)
{
    static atomic_int_fast64_t forget_at;
    int64_t now = clock_ms();
    if (now < atomic_load(&forget_at))
        return;
    atomic_store(&forget_at, now + FORGET_MS);
    enum error e = store_submissions_forget(s->store, clock_wall() - LIMIT_SUBMISSION_SECONDS);
    if (e)
        log_warning("outbox.unforgotten", log_text("error", error_name(e)));
}

void outbox_tend(const struct jmap_service *s)
{
    if (atomic_flag_test_and_set(&line.busy))
        return;
    send_all(s);
    forget_old(s);
    atomic_flag_clear(&line.busy);
}
