/* `depesche alias`: addresses without an account. */
#include "cli/command.h"
#include "cli/output.h"

static int failed(struct slice address, enum error e)
{
    switch (e) {
    case ERR_INPUT:
        return refuse("'%.*s' or its target is not a mail address", SLICE_FMT(address));
    case ERR_CONFLICT:
        return refuse("%.*s is an account already, or has that target", SLICE_FMT(address));
    case ERR_NOTFOUND:
        return refuse("there is no such alias: %.*s; `depesche alias list` lists them",
                      SLICE_FMT(address));
    case ERR_LIMIT:
        return refuse("%.*s: more than %d targets", SLICE_FMT(address), LIMIT_ALIAS_TARGETS);
    default:
        return refuse("%.*s: %s; `depesche doctor` looks closer", SLICE_FMT(address),
                      error_name(e));
    }
}

int command_alias_add(struct call *c)
{
    struct directory *d;
    if (!call_directory(c, &d))
        return REFUSED;
    struct slice address = call_arg(c, 0);
    struct slice target = SLICE_NONE;
    enum error e = OK;
    for (size_t i = 1; !e && i < c->n_args; i++) {
        target = call_arg(c, i);
        e = directory_alias_add(d, address, target);
    }
    bool loop = e == ERR_CONFLICT && directory_alias_leads_back(d, address, target);
    directory_close(d);
    if (loop)
        return refuse("mail to %.*s would come back to it by way of %.*s", SLICE_FMT(address),
                      SLICE_FMT(target));
    if (e == ERR_NOTFOUND)
        return refuse("the domain of %.*s is not ours; `depesche domain add` adds it",
                      SLICE_FMT(address));
    if (e)
        return failed(address, e);
    output_done(c->json, "alias", address, "Mail to %.*s goes to %zu address%s more.",
                SLICE_FMT(address), c->n_args - 1, c->n_args == 2 ? "" : "es");
    return DONE;
}

int command_alias_list(struct call *c)
{
    static const char *const columns[] = {"alias", "target"};
    struct directory *d;
    struct alias *list;
    size_t n;
    if (!call_directory(c, &d))
        return REFUSED;
    enum error e = directory_alias_list(d, &c->arena, &list, &n);
    directory_close(d);
    if (e)
        return failed(SLICE("aliases"), e);
    struct output o;
    output_table(&o, c->json, columns, 2);
    for (size_t i = 0; i < n; i++) {
        output_str(&o, list[i].address);
        output_str(&o, list[i].target);
    }
    output_print(&o);
    return DONE;
}

int command_alias_remove(struct call *c)
{
    struct directory *d;
    if (!call_directory(c, &d))
        return REFUSED;
    struct slice address = call_arg(c, 0), target = call_arg(c, 1);
    enum error e = directory_alias_remove(d, address, target);
    directory_close(d);
    if (e)
        return failed(address, e);
    output_done(c->json, "alias", address, "%.*s is not an alias%s%.*s any more.",
                SLICE_FMT(address), target.n ? " of " : "", SLICE_FMT(target));
    return DONE;
}
