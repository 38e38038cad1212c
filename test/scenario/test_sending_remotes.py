"""The servers that mail is for, good and bad: where it goes, what is tried again, and what comes back."""
import quopri
import time

import pytest

from conftest import message, wait_for
from sending import PLAIN, World
from world import address


def once(verb, answer):
    """Another answer for the first of these commands, whoever sends it."""
    left = [answer]
    return lambda v, arg: left.pop() if v == verb and left else None


def refuse(*locals_, reply=b"550 5.1.1 no such user\r\n"):
    return lambda verb, arg: reply if verb == "RCPT" and any(f"<{x}@" in arg for x in locals_) else None


MANY = b"".join(b"250-LINE%d\r\n" % k for k in range(300)) + b"250 HELP\r\n"
NONSENSE, GONE = "could not be understood", "connection"
HOSTILE = {  # what a server answers to which command, and what is said of it
    "endless": ("EHLO", b"250-X\r\n" * 200000, NONSENSE),
    "longline": ("EHLO", b"250 " + b"x" * 1000000 + b"\r\n", NONSENSE),
    "binary": ("EHLO", bytes(range(256)) * 20 + b"\r\n", NONSENSE),
    "lines300": ("EHLO", MANY, NONSENSE),
    "nocode": ("MAIL", b"hello there\r\n", NONSENSE),
    "mixed": ("RCPT", b"250-fine\r\n550 no\r\n", NONSENSE),
    "hangup": ("RCPT", "drop", GONE),
    "nul": ("MAIL", b"250 \0\0\0\r\n" b"\0" * 100 + b"\r\n", NONSENSE),
    "babbles": (None, b"\xff\xfe\0" * 100000, NONSENSE),
    "inject": ("STARTTLS", b"220 go\r\n250 2.0.0 injected\r\n", "tampered"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("remotes"))
    w.sinks = {}

    def sink(name, **kw):
        extra = {k: kw.pop(k) for k in ("mx", "records") if k in kw}
        w.sinks[name] = w.sink(**kw)
        w.host(name, zone=PLAIN, server=w.sinks[name], **extra)

    sink("grey", answer=once("RCPT", b"451 4.7.1 greylisted, come back\r\n"))
    sink("drops", answer=once(".", "drop"))
    sink("picky", answer=refuse("gone"))
    sink("full", answer=refuse("box", reply=b"552 5.2.2 over quota\r\n"))
    sink("six", ip="::1")
    sink("plain")
    sink("old", extensions=[])
    sink("utf8", extensions=["8BITMIME", "SMTPUTF8", "PIPELINING", "SIZE"])
    sink("small", extensions=["SIZE 2000"])
    for name, (verb, reply, _) in HOSTILE.items():
        sink(name, answer=lambda v, arg, verb=verb, reply=reply: reply if v == verb else None,
             greeting=b"220 hostile.example ESMTP\r\n" if verb else reply,
             certificate=w.ca.issue("mx-inject.plain.example") if name == "inject" else None)
    sink("greets", greeting=b"554 5.7.1 go away\r\n")
    sink("silent", greeting=b"")
    w.sinks["second"], w.sinks["third"] = w.sink(), w.sink()
    w.servers += [w.sinks["second"], w.sinks["third"]]
    one, two = w.sinks["second"].ip, w.sinks["third"].ip
    w.records[PLAIN] += ["null MX 0 .", "implicit A " + one, f"dead MX 10 mx-dead", f"mx-dead A {address()}",
                         "dead MX 20 mx-second", f"mx-second A {one}", f"mx-third A {two}", "nothing TXT x",
                         "ordered MX 20 mx-third", "ordered MX 10 mx-second", "gonemx MX 10 nowhere"]
    for k in range(16):
        w.records[PLAIN] += [f"equal{k} MX 10 mx-second", f"equal{k} MX 10 mx-third"]
    w.start()
    w.demo.command("account", "language", "anna@example.org", "de")
    w.demo.command("account", "language", "ben@example.org", "en")
    yield w
    w.stop()


def to(name):
    return f"a@{name}.plain.example"


def test_greylisting_is_waited_for(world):
    world.send(to("grey"))
    w = world.delivered(to("grey"))
    assert "2 attempts" in w["why"], w["why"]
    assert len(world.sinks["grey"].mails) == 1
    assert not world.reports(to("grey"))


def test_the_answer_to_the_message_is_lost(world):
    world.send(to("drops"), subject="verloren")
    world.deferred(to("drops"), "it may have arrived")
    world.delivered(to("drops"))
    sink = world.sinks["drops"]
    assert len(sink.mails) == 1
    assert sum(line.upper().startswith(b"DATA") for line in sink.lines) == 2


@pytest.mark.parametrize("user,subject,words", [
    ("anna", "nicht zugestellt", "Das Postfach existiert nicht"), ("ben", "not be delivered", "The mailbox does not exist")])
def test_one_of_three_is_refused(world, user, subject, words):
    people = [f"{x}{user}@picky.plain.example" for x in ("one-", "two-")]
    world.send([people[0], "gone@picky.plain.example", people[1]], user=user, subject=f"drei {user}")
    for p in people:
        world.delivered(p)
    report = world.report("gone@picky.plain.example", user=user)
    assert subject in str(report.mail["Subject"]) and words in report.human
    assert (report.field("Action"), report.field("Status")) == ("failed", "5.1.1")
    assert "550 5.1.1 no such user" in report.field("Diagnostic-Code")
    assert report.field("Remote-MTA") .replace(" ", "") == "dns;mx-picky.plain.example"
    assert str(report.whole["Reporting-MTA"]).startswith("dns;")
    assert report.returned.get_content_type() == "message/rfc822"
    assert str(report.returned.get_content()["Subject"]) == f"drei {user}"
    assert not any(p in report.human for p in people)
    assert str(report.mail["Auto-Submitted"]).startswith("auto-")
    mails = [m for m in world.sinks["picky"].mails if f"drei {user}".encode() in m[2]]
    assert sorted(r for m in mails for r in m[1]) == sorted(f"TO:<{p}>" for p in people)


@pytest.mark.parametrize("name,status", [("null", "5.1.10"), ("nosuchname", "5.1.2"), ("nothing", None), ("greets", "5.7.1")])
def test_what_can_never_be_delivered_comes_back(world, name, status):
    world.send(to(name))
    report = world.report(to(name))
    assert report.field("Action") == "failed"
    assert report.field("Status").startswith("5.") and status in (None, report.field("Status"))
    assert world.why(to(name))["state"] == "returned"


def test_the_class_of_the_answer_is_told_in_words(world):
    world.send("box@full.plain.example")
    assert "Das Postfach ist voll" in world.report("box@full.plain.example").human


def test_the_second_server_when_the_first_is_dead(world):
    begin = time.time()
    world.send(to("dead"))
    world.delivered(to("dead"), "mx-second.plain.example")
    assert time.time() - begin < 8


def test_the_better_preference_comes_first(world):
    world.send(to("ordered"))
    world.delivered(to("ordered"), "mx-second.plain.example")


def test_an_address_without_mx(world):
    world.send(to("implicit"))
    world.delivered(to("implicit"), "implicit.plain.example")


def test_a_server_with_an_ipv6_address_alone(world):
    world.send(to("six"))
    world.delivered(to("six"))
    assert len(world.sinks["six"].mails) == 1


def test_equal_preferences_share(world):
    took = {"second": [], "third": []}
    for k in range(16):
        world.send(to(f"equal{k}"))
    for k in range(16):
        world.delivered(to(f"equal{k}"))
    for name in took:
        took[name] = [r for m in world.sinks[name].mails for r in m[1] if "@equal" in r]
    assert len(took["second"]) + len(took["third"]) == 16
    assert took["second"] and took["third"], took


def test_large_and_eight_bit(world):
    body = "".join(f"Zeile {k} mit ä und ö {'x' * 60}\r\n" for k in range(240000))
    text = message("groß", to("plain"), "anna@example.org", body="@BODY@").decode().replace("Subject: groß", "Subject: big")
    text = text.replace("\r\n\r\n", "\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: 8bit\r\n\r\n", 1).replace("@BODY@", body + ".Punkt\r\n..\r\n").encode()
    assert len(text) > 20 << 20
    world.send(to("plain"), text=text, mail_options=["BODY=8BITMIME"])
    world.delivered(to("plain"))
    sender, _, raw, _ = world.sinks["plain"].mails[-1]
    assert "BODY=" not in sender and b"\r\nContent-Transfer-Encoding: quoted-printable\r\n" in raw
    assert quopri.decodestring(raw.split(b"\r\n\r\n", 1)[1]) == text.split(b"\r\n\r\n", 1)[1]


def test_eight_bit_leaves_as_seven(world):
    """Recoded before it is signed; what its author signed is left alone, also for a server that has no 8BITMIME."""
    text = message("8bit", to("old"), "anna@example.org", body="Viele Grüße aus dem Garten\r\n").replace(
        b"\r\n\r\n", b"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\n", 1)
    world.send(to("old"), text=text, mail_options=["BODY=8BITMIME"])
    world.delivered(to("old"))
    sender, _, raw, _ = world.sinks["old"].mails[0]
    assert "BODY=" not in sender and raw.endswith(b"\r\n\r\nViele Gr=C3=BC=C3=9Fe aus dem Garten\r\n")
    text = text.replace(b"From: ", b"DKIM-Signature: v=1\r\nFrom: ", 1)
    world.send(to("old"), text=text, mail_options=["BODY=8BITMIME"])
    wait_for(lambda: len(world.sinks["old"].mails) == 2, 15, "the second message")
    sender, _, raw, _ = world.sinks["old"].mails[1]
    assert "BODY=" not in sender and raw.endswith("\r\n\r\nViele Grüße aus dem Garten\r\n".encode())


def test_too_large_for_the_other_side_is_known_before_it_is_sent(world):
    world.send(to("small"), text=message("dick", to("small"), "anna@example.org", body="x" * 70 + "\r\n" + "y\r\n" * 3000))
    assert world.report(to("small")).field("Status") in ("5.3.4", "5.2.3")
    assert not any(line.upper().startswith(b"DATA") for line in world.sinks["small"].lines)


def test_an_address_beyond_ascii(world):
    for name in ("utf8", "plain"):
        with world.demo.submission() as s:
            s.ehlo()
            s.mail("anna@example.org", ["SMTPUTF8", "BODY=8BITMIME"])
            s.sock.sendall(f"RCPT TO:<müller@{name}.plain.example>\r\n".encode())
            assert s.getreply()[0] == 250
            assert s.data(message("utf8", "x@example.net", "anna@example.org"))[0] == 250
    wait_for(lambda: world.sinks["utf8"].mails, 15, "the message")
    sender, recipients = world.sinks["utf8"].mails[0][:2]
    assert "SMTPUTF8" in sender and recipients == ["TO:<müller@utf8.plain.example>"]
    report = wait_for(lambda: [m for m in world.inbox() if "utf-8;müller@plain.plain.example".encode() in m.raw],
                      15, "a report")[0]
    assert report.get_content_type() == "multipart/report" and b"Status: 5.6.7" in report.raw


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_server_does_no_harm(world, name):
    """An end in bounded time, a reason, another try later; and nothing over a connection that lies."""
    begin = time.time()
    world.send(to(name))
    w = world.deferred(to(name), HOSTILE[name][2])
    assert time.time() - begin < 10
    assert len(w["why"]) < 5000 and not any(ord(c) < 32 and c != "\n" for c in w["why"])
    assert not world.sinks[name].mails


def test_a_silent_server_holds_up_nobody(world):
    for k in range(8):
        world.send(f"s{k}@silent.plain.example")
    begin = time.time()
    world.send("after@plain.plain.example")
    world.delivered("after@plain.plain.example")
    assert time.time() - begin < 3
