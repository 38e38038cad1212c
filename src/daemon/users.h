/* Which users the roles are, and the walls of `edge` for a command that looks at the network. */
#ifndef DEPESCHE_DAEMON_USERS_H
#define DEPESCHE_DAEMON_USERS_H

#include "config/config.h"
#include <sys/types.h>

/* By name or number; a number is both. ERR_NOTFOUND: logged. */
must_use enum error users_find(const char *name, uid_t *uid, gid_t *gid);
/* See cli_server.confine: the sandbox of `edge`, without its folder. */
must_use enum error users_confine_looking(const struct config *c);

#endif
