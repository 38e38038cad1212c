/* What an Outlook sends; see autodiscover_request.h. */
#include "web/autodiscover_request.h"

#include <expat.h>

#define DEPTH_MOST 16

struct reader {
    XML_Parser parser;
    struct autodiscover_request *out;
    char *text; /* where character data goes; NULL: nowhere */
    size_t n, size;
    unsigned depth;
    bool bad;
};

static void refuse(struct reader *r)
{
    r->bad = true;
    (void)XML_StopParser(r->parser, XML_FALSE);
}

/* Names come with prefixes as sent; Outlook's have none, and a namespace changes nothing here. */
static const char *local_name(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon ? colon + 1 : name;
}

static void XMLCALL on_start(void *arg, const char *name, const char **attributes)
{
    (void)attributes;
    struct reader *r = arg;
    name = local_name(name);
    r->text = NULL;
    r->n = 0;
    if (++r->depth > DEPTH_MOST)
        refuse(r);
    if (strcmp(name, "EMailAddress") == 0) {
        r->text = r->out->address;
        r->size = sizeof r->out->address;
    } else if (strcmp(name, "AcceptableResponseSchema") == 0) {
        r->text = r->out->schema;
        r->size = sizeof r->out->schema;
    }
    if (r->text)
        r->text[0] = 0;
}

static void XMLCALL on_end(void *arg, const char *name)
{
    (void)name;
    struct reader *r = arg;
    r->depth--;
    r->text = NULL;
}

static void XMLCALL on_text(void *arg, const char *s, int n)
{
    struct reader *r = arg;
    if (!r->text)
        return;
    if (n < 0 || (size_t)n >= r->size - r->n) {
        refuse(r);
        return;
    }
    memcpy(r->text + r->n, s, (size_t)n);
    r->n += (size_t)n;
    r->text[r->n] = 0;
}

static void XMLCALL on_doctype(void *arg, const char *name, const char *system, const char *public,
                               int internal)
{
    (void)name, (void)system, (void)public, (void)internal;
    refuse(arg);
}

static void trim(char *s)
{
    struct slice t = slice_trim(slice_str(s));
    memmove(s, t.p, t.n);
    s[t.n] = 0;
}

enum error autodiscover_read(struct slice xml, struct autodiscover_request *out)
{
    struct reader r = {.out = out};
    *out = (struct autodiscover_request){{0}, {0}};
    if (xml.n > LIMIT_AUTODISCOVER)
        return ERR_INPUT;
    r.parser = XML_ParserCreate(NULL);
    if (!r.parser)
        return ERR_AGAIN;
    XML_SetUserData(r.parser, &r);
    XML_SetElementHandler(r.parser, on_start, on_end);
    XML_SetCharacterDataHandler(r.parser, on_text);
    XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
    bool good = XML_Parse(r.parser, (const char *)xml.p, (int)xml.n, 1) == XML_STATUS_OK && !r.bad;
    XML_ParserFree(r.parser);
    trim(out->address);
    trim(out->schema);
    return good ? OK : ERR_INPUT;
}
