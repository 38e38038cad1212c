/* The program: the command line, and the supervisor that its `serve` and `demo` start. */
#include "cli/cli.h"
#include "daemon/supervisor.h"

int main(int argc, char **argv)
{
    const struct cli_server server = {.serve = supervisor_run};
    return cli_main(argc, argv, &server);
}
