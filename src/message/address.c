/* Address lists of header fields; see address.h. Every rule reads forward; an address is tried as a
 * group and then as a mailbox, so no byte is read more than a few times. Where mail breaks the
 * grammar the outcome, with its SYNTAX_ERROR and MISSING_* marks, is Dovecot's: clients show it. */
#include "message/address.h"

#include "base/limits.h"
#include "message/scan.h"

struct reader {
    struct scan scan;
    struct address *first, **end;
    struct address addr; /* what is being read */
    size_t count;
};

static const struct text no_text;

static void add(struct reader *r)
{
    struct address *addr = arena_new(r->scan.a, struct address);
    if (addr != NULL) {
        *addr = r->addr;
        *r->end = addr;
        r->end = &addr->next;
    }
    r->addr = (struct address){0};
    r->count++;
}

static void add_fixed(struct reader *r)
{
    if (r->addr.mailbox.p == NULL)
        r->addr.mailbox = SLICE("MISSING_MAILBOX");
    if (r->addr.host.n == 0)
        r->addr.host = SLICE("MISSING_DOMAIN");
    add(r);
}

/* Empty is present and empty, not absent. */
static struct slice present(const struct text *t)
{
    return t->s.p ? t->s : SLICE("");
}

/* A dot-atom whose dots may stand anywhere: "a..b" and ".a" are refused by the grammar, but there
 * are such mailboxes. */
static enum scan_result loose_dot_atom(struct scan *s, struct text *out)
{
    enum scan_result res = SCAN_BROKEN;
    do {
        while (scan_at(s, '.')) {
            text_add(out, s->a, slice_of(s->p++, 1));
            if (s->p >= s->end)
                return SCAN_END;
            res = SCAN_MORE;
        }
        if (scan_at(s, '@'))
            break;
        res = scan_atom(s, out);
    } while (res == SCAN_MORE && *s->p == '.');
    return res;
}

/* `t` has what was read also when it is no local part. */
static enum scan_result local_part(struct reader *r, struct text *t)
{
    enum scan_result res =
        scan_at(&r->scan, '"') ? scan_quoted(&r->scan, t) : loose_dot_atom(&r->scan, t);
    if (res != SCAN_BROKEN)
        r->addr.mailbox = present(t);
    return res;
}

static enum scan_result domain(struct reader *r)
{
    struct text t = no_text;
    enum scan_result res = scan_domain(&r->scan, &t);
    if (res != SCAN_BROKEN)
        r->addr.host = present(&t);
    return res;
}

/* obs-domain-list = "@" domain *(*(CFWS / ",") [CFWS] "@" domain); stands at the "@". */
static enum scan_result route(struct reader *r)
{
    struct text t = no_text;
    while (scan_at(&r->scan, '@')) {
        if (t.s.n > 0)
            text_byte(&t, r->scan.a, ',');
        text_byte(&t, r->scan.a, '@');
        enum scan_result res = scan_domain(&r->scan, &t);
        if (res != SCAN_MORE)
            return res;
        while (scan_blanks(&r->scan) == SCAN_MORE && *r->scan.p == ',')
            r->scan.p++;
    }
    if (r->scan.p >= r->scan.end)
        return SCAN_END;
    r->addr.route = t.s;
    return SCAN_MORE;
}

/* angle-addr, at the "<". */
static enum scan_result angle(struct reader *r)
{
    r->scan.p++;
    if (scan_blanks(&r->scan) != SCAN_MORE)
        return SCAN_BROKEN;
    if (scan_at(&r->scan, '@')) {
        if (route(r) == SCAN_MORE && scan_at(&r->scan, ':')) {
            r->scan.p++;
        } else {
            r->addr.route = SLICE("INVALID_ROUTE");
            if (r->scan.p >= r->scan.end)
                return SCAN_BROKEN;
        }
        if (scan_blanks(&r->scan) != SCAN_MORE)
            return SCAN_BROKEN;
    }
    if (!scan_at(&r->scan, '>')) {
        struct text t = no_text;
        if (local_part(r, &t) != SCAN_MORE)
            return SCAN_BROKEN;
        if (scan_at(&r->scan, '@') && domain(r) != SCAN_MORE)
            return SCAN_BROKEN;
    }
    if (!scan_at(&r->scan, '>'))
        return SCAN_BROKEN;
    r->scan.p++;
    return scan_blanks(&r->scan);
}

/* name-addr = [display-name] angle-addr. BROKEN when there is no "<" after the phrase. */
static enum scan_result name_addr(struct reader *r)
{
    struct text t = no_text;
    if (scan_phrase(&r->scan, &t) != SCAN_MORE || !scan_at(&r->scan, '<'))
        return SCAN_BROKEN;
    r->addr.name = t.s.n > 0 ? t.s : SLICE_NONE;
    if (angle(r) == SCAN_BROKEN)
        r->addr.host = SLICE("SYNTAX_ERROR");
    return scan_state(&r->scan);
}

/* addr-spec, whose comment was the name before there were display names (RFC 822). */
static enum scan_result addr_spec(struct reader *r)
{
    r->scan.comment = no_text;
    bool quoted = scan_at(&r->scan, '"');
    bool has_domain = false;
    struct text word = no_text;
    enum scan_result res = local_part(r, &word);
    if (res != SCAN_END && scan_at(&r->scan, '@')) {
        has_domain = true;
        enum scan_result after = domain(r);
        if (after != SCAN_MORE)
            res = after;
    }
    if (r->scan.comment.s.n > 0) {
        r->addr.name = r->scan.comment.s;
    } else if (!has_domain) {
        /* A single word is a local part without domain; several are a name without address. */
        struct text rest = no_text;
        (void)scan_phrase(&r->scan, &rest);
        if (rest.s.n > 0) {
            text_byte(&word, r->scan.a, ' ');
            text_add(&word, r->scan.a, rest.s);
            r->addr.mailbox = SLICE_NONE;
            r->addr.name = word.s;
        } else if (!quoted) {
            r->addr.host = SLICE("");
        }
        res = SCAN_BROKEN;
    }
    if (has_domain || r->addr.host.p != NULL || res == SCAN_MORE)
        return res;
    if (r->addr.name.p == NULL && r->addr.mailbox.p != NULL) {
        r->addr.name = r->addr.mailbox;
        r->addr.mailbox = SLICE_NONE;
    }
    return res;
}

static enum scan_result mailbox(struct reader *r)
{
    const uint8_t *start = r->scan.p;
    enum scan_result res = name_addr(r);
    if (res == SCAN_BROKEN) {
        r->scan.p = start;
        res = addr_spec(r);
    }
    add_fixed(r);
    return res;
}

/* The members of a group, after its ":"; false when the input ends with a "," among them. */
static bool members(struct reader *r)
{
    for (;;) {
        (void)mailbox(r);
        if (!scan_at(&r->scan, ',') || r->count >= LIMIT_ADDRESSES)
            return true;
        r->scan.p++;
        if (scan_blanks(&r->scan) != SCAN_MORE)
            return false;
    }
}

/* group = display-name ":" [group-list] ";" [CFWS]. BROKEN when there is no ":" after the phrase;
 * from there on it is a group, however broken. */
static enum scan_result group(struct reader *r)
{
    struct text t = no_text;
    if (scan_phrase(&r->scan, &t) != SCAN_MORE || !scan_at(&r->scan, ':'))
        return SCAN_BROKEN;
    r->scan.p++;
    enum scan_result res = scan_blanks(&r->scan);
    r->addr.mailbox = present(&t);
    add(r);
    if (res == SCAN_MORE && *r->scan.p != ';' && !members(r))
        res = SCAN_BROKEN;
    if (res != SCAN_BROKEN) {
        res = SCAN_BROKEN;
        if (scan_at(&r->scan, ';')) {
            r->scan.p++;
            res = scan_blanks(&r->scan);
        }
    }
    add(r);
    return res == SCAN_END ? SCAN_END : SCAN_MORE;
}

static enum scan_result address(struct reader *r)
{
    const uint8_t *start = r->scan.p;
    enum scan_result res = group(r);
    if (res != SCAN_BROKEN)
        return res;
    r->scan.p = start;
    return mailbox(r);
}

enum error address_list(struct arena *a, struct slice value, struct address **out)
{
    struct reader r = {.scan = scan_of(a, value)};
    r.end = &r.first;
    if (scan_blanks(&r.scan) == SCAN_MORE) {
        while (r.count < LIMIT_ADDRESSES && address(&r) != SCAN_END && scan_at(&r.scan, ',')) {
            r.scan.p++;
            enum scan_result res = scan_blanks(&r.scan);
            if (res == SCAN_BROKEN)
                add_fixed(&r);
            if (res != SCAN_MORE)
                break;
        }
    }
    if (a->failed)
        return ERR_LIMIT;
    *out = r.first;
    return OK;
}
