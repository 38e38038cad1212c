/* The supervisor: the one process that keeps root (when it had it). Opens the ports and the key
 * files, starts `edge` and `mail` by fork, starts a dead one again, joins the new one with the
 * survivor, feeds the firewall, starts short jobs on their schedule, and reads nothing that came
 * over the network.
 *
 *   SIGTERM, SIGINT   edge finishes what is in flight and ends, then mail, then this process
 *   SIGHUP            reads configuration and certificates again. New certificates and the log
 *                     level are handed over while everybody goes on; any other change restarts the
 *                     roles gracefully, while the ports stay open and new connections wait. */
#ifndef DEPESCHE_DAEMON_SUPERVISOR_H
#define DEPESCHE_DAEMON_SUPERVISOR_H

#include "base/error.h"

/* Serves until told to stop; returns the process' exit status. `ready` is called once, when both
 * roles serve; may be NULL. */
int supervisor_run(const char *config_path, void (*ready)(void *arg), void *arg);

#endif
