/* All methods by their names; see method.h. */
#include "jmap/methods.h"

static const struct jmap_method *const tables[] = {
    jmap_core_methods,         jmap_mailbox_methods,    jmap_thread_methods,
    jmap_identity_methods,     jmap_vacation_methods,   jmap_quota_methods,
    jmap_account_methods,      jmap_email_get_methods,  jmap_email_query_methods,
    jmap_email_parse_methods,  jmap_snippet_methods,    jmap_email_set_methods,
    jmap_email_import_methods, jmap_submission_methods, jmap_deleted_methods,
    jmap_travel_methods,       jmap_blob_methods,
};

const struct jmap_method *jmap_method_find(struct slice name)
{
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        for (const struct jmap_method *m = tables[i]; m->name != NULL; m++)
            if (slice_eq(slice_str(m->name), name))
                return m;
    return NULL;
}
