"""JMAP's other half over the real port: events, searching, what was deleted, absence, storage, passwords and sessions."""
import contextlib
import imaplib
import json
import queue
import subprocess
import threading
import time

import pytest

from conftest import PASSWORD, message, need, wait_for
from jmap import OURS, Jmap, JmapError
from test_jmap import append, user_of
from test_web_login import Browser

NEXT = "Nordwind-2026?"


def by_cookie(demo, user="anna", password=PASSWORD, source="127.0.0.1"):
    """A client that logged in as browsers do."""
    b = Browser(demo, source)
    assert b.login(password, f"{user}@example.org").status == 200
    return Jmap(demo, user, fields={"Cookie": f"__Host-session={b.cookie}", "Origin": f"https://{b.authority}"})


def deliver(demo, to="anna", **kw):
    with demo.smtp() as s:
        s.sendmail("friend@sender.example", [f"{to}@example.org"], message(to=f"{to}@example.org", **kw))
    return time.time()


# --- Events ---


def test_told_within_a_second(demo):
    j = Jmap(demo, user_of(demo, "wach"))
    events = j.events()
    state = j.one("Email/get", ids=[])["state"]
    for k in range(3):
        at = deliver(demo, "wach", subject=f"Post {k}")
        kind, data = events.take()
        assert time.time() - at < 1
        assert kind == "state" and data["@type"] == "StateChange"
        changed = data["changed"][j.account]
        assert {"Email", "Mailbox", "Thread", "EmailDelivery"} <= set(changed)
        r = j.one("Email/changes", sinceState=state)
        assert r["newState"] == changed["Email"] and len(r["created"]) == 1
        state = r["newState"]
    # A flag is no delivery; what others do is not told at all.
    j.set("Email", update={r["created"][0]: {"keywords/$seen": True}})
    changed = events.take()[1]["changed"][j.account]
    assert "EmailDelivery" not in changed and "Email" in changed
    deliver(demo, "ben")
    with pytest.raises(queue.Empty):
        events.take(.5)
    events.close()


def test_only_what_was_asked_for(demo):
    j = Jmap(demo, user_of(demo, "waehlt"))
    mail, vacation, once = j.events("EmailDelivery"), j.events("VacationResponse,Quatsch"), j.events(closeafter="state")
    deliver(demo, "waehlt")
    assert set(mail.take()[1]["changed"][j.account]) == {"EmailDelivery"}
    assert once.take()[0] == "state" and once.take() is None, "closed after one state"
    j.one("VacationResponse/set", update={"singleton": {"subject": "weg"}})
    assert set(vacation.take()[1]["changed"][j.account]) == {"VacationResponse"}
    for e in (mail, vacation):
        with pytest.raises(queue.Empty):
            e.take(.2)
        e.close()


def test_pings(demo):
    j = Jmap(demo)
    events = j.events(ping=1)  # too often: the server says how often
    kind, data = events.take(20)
    assert kind == "ping" and data["interval"] >= 5
    events.close()


@pytest.mark.parametrize("option", ["--http1.1", "--http2"])
def test_streams_of_curl(demo, option):
    need("curl")
    name = user_of(demo, "strom" + option[-1])
    j = Jmap(demo, name)
    stream = subprocess.Popen(
        ["curl", "-sS", "-N", option, "--max-time", "40", "--cacert", str(demo.dir / "ca.pem"), "-v", "-u",
         f"{name}@example.org:{PASSWORD}", j.url("eventSourceUrl", types="*", closeafter="no", ping=0)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lines, fields = queue.Queue(), queue.Queue()
    for pipe, into in ((stream.stdout, lines), (stream.stderr, fields)):
        threading.Thread(target=lambda p=pipe, q=into: [q.put(l) for l in p], daemon=True).start()
    try:
        seen = []
        while (line := fields.get(timeout=20).strip()) != b"<":
            seen.append(line.lower())
        assert (b"< http/2 200" if option == "--http2" else b"< http/1.1 200 ok") in seen
        assert any(l.startswith(b"< content-type: text/event-stream") for l in seen)
        at = deliver(demo, name)
        while not (line := lines.get(timeout=10)).startswith(b"data:"):
            pass
        assert time.time() - at < 1
        assert json.loads(line[5:])["changed"][j.account]["Email"] == j.one("Email/get", ids=[])["state"]
    finally:
        stream.kill()
        stream.wait(10)


# --- Searching ---


def test_hits_are_marked(demo):
    name = user_of(demo, "sucht")
    j, i = Jmap(demo, name), demo.imap(name)
    append(i, subject="Fahrplan der Faehre", body="Die <b>Fähre</b> nach Föhr & Amrum fährt um acht.\r\n")
    append(i, subject="anderes", body="Nichts davon.\r\n")
    filter = {"text": "Föhr"}
    [id] = j.ids(**filter)
    [s] = j.one("SearchSnippet/get", filter=filter, emailIds=[id])["list"]
    assert "<mark>Föhr</mark> &amp; Amrum" in s["preview"] and "&lt;b&gt;" in s["preview"] and s["subject"] is None
    [s] = j.one("SearchSnippet/get", filter={"subject": "fahrplan"}, emailIds=[id])["list"]
    assert s["subject"] == "<mark>Fahrplan</mark> der Faehre"
    r = j.one("SearchSnippet/get", filter=filter, emailIds=["M99999"])
    assert r["notFound"] == ["M99999"] and r["list"] == []
    for f, hits in (({"from": "friend@sender"}, 2), ({"body": "davon"}, 1), ({"hasAttachment": True}, 0),
                    ({"minSize": 100000}, 0), ({"operator": "NOT", "conditions": [{"text": "föhr"}]}, 1),
                    ({"before": "2001-01-01T00:00:00Z"}, 0), ({"header": ["subject", "anderes"]}, 1)):
        assert len(j.ids(**f)) == hits, f
    with pytest.raises(JmapError) as e:
        j.ids(wetter="schön")
    assert e.value.type in ("unsupportedFilter", "invalidArguments")


# --- Deleted, away, full ---


def test_deleted_by_imap_and_back(demo):
    name = user_of(demo, "zurueck")
    j, i = Jmap(demo, name), demo.imap(name)
    i.create("Projekte")
    append(i, "Projekte", r"(\Flagged)", subject="wichtig")
    append(i, "Projekte", subject="bleibt weg")
    [before] = j.ids(hasKeyword="$flagged")
    blob = j.one("Email/get", ids=[before], properties=["blobId"])["list"][0]["blobId"]
    raw = j.download(blob)[1]
    i.select("Projekte")
    i.store("1:2", "+FLAGS", r"(\Deleted)")
    i.expunge()
    assert j.ids() == []
    r = j.one("DeletedEmail/query")
    assert r["total"] == len(r["list"]) == 2
    [gone] = [d for d in r["list"] if d["subject"] == "wichtig"]
    assert gone["mailbox"] == "Projekte" and gone["emailId"] == before and gone["until"] > gone["deletedAt"]
    state = j.one("Email/get", ids=[])["state"]
    assert j.one("DeletedEmail/restore", ids=[gone["id"], "D999", "M1"])["restored"] == 1
    [back] = j.ids()
    r = j.one("Email/changes", sinceState=state)
    assert r["created"] == [back] and not r["destroyed"]
    i.noop()
    assert i.select("Projekte")[1] == [b"1"]
    head, body = i.fetch("1", "(FLAGS BODY.PEEK[])")[1][0]
    assert body == raw and b"\\Flagged" in head and b"\\Deleted" not in head
    assert j.one("DeletedEmail/query")["total"] == 1


def test_a_deleted_folder_comes_back(demo):
    name = user_of(demo, "ordner")
    j, i = Jmap(demo, name), demo.imap(name)
    box = j.set("Mailbox", create={"m": {"name": "Köln"}})["created"]["m"]["id"]
    append(i, "K&APY-ln", subject="Dom")
    j.set("Mailbox", destroy=[box], onDestroyRemoveEmails=True)
    assert j.ids() == []
    [gone] = j.one("DeletedEmail/query")["list"]
    assert gone["mailbox"] == "Köln"
    assert j.one("DeletedEmail/restore", ids=[gone["id"]])["restored"] == 1
    assert j.mailbox(name="Köln") and len(j.ids(inMailbox=j.mailbox(name="Köln"))) == 1
    assert i.select("K&APY-ln")[1] == [b"1"]


def test_absence_is_kept(demo):
    j = Jmap(demo, user_of(demo, "fort"))
    wish = {"isEnabled": True, "fromDate": "2026-12-01T00:00:00Z", "toDate": "2026-12-24T00:00:00Z",
            "subject": "Bin weg – bis Weihnachten", "textBody": "Grüße\nAnna", "htmlBody": "<p>Grüße</p>"}
    r = j.set("VacationResponse", update={"singleton": wish})
    assert r["oldState"] != r["newState"]
    assert j.one("VacationResponse/get", ids=None)["list"] == [{"id": "singleton", **wish}]
    with pytest.raises(JmapError) as e:
        j.one("VacationResponse/set", ifInState=r["oldState"], update={"singleton": {"isEnabled": False}})
    assert e.value.type == "stateMismatch"


def test_storage_is_counted(demo):
    name = user_of(demo, "knapp")
    demo.command("account", "quota", f"{name}@example.org", "200K")
    j, i = Jmap(demo, name), demo.imap(name)
    box = j.mailbox("inbox")

    def used():
        [q] = j.one("Quota/get", ids=None)["list"]
        assert q["hardLimit"] == 200 * 1024 and q["resourceType"] == "octets"
        by_imap = i.getquotaroot("INBOX")[1][1][0].decode()
        assert f"STORAGE {-(-q['used'] // 1024)} 200" in by_imap or f"STORAGE {q['used'] // 1024} 200" in by_imap
        return q["used"]
    state = j.one("Quota/get", ids=None)["state"]
    assert used() == 0
    raw = message("halb", body=("x" * 70 + "\r\n") * 1500)
    append(i, raw=raw)
    assert used() == len(raw)
    assert j.one("Quota/changes", sinceState=state)["updated"] == ["Q1"]
    blob = j.upload(raw)["blobId"]
    r = j.one("Email/import", emails={"a": {"blobId": blob, "mailboxIds": {box: True}}})
    assert r["notCreated"]["a"]["type"] == "overQuota"
    r = j.one("Email/set", create={"d": {"mailboxIds": {box: True}, "bodyStructure": {"partId": "t"},
                                         "bodyValues": {"t": {"value": "y" * 120000}}}})
    assert r["notCreated"]["d"]["type"] == "overQuota"
    j.set("Email", destroy=j.ids())
    assert used() == 0
    assert j.one("Email/import", emails={"a": {"blobId": blob, "mailboxIds": {box: True}}})["created"]


# --- Passwords and sessions ---


def refused(demo, user, password):
    with pytest.raises(imaplib.IMAP4.error):
        demo.imap(user, password)


def is_over(imap):
    with contextlib.suppress(imaplib.IMAP4.abort, OSError):
        imap.noop()
        return False
    return True


def test_a_new_password_ends_the_others(demo):
    name = user_of(demo, "neu")
    mine, other, program = by_cookie(demo, name), by_cookie(demo, name), Jmap(demo, name)
    i, streams = demo.imap(name), [mine.events(), other.events(), program.events()]
    i.select("INBOX")
    kinds = sorted(s["kind"] for s in mine.one("ClientSession/get", ids=None)["list"])
    assert kinds.count("web") >= 2 and "imap" in kinds
    with pytest.raises(JmapError) as e:
        mine.one("Password/change", old="falsch", new=NEXT, language="de")
    assert e.value.type == "wrongPassword"
    with pytest.raises(JmapError) as e:
        mine.one("Password/change", old=PASSWORD, new="kurz", language="de")
    assert e.value.type == "passwordRule" and "8" in e.value.error["description"]
    assert not is_over(i)

    assert mine.one("Password/check", new=NEXT, language="de")["ok"]
    assert mine.one("Password/change", old=PASSWORD, new=NEXT, language="de")["endedSessions"] >= 2
    wait_for(lambda: is_over(i), 5, "the end of IMAP")
    assert streams[1].take(5) is None and streams[2].take(5) is None, "their streams end"
    status, _, body = other.http("GET", "/.well-known/jmap")
    assert status == 401 and json.loads(body) == {"type": "session"}
    assert program.http("GET", "/.well-known/jmap")[0] == 401
    refused(demo, name, PASSWORD)
    demo.imap(name, NEXT).logout()
    assert mine.one("Core/echo", x=1)["x"] == 1
    assert streams[0].take(5) is None
    again = mine.events()  # as browsers do by themselves
    deliver(demo, name)
    assert again.take(5)[0] == "state", "the session that asked goes on"
    again.close()


def test_ending_a_session_closes_its_stream(demo):
    name = user_of(demo, "geraete")
    mine, other = by_cookie(demo, name), by_cookie(demo, name)
    i, stream = demo.imap(name), other.events()
    listed = mine.one("ClientSession/get", ids=None)["list"]
    [current] = [s for s in listed if s["current"]]
    [theirs] = [s for s in listed if s["kind"] == "web" and not s["current"]]
    assert theirs["address"] in ("127.0.0.1", "::1") and current["id"] != theirs["id"]
    r = mine.one("ClientSession/set", destroy=[theirs["id"], "W99999"])
    assert r["destroyed"] == [theirs["id"]] and r["notFound"] == ["W99999"]
    assert stream.take(5) is None
    assert other.http("GET", "/.well-known/jmap")[0] == 401
    assert not is_over(i)
    mine.one("ClientSession/set", destroyOthers=True)
    wait_for(lambda: is_over(i), 5, "the end of IMAP")
    demo.imap(name).logout()  # with the password it may come again
    own = mine.events()
    assert mine.http("POST", "/mail/logout", b"")[0] == 204
    assert own.take(5) is None, "logging out closes the stream"


def test_settings_are_kept(demo):
    j = Jmap(demo, user_of(demo, "einstellung"))
    first = j.one("Settings/get")
    r = j.one("Settings/set", ifInState=first["state"], patch={"theme": "dark", "signatures": [{"id": 1}], "language": "en"})
    assert j.one("Settings/get")["settings"] == {**first["settings"], "theme": "dark", "signatures": [{"id": 1}], "language": "en"}
    with pytest.raises(JmapError) as e:
        j.one("Settings/set", ifInState=first["state"], patch={"theme": "light"})
    assert e.value.type == "stateMismatch"
    j.one("Settings/set", ifInState=r["newState"], patch={"theme": None})
    assert "theme" not in j.one("Settings/get")["settings"]
    with pytest.raises(JmapError) as e:
        j.one("Settings/set", patch={"zu viel": "x" * 70000})
    assert e.value.type == "requestTooLarge"
    assert Jmap(demo, "einstellung").session["accounts"][j.account]["accountCapabilities"][OURS]["language"] == "en"
