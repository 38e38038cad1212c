/* Email/changes (RFC 8621 4.3): what the store says changed, in one answer. */
#include "jmap/email_changes.h"

static void write_ids(struct jmap_call *c, const char *key, enum email_change_kind kind,
                      const struct email_change *change, size_t n)
{
    jw_key(c->out, key);
    jw_array(c->out);
    for (size_t i = 0; i < n; i++)
        if (change[i].kind == kind)
            jmap_id_write(c->out, 'M', change[i].email);
    jw_end(c->out);
}

void email_changes(struct jmap_call *c)
{
    static const char *const known[] = {"accountId", "sinceState", "maxChanges", NULL};
    struct view_state since, now;
    struct email_change *change = NULL;
    uint64_t max = UINT64_MAX;
    size_t n = 0;
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_arg_uint(c, "maxChanges", &max))
        return;
    if (max == 0) {
        jmap_fail(c, "invalidArguments", "maxChanges must be greater than 0");
        return;
    }
    struct view *v = jmap_view(c);
    if (v == NULL)
        return;
    now = view_state(v);
    if (!jmap_since(c, "sinceState", &now, &since))
        return;
    enum error e = store_email_changes(c->service->store, v, since.modseq, c->arena, &change, &n);
    /* A state in between is not offered: what an email was then would have to be remembered. */
    if (e == ERR_AGAIN || (e == OK && n > max)) {
        jmap_fail(c, "cannotCalculateChanges", NULL);
        return;
    }
    if (e != OK) {
        jmap_fail_error(c, e);
        return;
    }
    jmap_answer(c);
    jw_key(c->out, "oldState");
    jmap_state_write(c->out, &since);
    jw_key(c->out, "newState");
    jmap_state_write(c->out, &now);
    jw_key(c->out, "hasMoreChanges");
    jw_bool(c->out, false);
    write_ids(c, "created", EMAIL_CREATED, change, n);
    write_ids(c, "updated", EMAIL_UPDATED, change, n);
    write_ids(c, "destroyed", EMAIL_DESTROYED, change, n);
    jw_end(c->out);
}
