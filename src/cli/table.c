/* The table of commands. Order is the order of help: nouns together. */
#include "cli/command.h"

const struct option common_options[] = {
    {"config", "FILE", "The configuration; else $DEPESCHE_CONFIG, else " CONFIG_DEFAULT_PATH "."},
    {"json", NULL, "Print the result as JSON."},
    {"help", NULL, "Explain the command."},
    {0},
};

static const struct option demo_options[] = {
    {"dir", "DIR",
     "Folder of the installation; made when it lacks, gone on with when not. Default "
     "./demo."},
    {"ports", "BASE", "The ports are BASE+25, +143, +465, +587 and +993. Default 20000."},
    {"password", "PW", "Password of both accounts. Random, and printed, when not given."},
    {"trust", "CIDR", "A network that is never locked out. May be given several times."},
    {0},
};
static const struct option setup_options[] = {
    {"host", "NAME", "This server's name in the DNS. Asked for when not given."},
    {"account", "ADDRESS",
     "The first account; its domain is the first domain. Asked for when not "
     "given."},
    {"password-fd", "N", "Read the account's password from descriptor N."},
    {"root", "DIR",
     "Install below DIR and leave users, services and this system alone; for "
     "packages and tests."},
    {0},
};
static const struct option doctor_options[] = {
    {"repair", NULL, "Mend what can be mended. The server must be stopped for the store."},
    {0},
};
static const struct option domain_add_options[] = {
    {"alias-of", "DOMAIN", "Share the addresses of a domain that is ours."},
    {0},
};
static const struct option dns_reports_options[] = {
    {"days", "N", "Only reports that came in the last N days. Default 30."},
    {0},
};
static const struct option dns_check_options[] = {
    {"log", NULL, "Only log lines, about what must be there and is missing or wrong."},
    {0},
};
static const struct option key_roll_options[] = {
    {"dkim", NULL, "The keys that sign mail; else the server's TLS key."},
    {"switch", NULL, "The next keys are published: use them."},
    {"certificate", "CHAIN",
     "Which TLS key: that of this line of tls.certificate. Default the first."},
    {"chain", "FILE", "With --switch: the certificate chain issued for the next TLS key."},
    {"force", NULL, "With --switch: even when others cannot know the next keys yet."},
    {0},
};
static const struct option account_add_options[] = {
    {"name", "NAME", "The name that others see."},
    {"language", "de|en", "Language of the folders' names. Default en."},
    {"quota", "SIZE", "Room for mail, such as 2G, or none. Default none."},
    {"no-password", NULL, "Without a password: nobody can log in until one is set."},
    {"password-fd", "N", "Read the password from descriptor N instead of asking."},
    {0},
};
static const struct option password_options[] = {
    {"password-fd", "N", "Read the password from descriptor N instead of asking."},
    {0},
};
static const struct option list_options[] = {
    {"domain", "DOMAIN", "Only accounts of that domain."},
    {0},
};
static const struct option suspend_options[] = {
    {"no-send", NULL, "Receives and reads, but may not send."},
    {"no-login", NULL, "Receives, but nobody can log in. This is the default."},
    {"closed", NULL, "Refuses mail, and nobody can log in."},
    {0},
};
static const struct option forward_options[] = {
    {"keep", NULL, "The account keeps a copy of its own."},
    {"off", NULL, "Forward no more."},
    {0},
};
static const struct option hash_options[] = {
    {"hash-fd", "N", "Read the hash from descriptor N instead of asking."},
    {0},
};
static const struct option remove_options[] = {
    {"yes", NULL, "Do not ask whether it is meant."},
    {0},
};

#define MANY CALL_VALUES
#define QUEUE_SELECT                                                                               \
    {"recipient", "ADDRESS", "Only mail to this address."},                                        \
        {"sender", "ADDRESS", "Only mail from this envelope sender."},                             \
    {                                                                                              \
        "destination", "DOMAIN", "Only mail to addresses of this domain."                          \
    }
static const struct option queue_select_options[] = {QUEUE_SELECT, {0}};
static const struct option queue_which_options[] = {
    QUEUE_SELECT,
    {"all", NULL, "All mail in the queue."},
    {0},
};
static const struct option queue_list_options[] = {
    QUEUE_SELECT,
    {"held", NULL, "Only what is held."},
    {"broken", NULL, "Only what is set aside because it cannot be used."},
    {"finished", NULL, "What left or came back lately."},
    {0},
};
static const struct option queue_policy_options[] = {
    {"level", "encrypt|verify|dane", "Demand this of the domain, whatever the list says."},
    {"mx", "\"PATTERN ...\"",
     "With --level verify: names that its servers' certificates may be for. `*.` stands for one "
     "label."},
    {"lift", NULL, "Demand nothing of the domain, whatever the list says."},
    {"default", NULL, "Take your line away: the list's line counts again."},
    {"allow-weaker", NULL,
     "Forget how well the domain was reached before: it may be reached more weakly again."},
    {"no-lookup", NULL, "Show what is remembered, without asking the DNS."},
    {0},
};
#define QUEUE_WHICH                                                                                \
    "What is given must all fit: an ID, recipient, sender, destination. The server must run."

const struct command commands[] = {
    {"demo", NULL, "", 0, 0, "Serve a complete private installation on loopback",
     "Makes an installation in one folder, with an authority of its own, the domain example.org "
     "and "
     "the accounts anna@example.org and ben@example.org, and serves it in the foreground. Prints "
     "`ready` when all ports answer. SIGTERM or Ctrl-C ends it; the next start goes on.",
     demo_options, command_demo},
    {"serve", NULL, "", 0, 0, "Serve",
     "Serves in the foreground, with log lines on standard error, until SIGTERM. SIGHUP reads "
     "configuration and certificates again.",
     NULL, command_serve},
    {"check", NULL, "", 0, 0, "Check the configuration and show every setting", NULL, NULL,
     command_check},
    {"setup", NULL, "", 0, 0, "Prepare this machine as a mail server",
     "Makes system users, folders, configuration, a self-signed certificate, the service, and the "
     "first account, and prints what to do next. What is there already is left alone, so it may be "
     "run again.",
     setup_options, command_setup},

    {"domain", "add", "DOMAIN", 1, 1, "Take mail for a domain",
     "Makes its DKIM keys, too; `key roll --dkim` changes them.", domain_add_options,
     command_domain_add},
    {"domain", "alias", "DOMAIN TARGET", 2, 2,
     "Take mail for a domain that shares the addresses of another", NULL, NULL,
     command_domain_alias},
    {"domain", "catch-all", "DOMAIN [ADDRESS]", 1, 2,
     "Set who gets what nobody else in the domain does",
     "Without an address the domain has no catch-all any more.", NULL, command_domain_catch_all},
    {"domain", "list", "", 0, 0, "List the domains", NULL, NULL, command_domain_list},
    {"domain", "show", "DOMAIN", 1, 1, "Show a domain", NULL, NULL, command_domain_show},
    {"domain", "remove", "DOMAIN", 1, 1, "Take no mail for a domain any more",
     "Its accounts, aliases and alias domains must be gone.", NULL, command_domain_remove},

    {"account", "add", "ADDRESS", 1, 1, "Make an account",
     "The password is asked for twice at the terminal, or read from a descriptor.",
     account_add_options, command_account_add},
    {"account", "passwd", "ADDRESS", 1, 1, "Change an account's password", NULL, password_options,
     command_account_passwd},
    {"account", "list", "", 0, 0, "List the accounts", NULL, list_options, command_account_list},
    {"account", "show", "ADDRESS", 1, 1, "Show an account and what it holds", NULL, NULL,
     command_account_show},
    {"account", "suspend", "ADDRESS", 1, 1, "Take rights from an account",
     "Takes effect at once, in live sessions too.", suspend_options, command_account_suspend},
    {"account", "resume", "ADDRESS", 1, 1, "Give all rights back", NULL, NULL,
     command_account_resume},
    {"account", "quota", "ADDRESS SIZE|none", 2, 2, "Set how much mail an account may hold", NULL,
     NULL, command_account_quota},
    {"account", "language", "ADDRESS de|en", 2, 2, "Set an account's language", NULL, NULL,
     command_account_language},
    {"account", "name", "ADDRESS NAME", 2, 2, "Set the name that others see", NULL, NULL,
     command_account_name},
    {"account", "forward", "ADDRESS [TARGET]...", 1, MANY, "Forward an account's mail", NULL,
     forward_options, command_account_forward},
    {"account", "import-hash", "ADDRESS", 1, 1, "Take a password hash over from another system",
     "As crypt(3) knows it ($6$, $2y$, $y$, also with Dovecot's {SHA512-CRYPT} or {BLF-CRYPT} in "
     "front) or Argon2id. The next login replaces it by Argon2id.",
     hash_options, command_account_import_hash},
    {"account", "remove", "ADDRESS", 1, 1, "Remove an account and all its mail", NULL,
     remove_options, command_account_remove},

    {"alias", "add", "ADDRESS TARGET...", 2, MANY, "Let an address lead to others", NULL, NULL,
     command_alias_add},
    {"alias", "list", "", 0, 0, "List the aliases", NULL, NULL, command_alias_list},
    {"alias", "remove", "ADDRESS [TARGET]", 1, 2, "Remove an alias, or one of its targets", NULL,
     NULL, command_alias_remove},

    {"ban", "list", "", 0, 0, "List the addresses that are locked out", NULL, NULL,
     command_ban_list},
    {"ban", "lift", "ADDRESS", 1, 1, "Let an address in again", NULL, NULL, command_ban_lift},
    {"ban", "why", "ADDRESS", 1, 1, "Show the wrong passwords that came from an address", NULL,
     NULL, command_ban_why},

    {"dns", "show", "DOMAIN", 1, 1, "Show every record to publish for a domain",
     "As a zone file. Keys and certificates are looked at as they are now; what cannot be known "
     "here stands in comments.",
     NULL, command_dns_show},
    {"dns", "check", "[DOMAIN]", 0, 1, "Compare what is published with what is served",
     "Looks the records of one domain or all up, connects to the server's own ports, and looks for "
     "what others ask of a mail server's address. The exit status is 1 when something that must be "
     "there is missing or wrong.",
     dns_check_options, command_dns_check},
    {"dns", "reports", "", 0, 0, "Show what other servers report of their way to us",
     "Reads the TLS reports (RFC 8460) that came to tlsrpt@ of our domains or to their postmaster, "
     "where they lie in the mailboxes (but for Junk). Anybody can send one.",
     dns_reports_options, command_dns_reports},

    {"key", "list", "[DOMAIN]", 0, 1, "List the keys that sign mail", NULL, NULL, command_key_list},
    {"key", "roll", "[DOMAIN]", 0, 1, "Change keys, of one domain or all",
     "The first call makes the next TLS key, with a request for its certificate (KEY.next.csr), "
     "and "
     "prints the TLSA records to publish. With --switch --chain FILE, key and certificate are put "
     "in place, but not before the next key's record could be seen for twice its TTL. With --dkim, "
     "the first call makes the next keys and prints the records to publish. With "
     "--switch besides, mail is signed with these from then on (within seconds), unless one of "
     "their records cannot be seen in the DNS, and the old keys retire: their records stay "
     "published 14 days more, then a later call removes them. A domain "
     "without keys gets its first ones, which sign at once.",
     key_roll_options, command_key_roll},

    {"queue", "list", "", 0, 0, "List the mail that waits for its way out", NULL,
     queue_list_options, command_queue_list},
    {"queue", "show", "ID", 1, 1, "Show a waiting message's envelope and header", NULL, NULL,
     command_queue_show},
    {"queue", "why", "[ID]", 0, 1, "Explain what was tried, how safely, and what happens next",
     "Also of mail that left already, for the time of sending.keep_results.", queue_select_options,
     command_queue_why},
    {"queue", "retry", "[ID]", 0, 1, "Try mail again at once", QUEUE_WHICH, queue_which_options,
     command_queue_retry},
    {"queue", "hold", "[ID]", 0, 1, "Keep mail back until it is released", QUEUE_WHICH,
     queue_which_options, command_queue_hold},
    {"queue", "release", "[ID]", 0, 1, "Let mail go on that was held", QUEUE_WHICH,
     queue_which_options, command_queue_release},
    {"queue", "cancel", "[ID]", 0, 1, "Remove mail from the queue; nobody is told", QUEUE_WHICH,
     queue_which_options, command_queue_cancel},
    {"queue", "policy", "[DOMAIN]", 0, 1,
     "Show or change how safely mail must reach a domain, and why",
     "The strictest counts: the list of providers or your line, which takes the place of the "
     "list's; what was reached before; and sending.clear_text. On top comes what the domain "
     "publishes, which is looked up now: its mail servers, DANE and MTA-STS. Without a domain, "
     "lists your lines and the list's.",
     queue_policy_options, command_queue_policy},

    {"doctor", NULL, "", 0, 0, "Examine databases, certificates, permissions and ports", NULL,
     doctor_options, command_doctor},
    {"version", NULL, "", 0, 0, "Print the version", NULL, NULL, command_version},
    {"help", NULL, "[NOUN [VERB]]", 0, 2, "Explain the commands",
     "`help config` prints a sample configuration with every setting, `help man` and `help "
     "man-config` the man pages, `help completion` the completion for bash, `help unit` the "
     "systemd "
     "unit.",
     NULL, command_help},
};
const size_t n_commands = sizeof commands / sizeof commands[0];
