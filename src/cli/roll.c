/* `depesche key roll` for TLS: the next key is made, its record published, its certificate asked
 * for; and only when others can know the record does the key change. The files are written as
 * whoever called; the DNS is asked by a confined child (look.h), and what it saw is noted by one
 * that is the data folder's owner. */
#include "base/date.h"
#include "base/file.h"
#include "cli/dns.h"
#include "cli/output.h"
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- What others can see --- */

struct roll {
    struct call *call;
    struct look look;
};

static bool note(struct roll *r, const char *hash, struct publish_visible *out)
{
    struct call *c = r->call;
    if (!call_become_owner(c))
        return false;
    enum error e = dns_visible(&r->look, c->config, hash, out);
    if (e == ERR_IO)
        refuse("%s/tlsa.seen: %s", c->config->data, strerror(errno));
    else if (e)
        refuse("the DNS cannot be asked (%s)", error_name(e));
    return e == OK;
}

static bool see(struct roll *r, const char *hash, struct publish_visible *out)
{
    int ends[2], status = 1;
    if (pipe(ends) != 0)
        return false;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        bool good = note(r, hash, out) && write(ends[1], out, sizeof *out) == sizeof *out;
        _exit(good ? DONE : REFUSED);
    }
    close(ends[1]);
    bool good = child > 0 && read(ends[0], out, sizeof *out) == sizeof *out;
    close(ends[0]);
    good = child > 0 && waitpid(child, &status, 0) == child && status == 0 && good;
    out->why[sizeof out->why - 1] = 0;
    return good;
}

static struct slice when(struct call *c, int64_t seconds)
{
    autobuf b = BUF_INIT(64);
    date_print_iso(seconds, &b);
    return arena_dup(&c->arena, buf_slice(&b));
}

/* What the wait means to somebody who wants to go on. */
static struct slice explain(struct call *c, const struct publish_visible *v)
{
    struct arena *a = &c->arena;
    switch (v->wait) {
    case PUBLISH_READY:
        return arena_printf(a, "its record can be seen since %.*s", SLICE_FMT(when(c, v->since)));
    case PUBLISH_WAIT:
        return arena_printf(a, "its record can be seen since %.*s; others may know it from %.*s on",
                            SLICE_FMT(when(c, v->since)), SLICE_FMT(when(c, v->until)));
    case PUBLISH_NOT_PUBLISHED:
        return SLICE("its TLSA record is not published yet");
    case PUBLISH_NO_DANE:
        return SLICE("no TLSA records are published, or the zone is not signed: there is nothing "
                     "to wait for");
    case PUBLISH_CANNOT_TELL:
        return arena_printf(a, "whether its record can be seen is not known: %s", v->why);
    }
    return SLICE_NONE;
}

/* --- Which --- */

static const struct publish_identity *choose(struct call *c, const struct publish_identity *id,
                                             size_t n)
{
    const char *chain = call_option(c, "certificate");
    for (size_t i = 0; i < n; i++)
        if (!chain || strcmp(id[i].chain, chain) == 0)
            return &id[i];
    if (chain)
        refuse("%s: tls.certificate does not name it", chain);
    else
        refuse("%s: there is no TLS key; tls.certificate names none", c->config->path);
    return NULL;
}

/* --- The next key --- */

static void put_key(struct output *o, struct call *c, const char *state, const char *hash)
{
    output_text(o, arena_printf(&c->arena, "_25._tcp.%s.", c->config->host));
    output_str(o, "TLSA");
    output_str(o, state);
    output_text(o, arena_printf(&c->arena, "3 1 1 %s", hash));
}

static void show_keys(struct call *c, const struct publish_identity *id)
{
    static const char *const columns[] = {"name", "type", "state", "text"};
    struct output o;
    output_table(&o, c->json, columns, 4);
    put_key(&o, c, "present", id->present);
    put_key(&o, c, "next", id->next);
    output_print(&o);
}

static int show_next(struct roll *r, const struct publish_identity *id)
{
    struct call *c = r->call;
    struct publish_visible v;
    show_keys(c, id);
    if (c->json || !id->names_host)
        return DONE;
    if (!see(r, id->next, &v))
        return REFUSED;
    struct slice text = explain(c, &v);
    printf("\nThe next key: %.*s.\n"
           "Publish both records, and let your authority issue a certificate for %s.next.csr. "
           "Then `depesche key roll --switch --chain FILE` puts key and certificate in place.\n",
           SLICE_FMT(text), id->key);
    return DONE;
}

static int make_next(struct roll *r, const struct publish_identity *id)
{
    struct call *c = r->call;
    char why[CONFIG_WHY];
    struct publish_identity *list;
    size_t n;
    if (id->next[0])
        return show_next(r, id);
    if (publish_next_make(id, why) != OK)
        return refuse("%s", why);
    if (!dns_identities(c, &list, &n))
        return REFUSED;
    id = choose(c, list, n);
    return id ? show_next(r, id) : REFUSED;
}

/* --- The switch --- */

/* False: others would meet a key that they cannot know. */
static bool may_switch(struct roll *r, const struct publish_identity *id)
{
    struct call *c = r->call;
    struct publish_visible v;
    if (!id->names_host)
        return true;
    if (!see(r, id->next, &v))
        return false;
    struct slice text = explain(c, &v);
    if (v.wait == PUBLISH_READY || v.wait == PUBLISH_NO_DANE) {
        fprintf(stderr, "the next key: %.*s\n", SLICE_FMT(text));
        return true;
    }
    if (call_has(c, "force")) {
        warn("%.*s; servers that demand DANE may not deliver for a time", SLICE_FMT(text));
        return true;
    }
    refuse("%.*s; --force switches nevertheless", SLICE_FMT(text));
    return false;
}

static int switch_key(struct roll *r, const struct publish_identity *id)
{
    struct call *c = r->call;
    const char *path = call_option(c, "chain");
    char why[CONFIG_WHY], hash[PUBLISH_TLSA];
    autobuf chain = BUF_INIT(LIMIT_PEM_FILE);
    if (!path)
        return wrong_usage("--switch needs --chain: the certificate chain for the next key");
    enum error e = file_read(path, &chain);
    if (e)
        return refuse("%s: cannot be read (%s)", path, error_name(e));
    if (publish_tlsa(buf_slice(&chain), hash) != OK)
        return refuse("%s: no PEM certificate", path);
    if (strcmp(hash, id->next) == 0 && !may_switch(r, id))
        return REFUSED;
    e = publish_switch(id, buf_slice(&chain), c->config->host, why);
    if (e)
        return refuse("%s", why);
    if (strcmp(hash, id->next) != 0) {
        output_done(c->json, "certificate", slice_str(id->chain),
                    "%s is replaced, and its key stays: the chain is for that; `systemctl reload "
                    "depesche` shows it.",
                    id->chain);
        return DONE;
    }
    output_done(c->json, "certificate", slice_str(id->chain),
                "%s and %s are replaced; `systemctl reload depesche` shows them. The old record "
                "may go when twice its TTL has passed.",
                id->chain, id->key);
    return DONE;
}

int key_roll_tls(struct call *c)
{
    struct roll r = {.call = c};
    struct publish_identity *list;
    size_t n;
    if (c->n_args)
        return wrong_usage("domains have DKIM keys only: --dkim");
    if (!call_config(c) || !look_begin(c, &r.look))
        return REFUSED;
    const struct publish_identity *id = dns_identities(c, &list, &n) ? choose(c, list, n) : NULL;
    int result = REFUSED;
    if (id)
        result = call_has(c, "switch") ? switch_key(&r, id) : make_next(&r, id);
    look_end(&r.look);
    return result;
}
