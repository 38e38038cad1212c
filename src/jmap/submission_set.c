/* EmailSubmission/set (RFC 8621 7.5): sending, at once or later, and taking back. */
#include "base/clock.h"
#include "directory/profile.h"
#include "jmap/email_group.h"
#include "jmap/outbox.h"
#include "jmap/submission.h"
#include "message/address.h"
#include "message/header.h"
#include "message/write.h"
#include "smtp/submit.h"

static struct jmap_set_error store_result(struct jmap_call *c, enum error e)
{
    return e == ERR_LIMIT ? jmap_refused("overQuota", "too many wait to be sent")
                          : jmap_set_result(c, e);
}

/* --- The envelope --- */

/* The parameters that are known (RFC 3461, 4865, 8689); others are refused rather than dropped. */
static bool good_parameters(json_t *address, const char *const *known)
{
    json_t *parameters = json_object_get(address, "parameters"), *v;
    const char *name;
    if (!parameters || json_is_null(parameters))
        return true;
    if (!json_is_object(parameters))
        return false;
    json_object_foreach(parameters, name, v)
    {
        size_t i = 0;
        while (known[i] && strcasecmp(known[i], name) != 0)
            i++;
        if (!known[i] || !(json_is_string(v) || json_is_null(v)))
            return false;
    }
    return true;
}

static struct jmap_set_error check_envelope(struct jmap_call *c, json_t *envelope)
{
    static const char *const of_mail[] = {"HOLDFOR", "HOLDUNTIL", "ENVID",    "RET", "REQUIRETLS",
                                          "SIZE",    "BODY",      "SMTPUTF8", NULL};
    static const char *const of_rcpt[] = {"NOTIFY", "ORCPT", NULL};
    json_t *from = json_object_get(envelope, "mailFrom"), *to = json_object_get(envelope, "rcptTo");
    json_t *one;
    size_t i;
    if (!json_is_object(from) || !json_is_string(json_object_get(from, "email")) ||
        !json_is_array(to))
        return jmap_bad_property(c, "envelope", "mailFrom and rcptTo must be addresses");
    if (!good_parameters(from, of_mail))
        return jmap_bad_property(c, "envelope", "a parameter of mailFrom is not known");
    if (json_array_size(to) == 0)
        return jmap_refused("noRecipients", NULL);
    if (json_array_size(to) > LIMIT_SMTP_RECIPIENTS)
        return jmap_refused("tooManyRecipients", NULL);
    json_array_foreach(to, i, one)
    {
        struct mailbox_address parts;
        struct slice address = jmap_string(json_object_get(one, "email"));
        if (!good_parameters(one, of_rcpt))
            return jmap_bad_property(c, "envelope", "a parameter of rcptTo is not known");
        if (!address.p || mailbox_parse(c->arena, address, true, &parts) || parts.domain.n == 0)
            return (struct jmap_set_error){.type = "invalidRecipients",
                                           .invalid_recipient = address};
    }
    return JMAP_DONE;
}

static bool has_recipient(json_t *list, struct slice address)
{
    json_t *one;
    size_t i;
    json_array_foreach(list, i, one) if (slice_ieq(jmap_string(json_object_get(one, "email")),
                                                   address)) return true;
    return false;
}

/* As many as are too many end it: looking each up among all before is not linear. */
static void add_recipients(struct arena *a, struct slice header, struct slice field, json_t *list)
{
    struct header_field f;
    struct address *address;
    for (struct slice rest = header; header_next(&rest, &f);) {
        if (!slice_ieq(f.name, field) || address_list(a, header_unfold(a, f.value), &address) != OK)
            continue;
        for (; address; address = address->next) {
            if (json_array_size(list) > LIMIT_SMTP_RECIPIENTS)
                return;
            if (!address->mailbox.p || !address->host.p) /* a group's marks */
                continue;
            struct slice s =
                arena_printf(a, "%.*s@%.*s", SLICE_FMT(address->mailbox), SLICE_FMT(address->host));
            if (!has_recipient(list, s))
                json_array_append_new(list, json_pack("{s:s%}", "email", s.p, s.n));
        }
    }
}

/* From the message, when the client gives none (RFC 8621 7). */
static json_t *make_envelope(struct jmap_call *c, struct slice raw, struct slice sender)
{
    static const struct slice fields[] = {SLICE_INIT("To"), SLICE_INIT("Cc"), SLICE_INIT("Bcc")};
    struct slice header = slice_sub(raw, 0, header_length(raw));
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        add_recipients(c->arena, header, fields[i], list);
    return json_pack("{s:{s:s%}, s:o}", "mailFrom", "email", sender.p, sender.n, "rcptTo", list);
}

/* HOLDUNTIL and HOLDFOR (RFC 4865). */
static struct jmap_set_error read_hold(struct jmap_call *c, json_t *envelope, int64_t now,
                                       int64_t *send_at)
{
    json_t *p = json_object_get(json_object_get(envelope, "mailFrom"), "parameters");
    struct slice until = jmap_string(json_object_get(p, "HOLDUNTIL"));
    struct slice hold = jmap_string(json_object_get(p, "HOLDFOR"));
    uint64_t seconds = 0;
    *send_at = now;
    if (until.p && hold.p)
        return jmap_bad_property(c, "envelope", "give HOLDUNTIL or HOLDFOR");
    if (until.p && !jmap_utc_date(until, send_at))
        return jmap_bad_property(c, "envelope", "HOLDUNTIL must be a UTCDate");
    if (hold.p && parse_u64(hold, LIMIT_SUBMISSION_DELAY, &seconds))
        return jmap_bad_property(c, "envelope", "HOLDFOR must be seconds, at most a year");
    *send_at += (int64_t)seconds;
    if (*send_at > now + LIMIT_SUBMISSION_DELAY)
        return jmap_bad_property(c, "envelope", "it may be held for at most a year");
    return JMAP_DONE;
}

/* --- create --- */

struct making {
    struct view_message message;
    uint64_t email;
    const struct identity *identity;
    struct store_body body;
    json_t *envelope;
    int64_t send_at;
};

static struct jmap_set_error find_parts(struct jmap_call *c, json_t *object, struct making *m)
{
    uint64_t number;
    struct identity *list;
    size_t n;
    struct email_group g;
    struct slice email = jmap_string(json_object_get(object, "emailId"));
    struct slice identity = jmap_string(json_object_get(object, "identityId"));
    struct view *v = jmap_view(c);
    email = email.p ? jmap_id_resolve(c, email) : email;
    if (!v || !email.p || jmap_id_parse(email, 'M', &m->email) ||
        !email_group_find(v, m->email, &g))
        return jmap_bad_property(c, "emailId", "there is no such email");
    m->message = *email_group_copy(&g);
    identity = identity.p ? jmap_id_resolve(c, identity) : identity;
    if (!identity.p || jmap_id_parse(identity, 'I', &number) ||
        directory_identities(c->service->directory, c->user->account.id, c->arena, &list, &n))
        return jmap_bad_property(c, "identityId", "there is no such identity");
    for (size_t i = 0; i < n; i++)
        if (list[i].id == number)
            m->identity = &list[i];
    return m->identity ? JMAP_DONE
                       : jmap_bad_property(c, "identityId", "there is no such identity");
}

/* Refused before it is kept, so that the client hears of it at once: also of what is sent later. */
static struct jmap_set_error may_send(struct jmap_call *c, const struct making *m)
{
    struct slice sender =
        jmap_string(json_object_get(json_object_get(m->envelope, "mailFrom"), "email"));
    switch (submit_sender(c->service->submission, &c->user->account, sender)) {
    case REPLY_NONE:
        break;
    case REPLY_NO_SEND:
    case REPLY_REVOKED:
        return jmap_refused("forbiddenToSend", "this account may not send");
    case REPLY_TEMPORARY:
        return jmap_refused("serverFail", NULL);
    default:
        return jmap_refused("forbiddenMailFrom", NULL);
    }
    struct header_field from;
    struct address *address;
    struct slice header = slice_sub(m->body.raw, 0, header_length(m->body.raw));
    if (!header_find(header, SLICE("From"), &from) ||
        address_list(c->arena, header_unfold(c->arena, from.value), &address))
        return jmap_refused("invalidEmail", "it has no From");
    for (; address; address = address->next) {
        struct slice s = arena_printf(c->arena, "%.*s@%.*s", SLICE_FMT(address->mailbox),
                                      SLICE_FMT(address->host));
        if (!submit_may_send_as(c->service->submission, &c->user->account, s))
            return jmap_refused("forbiddenFrom", NULL);
    }
    return JMAP_DONE;
}

static enum error keep(struct jmap_call *c, const struct making *m, uint64_t *id)
{
    char *envelope = json_dumps(m->envelope, JSON_COMPACT);
    if (!envelope)
        return ERR_AGAIN;
    const struct submission s = {.email = m->email,
                                 .thread = m->message.thread,
                                 .identity = m->identity->id,
                                 .send_at = m->send_at,
                                 .envelope = slice_str(envelope)};
    enum error e = store_submission_add(c->service->store, c->user->account.id, m->message.mailbox,
                                        m->message.uid, &s, id);
    free(envelope);
    return e;
}

/* What is to leave now has left, or is refused, before the client hears of it. */
static struct jmap_set_error send_now(struct jmap_call *c, uint64_t id)
{
    outbox_send(c->service, c->user->account.id, id, false);
    const struct submission *s = outbox_find(c->service, c->arena, c->user->account.id, id);
    if (!s || s->state != SUBMISSION_FAILED)
        return JMAP_DONE;
    struct slice why = arena_printf(c->arena, "%.*s%c", SLICE_FMT(s->answer), 0);
    if (store_submission_remove(c->service->store, c->user->account.id, id))
        return jmap_refused("serverFail", NULL);
    return jmap_refused("forbiddenToSend", (const char *)why.p);
}

static struct jmap_set_error create_from(struct jmap_call *c, struct slice creation_id,
                                         json_t *object, struct making *m, struct json_writer *w)
{
    uint64_t id;
    int64_t now = clock_wall();
    json_t *given = json_object_get(object, "envelope");
    enum error e = store_body(c->service->store, c->user->account.id, m->message.mailbox,
                              m->message.uid, &m->body);
    if (e)
        return store_result(c, e);
    m->envelope = given && !json_is_null(given) ? json_incref(given)
                                                : make_envelope(c, m->body.raw, m->identity->email);
    struct jmap_set_error error = check_envelope(c, m->envelope);
    if (!error.type)
        error = read_hold(c, m->envelope, now, &m->send_at);
    if (!error.type)
        error = may_send(c, m);
    if (error.type)
        return error;
    e = keep(c, m, &id);
    if (e)
        return store_result(c, e);
    if (m->send_at <= now)
        error = send_now(c, id);
    if (error.type)
        return error;
    jmap_created(c, creation_id, 'S', id);
    submission_write_created(c, w, id);
    return JMAP_DONE;
}

static struct jmap_set_error create(struct jmap_call *c, struct slice creation_id, json_t *object,
                                    struct json_writer *w)
{
    static const char *const known[] = {"identityId", "emailId", "envelope", NULL};
    struct making m = {.identity = NULL};
    const char *name;
    json_t *v;
    json_object_foreach(object, name, v)
    {
        if (!jmap_is_among(known, name))
            return jmap_bad_property(c, name, "this property cannot be set");
    }
    struct jmap_set_error e = find_parts(c, object, &m);
    if (!e.type)
        e = create_from(c, creation_id, object, &m, w);
    json_decref(m.envelope);
    if (m.body.owner)
        store_body_free(&m.body);
    return e;
}

/* --- update, destroy --- */

static struct jmap_set_error update(struct jmap_call *c, struct slice id, json_t *patch)
{
    uint64_t number;
    struct slice status = jmap_string(json_object_get(patch, "undoStatus"));
    if (jmap_id_parse(id, 'S', &number))
        return jmap_refused("notFound", NULL);
    if (json_object_size(patch) != 1 || !slice_eq(status, SLICE("canceled")))
        return jmap_bad_property(c, "undoStatus",
                                 "only undoStatus can be changed, to \"canceled\"");
    enum error e = outbox_cancel(c->service, c->user->account.id, number);
    return e == ERR_CONFLICT ? jmap_refused("cannotUnsend", NULL) : store_result(c, e);
}

static struct jmap_set_error destroy(struct jmap_call *c, struct slice id)
{
    uint64_t number;
    if (jmap_id_parse(id, 'S', &number))
        return jmap_refused("notFound", NULL);
    enum error e = store_submission_remove(c->service->store, c->user->account.id, number);
    if (e == ERR_CONFLICT)
        return jmap_refused("forbidden", "it waits to be sent");
    return store_result(c, e);
}

/* --- What follows --- */

/* The email of a submission, by the submission's id or creation id. */
static bool email_of(struct jmap_call *c, struct slice name, char out[JMAP_ID_TEXT])
{
    uint64_t number;
    struct slice id = jmap_id_resolve(c, name);
    const struct submission *s = NULL;
    if (id.p && jmap_id_parse(id, 'S', &number) == OK)
        s = outbox_find(c->service, c->arena, c->user->account.id, number);
    if (s)
        jmap_id_print('M', s->email, out);
    return s != NULL;
}

/* onSuccessUpdateEmail and onSuccessDestroyEmail become an Email/set of their own. What was not
 * created has no id, and its email is left alone. */
static void follow(struct jmap_call *c)
{
    json_t *updates = json_object_get(c->args, "onSuccessUpdateEmail"), *v;
    json_t *destroys = json_object_get(c->args, "onSuccessDestroyEmail");
    json_t *update_emails = json_object(), *destroy_emails = json_array();
    const char *name;
    size_t i;
    char id[JMAP_ID_TEXT], account[JMAP_ID_TEXT];
    json_object_foreach(updates, name, v) if (json_is_object(v) && email_of(c, slice_str(name), id))
        json_object_set(update_emails, id, v);
    json_array_foreach(destroys, i, v) if (email_of(c, jmap_string(v), id))
        json_array_append_new(destroy_emails, json_string(id));
    if (json_object_size(update_emails) == 0 && json_array_size(destroy_emails) == 0) {
        json_decref(update_emails);
        json_decref(destroy_emails);
        return;
    }
    jmap_account_id(c->user, account);
    jmap_run_implicit(c, "Email/set",
                      json_pack("{s:s, s:o, s:o}", "accountId", account, "update", update_emails,
                                "destroy", destroy_emails));
}

void submission_set(struct jmap_call *c)
{
    static const char *const known[] = {
        "ifInState", "create", "update", "destroy", "onSuccessUpdateEmail", "onSuccessDestroyEmail",
        NULL};
    static const struct jmap_set set = {create, update, destroy, submission_write_state};
    char state[JMAP_STATE_TEXT];
    if (!jmap_account(c) || !jmap_only(c, known) || !submission_state(c, state) ||
        !jmap_in_state(c, slice_str(state)))
        return;
    jmap_set_run(c, &set, slice_str(state));
    jmap_push_wake(c->user->account.id);
    if (!c->failed)
        follow(c);
}
