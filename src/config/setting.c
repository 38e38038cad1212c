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
    S("server", "edge_data", SETTING_PATH, edge_data, "/var/lib/depesche-edge",
      "Folder of the role that talks with strangers; it keeps the DNS root's key there and can "
      "write nowhere else."),
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

    N("listen", "address", SETTING_IPS, listen_address, "0.0.0.0, ::", 1, 0,
      "Addresses that the ports below are opened on."),
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
    S("listen", "https", SETTING_PORTS, listen[SERVICE_HTTPS], "443",
      "Webmail, JMAP, the page with the server's details, and what lets mail programs set "
      "themselves up."),
    S("listen", "http", SETTING_PORTS, listen[SERVICE_HTTP], "80",
      "Sends browsers to https, and answers what is asked without TLS: mail programs that set "
      "themselves up, and certification authorities (the folder acme in server.data)."),

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
    S("tls", "ca", SETTING_FILE, tls_ca, "/etc/ssl/certs/ca-certificates.crt",
      "The certification authorities that count when other servers prove who they are, in one PEM "
      "file. Empty: none."),

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

    S("sending", "smarthost", SETTING_NEXT_HOP, smarthost, "",
      "All mail goes to this server instead of to the recipients' own."),
    S("sending", "smarthost_user", SETTING_TEXT, smarthost_user, "",
      "User name at the smart host. With one, its certificate must be good for its name."),
    S("sending", "smarthost_password_file", SETTING_FILE, smarthost_password_file, "",
      "File with the password at the smart host in its first line. Only root needs to read it."),
    S("sending", "transport", SETTING_TRANSPORTS, transports, "",
      "Mail for a domain goes to this server instead of to the domain's own: DOMAIN HOST:PORT. "
      "May stand several times."),
    S("sending", "providers", SETTING_FILE, providers, "",
      "A list of providers to which nothing goes unencrypted, instead of the one that is built in. "
      "`depesche queue policy` shows and changes single lines."),
    S("sending", "https_inside", SETTING_BOOL, https_inside, "no",
      "Fetch MTA-STS policies from, and send TLS reports to, addresses that are not public, too."),
    S("sending", "clear_text", SETTING_BOOL, clear_text, "yes",
      "Mail may leave unencrypted where the other server has no encryption at all."),
    N("sending", "port", SETTING_NUMBER, sending_port, "25", 1, 65535,
      "The port at which other servers take mail. Another one makes sense in closed networks "
      "only."),
    S("sending", "from_address", SETTING_IPS, sending_from, "",
      "Addresses of this machine that mail is sent from, one IPv4 and one IPv6 at most. Empty: the "
      "system chooses."),
    N("sending", "connections", SETTING_NUMBER, sending_connections, "100", 1, 1000,
      "Messages that are being sent at the same time; of one sender at most about half as many."),
    N("sending", "connections_per_destination", SETTING_NUMBER, destination_connections, "10", 1,
      1000, "... to one destination."),
    N("sending", "retry_first", SETTING_DURATION, retry_first, "5m", 1, DAY,
      "The pause after the first attempt that failed; each further one is twice as long."),
    N("sending", "retry_most", SETTING_DURATION, retry_most, "4h", 1, 2 * DAY,
      "The longest pause."),
    N("sending", "give_up", SETTING_DURATION, give_up, "5d", 1, 30 * DAY,
      "After this time a message that cannot be delivered goes back to its sender."),
    N("sending", "delay_notice", SETTING_DURATION, delay_notice, "4h", 1, 30 * DAY,
      "After this time its sender is told that it is still on its way."),
    N("sending", "keep_results", SETTING_DURATION, keep_results, "2d", 0, 30 * DAY,
      "How long `depesche queue why` can tell how a message left. The message itself is not "
      "kept."),
    N("sending", "messages_per_hour", SETTING_NUMBER, messages_per_hour, "200", 0, MAX_32,
      "Messages to others that an account may send in an hour, so that a stolen password does no "
      "harm; 0: any number."),
    N("sending", "new_recipients_per_day", SETTING_NUMBER, new_recipients_per_day, "200", 0, MAX_32,
      "Recipients elsewhere that an account never wrote to before, in a day; 0: any number."),

    S("dns", "anchor", SETTING_FILE, dns_anchor, "/usr/share/dns/root.key",
      "The keys that DNSSEC begins with, as DS or DNSKEY records (Debian: package dns-root-data). "
      "Empty: nothing is validated."),
    S("dns", "forwarder", SETTING_SERVERS, dns_forwarders, "",
      "Name servers to ask, as IP or IP@PORT. Empty: the root servers and those they name. What "
      "they answer is validated here in any case."),
    S("dns", "zone", SETTING_ZONES, dns_zones, "",
      "A zone that is asked at a server of its own: ZONE IP@PORT. May stand several times."),
    S("dns", "known_good", SETTING_NAME, dns_known_good, "isc.org",
      "A signed name. It must come as secure: the proof that validation works, made at the start "
      "and hourly. Empty: no proof."),
    S("dns", "known_bad", SETTING_NAME, dns_known_bad, "dnssec-failed.org",
      "A name whose signature is wrong. It must be refused. Empty: no proof."),
    N("dns", "timeout", SETTING_DURATION, dns_timeout, "10s", 1, 120, "Of one look-up."),

    S("web", "name", SETTING_LINE, web_name, "",
      "What the provider calls itself towards its users, at most 60 characters. Empty: the "
      "server's host name."),
    S("web", "imprint", SETTING_FILE, web_imprint, "",
      "File with the imprint (Impressum) and contact that the page at / shows: plain text in "
      "UTF-8, an empty line between paragraphs. Large German providers ask for one."),

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
    case SETTING_NAME:
        return "a name in the DNS or nothing";
    case SETTING_PATH:
        return "an absolute path";
    case SETTING_FILE:
        return "an absolute path or nothing";
    case SETTING_TEXT:
        return "text without blanks or nothing";
    case SETTING_LINE:
        return "a line of at most 60 characters or nothing";
    case SETTING_NEXT_HOP:
        return "host:port, [IPv6 address]:port, or nothing";
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
    case SETTING_SERVERS:
        return "name servers such as 192.0.2.1 or 192.0.2.1@5353";
    case SETTING_ZONES:
        return "a zone and its server: example.org 192.0.2.1@5353";
    case SETTING_TRANSPORTS:
        return "a domain and host:port: example.org mail.example.net:25";
    }
    return "";
}

static const char *const service_names[SERVICE_COUNT] = {
    [SERVICE_SMTP] = "smtp",
    [SERVICE_SUBMISSION] = "submission",
    [SERVICE_SUBMISSIONS] = "submissions",
    [SERVICE_IMAP] = "imap",
    [SERVICE_IMAPS] = "imaps",
    [SERVICE_HTTPS] = "https",
    [SERVICE_HTTP] = "http",
};

const char *config_service_name(enum config_service service)
{
    return service < SERVICE_COUNT ? service_names[service] : "";
}
