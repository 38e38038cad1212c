/* Reading the arguments of FETCH (RFC 9051 6.4.5, RFC 3501, RFC 7162 3.1.4). */
#include "imap/fetch.h"

#include "imap/respond.h"

enum { FIRST_ITEMS = 8 };

struct fetch_parser {
    struct imap_lexer *l;
    struct fetch_args *args;
    size_t cap;
};

/* --- The list of items --- */

static void add_item(struct fetch_parser *p, const struct fetch_item *item)
{
    struct fetch_args *a = p->args;
    if (item->what < FETCH_SECTION)
        for (size_t i = 0; i < a->n_items; i++)
            if (a->items[i].what == item->what)
                return;
    if (a->n_items >= LIMIT_IMAP_FETCH_ITEMS) {
        lex_limit(p->l, "Too many items");
        return;
    }
    if (a->n_items == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : FIRST_ITEMS;
        struct fetch_item *items = arena_array(p->l->arena, cap, sizeof *items);
        if (!items) {
            lex_limit(p->l, "Too many items");
            return;
        }
        if (a->n_items)
            memcpy(items, a->items, a->n_items * sizeof *items);
        a->items = items;
        p->cap = cap;
    }
    a->items[a->n_items++] = *item;
}

static void add(struct fetch_parser *p, enum fetch_what what)
{
    static const unsigned fields[] = {
        [FETCH_INTERNALDATE] = FIELD_DATES,
        [FETCH_ENVELOPE] = FIELD_ENVELOPE,
        [FETCH_BODYSTRUCTURE] = FIELD_STRUCTURE,
        [FETCH_BODY] = FIELD_STRUCTURE,
        [FETCH_EMAIL_ID] = FIELD_IDS,
        [FETCH_THREAD_ID] = FIELD_IDS,
        [FETCH_SAVEDATE] = FIELD_DATES,
    };
    add_item(p, &(struct fetch_item){.what = what});
    if ((size_t)what < sizeof fields / sizeof *fields)
        p->args->fields |= fields[what];
    p->args->has_flags |= what == FETCH_FLAGS;
    p->args->has_modseq |= what == FETCH_MODSEQ;
    p->args->has_uid |= what == FETCH_UID;
}

/* --- Sections --- */

static void parse_field_names(struct fetch_parser *p, struct section *s)
{
    struct imap_lexer *l = p->l;
    struct slice *names = arena_array(l->arena, LIMIT_IMAP_HEADER_NAMES, sizeof *names);
    if (!names) {
        lex_limit(l, "Command is too long");
        return;
    }
    lex_sp(l);
    lex_open_list(l);
    do {
        struct slice name = lex_astring(l);
        if (s->n_fields == LIMIT_IMAP_HEADER_NAMES)
            lex_limit(l, "Too many header names");
        else if (lex_ok(l))
            names[s->n_fields++] = name;
    } while (lex_more(l));
    s->fields = names;
}

/* "[" section "]" */
static void parse_section(struct fetch_parser *p, struct section *s)
{
    struct imap_lexer *l = p->l;
    lex_expect(l, '[');
    if (lex_skip(l, ']'))
        return;
    struct slice name = lex_name(l);
    if (!lex_ok(l))
        return;
    if (section_parse(l->arena, name, s) != OK || s->depth > LIMIT_IMAP_SECTION_DEPTH) {
        lex_fail(l, "Unknown section");
        return;
    }
    if (s->text == SECTION_FIELDS || s->text == SECTION_FIELDS_NOT)
        parse_field_names(p, s);
    lex_expect(l, ']');
}

/* "<" number "." nz-number ">" */
static void parse_partial(struct imap_lexer *l, struct partial *out)
{
    if (!lex_skip(l, '<'))
        return;
    out->set = true;
    out->first = lex_number64(l);
    lex_expect(l, '.');
    out->count = lex_number64(l);
    lex_expect(l, '>');
    if (lex_ok(l) && !out->count)
        lex_fail(l, "A partial cannot have no bytes");
}

static void make_label(struct fetch_parser *p, struct fetch_item *item)
{
    static const char *const names[] = {[FETCH_SECTION] = "BODY[",
                                        [FETCH_BINARY] = "BINARY[",
                                        [FETCH_BINARY_SIZE] = "BINARY.SIZE["};
    autobuf label = BUF_INIT(LIMIT_IMAP_COMMAND);
    buf_str(&label, names[item->what]);
    section_print(&item->section, &label);
    buf_byte(&label, ']');
    if (item->partial.set) {
        buf_byte(&label, '<');
        buf_dec(&label, item->partial.first);
        buf_byte(&label, '>');
    }
    item->label = arena_dup(p->l->arena, buf_slice(&label));
    if (label.failed || p->l->arena->failed)
        lex_limit(p->l, "Command is too long");
}

static void add_section(struct fetch_parser *p, enum fetch_what what, bool peek)
{
    struct fetch_item item = {.what = what};
    parse_section(p, &item.section);
    if (what != FETCH_SECTION && lex_ok(p->l) && item.section.text != SECTION_ALL) {
        lex_fail(p->l, "BINARY takes part numbers only");
        return;
    }
    if (what != FETCH_BINARY_SIZE)
        parse_partial(p->l, &item.partial);
    if (!lex_ok(p->l))
        return;
    make_label(p, &item);
    p->args->body = true;
    p->args->tree |= section_needs_tree(&item.section);
    p->args->sets_seen |= !peek;
    add_item(p, &item);
}

/* The items of IMAP4rev1 that are other names for sections. */
static void add_rfc822(struct fetch_parser *p, const char *label, enum section_text text, bool peek)
{
    struct fetch_item item = {
        .what = FETCH_SECTION, .section.text = text, .label = slice_str(label)};
    p->args->body = true;
    p->args->sets_seen |= !peek;
    add_item(p, &item);
}

/* --- Items and macros --- */

static bool parse_simple(struct fetch_parser *p, struct slice name)
{
    static const struct {
        struct slice name;
        enum fetch_what what;
    } simple[] = {
        {SLICE_INIT("UID"), FETCH_UID},
        {SLICE_INIT("FLAGS"), FETCH_FLAGS},
        {SLICE_INIT("INTERNALDATE"), FETCH_INTERNALDATE},
        {SLICE_INIT("RFC822.SIZE"), FETCH_SIZE},
        {SLICE_INIT("ENVELOPE"), FETCH_ENVELOPE},
        {SLICE_INIT("BODYSTRUCTURE"), FETCH_BODYSTRUCTURE},
        {SLICE_INIT("MODSEQ"), FETCH_MODSEQ},
        {SLICE_INIT("EMAILID"), FETCH_EMAIL_ID},
        {SLICE_INIT("THREADID"), FETCH_THREAD_ID},
        {SLICE_INIT("SAVEDATE"), FETCH_SAVEDATE},
    };
    for (size_t i = 0; i < sizeof simple / sizeof *simple; i++) {
        if (slice_ieq(name, simple[i].name)) {
            add(p, simple[i].what);
            return true;
        }
    }
    return false;
}

static void parse_item(struct fetch_parser *p)
{
    struct slice name = lex_name(p->l);
    if (!lex_ok(p->l) || parse_simple(p, name))
        return;
    bool bracket = lex_peek(p->l) == '[';
    if (slice_ieq(name, SLICE("BODY")) && !bracket)
        add(p, FETCH_BODY);
    else if (slice_ieq(name, SLICE("BODY")) || slice_ieq(name, SLICE("BODY.PEEK")))
        add_section(p, FETCH_SECTION, name.n > 4);
    else if (slice_ieq(name, SLICE("BINARY")) || slice_ieq(name, SLICE("BINARY.PEEK")))
        add_section(p, FETCH_BINARY, name.n > 6);
    else if (slice_ieq(name, SLICE("BINARY.SIZE")))
        add_section(p, FETCH_BINARY_SIZE, true);
    else if (slice_ieq(name, SLICE("RFC822")))
        add_rfc822(p, "RFC822", SECTION_ALL, false);
    else if (slice_ieq(name, SLICE("RFC822.HEADER")))
        add_rfc822(p, "RFC822.HEADER", SECTION_HEADER, true);
    else if (slice_ieq(name, SLICE("RFC822.TEXT")))
        add_rfc822(p, "RFC822.TEXT", SECTION_TEXT, false);
    else
        lex_fail(p->l, "Unknown item");
}

/* ALL, FAST, FULL: only alone. */
static bool parse_macro(struct fetch_parser *p)
{
    bool all = lex_word(p->l, "ALL"), full = !all && lex_word(p->l, "FULL");
    if (!all && !full && !lex_word(p->l, "FAST"))
        return false;
    add(p, FETCH_FLAGS);
    add(p, FETCH_INTERNALDATE);
    add(p, FETCH_SIZE);
    if (all || full)
        add(p, FETCH_ENVELOPE);
    if (full)
        add(p, FETCH_BODY);
    return true;
}

static void parse_items(struct fetch_parser *p)
{
    if (lex_peek(p->l) == '(') {
        lex_open_list(p->l);
        do
            parse_item(p);
        while (lex_more(p->l));
    } else if (!parse_macro(p)) {
        parse_item(p);
    }
}

/* SP "(CHANGEDSINCE 123 VANISHED)" */
static void parse_modifiers(struct fetch_parser *p)
{
    struct imap_lexer *l = p->l;
    lex_sp(l);
    lex_open_list(l);
    do {
        if (lex_word(l, "CHANGEDSINCE")) {
            lex_sp(l);
            p->args->since = lex_number64(l);
            p->args->changed_since = true;
        } else if (lex_word(l, "VANISHED")) {
            p->args->vanished = true;
        } else {
            lex_fail(l, "Unknown FETCH modifier");
        }
    } while (lex_more(l));
    if (lex_ok(l) && p->args->vanished && (!l->uid || !p->args->changed_since))
        lex_fail(l, "VANISHED needs UID FETCH and CHANGEDSINCE");
    if (p->args->changed_since)
        add(p, FETCH_MODSEQ);
}

enum error fetch_parse(struct imap_lexer *l, void **args)
{
    struct fetch_parser p = {.l = l, .args = arena_new(l->arena, struct fetch_args)};
    if (!p.args) {
        lex_limit(l, "Command is too long");
        return ERR_LIMIT;
    }
    lex_sp(l);
    lex_set(l, &p.args->set);
    lex_sp(l);
    if (l->uid)
        add(&p, FETCH_UID);
    parse_items(&p);
    if (lex_ok(l) && !lex_at_end(l))
        parse_modifiers(&p);
    *args = p.args;
    return lex_end(l);
}
