/* The web's place in the role `mail`; see portal.h. */
#include "daemon/portal.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include <errno.h>
#include <sys/stat.h>

#define IMPRINT_MOST (64 * 1024)

struct portal {
    const struct config *config;
    struct buf imprint;
    char acme[1100], uploads[1100];
    struct web_service web;
    struct jmap_service jmap;
    struct http_listener secure, plain;
};

/* --- Before the walls --- */

static enum error read_imprint(const struct config *c, struct buf *out)
{
    if (!*c->web_imprint)
        return OK;
    enum error e = file_read(c->web_imprint, out);
    if (e)
        log_error("imprint.unread", log_text("file", c->web_imprint),
                  log_text("error", error_name(e)));
    return e;
}

enum error portal_prepare(const struct config *c, struct portal **out)
{
    struct portal *p = mem_alloc(sizeof *p);
    *p = (struct portal){.config = c, .imprint = BUF_INIT(IMPRINT_MOST)};
    pthread_mutex_init(&p->web.signer_lock, NULL);
    p->web.signer_chain = p->web.signer_key = (struct buf)BUF_INIT(LIMIT_PEM_FILE);
    enum error e = read_imprint(c, &p->imprint);
    if (e) {
        portal_close(p);
        return e;
    }
    *out = p;
    return OK;
}

/* --- Behind them --- */

static enum error make_folder(const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0 || errno == EEXIST)
        return OK;
    log_error("folder.unmade", log_text("folder", path), log_text("error", strerror(errno)));
    return ERR_IO;
}

static enum error open_sessions(struct portal *p)
{
    char path[1100];
    snprintf(path, sizeof path, "%s/sessions.db", p->config->data);
    enum error e = web_sessions_open(path, p->web.directory, &p->web.sessions);
    if (e)
        log_error("mail.open_failed", log_text("what", "sessions.db"),
                  log_text("error", error_name(e)));
    return e;
}

static void furnish(struct portal *p, const struct portal_house *house)
{
    const struct config *c = p->config;
    p->web.config = c;
    p->web.login = house->login;
    p->web.guard = house->guard;
    p->web.directory = house->directory;
    p->web.providers = house->providers;
    p->web.imprint = buf_slice(&p->imprint);
    p->web.acme = p->acme;
    p->web.jmap = &p->jmap;
    p->jmap = (struct jmap_service){
        .store = house->store,
        .directory = house->directory,
        .login = house->login,
        .guard = house->guard,
        .submission = house->submission,
        .delivery = house->delivery,
        .host = c->host,
        .uploads = p->uploads,
        .message_size = c->message_size,
        .undelete_days = (unsigned)c->undelete_days,
        .forecast = house->forecast,
        .arg = house->arg,
    };
    p->secure = (struct http_listener){
        .service = &p->web, .routes = web_routes, .is_proxy = web_is_proxy, .hsts = true};
    p->plain = (struct http_listener){
        .service = &p->web, .routes = web_plain_routes, .is_proxy = web_is_proxy};
}

enum error portal_open(struct portal *p, const struct portal_house *house,
                       const struct identities *ids)
{
    snprintf(p->acme, sizeof p->acme, "%s/acme", p->config->data);
    snprintf(p->uploads, sizeof p->uploads, "%s/uploads", p->config->data);
    furnish(p, house);
    portal_identities(p, ids);
    enum error e = make_folder(p->acme, 0755);
    if (!e)
        e = make_folder(p->uploads, 0700);
    if (!e)
        e = open_sessions(p);
    p->jmap.sessions = p->web.sessions;
    return e;
}

void portal_identities(struct portal *p, const struct identities *ids)
{
    struct web_service *w = &p->web;
    pthread_mutex_lock(&w->signer_lock);
    buf_reset(&w->signer_chain);
    buf_wipe(&w->signer_key);
    w->signer_key = (struct buf)BUF_INIT(LIMIT_PEM_FILE);
    if (ids->n) {
        buf_add(&w->signer_chain, ids->item[0].chain_pem);
        buf_add(&w->signer_key, ids->item[0].key_pem);
    }
    pthread_mutex_unlock(&w->signer_lock);
}

struct http_listener *portal_secure(struct portal *p)
{
    return &p->secure;
}

struct http_listener *portal_plain(struct portal *p)
{
    return &p->plain;
}

void portal_tick(struct portal *p)
{
    jmap_tend(&p->jmap);
}

void portal_tend(struct portal *p)
{
    web_sessions_tend(p->web.sessions);
}

void portal_close(struct portal *p)
{
    if (!p)
        return;
    web_sessions_close(p->web.sessions);
    buf_free(&p->web.signer_chain);
    buf_wipe(&p->web.signer_key);
    pthread_mutex_destroy(&p->web.signer_lock);
    buf_free(&p->imprint);
    mem_free(p);
}
