/* The Email object (RFC 8621 4.1): which properties are asked, and how they are written from an
 * index row, a view and, when it must be, the message itself. Shared by Email/get and Email/parse.
 */
#ifndef DEPESCHE_JMAP_EMAIL_WRITE_H
#define DEPESCHE_JMAP_EMAIL_WRITE_H

#include "jmap/email_body.h"
#include "jmap/email_envelope.h"
#include "jmap/email_group.h"
#include "jmap/method.h"

enum email_property {
    EMAIL_ID,
    EMAIL_BLOB_ID,
    EMAIL_THREAD_ID,
    EMAIL_MAILBOX_IDS,
    EMAIL_KEYWORDS,
    EMAIL_SIZE,
    EMAIL_RECEIVED_AT,
    EMAIL_MESSAGE_ID,
    EMAIL_IN_REPLY_TO,
    EMAIL_REFERENCES,
    EMAIL_SENDER,
    EMAIL_FROM,
    EMAIL_TO,
    EMAIL_CC,
    EMAIL_BCC,
    EMAIL_REPLY_TO,
    EMAIL_SUBJECT,
    EMAIL_SENT_AT,
    EMAIL_HAS_ATTACHMENT,
    EMAIL_PREVIEW,
    EMAIL_BODY_STRUCTURE,
    EMAIL_BODY_VALUES,
    EMAIL_TEXT_BODY,
    EMAIL_HTML_BODY,
    EMAIL_ATTACHMENTS,
    EMAIL_HEADERS,
    EMAIL_PROPERTIES,
};
#define EMAIL_BIT(p) (UINT64_C(1) << (p))
/* What Email/get returns when no properties are named, and Email/parse. */
extern const uint64_t email_get_defaults, email_parse_defaults;

struct email_wants {
    uint64_t properties; /* EMAIL_BIT()s */
    const struct header_want *header;
    size_t n_headers;
    struct body_wants part;
    struct body_values values;
};
/* Names of the arguments read here, for jmap_only(). */
#define EMAIL_WANTS_ARGS                                                                           \
    "properties", "bodyProperties", "fetchTextBodyValues", "fetchHTMLBodyValues",                  \
        "fetchAllBodyValues", "maxBodyValueBytes"
/* Reads them; false when the call failed. */
bool email_wants_read(struct jmap_call *c, uint64_t defaults, struct email_wants *out);
/* Something that the index row knows; that only the message knows. */
bool email_wants_row(const struct email_wants *w);
bool email_wants_raw(const struct email_wants *w);

/* What is known of one email. */
struct email_source {
    struct slice blob;               /* blob id */
    const struct email_group *group; /* NULL: a parsed blob, without id, mailboxes and the like */
    const struct keyword_table *keywords;
    const struct store_row *row; /* NULL only when !email_wants_row() */
    struct slice raw;            /* p is NULL when the message is not open */
    struct email_envelope envelope;
    bool has_envelope;
};
/* Reads the row's envelope. False: it does not say all (it was cut, or is not there), the message
 * must be open. */
bool email_source_envelope(struct arena *a, struct email_source *s);
/* Writes the object. ERR_LIMIT: the arena's cap, which a message within LIMIT_MESSAGE_SIZE does not
 * reach with LIMIT_IMAP_TREE_ARENA. */
must_use enum error email_write(struct arena *a, struct json_writer *w, const struct email_wants *p,
                                const struct email_source *s);

#endif
