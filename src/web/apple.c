/* /apple.mobileconfig, signed, and /apple.svg: the QR code that leads a phone's camera to it. */
#include "base/log.h"
#include "web/apple_profile.h"
#include "web/facts.h"
#include "web/handlers.h"
#include "web/qr.h"

#define PROFILE_MOST (64 * 1024)

/* Only what looks like an address of ours goes into a profile that we sign. */
static bool read_address(struct http_exchange *x, struct slice *address)
{
    char domain[LIMIT_DOMAIN + 1];
    if (!http_parameter(x, SLICE("address"), address) || address->n == 0) {
        *address = SLICE_NONE;
        return true;
    }
    return address->n <= LIMIT_ADDRESS && facts_domain(x, *address, domain) == OK;
}

/* Signed where there is a certificate; iOS shows others as "not signed" and takes them too. */
static void seal(struct web_service *s, struct buf *profile)
{
    struct buf der = BUF_INIT(2 * PROFILE_MOST);
    pthread_mutex_lock(&s->signer_lock);
    enum error e = s->signer_chain.n ? apple_sign(buf_slice(profile), buf_slice(&s->signer_chain),
                                                  buf_slice(&s->signer_key), &der)
                                     : ERR_NOTFOUND;
    pthread_mutex_unlock(&s->signer_lock);
    if (e) {
        log_warning("apple.unsigned", log_text("error", error_name(e)));
        buf_free(&der);
        return;
    }
    buf_free(profile);
    *profile = der;
}

static void answer_profile(struct http_exchange *x, struct slice address)
{
    struct web_service *s = http_service(x);
    struct buf profile = BUF_INIT(PROFILE_MOST);
    apple_profile(s->config, address, &profile);
    seal(s, &profile);
    http_set_field(
        x, "content-disposition",
        arena_printf(http_arena(x), "attachment; filename=\"%s.mobileconfig\"", s->config->host));
    http_answer_buf(x, 200, "application/x-apple-aspen-config", &profile);
}

static void write_encoded(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (ascii_alpha(s.p[i]) || ascii_digit(s.p[i]) || strchr("-._~@", s.p[i]))
            buf_byte(out, s.p[i]);
        else
            buf_printf(out, "%%%02X", s.p[i]);
}

static void answer_code(struct http_exchange *x, struct slice address)
{
    struct web_service *s = http_service(x);
    struct buf link = BUF_INIT(4096), svg = BUF_INIT(512 * 1024);
    buf_add(&link, facts_base(s->config, http_arena(x)));
    buf_lit(&link, "/apple.mobileconfig");
    if (address.n) {
        buf_lit(&link, "?address=");
        write_encoded(&link, address);
    }
    if (qr_svg(buf_slice(&link), &svg))
        http_problem(x, 500, "code", "The code could not be made.",
                     "Der Code konnte nicht erzeugt werden.");
    else
        http_answer_buf(x, 200, "image/svg+xml", &svg);
    buf_free(&svg);
    buf_free(&link);
}

static void finish(struct http_exchange *x)
{
    struct slice address;
    if (!read_address(x, &address))
        http_problem(x, 404, "domain", "This address is not served here.",
                     "Diese Adresse wird hier nicht bedient.");
    else if (slice_ends(http_path(x), SLICE(".svg")))
        answer_code(x, address);
    else
        answer_profile(x, address);
}

const struct http_handler web_apple = {.finish = finish};
