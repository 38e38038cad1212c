/* `depesche ban`: who is locked out, why, and lifting it. */
#include "cli/command.h"
#include "cli/output.h"

static bool read_ip(struct call *c, struct ip *out)
{
    if (ip_parse(call_arg(c, 0), out) == OK)
        return true;
    wrong_usage("expected an IP address, found '%s'", c->args[0]);
    return false;
}

static void output_ip(struct output *o, struct ip ip, bool network)
{
    char text[IP_TEXT + 4];
    ip_print(ip, text);
    if (network && !ip_is_v4(ip))
        memcpy(text + strlen(text), "/64", 4);
    output_str(o, text);
}

int command_ban_list(struct call *c)
{
    static const char *const columns[] = {"address", "closed", "since", "until"};
    struct guard *g;
    struct guard_ban *bans;
    size_t n;
    if (!call_guard(c, &g))
        return REFUSED;
    enum error e = guard_bans(g, &c->arena, &bans, &n);
    guard_close(g);
    if (e)
        return refuse("the bans cannot be read (%s); `depesche doctor` looks closer",
                      error_name(e));
    struct output o;
    output_table(&o, c->json, columns, 4);
    for (size_t i = 0; i < n; i++) {
        output_ip(&o, bans[i].ip, true);
        output_str(&o, bans[i].level == GUARD_MACHINE ? "machine" : "services");
        output_time(&o, bans[i].since);
        output_time(&o, bans[i].until);
    }
    output_print(&o);
    return DONE;
}

int command_ban_lift(struct call *c)
{
    struct guard *g;
    struct ip ip;
    if (!read_ip(c, &ip))
        return USAGE;
    if (!call_guard(c, &g))
        return REFUSED;
    enum error e = guard_lift(g, ip);
    guard_close(g);
    if (e == ERR_NOTFOUND)
        return refuse("nothing is known of %s; `depesche ban list` lists the bans", c->args[0]);
    if (e)
        return refuse("the ban cannot be lifted (%s)", error_name(e));
    output_done(c->json, "address", call_arg(c, 0), "%s may come again.", c->args[0]);
    return DONE;
}

int command_ban_why(struct call *c)
{
    static const char *const columns[] = {"time", "address", "service", "account", "counted"};
    struct guard *g;
    struct ip ip;
    struct guard_attempt *list;
    size_t n;
    if (!read_ip(c, &ip))
        return USAGE;
    if (!call_guard(c, &g))
        return REFUSED;
    enum error e = guard_why(g, ip, &c->arena, &list, &n);
    guard_close(g);
    if (e && e != ERR_NOTFOUND)
        return refuse("the attempts cannot be read (%s)", error_name(e));
    struct output o;
    output_table(&o, c->json, columns, 5);
    for (size_t i = 0; !e && i < n; i++) {
        output_time(&o, list[i].at);
        output_ip(&o, list[i].ip, false);
        output_text(&o, list[i].service);
        output_text(&o, list[i].account);
        output_bool(&o, list[i].counted);
    }
    output_print(&o);
    if (!c->json && (e || n == 0))
        fprintf(stderr, "depesche: no wrong password came from %s in the last 24 hours\n",
                c->args[0]);
    return DONE;
}
