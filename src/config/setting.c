/* The table of settings: name, kind, default, limits and purpose of each. Everything that reads,
 * checks, prints or explains the configuration walks this table. */
#include "config/config.h"

#define S(s, n, t, m, default_, text)                                                              \
    {                                                                                              \
        .section = (s), .name = (n), .type = (t), .offset = offsetof(struct config, m),            \
        .fallback = (default_), .help = (text)                                                     \
    }
#define N(s, n, t, m, default_, least, most, text)                                                 \
    {                                                                                              \
        .section = (s), .name = (n), .type = (t), .offset = offsetof(struct config, m),            \
        .fallback = (default_), .help = (text), .min = (least), .max = (most)                      \
    }
#define C(s, n, m, default_, words, at_once, text)                                                 \
    {                                                                                              \
        .section = (s), .name = (n), .type = SETTING_CHOICE, .offset = offsetof(struct config, m), \
        .fallback = (default_), .help = (text), .choices = (words), .live = (at_once)              \
    }

#define DAY    (24 * 60 * 60)
#define MAX_32 UINT32_MAX

static const struct setting settings[] = {
    S("server", "host", SETTING_HOST, host, "",
      "This server's name in the DNS, as it introduces itself to others. Empty: the system's "
      "name."),
    S("server", "data", SETTING_PATH, data, "/var/lib/depesche",
      "Folder of the mail store, the directory and the lockouts."),
    S("server", "run", SETTING_PATH, run, "/run/depesche",
      "Folder of the socket on which commands reach the running server."),
    S("server", "mail_user", SETTING_USER, mail_user, "depesche",
      "System user of the role that keeps the mail. Used only when started as root."),
    S("server", "edge_user", SETTING_USER, edge_user, "depesche-edge",
      "System user of the role that talks with strangers. Used only when started as root."),
    S("server", "postmaster", SETTING_ADDRESS, postmaster, "",
      "Where mail to postmaster and abuse goes in domains that do not define them."),
    N("server", "stop_time", SETTING_DURATION, stop_seconds, "20s", 1, 3600,
      "How long a stopping role may finish what is in flight."),

    S("listen", "address", SETTING_IPS, listen_address,
      "0.0.0.0, ::", "Addresses that the ports below are opened on."),
    S("listen", "smtp", SETTING_PORTS, listen[SERVICE_SMTP], "25",
      "Receives mail from other servers."),
    S("listen", "submission", SETTING_PORTS, listen[SERVICE_SUBMISSION], "587",
      "Takes mail from users' programs, with STARTTLS."),
    S("listen", "submissions", SETTING_PORTS, listen[SERVICE_SUBMISSIONS], "465",
      "Takes mail from users' programs, with TLS from the first byte."),
    S("listen", "imap", SETTING_PORTS, listen[SERVICE_IMAP], "143",
      "Users' programs read mail, with STARTTLS."),
    S("listen", "imaps", SETTING_PORTS, listen[SERVICE_IMAPS], "993",
      "Users' programs read mail, with TLS from the first byte."),

    {.section = "tls",
     .name = "certificate",
     .type = SETTING_CERTIFICATES,
     .offset = offsetof(struct config, certificates),
     .fallback = "",
     .help = "Certificate chain and private key, two PEM files. May stand several times; the names "
             "come from the certificates, and the first answers for names that none has.",
     .live = true},
    C("tls", "profile", tls_profile, "modern", "modern bsi", false,
      "Ciphers and groups: modern, or bsi (TR-02102-2: neither ChaCha20 nor X25519)."),

    N("limits", "message_size", SETTING_SIZE, message_size, "50M", 64 * 1024,
      UINT64_C(1024) * 1024 * 1024, "The largest message that is taken."),
    N("limits", "recipients", SETTING_NUMBER, recipients, "1000", 100, 100000,
      "Recipients of one message (RFC 5321 asks for at least 100)."),
    N("limits", "connections", SETTING_NUMBER, connections, "20000", 1, MAX_32,
      "Connections of one port."),
    N("limits", "connections_per_address", SETTING_NUMBER, connections_per_address, "50", 1, MAX_32,
      "Connections of one client address (IPv6: of its /64) to a service. Users' services do not "
      "count guard.trusted and guard.proxies."),
    N("limits", "workers", SETTING_NUMBER, workers, "500", 2, 5000,
      "Connections of one role that are worked on in the same instant."),

    N("guard", "tolerated", SETTING_NUMBER, tolerated, "4", 1, 1000,
      "Wrong passwords from one address within `window` that have no consequence."),
    N("guard", "window", SETTING_DURATION, window, "20m", 1, 30 * DAY,
      "How long a wrong password counts."),
    N("guard", "close", SETTING_DURATION, close, "20m", 1, 30 * DAY,
      "How long the users' services stay closed to an address after one wrong password more."),
    N("guard", "closings", SETTING_NUMBER, closings, "3", 1, 1000,
      "Closings within `closings_window` that close the whole machine to an address."),
    N("guard", "closings_window", SETTING_DURATION, closings_window, "24h", 1, 365 * DAY,
      "How long a closing counts."),
    N("guard", "machine", SETTING_DURATION, machine, "24h", 1, 365 * DAY,
      "How long the whole machine stays closed to an address."),
    S("guard", "repeated_password_counts", SETTING_BOOL, repeated_password_counts, "yes",
      "With no, the same wrong password for the same account counts once within `window`, so that "
      "a forgotten phone does not lock out a household."),
    S("guard", "trusted", SETTING_NETWORKS, trusted, "", "Networks that are never locked out."),
    S("guard", "proxies", SETTING_NETWORKS, proxies, "",
      "Hosts (a webmail server) that may hand over their client's address."),
    C("guard", "firewall", firewall, "auto", "auto no", false,
      "auto: started as root and with nft at hand, addresses that the machine is closed to are "
      "kept in the nftables table `inet depesche`. no: only Depesche's own ports are closed."),

    N("store", "shards", SETTING_NUMBER, shards, "1", 1, 64,
      "Into how many parts a new store is divided. Fixed when the store is made."),
    N("store", "undelete_days", SETTING_NUMBER, undelete_days, "14", 0, 3650,
      "How many days expunged messages stay recoverable; 0: not at all."),

    C("log", "level", log_level, "info", "debug info warning error", true,
      "The least important lines that are written."),
};

const struct setting *config_settings(size_t *n)
{
    *n = sizeof settings / sizeof settings[0];
    return settings;
}

const char *setting_expects(const struct setting *s)
{
    switch (s->type) {
    case SETTING_HOST:
        return "a host name such as mail.example.org";
    case SETTING_PATH:
        return "an absolute path";
    case SETTING_USER:
        return "a system user's name or number";
    case SETTING_ADDRESS:
        return "a mail address or nothing";
    case SETTING_NUMBER:
        return "a whole number";
    case SETTING_SIZE:
        return "a number of bytes, with K, M or G for more";
    case SETTING_DURATION:
        return "a time such as 30s, 20m, 24h or 7d";
    case SETTING_BOOL:
        return "yes or no";
    case SETTING_CHOICE:
        return s->choices;
    case SETTING_IPS:
        return "IP addresses";
    case SETTING_PORTS:
        return "ports (on every listen.address), address:port or [address]:port, or none";
    case SETTING_NETWORKS:
        return "networks such as 192.0.2.0/24, or addresses";
    case SETTING_CERTIFICATES:
        return "two absolute paths: the chain's and the key's PEM file";
    }
    return "";
}

static const char *const service_names[SERVICE_COUNT] = {
    [SERVICE_SMTP] = "smtp",
    [SERVICE_SUBMISSION] = "submission",
    [SERVICE_SUBMISSIONS] = "submissions",
    [SERVICE_IMAP] = "imap",
    [SERVICE_IMAPS] = "imaps",
};

const char *config_service_name(enum config_service service)
{
    return service < SERVICE_COUNT ? service_names[service] : "";
}
