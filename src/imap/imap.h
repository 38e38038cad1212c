/* IMAP: IMAP4rev2 (RFC 9051) and IMAP4rev1 (RFC 3501) with their extensions, on 143 (STARTTLS) and
 * 993. */
#ifndef DEPESCHE_IMAP_IMAP_H
#define DEPESCHE_IMAP_IMAP_H

#include "auth/login.h"
#include "net/runtime.h"
#include "store/store.h"

struct imap_service {
    const char *host;
    uint64_t message_size; /* APPENDLIMIT; 0: LIMIT_MESSAGE_SIZE */
    struct login *login;
    struct guard *guard;
    struct directory *directory;
    struct store *store;
};

/* For listener_options.protocol; the service is a struct imap_service that outlives the runtime. */
extern const struct protocol imap_protocol;

#define IMAP_BUSY_TEXT "* BYE Too many connections, try again later\r\n"

#endif
