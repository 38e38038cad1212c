/* STORE and UID STORE (RFC 9051 6.4.6, RFC 7162 3.1.3).
 *
 * After the change the session takes over the newest snapshot and tells flags from it. Without
 * .SILENT every message of the set is told; with it nothing is, unless the flags are not what the
 * client must expect now because another session changed them too: then sync tells them. */
#include "imap/respond.h"
#include "imap/selection.h"

struct store_args {
    struct imap_set set;
    enum flag_op op;
    bool silent;
    struct flag_list flags;
    bool conditional; /* UNCHANGEDSINCE */
    uint64_t unchanged_since;
};

/* --- Arguments --- */

static void parse_modifiers(struct imap_lexer *l, struct store_args *a)
{
    if (lex_peek(l) != '(')
        return;
    lex_open_list(l);
    do {
        if (!lex_word(l, "UNCHANGEDSINCE")) {
            lex_fail(l, "Unknown STORE modifier");
            break;
        }
        lex_sp(l);
        a->unchanged_since = lex_number64(l);
        a->conditional = true;
    } while (lex_more(l));
    lex_sp(l);
}

/* ["+" / "-"] "FLAGS" [".SILENT"] */
static void parse_operation(struct imap_lexer *l, struct store_args *a)
{
    struct slice name = lex_name(l);
    a->op = FLAGS_SET;
    if (name.n && (name.p[0] == '+' || name.p[0] == '-')) {
        a->op = name.p[0] == '+' ? FLAGS_ADD : FLAGS_REMOVE;
        name = slice_from(name, 1);
    }
    a->silent = slice_ieq(name, SLICE("FLAGS.SILENT"));
    if (lex_ok(l) && !a->silent && !slice_ieq(name, SLICE("FLAGS")))
        lex_fail(l, "Unknown STORE item");
}

static enum error store_parse(struct imap_lexer *l, void **args)
{
    struct store_args *a = arena_new(l->arena, struct store_args);
    if (!a) {
        lex_limit(l, "Command is too long");
        return ERR_LIMIT;
    }
    lex_sp(l);
    lex_set(l, &a->set);
    lex_sp(l);
    parse_modifiers(l, a);
    parse_operation(l, a);
    lex_sp(l);
    lex_flags(l, true, &a->flags);
    *args = a;
    return lex_end(l);
}

/* --- Work --- */

struct store_run {
    struct imap_session *s;
    const struct store_args *args;
    struct selection sel;
    const struct uid_range *modified; /* left alone by UNCHANGEDSINCE */
    size_t n_modified;
    uint64_t mask; /* the flags of the command as bits */
    bool gone;
};

static uint64_t flag_bits(const struct flag_list *f, const struct keyword_table *t)
{
    uint64_t bits = f->system;
    for (size_t i = 0; t && i < f->n; i++)
        for (size_t k = 0; k < t->n; k++)
            if (slice_ieq(f->keywords[i], t->name[k]))
                bits |= UINT64_C(1) << (FLAG_KEYWORD_SHIFT + k);
    return bits;
}

static uint64_t expected_flags(const struct store_run *r, uint64_t before)
{
    switch (r->args->op) {
    case FLAGS_ADD:
        return before | r->mask;
    case FLAGS_REMOVE:
        return before & ~r->mask;
    case FLAGS_SET:
        break;
    }
    return r->mask;
}

/* "* 3 FETCH (UID 7 MODSEQ (12))": what .SILENT leaves of a response under CONDSTORE. */
static void write_modseq(struct imap_session *s, uint32_t seq, const struct snapshot_entry *e)
{
    imap_lit(s, "* ");
    imap_dec(s, seq);
    imap_lit(s, " FETCH (");
    if (s->uid || imap_has(s, IMAP_QRESYNC) || imap_has(s, IMAP_REV2)) {
        imap_lit(s, "UID ");
        imap_dec(s, e->uid);
        imap_lit(s, " ");
    }
    imap_lit(s, "MODSEQ (");
    imap_dec(s, e->modseq);
    imap_lit(s, "))\r\n");
}

/* Tells the new flags; picks what sync needs not tell any more. */
static void tell(struct store_run *r, struct picked *told)
{
    struct imap_session *s = r->s;
    struct walk w = walk_begin(s, &r->sel);
    while (walk_next(&w) && !conn_broken(s->conn)) {
        const struct snapshot_entry *before = snapshot_at(s->snapshot, w.seq);
        if (imap_is_gone(s, w.entry->uid)) {
            r->gone = true;
            continue;
        }
        if (ranges_have(r->modified, r->n_modified, w.entry->uid))
            continue;
        if (!r->args->silent)
            imap_fetch_flags(s, w.seq, w.entry);
        else if (w.entry->flags != expected_flags(r, before->flags))
            continue;
        else if (imap_has(s, IMAP_CONDSTORE) && w.entry->modseq != before->modseq)
            write_modseq(s, w.seq, w.entry);
        pick(told, w.seq, w.entry->uid);
    }
}

/* "MODIFIED 7,9": in the numbers that the command used. */
static void answer_modified(struct store_run *r)
{
    autoranges list = {0};
    struct walk w = walk_begin(r->s, &r->sel);
    while (walk_next(&w))
        if (ranges_have(r->modified, r->n_modified, w.entry->uid))
            range_list_add(&list, r->s->uid ? w.entry->uid : w.seq);
    autobuf code = BUF_INIT(LIMIT_IMAP_MODIFIED_TEXT);
    buf_lit(&code, "MODIFIED ");
    imap_ranges_print(&code, list.range, list.n);
    struct slice text = arena_dup(&r->s->arena, buf_slice(&code));
    if (code.failed || r->s->arena.failed)
        imap_no(r->s, "LIMIT", "Too many messages were modified meanwhile");
    else
        imap_ok_code(r->s, text, "Some messages were modified meanwhile");
}

static void store_run(struct imap_session *s, void *opaque)
{
    const struct store_args *args = opaque;
    struct store_run r = {.s = s, .args = args};
    struct uid_range *modified = NULL;
    if (args->conditional)
        imap_use_condstore(s);
    if (!selection_of(s, &args->set, &r.sel))
        return;
    if (!r.sel.n) {
        imap_ok(s, "No messages");
        return;
    }
    enum error e = store_flags(
        s->service->store, s->account, s->mailbox, r.sel.range, r.sel.n, args->op, &args->flags,
        args->conditional ? &args->unchanged_since : NULL, &s->arena, &modified, &r.n_modified);
    if (e == ERR_LIMIT) {
        imap_no(s, "LIMIT", "There are too many keywords");
        return;
    }
    if (e == OK)
        e = imap_refresh(s);
    if (e != OK) {
        imap_error(s, e);
        return;
    }
    autopicked told = {0};
    r.modified = modified;
    imap_tell_keywords(s);
    r.mask = flag_bits(&args->flags, s->keywords);
    tell(&r, &told);
    imap_set_told(s, &told);
    if (r.n_modified)
        answer_modified(&r);
    else if (r.gone)
        imap_ok_code(s, SLICE("EXPUNGEISSUED"), "Some messages were expunged meanwhile");
    else
        imap_ok(s, "STORE completed");
}

static const struct imap_command commands[] = {
    {"STORE", IMAP_SELECTED,
     IMAP_CMD_UID | IMAP_CMD_NUMBERS | IMAP_CMD_HOLD_EXPUNGE | IMAP_CMD_WRITES, store_parse,
     store_run},
};
const struct imap_command_table imap_store_commands = {commands, 1};
