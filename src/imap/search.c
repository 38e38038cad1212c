/* SEARCH and UID SEARCH (RFC 9051 6.4.4, ESEARCH RFC 4731, SEARCHRES RFC 5182).
 *
 * A message is decided as early as possible: by the snapshot alone; else by its index row; else by
 * its texts, and only what is still open goes on to the next stage. The open ones go through in
 * portions, so that memory stays small in a mailbox of any size. */
#include "base/clock.h"
#include "base/mem.h"
#include "imap/respond.h"
#include "imap/search_program.h"
#include "imap/selection.h"

enum search_return {
    RETURN_MIN = 1,
    RETURN_MAX = 2,
    RETURN_ALL = 4,
    RETURN_COUNT = 8,
    RETURN_SAVE = 16,
};

struct search_args {
    bool has_return;
    unsigned wanted; /* set of enum search_return */
    struct search_program program;
};

/* --- Arguments --- */

static void parse_return(struct imap_lexer *l, struct search_args *a)
{
    static const struct {
        const char *name;
        unsigned bit;
    } options[] = {{"MIN", RETURN_MIN},
                   {"MAX", RETURN_MAX},
                   {"ALL", RETURN_ALL},
                   {"COUNT", RETURN_COUNT},
                   {"SAVE", RETURN_SAVE}};
    a->has_return = true;
    lex_sp(l);
    lex_open_list(l);
    if (lex_close(l)) {
        a->wanted = RETURN_ALL;
        return;
    }
    do {
        unsigned bit = 0;
        for (size_t i = 0; !bit && i < sizeof options / sizeof *options; i++)
            if (lex_word(l, options[i].name))
                bit = options[i].bit;
        if (!bit)
            lex_fail(l, "Unknown search return option");
        a->wanted |= bit;
    } while (lex_more(l));
}

static enum error search_parse_args(struct imap_lexer *l, void **args)
{
    struct search_args *a = arena_new(l->arena, struct search_args);
    if (!a) {
        lex_limit(l, "Command is too long");
        return ERR_LIMIT;
    }
    a->wanted = RETURN_ALL;
    lex_sp(l);
    if (lex_word(l, "RETURN")) {
        a->wanted = 0;
        parse_return(l, a);
        lex_sp(l);
    }
    search_parse(l, &a->program);
    *args = a;
    return lex_end(l);
}

/* --- The stages --- */

struct search_run {
    struct imap_session *s;
    const struct search_program *program;
    uint32_t count; /* messages */
    uint8_t *found; /* a bit a message */
    /* The portion whose messages are not decided by the snapshot, ascending. */
    uint32_t *seq, *uid;
    struct search_facts *facts;
    enum search_truth *truth;
    size_t n, cap;
    size_t at; /* where the rows of the index are */
    int64_t looked_ms, told_ms;
};

static void set_found(struct search_run *r, uint32_t seq)
{
    r->found[seq / 8] |= (uint8_t)(1u << (seq % 8));
}

static bool is_found(const struct search_run *r, uint32_t seq)
{
    return r->found[seq / 8] >> (seq % 8) & 1;
}

static bool on_row(void *arg, const struct store_row *row)
{
    struct search_run *r = arg;
    while (r->at < r->n && r->uid[r->at] < row->uid)
        r->at++;
    if (r->at == r->n)
        return false;
    if (r->uid[r->at] != row->uid)
        return true;
    size_t i = r->at++;
    r->facts[i] = search_facts_of(row);
    r->truth[i] = search_evaluate(r->program->root, &(struct search_subject){
                                                        .seq = r->seq[i],
                                                        .entry = imap_entry(r->s, r->seq[i]),
                                                        .facts = &r->facts[i],
                                                    });
    return true;
}

/* Leaves only what is not decided yet in the portion. */
static void settle(struct search_run *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (r->truth[i] == SEARCH_TRUE)
            set_found(r, r->seq[i]);
        if (r->truth[i] != SEARCH_MAYBE)
            continue;
        r->seq[kept] = r->seq[i];
        r->uid[kept] = r->uid[i];
        r->truth[kept] = r->truth[i];
        r->facts[kept++] = r->facts[i];
    }
    r->n = kept;
}

static enum error read_rows(struct search_run *r)
{
    struct imap_session *s = r->s;
    autopicked open = {0};
    for (size_t i = 0; i < r->n; i++) {
        pick(&open, r->seq[i], r->uid[i]);
        r->truth[i] = SEARCH_FALSE; /* a message without a row is gone */
    }
    r->at = 0;
    unsigned fields = FIELD_DATES | FIELD_IDS | (r->program->needs_sent ? FIELD_ENVELOPE : 0u);
    enum error e = store_read(s->service->store, s->account, s->mailbox, open.uids.range,
                              open.uids.n, fields, on_row, r);
    settle(r);
    return e;
}

/* Between the messages of a text search: a long one says that it lives, and ends when nobody
 * listens any more. */
static bool again(void *arg)
{
    struct search_run *r = arg;
    struct imap_session *s = r->s;
    int64_t now = clock_ms();
    if (now - r->looked_ms >= LIMIT_IMAP_SEARCH_LOOK_MS) {
        r->looked_ms = now;
        enum error e = conn_read_more(s->conn);
        if (e == ERR_CLOSED || e == ERR_IO)
            return false;
    }
    if (now - r->told_ms >= LIMIT_IMAP_SEARCH_TELL_MS) {
        r->told_ms = now;
        imap_untagged(s, "OK Still searching");
        conn_flush(s->conn);
    }
    return !conn_broken(s->conn);
}

static enum error read_texts(struct search_run *r)
{
    struct imap_session *s = r->s;
    const struct search_program *p = r->program;
    bool *hits = mem_array(r->n * p->n_texts, sizeof *hits);
    enum error e = store_text_match(s->service->store, s->account, s->mailbox, r->uid, r->n,
                                    p->texts, p->n_texts, hits, again, r);
    for (size_t i = 0; e == OK && i < r->n; i++)
        r->truth[i] = search_evaluate(p->root, &(struct search_subject){
                                                   .seq = r->seq[i],
                                                   .entry = imap_entry(s, r->seq[i]),
                                                   .facts = p->needs_row ? &r->facts[i] : NULL,
                                                   .hits = &hits[i],
                                                   .stride = r->n,
                                               });
    if (e == OK)
        settle(r);
    mem_free(hits);
    return e;
}

static enum error decide_portion(struct search_run *r)
{
    enum error e = OK;
    if (r->n && r->program->needs_row)
        e = read_rows(r);
    if (e == OK && r->n && r->program->n_texts)
        e = read_texts(r);
    r->n = 0;
    return e;
}

static enum error search_all(struct search_run *r)
{
    enum error e = OK;
    for (uint32_t seq = 1; e == OK && seq <= r->count; seq++) {
        const struct snapshot_entry *entry = imap_entry(r->s, seq);
        struct search_subject subject = {.seq = seq, .entry = entry};
        enum search_truth t = search_evaluate(r->program->root, &subject);
        if (t == SEARCH_TRUE)
            set_found(r, seq);
        if (t != SEARCH_MAYBE)
            continue;
        r->seq[r->n] = seq;
        r->uid[r->n] = entry->uid;
        r->truth[r->n++] = t;
        if (r->n == r->cap)
            e = decide_portion(r);
    }
    return e == OK ? decide_portion(r) : e;
}

static enum error search_with_memory(struct search_run *r)
{
    bool open = r->program->needs_row || r->program->n_texts;
    r->cap = open ? LIMIT_IMAP_SEARCH_ROWS : 1;
    if (r->program->n_texts > 1)
        r->cap /= r->program->n_texts;
    if (r->cap > r->count)
        r->cap = r->count;
    if (!r->cap)
        r->cap = 1;
    r->seq = mem_array(r->cap, sizeof *r->seq);
    r->uid = mem_array(r->cap, sizeof *r->uid);
    r->facts = mem_array(r->cap, sizeof *r->facts);
    r->truth = mem_array(r->cap, sizeof *r->truth);
    enum error e = search_all(r);
    mem_free(r->seq);
    mem_free(r->uid);
    mem_free(r->facts);
    mem_free(r->truth);
    return e;
}

/* --- The answer --- */

struct search_result {
    struct range_list numbers; /* uids or message numbers, as the command wants them */
    struct picked uids, ends;  /* all, and the first and last as MIN and MAX ask */
    uint32_t first, last;      /* message numbers; 0: nothing found */
};

/* MIN and MAX alone speak of those messages only, in what is saved (RFC 5182 2.1) and in MODSEQ
 * (RFC 7162 3.1.10). */
static bool ends_only(unsigned wanted)
{
    return (wanted & (RETURN_MIN | RETURN_MAX)) && !(wanted & (RETURN_ALL | RETURN_COUNT));
}

static void gather(const struct search_run *r, unsigned wanted, struct search_result *out)
{
    for (uint32_t seq = 1; seq <= r->count; seq++) {
        if (!is_found(r, seq))
            continue;
        uint32_t uid = imap_entry(r->s, seq)->uid;
        range_list_add(&out->numbers, r->s->uid ? uid : seq);
        pick(&out->uids, seq, uid);
        if (!out->first)
            out->first = seq;
        out->last = seq;
    }
    if (!out->first)
        return;
    bool min = wanted & RETURN_MIN, max = wanted & RETURN_MAX;
    if (min)
        pick(&out->ends, out->first, imap_entry(r->s, out->first)->uid);
    if (max && !(min && out->first == out->last))
        pick(&out->ends, out->last, imap_entry(r->s, out->last)->uid);
}

static uint64_t highest_modseq(const struct search_run *r, unsigned wanted,
                               const struct search_result *result)
{
    uint64_t highest = 0;
    bool ends = ends_only(wanted);
    for (uint32_t seq = result->first; seq && seq <= result->last; seq++) {
        bool counts = ends ? ((wanted & RETURN_MIN) && seq == result->first) ||
                                 ((wanted & RETURN_MAX) && seq == result->last)
                           : is_found(r, seq);
        uint64_t modseq = imap_entry(r->s, seq)->modseq;
        if (counts && modseq > highest)
            highest = modseq;
    }
    return highest;
}

static void write_search(struct imap_session *s, const struct search_result *result,
                         uint64_t modseq)
{
    imap_lit(s, "* SEARCH");
    for (size_t i = 0; i < result->numbers.n; i++) {
        struct uid_range range = result->numbers.range[i];
        for (uint64_t n = range.first; n <= range.last && !conn_broken(s->conn); n++) {
            imap_lit(s, " ");
            imap_dec(s, n);
        }
    }
    if (modseq)
        imap_printf(s, " (MODSEQ %llu)", (unsigned long long)modseq);
    imap_lit(s, "\r\n");
}

static void write_esearch(struct imap_session *s, unsigned wanted,
                          const struct search_result *result, uint64_t modseq)
{
    const struct range_list *numbers = &result->numbers;
    imap_lit(s, "* ESEARCH (TAG ");
    imap_string(s, s->tag);
    imap_write(s, s->uid ? SLICE(") UID") : SLICE(")"));
    if (numbers->n && (wanted & RETURN_MIN))
        imap_printf(s, " MIN %u", (unsigned)numbers->range[0].first);
    if (numbers->n && (wanted & RETURN_MAX))
        imap_printf(s, " MAX %u", (unsigned)numbers->range[numbers->n - 1].last);
    if (wanted & RETURN_COUNT)
        imap_printf(s, " COUNT %llu", (unsigned long long)range_list_count(numbers));
    if (numbers->n && (wanted & RETURN_ALL)) {
        imap_lit(s, " ALL ");
        imap_ranges(s, numbers->range, numbers->n);
    }
    if (modseq)
        imap_printf(s, " MODSEQ %llu", (unsigned long long)modseq);
    imap_lit(s, "\r\n");
}

static void answer(const struct search_run *r, const struct search_args *args)
{
    struct imap_session *s = r->s;
    struct search_result result = {0};
    gather(r, args->wanted, &result);
    uint64_t modseq = args->program.has_modseq ? highest_modseq(r, args->wanted, &result) : 0;
    if (args->wanted & RETURN_SAVE) {
        const struct picked *saved = ends_only(args->wanted) ? &result.ends : &result.uids;
        imap_save_result(s, saved->uids.range, saved->uids.n);
    }
    if (!args->has_return && !imap_has(s, IMAP_REV2))
        write_search(s, &result, modseq);
    else if (args->wanted != RETURN_SAVE)
        write_esearch(s, args->wanted, &result, modseq);
    range_list_free(&result.numbers);
    picked_free(&result.uids);
    picked_free(&result.ends);
    imap_ok(s, "SEARCH completed");
}

static void refuse(struct imap_session *s, const struct search_args *args)
{
    /* RFC 5182 2.1: a SEARCH that ends in NO leaves an empty result. */
    if (args->wanted & RETURN_SAVE)
        imap_save_result(s, NULL, 0);
}

static void bind_names(struct imap_session *s, struct search_program *p, uint32_t count)
{
    search_bind(p, &(struct search_binding){
                       .last_seq = count,
                       .last_uid = count ? snapshot_at(s->snapshot, count)->uid : 0,
                       .saved = s->saved,
                       .n_saved = s->n_saved,
                       .keywords = imap_keywords(s),
                   });
}

static void search_run(struct imap_session *s, void *opaque)
{
    struct search_args *args = opaque;
    if (args->program.has_charset && imap_has(s, IMAP_UTF8)) {
        imap_bad(s, "With UTF8=ACCEPT there is no CHARSET (RFC 6855)");
        return;
    }
    if (args->program.bad_charset) {
        refuse(s, args);
        imap_no(s, "BADCHARSET (UTF-8 US-ASCII)", "The character set is unknown");
        return;
    }
    if (args->program.has_modseq)
        imap_use_condstore(s);
    uint32_t count = snapshot_info(s->snapshot).count;
    bind_names(s, &args->program, count);
    struct search_run r = {
        .s = s,
        .program = &args->program,
        .count = count,
        .found = mem_alloc(count / 8 + 1),
        .looked_ms = clock_ms(),
        .told_ms = clock_ms(),
    };
    enum error e = search_with_memory(&r);
    if (e == OK) {
        answer(&r, args);
    } else {
        refuse(s, args);
        imap_error(s, e);
    }
    mem_free(r.found);
}

static const struct imap_command commands[] = {
    {"SEARCH", IMAP_SELECTED, IMAP_CMD_UID | IMAP_CMD_HOLD_EXPUNGE | IMAP_CMD_NUMBERS,
     search_parse_args, search_run},
};
const struct imap_command_table imap_search_commands = {commands, 1};
