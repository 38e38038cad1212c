"""JMAP over its real port, beside IMAP of the same account: what one does, the other sees."""
import base64
import concurrent.futures
import email as emails
import email.policy
import hashlib
import json
import os
import random
import re
import unicodedata

import pytest

from conftest import PASSWORD, message
from jmap import CORE, Jmap, JmapError

FOLDERS = ["INBOX", "Archive", "Projekte", "Projekte/Boot"]


def quoted(name):
    return '"' + name + '"'


def append(imap, mailbox="INBOX", flags=None, raw=None, **kw):
    typ, data = imap.append(quoted(mailbox), flags, None, raw or message(**kw))
    assert typ == "OK", data
    return int(re.search(rb"APPENDUID \d+ (\d+)", data[0])[1])


def user_of(demo, name, *options):
    demo.command("account", "add", f"{name}@example.org", "--password-fd", "0", *options, input=PASSWORD + "\n")
    return name


def listed(imap):
    """Mailbox names as IMAP lists them (ASCII ones only)."""
    names = []
    for line in imap.list()[1]:
        flags, name = re.match(rb'\(([^)]*)\) "/" "?([^"]*)"?$', line).groups()
        if b"Noselect" not in flags and b"NonExistent" not in flags:
            names.append(name.decode())
    return names


def seen_by_imap(imap):
    """{mailbox: {uid: (email id, thread id, flags)}}"""
    out = {}
    for name in listed(imap):
        assert imap.select(quoted(name), readonly=True)[0] == "OK"
        out[name] = {}
        for row in imap.uid("FETCH", "1:*", "(FLAGS EMAILID THREADID)")[1]:
            if row is None:
                continue
            uid = int(re.search(rb"UID (\d+)", row)[1])
            flags = re.search(rb"FLAGS \(([^)]*)\)", row)[1].decode().lower().split()
            email, thread = (re.search(what + rb" \(([^)]*)\)", row)[1].decode() for what in (rb"EMAILID", rb"THREADID"))
            out[name][uid] = (email, thread, frozenset(flags) - {"\\recent"})
    return out


# --- The session, and the examples of the RFCs ---


def test_the_session_says_what_holds(demo):
    j = Jmap(demo)
    s = j.session
    assert s["username"] == "anna@example.org" and s["accounts"][j.account]["isPersonal"]
    for name in ("apiUrl", "downloadUrl", "uploadUrl", "eventSourceUrl"):
        assert s[name].startswith(f"https://localhost:{demo.port('https')}/"), name
    for name, words in (("downloadUrl", ("accountId", "blobId", "type", "name")), ("uploadUrl", ("accountId",)),
                        ("eventSourceUrl", ("types", "closeafter", "ping"))):
        assert all("{%s}" % w in s[name] for w in words), name
    core = s["capabilities"][CORE]
    assert core["maxSizeUpload"] >= 50_000_000 and core["maxCallsInRequest"] >= 16
    assert j.request([])["sessionState"] == s["state"]

    calls = [["Core/echo", {"hello": True, "high": 5}, "b3ff"]]
    assert j.request(calls, using=[CORE])["methodResponses"] == calls
    for body, what in ((b"{", "notJSON"), (b'{"using": [], "using": [], "methodCalls": []}', "notJSON"),
                       (b'{"using": "x"}', "notRequest"),
                       (b'{"using": ["urn:x"], "methodCalls": []}', "unknownCapability")):
        status, fields, answer = j.http("POST", s["apiUrl"], body, **{"Content-Type": "application/json"})
        assert status == 400 and fields["Content-Type"].startswith("application/problem+json")
        assert json.loads(answer)["type"] == f"urn:ietf:params:jmap:error:{what}", answer
    many = [["Core/echo", {}, "c"]] * (core["maxCallsInRequest"] + 1)
    status, _, answer = j.http("POST", s["apiUrl"], json.dumps({"using": [CORE], "methodCalls": many}),
                               **{"Content-Type": "application/json"})
    assert status == 400 and json.loads(answer)["limit"] == "maxCallsInRequest"
    for call, error in ((["Mailbox/get", {"accountId": "A999"}, "0"], "accountNotFound"),
                        (["Nothing/get", {"accountId": j.account}, "0"], "unknownMethod"),
                        (["Mailbox/get", {"accountId": j.account, "ids": "all"}, "0"], "invalidArguments"),
                        (["Mailbox/get", {"accountId": j.account, "#ids": {"resultOf": "9", "name": "x", "path": "/y"}},
                          "0"], "invalidResultReference")):
        assert j.request([call])["methodResponses"][0][1]["type"] == error, call
    # Mail's methods are not there for those who did not ask for them.
    answer = j.request([["Mailbox/get", {"accountId": j.account, "ids": None}, "0"]], using=[CORE])
    assert answer["methodResponses"][0][1]["type"] == "unknownMethod"


def test_the_first_screen_in_one_request(demo):
    """RFC 8621 4.10: query, threads, and all emails of the threads, each from the one before."""
    j = Jmap(demo, user_of(demo, "schirm"))
    i = demo.imap("schirm")
    for k in range(12):
        raw = message(f"Fahrt {k % 4}", message_id=f"fahrt{k}")
        append(i, flags=r"(\Seen)" if k % 2 else None,
               raw=raw if k < 4 else f"In-Reply-To: <fahrt{k % 4}@sender.example>\r\n".encode() + raw)
    inbox = j.mailbox("inbox")

    def after(k, name, path):
        return {"resultOf": str(k), "name": name, "path": path}
    query, first, threads, emails = j.call(
        ("Email/query", {"filter": {"inMailbox": inbox}, "sort": [{"property": "receivedAt", "isAscending": False}],
                         "collapseThreads": True, "position": 0, "limit": 10, "calculateTotal": True}),
        ("Email/get", {"#ids": after(0, "Email/query", "/ids"), "properties": ["threadId"]}),
        ("Thread/get", {"#ids": after(1, "Email/get", "/list/*/threadId")}),
        ("Email/get", {"#ids": after(2, "Thread/get", "/list/*/emailIds"),
                       "properties": ["threadId", "mailboxIds", "keywords", "hasAttachment", "from", "subject",
                                      "receivedAt", "size", "preview"]}))
    assert len(query["ids"]) == query["total"] == len(first["list"]) == len(threads["list"]) == 4
    assert len(emails["list"]) == 12
    assert all(e["mailboxIds"] == {inbox: True} and e["preview"] == "Guten Tag." for e in emails["list"])
    assert sum("$seen" in e["keywords"] for e in emails["list"]) == 6
    box = j.one("Mailbox/get", ids=[inbox])["list"][0]
    assert (box["totalEmails"], box["unreadEmails"]) == (12, 6)
    text = i.status("INBOX", "(MESSAGES UNSEEN)")[1][0]
    assert b"MESSAGES 12" in text and b"UNSEEN 6" in text


# --- One sees what the other does ---


@pytest.fixture
def pair(demo, request):
    name = user_of(demo, "paar" + hashlib.sha256(request.node.name.encode()).hexdigest()[:8])
    i = demo.imap(name)
    yield Jmap(demo, name), i, name
    i.logout()


def test_flags_and_keywords(pair):
    j, i, _ = pair
    uid = append(i)
    i.select("INBOX")
    [email] = j.ids()
    j.set("Email", update={email: {"keywords/$seen": True, "keywords/$Flagged": True, "keywords/Privat": True,
                                   "keywords/$forwarded": True}})
    flags = i.uid("FETCH", str(uid), "FLAGS")[1][0].lower()
    for word in (b"\\seen", b"\\flagged", b"privat", b"$forwarded"):
        assert word in flags
    i.uid("STORE", str(uid), "-FLAGS", r"(\Seen PRIVAT)")
    i.uid("STORE", str(uid), "+FLAGS", r"(\Answered \Draft $Junk Umlauf)")
    got = j.one("Email/get", ids=[email], properties=["keywords"])["list"][0]["keywords"]
    assert got == dict.fromkeys(["$flagged", "$forwarded", "$answered", "$draft", "$junk", "umlauf"], True)
    assert j.ids(hasKeyword="UMLAUF") == [email] and j.ids(hasKeyword="$seen") == []
    for bad in ("a b", "", "x" * 256, "ä", "a(b"):
        r = j.one("Email/set", update={email: {"keywords": {bad: True}}})
        assert r["notUpdated"][email]["type"] == "invalidProperties", bad


def test_what_is_marked_deleted_is_hidden(pair):
    j, i, _ = pair
    uid = append(i, subject="bleibt")
    append(i, subject="geht")
    i.select("INBOX")
    both = set(j.ids())
    state = j.one("Email/get", ids=[])["state"]
    i.uid("STORE", str(uid), "+FLAGS", r"(\Deleted)")
    [left] = j.ids()
    [hidden] = both - {left}
    assert j.one("Email/get", ids=[hidden])["notFound"] == [hidden]
    assert j.one("Mailbox/get", ids=[j.mailbox("inbox")])["list"][0]["totalEmails"] == 1
    assert j.one("Email/changes", sinceState=state)["destroyed"] == [hidden]
    state = j.one("Email/get", ids=[])["state"]
    i.uid("STORE", str(uid), "-FLAGS", r"(\Deleted)")
    assert j.one("Email/changes", sinceState=state)["created"] == [hidden] and set(j.ids()) == both


def test_drafts_are_shared_with_imap(pair):
    j, i, _ = pair
    drafts = j.mailbox("drafts")
    made = j.set("Email", create={"d": {
        "mailboxIds": {drafts: True}, "keywords": {"$draft": True, "$seen": True}, "subject": "Grüße",
        "from": [{"name": "Anna Öztürk", "email": "anna@example.org"}], "to": [{"email": "ben@example.org"}],
        "bodyStructure": {"partId": "t", "type": "text/plain"}, "bodyValues": {"t": {"value": "Zeile\nZwei ö"}}}})
    name = [l.decode().rpartition('"/" ')[2].strip('"') for l in i.list()[1] if b"\\Drafts" in l][0]
    assert i.select(quoted(name), readonly=True)[1] == [b"1"]
    head, raw = i.fetch("1", "(FLAGS BODY.PEEK[])")[1][0]
    assert b"\\Draft" in head and b"\\Seen" in head
    assert raw == j.download(made["created"]["d"]["blobId"])[1]
    m = emails.message_from_bytes(raw, policy=emails.policy.default)
    assert m["Subject"] == "Grüße" and m.get_content().replace("\r\n", "\n").rstrip("\n") == "Zeile\nZwei ö"
    assert m["Message-ID"] and m["Date"]


@pytest.mark.parametrize("raw", [
    message("ein", body="eins\r\nzwei\r\n"), message("ohne Ende", body="kein Zeilenende"),
    message("acht Bit", body="".join(map(chr, range(1, 256)))).replace(b"\n", b"\r\n").replace(b"\r\r\n", b"\r\n"),
    b"Subject: nur Kopf\r\n\r\n", b"\r\nnur Rumpf\r\n", message("gross", body="x" * 78 + "\r\n" + "abc\r\n" * 400000),
], ids=["plain", "no-end", "octets", "head", "body", "big"])
def test_import_and_export_byte_by_byte(pair, raw):
    if b"\0" in raw:
        raw = raw.replace(b"\0", b"")
    raw = re.sub(rb"\r(?!\n)", b"", raw)
    j, i, _ = pair
    up = j.upload(raw)
    assert up["size"] == len(raw) and up["type"] == "message/rfc822" and j.download(up["blobId"])[1] == raw
    made = j.one("Email/import", emails={"a": {"blobId": up["blobId"], "mailboxIds": {j.mailbox("inbox"): True},
                                               "keywords": {"$seen": True}, "receivedAt": "2019-03-02T01:02:03Z"}})
    made = made["created"]["a"]
    fields, back = j.download(made["blobId"])
    assert back == raw and made["size"] == len(raw)
    assert "attachment" in fields["Content-Disposition"] and "sandbox" in fields["Content-Security-Policy"]
    i.select("INBOX", readonly=True)
    head, by_imap = i.fetch("1", "(INTERNALDATE BODY.PEEK[])")[1][0]
    assert by_imap == raw and b"2019" in head
    data = j.one("Blob/get", ids=[made["blobId"]], properties=["digest:sha-256", "size"])["list"][0]
    assert base64.b64decode(data["digest:sha-256"]) == hashlib.sha256(raw).digest()


def test_bare_line_feeds_get_their_company(pair):
    j, _, _ = pair
    up = j.upload(b"Subject: Unix\n\neins\nzwei\n")
    made = j.one("Email/import", emails={"a": {"blobId": up["blobId"], "mailboxIds": {j.mailbox("inbox"): True}}})
    assert j.download(made["created"]["a"]["blobId"])[1] == b"Subject: Unix\r\n\r\neins\r\nzwei\r\n"


def test_names_of_mailboxes(pair):
    """RFC 8621 2: names are Net-Unicode, so NFC; IMAP's modified UTF-7 and UTF8=ACCEPT give the same."""
    j, i, name = pair
    nfd, nfc = unicodedata.normalize("NFD", "Büro Ångström"), unicodedata.normalize("NFC", "Büro Ångström")
    r = j.set("Mailbox", create={"b": {"name": nfd}})
    assert r["created"]["b"]["name"] == nfc
    id = r["created"]["b"]["id"]
    assert any(b'"B&APw-ro &AMU-ngstr&APY-m"' in l for l in i.list()[1]), i.list()
    assert j.one("Mailbox/set", create={"b": {"name": nfc}})["notCreated"]["b"]["type"] == "invalidProperties"
    assert i.create(quoted("B&APw-ro &AMU-ngstr&APY-m"))[0] == "NO"
    assert i.rename(quoted("B&APw-ro &AMU-ngstr&APY-m"), quoted("Akten &- B&APw-cher"))[0] == "OK"
    assert j.one("Mailbox/get", ids=[id])["list"][0]["name"] == "Akten & Bücher"
    assert i.create(quoted("x &2D3eAA- y"))[0] == "OK"
    assert j.mailbox(name="x \U0001f600 y")
    for bad in ("a/b", "", "x" * 300, "a\nb"):
        r = j.one("Mailbox/set", create={"b": {"name": bad}})
        assert r["notCreated"]["b"]["type"] == "invalidProperties", repr(bad)
    below = j.set("Mailbox", create={"p": {"name": "Oben"}, "c": {"name": "Unten", "parentId": "#p"}})["created"]
    assert i.status("Oben/Unten", "(MESSAGES)")[0] == "OK"
    r = j.one("Mailbox/set", destroy=[below["p"]["id"]])
    assert r["notDestroyed"][below["p"]["id"]]["type"] == "mailboxHasChild"
    append(i, "Oben/Unten")
    r = j.one("Mailbox/set", destroy=[below["c"]["id"]])
    assert r["notDestroyed"][below["c"]["id"]]["type"] == "mailboxHasEmail"
    j.set("Mailbox", destroy=[below["c"]["id"], below["p"]["id"]], onDestroyRemoveEmails=True)
    assert not [l for l in i.list()[1] if b"Oben" in l]


def test_states(pair):
    j, i, _ = pair
    append(i)
    kinds = ["Mailbox", "Thread", "Email", "Identity", "EmailSubmission", "Quota"]
    first = [j.one(f"{k}/get", ids=[])["state"] for k in kinds]
    j.ids()
    j.one("Mailbox/query")
    i.noop()
    assert [j.one(f"{k}/get", ids=[])["state"] for k in kinds] == first, "looking changes nothing"
    for kind, state in zip(kinds, first):
        r = j.one(f"{kind}/changes", sinceState=state)
        assert r["oldState"] == r["newState"] == state and not r["hasMoreChanges"], kind
        assert not r["created"] + r["updated"] + r["destroyed"]
        with pytest.raises(JmapError) as e:
            j.one(f"{kind}/changes", sinceState="unsinn")
        assert e.value.type == "cannotCalculateChanges", kind

    [email], inbox = j.ids(), j.mailbox("inbox")
    state = first[2]
    r = j.one("Email/set", ifInState=state, update={email: {"keywords/$seen": True}})
    assert r["oldState"] == state != r["newState"]
    for kind, args in (("Email", {"update": {email: {"keywords/$seen": None}}}),
                       ("Mailbox", {"update": {inbox: {"isSubscribed": True}}})):
        with pytest.raises(JmapError) as e:
            j.one(f"{kind}/set", ifInState=state, **args)
        assert e.value.type == "stateMismatch"
    assert j.one("Email/get", ids=[email], properties=["keywords"])["list"][0]["keywords"] == {"$seen": True}
    again = j.one("Email/set", update={email: {"keywords/$seen": True}})
    assert again["newState"] == r["newState"], "nothing changed"
    # Only counts of the mailbox changed, and that is said.
    r = j.one("Mailbox/changes", sinceState=first[0])
    assert r["updated"] == [inbox] and set(r["updatedProperties"] or ["totalEmails", "unreadEmails"]) >= {"unreadEmails"}


def test_changes_that_are_too_many(pair):
    j, i, _ = pair
    state = j.one("Email/get", ids=[])["state"]
    for _ in range(5):
        append(i)
    with pytest.raises(JmapError) as e:
        j.one("Email/changes", sinceState=state, maxChanges=4)
    assert e.value.type == "cannotCalculateChanges"
    r = j.one("Email/changes", sinceState=state, maxChanges=5)
    assert len(r["created"]) == 5 and not r["hasMoreChanges"]
    with pytest.raises(JmapError) as e:
        j.one("Email/changes", sinceState=state, maxChanges=0)
    assert e.value.type == "invalidArguments"


def test_two_clients_at_once(demo, pair):
    """What either set is there in the end, and both see the same states."""
    j, i, name = pair
    for _ in range(10):
        append(i)
    emails = j.ids()

    def work(word):
        mine, made = Jmap(demo, name), 0
        for k in range(40):
            mine.set("Email", update={emails[k % 10]: {f"keywords/{word}{k // 10}": True}})
            if k % 8 == 0:
                made += len(mine.set("Mailbox", create={"m": {"name": f"{word} {k}"}})["created"])
        return made
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        made = list(pool.map(work, ["a", "b", "c"]))
    assert made == [5, 5, 5]
    for k, e in enumerate(j.one("Email/get", ids=emails, properties=["keywords"])["list"]):
        words = {f"{w}{n}" for w in "abc" for n in range(4)}
        assert set(e["keywords"]) == words, (k, set(e["keywords"]) ^ words)


# --- 200 steps at random ---


class Cache:
    """What a client knows; `refresh` applies /changes, `fresh` is a new one from /get."""

    EMAIL = ["mailboxIds", "keywords", "threadId", "receivedAt", "size", "blobId", "subject"]

    def __init__(self, client, queries=()):
        self.j = client
        self.hidden = set()  # were hidden by \Deleted at some time: may be told as created once more
        self.queries = [dict(q) for q in queries]
        self.load()

    def load(self):
        ref = {"resultOf": "0", "name": "Email/query", "path": "/ids"}
        threads = {"resultOf": "1", "name": "Email/get", "path": "/list/*/threadId"}
        _, emails, boxes, thread, *found = self.j.call(
            ("Email/query", {}), ("Email/get", {"#ids": ref, "properties": self.EMAIL}),
            ("Mailbox/get", {"ids": None}), ("Thread/get", {"#ids": threads}),
            *[("Email/query", q) for q in self.queries])
        self.emails = {e["id"]: e for e in emails["list"]}
        self.boxes = {b["id"]: b for b in boxes["list"]}
        self.threads = {t["id"]: t for t in thread["list"]}
        self.states = {"Email": emails["state"], "Mailbox": boxes["state"], "Thread": thread["state"]}
        self.found = [q["ids"] for q in found]
        self.query_states = [q["queryState"] for q in found]

    def same(self, other):
        for what in ("emails", "boxes", "threads", "states", "found"):
            assert getattr(self, what) == getattr(other, what), what

    def refresh(self, alone=True):
        """Not alone: others change things between the two requests, and while they hide and show emails."""
        kinds = ("Email", "Mailbox", "Thread")
        changes = self.j.call(
            *[(f"{k}/changes", {"sinceState": self.states[k]}) for k in kinds],
            *[("Email/queryChanges", {"sinceQueryState": s, **q}) for s, q in zip(self.query_states, self.queries)])
        gets = []
        for kind, c in zip(kinds, changes):
            known = {"Email": self.emails, "Mailbox": self.boxes, "Thread": self.threads}[kind]
            assert not c["hasMoreChanges"] and c["oldState"] == self.states[kind]
            again = self.hidden if kind == "Email" else None
            if kind != "Thread" and alone:
                assert not [x for x in c["created"] if x in known and x not in again], (kind, c)
                assert not [x for x in c["updated"] + c["destroyed"] if x not in known and x not in (again or ())], c
            for id in c["destroyed"]:
                known.pop(id, None)
            gets.append((f"{kind}/get", {"ids": c["created"] + c["updated"],
                                         **({"properties": self.EMAIL} if kind == "Email" else {})}))
            self.states[kind] = c["newState"]
        for kind, g in zip((self.emails, self.boxes, self.threads), self.j.call(*gets)):
            assert not (alone and g["notFound"]), g
            kind.update((o["id"], o) for o in g["list"])
        for k, c in enumerate(changes[3:]):
            ids = [id for id in self.found[k] if id not in set(c["removed"])]
            for a in sorted(c["added"], key=lambda a: a["index"]):
                assert a["index"] <= len(ids) and a["id"] not in ids, c
                ids.insert(a["index"], a["id"])
            self.found[k], self.query_states[k] = ids, c["newQueryState"]


class Walk:
    """Random steps by IMAP and JMAP; each returns what it did, for the message of a failure."""

    def __init__(self, j, imap, seed):
        self.j, self.imap, self.r, self.names = j, imap, random.Random(seed), 0
        self.queries = [
            {"filter": {"inMailbox": j.mailbox("inbox")}, "sort": [{"property": "receivedAt", "isAscending": False}]},
            {"filter": {"operator": "NOT", "conditions": [{"hasKeyword": "$seen"}]},
             "sort": [{"property": "hasKeyword", "keyword": "$flagged", "isAscending": False},
                      {"property": "subject"}, {"property": "size"}]},
            {"collapseThreads": True, "sort": [{"property": "receivedAt"}]},
            {"filter": {"someInThreadHaveKeyword": "$flagged"}, "sort": [{"property": "size"}]}]
        self.cache = Cache(j, self.queries)

    def box(self, least=0):
        """A mailbox that IMAP knows, with at least so many messages; selected."""
        names = listed(self.imap)
        self.r.shuffle(names)
        for name in names:
            if int(self.imap.select(quoted(name))[1][0]) >= least:
                return name
        return None

    def some_uid(self):
        name = self.box(1)
        if not name:
            return None, None
        return name, self.r.choice(self.imap.uid("SEARCH", "ALL")[1][0].split()).decode()

    def some_email(self):
        return self.r.choice(sorted(self.cache.emails)) if self.cache.emails else None

    def raw(self):
        subject = f"Nachricht {self.r.randrange(12)}"
        head, extra = message(subject, sender=f"p{self.r.randrange(5)}@sender.example").split(b"\r\n", 1), b""
        if self.r.random() < .4 and self.cache.emails:
            # Answers join threads; some answer two and join them with each other.
            for id in {self.some_email() for _ in range(self.r.randrange(1, 3))}:
                for e in self.j.one("Email/get", ids=[id], properties=["messageId"])["list"]:
                    extra += b" " + b" ".join(f"<{m}>".encode() for m in e["messageId"] or [])
            extra = b"References:" + extra + b"\r\n" if extra.strip() else b""
            head[1] = head[1].replace(b"Subject: ", b"Subject: Re: ")
        return extra + b"\r\n".join(head) + b"." * self.r.randrange(60) + b"\r\n"

    # By IMAP

    def imap_append(self):
        name = self.r.choice(listed(self.imap))
        append(self.imap, name, self.r.choice([None, r"(\Seen)", r"(\Flagged)", r"(\Draft \Seen)", r"(\Deleted)"]),
               self.raw())
        return name

    def imap_flags(self):
        name, uid = self.some_uid()
        if name:
            word = self.r.choice([r"\Seen", r"\Flagged", r"\Answered", r"\Deleted", "Blau"])
            how = self.r.choice("+-") + "FLAGS"
            assert self.imap.uid("STORE", uid, how, f"({word})")[0] == "OK"
            return name, uid, how, word

    def imap_copy(self, verb="COPY"):
        name, uid = self.some_uid()
        if name:
            to = self.r.choice(listed(self.imap))
            assert self.imap.uid(verb, uid, quoted(to))[0] == "OK"
            return verb, name, uid, to

    def imap_move(self):
        return self.imap_copy("MOVE")

    def imap_expunge(self):
        name = self.box(1)
        return name and self.imap.expunge()

    def imap_create(self):
        self.names += 1
        name = self.r.choice(["", "", self.r.choice(listed(self.imap)) + "/"]) + f"Neu {self.names}"
        return self.imap.create(quoted(name))[0], name

    def imap_rename(self):
        self.names += 1
        name = self.r.choice(listed(self.imap))
        return self.imap.rename(quoted(name), quoted(f"Anders {self.names}"))[0], name, self.names

    def imap_delete(self):
        fresh = [n for n in listed(self.imap) if "Neu" in n or "Anders" in n]
        if fresh:
            name = self.r.choice(fresh)
            self.imap.select("INBOX")
            return self.imap.delete(quoted(name))[0], name

    def imap_subscribe(self):
        name = self.r.choice(listed(self.imap))
        return self.r.choice([self.imap.subscribe, self.imap.unsubscribe])(quoted(name)), name

    # By JMAP

    def jmap_keywords(self):
        if id := self.some_email():
            word = self.r.choice(["$seen", "$flagged", "gelb"])
            return id, word, self.j.set("Email", update={id: {f"keywords/{word}": self.r.choice([True, None])}})

    def jmap_mailboxes(self):
        if id := self.some_email():
            boxes = sorted(self.cache.boxes)
            to = {b: True for b in self.r.sample(boxes, min(len(boxes), self.r.choice([1, 1, 2, 3])))}
            return id, to, self.j.set("Email", update={id: {"mailboxIds": to}})

    def jmap_destroy(self):
        if self.r.random() < .5 and (id := self.some_email()):
            return id, self.j.set("Email", destroy=[id])

    def jmap_create(self):
        parent = self.r.choice([None, *sorted(self.cache.boxes)])
        self.names += 1
        return self.j.one("Mailbox/set", create={"x": {"name": f"Neu {self.names}", "parentId": parent}})

    def jmap_rename(self):
        id = self.r.choice(sorted(self.cache.boxes))
        self.names += 1
        parent = self.r.choice([None, *sorted(self.cache.boxes)])
        return self.j.one("Mailbox/set", update={id: {"name": f"Anders {self.names}", "parentId": parent}})

    def jmap_remove(self):
        fresh = [b["id"] for b in self.cache.boxes.values() if not b["role"]]
        if fresh:
            self.imap.select("INBOX")  # else the server ends a session whose mailbox is gone
            return self.j.one("Mailbox/set", destroy=[self.r.choice(fresh)], onDestroyRemoveEmails=True)

    def jmap_import(self):
        blob = self.j.upload(self.raw())["blobId"]
        return self.j.one("Email/import", emails={"a": {
            "blobId": blob, "mailboxIds": {self.r.choice(sorted(self.cache.boxes)): True}}})["created"]

    def jmap_restore(self):
        gone = self.j.one("DeletedEmail/query", limit=10)["list"]
        if gone:
            return self.j.one("DeletedEmail/restore", ids=[g["id"] for g in gone[:2]])

    def storm(self, steps):
        """For several at once: what another has taken away meanwhile is no failure."""
        kinds = [self.imap_append, self.imap_flags, self.imap_copy, self.imap_move, self.imap_expunge,
                 self.jmap_keywords, self.jmap_mailboxes, self.jmap_import, self.jmap_destroy]
        for k in range(steps):
            if k % 5 == 0:
                self.cache.refresh(alone=False)
            try:
                self.r.choice(kinds)()
            except AssertionError as e:
                assert "notFound" in str(e), e

    def step(self):
        kinds = [self.imap_append] * 4 + [self.imap_flags] * 4 + [self.jmap_keywords] * 3 + [self.jmap_mailboxes] * 3
        kinds += [self.jmap_import] * 2 + [self.imap_copy] * 2 + [self.imap_move] * 2
        kinds += [self.imap_expunge, self.imap_create, self.imap_rename, self.imap_delete, self.imap_subscribe,
                  self.jmap_destroy, self.jmap_create, self.jmap_rename, self.jmap_remove, self.jmap_restore]
        kind = self.r.choice(kinds)
        return kind.__name__, kind()

    def compare_with_imap(self):
        boxes, emails = self.cache.boxes, {}
        path = {}
        for id, b in boxes.items():
            name, up = b["name"], b["parentId"]
            while up:
                name, up = boxes[up]["name"] + "/" + name, boxes[up]["parentId"]
            path[re.sub("^Inbox(?=/|$)", "INBOX", name)] = id
        seen = seen_by_imap(self.imap)
        assert set(seen) == set(path)
        for name, messages in seen.items():
            for email, thread, flags in messages.values():
                if "\\deleted" in flags:
                    self.cache.hidden.add(email)
                    continue
                e = emails.setdefault(email, {"mailboxIds": {}, "keywords": {}, "threadId": thread})
                assert e["threadId"] == thread
                e["mailboxIds"][path[name]] = True
                for f in flags:
                    e["keywords"][f.replace("\\", "$")] = True
        mine = {id: {k: e[k] for k in ("mailboxIds", "keywords", "threadId")} for id, e in self.cache.emails.items()}
        assert mine == emails
        for id, b in boxes.items():
            here = [e for e in emails.values() if id in e["mailboxIds"]]
            unread = [e for e in here if not {"$seen", "$draft"} & set(e["keywords"])]
            assert (b["totalEmails"], b["unreadEmails"], b["totalThreads"]) == (
                len(here), len(unread), len({e["threadId"] for e in here})), b
        threads = {}
        for id, e in emails.items():
            threads.setdefault(e["threadId"], set()).add(id)
        assert {id: set(t["emailIds"]) for id, t in self.cache.threads.items() if t["emailIds"]} == threads


@pytest.mark.parametrize("seed", [int(os.environ.get("SEED", "4"))])
def test_changes_are_exact(demo, seed):
    name = user_of(demo, f"zufall{seed}")
    imap = demo.imap(name)
    for folder in ("Projekte", "Projekte/Boot"):
        imap.create(folder)
    walk, told = Walk(Jmap(demo, name), imap, seed), []
    for k in range(int(os.environ.get("STEPS", "200"))):
        told.append(walk.step())
        try:
            if told[-1][0].startswith("imap_flags") and told[-1][1] and told[-1][1][3] == "\\Deleted":
                walk.cache.hidden |= set(walk.cache.emails)
            walk.cache.refresh()
            walk.cache.same(Cache(walk.j, walk.queries))
            if k % 10 == 9:
                walk.compare_with_imap()
        except Exception as e:
            raise AssertionError(f"step {k}: {told[-3:]}") from e
    imap.logout()


def test_changes_are_exact_while_others_change_much(demo):
    name = user_of(demo, "sturm")
    imaps = [demo.imap(name) for _ in range(3)]
    for folder in ("Projekte", "Projekte/Boot"):
        imaps[0].create(folder)
    walks = [Walk(Jmap(demo, name), i, k) for k, i in enumerate(imaps)]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(w.storm, 60) for w in walks]:
            future.result()
    for w in walks:
        w.cache.refresh(alone=False)
        for kind in (w.cache.emails, w.cache.boxes, w.cache.threads):
            assert kind
        w.cache.same(Cache(w.j, w.queries))
        w.compare_with_imap()
    for i in imaps:
        i.logout()
