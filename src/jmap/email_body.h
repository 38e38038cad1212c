/* The body of a message as JMAP shows it (RFC 8621 4.1.4): the tree of parts, the lists to show as
 * text and as HTML, what is attached, and the decoded values of text parts. */
#ifndef DEPESCHE_JMAP_EMAIL_BODY_H
#define DEPESCHE_JMAP_EMAIL_BODY_H

#include "base/json_write.h"
#include "jmap/email_header.h"
#include "message/mime.h"

enum body_property {
    BODY_PART_ID = 1,
    BODY_BLOB_ID = 2,
    BODY_SIZE = 4,
    BODY_HEADERS = 8,
    BODY_NAME = 16,
    BODY_TYPE = 32,
    BODY_CHARSET = 64,
    BODY_DISPOSITION = 128,
    BODY_CID = 256,
    BODY_LANGUAGE = 512,
    BODY_LOCATION = 1024,
    BODY_SUB_PARTS = 2048,
    BODY_DEFAULT = BODY_PART_ID | BODY_BLOB_ID | BODY_SIZE | BODY_NAME | BODY_TYPE | BODY_CHARSET |
                   BODY_DISPOSITION | BODY_CID | BODY_LANGUAGE | BODY_LOCATION,
};

/* What is asked of each part. */
struct body_wants {
    unsigned properties; /* set of enum body_property */
    const struct header_want *header;
    size_t n_headers;
};
/* The property of that name, 0 when there is none. */
unsigned body_property_named(struct slice name);

struct body_list {
    const struct mime_part **part;
    size_t n;
};

struct email_body {
    struct mime_tree *tree;
    struct slice blob; /* the whole message's blob id: parts are "<blob>-<number>" */
    struct body_list text, html, attachments;
};

/* Parses `raw` and makes the lists. ERR_LIMIT at the arena's cap. */
must_use enum error email_body_read(struct arena *a, struct slice raw, struct slice blob,
                                    struct email_body *out);

/* bodyStructure: EmailBodyParts, each multipart with its subParts (whether they are asked or not:
 * it would be no structure), as deep as the writer reaches. */
void email_body_write_structure(struct arena *a, struct json_writer *w, const struct email_body *b,
                                const struct body_wants *wants);
void email_body_write_list(struct arena *a, struct json_writer *w, const struct email_body *b,
                           const struct body_wants *wants, const struct body_list *list);

/* Which parts' values are wanted. */
struct body_values {
    bool text, html, all;
    uint64_t max; /* bytes of a value; 0: LIMIT_JMAP_BODY_VALUE */
};
/* {partId: {value, isEncodingProblem, isTruncated}}. */
void email_body_write_values(struct arena *a, struct json_writer *w, const struct email_body *b,
                             const struct body_values *wanted);

/* A text part's content as UTF-8 with LF line ends, of at most `max` bytes, in `out`. Of HTML never
 * cut inside a tag. */
struct body_text {
    bool problem, truncated;
};
struct body_text email_body_text(const struct mime_part *part, size_t max, struct buf *out);

bool email_part_is_text(const struct mime_part *part);
bool email_part_is_html(const struct mime_part *part);

#endif
