/* The page at "/": what a private provider tells its users, in German and English. Everything on it
 * is made from the running configuration, so that it is always true. */
#include "base/date.h"
#include "publish/publish.h"
#include "web/details_style.h"
#include "web/facts.h"
#include "web/handlers.h"
#include "web/markup.h"

#define PAGE_MOST (512 * 1024)

struct page {
    struct http_exchange *x;
    const struct web_service *s;
    const struct config *c;
    struct buf *out;
    bool german;
};

/* Every text stands here twice, side by side: so neither language is forgotten. */
static const char *say(const struct page *p, const char *english, const char *german)
{
    return p->german ? german : english;
}

static void heading(struct page *p, const char *id, const char *english, const char *german)
{
    markup(p->out, "<section id=\"%s\">\n<h2>%s</h2>\n", id, say(p, english, german));
}

static void end(struct page *p)
{
    buf_lit(p->out, "</section>\n");
}

static void paragraph(struct page *p, const char *english, const char *german)
{
    markup(p->out, "<p>%s</p>\n", say(p, english, german));
}

/* "20 minutes", "24 hours", "3 days" */
static struct slice period(const struct page *p, uint64_t seconds)
{
    static const struct {
        uint64_t seconds;
        const char *english[2], *german[2];
    } units[] = {{86400, {"day", "days"}, {"Tag", "Tage"}},
                 {3600, {"hour", "hours"}, {"Stunde", "Stunden"}},
                 {60, {"minute", "minutes"}, {"Minute", "Minuten"}},
                 {1, {"second", "seconds"}, {"Sekunde", "Sekunden"}}};
    size_t i = 0;
    while (seconds % units[i].seconds || (i == 0 && seconds < 2 * 86400))
        i++;
    uint64_t n = seconds / units[i].seconds;
    return arena_printf(http_arena(p->x), "%llu %s", (unsigned long long)n,
                        p->german ? units[i].german[n != 1] : units[i].english[n != 1]);
}

/* --- Sections --- */

static void row(struct page *p, const char *what, const char *how, enum config_service service)
{
    unsigned port = facts_port(p->c, service);
    if (port)
        markup(p->out,
               "<tr><th scope=\"row\">%s</th><td><code>%s</code></td><td><code>%u</code></td>"
               "<td>%s</td></tr>\n",
               what, p->c->host, port, how);
}

static void section_settings(struct page *p)
{
    const char *tls = say(p, "SSL/TLS (from the first byte)", "SSL/TLS (vom ersten Byte an)");
    const char *in = say(p, "Receiving (IMAP)", "Empfang (IMAP)");
    const char *out = say(p, "Sending (SMTP)", "Versand (SMTP)");
    heading(p, "settings", "Settings for mail programs", "Einstellungen für Mailprogramme");
    paragraph(p,
              "Most programs set themselves up: enter name, address and password, and that is all. "
              "Where a program asks, these are the answers.",
              "Die meisten Programme richten sich selbst ein: Name, Adresse und Passwort genügen. "
              "Wo ein Programm nachfragt, sind dies die Antworten.");
    markup(p->out,
           "<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">%s</th><th scope=\"col\">%s"
           "</th><th scope=\"col\">Port</th><th scope=\"col\">%s</th></tr></thead>\n<tbody>\n",
           say(p, "For", "Wofür"), "Server", say(p, "Encryption", "Verschlüsselung"));
    row(p, in, tls, SERVICE_IMAPS);
    row(p, in, "STARTTLS", SERVICE_IMAP);
    row(p, out, tls, SERVICE_SUBMISSIONS);
    row(p, out, "STARTTLS", SERVICE_SUBMISSION);
    buf_lit(p->out, "</tbody>\n</table></div>\n<dl>\n");
    markup(p->out, "<dt>%s</dt><dd>%s</dd>\n", say(p, "User name", "Benutzername"),
           say(p, "the full mail address", "die vollständige E-Mail-Adresse"));
    markup(p->out, "<dt>%s</dt><dd>%s</dd>\n", say(p, "Password", "Passwort"),
           say(p, "the same for receiving and sending; method “password, normal”",
               "dasselbe für Empfang und Versand; Methode „Passwort, normal“"));
    buf_lit(p->out, "</dl>\n");
    end(p);
}

static void section_apple(struct page *p)
{
    heading(p, "apple", "iPhone, iPad and Mac", "iPhone, iPad und Mac");
    paragraph(p,
              "Apple's Mail sets itself up with a profile. Open it on the device, or point its "
              "camera at the code, and then follow Settings – Profile downloaded.",
              "Apples Mail richtet sich mit einem Profil ein. Öffnen Sie es auf dem Gerät, oder "
              "richten Sie die Kamera auf den Code, und folgen Sie dann Einstellungen – Profil "
              "geladen.");
    markup(p->out,
           "<form class=\"apple\" action=\"/apple.mobileconfig\" method=\"get\">\n"
           "<label>%s <input type=\"email\" name=\"address\" autocomplete=\"email\"></label>\n"
           "<button type=\"submit\">%s</button>\n</form>\n"
           "<img class=\"code\" src=\"/apple.svg\" alt=\"%s\" width=\"180\" height=\"180\">\n",
           say(p, "Mail address", "E-Mail-Adresse"), say(p, "Load the profile", "Profil laden"),
           say(p, "QR code that leads to the profile", "QR-Code, der zum Profil führt"));
    end(p);
}

static void section_pop3(struct page *p)
{
    heading(p, "pop3", "Why there is no POP3", "Warum es kein POP3 gibt");
    paragraph(
        p,
        "POP3 takes mail away from the server to one device. With IMAP every device shows the "
        "same folders, mail stays in one place that is looked after, and a lost phone loses "
        "nothing. Every program of today speaks IMAP.",
        "POP3 holt Mails vom Server auf ein einzelnes Gerät. Mit IMAP zeigt jedes Gerät "
        "dieselben Ordner, die Mails bleiben an einem gepflegten Ort, und mit einem verlorenen "
        "Telefon geht nichts verloren. Jedes heutige Programm spricht IMAP.");
    end(p);
}

static void section_encryption(struct page *p)
{
    bool bsi = p->c->tls_profile == CONFIG_TLS_BSI;
    heading(p, "encryption", "Which encryption is accepted", "Welche Verschlüsselung gilt");
    paragraph(
        p,
        "There is no access without encryption. TLS 1.3 and TLS 1.2 are spoken, nothing older; "
        "always with forward secrecy and authenticated ciphers.",
        "Ohne Verschlüsselung gibt es keinen Zugang. Gesprochen werden TLS 1.3 und TLS 1.2, "
        "nichts Älteres; immer mit Forward Secrecy und authentisierten Verfahren.");
    markup(p->out, "<p>%s <code>%s</code></p>\n", say(p, "Ciphers:", "Verfahren:"),
           bsi ? "AES-256-GCM, AES-128-GCM (BSI TR-02102-2)"
               : "AES-256-GCM, ChaCha20-Poly1305, AES-128-GCM");
    end(p);
}

static void section_sending(struct page *p)
{
    heading(p, "sending", "How your mail travels", "Wie Ihre Mail reist");
    if (*p->c->smarthost.host)
        markup(p->out,
               say(p,
                   "<p>What leaves goes to the server <code>%s</code> first, which carries it on "
                   "in its own way. What follows holds for the way there.</p>\n",
                   "<p>Was uns verlässt, geht zuerst an den Server <code>%s</code>, der es auf "
                   "seine Weise weiterträgt. Das Folgende gilt für den Weg dorthin.</p>\n"),
               p->c->smarthost.host);
    paragraph(
        p,
        "To other servers mail goes encrypted whenever the other side can. If it publishes "
        "DANE records under DNSSEC, or an MTA-STS policy, then its identity is checked, and a "
        "message waits rather than travel less safely. What was once reached safely is not "
        "reached less safely later.",
        "Zu anderen Servern reisen Mails verschlüsselt, sobald die Gegenseite es kann. "
        "Veröffentlicht sie DANE-Einträge unter DNSSEC oder eine MTA-STS-Regel, so wird ihre "
        "Identität geprüft, und eine Mail wartet eher, als unsicherer zu reisen. Was einmal "
        "sicher erreicht wurde, wird später nicht unsicherer beliefert.");
    if (p->c->clear_text)
        paragraph(p,
                  "Only where the other side offers no encryption at all, and is not on the list "
                  "below, mail travels unencrypted.",
                  "Nur wo die Gegenseite gar keine Verschlüsselung anbietet und nicht auf der "
                  "folgenden Liste steht, reist eine Mail unverschlüsselt.");
    else
        paragraph(p, "Nothing ever leaves unencrypted.", "Unverschlüsselt verlässt uns nichts.");
    end(p);
}

/* The fingerprint that other servers find under DANE, and whether they can. */
static void section_dane(struct page *p)
{
    struct web_service *s = http_service(p->x);
    char hash[PUBLISH_TLSA];
    pthread_mutex_lock(&s->signer_lock);
    enum error e = publish_tlsa(buf_slice(&s->signer_chain), hash);
    pthread_mutex_unlock(&s->signer_lock);
    if (e)
        return;
    int64_t since = publish_seen_since(p->c, hash);
    heading(p, "dane", "How others reach us: DANE", "Wie andere uns erreichen: DANE");
    markup(p->out, "<p>%s <code class=\"hash\">3 1 1 %s</code></p>\n",
           say(p, "Fingerprint of our key (TLSA):", "Fingerabdruck unseres Schlüssels (TLSA):"),
           hash);
    if (since) {
        struct civil day = date_to_civil(since);
        struct slice date =
            arena_printf(http_arena(p->x), "%04d-%02d-%02d", day.year, day.month, day.day);
        markup(p->out,
               say(p,
                   "<p>It has been in the DNS, signed, since %S: servers that check DANE "
                   "deliver to nobody but us.</p>\n",
                   "<p>Er steht seit %S signiert im DNS: Server, die DANE prüfen, liefern an "
                   "niemanden außer uns.</p>\n"),
               &date);
    } else {
        paragraph(p,
                  "At the last look it was not in the DNS under DNSSEC: other servers cannot check "
                  "it yet.",
                  "Beim letzten Nachsehen stand er nicht unter DNSSEC im DNS: Andere Server können "
                  "ihn noch nicht prüfen.");
    }
    end(p);
}

struct listed {
    struct page *p;
    enum demand demand;
    unsigned n;
};

static void list_one(void *arg, const struct provider *provider)
{
    struct listed *l = arg;
    if (provider->demand != l->demand)
        return;
    if (l->n++)
        buf_lit(l->p->out, ", ");
    markup_text(l->p->out, provider->domain);
}

static void list_providers(struct page *p, enum demand demand, const char *english,
                           const char *german)
{
    struct listed l = {.p = p, .demand = demand};
    size_t before = p->out->n;
    markup(p->out, "<dt>%s</dt><dd>", say(p, english, german));
    providers_each(p->s->providers, list_one, &l);
    buf_lit(p->out, "</dd>\n");
    if (l.n == 0)
        p->out->n = before;
}

static void section_providers(struct page *p)
{
    heading(p, "providers", "German and other large providers: encrypted or not at all",
            "Deutsche und andere große Anbieter: verschlüsselt oder gar nicht");
    paragraph(p,
              "To these domains nothing leaves unencrypted. A message that cannot be encrypted "
              "waits, and comes back to you with the reason.",
              "Zu diesen Domains geht nichts unverschlüsselt. Eine Mail, die sich nicht "
              "verschlüsseln lässt, wartet und kommt mit Begründung zu Ihnen zurück.");
    buf_lit(p->out, "<dl class=\"providers\">\n");
    list_providers(p, DEMAND_DANE, "Identity proved by DANE", "Identität durch DANE bewiesen");
    list_providers(p, DEMAND_VERIFY, "Certificate checked", "Zertifikat geprüft");
    list_providers(p, DEMAND_ENCRYPT, "Encrypted", "Verschlüsselt");
    buf_lit(p->out, "</dl>\n");
    end(p);
}

static void section_passwords(struct page *p)
{
    const struct config *c = p->c;
    struct slice window = period(p, c->window), close = period(p, c->close),
                 closings = period(p, c->closings_window), machine = period(p, c->machine);
    heading(p, "passwords", "Passwords and lockout", "Passwort und Sperre");
    markup(p->out,
           say(p,
               "<p>A password has at least %u characters: the letters A–Z and a–z, digits "
               "and special characters, without blanks. It is not your address or a part "
               "of it. It is kept only as a hash (Argon2id); nobody can read it.</p>\n",
               "<p>Ein Passwort hat mindestens %u Zeichen: Buchstaben A–Z und a–z, Ziffern "
               "und Sonderzeichen, ohne Leerzeichen. Es ist nicht Ihre Adresse und kein Teil "
               "von ihr. Gespeichert wird nur ein Hash (Argon2id); niemand kann es "
               "lesen.</p>\n"),
           (unsigned)LIMIT_PASSWORD_MIN);
    if (c->tolerated == 1)
        markup(p->out,
               say(p, "<p>One wrong password within %S is tolerated.",
                   "<p>Ein falsches Passwort innerhalb von %S bleibt folgenlos."),
               &window);
    else
        markup(p->out,
               say(p, "<p>Up to %u wrong passwords within %S are tolerated.",
                   "<p>Bis zu %u falsche Passwörter innerhalb von %S bleiben folgenlos."),
               (unsigned)c->tolerated, &window);
    markup(
        p->out,
        say(p,
            " One more closes all services to that Internet address for %S. The closing number %u "
            "within %S closes the whole server to it for %S. Every lock ends by itself.</p>\n",
            " Eines mehr sperrt alle Dienste für diese Internetadresse für %S. Die Sperre Nummer "
            "%u innerhalb von %S schließt den ganzen Server für sie für %S. Jede Sperre endet von "
            "selbst.</p>\n"),
        &close, (unsigned)c->closings, &closings, &machine);
    end(p);
}

static void section_deleted(struct page *p)
{
    if (p->c->undelete_days == 0)
        return;
    struct slice days = period(p, p->c->undelete_days * 86400);
    heading(p, "deleted", "Deleted mail", "Gelöschte Mails");
    markup(p->out,
           say(p,
               "<p>What was deleted for good can be brought back for %S, in the webmail's "
               "settings.</p>\n",
               "<p>Endgültig Gelöschtes lässt sich %S lang zurückholen, in den Einstellungen des "
               "Webmails.</p>\n"),
           &days);
    end(p);
}

static void section_imprint(struct page *p)
{
    struct slice rest = p->s->imprint, line;
    bool open = false;
    if (rest.n == 0)
        return;
    heading(p, "imprint", "Imprint and contact", "Impressum und Kontakt");
    while (slice_line(&rest, &line)) {
        line = slice_trim(line);
        if (line.n == 0) {
            buf_str(p->out, open ? "</p>\n" : "");
            open = false;
            continue;
        }
        buf_str(p->out, open ? "<br>\n" : "<p>");
        markup_text(p->out, line);
        open = true;
    }
    buf_str(p->out, open ? "</p>\n" : "");
    end(p);
}

/* --- The page --- */

static void head(struct page *p)
{
    const char *name = facts_name(p->c);
    markup(p->out,
           "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
           "<title>%s</title>\n<link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" "
           "href=\"/details.css\">\n</head>\n<body>\n"
           "<header>\n<h1>%s</h1>\n<nav><a class=\"button\" href=\"/mail/\">%s</a> "
           "<a href=\"/?lang=%s\" hreflang=\"%s\" lang=\"%s\">%s</a></nav>\n</header>\n<main>\n",
           p->german ? "de" : "en", name, name, say(p, "To the webmail", "Zum Webmail"),
           p->german ? "en" : "de", p->german ? "en" : "de", p->german ? "en" : "de",
           p->german ? "English" : "Deutsch");
}

static void answer_page(struct http_exchange *x)
{
    const struct web_service *s = http_service(x);
    struct buf out = BUF_INIT(PAGE_MOST);
    struct page p = {.x = x, .s = s, .c = s->config, .out = &out, .german = http_in_german(x)};
    head(&p);
    section_settings(&p);
    section_apple(&p);
    section_pop3(&p);
    section_encryption(&p);
    section_sending(&p);
    section_providers(&p);
    section_dane(&p);
    section_passwords(&p);
    section_deleted(&p);
    section_imprint(&p);
    buf_lit(&out, "</main>\n</body>\n</html>\n");
    http_set_field(x, "vary", SLICE("accept-language, cookie"));
    http_answer_buf(x, 200, "text/html; charset=utf-8", &out);
}

static void finish(struct http_exchange *x)
{
    if (slice_eq(http_path(x), SLICE("/details.css"))) {
        http_set_field(x, "cache-control", SLICE("max-age=3600"));
        http_answer_static(x, 200, "text/css; charset=utf-8", SLICE(DETAILS_STYLE));
    } else {
        answer_page(x);
    }
}

const struct http_handler web_details = {.finish = finish};
