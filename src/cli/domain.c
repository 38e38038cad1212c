/* `depesche domain`: the domains that mail is taken for. */
#include "cli/command.h"
#include "cli/keys.h"
#include "cli/output.h"

static int failed(struct slice name, enum error e)
{
    switch (e) {
    case ERR_INPUT:
        return refuse("'%.*s' is not a domain name", SLICE_FMT(name));
    case ERR_CONFLICT:
        return refuse("%.*s exists already; `depesche domain show` shows it", SLICE_FMT(name));
    case ERR_NOTFOUND:
        return refuse("%.*s is not one of our domains; `depesche domain list` lists them",
                      SLICE_FMT(name));
    default:
        return refuse("%.*s: %s; `depesche doctor` looks closer", SLICE_FMT(name), error_name(e));
    }
}

static int add(struct call *c, struct slice name, struct slice alias_of)
{
    struct directory *d;
    if (!call_directory(c, &d))
        return REFUSED;
    enum error e = directory_domain_add(d, name, alias_of);
    enum error keys = e ? OK : keys_ensure_dkim(d, name);
    directory_close(d);
    if (e)
        return failed(e == ERR_NOTFOUND ? alias_of : name, e);
    if (keys)
        return refuse(
            "%.*s is ours, but its keys could not be made (%s); `depesche key roll --dkim "
            "%.*s` tries again",
            SLICE_FMT(name), error_name(keys), SLICE_FMT(name));
    if (alias_of.n)
        output_done(c->json, "domain", name, "%.*s has the addresses of %.*s from now on.",
                    SLICE_FMT(name), SLICE_FMT(alias_of));
    else
        output_done(c->json, "domain", name, "%.*s is ours from now on.", SLICE_FMT(name));
    return DONE;
}

int command_domain_add(struct call *c)
{
    return add(c, call_arg(c, 0), slice_str(call_option(c, "alias-of")));
}

int command_domain_alias(struct call *c)
{
    return add(c, call_arg(c, 0), call_arg(c, 1));
}

int command_domain_catch_all(struct call *c)
{
    struct directory *d;
    if (!call_directory(c, &d))
        return REFUSED;
    struct slice name = call_arg(c, 0), address = call_arg(c, 1);
    enum error e = directory_domain_catch_all(d, name, address);
    directory_close(d);
    if (e == ERR_INPUT && address.n)
        return refuse("'%.*s' is not a mail address", SLICE_FMT(address));
    if (e)
        return failed(name, e);
    if (address.n)
        output_done(c->json, "domain", name, "%.*s gets what nobody else in %.*s does.",
                    SLICE_FMT(address), SLICE_FMT(name));
    else
        output_done(c->json, "domain", name, "%.*s has no catch-all any more.", SLICE_FMT(name));
    return DONE;
}

/* Fits the domain's name, in any case; NULL: any. */
static size_t count_in(const char *domain, const char *address)
{
    struct slice a = slice_str(address);
    return slice_ieq(slice_from(a, slice_rindex(a, '@') + 1), slice_str(domain)) ? 1 : 0;
}

static enum error print_domains(struct call *c, struct directory *d, struct slice only, bool *found)
{
    static const char *const columns[] = {"domain", "accounts", "aliases", "alias_of", "catch_all"};
    struct domain *list;
    struct account *accounts;
    struct alias *aliases;
    size_t n, n_accounts, n_aliases;
    enum error e = directory_domain_list(d, &c->arena, &list, &n);
    if (!e)
        e = directory_account_list(d, &c->arena, &accounts, &n_accounts);
    if (!e)
        e = directory_alias_list(d, &c->arena, &aliases, &n_aliases);
    if (e)
        return e;
    struct output o;
    if (only.p)
        output_record(&o, c->json, columns, 5);
    else
        output_table(&o, c->json, columns, 5);
    for (size_t i = 0; i < n; i++) {
        if (only.p && !slice_ieq(only, slice_str(list[i].name)))
            continue;
        size_t in_accounts = 0, in_aliases = 0;
        for (size_t k = 0; k < n_accounts; k++)
            in_accounts += count_in(list[i].name, accounts[k].address);
        for (size_t k = 0; k < n_aliases; k++)
            in_aliases += count_in(list[i].name, aliases[k].address);
        *found = true;
        output_str(&o, list[i].name);
        output_number(&o, in_accounts);
        output_number(&o, in_aliases);
        output_str(&o, list[i].alias_of);
        output_str(&o, list[i].catch_all);
    }
    if (*found || !only.p)
        output_print(&o);
    return OK;
}

int command_domain_list(struct call *c)
{
    struct directory *d;
    bool found = false;
    if (!call_directory(c, &d))
        return REFUSED;
    enum error e = print_domains(c, d, SLICE_NONE, &found);
    directory_close(d);
    return e ? failed(SLICE("domains"), e) : DONE;
}

int command_domain_show(struct call *c)
{
    struct directory *d;
    bool found = false;
    if (!call_directory(c, &d))
        return REFUSED;
    enum error e = print_domains(c, d, call_arg(c, 0), &found);
    directory_close(d);
    return e ? failed(call_arg(c, 0), e) : found ? DONE : failed(call_arg(c, 0), ERR_NOTFOUND);
}

int command_domain_remove(struct call *c)
{
    struct directory *d;
    if (!call_directory(c, &d))
        return REFUSED;
    struct slice name = call_arg(c, 0);
    enum error e = directory_domain_remove(d, name);
    directory_close(d);
    if (e == ERR_CONFLICT)
        return refuse("%.*s still has accounts, aliases or alias domains; remove those first",
                      SLICE_FMT(name));
    if (e)
        return failed(name, e);
    output_done(c->json, "domain", name, "%.*s is not ours any more.", SLICE_FMT(name));
    return DONE;
}
