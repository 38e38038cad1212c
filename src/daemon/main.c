/* The program: the command line, and the supervisor that its `serve` and `demo` start. */
#include "cli/cli.h"
#include "daemon/supervisor.h"
#include "daemon/users.h"

int main(int argc, char **argv)
{
    const struct cli_server server = {.serve = supervisor_run, .confine = users_confine_looking};
    return cli_main(argc, argv, &server);
}
