"""What JMAP submits, from EmailSubmission/set to the inbox of the recipient or another provider's server; later,
taken back, refused; and over a restart."""
import base64
import datetime
import email
import email.policy
import hashlib
import json
import re
import time

import pytest

from conftest import wait_for
from jmap import Jmap
from sending import SIGNED, World
from world import configure

ANNA, BEN = "anna@example.org", "ben@example.org"


def identity(j, of=ANNA):
    return next(i["id"] for i in j.one("Identity/get", ids=None)["list"] if i["email"] == of)


def letter(j, subject, to=(BEN,), cc=(), bcc=(), sender=ANNA, text="Moin\nBen", **more):
    people = {"to": to, "cc": cc, "bcc": bcc}
    return {"mailboxIds": {j.mailbox("drafts"): True}, "keywords": {"$draft": True, "$seen": True},
            "from": [{"email": sender}], "subject": subject,
            **{k: [{"email": a} for a in v] for k, v in people.items() if v},
            "bodyStructure": {"partId": "t", "type": "text/plain"}, "bodyValues": {"t": {"value": text}}, **more}


def send(j, subject, envelope=None, fail=False, identity_id=None, **kw):
    """As the webmail does: a draft and its submission in one request, moved to Sent when it left."""
    sent, drafts = j.mailbox("sent"), j.mailbox("drafts")
    made, submitted, *after = j.call(
        ("Email/set", {"create": {"d": letter(j, subject, **kw)}}),
        ("EmailSubmission/set", {
            "create": {"s": {"identityId": identity_id or identity(j), "emailId": "#d",
                             **({"envelope": envelope} if envelope else {})}},
            "onSuccessUpdateEmail": {"#s": {f"mailboxIds/{drafts}": None, f"mailboxIds/{sent}": True,
                                            "keywords/$draft": None}}}))
    assert made["created"], made
    if fail:
        assert not submitted["created"]
        [e] = j.one("Email/get", ids=[made["created"]["d"]["id"]])["list"]
        assert e["mailboxIds"] == {drafts: True} and e["keywords"]["$draft"], "it stays a draft"
        return submitted["notCreated"]["s"]
    assert submitted["created"], submitted
    [e] = j.one("Email/get", ids=[made["created"]["d"]["id"]])["list"]
    assert e["mailboxIds"] == {sent: True} and e["keywords"] == {"$seen": True}
    return submitted["created"]["s"]["id"], e


def later(j, seconds, to=BEN, name="HOLDFOR"):
    value = str(seconds)
    if name == "HOLDUNTIL":
        value = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime(
            "%Y-%m-%dT%H:%M:%SZ")
    return {"mailFrom": {"email": ANNA, "parameters": {name: value}}, "rcptTo": [{"email": to}]}


def mails(demo, user="ben", subject=None):
    found = []
    with demo.imap(user) as i:
        i.select("INBOX", readonly=True)
        for part in i.fetch("1:*", "(BODY.PEEK[])")[1] if i.search(None, "ALL")[1][0] else []:
            if isinstance(part, tuple):
                m = email.message_from_bytes(part[1], policy=email.policy.default)
                m.raw = part[1]
                if subject in (None, m["Subject"]):
                    found.append(m)
    return found


def status_of(j, id):
    [s] = j.one("EmailSubmission/get", ids=[id])["list"]
    return s["undoStatus"]


def test_to_somebody_here(demo):
    j = Jmap(demo)
    up = j.upload(b"%PDF-1.4 nichts", "application/pdf")
    state = j.one("EmailSubmission/get", ids=[])["state"]
    id, sent = send(j, "an Ben", bcc=["anna@example.org"], bodyStructure={"type": "multipart/mixed", "subParts": [
        {"partId": "t", "type": "text/plain"},
        {"blobId": up["blobId"], "type": "application/pdf", "name": "Übersicht.pdf", "disposition": "attachment"}]})
    [m] = wait_for(lambda: mails(demo, "ben", "an Ben"), 10, "the mail")
    assert "Bcc" not in m and m["From"] == ANNA and m["Message-ID"].strip("<>") == sent["messageId"][0]
    assert re.search(r"\bwith HTTPS?\b", m["Received"]), m["Received"]
    assert "127.0.0.1" not in m.raw.split(b"\r\n\r\n")[0].decode()
    [attached] = m.iter_attachments()
    assert attached.get_filename() == "Übersicht.pdf" and attached.get_content() == b"%PDF-1.4 nichts"
    # The sender's own copy says who else got it; the one that the Bcc got does not.
    assert [a["email"] for a in j.one("Email/get", ids=[sent["id"]], properties=["bcc"])["list"][0]["bcc"]] == [ANNA]
    [m] = mails(demo, "anna", "an Ben")
    assert "Bcc" not in m
    [s] = j.one("EmailSubmission/get", ids=[id])["list"]
    assert s["undoStatus"] == "final" and s["emailId"] == sent["id"] and s["threadId"] == sent["threadId"]
    assert {r["email"] for r in s["envelope"]["rcptTo"]} == {BEN, ANNA}
    assert set(s["deliveryStatus"]) == {BEN, ANNA}
    assert id in j.one("EmailSubmission/changes", sinceState=state)["created"]
    assert id in j.one("EmailSubmission/query", filter={"emailIds": [sent["id"]]})["ids"]


@pytest.mark.parametrize("what", [b"Bcc: ben@example.org", b"bcc : ben@example.org", b"BCC:\r\n ben@example.org",
                                  b"Resent-Bcc: ben@example.org"])
def test_no_bcc_of_imported_messages(demo, what):
    j = Jmap(demo)
    subject = hashlib.sha256(what).hexdigest()
    raw = (f"From: {ANNA}\r\nTo: offen@example.org\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x.example>\r\n"
           "Date: Sun, 22 Nov 2026 10:00:00 +0100\r\n").encode() + what + b"\r\n\r\nText\r\n"
    made = j.one("Email/import", emails={"a": {"blobId": j.upload(raw)["blobId"],
                                               "mailboxIds": {j.mailbox("sent"): True}}})["created"]["a"]
    j.set("EmailSubmission", create={"s": {
        "identityId": identity(j), "emailId": made["id"],
        "envelope": {"mailFrom": {"email": ANNA}, "rcptTo": [{"email": BEN}]}}})
    [m] = wait_for(lambda: mails(demo, "ben", subject), 10, "the mail")
    assert b"bcc" not in m.raw.split(b"\r\n\r\n")[0].lower()
    assert m["Message-ID"] == f"<{subject}@x.example>"


def test_taken_back(demo):
    j = Jmap(demo)
    id, _ = send(j, "doch nicht", later(j, 2))
    assert status_of(j, id) == "pending"
    state = j.one("EmailSubmission/get", ids=[])["state"]
    j.set("EmailSubmission", update={id: {"undoStatus": "canceled"}})
    assert id in j.one("EmailSubmission/changes", sinceState=state)["updated"]
    other, _ = send(j, "danach", later(j, 2, name="HOLDUNTIL"))
    begin = time.time()
    wait_for(lambda: mails(demo, "ben", "danach"), 30, "what was sent a little later")
    assert time.time() - begin > .5, "not before its time"
    assert not mails(demo, "ben", "doch nicht") and status_of(j, id) == "canceled"
    wait_for(lambda: status_of(j, other) == "final", 5, "final")
    r = j.one("EmailSubmission/set", update={other: {"undoStatus": "canceled"}, id: {"undoStatus": "pending"}})
    assert r["notUpdated"][other]["type"] == "cannotUnsend" and r["notUpdated"][id]["type"] == "invalidProperties"
    for bad in ({"HOLDFOR": "x"}, {"HOLDFOR": "-1"}, {"HOLDFOR": str(367 * 86400)}, {"HOLDUNTIL": "morgen"},
                {"HOLDUNTIL": "2999-01-01T00:00:00Z"}, {"HOLDFOR": "1", "HOLDUNTIL": "2026-11-22T10:00:00Z"},
                {"SIZE\r\nRCPT TO:<x@y>": "1"}):
        e = send(j, "nie", {"mailFrom": {"email": ANNA, "parameters": bad}, "rcptTo": [{"email": BEN}]}, fail=True)
        assert e["type"] == "invalidProperties", bad


def test_later_over_a_restart(fresh_demo):
    demo = fresh_demo()
    j = Jmap(demo)
    id, _ = send(j, "spaeter", later(j, 5))
    due = time.time() + 5
    gone, draft = send(j, "weg", later(j, 5))  # what waits is kept, whatever becomes of its email
    j.set("Email", destroy=[draft["id"]])
    demo.kill_all()
    demo.serve()
    assert not mails(demo, "ben", "spaeter") or time.time() > due
    wait_for(lambda: mails(demo, "ben", "spaeter") and mails(demo, "ben", "weg"), 40, "what was to be sent later")
    j = Jmap(demo)
    wait_for(lambda: status_of(j, id) == status_of(j, gone) == "final", 10, "final")
    time.sleep(1)
    assert len(mails(demo, "ben", "spaeter")) == 1


def test_only_as_oneself(demo):
    j = Jmap(demo)
    env = {"mailFrom": {"email": ANNA}, "rcptTo": [{"email": BEN}]}
    assert send(j, "als Ben", env, fail=True, sender=BEN)["type"] == "forbiddenFrom"
    assert send(j, "fremd", env, fail=True, sender="chef@bank.example")["type"] == "forbiddenFrom"
    for wrong in (BEN, "chef@bank.example", "", "a@b@c", "x" * 400 + "@example.org"):
        e = send(j, "fremd", {**env, "mailFrom": {"email": wrong}}, fail=True)
        assert e["type"] == "forbiddenMailFrom", wrong
    assert send(j, "fremd", env, fail=True, identity_id="I4711")["type"] == "invalidProperties"
    assert j.one("Identity/set", create={"i": {"name": "Ben", "email": BEN}})["notCreated"]["i"]["type"] == "forbiddenFrom"
    for none in ({**env, "rcptTo": []}, None):
        assert send(j, "niemand", none, fail=True, to=())["type"] == "noRecipients"
    for bad in ("keine", "a@", "@b", "a b@example.org", "a@example.org>\r\nDATA", "<x@example.org>"):
        e = send(j, "wem", {**env, "rcptTo": [{"email": bad}]}, fail=True)
        assert e["type"] == "invalidRecipients" and e["invalidRecipients"] == [bad], e
    e = send(j, "wem", {**env, "rcptTo": [{"email": "niemand.hier@example.org"}]}, fail=True)
    assert e["type"] == "forbiddenToSend" and "there is no" in e["description"].lower() or "550" in e["description"], e
    assert not [m for m in mails(demo) if m["Subject"] in ("als Ben", "fremd", "wem")]


def test_an_alias_is_an_identity(demo):
    demo.command("alias", "add", "kasse@example.org", ANNA)
    j = Jmap(demo)
    made = j.set("Identity", create={"i": {"name": "Kasse", "email": "kasse@example.org"}})["created"]["i"]["id"]
    _, sent = send(j, "von der Kasse", sender="kasse@example.org", identity_id=made)
    [m] = wait_for(lambda: mails(demo, "ben", "von der Kasse"), 10, "the mail")
    assert m["From"] == "kasse@example.org" and m["Return-Path"] == "<kasse@example.org>"


def test_too_much_at_once(fresh_demo):
    demo = fresh_demo()
    demo.stop()
    configure(demo, sending__messages_per_hour="3")
    demo.serve()
    j = Jmap(demo)
    for k in range(3):
        send(j, f"Nummer {k}", to=["x@remote.test"])
    id, _ = send(j, "zu viel", to=["x@remote.test"])
    assert status_of(j, id) == "pending", "it waits for its hour"
    assert len({e["id"] for e in json.loads(demo.command("queue", "list", "--json").stdout)}) == 3
    j.set("EmailSubmission", update={id: {"undoStatus": "canceled"}})
    send(j, "hier geht", to=[BEN])
    assert len(mails(demo, "ben", "hier geht")) == 1


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("jmap"))
    certificate = w.ca.issue("mx-gut.signed.example")
    w.gut = w.sink(certificate)
    w.host("gut", SIGNED, tlsa=[certificate.tlsa()], server=w.gut)
    w.start()
    yield w
    w.stop()


def relaxed(body):
    """RFC 6376 3.4.4"""
    lines = [re.sub(rb"[ \t]+", b" ", l).rstrip(b" ") for l in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(l + b"\r\n" for l in lines)


def test_to_the_world(world):
    j = Jmap(world.demo)
    _, sent = send(j, "in die Welt", to=["carla@gut.signed.example"], bcc=["geheim@gut.signed.example"], cc=[BEN],
                   text="Grüße  aus Kiel \n.\n..\n\n\n")
    world.delivered("carla@gut.signed.example", "DANE")
    world.delivered("geheim@gut.signed.example")
    whole = [m for m in world.gut.mails if b"in die Welt" in m[2]]
    assert sorted(r.split("<")[1].split(">")[0] for m in whole for r in m[1]) == [
        "carla@gut.signed.example", "geheim@gut.signed.example"]
    for sender, _, raw, tls in whole:
        assert tls and ANNA in sender
        head, _, body = raw.partition(b"\r\n\r\n")
        assert b"geheim" not in head and b"Bcc" not in head
        assert f"<{sent['messageId'][0]}>".encode() in head and re.search(rb"\bwith HTTPS?\b", head)
        signature = re.sub(rb"\s", b"", re.search(rb"DKIM-Signature:((?:[^\r]|\r\n[ \t])*)", head)[1]).decode()
        tags = dict(t.split("=", 1) for t in signature.split(";") if t)
        assert tags["d"] == "example.org" and {"from", "subject", "to", "message-id"} <= set(tags["h"].lower().split(":"))
        assert tags["c"].endswith("/relaxed") and "l" not in tags
        assert base64.b64decode(tags["bh"]) == hashlib.sha256(relaxed(body)).digest()
        m = email.message_from_bytes(raw, policy=email.policy.default)
        assert m.get_content().replace("\r\n", "\n").startswith("Grüße  aus Kiel \n.\n..\n")
    travel = {t["address"]: t["travel"] for t in j.one("Recipient/travel", addresses=[
        BEN, "carla@gut.signed.example", "keine"])["list"]}
    assert travel[BEN] == "local" and travel["carla@gut.signed.example"] == "dane"
