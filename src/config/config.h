/* Configuration: one text file of `key = value` lines under [sections], read once into an immutable
 * object. One table of settings (setting.c) drives reading, `depesche check`, the sample file and
 * the man page, so that none of them can disagree. Every setting has a default; an unknown or wrong
 * one is refused with file, line, what was expected and the nearest match.
 *
 *   # comment                     a whole line
 *   [section]
 *   key = value                   blanks around both do not count
 *
 * Lists are separated by commas or blanks; a list setting may also stand several times. */
#ifndef DEPESCHE_CONFIG_CONFIG_H
#define DEPESCHE_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "net/address.h"

#define CONFIG_DEFAULT_PATH "/etc/depesche/depesche.conf"

/* The services that can listen. */
enum config_service {
    SERVICE_SMTP,
    SERVICE_SUBMISSION,
    SERVICE_SUBMISSIONS,
    SERVICE_IMAP,
    SERVICE_IMAPS,
    SERVICE_HTTPS,
    SERVICE_HTTP,
    SERVICE_COUNT,
};

struct config_endpoint {
    struct ip ip;
    uint16_t port;
};

struct config_port { /* as written: a port on every listen.address, or one address and port */
    bool any;
    struct config_endpoint at;
};

struct config_certificate {
    const char *chain, *key; /* file names */
};

struct config_server { /* a name server */
    struct ip ip;
    uint16_t port; /* 53 when none is written */
};

struct config_zone { /* a zone that is asked at a server of its own */
    const char *name;
    struct config_server server;
};

struct config_next_hop { /* host "" : none */
    const char *host;
    uint16_t port;
};

struct config_transport { /* where mail for a domain goes instead of to its MX */
    const char *domain;
    struct config_next_hop to;
};

/* All lists have this shape: items and their number. */
struct config_ports {
    const struct config_port *item;
    size_t n;
};
struct config_ips {
    const struct ip *item;
    size_t n;
};
struct config_networks {
    const struct ip_net *item;
    size_t n;
};
struct config_certificates {
    const struct config_certificate *item;
    size_t n;
};

struct config_servers {
    const struct config_server *item;
    size_t n;
};
struct config_zones {
    const struct config_zone *item;
    size_t n;
};
struct config_transports {
    const struct config_transport *item;
    size_t n;
};

enum config_firewall { FIREWALL_AUTO, FIREWALL_NO };
enum config_tls_profile { CONFIG_TLS_MODERN, CONFIG_TLS_BSI };

/* Every member has its value after config_parse(). Strings are never NULL. Times in seconds. */
struct config {
    const char *path; /* the file read; for messages */

    const char *host, *data, *edge_data, *run, *mail_user, *edge_user, *postmaster;
    uint64_t stop_seconds;

    struct config_ips listen_address;
    struct config_ports listen[SERVICE_COUNT];

    struct config_certificates certificates;
    uint64_t tls_profile; /* enum config_tls_profile */
    const char *tls_ca;

    uint64_t message_size, recipients, connections, connections_per_address, workers;

    uint64_t tolerated, window, close, closings, closings_window, machine;
    bool repeated_password_counts;
    struct config_networks trusted, proxies;
    uint64_t firewall; /* enum config_firewall */

    struct config_next_hop smarthost;
    const char *smarthost_user, *smarthost_password_file; /* "" : none */
    struct config_transports transports;
    const char *providers; /* "" : the list that is built in */
    bool clear_text;
    bool https_inside;
    uint64_t sending_port, sending_connections, destination_connections;
    struct config_ips sending_from;
    uint64_t retry_first, retry_most, give_up, delay_notice, keep_results;
    uint64_t messages_per_hour, new_recipients_per_day;

    const char *dns_anchor; /* "" : none */
    struct config_servers dns_forwarders;
    struct config_zones dns_zones;
    const char *dns_known_good, *dns_known_bad; /* "" : no proof */
    uint64_t dns_timeout;

    const char *web_name;    /* "" : the host's name */
    const char *web_imprint; /* "" : none */

    uint64_t shards, undelete_days;

    uint64_t log_level; /* enum log_level */

    struct arena arena; /* holds everything above */
};

#define CONFIG_WHY 512 /* room that is always enough for a reason */

/* Reads the whole text. `path` is for messages. On ERR_INPUT `why` has one line: what is wrong,
 * where, what was expected. Linear in the text; at most LIMIT_CONFIG_SIZE bytes. The object is the
 * caller's: config_free(). */
must_use enum error config_parse(struct slice text, const char *path, struct config **out,
                                 char why[CONFIG_WHY]);
/* config_parse of a file. ERR_IO and ERR_NOTFOUND with `why` filled as well. */
must_use enum error config_load(const char *path, struct config **out, char why[CONFIG_WHY]);
void config_free(struct config *c);

/* --- The table, for programs that explain it --- */

enum setting_type {
    SETTING_HOST,         /* const char *, a host name in ASCII form */
    SETTING_NAME,         /* const char *, a name in the DNS, or empty */
    SETTING_PATH,         /* const char *, an absolute path */
    SETTING_FILE,         /* const char *, an absolute path, or empty */
    SETTING_TEXT,         /* const char *, any text without blanks, or empty */
    SETTING_LINE,         /* const char *, UTF-8 of at most 60 characters, or empty */
    SETTING_USER,         /* const char *, a system user's name or number */
    SETTING_ADDRESS,      /* const char *, a mail address or empty */
    SETTING_NUMBER,       /* uint64_t */
    SETTING_SIZE,         /* uint64_t, bytes; K, M, G */
    SETTING_DURATION,     /* uint64_t, seconds; s, m, h, d */
    SETTING_BOOL,         /* bool; yes, no */
    SETTING_CHOICE,       /* uint64_t, index in `choices` */
    SETTING_NEXT_HOP,     /* struct config_next_hop */
    SETTING_IPS,          /* struct config_ips; from here on: lists */
    SETTING_PORTS,        /* struct config_ports */
    SETTING_NETWORKS,     /* struct config_networks */
    SETTING_CERTIFICATES, /* struct config_certificates */
    SETTING_SERVERS,      /* struct config_servers */
    SETTING_ZONES,        /* struct config_zones */
    SETTING_TRANSPORTS,   /* struct config_transports */
};

struct setting {
    const char *section, *name;
    size_t offset;        /* in struct config */
    const char *fallback; /* its default, as it would be written; "" for empty */
    const char *help;     /* what it is for: one or two sentences */
    uint64_t min, max;    /* for numbers, sizes and times; min also for lists: of items */
    const char *choices;  /* for SETTING_CHOICE: words separated by blanks */
    enum setting_type type;
    bool live; /* SIGHUP applies it without restarting a role */
};

/* All settings, grouped by section, in the order of the sample file. */
const struct setting *config_settings(size_t *n);
/* What a value of this setting looks like, in words: "a port, or address:port". */
const char *setting_expects(const struct setting *s);
/* The setting's value as it would be written in a file. */
void config_print_value(const struct config *c, const struct setting *s, struct buf *out);
/* Do both have the same value there? */
bool config_same(const struct config *a, const struct config *b, const struct setting *s);
/* A sample file: every section and setting with its help; settings stand commented out with their
 * default. */
void config_sample(struct buf *out);

/* Where a service listens: its ports on all of listen.address, and single endpoints; into `out` of
 * LIMIT_CONFIG_LIST * LIMIT_CONFIG_LIST at most; returns the number. Memory from `a`. */
must_use enum error config_endpoints(const struct config *c, enum config_service service,
                                     struct arena *a, struct config_endpoint **out, size_t *n);
/* "smtp", "imaps" */
const char *config_service_name(enum config_service service);

/* The candidate nearest to `word` by edit distance, NULL when none is near. */
const char *nearest_word(struct slice word, const char *const *candidates, size_t n);

#endif
