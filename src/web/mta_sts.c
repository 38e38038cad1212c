/* Our own MTA-STS policy (RFC 8461 3.2), at mta-sts.DOMAIN for each of our domains. */
#include "publish/publish.h"
#include "web/facts.h"
#include "web/handlers.h"

static void finish(struct http_exchange *x)
{
    const struct web_service *s = http_service(x);
    struct slice host = http_host(x), label;
    char domain[LIMIT_DOMAIN + 1];
    bool ours = slice_split(&host, '.', &label) && slice_eq(label, SLICE("mta-sts")) &&
                mail_domain_parse(host, domain) == OK &&
                directory_domain_is_ours(s->directory, slice_str(domain));
    if (!ours) {
        http_problem(x, 404, "domain", "There is no policy at this name.",
                     "Unter diesem Namen gibt es keine Regel.");
        return;
    }
    http_answer(x, 200, "text/plain", publish_sts_policy(s->config, http_arena(x)));
}

const struct http_handler web_mta_sts = {.finish = finish};
