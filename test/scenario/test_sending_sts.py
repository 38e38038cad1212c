"""MTA-STS (RFC 8461): policies from a host over HTTPS, against servers that keep to them and servers that do not."""
import pytest

from sending import PLAIN, SIGNED, World
from world import PolicyHost


def policy(mode, *mx, max_age=86400):
    return "version: STSv1\r\nmode: " + mode + "\r\n" + "".join(f"mx: {m}\r\n" for m in mx) + f"max_age: {max_age}\r\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("sts"))
    names = ["good", "wrongname", "othermx", "testing", "none", "dane", "nofetch"]
    zone = {n: PLAIN for n in names}
    zone["dane"] = SIGNED
    domain = {n: f"{n}.{zone[n][:-1]}" for n in names}
    cert = {n: w.ca.issue(f"mx-{n}.{zone[n][:-1]}") for n in names}
    cert["wrongname"] = w.ca.issue("elsewhere.example")
    cert["testing"] = w.ca.issue("elsewhere.example", self_signed=True)
    w.sinks = {}
    for n in names:
        w.sinks[n] = w.sink(cert[n])
        tlsa = [w.ca.issue("x.example").tlsa()] if n == "dane" else []
        w.host(n, zone=zone[n], server=w.sinks[n], tlsa=tlsa)
    w.policies = {
        f"mta-sts.{domain['good']}": policy("enforce", "*.plain.example"),
        f"mta-sts.{domain['wrongname']}": policy("enforce", "mx-wrongname.plain.example"),
        f"mta-sts.{domain['othermx']}": policy("enforce", "mx.elsewhere.example"),
        f"mta-sts.{domain['testing']}": policy("testing", "mx-testing.plain.example"),
        f"mta-sts.{domain['none']}": policy("none"),
        f"mta-sts.{domain['dane']}": policy("enforce", "mx-dane.signed.example"),
    }
    w.web = PolicyHost(w.ca.issue(*[f"mta-sts.{d}" for d in domain.values()]), w.policies)
    w.servers.append(w.web)
    for n in names:
        w.records[zone[n]] += [f'_mta-sts.{n} TXT "v=STSv1; id=1;"', f"mta-sts.{n} A {w.web.ip}"]
    w.start()
    yield w
    w.stop()


def test_enforced_and_kept(world):
    world.send("a@good.plain.example")
    world.delivered("a@good.plain.example", "MTA-STS")


def test_the_policy_is_remembered_over_a_restart(world):
    world.send("b@good.plain.example")
    world.delivered("b@good.plain.example", "MTA-STS")
    asked = len(world.web.asked)
    world.demo.stop()
    world.demo.serve()
    world.send("c@good.plain.example")
    world.delivered("c@good.plain.example", "MTA-STS")
    assert len(world.web.asked) == asked


@pytest.mark.parametrize("name", ["wrongname", "othermx"])
def test_enforced_and_broken_waits(world, name):
    world.send(f"a@{name}.plain.example")
    world.deferred(f"a@{name}.plain.example")
    assert not world.sinks[name].mails


def test_testing_refuses_nothing(world):
    world.send("a@testing.plain.example")
    world.delivered("a@testing.plain.example")


def test_none_is_none(world):
    world.send("a@none.plain.example")
    world.delivered("a@none.plain.example")


def test_a_policy_that_cannot_be_had_is_no_policy(world):
    world.send("a@nofetch.plain.example")
    world.delivered("a@nofetch.plain.example")


def test_dane_wins(world):
    world.send("a@dane.signed.example")
    world.deferred("a@dane.signed.example", "DANE")
    assert not world.sinks["dane"].mails
