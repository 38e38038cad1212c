/* Words and sentences about transport security; see security.h. The words are kept in files and
 * read by scripts: they never change. The sentences are read by people who got a bounce: who did
 * what, no abbreviation that is not a name. */
#include "net/security.h"

static const char *const DEMANDS[DEMAND_COUNT] = {
    [DEMAND_NOTHING] = "nothing",
    [DEMAND_ENCRYPT] = "encrypt",
    [DEMAND_VERIFY] = "verify",
    [DEMAND_DANE] = "dane",
};

static const char *const SOURCES[SOURCE_COUNT] = {
    [SOURCE_NOBODY] = "nobody",
    [SOURCE_SETTING] = "setting",
    [SOURCE_LIST] = "list",
    [SOURCE_OPERATOR] = "operator",
    [SOURCE_RATCHET_TLS] = "ratchet-tls",
    [SOURCE_RATCHET] = "ratchet",
    [SOURCE_MESSAGE] = "message",
    [SOURCE_TRANSPORT] = "transport",
};

struct phrase {
    const char *word, *english, *german;
};

static const struct phrase SECURITIES[SECURITY_COUNT] = {
    [SECURITY_NONE] = {"none", "no connection", "keine Verbindung"},
    [SECURITY_CLEAR] = {"clear", "not encrypted", "unverschlüsselt"},
    [SECURITY_ENCRYPTED] = {"encrypted", "encrypted, server not confirmed",
                            "verschlüsselt, Server nicht bestätigt"},
    [SECURITY_PKIX] = {"pkix", "encrypted, server confirmed by its certificate",
                       "verschlüsselt, Server durch sein Zertifikat bestätigt"},
    [SECURITY_MTA_STS] = {"mta-sts", "encrypted, server confirmed by MTA-STS",
                          "verschlüsselt, Server durch MTA-STS bestätigt"},
    [SECURITY_DANE] = {"dane", "encrypted, server confirmed by DANE",
                       "verschlüsselt, Server durch DANE bestätigt"},
};

static const struct phrase PROBLEMS[PROBLEM_COUNT] = {
    [PROBLEM_NONE] = {"none", "there was no problem", "es gab kein Problem"},
    [PROBLEM_REFUSED] = {"refused", "the other server refused the message",
                         "der andere Server lehnte die Nachricht ab"},
    [PROBLEM_DNS] = {"dns",
                     "the name servers of the recipient's domain gave no answer, or only an error",
                     "die Namensserver der Empfängerdomain antworteten nicht oder nur mit einem "
                     "Fehler"},
    [PROBLEM_BOGUS] = {"bogus",
                       "the signature (DNSSEC) on an answer about the recipient's domain was "
                       "wrong, so the answer cannot be trusted",
                       "die Signatur (DNSSEC) einer Auskunft über die Empfängerdomain war falsch, "
                       "der Auskunft ist also nicht zu trauen"},
    [PROBLEM_NO_DOMAIN] = {"no-domain", "the recipient's domain does not exist",
                           "die Domain des Empfängers gibt es nicht"},
    [PROBLEM_NO_HOST] = {"no-host", "the recipient's domain has no mail server",
                         "die Domain des Empfängers hat keinen Mailserver"},
    [PROBLEM_NULL_MX] = {"null-mx", "the recipient's domain accepts no mail at all",
                         "die Domain des Empfängers nimmt grundsätzlich keine E-Mail an"},
    [PROBLEM_LOOP] = {"loop",
                      "the recipient's domain names this server as its mail server, but this "
                      "server does not serve it",
                      "die Domain des Empfängers nennt diesen Server als ihren Mailserver, er ist "
                      "aber nicht für sie zuständig"},
    [PROBLEM_CONNECT] = {"connect", "the other server could not be reached",
                         "der andere Server war nicht zu erreichen"},
    [PROBLEM_TIMEOUT] = {"timeout", "the other server did not answer in time",
                         "der andere Server antwortete nicht rechtzeitig"},
    [PROBLEM_LOST] = {"lost", "the connection to the other server broke off",
                      "die Verbindung zum anderen Server brach ab"},
    [PROBLEM_LOST_AT_END] = {"lost-at-end",
                             "the connection broke off after the whole message was sent and before "
                             "the other server confirmed it, so it may have arrived",
                             "die Verbindung brach ab, als die Nachricht schon ganz übertragen und "
                             "noch nicht bestätigt war; vielleicht ist sie angekommen"},
    [PROBLEM_SYNTAX] = {"syntax", "the other server's answer could not be understood",
                        "die Antwort des anderen Servers war nicht zu verstehen"},
    [PROBLEM_NO_TLS] = {"no-tls", "the other side offered no encryption",
                        "die Gegenseite bot keine Verschlüsselung an"},
    [PROBLEM_TLS_REFUSED] = {"tls-refused",
                             "the other side offered encryption and then refused to start it",
                             "die Gegenseite bot Verschlüsselung an und lehnte es dann ab, sie zu "
                             "beginnen"},
    [PROBLEM_HANDSHAKE] = {"handshake", "no encrypted connection with the other side came about",
                           "mit der Gegenseite kam keine verschlüsselte Verbindung zustande"},
    [PROBLEM_INJECTION] = {"injection",
                           "before the encryption began, data came in that did not belong there; "
                           "somebody may have tampered with the connection",
                           "vor Beginn der Verschlüsselung kamen Daten an, die dort nicht "
                           "hingehören; jemand könnte in die Verbindung eingegriffen haben"},
    [PROBLEM_CERT_UNTRUSTED] = {"cert-untrusted",
                                "the other server's certificate was not issued by a recognised "
                                "authority",
                                "das Zertifikat des anderen Servers stammt von keiner anerkannten "
                                "Stelle"},
    [PROBLEM_CERT_EXPIRED] = {"cert-expired",
                              "the other server's certificate has expired or is not yet valid",
                              "das Zertifikat des anderen Servers ist abgelaufen oder noch nicht "
                              "gültig"},
    [PROBLEM_CERT_NAME] = {"cert-name", "the other server's certificate is for a different name",
                           "das Zertifikat des anderen Servers gilt für einen anderen Namen"},
    [PROBLEM_CERT_BAD] = {"cert-bad", "the other server's certificate is faulty",
                          "das Zertifikat des anderen Servers ist fehlerhaft"},
    [PROBLEM_DANE_MISMATCH] = {"dane-mismatch",
                               "the other server's certificate is not the one that its domain "
                               "announces (DANE)",
                               "das Zertifikat des anderen Servers ist nicht das, das seine Domain "
                               "ankündigt (DANE)"},
    [PROBLEM_DANE_LOOKUP] = {"dane-lookup",
                             "it could not be found out which certificate the domain of the other "
                             "server announces (DANE)",
                             "es war nicht herauszufinden, welches Zertifikat die Domain des "
                             "anderen Servers ankündigt (DANE)"},
    [PROBLEM_DANE_MISSING] = {"dane-missing",
                              "confirmation of the server by DANE is required, and its domain "
                              "announces no certificate",
                              "die Bestätigung des Servers durch DANE ist verlangt, und seine "
                              "Domain kündigt kein Zertifikat an"},
    [PROBLEM_DANE_UNUSABLE] = {"dane-unusable",
                               "confirmation of the server by DANE is required, and what its "
                               "domain announces about it cannot be used",
                               "die Bestätigung des Servers durch DANE ist verlangt, und was seine "
                               "Domain dazu ankündigt, ist nicht brauchbar"},
    [PROBLEM_NO_VALIDATION] = {"no-validation",
                               "this server cannot check signed answers (DNSSEC) at the moment, so "
                               "the other server cannot be confirmed by DANE",
                               "dieser Server kann signierte Auskünfte (DNSSEC) zurzeit nicht "
                               "prüfen, deshalb lässt sich der andere Server nicht durch DANE "
                               "bestätigen"},
    [PROBLEM_STS_HOST] = {"sts-host",
                          "the recipient's domain names a mail server that its own security policy "
                          "(MTA-STS) does not allow",
                          "die Domain des Empfängers nennt einen Mailserver, den ihre eigene "
                          "Sicherheitsrichtlinie (MTA-STS) nicht erlaubt"},
    [PROBLEM_STS_POLICY] = {"sts-policy",
                            "the security policy (MTA-STS) of the recipient's domain could not be "
                            "fetched or read",
                            "die Sicherheitsrichtlinie (MTA-STS) der Empfängerdomain war nicht zu "
                            "bekommen oder nicht zu lesen"},
    [PROBLEM_LIST_HOST] = {"list-host",
                           "the recipient's domain names a mail server that is not known as one of "
                           "this provider",
                           "die Domain des Empfängers nennt einen Mailserver, der nicht als einer "
                           "dieses Anbieters bekannt ist"},
    [PROBLEM_TOO_WEAK] = {"too-weak", "the connection was less secure than is required",
                          "die Verbindung war weniger sicher, als verlangt ist"},
    [PROBLEM_NO_REQUIRETLS] = {"no-requiretls",
                               "the message asks for encryption on its whole way, and the other "
                               "server cannot promise that",
                               "die Nachricht verlangt Verschlüsselung auf dem ganzen Weg, und der "
                               "andere Server kann das nicht zusagen"},
    [PROBLEM_NO_SMTPUTF8] = {"no-smtputf8",
                             "the other server cannot handle special characters such as umlauts in "
                             "e-mail addresses",
                             "der andere Server kommt mit Umlauten und anderen Sonderzeichen in "
                             "E-Mail-Adressen nicht zurecht"},
    [PROBLEM_TOO_BIG] = {"too-big", "the message is larger than the other server accepts",
                         "die Nachricht ist größer, als der andere Server annimmt"},
    [PROBLEM_LOGIN] = {"login",
                       "the server that forwards our mail did not accept our user name and "
                       "password",
                       "der Server, der unsere E-Mail weiterleitet, nahm unseren Benutzernamen und "
                       "unser Passwort nicht an"},
    [PROBLEM_BUSY] = {"busy", "this server was busy or was just being restarted",
                      "dieser Server war ausgelastet oder wurde gerade neu gestartet"},
    [PROBLEM_HTTP] = {"http", "the other side's web server did not take the report",
                      "der Webserver der Gegenseite nahm den Bericht nicht an"},
    [PROBLEM_EXPIRED] = {"expired", "delivery was tried for a long time without success",
                         "die Zustellung wurde lange Zeit vergeblich versucht"},
    [PROBLEM_CANCELLED] = {"cancelled", "the administrator of this server cancelled the delivery",
                           "die Verwaltung dieses Servers brach die Zustellung ab"},
    [PROBLEM_UNSENDABLE] = {"unsendable", "the address or the message cannot be sent as it is",
                            "die Adresse oder die Nachricht lässt sich so nicht versenden"},
};

/* Values cross between processes and come from files: what is out of range has words as well. */
static const char *word_of(const char *const *words, size_t count, unsigned value)
{
    return value < count ? words[value] : "unknown";
}

static const struct phrase *security_phrase(enum security s)
{
    static const struct phrase unknown = {"unknown", "not known", "nicht bekannt"};
    return (unsigned)s < SECURITY_COUNT ? &SECURITIES[s] : &unknown;
}

static const struct phrase *problem_phrase(enum problem p)
{
    static const struct phrase unknown = {"unknown", "the reason is not known",
                                          "der Grund ist nicht bekannt"};
    return (unsigned)p < PROBLEM_COUNT ? &PROBLEMS[p] : &unknown;
}

const char *demand_word(enum demand d)
{
    return word_of(DEMANDS, DEMAND_COUNT, d);
}

const char *demand_source_word(enum demand_source s)
{
    return word_of(SOURCES, SOURCE_COUNT, s);
}

const char *security_word(enum security s)
{
    return security_phrase(s)->word;
}

const char *problem_word(enum problem p)
{
    return problem_phrase(p)->word;
}

bool demand_parse(struct slice word, enum demand *out)
{
    for (unsigned d = 0; d < DEMAND_COUNT; d++)
        if (slice_eq(word, slice_str(DEMANDS[d]))) {
            *out = (enum demand)d;
            return true;
        }
    return false;
}

const char *problem_text(enum problem p, bool german)
{
    const struct phrase *f = problem_phrase(p);
    return german ? f->german : f->english;
}

const char *security_text(enum security s, bool german)
{
    const struct phrase *f = security_phrase(s);
    return german ? f->german : f->english;
}
