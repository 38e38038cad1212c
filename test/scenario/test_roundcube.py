"""Debian's Roundcube in front of Depesche, with what packaging/roundcube brings (doc/roundcube.md)."""
import contextlib
import email
import email.policy
import http.client
import http.cookiejar
import imaplib
import os
import pathlib
import re
import shutil
import socket
import sqlite3
import subprocess
import urllib.parse
import urllib.request

import pytest

from conftest import PASSWORD, ROOT, answers, message, need, wait_for

SHARE = pathlib.Path("/usr/share/roundcube")
OURS = ROOT / "packaging" / "roundcube"
ANNA = "anna@example.org"
NEXT = "Nordwind-2026?"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def install(place, demo):
    """Roundcube's tree, its own plugins beside ours, and a configuration as doc/roundcube.md makes it."""
    for name in ("program", "skins", "SQL", "index.php"):
        (place / name).symlink_to(SHARE / name)
    for name in ("plugins", "config", "logs", "temp"):
        (place / name).mkdir()
    for plugin in (SHARE / "plugins").iterdir():
        if plugin.name != "password":
            (place / "plugins" / plugin.name).symlink_to(plugin)
    shutil.copytree(SHARE / "plugins" / "password", place / "plugins" / "password", symlinks=False,
                    ignore=shutil.ignore_patterns("config.inc.php"))
    shutil.copy(OURS / "depesche.php", place / "plugins" / "password" / "drivers")
    (place / "plugins" / "depesche_client").mkdir()
    shutil.copy(OURS / "depesche_client.php", place / "plugins" / "depesche_client")

    config = (OURS / "depesche.inc.php").read_text()
    for old, new in (("mail.example.org", "localhost"), ("$depesche:993", f"$depesche:{demo.port('imaps')}"),
                     ("$depesche:465", f"$depesche:{demo.port('submissions')}"),
                     ("$depesche/api", f"$depesche:{demo.port('https')}/api")):
        assert old in config
        config = config.replace(old, new)
    (place / "config" / "depesche.inc.php").write_text(config)
    shutil.copy("/etc/roundcube/defaults.inc.php", place / "config")
    shutil.copy("/etc/roundcube/mimetypes.php", place / "config")
    ca = demo.dir / "ca.pem"
    (place / "config" / "config.inc.php").write_text(f"""<?php
$config['db_dsnw'] = 'sqlite:///{place}/roundcube.db?mode=0640';
$config['des_key'] = 'a-key-for-tests-24-bytes';
$config['log_dir'] = '{place}/logs/';
$config['temp_dir'] = '{place}/temp/';
$config['language'] = 'en_US';
$config['skin'] = 'elastic';
include '{place}/config/depesche.inc.php';
$config['imap_conn_options']['ssl']['cafile'] = $config['smtp_conn_options']['ssl']['cafile'] = '{ca}';
$config['password_depesche_ca'] = '{ca}';
""")
    (place / "prepend.php").write_text(f"<?php define('INSTALL_PATH', '{place}/');\n")
    with contextlib.closing(sqlite3.connect(place / "roundcube.db")) as db:
        db.executescript((SHARE / "SQL" / "sqlite.initial.sql").read_text())


@pytest.fixture
def roundcube(fresh_demo, tmp_path):
    need("php")
    if not SHARE.exists():
        pytest.fail("roundcube is missing: run tools/need test")
    demo = fresh_demo(trust=())
    demo.stop()
    demo.config.write_text(demo.config.read_text().replace("[guard]", "[guard]\nproxies = 127.0.0.1", 1))
    demo.serve()
    place = tmp_path / "roundcube"
    place.mkdir()
    install(place, demo)
    port = free_port()
    env = {**os.environ, "ROUNDCUBE_CONFIG_DIR": str(place / "config"), "PHP_CLI_SERVER_WORKERS": "2"}
    with open(place / "logs" / "php", "wb") as log:
        php = subprocess.Popen(["php", "-d", f"auto_prepend_file={place}/prepend.php", "-d", "opcache.enable=0",
                                "-S", f"127.0.0.1:{port}", "-t", str(place)],
                               stdout=log, stderr=log, env=env, start_new_session=True)
    try:
        wait_for(lambda: answers(port), 20, "php")
        yield demo, port, place
    finally:
        os.killpg(php.pid, 15)
        php.wait(20)


class Browser:
    """A browser with cookies that comes from `source`."""

    def __init__(self, port, source):
        class Connection(http.client.HTTPConnection):
            def __init__(self, *args, **kw):
                super().__init__(*args, **{**kw, "source_address": (source, 0)})

        class Handler(urllib.request.HTTPHandler):
            def http_open(self, rq):
                return self.do_open(Connection, rq)

        self.base = f"http://127.0.0.1:{port}/"
        self.opener = urllib.request.build_opener(
            Handler, urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def ask(self, query="", form=None, headers=None):
        data = urllib.parse.urlencode(form).encode() if form else None
        rq = urllib.request.Request(self.base + query, data, headers or {})
        try:
            with self.opener.open(rq, timeout=60) as r:
                return r.url, r.read().decode()
        except urllib.error.HTTPError as e:
            return e.url, e.read().decode()

    def token(self, query=""):
        _, page = self.ask(query)
        found = re.search(r'name="_token" value="([^"]+)"|"request_token":"([^"]+)"', page)
        assert found, page[:2000]
        return found[1] or found[2]

    def login(self, password=PASSWORD):
        url, page = self.ask("?_task=login", {
            "_token": self.token(), "_task": "login", "_action": "login", "_timezone": "Europe/Berlin",
            "_url": "", "_user": ANNA, "_pass": password})
        return "_task=mail" in url and "Login failed" not in page

    def change_password(self, old, new):
        token = self.token("?_task=settings&_action=plugin.password")
        _, page = self.ask("?_task=settings&_action=plugin.password-save",
                           {"_token": token, "_curpasswd": old, "_newpasswd": new, "_confpasswd": new})
        return page


def imap_from(demo, source, password):
    class From(imaplib.IMAP4_SSL):
        def _create_socket(self, timeout):
            s = socket.create_connection(("127.0.0.1", self.port), 20, source_address=(source, 0))
            return self.ssl_context.wrap_socket(s, server_hostname="localhost")
    i = From("localhost", demo.port("imaps"), ssl_context=demo.tls())
    i.login(ANNA, password)
    i.logout()


def test_read_and_change_the_password(roundcube):
    demo, port, place = roundcube
    with demo.smtp() as s:
        s.sendmail("friend@sender.example", [ANNA], message(subject="Gruss aus Kiel"))
    b = Browser(port, "127.0.0.61")
    assert b.login(), (place / "logs" / "php").read_text()[-3000:]
    token = b.token("?_task=mail&_mbox=INBOX")
    _, listed = b.ask("?_task=mail&_action=list&_mbox=INBOX&_remote=1", headers={"X-Roundcube-Request": token})
    assert "Gruss aus Kiel" in listed

    assert "at least 8 characters" in b.change_password(PASSWORD, "kurz")
    assert "may not be the mail address" in b.change_password(PASSWORD, ANNA)
    assert "Successfully saved" in b.change_password(PASSWORD, NEXT)
    imap_from(demo, "127.0.0.62", NEXT)
    with pytest.raises(imaplib.IMAP4.error):
        imap_from(demo, "127.0.0.62", PASSWORD)
    # Roundcube's own session goes on with the new password.
    token = b.token("?_task=mail&_mbox=INBOX")
    _, listed = b.ask("?_task=mail&_action=list&_mbox=INBOX&_remote=1", headers={"X-Roundcube-Request": token})
    assert "Gruss aus Kiel" in listed


def test_send(roundcube):
    demo, port, place = roundcube
    b = Browser(port, "127.0.0.65")
    assert b.login()
    url, page = b.ask("?_task=mail&_action=compose&_to=ben%40example.org")
    compose = re.search(r"[?&]_id=(\w+)", url)[1]
    identity = re.search(r'<select[^>]*name="_from"[^>]*>.*?<option value="(\d+)"', page, re.S)[1]
    _, answer = b.ask("?_task=mail&_action=send", {
        "_token": re.search(r'"request_token":"([^"]+)"', page)[1], "_task": "mail", "_action": "send",
        "_id": compose, "_from": identity, "_to": "ben@example.org", "_subject": "Ahoi", "_message": "Moin",
        "_is_html": "0", "_framed": "1"})
    assert "sent_successfully" in answer or "Message sent" in answer, answer[-2000:]
    i = demo.imap("ben")
    wait_for(lambda: int(i.select("INBOX")[1][0]) == 1, 10, "the message")
    assert b"Subject: Ahoi" in i.fetch("1", "(BODY[HEADER])")[1][0][1]
    i.logout()
    assert "ip=127.0.0.65 service=submission" in demo.tail(100000), "XCLIENT was not used"


def test_the_lockout_hits_the_visitor(roundcube):
    demo, port, _ = roundcube
    for k in range(5):
        assert not Browser(port, "127.0.0.63").login(f"falsch-{k}")
    assert not Browser(port, "127.0.0.63").login()
    assert Browser(port, "127.0.0.64").login(), "another visitor of the same Roundcube"
    with pytest.raises((imaplib.IMAP4.error, OSError)):
        imap_from(demo, "127.0.0.63", PASSWORD)
    imap_from(demo, "127.0.0.1", PASSWORD)
    why = demo.command("ban", "why", "127.0.0.63").stdout
    assert ANNA in why and "imap" in why


def test_in_chromium(roundcube):
    """As a visitor uses it: test/browser/roundcube.mjs."""
    need("chromium")
    demo, port, place = roundcube
    with demo.smtp() as s:
        s.sendmail("friend@sender.example", [ANNA], message(subject="Gruss aus Kiel"))
    done = subprocess.run(["node", ROOT / "test" / "browser" / "roundcube.mjs", f"http://127.0.0.1:{port}", PASSWORD, NEXT],
                          capture_output=True, text=True, timeout=300)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:] + (place / "logs" / "php").read_text()[-1000:]
    i = demo.imap("ben")
    wait_for(lambda: int(i.select("INBOX")[1][0]) == 1, 10, "the message")
    m = email.message_from_bytes(i.fetch("1", "(BODY[])")[1][0][1], policy=email.policy.default)
    i.logout()
    [attached] = m.iter_attachments()
    assert m["Subject"] == "Aus Roundcube" and m.get_body().get_content().strip() == "Moin Ben"
    assert attached.get_filename() == "Fahrplan für Föhr.txt" and attached.get_content().strip() == "um acht"
