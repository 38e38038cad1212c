/* Certificates and keys; see identity.h. */
#include "daemon/identity.h"
#include "base/cursor.h"
#include "base/file.h"
#include "base/mem.h"
#include <errno.h>

static enum error read_pem(struct arena *a, const char *path, struct slice *out,
                           char why[CONFIG_WHY])
{
    struct buf bytes = BUF_INIT(LIMIT_PEM_FILE);
    enum error e = file_read(path, &bytes);
    if (e == ERR_LIMIT) {
        snprintf(why, CONFIG_WHY, "%s: too large for a certificate or key", path);
    } else if (e) {
        snprintf(why, CONFIG_WHY, "%s: %s", path, strerror(errno));
    } else if (bytes.n == 0) {
        snprintf(why, CONFIG_WHY, "%s: the file is empty", path);
        e = ERR_INPUT;
    }
    if (!e)
        *out = arena_dup(a, buf_slice(&bytes));
    buf_wipe(&bytes);
    return e;
}

/* What TLS says of them; the object made is thrown away. */
static enum error try_identities(const struct config *c, const struct identities *ids,
                                 char why[CONFIG_WHY])
{
    struct tls_server *t;
    enum tls_profile profile = c->tls_profile == CONFIG_TLS_BSI ? TLS_BSI : TLS_MODERN;
    enum error e = tls_server_new(profile, TLS_FOR_USERS, ids->item, ids->n, &t, why, CONFIG_WHY);
    if (!e)
        tls_server_free(t);
    return e;
}

enum error identities_load(const struct config *c, struct identities **out, char why[CONFIG_WHY])
{
    why[0] = 0;
    if (c->certificates.n == 0 || c->certificates.n > LIMIT_IDENTITIES) {
        snprintf(why, CONFIG_WHY, "%s: expected 1 to %d lines tls.certificate, found %zu", c->path,
                 LIMIT_IDENTITIES, c->certificates.n);
        return ERR_INPUT;
    }
    struct identities *ids = mem_alloc(sizeof *ids);
    arena_init(&ids->arena, LIMIT_IDENTITIES * 2 * (size_t)LIMIT_PEM_FILE);
    enum error e = OK;
    for (size_t i = 0; !e && i < c->certificates.n; i++) {
        struct tls_identity *to = &ids->item[ids->n++];
        to->name = arena_cstr(&ids->arena, slice_str(c->certificates.item[i].chain));
        e = read_pem(&ids->arena, c->certificates.item[i].chain, &to->chain_pem, why);
        if (!e)
            e = read_pem(&ids->arena, c->certificates.item[i].key, &to->key_pem, why);
    }
    if (!e)
        e = try_identities(c, ids, why);
    if (e)
        identities_free(ids);
    else
        *out = ids;
    return e;
}

void identities_free(struct identities *ids)
{
    if (!ids)
        return;
    /* Unpacked ones point into a sealed map that is not ours to write. */
    for (size_t i = 0; ids->arena.blocks && i < ids->n; i++)
        if (ids->item[i].key_pem.n)
            mem_wipe((void *)(uintptr_t)ids->item[i].key_pem.p, ids->item[i].key_pem.n);
    arena_free(&ids->arena);
    mem_free(ids);
}

void identities_pack(const struct identities *ids, struct buf *out)
{
    buf_u32(out, (uint32_t)ids->n);
    for (size_t i = 0; i < ids->n; i++) {
        buf_bytes(out, slice_str(ids->item[i].name));
        buf_bytes(out, ids->item[i].chain_pem);
        buf_bytes(out, ids->item[i].key_pem);
    }
}

enum error identities_unpack(struct slice bytes, struct identities **out)
{
    struct cursor c = cur_of(bytes);
    struct identities *ids = mem_alloc(sizeof *ids);
    uint32_t n = cur_u32(&c);
    for (uint32_t i = 0; i < n && i < LIMIT_IDENTITIES && cur_ok(&c); i++) {
        (void)cur_bytes(&c, 4096); /* the file's name: the supervisor has said it in its log */
        ids->item[i].name = "certificate";
        ids->item[i].chain_pem = cur_bytes(&c, LIMIT_PEM_FILE);
        ids->item[i].key_pem = cur_bytes(&c, LIMIT_PEM_FILE);
        ids->n = i + 1;
    }
    if (!cur_ok(&c) || !cur_end(&c) || ids->n != n || n == 0) {
        mem_free(ids);
        return ERR_INPUT;
    }
    *out = ids;
    return OK;
}
