"""Mail that is passed on: forwards and aliases to other servers, bounces that find their way back, and how much an
account may send."""
import hashlib
import hmac
import re
import smtplib
import sqlite3
import time

import pytest

from conftest import message, wait_for
from sending import PLAIN, World
from world import configure

LIMIT = 5


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("forward"))
    w.sinks = {name: w.sink() for name in ("far", "origin")}
    w.sinks["refuses"] = w.sink(answer=lambda v, arg: b"550 5.1.1 gone\r\n" if v == "RCPT" else None)
    for name, sink in w.sinks.items():
        w.host(name, zone=PLAIN, server=sink)
    w.start()
    w.demo.command("alias", "add", "team@example.org", "team@far.plain.example", "anna@example.org")
    yield w
    w.stop()


def receive(world, to, subject, sender="a@origin.plain.example"):
    with world.demo.smtp() as s:
        s.sendmail(sender, [to], message(subject, to, sender or "mailer-daemon@far.plain.example"))


def arrived(world, name, subject):
    found = lambda: [m for m in world.sinks[name].mails if f"Subject: {subject}\r\n".encode() in m[2]]
    return wait_for(found, 15, f"{subject} at {name}")[0]


def address_of(command):
    return re.match(r"(?:FROM|TO):<(.*?)>", command)[1]


@pytest.fixture(scope="module")
def rewritten(world):
    """The rewritten sender that the other side sees."""
    receive(world, "team@example.org", "weiter")
    return address_of(arrived(world, "far", "weiter")[0])


def test_a_forward_leaves_with_our_own_sender(world, rewritten):
    assert re.fullmatch(r"SRS0=[^=@]+=[a-z2-7]{2}=origin\.plain\.example=a@example\.org", rewritten), rewritten
    assert [m for m in world.inbox() if m["Subject"] == "weiter"], "the alias' other half"
    raw = arrived(world, "far", "weiter")[2]
    assert b"From: <a@origin.plain.example>" in raw
    assert raw.count(b"DKIM-Signature: ") == 2 and b"d=example.org" in raw, "all that leaves is signed"


def test_what_claims_to_be_ours_is_passed_on_without_our_signature(world):
    with world.demo.smtp() as s:
        s.sendmail("evil@origin.plain.example", ["team@example.org"], message("falsch", "team@example.org", "anna@example.org"))
    assert b"d=example.org" not in arrived(world, "far", "falsch")[2]


def test_an_account_forwards_and_keeps(world):
    world.demo.command("account", "forward", "ben@example.org", "b@far.plain.example", "--keep")
    receive(world, "ben@example.org", "beide")
    sender, to, _, _ = arrived(world, "far", "beide")
    assert address_of(sender).startswith("SRS0=")
    assert to == ["TO:<b@far.plain.example> ORCPT=rfc822;ben@example.org"], "as it was written to"
    wait_for(lambda: [m for m in world.inbox("ben") if m["Subject"] == "beide"], 5, "ben's copy")
    world.demo.command("account", "forward", "ben@example.org", "--off")


def test_a_null_sender_stays_null(world):
    receive(world, "team@example.org", "leer", sender="")
    assert address_of(arrived(world, "far", "leer")[0]) == ""


def test_a_bounce_finds_its_way_back(world, rewritten):
    receive(world, rewritten, "zurueck", sender="")
    sender, to, _, _ = arrived(world, "origin", "zurueck")
    assert (address_of(sender), [address_of(r) for r in to]) == ("", ["a@origin.plain.example"])


def test_only_bounces_may_take_that_way(world, rewritten):
    with pytest.raises(smtplib.SMTPDataError) as e:
        receive(world, rewritten, "missbraucht")
    assert e.value.smtp_code == 550 and e.value.smtp_error.startswith(b"5.1.1"), e.value
    assert attempt(world, rewritten)[0] == 550


def test_what_cannot_be_forwarded_goes_back_to_its_sender(world):
    world.demo.command("alias", "add", "dead@example.org", "x@refuses.plain.example")
    receive(world, "dead@example.org", "verloren")
    mail = wait_for(lambda: [m for m in world.sinks["origin"].mails if b"multipart/report" in m[2]], 15, "a report")[0]
    assert address_of(mail[0]) == "" and [address_of(r) for r in mail[1]] == ["a@origin.plain.example"]
    assert b"Final-Recipient: rfc822;dead@example.org\r\n" in mail[2] and b"Status: 5.1.1\r\n" in mail[2]
    assert b"refuses" not in mail[2] and b"gone" not in mail[2], "where it was forwarded to is nobody's business"


def refused(world, to):
    with world.demo.smtp() as s:
        s.ehlo()
        s.mail("")
        code, text = s.rcpt(to)
        assert code == 550, (code, text)


def test_forged_ones_are_refused(world, rewritten):
    local = rewritten.split("@")[0]
    _, mac, day, domain, user = local.split("=")
    other = mac[:-1] + ("a" if mac[-1] != "a" else "b")
    refused(world, f"SRS0={other}={day}={domain}={user}@example.org")
    refused(world, f"SRS0={mac}={day}={domain}=someone@example.org")
    refused(world, f"SRS0={mac}={day}=victim.example={user}@example.org")
    refused(world, f"SRS0={mac}@example.org")
    refused(world, "SRS0====@example.org")
    refused(world, f"SRS1={mac}=far.example=={mac}={day}={domain}={user}@example.org")


def test_an_old_one_is_refused_though_it_is_ours(world, rewritten):
    db = sqlite3.connect(f"file:{world.demo.dir}/data/directory.db?mode=ro", uri=True)
    secret = db.execute("SELECT value FROM setting WHERE key = 'srs_secret'").fetchone()[0]
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"

    def make(days_ago):
        day = (int(time.time()) // 86400 - days_ago) % 1024
        rest = f"{alphabet[day // 32]}{alphabet[day % 32]}=origin.plain.example=a"
        mac = hmac.new(secret, b"SRS0" + rest.encode(), hashlib.sha256).digest()
        return f"SRS0={''.join(alphabet[b & 31] for b in mac[:8])}={rest}@example.org"

    receive(world, make(0), "heute", sender="")
    arrived(world, "origin", "heute")
    receive(world, make(20), "bald-zu-alt", sender="")
    arrived(world, "origin", "bald-zu-alt")
    refused(world, make(25))


# --- How much an account may send ---

@pytest.fixture
def limited(world):
    """The same world, where an account may send so many messages an hour."""
    world.demo.stop()
    configure(world.demo, sending__messages_per_hour=str(LIMIT), sending__new_recipients_per_day="7")
    world.demo.serve()
    return world


def attempt(world, to):
    try:
        world.send(to, user="ben")
        return 250, b""
    except smtplib.SMTPRecipientsRefused as e:
        return next(iter(e.recipients.values()))
    except smtplib.SMTPResponseException as e:
        return e.smtp_code, e.smtp_error


def warnings(world):
    return [m for m in world.inbox() if "ben@example.org" in str(m["Subject"])]


def test_limits_hold_over_a_restart_and_the_operator_hears_of_it_once(limited):
    world, new = limited, [f"n{k}@far.plain.example" for k in range(9)]
    assert attempt(world, new)[1].startswith(b"4.7.28"), "nine new recipients at once"
    for k in range(LIMIT):
        assert attempt(world, new[k])[0] == 250
    for k in range(3):
        code, text = attempt(world, new[0])
        assert code == 450 and text.startswith(b"4.7.28"), (code, text)
    assert attempt(world, "anna@example.org")[0] == 250, "mail within the house is not counted"
    found = wait_for(lambda: len(warnings(world)) >= 2 and warnings(world), 10, "the warnings")
    assert len(found) == 2, [str(m) for m in found]  # one for each of the two limits
    world.demo.stop()
    world.demo.serve()
    assert attempt(world, new[0])[0] == 450
    texts = "".join(m.get_content() for m in found)
    assert "messages_per_hour" in texts and "new_recipients_per_day" in texts
    assert "depesche account passwd ben@example.org" in texts
    lines = [x for x in world.demo.log.read_text().splitlines() if " sending.limit user=ben@example.org " in x]
    assert len(lines) == 5 and all(re.search(r" until=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", x) for x in lines), lines
    world.send("n@far.plain.example")  # anna is not concerned
