/* GET /mail/export: everything an account has, as one zip that is made while it is sent: an mbox
 * file (mboxrd) or a Maildir++ folder a mailbox. One message at a time is in memory, and the list
 * of files that stands at a zip's end. */
#include "base/clock.h"
#include "base/date.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/mutf7.h"
#include "web/authorize.h"
#include "web/handlers.h"
#include "web/zip.h"
#include <pthread.h>

enum { DATES = 256 };

enum state {
    NEXT_MAILBOX,
    NEXT_MESSAGE,
    IN_MESSAGE,
    DIRECTORY,
    DONE,
};

struct export
{
    struct store *store;
    uint64_t account;
    bool maildir;
    enum state state;
    const struct mailbox_list *list;
    size_t box;         /* the next mailbox */
    uint64_t forwarded; /* the flag of $Forwarded; 0: none */
    /* The mailbox that is being written. */
    const struct mailbox *mailbox;
    struct snapshot *snapshot;
    uint32_t seq; /* the next message */
    struct buf folder;
    uint32_t date_seq; /* dates are known of those before it */
    struct {
        uint32_t uid;
        int64_t internal;
    } date[DATES];
    size_t n_dates, at_date;
    /* The message that is being written. */
    struct store_body body;
    size_t at;
    bool line_start;
    struct zip zip;
    struct buf text; /* converted */
    struct buf out;  /* of which so much is sent: */
    size_t sent;
};

/* --- Not too many at once --- */

static struct {
    pthread_mutex_t lock;
    uint64_t account[LIMIT_EXPORTS]; /* 0: free */
} running = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool enter(uint64_t account)
{
    uint64_t *place = NULL;
    bool twice = false;
    pthread_mutex_lock(&running.lock);
    for (size_t i = 0; i < LIMIT_EXPORTS; i++) {
        if (running.account[i] == account)
            twice = true;
        else if (running.account[i] == 0)
            place = &running.account[i];
    }
    if (place != NULL && !twice)
        *place = account;
    pthread_mutex_unlock(&running.lock);
    return place != NULL && !twice;
}

static void leave(uint64_t account)
{
    pthread_mutex_lock(&running.lock);
    for (size_t i = 0; i < LIMIT_EXPORTS; i++)
        if (running.account[i] == account)
            running.account[i] = 0;
    pthread_mutex_unlock(&running.lock);
}

/* --- Names of files --- */

static bool is_plain(struct slice level)
{
    static const char bad[] = "\\:*?\"<>|";
    if (slice_starts(level, SLICE(".")) || slice_ends(level, SLICE(".")) ||
        slice_ends(level, SLICE(" ")))
        return false;
    for (size_t i = 0; i < level.n; i++)
        if (level.p[i] < ' ' || strchr(bad, level.p[i]) != NULL)
            return false;
    return true;
}

/* "Archive/2024.mbox". A mailbox's name may be anything, also a path that leads elsewhere: what is
 * not plain is written with '_', and with the mailbox's id so that no two are the same. */
static void mbox_name(const struct mailbox *m, struct buf *out)
{
    struct slice rest = m->name, level;
    bool changed = false, first = true;
    while (slice_split(&rest, '/', &level)) {
        if (!first)
            buf_byte(out, '/');
        first = false;
        if (is_plain(level)) {
            buf_add(out, level);
            continue;
        }
        changed = true;
        for (size_t i = 0; i < level.n; i++)
            buf_byte(out, level.p[i] >= 0x80 || ascii_alpha(level.p[i]) || ascii_digit(level.p[i])
                              ? level.p[i]
                              : '_');
    }
    if (changed)
        buf_printf(out, "-%u", m->id);
    buf_lit(out, ".mbox");
}

/* "Maildir/", "Maildir/.Archive.2024/": the names in modified UTF-7, as in Maildir++. A '.' within
 * a level is written in its long form. */
static void maildir_folder(const struct mailbox *m, struct buf *out)
{
    autobuf name = BUF_INIT(4 * LIMIT_MAILBOX_NAME);
    buf_lit(out, "Maildir/");
    if (m->use == USE_INBOX)
        return;
    struct slice rest = m->name, level;
    while (slice_split(&rest, '/', &level)) {
        buf_reset(&name);
        if (mutf7_encode(level, &name) != OK)
            buf_printf(&name, "%u", m->id); /* the store takes only UTF-8 */
        buf_byte(out, '.');
        for (size_t i = 0; i < name.n; i++) {
            if (name.p[i] == '.' || name.p[i] == '/')
                buf_printf(out, "&AC%c-", name.p[i] == '.' ? '4' : '8');
            else
                buf_byte(out, name.p[i]);
        }
    }
    buf_byte(out, '/');
}

static void message_name(struct export *e, const struct snapshot_entry *m, int64_t date,
                         struct buf *out)
{
    static const struct {
        uint64_t flag;
        char letter;
    } letters[] = {{FLAG_DRAFT, 'D'},    {FLAG_FLAGGED, 'F'}, {0, 'P'},
                   {FLAG_ANSWERED, 'R'}, {FLAG_SEEN, 'S'},    {FLAG_DELETED, 'T'}};
    buf_add(out, buf_slice(&e->folder));
    buf_printf(out, "cur/%lld.U%u.depesche:2,", (long long)(date > 0 ? date : 0), m->uid);
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
        uint64_t flag = letters[i].flag != 0 ? letters[i].flag : e->forwarded;
        if (m->flags & flag)
            buf_byte(out, (uint8_t)letters[i].letter);
    }
}

/* --- Messages --- */

static bool is_from_line(struct slice line)
{
    size_t i = 0;
    while (i < line.n && line.p[i] == '>')
        i++;
    return slice_starts(slice_from(line, i), SLICE("From "));
}

/* Appends the next piece of the message, with LF for CRLF; mboxrd: a '>' more before ">From ". */
static void convert(struct export *e)
{
    struct slice raw = e->body.raw;
    buf_reset(&e->text);
    while (e->at < raw.n && e->text.n < LIMIT_EXPORT_PIECE) {
        struct slice line = slice_sub(raw, e->at, e->at + LIMIT_EXPORT_PIECE);
        if (e->line_start && !e->maildir && is_from_line(slice_from(raw, e->at)))
            buf_byte(&e->text, '>');
        size_t end = slice_index(line, '\n');
        e->line_start = end < line.n;
        if (e->line_start)
            end++;
        else if (end > 1 && slice_ends(line, SLICE("\r")))
            end--; /* its LF may come next */
        e->at += end;
        line = slice_sub(line, 0, end);
        if (slice_ends(line, SLICE("\r\n"))) {
            buf_add(&e->text, slice_sub(line, 0, line.n - 2));
            buf_byte(&e->text, '\n');
        } else {
            buf_add(&e->text, line);
        }
    }
}

/* "From MAILER-DAEMON Thu Jan  1 00:00:00 1970", and the flags as mail programs keep them there. */
static void begin_mbox_message(struct export *e, const struct snapshot_entry *m, int64_t date)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct civil c = date_to_civil(date);
    buf_reset(&e->text);
    buf_printf(&e->text, "From MAILER-DAEMON %s %s %2u %02u:%02u:%02u %04d\n", days[c.weekday],
               months[c.month - 1], c.day, c.hour, c.minute, c.second, (int)c.year);
    buf_str(&e->text, m->flags & FLAG_SEEN ? "Status: RO\n" : "Status: O\n");
    if (m->flags & (FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_DRAFT))
        buf_printf(&e->text, "X-Status: %s%s%s%s\n", m->flags & FLAG_ANSWERED ? "A" : "",
                   m->flags & FLAG_FLAGGED ? "F" : "", m->flags & FLAG_DRAFT ? "T" : "",
                   m->flags & FLAG_DELETED ? "D" : "");
    zip_data(&e->zip, buf_slice(&e->text), &e->out);
}

static void message_piece(struct export *e)
{
    convert(e);
    zip_data(&e->zip, buf_slice(&e->text), &e->out);
    if (e->at < e->body.raw.n)
        return;
    if (e->maildir)
        zip_end(&e->zip, &e->out);
    else
        zip_data(&e->zip, e->line_start ? SLICE("\n") : SLICE("\n\n"), &e->out);
    store_body_free(&e->body);
    e->body = (struct store_body){SLICE_NONE, NULL};
    e->state = NEXT_MESSAGE;
}

static bool take_date(void *arg, const struct store_row *r)
{
    struct export *e = arg;
    if (e->n_dates == DATES)
        return false;
    e->date[e->n_dates].uid = r->uid;
    e->date[e->n_dates++].internal = r->internal_date;
    return true;
}

/* The message's internal date; ERR_NOTFOUND: it is gone. */
static enum error date_of(struct export *e, uint32_t uid, int64_t *date)
{
    if (e->seq >= e->date_seq) {
        uint32_t count = snapshot_info(e->snapshot).count;
        uint32_t last = count - e->seq < DATES ? count : e->seq + DATES - 1;
        const struct uid_range range = {uid, snapshot_at(e->snapshot, last)->uid};
        e->n_dates = e->at_date = 0;
        e->date_seq = last + 1;
        enum error err =
            store_read(e->store, e->account, e->mailbox->id, &range, 1, FIELD_DATES, take_date, e);
        if (err != OK)
            return err;
    }
    while (e->at_date < e->n_dates && e->date[e->at_date].uid < uid)
        e->at_date++;
    if (e->at_date == e->n_dates || e->date[e->at_date].uid != uid)
        return ERR_NOTFOUND;
    *date = e->date[e->at_date].internal;
    return OK;
}

static enum error next_message(struct export *e)
{
    if (e->seq > snapshot_info(e->snapshot).count) {
        if (!e->maildir)
            zip_end(&e->zip, &e->out);
        snapshot_unref(e->snapshot);
        e->snapshot = NULL;
        e->state = NEXT_MAILBOX;
        return OK;
    }
    const struct snapshot_entry *m = snapshot_at(e->snapshot, e->seq);
    int64_t date = 0;
    enum error err = date_of(e, m->uid, &date);
    e->seq++;
    if (err == OK)
        err = store_body(e->store, e->account, e->mailbox->id, m->uid, &e->body);
    if (err != OK) /* it may have been deleted meanwhile */
        return err == ERR_NOTFOUND ? OK : err;
    e->at = 0;
    e->line_start = true;
    e->state = IN_MESSAGE;
    if (e->maildir) {
        autobuf name = BUF_INIT(LIMIT_EXPORT_NAME);
        message_name(e, m, date, &name);
        zip_begin(&e->zip, buf_slice(&name), date, false, &e->out);
        return buf_check(&name);
    }
    begin_mbox_message(e, m, date);
    return OK;
}

/* --- Mailboxes --- */

static enum error begin_mailbox(struct export *e)
{
    static const char *const folders[] = {"", "cur/", "new/", "tmp/"};
    autobuf name = BUF_INIT(LIMIT_EXPORT_NAME);
    const struct mailbox *m = e->mailbox;
    int64_t now = clock_wall();
    if (!e->maildir) {
        mbox_name(m, &name);
        /* Quoting and the lines before each message make it more than it was. */
        bool large = m->bytes + m->bytes / 4 + m->exists * UINT64_C(256) > INT32_MAX;
        zip_begin(&e->zip, buf_slice(&name), now, large, &e->out);
        return buf_check(&name);
    }
    buf_reset(&e->folder);
    maildir_folder(m, &e->folder);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        buf_reset(&name);
        buf_add(&name, buf_slice(&e->folder));
        buf_str(&name, folders[i]);
        zip_begin(&e->zip, buf_slice(&name), now, false, &e->out);
        zip_end(&e->zip, &e->out);
    }
    return name.failed || e->folder.failed ? ERR_LIMIT : OK;
}

static enum error next_mailbox(struct export *e)
{
    if (e->box == e->list->n) {
        e->state = DIRECTORY;
        return OK;
    }
    e->mailbox = &e->list->box[e->box++];
    enum error err = store_snapshot(e->store, e->account, e->mailbox->id, &e->snapshot);
    if (err != OK)
        return err == ERR_NOTFOUND ? OK : err;
    e->seq = 1;
    e->date_seq = 0;
    e->state = NEXT_MESSAGE;
    return begin_mailbox(e);
}

/* --- The source --- */

static enum error step(struct export *e)
{
    switch (e->state) {
    case NEXT_MAILBOX:
        return next_mailbox(e);
    case NEXT_MESSAGE:
        return next_message(e);
    case IN_MESSAGE:
        message_piece(e);
        return OK;
    case DIRECTORY:
        if (!zip_finish(&e->zip, LIMIT_EXPORT_PIECE, &e->out))
            e->state = DONE;
        return OK;
    case DONE:
        break;
    }
    return OK;
}

static enum error read_export(void *arg, size_t max, struct buf *out)
{
    struct export *e = arg;
    if (e->sent == e->out.n) {
        buf_reset(&e->out);
        e->sent = 0;
    }
    while (e->out.n == 0 && e->state != DONE) {
        enum error err = step(e);
        if (err == OK)
            err = zip_check(&e->zip);
        if (err == OK)
            err = buf_check(&e->out);
        if (err != OK) {
            log_warning("web.export", log_u64("account", e->account),
                        log_text("error", error_name(err)));
            return err;
        }
    }
    struct slice piece = slice_sub(buf_slice(&e->out), e->sent, e->sent + max);
    buf_add(out, piece);
    e->sent += piece.n;
    return OK;
}

static void free_export(void *arg)
{
    struct export *e = arg;
    leave(e->account);
    if (e->body.owner != NULL || e->body.raw.p != NULL)
        store_body_free(&e->body);
    if (e->snapshot != NULL)
        snapshot_unref(e->snapshot);
    if (e->list != NULL)
        store_mailboxes_unref(e->list);
    zip_free(&e->zip);
    buf_free(&e->folder);
    buf_free(&e->text);
    buf_free(&e->out);
    mem_free(e);
}

static uint64_t forwarded_flag(struct store *s, uint64_t account)
{
    const struct keyword_table *t;
    uint64_t flag = 0;
    if (store_keywords(s, account, &t) != OK)
        return 0;
    for (size_t i = 0; i < t->n; i++)
        if (slice_ieq(t->name[i], SLICE("$Forwarded")))
            flag = UINT64_C(1) << (FLAG_KEYWORD_SHIFT + i);
    store_keywords_unref(t);
    return flag;
}

/* Does the list of files of a Maildir fit? */
static bool fits(const struct mailbox_list *l)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < l->n; i++)
        bytes += (l->box[i].exists + UINT64_C(4)) * (3 * l->box[i].name.n + 128);
    return bytes < LIMIT_EXPORT_DIRECTORY;
}

static void answer_busy(struct http_exchange *x)
{
    http_set_field(x, "retry-after", SLICE("60"));
    http_problem(x, 503, "about:blank", "Another export is running; try again when it is done",
                 "Ein anderer Export l\xC3\xA4uft noch; versuchen Sie es danach noch einmal");
}

static void answer_export(struct http_exchange *x, const struct jmap_user *u, struct export *e)
{
    if (e->maildir && !fits(e->list)) {
        free_export(e);
        http_problem(x, 422, "about:blank", "So many messages fit into mbox files only",
                     "So viele Nachrichten passen nur in mbox-Dateien");
        return;
    }
    autobuf name = BUF_INIT(1024);
    struct civil today = date_to_civil(clock_wall());
    buf_printf(&name, "%s-%04d-%02u-%02u-%s.zip", u->account.address, (int)today.year, today.month,
               today.day, e->maildir ? "maildir" : "mbox");
    web_set_disposition(x, "attachment", buf_slice(&name));
    log_info("web.export", log_text("user", u->account.address),
             log_text("format", e->maildir ? "maildir" : "mbox"));
    const struct http_source source = {
        .read = read_export, .free = free_export, .arg = e, .length = -1};
    http_answer_source(x, 200, "application/zip", &source);
}

static void finish(struct http_exchange *x)
{
    const struct web_service *s = http_service(x);
    struct jmap_user u;
    struct slice format;
    if (!web_authorize(x, &u))
        return;
    if (!http_parameter(x, SLICE("format"), &format))
        format = SLICE("mbox");
    if (!slice_eq(format, SLICE("mbox")) && !slice_eq(format, SLICE("maildir"))) {
        http_problem(x, 400, "about:blank", "The format is mbox or maildir",
                     "Das Format ist mbox oder maildir");
        return;
    }
    if (http_method(x) == HTTP_HEAD) { /* nothing would be read */
        http_answer(x, 200, "application/zip", SLICE_NONE);
        return;
    }
    if (!enter(u.account.id)) {
        answer_busy(x);
        return;
    }
    struct export *e = mem_alloc(sizeof *e);
    e->store = s->jmap->store;
    e->account = u.account.id;
    e->maildir = slice_eq(format, SLICE("maildir"));
    e->forwarded = forwarded_flag(e->store, e->account);
    zip_init(&e->zip, LIMIT_EXPORT_DIRECTORY);
    buf_init(&e->folder, LIMIT_EXPORT_NAME);
    buf_init(&e->text, 4 * LIMIT_EXPORT_PIECE);
    buf_init(&e->out, 8 * LIMIT_EXPORT_PIECE);
    enum error err = store_mailboxes(e->store, e->account, &e->list);
    if (err == OK) {
        answer_export(x, &u, e);
        return;
    }
    free_export(e);
    web_answer_login(x, LOGIN_BUSY, 0);
}

const struct http_handler web_export = {.finish = finish};
