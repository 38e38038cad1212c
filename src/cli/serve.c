/* `depesche serve`, `check` and `version`. */
#include "cli/certificate.h"
#include "cli/command.h"
#include "cli/output.h"
#include "queue/providers.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <unistd.h>

int command_serve(struct call *c)
{
    log_set_level(LOG_INFO);
    return c->server->serve(c->config_path, NULL, NULL);
}

/* Says what of the certificates would keep the server from starting. */
static int check_certificates(const struct config *c)
{
    if (c->certificates.n == 0)
        return refuse("%s: tls.certificate is missing; `depesche setup` makes a first one",
                      c->path);
    for (size_t i = 0; i < c->certificates.n; i++) {
        struct certificate_state s;
        const struct config_certificate *p = &c->certificates.item[i];
        enum error e = certificate_look(p->chain, p->key, c->host, &s);
        const char *unreadable = access(p->chain, R_OK) != 0 ? p->chain
                                 : access(p->key, R_OK) != 0 ? p->key
                                                             : NULL;
        if (e && unreadable)
            return refuse("%s: %s%s", unreadable, strerror(errno),
                          errno == EACCES ? "; run this as root" : "; tls.certificate names it");
        if (e)
            return refuse("%s, %s: expected a PEM certificate chain and its PEM key", p->chain,
                          p->key);
        if (!s.key_fits)
            return refuse("%s does not fit the key in %s", p->chain, p->key);
    }
    return DONE;
}

/* Says what of the files for sending would keep the server from starting. */
static int check_sending(const struct config *c)
{
    char why[256];
    struct providers *list;
    const char *file = c->smarthost_password_file;
    enum error e = providers_load(c->providers, &list, why, sizeof why);
    if (e)
        return refuse("%s: the list of providers cannot be read: %s", c->providers,
                      why[0] ? why : error_name(e));
    providers_free(list);
    if (c->smarthost_user[0] && !c->smarthost.host[0])
        return refuse("%s: sending.smarthost_user stands there without sending.smarthost", c->path);
    if (c->smarthost_user[0] && !file[0])
        return refuse("%s: sending.smarthost_user needs sending.smarthost_password_file", c->path);
    if (file[0] && access(file, R_OK) != 0)
        return refuse("%s: %s%s", file, strerror(errno),
                      errno == EACCES ? "; run this as root"
                                      : "; sending.smarthost_password_file names it");
    return DONE;
}

int command_check(struct call *c)
{
    static const char *const columns[] = {"section", "setting", "value", "changed"};
    if (!call_config(c))
        return REFUSED;
    int status = check_certificates(c->config);
    if (status == DONE)
        status = check_sending(c->config);
    if (status != DONE)
        return status;
    size_t n;
    const struct setting *s = config_settings(&n);
    struct config *plain;
    char why[CONFIG_WHY];
    if (config_parse(SLICE(""), "defaults", &plain, why))
        return refuse("%s", why);
    struct output o;
    output_table(&o, c->json, columns, 4);
    for (size_t i = 0; i < n; i++) {
        struct buf value = BUF_INIT(LIMIT_CONFIG_ARENA);
        config_print_value(c->config, &s[i], &value);
        output_str(&o, s[i].section);
        output_str(&o, s[i].name);
        output_text(&o, buf_slice(&value));
        output_bool(&o, !config_same(c->config, plain, &s[i]));
        buf_free(&value);
    }
    config_free(plain);
    output_print(&o);
    return DONE;
}

int command_version(struct call *c)
{
    static const char *const columns[] = {"depesche", "openssl", "sqlite"};
    struct output o;
    output_record(&o, c->json, columns, 3);
    output_str(&o, DEPESCHE_VERSION);
    output_str(&o, OpenSSL_version(OPENSSL_VERSION_STRING));
    output_str(&o, sqlite3_libversion());
    output_print(&o);
    return DONE;
}
