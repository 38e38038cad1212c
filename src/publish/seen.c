/* Since when others can see a key's TLSA record: a file in the data folder, with a line for each
 * record that the last look found: hash, first seen, longest TTL. */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "publish/publish_private.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct seen {
    char hash[PUBLISH_TLSA];
    int64_t since;
    uint32_t ttl;
};
struct seen_list {
    struct seen item[LIMIT_PUBLISH_TLSA];
    size_t n;
};

static const struct seen *find(const struct seen_list *l, const char *hash)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->item[i].hash, hash) == 0)
            return &l->item[i];
    return NULL;
}

static void seen_path(const struct config *c, const char *more, char out[PUBLISH_PATH])
{
    snprintf(out, PUBLISH_PATH, "%s/tlsa.seen%s", c->data, more);
}

static bool read_line(struct slice line, struct seen *out)
{
    struct slice hash, since, ttl;
    uint64_t first;
    if (!slice_split(&line, ' ', &hash) || !slice_split(&line, ' ', &since) ||
        !slice_split(&line, ' ', &ttl) || slice_cstr(hash, out->hash, sizeof out->hash) != OK ||
        parse_u64(since, INT64_MAX, &first) != OK || parse_u32(ttl, UINT32_MAX, &out->ttl) != OK)
        return false;
    out->since = (int64_t)first;
    return true;
}

/* What cannot be read was never seen: then the wait begins anew. */
static void load(const struct config *c, struct seen_list *l)
{
    autobuf text = BUF_INIT(LIMIT_PUBLISH_SEEN);
    char path[PUBLISH_PATH];
    seen_path(c, "", path);
    l->n = 0;
    if (file_read(path, &text) != OK)
        return;
    struct slice rest = buf_slice(&text), line;
    while (l->n < LIMIT_PUBLISH_TLSA && slice_line(&rest, &line))
        if (read_line(line, &l->item[l->n]))
            l->n++;
}

static enum error save(const struct config *c, const struct seen_list *l)
{
    autobuf text = BUF_INIT(LIMIT_PUBLISH_SEEN);
    char path[PUBLISH_PATH], temporary[PUBLISH_PATH];
    seen_path(c, "", path);
    seen_path(c, ".new", temporary);
    for (size_t i = 0; i < l->n; i++)
        buf_printf(&text, "%s %lld %u\n", l->item[i].hash, (long long)l->item[i].since,
                   l->item[i].ttl);
    autofd fd = open(temporary, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool good = fd >= 0 && !text.failed &&
                (text.n == 0 || write(fd, text.p, text.n) == (ssize_t)text.n) && fsync(fd) == 0 &&
                rename(temporary, path) == 0;
    return good ? OK : ERR_IO;
}

/* Keeps first sights, adds new ones, forgets what is published no more. */
static void look_over(const struct tlsa_answer *answer, const struct seen_list *before, int64_t now,
                      struct seen_list *l)
{
    l->n = 0;
    for (size_t i = 0; i < answer->n; i++) {
        struct seen s = {.since = now, .ttl = answer->ttl};
        publish_hex(answer->hash[i], s.hash);
        const struct seen *old = find(before, s.hash);
        if (old && old->since < now)
            s.since = old->since;
        if (old && old->ttl > s.ttl) /* a forwarder counts down */
            s.ttl = old->ttl;
        l->item[l->n++] = s;
    }
}

static void judge(const struct tlsa_answer *answer, const struct seen_list *l, const char *hash,
                  int64_t now, struct publish_visible *out)
{
    const struct seen *s = find(l, hash);
    out->wait = PUBLISH_NOT_PUBLISHED;
    if (!answer->secure) {
        out->wait = PUBLISH_NO_DANE;
    } else if (s) {
        out->since = s->since;
        out->until = s->since + 2 * (int64_t)s->ttl;
        out->wait = now >= out->until ? PUBLISH_READY : PUBLISH_WAIT;
    }
}

enum error publish_visible(const struct config *c, struct slice bytes, const char *hash,
                           int64_t now, struct publish_visible *out)
{
    struct tlsa_answer answer;
    struct seen_list before, after;
    *out = (struct publish_visible){0};
    enum error e = publish_read_seen(bytes, &answer);
    if (e)
        return e;
    if (!answer.told) {
        out->wait = PUBLISH_CANNOT_TELL;
        snprintf(out->why, sizeof out->why, "%.*s", SLICE_FMT(answer.why));
        return OK;
    }
    load(c, &before);
    look_over(&answer, &before, now, &after);
    judge(&answer, &after, hash, now, out);
    return save(c, &after);
}

int64_t publish_seen_since(const struct config *c, const char *hash)
{
    struct seen_list l;
    load(c, &l);
    const struct seen *s = find(&l, hash);
    return s ? s->since : 0;
}
