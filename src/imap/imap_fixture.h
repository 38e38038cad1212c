/* For tests: a whole IMAP server on loopback (runtime, store, directory, guard, login in a temp
 * dir; accounts anna@example.org and ben@example.org with password IMAP_FIXTURE_PASSWORD), and a
 * small blocking client. Everything that goes wrong here fails the test at once. */
#ifndef DEPESCHE_IMAP_IMAP_FIXTURE_H
#define DEPESCHE_IMAP_IMAP_FIXTURE_H

#include "imap/imap.h"

#define IMAP_FIXTURE_PASSWORD "sesame-street-9"

struct imap_fixture {
    struct imap_service service; /* the store, directory ... that the server uses */
    struct account anna, ben;
    uint16_t port;     /* cleartext with STARTTLS */
    uint16_t tls_port; /* implicit TLS */
    struct imap_fixture_private *private;
};

struct imap_fixture *imap_fixture_start(void);
/* Stops the server, closes and removes everything. */
void imap_fixture_stop(struct imap_fixture *f);
/* Appends a message (LF or CRLF lines; stored with CRLF) to a mailbox of the account, as another
 * session would; returns its uid. */
uint32_t imap_fixture_append(struct imap_fixture *f, uint64_t account, const char *mailbox,
                             const char *raw);

struct imap_client;
/* Connects and reads the greeting (imap_client_text()). */
struct imap_client *imap_client_open(struct imap_fixture *f, bool tls);
/* Connects with TLS and logs in as anna. */
struct imap_client *imap_client_anna(struct imap_fixture *f);
void imap_client_close(struct imap_client *c);
void imap_client_send(struct imap_client *c, struct slice bytes);
/* Reads until `needle` has come (at most 10 s, else the test fails) and returns all that was read
 * since the last call up to the end of the line in which it ends. NUL-terminated; valid until the
 * next call. */
const char *imap_client_until(struct imap_client *c, const char *needle);
/* Sends "<tag> <command>\r\n" with a tag of its own and reads up to the tagged answer; the tag is
 * printed as "T" in what is returned: "* SEARCH 1\r\nT OK ...". */
const char *imap_client_do(struct imap_client *c, const char *command, ...) printf_like(2, 3);
/* imap_client_do, and the test fails unless the answer is OK; `fail` with file and line. */
#define imap_client_ok(c, ...) imap_client_ok_at((c), __FILE__, __LINE__, __VA_ARGS__)
const char *imap_client_ok_at(struct imap_client *c, const char *file, int line,
                              const char *command, ...) printf_like(4, 5);
/* STARTTLS's client side: after the OK. */
void imap_client_start_tls(struct imap_client *c);
/* True when the server has closed (waits at most 10 s). */
bool imap_client_closed(struct imap_client *c);

#endif
