/* Fuzzes the SMTP client: the input is all that a server ever says, and is there from the start.
 * Whatever it is, the session ends, and each recipient has an outcome with a status. */
#include "base/clock.h"
#include "outbound/client.h"
#include <netinet/in.h>
#include <unistd.h>

#define PATIENCE_MS 2000
#define SAID        (64 * 1024) /* what a socket takes without a reader */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int listener = -1;
static struct dial_address address;

static void listen_once(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;
    if (listener >= 0)
        return;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(listener, 8) < 0 ||
        getsockname(listener, (struct sockaddr *)&sa, &n) < 0 ||
        ip_from_sockaddr((struct sockaddr *)&sa, &address.ip, &address.port) != OK)
        die("no socket to fuzz with");
}

/* A connection to a server that has said everything already. */
static struct dial *connect_to(const uint8_t *data, size_t size, int *server)
{
    const struct dial_options o = {
        .address = &address, .n = 1, .deadline = clock_ms() + PATIENCE_MS};
    const struct linger hard = {.l_onoff = 1}; /* or the ports are used up */
    struct dial *d;
    size_t which;
    int why;
    if (dial_open(&o, &d, &which, &why) != OK)
        die("no connection to fuzz with");
    *server = accept(listener, NULL, NULL);
    setsockopt(*server, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    if (send(*server, data, size < SAID ? size : SAID, MSG_NOSIGNAL) < 0)
        die("the server cannot speak");
    shutdown(*server, SHUT_WR);
    return d;
}

static void transaction(struct client *c, struct arena *a)
{
    static const struct relay_recipient people[] = {
        {.address = SLICE_INIT("a@x.example"), .notify = 2},
        {.address = SLICE_INIT("gr\xc3\xbc\xc3\x9f@x.example"),
         .orcpt = SLICE_INIT("utf-8;gr\xc3\xbc\xc3\x9f@x.example")},
        {.address = SLICE_INIT("c@x.example")},
    };
    const struct relay_request rq = {
        .sender = SLICE("s@me.example"), .recipient = people, .n_recipients = 3, .eight_bit = true};
    struct relay_outcome_of outcome[3];
    struct client_failure why;
    enum error e = client_send(c, &rq, SLICE("Subject: x\r\n\r\n.hello\r\n"), a, outcome, &why);
    if (e != OK && client_standing(c))
        bug("a session that failed goes on");
    for (size_t i = 0; i < 3; i++)
        if (outcome[i].outcome > RELAY_PERMANENT || outcome[i].status[1] != '.' ||
            (outcome[i].outcome == RELAY_DELIVERED) != (outcome[i].problem == PROBLEM_NONE))
            bug("a recipient without a sound outcome");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int server = -1;
    struct client *c;
    struct client_failure why;
    autoarena a;
    arena_init(&a, 1024 * 1024);
    listen_once();
    struct dial *d = connect_to(data, size, &server);
    if (client_new(d, "me.example", clock_ms() + PATIENCE_MS, &c, &why) == OK) {
        for (int i = 0; i < 3 && client_standing(c); i++)
            transaction(c, &a);
        client_free(c);
    }
    close(server);
    return 0;
}
