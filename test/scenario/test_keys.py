"""`depesche key`: keys of domains, made, shown, rolled and swept, without a server."""
import base64
import json
import os
import sqlite3
import stat
import subprocess

import pytest

from conftest import DEPESCHE


class Installation:
    def __init__(self, folder):
        self.data = folder / "data"
        self.data.mkdir(mode=0o700)
        self.config = folder / "depesche.conf"
        # Nobody answers there: whether others can see a key, cannot be known here.
        self.config.write_text(f"[server]\nhost = mail.example.org\ndata = {self.data}\nrun = {folder}/run\n"
                               "edge_user = 65534\n"
                               "[dns]\nforwarder = 127.0.0.1@9\ntimeout = 1s\n")
        self.printed = ""

    def run(self, *args, check=True):
        r = subprocess.run([DEPESCHE, *args, "--config", self.config], capture_output=True, text=True, timeout=60)
        self.printed += r.stdout + r.stderr
        assert r.returncode == 0 or not check, r
        return r

    def json(self, *args):
        return json.loads(self.run(*args, "--json").stdout)

    def states(self, domain="example.org"):
        return sorted((k["kind"], k["state"]) for k in self.json("key", "list", domain))

    def sql(self, text):
        with sqlite3.connect(self.data / "directory.db") as db:
            return db.execute(text).fetchall()


@pytest.fixture
def here(tmp_path):
    i = Installation(tmp_path)
    i.run("domain", "add", "example.org")
    return i


def pair(state):
    return [("ed25519", state), ("rsa", state)]


def test_a_domain_begins_with_a_pair(here):
    assert here.states() == pair("active")
    here.run("domain", "alias", "alias.example", "example.org")
    assert here.states("alias.example") == pair("active")
    here.run("domain", "remove", "alias.example")
    assert here.run("key", "list", "alias.example", check=False).returncode == 1


def test_a_roll_publishes_before_it_signs(here):
    records = here.json("key", "roll", "--dkim", "example.org")
    first = {r["text"] for r in records if r["state"] == "active"}
    assert sorted(r["state"] for r in records) == ["active", "active", "next", "next"]
    assert here.json("key", "roll", "--dkim", "example.org") == records, "a second call makes no more"
    r = here.run("key", "roll", "--dkim", "--switch", "example.org", check=False)
    assert r.returncode == 1 and r.stdout == "" and "._domainkey.example.org. cannot be looked up" in r.stderr
    assert here.json("key", "roll", "--dkim", "example.org") == records, "a refusal changes nothing"
    r = here.run("key", "roll", "--dkim", "--switch", "--force", "example.org", "--json")
    assert r.stderr.count("warning: TXT ") == 2
    records = json.loads(r.stdout)
    assert {r["text"] for r in records if r["state"] == "retired"} == first
    r = here.run("key", "roll", "--dkim", "--switch", check=False)
    assert r.returncode == 1 and "no next keys" in r.stderr
    # Two weeks later the old ones go, with the first step of the next roll.
    here.sql("UPDATE dkim_key SET retired = retired - 15 * 86400 WHERE state = 2")
    records = here.json("key", "roll", "--dkim")
    assert not first & {r["text"] for r in records}
    assert sorted(r["state"] for r in records) == ["active", "active", "next", "next"]


def test_records_are_keys(here, tmp_path):
    for r in here.json("key", "roll", "--dkim", "example.org"):
        tags = dict(t.strip().split("=", 1) for t in r["text"].split(";"))
        key = base64.b64decode(tags["p"], validate=True)
        assert tags["v"] == "DKIM1" and tags["h"] == "sha256"
        if tags["k"] == "ed25519":
            assert len(key) == 32
            continue
        (tmp_path / "key").write_bytes(key)
        text = subprocess.run(["openssl", "pkey", "-pubin", "-inform", "DER", "-in", tmp_path / "key", "-noout", "-text"],
                              capture_output=True, text=True, check=True).stdout
        assert "(2048 bit)" in text
    # In a zone file, no string is longer than 255 bytes.
    text = here.run("key", "roll", "--dkim").stdout
    assert max(map(len, text.split('"')[1::2])) == 255


def test_private_keys_stay_where_they_are(here):
    here.run("key", "roll", "--dkim")
    here.run("key", "roll", "--dkim", "--switch", "--force")
    for command in ("key list", "domain list", "domain show example.org", "doctor"):
        here.run(*command.split(), check=False)
        here.run(*command.split(), "--json", check=False)
    private = [line for (pem,) in here.sql("SELECT pem FROM dkim_key") for line in pem.splitlines()
               if not line.startswith("---")]
    assert len(private) > 50
    assert not [line for line in private if line in here.printed]
    assert stat.S_IMODE(os.stat(here.data / "directory.db").st_mode) == 0o600


def test_a_domain_of_before_gets_its_first_pair(here):
    here.sql("DELETE FROM dkim_key")
    assert "example.org has no DKIM keys" in here.run("doctor", check=False).stdout
    here.run("key", "roll", "--dkim")
    assert here.states() == pair("active")


def test_a_damaged_key_is_found(here):
    assert "is damaged" not in here.run("doctor", check=False).stdout
    here.sql("UPDATE dkim_key SET pem = 'x' WHERE ed25519 = 1")
    assert "e of example.org is damaged" in here.run("doctor", check=False).stdout


def test_wrong_words(here):
    assert here.run("key", "roll", "example.org", check=False).returncode == 2, "domains have no TLS keys"
    r = here.run("key", "roll", check=False)
    assert r.returncode == 1 and "tls.certificate names none" in r.stderr
    for args in (["key", "roll", "--dkim", "else.example"], ["key", "list", "else.example"], ["key", "list", "no domain"]):
        r = here.run(*args, check=False)
        assert r.returncode == 1 and "not one of our domains" in r.stderr
