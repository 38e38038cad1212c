/* From addresses to places, with SRS; see resolve.h. */
#include "filter/resolve.h"
#include "base/clock.h"
#include "base/log.h"
#include "filter/srs.h"

static void read_secret(struct directory *d, struct srs *s)
{
    _Static_assert(DIRECTORY_SECRET == SRS_SECRET, "the directory keeps what SRS needs");
    directory_srs_secret(d, s->secret);
}

bool resolve_is_return(struct directory *d, struct slice address)
{
    size_t at = slice_rindex(address, '@');
    return at < address.n && srs_looks_like(slice_sub(address, 0, at)) &&
           directory_domain_is_ours(d, slice_from(address, at + 1));
}

enum error resolve_recipient(struct directory *d, struct slice address, struct arena *a,
                             struct resolved_target **out)
{
    if (!resolve_is_return(d, address))
        return directory_resolve(d, address, a, out);
    struct slice local = slice_sub(address, 0, slice_rindex(address, '@'));
    struct srs keys;
    autobuf sender = BUF_INIT(LIMIT_ADDRESS);
    read_secret(d, &keys);
    enum error e = srs_back(&keys, local, clock_wall(), &sender);
    if (e)
        return e == ERR_LIMIT ? ERR_INPUT : ERR_NOTFOUND;
    struct resolved_target *t = arena_array(a, 1, sizeof *t);
    if (!t)
        return ERR_LIMIT;
    t->address = arena_dup(a, buf_slice(&sender));
    *out = t;
    return OK;
}

struct slice resolve_forward_sender(struct directory *d, struct slice sender, struct slice domain,
                                    int64_t now, struct arena *a)
{
    struct srs keys;
    size_t at = slice_rindex(sender, '@');
    autobuf out = BUF_INIT(LIMIT_ADDRESS);
    if (sender.n == 0 || (at < sender.n && directory_domain_is_ours(d, slice_from(sender, at + 1))))
        return sender;
    read_secret(d, &keys);
    enum error e = srs_forward(&keys, sender, domain, now, &out);
    if (!e)
        return arena_dup(a, buf_slice(&out));
    log_warning("forward.sender_kept", log_slice("from", sender), log_text("error", error_name(e)));
    return sender;
}
