"""Logging in by the web: cookies, sessions, origins, Basic, the one lockout, password change, export."""
import base64
import http.client
import imaplib
import io
import json
import mailbox
import re
import socket
import time
import zipfile

import pytest

from conftest import PASSWORD, message, wait_for

ANNA = "anna@example.org"
NEXT = "Nordwind-2026?"


class Browser:
    """Keeps its cookie as a browser does; `source` is the address it comes from."""

    def __init__(self, demo, source="127.0.0.1", host="localhost"):
        self.demo, self.source = demo, source
        self.authority = f"{host}:{demo.port('https')}"
        self.cookie = None

    def ask(self, method, path, body=None, headers=None, cookie=True, origin=True):
        c = http.client.HTTPSConnection("localhost", self.demo.port("https"), timeout=30,
                                        context=self.demo.tls(), source_address=(self.source, 0))
        fields = {"Host": self.authority}
        if cookie and self.cookie:
            fields["Cookie"] = f"__Host-session={self.cookie}"
        if origin and method != "GET":
            fields["Origin"] = f"https://{self.authority}"
        fields.update(headers or {})
        try:
            c.request(method, path, body, fields)
            r = c.getresponse()
            r.data = r.read()
        finally:
            c.close()
        found = re.match(r"__Host-session=([^;]*)", r.getheader("Set-Cookie") or "")
        if found:
            self.cookie = found[1] or None
        return r

    def post(self, path, value, **kw):
        headers = {"Content-Type": "application/json", **kw.pop("headers", {})}
        return self.ask("POST", path, json.dumps(value), headers, **kw)

    def login(self, password=PASSWORD, user=ANNA, **kw):
        return self.post("/mail/login", {"address": user, "password": password}, **kw)

    def session(self, **kw):
        return self.ask("GET", "/.well-known/jmap", **kw)


def basic(password, user=ANNA):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def imap_from(demo, source, password=PASSWORD):
    class From(imaplib.IMAP4_SSL):
        def _create_socket(self, timeout):
            s = socket.create_connection(("127.0.0.1", self.port), 20, source_address=(source, 0))
            return self.ssl_context.wrap_socket(s, server_hostname="localhost")
    i = From("localhost", demo.port("imaps"), ssl_context=demo.tls())
    i.login(ANNA, password)
    return i


def test_login_and_logout(demo):
    b = Browser(demo)
    r = b.login()
    assert r.status == 200 and json.loads(r.data) == {"address": ANNA}
    cookie = r.getheader("Set-Cookie")
    assert cookie.startswith("__Host-session=")
    assert {p.strip() for p in cookie.split(";")[1:]} == {"Path=/", "Secure", "HttpOnly", "SameSite=Strict",
                                                          "Max-Age=1209600"}
    assert "max-age=" in r.getheader("Strict-Transport-Security")
    r = b.session()
    assert r.status == 200 and json.loads(r.data)["username"] == ANNA
    assert json.loads(r.data)["apiUrl"].startswith(f"https://{b.authority}/")
    r = b.ask("GET", "/")
    assert r.status == 303 and r.getheader("Location") == "/mail/"

    kept = b.cookie
    r = b.ask("POST", "/mail/logout", "")
    assert r.status == 204 and b.cookie is None
    b.cookie = kept
    r = b.session()
    assert r.status == 401 and json.loads(r.data) == {"type": "session"}
    assert r.getheader("WWW-Authenticate") is None
    assert b.cookie is None


def test_wrong_and_unknown_are_told_alike(fresh_demo):
    b = Browser(fresh_demo(trust=()))
    wrong, unknown = b.login("falsch-1"), b.login("falsch-1", "nobody@example.org")
    assert (wrong.status, wrong.data) == (unknown.status, unknown.data) == (401, b'{"type":"wrong"}')


def test_sessions_cannot_be_fixed(demo):
    b = Browser(demo)
    b.cookie = planted = "A" * 43
    assert b.login().status == 200 and b.cookie != planted
    first = b.cookie
    assert b.login().status == 200 and b.cookie != first
    second, b.cookie = b.cookie, first
    assert b.session().status == 401, "the session before the login goes on"
    b.cookie = second
    assert b.session().status == 200
    b.cookie = planted
    assert b.session().status == 401


@pytest.mark.parametrize("headers, status", [
    ({}, 403),
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-origin"}, 200),
])
def test_other_sites_change_nothing(demo, headers, status):
    b = Browser(demo)
    b.login()
    r = b.post("/jmap/api", {"using": ["urn:ietf:params:jmap:core"],
                             "methodCalls": [["Core/echo", {"a": 1}, "0"]]}, headers=headers, origin=False)
    assert r.status == status
    if status == 403:
        assert json.loads(r.data) == {"type": "origin"}
        assert b.login(headers=headers, origin=False, cookie=False).status == 403
        assert b.ask("POST", "/mail/logout", "", headers, origin=False).status == 403
    assert b.session().status == 200


def test_sessions_outlive_a_kill(fresh_demo):
    d = fresh_demo()
    b, gone = Browser(d), Browser(d)
    b.login()
    gone.login()
    ended = gone.cookie
    gone.ask("POST", "/mail/logout", "")
    d.kill_all()
    d.start()
    assert b.session().status == 200
    gone.cookie = ended
    assert gone.session().status == 401


def test_basic(demo):
    b = Browser(demo)
    r = b.session()
    assert r.status == 401 and r.getheader("WWW-Authenticate") == 'Basic realm="Depesche", charset="UTF-8"'
    r = b.session(headers={"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"})
    assert r.status == 401 and r.getheader("WWW-Authenticate") is None
    r = b.session(headers=basic(PASSWORD))
    assert r.status == 200 and json.loads(r.data)["username"] == ANNA and b.cookie is None


def test_fifth_wrong_password_closes_all_services(fresh_demo):
    d = fresh_demo(trust=())
    inside = Browser(d, "127.0.0.5")
    assert inside.login().status == 200
    b = Browser(d, "127.0.0.5")
    for k in range(3):
        assert b.login(f"falsch-{k}").status == 401
    assert b.session(headers=basic("falsch-3")).status == 401
    imap_from(d, "127.0.0.5").logout()
    assert b.login("falsch-4").status == 401
    for r in (b.login(), b.session(headers=basic(PASSWORD)),
              b.post("/api/password", {"new": NEXT}, headers=basic(PASSWORD))):
        assert r.status == 429 and 1000 < int(r.getheader("Retry-After")) <= 1201
        answer = json.loads(r.data)
        assert answer["type"] == "blocked" and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer["until"])
    with pytest.raises((imaplib.IMAP4.error, OSError)):
        imap_from(d, "127.0.0.5")
    assert inside.session().status == 200, "who is logged in goes on"
    assert b.ask("GET", "/mail/").status == 200, "pages are for everybody"
    assert Browser(d, "127.0.0.6").login().status == 200
    why = d.command("ban", "why", "127.0.0.5").stdout
    assert "web" in why and "falsch" not in why


def test_accounts_that_may_not_log_in(fresh_demo):
    d = fresh_demo()
    b = Browser(d)
    b.login()
    d.command("account", "suspend", ANNA)
    wait_for(lambda: b.session().status == 401, 10, "end of the session")
    r = b.login()
    assert r.status == 403 and json.loads(r.data) == {"type": "disabled"}


def test_password_change_for_other_webmail(fresh_demo):
    d = fresh_demo()
    b, api = Browser(d), Browser(d)
    b.login()
    # A session is not enough here, however good.
    assert b.post("/api/password", {"new": NEXT}).status == 401
    b.login()
    r = api.post("/api/password", {"new": "kurz", "language": "de"}, headers=basic(PASSWORD), origin=False)
    assert r.status == 422 and json.loads(r.data)["type"] == "rule" and "Zeichen" in json.loads(r.data)["reason"]
    r = api.post("/api/password", {"new": NEXT}, headers=basic("falsch"), origin=False)
    assert r.status == 401 and json.loads(r.data) == {"type": "wrong"}
    assert b.session().status == 200
    r = api.post("/api/password", {"new": NEXT}, headers=basic(PASSWORD), origin=False)
    assert r.status == 200 and json.loads(r.data) == {"type": "changed"}
    assert b.session().status == 401
    assert b.login().status == 401 and b.login(NEXT).status == 200
    d.imap(password=NEXT).logout()


def test_a_proxy_hands_the_address_over(fresh_demo):
    d = fresh_demo(trust=())
    d.stop()
    config = d.config.read_text()
    assert "[guard]" in config
    d.config.write_text(config.replace("[guard]", "[guard]\nproxies = 127.0.0.30", 1))
    d.serve()
    proxy, stranger = Browser(d, "127.0.0.30"), Browser(d, "127.0.0.31")
    for k in range(5):
        r = proxy.post("/api/password", {"new": NEXT}, origin=False,
                       headers={**basic(f"falsch-{k}"), "Forwarded": "for=127.0.0.40"})
        assert r.status == 401
    r = proxy.post("/api/password", {"new": NEXT}, origin=False,
                   headers={**basic(PASSWORD), "Forwarded": "for=127.0.0.40"})
    assert r.status == 429
    with pytest.raises((imaplib.IMAP4.error, OSError)):
        imap_from(d, "127.0.0.40")
    imap_from(d, "127.0.0.30").logout()
    r = proxy.post("/api/password", {"new": NEXT}, origin=False,
                   headers={**basic("falsch-9"), "Forwarded": 'for="[2001:db8::9]"'})
    assert r.status == 401
    # Nobody else is believed: this counts for 127.0.0.31.
    r = stranger.post("/api/password", {"new": NEXT}, origin=False,
                      headers={**basic(PASSWORD), "Forwarded": "for=127.0.0.40"})
    assert r.status == 200


def events(demo, b, query, seconds=15):
    """Opens an event stream; returns the connection and its response."""
    c = http.client.HTTPSConnection("localhost", demo.port("https"), timeout=seconds, context=demo.tls())
    c.request("GET", f"/jmap/events?{query}", headers={"Host": b.authority, "Cookie": f"__Host-session={b.cookie}"})
    r = c.getresponse()
    return c, r


def read_event(r):
    lines = []
    while (line := r.readline().decode()) not in ("\n", ""):
        lines.append(line.rstrip("\n"))
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def test_events(fresh_demo):
    d = fresh_demo()
    b = Browser(d)
    b.login()
    c, r = events(d, b, "types=Email,Mailbox&closeafter=state&ping=0")
    assert r.status == 200 and r.getheader("Content-Type").startswith("text/event-stream")
    begin = time.time()
    with d.smtp() as s:
        s.sendmail("friend@sender.example", [ANNA], message())
    event = read_event(r)
    assert event["event"] == "state" and "Email" in event["data"] and time.time() - begin < 5
    assert r.read() == b"", "closeafter=state"
    c.close()

    c, r = events(d, b, "types=*&closeafter=no&ping=10", 40)
    event = read_event(r)
    assert event == {"event": "ping", "data": '{"interval":10}'}
    d.command("account", "suspend", ANNA)
    begin = time.time()
    assert r.read() == b"" and time.time() - begin < 5, "ends with the account's sessions"
    c.close()


def test_too_many_event_streams(fresh_demo):
    d = fresh_demo()
    b = Browser(d)
    b.login()
    open_ones = [events(d, b, "types=*&closeafter=no&ping=0") for _ in range(40)]
    assert all(r.status == 200 for _, r in open_ones)
    c, r = events(d, b, "types=*&closeafter=no&ping=0")
    assert r.status == 400 and json.loads(r.read())["type"] == "urn:ietf:params:jmap:error:limit"
    c.close()
    for c, _ in open_ones:
        c.close()

    def again():
        c, r = events(d, b, "types=*&closeafter=no&ping=0")
        c.close()
        return r.status == 200
    wait_for(again, 20, "room for another stream")


def upload(b, data, type_="image/png", account=None):
    account = account or list(json.loads(b.session().data)["accounts"])[0]
    r = b.ask("POST", f"/jmap/upload/{account}/", data, {"Content-Type": type_})
    return r, account


def test_upload_and_download(demo):
    b = Browser(demo)
    b.login()
    data = bytes(range(256)) * 40000
    r, account = upload(b, data)
    assert r.status == 201
    blob = json.loads(r.data)
    assert blob["size"] == len(data) and blob["type"] == "image/png" and blob["accountId"] == account
    for accept, type_, how in (("image/png", "image/png", "inline"),
                               ("image/svg%2Bxml", "application/octet-stream", "attachment"),
                               ("text/html", "application/octet-stream", "attachment")):
        r = b.ask("GET", f"/jmap/download/{account}/{blob['blobId']}/b%C3%A4r.png?accept={accept}")
        assert r.status == 200 and r.data == data
        assert r.getheader("Content-Type") == type_
        assert r.getheader("Content-Disposition") == f"{how}; filename=\"b__r.png\"; filename*=UTF-8''b%C3%A4r.png"
        assert "sandbox" in r.getheader("Content-Security-Policy")
    assert b.ask("GET", f"/jmap/download/{account}/{blob['blobId']}/x", cookie=False).status == 401
    assert upload(b, b"x", account="A99999")[0].status == 404
    ben = Browser(demo)
    ben.login(user="ben@example.org")
    ben_account = list(json.loads(ben.session().data)["accounts"])[0]
    assert ben.ask("GET", f"/jmap/download/{ben_account}/{blob['blobId']}/x").status == 404
    assert ben.ask("GET", f"/jmap/download/{account}/{blob['blobId']}/x").status == 404


def test_export(fresh_demo, tmp_path):
    d = fresh_demo()
    with d.smtp() as s:
        for k in range(3):
            s.sendmail("friend@sender.example", [ANNA],
                       message(subject=f"Nummer {k}", body="From nirgendwo\r\n>From irgendwo\r\nEnde\r\n"))
    i = d.imap()
    wait_for(lambda: int(i.select("INBOX")[1][0]) == 3, 10, "three messages")
    i.store("1", "+FLAGS", r"(\Seen \Flagged)")
    i.create("Reise/&ANY-sterreich.alt")
    i.append('"Reise/&ANY-sterreich.alt"', None, None, message(subject="Berge"))
    i.logout()
    b = Browser(d)
    b.login()
    r = b.ask("GET", "/mail/export?format=mbox")
    assert r.status == 200 and r.getheader("Content-Type") == "application/zip"
    assert re.match(r'attachment; filename="anna@example.org-\d{4}-\d\d-\d\d-mbox.zip"',
                    r.getheader("Content-Disposition"))
    z = zipfile.ZipFile(io.BytesIO(r.data))
    assert z.testzip() is None
    assert "INBOX.mbox" in z.namelist() and "Reise/\u00d6sterreich.alt.mbox" in z.namelist()
    z.extract("INBOX.mbox", tmp_path)
    box = mailbox.mbox(tmp_path / "INBOX.mbox")
    assert sorted(m["subject"] for m in box) == ["Nummer 0", "Nummer 1", "Nummer 2"]
    assert set(box[0].get_flags()) == set("ROF") and "S" not in box[1].get_flags()
    assert b"\n>From nirgendwo\n>>From irgendwo\nEnde\n" in z.read("INBOX.mbox")

    r = b.ask("GET", "/mail/export?format=maildir")
    z = zipfile.ZipFile(io.BytesIO(r.data))
    assert z.testzip() is None
    z.extractall(tmp_path)
    root = mailbox.Maildir(tmp_path / "Maildir", create=False)
    assert len(root) == 3 and {m.get_flags() for m in root} == {"FS", ""}
    folder = root.get_folder("Reise.&ANY-sterreich&AC4-alt")
    assert [m["subject"] for m in folder] == ["Berge"]
    assert b.ask("GET", "/mail/export?format=mbox", cookie=False).status == 401


def test_plain_http_leads_to_https(demo):
    status, headers, _ = demo.web("GET", "/mail/?a=b", tls=False)
    assert status == 308 and headers["Location"] == f"https://localhost:{demo.port('https')}/mail/?a=b"
    assert demo.web("POST", "/mail/login", "{}", {"Content-Type": "application/json"}, tls=False)[0] == 308


def test_webmail_files(demo):
    status, headers, body = demo.web("GET", "/mail/")
    assert status == 200 and headers["Cache-Control"] == "no-cache" and headers["ETag"]
    files = re.findall(r'(?:src|href)="(/assets/[^"]+)"', body.decode())
    assert files
    for name in files:
        status, headers, data = demo.web("GET", name, headers={"Accept-Encoding": "br, gzip"})
        assert status == 200 and headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert data
        again = demo.web("GET", name, headers={"Accept-Encoding": "br, gzip", "If-None-Match": headers["ETag"]})
        assert again[0] == 304 and again[2] == b""
    assert demo.web("GET", "/assets/none.00000000.js")[0] == 404
