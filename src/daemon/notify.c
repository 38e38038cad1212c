/* Telling the service manager; see notify.h. */
#include "daemon/notify.h"
#include "base/mem.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify_system(const char *text)
{
    const char *where = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!where || (where[0] != '/' && where[0] != '@') || strlen(where) >= sizeof to.sun_path)
        return;
    size_t n = strlen(where);
    memcpy(to.sun_path, where, n);
    if (where[0] == '@')
        to.sun_path[0] = 0; /* an abstract name */
    autofd s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s >= 0)
        (void)!sendto(s, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}
