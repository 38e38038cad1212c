/* COPY, MOVE, EXPUNGE and their UID forms (RFC 9051 6.4.3, 6.4.7, 6.4.8, 6.4.9). */
#include "imap/respond.h"
#include "imap/selection.h"

/* --- COPY and MOVE --- */

struct copy_args {
    struct imap_set set;
    struct slice mailbox;
};

static enum error copy_parse(struct imap_lexer *l, void **args)
{
    struct copy_args *a = arena_new(l->arena, struct copy_args);
    if (!a) {
        lex_limit(l, "Command is too long");
        return ERR_LIMIT;
    }
    lex_sp(l);
    lex_set(l, &a->set);
    lex_sp(l);
    a->mailbox = lex_mailbox(l);
    *args = a;
    return lex_end(l);
}

/* "COPYUID 1 2:4,7 101:104": the n-th number of one set became the n-th of the other, so ranges
 * are joined only where the numbers follow each other. */
static struct slice copy_uid(struct imap_session *s, const struct uid_pair *pairs, size_t n,
                             uint32_t uid_validity)
{
    autoranges from = {0}, to = {0};
    for (size_t i = 0; i < n; i++) {
        range_list_add(&from, pairs[i].from);
        range_list_add(&to, pairs[i].to);
    }
    autobuf code = BUF_INIT(LIMIT_IMAP_MODIFIED_TEXT);
    buf_printf(&code, "COPYUID %u ", (unsigned)uid_validity);
    imap_ranges_print(&code, from.range, from.n);
    buf_byte(&code, ' ');
    imap_ranges_print(&code, to.range, to.n);
    /* Over the limit the code is left out: RFC 4315 3 asks clients to cope without it. */
    return code.failed ? SLICE_NONE : arena_dup(&s->arena, buf_slice(&code));
}

static void answer_copy(struct imap_session *s, enum error e)
{
    if (e == ERR_NOTFOUND)
        imap_no(s, "TRYCREATE", "There is no such mailbox");
    else
        imap_error(s, e);
}

/* The mailbox's id; ERR_NOTFOUND when there is none. */
static enum error find_mailbox(struct imap_session *s, struct slice name, uint32_t *id)
{
    const struct mailbox_list *list;
    enum error e = store_mailboxes(s->service->store, s->account, &list);
    if (e != OK)
        return e;
    const struct mailbox *box = store_mailbox_named(list, name);
    if (box)
        *id = box->id;
    store_mailboxes_unref(list);
    return box ? OK : ERR_NOTFOUND;
}

static void transfer(struct imap_session *s, const struct copy_args *args, bool move)
{
    struct selection sel;
    struct uid_pair *pairs = NULL;
    size_t n_pairs = 0;
    uint32_t to = 0, uid_validity = 0;
    autoarena arena;
    arena_init(&arena, LIMIT_IMAP_COPY_ARENA);
    enum error e = find_mailbox(s, args->mailbox, &to);
    if (e != OK) {
        answer_copy(s, e);
        return;
    }
    if (!selection_of(s, &args->set, &sel))
        return;
    if (sel.n)
        e = store_copy(s->service->store, s->account, s->mailbox, sel.range, sel.n, to, move,
                       imap_quota(s), &arena, &pairs, &n_pairs, &uid_validity);
    struct slice code = SLICE_NONE;
    if (n_pairs)
        code = copy_uid(s, pairs, n_pairs, uid_validity);
    s->removes = move && n_pairs;
    /* RFC 6851 4.3: MOVE tells the new uids before the expunges, which sync writes now. A long
     * move that failed in the middle tells what it did. */
    if (move && code.n) {
        imap_lit(s, "* OK [");
        imap_write(s, code);
        imap_lit(s, "] Moved\r\n");
    }
    if (e != OK)
        answer_copy(s, e);
    else if (!n_pairs)
        imap_ok(s, "No messages");
    else if (move || !code.n)
        imap_ok(s, move ? "MOVE completed" : "COPY completed");
    else
        imap_ok_code(s, code, "COPY completed");
}

static void copy_run(struct imap_session *s, void *args)
{
    transfer(s, args, false);
}

static void move_run(struct imap_session *s, void *args)
{
    transfer(s, args, true);
}

/* --- EXPUNGE --- */

static enum error uid_expunge_parse(struct imap_lexer *l, void **args)
{
    struct imap_set *set = arena_new(l->arena, struct imap_set);
    if (!set) {
        lex_limit(l, "Command is too long");
        return ERR_LIMIT;
    }
    lex_sp(l);
    lex_set(l, set);
    *args = set;
    return lex_end(l);
}

/* Sync tells what is gone. */
static void expunge(struct imap_session *s, const struct selection *sel)
{
    enum error e = store_expunge(s->service->store, s->account, s->mailbox, sel->range, sel->n);
    s->removes = true;
    if (e != OK)
        imap_error(s, e);
    else
        imap_ok(s, "EXPUNGE completed");
}

static void expunge_run(struct imap_session *s, void *args)
{
    expunge(s, &(struct selection){0});
}

static void uid_expunge_run(struct imap_session *s, void *args)
{
    struct selection sel;
    if (!selection_of(s, args, &sel))
        return;
    /* No range would mean all messages. */
    if (sel.n)
        expunge(s, &sel);
    else
        imap_ok(s, "EXPUNGE completed");
}

static const struct imap_command commands[] = {
    {"COPY", IMAP_SELECTED, IMAP_CMD_UID | IMAP_CMD_NUMBERS, copy_parse, copy_run},
    {"MOVE", IMAP_SELECTED, IMAP_CMD_UID | IMAP_CMD_NUMBERS | IMAP_CMD_WRITES, copy_parse,
     move_run},
    {"EXPUNGE", IMAP_SELECTED, IMAP_CMD_WRITES, NULL, expunge_run},
    {"EXPUNGE", IMAP_SELECTED, IMAP_CMD_UID_ONLY | IMAP_CMD_WRITES, uid_expunge_parse,
     uid_expunge_run},
};
const struct imap_command_table imap_copy_commands = {commands, 4};
