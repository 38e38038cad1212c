/* Push (RFC 8620 7): state events of one account for one stream. The store wakes it at each change
 * of mail; changes of identities and the like are told by jmap_push_wake(). */
#include "base/mem.h"
#include "directory/profile.h"
#include "jmap/changes.h"
#include "jmap/quota.h"
#include "store/submission.h"
#include <pthread.h>

enum { ROWS = 1024, TYPES = 8 };

struct jmap_push {
    struct jmap_push *next, **place; /* guarded by its row's lock */
    const struct jmap_service *service;
    struct jmap_user user;
    struct waker *waker;
    struct store_watch *watch;
    unsigned types;
    char told[TYPES][JMAP_STATE_TEXT]; /* by type */
};

static struct row {
    pthread_mutex_t lock;
    struct jmap_push *first;
} rows[ROWS] = {[0 ... ROWS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

static const char *const names[TYPES] = {
    "Mailbox",         "Thread",           "Email", "EmailDelivery", "Identity",
    "EmailSubmission", "VacationResponse", "Quota",
};

unsigned jmap_types(struct slice text)
{
    unsigned types = 0;
    struct slice name;
    if (slice_eq(text, SLICE("*")))
        return JMAP_ALL_TYPES;
    while (slice_split(&text, ',', &name))
        for (unsigned i = 0; i < TYPES; i++)
            if (slice_eq(name, slice_str(names[i])))
                types |= 1u << i;
    return types;
}

void jmap_push_wake(uint64_t account)
{
    struct row *row = &rows[account % ROWS];
    pthread_mutex_lock(&row->lock);
    for (struct jmap_push *p = row->first; p != NULL; p = p->next)
        if (p->user.account.id == account)
            waker_wake(p->waker);
    pthread_mutex_unlock(&row->lock);
}

/* --- States --- */

static enum error mail_states(const struct jmap_push *p, char out[TYPES][JMAP_STATE_TEXT])
{
    struct view *v;
    enum error e = store_view(p->service->store, p->user.account.id, &v);
    if (e != OK)
        return e;
    struct view_state s = view_state(v);
    view_unref(v);
    for (unsigned i = 0; i < 3; i++)
        jmap_state_print(&s, out[i]);
    /* Changes of flags and moves make no new email. */
    jmap_number_print(s.next_email, out[3]);
    return OK;
}

static enum error profile_state(const struct jmap_push *p, enum profile_kind kind, char *out)
{
    uint64_t state;
    enum error e = directory_profile_state(p->service->directory, p->user.account.id, kind, &state);
    if (e == OK)
        jmap_number_print(state, out);
    return e;
}

static enum error submission_state_text(const struct jmap_push *p, char *out)
{
    uint64_t state;
    enum error e = store_submission_state(p->service->store, p->user.account.id, &state);
    if (e == OK)
        jmap_number_print(state, out);
    return e;
}

/* Only what is asked for. */
static enum error states(const struct jmap_push *p, char out[TYPES][JMAP_STATE_TEXT])
{
    enum error e = OK;
    if (p->types & (JMAP_MAILBOX | JMAP_THREAD | JMAP_EMAIL | JMAP_EMAIL_DELIVERY))
        e = mail_states(p, out);
    if (e == OK && (p->types & JMAP_IDENTITY))
        e = profile_state(p, PROFILE_IDENTITY, out[4]);
    if (e == OK && (p->types & JMAP_SUBMISSION))
        e = submission_state_text(p, out[5]);
    if (e == OK && (p->types & JMAP_VACATION))
        e = profile_state(p, PROFILE_VACATION, out[6]);
    if (e == OK && (p->types & JMAP_QUOTA))
        e = jmap_quota_state(p->service, &p->user, out[7]);
    return e;
}

/* --- Streams --- */

enum error jmap_push_begin(const struct jmap_service *s, const struct jmap_user *u, unsigned types,
                           struct waker *w, struct jmap_push **out)
{
    struct jmap_push *p = mem_alloc(sizeof *p);
    p->service = s;
    p->user = *u;
    p->types = types & JMAP_ALL_TYPES;
    /* Watched first: a change between the two is told rather than missed. */
    enum error e = store_watch(s->store, u->account.id, 0, w, &p->watch);
    if (e == OK) {
        e = states(p, p->told);
        if (e != OK)
            store_unwatch(p->watch);
    }
    if (e != OK) {
        mem_free(p);
        return e;
    }
    p->waker = waker_ref(w);
    struct row *row = &rows[u->account.id % ROWS];
    pthread_mutex_lock(&row->lock);
    p->next = row->first;
    p->place = &row->first;
    if (p->next != NULL)
        p->next->place = &p->next;
    row->first = p;
    pthread_mutex_unlock(&row->lock);
    *out = p;
    return OK;
}

bool jmap_push_event(struct jmap_push *p, struct buf *out)
{
    char now[TYPES][JMAP_STATE_TEXT] = {{0}}, account[JMAP_ID_TEXT];
    unsigned changed = 0;
    struct json_writer w;
    if (states(p, now) != OK)
        return false; /* the next change tells it */
    for (unsigned i = 0; i < TYPES; i++)
        if ((p->types >> i & 1) && strcmp(now[i], p->told[i]) != 0)
            changed |= 1u << i;
    if (changed == 0)
        return false;
    jmap_account_id(&p->user, account);
    buf_lit(out, "event: state\ndata: ");
    jw_init(&w, out);
    jw_object(&w);
    jw_key(&w, "@type");
    jw_str(&w, "StateChange");
    jw_key(&w, "changed");
    jw_object(&w);
    jw_key_text(&w, slice_str(account));
    jw_object(&w);
    for (unsigned i = 0; i < TYPES; i++)
        if (changed >> i & 1) {
            jw_key(&w, names[i]);
            jw_str(&w, now[i]);
            memcpy(p->told[i], now[i], sizeof now[i]);
        }
    jw_end(&w);
    jw_end(&w);
    jw_end(&w);
    buf_lit(out, "\n\n");
    return true;
}

void jmap_push_end(struct jmap_push *p)
{
    struct row *row = &rows[p->user.account.id % ROWS];
    store_unwatch(p->watch);
    pthread_mutex_lock(&row->lock);
    *p->place = p->next;
    if (p->next != NULL)
        p->next->place = p->place;
    pthread_mutex_unlock(&row->lock);
    waker_unref(p->waker);
    mem_free(p);
}
