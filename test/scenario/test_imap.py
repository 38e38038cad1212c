"""IMAP through Python's imaplib and through a raw line client."""
import base64
import imaplib
import re
import socket
import ssl
import threading
import time

import pytest

from conftest import PASSWORD, message, wait_for

CAPABILITIES = """IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE UIDPLUS UNSELECT MOVE CHILDREN
SPECIAL-USE CREATE-SPECIAL-USE LIST-EXTENDED LIST-STATUS STATUS=SIZE ESEARCH SEARCHRES CONDSTORE QRESYNC BINARY
MULTIAPPEND QUOTA OBJECTID UTF8=ACCEPT""".split()


class Line:
    """Sends lines, collects the untagged answers of each."""

    def __init__(self, demo, user="anna", login=True, tls=True):
        self.sock = socket.create_connection(("127.0.0.1", demo.port("imaps" if tls else "imap")), 20)
        if tls:
            self.sock = demo.tls(check_hostname=False).wrap_socket(self.sock)
        self.f = self.sock.makefile("rb")
        self.tag = 0
        self.greeting = self.line()
        if login:
            self.ok(f'LOGIN {user}@example.org "{PASSWORD}"')

    def line(self):
        """One response line; literals stand in it as {n} followed by their bytes."""
        whole = b""
        while True:
            l = self.f.readline()
            if not l:
                raise EOFError("closed")
            whole += l
            m = re.search(rb"\{(\d+)\}\r\n$", l)
            if not m:
                return whole.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
            whole += self.f.read(int(m[1]))

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def begin(self, command):
        self.tag += 1
        self.send(f"t{self.tag} {command}\r\n")
        return f"t{self.tag} "

    def finish(self, tag):
        got = []
        while True:
            l = self.line()
            if l.startswith(tag):
                return got, l[len(tag):]
            got.append(l)

    def say(self, command):
        return self.finish(self.begin(command))

    def ok(self, command):
        got, end = self.say(command)
        assert end.startswith("OK"), (command, got, end)
        return got

    def append(self, box, text, flags=""):
        text = text.encode() if isinstance(text, str) else text
        self.tag += 1
        flags = flags and flags + " "
        self.send(f"t{self.tag} APPEND {box} {flags}{{{len(text)}+}}\r\n".encode() + text + b"\r\n")
        got, end = self.finish(f"t{self.tag} ")
        assert end.startswith("OK"), end
        return end

    def close(self):
        self.f.close()
        self.sock.close()


@pytest.fixture
def box(demo, request):
    """A mailbox of one's own, with its raw session; the name is free of special characters."""
    l = Line(demo)
    name = "T" + re.sub(r"\W", "", request.node.name)
    l.say(f"DELETE {name}")
    l.ok(f"CREATE {name}")
    l.name = name
    yield l
    l.close()


TEXT = "From: Anna <anna@example.org>\r\nTo: ben@example.org\r\nSubject: {0}\r\n\r\nText {0}\r\n"


def fill(l, n, start=0):
    for k in range(start, start + n):
        l.append(l.name, TEXT.format(k))


def test_no_login_before_tls(demo):
    l = Line(demo, tls=False, login=False)
    caps = l.ok("CAPABILITY")[0]
    assert "LOGINDISABLED" in caps and "STARTTLS" in caps and "AUTH=" not in caps
    for c in (f'LOGIN anna@example.org "{PASSWORD}"', "AUTHENTICATE PLAIN AGFubmEAeA=="):
        assert not l.say(c)[1].startswith("OK")
    l.close()


def test_starttls_then_login(demo):
    i = imaplib.IMAP4("localhost", demo.port("imap"))
    i.starttls(demo.tls())
    assert i.login("anna@example.org", PASSWORD)[0] == "OK"
    i.logout()


def test_starttls_injection(demo):
    l = Line(demo, tls=False, login=False)
    l.send(b"a STARTTLS\r\nb NOOP\r\n")
    with pytest.raises((EOFError, ssl.SSLError, OSError)):
        first = l.line()
        if first.startswith("a OK"):
            s = demo.tls(check_hostname=False).wrap_socket(l.sock)
            s.sendall(b"c NOOP\r\n")
            assert s.recv(100) == b""
            raise EOFError
        l.line()
    l.close()


def test_capabilities(demo):
    l = Line(demo)
    caps = l.ok("CAPABILITY")[0].split()
    assert not [c for c in CAPABILITIES if c not in caps]
    assert [c for c in caps if c.startswith("APPENDLIMIT=")]
    l.close()


def test_default_mailboxes(demo):
    l = Line(demo)
    listing = "\n".join(l.ok('LIST (SPECIAL-USE) "" "*"'))
    for use in ("Drafts", "Sent", "Junk", "Trash", "Archive"):
        assert f"\\{use}" in listing
    l.close()


def test_append_search_fetch(box):
    end = box.append(box.name, TEXT.format("Grüße aus Köln"), r"(\Seen $Work)")
    assert "APPENDUID" in end
    box.ok(f"SELECT {box.name}")
    for query in ("SUBJECT GRUSSE", "SUBJECT koln", 'TEXT "köln"', "SEEN KEYWORD $work",
                  "FROM anna NOT TO anna", "OR DELETED SEEN", "LARGER 10 SMALLER 9999"):
        got = box.ok(f"SEARCH CHARSET UTF-8 {query}" if not query.isascii() else f"SEARCH {query}")
        assert any(re.match(r"\* SEARCH 1( |$)", g) for g in got), (query, got)
    row = box.ok("FETCH 1 (FLAGS ENVELOPE BODYSTRUCTURE RFC822.SIZE BODY.PEEK[TEXT]<0.4>)")[0]
    assert "$Work" in row and "BODYSTRUCTURE (" in row and "BODY[TEXT]<0> {4}\r\nText" in row


@pytest.mark.parametrize("charset", ["koi8-r", "iso-2022-jp", "gb18030", "iso-8859-15", "windows-1251"])
def test_search_in_foreign_charsets(box, charset):
    """The converters are there although the sandbox hides the C library's files."""
    word = {"iso-2022-jp": "日本語", "gb18030": "汉语拼音", "iso-8859-15": "Œuvre€"}.get(charset, "привет")
    text = (f"Subject: =?{charset}?B?{base64.b64encode(word.encode(charset)).decode()}?=\r\n"
            f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset={charset}\r\n\r\n").encode()
    box.append(box.name, text + word.encode(charset) + b"\r\n")
    box.ok(f"SELECT {box.name}")
    for key in ("BODY", "SUBJECT"):
        needle = word.encode()
        box.tag += 1
        box.send(b"t%d SEARCH CHARSET UTF-8 %s {%d+}\r\n%s\r\n" % (box.tag, key.encode(), len(needle), needle))
        got, end = box.finish(f"t{box.tag} ")
        assert end.startswith("OK") and any(re.match(r"\* SEARCH 1( |$)", g) for g in got), (key, got, end)


def test_two_sessions_see_each_other(demo, box):
    other = Line(demo)
    other.ok(f"SELECT {box.name}")
    tag = other.begin("IDLE")
    assert other.line().startswith("+")
    fill(box, 2)
    box.ok(f"SELECT {box.name}")
    assert [other.line() for _ in range(2)][-1] == "* 2 EXISTS" or other.line() == "* 2 EXISTS"
    box.ok(r"STORE 1 +FLAGS (\Flagged)")
    line = other.line()
    while "FETCH" not in line:
        line = other.line()
    assert line.startswith("* 1 FETCH (") and r"\Flagged" in line
    box.ok(r"STORE 1 +FLAGS (\Deleted)")
    box.ok("EXPUNGE")
    line = other.line()
    while "EXPUNGE" not in line:
        line = other.line()
    assert line == "* 1 EXPUNGE"
    other.send("DONE\r\n")
    other.finish(tag)
    other.close()


def test_qresync(demo, box):
    fill(box, 6)
    other = Line(demo)
    other.ok("ENABLE QRESYNC")
    got = "\n".join(other.ok(f"SELECT {box.name}"))
    validity = re.search(r"UIDVALIDITY (\d+)", got)[1]
    modseq = re.search(r"HIGHESTMODSEQ (\d+)", got)[1]
    other.ok("UNSELECT")
    box.ok(f"SELECT {box.name}")
    box.ok(r"STORE 2,4 +FLAGS.SILENT (\Deleted)")
    box.ok("EXPUNGE")
    box.ok(r"STORE 1 +FLAGS.SILENT (\Answered)")
    got = other.ok(f"SELECT {box.name} (QRESYNC ({validity} {modseq}))")
    text = "\n".join(got)
    assert re.search(r"^\* VANISHED \(EARLIER\) 2,4$", text, re.M), text
    assert re.search(r"^\* 1 FETCH \(.*UID 1.*Answered", text, re.M), text
    other.close()


def test_condstore_unchangedsince(demo, box):
    fill(box, 2)
    box.ok(f"SELECT {box.name} (CONDSTORE)")
    modseq = re.search(r"MODSEQ \((\d+)\)", box.ok("FETCH 1 (MODSEQ)")[0])[1]
    other = Line(demo)
    other.ok(f"SELECT {box.name}")
    other.ok(r"STORE 1 +FLAGS (\Seen)")
    got, end = box.say(rf"STORE 1:2 (UNCHANGEDSINCE {modseq}) +FLAGS (\Flagged)")
    assert "[MODIFIED 1" in end
    other.close()


def test_move_copy_uidplus(demo, box):
    fill(box, 3)
    box.say("DELETE Ziel")
    box.ok("CREATE Ziel")
    box.ok(f"SELECT {box.name}")
    got, end = box.say("COPY 1 Ziel")
    assert re.search(r"COPYUID \d+ 1 1\]", end)
    got, end = box.say("MOVE 2:3 Ziel")
    assert end.startswith("OK") and any("COPYUID" in g for g in got) and "* 2 EXPUNGE" in got
    assert "MESSAGES 3" in box.ok("STATUS Ziel (MESSAGES)")[0]
    got, end = box.say("COPY 1 Nirgendwo")
    assert end.startswith("NO [TRYCREATE]")


def test_names(demo):
    l = Line(demo)
    l.say("DELETE Entw&APw-rfe/2026")
    l.say("DELETE Entw&APw-rfe")
    l.ok("CREATE Entw&APw-rfe/2026")
    assert any("Entw&APw-rfe" in g for g in l.ok('LIST "" "Entw*"'))
    l.ok("ENABLE IMAP4rev2")
    assert any("Entwürfe/2026" in g for g in l.ok('LIST "" "Entw*"'))
    l.ok('RENAME "Entwürfe/2026" "Entwürfe/2027"')
    l.ok('DELETE "Entwürfe/2027"')
    assert l.say("CREATE a//b")[1].startswith(("NO", "BAD"))
    l.close()


def test_esearch_and_searchres(box):
    fill(box, 5)
    box.ok(f"SELECT {box.name}")
    got = box.ok("SEARCH RETURN (MIN MAX COUNT ALL) ALL")[0]
    assert "MIN 1" in got and "MAX 5" in got and "COUNT 5" in got and "ALL 1:5" in got
    box.ok("SEARCH RETURN (SAVE) 2:3")
    got = box.ok("FETCH $ (UID)")
    assert [g.split()[1] for g in got] == ["2", "3"]


def test_binary_and_multiappend(box):
    import base64
    data = bytes(range(256)) * 3
    text = (b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(data).replace(b"\n", b"\r\n"))
    two = b"Subject: zwei\r\n\r\nb\r\n"
    box.tag += 1
    box.send(b"t%d APPEND %s (\\Seen) {%d+}\r\n%s () {%d+}\r\n%s\r\n" %
             (box.tag, box.name.encode(), len(text), text, len(two), two))
    got, end = box.finish(f"t{box.tag} ")
    assert end.startswith("OK"), end
    box.ok(f"SELECT {box.name}")
    assert "BINARY.SIZE[1] 768" in box.ok("FETCH 1 (BINARY.SIZE[1])")[0]
    row = box.ok("FETCH 1 (BINARY.PEEK[1])")[0].encode("utf-8", "surrogateescape")
    assert b"~{768}\r\n" + data in row


def test_huge_literals_are_refused_before_they_are_read(demo):
    l = Line(demo)
    l.send(b"a APPEND INBOX {99999999999}\r\n")
    assert re.match(r"a (NO|BAD)", l.line())
    l.send(b"b NOOP\r\n")
    assert l.finish("b ")[1].startswith("OK")
    l.send(b"c LOGIN {9999999}\r\n")
    assert re.match(r"c (NO|BAD)", l.line())
    l.send(b"d APPEND INBOX {999999999+}\r\n")
    with pytest.raises((EOFError, OSError)):
        for _ in range(20):
            l.line()
    l.close()


def test_nesting_ends_in_bad(box):
    box.ok(f"SELECT {box.name}")
    assert box.say("SEARCH " + "(" * 1000 + "ALL" + ")" * 1000)[1].startswith("BAD")
    assert box.say("SEARCH " + "NOT " * 5000 + "ALL")[1].startswith("BAD")


def test_too_many_errors_close(demo):
    l = Line(demo)
    with pytest.raises((EOFError, OSError)):
        for _ in range(200):
            l.say("BLAH")
    l.close()


def test_malformed_mime_is_kept_byte_for_byte(demo, box):
    from conftest import ROOT
    files = sorted(p for p in (ROOT / "test/data/mime-corpus").rglob("*") if p.is_file() and p.suffix in (".eml", ".msg", ".txt"))[:60]
    texts = []
    for p in files:
        data = p.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if b"\0" in data or not data:
            continue
        texts.append(data)
        box.append(box.name, data)
    assert len(texts) > 20
    box.ok(f"SELECT {box.name}")
    for k, data in enumerate(texts, 1):
        row = box.ok(f"FETCH {k} (BODYSTRUCTURE ENVELOPE BODY.PEEK[])")[0].encode("utf-8", "surrogateescape")
        assert data in row


def test_quota(demo):
    demo.command("account", "quota", "ben@example.org", "100000")
    l = Line(demo, "ben")
    got = l.ok("GETQUOTAROOT INBOX")
    assert any(re.search(r"STORAGE \d+ (97|98)\b", g) for g in got), got
    text = b"Subject: x\r\n\r\n" + b"y" * 200000 + b"\r\n"
    l.send(b"q APPEND INBOX {%d+}\r\n%s\r\n" % (len(text), text))
    assert l.finish("q ")[1].startswith("NO [OVERQUOTA]")
    demo.command("account", "quota", "ben@example.org", "none")
    l.close()


def test_many_idle_sessions(demo):
    sessions = [Line(demo, "ben") for _ in range(30)]
    for s in sessions:
        s.ok("SELECT INBOX")
        s.idle = s.begin("IDLE")
        assert s.line().startswith("+")
    with demo.smtp() as c:
        c.sendmail("a@sender.example", ["ben@example.org"], message("an alle Fenster"))
    for s in sessions:
        assert s.line().endswith("EXISTS")
        s.close()
