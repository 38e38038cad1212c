/* Looking at the network from a command: in a child that has nothing in reach. It is forked while
 * the command knows only its configuration, becomes edge's user, enters the walls of `edge`, and
 * then answers questions. What it answers is bytes from a process that strangers may have taken
 * over. */
#ifndef DEPESCHE_CLI_LOOK_H
#define DEPESCHE_CLI_LOOK_H

#include "cli/command.h"
#include <sys/types.h>

enum look_for {
    LOOK_RECORDS, /* question and answer as of publish_look() */
    LOOK_PLAN,    /* as of policy_look() */
};

struct look {
    pid_t pid;
    int fd;
};

/* Forks; to be called before anything else than the configuration is open. Says on standard error
 * what is wrong. */
must_use bool look_begin(struct call *c, struct look *l);
/* Asks and waits for the answer, which is appended. ERR_CLOSED: the child could not begin, and has
 * said why, or died; ERR_TIMEOUT, ERR_LIMIT; ERR_INPUT: it could do nothing with the question. */
must_use enum error look_ask(struct look *l, enum look_for what, struct slice question,
                             struct buf *answer);
/* Ends the child, whatever it does. */
void look_end(struct look *l);

#endif
