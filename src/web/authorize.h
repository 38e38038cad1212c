/* Who asks: the one place that turns a request into an account, by session cookie or HTTP Basic.
 *
 * Wrong passwords count for the one lockout (guard.h). An address that is locked out can log in
 * nowhere, by no means, right password or not (429); but who is logged in already goes on: a
 * session's token cannot be found by trying, and a household shall not be cut off by one phone.
 *
 * A request that changes something and comes with a cookie must come from our own pages
 * (web_is_own_page); one with Basic need not: no browser was ever asked to remember a password. */
#ifndef DEPESCHE_WEB_AUTHORIZE_H
#define DEPESCHE_WEB_AUTHORIZE_H

#include "web/web.h"

#define WEB_COOKIE "__Host-session"

/* True: *u says who. False: the request has been answered (401, 403, 429, 503; the bodies stand in
 * doc/jmap-extensions.md). A new cookie goes with the response when it is time. Blocks for an
 * Argon2id hash at most. */
bool web_authorize(struct http_exchange *x, struct jmap_user *u) must_use;
/* Is this browser logged in? Answers nothing. */
bool web_is_logged_in(struct http_exchange *x);
/* Did one of our own pages send it? By Origin, else by Sec-Fetch-Site. */
bool web_is_own_page(struct http_exchange *x);

/* --- Answers --- */

/* {"type": "..."} */
void web_answer_type(struct http_exchange *x, int status, const char *type);
/* What a login that failed is answered with; `r` is not LOGIN_OK. */
void web_answer_login(struct http_exchange *x, enum login_result r, int64_t until);
/* Content-Disposition with a name that is anybody's (RFC 6266, 8187). */
void web_set_disposition(struct http_exchange *x, const char *how, struct slice name);
/* Sets the session's cookie; NULL takes it away. */
void web_set_cookie(struct http_exchange *x, const char *token);

#endif
