/* Writing the configuration: single values, comparison, and the sample file. */
#include "config/config.h"
#include "config/value.h"

static const void *member(const struct config *c, const struct setting *s)
{
    return (const char *)c + s->offset;
}

static void print_scaled(uint64_t n, const char *letters, const uint64_t *factors, struct buf *out)
{
    size_t i = strlen(letters);
    while (n && i-- > 0)
        if (n % factors[i] == 0) {
            buf_dec(out, n / factors[i]);
            buf_byte(out, (uint8_t)letters[i]);
            return;
        }
    buf_dec(out, n);
}

static void print_ip(struct ip ip, struct buf *out)
{
    char text[IP_TEXT];
    ip_print(ip, text);
    buf_str(out, text);
}

static void print_port(const struct config_port *p, struct buf *out)
{
    if (!p->any) {
        bool v6 = !ip_is_v4(p->at.ip);
        buf_str(out, v6 ? "[" : "");
        print_ip(p->at.ip, out);
        buf_str(out, v6 ? "]:" : ":");
    }
    buf_dec(out, p->at.port);
}

static void print_network(const struct ip_net *net, struct buf *out)
{
    bool v4 = ip_is_v4(net->ip) && net->bits >= 96;
    print_ip(net->ip, out);
    buf_printf(out, "/%u", v4 ? net->bits - 96u : net->bits);
}

static void print_server(const struct config_server *server, struct buf *out)
{
    print_ip(server->ip, out);
    if (server->port != 53)
        buf_printf(out, "@%u", server->port);
}

static void print_next_hop(const struct config_next_hop *to, struct buf *out)
{
    if (to->host[0] == 0)
        return;
    bool v6 = strchr(to->host, ':') != NULL;
    buf_printf(out, v6 ? "[%s]:%u" : "%s:%u", to->host, to->port);
}

static void print_item(enum setting_type type, const void *item, struct buf *out)
{
    const struct config_certificate *pair = item;
    const struct config_zone *zone = item;
    const struct config_transport *transport = item;
    switch (type) {
    case SETTING_IPS:
        print_ip(*(const struct ip *)item, out);
        break;
    case SETTING_PORTS:
        print_port(item, out);
        break;
    case SETTING_NETWORKS:
        print_network(item, out);
        break;
    case SETTING_CERTIFICATES:
        buf_printf(out, "%s %s", pair->chain, pair->key);
        break;
    case SETTING_SERVERS:
        print_server(item, out);
        break;
    case SETTING_ZONES:
        buf_printf(out, "%s ", zone->name);
        print_server(&zone->server, out);
        break;
    case SETTING_TRANSPORTS:
        buf_printf(out, "%s ", transport->domain);
        print_next_hop(&transport->to, out);
        break;
    default:
        bug("no list has items of type %d", (int)type);
    }
}

static void print_list(const struct config *c, const struct setting *s, struct buf *out)
{
    size_t n = value_list_length(c, s);
    if (n == 0 && s->type == SETTING_PORTS)
        buf_str(out, "none");
    for (size_t i = 0; i < n; i++) {
        buf_str(out, i ? ", " : "");
        print_item(s->type, value_list_item(c, s, i), out);
    }
}

void config_print_value(const struct config *c, const struct setting *s, struct buf *out)
{
    static const uint64_t sizes[] = {1024, 1024 * 1024, UINT64_C(1024) * 1024 * 1024};
    static const uint64_t times[] = {1, 60, 3600, 86400};
    switch (s->type) {
    case SETTING_HOST:
    case SETTING_NAME:
    case SETTING_PATH:
    case SETTING_FILE:
    case SETTING_TEXT:
    case SETTING_LINE:
    case SETTING_USER:
    case SETTING_ADDRESS:
        buf_str(out, *(const char *const *)member(c, s));
        break;
    case SETTING_NUMBER:
        buf_dec(out, *(const uint64_t *)member(c, s));
        break;
    case SETTING_SIZE:
        print_scaled(*(const uint64_t *)member(c, s), "KMG", sizes, out);
        break;
    case SETTING_DURATION:
        print_scaled(*(const uint64_t *)member(c, s), "smhd", times, out);
        break;
    case SETTING_BOOL:
        buf_str(out, *(const bool *)member(c, s) ? "yes" : "no");
        break;
    case SETTING_CHOICE: {
        struct slice rest = slice_str(s->choices), word = SLICE_NONE;
        for (uint64_t i = 0; i <= *(const uint64_t *)member(c, s); i++)
            if (!slice_split(&rest, ' ', &word))
                break;
        buf_add(out, word);
        break;
    }
    case SETTING_NEXT_HOP:
        print_next_hop(member(c, s), out);
        break;
    default:
        print_list(c, s, out);
    }
}

bool config_same(const struct config *a, const struct config *b, const struct setting *s)
{
    autobuf left = BUF_INIT(LIMIT_CONFIG_ARENA), right = BUF_INIT(LIMIT_CONFIG_ARENA);
    config_print_value(a, s, &left);
    config_print_value(b, s, &right);
    return slice_eq(buf_slice(&left), buf_slice(&right));
}

/* `text` as comment lines of at most 96 columns. */
static void print_comment(const char *text, struct buf *out)
{
    struct slice rest = slice_str(text), word;
    size_t column = 0;
    while (slice_split(&rest, ' ', &word)) {
        if (column == 0 || column + 1 + word.n > 96) {
            buf_str(out, column ? "\n#" : "#");
            column = 1;
        }
        buf_byte(out, ' ');
        buf_add(out, word);
        column += 1 + word.n;
    }
    buf_byte(out, '\n');
}

void config_sample(struct buf *out)
{
    size_t n;
    const struct setting *s = config_settings(&n);
    const char *section = "";
    buf_lit(out,
            "# Depesche's configuration. Every setting has the default that stands here behind "
            "its name;\n# take the '#' in front of it away to change it. `depesche check` "
            "reads the file and says what is\n# wrong; `systemctl reload depesche` (SIGHUP) "
            "applies it.\n");
    for (size_t i = 0; i < n; i++, s++) {
        if (strcmp(section, s->section) != 0) {
            section = s->section;
            buf_printf(out, "\n[%s]\n", section);
        }
        buf_byte(out, '\n');
        print_comment(s->help, out);
        buf_printf(out, "# Expected: %s%s.\n", s->type == SETTING_CHOICE ? "one of: " : "",
                   setting_expects(s));
        buf_printf(out, "#%s = %s\n", s->name, s->fallback);
    }
}
