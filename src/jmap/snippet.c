/* SearchSnippet/get (RFC 8621 5): why an email was found, in its subject and in its text. */
#include "base/clock.h"
#include "base/utf8.h"
#include "jmap/email_body.h"
#include "jmap/email_filter.h"
#include "jmap/highlight.h"
#include "jmap/methods.h"
#include "message/html.h"

enum { PREVIEW = 255 /* "MUST NOT be bigger than 255 octets" */, SUBJECT = 64 * 1024 };

struct snippets {
    struct jmap_call *c;
    const struct view *view;
    struct slice *subject_word, *body_word; /* in search form */
    size_t n_subject, n_body;
    struct arena mail; /* of one message */
    struct slice subject;
    int64_t deadline_ms;
};

/* --- What is looked for --- */

static void add_word(struct snippets *s, struct slice *list, size_t *n, struct slice needle)
{
    autobuf form = BUF_INIT(LIMIT_JMAP_REQUEST);
    utf8_search_form(needle, &form);
    struct slice word = slice_trim(buf_slice(&form));
    for (size_t i = 0; i < *n; i++)
        if (slice_eq(list[i], word))
            return;
    if (word.n > 0)
        list[(*n)++] = arena_dup(s->c->arena, word);
}

/* Texts that must not be there are nothing to show. */
static void gather_words(struct snippets *s, const struct email_filter *f,
                         const struct filter_node *n)
{
    if (n->op == FILTER_NOT)
        return;
    if (n->op == FILTER_TEXT) {
        const struct text_query *t = &f->texts[n->text];
        if (t->field == TEXT_SUBJECT)
            add_word(s, s->subject_word, &s->n_subject, t->needle);
        else if (t->field == TEXT_BODY)
            add_word(s, s->body_word, &s->n_body, t->needle);
    }
    for (const struct filter_node *c = n->child; c != NULL; c = c->next)
        gather_words(s, f, c);
}

/* --- Texts --- */

/* White space as one blank, control characters out: one line to show. */
static void one_line(struct slice text, struct buf *out)
{
    bool space = false;
    while (text.n > 0) {
        struct slice before = text;
        int32_t c = utf8_next(&text);
        if (c <= ' ' || c == 0x7F || c == 0xA0) {
            space = out->n > 0;
            continue;
        }
        if (space)
            buf_byte(out, ' ');
        space = false;
        buf_add(out, slice_sub(before, 0, before.n - text.n));
    }
}

static bool preview_of(const struct snippets *s, const struct mime_part *part, struct buf *out)
{
    autobuf text = BUF_INIT(LIMIT_SNIPPET_SOURCE), plain = BUF_INIT(LIMIT_SNIPPET_SOURCE),
            line = BUF_INIT(LIMIT_SNIPPET_SOURCE);
    (void)email_body_text(part, LIMIT_SNIPPET_SOURCE, &text);
    if (email_part_is_html(part))
        html_to_text(buf_slice(&text), &plain);
    one_line(buf_slice(email_part_is_html(part) ? &plain : &text), &line);
    return highlight_part(buf_slice(&line), s->body_word, s->n_body, PREVIEW, out);
}

static const struct mime_part *next_part(const struct mime_part *p)
{
    if (p->child != NULL)
        return p->child;
    while (p != NULL && p->next == NULL)
        p = p->parent;
    return p != NULL ? p->next : NULL;
}

/* Of the first text that has a hit; a message of very many parts is not looked through to its end.
 */
static enum error make_preview(struct snippets *s, const struct view_message *m, struct buf *out)
{
    struct store_body body;
    struct mime_tree *tree;
    enum error e =
        store_body(s->c->service->store, s->c->user->account.id, m->mailbox, m->uid, &body);
    if (e != OK)
        return e == ERR_NOTFOUND ? OK : e;
    size_t parts = 0;
    bool found = false;
    e = mime_parse(&s->mail, body.raw, &tree);
    for (const struct mime_part *p = e == OK ? tree->root : NULL;
         p != NULL && !found && parts < LIMIT_SNIPPET_PARTS; p = next_part(p))
        if (email_part_is_text(p)) {
            found = preview_of(s, p, out);
            parts++;
        }
    store_body_free(&body);
    return e;
}

static bool on_row(void *arg, const struct store_row *row)
{
    struct snippets *s = arg;
    s->subject = arena_dup(&s->mail, row->subject);
    return true;
}

static enum error read_subject(struct snippets *s, const struct view_message *m)
{
    struct uid_range range = {m->uid, m->uid};
    enum error e = store_read(s->c->service->store, s->c->user->account.id, m->mailbox, &range, 1,
                              FIELD_TEXTS, on_row, s);
    return e == ERR_NOTFOUND ? OK : e;
}

static void write_text(struct json_writer *w, const char *key, const struct buf *text, bool found)
{
    jw_key(w, key);
    if (found)
        jw_text(w, buf_slice(text));
    else
        jw_null(w);
}

static enum error write_snippet(struct snippets *s, struct slice id, const struct view_message *m)
{
    struct json_writer *w = s->c->out;
    autobuf subject = BUF_INIT(SUBJECT), preview = BUF_INIT(PREVIEW);
    enum error e = OK;
    bool found = false;
    arena_reset(&s->mail);
    s->subject = SLICE_NONE;
    /* When it takes too long: "if the server is unable to determine search snippets ... null". */
    bool time = clock_ms() < s->deadline_ms;
    if (time && s->n_subject > 0)
        e = read_subject(s, m);
    if (e == OK && s->subject.n > 0)
        found = highlight_all(s->subject, s->subject_word, s->n_subject, &subject);
    if (e == OK && time && s->n_body > 0)
        e = make_preview(s, m, &preview);
    if (e != OK)
        return e;
    jw_object(w);
    jw_key(w, "emailId");
    jw_text(w, id);
    write_text(w, "subject", &subject, found && buf_check(&subject) == OK);
    write_text(w, "preview", &preview, preview.n > 0);
    jw_end(w);
    return OK;
}

/* --- The method --- */

static enum error write_list(struct snippets *s, const json_t *ids, struct slice *missing,
                             size_t *n_missing)
{
    enum error e = OK;
    for (size_t i = 0; e == OK && i < json_array_size(ids); i++) {
        struct slice id = jmap_string(json_array_get(ids, i));
        struct email_group g;
        uint64_t email;
        if (jmap_id_parse(id, 'M', &email) == OK && email_group_find(s->view, email, &g))
            e = write_snippet(s, id, email_group_copy(&g));
        else
            missing[(*n_missing)++] = id;
    }
    return e;
}

static void answer(struct snippets *s, const json_t *ids)
{
    struct jmap_call *c = s->c;
    size_t n_missing = 0;
    struct slice *missing = arena_array(c->arena, json_array_size(ids) + 1, sizeof *missing);
    if (missing == NULL) {
        jmap_fail_error(c, ERR_LIMIT);
        return;
    }
    jmap_answer(c);
    jw_key(c->out, "list");
    jw_array(c->out);
    enum error e = write_list(s, ids, missing, &n_missing);
    jw_end(c->out);
    if (e != OK) {
        jmap_fail_error(c, e);
    } else if (n_missing > 0) {
        jmap_not_found(c, missing, n_missing);
    } else {
        jw_key(c->out, "notFound");
        jw_null(c->out);
    }
    jw_end(c->out);
}

static bool read_ids(struct jmap_call *c, const json_t **out)
{
    const json_t *ids = json_object_get(c->args, "emailIds");
    if (json_array_size(ids) > LIMIT_JMAP_GET) {
        jmap_fail(c, "requestTooLarge", "too many emailIds");
        return false;
    }
    bool strings = json_is_array(ids);
    for (size_t i = 0; i < json_array_size(ids); i++)
        strings = strings && json_is_string(json_array_get(ids, i));
    if (!strings)
        jmap_fail(c, "invalidArguments", "emailIds must be a list of ids");
    *out = ids;
    return strings;
}

static void snippet_get(struct jmap_call *c)
{
    static const char *const known[] = {"accountId", "filter", "emailIds", NULL};
    const struct keyword_table none = {.n = 0};
    struct email_filter f;
    const json_t *ids;
    if (!jmap_account(c) || !jmap_only(c, known) || !read_ids(c, &ids) ||
        !email_filter_read(c, &none, &f))
        return;
    struct snippets s = {
        .c = c,
        .view = jmap_view(c),
        .subject_word = arena_array(c->arena, f.n_texts + 1, sizeof(struct slice)),
        .body_word = arena_array(c->arena, f.n_texts + 1, sizeof(struct slice)),
        .deadline_ms = clock_ms() + LIMIT_JMAP_SEARCH_MS,
    };
    if (s.view == NULL)
        return;
    if (s.subject_word == NULL || s.body_word == NULL) {
        jmap_fail_error(c, ERR_LIMIT);
        return;
    }
    gather_words(&s, &f, f.root);
    arena_init(&s.mail, LIMIT_IMAP_TREE_ARENA);
    answer(&s, ids);
    arena_free(&s.mail);
}

const struct jmap_method jmap_snippet_methods[] = {
    {"SearchSnippet/get", CAPABILITY_MAIL, snippet_get},
    {0},
};
