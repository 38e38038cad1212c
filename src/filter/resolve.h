/* Where mail for an address goes: what the directory says, and before it, bounces of forwards on
 * their way back to the first sender. */
#ifndef DEPESCHE_FILTER_RESOLVE_H
#define DEPESCHE_FILTER_RESOLVE_H

#include "directory/directory.h"

/* As directory_resolve(); an address that SRS made here leads to the foreign sender behind it. One
 * that only looks like it, or is too old, is nobody's (ERR_NOTFOUND). */
must_use enum error resolve_recipient(struct directory *d, struct slice address, struct arena *a,
                                      struct resolved_target **out);
/* Is it an address of the form that SRS makes, in a domain of ours? Only bounces, which have no
 * sender, may go there: else whoever has one could send through us to the one behind it. */
bool resolve_is_return(struct directory *d, struct slice address);
/* The envelope sender of what is forwarded, in `a`: rewritten into `domain` (SRS) when it is a
 * foreign one. One that cannot be rewritten stays as it is: better an SPF failure than a loss. */
struct slice resolve_forward_sender(struct directory *d, struct slice sender, struct slice domain,
                                    int64_t now, struct arena *a);

#endif
