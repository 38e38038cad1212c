/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE. */
#include "imap/respond.h"
#include "imap/special_use.h"

struct mailbox_args {
    struct slice name, to;
    enum special_use use;
    bool unknown_use;
};

static struct mailbox_args *parse_name(struct imap_lexer *l, void **out)
{
    struct mailbox_args *a = arena_new(l->arena, struct mailbox_args);
    if (!a) {
        lex_limit(l, "Too many arguments");
        return NULL;
    }
    *out = a;
    lex_sp(l);
    a->name = lex_mailbox(l);
    return a;
}

static enum error parse_one(struct imap_lexer *l, void **out)
{
    parse_name(l, out);
    return lex_end(l);
}

/* --- CREATE (RFC 6154: USE) --- */

static void parse_use(struct imap_lexer *l, struct mailbox_args *a)
{
    lex_open_list(l);
    if (!lex_word(l, "USE"))
        lex_fail(l, "Unknown parameter");
    lex_sp(l);
    lex_open_list(l);
    if (!lex_close(l)) {
        do {
            lex_expect(l, '\\');
            enum special_use use = special_use_find(lex_atom(l));
            /* A mailbox has one special use here; the RFC leaves that to the server. */
            if (use == USE_NONE || (a->use != USE_NONE && a->use != use))
                a->unknown_use = true;
            a->use = use;
        } while (lex_more(l));
    }
    if (lex_more(l))
        lex_fail(l, "Unknown parameter");
}

static enum error parse_create(struct imap_lexer *l, void **out)
{
    struct mailbox_args *a = parse_name(l, out);
    if (a && lex_skip(l, ' '))
        parse_use(l, a);
    return lex_end(l);
}

static bool use_is_taken(struct imap_session *s, enum special_use use)
{
    const struct mailbox_list *list;
    if (use == USE_NONE || store_mailboxes(s->service->store, s->account, &list) != OK)
        return false;
    bool taken = store_mailbox_by_use(list, use) != NULL;
    store_mailboxes_unref(list);
    return taken;
}

static void run_create(struct imap_session *s, void *args)
{
    const struct mailbox_args *a = args;
    if (a->unknown_use || use_is_taken(s, a->use)) {
        imap_no(s, "USEATTR", "That special use cannot be given");
        return;
    }
    uint32_t id;
    enum error e = store_mailbox_create(s->service->store, s->account, a->name, a->use, &id);
    if (e != OK) {
        imap_error(s, e);
        return;
    }
    imap_ok_code(s, arena_printf(&s->arena, "MAILBOXID (B%u)", id), "Created");
}

/* --- DELETE, RENAME --- */

static bool is_selected(struct imap_session *s, struct slice name)
{
    const struct mailbox_list *list;
    if (!s->snapshot || store_mailboxes(s->service->store, s->account, &list) != OK)
        return false;
    const struct mailbox *box = store_mailbox_named(list, name);
    bool selected = box && box->id == s->mailbox;
    store_mailboxes_unref(list);
    return selected;
}

static void run_delete(struct imap_session *s, void *args)
{
    const struct mailbox_args *a = args;
    bool selected = is_selected(s, a->name);
    enum error e = store_mailbox_delete(s->service->store, s->account, a->name);
    if (e == ERR_AUTH) {
        imap_no(s, "CANNOT", "The Inbox cannot be deleted");
    } else if (e == ERR_CONFLICT) {
        imap_no(s, "HASCHILDREN", "It has mailboxes below it; delete them first");
    } else if (e != OK) {
        imap_error(s, e);
    } else {
        if (selected) {
            imap_unselect(s);
            imap_lit(s, "* OK [CLOSED] The selected mailbox is deleted\r\n");
        }
        imap_ok(s, "Deleted");
    }
}

static enum error parse_rename(struct imap_lexer *l, void **out)
{
    struct mailbox_args *a = parse_name(l, out);
    lex_sp(l);
    struct slice to = lex_mailbox(l);
    if (a)
        a->to = to;
    return lex_end(l);
}

static bool is_below(struct slice name, struct slice above)
{
    return slice_starts(name, above) && slice_starts(slice_from(name, above.n), SLICE("/"));
}

static void run_rename(struct imap_session *s, void *args)
{
    const struct mailbox_args *a = args;
    if (is_below(a->to, a->name) && !slice_eq(a->name, SLICE("INBOX"))) {
        imap_no(s, "CANNOT", "A mailbox cannot go below itself");
        return;
    }
    enum error e = store_mailbox_rename(s->service->store, s->account, a->name, a->to);
    if (e != OK) {
        imap_error(s, e);
        return;
    }
    if (imap_has(s, IMAP_REV2) && !slice_eq(a->name, SLICE("INBOX"))) {
        imap_lit(s, "* LIST () \"/\" ");
        imap_mailbox_name(s, a->to);
        imap_lit(s, " (\"OLDNAME\" (");
        imap_mailbox_name(s, a->name);
        imap_lit(s, "))\r\n");
    }
    imap_ok(s, "Renamed");
}

/* --- SUBSCRIBE --- */

static void subscribe(struct imap_session *s, const struct mailbox_args *a, bool subscribed)
{
    enum error e = store_subscribe(s->service->store, s->account, a->name, subscribed);
    if (e != OK)
        imap_error(s, e);
    else
        imap_ok(s, subscribed ? "Subscribed" : "Unsubscribed");
}

static void run_subscribe(struct imap_session *s, void *args)
{
    subscribe(s, args, true);
}

static void run_unsubscribe(struct imap_session *s, void *args)
{
    subscribe(s, args, false);
}

static const struct imap_command commands[] = {
    {"CREATE", IMAP_LOGGED_IN, 0, parse_create, run_create},
    {"DELETE", IMAP_LOGGED_IN, 0, parse_one, run_delete},
    {"RENAME", IMAP_LOGGED_IN, 0, parse_rename, run_rename},
    {"SUBSCRIBE", IMAP_LOGGED_IN, 0, parse_one, run_subscribe},
    {"UNSUBSCRIBE", IMAP_LOGGED_IN, 0, parse_one, run_unsubscribe},
};
const struct imap_command_table imap_mailbox_commands = {commands,
                                                         sizeof commands / sizeof commands[0]};
