/* The grammar of HTTP/1.1 messages, on llhttp (whose names would clash with ours: only this file's
 * body includes it). One parser reads one request. */
#ifndef DEPESCHE_WEB_H1_PARSER_H
#define DEPESCHE_WEB_H1_PARSER_H

#include "base/slice.h"

struct h1_head {
    struct slice method, target;
    uint8_t major, minor;
    bool keep; /* the connection may be used again, says the client */
};

/* What is found; slices point into the bytes that were given. */
struct h1_found {
    void (*field)(void *arg, struct slice name, struct slice value); /* of the head */
    void (*head)(void *arg, const struct h1_head *head);
    void (*piece)(void *arg, struct slice piece); /* of the body */
};

struct h1_parser;

struct h1_parser *h1_parser_new(const struct h1_found *found, void *arg) must_use;
void h1_parser_free(struct h1_parser *p);
/* For the next request. */
void h1_parser_reset(struct h1_parser *p);

enum h1_parsed {
    H1_MORE, /* all was taken, the request goes on */
    H1_DONE, /* the request is whole; *used says how much of `in` it took */
    H1_BAD,  /* no request of HTTP/1 */
};

/* The head must be given whole and alone by the first call, the body in any pieces. */
enum h1_parsed h1_parse(struct h1_parser *p, struct slice in, size_t *used) must_use;

#endif
