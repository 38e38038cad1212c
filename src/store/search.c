/* Text search by looking: each body is opened once for all questions that need it. A full-text
 * index, when there is one, takes this file's place. */
#include "base/log.h"
#include "base/utf8.h"
#include "message/header.h"
#include "message/html.h"
#include "message/mime.h"
#include "store/internal.h"

#define SEARCH_ARENA ((size_t)96 << 20)

struct question {
    enum text_field field;
    struct slice header;
    struct slice needle; /* search form; empty: asks for presence */
};

struct search {
    struct arena a;
    struct question *q;
    size_t n;
    struct buf text, form, plain; /* reused for each text looked at */
    bool *hit;                    /* of this message: one a question */
    size_t open;                  /* questions without a hit yet */
};

/* A blank at an end of the needle counts: "cat " does not mean "catalogue". */
static struct slice search_form(struct arena *a, struct slice s)
{
    autobuf form = BUF_INIT(LIMIT_IMAP_COMMAND * 4);
    utf8_search_form(s, &form);
    return arena_dup(a, buf_slice(&form));
}

static bool found(struct slice text, struct slice needle)
{
    return needle.n == 0 || (text.n >= needle.n && slice_find(text, needle) < text.n);
}

static void set_hit(struct search *s, size_t k)
{
    s->open -= !s->hit[k];
    s->hit[k] = true;
}

/* Puts UTF-8 text to all open questions about it. */
static void ask_text(struct search *s, struct slice text, bool (*about)(const struct question *q))
{
    bool formed = false;
    for (size_t k = 0; k < s->n; k++) {
        if (s->hit[k] || !about(&s->q[k]))
            continue;
        if (!formed) {
            buf_reset(&s->form);
            utf8_search_form(text, &s->form);
            formed = true;
        }
        if (found(buf_slice(&s->form), s->q[k].needle))
            set_hit(s, k);
    }
}

static bool about_body(const struct question *q)
{
    return q->field == TEXT_BODY || q->field == TEXT_ALL;
}

static bool about_all(const struct question *q)
{
    return q->field == TEXT_ALL;
}

static struct slice field_name(const struct question *q)
{
    switch (q->field) {
    case TEXT_SUBJECT:
        return SLICE("Subject");
    case TEXT_FROM:
        return SLICE("From");
    case TEXT_TO:
        return SLICE("To");
    case TEXT_CC:
        return SLICE("Cc");
    case TEXT_BCC:
        return SLICE("Bcc");
    case TEXT_HEADER:
        return q->header;
    default:
        return SLICE_NONE;
    }
}

/* One field to the questions about fields of its name. */
static void ask_field(struct search *s, const struct header_field *f)
{
    bool formed = false;
    for (size_t k = 0; k < s->n; k++) {
        struct slice name = field_name(&s->q[k]);
        if (s->hit[k] || name.n == 0 || !slice_ieq(name, f->name))
            continue;
        if (!formed) {
            buf_reset(&s->form);
            utf8_search_form(header_text(&s->a, f->value), &s->form);
            formed = true;
        }
        if (found(buf_slice(&s->form), s->q[k].needle))
            set_hit(s, k);
    }
}

/* Lines of a header that are no field (a message without a header is all of these). */
static void add_odd_lines(struct search *s, struct slice lines)
{
    if (slice_trim(lines).n == 0)
        return;
    buf_add(&s->text, header_text(&s->a, lines));
    buf_byte(&s->text, '\n');
}

static void ask_header(struct search *s, struct slice raw)
{
    struct slice rest = slice_sub(raw, 0, header_length(raw)), unread = rest;
    struct header_field f;
    bool all = false;
    for (size_t k = 0; k < s->n; k++)
        all = all || s->q[k].field == TEXT_ALL;
    buf_reset(&s->text);
    while (header_next(&rest, &f)) {
        ask_field(s, &f);
        if (!all)
            continue;
        size_t before = (size_t)(f.raw.p - unread.p);
        add_odd_lines(s, slice_sub(unread, 0, before));
        unread = slice_from(unread, before + f.raw.n);
        buf_add(&s->text, f.name);
        buf_lit(&s->text, ": ");
        buf_add(&s->text, header_text(&s->a, f.value));
        buf_byte(&s->text, '\n');
    }
    if (all) {
        add_odd_lines(s, unread);
        ask_text(s, buf_slice(&s->text), about_all);
    }
}

static const struct mime_part *next_part(const struct mime_part *p)
{
    if (p->child != NULL)
        return p->child;
    while (p != NULL && p->next == NULL)
        p = p->parent;
    return p != NULL ? p->next : NULL;
}

/* The header of an inner message is text of the body; so is that of a part, for its file name. */
static void ask_part(struct search *s, const struct mime_part *p)
{
    if (p->parent != NULL) {
        struct slice rest = p->header;
        struct header_field f;
        buf_reset(&s->text);
        while (header_next(&rest, &f)) {
            buf_add(&s->text, f.name);
            buf_lit(&s->text, ": ");
            buf_add(&s->text, header_text(&s->a, f.value));
            buf_byte(&s->text, '\n');
        }
        ask_text(s, buf_slice(&s->text), about_body);
    }
    /* A delivery status or a partial message (message/...) is text for a reader too. */
    bool readable = slice_ieq(p->type, SLICE("text")) || slice_ieq(p->type, SLICE("message"));
    if (p->kind != MIME_LEAF || !readable || s->open == 0)
        return;
    buf_reset(&s->text);
    /* What is too long or broken is searched as far as it goes. */
    enum error e = mime_text(p, &s->text);
    if (e != OK && e != ERR_LIMIT)
        return;
    struct slice text = buf_slice(&s->text);
    if (slice_ieq(p->subtype, SLICE("html"))) {
        /* As a reader sees it: words are not cut by tags, and entities are letters. */
        buf_reset(&s->plain);
        html_to_text(text, &s->plain);
        text = buf_slice(&s->plain);
    }
    ask_text(s, text, about_body);
}

static bool needs_parts(const struct search *s)
{
    for (size_t k = 0; k < s->n; k++)
        if (!s->hit[k] && about_body(&s->q[k]))
            return true;
    return false;
}

static enum error ask_message(struct search *s, struct slice raw)
{
    struct mime_tree *tree;
    ask_header(s, raw);
    if (!needs_parts(s))
        return OK;
    if (mime_parse(&s->a, raw, &tree) != OK)
        return ERR_LIMIT;
    for (const struct mime_part *p = tree->root; p != NULL && s->open > 0; p = next_part(p))
        ask_part(s, p);
    return OK;
}

/* Empty needles are in every text; only a header can be absent. */
static bool needs_body(struct search *s)
{
    s->open = s->n;
    memset(s->hit, 0, s->n * sizeof *s->hit);
    for (size_t k = 0; k < s->n; k++)
        if (s->q[k].needle.n == 0 && about_body(&s->q[k]))
            set_hit(s, k);
    return s->open > 0;
}

static enum error match_one(struct store *st, uint64_t account, uint32_t mailbox, uint32_t uid,
                            struct search *s, bool *gone)
{
    struct store_body body;
    *gone = false;
    bool look = needs_body(s);
    /* Also without a question left the message must exist. */
    enum error e = store_body(st, account, mailbox, uid, &body);
    if (e == ERR_NOTFOUND) {
        *gone = true;
        return OK;
    }
    if (e != OK)
        return e;
    if (look)
        e = ask_message(s, body.raw);
    store_body_free(&body);
    return e;
}

enum error store_text_match(struct store *st, uint64_t account, uint32_t mailbox,
                            const uint32_t *uids, size_t n_uids, const struct text_query *queries,
                            size_t n_queries, bool *hit, bool (*again)(void *arg), void *arg)
{
    struct arena forms;
    struct search s = {.n = n_queries,
                       .text = BUF_INIT(LIMIT_MESSAGE_SIZE * 2),
                       .form = BUF_INIT((size_t)LIMIT_MESSAGE_SIZE * 4),
                       .plain = BUF_INIT(LIMIT_MESSAGE_SIZE * 2)};
    enum error e = OK;
    memset(hit, 0, n_uids * n_queries * sizeof *hit);
    arena_init(&forms, (size_t)LIMIT_IMAP_COMMAND * 8);
    arena_init(&s.a, SEARCH_ARENA);
    s.q = mem_array(n_queries, sizeof *s.q);
    s.hit = mem_array(n_queries, sizeof *s.hit);
    for (size_t k = 0; k < n_queries; k++)
        s.q[k] = (struct question){queries[k].field, queries[k].header,
                                   search_form(&forms, queries[k].needle)};
    if (forms.failed)
        e = ERR_LIMIT;
    for (size_t i = 0; i < n_uids && e == OK; i++) {
        bool gone;
        if (again != NULL && !again(arg)) {
            e = ERR_CLOSED;
            break;
        }
        arena_reset(&s.a);
        e = match_one(st, account, mailbox, uids[i], &s, &gone);
        if (e == ERR_LIMIT || e == ERR_IO) {
            /* One message that cannot be opened must not hide the others. */
            log_warning("store.search-skipped", log_u64("account", account),
                        log_u64("mailbox", mailbox), log_u64("uid", uids[i]),
                        log_text("reason", error_name(e)));
            e = OK;
        }
        for (size_t k = 0; k < n_queries && e == OK && !gone; k++)
            hit[k * n_uids + i] = s.hit[k];
    }
    buf_free(&s.text);
    buf_free(&s.form);
    buf_free(&s.plain);
    arena_free(&s.a);
    arena_free(&forms);
    mem_free(s.q);
    mem_free(s.hit);
    return e;
}
