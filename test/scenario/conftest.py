"""Fixtures: a running demo server and the clients' everyday steps.

Every test that changes more than its own mailbox starts a demo of its own (`fresh_demo`); the others share
one. Ports are free ones, servers are ended by their pid, and nothing leaves loopback.
"""
import contextlib
import http.client
import imaplib
import os
import pathlib
import random
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPESCHE = os.environ.get("DEPESCHE", str(ROOT / "build" / "depesche"))
PASSWORD = "Sturmflut-1962!"
SERVICES = {"smtp": 25, "imap": 143, "submissions": 465, "submission": 587, "imaps": 993,
            "https": 443, "http": 80}


def free_base():
    """A base for the ports of a demo: all of base+25 .. base+993 are free now (53 by UDP, too)."""
    for _ in range(200):
        base = random.randrange(21000, 30000)
        with contextlib.ExitStack() as stack:
            try:
                udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                udp.bind(("127.0.0.1", base + 53))
                for offset in (25, 53, 80, 143, 443, 465, 587, 993, 4190):
                    s = stack.enter_context(socket.socket())
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind(("127.0.0.1", base + offset))
                return base
            except OSError:
                continue
    raise RuntimeError("no free ports")


def answers(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


class Demo:
    """`depesche demo` in a folder of its own."""

    def __init__(self, directory, trust=("127.0.0.0/8", "::1"), base=None, extra=(), wrap=()):
        self.dir = pathlib.Path(directory)
        self.trust = trust
        self.extra = list(extra)
        self.wrap = list(wrap)
        self.base = base or free_base()
        self.process = None
        self.log = self.dir.parent / (self.dir.name + ".log")

    def start(self, timeout=60):
        args = [*self.wrap, DEPESCHE, "demo", "--dir", str(self.dir), "--ports", str(self.base),
                "--password", PASSWORD, *self.extra]
        for net in self.trust:
            args += ["--trust", net]
        self.spawn(args)
        end = time.time() + timeout
        out = b""
        os.set_blocking(self.process.stdout.fileno(), False)
        while time.time() < end:
            piece = self.process.stdout.read()
            if piece:
                out += piece
                if any(line.strip() == b"ready" for line in out.splitlines()):
                    self.banner = out.decode()
                    return self
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"demo did not get ready:\n{out.decode()}\n{self.tail()}")

    def spawn(self, args):
        self.logfile = open(self.log, "ab")
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=self.logfile,
                                        stdin=subprocess.DEVNULL, start_new_session=True)

    def serve(self):
        """`depesche serve` with the demo's configuration as it stands in the file now."""
        self.spawn([*self.wrap, DEPESCHE, "serve", "--config", str(self.config)])
        for service in SERVICES:
            wait_for(lambda: answers(self.port(service)), 20, f"port of {service}")
        return self

    def tail(self, n=4000):
        with contextlib.suppress(OSError):
            return self.log.read_text(errors="replace")[-n:]
        return ""

    def stop(self, sig=signal.SIGTERM, timeout=20):
        if not self.process:
            return None
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise AssertionError("the demo did not end in time:\n" + self.tail())
        finally:
            self.process.stdout.close()
            self.logfile.close()
            self.process = None
        log = self.tail(100000)
        for report in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:"):
            assert report not in log, log[log.index(report) - 200:][:6000]
        return code

    def kill_all(self):
        """kill -9 for the whole group, as a power cut would do to processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.logfile.close()
        self.process = None
        for service in SERVICES:  # the roles may be dying still, with their sockets
            wait_for(lambda: not answers(self.port(service)), 10, f"end of {service}")

    def port(self, service):
        return self.base + SERVICES[service]

    @property
    def config(self):
        return self.dir / "depesche.conf"

    def command(self, *args, check=True, input=None, **kw):
        r = subprocess.run([DEPESCHE, *args, "--config", str(self.config)], capture_output=True,
                           text=True, timeout=60, input=input, **kw)
        if check:
            assert r.returncode == 0, (args, r.stdout, r.stderr)
        return r

    # --- clients ---

    def tls(self, **kw):
        c = ssl.create_default_context(cafile=str(self.dir / "ca.pem"))
        for k, v in kw.items():
            setattr(c, k, v)
        return c

    def imap(self, user="anna", password=PASSWORD, login=True, timeout=30):
        i = imaplib.IMAP4_SSL("localhost", self.port("imaps"), ssl_context=self.tls(),
                              timeout=timeout)
        if login:
            i.login(f"{user}@example.org", password)
        return i

    def smtp(self, tls=False, timeout=30):
        s = smtplib.SMTP("127.0.0.1", self.port("smtp"), timeout=timeout, local_hostname="client.test")
        if tls:
            s.starttls(context=self.tls(check_hostname=False))
        return s

    def submission(self, user="anna", password=PASSWORD, login=True, implicit=False, timeout=30):
        if implicit:
            s = smtplib.SMTP_SSL("localhost", self.port("submissions"), context=self.tls(),
                                 timeout=timeout, local_hostname="client.test")
        else:
            s = smtplib.SMTP("localhost", self.port("submission"), timeout=timeout,
                             local_hostname="client.test")
            s.starttls(context=self.tls())
        if login:
            s.login(f"{user}@example.org", password)
        return s

    def web(self, method, path, body=None, headers=None, tls=True, host=None, timeout=30):
        """One request by HTTP/1.1: (status, fields, body). `host` is the name asked for."""
        name = host or "localhost"
        if tls:
            c = http.client.HTTPSConnection("localhost", self.port("https"), timeout=timeout,
                                            context=self.tls())
        else:
            c = http.client.HTTPConnection("localhost", self.port("http"), timeout=timeout)
        try:
            c.putrequest(method, path, skip_host=True)
            c.putheader("Host", f"{name}:{self.port('https' if tls else 'http')}")
            if body is not None:
                body = body.encode() if isinstance(body, str) else body
                c.putheader("Content-Length", str(len(body)))
            for k, v in (headers or {}).items():
                c.putheader(k, v)
            c.endheaders(body)
            r = c.getresponse()
            return r.status, r.headers, r.read()
        finally:
            c.close()


def message(subject="Hallo", to="anna@example.org", sender="friend@sender.example", body="Guten Tag.\r\n",
            message_id=None):
    return (f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: {subject}\r\n"
            f"Message-ID: <{message_id or random.getrandbits(64)}@sender.example>\r\n"
            f"Date: Sun, 22 Nov 2026 10:00:00 +0100\r\n\r\n{body}").encode()


def wait_for(condition, timeout=10, what="condition"):
    end = time.time() + timeout
    while time.time() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true within {timeout} s")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    d = Demo(tmp_path_factory.mktemp("demo") / "d").start()
    yield d
    code = d.stop()
    assert code == 0, d.tail()


@pytest.fixture
def fresh_demo(tmp_path):
    """A function that starts demos with options of their own; all are ended after the test."""
    started = []

    def start(name="d", **kw):
        d = Demo(tmp_path / name, **kw)
        started.append(d)
        return d.start()

    yield start
    for d in started:
        if d.process:
            d.stop()


def need(program):
    if not shutil.which(program):
        pytest.fail(f"{program} is missing: run tools/need test")
