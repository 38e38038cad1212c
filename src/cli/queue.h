/* What the commands of the queue share: which recipients they speak of. */
#ifndef DEPESCHE_CLI_QUEUE_H
#define DEPESCHE_CLI_QUEUE_H

#include "cli/command.h"
#include "queue/queue.h"

/* The id in the first argument (when there is one) and --recipient, --sender, --destination, --all.
 * False: the id is none; then *status is what the command ends with. */
must_use bool queue_selection(struct call *c, struct queue_selector *out, int *status);
bool queue_selection_empty(const struct queue_selector *s);
/* Ids look the same in lists, logs and as an argument: hexadecimal. */
#define QUEUE_ID_TEXT 20
void queue_id_print(uint64_t id, char out[QUEUE_ID_TEXT]);

#endif
