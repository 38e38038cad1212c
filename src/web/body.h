/* Small JSON bodies of our own endpoints. */
#ifndef DEPESCHE_WEB_BODY_H
#define DEPESCHE_WEB_BODY_H

#include "base/json_read.h"
#include "web/http.h"

/* In begin(): takes a JSON body of at most `limit` bytes. Answers 415 when it is said to be
 * something else: a form of another site cannot say that it sends JSON. */
void body_take_json(struct http_exchange *x, size_t limit);
/* In finish(): the object, of single values only, for json_decref(); NULL: answered with 400. */
json_t *body_object(struct http_exchange *x) must_use;
/* A member's text; p is NULL when there is none. Valid while the object is. */
struct slice body_text(const json_t *object, const char *key);

#endif
