/* The index's schema and its versions. */
#ifndef DEPESCHE_STORE_SCHEMA_H
#define DEPESCHE_STORE_SCHEMA_H

#include "store/index.h"

#define SCHEMA_VERSION 4
/* Step k (from 0) brings version k to k + 1; text for index_exec(). */
extern const char *const schema_step[SCHEMA_VERSION];

/* Makes the schema in an empty index, or brings an older one up: first a copy of the file
 * (index.db.v<old>), then all steps in one transaction with a check at its end, else nothing.
 * ERR_CONFLICT: it is of a newer program (a log line says so). */
must_use enum error schema_prepare(struct index *x, const char *path);
/* The same with these steps; for tests of it. */
must_use enum error schema_bring(struct index *x, const char *path, const char *const *steps,
                                 int64_t n);
/* For reading beside: ERR_CONFLICT unless it is exactly this program's version. */
must_use enum error schema_check(struct index *x, const char *path);

#endif
