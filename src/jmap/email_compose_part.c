/* From an Email object to a message: its structure and contents; see email_compose.h. */
#include "jmap/email_compose_part.h"

#include "message/write.h"

/* A part to be written: one of the client's, or a multipart made for textBody, htmlBody and
 * attachments. */
struct node {
    const char *multipart; /* "mixed", ...; NULL: `part` says what it is */
    json_t *part;
    struct node *child, *last, *next;
};

static void invalid(struct compose *x, const char *property, const char *why)
{
    if (!x->failed)
        (void)compose_invalid(x, property, why);
}

static struct node *make(struct compose *x, const char *multipart, json_t *part)
{
    struct node *n = arena_new(x->c->arena, struct node);
    if (!n || ++x->parts > LIMIT_MIME_PARTS) {
        invalid(x, "bodyStructure", "too many parts");
        return NULL;
    }
    *n = (struct node){.multipart = multipart, .part = part};
    return n;
}

static void adopt(struct node *parent, struct node *child)
{
    if (!parent || !child)
        return;
    if (parent->last)
        parent->last->next = child;
    else
        parent->child = child;
    parent->last = child;
}

/* --- Values of a part --- */

static struct slice text(struct compose *x, json_t *part, const char *name)
{
    json_t *v = json_object_get(part, name);
    if (!v || json_is_null(v))
        return SLICE_NONE;
    if (!json_is_string(v))
        invalid(x, name, "must be a string");
    return jmap_string(v);
}

/* "text/plain" in its two tokens. */
static bool good_type(struct slice type)
{
    struct slice main;
    return slice_split(&type, '/', &main) && write_good_token(main) && write_good_token(type);
}

static void put_part_fields(struct compose *x, json_t *part)
{
    struct slice disposition = text(x, part, "disposition"), name = text(x, part, "name");
    struct slice cid = text(x, part, "cid"), location = text(x, part, "location");
    const char *key;
    json_t *v, *language = json_object_get(part, "language");
    size_t i;
    if (disposition.n || name.n) {
        if (disposition.n && !write_good_token(disposition))
            invalid(x, "disposition", "must be a token");
        buf_lit(x->out, "Content-Disposition: ");
        buf_add(x->out, disposition.n ? disposition : SLICE("attachment"));
        write_parameter("filename", name, x->out);
        buf_lit(x->out, "\r\n");
    }
    if (cid.n && !write_good_id(cid))
        invalid(x, "cid", "must be an id without < and >");
    else if (cid.n)
        write_ids_field(SLICE("Content-ID"), &cid, 1, x->out);
    if (location.n)
        write_raw_field(SLICE("Content-Location"), location, x->out);
    json_array_foreach(language, i, v)
    {
        if (!write_good_token(jmap_string(v)))
            invalid(x, "language", "must be language tags");
        buf_str(x->out, i ? ", " : "Content-Language: ");
        buf_add(x->out, jmap_string(v));
    }
    if (json_array_size(language) > 0)
        buf_lit(x->out, "\r\n");
    json_object_foreach(part, key, v) if (strncmp(key, "header:", 7) == 0)
        compose_header_property(x, key, v, true);
}

static void put_type(struct compose *x, struct slice type, struct slice charset, struct slice name)
{
    buf_lit(x->out, "Content-Type: ");
    buf_add(x->out, type);
    if (charset.n)
        write_parameter("charset", charset, x->out);
    write_parameter("name", name, x->out);
    buf_lit(x->out, "\r\n");
}

/* --- Leaves --- */

static void put_value(struct compose *x, json_t *part, struct slice id)
{
    json_t *value = json_object_getn(x->values, (const char *)id.p, id.n);
    struct slice type = text(x, part, "type"), s = jmap_string(json_object_get(value, "value"));
    if (type.n == 0)
        type = SLICE("text/plain");
    if (!slice_istarts(type, SLICE("text/")) || !good_type(type))
        invalid(x, "type", "a part with a partId is text");
    else if (!s.p || json_is_true(json_object_get(value, "isEncodingProblem")) ||
             json_is_true(json_object_get(value, "isTruncated")))
        invalid(x, "bodyValues", "there is no whole value for a partId");
    else if (json_object_get(part, "charset") && !json_is_null(json_object_get(part, "charset")))
        invalid(x, "charset", "must not be given with a partId");
    if (x->failed)
        return;
    put_type(x, type, SLICE("utf-8"), SLICE_NONE);
    put_part_fields(x, part);
    write_text_body(s, x->out);
}

static void put_blob(struct compose *x, json_t *part, struct slice id)
{
    struct slice type = text(x, part, "type");
    autobuf bytes = BUF_INIT(x->out->limit);
    if (type.n == 0)
        type = SLICE("application/octet-stream");
    if (!good_type(type) || slice_istarts(type, SLICE("multipart/"))) {
        invalid(x, "type", "must be a media type, and of a blob no multipart");
        return;
    }
    enum error e = jmap_blob_bytes(x->c, id, &bytes);
    if (e && !x->failed) {
        x->failed = true;
        x->error =
            e == ERR_NOTFOUND
                ? (struct jmap_set_error){.type = "blobNotFound", .not_found = id}
                : (struct jmap_set_error){.type = e == ERR_LIMIT ? "tooLarge" : "serverFail"};
    }
    if (x->failed)
        return;
    put_type(x, type, text(x, part, "charset"), text(x, part, "name"));
    put_part_fields(x, part);
    if (slice_istarts(type, SLICE("message/")))
        write_message_body(buf_slice(&bytes), x->out);
    else
        write_bytes_body(buf_slice(&bytes), x->out);
}

/* --- The tree --- */

static void put_node(struct compose *x, const struct node *n);

static void put_multipart(struct compose *x, const struct node *n)
{
    char boundary[WRITE_BOUNDARY];
    struct slice type = n->multipart ? SLICE_NONE : text(x, n->part, "type");
    write_boundary(boundary);
    buf_lit(x->out, "Content-Type: ");
    if (n->multipart)
        buf_printf(x->out, "multipart/%s", n->multipart);
    else
        buf_add(x->out, type);
    buf_printf(x->out, ";\r\n\tboundary=\"%s\"\r\n", boundary);
    if (n->part)
        put_part_fields(x, n->part);
    buf_lit(x->out, "\r\n");
    for (const struct node *child = n->child; child && !x->failed; child = child->next) {
        buf_printf(x->out, "--%s\r\n", boundary);
        put_node(x, child);
        buf_lit(x->out, "\r\n");
    }
    buf_printf(x->out, "--%s--\r\n", boundary);
}

static void put_node(struct compose *x, const struct node *n)
{
    if (x->failed)
        return;
    if (n->multipart || n->child) {
        put_multipart(x, n);
        return;
    }
    struct slice part = text(x, n->part, "partId"), blob = text(x, n->part, "blobId");
    if (part.n && blob.n)
        invalid(x, "blobId", "a part has a partId or a blobId");
    else if (part.n)
        put_value(x, n->part, part);
    else if (blob.n)
        put_blob(x, n->part, blob);
    else
        invalid(x, "partId", "a part has a partId or a blobId");
    if (x->out->failed && !x->failed) { /* the parts that follow need not be read */
        x->failed = true;
        x->error = (struct jmap_set_error){.type = "tooLarge"};
    }
}

/* bodyStructure as the client gave it; its depth is that of the JSON. */
static struct node *read_structure(struct compose *x, json_t *part)
{
    json_t *sub = json_object_get(part, "subParts"), *v;
    struct slice type = text(x, part, "type");
    size_t i;
    struct node *n = make(x, NULL, part);
    bool multipart = slice_istarts(type, SLICE("multipart/"));
    if (!json_is_object(part))
        invalid(x, "bodyStructure", "a part must be an object");
    if (multipart && (!json_is_array(sub) || json_array_size(sub) == 0 || !good_type(type)))
        invalid(x, "subParts", "a multipart has parts");
    if (!multipart && sub && !json_is_null(sub))
        invalid(x, "subParts", "only a multipart has parts");
    if (multipart && !x->failed)
        json_array_foreach(sub, i, v) adopt(n, read_structure(x, v));
    return n;
}

/* --- textBody, htmlBody, attachments --- */

static json_t *only(struct compose *x, json_t *object, const char *name, struct slice type)
{
    json_t *list = json_object_get(object, name), *part = json_array_get(list, 0);
    if (!list || json_is_null(list))
        return NULL;
    struct slice given = text(x, part, "type");
    if (!json_is_array(list) || json_array_size(list) != 1 || !json_is_object(part) ||
        (given.n && !slice_ieq(given, type)))
        invalid(x, name, "must be one part of that type");
    else if (given.n == 0)
        json_object_set_new_nocheck(part, "type",
                                    json_stringn_nocheck((const char *)type.p, type.n));
    return part;
}

/* An image that the HTML shows by its id. */
static bool is_inline(struct compose *x, json_t *part)
{
    return slice_ieq(text(x, part, "disposition"), SLICE("inline")) && text(x, part, "cid").n;
}

static struct node *with_images(struct compose *x, json_t *html, json_t *attachments)
{
    struct node *n = make(x, NULL, html), *related = NULL;
    json_t *v;
    size_t i;
    json_array_foreach(attachments, i, v)
    {
        if (!is_inline(x, v))
            continue;
        if (!related)
            adopt(related = make(x, "related", NULL), n);
        adopt(related, make(x, NULL, v));
    }
    return related ? related : n;
}

static struct node *arrange(struct compose *x, json_t *object)
{
    json_t *plain = only(x, object, "textBody", SLICE("text/plain"));
    json_t *html = only(x, object, "htmlBody", SLICE("text/html"));
    json_t *attachments = json_object_get(object, "attachments"), *v;
    struct node *body = NULL, *mixed = NULL;
    size_t i;
    if (attachments && !json_is_null(attachments) && !json_is_array(attachments))
        invalid(x, "attachments", "must be a list");
    if (plain)
        body = make(x, NULL, plain);
    if (html) {
        struct node *shown = with_images(x, html, attachments), *both = NULL;
        if (body) {
            adopt(both = make(x, "alternative", NULL), body);
            adopt(both, shown);
        }
        body = both ? both : shown;
    }
    json_array_foreach(attachments, i, v)
    {
        if (!json_is_object(v))
            invalid(x, "attachments", "must be parts");
        if (html && is_inline(x, v))
            continue;
        if (!mixed)
            adopt(mixed = make(x, "mixed", NULL), body);
        adopt(mixed, make(x, NULL, v));
    }
    return mixed ? mixed : body;
}

void compose_body(struct compose *x, json_t *object)
{
    json_t *structure = json_object_get(object, "bodyStructure");
    bool lists = json_object_get(object, "textBody") || json_object_get(object, "htmlBody") ||
                 json_object_get(object, "attachments");
    struct node *root = NULL;
    if (structure && lists)
        invalid(x, "bodyStructure", "give either bodyStructure or the lists");
    else if (structure)
        root = read_structure(x, structure);
    else
        root = arrange(x, object);
    if (x->failed)
        return;
    if (root) {
        put_node(x, root);
    } else {
        put_type(x, SLICE("text/plain"), SLICE("utf-8"), SLICE_NONE);
        write_text_body(SLICE_NONE, x->out);
    }
}
