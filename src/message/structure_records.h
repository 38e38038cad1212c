/* For tests: what this program says about the structure of a message, in the form of the golden
 * files of test/data/mime-golden (see test/dovecot_reference.py). */
#ifndef DEPESCHE_MESSAGE_STRUCTURE_RECORDS_H
#define DEPESCHE_MESSAGE_STRUCTURE_RECORDS_H

#include "base/buf.h"

/* Appends all records of the message; false when it cannot be parsed. */
bool structure_records(struct slice message, struct buf *out);

#endif
