/* For tests: the rooms that JMAP stands on, opened in a temporary folder, with two accounts; and a
 * way to ask and compare.
 *
 * JSON in these functions is written with ' for ". In what is expected, the string '*' stands for
 * any value, and a member '...' (with any value) in an object allows members that are not named. */
#ifndef DEPESCHE_JMAP_JMAP_FIXTURE_H
#define DEPESCHE_JMAP_JMAP_FIXTURE_H

#include "jmap/jmap.h"
#include <jansson.h>

#define JMAP_FIXTURE_PASSWORD "right-Passw0rd"

struct jmap_fixture {
    struct jmap_service service;
    struct smtp_submission submission;
    struct account anna;   /* anna@example.org, English: "A1" */
    struct account ben;    /* ben@example.org, German: "A2" */
    struct jmap_user user; /* who asks: anna, until a test changes it */
    char dir[64];
    char uploads[80];
};

struct jmap_fixture *jmap_fixture_start(void);
void jmap_fixture_stop(struct jmap_fixture *f);

/* Adds a message (LF lines become CRLF; internal date now) and returns its uid. */
uint32_t jmap_fixture_append(struct jmap_fixture *f, uint64_t account, const char *mailbox,
                             const char *raw);
/* A mailbox's JMAP number by its name; fails the test when there is none. */
uint32_t jmap_fixture_mailbox(struct jmap_fixture *f, uint64_t account, const char *name);

/* A request's bytes as they are; the answer parsed, to be given back with json_decref(). */
json_t *jmap_fixture_api(struct jmap_fixture *f, struct slice request, int *status);
/* Method calls with all capabilities in use; "methodResponses" of the answer, a new reference. */
json_t *jmap_fixture_calls(struct jmap_fixture *f, const char *calls);
/* One call; its answer's arguments, a new reference. Fails the test when the answer has another
 * name. */
json_t *jmap_fixture_call(struct jmap_fixture *f, const char *method, const char *args);
/* Runs the calls and compares the methodResponses. */
#define jmap_expect(f, calls, expected) jmap_expect_at((f), (calls), (expected), __FILE__, __LINE__)
void jmap_expect_at(struct jmap_fixture *f, const char *calls, const char *expected,
                    const char *file, int line);
/* One call that answers with arguments, or with a method-level error's type. */
#define jmap_expect_call(f, method, args, expected)                                                \
    jmap_expect_call_at((f), (method), (args), (expected), __FILE__, __LINE__)
void jmap_expect_call_at(struct jmap_fixture *f, const char *method, const char *args,
                         const char *expected, const char *file, int line);
#define jmap_expect_error(f, method, args, type)                                                   \
    jmap_expect_error_at((f), (method), (args), (type), __FILE__, __LINE__)
void jmap_expect_error_at(struct jmap_fixture *f, const char *method, const char *args,
                          const char *type, const char *file, int line);
/* Compares a value; fails the test with both texts. */
#define jmap_match(got, expected) jmap_match_at((got), (expected), __FILE__, __LINE__)
void jmap_match_at(const json_t *got, const char *expected, const char *file, int line);

#endif
