/* Mail addresses in the one form in which they are compared; see internal.h. */
#include "base/mem.h"
#include "base/utf8.h"
#include "directory/internal.h"
#include <idn2.h>
#include <unicase.h>

enum { LABEL_MAX = 63, DOMAIN_MAX = 253 };

/* Letters, digits and hyphens (RFC 1123 section 2.1). */
static bool is_host_name(const char *name)
{
    struct slice rest = slice_str(name), label;
    if (rest.n == 0 || rest.n > DOMAIN_MAX || rest.p[rest.n - 1] == '.')
        return false;
    while (slice_split(&rest, '.', &label)) {
        if (label.n == 0 || label.n > LABEL_MAX || label.p[0] == '-' || label.p[label.n - 1] == '-')
            return false;
        for (size_t i = 0; i < label.n; i++)
            if (!ascii_alpha(label.p[i]) && !ascii_digit(label.p[i]) && label.p[i] != '-')
                return false;
    }
    return true;
}

enum error mail_domain_parse(struct slice s, char out[LIMIT_DOMAIN + 1])
{
    char text[4 * LIMIT_DOMAIN + 1], ascii[LIMIT_DOMAIN + 1];
    if (slice_cstr(s, text, sizeof text) != OK || !utf8_valid(s))
        return ERR_INPUT;
    if (ascii_only(s)) {
        if (s.n > LIMIT_DOMAIN)
            return ERR_INPUT;
        for (size_t i = 0; i <= s.n; i++)
            ascii[i] = (char)ascii_lower((uint8_t)text[i]);
    } else {
        char *found = NULL;
        int code = idn2_to_ascii_8z(
            text, &found, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL | IDN2_USE_STD3_ASCII_RULES);
        bool fits = code == IDN2_OK && strlen(found) <= LIMIT_DOMAIN;
        if (fits)
            copy_text(ascii, sizeof ascii, slice_str(found));
        idn2_free(found);
        if (!fits)
            return ERR_INPUT;
    }
    if (!is_host_name(ascii))
        return ERR_INPUT;
    copy_text(out, LIMIT_DOMAIN + 1, slice_str(ascii));
    return OK;
}

/* RFC 5322 section 3.2.3, and RFC 6531 section 3.3 for what is not ASCII. */
static bool is_atom_byte(uint8_t c)
{
    return ascii_alpha(c) || ascii_digit(c) || c >= 0x80 ||
           (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_dot_atom(struct slice s)
{
    bool after_dot = true;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '.' && !is_atom_byte(s.p[i]))
            return false;
        if (s.p[i] == '.' && after_dot)
            return false;
        after_dot = s.p[i] == '.';
    }
    return s.n > 0 && !after_dot;
}

/* The content of a quoted string (RFC 5321 section 4.1.2). */
static enum error unquote(struct slice s, struct buf *out)
{
    if (s.n < 2 || s.p[s.n - 1] != '"')
        return ERR_INPUT;
    s = slice_sub(s, 1, s.n - 1);
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c == '\\' && ++i == s.n)
            return ERR_INPUT;
        if (c == '"' || s.p[i] < ' ' || s.p[i] == 0x7F)
            return ERR_INPUT;
        buf_byte(out, s.p[i]);
    }
    return buf_check(out);
}

static enum error lower_case(struct slice s, char *out, size_t size)
{
    uint8_t place[LIMIT_ADDRESS + 1];
    size_t n = sizeof place;
    uint8_t *got = u8_tolower(s.p, s.n, NULL, UNINORM_NFC, place, &n);
    if (got == NULL)
        die("no memory to fold an address");
    enum error e = slice_cstr(slice_of(got, n), out, size) == OK ? OK : ERR_INPUT;
    if (got != place)
        mem_free(got);
    return e;
}

enum error mail_address_parse(struct slice s, struct mail_address *out)
{
    struct mail_address a;
    size_t at = slice_rindex(s, '@');
    if (s.p == NULL || at == 0 || at == s.n || s.n > LIMIT_ADDRESS)
        return ERR_INPUT;
    struct slice local = slice_sub(s, 0, at);
    enum error e = mail_domain_parse(slice_from(s, at + 1), a.domain);
    if (e != OK)
        return e;
    autobuf content = BUF_INIT(LIMIT_ADDRESS), nfc = BUF_INIT(LIMIT_ADDRESS);
    if (local.p[0] == '"') {
        if (unquote(local, &content) != OK)
            return ERR_INPUT;
        a.plain = is_dot_atom(buf_slice(&content));
        /* What needs its quotes keeps them. */
        local = a.plain ? buf_slice(&content) : local;
    } else {
        a.plain = true;
        if (!is_dot_atom(local))
            return ERR_INPUT;
    }
    if (local.n > LIMIT_LOCAL_PART || utf8_nfc(local, &nfc) != OK ||
        slice_cstr(buf_slice(&nfc), a.given, sizeof a.given) != OK)
        return ERR_INPUT;
    /* The Greek question mark, for one, is the semicolon of ASCII then. */
    if (a.plain && !is_dot_atom(buf_slice(&nfc)))
        return ERR_INPUT;
    e = lower_case(buf_slice(&nfc), a.local, sizeof a.local);
    if (e == OK)
        *out = a;
    return e;
}

enum error mail_address_join(const char *local, const char *domain, char out[LIMIT_ADDRESS + 1])
{
    size_t n = strlen(local), m = strlen(domain);
    if (n + 1 + m > LIMIT_ADDRESS)
        return ERR_INPUT;
    copy_text(out, LIMIT_ADDRESS + 1, slice_of(local, n));
    out[n] = '@';
    copy_text(out + n + 1, LIMIT_ADDRESS - n, slice_of(domain, m));
    return OK;
}

bool mail_address_base(const char *local, char out[LIMIT_ADDRESS + 1])
{
    const char *plus = strchr(local, '+');
    if (plus == NULL || plus == local)
        return false;
    copy_text(out, LIMIT_ADDRESS + 1, slice_of(local, (size_t)(plus - local)));
    return true;
}

void copy_text(char *out, size_t size, struct slice s)
{
    size_t n = s.n < size ? s.n : size - 1;
    memcpy(out, n ? (const void *)s.p : "", n);
    out[n] = 0;
}
