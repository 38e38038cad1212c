/* SASL PLAIN and LOGIN as a state machine; see sasl.h. */
#include "auth/sasl.h"

#include "base/base64.h"
#include "base/mem.h"

enum mechanism { PLAIN, LOGIN };
enum stage { STAGE_MESSAGE, STAGE_USER, STAGE_PASSWORD, STAGE_END };

/* authzid NUL authcid NUL password */
enum { MESSAGE_SIZE = 2 * LIMIT_ADDRESS + LIMIT_PASSWORD + 2 };

static bool keep(struct slice s, char *out, size_t size, size_t *n)
{
    if (s.n == 0 || slice_cstr(s, out, size) != OK)
        return false;
    *n = s.n;
    return true;
}

static bool keep_user(struct sasl *s, struct slice user)
{
    return keep(user, s->user, sizeof s->user, &s->user_n);
}

static bool keep_password(struct sasl *s, struct slice password)
{
    return keep(password, s->password, sizeof s->password, &s->password_n);
}

static enum sasl_step ask(struct sasl *s, enum stage stage, struct slice challenge)
{
    s->stage = stage;
    s->challenge = challenge;
    return SASL_CHALLENGE;
}

static enum sasl_step end(struct sasl *s, enum sasl_step step)
{
    s->stage = STAGE_END;
    return step;
}

static enum sasl_step take_plain(struct sasl *s, struct slice message)
{
    struct slice rest = message, authorize, user;
    size_t nul = slice_index(rest, 0);
    if (nul == rest.n)
        return end(s, SASL_BAD);
    authorize = slice_sub(rest, 0, nul);
    rest = slice_from(rest, nul + 1);
    nul = slice_index(rest, 0);
    if (nul == rest.n)
        return end(s, SASL_BAD);
    user = slice_sub(rest, 0, nul);
    if (!keep_user(s, user) || !keep_password(s, slice_from(rest, nul + 1)))
        return end(s, SASL_BAD);
    bool other = authorize.n > 0 && !slice_ieq(authorize, user);
    return end(s, other ? SASL_MISMATCH : SASL_DONE);
}

static enum sasl_step take(struct sasl *s, struct slice message)
{
    switch ((enum stage)s->stage) {
    case STAGE_MESSAGE:
        return take_plain(s, message);
    case STAGE_USER:
        if (!keep_user(s, message))
            return end(s, SASL_BAD);
        return ask(s, STAGE_PASSWORD, SLICE("UGFzc3dvcmQ6")); /* "Password:" */
    case STAGE_PASSWORD:
        return end(s, keep_password(s, message) ? SASL_DONE : SASL_BAD);
    case STAGE_END:
        break;
    }
    return SASL_BAD;
}

static enum sasl_step take_base64(struct sasl *s, struct slice text)
{
    struct buf message = BUF_INIT(MESSAGE_SIZE);
    /* At once in full size: a buffer that grows would leave copies of the password behind. */
    enum sasl_step step;
    if (buf_room(&message, MESSAGE_SIZE) != NULL && base64_decode(text, &message) == OK)
        step = take(s, buf_slice(&message));
    else
        step = end(s, SASL_BAD);
    buf_wipe(&message);
    return step;
}

enum sasl_step sasl_start(struct sasl *s, struct slice mechanism, struct slice initial)
{
    memset(s, 0, sizeof *s);
    if (slice_ieq(mechanism, SLICE("PLAIN"))) {
        s->mechanism = PLAIN;
        ask(s, STAGE_MESSAGE, SLICE(""));
    } else if (slice_ieq(mechanism, SLICE("LOGIN"))) {
        s->mechanism = LOGIN;
        ask(s, STAGE_USER, SLICE("VXNlcm5hbWU6")); /* "Username:" */
    } else {
        return end(s, SASL_UNKNOWN);
    }
    if (initial.p == NULL)
        return SASL_CHALLENGE;
    /* "=" is how an empty response is written (RFC 4954 section 4, RFC 4959 section 3). */
    return slice_eq(initial, SLICE("=")) ? take(s, SLICE("")) : take_base64(s, initial);
}

enum sasl_step sasl_next(struct sasl *s, struct slice line)
{
    if (s->stage == STAGE_END)
        return SASL_BAD;
    if (slice_eq(line, SLICE("*")))
        return end(s, SASL_CANCELLED);
    return take_base64(s, line);
}

void sasl_end(struct sasl *s)
{
    mem_wipe(s->password, sizeof s->password);
    s->password_n = 0;
    s->stage = STAGE_END;
}
