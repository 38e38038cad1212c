"""The house's processes: who survives whom, what a role can do, graceful stop, reload, and the ports."""
import imaplib
import json
import os
import pathlib
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import pytest
from conftest import DEPESCHE, PASSWORD, ROOT, Demo, answers, free_base, message, wait_for

SUPERVISOR_UP = "supervisor.ready"


def roles(d):
    """pid of each role, by the supervisor's own log lines; the newest counts."""
    found = {}
    for line in d.log.read_text(errors="replace").splitlines():
        if m := re.search(r"supervisor\.started role=(\w+) pid=(\d+)", line):
            found[m[1]] = int(m[2])
    return found


def ready_count(d, role):
    return d.log.read_text(errors="replace").count(f"supervisor.role_ready role={role}")


def status(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {k: v.strip() for k, v in (line.split(":", 1) for line in lines)}


def subjects(d, user="anna"):
    i = d.imap(user)
    i.select("INBOX", readonly=True)
    _, data = i.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])") if i.untagged_responses.get(
        "EXISTS", [b"0"])[-1] != b"0" else (None, [])
    i.logout()
    return [re.sub(rb"(?i)^subject: *", b"", part[1].strip()).decode() for part in data
            if isinstance(part, tuple)]


class Load(threading.Thread):
    """Sends numbered messages until told to end; remembers which were acknowledged."""

    def __init__(self, d, name):
        super().__init__()
        self.d, self.tag, self.acknowledged, self.over = d, name, [], threading.Event()

    def run(self):
        n = 0
        while not self.over.is_set():
            try:
                with self.d.smtp(timeout=10) as s:
                    for _ in range(5):
                        n += 1
                        subject = f"{self.tag}-{n}"
                        s.sendmail("friend@sender.example", ["anna@example.org"], message(subject))
                        self.acknowledged.append(subject)
            except (OSError, smtplib.SMTPException, EOFError):
                time.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
@pytest.mark.parametrize("role", ["edge", "mail"])
def test_a_role_dies_under_load(fresh_demo, role, how):
    d = fresh_demo()
    loads = [Load(d, f"m{k}") for k in range(3)]
    for load in loads:
        load.start()
    other = {"edge": "mail", "mail": "edge"}[role]
    for _ in range(3):
        before = [len(load.acknowledged) for load in loads]
        wait_for(lambda: sum(len(x.acknowledged) for x in loads) > sum(before) + 10, 20, "load")
        pids, count = roles(d), ready_count(d, role)
        os.kill(pids[role], how)
        # The other goes on at once, while this one is away.
        if other == "mail":
            i = d.imap()
            i.select("INBOX")
            i.logout()
        else:
            with d.smtp() as s:
                assert s.noop()[0] == 250
        wait_for(lambda: ready_count(d, role) > count, 20, f"{role} again")
        assert roles(d)[other] == pids[other], "the survivor was restarted"
    counts = [len(load.acknowledged) for load in loads]
    wait_for(lambda: all(len(x.acknowledged) > c for x, c in zip(loads, counts)), 30, "mail flows again")
    for load in loads:
        load.over.set()
    for load in loads:
        load.join(30)
    kept = set(subjects(d))
    lost = [s for load in loads for s in load.acknowledged if s not in kept]
    assert not lost, f"{len(lost)} acknowledged messages are gone: {lost[:5]}"


def test_mail_away_means_later(fresh_demo):
    """While `mail` is stopped the senders are told to come back, in time, and nothing is taken."""
    d = fresh_demo()
    pid = roles(d)["mail"]
    os.kill(pid, signal.SIGKILL)
    with d.smtp() as s:
        code = 0
        try:
            s.sendmail("friend@sender.example", ["anna@example.org"], message("away"))
            code = 250
        except smtplib.SMTPRecipientsRefused as e:
            code = list(e.recipients.values())[0][0]
        except (smtplib.SMTPResponseException, smtplib.SMTPServerDisconnected) as e:
            code = getattr(e, "smtp_code", 421)
    assert code in (250, 421, 451), code
    wait_for(lambda: roles(d)["mail"] != pid and ready_count(d, "mail") > 1, 20, "mail again")
    assert ("away" in subjects(d)) == (code == 250)


def test_a_role_that_is_told_to_end_is_replaced(fresh_demo):
    d = fresh_demo()
    pid = roles(d)["mail"]
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: ready_count(d, "mail") > 1, 20, "mail again")
    assert f"supervisor.ended role=mail pid={pid} exit=0" in d.tail()
    with d.smtp() as s:
        s.sendmail("friend@sender.example", ["anna@example.org"], message("after"))
    assert subjects(d) == ["after"]


def test_confinement(demo):
    for role, pid in roles(demo).items():
        s = status(pid)
        assert s["NoNewPrivs"] == "1", role
        assert s["Seccomp"] == "2", role
        for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert int(s[name], 16) == 0, (role, name)
        assert pathlib.Path(f"/proc/{pid}/limits").read_text().split("Max core file size")[1].split()[0] == "0"
        if os.geteuid() == 0:
            # Nothing of the other role's, no key file, no store file in edge.
            names = [os.readlink(f) for f in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
            files = [n for n in names if n.startswith("/") and not n.startswith(("/dev/", "/memfd"))
                     and n != str(demo.log)]
            data = str(demo.dir / "data")
            if role == "edge":
                assert files == [], files
            else:
                assert all(f.startswith(data) for f in files), files


def test_at_rest_it_is_small(fresh_demo):
    if os.geteuid() != 0:
        pytest.skip("only root may look at a role's memory")
    d = fresh_demo()
    total = 0
    for pid in (d.process.pid, *roles(d).values()):
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])
    assert total <= 32 * 1024, f"{total} KiB"


def test_ports(demo):
    """Only the services listen: no POP3 (110, 995), and nothing on other addresses."""
    inodes = set()
    for pid in (demo.process.pid, *roles(demo).values()):
        if os.geteuid() == 0 or pid == demo.process.pid:
            for f in pathlib.Path(f"/proc/{pid}/fd").iterdir():
                if m := re.match(r"socket:\[(\d+)\]", os.readlink(f)):
                    inodes.add(m[1])
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, port = fields[1].rsplit(":", 1)
                ports.add(int(port, 16))
                assert address in ("0100007F", "0" * 24 + "01000000"), address
    assert ports == {demo.base + n for n in (25, 80, 143, 443, 465, 587, 993)}
    assert not ports & {110, 995, demo.base + 110, demo.base + 995}
    for offset in (110, 995):
        with socket.socket() as s:
            assert s.connect_ex(("127.0.0.1", demo.base + offset)) != 0
    # A real machine's defaults have them neither.
    r = subprocess.run([DEPESCHE, "help", "config"], capture_output=True, text=True, check=True)
    assert not re.search(r"pop|\b110\b|\b995\b", r.stdout, re.I)


def test_graceful_stop_finishes_what_is_in_flight(fresh_demo):
    d = fresh_demo()
    idle = d.imap()
    idle.select("INBOX")
    s = d.smtp()
    s.ehlo()
    s.mail("friend@sender.example")
    s.rcpt("anna@example.org")
    s.putcmd("data")
    assert s.getreply()[0] == 354
    s.send(b"Subject: in flight\r\n\r\nfirst half\r\n")
    d.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    s.send(b"second half\r\n.\r\n")
    code, text = s.getreply()
    assert code in (250, 421), (code, text)
    # The idle session is told.
    with pytest.raises((imaplib.IMAP4.abort, OSError)):
        for _ in range(20):
            idle.noop()
            time.sleep(0.1)
    assert d.process.wait(30) == 0, d.tail()
    d.stop()
    d.start()
    assert subjects(d) == (["in flight"] if code == 250 else [])


def test_a_second_demo_goes_on(fresh_demo):
    d = fresh_demo()
    with d.smtp() as s:
        s.sendmail("friend@sender.example", ["anna@example.org"], message("kept"))
    ca = (d.dir / "ca.pem").read_bytes()
    assert d.stop() == 0, d.tail()
    d.start()
    assert (d.dir / "ca.pem").read_bytes() == ca
    assert subjects(d) == ["kept"]
    # Nobody takes the folder of a running one, and its configuration stays.
    config = d.config.read_text()
    for more in ((), ("--ports", str(free_base())), ("--trust", "192.0.2.0/24")):
        other = subprocess.run([DEPESCHE, "demo", "--dir", str(d.dir), *more], capture_output=True,
                               text=True, timeout=30)
        assert other.returncode == 1 and "a server runs in" in other.stderr, other
        assert d.config.read_text() == config
    # A new trust leaves the ports as they were, new ports the trust.
    assert d.stop() == 0, d.tail()
    base, d.base = d.base, free_base()
    for args, at in ((("--trust", "192.0.2.0/24"), base), (("--ports", str(d.base)), d.base)):
        d.spawn([DEPESCHE, "demo", "--dir", str(d.dir), *args])
        wait_for(lambda: answers(at + 993), 20, f"port {at + 993}")
        assert "trusted = 192.0.2.0/24" in d.config.read_text()
        assert d.stop() == 0, d.tail()


def test_two_servers_want_the_same_ports(fresh_demo, tmp_path):
    d = fresh_demo()
    other = subprocess.run([DEPESCHE, "demo", "--dir", str(tmp_path / "other"), "--ports",
                            str(d.base)], capture_output=True, text=True, timeout=30)
    assert other.returncode == 1 and "another Depesche" in other.stderr
    # Said before a password is: it would be lost.
    assert other.stdout == "", other
    assert not (tmp_path / "other" / "data").exists()


def presented(d):
    c = ssl.create_default_context()
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    serials = []
    for service, start in (("imaps", None), ("submissions", None), ("smtp", "smtp")):
        if start:
            with d.smtp() as s:
                s.starttls(context=c)
                serials.append(s.sock.getpeercert(True))
        else:
            with socket.create_connection(("127.0.0.1", d.port(service)), 10) as raw:
                with c.wrap_socket(raw) as t:
                    serials.append(t.getpeercert(True))
    assert len(set(serials)) == 1, "the services show different certificates"
    return serials[0]


def new_certificate(d, name="localhost"):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "30", "-subj", f"/CN={name}", "-addext",
                    f"subjectAltName=DNS:{name}", "-keyout", str(d.dir / "server.key"), "-out",
                    str(d.dir / "server.pem")], check=True, capture_output=True)


def test_reload_swaps_certificates(fresh_demo):
    d = fresh_demo()
    before = presented(d)
    session = d.imap()
    pids = roles(d)
    new_certificate(d)
    d.process.send_signal(signal.SIGHUP)
    wait_for(lambda: d.tail().count("tls.reloaded") == 2, 10, "both roles reloaded")
    assert presented(d) != before
    assert session.noop()[0] == "OK", "the connection did not survive"
    assert roles(d) == pids, "a role was restarted"
    # A broken one is refused, and the good one stays.
    good = presented(d)
    (d.dir / "server.pem").write_text("not a certificate\n")
    d.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "reload.refused" in d.tail(), 10, "the refusal")
    assert presented(d) == good
    assert session.noop()[0] == "OK"


def test_reload_applies_settings(fresh_demo):
    """A changed setting restarts the roles; the ports stay open, so no client is refused."""
    d = fresh_demo()
    text = d.config.read_text()
    d.config.write_text(text + "\n[limits]\nmessage_size = 1M\n")
    refused, over = [], threading.Event()

    def knock():
        while not over.is_set():
            with socket.socket() as s:
                s.settimeout(10)
                if s.connect_ex(("127.0.0.1", d.port("imap"))):
                    refused.append(1)
            time.sleep(0.01)

    knocking = threading.Thread(target=knock)
    knocking.start()
    d.process.send_signal(signal.SIGHUP)
    wait_for(lambda: ready_count(d, "mail") == 2 and ready_count(d, "edge") == 2, 20, "new roles")
    over.set()
    knocking.join()
    assert not refused
    with d.smtp() as s:
        s.ehlo()
        assert s.esmtp_features["size"] == str(1024 * 1024)
    # Wrong configuration: said with its line, and everybody goes on.
    d.config.write_text(text + "\n[limits]\nmesage_size = 1M\n")
    d.process.send_signal(signal.SIGHUP)
    line = len(text.splitlines()) + 3
    wait_for(lambda: f"depesche.conf:{line}: unknown setting 'mesage_size'" in d.tail(), 10, "the refusal")
    with d.smtp() as s:
        assert s.noop()[0] == 250


def test_wrong_configuration_is_explained(tmp_path):
    conf = tmp_path / "depesche.conf"
    for text, says in (("[sever]\n", "did you mean [server]?"),
                       ("[listen]\nsmpt = 25\n", "did you mean 'smtp'?"),
                       ("[log]\nlevel = loud\n", "expected one of: debug info warning error")):
        conf.write_text(text)
        for command in ("check", "serve"):
            r = subprocess.run([DEPESCHE, command, "--config", str(conf)], capture_output=True, text=True,
                               timeout=20)
            assert r.returncode == 1 and says in r.stderr, (command, r.stderr)
            assert len(r.stderr.splitlines()) == 1


def greetings(d, service, n):
    """The first line on each of n connections that are open at once."""
    sockets, lines = [], []
    try:
        for _ in range(n):
            s = socket.create_connection(("127.0.0.1", d.port(service)), 10)
            sockets.append(s)
            lines.append(s.makefile("rb").readline())
    finally:
        for s in sockets:
            s.close()
    return lines


def test_connections_of_an_address(fresh_demo):
    """The limit counts everybody's; on users' ports not a trusted webmail host's."""
    strict = fresh_demo("strict", trust=())
    lines = greetings(strict, "imap", 52)
    assert all(line.startswith(b"* OK") for line in lines[:50]), lines
    assert all(not line.startswith(b"* OK") for line in lines[50:]), lines[50:]
    lines = greetings(strict, "smtp", 51)
    assert lines[49].startswith(b"220") and not lines[50].startswith(b"220")
    trusting = fresh_demo("trusting")
    assert all(line.startswith(b"* OK") for line in greetings(trusting, "imap", 60))


# --- Commands beside the running server ---

def with_password(d, *args, password):
    r, w = os.pipe()
    os.write(w, password.encode() + b"\n")
    os.close(w)
    try:
        return d.command(*args, "--password-fd", str(r), check=False, pass_fds=[r])
    finally:
        os.close(r)


def test_account_life(fresh_demo):
    d = fresh_demo()
    assert with_password(d, "account", "add", "carla@example.org", "--name", "Carla",
                         password="short").returncode == 1
    r = with_password(d, "account", "add", "carla@example.org", "--name", "Carla", password="Garten-1908")
    assert r.returncode == 0, r.stderr
    assert with_password(d, "account", "add", "carla@example.org", password="Garten-1908").returncode == 1
    with d.smtp() as s:
        s.sendmail("friend@sender.example", ["carla@example.org"], message("one"))
    i = d.imap("carla", "Garten-1908")
    i.logout()
    shown = json.loads(d.command("account", "show", "carla@example.org", "--json").stdout)
    assert shown["messages"] == 1 and shown["name"] == "Carla" and shown["state"] == "active"
    d.command("account", "suspend", "carla@example.org", "--closed")
    with d.smtp() as s:
        s.ehlo()
        s.mail("friend@sender.example")
        # The serving process hears of it some milliseconds later.
        wait_for(lambda: s.rcpt("carla@example.org")[0] == 550, 2, "the suspension")
    d.command("account", "resume", "carla@example.org")
    d.command("account", "quota", "carla@example.org", "2G")
    assert json.loads(d.command("account", "show", "carla@example.org", "--json").stdout)["quota"] == 2 << 30
    r = with_password(d, "account", "passwd", "carla@example.org", password="Zweite-1909")
    assert r.returncode == 0, r.stderr
    d.imap("carla", "Zweite-1909").logout()
    d.command("account", "remove", "carla@example.org", "--yes")
    assert "carla" not in d.command("account", "list").stdout
    with d.smtp() as s:
        s.ehlo()
        s.mail("friend@sender.example")
        wait_for(lambda: s.rcpt("carla@example.org")[0] == 550, 2, "the removal")


def test_passwords_never_come_from_arguments():
    for command in (["account", "add"], ["account", "passwd"], ["setup"]):
        r = subprocess.run([DEPESCHE, "help", *command], capture_output=True, text=True, check=True)
        assert "--password-fd" in r.stdout and "--password " not in r.stdout


def test_domains_and_aliases(fresh_demo):
    d = fresh_demo()
    d.command("domain", "add", "example.net")
    d.command("domain", "alias", "example.com", "example.org")
    d.command("domain", "catch-all", "example.net", "ben@example.org")
    d.command("alias", "add", "info@example.org", "anna@example.org", "ben@example.org")
    time.sleep(0.3)  # the serving process hears of it some milliseconds later
    with d.smtp() as s:
        s.sendmail("friend@sender.example", ["anna@example.com"], message("alias domain"))
        s.sendmail("friend@sender.example", ["anybody@example.net"], message("catch-all"))
        s.sendmail("friend@sender.example", ["info@example.org"], message("alias"))
    assert sorted(subjects(d)) == ["alias", "alias domain"]
    assert sorted(subjects(d, "ben")) == ["alias", "catch-all"]
    names = {x["domain"]: x for x in json.loads(d.command("domain", "list", "--json").stdout)}
    assert names["example.com"]["alias_of"] == "example.org"
    assert names["example.net"]["catch_all"] == "ben@example.org"
    assert d.command("domain", "remove", "example.org", check=False).returncode == 1
    d.command("domain", "remove", "example.com")
    d.command("alias", "remove", "info@example.org")
    for args, says in ((("alias", "add", "info@nowhere.example", "anna@example.org"), "domain of"),
                       (("alias", "remove", "info@example.org"), "no such alias"),
                       (("account", "name", "anna@example.org", "two\nlines"), "of one line")):
        r = d.command(*args, check=False)
        assert r.returncode == 1 and says in r.stderr, r
    assert d.command("domain", "show", "example.com", check=False).returncode == 1


def test_doctor(fresh_demo):
    d = fresh_demo()
    with d.smtp() as s:
        s.sendmail("friend@sender.example", ["anna@example.org"], message("one"))
    rows = json.loads(d.command("doctor", "--json").stdout)
    assert {r["what"] for r in rows} >= {"certificate", "permissions", "server", "ports", "directory",
                                         "guard", "store"}
    assert {r["state"] for r in rows} == {"ok"}, rows
    os.chmod(d.dir / "data", 0o755)
    r = d.command("doctor", check=False)
    assert r.returncode == 1 and "open to others" in r.stdout
    d.command("doctor", "--repair")
    assert os.stat(d.dir / "data").st_mode & 0o77 == 0
    d.stop()
    assert "does not run" in d.command("doctor").stdout
    d.command("doctor", "--repair")


def test_queue_show(fresh_demo):
    d = fresh_demo()
    with d.submission() as s:
        s.sendmail("anna@example.org", ["carla@remote.test"],
                   message("Grüße", sender="anna@example.org", to="carla@remote.test"))
    entry, = json.loads(d.command("queue", "list", "--json").stdout)
    shown = json.loads(d.command("queue", "show", entry["id"], "--json").stdout)
    assert shown["recipients"] == ["carla@remote.test"]
    assert any(line.startswith("Received: ") for line in shown["header"]) and all(shown["header"])
    assert {"To: <carla@remote.test>", "Subject: Grüße"} <= set(shown["header"])
    text = d.command("queue", "show", entry["id"]).stdout
    assert "To: <carla@remote.test>" in text.splitlines()
    assert not any(line.startswith("header ") for line in text.splitlines())


def test_wrong_usage():
    def run(*args):
        return subprocess.run([DEPESCHE, *args], capture_output=True, text=True, timeout=20)

    for args, says in ((("acount", "list"), "did you mean 'account'?"),
                       (("account", "lits"), "did you mean 'account list'?"),
                       (("acount", "--help"), "did you mean 'account'?"),
                       (("help", "account", "lits"), "did you mean 'account list'?"),
                       (("help", "demo", "lits"), "unknown command 'demo lits'"),
                       (("frobnicate", "--help"), "`depesche help` lists the commands"),
                       (("account", "add"), "usage: depesche account add ADDRESS"),
                       (("account", "add", "a@b.example", "--nmae", "x"), "did you mean '--name'?"),
                       (("account",), "a verb is missing"),
                       (("ban", "lift", "nobody"), "expected an IP address"),
                       (("demo", "--ports", "many"), "expected a number")):
        r = run(*args)
        assert r.returncode == 2, (args, r)
        assert says in r.stderr and len(r.stderr.splitlines()) == 1, r.stderr
    for word in ("account", "doctor"):
        r = run(word, "--help")
        assert r.returncode == 0 and f"depesche {word}" in r.stdout, r
    r = run("account", "list", "--config", "/nonexistent/depesche.conf")
    assert r.returncode == 1 and "depesche setup" in r.stderr


def test_demo_refuses_wrong_trust(tmp_path):
    d = tmp_path / "d"
    r = subprocess.run([DEPESCHE, "demo", "--dir", str(d), "--trust", "192.0.2.1/24"],
                       capture_output=True, text=True, timeout=20)
    assert r.returncode == 1 and "expected networks" in r.stderr, r
    assert not (d / "depesche.conf").exists()


def test_what_is_printed_from_the_tables(tmp_path):
    def run(*args):
        return subprocess.run([DEPESCHE, *args], capture_output=True, text=True, check=True).stdout

    overview = run("help")
    for noun in ("demo", "serve", "check", "setup", "domain", "account", "alias", "ban", "key", "queue",
                 "doctor"):
        assert f"depesche {noun}" in overview
    completion = tmp_path / "completion"
    completion.write_text(run("help", "completion"))
    script = f"""source {completion}
        complete_words() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _depesche; echo "${{COMPREPLY[*]}}"; }}
        complete_words depesche acc
        complete_words depesche account su
        complete_words depesche account suspend a@b.example --no
        complete_words depesche doctor --re
        complete_words depesche help doc"""
    r = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert r.stdout.splitlines() == ["account", "suspend", "--no-send --no-login", "--repair",
                                     "doctor"], r
    sample = tmp_path / "sample.conf"
    sample.write_text(run("help", "config"))
    r = subprocess.run([DEPESCHE, "check", "--config", str(sample)], capture_output=True, text=True)
    assert "tls.certificate is missing" in r.stderr  # everything else of it is good
    for page in ("man", "man-config"):
        text = run("help", page)
        assert text.startswith(".TH ")
        if shutil.which("groff"):
            g = subprocess.run(["groff", "-man", "-Tutf8", "-ww"], input=text, capture_output=True,
                               text=True)
            assert g.stderr == "", g.stderr


def test_setup_below_a_root(tmp_path):
    root = tmp_path / "root"
    r, w = os.pipe()
    os.write(w, b"Erstes-Haus-7\n")
    os.close(w)
    args = [DEPESCHE, "setup", "--root", str(root), "--host", "mail.example.org", "--account",
            "erna@example.org"]
    first = subprocess.run([*args, "--password-fd", str(r)], pass_fds=[r], capture_output=True,
                           text=True, timeout=60)
    os.close(r)
    assert first.returncode == 0, first.stderr
    for path, mode in (("etc/depesche/depesche.conf", 0o644), ("etc/depesche/tls", 0o700),
                       ("etc/depesche/tls/server.key", 0o600), ("var/lib/depesche", 0o700),
                       ("var/lib/depesche/directory.db", 0o600),
                       ("etc/systemd/system/depesche.service", 0o644)):
        assert os.stat(root / path).st_mode & 0o777 == mode, path
    for words in ("MX   10 mail.example.org.", "self-signed", "systemctl enable --now depesche"):
        assert words in first.stdout
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file() and p.suffix != ".db"}
    second = subprocess.run(args, capture_output=True, text=True, timeout=60)
    assert second.returncode == 0, second.stderr
    assert second.stdout.count("(was there)") >= 6
    assert before == {p: p.read_bytes() for p in root.rglob("*") if p.is_file() and p.suffix != ".db"}
    for args, says in ((["--host", "mail"], "expected a full host name"),
                       (["--host", "mail.example.org", "--account", "erna"], "expected an address")):
        r = subprocess.run([DEPESCHE, "setup", "--root", str(root), *args], capture_output=True,
                           text=True, stdin=subprocess.DEVNULL, start_new_session=True, timeout=20)
        assert r.returncode == 1 and says in r.stderr, r.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_demo_as_a_plain_user():
    """Without root the roles run under one uid, and it says so; the walls stand all the same."""
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run([*user, DEPESCHE, "version"], capture_output=True).returncode:
        pytest.skip("another user cannot run the program where it is")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o777)
        d = Demo(pathlib.Path(folder) / "d", wrap=user)
        d.start()
        try:
            assert "supervisor.one_user" in d.tail(100000)
            for pid in roles(d).values():
                s = status(pid)
                assert s["Uid"].split() == ["65534"] * 4
                assert s["NoNewPrivs"] == "1" and s["Seccomp"] == "2"
            with d.smtp() as s:
                s.sendmail("friend@sender.example", ["anna@example.org"], message("plain"))
            assert subjects(d) == ["plain"]
        finally:
            d.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="the firewall needs root")
def test_firewall(tmp_path):
    """In a network of its own: the third closing puts the address into the set, stopping empties it."""
    probe = "ip link set lo up && nft list ruleset"
    if not shutil.which("nft") or subprocess.run(["unshare", "-n", "sh", "-c", probe],
                                                 capture_output=True).returncode:
        pytest.skip("no nft, or no network namespaces with it")
    script = tmp_path / "in_namespace.py"
    script.write_text(FIREWALL_SCRIPT)
    r = subprocess.run(["unshare", "-n", "/usr/bin/python3", str(script), str(tmp_path / "d")],
                       capture_output=True, text=True, timeout=120,
                       env={**os.environ, "PYTHONPATH": str(ROOT / "test/scenario"), "DEPESCHE": DEPESCHE})
    assert r.returncode == 0, r.stdout + r.stderr


FIREWALL_SCRIPT = r"""
import os, re, signal, socket, subprocess, sys, time
from conftest import Demo, wait_for

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
d = Demo(sys.argv[1], trust=("127.0.0.1", "::1")).start()
d.stop()
d.config.write_text(d.config.read_text().replace(
    "firewall = no", "firewall = auto\nclose = 1s\ntolerated = 1\nclosings = 2"))
p = subprocess.Popen([os.environ["DEPESCHE"], "serve", "--config", str(d.config)], stderr=open(d.log, "ab"))
wait_for(lambda: "supervisor.ready" in d.tail(2000), 20)


def wrong():
    with socket.socket() as s:
        s.settimeout(10)
        s.bind(("127.9.9.9", 0))
        try:
            s.connect(("127.0.0.1", d.port("imaps")))
            f = d.tls(check_hostname=False).wrap_socket(s).makefile("rwb")
            f.readline()
            f.write(b"a LOGIN anna@example.org nonsense\r\n")
            f.flush()
            f.readline()
        except OSError:
            pass


def rules():
    return subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True).stdout


end = time.time() + 40
while time.time() < end and "127.9.9.9" not in rules():
    wrong()
    time.sleep(0.3)
assert re.search(r"banned4.*?127\.9\.9\.9 timeout", rules(), re.S), rules() + d.tail()
with socket.socket() as s:
    s.bind(("127.9.9.9", 0))
    s.settimeout(1)
    try:
        s.connect(("127.0.0.1", d.port("smtp")))
        sys.exit("a banned address could connect")
    except OSError:
        pass
d.command("ban", "lift", "127.9.9.9")
wait_for(lambda: "127.9.9.9" not in rules(), 30, "lifting")
p.send_signal(signal.SIGTERM)
assert p.wait(30) == 0
assert "depesche" not in rules(), rules()
"""
