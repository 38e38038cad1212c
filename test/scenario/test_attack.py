"""Hostile clients: what is odd, too much or torn apart gets a clear answer, and nothing is lost by it."""
import contextlib
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from conftest import ROOT, wait_for
from test_imap import Line, box
from test_receiving import Raw

__all__ = ["box"]  # a fixture, used by its name

MAIL = "MAIL FROM:<a@sender.example>"
RCPT = "RCPT TO:<anna@example.org>"


def short(value):
    """What a case is called."""
    return re.sub(r"[^ -~]", "_", repr(value)[:40])


@pytest.fixture
def smtp(demo):
    """A function that makes sessions on port 25 that have said EHLO."""
    with contextlib.ExitStack() as stack:

        def make(*lines):
            r = stack.enter_context(contextlib.closing(Raw(demo)))
            for line in ("EHLO client.test", *lines):
                assert r.say(line)[-1][:1] in "23", line
            return r

        yield make


def last(replies):
    return replies[-1]


def bodies(session, box):
    """The messages of a mailbox as bytes."""
    session.ok(f"SELECT {box}")
    session.send("b FETCH 1:* BODY.PEEK[]\r\n")
    got = []
    while True:
        l = session.line().encode("utf-8", "surrogateescape")
        if l.startswith(b"b "):
            return got
        m = re.match(rb"\* \d+ FETCH \(BODY\[\] \{(\d+)\}\r\n", l)
        if m:
            got.append(l[m.end():m.end() + int(m[1])])


# --- SMTP ---


@pytest.mark.parametrize("line, code", [
    (b"NO\0OP", "500"), (b"\xff\xfe", "500"), (b"EHLO \xff", "501"), (b"NOOP \rNOOP", "500"),
    (b"NOOP " + b"a" * 3000, "500"), (b"MAIL FROM:<a@b.c> SIZE=18446744073709551616", "501"),
    (b"MAIL FROM:<a@b.c> SIZE=1 SIZE=1", "501"), (b"MAIL FROM:<a@b.c>SIZE=1", "501"),
    (b"MAIL FROM:<a@b.c> ENVID=+ZZ", "501"), (b"MAIL FROM:<a@b.c> FOO=BAR", "555"),
    (b"MAIL FROM:<\xc3\xa4@b.c>", "553"), (b"MAIL FROM:<a@[999.1.1.1]>", "501"),
    (b"MAIL FROM:<a@b@c.d>", "501"), (b"MAIL FROM:<" + b"a" * 65 + b"@b.c>", "501"),
    (b"DATA", "503"), (b"BDAT 0 LAST", "503"), (b"RCPT TO:<anna@example.org>", "503")], ids=short)
def test_odd_commands(smtp, line, code):
    s = smtp()
    s.send(line + b"\r\n")
    assert last(s.reply()).startswith(code)
    assert last(s.say("NOOP")).startswith("250")


@pytest.mark.parametrize("rcpt, code", [
    ("anna@foreign.example@example.org", "501"), ('"anna@foreign.example"@example.org', "550"),
    ("anna%foreign.example@example.org", "550"), ("foreign.example!anna@example.org", "550"),
    ("anna@[127.0.0.1]", "550"), ("anna@example.org.", "501"), ("x@foreign.example", "550"),
    ("@foreign.example:x@other.example", "550"), ("", "501")])
def test_no_way_around_no_relaying(smtp, rcpt, code):
    assert last(smtp(MAIL).say(f"RCPT TO:<{rcpt}>")).startswith(code)


@pytest.mark.parametrize("size", ["", "-1", "+5", "0x10", "a", "18446744073709551616 LAST", "1 FIRST",
                                  "99999999999999", "4294967296 LAST"])
def test_bdat_without_a_usable_size_ends_the_session(smtp, size):
    s = smtp(MAIL, RCPT)
    s.send(f"BDAT {size}\r\nNOOP\r\n")
    assert last(s.reply())[:3] in ("501", "552")
    assert s.closed()


def test_starttls_forgets_the_transaction(demo, smtp):
    s = smtp(MAIL, RCPT)
    assert last(s.say("STARTTLS")).startswith("220")
    s.sock = demo.tls(check_hostname=False).wrap_socket(s.sock)
    s.f = s.sock.makefile("rb")
    assert last(s.say("DATA")).startswith("503")
    assert last(s.say("EHLO client.test")).startswith("250")
    assert last(s.say("STARTTLS")).startswith("503")


def test_what_arrives_is_what_was_sent(demo):
    """Dots and line ends, torn at every byte."""
    ben = Line(demo, "ben")
    wires = [b"\r\n", b".\r\n", b"a\r\n.\r\nb\r\n", b"\r\n..\r\n...\r\n", b"x\r\n\r\n.\r\n\r\n", b".x.\r\n."]
    sent = []
    s = Raw(demo)
    s.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.say("EHLO client.test")
    before = len(bodies(ben, "INBOX"))
    for head in (b"Subject: torn\r\n\r\n", b"", b"\r\n"):
        for m in wires:
            m = head + m + (b"" if m.endswith(b"\r\n") else b"\r\n")
            wire = re.sub(rb"(^|\r\n)\.", rb"\1..", m) + b".\r\n"
            for cut in range(len(wire)):
                s.send(b"MAIL FROM:<a@sender.example>\r\nRCPT TO:<ben@example.org>\r\nDATA\r\n")
                assert [last(s.reply())[:3] for _ in range(3)] == ["250", "250", "354"]
                s.send(wire[:cut])
                time.sleep(0.001)
                s.send(wire[cut:])
                assert last(s.reply()).startswith("250"), (m, cut)
                sent.append(m)
    s.close()
    got = bodies(ben, "INBOX")[before:]
    ben.close()
    assert len(got) == len(sent)
    for m, g in zip(sent, got):
        trace = rb"Return-Path: <a@sender.example>\r\nDelivered-To: \S+\r\nReceived: [^\r]*(\r\n\t[^\r]*)*\r\n"
        front = re.match(trace, g)
        assert front and g[front.end():] in (m, b"\r\n" + m), (m, g)


def test_half_a_message_is_none(demo, smtp):
    for i, end in enumerate(("close", "shut", "reset")):
        s = smtp(MAIL, RCPT, "DATA")
        s.send(f"Subject: half-a-message-{i}\r\n\r\nhello\r\n")
        if end == "shut":
            s.sock.shutdown(socket.SHUT_WR)
            assert s.closed()
        elif end == "reset":
            s.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.close()
    time.sleep(0.2)
    l = Line(demo)
    l.ok("SELECT INBOX")
    assert l.ok("SEARCH SUBJECT half-a-message") == ["* SEARCH"]
    l.close()


def test_great_slow_messages_leave_room_for_small_ones(fresh_demo):
    d = fresh_demo()
    with contextlib.ExitStack() as stack:
        for _ in range(12):  # more than the room if they were all let in
            s = stack.enter_context(contextlib.closing(Raw(d)))
            for line in ("EHLO client.test", MAIL, RCPT, "DATA"):
                assert last(s.say(line))[:1] in "23"
            for _ in range(48):
                s.send((b"x" * 998 + b"\r\n") * 1000)
        """An address has a share of the room, of which others need nothing."""
        big = stack.enter_context(contextlib.closing(Raw(d, source="127.0.0.9")))
        for line in ("EHLO client.test", MAIL, RCPT, "DATA"):
            assert last(big.say(line))[:1] in "23"
        big.send((b"x" * 998 + b"\r\n") * 48000)
        assert last(big.say(".")).startswith("250")
        small = stack.enter_context(contextlib.closing(Raw(d)))
        for line in ("EHLO client.test", MAIL, RCPT, "DATA"):
            assert last(small.say(line))[:1] in "23"
        assert last(small.say("Subject: small\r\n\r\nx" + "\r\nx" * 50000 + "\r\n.")).startswith("250")


# --- Submission ---


def submit(demo, header):
    with demo.submission() as s:
        s.mail("anna@example.org")
        s.rcpt("ben@example.org")
        code, text = s.data(header.replace("\n", "\r\n").encode() + b"\r\n\r\nText\r\nBcc: text@x.example\r\n")
        return code, text.decode()


@pytest.mark.parametrize("header", [
    "From: <anna@example.org> <ben@example.org>", "From: <anna@example.org>ben@example.org",
    "From: anna@example.org; ben@example.org", "From: anna@example.org ben@example.org",
    "From: =?utf-8?q?<anna@example.org>?= <ben@example.org>", "From: <@ben.example:anna@example.org>",
    "From: anna@example.org\nfrom : ben@example.org", "From: g: anna@example.org, ben@example.org;",
    "From: (anna@example.org) ben@example.org", "From: \"anna@example.org\" <ben@example.org>",
    "From: anna@example.org\nResent-From: ben@example.org", "From: anna@example.org\nResent-Sender: ben@example.org",
    "From:\n <ben@example.org>", "From: anna@example.org\nSender: ben@example.org", "From: g:;", "Subject: x",
    "From: =?utf-8?q?ben=40example.org?=", "From: " + "anna@example.org, " * 2500 + "ben@example.org"], ids=short)
def test_nobody_writes_as_another(demo, header):
    code, text = submit(demo, header)
    assert code == 550 and text.startswith("5.7.1"), (code, text)


def test_blind_copies_stay_blind(demo):
    code, _ = submit(demo, "Bcc: s1@x.example,\n s2@x.example,\n\ts3@x.example\nFrom: Anna (a \\) b)\n <anna@example.org>\n"
                           "BCC : s4@x.example\nResent-Bcc: s5@x.example\nSubject: blind\nbcc\t:\n s6@x.example")
    assert code == 250
    ben = Line(demo, "ben")
    got = [b for b in bodies(ben, "INBOX") if b"Subject: blind\r\n" in b]
    ben.close()
    assert len(got) == 1
    head, text = got[0].split(b"\r\n\r\n", 1)
    assert b"bcc" not in head.lower() and not re.search(rb"s\d@x\.example", head)
    assert text == b"Text\r\nBcc: text@x.example\r\n"


def test_an_alias_that_leads_back_is_refused(demo):
    demo.command("alias", "add", "y1@example.org", "y2@example.org", "anna@example.org")
    for alias, target in (("x@example.org", "x@example.org"), ("y2@example.org", "y1@example.org")):
        r = demo.command("alias", "add", alias, target, check=False)
        assert r.returncode != 0 and "would come back to it" in r.stderr and r.stderr.count("\n") == 1, r.stderr
    demo.command("alias", "remove", "y1@example.org")


def test_guesses_in_parallel_count_each(fresh_demo):
    d = fresh_demo(trust=())
    answers = []

    def guess(k):
        with contextlib.suppress(OSError, EOFError):
            l = Line(d, login=False)
            answers.append(l.say(f"LOGIN anna@example.org wrong{k}")[1])

    threads = [threading.Thread(target=guess, args=(k,)) for k in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sum("AUTHENTICATIONFAILED" in a for a in answers) == 5, answers


# --- IMAP ---


@pytest.mark.parametrize("command, answer", [
    ("FETCH 0 UID", "BAD"), ("FETCH 4294967296 UID", "BAD"), ("FETCH 1,,2 UID", "BAD"), ("FETCH *:* UID", "OK"),
    ("UID FETCH 4294967295:* UID", "OK"), ("FETCH 1 BODY[0]", "BAD"), ("FETCH 1 BODY[]<0.0>", "BAD"),
    ("FETCH 1 BODY[" + "1." * 5000 + "1]", "BAD"), ("FETCH 1 BODY[]<9223372036854775807.9223372036854775807>", "OK"),
    ("FETCH 1 BODY[]<99999999999999999999.1>", "BAD"), ("SEARCH " + "(" * 30000 + "ALL", "BAD"),
    ("SEARCH " + "NOT " * 10000 + "ALL", "BAD"), ("SEARCH " + "OR " * 10000, "BAD"),
    ("SEARCH " + ",".join("1" for _ in range(30000)), "OK"), ("SEARCH MODSEQ 99999999999999999999", "BAD"),
    ("SEARCH CHARSET FOO ALL", "NO [BADCHARSET"), ("SEARCH SINCE 31-Feb-2020", "BAD"),
    ("STORE 1 +FLAGS (" + "k" * 65 + ")", "BAD"), ("STORE 1 FLAGS (\\Foo)", "BAD"),
    ("SELECT INBOX (QRESYNC (0 0))", "BAD"), ("SELECT INBOX (QRESYNC (1 1 *))", "BAD"),
    ("CREATE {3+}\r\na\0b", "BAD"), ("CREATE {3+}\r\na\r\n", "BAD"), ("CREATE \"&AAA-\"", "NO"),
    ("CREATE \"&\"", "BAD"), ("CREATE \"&2AA-\"", "BAD"), ("CREATE \"&AC8-\"", "BAD"),
    ("APPEND INBOX {8+}\r\nA: b\r\n\r\0", "BAD"), ("APPEND INBOX ~{8+}\r\nA: b\r\n\r\0", "OK"),
    ("CREATE \"a//b\"", "NO"), ("CREATE \"" + "/".join("a" * 51) + "\"", "NO"), ("DELETE inbox", "NO"),
    ("LIST \"\" \"" + "*a" * 500 + "\"", "OK"), ("LIST \"\" (" + " ".join("*" * 50) + ")", "BAD"),
    ("APPEND INBOX {52428801}", "NO [TOOBIG]"), ("APPEND INBOX \"32-Jan-2020 00:00:00 +0000\" {1+}\r\nx", "BAD"),
    ("SELECT {18446744073709551616}", "NO [TOOBIG]"), ("SELECT {-1}", "BAD"), ("", "BAD"), ("\x01\x02", "BAD")], ids=short)
def test_odd_imap_commands(box, command, answer):
    box.append(box.name, "Subject: one\r\n\r\nx")
    box.ok(f"SELECT {box.name}")
    begun = time.time()
    assert box.say(command)[1].startswith(answer)
    assert time.time() - begun < 2
    box.ok("NOOP")


@pytest.mark.parametrize("flood", [
    b"t SEARCH SUBJECT {4097+}\r\n", b"t APPEND INBOX {52428801+}\r\n", b"t LOGIN {99999999999999999999+}\r\n",
    b"t SEARCH" + b" SUBJECT {1+}\r\nx" * 1001 + b"\r\n", b"t IDLE\r\n" + b"x" * 200000], ids=short)
def test_floods_end_the_connection(demo, flood):
    l = Line(demo)
    said = []
    with pytest.raises((EOFError, ConnectionError, ssl.SSLError)):
        l.send(flood)
        while True:
            said.append(l.line())
    assert not said or said[-1].startswith("* BYE [TOOBIG]")
    l.close()


def test_an_endless_line_is_not_kept(demo):
    l = Line(demo)
    l.send(b"a" * 5000000 + b"\r\n")
    assert " BAD [TOOBIG]" in l.line()
    l.ok("NOOP")
    l.close()


def test_a_line_without_end_ends_the_session(demo):
    l = Line(demo)
    with contextlib.suppress(OSError):
        for _ in range(64):
            l.send(b"a" * 1000000)
    with pytest.raises((EOFError, OSError)):
        while l.line():
            pass
    l.close()


def test_a_long_tag_is_not_echoed(demo):
    l = Line(demo)
    l.send(b"a" * 60000 + b" NOOP\r\n")
    assert l.line().startswith("* BAD [TOOBIG]")
    l.close()


def test_one_user_leaves_room_for_others(demo):
    with contextlib.ExitStack() as stack:
        answers = []
        for _ in range(40):
            l = stack.enter_context(contextlib.closing(Line(demo)))
            l.send("a APPEND INBOX {50000000}\r\n")
            answers.append(l.line()[:6])
        assert set(answers) == {"+ OK", "a NO ["} and 5 <= answers.count("+ OK") <= 6, answers
        ben = stack.enter_context(contextlib.closing(Line(demo, "ben")))
        ben.send("a APPEND INBOX {50000000}\r\n")
        assert ben.line() == "+ OK"


def test_memory_goes_back(fresh_demo):
    """Twenty sessions hold 15 MB in small literals each, and leave."""
    d = fresh_demo()
    group = d.process.pid

    def resident():
        total = 0
        for p in os.listdir("/proc"):
            with contextlib.suppress(OSError, ValueError):
                if os.getsid(int(p)) == group:
                    total += int(open(f"/proc/{p}/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE") >> 20
        return total

    before = resident()
    sessions = [Line(d, "anna" if i % 2 else "ben") for i in range(20)]
    for l in sessions:
        l.send(b"a APPEND INBOX" + (b" {100000+}\r\n" + b"x" * 100000) * 150)
    wait_for(lambda: resident() > before + 250, 20, "the literals' arrival")
    assert resident() < before + 400
    for l in sessions:
        l.close()
    wait_for(lambda: resident() < before + 60, 5, "the memory's return")


def test_clients_that_never_read(demo, box):
    box.append(box.name, b"Subject: much\r\n\r\n" + b"x" * 5000000)
    silent = []
    for _ in range(8):
        l = Line(demo)
        l.ok(f"SELECT {box.name}")
        l.send("x FETCH 1 BODY.PEEK[]\r\n" * 200)
        silent.append(l)
    begun = time.time()
    box.ok(f"SELECT {box.name}")
    box.append(box.name, "Subject: after\r\n\r\nx")
    assert box.ok("SEARCH SUBJECT after") == ["* SEARCH 2"]
    assert time.time() - begun < 2
    for l in silent:
        l.close()


def test_a_selected_mailbox_is_deleted(demo, box):
    box.append(box.name, "Subject: one\r\n\r\nx")
    box.ok(f"SELECT {box.name}")
    other = Line(demo)
    other.ok(f"DELETE {box.name}")
    other.close()
    with contextlib.suppress(EOFError, OSError):
        for command in ("NOOP", "FETCH 1:* (UID BODY[])", "STORE 1 FLAGS (\\Seen)", "UID MOVE 1 INBOX", "EXPUNGE"):
            box.say(command)
    again = Line(demo)
    again.ok("SELECT INBOX")
    assert again.say(f"SELECT {box.name}")[1].startswith("NO [NONEXISTENT]")
    again.close()


def mutate(rng, text):
    b = bytearray(text)
    for _ in range(rng.randint(1, 12)):
        if not b:
            break
        at, what = rng.randrange(len(b)), rng.random()
        if what < 0.35:
            b[at] = rng.choice(b'"()<>@,;:\\[]=?*%{}\xff\x80 \t-')
        elif what < 0.55:
            del b[at:at + rng.randint(1, 60)]
        elif what < 0.75:
            here = rng.randrange(len(b))
            b[at:at] = b[here:here + rng.randint(1, 300)]
        else:
            b[at:at] = rng.choice([b"\r\n--x\r\n", b"(" * 2000, b"<" * 500, b'"' * 99, b"\r\n\r\n", b"a@b,c:d;" * 50,
                                   b"Content-Type: message/rfc822\r\n\r\n", b'Content-Type: multipart/mixed; boundary="x"\r\n',
                                   b"; a*0*=utf-8''%ff; a*1=x", b"=?utf-8?b?" + b"A" * 100 + b"?=", b"\xf0\x9f\x98"])
    return bytes(b) or b"x"


def is_balanced(l):
    depth = at = 0
    while at < len(l):
        m = re.compile(rb'"(?:[^"\\]|\\.)*"|\{(\d+)\}\r\n|[()]|[^"{()]+|.', re.S).match(l, at)
        at = m.end() + int(m[1] or 0)
        depth += {b"(": 1, b")": -1}.get(m[0], 0)
        if depth < 0 or m[0] == b'"':
            return False
    return depth == 0


def test_mutilated_messages(box):
    rng = random.Random(20261122)
    files = sorted(f for f in (ROOT / "test/data/mime-corpus").rglob("*") if f.is_file() and f.stat().st_size < 60000)
    sent = [mutate(rng, rng.choice(files).read_bytes()) for _ in range(120)]
    sent += [b"Content-Type: message/rfc822\r\n\r\n" * 5000, b"From: " + b"(" * 100000, b"From: " + b"a@b," * 100000,
             b"A: b\r\n" * 100000, b"Content-Type: text/plain" + b"; a=b" * 50000, b"Subject: " + b"Re: " * 100000,
             b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\n" * 100000,
             b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(5000))]
    begun = time.time()
    for m in sent:
        box.append(box.name, m)
    box.ok(f"SELECT {box.name}")
    for l in box.ok("FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY)"):
        if l.startswith("* ") and " FETCH " in l:
            assert is_balanced(l.encode("utf-8", "surrogateescape")), l[:300]
    box.ok("FETCH 1:* (BODY.PEEK[1] BODY.PEEK[1.1] BODY.PEEK[2.MIME] BODY.PEEK[1.HEADER] BODY.PEEK[TEXT])")
    box.ok("SEARCH OR TEXT zzzz HEADER X y")
    assert bodies(box, box.name) == [re.sub(rb"(?<!\r)\n", b"\r\n", m) for m in sent]
    assert time.time() - begun < 20


class View:
    """A session and what it has been told of its mailbox; what cannot be true is an error at once."""

    def __init__(self, demo, box, qresync):
        self.l = Line(demo)
        self.qresync = qresync
        if qresync:
            self.l.ok("ENABLE QRESYNC")
        self.uids, self.flags = [], {}
        self.say(f"SELECT {box}")
        self.look()

    def say(self, command):
        got, end = self.l.say(command)
        for l in got:
            self.take(l)
        assert end.startswith(("OK", "NO")), (command, end)
        return end

    def look(self):
        self.say("NOOP")
        self.say("UID FETCH 1:* (UID FLAGS)")

    def vanished(self, uid):
        if uid not in self.uids:
            """One that was announced, but whose uid was not asked for: its place is between its neighbours'."""
            low = max((i for i, u in enumerate(self.uids) if u and u < uid), default=-1) + 1
            assert low < len(self.uids) and self.uids[low] is None, (uid, self.uids)
            uid = self.uids[low] = -1
        self.uids.remove(uid)
        self.flags.pop(uid, None)

    def take(self, l):
        if m := re.match(r"\* (\d+) EXISTS", l):
            assert int(m[1]) >= len(self.uids)
            self.uids += [None] * (int(m[1]) - len(self.uids))
        elif m := re.match(r"\* (\d+) EXPUNGE", l):
            assert not self.qresync
            self.flags.pop(self.uids.pop(int(m[1]) - 1), None)
        elif m := re.match(r"\* VANISHED (\d\S*)", l):
            for part in m[1].split(","):
                low, _, high = part.partition(":")
                for uid in range(int(low), int(high or low) + 1):
                    self.vanished(uid)
        elif m := re.match(r"\* (\d+) FETCH \((.*)\)$", l):
            at = int(m[1]) - 1
            uid = re.search(r"UID (\d+)", m[2])
            if uid:
                assert self.uids[at] in (None, int(uid[1]))
                self.uids[at] = int(uid[1])
            flags = re.search(r"FLAGS \(([^)]*)\)", m[2])
            if flags and self.uids[at]:
                self.flags[self.uids[at]] = set(flags[1].split()) - {"\\Recent"}


def test_random_sessions_agree_in_the_end(demo):
    boxes = ("AgreeA", "AgreeB")
    setup = Line(demo)
    for b in boxes:
        setup.say(f"DELETE {b}")
        setup.ok(f"CREATE {b}")
    views, failures = {}, []

    def work(k):
        rng = random.Random(1000 + k)
        mine, other = boxes[k % 2], boxes[1 - k % 2]
        v = views[k] = View(demo, mine, k >= 2)
        for _ in range(80):
            known = [u for u in v.uids if u]
            op = rng.choice("aaasSmcdefn")
            if op == "a":
                v.say(f"APPEND {rng.choice(boxes)} (\\Flagged) {{17+}}\r\nSubject: x\r\n\r\nabc")
            elif op == "s" and known:
                v.say(f"UID STORE {rng.choice(known)} {rng.choice(['', '+', '-'])}FLAGS (\\Seen kw{rng.randint(1, 3)})")
            elif op == "S" and v.uids:
                v.say(f"STORE {rng.randint(1, len(v.uids))} +FLAGS (\\Answered)")
            elif op == "m" and known:
                v.say(f"UID MOVE {','.join(map(str, rng.sample(known, min(3, len(known)))))} {other}")
            elif op == "c" and known:
                v.say(f"UID COPY {rng.choice(known)} {other}")
            elif op == "d" and known:
                v.say(f"UID STORE {rng.choice(known)} +FLAGS (\\Deleted)")
            elif op == "e":
                v.say("EXPUNGE")
            elif op == "f" and v.uids:
                v.say(f"FETCH 1:{len(v.uids)} (UID FLAGS)")
            elif op == "n":
                v.look()

    def guarded(k):
        try:
            work(k)
        except Exception as e:  # a thread's failure is the test's
            failures.append((k, repr(e)))

    threads = [threading.Thread(target=guarded, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not failures
    for k, v in views.items():
        v.look()
        fresh = View(demo, boxes[k % 2], False)
        assert (v.uids, v.flags) == (fresh.uids, fresh.flags)
        fresh.l.close()
        v.l.close()
    for b in boxes:
        setup.ok(f"DELETE {b}")
    setup.close()


# --- kill -9 while sessions change things ---


class Changer(threading.Thread):
    """APPEND, STORE, MOVE and EXPUNGE in a mailbox of its own; knows what was acknowledged."""

    def __init__(self, d, k):
        super().__init__()
        self.d, self.k, self.stop = d, k, threading.Event()
        self.rng = random.Random(k)
        self.where, self.flags, self.gone, self.n = {}, {}, set(), 0
        self.start()

    def run(self):
        while not self.stop.is_set():
            with contextlib.suppress(OSError, EOFError, AssertionError):
                self.session(Line(self.d))
            time.sleep(0.05)

    def session(self, l):
        for suffix in "ab":
            l.say(f"CREATE C{self.k}{suffix}")
        l.ok(f"SELECT C{self.k}a")
        mine = {}
        while not self.stop.is_set():
            op = self.rng.random()
            uid = self.rng.choice(list(mine)) if mine else None
            name = mine.get(uid)
            if op < 0.5 or not uid:
                self.n += 1
                end = l.append(f"C{self.k}a", f"Subject: c{self.k}-{self.n}\r\n\r\n" + "y" * self.rng.choice([5, 6000]))
                name = mine[int(re.search(r"APPENDUID \d+ (\d+)", end)[1])] = f"c{self.k}-{self.n}"
                self.where[name], self.flags[name] = "a", set()
            elif op < 0.75:
                flag = self.rng.choice(["\\Seen", "\\Answered", "\\Flagged"])
                l.ok(f"UID STORE {uid} +FLAGS.SILENT ({flag})")
                self.flags[name].add(flag)
            elif op < 0.9:
                self.where[name] = "ab"  # until the answer is here
                l.ok(f"UID MOVE {uid} C{self.k}b")
                self.where[name] = "b"
                del mine[uid]
            else:
                del self.where[name], mine[uid]
                l.ok(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
                l.ok(f"UID EXPUNGE {uid}")
                self.gone.add(name)

    def check(self, l):
        found = {}
        for suffix in "ab":
            l.ok(f"SELECT C{self.k}{suffix}")
            for line in l.ok("FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"):
                m = re.search(r"FLAGS \(([^)]*)\).*Subject: (\S+)", line, re.S)
                if m:
                    assert m[2] not in found, "twice"
                    found[m[2]] = (suffix, set(m[1].split()))
        assert not self.gone & set(found)
        for name, where in self.where.items():
            assert name in found and found[name][0] in where, name
            assert self.flags[name] <= found[name][1], name
        return len(found)


def test_kill_nine_while_messages_are_changed(fresh_demo):
    d = fresh_demo()
    Line(d).close()
    changers = [Changer(d, k) for k in range(3)]
    rng = random.Random(9)
    for _ in range(6):
        time.sleep(rng.uniform(0.3, 0.8))
        children = subprocess.run(["pgrep", "-P", str(d.process.pid)], capture_output=True, text=True).stdout.split()
        with contextlib.suppress(OSError):
            os.kill(int(rng.choice(children)), signal.SIGKILL)
    time.sleep(1)
    for c in changers:
        c.stop.set()
    for c in changers:
        c.join(30)

    def session():
        with contextlib.suppress(OSError, EOFError, AssertionError):
            return Line(d)

    l = wait_for(session, 30, "a login")
    assert sum(c.check(l) for c in changers) > 20
    l.close()
    assert "damaged" not in d.command("doctor").stdout
