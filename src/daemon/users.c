/* Users of the roles; see users.h. */
#include "daemon/users.h"
#include "base/log.h"
#include "daemon/sandbox.h"
#include <pwd.h>
#include <unistd.h>

enum error users_find(const char *name, uid_t *uid, gid_t *gid)
{
    uint32_t number;
    if (parse_u32(slice_str(name), INT32_MAX, &number) == OK) {
        *uid = number;
        *gid = number;
        return OK;
    }
    struct passwd *p = getpwnam(name);
    if (!p) {
        log_error("supervisor.no_user", log_text("user", name),
                  log_text("help", "`depesche setup` makes the system users"));
        return ERR_NOTFOUND;
    }
    *uid = p->pw_uid;
    *gid = p->pw_gid;
    return OK;
}

enum error users_confine_looking(const struct config *c)
{
    struct sandbox walls = {.role = "look", .drop_user = geteuid() == 0, .network = true};
    enum error e = walls.drop_user ? users_find(c->edge_user, &walls.uid, &walls.gid) : OK;
    return e ? e : sandbox_enter(&walls);
}
