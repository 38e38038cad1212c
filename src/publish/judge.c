/* What TXT records of policies say. Anything may stand in them. */
#include "base/limits.h"
#include "publish/publish_private.h"

/* --- "tag=value;" lists (RFC 6376 3.2) --- */

struct slice publish_tag(struct slice text, struct slice tag)
{
    struct slice pair;
    while (slice_split(&text, ';', &pair)) {
        size_t at = slice_index(pair, '=');
        if (at < pair.n && slice_ieq(slice_trim(slice_sub(pair, 0, at)), tag))
            return slice_trim(slice_from(pair, at + 1));
    }
    return SLICE_NONE;
}

const char *publish_judge_dmarc(struct slice text)
{
    struct slice policy = publish_tag(text, SLICE("p"));
    if (policy.n == 0)
        return "no policy (p=)";
    if (slice_ieq(policy, SLICE("none")))
        return "p=none asks nobody to refuse forgeries";
    if (!slice_ieq(policy, SLICE("quarantine")) && !slice_ieq(policy, SLICE("reject")))
        return "an unknown policy (p=)";
    return NULL;
}

/* --- SPF (RFC 7208) --- */

enum { SPF_LOOKUPS = 10 };

struct spf {
    unsigned lookups;
    bool sends; /* this host may send, or somebody included may say so */
    bool ends;  /* others are refused */
};

/* Its part after the name and ':', and without a prefix length; empty when there is none. */
static bool mechanism(struct slice term, const char *name, struct slice *argument)
{
    struct slice n = slice_str(name);
    if (!slice_istarts(term, n))
        return false;
    struct slice rest = slice_from(term, n.n);
    *argument = SLICE_NONE;
    if (rest.n == 0 || rest.p[0] == '/')
        return true;
    if (rest.p[0] != ':')
        return false;
    *argument = slice_from(rest, 1);
    return true;
}

static bool holds(struct slice network, const struct ip *ip, size_t n)
{
    struct ip_net net;
    for (size_t i = 0; i < n; i++)
        if (ip_net_parse(network, &net) == OK && ip_net_has(&net, ip[i]))
            return true;
    return false;
}

static void read_term(struct spf *s, struct slice term, struct slice host, const struct ip *ip,
                      size_t n)
{
    struct slice to;
    uint8_t sign = term.n && strchr("+-~?", term.p[0]) ? term.p[0] : 0;
    bool pass = sign == 0 || sign == '+';
    if (sign)
        term = slice_from(term, 1);
    if (slice_ieq(term, SLICE("all"))) {
        s->ends = s->ends || sign == '-' || sign == '~';
        s->sends = s->sends || pass;
    } else if (mechanism(term, "ip4", &to) || mechanism(term, "ip6", &to)) {
        s->sends = s->sends || (pass && holds(to, ip, n));
    } else if (mechanism(term, "mx", &to)) {
        s->lookups++;
        s->sends = s->sends || pass;
    } else if (mechanism(term, "a", &to)) {
        s->lookups++;
        s->sends = s->sends || (pass && (to.n == 0 || slice_ieq(to, host)));
    } else if (mechanism(term, "include", &to) || mechanism(term, "exists", &to) ||
               mechanism(term, "ptr", &to)) {
        s->lookups++;
        s->sends = s->sends || pass;
    } else if (slice_istarts(term, SLICE("redirect="))) {
        s->lookups++;
        s->sends = s->ends = true;
    }
}

const char *publish_judge_spf(struct slice text, struct slice host, const struct ip *ip, size_t n)
{
    struct spf s = {0};
    struct slice term;
    while (slice_split(&text, ' ', &term))
        read_term(&s, term, host, ip, n);
    if (s.lookups > SPF_LOOKUPS)
        return "more than 10 look-ups: nobody counts it";
    if (!s.sends)
        return "this server may not send";
    return s.ends ? NULL : "it ends in neither -all nor ~all: anybody may send";
}
