/* The `depesche` command: nouns, then verbs. One table (table.c) of commands, arguments and options
 * drives reading, help, man page and shell completion.
 *
 * Exit status: 0 done, 1 refused or failed, 2 wrong usage. Results go to standard output, as text
 * or with --json as JSON; an error is one line on standard error that says what to do next. */
#ifndef DEPESCHE_CLI_CLI_H
#define DEPESCHE_CLI_CLI_H

#include "base/error.h"

struct config;

/* What the commands need from the room beside this one. */
struct cli_server {
    /* Serves in this process until told to stop; returns the exit status. `ready` is called once,
     * when all ports answer; may be NULL. */
    int (*serve)(const char *config_path, void (*ready)(void *arg), void *arg);
    /* Puts this process, which has no threads yet, behind the walls of `edge`, for good: with no
     * file in reach, but the network. An error is logged. */
    enum error (*confine)(const struct config *c);
};

/* Runs the command line; returns the exit status. */
int cli_main(int argc, char **argv, const struct cli_server *server);

#endif
