/* Values that are lists: every list is items and their number, and every kind of item is one line
 * in a table: how large it is, of how many words it is written, and how those are read. */
#include "config/value.h"

/* What all list members of the configuration look like. */
struct any_list {
    const void *item;
    size_t n;
};

#define MAX_WORDS 2

struct item_kind {
    enum setting_type type;
    size_t size;
    size_t words;
    enum error (*read)(struct config *c, const struct slice *word, void *item);
};

/* The next word of a list: separated by commas and blanks. */
static bool next_word(struct slice *rest, struct slice *word)
{
    size_t from = 0;
    while (from < rest->n &&
           (rest->p[from] == ' ' || rest->p[from] == '\t' || rest->p[from] == ','))
        from++;
    size_t to = from;
    while (to < rest->n && rest->p[to] != ' ' && rest->p[to] != '\t' && rest->p[to] != ',')
        to++;
    *word = slice_sub(*rest, from, to);
    *rest = slice_from(*rest, to);
    return word->n > 0;
}

static enum error parse_port_number(struct slice s, uint16_t *out)
{
    uint32_t n;
    if (parse_u32(s, 65535, &n) || n == 0)
        return ERR_INPUT;
    *out = (uint16_t)n;
    return OK;
}

/* "host:port" in two; the brackets around an IPv6 address are taken off, and without them it would
 * be ambiguous. False: there is no port. */
static enum error split_port(struct slice s, struct slice *host, uint16_t *port)
{
    size_t colon = slice_rindex(s, ':');
    if (colon == s.n)
        return ERR_INPUT;
    *host = slice_sub(s, 0, colon);
    if (host->n >= 2 && host->p[0] == '[' && host->p[host->n - 1] == ']')
        *host = slice_sub(*host, 1, host->n - 1);
    else if (slice_has(*host, ':'))
        return ERR_INPUT;
    return parse_port_number(slice_from(s, colon + 1), port);
}

static enum error read_ip(struct config *c, const struct slice *word, void *item)
{
    (void)c;
    return ip_parse(word[0], item);
}

static enum error read_port(struct config *c, const struct slice *word, void *item)
{
    (void)c;
    struct config_port p = {.any = !slice_has(word[0], ':')};
    struct slice host;
    enum error e =
        p.any ? parse_port_number(word[0], &p.at.port) : split_port(word[0], &host, &p.at.port);
    if (!e && !p.any)
        e = ip_parse(host, &p.at.ip);
    if (!e)
        *(struct config_port *)item = p;
    return e;
}

static enum error read_network(struct config *c, const struct slice *word, void *item)
{
    (void)c;
    return ip_net_parse(word[0], item);
}

static enum error copy(struct config *c, struct slice text, const char **out)
{
    *out = arena_cstr(&c->arena, text);
    return *out ? OK : ERR_LIMIT;
}

static enum error read_certificate(struct config *c, const struct slice *word, void *item)
{
    struct config_certificate *p = item;
    if (!value_good_path(word[0]) || !value_good_path(word[1]))
        return ERR_INPUT;
    enum error e = copy(c, word[0], &p->chain);
    return e ? e : copy(c, word[1], &p->key);
}

static enum error read_server(struct config *c, const struct slice *word, void *item)
{
    (void)c;
    struct config_server server = {.port = 53};
    size_t at = slice_index(word[0], '@');
    if (at < word[0].n && parse_port_number(slice_from(word[0], at + 1), &server.port))
        return ERR_INPUT;
    enum error e = ip_parse(slice_sub(word[0], 0, at), &server.ip);
    if (!e)
        *(struct config_server *)item = server;
    return e;
}

static enum error read_zone(struct config *c, const struct slice *word, void *item)
{
    struct config_zone *z = item;
    if (!value_good_name(word[0]))
        return ERR_INPUT;
    enum error e = copy(c, word[0], &z->name);
    return e ? e : read_server(c, &word[1], &z->server);
}

enum error value_next_hop(struct config *c, struct slice text, struct config_next_hop *out)
{
    struct slice host = SLICE("");
    struct ip ip;
    uint16_t port = 0;
    if (text.n > 0 && split_port(text, &host, &port))
        return ERR_INPUT;
    if (text.n > 0 && !value_good_host(host) && ip_parse(host, &ip))
        return ERR_INPUT;
    out->port = port;
    return copy(c, host, &out->host);
}

static enum error read_transport(struct config *c, const struct slice *word, void *item)
{
    struct config_transport *t = item;
    if (!value_good_host(word[0]))
        return ERR_INPUT;
    enum error e = copy(c, word[0], &t->domain);
    return e ? e : value_next_hop(c, word[1], &t->to);
}

static const struct item_kind kinds[] = {
    {SETTING_IPS, sizeof(struct ip), 1, read_ip},
    {SETTING_PORTS, sizeof(struct config_port), 1, read_port},
    {SETTING_NETWORKS, sizeof(struct ip_net), 1, read_network},
    {SETTING_CERTIFICATES, sizeof(struct config_certificate), 2, read_certificate},
    {SETTING_SERVERS, sizeof(struct config_server), 1, read_server},
    {SETTING_ZONES, sizeof(struct config_zone), 2, read_zone},
    {SETTING_TRANSPORTS, sizeof(struct config_transport), 2, read_transport},
};

static const struct item_kind *kind_of(const struct setting *s)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].type == s->type)
            return &kinds[i];
    return NULL;
}

bool setting_is_list(const struct setting *s)
{
    return kind_of(s) != NULL;
}

static const struct any_list *list_of(const struct config *c, const struct setting *s)
{
    return (const struct any_list *)((const char *)c + s->offset);
}

size_t value_list_length(const struct config *c, const struct setting *s)
{
    return list_of(c, s)->n;
}

const void *value_list_item(const struct config *c, const struct setting *s, size_t i)
{
    return (const char *)list_of(c, s)->item + i * kind_of(s)->size;
}

static size_t count_words(struct slice text)
{
    struct slice word;
    size_t n = 0;
    while (n <= MAX_WORDS * LIMIT_CONFIG_LIST && next_word(&text, &word))
        n++;
    return n;
}

enum error value_read_list(struct config *c, const struct setting *s, struct slice text,
                           bool append, const char **detail)
{
    const struct item_kind *kind = kind_of(s);
    struct any_list *list = (struct any_list *)((char *)c + s->offset);
    /* The default goes with the first line. */
    size_t before = append ? list->n : 0;
    if (s->type == SETTING_PORTS && slice_ieq(text, SLICE("none")))
        text = SLICE("");
    else if (s->type == SETTING_PORTS && slice_trim(text).n == 0)
        return ERR_INPUT;
    size_t words = count_words(text);
    if (words % kind->words != 0) {
        *detail = "these come in pairs";
        return ERR_INPUT;
    }
    size_t n = before + words / kind->words;
    if (n > LIMIT_CONFIG_LIST || n < s->min) {
        *detail = n < s->min ? "the list must not be empty" : "the list is too long";
        return ERR_INPUT;
    }
    char *items = arena_array(&c->arena, n + 1, kind->size);
    if (!items)
        return ERR_INPUT;
    if (before > 0)
        memcpy(items, list->item, before * kind->size);
    for (size_t i = before; i < n; i++) {
        struct slice word[MAX_WORDS];
        for (size_t k = 0; k < kind->words; k++)
            (void)next_word(&text, &word[k]);
        if (kind->read(c, word, items + i * kind->size))
            return ERR_INPUT;
    }
    *list = (struct any_list){items, n};
    return OK;
}
