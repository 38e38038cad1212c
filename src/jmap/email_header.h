/* Header fields as JMAP shows them (RFC 8621 4.1.2, 4.1.3): raw, or in one of the parsed forms. */
#ifndef DEPESCHE_JMAP_EMAIL_HEADER_H
#define DEPESCHE_JMAP_EMAIL_HEADER_H

#include "base/json_write.h"
#include "message/address.h"
#include "message/header.h"

enum header_form {
    HEADER_RAW = 1,
    HEADER_TEXT = 2,
    HEADER_ADDRESSES = 4,
    HEADER_GROUPED = 8,
    HEADER_IDS = 16,
    HEADER_DATE = 32,
    HEADER_URLS = 64,
};

/* A property "header:NAME", "header:NAME:asFORM", each also with ":all". */
struct header_want {
    struct slice property; /* as it was asked */
    struct slice name;
    enum header_form form;
    bool all;
};
/* ERR_INPUT: not such a property; ERR_AUTH: a form that this field is not shown in. Slices of
 * `property`. */
must_use enum error header_want_parse(struct slice property, struct header_want *out);

/* All fields of a header, at most LIMIT_HEADER_FIELDS of LIMIT_HEADER_SIZE bytes. */
struct header_list {
    const struct header_field *field;
    size_t n;
};
/* Empty at the arena's cap, which has then failed. */
struct header_list header_list_read(struct arena *a, struct slice header);
/* The last field of that name; false without one. */
bool header_list_last(const struct header_list *l, struct slice name, struct slice *value);

/* The property's value: null or [] when there is no such field. */
void header_want_write(struct arena *a, struct json_writer *w, const struct header_list *l,
                       const struct header_want *want);
/* [{name, value}, ...] of all fields, raw. */
void header_list_write(struct arena *a, struct json_writer *w, const struct header_list *l);

/* --- The forms --- */

/* Any form of a field's value; p NULL: null. */
void header_form_write(struct arena *a, struct json_writer *w, enum header_form form,
                       struct slice value);
void header_addresses_write(struct arena *a, struct json_writer *w, const struct address *list);
/* Text that is decoded already: made NFC, without NUL. */
void header_text_write(struct json_writer *w, struct slice utf8);

#endif
