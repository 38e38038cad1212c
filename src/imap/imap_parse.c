/* The lexer of IMAP commands: tokens. Sets stand in imap_set.c. */
#include "imap/imap_parse.h"
#include "base/mutf7.h"
#include "base/utf8.h"

enum {
    CLASS_ATOM = 1,    /* ATOM-CHAR */
    CLASS_ASTRING = 2, /* ASTRING-CHAR: also "]" */
    CLASS_LIST = 4,    /* list-char: also "]", "%" and "*" */
    CLASS_NAME = 8,    /* see lex_name() */
    CLASS_TAG = 16,    /* ASTRING-CHAR except "+" */
};

static unsigned class_of(uint8_t c)
{
    if (c <= 0x20 || c >= 0x7f)
        return 0;
    switch (c) {
    case '(':
    case ')':
    case '{':
    case '"':
    case '\\':
        return 0;
    case '%':
    case '*':
        return CLASS_LIST;
    case ']':
        return CLASS_ASTRING | CLASS_LIST | CLASS_TAG;
    default:
        break;
    }
    unsigned set = CLASS_ATOM | CLASS_ASTRING | CLASS_LIST;
    if (c != '+')
        set |= CLASS_TAG;
    if (ascii_alpha(c) || ascii_digit(c) || c == '.' || c == '-' || c == '=' || c == '/' ||
        c == '+')
        set |= CLASS_NAME;
    return set;
}

void lex_init(struct imap_lexer *l, struct arena *a, const struct imap_text *t)
{
    *l = (struct imap_lexer){.arena = a,
                             .rest = t->text,
                             .start = t->text.p,
                             .literals = t->literals,
                             .n_literals = t->n};
}

static void fail_with(struct imap_lexer *l, enum error e, const char *why)
{
    if (l->error != OK)
        return;
    l->error = e;
    l->why = why;
    l->rest = slice_from(l->rest, l->rest.n);
}

void lex_fail(struct imap_lexer *l, const char *why)
{
    fail_with(l, ERR_INPUT, why);
}

void lex_limit(struct imap_lexer *l, const char *why)
{
    fail_with(l, ERR_LIMIT, why);
}

enum error lex_end(struct imap_lexer *l)
{
    if (l->rest.n > 0)
        lex_fail(l, "Unexpected text after the arguments");
    else if (l->next_literal < l->n_literals)
        lex_fail(l, "Unexpected literal");
    else if (l->depth > 0)
        lex_fail(l, "Missing closing parenthesis");
    if (l->error == OK && l->arena->failed)
        lex_limit(l, "Too many arguments");
    return l->error;
}

bool lex_at_end(const struct imap_lexer *l)
{
    return l->rest.n == 0;
}

int lex_peek(const struct imap_lexer *l)
{
    return l->rest.n ? l->rest.p[0] : -1;
}

static struct slice take(struct imap_lexer *l, size_t n)
{
    struct slice s = slice_sub(l->rest, 0, n);
    l->rest = slice_from(l->rest, n);
    return s;
}

bool lex_skip(struct imap_lexer *l, uint8_t byte)
{
    if (lex_peek(l) != byte)
        return false;
    take(l, 1);
    return true;
}

void lex_expect(struct imap_lexer *l, uint8_t byte)
{
    if (!lex_skip(l, byte))
        lex_fail(l, lex_at_end(l) ? "Missing arguments" : "Unexpected character");
}

void lex_sp(struct imap_lexer *l)
{
    if (!lex_skip(l, ' '))
        lex_fail(l, lex_at_end(l) ? "Missing arguments" : "Missing space between arguments");
}

bool lex_open(struct imap_lexer *l)
{
    if (!lex_skip(l, '('))
        return false;
    if (l->depth == LIMIT_IMAP_NESTING) {
        lex_limit(l, "Too many parentheses");
        return false;
    }
    l->depth++;
    return true;
}

bool lex_close(struct imap_lexer *l)
{
    if (l->depth == 0 || !lex_skip(l, ')'))
        return false;
    l->depth--;
    return true;
}

void lex_open_list(struct imap_lexer *l)
{
    if (!lex_open(l))
        lex_fail(l, "Missing parenthesis");
}

bool lex_more(struct imap_lexer *l)
{
    if (lex_skip(l, ' '))
        return true;
    if (!lex_close(l))
        lex_fail(l, "Missing closing parenthesis");
    return false;
}

static struct slice take_class(struct imap_lexer *l, unsigned set)
{
    size_t n = 0;
    while (n < l->rest.n && (class_of(l->rest.p[n]) & set))
        n++;
    return take(l, n);
}

bool lex_word(struct imap_lexer *l, const char *word)
{
    struct slice w = slice_str(word);
    if (l->rest.n < w.n || !slice_ieq(slice_sub(l->rest, 0, w.n), w))
        return false;
    if (l->rest.n > w.n && (class_of(l->rest.p[w.n]) & CLASS_ATOM))
        return false;
    take(l, w.n);
    return true;
}

struct slice lex_name(struct imap_lexer *l)
{
    struct slice s = take_class(l, CLASS_NAME);
    if (s.n == 0)
        lex_fail(l, "Missing name");
    return s;
}

struct slice lex_tag(struct imap_lexer *l)
{
    struct slice s = take_class(l, CLASS_TAG);
    if (s.n == 0)
        lex_fail(l, "Missing tag");
    /* It is echoed: an answer must not be as long as whatever was sent. */
    if (s.n > LIMIT_IMAP_TAG) {
        lex_limit(l, "The tag is too long");
        return SLICE_NONE;
    }
    return s;
}

struct slice lex_atom(struct imap_lexer *l)
{
    struct slice s = take_class(l, CLASS_ATOM);
    if (s.n == 0)
        lex_fail(l, "Missing atom");
    return s;
}

/* --- Strings --- */

/* A quoted string's content; the arena is used only where escapes stand. */
static struct slice take_quoted(struct imap_lexer *l)
{
    struct slice s = slice_from(l->rest, 1);
    size_t n = 0, escapes = 0;
    for (; n < s.n && s.p[n] != '"'; n++) {
        if (s.p[n] == '\\') {
            escapes++;
            n++;
            if (n == s.n || (s.p[n] != '\\' && s.p[n] != '"')) {
                lex_fail(l, "Bad escape in a quoted string");
                return SLICE_NONE;
            }
        } else if (s.p[n] == '\0' || s.p[n] == '\r' || s.p[n] == '\n') {
            lex_fail(l, "Bad character in a quoted string");
            return SLICE_NONE;
        }
    }
    if (n >= s.n) {
        lex_fail(l, "Missing closing quote");
        return SLICE_NONE;
    }
    take(l, n + 2);
    s = slice_sub(s, 0, n);
    if (escapes == 0)
        return s;
    uint8_t *out = arena_array(l->arena, s.n - escapes, 1);
    if (!out) {
        lex_limit(l, "Too many arguments");
        return SLICE_NONE;
    }
    size_t m = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\')
            i++;
        out[m++] = s.p[i];
    }
    return slice_of(out, m);
}

/* The literal whose '{' stands here; the reader alone says where literals are. */
static struct slice take_literal(struct imap_lexer *l, bool *binary)
{
    size_t at = (size_t)(l->rest.p - l->start);
    if (lex_peek(l) != '{' || l->next_literal == l->n_literals ||
        l->literals[l->next_literal].at != at) {
        lex_fail(l, "Missing or malformed string");
        return SLICE_NONE;
    }
    const struct imap_literal *lit = &l->literals[l->next_literal++];
    take(l, 1);
    *binary = lit->binary;
    return lit->bytes;
}

struct slice lex_literal(struct imap_lexer *l, bool *binary)
{
    *binary = false;
    bool tilde = lex_skip(l, '~');
    struct slice s = take_literal(l, binary);
    if (lex_ok(l) && tilde != *binary)
        lex_fail(l, "Malformed literal");
    return s;
}

struct slice lex_string(struct imap_lexer *l)
{
    if (lex_peek(l) == '"')
        return take_quoted(l);
    bool binary;
    struct slice s = take_literal(l, &binary);
    if (lex_ok(l) && (binary || slice_has(s, '\0'))) {
        lex_fail(l, "Bad character in a literal");
        return SLICE_NONE;
    }
    return s;
}

bool lex_is_string(const struct imap_lexer *l)
{
    int c = lex_peek(l);
    return c == '"' || c == '{';
}

static struct slice string_or(struct imap_lexer *l, unsigned set)
{
    if (lex_is_string(l))
        return lex_string(l);
    struct slice s = take_class(l, set);
    if (s.n == 0)
        lex_fail(l, lex_at_end(l) ? "Missing arguments" : "Missing or malformed string");
    return s;
}

struct slice lex_astring(struct imap_lexer *l)
{
    return string_or(l, CLASS_ASTRING);
}

struct slice lex_nstring(struct imap_lexer *l)
{
    if (lex_word(l, "NIL"))
        return SLICE_NONE;
    struct slice s = lex_string(l);
    return s.p ? s : slice_of("", 0);
}

/* --- Numbers --- */

static struct slice take_digits(struct imap_lexer *l)
{
    size_t n = 0;
    while (n < l->rest.n && ascii_digit(l->rest.p[n]))
        n++;
    return take(l, n);
}

uint64_t lex_number64(struct imap_lexer *l)
{
    uint64_t v = 0;
    if (lex_ok(l) && parse_u64(take_digits(l), INT64_MAX, &v) != OK)
        lex_fail(l, "Missing or too great a number");
    return lex_ok(l) ? v : 0;
}

uint32_t lex_number(struct imap_lexer *l)
{
    uint32_t v = 0;
    if (lex_ok(l) && parse_u32(take_digits(l), UINT32_MAX, &v) != OK)
        lex_fail(l, "Missing or too great a number");
    return lex_ok(l) ? v : 0;
}

uint32_t lex_nz_number(struct imap_lexer *l)
{
    uint32_t v = lex_number(l);
    if (v == 0)
        lex_fail(l, "A number that must not be zero is");
    return v;
}

/* --- Mailbox names --- */

static struct slice name_from_wire(struct imap_lexer *l, struct slice raw)
{
    if (raw.n > 3 * LIMIT_MAILBOX_NAME) {
        lex_limit(l, "The mailbox name is too long");
        return SLICE_NONE;
    }
    /* Most names are plain: nothing to decode, nothing to normalise. */
    bool plain = true;
    for (size_t i = 0; i < raw.n && plain; i++)
        plain = raw.p[i] >= 0x20 && raw.p[i] < 0x7f && raw.p[i] != '&';
    if (plain)
        return raw;
    if (slice_has(raw, '\0')) {
        lex_fail(l, "Bad character in a mailbox name");
        return SLICE_NONE;
    }
    autobuf utf8 = BUF_INIT(4 * LIMIT_MAILBOX_NAME);
    autobuf nfc = BUF_INIT(4 * LIMIT_MAILBOX_NAME);
    bool done = false;
    if (!l->utf8 && ascii_only(raw)) {
        done = mutf7_decode(raw, &utf8) == OK;
        if (!done && !l->pattern) {
            lex_fail(l, "The mailbox name is not modified UTF-7");
            return SLICE_NONE;
        }
        if (!done)
            buf_reset(&utf8);
    }
    if (!done)
        buf_add(&utf8, raw);
    if (utf8_nfc(buf_slice(&utf8), &nfc) != OK || buf_check(&utf8) != OK || buf_check(&nfc) != OK) {
        lex_fail(l, "The mailbox name is not well encoded");
        return SLICE_NONE;
    }
    return arena_dup(l->arena, buf_slice(&nfc));
}

/* INBOX is the same in any case, also as the top of its children. */
static struct slice fold_inbox(struct imap_lexer *l, struct slice name)
{
    if (!slice_istarts(name, SLICE("INBOX")) || (name.n > 5 && name.p[5] != '/'))
        return name;
    if (slice_starts(name, SLICE("INBOX")))
        return name;
    autobuf folded = BUF_INIT(name.n);
    buf_lit(&folded, "INBOX");
    buf_add(&folded, slice_from(name, 5));
    return arena_dup(l->arena, buf_slice(&folded));
}

struct slice lex_mailbox(struct imap_lexer *l)
{
    struct slice name = name_from_wire(l, lex_astring(l));
    if (name.n > 1 && name.p[name.n - 1] == '/')
        name = slice_sub(name, 0, name.n - 1);
    return fold_inbox(l, name);
}

struct slice lex_list_mailbox(struct imap_lexer *l)
{
    l->pattern = true;
    struct slice name = name_from_wire(l, string_or(l, CLASS_LIST));
    l->pattern = false;
    return fold_inbox(l, name);
}

/* --- Flags --- */

static const struct {
    const char *name;
    uint64_t bit;
} system_flags[] = {
    {"SEEN", FLAG_SEEN},       {"ANSWERED", FLAG_ANSWERED}, {"FLAGGED", FLAG_FLAGGED},
    {"DELETED", FLAG_DELETED}, {"DRAFT", FLAG_DRAFT},       {"RECENT", 0},
};

static void take_flag(struct imap_lexer *l, struct flag_list *out, struct slice *keywords)
{
    bool system = lex_skip(l, '\\');
    struct slice name = lex_atom(l);
    if (!lex_ok(l))
        return;
    if (system) {
        for (size_t i = 0; i < sizeof system_flags / sizeof system_flags[0]; i++) {
            if (slice_ieq(name, slice_str(system_flags[i].name))) {
                out->system |= system_flags[i].bit;
                return;
            }
        }
        lex_fail(l, "Unknown system flag");
        return;
    }
    if (name.n > LIMIT_KEYWORD_NAME) {
        lex_limit(l, "The keyword is too long");
        return;
    }
    for (size_t i = 0; i < out->n; i++)
        if (slice_ieq(keywords[i], name))
            return;
    if (out->n == LIMIT_KEYWORDS) {
        lex_limit(l, "Too many keywords");
        return;
    }
    keywords[out->n++] = name;
}

void lex_flags(struct imap_lexer *l, bool bare, struct flag_list *out)
{
    *out = (struct flag_list){0};
    struct slice *keywords = arena_array(l->arena, LIMIT_KEYWORDS, sizeof *keywords);
    if (!keywords) {
        lex_limit(l, "Too many arguments");
        return;
    }
    out->keywords = keywords;
    if (lex_open(l)) {
        if (lex_close(l))
            return;
        do
            take_flag(l, out, keywords);
        while (lex_more(l));
    } else if (bare) {
        do
            take_flag(l, out, keywords);
        while (lex_skip(l, ' '));
    } else {
        lex_fail(l, "Missing flag list");
    }
}

/* --- Dates --- */

struct date lex_date_time(struct imap_lexer *l)
{
    struct date d = {0};
    if (lex_peek(l) != '"') {
        lex_fail(l, "Missing date");
        return d;
    }
    struct slice s = take_quoted(l);
    if (lex_ok(l) && date_parse_imap(s, &d) != OK)
        lex_fail(l, "Malformed date");
    return d;
}

int64_t lex_day(struct imap_lexer *l)
{
    int64_t day = 0;
    struct slice s = lex_peek(l) == '"' ? take_quoted(l) : lex_atom(l);
    if (lex_ok(l) && date_parse_imap_day(s, &day) != OK)
        lex_fail(l, "Malformed date");
    return day;
}
