/* Blob/upload, Blob/get, Blob/lookup (RFC 9404), and Blob/copy (RFC 8620 6.3). */
#include "base/base64.h"
#include "base/utf8.h"
#include "jmap/email_group.h"
#include "jmap/methods.h"
#include "jmap/upload.h"
#include <openssl/evp.h>

#define PIECE_MOST (256 * 1024)

/* --- Reading a range --- */

struct range {
    uint64_t offset, length; /* length UINT64_MAX: to the end */
};

static bool read_range(json_t *object, struct range *out)
{
    json_t *offset = json_object_get(object, "offset"), *length = json_object_get(object, "length");
    *out = (struct range){0, UINT64_MAX};
    if (offset && !json_is_null(offset)) {
        if (!json_is_integer(offset) || json_integer_value(offset) < 0)
            return false;
        out->offset = (uint64_t)json_integer_value(offset);
    }
    if (length && !json_is_null(length)) {
        if (!json_is_integer(length) || json_integer_value(length) < 0)
            return false;
        out->length = (uint64_t)json_integer_value(length);
    }
    return true;
}

/* The bytes in the range go to take(). *cut: the range does not lie within the blob. */
static enum error each_piece(struct jmap_blob *b, const struct range *r, bool *cut,
                             enum error (*take)(void *arg, struct slice piece), void *arg)
{
    uint64_t size = jmap_blob_size(b), at = 0;
    uint64_t end =
        r->length > size - (r->offset < size ? r->offset : size) ? size : r->offset + r->length;
    autobuf piece = BUF_INIT(PIECE_MOST);
    enum error e = OK;
    *cut = r->offset > size || (r->length != UINT64_MAX && r->length > size - r->offset);
    while (!e && at < end) {
        buf_reset(&piece);
        e = jmap_blob_read(b, PIECE_MOST, &piece);
        uint64_t from = r->offset > at ? r->offset - at : 0;
        uint64_t to = end - at < piece.n ? end - at : piece.n;
        if (!e && from < to)
            e = take(arg, slice_sub(buf_slice(&piece), (size_t)from, (size_t)to));
        at += piece.n;
    }
    return e;
}

static enum error to_upload(void *arg, struct slice piece)
{
    return jmap_upload_take(arg, piece);
}

/* --- Blob/upload --- */

static struct jmap_set_error add_source(struct jmap_call *c, json_t *source, struct jmap_upload *up)
{
    struct slice text = jmap_string(json_object_get(source, "data:asText"));
    struct slice coded = jmap_string(json_object_get(source, "data:asBase64"));
    struct slice id = jmap_string(json_object_get(source, "blobId"));
    enum error e = ERR_INPUT;
    if ((text.p != NULL) + (coded.p != NULL) + (id.p != NULL) != 1)
        return jmap_refused("invalidProperties", "a source is text, base64 or a blob");
    if (text.p) {
        e = jmap_upload_take(up, text);
    } else if (coded.p) {
        autobuf bytes = BUF_INIT(LIMIT_JMAP_UPLOAD);
        e = base64_decode(coded, &bytes);
        if (!e)
            e = jmap_upload_take(up, buf_slice(&bytes));
    } else {
        struct range range;
        struct jmap_blob *b;
        bool cut = true;
        struct slice real = jmap_id_resolve(c, id);
        if (!read_range(source, &range))
            return jmap_refused("invalidProperties", "offset and length are numbers");
        e = real.p ? jmap_blob_open(c->service, c->user, real, &b) : ERR_NOTFOUND;
        if (e == ERR_NOTFOUND)
            return (struct jmap_set_error){.type = "blobNotFound", .not_found = id};
        if (!e) {
            e = each_piece(b, &range, &cut, to_upload, up);
            jmap_blob_close(b);
        }
        if (!e && cut)
            return jmap_refused("invalidProperties", "the range is not within the blob");
    }
    if (e == ERR_INPUT)
        return jmap_refused("invalidProperties", "not base64");
    return e ? jmap_refused(e == ERR_LIMIT ? "tooLarge" : "serverFail", NULL) : JMAP_DONE;
}

static struct jmap_set_error create(struct jmap_call *c, struct slice creation_id, json_t *object,
                                    struct json_writer *w)
{
    json_t *data = json_object_get(object, "data"), *source;
    struct slice type = jmap_string(json_object_get(object, "type"));
    struct jmap_upload *up;
    struct jmap_set_error error = JMAP_DONE;
    char id[UPLOAD_ID + 1];
    size_t i;
    if (!json_is_array(data) || json_array_size(data) == 0 ||
        json_array_size(data) > LIMIT_JMAP_BLOB_SOURCES)
        return jmap_refused("invalidProperties", "data must be a list of sources");
    enum error e = jmap_upload_begin(c->service, c->user, type, &up);
    if (e)
        return jmap_refused(e == ERR_LIMIT ? "overQuota" : "serverFail", NULL);
    json_array_foreach(data, i, source) if (!error.type) error = add_source(c, source, up);
    if (error.type) {
        jmap_upload_drop(up);
        return error;
    }
    uint64_t size = jmap_upload_size(up);
    e = jmap_upload_keep(up, id);
    if (e)
        return jmap_refused("serverFail", NULL);
    jmap_created_id(c, creation_id, id);
    jw_key(w, "id");
    jw_str(w, id);
    jw_key(w, "type");
    if (type.p)
        jw_text(w, type);
    else
        jw_null(w);
    jw_key(w, "size");
    jw_uint(w, size);
    return error;
}

static void no_state(struct jmap_call *c, struct json_writer *w)
{
    jw_null(w);
}

static void blob_upload(struct jmap_call *c)
{
    static const char *const known[] = {"create", NULL};
    static const struct jmap_set set = {.create = create, .state = no_state};
    if (jmap_account(c) && jmap_only(c, known))
        jmap_set_run(c, &set, SLICE(""));
}

/* --- Blob/get --- */

static const char *const names[] = {"id",   "data",       "data:asText",    "data:asBase64",
                                    "size", "digest:sha", "digest:sha-256", "digest:sha-512",
                                    NULL};
enum { ID, DATA, AS_TEXT, AS_BASE64, SIZE, SHA, SHA256, SHA512 };
#define BIT(k) (UINT64_C(1) << (k))

static enum error to_buffer(void *arg, struct slice piece)
{
    struct buf *b = arg;
    buf_add(b, piece);
    return buf_check(b);
}

static void write_base64(struct json_writer *w, struct slice bytes)
{
    autobuf text = BUF_INIT(LIMIT_JMAP_RESPONSE);
    base64_encode(bytes, &text);
    jw_text(w, buf_slice(&text));
    if (text.failed)
        w->out->failed = true;
}

static void write_digest(struct json_writer *w, const EVP_MD *how, struct slice bytes)
{
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (!EVP_Digest(bytes.p, bytes.n, sum, &n, how, NULL))
        bug("no digest");
    write_base64(w, slice_of(sum, n));
}

static void write_blob(struct json_writer *w, struct slice id, uint64_t asked, struct slice bytes,
                       uint64_t size, bool cut)
{
    bool text = utf8_valid(bytes), want_text = asked & (BIT(DATA) | BIT(AS_TEXT));
    jw_object(w);
    jw_key(w, "id");
    jw_text(w, id);
    if (want_text && text) {
        jw_key(w, names[AS_TEXT]);
        jw_text(w, bytes);
    } else if (asked & BIT(AS_TEXT)) {
        jw_key(w, names[AS_TEXT]);
        jw_null(w);
    }
    if ((asked & BIT(AS_BASE64)) || (asked & BIT(DATA) && !text)) {
        jw_key(w, names[AS_BASE64]);
        write_base64(w, bytes);
    }
    if (want_text && !text) {
        jw_key(w, "isEncodingProblem");
        jw_bool(w, true);
    }
    if (cut) {
        jw_key(w, "isTruncated");
        jw_bool(w, true);
    }
    if (asked & BIT(SIZE)) {
        jw_key(w, names[SIZE]);
        jw_uint(w, size);
    }
    for (unsigned k = SHA; k <= SHA512; k++)
        if (asked & BIT(k)) {
            jw_key(w, names[k]);
            write_digest(w,
                         k == SHA      ? EVP_sha1()
                         : k == SHA256 ? EVP_sha256()
                                       : EVP_sha512(),
                         bytes);
        }
    jw_end(w);
}

static enum error get_one(struct jmap_call *c, struct slice id, uint64_t asked,
                          const struct range *range)
{
    struct jmap_blob *b;
    bool cut;
    autobuf bytes = BUF_INIT(LIMIT_JMAP_RESPONSE);
    enum error e = jmap_blob_open(c->service, c->user, id, &b);
    if (e)
        return e;
    uint64_t size = jmap_blob_size(b);
    e = each_piece(b, range, &cut, to_buffer, &bytes);
    jmap_blob_close(b);
    if (!e)
        write_blob(c->out, id, asked, buf_slice(&bytes), size, cut);
    return e;
}

static void blob_get(struct jmap_call *c)
{
    static const char *const known[] = {"ids", "properties", "offset", "length", NULL};
    struct jmap_ids ids;
    struct range range;
    uint64_t asked;
    size_t n_missing = 0;
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_get_ids(c, &ids) ||
        !jmap_get_properties(c, names, BIT(ID) | BIT(DATA) | BIT(SIZE), &asked))
        return;
    struct slice *missing = arena_array(c->arena, ids.n + 1, sizeof *missing);
    if (!ids.id || !missing || !read_range(c->args, &range)) {
        jmap_fail(c, "invalidArguments", "ids, offset or length");
        return;
    }
    jmap_answer(c);
    jw_key(c->out, "list");
    jw_array(c->out);
    for (size_t i = 0; i < ids.n && !c->failed; i++) {
        enum error e = get_one(c, ids.id[i], asked, &range);
        if (e == ERR_NOTFOUND)
            missing[n_missing++] = ids.id[i];
        else if (e)
            jmap_fail_error(c, e);
    }
    if (c->failed)
        return;
    jw_end(c->out);
    jmap_not_found(c, missing, n_missing);
    jw_end(c->out);
}

/* --- Blob/lookup: what a blob belongs to --- */

static bool asks_for(json_t *types, const char *name)
{
    json_t *v;
    size_t i;
    json_array_foreach(types, i, v) if (slice_eq(jmap_string(v), slice_str(name))) return true;
    return false;
}

/* The email that has it, itself or as a part. */
static bool email_of(struct jmap_call *c, struct slice blob, struct email_group *out)
{
    uint64_t email;
    struct slice first = blob;
    struct view *v = jmap_view(c);
    if (slice_has(blob, '-'))
        (void)slice_split(&blob, '-', &first);
    return v && jmap_id_parse(first, 'M', &email) == OK && email_group_find(v, email, out);
}

static void write_matches(struct jmap_call *c, json_t *types, const struct email_group *g)
{
    struct json_writer *w = c->out;
    jw_object(w);
    if (asks_for(types, "Email")) {
        jw_key(w, "Email");
        jw_array(w);
        jmap_id_write(w, 'M', g->copy->email);
        jw_end(w);
    }
    if (asks_for(types, "Thread")) {
        jw_key(w, "Thread");
        jw_array(w);
        jmap_id_write(w, 'T', g->copy->thread);
        jw_end(w);
    }
    if (asks_for(types, "Mailbox")) {
        jw_key(w, "Mailbox");
        jw_array(w);
        for (size_t i = 0; i < g->n; i++)
            if (email_copy_visible(&g->copy[i]))
                jmap_id_write(w, 'B', g->copy[i].mailbox);
        jw_end(w);
    }
    jw_end(w);
}

static void blob_lookup(struct jmap_call *c)
{
    static const char *const known[] = {"typeNames", "ids", NULL};
    json_t *types = json_object_get(c->args, "typeNames"), *v;
    struct jmap_ids ids;
    struct email_group g;
    size_t i, n_missing = 0;
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_get_ids(c, &ids) || !jmap_view(c))
        return;
    struct slice *missing = arena_array(c->arena, ids.n + 1, sizeof *missing);
    if (!ids.id || !missing || !json_is_array(types)) {
        jmap_fail(c, "invalidArguments", "ids and typeNames must be given");
        return;
    }
    json_array_foreach(types, i, v)
    {
        struct slice name = jmap_string(v);
        if (!name.p || !(slice_eq(name, SLICE("Email")) || slice_eq(name, SLICE("Thread")) ||
                         slice_eq(name, SLICE("Mailbox")))) {
            jmap_fail(c, "unknownDataType", NULL);
            return;
        }
    }
    jmap_answer(c);
    jw_key(c->out, "list");
    jw_array(c->out);
    for (i = 0; i < ids.n; i++) {
        if (!email_of(c, ids.id[i], &g)) {
            missing[n_missing++] = ids.id[i];
            continue;
        }
        jw_object(c->out);
        jw_key(c->out, "id");
        jw_text(c->out, ids.id[i]);
        jw_key(c->out, "matchedIds");
        write_matches(c, types, &g);
        jw_end(c->out);
    }
    jw_end(c->out);
    jmap_not_found(c, missing, n_missing);
    jw_end(c->out);
}

/* Between accounts; everybody has one. */
static void blob_copy(struct jmap_call *c)
{
    if (jmap_account(c))
        jmap_fail(c, "fromAccountNotFound", NULL);
}

const struct jmap_method jmap_blob_methods[] = {
    {"Blob/upload", CAPABILITY_BLOB, blob_upload},
    {"Blob/get", CAPABILITY_BLOB, blob_get},
    {"Blob/lookup", CAPABILITY_BLOB, blob_lookup},
    {"Blob/copy", CAPABILITY_CORE, blob_copy},
    {NULL, NULL, NULL},
};
