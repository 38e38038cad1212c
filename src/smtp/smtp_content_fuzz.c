/* Fuzzes the dot machine, three ways: against a slow reference of what RFC 5321 says; cut into
 * pieces as the first bytes tell; and there and back: what a right client makes of any content must
 * come out as it was. */
#include "base/limits.h"
#include "base/mem.h"
#include "smtp/content.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST (256 * 1024)

static void collect(void *arg, struct slice run)
{
    buf_add(arg, run);
}

/* Feeds the wire's bytes in pieces; returns how many were taken. */
static size_t feed(struct content *c, struct slice wire, const uint8_t cut[4], struct buf *out)
{
    size_t at = 0, have = 0;
    for (unsigned k = 0; have < wire.n && !c->ended; k++) {
        have += 1 + cut[k % 4];
        if (have > wire.n)
            have = wire.n;
        at += content_data(c, slice_sub(wire, at, have), collect, out);
        if (!c->ended && have - at > 2)
            bug("%zu bytes were left", have - at);
    }
    return at;
}

/* A byte at a time, in the words of the standard. False: something bare or a NUL is in it. */
static bool reference(struct slice wire, struct buf *out, size_t *taken)
{
    bool good = true, start = true;
    size_t i = 0;
    *taken = 0;
    while (i < wire.n) {
        struct slice rest = slice_from(wire, i);
        if (start && slice_starts(rest, SLICE(".\r\n"))) {
            *taken = i + 3;
            return good;
        }
        if (start && rest.p[0] == '.') {
            start = false;
            i++;
            continue;
        }
        if (slice_starts(rest, SLICE("\r\n"))) {
            buf_lit(out, "\r\n");
            start = true;
            i += 2;
            continue;
        }
        good = good && rest.p[0] != '\r' && rest.p[0] != '\n' && rest.p[0] != 0;
        buf_byte(out, rest.p[0]);
        start = false;
        i++;
    }
    return good;
}

static void against_reference(struct slice wire, const uint8_t cut[4])
{
    struct content c = {0};
    autobuf got = BUF_INIT(MOST), want = BUF_INIT(MOST);
    size_t end, taken = feed(&c, wire, cut, &got);
    bool good = reference(wire, &want, &end);
    if (c.ended != (end > 0) || (c.ended && taken != end))
        bug("the end of data is at %zu, not at %zu", end, taken);
    if (c.ended && good != (c.spoiled == REPLY_NONE))
        bug("good or not is judged wrongly");
    if (c.ended && good && !slice_eq(buf_slice(&got), buf_slice(&want)))
        bug("the content is not what was sent");
}

/* Any bytes made a message by a client that keeps to the rules. */
static void there_and_back(struct slice text, const uint8_t cut[4])
{
    autobuf message = BUF_INIT(MOST), wire = BUF_INIT(2 * MOST), got = BUF_INIT(MOST);
    struct slice line;
    while (slice_split(&text, '\n', &line)) {
        if (slice_starts(line, SLICE(".")))
            buf_byte(&wire, '.');
        for (size_t i = 0; i < line.n; i++) {
            uint8_t b = line.p[i] == '\r' || line.p[i] == 0 ? '?' : line.p[i];
            buf_byte(&message, b);
            buf_byte(&wire, b);
        }
        buf_lit(&message, "\r\n");
        buf_lit(&wire, "\r\n");
    }
    size_t body = wire.n;
    buf_lit(&wire, ".\r\nQUIT\r\n");
    struct content c = {0};
    if (feed(&c, buf_slice(&wire), cut, &got) != body + 3 || c.spoiled != REPLY_NONE)
        bug("a right client was refused");
    if (!slice_eq(buf_slice(&got), buf_slice(&message)))
        bug("a message was changed on its way");
}

/* Chunks hold nothing bare either, wherever they are cut. */
static void in_chunks(struct slice wire, const uint8_t cut[4])
{
    struct content c = {0};
    autobuf got = BUF_INIT(MOST);
    size_t at = 0;
    for (unsigned k = 0; at < wire.n; k++) {
        struct slice piece = slice_sub(wire, at, at + 1 + cut[k % 4]);
        content_chunk(&c, piece, collect, &got);
        at += piece.n;
    }
    content_chunks_end(&c);
    bool good = !slice_has(wire, 0);
    for (size_t i = 0; i < wire.n; i++) {
        good = good && (wire.p[i] != '\n' || (i > 0 && wire.p[i - 1] == '\r'));
        good = good && (wire.p[i] != '\r' || (i + 1 < wire.n && wire.p[i + 1] == '\n'));
    }
    if (good != (c.spoiled == REPLY_NONE) || c.taken != wire.n)
        bug("a chunk is judged wrongly");
    if (good && !slice_eq(buf_slice(&got), wire))
        bug("a chunk was changed on its way");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 || size > MOST / 4)
        return 0;
    struct slice wire = slice_of(data + 4, size - 4);
    against_reference(wire, data);
    there_and_back(wire, data);
    in_chunks(wire, data);
    return 0;
}
