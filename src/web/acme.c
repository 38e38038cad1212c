/* ACME challenges (RFC 8555 8.3): files that a certificate client puts into the folder `acme` of
 * server.data, below .well-known/acme-challenge/ as such clients do ("webroot"). */
#include "base/file.h"
#include "web/handlers.h"
#include "web/web.h"

#define TOKEN_MOST  128
#define ANSWER_MOST 1024

/* RFC 8555 8.3: a token has the letters of base64url only, so it names no other folder. */
static bool good_token(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
            return false;
    return s.n > 0 && s.n <= TOKEN_MOST;
}

static void finish(struct http_exchange *x)
{
    const struct web_service *s = http_service(x);
    static const struct slice folder = SLICE("/.well-known/acme-challenge/");
    struct slice path = http_path(x);
    struct buf body = BUF_INIT(ANSWER_MOST);
    char file[1400];
    enum error e = ERR_NOTFOUND;
    if (slice_starts(path, folder) && good_token(slice_from(path, folder.n))) {
        snprintf(file, sizeof file, "%s%.*s", s->acme, SLICE_FMT(path));
        e = file_read(file, &body);
    }
    if (e)
        http_problem(x, 404, "challenge", "There is no such challenge here.",
                     "Diese Prüfdatei gibt es hier nicht.");
    else
        http_answer(x, 200, "text/plain", buf_slice(&body));
    buf_free(&body);
}

const struct http_handler web_acme = {.finish = finish};
