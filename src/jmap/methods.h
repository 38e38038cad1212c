/* The methods of each file, ended by one without a name; methods.c joins them. */
#ifndef DEPESCHE_JMAP_METHODS_H
#define DEPESCHE_JMAP_METHODS_H

#include "jmap/method.h"

#define CAPABILITY_CORE       "urn:ietf:params:jmap:core"
#define CAPABILITY_MAIL       "urn:ietf:params:jmap:mail"
#define CAPABILITY_SUBMISSION "urn:ietf:params:jmap:submission"
#define CAPABILITY_VACATION   "urn:ietf:params:jmap:vacationresponse"
#define CAPABILITY_BLOB       "urn:ietf:params:jmap:blob"
#define CAPABILITY_QUOTA      "urn:ietf:params:jmap:quota"
#define CAPABILITY_ACCOUNT    "urn:depesche:account"

extern const struct jmap_method jmap_core_methods[];
extern const struct jmap_method jmap_mailbox_methods[];
extern const struct jmap_method jmap_thread_methods[];
extern const struct jmap_method jmap_email_get_methods[];
extern const struct jmap_method jmap_email_query_methods[];
extern const struct jmap_method jmap_email_parse_methods[];
extern const struct jmap_method jmap_snippet_methods[];
extern const struct jmap_method jmap_identity_methods[];
extern const struct jmap_method jmap_vacation_methods[];
extern const struct jmap_method jmap_quota_methods[];
extern const struct jmap_method jmap_account_methods[];
extern const struct jmap_method jmap_email_set_methods[];
extern const struct jmap_method jmap_email_import_methods[];
extern const struct jmap_method jmap_submission_methods[];
extern const struct jmap_method jmap_deleted_methods[];
extern const struct jmap_method jmap_travel_methods[];
extern const struct jmap_method jmap_blob_methods[];

#endif
