/* Values: text to members of the configuration object. */
#include "config/value.h"

#include "base/utf8.h"

static void *member(struct config *c, const struct setting *s)
{
    return (char *)c + s->offset;
}

static enum error read_text(struct config *c, const struct setting *s, struct slice text)
{
    char *copy = arena_cstr(&c->arena, text);
    if (!copy)
        return ERR_INPUT;
    *(const char **)member(c, s) = copy;
    return OK;
}

/* Letters, digits, '-' and '.', no empty label: what fits in a greeting and a certificate. */
bool value_good_host(struct slice s)
{
    if (s.n == 0 || s.n > LIMIT_DOMAIN || s.p[0] == '.' || s.p[s.n - 1] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t b = s.p[i];
        if (!ascii_alpha(b) && !ascii_digit(b) && b != '-' && b != '.')
            return false;
        if (b == '.' && s.p[i + 1] == '.')
            return false;
    }
    return true;
}

/* As a host name, and '_', which names of records may have. */
bool value_good_name(struct slice s)
{
    if (s.n == 0 || s.n > LIMIT_DOMAIN || s.p[0] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' &&
            (s.p[i] != '.' || (i > 0 && s.p[i - 1] == '.')))
            return false;
    return true;
}

static bool good_text(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == 127)
            return false;
    return s.n <= LIMIT_ADDRESS;
}

static bool good_line(struct slice s)
{
    size_t n = 0;
    for (struct slice rest = s; rest.n; n++)
        if (utf8_next(&rest) < ' ')
            return false;
    return n <= 60;
}

static bool good_user(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' &&
            s.p[i] != '.')
            return false;
    return s.n > 0 && s.n <= 32;
}

/* Only its shape: the directory knows what a mail address is. */
static bool good_address(struct slice s)
{
    size_t at = slice_rindex(s, '@');
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == 127)
            return false;
    return s.n == 0 || (at > 0 && at + 1 < s.n && s.n <= LIMIT_ADDRESS);
}

bool value_good_path(struct slice s)
{
    return s.n > 0 && s.n < 1024 && s.p[0] == '/';
}

/* A number and one letter that multiplies it. */
static enum error read_scaled(struct slice text, const char *letters, const uint64_t *factors,
                              uint64_t *out)
{
    uint64_t factor = 1, n;
    if (text.n > 1 && !ascii_digit(text.p[text.n - 1])) {
        uint8_t letter = text.p[text.n - 1];
        const char *at = letter ? strchr(letters, letter) : NULL;
        if (!at)
            return ERR_INPUT;
        factor = factors[at - letters];
        text = slice_sub(text, 0, text.n - 1);
    }
    enum error e = parse_u64(text, UINT64_MAX / factor, &n);
    if (e)
        return ERR_INPUT;
    *out = n * factor;
    return OK;
}

static enum error read_number(struct config *c, const struct setting *s, struct slice text,
                              const char **detail)
{
    static const uint64_t sizes[] = {1024, 1024 * 1024, UINT64_C(1024) * 1024 * 1024};
    static const uint64_t times[] = {1, 60, 3600, 86400};
    uint64_t n = 0;
    enum error e;
    if (s->type == SETTING_SIZE)
        e = read_scaled(text, "KMG", sizes, &n);
    else if (s->type == SETTING_DURATION)
        e = read_scaled(text, "smhd", times, &n);
    else
        e = parse_u64(text, UINT64_MAX, &n);
    if (e)
        return ERR_INPUT;
    if (n < s->min || n > s->max) {
        *detail = n < s->min ? "this is too small" : "this is too large";
        return ERR_INPUT;
    }
    *(uint64_t *)member(c, s) = n;
    return OK;
}

static enum error read_choice(struct config *c, const struct setting *s, struct slice text)
{
    struct slice rest = slice_str(s->choices), word;
    for (uint64_t i = 0; slice_split(&rest, ' ', &word); i++)
        if (slice_ieq(word, text)) {
            *(uint64_t *)member(c, s) = i;
            return OK;
        }
    return ERR_INPUT;
}

static enum error read_bool(struct config *c, const struct setting *s, struct slice text)
{
    bool yes = slice_ieq(text, SLICE("yes"));
    if (!yes && !slice_ieq(text, SLICE("no")))
        return ERR_INPUT;
    *(bool *)member(c, s) = yes;
    return OK;
}

static enum error read_next_hop(struct config *c, const struct setting *s, struct slice text)
{
    return value_next_hop(c, text, member(c, s));
}

enum error value_read(struct config *c, const struct setting *s, struct slice text, bool append,
                      const char **detail)
{
    switch (s->type) {
    case SETTING_HOST:
        return text.n == 0 || value_good_host(text) ? read_text(c, s, text) : ERR_INPUT;
    case SETTING_NAME:
        return text.n == 0 || value_good_name(text) ? read_text(c, s, text) : ERR_INPUT;
    case SETTING_PATH:
        return value_good_path(text) ? read_text(c, s, text) : ERR_INPUT;
    case SETTING_FILE:
        return text.n == 0 || value_good_path(text) ? read_text(c, s, text) : ERR_INPUT;
    case SETTING_TEXT:
        return good_text(text) ? read_text(c, s, text) : ERR_INPUT;
    case SETTING_LINE:
        return good_line(text) ? read_text(c, s, text) : ERR_INPUT;
    case SETTING_NEXT_HOP:
        return read_next_hop(c, s, text);
    case SETTING_USER:
        return good_user(text) ? read_text(c, s, text) : ERR_INPUT;
    case SETTING_ADDRESS:
        return good_address(text) ? read_text(c, s, text) : ERR_INPUT;
    case SETTING_NUMBER:
    case SETTING_SIZE:
    case SETTING_DURATION:
        return read_number(c, s, text, detail);
    case SETTING_BOOL:
        return read_bool(c, s, text);
    case SETTING_CHOICE:
        return read_choice(c, s, text);
    default:
        return value_read_list(c, s, text, append, detail);
    }
}
