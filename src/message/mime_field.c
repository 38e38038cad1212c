/* The Content-* fields of a part; see mime_field.h. Values are taken as Dovecot takes them, also
 * the broken ones. */
#include "message/mime_field.h"

#include "base/limits.h"
#include "message/scan.h"

static const struct text no_text;

/* Never absent: what was read may be nothing. */
static struct slice text_of(const struct text *t)
{
    return t->s.p ? t->s : SLICE("");
}

struct param {
    struct slice key, value;
    uint32_t index;
    bool continued, extended;
};

/* Splits the name "key*0*" of RFC 2231 into its pieces; what is not so formed keeps its name. */
static void split_name(struct param *p)
{
    size_t star = slice_index(p->key, '*');
    if (star == p->key.n)
        return;
    struct slice rest = slice_from(p->key, star + 1);
    uint32_t index = 0;
    size_t i = 0;
    for (; i < rest.n && i < 6 && ascii_digit(rest.p[i]); i++)
        index = index * 10 + (uint32_t)(rest.p[i] - '0');
    bool extended = (i < rest.n && rest.p[i] == '*') || rest.n == 0;
    if (i + (extended && rest.n > 0 ? 1 : 0) != rest.n)
        return;
    p->key = slice_sub(p->key, 0, star);
    p->index = index;
    p->extended = extended;
    p->continued = true;
}

/* One ";" parameter. BROKEN: not at a ";", or nothing usable after it. */
static enum scan_result scan_param(struct scan *s, struct param *p)
{
    if (s->p >= s->end)
        return SCAN_END;
    if (*s->p != ';')
        return SCAN_BROKEN;
    s->p++;
    struct text key = no_text, value = no_text;
    if (scan_blanks(s) != SCAN_MORE || scan_token(s, &key) != SCAN_MORE || *s->p != '=')
        return SCAN_BROKEN;
    s->p++;
    enum scan_result r = scan_blanks(s);
    if (r == SCAN_MORE && *s->p == '"') {
        r = scan_quoted(s, &value);
    } else if (r == SCAN_MORE && *s->p == '=') {
        /* name==?utf-8?b?...?= is seen too often to be lost */
        const uint8_t *start = s->p;
        while (s->p < s->end && *s->p != ';' && *s->p != ' ' && *s->p != '\t' && *s->p != '\r' &&
               *s->p != '\n')
            s->p++;
        text_add(&value, s->a, slice_of(start, (size_t)(s->p - start)));
    } else if (r == SCAN_MORE) {
        r = scan_token(s, &value);
    }
    if (r == SCAN_BROKEN)
        return SCAN_BROKEN;
    *p = (struct param){.key = text_of(&key), .value = text_of(&value)};
    split_name(p);
    return SCAN_MORE;
}

static void append(struct arena *a, struct mime_param ***end, struct slice name, struct slice value)
{
    struct mime_param *p = arena_new(a, struct mime_param);
    if (p == NULL)
        return;
    p->name = name;
    p->value = value;
    **end = p;
    *end = &p->next;
}

/* "%" in a piece that is not encoded must survive the decoding of the joined value. */
static void add_escaped(struct text *t, struct arena *a, struct slice s)
{
    while (s.n > 0) {
        size_t n = slice_index(s, '%');
        text_add(t, a, slice_sub(s, 0, n));
        if (n < s.n)
            text_add(t, a, SLICE("%25"));
        s = slice_from(s, n + 1);
    }
}

/* The pieces of one parameter, in order. When an index is missing they are taken as parameters with
 * odd names. */
static void join(struct arena *a, struct mime_param ***end, const struct param *p, size_t n)
{
    bool complete = true, extended = false;
    for (size_t i = 0; i < n; i++) {
        complete = complete && p[i].index == i;
        extended = extended || p[i].extended;
    }
    if (!complete) {
        for (size_t i = 0; i < n; i++)
            append(a, end,
                   arena_printf(a, p[i].extended ? "%.*s*%u*" : "%.*s*%u", SLICE_FMT(p[i].key),
                                p[i].index),
                   p[i].value);
        return;
    }
    struct text value = no_text;
    if (extended && !p[0].extended)
        text_add(&value, a, SLICE("''"));
    for (size_t i = 0; i < n; i++)
        if (extended && !p[i].extended)
            add_escaped(&value, a, p[i].value);
        else
            text_add(&value, a, p[i].value);
    struct text name = no_text;
    text_add(&name, a, p[0].key);
    if (extended)
        text_add(&name, a, SLICE("*"));
    append(a, end, name.s, text_of(&value));
}

static int order(const struct param *x, const struct param *y)
{
    size_t n = x->key.n < y->key.n ? x->key.n : y->key.n;
    int c = n ? memcmp(x->key.p, y->key.p, n) : 0;
    if (c == 0 && x->key.n != y->key.n)
        c = x->key.n < y->key.n ? -1 : 1;
    if (c == 0 && x->index != y->index)
        c = x->index < y->index ? -1 : 1;
    return c;
}

static struct mime_param *parameters(struct scan *s, struct mime_budget *budget)
{
    struct mime_param *first = NULL, **end = &first;
    struct param later[LIMIT_MIME_PARAMETERS];
    size_t n_later = 0;
    size_t left = budget->params < LIMIT_MIME_PARAMETERS ? budget->params : LIMIT_MIME_PARAMETERS;
    struct param p;
    for (enum scan_result r; left > 0 && (r = scan_param(s, &p)) != SCAN_END;) {
        if (r == SCAN_BROKEN) {
            if (s->p >= s->end)
                break;
            s->p++;
            continue;
        }
        left--;
        budget->params--;
        if (!p.continued) {
            append(s->a, &end, p.key, p.value);
            continue;
        }
        size_t i = n_later++;
        for (; i > 0 && order(&p, &later[i - 1]) < 0; i--)
            later[i] = later[i - 1];
        later[i] = p;
    }
    for (size_t i = 0, next; i < n_later; i = next) {
        for (next = i + 1; next < n_later && slice_ieq(later[i].key, later[next].key); next++)
            ;
        join(s->a, &end, later + i, next - i);
    }
    return first;
}

static void take_type(struct arena *a, struct mime_part *part, struct mime_fields *fields,
                      struct slice value)
{
    fields->is_mime = true;
    if (fields->has_type)
        return;
    fields->has_type = true;
    struct scan s = scan_of(a, value);
    struct text type = no_text, subtype = no_text;
    /* A broken one names no type at all; what it was meant to be is not guessed. */
    part->type = part->subtype = SLICE("");
    if (scan_blanks(&s) != SCAN_MORE)
        return;
    (void)scan_token(&s, &type);
    if (s.p >= s.end) { /* only half of it */
        part->type = text_of(&type);
        return;
    }
    if (type.s.n == 0 || *s.p != '/')
        return;
    s.p++;
    if (scan_blanks(&s) != SCAN_MORE)
        return;
    enum scan_result r = scan_token(&s, &subtype);
    if (subtype.s.n == 0 || r == SCAN_BROKEN || (r == SCAN_MORE && *s.p != ';'))
        return;
    part->type = text_of(&type);
    part->subtype = text_of(&subtype);
    part->params = parameters(&s, fields->budget);
}

static void take_encoding(struct arena *a, struct mime_part *part, struct mime_fields *fields,
                          struct slice value)
{
    if (fields->has_encoding)
        return;
    struct scan s = scan_of(a, value);
    struct text token = no_text;
    (void)scan_blanks(&s);
    if (scan_token(&s, &token) != SCAN_END || token.s.n == 0)
        return;
    fields->has_encoding = true;
    part->encoding_text = token.s;
    part->encoding = transfer_encoding(token.s);
}

static void take_disposition(struct arena *a, struct mime_part *part, struct mime_fields *fields,
                             struct slice value)
{
    if (part->disposition_params != NULL)
        return;
    struct scan s = scan_of(a, value);
    struct text token = no_text;
    (void)scan_blanks(&s);
    if (scan_token(&s, &token) == SCAN_BROKEN)
        return;
    part->disposition = text_of(&token);
    part->disposition_params = parameters(&s, fields->budget);
}

static void take_raw(struct slice *place, struct slice value)
{
    if (place->p == NULL)
        *place = header_raw(value);
}

/* Only what names a language counts. */
static void take_language(struct arena *a, struct mime_part *part, struct slice value)
{
    struct slice rest = value, tag;
    if (part->language.p == NULL && mime_language_next(a, &rest, &tag))
        part->language = value;
}

void mime_fields_default(struct mime_part *part)
{
    part->kind = MIME_LEAF;
    part->encoding = MIME_7BIT;
    part->type = SLICE("text");
    part->subtype = SLICE("plain");
    part->encoding_text = SLICE("7bit");
    part->params = part->disposition_params = NULL;
    part->disposition = part->id = part->description = SLICE_NONE;
    part->md5 = part->language = part->location = SLICE_NONE;
}

void mime_fields_take(struct arena *a, struct mime_part *part, struct mime_fields *fields,
                      const struct header_field *f)
{
    if (f->name.n < 10)
        return;
    if (!slice_istarts(f->name, SLICE("content-"))) {
        if (slice_ieq(f->name, SLICE("mime-version")))
            fields->is_mime = true;
        return;
    }
    if (f->value.n > fields->budget->bytes)
        return;
    fields->budget->bytes -= f->value.n;
    struct slice name = slice_from(f->name, 8);
    if (slice_ieq(name, SLICE("type")))
        take_type(a, part, fields, f->value);
    else if (slice_ieq(name, SLICE("transfer-encoding")))
        take_encoding(a, part, fields, f->value);
    else if (slice_ieq(name, SLICE("disposition")))
        take_disposition(a, part, fields, f->value);
    else if (slice_ieq(name, SLICE("id")))
        take_raw(&part->id, f->value);
    else if (slice_ieq(name, SLICE("description")))
        take_raw(&part->description, f->value);
    else if (slice_ieq(name, SLICE("md5")))
        take_raw(&part->md5, f->value);
    else if (slice_ieq(name, SLICE("language")))
        take_language(a, part, f->value);
    else if (slice_ieq(name, SLICE("location")))
        take_raw(&part->location, f->value);
}

void mime_fields_end(struct mime_part *part, const struct mime_fields *fields)
{
    if (!fields->is_mime)
        mime_fields_default(part);
    if (!fields->has_type && part->parent != NULL && part->parent->kind == MIME_MULTIPART &&
        slice_ieq(part->parent->subtype, SLICE("digest"))) {
        part->kind = MIME_MESSAGE;
        part->type = SLICE("message");
        part->subtype = SLICE("rfc822");
    } else if (slice_ieq(part->type, SLICE("multipart")) && part->subtype.n > 0) {
        part->kind = MIME_MULTIPART;
    } else if (mime_is(part, "message", "rfc822") || mime_is(part, "message", "global")) {
        part->kind = MIME_MESSAGE;
    }
}

bool mime_language_next(struct arena *a, struct slice *rest, struct slice *tag)
{
    struct scan s = scan_of(a, *rest);
    struct text t = no_text;
    if (scan_blanks(&s) != SCAN_MORE || scan_atom(&s, &t) == SCAN_BROKEN)
        return false;
    *tag = t.s;
    *rest = scan_at(&s, ',') ? slice_of(s.p + 1, (size_t)(s.end - s.p - 1)) : SLICE_NONE;
    return true;
}
