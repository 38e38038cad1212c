/* The list of providers: reading and looking up; see providers.h. */
#include "queue/providers.h"

#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "directory/directory.h"
#include "queue/providers_text.h"
#include <stdio.h>
#include <stdlib.h>

struct providers {
    struct arena arena;
    struct provider *provider; /* in the order of the file */
    size_t n;
    const struct provider **sorted; /* by domain */
};

struct slice providers_builtin(void)
{
    return slice_str(providers_text);
}

void providers_free(struct providers *p)
{
    if (p == NULL)
        return;
    arena_free(&p->arena);
    mem_free(p);
}

/* --- Names --- */

static bool next_word(struct slice *rest, struct slice *word)
{
    size_t i = 0, n;
    while (i < rest->n && (rest->p[i] == ' ' || rest->p[i] == '\t'))
        i++;
    for (n = i; n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t';)
        n++;
    *word = slice_sub(*rest, i, n);
    *rest = slice_from(*rest, n);
    return word->n > 0;
}

/* "mx.example.net" or "*.example.net": a name below a top-level domain in any case. */
static enum error add_name(struct slice name, struct buf *out)
{
    char host[LIMIT_DOMAIN + 1];
    bool any = slice_starts(name, SLICE("*."));
    if (mail_domain_parse(any ? slice_from(name, 2) : name, host) != OK ||
        strchr(host, '.') == NULL)
        return ERR_INPUT;
    if (out->n > 0)
        buf_byte(out, ' ');
    if (any)
        buf_lit(out, "*.");
    buf_str(out, host);
    return buf_check(out);
}

enum error providers_names(struct slice names, struct buf *out)
{
    struct slice name;
    size_t n = 0;
    enum error e = OK;
    while (e == OK && next_word(&names, &name))
        e = ++n > LIMIT_STS_MX ? ERR_LIMIT : add_name(name, out);
    return e;
}

/* --- Reading --- */

struct reading {
    struct providers *p;
    unsigned line;
    struct buf comment; /* of the lines above */
    bool comment_used;  /* a line has it: the next comment begins anew */
    struct slice remark;
    char *why;
    size_t why_size;
};

static enum error refuse(const struct reading *r, unsigned line, struct slice found,
                         const char *expected)
{
    char word[65];
    size_t n = found.n < sizeof word - 1 ? found.n : sizeof word - 1;
    for (size_t i = 0; i < n; i++)
        word[i] = found.p[i] > ' ' && found.p[i] < 0x7F ? (char)found.p[i] : '?';
    word[n] = 0;
    if (n > 0)
        snprintf(r->why, r->why_size, "line %u: \"%s\": %s", line, word, expected);
    else
        snprintf(r->why, r->why_size, "line %u: %s", line, expected);
    return ERR_INPUT;
}

static enum error too_much(const struct reading *r, const char *what)
{
    snprintf(r->why, r->why_size, "%s", what);
    return ERR_LIMIT;
}

static void read_comment(struct reading *r, struct slice text)
{
    if (r->comment_used)
        buf_reset(&r->comment);
    r->comment_used = false;
    text = slice_trim(slice_from(text, 1));
    if (r->comment.n > 0 && text.n > 0)
        buf_byte(&r->comment, ' ');
    buf_add(&r->comment, text);
}

static struct slice remark_of(struct reading *r)
{
    if (!r->comment_used)
        r->remark = arena_dup(&r->p->arena, buf_slice(&r->comment));
    r->comment_used = true;
    return r->remark;
}

static enum error add_domain(struct reading *r, struct slice word)
{
    char domain[LIMIT_DOMAIN + 1];
    if (mail_domain_parse(word, domain) != OK || strchr(domain, '.') == NULL)
        return refuse(r, r->line, word, "not a domain; a level is encrypt, verify or dane");
    if (r->p->n >= LIMIT_PROVIDERS)
        return too_much(r, "more domains than LIMIT_PROVIDERS");
    r->p->provider[r->p->n++].domain = arena_dup(&r->p->arena, slice_str(domain));
    return OK;
}

static enum error read_provider(struct reading *r, struct slice text)
{
    struct provider line = {.line = r->line};
    struct slice word;
    size_t first = r->p->n;
    while (line.demand == DEMAND_NOTHING) {
        if (!next_word(&text, &word))
            return refuse(r, r->line, SLICE_NONE, "without a level: encrypt, verify or dane");
        if (demand_parse(word, &line.demand) && line.demand != DEMAND_NOTHING)
            break;
        enum error e = add_domain(r, word);
        if (e != OK)
            return e;
    }
    if (r->p->n == first)
        return refuse(r, r->line, SLICE_NONE, "without a domain before the level");
    autobuf names = BUF_INIT(LIMIT_PROVIDERS_TEXT);
    if (providers_names(text, &names) != OK)
        return refuse(r, r->line, slice_trim(text),
                      "after the level come names of mail servers, such as *.example.net");
    line.mx_names = arena_dup(&r->p->arena, buf_slice(&names));
    line.remark = remark_of(r);
    for (size_t i = first; i < r->p->n; i++) {
        line.domain = r->p->provider[i].domain;
        r->p->provider[i] = line;
    }
    return OK;
}

static enum error read_lines(struct reading *r, struct slice text)
{
    enum error e = OK;
    struct slice line;
    while (e == OK && slice_line(&text, &line)) {
        r->line++;
        line = slice_trim(line);
        if (line.n == 0)
            buf_reset(&r->comment);
        if (line.n == 0)
            r->comment_used = false;
        else if (line.p[0] == '#')
            read_comment(r, line);
        else
            e = read_provider(r, line);
    }
    return e;
}

static int by_domain(const void *a, const void *b)
{
    const struct provider *const *x = a, *const *y = b;
    int order = slice_cmp((*x)->domain, (*y)->domain);
    return order != 0 ? order : ((*x)->line > (*y)->line) - ((*x)->line < (*y)->line);
}

static enum error sort(struct reading *r)
{
    struct providers *p = r->p;
    p->sorted = arena_array(&p->arena, p->n, sizeof *p->sorted);
    if (p->sorted == NULL || p->arena.failed)
        return too_much(r, "the list is too long");
    for (size_t i = 0; i < p->n; i++)
        p->sorted[i] = &p->provider[i];
    qsort(p->sorted, p->n, sizeof *p->sorted, by_domain);
    for (size_t i = 1; i < p->n; i++)
        if (slice_eq(p->sorted[i - 1]->domain, p->sorted[i]->domain))
            return refuse(r, p->sorted[i]->line, p->sorted[i]->domain,
                          "has a line already further up");
    return OK;
}

/* How many domains there can be at most. */
static size_t count_words(struct slice text)
{
    size_t n = 0;
    struct slice line, word;
    while (slice_line(&text, &line))
        while (n < LIMIT_PROVIDERS && next_word(&line, &word))
            n++;
    return n;
}

enum error providers_read(struct slice text, struct providers **out, char *why, size_t why_size)
{
    struct providers *p = mem_alloc(sizeof *p);
    struct reading r = {
        .p = p, .comment = BUF_INIT(LIMIT_PROVIDERS_TEXT), .why = why, .why_size = why_size};
    arena_init(&p->arena, LIMIT_PROVIDERS_ARENA);
    p->provider = arena_array(&p->arena, count_words(text), sizeof *p->provider);
    enum error e = OK;
    if (text.n > LIMIT_PROVIDERS_TEXT || p->provider == NULL)
        e = too_much(&r, "longer than LIMIT_PROVIDERS_TEXT");
    if (e == OK)
        e = read_lines(&r, text);
    if (e == OK)
        e = sort(&r);
    buf_free(&r.comment);
    if (e == OK)
        *out = p;
    else
        providers_free(p);
    return e;
}

enum error providers_load(const char *path, struct providers **out, char *why, size_t why_size)
{
    autobuf text = BUF_INIT(LIMIT_PROVIDERS_TEXT);
    why[0] = 0;
    if (path[0] == 0)
        return providers_read(providers_builtin(), out, why, why_size);
    enum error e = file_read(path, &text);
    return e == OK ? providers_read(buf_slice(&text), out, why, why_size) : e;
}

/* --- Asking --- */

static int compare_to(const void *key, const void *item)
{
    const struct slice *domain = key;
    const struct provider *const *p = item;
    return slice_cmp(*domain, (*p)->domain);
}

bool providers_find(const struct providers *p, struct slice domain, struct provider *out)
{
    if (p->n == 0)
        return false;
    const struct provider *const *found =
        bsearch(&domain, p->sorted, p->n, sizeof *p->sorted, compare_to);
    if (found != NULL)
        *out = **found;
    return found != NULL;
}

void providers_each(const struct providers *p, void (*fn)(void *arg, const struct provider *p),
                    void *arg)
{
    for (size_t i = 0; i < p->n; i++)
        fn(arg, &p->provider[i]);
}
