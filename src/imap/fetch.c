/* FETCH and UID FETCH (RFC 9051 6.4.5).
 *
 * What the index row knows is read in one pass, bodies are opened only for items that are bytes of
 * the message, and every piece goes straight to the connection. \Seen is set for the whole set in
 * one change before anything is written, so that the FLAGS told with a body are the stored ones. */
#include "imap/fetch.h"

#include "imap/respond.h"

struct fetch_run {
    struct imap_session *s;
    const struct fetch_args *args;
    struct walk walk; /* stands at the next message, when there are `more` */
    bool more;
    const struct picked *seen; /* messages that became \Seen: their FLAGS are told */
    struct buf made;           /* bytes put together for one item */
    struct arena arena;        /* the MIME structure of one message */
    bool gone;                 /* some message was expunged meanwhile */
    bool unknown_encoding;
    enum error error; /* the last thing that failed; the others were answered */
};

/* --- One message --- */

static void write_date(struct fetch_run *r, int64_t seconds, int16_t zone)
{
    buf_reset(&r->made);
    date_print_imap((struct date){seconds, zone}, &r->made);
    imap_lit(r->s, "\"");
    imap_write(r->s, buf_slice(&r->made));
    imap_lit(r->s, "\"");
}

/* The structure without extension data. */
static void write_body_structure(struct fetch_run *r, struct slice structure)
{
    buf_reset(&r->made);
    enum error e = summary_body_of_structure(structure, &r->made);
    imap_write(r->s, e == OK && !r->made.failed ? buf_slice(&r->made) : structure);
}

static void write_modseq(struct imap_session *s, const struct snapshot_entry *e)
{
    imap_lit(s, "MODSEQ (");
    imap_dec(s, e->modseq);
    imap_lit(s, ")");
}

static void write_section(struct fetch_run *r, const struct fetch_item *item,
                          const struct fetch_body *body)
{
    enum error e = fetch_write_section(r->s, item, body, &r->made);
    if (e == ERR_INPUT)
        r->unknown_encoding = true;
    else if (e != OK)
        r->error = e;
}

/* What the index row knows. */
static void write_row_item(struct fetch_run *r, enum fetch_what what, const struct store_row *row)
{
    struct imap_session *s = r->s;
    switch (what) {
    case FETCH_INTERNALDATE:
        imap_lit(s, "INTERNALDATE ");
        write_date(r, row->internal_date, row->internal_zone);
        break;
    case FETCH_ENVELOPE:
        imap_lit(s, "ENVELOPE ");
        imap_write(s, row->envelope);
        break;
    case FETCH_BODYSTRUCTURE:
        imap_lit(s, "BODYSTRUCTURE ");
        imap_write(s, row->structure);
        break;
    case FETCH_BODY:
        imap_lit(s, "BODY ");
        write_body_structure(r, row->structure);
        break;
    case FETCH_EMAIL_ID:
        imap_lit(s, "EMAILID (");
        imap_email_id(s, row->email_id);
        imap_lit(s, ")");
        break;
    case FETCH_THREAD_ID:
        imap_lit(s, "THREADID (");
        imap_thread_id(s, row->thread_id);
        imap_lit(s, ")");
        break;
    case FETCH_SAVEDATE:
        imap_lit(s, "SAVEDATE ");
        write_date(r, row->save_date, 0);
        break;
    default:
        break;
    }
}

static void write_item(struct fetch_run *r, const struct fetch_item *item,
                       const struct store_row *row, const struct fetch_body *body)
{
    struct imap_session *s = r->s;
    const struct snapshot_entry *e = r->walk.entry;
    switch (item->what) {
    case FETCH_UID:
        imap_lit(s, "UID ");
        imap_dec(s, e->uid);
        break;
    case FETCH_FLAGS:
        imap_lit(s, "FLAGS ");
        imap_flag_names(s, e->flags);
        break;
    case FETCH_SIZE:
        imap_lit(s, "RFC822.SIZE ");
        imap_dec(s, e->size);
        break;
    case FETCH_MODSEQ:
        write_modseq(s, e);
        break;
    case FETCH_SECTION:
    case FETCH_BINARY:
    case FETCH_BINARY_SIZE:
        write_section(r, item, body);
        break;
    default:
        if (row)
            write_row_item(r, item->what, row);
        break;
    }
}

/* FLAGS, and MODSEQ when the client follows it, of a message that its FETCH made \Seen; with
 * QRESYNC such news name the UID (RFC 7162 3.2.4). */
static void write_new_flags(struct fetch_run *r)
{
    const struct snapshot_entry *e = r->walk.entry;
    if (imap_has(r->s, IMAP_QRESYNC) && !r->args->has_uid) {
        imap_lit(r->s, " UID ");
        imap_dec(r->s, e->uid);
    }
    if (!r->args->has_flags) {
        imap_lit(r->s, " FLAGS ");
        imap_flag_names(r->s, e->flags);
    }
    if (imap_has(r->s, IMAP_CONDSTORE) && !r->args->has_modseq) {
        imap_lit(r->s, " ");
        write_modseq(r->s, e);
    }
}

/* OK, or why the message cannot be shown. */
static enum error open_body(struct fetch_run *r, struct store_body *opened, struct fetch_body *out)
{
    struct imap_session *s = r->s;
    struct mime_tree *tree = NULL;
    enum error e =
        store_body(s->service->store, s->account, s->mailbox, r->walk.entry->uid, opened);
    if (e != OK)
        return e;
    arena_reset(&r->arena);
    if (r->args->tree)
        e = mime_parse(&r->arena, opened->raw, &tree);
    if (e != OK)
        store_body_free(opened);
    else
        *out = (struct fetch_body){opened->raw, tree};
    return e;
}

/* The message where the walk stands; `row` is NULL when no item needs it. */
static void write_message(struct fetch_run *r, const struct store_row *row)
{
    struct imap_session *s = r->s;
    struct store_body opened = {0};
    struct fetch_body body = {0};
    if (r->args->body) {
        enum error e = open_body(r, &opened, &body);
        if (e == ERR_NOTFOUND)
            r->gone = true;
        else if (e != OK)
            r->error = e;
        if (e != OK)
            return;
    }
    imap_lit(s, "* ");
    imap_dec(s, r->walk.seq);
    imap_lit(s, " FETCH (");
    for (size_t i = 0; i < r->args->n_items; i++) {
        if (i)
            imap_lit(s, " ");
        write_item(r, &r->args->items[i], row, &body);
    }
    if (ranges_have(r->seen->uids.range, r->seen->uids.n, r->walk.entry->uid))
        write_new_flags(r);
    imap_lit(s, ")\r\n");
    if (r->args->body)
        store_body_free(&opened);
}

/* --- All of them --- */

/* Rows and messages of the set both ascend; a message without a row was expunged meanwhile. */
static bool on_row(void *arg, const struct store_row *row)
{
    struct fetch_run *r = arg;
    while (r->more && r->walk.entry->uid < row->uid) {
        r->gone = true;
        r->more = walk_next(&r->walk);
    }
    if (r->more && r->walk.entry->uid == row->uid) {
        write_message(r, row);
        r->more = walk_next(&r->walk);
    }
    return r->more && !conn_broken(r->s->conn);
}

static void write_messages(struct fetch_run *r, const struct selection *sel)
{
    struct imap_session *s = r->s;
    r->walk = walk_begin(s, sel);
    r->more = walk_next(&r->walk);
    if (!r->args->fields) {
        for (; r->more && !conn_broken(s->conn); r->more = walk_next(&r->walk))
            write_message(r, NULL);
        return;
    }
    enum error e = store_read(s->service->store, s->account, s->mailbox, sel->range, sel->n,
                              r->args->fields, on_row, r);
    if (e != OK)
        r->error = e;
    else if (r->more)
        r->gone = true;
}

/* CHANGEDSINCE: only messages changed after that. */
static void pick_changed(struct imap_session *s, const struct selection *sel, uint64_t since,
                         struct picked *out)
{
    struct walk w = walk_begin(s, sel);
    while (walk_next(&w))
        if (w.entry->modseq > since)
            pick(out, w.seq, w.entry->uid);
}

/* Sets \Seen where it is missing. Reading goes on when it cannot be set (the disk is full): then
 * nothing is told and the messages stay unseen. */
static void mark_seen(struct imap_session *s, const struct selection *sel, struct picked *seen)
{
    static const struct flag_list flags = {.system = FLAG_SEEN};
    struct walk w = walk_begin(s, sel);
    struct uid_range *modified = NULL;
    size_t n_modified = 0;
    while (walk_next(&w))
        if (!(w.entry->flags & FLAG_SEEN))
            pick(seen, w.seq, w.entry->uid);
    if (!seen->count)
        return;
    enum error e =
        store_flags(s->service->store, s->account, s->mailbox, seen->uids.range, seen->uids.n,
                    FLAGS_ADD, &flags, NULL, &s->arena, &modified, &n_modified);
    if (e == OK)
        e = imap_refresh(s);
    if (e == OK)
        imap_set_told(s, seen);
    else
        picked_free(seen);
}

static void answer(const struct fetch_run *r)
{
    if (r->error == ERR_NOTFOUND || (r->error == OK && r->gone))
        imap_ok_code(r->s, SLICE("EXPUNGEISSUED"), "Some messages were expunged meanwhile");
    else if (r->error != OK)
        imap_error(r->s, r->error);
    else if (r->unknown_encoding)
        imap_no(r->s, "UNKNOWN-CTE", "A part's transfer encoding is unknown");
    else
        imap_ok(r->s, "FETCH completed");
}

static void fetch_run(struct imap_session *s, void *opaque)
{
    const struct fetch_args *args = opaque;
    struct selection sel;
    autopicked changed = {0}, seen = {0};
    if (args->vanished && !imap_has(s, IMAP_QRESYNC)) {
        imap_bad(s, "VANISHED needs ENABLE QRESYNC");
        return;
    }
    if (args->has_modseq)
        imap_use_condstore(s);
    if (!selection_of(s, &args->set, &sel))
        return;
    struct fetch_run r = {.s = s, .args = args, .seen = &seen};
    if (args->vanished)
        r.error = fetch_write_vanished(s, &args->set, args->since);
    if (args->changed_since) {
        pick_changed(s, &sel, args->since, &changed);
        sel = selection_picked(&changed);
    }
    if (args->sets_seen && !s->read_only)
        mark_seen(s, &sel, &seen);
    buf_init(&r.made, LIMIT_MESSAGE_SIZE * (size_t)2);
    arena_init(&r.arena, LIMIT_IMAP_TREE_ARENA);
    write_messages(&r, &sel);
    buf_free(&r.made);
    arena_free(&r.arena);
    answer(&r);
}

static const struct imap_command commands[] = {
    {"FETCH", IMAP_SELECTED, IMAP_CMD_UID | IMAP_CMD_NUMBERS | IMAP_CMD_HOLD_EXPUNGE, fetch_parse,
     fetch_run},
};
const struct imap_command_table imap_fetch_commands = {commands, 1};
