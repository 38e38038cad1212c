/* Questions and answers as bytes: what goes from whoever has directory and keys to whoever reads
 * the network, and back. A question names every record to look up, so that the looking needs
 * neither; an answer is read as what it is, bytes from a process that strangers may have taken
 * over. */
#include "base/cursor.h"
#include "base/limits.h"
#include "publish/publish_private.h"

enum { FINDING_LEAST = 3 + 4 * 4, RECORD_LEAST = 5 * 4 + 1, HASH = 32 };

static uint8_t read_below(struct cursor *c, unsigned count)
{
    uint8_t v = cur_u8(c);
    if (v >= count)
        c->failed = true;
    return c->failed ? 0 : v;
}

static struct slice read_bytes(struct cursor *c)
{
    return cur_bytes(c, LIMIT_PUBLISH_LIST);
}

/* A list's count, and room for it: no more than the bytes that follow can hold. */
static void *read_list(struct cursor *c, struct arena *a, size_t least, size_t size, size_t *n)
{
    uint32_t count = cur_u32(c);
    if (count > c->rest.n / least)
        c->failed = true;
    *n = c->failed ? 0 : count;
    void *list = arena_array(a, *n + 1, size);
    if (!list)
        c->failed = true;
    return c->failed ? NULL : list;
}

static enum error ended(const struct cursor *c, const struct arena *a)
{
    if (a->failed)
        return ERR_LIMIT;
    return cur_ok(c) && cur_end(c) ? OK : ERR_INPUT;
}

/* --- Questions --- */

static void put_records(const struct publish_record *r, size_t n, struct buf *out)
{
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += !r[i].hint;
    buf_u32(out, count);
    for (size_t i = 0; i < n; i++) {
        if (r[i].hint)
            continue;
        buf_bytes(out, r[i].name);
        buf_u32(out, r[i].type);
        buf_bytes(out, r[i].value);
        buf_bytes(out, r[i].text);
        buf_bytes(out, r[i].remark);
        buf_byte(out, (uint8_t)r[i].need);
    }
}

static enum error records_of(const struct publish_input *in, enum publish_question what,
                             struct arena *a, struct publish_record **r, size_t *n)
{
    switch (what) {
    case PUBLISH_DOMAIN:
        return publish_domain_records(in, a, r, n);
    case PUBLISH_NEXT_DKIM:
        return publish_next_dkim_records(in, a, r, n);
    case PUBLISH_HOST:
        return publish_host_records(in, a, r, n);
    case PUBLISH_TLSA_SEEN:
        break;
    }
    *r = NULL;
    *n = 0;
    return OK;
}

enum error publish_ask(const struct publish_input *in, enum publish_question what, struct arena *a,
                       struct buf *question)
{
    struct publish_record *r;
    size_t n;
    char domain[LIMIT_DOMAIN + 1] = "";
    enum error e = records_of(in, what, a, &r, &n);
    if (!e && what == PUBLISH_DOMAIN)
        e = mail_domain_parse(in->domain, domain);
    if (e)
        return e;
    buf_byte(question, (uint8_t)what);
    buf_bytes(question, slice_str(domain));
    buf_u32(question, 2 * (uint32_t)in->n_identities);
    for (size_t i = 0; i < in->n_identities; i++) {
        buf_bytes(question, slice_str(in->identity[i].present));
        buf_bytes(question, slice_str(in->identity[i].next));
    }
    put_records(r, n, question);
    return buf_check(question);
}

static enum error read_question(struct slice bytes, struct arena *a, struct question *q)
{
    struct cursor c = cur_of(bytes);
    q->what = (enum publish_question)read_below(&c, PUBLISH_TLSA_SEEN + 1);
    q->domain = read_bytes(&c);
    q->ours = read_list(&c, a, 4, sizeof *q->ours, &q->n_ours);
    for (size_t i = 0; i < q->n_ours; i++)
        q->ours[i] = read_bytes(&c);
    struct publish_record *r = read_list(&c, a, RECORD_LEAST, sizeof *r, &q->n_records);
    for (size_t i = 0; i < q->n_records; i++) {
        r[i].name = read_bytes(&c);
        r[i].type = (enum dns_type)cur_u32(&c);
        r[i].value = read_bytes(&c);
        r[i].text = read_bytes(&c);
        r[i].remark = read_bytes(&c);
        r[i].need = (enum publish_need)read_below(&c, PUBLISH_MAY + 1);
    }
    q->record = r;
    return ended(&c, a);
}

/* --- Answers --- */

static void put_findings(const struct publish_finding *f, size_t n, struct buf *out)
{
    buf_u32(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        buf_bytes(out, f[i].what);
        buf_byte(out, (uint8_t)f[i].state);
        buf_byte(out, (uint8_t)f[i].need);
        buf_byte(out, f[i].secure);
        buf_bytes(out, f[i].expected);
        buf_bytes(out, f[i].found);
        buf_bytes(out, f[i].help);
    }
}

enum error publish_read_findings(struct slice answer, struct arena *a, struct publish_finding **out,
                                 size_t *n)
{
    struct cursor c = cur_of(answer);
    size_t count;
    struct publish_finding *f = read_list(&c, a, FINDING_LEAST, sizeof *f, &count);
    for (size_t i = 0; i < count; i++) {
        f[i].what = read_bytes(&c);
        f[i].state = (enum publish_state)read_below(&c, PUBLISH_UNKNOWN + 1);
        f[i].need = (enum publish_need)read_below(&c, PUBLISH_MAY + 1);
        f[i].secure = read_below(&c, 2) == 1;
        f[i].expected = read_bytes(&c);
        f[i].found = read_bytes(&c);
        f[i].help = read_bytes(&c);
    }
    enum error e = ended(&c, a);
    if (e)
        return e;
    *out = f;
    *n = count;
    return OK;
}

static enum error look_at_records(const struct question *q, struct dns *dns,
                                  struct slice authorities, struct arena *a, struct buf *answer)
{
    struct publish_finding *f;
    size_t n;
    enum error e = q->what == PUBLISH_HOST ? publish_check_host(q, dns, authorities, a, &f, &n)
                                           : publish_check_records(q, dns, a, &f, &n);
    if (!e)
        put_findings(f, n, answer);
    return e;
}

/* The bytes of TLSA records: what publish_read_seen() reads. Proves validation first. */
static void look_for_tlsa(const struct question *q, struct dns *dns, struct arena *a,
                          struct buf *answer)
{
    char why[PUBLISH_WHY] = "";
    struct dns_answer found = {.status = DNS_FAILED};
    if (!q->config->dns_anchor[0])
        snprintf(why, sizeof why, "dns.anchor is empty, so nothing can be validated");
    else if (!dns_prove(dns))
        dns_proof_text(dns, why, sizeof why);
    else
        dns_lookup(dns, arena_printf(a, "_25._tcp.%s", q->config->host), DNS_TLSA, 0, a, &found);
    bool told = found.status != DNS_FAILED && found.status != DNS_BOGUS;
    bool secure = found.status == DNS_OK && found.secure;
    buf_bytes(answer, why[0] ? slice_sub(slice_str(why), 0, sizeof why - 1) : found.why);
    buf_byte(answer, told);
    buf_byte(answer, secure);
    buf_u32(answer, found.ttl);
    for (size_t i = 0; secure && i < found.n; i++) {
        struct dns_tlsa t;
        if (dns_read_tlsa(found.record[i], &t) == OK && t.usage == 3 && t.selector == 1 &&
            t.matching == 1 && t.data.n == HASH)
            buf_add(answer, t.data);
    }
}

enum error publish_read_seen(struct slice answer, struct tlsa_answer *out)
{
    struct cursor c = cur_of(answer);
    *out = (struct tlsa_answer){.why = read_bytes(&c)};
    out->told = read_below(&c, 2) == 1;
    out->secure = read_below(&c, 2) == 1;
    out->ttl = cur_u32(&c);
    while (cur_ok(&c) && !cur_end(&c) && out->n < LIMIT_PUBLISH_TLSA)
        out->hash[out->n++] = cur_take(&c, HASH);
    return cur_ok(&c) && cur_end(&c) ? OK : ERR_INPUT;
}

enum error publish_look(const struct config *config, struct dns *dns, struct slice authorities,
                        struct slice question, struct arena *a, struct buf *answer)
{
    struct question q = {.config = config};
    enum error e = read_question(question, a, &q);
    if (e)
        return e;
    if (q.what == PUBLISH_TLSA_SEEN)
        look_for_tlsa(&q, dns, a, answer);
    else
        e = look_at_records(&q, dns, authorities, a, answer);
    return e ? e : buf_check(answer);
}
