/* What the two files of EmailSubmission share: submission.c reads, submission_set.c writes. */
#ifndef DEPESCHE_JMAP_SUBMISSION_H
#define DEPESCHE_JMAP_SUBMISSION_H

#include "jmap/methods.h"
#include "store/submission.h"

/* The state now; false: the call has failed. */
bool submission_state(struct jmap_call *c, char out[JMAP_STATE_TEXT]);
void submission_write_state(struct jmap_call *c, struct json_writer *w);
/* What a client does not know of the one it made. */
void submission_write_created(struct jmap_call *c, struct json_writer *w, uint64_t id);
void submission_set(struct jmap_call *c);

#endif
