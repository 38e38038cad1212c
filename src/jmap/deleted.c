/* DeletedEmail/query and /restore: what was deleted for good and can come back; our own extension,
 * doc/jmap-extensions.md. */
#include "jmap/methods.h"

#define LIST_MOST 200 /* of one answer */

static void write_one(void *arg, const struct deleted_message *m)
{
    struct json_writer *w = arg;
    jw_object(w);
    jw_key(w, "id");
    jmap_id_write(w, 'D', m->number);
    jw_key(w, "emailId");
    jmap_id_write(w, 'M', m->email);
    jw_key(w, "mailbox");
    jw_text(w, m->mailbox);
    jw_key(w, "subject");
    jw_text(w, m->subject);
    jw_key(w, "from");
    jw_text(w, m->from);
    jw_key(w, "preview");
    jw_text(w, m->preview);
    jw_key(w, "size");
    jw_uint(w, m->size);
    jw_key(w, "hasAttachment");
    jw_bool(w, m->has_attachment);
    jw_key(w, "receivedAt");
    jw_utc_date(w, m->received);
    jw_key(w, "deletedAt");
    jw_utc_date(w, m->deleted_at);
    jw_key(w, "until");
    jw_utc_date(w, m->until);
    jw_end(w);
}

static void query(struct jmap_call *c)
{
    static const char *const known[] = {"position", "limit", NULL};
    uint64_t position = 0, limit = 50;
    size_t total = 0;
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_arg_uint(c, "position", &position) ||
        !jmap_arg_uint(c, "limit", &limit))
        return;
    if (limit > LIST_MOST)
        limit = LIST_MOST;
    jmap_answer(c);
    jw_key(c->out, "position");
    jw_uint(c->out, position);
    jw_key(c->out, "list");
    jw_array(c->out);
    enum error e = store_deleted_list(c->service->store, c->user->account.id, (size_t)position,
                                      (size_t)limit, write_one, c->out, &total);
    if (e) {
        jmap_fail_error(c, e);
        return;
    }
    jw_end(c->out);
    jw_key(c->out, "total");
    jw_uint(c->out, total);
    jw_end(c->out);
}

/* Their numbers; those that are none are left out: they are gone like others. */
static size_t numbers_of(const struct jmap_ids *ids, uint64_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < ids->n; i++)
        if (jmap_id_parse(ids->id[i], 'D', &out[n]) == OK)
            n++;
    return n;
}

static void restore(struct jmap_call *c)
{
    static const char *const known[] = {"ids", NULL};
    struct jmap_ids ids;
    size_t back = 0;
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_get_ids(c, &ids))
        return;
    uint64_t *numbers = arena_array(c->arena, ids.n + 1, sizeof *numbers);
    if (!ids.id || !numbers) {
        jmap_fail(c, "invalidArguments", "ids: must be given");
        return;
    }
    size_t n = numbers_of(&ids, numbers);
    enum error e = n ? store_undelete(c->service->store, c->user->account.id, numbers, n,
                                      c->user->account.quota, &back)
                     : OK;
    if (e == ERR_QUOTA)
        jmap_fail(c, "overQuota", NULL);
    else if (e && e != ERR_NOTFOUND)
        jmap_fail_error(c, e);
    if (c->failed)
        return;
    jmap_view_again(c);
    jmap_answer(c);
    jw_key(c->out, "restored");
    jw_uint(c->out, back);
    jw_end(c->out);
}

const struct jmap_method jmap_deleted_methods[] = {
    {"DeletedEmail/query", CAPABILITY_ACCOUNT, query},
    {"DeletedEmail/restore", CAPABILITY_ACCOUNT, restore},
    {NULL, NULL, NULL},
};
