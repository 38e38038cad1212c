"""How safely mail leaves: every case of DANE, MTA-STS, list and ratchet, against real servers and signed zones."""
import email
import time

import pytest

from conftest import wait_for
from sending import BOGUS, PLAIN, SIGNED, World
from world import Postfix, address


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("world"))
    ca = w.ca
    good = ca.issue("mx-ee.signed.example")
    other = ca.issue("other.example")
    expired, alone = ca.issue("mx-old.signed.example", expired=True), ca.issue("elsewhere.example", self_signed=True)
    w.good = good
    postfix = Postfix(address(), w.port, ["ee.signed.example"], good).start()
    w.host("ee", tlsa=[good.tlsa()], server=postfix)
    w.postfix = postfix
    w.host("mismatch", tlsa=[other.tlsa()], server=w.sink(good))
    w.host("old", tlsa=[expired.tlsa()], server=w.sink(expired))
    w.host("alone", tlsa=[alone.tlsa(selector=0, matching=2)], server=w.sink(alone))
    ta = ca.issue("mx-ta.signed.example")
    w.host("ta", tlsa=[ta.tlsa(2, 1, 1, of=ca)], server=w.sink(ta))
    w.host("tafull", tlsa=[ta.tlsa(2, 0, 0, of=ca)], mx="mx-tafull", server=w.sink(ca.issue("tafull.signed.example")))
    w.host("taname", tlsa=[ta.tlsa(2, 1, 1, of=ca)], server=w.sink(other))
    w.host("taold", tlsa=[ta.tlsa(2, 1, 1, of=ca)], server=w.sink(ca.issue("mx-taold.signed.example", expired=True)))
    w.host("pkix", tlsa=["1 1 1 " + "00" * 32, "3 9 1 " + "00" * 32, "3 1 1 0011"], server=w.sink(alone))
    w.host("pkixclear", tlsa=["0 0 1 " + "00" * 32], server=w.sink())
    w.host("crowd", tlsa=[f"3 1 1 {k:064x}" for k in range(60)] + [good.tlsa()], server=w.sink(good))
    w.host("roll", tlsa=[other.tlsa(), good.tlsa()], server=w.sink(good))
    w.host("noclear", tlsa=[good.tlsa()], server=w.sink())
    w.host("slow", tlsa=[good.tlsa()], server=w.sink(good))
    w.host("failing", tlsa=[good.tlsa()], server=w.sink(good))
    w.zones.rules[(f"_{w.port}._tcp.mx-slow.signed.example.", 52)] = "drop"
    w.zones.rules[(f"_{w.port}._tcp.mx-failing.signed.example.", 52)] = "fail"
    backup = w.sink(good)
    w.servers.append(backup)
    w.host("second", mx="mx-slow", tlsa=[], ip="127.0.0.9",
           records=[f"second MX 20 mx-backup", f"mx-backup A {backup.ip}", f"_{w.port}._tcp.mx-backup TLSA {good.tlsa()}"])
    w.records[SIGNED].remove("mx-slow A 127.0.0.9")
    w.backup = backup
    alias = w.sink(good)
    w.servers.append(alias)
    w.records[SIGNED] += ["alias MX 10 mx-alias", "mx-alias CNAME real", f"real A {alias.ip}",
                          f"_{w.port}._tcp.real TLSA {good.tlsa()}"]
    w.host("insecure", zone=PLAIN, tlsa=[other.tlsa()], server=w.sink(alone))
    w.host("clear", zone=PLAIN, server=w.sink())
    w.host("tls", zone=PLAIN, server=w.sink(alone))
    w.host("named", zone=PLAIN, server=w.sink(ca.issue("mx-named.plain.example")))
    w.host("bad", zone=BOGUS, mx="bad", ip="127.0.0.1")
    w.records[BOGUS].pop()
    w.start()
    yield w
    w.stop()


def test_dane_verified_to_postfix_and_signed_twice(world):
    world.send("box@ee.signed.example", "über DANE".encode().decode("ascii", "ignore") + "DANE")
    world.delivered("box@ee.signed.example", "DANE", "TLSv1.3")
    raw = wait_for(world.postfix.messages, 10, "the message at Postfix")[0]
    signatures = email.message_from_bytes(raw).get_all("DKIM-Signature")
    assert len(signatures) == 2, raw
    assert {"a=rsa-sha256" in s for s in signatures} == {True, False}
    assert all("d=example.org" in s for s in signatures)
    assert b"TLSv1.3" in raw


@pytest.mark.parametrize("name,words", [
    ("old", ["DANE"]), ("alone", ["DANE"]), ("ta", ["DANE"]), ("tafull", ["DANE"]), ("roll", ["DANE"]), ("crowd", ["DANE"]),
    ("alias", ["DANE"])])
def test_dane_that_holds(world, name, words):
    world.send(f"a@{name}.signed.example")
    world.delivered(f"a@{name}.signed.example", *words)


@pytest.mark.parametrize("name,words", [
    ("mismatch", "DANE"), ("taname", "different name"), ("taold", "has expired"), ("noclear", "no encryption"),
    ("slow", "DANE"), ("failing", "DANE")])
def test_dane_that_does_not_hold_waits(world, name, words):
    world.send(f"a@{name}.signed.example")
    world.deferred(f"a@{name}.signed.example", words)
    server = next(s for s in world.servers if any(f"mx-{name} A {s.ip}" == r for r in world.records[SIGNED]))
    assert not server.mails
    if name in ("slow", "failing"):
        assert server.sessions == 0


def test_the_next_host_takes_it_when_the_first_ones_tlsa_is_silent(world):
    world.send("a@second.signed.example")
    world.delivered("a@second.signed.example", "mx-backup.signed.example", "DANE")
    assert len(world.backup.mails) == 1


def test_unusable_records_ask_for_encryption_alone(world):
    world.send("a@pkix.signed.example")
    w = world.delivered("a@pkix.signed.example", "TLSv1.3")
    world.send("a@pkixclear.signed.example")
    world.deferred("a@pkixclear.signed.example")


def test_no_dane_in_an_unsigned_zone(world):
    world.send("a@insecure.plain.example")
    world.delivered("a@insecure.plain.example", "TLSv1.3")


def test_a_wrong_signature_stops_everything(world):
    world.send("a@bad.bogus.example")
    world.deferred("a@bad.bogus.example", "DNSSEC")


def test_clear_text_only_where_there_is_nothing_else(world):
    world.send("a@clear.plain.example")
    world.delivered("a@clear.plain.example")
    world.demo.command("queue", "policy", "clear.plain.example", "--level", "encrypt")
    world.send("b@clear.plain.example")
    world.deferred("b@clear.plain.example")
    world.demo.command("queue", "policy", "clear.plain.example", "--default")
    world.demo.command("queue", "retry", "--recipient", "b@clear.plain.example")
    world.delivered("b@clear.plain.example")


def test_a_listed_name_must_be_in_the_certificate(world):
    world.demo.command("queue", "policy", "named.plain.example", "--level", "verify", "--mx", "*.plain.example")
    world.send("a@named.plain.example")
    world.delivered("a@named.plain.example")
    world.demo.command("queue", "policy", "tls.plain.example", "--level", "verify", "--mx", "*.plain.example")
    world.send("a@tls.plain.example")
    world.deferred("a@tls.plain.example")


def test_the_ratchet_holds_until_the_operator_says_otherwise(world):
    world.send("a@roll.signed.example")
    world.delivered("a@roll.signed.example", "DANE")
    records = world.records[SIGNED]
    gone = [r for r in records if r.startswith(f"_{world.port}._tcp.mx-roll ")]
    for r in gone:
        records.remove(r)
    world.zones.zone(SIGNED, records).again()
    time.sleep(6)  # what the resolver remembers
    world.send("b@roll.signed.example")
    world.deferred("b@roll.signed.example", "--allow-weaker")
    world.demo.command("queue", "policy", "roll.signed.example", "--allow-weaker")
    world.demo.command("queue", "retry", "--destination", "roll.signed.example")
    world.delivered("b@roll.signed.example")
    records += gone
    world.zones.zone(SIGNED, records).again()
