"""A small JMAP client (RFC 8620, 8621) that knows nothing of the server but its session resource."""
import base64
import contextlib
import http.client
import json
import queue
import threading
import urllib.parse

from conftest import PASSWORD

CORE, MAIL = "urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail"
OURS = "urn:depesche:account"


class JmapError(Exception):
    """A method-level error; `type` is the error's."""

    def __init__(self, error):
        super().__init__(json.dumps(error))
        self.type, self.error = error["type"], error


class Jmap:
    def __init__(self, demo, user="anna", password=PASSWORD, fields=None):
        """By Basic; `fields` are sent instead when given (a cookie, say)."""
        secret = base64.b64encode(f"{user}@example.org:{password}".encode()).decode()
        self.demo, self.fields = demo, fields or {"Authorization": f"Basic {secret}"}
        self.connection = self.connect()
        status, _, body = self.http("GET", "/.well-known/jmap")
        assert status == 200, (status, body)
        self.session = json.loads(body)
        self.account = self.session["primaryAccounts"][MAIL]

    def connect(self, timeout=60):
        return http.client.HTTPSConnection("localhost", self.demo.port("https"), timeout=timeout,
                                           context=self.demo.tls())

    def http(self, method, url, body=None, **fields):
        """(status, fields, body); once more when a kept connection was closed meanwhile."""
        parts = urllib.parse.urlsplit(url)
        assert not parts.netloc or parts.netloc == f"localhost:{self.demo.port('https')}", url
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        for again in (True, False):
            try:
                self.connection.request(method, path, body, {**self.fields, **fields})
                r = self.connection.getresponse()
                return r.status, r.headers, r.read()
            except (http.client.HTTPException, OSError):
                self.connection.close()
                if not again:
                    raise

    def request(self, calls, using=None, **more):
        """The whole Response object."""
        rq = {"using": using or list(self.session["capabilities"]), "methodCalls": calls, **more}
        status, _, body = self.http("POST", self.session["apiUrl"], json.dumps(rq).encode(),
                                    **{"Content-Type": "application/json"})
        assert status == 200, (status, body)
        return json.loads(body)

    def call(self, *calls):
        """The arguments of all responses to (name, arguments) pairs, in order."""
        rows = [[name, {"accountId": self.account, **args}, str(k)] for k, (name, args) in enumerate(calls)]
        answers = self.request(rows)["methodResponses"]
        for name, args, _ in answers:
            if name == "error":
                raise JmapError(args)
        return [args for _, args, _ in answers]

    def one(self, name, **args):
        return self.call((name, args))[0]

    def set(self, kind, **args):
        """A /set that must do all that is asked."""
        r = self.one(f"{kind}/set", **args)
        assert not any(r.get(f"not{what}") for what in ("Created", "Updated", "Destroyed")), r
        return r

    def url(self, of, **values):
        quoted = {k: urllib.parse.quote(str(v), safe="") for k, v in {"accountId": self.account, **values}.items()}
        return self.session[of].format(**quoted)

    def upload(self, data, kind="message/rfc822"):
        status, _, body = self.http("POST", self.url("uploadUrl"), data, **{"Content-Type": kind})
        assert status == 201, (status, body)
        return json.loads(body)

    def download(self, blob, name="x.eml", kind="message/rfc822"):
        status, fields, body = self.http("GET", self.url("downloadUrl", blobId=blob, name=name, type=kind))
        assert status == 200, (status, body)
        return fields, body

    def mailbox(self, role=None, name=None):
        found = [m for m in self.one("Mailbox/get", ids=None)["list"]
                 if (m["role"] == role if role else m["name"] == name)]
        return found[0]["id"] if found else None

    def ids(self, **filter):
        return self.one("Email/query", filter=filter or None)["ids"]

    def events(self, types="*", closeafter="no", ping=0):
        return Events(self, self.url("eventSourceUrl", types=types, closeafter=closeafter, ping=ping))


class Events:
    """An event stream read by a thread: `take` gives the next (event, data), or None at its end."""

    def __init__(self, client, url):
        parts = urllib.parse.urlsplit(url)
        self.connection = client.connect()
        self.connection.request("GET", f"{parts.path}?{parts.query}", headers=client.fields)
        self.response = self.connection.getresponse()
        assert self.response.status == 200, self.response.read()
        assert self.response.getheader("Content-Type").startswith("text/event-stream")
        self.came = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        event, data = "message", []
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
            while line := self.response.readline():
                name, _, value = line.decode().rstrip("\r\n").partition(":")
                if name == "event":
                    event = value.strip()
                elif name == "data":
                    data.append(value.strip())
                elif not line.strip() and data:
                    self.came.put((event, json.loads("\n".join(data))))
                    event, data = "message", []
        self.came.put(None)

    def take(self, timeout=10):
        return self.came.get(timeout=timeout)

    def close(self):
        with contextlib.suppress(OSError):
            self.connection.sock.close()
