"""The world that mail leaves for, on loopback: signed and unsigned DNS zones (NSD behind a small proxy that can
be told to fail), certificates of every kind, Postfix as other people's server, and a scripted server for what
Postfix would never do.

Every mail server has an address of its own (127.0.x.y) and the same port, as in the real world.
"""
import base64
import contextlib
import hashlib
import http.server
import itertools
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import socketserver
import ssl
import struct
import subprocess
import tempfile
import threading
import time

from conftest import wait_for

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "DS": 43, "DNSKEY": 48, "TLSA": 52}
_addresses = itertools.count(random.randrange(1, 200) * 256 + 10)


def address():
    """A loopback address that nobody else in this run uses."""
    n = next(_addresses)
    return f"127.{n >> 16 & 255 or 1}.{n >> 8 & 255}.{n & 255}"


def free_port(ip="127.0.0.1"):
    with socket.socket() as s:
        s.bind((ip, 0))
        return s.getsockname()[1]


def run(*args, cwd=None, input=None):
    r = subprocess.run(args, cwd=cwd, input=input, capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, (args, r.stdout, r.stderr)
    return r.stdout


class Certificate:
    def __init__(self, chain, key):
        self.chain, self.key = pathlib.Path(chain), pathlib.Path(key)

    def tlsa(self, usage=3, selector=1, matching=1, of=None):
        """The TLSA record of this certificate (or, for usage 2, of the authority given)."""
        source = (of or self).chain
        if selector:
            pem = run("openssl", "x509", "-in", str(source), "-noout", "-pubkey")
        else:
            pem = source.read_text().split("-----END CERTIFICATE-----")[0]
        der = base64.b64decode("".join(line for line in pem.splitlines() if "-----" not in line))
        data = der if matching == 0 else hashlib.new("sha256" if matching == 1 else "sha512", der).digest()
        return f"{usage} {selector} {matching} {data.hex()}"


class Authority:
    """A certification authority that also makes what a good one would not."""

    def __init__(self, directory, name="Test authority"):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.count = itertools.count()
        self.chain, self.key = self.dir / "ca.pem", self.dir / "ca.key"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", f"/CN={name}", "-keyout", str(self.key), "-out", str(self.chain))

    def issue(self, *names, expired=False, self_signed=False):
        at = self.dir / f"c{next(self.count)}"
        at.mkdir()
        (at / "index.txt").write_text("")
        (at / "ca.conf").write_text(
            f"[ca]\ndefault_ca=d\n[d]\ndatabase={at}/index.txt\nnew_certs_dir={at}\nrand_serial=yes\ndefault_md=sha256\n"
            "policy=p\nx509_extensions=x\n[p]\ncommonName=optional\n"
            f"[x]\nsubjectAltName={','.join('DNS:' + n for n in names)}\nbasicConstraints=CA:false\n")
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
            f"/CN={names[0][:60]}", "-keyout", str(at / "key.pem"), "-out", str(at / "csr.pem"))
        dates = ["20200101000000Z", "20200201000000Z"] if expired else [
            time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + d * 86400)) for d in (-1, 30)]
        signer = ["-selfsign", "-keyfile", str(at / "key.pem")] if self_signed else [
            "-cert", str(self.chain), "-keyfile", str(self.key)]
        run("openssl", "ca", "-batch", "-notext", "-config", str(at / "ca.conf"), *signer, "-startdate", dates[0],
            "-enddate", dates[1], "-in", str(at / "csr.pem"), "-out", str(at / "leaf.pem"))
        chain = at / "chain.pem"
        chain.write_text((at / "leaf.pem").read_text() + ("" if self_signed else self.chain.read_text()))
        return Certificate(chain, at / "key.pem")


class Zones:
    """NSD with zones on a free port, behind a proxy at `port` that drops or refuses what it is told to."""

    def __init__(self, directory, port):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.port, self.inner = port, free_port()
        self.zones = {}    # name -> [records, signed, tamper]
        self.rules = {}    # (name, type) -> "drop" | "fail"
        self.asked = []    # (name, type)
        self.nsd = None
        self.keys = {}
        self.proxy = None
        self.anchor = self.dir / "anchor.key"

    def zone(self, name, records, signed=True, tamper=()):
        """tamper: pairs of texts replaced in the zone after it was signed."""
        self.zones[name] = [list(records), signed, list(tamper)]
        return self

    def add(self, zone, *records):
        self.zones[zone][0] += records

    def _write(self, name):
        records, signed, tamper = self.zones[name]
        path = self.dir / f"{name}zone"
        serial = int(time.time() * 10) & 0x7fffffff
        path.write_text(f"$ORIGIN {name}\n$TTL 5\n@ SOA ns.{name} x.{name} {serial} 3600 600 86400 5\n@ NS ns.{name}\n"
                        "ns A 127.0.0.1\n" + "\n".join(records) + "\n")
        if not signed:
            return path
        if name not in self.keys:
            self.keys[name] = run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", name.rstrip("."), cwd=self.dir).strip()
        run("ldns-signzone", "-n", "-f", str(path) + ".signed", str(path), str(self.dir / self.keys[name]))
        path = pathlib.Path(str(path) + ".signed")
        text = path.read_text()
        for old, new in tamper:
            assert old in text, (old, text)
            text = text.replace(old, new)
        path.write_text(text)
        return path

    def start(self):
        conf = (f"server:\n  ip-address: 127.0.0.1@{self.inner}\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{self.dir}\"\n"
                f"  database: \"\"\n  pidfile: \"{self.dir}/nsd.pid\"\n  xfrdfile: \"{self.dir}/xfrd\"\n  xfrdir: \"{self.dir}\"\n"
                f"  zonelistfile: \"{self.dir}/zones\"\n  server-count: 1\n  rrl-ratelimit: 0\n"
                "remote-control:\n  control-enable: no\n")
        for name in self.zones:
            conf += f"zone:\n  name: \"{name}\"\n  zonefile: \"{self._write(name)}\"\n"
        (self.dir / "nsd.conf").write_text(conf)
        self.anchor.write_text("".join((self.dir / (k + ".key")).read_text() for k in self.keys.values()))
        self.nsd = subprocess.Popen(["nsd", "-d", "-c", str(self.dir / "nsd.conf")], stdout=subprocess.DEVNULL,
                                    stderr=open(self.dir / "nsd.log", "ab"))
        wait_for(lambda: self._answers(), 15, "nsd")
        if not self.proxy:
            self.proxy = DnsProxy(self)
        return self

    def _answers(self):
        name = next(iter(self.zones))
        query = struct.pack(">6H", 1, 0, 1, 0, 0, 0) + b"".join(
            bytes([len(x)]) + x.encode() for x in name.rstrip(".").split(".")) + b"\0" + struct.pack(">2H", 6, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.5)
            with contextlib.suppress(OSError):
                s.sendto(query, ("127.0.0.1", self.inner))
                return len(s.recv(4096)) > 12
        return False

    def again(self):
        """New records are served from here on; what a resolver remembers lasts for the TTL of 5 s."""
        self._end()
        return self.start()

    def _end(self):
        if self.nsd:
            self.nsd.terminate()
            self.nsd.wait(10)
            self.nsd = None

    def stop(self):
        self._end()
        if self.proxy:
            self.proxy.stop()
            self.proxy = None


def question(packet):
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1").lower())
        at += packet[at] + 1
    return ".".join(labels) + ".", struct.unpack(">H", packet[at + 1:at + 3])[0]


class DnsProxy:
    """Passes questions on to NSD, but for those that shall find no answer or an error."""

    def __init__(self, zones):
        self.zones = zones
        proxy = self

        class Udp(socketserver.BaseRequestHandler):
            def handle(self):
                answer = proxy.answer(self.request[0], tcp=False)
                if answer:
                    self.request[1].sendto(answer, self.client_address)

        class Tcp(socketserver.StreamRequestHandler):
            def handle(self):
                while len(head := self.rfile.read(2)) == 2:
                    answer = proxy.answer(self.rfile.read(struct.unpack(">H", head)[0]), tcp=True)
                    if not answer:
                        return
                    self.wfile.write(struct.pack(">H", len(answer)) + answer)

        self.servers = []
        for kind, handler in ((socketserver.ThreadingUDPServer, Udp), (socketserver.ThreadingTCPServer, Tcp)):
            kind.allow_reuse_address = True
            kind.daemon_threads = True
            server = kind(("127.0.0.1", zones.port), handler)
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            self.servers.append(server)

    def answer(self, packet, tcp):
        name, kind = question(packet)
        self.zones.asked.append((name, kind))
        rule = self.zones.rules.get((name, kind)) or self.zones.rules.get((name, None))
        if rule == "drop":
            return None
        if rule == "fail":
            return packet[:2] + struct.pack(">H", 0x8182) + packet[4:6] + b"\0" * 6 + packet[12:]
        with contextlib.suppress(OSError):
            if tcp:
                with socket.create_connection(("127.0.0.1", self.zones.inner), 3) as s:
                    s.sendall(struct.pack(">H", len(packet)) + packet)
                    f = s.makefile("rb")
                    return f.read(struct.unpack(">H", f.read(2))[0])
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(3)
                s.sendto(packet, ("127.0.0.1", self.zones.inner))
                return s.recv(65535)
        return None

    def stop(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()


class Postfix:
    """A Postfix of its own that takes mail for the domains given into one Maildir."""

    def __init__(self, ip, port, domains=(), certificate=None, relayhost=None, **settings):
        # Its users must be able to walk there, and pytest's folders are root's alone.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="postfix-"))
        self.dir.chmod(0o711)
        self.ip, self.port = ip, port
        self.box = self.dir / "box"
        conf = self.dir / "etc"
        for d in (conf, self.dir / "spool", self.dir / "data", self.box):
            d.mkdir(parents=True, exist_ok=True)
        postfix = pwd.getpwnam("postfix")
        os.chown(self.dir / "data", postfix.pw_uid, postfix.pw_gid)
        os.chown(self.box, 65534, 65534)
        main = {
            "compatibility_level": "3.6", "queue_directory": self.dir / "spool", "data_directory": self.dir / "data",
            "maillog_file": self.dir / "postfix.log", "maillog_file_prefixes": self.dir, "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4", "myhostname": "mx.postfix.example", "mydestination": "", "alias_maps": "",
            "alias_database": "", "local_recipient_maps": "", "virtual_mailbox_domains": " ".join(domains),
            "virtual_mailbox_base": self.dir, "virtual_mailbox_maps": "static:box/", "virtual_uid_maps": "static:65534",
            "virtual_gid_maps": "static:65534", "virtual_minimum_uid": "100", "mynetworks": "127.0.0.2/32",
            "smtpd_relay_restrictions": "reject_unauth_destination", "smtpd_client_connection_count_limit": "0",
            "smtpd_tls_security_level": "may" if certificate else "none", "smtp_tls_security_level": "may",
            "smtpd_tls_received_header": "yes", "smtp_tls_loglevel": "1", "relayhost": relayhost or "",
            "minimal_backoff_time": "2s", "queue_run_delay": "2s", "smtputf8_enable": "yes",
        }
        if certificate:
            main["smtpd_tls_chain_files"] = f"{certificate.key}, {certificate.chain}"
        main.update(settings)
        (conf / "main.cf").write_text("".join(f"{k} = {v}\n" for k, v in main.items()))
        services = [f"{ip}:{port} inet n - n - - smtpd"]
        for line in ("pickup unix n - n 1 1 pickup", "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr",
                     "tlsmgr unix - - n 1000? 1 tlsmgr", "rewrite unix - - n - - trivial-rewrite",
                     "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce", "trace unix - - n - 0 bounce",
                     "verify unix - - n - 1 verify", "flush unix n - n 1000? 0 flush", "proxymap unix - - n - - proxymap",
                     "proxywrite unix - - n - 1 proxymap", "smtp unix - - n - - smtp", "relay unix - - n - - smtp",
                     "showq unix n - n - - showq", "error unix - - n - - error", "retry unix - - n - - error",
                     "discard unix - - n - - discard", "local unix - n n - - local", "virtual unix - n n - - virtual",
                     "anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache", "postlog unix-dgram n - n - 1 postlogd"):
            services.append(line)
        (conf / "master.cf").write_text("\n".join(services) + "\n")
        self.conf = conf

    def listen(self, certificate, ip=None):
        """Before start(): one more address, with another certificate, or none and so without TLS."""
        ip = ip or address()
        tls = (f"  -o smtpd_tls_security_level=may -o smtpd_tls_chain_files={certificate.key},{certificate.chain}"
               if certificate else "  -o smtpd_tls_security_level=none")
        with open(self.conf / "master.cf", "a") as f:
            f.write(f"{ip}:{self.port} inet n - n - - smtpd\n{tls}\n")
        return ip

    def start(self):
        run("postfix", "-c", str(self.conf), "start")
        wait_for(lambda: self._answers(), 20, f"Postfix on {self.ip}")
        return self

    def _answers(self):
        with contextlib.suppress(OSError):
            with socket.create_connection((self.ip, self.port), 1) as s:
                return s.recv(4).startswith(b"220")
        return False

    def stop(self):
        subprocess.run(["postfix", "-c", str(self.conf), "stop"], capture_output=True, timeout=30)
        pid = self.dir / "spool/pid/master.pid"
        with contextlib.suppress(OSError, ValueError):
            os.kill(int(pid.read_text()), signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def messages(self):
        return [p.read_bytes() for sub in ("new", "cur") for p in sorted((self.box / sub).glob("*"))]

    def log(self):
        with contextlib.suppress(OSError):
            return (self.dir / "postfix.log").read_text()
        return ""

    def send(self, sender, to, text):
        run("sendmail", "-C", str(self.conf), "-f", sender, to, input=text)


class Sink:
    """A mail server that does as the test says: `answer(verb, argument)` may give another reply, bytes to send,
    or "drop"; None means the usual. Messages are in `mails` as (sender, recipients, bytes, tls version)."""

    def __init__(self, ip=None, port=None, certificate=None, extensions=("PIPELINING", "8BITMIME", "SIZE 52428800", "DSN"),
                 answer=None, greeting=b"220 sink.example ESMTP\r\n", delay=0.0, keep=True):
        self.ip, self.certificate, self.answer = ip or address(), certificate, answer or (lambda verb, arg: None)
        self.extensions, self.greeting, self.delay, self.keep = list(extensions), greeting, delay, keep
        self.mails, self.sessions, self.lines = [], 0, []
        self.lock = threading.Lock()
        sink = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError, ValueError):
                    sink.session(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 500
            address_family = socket.AF_INET6 if ":" in self.ip else socket.AF_INET

            def handle_error(self, request, client_address):
                pass

        self.server = Server((self.ip, port or 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def context(self):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(str(self.certificate.chain), str(self.certificate.key))
        return c

    def session(self, s):
        with self.lock:
            self.sessions += 1
        s.settimeout(60)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.sendall(self.greeting)
        f, tls = s.makefile("rb"), None
        sender, recipients = None, []
        while line := f.readline(100000):
            verb, _, arg = line.strip().decode("utf-8", "replace").partition(" ")
            verb = verb.upper()
            with self.lock:
                self.lines.append(line)
            if self.delay:
                time.sleep(self.delay)
            odd = self.answer(verb, arg)
            if odd == "drop":
                return
            if odd is not None:
                s.sendall(odd)
                continue
            if verb == "EHLO":
                names = self.extensions + (["STARTTLS"] if self.certificate and not tls else [])
                s.sendall("".join(f"250-{n}\r\n" for n in ["sink.example", *names[:-1]]).encode() +
                          f"250 {names[-1] if names else 'HELP'}\r\n".encode())
            elif verb == "STARTTLS":
                s.sendall(b"220 go\r\n")
                s = self.context().wrap_socket(s, server_side=True)
                f, tls = s.makefile("rb"), s.version()
            elif verb == "MAIL":
                sender, recipients = arg, []
                s.sendall(b"250 2.1.0 ok\r\n")
            elif verb == "RCPT":
                recipients.append(arg)
                s.sendall(b"250 2.1.5 ok\r\n")
            elif verb == "DATA":
                if not recipients:
                    s.sendall(b"554 5.5.1 no recipients\r\n")
                    continue
                s.sendall(b"354 go\r\n")
                lines = []
                while (line := f.readline()) not in (b".\r\n", b""):
                    lines.append(line[1:] if line.startswith(b".") else line)
                if line == b"":
                    return
                odd = self.answer(".", recipients)
                if odd == "drop":
                    return
                if odd is not None:
                    s.sendall(odd)
                    continue
                with self.lock:
                    self.mails.append((sender, recipients, b"".join(lines) if self.keep else b"", tls))
                s.sendall(b"250 2.0.0 taken\r\n")
            elif verb == "QUIT":
                s.sendall(b"221 2.0.0 bye\r\n")
                return
            else:
                s.sendall(b"250 2.0.0 ok\r\n")

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class PolicyHost:
    """https://mta-sts.DOMAIN/.well-known/mta-sts.txt on an address of its own."""

    def __init__(self, certificate, policies, ip=None, port=443):
        self.ip, self.policies, self.asked = ip or address(), policies, []
        host = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.headers.get("Host", "").split(":")[0]
                host.asked.append((name, self.path))
                text = host.policies.get(name)
                if callable(text):
                    text = text()
                if self.path != "/.well-known/mta-sts.txt" or text is None:
                    self.send_error(404)
                    return
                body = text.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer((self.ip, port), Handler)
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(str(certificate.chain), str(certificate.key))
        self.server.socket = c.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def configure(demo, **settings):
    """Sets `section__name` settings in the configuration file of a demo that does not run."""
    text = demo.config.read_text()
    for key, value in settings.items():
        section, name = key.split("__")
        lines, inside, done = [], None, False
        for line in text.splitlines():
            if line.startswith("["):
                if inside == section and not done:
                    lines.append(f"{name} = {value}")
                    done = True
                inside = line.strip("[]")
            if inside == section and line.split("=")[0].strip() == name:
                if not done:
                    lines.append(f"{name} = {value}")
                    done = True
                continue
            lines.append(line)
        if not done:
            lines += ([] if inside == section else [f"[{section}]"]) + [f"{name} = {value}"]
        text = "\n".join(lines) + "\n"
    demo.config.write_text(text)


def need_root():
    import pytest
    if os.geteuid() != 0:
        pytest.skip("Postfix and addresses of one's own need root")
    for program in ("nsd", "ldns-signzone", "ldns-keygen", "postfix"):
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            pytest.fail(f"{program} is missing: run tools/need test")
