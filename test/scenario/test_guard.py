"""Lockout, states, passwords, and what is not there (POP3)."""
import imaplib
import json
import smtplib
import socket
import time

import pytest

from conftest import PASSWORD, Demo, message


def imap_from(demo, source, password, user="anna"):
    class From(imaplib.IMAP4_SSL):
        def _create_socket(self, timeout):
            s = socket.create_connection(("127.0.0.1", self.port), 20, source_address=(source, 0))
            return self.ssl_context.wrap_socket(s, server_hostname="localhost")
    i = From("localhost", demo.port("imaps"), ssl_context=demo.tls())
    i.login(f"{user}@example.org", password)
    return i


def submission_from(demo, source, password):
    s = smtplib.SMTP("127.0.0.1", demo.port("submission"), timeout=20, source_address=(source, 0),
                     local_hostname="client.test")
    s.starttls(context=demo.tls(check_hostname=False))
    s.login("anna@example.org", password)
    return s


def refused(f, *args):
    with pytest.raises((imaplib.IMAP4.error, smtplib.SMTPException, OSError)):
        f(*args)


def test_fifth_wrong_password_closes_all_services(fresh_demo):
    d = fresh_demo(trust=())
    for k in range(4):
        refused(imap_from if k % 2 else submission_from, d, "127.0.0.5", f"falsch-{k}")
    imap_from(d, "127.0.0.5", PASSWORD).logout()
    refused(submission_from, d, "127.0.0.5", "falsch-5")
    refused(imap_from, d, "127.0.0.5", PASSWORD)
    refused(submission_from, d, "127.0.0.5", PASSWORD)
    imap_from(d, "127.0.0.6", PASSWORD).logout()

    bans = json.dumps(json.loads(d.command("ban", "list", "--json").stdout))
    assert "127.0.0.5" in bans
    why = d.command("ban", "why", "127.0.0.5").stdout
    assert "anna@example.org" in why and "imap" in why and "falsch" not in why

    d.stop()
    d.start()
    refused(imap_from, d, "127.0.0.5", PASSWORD)
    d.command("ban", "lift", "127.0.0.5")
    end = time.time() + 5
    while True:
        try:
            imap_from(d, "127.0.0.5", PASSWORD).logout()
            break
        except Exception:
            assert time.time() < end, "lifted, and still locked out"
            time.sleep(0.1)


def test_trusted_networks_are_exempt(fresh_demo):
    d = fresh_demo(trust=("127.0.0.8/32",))
    for k in range(8):
        refused(imap_from, d, "127.0.0.8", f"falsch-{k}")
    imap_from(d, "127.0.0.8", PASSWORD).logout()


def test_survives_kill(fresh_demo):
    d = fresh_demo(trust=())
    for k in range(5):
        refused(imap_from, d, "127.0.0.9", f"falsch-{k}")
    d.kill_all()
    d.start()
    refused(imap_from, d, "127.0.0.9", PASSWORD)


def test_unknown_and_known_take_alike(fresh_demo):
    d = fresh_demo()
    times = {"anna": [], "niemand": []}
    for k in range(6):
        for user in times:
            i = d.imap(login=False)
            t = time.monotonic()
            refused(i.login, f"{user}@example.org", f"falsch-{k}-{user}")
            times[user].append(time.monotonic() - t)
            i.shutdown()
    known, unknown = sorted(times["anna"])[2], sorted(times["niemand"])[2]
    assert 0.5 < known / unknown < 2, times


def test_suspend_ends_live_sessions(fresh_demo):
    d = fresh_demo()
    i = d.imap("ben")
    d.command("account", "suspend", "ben@example.org")
    with pytest.raises((imaplib.IMAP4.abort, imaplib.IMAP4.error, OSError)):
        for _ in range(30):
            i.noop()
            time.sleep(0.1)
        pytest.fail("the session of a suspended account lives on")
    refused(d.imap, "ben")
    d.command("account", "resume", "ben@example.org")
    d.imap("ben").logout()


def test_password_change(fresh_demo):
    d = fresh_demo()
    r = d.command("account", "passwd", "anna@example.org", "--password-fd", "0", input="kurz\n", check=False)
    assert r.returncode == 1 and "8" in r.stderr
    d.command("account", "passwd", "anna@example.org", "--password-fd", "0", input="Neu-und-lang-1\n")
    refused(d.imap, "anna")
    d.imap("anna", "Neu-und-lang-1").logout()
    dump = b"".join(p.read_bytes() for p in d.dir.rglob("*") if p.is_file())
    assert b"Neu-und-lang-1" not in dump and PASSWORD.encode() not in dump
    assert b"Neu-und-lang-1" not in d.log.read_bytes()


def test_imported_hash_is_replaced(fresh_demo):
    import subprocess
    d = fresh_demo()
    h = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input="Altes-Passwort-9\n", text=True,
                       capture_output=True, check=True).stdout.strip()
    d.command("account", "import-hash", "ben@example.org", "--hash-fd", "0", input=h + "\n")
    d.imap("ben", "Altes-Passwort-9").logout()
    d.stop()
    dump = b"".join(p.read_bytes() for p in d.dir.rglob("directory.db*"))
    assert b"$argon2id$" in dump
    assert h.encode() not in dump


def test_no_pop3(demo):
    for port in (110, 995):
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", demo.base + port), 2)
    listening = {int(l.split()[1].split(":")[1], 16) for f in ("/proc/net/tcp", "/proc/net/tcp6")
                 for l in open(f).readlines()[1:] if l.split()[3] == "0A"}
    assert demo.base + 110 not in listening and demo.base + 995 not in listening
