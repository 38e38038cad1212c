/* Inside the command line: the table's types, the call that a command gets, and what commands
 * share. */
#ifndef DEPESCHE_CLI_COMMAND_H
#define DEPESCHE_CLI_COMMAND_H

#include "base/arena.h"
#include "cli/cli.h"
#include "config/config.h"
#include "directory/directory.h"
#include "guard/guard.h"
#include "queue/memory.h"
#include "store/store.h"

enum { DONE = 0, REFUSED = 1, USAGE = 2 };

struct call;

struct option {
    const char *name;  /* without the dashes */
    const char *value; /* what stands for its value in help; NULL: a flag */
    const char *help;
};

struct command {
    const char *noun, *verb;      /* verb NULL: the noun alone */
    const char *arguments;        /* as in help: "ADDRESS [TARGET]..." */
    unsigned min, max;            /* how many */
    const char *summary;          /* one line, without a full stop */
    const char *text;             /* more, for `help NOUN VERB` and the man page; may be NULL */
    const struct option *options; /* ended by a name of NULL; may be NULL */
    int (*run)(struct call *c);
};

#define CALL_VALUES 512
struct call {
    const struct command *command;
    const struct cli_server *server;
    const char *args[CALL_VALUES];
    size_t n_args;
    struct {
        const char *name, *value;
    } options[CALL_VALUES];
    size_t n_options;
    bool json;
    const char *config_path;
    struct config *config; /* after call_config() */
    struct arena arena;    /* for the call's life */
};

/* The whole table; and the options that every command takes. */
extern const struct command commands[];
extern const size_t n_commands;
extern const struct option common_options[];

/* The value of an option, NULL when it was not given; the last one counts. */
const char *call_option(const struct call *c, const char *name);
bool call_has(const struct call *c, const char *name);
struct slice call_arg(const struct call *c, size_t i);

/* One line on standard error; the result is REFUSED / USAGE, to be returned. */
int printf_like(1, 2) refuse(const char *format, ...);
int printf_like(1, 2) wrong_usage(const char *format, ...);
void printf_like(1, 2) warn(const char *format, ...);
bool is_noun(const char *word);
/* wrong_usage() with the nearest command's name; verb may be NULL. */
int unknown_command(const char *noun, const char *verb);

/* --- What commands open. Each says on standard error what is wrong, and with false the command
 * ends with REFUSED. --- */

must_use bool call_config(struct call *c);
/* Started as root: become the owner of the data folder, so that files stay its. Needs
 * call_config(). */
must_use bool call_become_owner(struct call *c);
must_use bool call_directory(struct call *c, struct directory **out); /* config, owner, open */
must_use bool call_guard(struct call *c, struct guard **out);
must_use bool call_store(struct call *c, struct store **out); /* read-only */
must_use bool call_memory(struct call *c, struct memory **out);

/* A password: from --password-fd N, else asked at the terminal, twice when `twice`. */
must_use bool call_password(struct call *c, const char *prompt, bool twice,
                            char out[LIMIT_PASSWORD + 1]);
/* As call_password, for any secret line of at most size - 1 bytes. */
must_use bool call_secret(struct call *c, const char *option, const char *prompt, bool twice,
                          char *out, size_t size);
/* A line asked at the terminal; empty input gives `fallback`. False without a terminal. */
must_use bool ask_line(const char *prompt, const char *fallback, char *out, size_t size);

/* A file written by way of a temporary one and renamed; `mode` whatever the umask. */
must_use bool write_file(const char *path, struct slice text, mode_t mode);
/* The folder and those above it that lack. */
must_use bool make_folders(const char *path, mode_t mode);

/* --- The commands, one file a group --- */

int command_demo(struct call *c);
int command_serve(struct call *c);
int command_check(struct call *c);
int command_setup(struct call *c);
int command_version(struct call *c);
int command_help(struct call *c);
int command_doctor(struct call *c);
int command_domain_add(struct call *c);
int command_domain_alias(struct call *c);
int command_domain_catch_all(struct call *c);
int command_domain_list(struct call *c);
int command_domain_show(struct call *c);
int command_domain_remove(struct call *c);
int command_account_add(struct call *c);
int command_account_passwd(struct call *c);
int command_account_list(struct call *c);
int command_account_show(struct call *c);
int command_account_suspend(struct call *c);
int command_account_resume(struct call *c);
int command_account_quota(struct call *c);
int command_account_language(struct call *c);
int command_account_name(struct call *c);
int command_account_forward(struct call *c);
int command_account_import_hash(struct call *c);
int command_account_remove(struct call *c);
int command_alias_add(struct call *c);
int command_alias_list(struct call *c);
int command_alias_remove(struct call *c);
int command_ban_list(struct call *c);
int command_ban_lift(struct call *c);
int command_ban_why(struct call *c);
int command_dns_show(struct call *c);
int command_dns_check(struct call *c);
int command_dns_reports(struct call *c);
int command_key_list(struct call *c);
int command_key_roll(struct call *c);
int command_queue_list(struct call *c);
int command_queue_show(struct call *c);
int command_queue_why(struct call *c);
int command_queue_retry(struct call *c);
int command_queue_hold(struct call *c);
int command_queue_release(struct call *c);
int command_queue_cancel(struct call *c);
int command_queue_policy(struct call *c);

#endif
