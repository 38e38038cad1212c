/* Special-use attributes; see special_use.h. */
#include "imap/special_use.h"

static const struct slice names[] = {
    [USE_DRAFTS] = SLICE_INIT("\\Drafts"),       [USE_SENT] = SLICE_INIT("\\Sent"),
    [USE_JUNK] = SLICE_INIT("\\Junk"),           [USE_TRASH] = SLICE_INIT("\\Trash"),
    [USE_ARCHIVE] = SLICE_INIT("\\Archive"),     [USE_FLAGGED] = SLICE_INIT("\\Flagged"),
    [USE_IMPORTANT] = SLICE_INIT("\\Important"),
};

enum { N_USES = sizeof names / sizeof names[0] };

enum special_use special_use_find(struct slice name)
{
    for (size_t use = 0; use < N_USES; use++)
        if (names[use].n && slice_ieq(slice_from(names[use], 1), name))
            return (enum special_use)use;
    return USE_NONE;
}

struct slice special_use_name(enum special_use use)
{
    return (size_t)use < N_USES && names[use].n ? names[use] : SLICE("");
}
