/* Email/import (RFC 8621 4.8): uploaded messages become emails. */
#include "jmap/email_store.h"
#include "jmap/methods.h"
#include "message/write.h"

/* The blob's bytes with CRLF line ends, as the store keeps them. */
static struct jmap_set_error read_blob(struct jmap_call *c, json_t *object, struct buf *out)
{
    struct slice given = jmap_string(json_object_get(object, "blobId"));
    autobuf bytes = BUF_INIT(c->service->message_size);
    enum error e = jmap_blob_bytes(c, given, &bytes);
    if (e == ERR_NOTFOUND)
        return (struct jmap_set_error){.type = "blobNotFound", .not_found = given};
    if (e == ERR_LIMIT)
        return jmap_refused("tooLarge", NULL);
    if (e)
        return email_set_result(c, e);
    if (bytes.n == 0 || slice_has(buf_slice(&bytes), '\0'))
        return jmap_refused("invalidEmail", NULL);
    write_crlf(buf_slice(&bytes), out);
    return buf_check(out) ? jmap_refused("tooLarge", NULL) : JMAP_DONE;
}

static struct jmap_set_error create(struct jmap_call *c, struct slice creation_id, json_t *object,
                                    struct json_writer *created)
{
    return email_create(c, creation_id, object, created, read_blob);
}

/* As a /set that only creates, whose objects are called `emails`. */
static void import(struct jmap_call *c)
{
    static const char *const known[] = {"ifInState", "emails", NULL};
    static const struct jmap_set set = {.create = create};
    json_t *emails = json_object_get(c->args, "emails");
    if (!jmap_account(c) || !jmap_only(c, known))
        return;
    if (!json_is_object(emails)) {
        jmap_fail(c, "invalidArguments", "emails: must be an object");
        return;
    }
    json_object_set(c->args, "create", emails);
    jmap_set_run_view(c, &set);
}

const struct jmap_method jmap_email_import_methods[] = {
    {"Email/import", CAPABILITY_MAIL, import},
    {NULL, NULL, NULL},
};
