"""With Postfix as the other side, in both directions, and signatures before an independent judge."""
import email
import re

import pytest

from conftest import message, wait_for
from sending import PLAIN, SIGNED, World
from world import Postfix, address

LAME = ["expired", "wrongname", "selfsigned"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("peers"))
    ca = w.ca
    names = {"good": ca.issue("mx-good.plain.example"), "expired": ca.issue("mx-expired.plain.example", expired=True),
             "wrongname": ca.issue("elsewhere.example"),
             "selfsigned": ca.issue("mx-selfsigned.plain.example", self_signed=True), "none": None}
    w.postfix = Postfix(address(), w.port, [f"{n}.plain.example" for n in names])
    for name, certificate in names.items():
        w.host(name, zone=PLAIN, ip=w.postfix.listen(certificate))
    w.servers.append(w.postfix.start())

    dane = ca.issue("mx-req.signed.example")
    w.sinks = {"req": w.sink(dane, extensions=["PIPELINING", "REQUIRETLS"]), "noreq": w.sink(dane),
               "mismatch": w.sink(ca.issue("mx-mismatch.signed.example"))}
    for name, sink in w.sinks.items():
        w.host(name, zone=SIGNED, tlsa=[(dane if name != "mismatch" else ca.issue("x.example")).tlsa()], server=sink)
    w.sinks["bare"] = w.sink(extensions=["PIPELINING", "REQUIRETLS"])
    w.host("bare", zone=PLAIN, server=w.sinks["bare"])
    w.start()
    yield w
    w.stop()


def to(name, zone=PLAIN, local="a"):
    return f"{local}@{name}.{zone[:-1]}"


def at_postfix(world, subject):
    found = lambda: [m for m in world.postfix.messages() if f"Subject: {subject}\n".encode() in m.replace(b"\r", b"")]
    return wait_for(found, 15, f"{subject} at Postfix")[0]


# --- To Postfix ---

@pytest.mark.parametrize("name", ["good", *LAME])
def test_any_certificate_is_better_than_none(world, name):
    world.send(to(name), subject=f"an-{name}")
    world.delivered(to(name), "TLSv1.3")
    assert b"using TLSv1.3" in at_postfix(world, f"an-{name}")


def test_without_tls(world):
    world.send(to("none"), subject="an-none")
    world.delivered(to("none"), "not encrypted")
    assert b"using TLS" not in at_postfix(world, "an-none")


def test_confirmed_where_the_operator_demands_it(world):
    world.demo.command("queue", "policy", "good.plain.example", "--level", "verify", "--mx", "*.plain.example")
    world.send(to("good", local="b"), subject="bestaetigt")
    world.delivered(to("good", local="b"), "TLSv1.3")
    at_postfix(world, "bestaetigt")


@pytest.mark.parametrize("name,words", [("expired", "expired"), ("wrongname", "different name"), ("selfsigned", "certificate")])
def test_what_cannot_be_confirmed_waits_until_the_operator_lifts_it(world, name, words):
    domain = f"{name}.plain.example"
    world.demo.command("queue", "policy", domain, "--level", "verify", "--mx", "*.plain.example")
    world.send(to(name, local="v"), subject=f"streng-{name}")
    world.deferred(to(name, local="v"), words)
    assert not [m for m in world.postfix.messages() if f"streng-{name}".encode() in m]
    world.demo.command("queue", "policy", domain, "--default")
    world.demo.command("queue", "retry", "--destination", domain)
    world.delivered(to(name, local="v"))
    at_postfix(world, f"streng-{name}")


# --- From Postfix ---

@pytest.mark.parametrize("level", ["secure", "none"])
def test_postfix_sends_to_us(world, level):
    """`secure`: Postfix demands a certificate of the demo's authority for the name."""
    them = Postfix(address(), world.port, relayhost=f"[localhost]:{world.demo.port('smtp')}",
                   smtp_tls_security_level=level, smtp_tls_CAfile=world.demo.dir / "ca.pem",
                   smtp_host_lookup="native", smtp_dns_support_level="disabled", smtp_address_preference="ipv4",
                   myhostname="mx.sender.example").start()
    try:
        subject = f"von-postfix-{level}"
        text = f"From: friend@sender.example\nTo: anna@example.org\nSubject: {subject}\n\n.Punkt\n..\n" + "z" * 900 + "\n"
        them.send("friend@sender.example", "anna@example.org", text)
        try:
            mail = wait_for(lambda: [m for m in world.inbox() if m["Subject"] == subject], 15, subject)[0]
        except AssertionError as e:
            raise AssertionError(f"{e}\n{them.log()}\n{world.demo.tail()}")
        assert mail.get_content().replace("\r", "") == ".Punkt\n..\n" + "z" * 900 + "\n"
        assert ("Verified TLS connection established" in them.log()) == (level == "secure"), them.log()
        assert ("ESMTPS" in str(mail["Received"])) == (level == "secure")
    finally:
        them.stop()


def test_what_we_refuse_comes_back_to_postfix(world):
    them = Postfix(address(), world.port, domains=["sender.example"],
                   relayhost=f"[localhost]:{world.demo.port('smtp')}", smtp_host_lookup="native",
                   smtp_dns_support_level="disabled", smtp_address_preference="ipv4").start()
    try:
        them.send("friend@sender.example", "nobody@example.org", "Subject: falsch\n\nx\n")
        bounce = wait_for(them.messages, 15, "a bounce")[0]
        assert b"5.1.1" in bounce and b"nobody@example.org" in bounce
    finally:
        them.stop()


# --- REQUIRETLS and its opposite (RFC 8689) ---

def test_requiretls_over_dane_to_a_server_that_has_it(world):
    world.send(to("req", SIGNED), mail_options=["REQUIRETLS"])
    world.delivered(to("req", SIGNED), "DANE")
    sender = world.sinks["req"].mails[0][0]
    assert " REQUIRETLS" in sender, sender


@pytest.mark.parametrize("name,zone", [("noreq", SIGNED), ("none", PLAIN), ("bare", PLAIN), ("good", PLAIN)])
def test_requiretls_that_cannot_be_had_comes_back(world, name, zone):
    """The extension lacks; TLS lacks; TLS lacks though the extension is announced; nothing vouches for the name."""
    world.send(to(name, zone, "req"), mail_options=["REQUIRETLS"], subject=f"nur-sicher-{name}")
    report = world.report(to(name, zone, "req"))
    assert report.field("Status") == "5.7.30"
    assert world.why(to(name, zone, "req"))["state"] == "returned"
    assert not [m for m in world.postfix.messages() if b"nur-sicher" in m]
    assert not [m for s in world.sinks.values() for m in s.mails if b"nur-sicher" in m[2]]


def test_tls_required_no_goes_on_in_spite_of_dane(world):
    text = message("egal", to("mismatch", SIGNED), "anna@example.org")
    world.send(to("mismatch", SIGNED), text=text)
    world.deferred(to("mismatch", SIGNED), "DANE")
    world.send(to("mismatch", SIGNED, "no"), text=b"TLS-Required: No\r\n" + text)
    world.delivered(to("mismatch", SIGNED, "no"))
    assert len(world.sinks["mismatch"].mails) == 1


# --- Signatures ---

def published(world):
    """What `dns show` says to publish for DKIM: name -> record."""
    text, found = world.demo.command("dns", "show", "example.org").stdout, {}
    for line in text.splitlines():
        if m := re.match(r"(\S+\._domainkey\.\S+?)\.?\s+.*?TXT\s+(.*)", line):
            found[m[1]] = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', m[2])).encode()
    return found


@pytest.mark.parametrize("subject,body", [("kurz", "Guten Tag.\r\n"), ("leer", ""), ("weiss", "a  b \t \r\n\r\n \r\n\r\n"),
                                          ("punkte", ".\r\n..\r\n.x\r\n"), ("lang", "wort " * 190 + "\r\n")])
def test_both_signatures_hold_at_the_other_side(world, subject, body):
    import dkim
    sink, records = world.sinks["req"], published(world)
    assert len(records) == 2
    world.send(to("req", SIGNED, subject), text=message(f"sig-{subject}", to("req", SIGNED), "anna@example.org", body=body))
    raw = wait_for(lambda: [m for m in sink.mails if f"sig-{subject}\r\n".encode() in m[2]], 15, "the message")[0][2]
    look_up = lambda name, timeout=5: records.get((name.decode() if isinstance(name, bytes) else name).rstrip("."))
    for k in range(2):
        assert dkim.DKIM(raw).verify(idx=k, dnsfunc=look_up), f"signature {k}"
        broken = raw.replace(b"Subject: sig", b"Subject: Sig")
        assert not dkim.DKIM(broken).verify(idx=k, dnsfunc=look_up)
        added = raw.replace(b"\r\nSubject:", b"\r\nSubject: another\r\nSubject:")
        assert not dkim.DKIM(added).verify(idx=k, dnsfunc=look_up), "a second Subject must break it"
    kinds = {re.search(r"a=(\S+?);", s)[1] for s in email.message_from_bytes(raw).get_all("DKIM-Signature")}
    assert kinds == {"rsa-sha256", "ed25519-sha256"}
