/* A request while it runs: what its calls share. */
#ifndef DEPESCHE_JMAP_REQUEST_H
#define DEPESCHE_JMAP_REQUEST_H

#include "jmap/methods.h"

enum {
    JMAP_IMPLICIT = 4, /* calls that follow one call */
    JMAP_ANSWERS = LIMIT_JMAP_CALLS * (1 + JMAP_IMPLICIT),
};

/* An answer that was written: back-references may point into it. */
struct jmap_answer {
    struct slice id, name; /* the name is "error" of one that failed */
    size_t from, to;       /* where its arguments stand in the response */
    json_t *parsed;        /* when something referred to it */
    bool unusable;         /* something did, and it is too deep or too much */
};

struct jmap_request {
    const struct jmap_service *service;
    const struct jmap_user *user;
    struct buf *out;
    struct json_writer writer;
    unsigned using;  /* bit i: capability i of jmap_capabilities[] */
    json_t *created; /* creation ids and what became of them */
    struct view *view;
    struct jmap_answer answer[JMAP_ANSWERS];
    size_t n_answers;
    struct {
        const char *name;
        json_t *args;
    } implicit[JMAP_IMPLICIT];
    size_t n_implicit;
};

/* NULL-ended. */
extern const char *const jmap_capabilities[];

/* Replaces the "#name" members of `args` by what they refer to (RFC 8620 3.7). False: the type of
 * the error is in *error. */
must_use bool jmap_references(struct jmap_request *rq, json_t *args, const char **error);

/* The session resource's state: the same for the same resource. */
enum { JMAP_SESSION_STATE = 17 };
void jmap_session_state(const struct jmap_service *s, const struct jmap_user *u,
                        char out[JMAP_SESSION_STATE]);

#endif
