/* The base subject (RFC 5256 2.1). */
#include "base/limits.h"
#include "base/utf8.h"
#include "message/header.h"

static struct slice skip_blanks(struct slice s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = slice_from(s, 1);
    return s;
}

/* subj-blob = "[" *BLOBCHAR "]" *WSP; 0 when there is none. */
static size_t blob_length(struct slice s)
{
    if (s.n == 0 || s.p[0] != '[')
        return 0;
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] == '[')
            return 0;
        if (s.p[i] == ']')
            return s.n - skip_blanks(slice_from(s, i + 1)).n;
    }
    return 0;
}

/* subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"; 0 when there is none. */
static size_t refwd_length(struct slice s)
{
    size_t n = 0;
    if (slice_istarts(s, SLICE("fwd")))
        n = 3;
    else if (slice_istarts(s, SLICE("re")) || slice_istarts(s, SLICE("fw")))
        n = 2;
    else
        return 0;
    struct slice rest = skip_blanks(slice_from(s, n));
    rest = slice_from(rest, blob_length(rest));
    return rest.n > 0 && rest.p[0] == ':' ? s.n - rest.n + 1 : 0;
}

/* subj-leader = (*subj-blob subj-refwd) / WSP */
static struct slice drop_leader(struct slice s, bool *is_reply)
{
    s = skip_blanks(s);
    struct slice rest = s;
    for (size_t n; (n = blob_length(rest)) > 0;)
        rest = slice_from(rest, n);
    size_t n = refwd_length(rest);
    if (n == 0)
        return s;
    *is_reply = true;
    return skip_blanks(slice_from(rest, n));
}

static struct slice drop_trailer(struct slice s, bool *is_reply)
{
    for (;;) {
        s = slice_trim(s);
        if (!slice_iends(s, SLICE("(fwd)")))
            return s;
        s.n -= 5;
        *is_reply = true;
    }
}

struct slice header_base_subject(struct arena *a, struct slice subject_utf8, bool *is_reply)
{
    *is_reply = false;
    /* The rules below may walk the text once for each prefix: it is cut to a size where that is
     * nothing. */
    struct slice s = slice_sub(subject_utf8, 0, LIMIT_SUBJECT);
    for (bool again = true; again;) {
        again = false;
        s = drop_trailer(s, is_reply);
        for (;;) {
            struct slice t = drop_leader(s, is_reply);
            size_t blob = blob_length(t);
            if (blob > 0 && blob < t.n)
                t = slice_from(t, blob);
            if (t.n == s.n)
                break;
            s = t;
        }
        if (slice_istarts(s, SLICE("[fwd:")) && slice_ends(s, SLICE("]"))) {
            s = slice_sub(s, 5, s.n - 1);
            *is_reply = true;
            again = true;
        }
    }
    autobuf form;
    buf_init(&form, LIMIT_SUBJECT * 4);
    utf8_search_form(s, &form);
    return form.n ? slice_trim(arena_dup(a, buf_slice(&form))) : SLICE("");
}
