/* Values: text to members of the configuration object. */
#include "config/value.h"

static void *member(struct config *c, const struct setting *s)
{
    return (char *)c + s->offset;
}

bool setting_is_list(const struct setting *s)
{
    return s->type == SETTING_IPS || s->type == SETTING_PORTS || s->type == SETTING_NETWORKS ||
           s->type == SETTING_CERTIFICATES;
}

/* The next item of a list: separated by commas and blanks. */
static bool next_item(struct slice *rest, struct slice *item)
{
    size_t from = 0;
    while (from < rest->n &&
           (rest->p[from] == ' ' || rest->p[from] == '\t' || rest->p[from] == ','))
        from++;
    size_t to = from;
    while (to < rest->n && rest->p[to] != ' ' && rest->p[to] != '\t' && rest->p[to] != ',')
        to++;
    *item = slice_sub(*rest, from, to);
    *rest = slice_from(*rest, to);
    return item->n > 0;
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

static bool good_path(struct slice s)
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

static enum error parse_port_number(struct slice s, uint16_t *out)
{
    uint32_t n;
    if (parse_u32(s, 65535, &n) || n == 0)
        return ERR_INPUT;
    *out = (uint16_t)n;
    return OK;
}

static enum error parse_port(struct slice s, struct config_port *out)
{
    struct config_port p = {.any = true};
    size_t colon = slice_rindex(s, ':');
    if (colon < s.n) {
        struct slice host = slice_sub(s, 0, colon);
        if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
            host = slice_sub(host, 1, host.n - 1);
        else if (slice_has(host, ':'))
            return ERR_INPUT; /* an IPv6 address without brackets is ambiguous */
        if (ip_parse(host, &p.at.ip))
            return ERR_INPUT;
        p.any = false;
        s = slice_from(s, colon + 1);
    }
    if (parse_port_number(s, &p.at.port))
        return ERR_INPUT;
    *out = p;
    return OK;
}

/* Lists grow inside the arena: old items are copied to a larger place. */
static void *grow(struct arena *a, const void *items, size_t n, size_t more, size_t size)
{
    void *to = arena_array(a, n + more + 1, size);
    if (to && n)
        memcpy(to, items, n * size);
    return to;
}

static size_t count_items(struct slice text)
{
    struct slice item;
    size_t n = 0;
    while (n <= LIMIT_CONFIG_LIST && next_item(&text, &item))
        n++;
    return n;
}

static enum error read_ips(struct config *c, const struct setting *s, struct slice text,
                           size_t more)
{
    struct config_ips *list = member(c, s);
    struct ip *items = grow(&c->arena, list->item, list->n, more, sizeof *items);
    struct slice item;
    size_t n = list->n;
    while (items && next_item(&text, &item))
        if (ip_parse(item, &items[n++]))
            return ERR_INPUT;
    *list = (struct config_ips){items, n};
    return items && n ? OK : ERR_INPUT;
}

static enum error read_ports(struct config *c, const struct setting *s, struct slice text,
                             size_t more)
{
    struct config_ports *list = member(c, s);
    if (slice_ieq(text, SLICE("none"))) {
        *list = (struct config_ports){NULL, 0};
        return OK;
    }
    struct config_port *items = grow(&c->arena, list->item, list->n, more, sizeof *items);
    struct slice item;
    size_t n = list->n;
    while (items && next_item(&text, &item))
        if (parse_port(item, &items[n++]))
            return ERR_INPUT;
    *list = (struct config_ports){items, n};
    return items && n ? OK : ERR_INPUT;
}

static enum error read_networks(struct config *c, const struct setting *s, struct slice text,
                                size_t more)
{
    struct config_networks *list = member(c, s);
    struct ip_net *items = grow(&c->arena, list->item, list->n, more, sizeof *items);
    struct slice item;
    size_t n = list->n;
    while (items && next_item(&text, &item))
        if (ip_net_parse(item, &items[n++]))
            return ERR_INPUT;
    *list = (struct config_networks){items, n};
    return items ? OK : ERR_INPUT;
}

static enum error read_certificates(struct config *c, const struct setting *s, struct slice text,
                                    size_t more, const char **detail)
{
    struct config_certificates *list = member(c, s);
    if (more == 0) {
        *list = (struct config_certificates){NULL, 0};
        return OK;
    }
    if (more != 2) {
        *detail = "one line names one pair of files";
        return ERR_INPUT;
    }
    struct config_certificate *items = grow(&c->arena, list->item, list->n, 1, sizeof *items);
    struct slice chain, key;
    if (!items || !next_item(&text, &chain) || !next_item(&text, &key) || !good_path(chain) ||
        !good_path(key))
        return ERR_INPUT;
    items[list->n].chain = arena_cstr(&c->arena, chain);
    items[list->n].key = arena_cstr(&c->arena, key);
    if (!items[list->n].chain || !items[list->n].key)
        return ERR_INPUT;
    *list = (struct config_certificates){items, list->n + 1};
    return OK;
}

static size_t list_length(struct config *c, const struct setting *s)
{
    switch (s->type) {
    case SETTING_IPS:
        return ((struct config_ips *)member(c, s))->n;
    case SETTING_PORTS:
        return ((struct config_ports *)member(c, s))->n;
    case SETTING_NETWORKS:
        return ((struct config_networks *)member(c, s))->n;
    default:
        return ((struct config_certificates *)member(c, s))->n;
    }
}

static void list_clear(struct config *c, const struct setting *s)
{
    switch (s->type) {
    case SETTING_IPS:
        *(struct config_ips *)member(c, s) = (struct config_ips){NULL, 0};
        break;
    case SETTING_PORTS:
        *(struct config_ports *)member(c, s) = (struct config_ports){NULL, 0};
        break;
    case SETTING_NETWORKS:
        *(struct config_networks *)member(c, s) = (struct config_networks){NULL, 0};
        break;
    default:
        *(struct config_certificates *)member(c, s) = (struct config_certificates){NULL, 0};
    }
}

static enum error read_list(struct config *c, const struct setting *s, struct slice text,
                            bool append, const char **detail)
{
    if (!append)
        list_clear(c, s); /* the default goes with the first line */
    size_t more = count_items(text);
    if (list_length(c, s) + more > LIMIT_CONFIG_LIST) {
        *detail = "the list is too long";
        return ERR_INPUT;
    }
    switch (s->type) {
    case SETTING_IPS:
        return read_ips(c, s, text, more);
    case SETTING_PORTS:
        return read_ports(c, s, text, more);
    case SETTING_NETWORKS:
        return read_networks(c, s, text, more);
    default:
        return read_certificates(c, s, text, more, detail);
    }
}

enum error value_read(struct config *c, const struct setting *s, struct slice text, bool append,
                      const char **detail)
{
    switch (s->type) {
    case SETTING_HOST:
        return text.n == 0 || value_good_host(text) ? read_text(c, s, text) : ERR_INPUT;
    case SETTING_PATH:
        return good_path(text) ? read_text(c, s, text) : ERR_INPUT;
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
        return read_list(c, s, text, append, detail);
    }
}
