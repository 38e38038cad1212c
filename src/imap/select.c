/* SELECT and EXAMINE with CONDSTORE and QRESYNC (RFC 7162), UNSELECT, CLOSE, CHECK. */
#include "imap/frame.h"
#include "imap/range_list.h"
#include "imap/respond.h"

struct select_args {
    struct slice name;
    bool condstore, qresync;
    uint32_t uid_validity;
    uint64_t modseq;
    struct imap_set known_uids; /* n 0: none given */
    struct imap_set match_numbers, match_uids;
};

/* (QRESYNC (uidvalidity modseq [known-uids] [(numbers uids)])) */
static void parse_qresync(struct imap_lexer *l, struct select_args *a)
{
    lex_sp(l);
    lex_open_list(l);
    a->uid_validity = lex_nz_number(l);
    lex_sp(l);
    a->modseq = lex_number64(l);
    if (!lex_more(l))
        return;
    if (lex_peek(l) != '(') {
        lex_uid_set(l, &a->known_uids);
        if (!lex_more(l))
            return;
    }
    lex_open_list(l);
    lex_uid_set(l, &a->match_numbers);
    lex_sp(l);
    lex_uid_set(l, &a->match_uids);
    if (lex_more(l) || lex_more(l))
        lex_fail(l, "Malformed QRESYNC parameter");
}

static enum error parse_select(struct imap_lexer *l, void **out)
{
    struct select_args *a = arena_new(l->arena, struct select_args);
    if (!a)
        return ERR_LIMIT;
    *out = a;
    lex_sp(l);
    a->name = lex_mailbox(l);
    if (lex_skip(l, ' ')) {
        lex_open_list(l);
        do {
            if (lex_word(l, "CONDSTORE")) {
                a->condstore = true;
            } else if (lex_word(l, "QRESYNC") && !a->qresync) {
                a->qresync = true;
                parse_qresync(l, a);
            } else {
                lex_fail(l, "Unknown parameter");
            }
        } while (lex_more(l));
    }
    return lex_end(l);
}

/* --- What SELECT tells --- */

static void write_first_unseen(struct imap_session *s)
{
    uint32_t count = 0;
    for (uint32_t seq = 1;; seq += count) {
        const struct snapshot_entry *e = snapshot_run(s->snapshot, seq, &count);
        if (!e || count == 0)
            return;
        for (uint32_t i = 0; i < count; i++) {
            if (!(e[i].flags & FLAG_SEEN)) {
                imap_untagged(s, "OK [UNSEEN %u] First unseen", (unsigned)(seq + i));
                return;
            }
        }
    }
}

static void write_state(struct imap_session *s, const struct mailbox *box)
{
    struct snapshot_info info = snapshot_info(s->snapshot);
    imap_tell_flags(s);
    imap_untagged(s, "%u EXISTS", (unsigned)info.count);
    if (!imap_has(s, IMAP_REV2)) {
        imap_lit(s, "* 0 RECENT\r\n");
        if (box->unseen)
            write_first_unseen(s);
    }
    imap_untagged(s, "OK [UIDVALIDITY %u] UIDs are valid", (unsigned)info.uid_validity);
    imap_untagged(s, "OK [UIDNEXT %u] Predicted next UID", (unsigned)info.uid_next);
    imap_untagged(s, "OK [HIGHESTMODSEQ %llu] Highest", (unsigned long long)info.modseq);
    imap_lit(s, "* OK [MAILBOXID (");
    imap_mailbox_id(s, box->id);
    imap_lit(s, ")] Object\r\n");
    if (imap_has(s, IMAP_REV2)) {
        imap_lit(s, "* LIST () \"/\" ");
        imap_mailbox_name(s, box->name);
        imap_lit(s, "\r\n");
    }
}

/* --- QRESYNC --- */

/* Walks two sets of the same size in step. */
struct walk {
    const struct imap_set *set;
    size_t range;
    uint32_t at; /* 0: before the range's first */
};

static bool walk_next(struct walk *w, uint32_t *out)
{
    if (w->range == w->set->n)
        return false;
    const struct uid_range *r = &w->set->range[w->range];
    w->at = w->at ? w->at + 1 : r->first;
    if (w->at > r->last)
        return false;
    *out = w->at;
    if (w->at == r->last) {
        w->range++;
        w->at = 0;
    }
    return true;
}

/* The greatest uid up to which the client's numbers and uids agree with ours: nothing at or below
 * it that the client knows of has vanished. */
static uint32_t agreed_uid(struct imap_session *s, const struct select_args *a)
{
    uint32_t count = snapshot_info(s->snapshot).count, agreed = 0, seq, uid;
    struct walk numbers = {&a->match_numbers, 0, 0}, uids = {&a->match_uids, 0, 0};
    while (walk_next(&numbers, &seq) && walk_next(&uids, &uid)) {
        if (seq > count || snapshot_at(s->snapshot, seq)->uid != uid)
            break;
        agreed = uid;
    }
    return agreed;
}

static void write_vanished(struct imap_session *s, const struct select_args *a,
                           const struct uid_range *known, size_t n_known)
{
    struct uid_range *gone;
    size_t n = 0, n_told;
    autoranges missing = {0};
    /* When the log does not reach back, or cannot be read: whatever the client may know and we do
     * not have. A message that is gone and not told would stay in its cache for ever. */
    if (store_vanished(s->service->store, s->account, s->mailbox, a->modseq, &s->arena, &gone,
                       &n) != OK) {
        imap_missing_uids(s, agreed_uid(s, a), &missing);
        gone = missing.range;
        n = missing.n;
    }
    const struct uid_range *told = gone;
    n_told = n;
    if (n_known)
        told = ranges_intersect(&s->arena, gone, n, known, n_known, &n_told);
    if (s->arena.failed) { /* too many to choose from: all of them */
        told = gone;
        n_told = n;
    }
    if (n_told == 0)
        return;
    imap_lit(s, "* VANISHED (EARLIER) ");
    imap_ranges(s, told, n_told);
    imap_lit(s, "\r\n");
}

static void write_changed_since(struct imap_session *s, uint64_t modseq,
                                const struct uid_range *known, size_t n_known)
{
    uint32_t count = 0;
    for (uint32_t seq = 1;; seq += count) {
        const struct snapshot_entry *e = snapshot_run(s->snapshot, seq, &count);
        if (!e || count == 0 || conn_broken(s->conn))
            return;
        for (uint32_t i = 0; i < count; i++)
            if (e[i].modseq > modseq && (n_known == 0 || ranges_have(known, n_known, e[i].uid)))
                imap_fetch_flags(s, seq + i, &e[i]);
    }
}

static void resync(struct imap_session *s, const struct select_args *a)
{
    if (a->uid_validity != s->uid_validity || a->modseq >= snapshot_info(s->snapshot).modseq)
        return;
    size_t n = ranges_normalise(a->known_uids.range, a->known_uids.n);
    write_vanished(s, a, a->known_uids.range, n);
    write_changed_since(s, a->modseq, a->known_uids.range, n);
}

/* --- SELECT, EXAMINE --- */

static enum error open_mailbox(struct imap_session *s, const struct mailbox *box, bool read_only)
{
    struct snapshot *snapshot;
    enum error e = store_snapshot(s->service->store, s->account, box->id, &snapshot);
    if (e != OK)
        return e;
    s->snapshot = snapshot;
    s->mailbox = box->id;
    s->uid_validity = snapshot_info(snapshot).uid_validity;
    s->read_only = read_only;
    s->state = IMAP_SELECTED;
    return OK;
}

static void leave_selected(struct imap_session *s)
{
    if (s->state != IMAP_SELECTED)
        return;
    imap_unselect(s);
    imap_lit(s, "* OK [CLOSED] The mailbox before is closed\r\n");
}

static void select_mailbox(struct imap_session *s, const struct select_args *a, bool read_only)
{
    if (a->qresync && !imap_has(s, IMAP_QRESYNC)) {
        imap_bad(s, "QRESYNC is not enabled");
        return;
    }
    leave_selected(s);
    if (a->condstore || a->qresync)
        imap_use_condstore(s);
    const struct mailbox_list *list;
    enum error e = store_mailboxes(s->service->store, s->account, &list);
    if (e != OK) {
        imap_error(s, e);
        return;
    }
    const struct mailbox *box = store_mailbox_named(list, a->name);
    e = box ? open_mailbox(s, box, read_only) : ERR_NOTFOUND;
    if (e == OK) {
        write_state(s, box);
        if (a->qresync)
            resync(s, a);
        imap_ok_code(s, read_only ? SLICE("READ-ONLY") : SLICE("READ-WRITE"), "Selected");
    } else {
        imap_error(s, e);
    }
    store_mailboxes_unref(list);
}

static void run_select(struct imap_session *s, void *args)
{
    select_mailbox(s, args, false);
}

static void run_examine(struct imap_session *s, void *args)
{
    select_mailbox(s, args, true);
}

/* --- UNSELECT, CLOSE, CHECK --- */

static void run_unselect(struct imap_session *s, void *args)
{
    imap_unselect(s);
    imap_ok(s, "Closed");
}

static void run_close(struct imap_session *s, void *args)
{
    enum error e =
        s->read_only ? OK : store_expunge(s->service->store, s->account, s->mailbox, NULL, 0);
    if (e != OK) {
        imap_error(s, e);
        return;
    }
    imap_unselect(s);
    imap_ok(s, "Closed");
}

static void run_check(struct imap_session *s, void *args)
{
    imap_ok(s, "Everything is kept already");
}

static const struct imap_command commands[] = {
    {"SELECT", IMAP_LOGGED_IN, 0, parse_select, run_select},
    {"EXAMINE", IMAP_LOGGED_IN, 0, parse_select, run_examine},
    {"UNSELECT", IMAP_SELECTED, 0, NULL, run_unselect},
    {"CLOSE", IMAP_SELECTED, 0, NULL, run_close},
    {"CHECK", IMAP_SELECTED, 0, NULL, run_check},
};
const struct imap_command_table imap_select_commands = {commands,
                                                        sizeof commands / sizeof commands[0]};
