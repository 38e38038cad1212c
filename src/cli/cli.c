/* Reading the command line and calling the command. */
#include "base/mem.h"
#include "cli/command.h"
#include "cli/output.h"
#include <stdarg.h>
#include <unistd.h>

/* One line, whatever strangers' text is in it. */
static void printf_like(2, 0) complain(const char *prefix, const char *format, va_list ap)
{
    char line[4096];
    int n = vsnprintf(line, sizeof line, format, ap);
    for (int i = 0; i < n && line[i]; i++)
        if ((uint8_t)line[i] < ' ' || line[i] == 0x7f)
            line[i] = ' ';
    fprintf(stderr, "depesche: %s%s\n", prefix, line);
}

int refuse(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    complain("", format, ap);
    va_end(ap);
    return REFUSED;
}

void warn(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    complain("warning: ", format, ap);
    va_end(ap);
}

int wrong_usage(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    complain("", format, ap);
    va_end(ap);
    return USAGE;
}

const char *call_option(const struct call *c, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < c->n_options; i++)
        if (strcmp(c->options[i].name, name) == 0)
            value = c->options[i].value;
    return value;
}

bool call_has(const struct call *c, const char *name)
{
    for (size_t i = 0; i < c->n_options; i++)
        if (strcmp(c->options[i].name, name) == 0)
            return true;
    return false;
}

struct slice call_arg(const struct call *c, size_t i)
{
    return i < c->n_args ? slice_str(c->args[i]) : SLICE_NONE;
}

static int unknown_noun(const char *noun)
{
    const char *names[64];
    size_t n = 0;
    for (size_t i = 0; i < n_commands && n < 64; i++)
        if (n == 0 || strcmp(names[n - 1], commands[i].noun) != 0)
            names[n++] = commands[i].noun;
    const char *near = nearest_word(slice_str(noun), names, n);
    if (near)
        return wrong_usage("unknown command '%s'; did you mean '%s'?", noun, near);
    return wrong_usage("unknown command '%s'; `depesche help` lists the commands", noun);
}

static int unknown_verb(const char *noun, const char *verb)
{
    const char *names[64];
    size_t n = 0;
    for (size_t i = 0; i < n_commands && n < 64; i++)
        if (strcmp(commands[i].noun, noun) == 0 && commands[i].verb)
            names[n++] = commands[i].verb;
    const char *near = verb ? nearest_word(slice_str(verb), names, n) : NULL;
    if (near)
        return wrong_usage("unknown command '%s %s'; did you mean '%s %s'?", noun, verb, noun,
                           near);
    return wrong_usage("%s '%s%s%s'; `depesche help %s` lists what there is",
                       verb ? "unknown command" : "a verb is missing after", noun, verb ? " " : "",
                       verb ? verb : "", noun);
}

bool is_noun(const char *word)
{
    for (size_t i = 0; i < n_commands; i++)
        if (strcmp(commands[i].noun, word) == 0)
            return true;
    return false;
}

int unknown_command(const char *noun, const char *verb)
{
    return is_noun(noun) ? unknown_verb(noun, verb) : unknown_noun(noun);
}

/* The command that argv names; *used is how many words its name has. NULL with *status set. */
static const struct command *find(int argc, char **argv, int *used, int *status)
{
    for (size_t i = 0; i < n_commands; i++) {
        const struct command *k = &commands[i];
        if (strcmp(k->noun, argv[0]) != 0)
            continue;
        if (!k->verb || (argc > 1 && strcmp(k->verb, argv[1]) == 0)) {
            *used = k->verb ? 2 : 1;
            return k;
        }
    }
    const char *verb = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
    *status = unknown_command(argv[0], verb);
    return NULL;
}

static const struct option *find_option(const struct option *o, const char *name, size_t n)
{
    for (; o && o->name; o++)
        if (strlen(o->name) == n && memcmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

static int unknown_option(const struct call *c, const char *word)
{
    const char *names[64];
    size_t n = 0;
    for (const struct option *o = c->command->options; o && o->name && n < 32; o++)
        names[n++] = o->name;
    for (const struct option *o = common_options; o->name && n < 64; o++)
        names[n++] = o->name;
    const char *near = nearest_word(slice_str(word + 2), names, n);
    const struct command *k = c->command;
    if (near)
        return wrong_usage("unknown option '%s'; did you mean '--%s'?", word, near);
    return wrong_usage("unknown option '%s'; `depesche help %s%s%s` lists them", word, k->noun,
                       k->verb ? " " : "", k->verb ? k->verb : "");
}

/* --name, --name=value, --name value. Returns how many words it took; 0: *status is set. */
static int read_option(struct call *c, int argc, char **argv, int *status)
{
    const char *word = argv[0];
    const char *equals = strchr(word, '=');
    size_t n = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2;
    const struct option *o = find_option(c->command->options, word + 2, n);
    if (!o)
        o = find_option(common_options, word + 2, n);
    if (!o) {
        *status = unknown_option(c, word);
        return 0;
    }
    if (!o->value && equals) {
        *status = wrong_usage("option --%s takes no value", o->name);
        return 0;
    }
    if (o->value && !equals && argc < 2) {
        *status = wrong_usage("option --%s needs a value: --%s %s", o->name, o->name, o->value);
        return 0;
    }
    if (c->n_options == CALL_VALUES) {
        *status = wrong_usage("more than %d options", CALL_VALUES);
        return 0;
    }
    c->options[c->n_options].name = o->name;
    c->options[c->n_options++].value = !o->value ? "" : equals ? equals + 1 : argv[1];
    return o->value && !equals ? 2 : 1;
}

static int read_words(struct call *c, int argc, char **argv)
{
    bool options = true;
    for (int i = 0; i < argc;) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
            i++;
        } else if (options && argv[i][0] == '-' && argv[i][1] == '-') {
            int status = USAGE, n = read_option(c, argc - i, argv + i, &status);
            if (n == 0)
                return status;
            i += n;
        } else if (options && argv[i][0] == '-' && argv[i][1] != 0) {
            return wrong_usage("unknown option '%s'; options begin with two dashes", argv[i]);
        } else if (c->n_args == CALL_VALUES) {
            return wrong_usage("more than %d arguments", CALL_VALUES);
        } else {
            c->args[c->n_args++] = argv[i++];
        }
    }
    return DONE;
}

static int run(struct call *c)
{
    const struct command *k = c->command;
    if (call_has(c, "help")) {
        c->args[0] = k->noun;
        c->args[1] = k->verb;
        c->n_args = k->verb ? 2 : 1;
        return command_help(c);
    }
    if (c->n_args < k->min || c->n_args > k->max)
        return wrong_usage("usage: depesche %s%s%s %s", k->noun, k->verb ? " " : "",
                           k->verb ? k->verb : "", k->arguments);
    c->json = call_has(c, "json");
    const char *config = call_option(c, "config");
    if (!config)
        config = getenv("DEPESCHE_CONFIG");
    c->config_path = config && config[0] ? config : CONFIG_DEFAULT_PATH;
    return k->run(c);
}

int cli_main(int argc, char **argv, const struct cli_server *server)
{
    static struct call call;
    static char *const help[] = {(char *)(uintptr_t) "help"};
    static char *const version[] = {(char *)(uintptr_t) "version"};
    call = (struct call){.server = server};
    arena_init(&call.arena, LIMIT_CLI_ARENA);
    argc--;
    argv++;
    if (argc < 1 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        argc = 1;
        argv = (char **)(uintptr_t)help;
    } else if (strcmp(argv[0], "--version") == 0) {
        argc = 1;
        argv = (char **)(uintptr_t)version;
    }
    log_set_level(LOG_WARNING);
    char *topic[] = {(char *)(uintptr_t) "help", argv[0]};
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        argc = 2; /* of a noun, whether it has verbs or not */
        argv = topic;
    }
    int used = 0, status = USAGE;
    call.command = find(argc, argv, &used, &status);
    if (call.command)
        status = read_words(&call, argc - used, argv + used);
    if (call.command && status == DONE)
        status = run(&call);
    config_free(call.config);
    arena_free(&call.arena);
    if (fflush(stdout) != 0 && status == DONE)
        status = refuse("cannot write the output; is the disk full?");
    return status;
}
