/* Email/parse (RFC 8621 4.9): blobs as Email objects, without keeping them. */
#include "jmap/email_write.h"
#include "jmap/methods.h"

#include "base/clock.h"
#include "base/limits.h"
#include "message/summary.h"

struct parsing {
    struct jmap_call *c;
    struct email_wants wants;
    struct slice *missing, *unparsable;
    size_t n_missing, n_unparsable;
    struct arena mail; /* of one message */
};

/* A message begins with a header field; anything else is none. */
static bool is_message(struct slice raw)
{
    struct header_field f;
    struct slice rest = slice_sub(raw, 0, header_length(raw));
    return header_next(&rest, &f) && f.raw.p == raw.p && f.name.n > 0;
}

/* The index row that the message would have. */
static enum error row_of(struct arena *a, struct slice raw, struct store_row *out)
{
    struct summary m;
    enum error e = summary_make(a, raw, clock_wall(), &m);
    if (e == OK)
        *out = (struct store_row){
            .size = (uint32_t)raw.n,
            .has_attachment = m.has_attachment,
            .envelope = m.envelope,
            .references = m.references,
            .subject = m.subject,
            .preview = m.preview,
        };
    return e;
}

static enum error write_parsed(struct parsing *p, struct slice id, struct slice raw)
{
    struct store_row row;
    arena_reset(&p->mail);
    enum error e = row_of(&p->mail, raw, &row);
    if (e != OK)
        return e;
    struct email_source s = {.blob = id, .row = &row, .raw = raw};
    (void)email_source_envelope(&p->mail, &s);
    jw_key_text(p->c->out, id);
    e = email_write(&p->mail, p->c->out, &p->wants, &s);
    return e == OK && p->c->out->out->failed ? ERR_FULL : e;
}

static enum error parse_one(struct parsing *p, struct slice id)
{
    autobuf raw = BUF_INIT(LIMIT_MESSAGE_SIZE);
    enum error e = jmap_blob_bytes(p->c, id, &raw);
    if (e == ERR_NOTFOUND) {
        p->missing[p->n_missing++] = id;
        return OK;
    }
    if (e == ERR_LIMIT || (e == OK && !is_message(buf_slice(&raw)))) {
        p->unparsable[p->n_unparsable++] = id;
        return OK;
    }
    return e == OK ? write_parsed(p, id, buf_slice(&raw)) : e;
}

static void write_ids(struct json_writer *w, const char *key, const struct slice *id, size_t n)
{
    jw_key(w, key);
    if (n == 0) {
        jw_null(w);
        return;
    }
    jw_array(w);
    for (size_t i = 0; i < n; i++)
        jw_text(w, id[i]);
    jw_end(w);
}

static void answer(struct parsing *p, const struct slice *id, size_t n)
{
    struct jmap_call *c = p->c;
    enum error e = OK;
    jmap_answer(c);
    jw_key(c->out, "parsed");
    jw_object(c->out);
    for (size_t i = 0; e == OK && i < n; i++)
        e = parse_one(p, id[i]);
    if (e == ERR_FULL) {
        jmap_fail(c, "requestTooLarge", "the answer would be too long: parse fewer blobs");
        return;
    }
    if (e != OK) {
        jmap_fail_error(c, e);
        return;
    }
    jw_end(c->out);
    write_ids(c->out, "notParsable", p->unparsable, p->n_unparsable);
    write_ids(c->out, "notFound", p->missing, p->n_missing);
    jw_end(c->out);
}

/* blobIds, each once. */
static bool read_ids(struct jmap_call *c, struct slice **out, size_t *n)
{
    const json_t *list = json_object_get(c->args, "blobIds");
    *n = 0;
    if (!json_is_array(list)) {
        jmap_fail(c, "invalidArguments", "blobIds must be a list of ids");
        return false;
    }
    if (json_array_size(list) > LIMIT_JMAP_PARSE) {
        jmap_fail(c, "requestTooLarge", "too many blobIds");
        return false;
    }
    *out = arena_array(c->arena, json_array_size(list) + 1, sizeof **out);
    for (size_t i = 0; *out != NULL && i < json_array_size(list); i++) {
        struct slice id = jmap_string(json_array_get(list, i));
        if (id.p == NULL) {
            jmap_fail(c, "invalidArguments", "blobIds must be strings");
            return false;
        }
        id = jmap_id_resolve(c, id).p ? jmap_id_resolve(c, id) : id;
        size_t k = 0;
        while (k < *n && !slice_eq((*out)[k], id))
            k++;
        if (k == *n)
            (*out)[(*n)++] = id;
    }
    if (*out == NULL)
        jmap_fail_error(c, ERR_LIMIT);
    return *out != NULL;
}

static void email_parse(struct jmap_call *c)
{
    static const char *const known[] = {"accountId", "blobIds", EMAIL_WANTS_ARGS, NULL};
    struct parsing p = {.c = c};
    struct slice *id;
    size_t n;
    if (!jmap_account(c) || !jmap_only(c, known) || !read_ids(c, &id, &n) ||
        !email_wants_read(c, email_parse_defaults, &p.wants))
        return;
    p.missing = arena_array(c->arena, n + 1, sizeof *p.missing);
    p.unparsable = arena_array(c->arena, n + 1, sizeof *p.unparsable);
    if (p.missing == NULL || p.unparsable == NULL) {
        jmap_fail_error(c, ERR_LIMIT);
        return;
    }
    arena_init(&p.mail, LIMIT_IMAP_TREE_ARENA + LIMIT_SUMMARY_ARENA);
    answer(&p, id, n);
    arena_free(&p.mail);
}

const struct jmap_method jmap_email_parse_methods[] = {
    {"Email/parse", CAPABILITY_MAIL, email_parse},
    {0},
};
