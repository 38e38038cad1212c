/* Writing and reading the hand-over's records. */
#include "handover/record.h"
#include "base/cursor.h"
#include "base/limits.h"

enum { FLAG_UTF8 = 1, FLAG_TLS = 2, FLAGS_ENVELOPE = 3 };
enum { FLAG_FIRST = 1, FLAG_LAST = 2, FLAGS_BANNED = 3 };

#define STATUS_MAX HANDOVER_TOO_MANY
#define NOTIFY_MAX 15
#define RET_MAX    2

static void head(enum record_type type, uint64_t id, struct buf *out)
{
    buf_byte(out, (uint8_t)type);
    buf_u64(out, id);
}

void record_write_resolve(uint64_t id, struct slice recipient, uint64_t size, struct buf *out)
{
    head(RECORD_RESOLVE, id, out);
    buf_u64(out, size);
    buf_bytes(out, recipient);
}

/* One string, or none when it comes as a memfd. */
static void one(enum record_type type, uint64_t id, const struct slice *s, struct buf *out)
{
    head(type, id, out);
    if (s)
        buf_bytes(out, *s);
}

static void two(enum record_type type, uint64_t id, struct slice first, struct slice second,
                struct buf *out)
{
    (void)buf_room(out, RECORD_HEAD + first.n + second.n); /* at once, not by doubling */
    head(type, id, out);
    buf_bytes(out, first);
    buf_bytes(out, second);
}

void record_write_deliver(uint64_t id, const struct slice *envelope, struct buf *out)
{
    one(envelope ? RECORD_DELIVER : RECORD_DELIVER_LONG, id, envelope, out);
}

void record_write_deliver_small(uint64_t id, struct slice envelope, struct slice message,
                                struct buf *out)
{
    two(RECORD_DELIVER_SMALL, id, envelope, message, out);
}

void record_write_relay(uint64_t id, const struct slice *request, struct buf *out)
{
    one(request ? RECORD_RELAY : RECORD_RELAY_LONG, id, request, out);
}

void record_write_relay_small(uint64_t id, struct slice request, struct slice message,
                              struct buf *out)
{
    two(RECORD_RELAY_SMALL, id, request, message, out);
}

void record_write_relayed(uint64_t id, const struct slice *result, struct buf *out)
{
    one(result ? RECORD_RELAYED : RECORD_RELAYED_LONG, id, result, out);
}

void record_write_health(bool validates, struct slice text, struct buf *out)
{
    head(RECORD_HEALTH, 0, out);
    buf_byte(out, validates);
    buf_bytes(out, slice_sub(text, 0, LIMIT_HEALTH_TEXT));
}

void record_write_statuses(enum record_type type, uint64_t id, const enum handover_status *status,
                           size_t n, struct buf *out)
{
    head(type, id, out);
    buf_u32(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        buf_byte(out, (uint8_t)status[i]);
}

void record_write_banned(const struct ip *ips, size_t n, bool first, bool last, struct buf *out)
{
    head(RECORD_BANNED, 0, out);
    buf_byte(out, (uint8_t)((first ? FLAG_FIRST : 0) | (last ? FLAG_LAST : 0)));
    buf_u32(out, (uint32_t)(n * sizeof ips->b));
    for (size_t i = 0; i < n; i++)
        buf_add(out, slice_of(ips[i].b, sizeof ips[i].b));
}

static bool good_statuses(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] > STATUS_MAX)
            return false;
    return true;
}

enum error record_read(struct slice bytes, struct record *out)
{
    struct cursor c = cur_of(bytes);
    struct record r = {.type = (enum record_type)cur_u8(&c), .id = cur_u64(&c)};
    bool good = true;
    uint8_t flags;
    switch (r.type) {
    case RECORD_RESOLVE:
        r.size = cur_u64(&c);
        r.recipient = cur_bytes(&c, 2 * LIMIT_ADDRESS);
        break;
    case RECORD_DELIVER:
        r.envelope = cur_bytes(&c, LIMIT_HANDOVER_RECORD);
        break;
    case RECORD_DELIVER_LONG:
    case RECORD_RELAY_LONG:
    case RECORD_RELAYED_LONG:
        break;
    case RECORD_DELIVER_SMALL:
        r.envelope = cur_bytes(&c, LIMIT_HANDOVER_RECORD);
        r.message = cur_bytes(&c, LIMIT_HANDOVER_SMALL);
        break;
    case RECORD_RESOLVED:
    case RECORD_DELIVERED:
        r.statuses = cur_bytes(&c, LIMIT_HANDOVER_RECIPIENTS);
        good = r.statuses.n > 0 && good_statuses(r.statuses);
        break;
    case RECORD_BANNED:
        flags = cur_u8(&c);
        r.first = flags & FLAG_FIRST;
        r.last = flags & FLAG_LAST;
        r.addresses = cur_bytes(&c, RECORD_BANS * sizeof(struct ip));
        good = flags <= FLAGS_BANNED && r.addresses.n % sizeof(struct ip) == 0;
        break;
    case RECORD_RELAY:
        r.request = cur_bytes(&c, LIMIT_HANDOVER_RECORD);
        break;
    case RECORD_RELAY_SMALL:
        r.request = cur_bytes(&c, LIMIT_HANDOVER_RECORD);
        r.message = cur_bytes(&c, LIMIT_RELAY_SMALL);
        break;
    case RECORD_RELAYED:
        r.result = cur_bytes(&c, LIMIT_HANDOVER_RECORD);
        break;
    case RECORD_HEALTH:
        flags = cur_u8(&c);
        r.validates = flags;
        r.text = cur_bytes(&c, LIMIT_HEALTH_TEXT);
        good = flags <= 1;
        break;
    default:
        good = false;
    }
    if (!good || !cur_ok(&c) || !cur_end(&c))
        return ERR_INPUT;
    *out = r;
    return OK;
}

void record_write_envelope(const struct handover_envelope *e, struct buf *out)
{
    buf_add(out, slice_of(e->peer.b, sizeof e->peer.b));
    buf_byte(out, (uint8_t)((e->smtputf8 ? FLAG_UTF8 : 0) | (e->require_tls ? FLAG_TLS : 0)));
    buf_byte(out, e->ret);
    buf_u64(out, (uint64_t)e->received);
    buf_bytes(out, e->helo);
    buf_bytes(out, e->tls_version);
    buf_bytes(out, e->tls_cipher);
    buf_bytes(out, e->sender);
    buf_bytes(out, e->envid);
    buf_bytes(out, e->trace);
    buf_u32(out, (uint32_t)e->n_recipients);
    for (size_t i = 0; i < e->n_recipients; i++) {
        buf_bytes(out, e->recipients[i].address);
        buf_bytes(out, e->recipients[i].orcpt);
        buf_byte(out, e->recipients[i].notify);
    }
}

/* The smallest recipient: two lengths and a byte. */
#define RECIPIENT_MIN 9

static enum error read_recipients(struct arena *a, struct cursor *c, struct handover_envelope *e)
{
    uint32_t n = cur_u32(c);
    if (n == 0 || n > c->rest.n / RECIPIENT_MIN)
        return ERR_INPUT;
    if (n > LIMIT_HANDOVER_RECIPIENTS)
        return ERR_LIMIT;
    struct handover_recipient *r = arena_array(a, n, sizeof *r);
    if (!r)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < n; i++) {
        r[i].address = cur_bytes(c, 2 * LIMIT_ADDRESS);
        r[i].orcpt = cur_bytes(c, 2 * LIMIT_SMTP_ORCPT);
        r[i].notify = cur_u8(c);
        if (r[i].notify > NOTIFY_MAX)
            return ERR_INPUT;
    }
    e->recipients = r;
    e->n_recipients = n;
    return OK;
}

enum error record_read_envelope(struct arena *a, struct slice bytes, struct handover_envelope *out)
{
    struct cursor c = cur_of(bytes);
    struct handover_envelope e = {0};
    struct slice peer = cur_take(&c, sizeof e.peer.b);
    if (peer.n != sizeof e.peer.b)
        return ERR_INPUT;
    memcpy(e.peer.b, peer.p, sizeof e.peer.b);
    uint8_t flags = cur_u8(&c);
    e.smtputf8 = flags & FLAG_UTF8;
    e.require_tls = flags & FLAG_TLS;
    e.ret = cur_u8(&c);
    e.received = (int64_t)cur_u64(&c);
    e.helo = cur_bytes(&c, LIMIT_DOMAIN);
    e.tls_version = cur_bytes(&c, LIMIT_DOMAIN);
    e.tls_cipher = cur_bytes(&c, LIMIT_DOMAIN);
    e.sender = cur_bytes(&c, 2 * LIMIT_ADDRESS);
    e.envid = cur_bytes(&c, LIMIT_SMTP_ENVID);
    e.trace = cur_bytes(&c, LIMIT_SMTP_TRACE);
    enum error error = read_recipients(a, &c, &e);
    if (error != OK)
        return error;
    if (!cur_ok(&c) || !cur_end(&c) || flags > FLAGS_ENVELOPE || e.ret > RET_MAX)
        return ERR_INPUT;
    *out = e;
    return OK;
}
