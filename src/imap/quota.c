/* QUOTA (RFC 9208): an account with a quota is one quota root, named "", with the resource STORAGE.
 * One without has no quota root: a QUOTA response must name a limit (section 7, quota-list). */
#include "imap/respond.h"

enum { QUOTA_UNIT = 1024 };

static enum error parse_root(struct imap_lexer *l, void **out)
{
    struct slice *root = arena_new(l->arena, struct slice);
    if (!root)
        return ERR_LIMIT;
    *out = root;
    lex_sp(l);
    *root = lex_astring(l);
    return lex_end(l);
}

static enum error parse_mailbox(struct imap_lexer *l, void **out)
{
    struct slice *name = arena_new(l->arena, struct slice);
    if (!name)
        return ERR_LIMIT;
    *out = name;
    lex_sp(l);
    *name = lex_mailbox(l);
    return lex_end(l);
}

/* Used space is rounded up, the limit down: nobody is told of room that is not there. */
static enum error write_quota(struct imap_session *s, uint64_t quota)
{
    struct store_usage used;
    enum error e = store_usage(s->service->store, s->account, &used);
    if (e != OK)
        return e;
    imap_untagged(s, "QUOTA \"\" (STORAGE %llu %llu)",
                  (unsigned long long)((used.bytes + QUOTA_UNIT - 1) / QUOTA_UNIT),
                  (unsigned long long)(quota / QUOTA_UNIT));
    return OK;
}

static void answer(struct imap_session *s, enum error e)
{
    if (e == OK)
        imap_ok(s, "That is all");
    else
        imap_error(s, e);
}

static void run_getquota(struct imap_session *s, void *args)
{
    const struct slice *root = args;
    uint64_t quota = imap_quota(s);
    if (root->n > 0 || quota == 0)
        imap_no(s, "NONEXISTENT", "There is no such quota root");
    else
        answer(s, write_quota(s, quota));
}

static void run_getquotaroot(struct imap_session *s, void *args)
{
    const struct slice *name = args;
    const struct mailbox_list *list;
    enum error e = store_mailboxes(s->service->store, s->account, &list);
    if (e != OK) {
        imap_error(s, e);
        return;
    }
    const struct mailbox *box = store_mailbox_named(list, *name);
    if (box) {
        imap_lit(s, "* QUOTAROOT ");
        imap_mailbox_name(s, box->name);
        uint64_t quota = imap_quota(s);
        if (quota)
            imap_lit(s, " \"\"");
        imap_lit(s, "\r\n");
        e = quota ? write_quota(s, quota) : OK;
    } else {
        e = ERR_NOTFOUND;
    }
    store_mailboxes_unref(list);
    answer(s, e);
}

static const struct imap_command commands[] = {
    {"GETQUOTA", IMAP_LOGGED_IN, 0, parse_root, run_getquota},
    {"GETQUOTAROOT", IMAP_LOGGED_IN, 0, parse_mailbox, run_getquotaroot},
};
const struct imap_command_table imap_quota_commands = {commands,
                                                       sizeof commands / sizeof commands[0]};
