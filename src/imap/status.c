/* STATUS (RFC 9051 6.3.11, with RFC 8438, 7889, 8474, 9208). */
#include "imap/status.h"
#include "imap/respond.h"

enum status_item {
    STATUS_MESSAGES = 1,
    STATUS_RECENT = 2,
    STATUS_UIDNEXT = 4,
    STATUS_UIDVALIDITY = 8,
    STATUS_UNSEEN = 16,
    STATUS_DELETED = 32,
    STATUS_SIZE = 64,
    STATUS_HIGHESTMODSEQ = 128,
    STATUS_APPENDLIMIT = 256,
    STATUS_MAILBOXID = 512,
    STATUS_DELETED_STORAGE = 1024,
};

static const struct {
    const char *name;
    enum status_item bit;
} item_names[] = {
    {"MESSAGES", STATUS_MESSAGES},
    {"RECENT", STATUS_RECENT},
    {"UIDNEXT", STATUS_UIDNEXT},
    {"UIDVALIDITY", STATUS_UIDVALIDITY},
    {"UNSEEN", STATUS_UNSEEN},
    {"DELETED", STATUS_DELETED},
    {"SIZE", STATUS_SIZE},
    {"HIGHESTMODSEQ", STATUS_HIGHESTMODSEQ},
    {"APPENDLIMIT", STATUS_APPENDLIMIT},
    {"MAILBOXID", STATUS_MAILBOXID},
    {"DELETED-STORAGE", STATUS_DELETED_STORAGE},
};

enum { N_ITEMS = sizeof item_names / sizeof item_names[0] };

void status_parse_items(struct imap_lexer *l, unsigned *items)
{
    *items = 0;
    lex_open_list(l);
    do {
        struct slice name = lex_atom(l);
        size_t i = 0;
        while (i < N_ITEMS && !slice_ieq(name, slice_str(item_names[i].name)))
            i++;
        if (i == N_ITEMS)
            lex_fail(l, "Unknown status item");
        else
            *items |= item_names[i].bit;
    } while (lex_more(l));
}

void status_prepare(struct imap_session *s, unsigned items)
{
    if (items & STATUS_HIGHESTMODSEQ)
        imap_use_condstore(s);
}

/* Bytes that an EXPUNGE would give back. */
static uint64_t deleted_bytes(struct imap_session *s, const struct mailbox *box)
{
    struct snapshot *snapshot;
    if (box->deleted == 0 ||
        store_snapshot(s->service->store, s->account, box->id, &snapshot) != OK)
        return 0;
    uint64_t bytes = 0;
    uint32_t count = 0;
    for (uint32_t seq = 1;; seq += count) {
        const struct snapshot_entry *e = snapshot_run(snapshot, seq, &count);
        if (!e || count == 0)
            break;
        for (uint32_t i = 0; i < count; i++)
            if (e[i].flags & FLAG_DELETED)
                bytes += e[i].size;
    }
    snapshot_unref(snapshot);
    return bytes;
}

static void write_item(struct imap_session *s, const struct mailbox *box, enum status_item item)
{
    switch (item) {
    case STATUS_MESSAGES:
        imap_dec(s, box->exists);
        return;
    case STATUS_RECENT:
        imap_dec(s, 0);
        return;
    case STATUS_UIDNEXT:
        imap_dec(s, box->uid_next);
        return;
    case STATUS_UIDVALIDITY:
        imap_dec(s, box->uid_validity);
        return;
    case STATUS_UNSEEN:
        imap_dec(s, box->unseen);
        return;
    case STATUS_DELETED:
        imap_dec(s, box->deleted);
        return;
    case STATUS_SIZE:
        imap_dec(s, box->bytes);
        return;
    case STATUS_HIGHESTMODSEQ:
        imap_dec(s, box->modseq);
        return;
    case STATUS_APPENDLIMIT:
        imap_dec(s, imap_message_size(s));
        return;
    case STATUS_MAILBOXID:
        imap_lit(s, "(");
        imap_mailbox_id(s, box->id);
        imap_lit(s, ")");
        return;
    case STATUS_DELETED_STORAGE:
        imap_dec(s, deleted_bytes(s, box));
        return;
    }
}

void status_write(struct imap_session *s, const struct mailbox *box, unsigned items)
{
    imap_lit(s, "* STATUS ");
    imap_mailbox_name(s, box->name);
    imap_lit(s, " (");
    bool first = true;
    for (size_t i = 0; i < N_ITEMS; i++) {
        if (!(items & item_names[i].bit))
            continue;
        imap_printf(s, first ? "%s " : " %s ", item_names[i].name);
        write_item(s, box, item_names[i].bit);
        first = false;
    }
    imap_lit(s, ")\r\n");
}

struct status_args {
    struct slice name;
    unsigned items;
};

static enum error parse_status(struct imap_lexer *l, void **out)
{
    struct status_args *a = arena_new(l->arena, struct status_args);
    if (!a)
        return ERR_LIMIT;
    *out = a;
    lex_sp(l);
    a->name = lex_mailbox(l);
    lex_sp(l);
    status_parse_items(l, &a->items);
    return lex_end(l);
}

static void run_status(struct imap_session *s, void *args)
{
    const struct status_args *a = args;
    const struct mailbox_list *list;
    enum error e = store_mailboxes(s->service->store, s->account, &list);
    if (e != OK) {
        imap_error(s, e);
        return;
    }
    const struct mailbox *box = store_mailbox_named(list, a->name);
    if (box) {
        status_prepare(s, a->items);
        status_write(s, box, a->items);
        imap_ok(s, "That is all");
    } else {
        imap_error(s, ERR_NOTFOUND);
    }
    store_mailboxes_unref(list);
}

static const struct imap_command commands[] = {
    {"STATUS", IMAP_LOGGED_IN, 0, parse_status, run_status},
};
const struct imap_command_table imap_status_commands = {commands,
                                                        sizeof commands / sizeof commands[0]};
