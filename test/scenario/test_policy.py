"""`depesche queue policy`: what is demanded of a destination, without a server; and `depesche dns reports`."""
import json
import os
import pathlib
import socket
import sqlite3
import subprocess
import time

import pytest

from conftest import DEPESCHE, ROOT

REPORTS = ROOT / "test" / "data" / "tlsrpt"


class Installation:
    def __init__(self, folder, sending="", forwarder=9):
        self.data = folder / "data"
        self.data.mkdir(mode=0o700)
        self.config = folder / "depesche.conf"
        self.config.write_text(f"[server]\nhost = mail.example.org\ndata = {self.data}\nrun = {folder}/run\n"
                               "edge_user = 65534\n"
                               f"[sending]\n{sending}\n"
                               # Nobody answers there: nothing asks the real DNS.
                               f"[dns]\nforwarder = 127.0.0.1@{forwarder}\nknown_good =\nknown_bad =\ntimeout = 1s\n")

    def run(self, *args, code=0):
        r = subprocess.run([DEPESCHE, "queue", "policy", *args, "--config", self.config], capture_output=True,
                           text=True, timeout=90)
        assert r.returncode == code, r
        return r

    def json(self, *args):
        return json.loads(self.run(*args, "--json").stdout)

    def remember(self, domain, best, tls_at=0):
        with sqlite3.connect(self.data / "policy.db") as db:
            db.execute("INSERT INTO ratchet VALUES (?, ?, ?, ?)", (domain, best, tls_at, tls_at))


@pytest.fixture
def here(tmp_path):
    return Installation(tmp_path)


def test_who_looks_has_nothing_in_reach(tmp_path):
    """The child that reads from the network: another user, without rights, keys or files."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        here = Installation(tmp_path, forwarder=deaf.getsockname()[1])
        command = subprocess.Popen([DEPESCHE, "queue", "policy", "a.example", "--config", here.config],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deaf.settimeout(30)
        deaf.recv(2000)  # it has asked, so it is where it stays
        [child] = pathlib.Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text().split()
        status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{child}/status").read_text().splitlines()
                      if ":\t" in line)
        out, err = command.communicate(timeout=60)
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == ("0" if "sandbox.no_filter" in err else "2")
    assert int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0 or os.getuid() != 0
    if os.getuid() == 0:
        assert status["Uid"].split() == ["65534"] * 4 and status["Groups"].strip() == ""
    assert not pathlib.Path(f"/proc/{child}").exists(), "it ends with the command"


def test_the_list_and_a_line_of_ones_own(here):
    p = here.json("t-online.de", "--no-lookup")
    assert (p["demand"], p["because"], p["mx_names"]) == ("verify", "list", "*.t-online.de")
    assert p["list"] == "verify" and "looked up" in p["list_remark"] and p["operator"] is None
    p = here.json("T-Online.de", "--level", "dane")
    assert (p["demand"], p["because"], p["operator"]) == ("dane", "operator", "dane")
    p = here.json("t-online.de", "--lift")
    assert (p["demand"], p["because"], p["list"]) == ("nothing", "operator", "verify")
    assert [l["from"] for l in here.json() if l["domain"] == "t-online.de"] == ["operator"]
    assert here.json("t-online.de", "--default")["because"] == "list"
    assert "no line of yours" in here.run("t-online.de", "--default", code=1).stderr
    p = here.json("a.example", "--level", "verify", "--mx", "*.MX.example b.example")
    assert (p["demand"], p["mx_names"]) == ("verify", "*.mx.example b.example")
    assert here.json()[0]["domain"] == "a.example"


def test_what_was_reached_stays_until_the_operator_says_so(here):
    here.json()
    here.remember("a.example", best=5, tls_at=int(time.time()))
    p = here.json("a.example", "--no-lookup")
    assert (p["demand"], p["because"], p["reached"]) == ("dane", "ratchet", "dane")
    p = here.json("a.example", "--lift")
    assert p["demand"] == "dane", "a line does not lift what was reached"
    assert "--allow-weaker" in here.run("a.example", "--no-lookup").stdout
    p = here.json("a.example", "--allow-weaker")
    assert (p["demand"], p["reached"]) == ("nothing", None)
    assert here.run("a.example", "--allow-weaker", code=1).stderr.startswith("depesche: nothing is remembered")


def test_a_list_of_ones_own(tmp_path):
    mine = tmp_path / "list"
    mine.write_text("# mine\na.example dane\n")
    i = Installation(tmp_path, f"providers = {mine}\nclear_text = no")
    assert [l["domain"] for l in i.json()] == ["a.example"]
    p = i.json("t-online.de", "--no-lookup")
    assert (p["demand"], p["because"]) == ("encrypt", "setting")
    mine.write_text("a.example dan\n")
    assert 'line 1: "dan": not a domain' in i.run(code=1).stderr


def test_the_dns_is_asked_in_bounded_time(here):
    begin = time.time()
    p = here.json("a.example")
    assert time.time() - begin < 60
    assert p["problem"] and p["mx"] == [] and p["mx_secure"] is False


@pytest.mark.parametrize("args", [
    ("a..b", "--lift"), ("--lift",), ("a.example", "--level", "none"), ("a.example", "--level", "dane", "--lift"),
    ("a.example", "--mx", "b.example"), ("a.example", "--level", "dane", "--mx", "b.example"),
    ("a.example", "--level", "verify", "--mx", "*.*.example"),
])
def test_what_is_no_wish_is_refused(here, args):
    assert here.run(*args, code=2).stderr.startswith("depesche: ")
    assert not (here.data / "policy.db").exists() or all(l["from"] == "list" for l in here.json())


def test_reports_are_found_and_shown_once(fresh_demo):
    demo = fresh_demo()
    assert demo.command("dns", "reports").stdout == "No reports.\n"
    assert demo.command("queue", "list").stdout == "Nothing waits.\n"
    assert json.loads(demo.command("queue", "list", "--json").stdout) == []
    texts = [(REPORTS / name).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
             for name in ("rpt01.eml", "rpt02.eml")]
    texts += [texts[0], b"From: x@y.example\r\nContent-Type: application/tlsrpt+gzip\r\n\r\nno\x1b[2J\r\n"]
    with demo.smtp() as s:
        for text in texts:
            s.sendmail("reports@sender.example", ["postmaster@example.org"], text)
    end = time.time() + 20
    rows = []
    while len(rows) < 2 and time.time() < end:
        r = demo.command("dns", "reports", "--json")
        rows = json.loads(r.stdout)
        time.sleep(0.1)
    assert [(r["reporter"], r["ok"], r["failed"]) for r in rows][0] == ("Company-X", 5326, 303)
    assert rows[0]["why"][0] == "certificate-expired 100 at mx1.mail.company-y.example"
    assert sum(r["reporter"] == "Company-X" for r in rows) == 1, "twice in the mailbox, once in the table"
    assert any(r["reporter"] == "Google Inc." for r in rows)
    assert "1 more cannot be read" in r.stderr
    assert demo.command("dns", "reports", "--days", "0", check=False).returncode == 2
