/* The listening sockets; see ports.h. */
#include "daemon/ports.h"
#include "base/log.h"
#include "base/mem.h"
#include <errno.h>
#include <unistd.h>

static bool same(const struct listening *l, enum config_service service,
                 const struct config_endpoint *at)
{
    return l->fd >= 0 && l->service == service && l->at.port == at->port && ip_eq(l->at.ip, at->ip);
}

static int take(struct ports *old, enum config_service service, const struct config_endpoint *at)
{
    for (size_t i = 0; old && i < old->n; i++)
        if (same(&old->item[i], service, at)) {
            int fd = old->item[i].fd;
            old->item[i].fd = -1;
            return fd;
        }
    return -1;
}

static void give_back(struct ports *from, struct ports *old)
{
    for (size_t i = 0; old && i < from->n; i++)
        for (size_t j = 0; j < old->n; j++) {
            struct listening *l = &old->item[j];
            if (l->fd < 0 && from->item[i].fd >= 0 && l->service == from->item[i].service &&
                l->at.port == from->item[i].at.port && ip_eq(l->at.ip, from->item[i].at.ip)) {
                l->fd = from->item[i].fd;
                from->item[i].fd = -1;
            }
        }
    ports_close(from);
}

static enum error open_one(enum config_service service, const struct config_endpoint *at, int *fd,
                           bool *skip, char why[CONFIG_WHY])
{
    char text[IP_TEXT];
    ip_print(at->ip, text);
    errno = 0;
    enum error e = ip_listen(at->ip, at->port, fd);
    if (!e)
        return OK;
    int reason = errno;
    if (!ip_is_v4(at->ip) && (reason == EAFNOSUPPORT || reason == EADDRNOTAVAIL)) {
        log_warning("listen.no_ipv6", log_text("address", text), log_u64("port", at->port));
        *skip = true;
        return OK;
    }
    snprintf(why, CONFIG_WHY, "cannot listen on %s port %u for %s: %s%s", text, at->port,
             config_service_name(service), strerror(reason),
             reason == EADDRINUSE ? "; another program (or another Depesche) has it"
             : reason == EACCES   ? "; ports below 1024 need root"
                                  : "");
    return e;
}

static enum error open_service(const struct config *c, enum config_service service,
                               struct ports *old, struct ports *out, char why[CONFIG_WHY])
{
    struct arena a;
    arena_init(&a, 1024 * 1024);
    struct config_endpoint *at;
    size_t n;
    enum error e = config_endpoints(c, service, &a, &at, &n);
    if (e)
        snprintf(why, CONFIG_WHY, "too many ports for %s", config_service_name(service));
    for (size_t i = 0; !e && i < n; i++) {
        bool skip = false;
        if (out->n == LIMIT_LISTENERS) {
            snprintf(why, CONFIG_WHY, "more than %d ports", LIMIT_LISTENERS);
            e = ERR_LIMIT;
            break;
        }
        int fd = take(old, service, &at[i]);
        if (fd < 0)
            e = open_one(service, &at[i], &fd, &skip, why);
        if (!e && !skip)
            out->item[out->n++] = (struct listening){service, at[i], fd};
    }
    arena_free(&a);
    return e;
}

enum error ports_open(const struct config *c, struct ports *old, struct ports *out,
                      char why[CONFIG_WHY])
{
    *out = (struct ports){.n = 0};
    enum error e = OK;
    for (enum config_service s = 0; !e && s < SERVICE_COUNT; s++)
        e = open_service(c, s, old, out, why);
    if (!e && out->n == 0) {
        snprintf(why, CONFIG_WHY, "no port is configured in [listen]");
        e = ERR_INPUT;
    }
    if (e)
        give_back(out, old);
    return e;
}

void ports_close(struct ports *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->item[i].fd >= 0)
            (void)close(p->item[i].fd);
    p->n = 0;
}

size_t ports_of_role(const struct ports *p, bool edge, struct listening *out)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        if ((p->item[i].service == SERVICE_SMTP) == edge)
            out[n++] = p->item[i];
    return n;
}
