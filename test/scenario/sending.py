"""What the tests of sending share: a demo whose only name server is ours, and questions to its queue."""
import email
import email.policy
import imaplib
import json

from conftest import Demo, message, wait_for
from world import Authority, Sink, Zones, configure, free_port, need_root

SIGNED, PLAIN, BOGUS = "signed.example.", "plain.example.", "bogus.example."


class World:
    """A demo whose only name server is ours, with one zone of each kind."""

    def __init__(self, directory):
        need_root()
        self.dir = directory
        self.ca = Authority(directory / "ca")
        self.port = free_port("127.0.0.1")
        self.demo = Demo(directory / "d").start()
        self.demo.stop()
        self.zones = Zones(directory / "dns", self.demo.base + 53)
        self.records = {SIGNED: ["good A 127.0.0.1"], PLAIN: ["x A 127.0.0.1"], BOGUS: ["bad A 127.0.0.1"]}
        self.tamper = [("bad.bogus.example.\t5\tIN\tA\t127.0.0.1", "bad.bogus.example.\t5\tIN\tA\t127.0.0.2")]
        self.servers = []

    def host(self, name, zone=SIGNED, mx=None, tlsa=(), server=None, ip=None, records=()):
        """NAME.ZONE with a mail server mx-NAME.ZONE; tlsa: texts of records."""
        mx = mx or f"mx-{name}"
        if server:
            self.servers.append(server)
            ip = server.ip
        self.records[zone] += [f"{name} MX 10 {mx}", f"{mx} {'AAAA' if ':' in ip else 'A'} {ip}",
                               *[f"_{self.port}._tcp.{mx} TLSA {t}" for t in tlsa], *records]
        return f"{name}.{zone[:-1]}"

    def sink(self, certificate=None, **kw):
        return Sink(port=self.port, certificate=certificate, **kw)

    def start(self, **settings):
        try:
            return self._start(**settings)
        except BaseException:
            self.stop()  # nobody else would end what runs already
            raise

    def _start(self, **settings):
        for zone, records in self.records.items():
            self.zones.zone(zone, records, signed=zone != PLAIN, tamper=self.tamper if zone == BOGUS else ())
        self.zones.start()
        values = dict(sending__port=self.port, dns__anchor=self.zones.anchor, dns__known_good="good.signed.example",
                      dns__known_bad="bad.bogus.example", tls__ca=self.ca.chain, sending__retry_first="2s",
                      sending__retry_most="3s", dns__timeout="4s", sending__messages_per_hour="0", sending__https_inside="yes",
                      sending__new_recipients_per_day="0")
        values.update(settings)
        configure(self.demo, **values)
        self.demo.serve()
        return self

    def stop(self):
        if self.demo.process:
            self.demo.stop()
        self.zones.stop()
        for s in self.servers:
            s.stop()

    def send(self, to, subject="Hallo", user="anna", text=None, **kw):
        """`to`: an address or several. More arguments are smtplib's."""
        sender, to = f"{user}@example.org", [to] if isinstance(to, str) else to
        with self.demo.submission(user=user) as s:
            return s.sendmail(sender, to, text or message(subject, to=to[0], sender=sender), **kw)

    def send_many(self, count, to, user="anna", prefix="m"):
        """`count` letters over one connection; returns their Message-IDs without the domain."""
        names = [f"{prefix}{k}" for k in range(count)]
        with self.demo.submission(user=user) as s:
            for name in names:
                s.sendmail(f"{user}@example.org", [to], message(name, to, f"{user}@example.org", message_id=name))
        return names

    def queue(self, *args):
        return json.loads(self.demo.command("queue", *args, "--json").stdout)

    def why(self, recipient):
        r = self.demo.command("queue", "why", "--recipient", recipient, "--json", check=False)
        return json.loads(r.stdout)[-1] if r.returncode == 0 and r.stdout.strip() else None

    def outcome(self, recipient, state, timeout=20):
        def look():
            w = self.why(recipient)
            return w if w and w["state"] == state else None
        try:
            return wait_for(look, timeout, f"{recipient} {state}")
        except AssertionError:
            raise AssertionError(f"{recipient} is not {state}: {self.why(recipient)}\n{self.demo.tail()}")

    def delivered(self, recipient, *words):
        w = self.outcome(recipient, "delivered")
        for word in words:
            assert word in w["why"], w["why"]
        return w

    def deferred(self, recipient, *words):
        def look():
            w = self.why(recipient)
            assert not w or w["state"] == "waiting", w
            return w if w and "first attempt" not in w["why"] and all(word in w["why"] for word in words) else None
        try:
            return wait_for(look, 25, f"{recipient} deferred")
        except AssertionError as e:
            raise AssertionError(f"{e}: {self.why(recipient)}\n{self.demo.tail()}")

    def inbox(self, user="anna"):
        """What is there, as email.message.EmailMessage with the bytes as `raw`."""
        with self.demo.imap(user=user) as i:
            i.select("INBOX", readonly=True)
            try:
                pieces = i.fetch("1:*", "(BODY.PEEK[])")[1]
            except imaplib.IMAP4.error:  # empty
                return []
        found = []
        for raw in [p[1] for p in pieces if isinstance(p, tuple)]:
            found.append(email.message_from_bytes(raw, policy=email.policy.default))
            found[-1].raw = raw
        return found

    def reports(self, recipient, user="anna"):
        """The delivery reports about one recipient, as Report."""
        found = []
        for m in self.inbox(user):
            if m.get_content_type() == "multipart/report" and m.get_param("report-type") == "delivery-status":
                found += [r for r in [Report(m, recipient)] if r.field("Final-Recipient")]
        return found

    def report(self, recipient, user="anna", action=None, timeout=20):
        def look():
            return [r for r in self.reports(recipient, user) if action in (None, r.field("Action"))]
        try:
            return wait_for(look, timeout, f"a report about {recipient}")[0]
        except AssertionError as e:
            raise AssertionError(f"{e}: {self.why(recipient)}\n{self.demo.tail()}")


class Report:
    """A delivery report (RFC 3464), seen from one recipient."""

    def __init__(self, mail, recipient):
        parts = list(mail.iter_parts())
        self.mail, self.human = mail, parts[0].get_content()
        blocks = list(parts[1].iter_parts()) if parts[1].is_multipart() else parts[1].get_payload()
        self.whole, *people = blocks
        self.fields = next((b for b in people if str(b["Final-Recipient"]).endswith(recipient)), None)
        self.returned = parts[2] if len(parts) > 2 else None

    def field(self, name):
        value = self.fields[name] if self.fields else None
        return str(value) if value is not None else None
