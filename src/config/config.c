/* Reading the configuration file; see config.h for its form. */
#include "config/config.h"
#include "base/file.h"
#include "base/mem.h"
#include "config/value.h"
#include <errno.h>
#include <unistd.h>

struct reader {
    struct config *c;
    const char *path;
    const struct setting *settings;
    size_t n_settings;
    const char *section;  /* of the table; NULL before the first */
    unsigned *first_line; /* for each setting: where it stood first; 0: not yet */
    unsigned line;
    char *why;
};

static enum error printf_like(2, 3) refuse(struct reader *r, const char *format, ...)
{
    int n = snprintf(r->why, CONFIG_WHY, "%s:%u: ", r->path, r->line);
    if (n > 0 && n < CONFIG_WHY) {
        va_list ap;
        va_start(ap, format);
        vsnprintf(r->why + n, (size_t)(CONFIG_WHY - n), format, ap);
        va_end(ap);
    }
    return ERR_INPUT;
}

/* File text inside a message: cut to a sane length, nothing that moves a terminal's cursor. */
static const char *shown(struct slice s, char room[72])
{
    size_t n = s.n < 64 ? s.n : 64;
    for (size_t i = 0; i < n; i++)
        room[i] = s.p[i] >= ' ' && s.p[i] < 127 ? (char)s.p[i] : '?';
    memcpy(room + n, n < s.n ? "..." : "", n < s.n ? 4 : 1);
    return room;
}

static enum error read_section(struct reader *r, struct slice line)
{
    char room[72];
    if (line.n < 3 || line.p[line.n - 1] != ']')
        return refuse(r, "expected [section], found '%s'", shown(line, room));
    struct slice name = slice_trim(slice_sub(line, 1, line.n - 1));
    const char *names[32];
    size_t n = 0;
    for (size_t i = 0; i < r->n_settings; i++) {
        const char *section = r->settings[i].section;
        if (slice_eq(slice_str(section), name)) {
            r->section = section;
            return OK;
        }
        if (n < 32 && (n == 0 || strcmp(names[n - 1], section) != 0))
            names[n++] = section;
    }
    const char *near = nearest_word(name, names, n);
    return refuse(r, "unknown section [%s]%s%s%s", shown(name, room),
                  near ? "; did you mean [" : "", near ? near : "", near ? "]?" : "");
}

static enum error unknown_setting(struct reader *r, struct slice key)
{
    char room[72];
    const char *names[64];
    size_t n = 0;
    for (size_t i = 0; i < r->n_settings && n < 64; i++)
        if (r->settings[i].section == r->section)
            names[n++] = r->settings[i].name;
    const char *near = nearest_word(key, names, n);
    if (near)
        return refuse(r, "unknown setting '%s' in [%s]; did you mean '%s'?", shown(key, room),
                      r->section, near);
    for (size_t i = 0; i < r->n_settings; i++)
        if (slice_eq(slice_str(r->settings[i].name), key))
            return refuse(r, "unknown setting '%s' in [%s]; it belongs in [%s]", shown(key, room),
                          r->section, r->settings[i].section);
    return refuse(r, "unknown setting '%s' in [%s]; `depesche help config` lists all settings",
                  shown(key, room), r->section);
}

static enum error read_setting(struct reader *r, struct slice line)
{
    char room[72];
    size_t equals = slice_index(line, '=');
    if (equals == line.n)
        return refuse(r, "expected 'name = value', found '%s'", shown(line, room));
    struct slice key = slice_trim(slice_sub(line, 0, equals));
    struct slice value = slice_trim(slice_from(line, equals + 1));
    if (!r->section)
        return refuse(r, "expected a [section] before '%s'", shown(key, room));
    for (size_t i = 0; i < r->n_settings; i++) {
        const struct setting *s = &r->settings[i];
        if (strcmp(s->section, r->section) != 0 || !slice_eq(slice_str(s->name), key))
            continue;
        bool again = r->first_line[i] != 0;
        if (again && !setting_is_list(s))
            return refuse(r, "%s.%s stands here a second time; line %u has it already", s->section,
                          s->name, r->first_line[i]);
        r->first_line[i] = r->line;
        const char *detail = NULL;
        if (value_read(r->c, s, value, again, &detail))
            return refuse(r, "%s.%s: expected %s%s, found '%s'%s%s", s->section, s->name,
                          s->type == SETTING_CHOICE ? "one of: " : "", setting_expects(s),
                          shown(value, room), detail ? "; " : "", detail ? detail : "");
        return OK;
    }
    return unknown_setting(r, key);
}

static enum error read_lines(struct reader *r, struct slice text)
{
    struct slice line;
    while (slice_line(&text, &line)) {
        r->line++;
        line = slice_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (slice_has(line, 0))
            return refuse(r, "expected text, found a NUL byte");
        enum error e = line.p[0] == '[' ? read_section(r, line) : read_setting(r, line);
        if (e)
            return e;
    }
    return OK;
}

static enum error set_defaults(struct config *c, const struct setting *settings, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *detail;
        if (value_read(c, &settings[i], slice_str(settings[i].fallback), false, &detail))
            bug("the default of %s.%s is not valid", settings[i].section, settings[i].name);
    }
    return OK;
}

static void use_system_name(struct config *c)
{
    char name[LIMIT_DOMAIN + 1] = "";
    if (gethostname(name, sizeof name - 1) != 0 || !value_good_host(slice_str(name)))
        memcpy(name, "localhost", 10);
    char *copy = arena_cstr(&c->arena, slice_str(name));
    c->host = copy ? copy : "localhost";
}

enum error config_parse(struct slice text, const char *path, struct config **out,
                        char why[CONFIG_WHY])
{
    struct reader r = {.path = path, .why = why};
    r.settings = config_settings(&r.n_settings);
    if (text.n > LIMIT_CONFIG_SIZE) {
        snprintf(why, CONFIG_WHY, "%s: larger than %d bytes", path, LIMIT_CONFIG_SIZE);
        return ERR_INPUT;
    }
    r.c = mem_alloc(sizeof *r.c);
    arena_init(&r.c->arena, LIMIT_CONFIG_ARENA);
    r.first_line = mem_array(r.n_settings, sizeof *r.first_line);
    r.c->path = arena_cstr(&r.c->arena, slice_str(path));
    enum error e = set_defaults(r.c, r.settings, r.n_settings);
    if (!e)
        e = read_lines(&r, text);
    if (!e && r.c->host[0] == 0)
        use_system_name(r.c);
    mem_free(r.first_line);
    if (e) {
        config_free(r.c);
        return e;
    }
    *out = r.c;
    return OK;
}

enum error config_load(const char *path, struct config **out, char why[CONFIG_WHY])
{
    autobuf text = BUF_INIT(LIMIT_CONFIG_SIZE);
    enum error e = file_read(path, &text);
    if (e == ERR_NOTFOUND || e == ERR_IO) {
        snprintf(why, CONFIG_WHY, "%s: %s", path, strerror(errno));
        return e;
    }
    if (e) {
        snprintf(why, CONFIG_WHY, "%s: larger than %d bytes", path, LIMIT_CONFIG_SIZE);
        return ERR_INPUT;
    }
    return config_parse(buf_slice(&text), path, out, why);
}

void config_free(struct config *c)
{
    if (!c)
        return;
    arena_free(&c->arena);
    mem_free(c);
}

enum error config_endpoints(const struct config *c, enum config_service service, struct arena *a,
                            struct config_endpoint **out, size_t *n)
{
    const struct config_ports *ports = &c->listen[service];
    size_t count = 0;
    for (size_t i = 0; i < ports->n; i++)
        count += ports->item[i].any ? c->listen_address.n : 1;
    struct config_endpoint *list = arena_array(a, count + 1, sizeof *list);
    if (!list)
        return ERR_LIMIT;
    size_t k = 0;
    for (size_t i = 0; i < ports->n; i++) {
        if (!ports->item[i].any) {
            list[k++] = ports->item[i].at;
            continue;
        }
        for (size_t j = 0; j < c->listen_address.n; j++)
            list[k++] = (struct config_endpoint){c->listen_address.item[j], ports->item[i].at.port};
    }
    *out = list;
    *n = k;
    return OK;
}
