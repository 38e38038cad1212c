/* `depesche help`: everything here is printed from the table of commands and the table of settings:
 * help texts, man pages, completion, the sample configuration, the systemd unit. */
#include "base/mem.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/unit.h"

static void print_name(const struct command *k)
{
    printf("%s%s%s%s%s", k->noun, k->verb ? " " : "", k->verb ? k->verb : "",
           k->arguments[0] ? " " : "", k->arguments);
}

static size_t name_width(const struct command *k)
{
    return strlen(k->noun) + (k->verb ? 1 + strlen(k->verb) : 0) +
           (k->arguments[0] ? 1 + strlen(k->arguments) : 0);
}

static void print_overview(const char *noun)
{
    size_t width = 0;
    for (size_t i = 0; i < n_commands; i++)
        if (name_width(&commands[i]) > width)
            width = name_width(&commands[i]);
    for (size_t i = 0; i < n_commands; i++) {
        const struct command *k = &commands[i];
        if (noun && strcmp(noun, k->noun) != 0)
            continue;
        if (!noun && i && k->verb && strcmp(k->noun, commands[i - 1].noun) != 0)
            putchar('\n');
        printf("  depesche ");
        print_name(k);
        printf("%*s%s\n", (int)(width + 2 - name_width(k)), "", k->summary);
    }
}

static void print_options(const struct option *o)
{
    for (; o && o->name; o++) {
        int n = printf("  --%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        printf("%*s%s\n", n < 22 ? 22 - n : 1, "", o->help);
    }
}

static void print_command(const struct command *k)
{
    printf("depesche ");
    print_name(k);
    printf("\n\n%s.\n", k->summary);
    if (k->text)
        printf("%s\n", k->text);
    printf("\nOptions:\n");
    print_options(k->options);
    print_options(common_options);
}

/* --- The man pages --- */

/* roff reads '-', '\\' and a '.' or '\'' at a line's begin in its own way. */
static void print_roff(const char *s)
{
    for (bool begin = true; *s; s++) {
        if (begin && (*s == '.' || *s == '\''))
            fputs("\\&", stdout);
        if (*s == '\\')
            fputs("\\e", stdout);
        else if (*s == '-')
            fputs("\\-", stdout);
        else
            putchar(*s);
        begin = *s == '\n';
    }
}

static void roff_option(const struct option *o)
{
    printf(".TP\n.BI \\-\\-");
    print_roff(o->name);
    if (o->value) {
        printf(" \" ");
        print_roff(o->value);
        putchar('"');
    }
    putchar('\n');
    print_roff(o->help);
    putchar('\n');
}

static void roff_command(const struct command *k)
{
    printf(".SS depesche ");
    print_roff(k->noun);
    printf("%s%s ", k->verb ? " " : "", k->verb ? k->verb : "");
    print_roff(k->arguments);
    putchar('\n');
    print_roff(k->summary);
    printf(".\n");
    if (k->text) {
        print_roff(k->text);
        putchar('\n');
    }
    for (const struct option *o = k->options; o && o->name; o++)
        roff_option(o);
}

static void print_man(void)
{
    printf(".TH DEPESCHE 8 \"\" \"Depesche " DEPESCHE_VERSION "\"\n"
           ".SH NAME\ndepesche \\- a complete private mail server\n"
           ".SH SYNOPSIS\n.B depesche\n.I NOUN\n.RI [ VERB ]\n.RI [ ARGUMENT ]...\n"
           ".RI [ OPTION ]...\n"
           ".SH DESCRIPTION\nReceives mail, keeps it, and serves it to mail programs: SMTP on port "
           "25, submission on\n587 and 465, IMAP on 143 and 993. One program; as a service it runs "
           "as a supervisor and two\nroles, of which the one that talks with strangers can open "
           "no file.\n"
           ".SH COMMANDS\n");
    for (size_t i = 0; i < n_commands; i++)
        roff_command(&commands[i]);
    printf(".SH COMMON OPTIONS\n");
    for (const struct option *o = common_options; o->name; o++)
        roff_option(o);
    printf(".SH SIGNALS\nWhile serving:\n.TP\n.BR SIGTERM \", \" SIGINT\nFinish what is in flight, "
           "then end. A second one ends at once.\n.TP\n.B SIGHUP\nRead configuration and "
           "certificates again. Certificates and the log level change while everybody\ngoes on; "
           "other settings restart the roles gracefully, while the ports stay open.\n"
           ".SH EXIT STATUS\n.TP\n.B 0\nDone.\n.TP\n.B 1\nRefused or failed; one line on standard "
           "error says why and what to do next.\n.TP\n.B 2\nWrong usage.\n"
           ".SH FILES\n.TP\n.I " CONFIG_DEFAULT_PATH "\nThe configuration, see\n"
           ".BR depesche.conf (5).\n"
           ".SH SEE ALSO\n.BR depesche.conf (5)\n");
}

static void print_man_config(void)
{
    size_t n;
    const struct setting *s = config_settings(&n);
    const char *section = "";
    printf(".TH DEPESCHE.CONF 5 \"\" \"Depesche " DEPESCHE_VERSION "\"\n"
           ".SH NAME\ndepesche.conf \\- configuration of the mail server depesche\n"
           ".SH DESCRIPTION\nOne text file. A line is a comment (#), a\n.RI [ section ]\nor\n"
           ".IR \"name\" \" = \" \"value\" .\nLists are separated by commas or blanks; a list may "
           "also stand in several lines. Every setting\nhas a default; an unknown or wrong one is "
           "refused. Settings marked as live change at SIGHUP\nwhile everybody goes on.\n");
    for (size_t i = 0; i < n; i++, s++) {
        if (strcmp(section, s->section) != 0) {
            section = s->section;
            printf(".SH [%s]\n", section);
        }
        printf(".TP\n.B %s\n", s->name);
        print_roff(s->help);
        printf("\nExpected: ");
        print_roff(setting_expects(s));
        printf(". Default: ");
        print_roff(s->fallback[0] ? s->fallback : "empty");
        printf(".%s\n", s->live ? " Live." : "");
    }
    printf(".SH SEE ALSO\n.BR depesche (8)\n");
}

/* --- Completion --- */

static void completion_options(const struct option *o)
{
    for (; o && o->name; o++)
        printf(" --%s", o->name);
}

static void print_completion(void)
{
    printf("# Completion of depesche for bash; printed by `depesche help completion`.\n"
           "_depesche()\n{\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} words=\n"
           "    case \"${COMP_WORDS[COMP_CWORD-1]}\" in\n"
           "    --config) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n"
           "    --dir|--root) COMPREPLY=($(compgen -d -- \"$word\")); return ;;\n"
           "    esac\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words='");
    for (size_t i = 0; i < n_commands; i++)
        if (i == 0 || strcmp(commands[i].noun, commands[i - 1].noun) != 0)
            printf("%s%s", i ? " " : "", commands[i].noun);
    printf("'\n    elif [ \"${COMP_WORDS[1]}\" = help ] && [ \"$COMP_CWORD\" -eq 2 ]; then\n"
           "        words='config man man-config completion unit");
    for (size_t i = 0; i < n_commands; i++)
        if (i == 0 || strcmp(commands[i].noun, commands[i - 1].noun) != 0)
            printf(" %s", commands[i].noun);
    printf("'\n    else\n        case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n");
    for (size_t i = 0; i < n_commands; i++) {
        const struct command *k = &commands[i];
        printf("        '%s '%s) words='", k->noun, k->verb ? "" : "*");
        if (!k->verb) {
            completion_options(k->options);
            completion_options(common_options);
        }
        for (size_t j = i; k->verb && j < n_commands && strcmp(commands[j].noun, k->noun) == 0; j++)
            printf(" %s", commands[j].verb);
        printf("' ;;\n");
        /* A partly typed verb is completed among the noun's verbs, a whole one by its options. */
        for (; k->verb; i++) {
            printf("        '%s %s') words='", commands[i].noun, commands[i].verb);
            completion_options(commands[i].options);
            completion_options(common_options);
            printf("' ;;\n");
            if (i + 1 == n_commands || strcmp(commands[i + 1].noun, k->noun) != 0)
                break;
        }
    }
    printf("        esac\n"
           "        if [ \"$COMP_CWORD\" -eq 2 ]; then\n"
           "            case \"${COMP_WORDS[1]}\" in\n");
    for (size_t i = 0; i < n_commands; i++) {
        if (!commands[i].verb || (i && strcmp(commands[i].noun, commands[i - 1].noun) == 0))
            continue;
        printf("            %s) words='", commands[i].noun);
        for (size_t j = i; j < n_commands && strcmp(commands[j].noun, commands[i].noun) == 0; j++)
            printf("%s%s", j > i ? " " : "", commands[j].verb);
        printf("' ;;\n");
    }
    printf("            esac\n        fi\n    fi\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n"
           "complete -F _depesche depesche\n");
}

/* --- */

static int help_on(const struct call *c)
{
    const char *noun = c->args[0], *verb = c->n_args > 1 ? c->args[1] : NULL;
    for (size_t i = 0; i < n_commands; i++) {
        const struct command *k = &commands[i];
        if (strcmp(k->noun, noun) != 0)
            continue;
        if ((!k->verb && !verb) || (k->verb && verb && strcmp(k->verb, verb) == 0)) {
            print_command(k);
            return DONE;
        }
    }
    if (verb || !is_noun(noun))
        return unknown_command(noun, verb);
    print_overview(noun);
    return DONE;
}

static void print_buffer(void (*make)(struct buf *out))
{
    struct buf text = BUF_INIT(LIMIT_CONFIG_SIZE);
    make(&text);
    fwrite(text.p, 1, text.n, stdout);
    buf_free(&text);
}

int command_help(struct call *c)
{
    const char *topic = c->n_args ? c->args[0] : "";
    if (c->n_args == 0) {
        printf("Depesche " DEPESCHE_VERSION ", a complete private mail server.\n\n");
        print_overview(NULL);
        printf("\nEvery command takes:\n");
        print_options(common_options);
    } else if (strcmp(topic, "man") == 0) {
        print_man();
    } else if (strcmp(topic, "man-config") == 0) {
        print_man_config();
    } else if (strcmp(topic, "completion") == 0) {
        print_completion();
    } else if (strcmp(topic, "config") == 0) {
        print_buffer(config_sample);
    } else if (strcmp(topic, "unit") == 0) {
        fputs(unit_text, stdout);
    } else {
        return help_on(c);
    }
    return DONE;
}
