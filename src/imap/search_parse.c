/* Reading the criteria of SEARCH (RFC 9051 6.4.4 and 9, RFC 3501, RFC 7162, RFC 8474). */
#include "imap/search_program.h"

#include "base/utf8.h"
#include "message/charset.h"

struct search_parser {
    struct imap_lexer *l;
    struct search_program *program;
    struct slice charset;
    unsigned depth, keys;
    size_t cap_texts;
};

static struct search_node *parse_key(struct search_parser *p);

static struct search_node *node(struct search_parser *p, enum search_op op)
{
    struct search_node *n = arena_new(p->l->arena, struct search_node);
    if (!n) {
        lex_limit(p->l, "Search is too long");
        return NULL;
    }
    n->op = op;
    return n;
}

/* --- Arguments --- */

/* The converted text; empty after an error. */
static struct slice to_utf8(struct search_parser *p, struct slice s)
{
    if (ascii_only(s) || !s.n)
        return s;
    autobuf b = BUF_INIT(LIMIT_IMAP_COMMAND * 3);
    charset_to_utf8(p->charset, s, &b);
    struct slice text = arena_dup(p->l->arena, buf_slice(&b));
    if (p->l->arena->failed || b.failed)
        lex_limit(p->l, "Search is too long");
    return text;
}

static struct search_node *text_key(struct search_parser *p, enum text_field field,
                                    struct slice header)
{
    lex_sp(p->l);
    struct slice needle = to_utf8(p, lex_astring(p->l));
    bool anything = !needle.n && field != TEXT_HEADER;
    struct search_node *n = node(p, anything ? SEARCH_AND : SEARCH_TEXT);
    struct search_program *g = p->program;
    if (!n || !lex_ok(p->l))
        return NULL;
    if (anything)
        return n;
    if (g->n_texts == p->cap_texts) {
        size_t cap = p->cap_texts ? p->cap_texts * 2 : 4;
        struct text_query *q = arena_array(p->l->arena, cap, sizeof *q);
        if (!q) {
            lex_limit(p->l, "Search is too long");
            return NULL;
        }
        if (g->n_texts)
            memcpy(q, g->texts, g->n_texts * sizeof *q);
        g->texts = q;
        p->cap_texts = cap;
    }
    n->number = g->n_texts;
    g->texts[g->n_texts++] =
        (struct text_query){.field = field, .header = header, .needle = needle};
    return n;
}

static struct search_node *header_key(struct search_parser *p)
{
    lex_sp(p->l);
    struct slice name = lex_astring(p->l);
    return text_key(p, TEXT_HEADER, name);
}

static struct search_node *size_key(struct search_parser *p, enum search_op op)
{
    struct search_node *n = node(p, op);
    lex_sp(p->l);
    uint64_t number = lex_number64(p->l);
    if (n)
        n->number = number;
    return n;
}

static struct search_node *date_key(struct search_parser *p, enum search_op op)
{
    struct search_node *n = node(p, op);
    lex_sp(p->l);
    int64_t first_second = lex_day(p->l);
    if (n)
        n->day = search_day(first_second, 0);
    p->program->needs_row = true;
    if (op >= SEARCH_SENT_BEFORE && op <= SEARCH_SENT_SINCE)
        p->program->needs_sent = true;
    return n;
}

static struct search_node *flag_key(struct search_parser *p, uint64_t mask, uint64_t want)
{
    struct search_node *n = node(p, SEARCH_FLAGS);
    if (n) {
        n->mask = mask;
        n->want = want;
    }
    return n;
}

static struct search_node *not_of(struct search_parser *p, struct search_node *child)
{
    struct search_node *n = node(p, SEARCH_NOT);
    if (n)
        n->child = child;
    return n && child ? n : NULL;
}

static struct search_node *keyword_key(struct search_parser *p, bool has)
{
    struct search_node *n = node(p, SEARCH_KEYWORD);
    lex_sp(p->l);
    struct slice name = lex_atom(p->l);
    if (n)
        n->keyword = name;
    return has ? n : not_of(p, n);
}

static struct search_node *set_key(struct search_parser *p, enum search_op op)
{
    struct search_node *n = node(p, op);
    struct imap_set set = {0};
    lex_set(p->l, &set);
    if (n)
        n->set = set;
    return n;
}

/* "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer (RFC 7162 3.1.5). There is one
 * mod-sequence a message, so the entry does not matter. */
static struct search_node *modseq_key(struct search_parser *p)
{
    struct imap_lexer *l = p->l;
    struct search_node *n = node(p, SEARCH_MODSEQ);
    lex_sp(l);
    if (lex_is_string(l)) {
        struct slice entry = lex_string(l);
        if (lex_ok(l) && !slice_istarts(entry, SLICE("/flags/")))
            lex_fail(l, "Unknown MODSEQ entry");
        lex_sp(l);
        if (!lex_word(l, "ALL") && !lex_word(l, "PRIV") && !lex_word(l, "SHARED"))
            lex_fail(l, "Unknown MODSEQ entry type");
        lex_sp(l);
    }
    uint64_t number = lex_number64(l);
    if (n)
        n->number = number;
    p->program->has_modseq = true;
    return n;
}

/* The number in "M1a2b" or "T1a2b" (respond.h writes them). What is no id of ours is no error: it
 * names nothing here, as 0 does. */
static struct search_node *id_key(struct search_parser *p, enum search_op op, uint8_t letter)
{
    struct search_node *n = node(p, op);
    lex_sp(p->l);
    struct slice s = lex_atom(p->l);
    uint64_t id = 0;
    bool good = s.n > 1 && s.p[0] == letter && parse_u64(slice_from(s, 1), UINT64_MAX, &id) == OK;
    if (n)
        n->number = good ? id : 0;
    p->program->needs_row = true;
    return n;
}

static struct search_node *or_key(struct search_parser *p)
{
    struct search_node *n = node(p, SEARCH_OR);
    lex_sp(p->l);
    struct search_node *a = parse_key(p);
    lex_sp(p->l);
    struct search_node *b = parse_key(p);
    if (!n || !a || !b)
        return NULL;
    a->next = b;
    n->child = a;
    return n;
}

static struct search_node *not_key(struct search_parser *p)
{
    lex_sp(p->l);
    return not_of(p, parse_key(p));
}

static struct search_node *list_key(struct search_parser *p)
{
    struct search_node *n = node(p, SEARCH_AND), *last = NULL;
    do {
        struct search_node *k = parse_key(p);
        if (!n || !k)
            return NULL;
        if (last)
            last->next = k;
        else
            n->child = k;
        last = k;
    } while (lex_more(p->l));
    return n;
}

/* --- Keys --- */

enum key_kind {
    KEY_ALL,
    KEY_FLAG,
    KEY_NO_FLAG,
    KEY_TEXT,
    KEY_DATE,
    KEY_SIZE,
    KEY_NEVER, /* RECENT, NEW: no message here is recent (RFC 9051 has no \Recent any more) */
    KEY_KEYWORD,
    KEY_UNKEYWORD,
    KEY_HEADER,
    KEY_UID,
    KEY_MODSEQ,
    KEY_EMAIL_ID,
    KEY_THREAD_ID,
    KEY_OR,
    KEY_NOT,
};

static const struct {
    const char *name;
    enum key_kind kind;
    unsigned value;
} keys[] = {
    {"ALL", KEY_ALL, 0},
    {"ANSWERED", KEY_FLAG, FLAG_ANSWERED},
    {"BCC", KEY_TEXT, TEXT_BCC},
    {"BEFORE", KEY_DATE, SEARCH_DATE_BEFORE},
    {"BODY", KEY_TEXT, TEXT_BODY},
    {"CC", KEY_TEXT, TEXT_CC},
    {"DELETED", KEY_FLAG, FLAG_DELETED},
    {"DRAFT", KEY_FLAG, FLAG_DRAFT},
    {"EMAILID", KEY_EMAIL_ID, 0},
    {"FLAGGED", KEY_FLAG, FLAG_FLAGGED},
    {"FROM", KEY_TEXT, TEXT_FROM},
    {"HEADER", KEY_HEADER, 0},
    {"KEYWORD", KEY_KEYWORD, 0},
    {"LARGER", KEY_SIZE, SEARCH_LARGER},
    {"MODSEQ", KEY_MODSEQ, 0},
    {"NEW", KEY_NEVER, 0},
    {"NOT", KEY_NOT, 0},
    {"OLD", KEY_ALL, 0},
    {"ON", KEY_DATE, SEARCH_DATE_ON},
    {"OR", KEY_OR, 0},
    {"RECENT", KEY_NEVER, 0},
    {"SEEN", KEY_FLAG, FLAG_SEEN},
    {"SENTBEFORE", KEY_DATE, SEARCH_SENT_BEFORE},
    {"SENTON", KEY_DATE, SEARCH_SENT_ON},
    {"SENTSINCE", KEY_DATE, SEARCH_SENT_SINCE},
    {"SINCE", KEY_DATE, SEARCH_DATE_SINCE},
    {"SMALLER", KEY_SIZE, SEARCH_SMALLER},
    {"SUBJECT", KEY_TEXT, TEXT_SUBJECT},
    {"TEXT", KEY_TEXT, TEXT_ALL},
    {"THREADID", KEY_THREAD_ID, 0},
    {"TO", KEY_TEXT, TEXT_TO},
    {"UID", KEY_UID, 0},
    {"UNANSWERED", KEY_NO_FLAG, FLAG_ANSWERED},
    {"UNDELETED", KEY_NO_FLAG, FLAG_DELETED},
    {"UNDRAFT", KEY_NO_FLAG, FLAG_DRAFT},
    {"UNFLAGGED", KEY_NO_FLAG, FLAG_FLAGGED},
    {"UNKEYWORD", KEY_UNKEYWORD, 0},
    {"UNSEEN", KEY_NO_FLAG, FLAG_SEEN},
};

static struct search_node *parse_named(struct search_parser *p, enum key_kind kind, unsigned value)
{
    switch (kind) {
    case KEY_ALL:
        return node(p, SEARCH_AND);
    case KEY_NEVER:
        return node(p, SEARCH_OR);
    case KEY_FLAG:
        return flag_key(p, value, value);
    case KEY_NO_FLAG:
        return flag_key(p, value, 0);
    case KEY_TEXT:
        return text_key(p, (enum text_field)value, SLICE_NONE);
    case KEY_DATE:
        return date_key(p, (enum search_op)value);
    case KEY_SIZE:
        return size_key(p, (enum search_op)value);
    case KEY_KEYWORD:
    case KEY_UNKEYWORD:
        return keyword_key(p, kind == KEY_KEYWORD);
    case KEY_HEADER:
        return header_key(p);
    case KEY_UID:
        lex_sp(p->l);
        return set_key(p, SEARCH_UID);
    case KEY_MODSEQ:
        return modseq_key(p);
    case KEY_EMAIL_ID:
        return id_key(p, SEARCH_EMAIL_ID, 'M');
    case KEY_THREAD_ID:
        return id_key(p, SEARCH_THREAD_ID, 'T');
    case KEY_OR:
        return or_key(p);
    case KEY_NOT:
        return not_key(p);
    }
    return NULL;
}

/* One key, all of its arguments. NULL after an error. */
static struct search_node *parse_any(struct search_parser *p)
{
    struct imap_lexer *l = p->l;
    int c = lex_peek(l);
    if (c == '(') {
        lex_open_list(l);
        return list_key(p);
    }
    if (c == '*' || c == '$' || (c >= '0' && c <= '9'))
        return set_key(p, SEARCH_SEQUENCE);
    struct slice name = lex_name(l);
    for (size_t i = 0; lex_ok(l) && i < sizeof keys / sizeof *keys; i++)
        if (slice_ieq(name, slice_str(keys[i].name)))
            return parse_named(p, keys[i].kind, keys[i].value);
    lex_fail(l, "Unknown search key");
    return NULL;
}

static struct search_node *parse_key(struct search_parser *p)
{
    if (!lex_ok(p->l))
        return NULL;
    if (p->keys++ >= LIMIT_IMAP_SEARCH_KEYS || p->depth >= LIMIT_IMAP_NESTING) {
        lex_limit(p->l, "Search has too many or too deeply nested keys");
        return NULL;
    }
    p->depth++;
    struct search_node *n = parse_any(p);
    p->depth--;
    return lex_ok(p->l) ? n : NULL;
}

void search_parse(struct imap_lexer *l, struct search_program *out)
{
    struct search_parser p = {.l = l, .program = out};
    *out = (struct search_program){0};
    if (lex_word(l, "CHARSET")) {
        lex_sp(l);
        p.charset = lex_astring(l);
        out->has_charset = true;
        out->bad_charset = lex_ok(l) && !charset_known(p.charset);
        lex_sp(l);
    }
    struct search_node *root = node(&p, SEARCH_AND), *last = NULL;
    for (;;) {
        struct search_node *k = parse_key(&p);
        if (!root || !k)
            return;
        if (last)
            last->next = k;
        else
            root->child = k;
        last = k;
        if (lex_at_end(l))
            break;
        lex_sp(l);
    }
    out->root = root;
}
