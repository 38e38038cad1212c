/* The few programs of the system that `setup` runs, without a shell. */
#ifndef DEPESCHE_CLI_SYSTEM_H
#define DEPESCHE_CLI_SYSTEM_H

#include "base/error.h"
#include <stdbool.h>

/* Runs the program with these arguments (ended by NULL, the first is its absolute path) and waits.
 * True when it ended with 0. Its output goes where ours goes. */
must_use bool run_program(const char *const *arguments);
/* Makes a system user with a group of its own and no shell, unless it is there. */
must_use bool make_system_user(const char *name, const char *home, const char *comment);

#endif
