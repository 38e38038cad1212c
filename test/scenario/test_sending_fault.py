"""What was accepted leaves, whatever breaks: kill -9 in the middle of a thousand deliveries, of one role alone, broken
rows, and certificates that no server should have."""
import collections
import os
import random
import signal
import smtplib
import sqlite3
import subprocess
import threading
import time

import pytest

from conftest import message, wait_for
from sending import PLAIN, World
from test_fault import small_disk  # noqa: F401
from test_processes import roles
from world import Certificate, Sink

KILLS = int(os.environ.get("DEPESCHE_SENDING_KILLS", "50"))
LETTERS = 1000
# Around a kill, answers are on their way: this side of it by the server's pause, that side until they are durable.
LOST_WITHIN = 0.5


class Counting(Sink):
    """Counts by recipient: each letter has one of its own. Slow enough to be killed in the middle."""

    def __init__(self, **kw):
        super().__init__(answer=self.count, keep=False, **kw)
        self.taken = collections.defaultdict(list)  # recipient -> when
        self.pause = 0.0

    def count(self, verb, arg):
        if verb == ".":
            time.sleep(self.pause)
            with self.lock:
                for r in arg:
                    self.taken[r[4:].split("@")[0]].append(time.time())
        return None


class Submitter(threading.Thread):
    """Submits letters until there are enough or it is told to end; starts anew when the server is gone."""

    def __init__(self, demo, tag, count, domain):
        super().__init__(daemon=True)
        self.demo, self.count, self.domain = demo, count, domain
        self.tag, self.acknowledged, self.over = tag, [], threading.Event()
        self.start()

    def run(self):
        n = 0
        while not self.over.is_set() and len(self.acknowledged) < self.count:
            try:
                with self.demo.submission(timeout=5) as s:
                    while not self.over.is_set() and len(self.acknowledged) < self.count:
                        n += 1
                        name = f"{self.tag}{n}"
                        to = f"{name}@{self.domain}"
                        s.sendmail("anna@example.org", [to], message(name, to, "anna@example.org"))
                        self.acknowledged.append(name)
            except (OSError, smtplib.SMTPException, EOFError, ValueError):
                time.sleep(0.02)

    def end(self):
        self.over.set()
        self.join(30)
        return self.acknowledged


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("fault"))
    w.sink = Counting(port=w.port)
    w.host("many", zone=PLAIN, server=w.sink)
    w.refusing = Sink(port=w.port, greeting=b"421 4.3.2 closed\r\n")
    w.host("rows", zone=PLAIN, server=w.refusing)
    fat = w.dir / "fat.pem"
    ca = w.ca.issue("mx-fat.plain.example", *[f"{k}.{'x' * 50}.{'y' * 50}.example" for k in range(9000)])
    fat.write_text(ca.chain.read_text())
    w.fat = Sink(port=w.port, certificate=Certificate(fat, ca.key))
    w.host("fat", zone=PLAIN, server=w.fat)
    w.start(sending__retry_first="1s", sending__retry_most="2s")
    yield w
    w.stop()


def assert_all_there(world, acknowledged, kills, most_twice):
    taken = world.sink.taken
    try:
        wait_for(lambda: all(name in taken for name in acknowledged), 30, "every letter")
    except AssertionError:
        lost = [n for n in acknowledged if n not in taken]
        raise AssertionError(f"{len(lost)} of {len(acknowledged)} acknowledged letters are lost: {lost[:5]}: "
                             f"{world.why(lost[0] + '@many.plain.example')}\n{world.demo.tail()}")
    wait_for(lambda: not world.queue("list"), 15, "an empty queue")
    twice = {n: taken[n] for n in acknowledged if len(taken[n]) > 1}
    for name, times in twice.items():
        for t in sorted(times)[:-1]:
            assert any(abs(k - t) < LOST_WITHIN for k in kills), f"{name} came twice, and no answer was lost: {times}"
    assert len(twice) <= most_twice, f"{len(twice)} of {len(acknowledged)} came twice"
    most = max(len(taken[n]) for n in acknowledged)
    print(f"{len(acknowledged)} letters, {len(kills)} kills, {len(twice)} came more than once, at most {most} times")


def test_kill_nine_in_the_middle_of_a_thousand_deliveries(world):
    sink, kills, middle = world.sink, [], 0
    sink.pause = max(0.03, KILLS * 0.35 * 10 / LETTERS)  # ten at once, for as long as there are kills
    submitter = Submitter(world.demo, "k", LETTERS, "many.plain.example")
    for _ in range(KILLS):
        before = len(sink.taken)
        wait_for(lambda: len(sink.taken) > before, 20, "a delivery after the start")
        time.sleep(random.uniform(0, 0.4))
        middle += len(sink.taken) < len(submitter.acknowledged)
        kills.append(time.time())
        world.demo.kill_all()
        world.demo.serve()
    sink.pause = 0
    wait_for(lambda: len(submitter.acknowledged) >= LETTERS, 30, "the last submissions")
    acknowledged = submitter.end()
    assert middle > KILLS / 2, "the kills were not in the middle of anything"
    assert_all_there(world, acknowledged, kills, most_twice=10 * KILLS)


# Answers are lost with `edge` alone: it tells the next `mail` what the former one did not keep.
@pytest.mark.parametrize("role,times,most_twice", [("edge", 3, 40), ("mail", 8, 0)])
def test_kill_nine_of_one_role(world, role, times, most_twice):
    kills = []
    world.sink.pause = 0.03
    submitter = Submitter(world.demo, f"{role}-", 400, "many.plain.example")
    for _ in range(times):
        before = len(world.sink.taken)
        wait_for(lambda: len(world.sink.taken) > before + 10, 20, "deliveries")
        time.sleep(random.uniform(0, 0.2))
        kills.append(time.time())
        os.kill(roles(world.demo)[role], signal.SIGKILL)
    wait_for(lambda: len(submitter.acknowledged) >= 400, 30, "the last submissions")
    assert_all_there(world, submitter.end(), kills, most_twice)
    assert world.demo.process.poll() is None


DAMAGE = {
    "state": "UPDATE recipient SET state = 77 WHERE entry = ?",
    "noaddress": "UPDATE recipient SET address = x'' WHERE entry = ?",
    "badaddress": "UPDATE recipient SET address = x'00ff0d0a' WHERE entry = ?",
    "nobody": "UPDATE queue SET body = 999999 WHERE id = ?",
    "sender": "UPDATE queue SET sender = x'0d0a00ff' WHERE id = ?",
    "text": "UPDATE recipient SET trail = x'ffffffffffffffff', last_answer = x'1b5b324a' WHERE entry = ?",
    "orcpt": "UPDATE recipient SET orcpt = x'0d0a' WHERE entry = ?",
    "envid": "UPDATE queue SET envid = x'41200d' WHERE id = ?",
    "times": "UPDATE recipient SET next_attempt = 9223372036854775807, attempts = -5 WHERE entry = ?",
    "norecipients": "DELETE FROM recipient WHERE entry = ?",
}


def test_broken_rows_are_set_aside_and_block_nobody(world):
    demo, refusing = world.demo, world.refusing
    for name in [*DAMAGE, "well1", "well2"]:
        world.send(f"{name}@rows.plain.example", subject=name)
    world.deferred("well1@rows.plain.example")
    ids = {r["recipient"].split("@")[0]: int(r["id"], 16) for r in world.queue("list")}
    demo.stop()
    changed = 0
    for path in (demo.dir / "data/store").glob("shard-*/index.db"):
        with sqlite3.connect(path) as db:
            for name, sql in DAMAGE.items():
                for entry in (ids[name], ids[name] >> 6):  # an id tells its shard, too
                    changed += db.execute(sql, (entry,)).rowcount
        db.close()
    assert changed >= len(DAMAGE), changed
    refusing.greeting = b"220 rows.example ESMTP\r\n"
    demo.serve()
    for name in ("well1", "well2", "text"):
        world.delivered(f"{name}@rows.plain.example")
    world.send("new@rows.plain.example")
    world.delivered("new@rows.plain.example")
    aside = {ids[n] for n in ("state", "noaddress", "badaddress", "nobody", "sender", "orcpt", "envid", "norecipients")}
    there = lambda: {int(r["id"], 16) for r in world.queue("list", "--broken")}
    try:
        wait_for(lambda: there() == aside, 15, "the broken ones")
    except AssertionError as e:
        raise AssertionError(f"{e}: {ids} {there() ^ aside}\n{demo.tail()}")
    text = demo.command("queue", "list").stdout + demo.command("queue", "why").stdout
    assert "\x1b" not in text and "\0" not in text
    subjects = [m[2] for m in refusing.mails]
    assert not any(b"Subject: %b\r\n" % n.encode() in m for m in subjects for n, i in ids.items() if i in aside)
    demo.command("queue", "cancel", "--all")
    wait_for(lambda: not world.queue("list", "--broken"), 10, "an end of the broken ones")
    world.send("last@rows.plain.example")
    world.delivered("last@rows.plain.example")


def test_a_certificate_of_a_megabyte_ends_in_bounded_time(world):
    assert world.fat.certificate.chain.stat().st_size > 1 << 20
    begin = time.time()
    world.send("a@fat.plain.example")
    w = world.deferred("a@fat.plain.example", "encrypted connection")
    assert time.time() - begin < 10 and not world.fat.mails
    world.demo.command("queue", "cancel", "--recipient", "a@fat.plain.example")
    assert "excessive message size" in w["why"], w["why"]


def test_a_full_disk_loses_nothing_and_sends_nothing_twice(small_disk):
    """Full while letters wait, while new ones come, and while outcomes should be written."""
    w = World(small_disk)
    w.demo.log = small_disk.parent / "demo.log"
    sink = Counting(port=w.port)
    counts, later = sink.answer, threading.Event()
    sink.answer = lambda verb, arg: counts(verb, arg) if later.is_set() or verb != "RCPT" else b"451 4.3.0 later\r\n"
    w.host("many", zone=PLAIN, server=sink)
    w.start(sending__retry_first="1s", sending__retry_most="2s")
    accepted, refused = [], []

    def submit(name):
        to = f"{name}@many.plain.example"
        with w.demo.submission() as s:
            try:
                s.sendmail("anna@example.org", [to], message(name, to, "anna@example.org", body="fills " * 700))
                accepted.append(name)
            except smtplib.SMTPRecipientsRefused as e:
                refused.append(e.recipients[to][0])
            except smtplib.SMTPResponseException as e:
                refused.append(e.smtp_code)

    try:
        for k in range(30):
            submit(f"before{k}")
        assert len(accepted) == 30
        ballast = small_disk / "ballast"
        subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=64k"], capture_output=True)
        os.truncate(ballast, ballast.stat().st_size - (1 << 19))
        for k in range(600):
            submit(f"while{k}")
            if len(refused) > 5:
                break
        assert len(refused) > 5 and set(refused) <= {451, 452}, refused
        later.set()  # what leaves now, leaves while nothing can be written of it
        time.sleep(4)
        assert len(sink.taken) > 5, "nothing left while the disk was full"
        ballast.unlink()
        wait_for(lambda: not w.queue("list"), 60, "an empty queue")
        submit("after")
        wait_for(lambda: "after" in sink.taken, 20, "a letter with room again")
        assert accepted[-1] == "after"
        assert {n: len(t) for n, t in sink.taken.items()} == dict.fromkeys(accepted, 1)
    finally:
        (small_disk / "ballast").unlink(missing_ok=True)
        w.stop()
