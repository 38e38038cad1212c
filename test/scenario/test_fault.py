"""What was acknowledged is there: kill -9 at random instants, full disk."""
import hashlib
import imaplib
import os
import random
import re
import smtplib
import subprocess
import threading
import time

import pytest

from conftest import Demo, message, wait_for

KILLS = int(os.environ.get("DEPESCHE_KILLS", "200"))


def noise(lines):
    """Text that compression cannot make much smaller."""
    return "".join(f"{random.getrandbits(256):x}\r\n" for _ in range(lines))


def checked_message(name):
    """A message whose body proves itself: random lines and their digest."""
    body = noise(random.choice((1, 20, 400)))
    digest = hashlib.sha256(body.encode()).hexdigest()
    return message(f"proof {name} {digest}", message_id=name, body=body)


class Load:
    """Threads that deliver and append until they are stopped; `acked` holds what was acknowledged."""

    def __init__(self, demo, senders=3, appenders=2):
        self.demo, self.acked, self.lock, self.stop = demo, set(), threading.Lock(), threading.Event()
        jobs = [self.deliver] * senders + [self.append] * appenders
        self.threads = [threading.Thread(target=self.run, args=(j,), daemon=True) for j in jobs]
        for t in self.threads:
            t.start()

    def run(self, job):
        while not self.stop.is_set():
            try:
                job()
            except (OSError, smtplib.SMTPException, imaplib.IMAP4.error, EOFError, ValueError):
                time.sleep(0.005)

    def ack(self, name):
        with self.lock:
            self.acked.add(name)

    def deliver(self):
        s = self.demo.smtp(timeout=5)
        try:
            while not self.stop.is_set():
                name = f"d{random.getrandbits(64):x}"
                s.sendmail("a@sender.example", ["anna@example.org"], checked_message(name))
                self.ack(name)
        finally:
            s.close()

    def append(self):
        i = self.demo.imap(timeout=5)
        try:
            while not self.stop.is_set():
                name = f"a{random.getrandbits(64):x}"
                if i.append("INBOX", r"(\Seen)", None, checked_message(name))[0] == "OK":
                    self.ack(name)
        finally:
            i.shutdown()

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join(30)
        return self.acked


def present(demo):
    """Message names in anna's inbox with how often each is there; proves every body."""
    found = {}
    with demo.imap(timeout=120) as i:
        i.select("INBOX", readonly=True)
        for piece in i.fetch("1:*", "(BODY.PEEK[])")[1]:
            if not isinstance(piece, tuple):
                continue
            head, body = piece[1].split(b"\r\n\r\n", 1)
            m = re.search(rb"^Subject: proof (\S+) ([0-9a-f]{64})\r?$", head, re.M)
            if m:
                assert hashlib.sha256(body).hexdigest().encode() == m[2], "a torn message"
                found[m[1].decode()] = found.get(m[1].decode(), 0) + 1
    return found


def assert_kept(demo, acked):
    found = present(demo)
    lost = acked - found.keys()
    assert not lost, f"{len(lost)} of {len(acked)} acknowledged messages are lost: {sorted(lost)[:5]}"
    twice = [n for n, k in found.items() if k > 1]
    assert not twice, f"delivered twice: {twice[:5]}"


def test_kill_nine_at_random_instants(tmp_path):
    demo, acked = Demo(tmp_path / "d"), set()
    for k in range(KILLS):
        demo.start()
        load = Load(demo)
        time.sleep(random.uniform(0.01, 0.25))
        demo.kill_all()
        acked |= load.end()
    demo.start()
    try:
        assert len(acked) > KILLS, "too few acknowledgements for the test to say anything"
        assert_kept(demo, acked)
    finally:
        demo.stop()
    doctor = demo.command("doctor", check=False)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr


@pytest.fixture
def small_disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    point = tmp_path / "disk"
    point.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(point)]).returncode:
        pytest.skip("cannot mount here")
    yield point
    subprocess.run(["umount", "-l", str(point)], check=False)


def test_full_disk_and_room_again(small_disk):
    demo = Demo(small_disk / "d")
    demo.log = small_disk.parent / "demo.log"
    demo.start()
    acked = set()
    try:
        ballast = small_disk / "ballast"
        subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=64k"], capture_output=True)
        ballast_size = ballast.stat().st_size
        assert ballast_size > 1 << 20
        os.truncate(ballast, ballast_size - (1 << 20))

        refusals = 0
        for k in range(400):
            name = f"full{k}"
            try:
                with demo.smtp() as s:
                    s.sendmail("a@sender.example", ["anna@example.org"],
                               message("fills", message_id=name, body=noise(2000)))
                acked.add(name)
            except smtplib.SMTPRecipientsRefused as e:
                code, text = next(iter(e.recipients.values()))
                assert code == 452, (code, text)
                refusals += 1
            except smtplib.SMTPResponseException as e:
                assert e.smtp_code == 452 and b"4.3.1" in e.smtp_error, e
                refusals += 1
            if refusals > 5:
                break
        assert refusals > 5, "the disk never got full"
        with demo.imap() as i:
            typ, text = i.append("INBOX", None, None, message("passt nicht", body=noise(6000)))
            assert typ == "NO" and (b"UNAVAILABLE" in text[0] or b"OVERQUOTA" in text[0]), text

        ballast.unlink()

        def again():
            try:
                with demo.smtp() as s:
                    s.sendmail("a@sender.example", ["anna@example.org"], message("wieder Platz", message_id="wieder"))
                return True
            except smtplib.SMTPException:
                return False
        wait_for(again, 15, "service after room came back")
        with demo.imap() as i:
            i.select("INBOX")
            ids = b"".join(p[1] for p in i.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1] if isinstance(p, tuple))
            for name in acked | {"wieder"}:
                assert f"<{name}@".encode() in ids, name
    finally:
        demo.stop()
