/* The words that queue, hand-over, outbound delivery and commands share about transport security:
 * what is demanded of a destination, what was reached, and what went wrong. Values are kept in the
 * store and cross between processes: never renumber, only append. */
#ifndef DEPESCHE_NET_SECURITY_H
#define DEPESCHE_NET_SECURITY_H

#include "base/slice.h"

/* The least that a destination must be reached with. A greater value is stricter. */
enum demand {
    DEMAND_NOTHING, /* TLS where the other side has it, else clear text */
    DEMAND_ENCRYPT, /* TLS 1.2 or later, whoever it is */
    DEMAND_VERIFY,  /* and the certificate proves it: by DANE, MTA-STS, or for a name of a list */
    DEMAND_DANE,    /* and by DANE: nothing else will do */
    DEMAND_COUNT,
};

/* Who demands it. */
enum demand_source {
    SOURCE_NOBODY,
    SOURCE_SETTING,     /* sending.clear_text = no */
    SOURCE_LIST,        /* the shipped list of providers */
    SOURCE_OPERATOR,    /* the operator's own line */
    SOURCE_RATCHET_TLS, /* reached by TLS within LIMIT_RATCHET_TLS_SECONDS */
    SOURCE_RATCHET,     /* reached authenticated once */
    SOURCE_MESSAGE,     /* REQUIRETLS (RFC 8689) */
    SOURCE_TRANSPORT,   /* a smart host or transport with a password to protect */
    SOURCE_COUNT,
};

/* What a connection had. A greater value is stronger. */
enum security {
    SECURITY_NONE,      /* no connection came about */
    SECURITY_CLEAR,     /* clear text */
    SECURITY_ENCRYPTED, /* TLS, and nobody vouches for the other side */
    SECURITY_PKIX, /* TLS, certificate of a known authority for a name of the list or transport */
    SECURITY_MTA_STS, /* TLS, certificate of a known authority for a name of its MTA-STS policy */
    SECURITY_DANE,    /* TLS, certificate confirmed by a TLSA record under DNSSEC */
    SECURITY_COUNT,
};

/* Why an attempt at a host (or at finding one) did not succeed. */
enum problem {
    PROBLEM_NONE,
    PROBLEM_REFUSED,        /* the other server answered 4xx or 5xx */
    PROBLEM_DNS,            /* the name servers do not answer, or with an error */
    PROBLEM_BOGUS,          /* a DNSSEC signature is wrong */
    PROBLEM_NO_DOMAIN,      /* the domain does not exist */
    PROBLEM_NO_HOST,        /* neither MX nor address */
    PROBLEM_NULL_MX,        /* the domain takes no mail (RFC 7505) */
    PROBLEM_LOOP,           /* its mail server is this one */
    PROBLEM_CONNECT,        /* nobody there: refused, unreachable */
    PROBLEM_TIMEOUT,        /* no answer in time */
    PROBLEM_LOST,           /* the connection broke off */
    PROBLEM_LOST_AT_END,    /* ... after the whole message, before the answer: perhaps delivered */
    PROBLEM_SYNTAX,         /* what it says is not SMTP, or too much of it */
    PROBLEM_NO_TLS,         /* no STARTTLS offered where TLS is demanded */
    PROBLEM_TLS_REFUSED,    /* STARTTLS offered, then refused */
    PROBLEM_HANDSHAKE,      /* the TLS handshake failed */
    PROBLEM_INJECTION,      /* bytes after STARTTLS's answer, in clear text */
    PROBLEM_CERT_UNTRUSTED, /* no known authority, self-signed */
    PROBLEM_CERT_EXPIRED,
    PROBLEM_CERT_NAME,     /* for another name */
    PROBLEM_CERT_BAD,      /* anything else about it */
    PROBLEM_DANE_MISMATCH, /* the certificate is not what the TLSA records say */
    PROBLEM_DANE_LOOKUP,   /* TLSA records cannot be had: bogus, error, no answer */
    PROBLEM_DANE_MISSING,  /* DANE is demanded, and there are no TLSA records (any more) */
    PROBLEM_DANE_UNUSABLE, /* DANE is demanded, and no TLSA record is usable */
    PROBLEM_NO_VALIDATION, /* our resolver does not validate, so DANE cannot be decided */
    PROBLEM_STS_HOST,      /* an MX host that the MTA-STS policy does not name */
    PROBLEM_STS_POLICY,    /* the MTA-STS policy cannot be had or read */
    PROBLEM_LIST_HOST,     /* an MX host that the list does not name */
    PROBLEM_TOO_WEAK,      /* the security reached is less than what is demanded */
    PROBLEM_NO_REQUIRETLS, /* REQUIRETLS asked, and the other side does not have it */
    PROBLEM_NO_SMTPUTF8,   /* the addresses need SMTPUTF8, and the other side does not have it */
    PROBLEM_TOO_BIG,       /* larger than the SIZE that the other side announces */
    PROBLEM_LOGIN,         /* the smart host refuses our login */
    PROBLEM_BUSY,          /* this server: too many connections, or the role restarted */
    PROBLEM_HTTP,          /* a report's HTTPS address did not take it */
    PROBLEM_EXPIRED,       /* tried for the whole time of sending.give_up */
    PROBLEM_CANCELLED,     /* by the operator */
    PROBLEM_UNSENDABLE,    /* the address or the message cannot be said in SMTP */
    PROBLEM_COUNT,
};

/* Short words for logs, JSON and tables: "encrypt", "dane", "no-tls", ...; never NULL. */
const char *demand_word(enum demand d);
const char *demand_source_word(enum demand_source s);
const char *security_word(enum security s);
const char *problem_word(enum problem p);
/* "encrypt" and so on, as in the list and on the command line. False: no such word. */
bool demand_parse(struct slice word, enum demand *out);

/* A sentence's part in plain words, German or English, as `queue why` and bounces say it:
 * "the other side offered no encryption" / "die Gegenseite bot keine Verschlüsselung an". */
const char *problem_text(enum problem p, bool german);
/* "encrypted, server confirmed by DANE" / "verschlüsselt, Server durch DANE bestätigt" */
const char *security_text(enum security s, bool german);

#endif
