/* The human part of notifications. One table has every sentence in both languages. */
#include "message/dsn_text.h"
#include "base/date.h"
#include "base/utf8.h"

struct wording {
    enum dsn_action action;
    const char *subject[2]; /* English, German */
    const char *intro[2];   /* before the addresses */
};

/* In the order in which they are told: the gravest first. */
static const struct wording wordings[] = {
    {DSN_FAILED,
     {"Your message could not be delivered", "Ihre Nachricht konnte nicht zugestellt werden"},
     {"Your message could not be delivered to:",
      "Ihre Nachricht konnte nicht zugestellt werden an:"}},
    {DSN_DELAYED,
     {"Your message is delayed", "Ihre Nachricht verzögert sich"},
     {"Your message is still on its way to the following address. You need do nothing, and need "
      "not\r\nsend it again: we keep trying.",
      "Ihre Nachricht ist noch unterwegs zu der folgenden Adresse. Sie müssen nichts tun und "
      "sie\r\n"
      "nicht noch einmal senden: Wir versuchen es weiter."}},
    {DSN_DELIVERED,
     {"Delivery report", "Zustellbericht"},
     {"Your message was delivered to:", "Ihre Nachricht wurde zugestellt an:"}},
    {DSN_RELAYED,
     {"Delivery report", "Zustellbericht"},
     {"Your message was handed over to the server of the following address, which sends no "
      "reports:",
      "Ihre Nachricht wurde dem Server der folgenden Adresse übergeben, der keine Berichte "
      "schickt:"}},
    {DSN_EXPANDED,
     {"Delivery report", "Zustellbericht"},
     {"Your message was passed on to everybody behind this address:",
      "Ihre Nachricht wurde an alle weitergegeben, die hinter dieser Adresse stehen:"}},
};
#define WORDINGS (sizeof wordings / sizeof wordings[0])

static bool has_action(const struct dsn *d, enum dsn_action action)
{
    for (size_t i = 0; i < d->n_recipients; i++)
        if (d->recipient[i].action == action && dsn_clean(d->recipient[i].address))
            return true;
    return false;
}

const char *dsn_subject(const struct dsn *d)
{
    for (size_t i = 0; i < WORDINGS; i++)
        if (has_action(d, wordings[i].action))
            return wordings[i].subject[d->german];
    return "";
}

/* Text from elsewhere; what is not text becomes '?'. */
static void put_clean(struct slice text, struct buf *out)
{
    bool utf8 = utf8_valid(text);
    for (size_t i = 0; i < text.n; i++)
        buf_byte(out, text.p[i] < ' ' || text.p[i] == 127 || (!utf8 && text.p[i] > 127)
                          ? '?'
                          : text.p[i]);
}

static void put_line(const char *lead, struct slice text, const char *end, struct buf *out)
{
    buf_str(out, lead);
    put_clean(text, out);
    buf_str(out, end);
    buf_lit(out, "\r\n");
}

/* Reasons are phrases ("the mailbox is full") or sentences; people read sentences. */
static void put_reason(const char *lead, struct slice reason, struct buf *out)
{
    buf_str(out, lead);
    if (reason.p[0] >= 'a' && reason.p[0] <= 'z')
        buf_byte(out, (uint8_t)(reason.p[0] - 'a' + 'A'));
    else
        put_clean(slice_sub(reason, 0, 1), out);
    put_clean(slice_from(reason, 1), out);
    buf_str(out, reason.p[reason.n - 1] == '.' ? "\r\n" : ".\r\n");
}

/* "22.11.2026, 17:35 (+0100)", or as in a header for whoever reads English. */
static void put_time(int64_t at, bool german, struct buf *out)
{
    int zone = date_local_zone(at), east = zone < 0 ? -zone : zone;
    if (!german) {
        date_print_rfc5322((struct date){at, (int16_t)zone}, out);
        return;
    }
    struct civil c = date_to_civil(at + (int64_t)zone * 60);
    buf_printf(out, "%u.%u.%d, %02u:%02u Uhr (%c%02d%02d)", c.day, c.month, (int)c.year, c.hour,
               c.minute, zone < 0 ? '-' : '+', east / 60, east % 60);
}

static void put_recipient(const struct dsn *d, const struct dsn_recipient *x, struct buf *out)
{
    const bool de = d->german;
    put_line("    ", x->address, "", out);
    if (x->reason.n)
        put_reason(de ? "        Grund: " : "        Reason: ", x->reason, out);
    if (x->remote_mta.n && x->diagnostic.n) {
        put_line(de ? "        Antwort von " : "        Answer from ", x->remote_mta, ":", out);
        put_line("            ", x->diagnostic, "", out);
    } else if (x->diagnostic.n) {
        put_line(de ? "        Antwort: " : "        Answer: ", x->diagnostic, "", out);
    }
    if (x->security.n)
        put_line(de ? "        Übertragung: " : "        Transport: ", x->security, "", out);
    if (x->will_retry_until) {
        buf_str(out, de ? "        Wir versuchen es bis " : "        We try until ");
        put_time(x->will_retry_until, de, out);
        buf_lit(out, "\r\n");
    }
}

static void put_action(const struct dsn *d, const struct wording *w, struct buf *out)
{
    if (!has_action(d, w->action))
        return;
    buf_lit(out, "\r\n");
    buf_str(out, w->intro[d->german]);
    buf_lit(out, "\r\n\r\n");
    for (size_t i = 0; i < d->n_recipients; i++)
        if (d->recipient[i].action == w->action && dsn_clean(d->recipient[i].address))
            put_recipient(d, &d->recipient[i], out);
}

static void put_attached(bool german, bool whole, struct buf *out)
{
    buf_str(out,
            german ? "\r\nIm Anhang stehen technische Angaben und " : "\r\nTechnical details and ");
    if (german)
        buf_str(out, whole ? "Ihre Nachricht.\r\n" : "der Kopf Ihrer Nachricht.\r\n");
    else
        buf_str(out, whole ? "your message are attached.\r\n"
                           : "the header of your message are attached.\r\n");
}

void dsn_human(const struct dsn *d, struct buf *out)
{
    const bool de = d->german;
    buf_printf(out,
               de ? "Hier ist das Mailsystem von %s.\r\n" : "This is the mail system of %s.\r\n",
               d->host);
    for (size_t i = 0; i < WORDINGS; i++)
        put_action(d, &wordings[i], out);
    if (has_action(d, DSN_DELIVERED) || has_action(d, DSN_EXPANDED) || has_action(d, DSN_RELAYED))
        buf_str(out, de ? "\r\nOb sie gelesen wurde, ist damit nicht gesagt.\r\n"
                        : "\r\nThis does not mean that it has been read.\r\n");
    if (has_action(d, DSN_FAILED))
        put_attached(de, dsn_gives_whole(d), out);
}

/* By subject and detail alone ("1.1" of "5.1.1"): whether it is for good is told elsewhere. */
static const struct {
    const char *code;
    const char *text[2];
} statuses[] = {
    {"1.1", {"The mailbox does not exist.", "Das Postfach existiert nicht."}},
    {"1.2", {"The domain behind the @ does not exist.", "Die Domain hinter dem @ gibt es nicht."}},
    {"1.3", {"The address is not written correctly.", "Die Adresse ist falsch geschrieben."}},
    {"1.6", {"The recipient has moved.", "Der Empfänger ist umgezogen."}},
    {"1.7",
     {"Your sender address is not accepted there.",
      "Ihre Absenderadresse wird dort nicht angenommen."}},
    {"1.8",
     {"Your sender address is not accepted there.",
      "Ihre Absenderadresse wird dort nicht angenommen."}},
    {"1.10", {"The domain takes no mail.", "Die Domain nimmt keine Mail an."}},
    {"2.1", {"The mailbox is closed.", "Das Postfach ist gesperrt."}},
    {"2.2", {"The mailbox is full.", "Das Postfach ist voll."}},
    {"2.3",
     {"The message is too large for this mailbox.",
      "Die Nachricht ist zu groß für dieses Postfach."}},
    {"3.1", {"The other server has no room left.", "Der andere Server hat keinen Platz mehr."}},
    {"3.4", {"The message is too large.", "Die Nachricht ist zu groß."}},
    {"4.1", {"The other server does not answer.", "Der andere Server antwortet nicht."}},
    {"4.6", {"The message goes in circles.", "Die Nachricht läuft im Kreis."}},
    {"4.7", {"The time for delivery ran out.", "Die Zeit für die Zustellung ist abgelaufen."}},
    {"5.3", {"Too many recipients at once.", "Zu viele Empfänger auf einmal."}},
    {"6.7",
     {"The other server cannot take addresses with such letters.",
      "Der andere Server kann Adressen mit solchen Buchstaben nicht annehmen."}},
    {"7.1",
     {"The other server does not want this message.",
      "Der andere Server möchte diese Nachricht nicht."}},
    {"7.20", {"The signature was not accepted.", "Die Signatur wurde nicht angenommen."}},
    {"7.23",
     {"The other server does not accept us as the sender for this domain (SPF).",
      "Der andere Server nimmt uns nicht als Absender dieser Domain an (SPF)."}},
    {"7.25",
     {"The other server does not accept our address (reverse DNS).",
      "Der andere Server nimmt unsere Adresse nicht an (Reverse-DNS)."}},
    {"7.26",
     {"The other server could not confirm the sender.",
      "Der andere Server konnte den Absender nicht bestätigen."}},
    {"7.30",
     {"You asked for encryption on the whole way, and it is not to be had.",
      "Sie haben Verschlüsselung auf dem ganzen Weg verlangt, und die gibt es nicht."}},
};

const char *dsn_status_text(struct slice status, bool german)
{
    struct slice code = slice_from(status, slice_index(status, '.') + 1);
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (slice_eq(code, slice_str(statuses[i].code)))
            return statuses[i].text[german];
    return NULL;
}
