/* Email/get and Email/changes (RFC 8621 4.2, 4.3). What a list shows comes from the view and the
 * index rows; a message is opened only for what nothing else knows, and once. */
#include "jmap/email_changes.h"
#include "jmap/email_write.h"
#include "jmap/methods.h"

#include "base/limits.h"
#include "base/mem.h"

/* Emails are read and written in portions, so that a thousand rows are never in memory at once. */
enum { PORTION = 64, ROWS_ARENA = 16 * 1024 * 1024 };

struct item {
    struct email_group group;
    const struct view_message *copy; /* the one that is read */
    struct store_row row;
    bool found; /* its row was there */
};

struct getting {
    struct jmap_call *c;
    const struct view *view;
    const struct keyword_table *keywords;
    struct email_wants wants;
    struct slice *missing; /* ids that were not found */
    size_t n_missing;
    struct item item[PORTION];
    struct slice id[PORTION];
    size_t n;
    struct arena rows; /* of one portion */
    struct arena mail; /* of one message */
    /* While rows are read: the items of one mailbox by uid. */
    struct item *sorted[PORTION];
    size_t from, at, end;
};

/* --- Rows --- */

static int by_place(const void *x, const void *y)
{
    const struct view_message *a = (*(struct item *const *)x)->copy;
    const struct view_message *b = (*(struct item *const *)y)->copy;
    if (a->mailbox != b->mailbox)
        return a->mailbox < b->mailbox ? -1 : 1;
    return a->uid < b->uid ? -1 : a->uid > b->uid;
}

static bool on_row(void *arg, const struct store_row *row)
{
    struct getting *g = arg;
    while (g->at < g->end && g->sorted[g->at]->copy->uid < row->uid)
        g->at++;
    if (g->at == g->end)
        return false;
    struct item *it = g->sorted[g->at];
    if (it->copy->uid != row->uid)
        return true;
    it->row = *row;
    struct slice *const texts[] = {&it->row.envelope, &it->row.references, &it->row.subject,
                                   &it->row.preview};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = arena_dup(&g->rows, *texts[i]);
    it->found = true;
    return true;
}

/* The rows of sorted[from..end), all in one mailbox. */
static enum error read_mailbox(struct getting *g)
{
    struct uid_range range[PORTION];
    size_t n = 0;
    for (size_t i = g->from; i < g->end; i++) {
        uint32_t uid = g->sorted[i]->copy->uid;
        if (n > 0 && range[n - 1].last + 1 == uid)
            range[n - 1].last = uid;
        else
            range[n++] = (struct uid_range){uid, uid};
    }
    g->at = g->from;
    enum error e =
        store_read(g->c->service->store, g->c->user->account.id, g->sorted[g->from]->copy->mailbox,
                   range, n, FIELD_ENVELOPE | FIELD_TEXTS, on_row, g);
    /* A mailbox that is gone since the view was made: so are its messages. */
    return e == ERR_NOTFOUND ? OK : e;
}

static enum error read_rows(struct getting *g)
{
    enum error e = OK;
    for (size_t i = 0; i < g->n; i++)
        g->sorted[i] = &g->item[i];
    qsort(g->sorted, g->n, sizeof(struct item *), by_place);
    for (g->from = 0; e == OK && g->from < g->n; g->from = g->end) {
        g->end = g->from + 1;
        while (g->end < g->n &&
               g->sorted[g->end]->copy->mailbox == g->sorted[g->from]->copy->mailbox)
            g->end++;
        e = read_mailbox(g);
    }
    return e == OK && g->rows.failed ? ERR_LIMIT : e;
}

/* --- Writing --- */

static enum error write_item(struct getting *g, struct item *it)
{
    struct jmap_call *c = g->c;
    struct email_source s = {
        .blob = arena_printf(&g->mail, "M%llu", (unsigned long long)it->copy->email),
        .group = &it->group,
        .keywords = g->keywords,
        .row = &it->row,
    };
    struct store_body body = {0};
    bool open = email_wants_raw(&g->wants);
    if (email_wants_row(&g->wants) && !email_source_envelope(&g->mail, &s))
        open = true;
    if (open) {
        enum error e = store_body(c->service->store, c->user->account.id, it->copy->mailbox,
                                  it->copy->uid, &body);
        if (e != OK)
            return e;
        s.raw = body.raw.p ? body.raw : SLICE("");
    }
    enum error e = email_write(&g->mail, c->out, &g->wants, &s);
    if (open)
        store_body_free(&body);
    if (e == OK && c->out->out->failed)
        e = ERR_FULL;
    return e;
}

static enum error write_portion(struct getting *g)
{
    enum error e = OK;
    bool rows = email_wants_row(&g->wants);
    arena_reset(&g->rows);
    if (rows)
        e = read_rows(g);
    for (size_t i = 0; e == OK && i < g->n; i++) {
        struct item *it = &g->item[i];
        arena_reset(&g->mail);
        e = rows && !it->found ? ERR_NOTFOUND : write_item(g, it);
        if (e == ERR_NOTFOUND) { /* expunged since the view was made */
            g->missing[g->n_missing++] = g->id[i];
            e = OK;
        }
    }
    g->n = 0;
    return e;
}

/* Emails in the order they were asked. */
static enum error write_list(struct getting *g, const struct jmap_ids *ids)
{
    enum error e = OK;
    jw_key(g->c->out, "list");
    jw_array(g->c->out);
    for (size_t i = 0; e == OK && i < ids->n; i++) {
        uint64_t email;
        struct item *it = &g->item[g->n];
        *it = (struct item){0};
        if (jmap_id_parse(ids->id[i], 'M', &email) != OK ||
            !email_group_find(g->view, email, &it->group)) {
            g->missing[g->n_missing++] = ids->id[i];
            continue;
        }
        it->copy = email_group_copy(&it->group);
        g->id[g->n++] = ids->id[i];
        if (g->n == PORTION)
            e = write_portion(g);
    }
    if (e == OK)
        e = write_portion(g);
    jw_end(g->c->out);
    return e;
}

static void answer(struct getting *g, const struct jmap_ids *ids)
{
    struct jmap_call *c = g->c;
    struct view_state state = view_state(g->view);
    jmap_answer(c);
    jw_key(c->out, "state");
    jmap_state_write(c->out, &state);
    enum error e = write_list(g, ids);
    if (e == ERR_FULL) {
        jmap_fail(c, "requestTooLarge", "the answer would be too long: ask for fewer emails");
    } else if (e != OK) {
        jmap_fail_error(c, e);
    } else {
        jmap_not_found(c, g->missing, g->n_missing);
        jw_end(c->out);
    }
}

static void email_get(struct jmap_call *c)
{
    static const char *const known[] = {"accountId", "ids", EMAIL_WANTS_ARGS, NULL};
    struct jmap_ids ids;
    struct email_wants wants;
    if (!jmap_account(c) || !jmap_only(c, known) ||
        !email_wants_read(c, email_get_defaults, &wants) || !jmap_get_ids(c, &ids))
        return;
    if (ids.id == NULL) {
        /* All emails of an account are never asked in earnest. */
        jmap_fail(c, "requestTooLarge", "ids must be named");
        return;
    }
    wants.properties |= EMAIL_BIT(EMAIL_ID);
    struct view *v = jmap_view(c);
    if (v == NULL)
        return;
    const struct keyword_table *keywords;
    enum error e = store_keywords(c->service->store, c->user->account.id, &keywords);
    if (e != OK) {
        jmap_fail_error(c, e);
        return;
    }
    struct getting *g = mem_alloc(sizeof *g);
    *g = (struct getting){.c = c, .view = v, .keywords = keywords, .wants = wants};
    g->missing = mem_array(ids.n, sizeof *g->missing);
    arena_init(&g->rows, ROWS_ARENA);
    arena_init(&g->mail, LIMIT_IMAP_TREE_ARENA);
    answer(g, &ids);
    arena_free(&g->rows);
    arena_free(&g->mail);
    mem_free(g->missing);
    mem_free(g);
    store_keywords_unref(keywords);
}

const struct jmap_method jmap_email_get_methods[] = {
    {"Email/get", CAPABILITY_MAIL, email_get},
    {"Email/changes", CAPABILITY_MAIL, email_changes},
    {0},
};
