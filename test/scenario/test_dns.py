"""`depesche dns` and `key roll` for TLS: what we print is what we find good, at a real name server and real ports."""
import json
import signal
import time

import pytest

from conftest import Demo, wait_for
from world import Zones, configure, need_root, run


class House:
    """A demo that runs, and the zone that it says it wants."""

    def __init__(self, directory):
        need_root()
        self.demo = Demo(directory / "d").start()
        self.zones = Zones(directory / "dns", self.demo.base + 53)
        self.wanted = [line.replace(" 3600 IN ", " 1 IN ") for line in self.show().splitlines()
                       if line and not line.startswith(";")]
        self.zones.zone("example.org.", [*self.wanted, "mail 1 A 5.6.7.8"])
        self.zones.zone("6.5.in-addr.arpa.", ["8.7 PTR mail.example.org."], signed=False)
        self.zones.start()
        configure(self.demo, dns__anchor=self.zones.anchor, tls__ca=self.demo.dir / "ca.pem", dns__timeout="3s")

    def stop(self):
        self.demo.stop()
        self.zones.stop()

    def show(self):
        return self.demo.command("dns", "show", "example.org").stdout

    def check(self, code=0):
        r = self.demo.command("dns", "check", "--json", check=False)
        assert r.returncode == code, (r.stdout, r.stderr)
        return json.loads(r.stdout)

    def publish(self, records):
        time.sleep(0.2)  # a serial of its own
        self.zones.zones["example.org."][0] = [*records, "mail 1 A 5.6.7.8"]
        self.zones.again()

    def roll(self, *args, code=0):
        r = self.demo.command("key", "roll", *args, check=False)
        assert r.returncode == code, (r.stdout, r.stderr)
        return r.stdout + r.stderr


@pytest.fixture
def house(tmp_path):
    h = House(tmp_path)
    yield h
    h.stop()


def test_what_is_shown_is_found_good(house):
    found = house.check()
    assert {f["record"]: f["state"] for f in found if f["state"] != "ok"} == {
        "AAAA mail.example.org.": "missing", "Deutsche Telekom (t-online.de)": "unknown"}
    ports = [f for f in found if f["record"].startswith("certificate")]
    assert len(ports) == 6 and all("until 20" in f["found"] for f in ports)
    assert sum(f["dnssec"] for f in found) > 20


def test_what_is_wrong_is_said(house):
    house.publish([r.replace("mx -all", "+all") for r in house.wanted if " TLSA " not in r and "_dmarc" not in r]
                  + ["_25._tcp.mail 1 TLSA 3 1 1 " + "ab" * 32])
    states = {f["record"]: f["state"] for f in house.check(code=1) if f["need"] == "must" and f["state"] != "ok"}
    assert states == {"TXT example.org.": "wrong", "TXT _dmarc.example.org.": "missing",
                      "TLSA _25._tcp.mail.example.org.": "wrong",
                      f"certificate on port {house.demo.base + 25} (smtp)": "wrong"}
    r = house.demo.command("dns", "check", "--log", check=False)
    assert r.returncode == 1 and r.stdout == ""
    assert r.stderr.count("warning dns.record ") == 4 and "+all" in r.stderr, r.stderr


def test_the_tls_key_waits_for_its_record(house):
    key, chain = house.demo.dir / "server.key", house.demo.dir / "next.pem"
    assert "is not published yet" in house.roll()
    record = next(x for x in house.show().splitlines() if "TLSA" in x and x not in
                  [w.replace(" 1 IN ", " 3600 IN ") for w in house.wanted])
    run("openssl", "x509", "-req", "-in", f"{key}.next.csr", "-CA", str(house.demo.dir / "ca.pem"), "-CAkey",
        str(house.demo.dir / "ca.key"), "-days", "90", "-copy_extensions", "copy", "-out", str(chain))
    assert "is not published yet" in house.roll("--switch", "--chain", str(chain), code=1)
    house.publish([*house.wanted, record.replace(" 3600 IN ", " 3 IN ")])
    before = key.read_text()
    assert "others may know it from" in house.roll("--switch", "--chain", str(chain), code=1)
    assert key.read_text() == before
    time.sleep(7)
    house.roll("--switch", "--chain", str(chain))
    assert key.read_text() != before and (house.demo.dir / "server.key.old").read_text() == before
    house.demo.process.send_signal(signal.SIGHUP)

    def served():
        return [f for f in house.check() if f["record"].startswith("certificate") and f["state"] == "ok"
                and record.split()[-1] in f["found"]]
    wait_for(lambda: len(served()) == 6, 20, "the new key on every port")
    assert any(f["record"].startswith("TLSA") and f["state"] == "wrong" and f["need"] == "may" for f in house.check())


def test_without_dane_nothing_waits(house):
    key, chain = house.demo.dir / "server.key", house.demo.dir / "next.pem"
    house.publish([r for r in house.wanted if " TLSA " not in r])
    assert "nothing to wait for" in house.roll()
    run("openssl", "x509", "-req", "-in", f"{key}.next.csr", "-CA", str(house.demo.dir / "ca.pem"), "-CAkey",
        str(house.demo.dir / "ca.key"), "-days", "90", "-copy_extensions", "copy", "-out", str(chain))
    house.roll("--switch", "--chain", str(chain))


def test_the_dkim_keys_wait_for_their_records(house):
    def states():
        return sorted(k["state"] for k in json.loads(house.demo.command("key", "list", "example.org", "--json").stdout))
    house.roll("--dkim", "example.org")
    wanted = [line.replace(" 3600 IN ", " 1 IN ") for line in house.show().splitlines()
              if line and not line.startswith(";")]
    new = [line for line in wanted if line not in house.wanted]
    assert len(new) == 2 and all("._domainkey" in line for line in new)
    text = house.roll("--dkim", "--switch", code=1)
    assert "is not published yet; publish it" in text and text.count("\n") == 1
    # One key in the place of the other.
    a, b = (line.split(" 1 IN ") for line in new)
    house.publish([*house.wanted, f"{a[0]} 1 IN {b[1]}", f"{b[0]} 1 IN {a[1]}"])
    assert "is wrong (another key is published)" in house.roll("--dkim", "--switch", "example.org", code=1)
    house.publish([*house.wanted, new[0]])
    time.sleep(1.5)
    text = house.roll("--dkim", "--switch", "example.org", code=1)
    assert b[0].split()[0] in text and a[0].split()[0] not in text, text
    assert states() == ["active", "active", "next", "next"]
    house.publish(wanted)
    assert "warning" not in house.roll("--dkim", "--switch", "example.org")
    assert states() == ["active", "active", "retired", "retired"]
