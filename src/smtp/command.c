/* The SMTP command parser. */
#include "smtp/command.h"
#include "base/limits.h"
#include "message/dsn.h"

static const struct {
    const char *name;
    enum smtp_verb verb;
} verbs[] = {
    {"EHLO", VERB_EHLO},         {"HELO", VERB_HELO},       {"MAIL", VERB_MAIL},
    {"RCPT", VERB_RCPT},         {"DATA", VERB_DATA},       {"BDAT", VERB_BDAT},
    {"RSET", VERB_RSET},         {"NOOP", VERB_NOOP},       {"VRFY", VERB_VRFY},
    {"EXPN", VERB_EXPN},         {"HELP", VERB_HELP},       {"QUIT", VERB_QUIT},
    {"STARTTLS", VERB_STARTTLS}, {"AUTH", VERB_AUTH},       {"XCLIENT", VERB_XCLIENT},
    {"GET", VERB_FOREIGN},       {"POST", VERB_FOREIGN},    {"CONNECT", VERB_FOREIGN},
    {"PUT", VERB_FOREIGN},       {"OPTIONS", VERB_FOREIGN},
};

/* Takes the next word (no blank in it) off *rest, and the blanks before it. */
static struct slice take_word(struct slice *rest)
{
    while (rest->n > 0 && rest->p[0] == ' ')
        *rest = slice_from(*rest, 1);
    size_t n = slice_index(*rest, ' ');
    struct slice word = slice_sub(*rest, 0, n);
    *rest = slice_from(*rest, n);
    return word;
}

static bool no_more(struct slice rest)
{
    for (size_t i = 0; i < rest.n; i++)
        if (rest.p[i] != ' ')
            return false;
    return true;
}

/* Letters, digits and what stands in names and address literals; the name goes into the Received
 * field, so nothing that means something there may pass. */
static bool good_helo(struct slice name)
{
    if (name.n == 0 || name.n > LIMIT_DOMAIN)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        if (!ascii_alpha(c) && !ascii_digit(c) && c != '.' && c != '-' && c != '_' && c != ':' &&
            c != '[' && c != ']')
            return false;
    }
    return true;
}

static bool hex_upper(uint8_t c)
{
    return ascii_digit(c) || (c >= 'A' && c <= 'F');
}

/* RFC 3461 section 4; bytes over 127 are RFC 6533's utf-8-addr-xtext. */
static bool good_xtext(struct slice s, size_t max)
{
    if (s.n == 0 || s.n > max)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c < '!' || c == 127 || c == '=')
            return false;
        if (c == '+') {
            if (s.n - i < 3 || !hex_upper(s.p[i + 1]) || !hex_upper(s.p[i + 2]))
                return false;
            i += 2;
        }
    }
    return true;
}

static bool good_orcpt(struct slice s)
{
    size_t semi = slice_index(s, ';');
    if (semi == 0 || semi >= s.n)
        return false;
    for (size_t i = 0; i < semi; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-')
            return false;
    return good_xtext(slice_from(s, semi + 1), LIMIT_SMTP_ORCPT);
}

static bool parse_notify(struct slice value, uint8_t *out)
{
    static const struct {
        const char *name;
        uint8_t bit;
    } words[] = {{"NEVER", NOTIFY_NEVER},
                 {"SUCCESS", NOTIFY_SUCCESS},
                 {"FAILURE", NOTIFY_FAILURE},
                 {"DELAY", NOTIFY_DELAY}};
    uint8_t set = 0;
    struct slice word;
    if (value.n == 0 || value.p[value.n - 1] == ',')
        return false;
    while (slice_split(&value, ',', &word)) {
        uint8_t bit = 0;
        for (size_t i = 0; i < 4; i++)
            if (slice_ieq(word, slice_str(words[i].name)))
                bit = words[i].bit;
        if (bit == 0 || (set & bit))
            return false;
        set |= bit;
    }
    if ((set & NOTIFY_NEVER) && set != NOTIFY_NEVER)
        return false;
    *out = set;
    return true;
}

/* Where the path that starts with '<' ends: the index of its '>', or n. Quoted strings may hold
 * one. */
static size_t path_end(struct slice s)
{
    bool quoted = false;
    for (size_t i = 1; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (c == '>' && !quoted)
            return i;
    }
    return s.n;
}

/* "FROM:<path>" or "TO:<path>"; *rest is what follows. */
static bool take_path(struct slice *rest, struct slice keyword, struct slice *path)
{
    struct slice s = *rest;
    while (s.n > 0 && s.p[0] == ' ')
        s = slice_from(s, 1);
    if (!slice_istarts(s, keyword))
        return false;
    s = slice_from(s, keyword.n);
    while (s.n > 0 && s.p[0] == ' ') /* wrong, and common */
        s = slice_from(s, 1);
    if (s.n == 0 || s.p[0] != '<')
        return false;
    size_t end = path_end(s);
    if (end >= s.n)
        return false;
    struct slice inner = slice_sub(s, 1, end);
    s = slice_from(s, end + 1);
    if (s.n > 0 && s.p[0] != ' ')
        return false;
    if (inner.n > 0 && inner.p[0] == '@') { /* a source route is ignored, RFC 5321 appendix C */
        size_t colon = slice_index(inner, ':');
        if (colon >= inner.n)
            return false;
        inner = slice_from(inner, colon + 1);
        if (inner.n == 0)
            return false;
    }
    if (inner.n > LIMIT_ADDRESS + 2)
        return false;
    *path = inner.n ? inner : SLICE("");
    *rest = s;
    return true;
}

enum {
    SEEN_SIZE = 1,
    SEEN_BODY = 2,
    SEEN_UTF8 = 4,
    SEEN_RET = 8,
    SEEN_ENVID = 16,
    SEEN_TLS = 32,
    SEEN_AUTH = 64,
    SEEN_NOTIFY = 128,
    SEEN_ORCPT = 256
};

static bool once(unsigned *seen, unsigned what)
{
    bool first = !(*seen & what);
    *seen |= what;
    return first;
}

static enum smtp_reply good_if(bool good)
{
    return good ? REPLY_NONE : REPLY_BAD_ARGUMENT;
}

static bool parse_body(struct slice value, enum smtp_body *out)
{
    if (slice_ieq(value, SLICE("7BIT")))
        *out = BODY_7BIT;
    else if (slice_ieq(value, SLICE("8BITMIME")))
        *out = BODY_8BITMIME;
    else
        return false;
    return true;
}

static bool parse_ret(struct slice value, uint8_t *out)
{
    *out = slice_ieq(value, SLICE("HDRS"))   ? RET_HEADERS
           : slice_ieq(value, SLICE("FULL")) ? RET_FULL
                                             : 0;
    return *out != 0;
}

static enum smtp_reply mail_parameter(struct slice name, struct slice value, bool has_value,
                                      unsigned *seen, struct smtp_command *c)
{
    if (slice_ieq(name, SLICE("SIZE"))) {
        c->has_size = true;
        return good_if(once(seen, SEEN_SIZE) && parse_u64(value, UINT64_MAX / 2, &c->size) == OK);
    }
    if (slice_ieq(name, SLICE("BODY")))
        return good_if(once(seen, SEEN_BODY) && parse_body(value, &c->body));
    if (slice_ieq(name, SLICE("SMTPUTF8"))) {
        c->smtputf8 = true;
        return good_if(once(seen, SEEN_UTF8) && !has_value);
    }
    if (slice_ieq(name, SLICE("REQUIRETLS"))) {
        c->require_tls = true;
        return good_if(once(seen, SEEN_TLS) && !has_value);
    }
    if (slice_ieq(name, SLICE("RET")))
        return good_if(once(seen, SEEN_RET) && parse_ret(value, &c->ret));
    if (slice_ieq(name, SLICE("ENVID"))) {
        c->envid = value;
        return good_if(once(seen, SEEN_ENVID) && good_xtext(value, LIMIT_SMTP_ENVID));
    }
    /* RFC 4954 section 5: who logged in elsewhere. Checked and ignored. */
    if (slice_ieq(name, SLICE("AUTH")))
        return good_if(once(seen, SEEN_AUTH) && good_xtext(value, LIMIT_SMTP_ORCPT));
    return REPLY_UNKNOWN_PARAM;
}

static enum smtp_reply rcpt_parameter(struct slice name, struct slice value, unsigned *seen,
                                      struct smtp_command *c)
{
    if (slice_ieq(name, SLICE("NOTIFY")))
        return good_if(once(seen, SEEN_NOTIFY) && parse_notify(value, &c->notify));
    if (slice_ieq(name, SLICE("ORCPT"))) {
        c->orcpt = value;
        return good_if(once(seen, SEEN_ORCPT) && good_orcpt(value));
    }
    return REPLY_UNKNOWN_PARAM;
}

static enum smtp_reply parse_parameters(struct slice rest, struct smtp_command *c)
{
    unsigned seen = 0;
    for (;;) {
        struct slice word = take_word(&rest);
        if (word.n == 0)
            return REPLY_NONE;
        size_t eq = slice_index(word, '=');
        struct slice name = slice_sub(word, 0, eq), value = slice_from(word, eq + 1);
        bool has_value = eq < word.n;
        enum smtp_reply r = c->verb == VERB_MAIL ? mail_parameter(name, value, has_value, &seen, c)
                                                 : rcpt_parameter(name, value, &seen, c);
        if (r != REPLY_NONE)
            return r;
    }
}

static enum smtp_reply parse_bdat(struct slice rest, struct smtp_command *c)
{
    if (parse_u64(take_word(&rest), UINT64_MAX / 2, &c->chunk) != OK)
        return REPLY_BAD_ARGUMENT;
    struct slice word = take_word(&rest);
    c->last = slice_ieq(word, SLICE("LAST"));
    return good_if((word.n == 0 || c->last) && no_more(rest));
}

static enum smtp_reply parse_auth(struct slice rest, struct smtp_command *c)
{
    c->argument = take_word(&rest);
    struct slice initial = take_word(&rest);
    c->initial = initial.n ? initial : SLICE_NONE;
    return good_if(c->argument.n > 0 && c->argument.n <= 20 && no_more(rest));
}

static enum smtp_reply parse_rest(struct slice rest, struct smtp_command *c)
{
    switch (c->verb) {
    case VERB_EHLO:
    case VERB_HELO:
        c->argument = take_word(&rest);
        return good_if(good_helo(c->argument) && no_more(rest));
    case VERB_MAIL:
        if (!take_path(&rest, SLICE("FROM:"), &c->path))
            return REPLY_BAD_SENDER;
        return parse_parameters(rest, c);
    case VERB_RCPT:
        if (!take_path(&rest, SLICE("TO:"), &c->path) || c->path.n == 0)
            return REPLY_BAD_RECIPIENT;
        return parse_parameters(rest, c);
    case VERB_BDAT:
        return parse_bdat(rest, c);
    case VERB_AUTH:
        return parse_auth(rest, c);
    case VERB_DATA:
    case VERB_RSET:
    case VERB_QUIT:
    case VERB_STARTTLS:
        return good_if(no_more(rest));
    case VERB_XCLIENT:
    case VERB_VRFY:
    case VERB_HELP:
    case VERB_NOOP:
    case VERB_EXPN:
    case VERB_FOREIGN:
    case VERB_UNKNOWN:
        c->argument = slice_trim(rest);
        return REPLY_NONE;
    }
    return REPLY_UNKNOWN_COMMAND;
}

enum smtp_reply smtp_command_parse(struct slice line, struct smtp_command *out)
{
    struct smtp_command c = {.verb = VERB_UNKNOWN};
    *out = c;
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] < ' ' || line.p[i] == 127)
            return REPLY_BAD_LINE;
    if (line.n > 0 && line.p[0] == ' ')
        return REPLY_UNKNOWN_COMMAND;
    struct slice rest = line, word = take_word(&rest);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (slice_ieq(word, slice_str(verbs[i].name)))
            c.verb = verbs[i].verb;
    out->verb = c.verb;
    if (c.verb == VERB_UNKNOWN)
        return REPLY_UNKNOWN_COMMAND;
    enum smtp_reply r = parse_rest(rest, &c);
    if (r == REPLY_NONE)
        *out = c;
    return r;
}

static int hex_value(uint8_t c)
{
    return ascii_digit(c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool smtp_xclient_next(struct slice *rest, struct slice *name, char *value, size_t size)
{
    struct slice s = *rest, word = take_word(&s);
    size_t eq = slice_index(word, '=');
    if (eq == 0 || eq >= word.n) {
        if (no_more(*rest))
            *rest = SLICE_NONE;
        return false;
    }
    struct slice text = slice_from(word, eq + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        int c = text.p[i];
        if (c == '+') {
            if (text.n - i < 3 || hex_value(text.p[i + 1]) < 0 || hex_value(text.p[i + 2]) < 0)
                return false;
            c = hex_value(text.p[i + 1]) * 16 + hex_value(text.p[i + 2]);
            i += 2;
        }
        if (c == 0 || n + 1 >= size)
            return false;
        value[n++] = (char)c;
    }
    value[n] = '\0';
    *name = slice_sub(word, 0, eq);
    *rest = s;
    return true;
}
