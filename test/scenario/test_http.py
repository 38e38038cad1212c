"""HTTPS from outside: curl and h2load in both versions, requests that two readers might read differently, clients
that are slow on purpose, and floods of HTTP/2 frames written by hand."""
import contextlib
import socket
import ssl
import struct
import subprocess
import time

import pytest

from conftest import need

HOST = b"Host: localhost\r\n"


def curl(demo, *args, path="/", scheme="https", check=True):
    need("curl")
    url = f"{scheme}://localhost:{demo.port(scheme)}{path}"
    r = subprocess.run(["curl", "-sS", "--max-time", "30", "--cacert", str(demo.dir / "ca.pem"), *args, url],
                       capture_output=True, timeout=60)
    assert not check or r.returncode == 0, r.stderr
    return r.stdout


@contextlib.contextmanager
def connection(demo, alpn):
    context = demo.tls()
    context.set_alpn_protocols([alpn])
    raw = socket.create_connection(("localhost", demo.port("https")), 30)
    with context.wrap_socket(raw, server_hostname="localhost") as s:
        assert s.selected_alpn_protocol() == alpn
        yield s


def all_of(s):
    """What comes until the server closes."""
    got = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while piece := s.recv(65536):
            got += piece
    return got


def statuses(answer):
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:] if part[:3].isdigit()]


def still_serves(demo):
    assert curl(demo, "--http2", "-o", "/dev/null", "-w", "%{http_code}") == b"200"


# --- Ordinary clients ---


@pytest.mark.parametrize("option, version", [("--http1.0", b"1.1"), ("--http1.1", b"1.1"), ("--http2", b"2")])
def test_curl(demo, option, version):
    got = curl(demo, option, "-o", "/dev/null", "-w", "%{http_code} %{http_version}")
    assert got == b"200 " + version
    head = curl(demo, option, "-I").lower()
    for field in (b"strict-transport-security: max-age=", b"content-security-policy: default-src 'none'",
                  b"x-content-type-options: nosniff", b"referrer-policy: no-referrer",
                  b"cross-origin-opener-policy: same-origin", b"cross-origin-resource-policy: same-origin",
                  b"cache-control: ", b"date: "):
        assert b"\r\n" + field in head, field


def test_no_clear_text_pages(demo):
    code, where = curl(demo, "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", scheme="http").split()
    assert code[:2] == b"30" and where.startswith(b"https://")


@pytest.mark.parametrize("path, code", [("/no/such/page", b"404"), ("/%2e%2e/etc/passwd", b"400"),
                                        ("/a%2fb", b"400"), ("/%00", b"400"), ("//x", b"400"), ("/%ff", b"400")])
@pytest.mark.parametrize("option", ["--http1.1", "--http2"])
def test_paths(demo, option, path, code):
    got = curl(demo, option, "--path-as-is", "-o", "/dev/null", "-w", "%{http_code}", path=path)
    assert got == code


@pytest.mark.parametrize("option", [["--h1"], []])
def test_h2load(demo, option):
    need("h2load")
    r = subprocess.run(["h2load", *option, "-n", "2000", "-c", "10", "-m", "10", f"https://localhost:{demo.port('https')}/"],
                       capture_output=True, text=True, timeout=120)
    assert "2000 succeeded, 0 failed, 0 errored" in r.stdout, r.stdout + r.stderr


def test_wrong_protocol(demo):
    """A client that believes to speak with another kind of server is not let in (ALPACA)."""
    context = demo.tls()
    context.set_alpn_protocols(["imap"])
    with socket.create_connection(("localhost", demo.port("https")), 30) as raw, pytest.raises(ssl.SSLError):
        context.wrap_socket(raw, server_hostname="localhost")


# --- Requests that two readers might read differently ---

SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST


@pytest.mark.parametrize("bytes", [
    POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    POST + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n" + SMUGGLED,
    POST + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + SMUGGLED,
    POST + b"Content-Length: 0, 44\r\n\r\n" + SMUGGLED,
    POST + b"Content-Length: +0\r\n\r\n" + SMUGGLED,
    POST + b"Content-Length : 44\r\n\r\n" + SMUGGLED,
    POST + b"Content-Length:\x0b44\r\n\r\n" + SMUGGLED,
    POST + b" Content-Length: 44\r\n\r\n" + SMUGGLED,
    POST + b"Content-Length: 0\r\n 44\r\n\r\n" + SMUGGLED,
    POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    POST + b"X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    POST + b"X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    POST + b"X: \0\r\n\r\n" + SMUGGLED,
    b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    b"GET / HTTP/1.1\r\n\r\n" + SMUGGLED,
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + SMUGGLED,
    b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n" + SMUGGLED,
    b"GET / HTTP/1.1\n" + HOST + b"\r\n" + SMUGGLED,
    b"CONNECT localhost:25 HTTP/1.1\r\n" + HOST + b"\r\n" + SMUGGLED,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
], ids=lambda b: repr(b[:60]))
def test_doubtful_requests(demo, bytes):
    with connection(demo, "http/1.1") as s:
        s.sendall(bytes)
        answer = all_of(s)
    codes = statuses(answer)
    assert len(codes) == 1 and (400 <= codes[0] < 500 or codes[0] in (501, 505)), answer


def test_pipelined(demo):
    with connection(demo, "http/1.1") as s:
        one = b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n"
        s.sendall(one * 20 + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert statuses(all_of(s)) == [200] * 21


@pytest.mark.parametrize("fields", [["X: " + "y" * 20000], [f"X{i}: y" for i in range(200)]], ids=["long", "many"])
@pytest.mark.parametrize("option", ["--http1.1", "--http2"])
def test_heads_over_the_limit(demo, option, fields):
    lines = [x for f in fields for x in ("-H", f)]
    assert curl(demo, option, *lines, "-o", "/dev/null", "-w", "%{http_code}") == b"431"


# --- Clients that are slow on purpose ---


def test_slow_heads(demo):
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connection(demo, "http/1.1")) for _ in range(15)]
        start = time.time()
        for s in slow:
            s.sendall(b"GET / HTTP/1.1\r\n")
        for i in range(6):
            for s in slow:
                s.sendall(b"X: y\r\n")
            still_serves(demo)
            time.sleep(1)
        for s in slow:
            assert statuses(all_of(s)) == [408]
        assert 13 < time.time() - start < 30  # one by one would take minutes


def test_readers_that_do_not_read(demo):
    """They ask for much and take nothing: the others are served, and nothing is made for them."""
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            s = stack.enter_context(connection(demo, "http/1.1"))
            s.settimeout(2)
            with contextlib.suppress(OSError):
                s.sendall((b"GET / HTTP/1.1\r\n" + HOST + b"\r\n") * 3000)
        still_serves(demo)


# --- HTTP/2 by hand ---

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GET = b"\x82\x84\x87\x41\x09localhost"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
ENHANCE_YOUR_CALM = 11


def frame(type, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", type, flags, stream) + payload


def frames(bytes):
    while len(bytes) >= 9:
        n = int.from_bytes(bytes[:3], "big")
        yield bytes[3], bytes[4], int.from_bytes(bytes[5:9], "big"), bytes[9:9 + n]
        bytes = bytes[9 + n:]


def goaway(demo, pieces):
    """Says all that until the server has enough of it; the code of its GOAWAY."""
    with connection(demo, "h2") as s:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            s.sendall(PREFACE + frame(SETTINGS, 0, 0))
            for i in range(0, len(pieces), 100):
                s.sendall(b"".join(pieces[i:i + 100]))
        got = all_of(s)
    codes = [int.from_bytes(p[4:8], "big") for t, _, _, p in frames(got) if t == GOAWAY]
    return codes[-1] if codes else None


def floods():
    yield "rapid reset", [frame(HEADERS, 5, 2 * i + 1, GET) + frame(RST_STREAM, 0, 2 * i + 1, b"\0\0\0\x08")
                          for i in range(3000)]
    yield "overflowing windows", [frame(HEADERS, 4, 2 * i + 1, b"\x83" + GET[1:]) +
                                  frame(WINDOW_UPDATE, 0, 2 * i + 1, b"\x7f\xff\xff\xff") for i in range(3000)]
    yield "pings", [frame(PING, 0, 0, b"12345678")] * 5000
    yield "settings", [frame(SETTINGS, 0, 0)] * 5000
    yield "priorities", [frame(PRIORITY, 0, 2 * i + 1, b"\0\0\0\0\x10") for i in range(5000)]
    yield "tiny windows", [frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01")] * 5000
    path = b"/autodiscover/autodiscover.xml"
    head = b"\x83\x87" + GET[3:] + b"\x04" + bytes([len(path)]) + path
    yield "empty data", [frame(HEADERS, 4, 1, head)] + [frame(DATA, 0, 1)] * 5000


@pytest.mark.parametrize("name, pieces", list(floods()), ids=[name for name, _ in floods()])
def test_floods(demo, name, pieces):
    # The connection may be torn down before the last word is read; then there is none.
    assert goaway(demo, pieces) in (ENHANCE_YOUR_CALM, None)
    still_serves(demo)


def test_endless_continuation(demo):
    pieces = [frame(HEADERS, 0, 1, GET)] + [frame(CONTINUATION, 0, 1, b"\x10\x01x\x01y" * 1000)] * 5000
    assert goaway(demo, pieces) != 0
    still_serves(demo)


def test_head_that_never_ends(demo):
    start = time.time()
    with connection(demo, "h2") as s:
        s.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, 0, 1, GET))
        codes = [p for t, _, _, p in frames(all_of(s)) if t == GOAWAY]
    assert codes and time.time() - start < 30


def test_more_streams_than_allowed(demo):
    """They are refused one by one, and those that are allowed are answered."""
    update = struct.pack(">HI", 4, 0)  # no answer's body may be sent
    with connection(demo, "h2") as s:
        s.sendall(PREFACE + frame(SETTINGS, 0, 0, update) +
                  b"".join(frame(HEADERS, 5, 2 * i + 1, GET) for i in range(150)))
        s.settimeout(3)
        got = b""
        with contextlib.suppress(TimeoutError):
            while piece := s.recv(65536):
                got += piece
    seen = list(frames(got))
    assert sum(t == RST_STREAM for t, _, _, _ in seen) == 50
    assert len({stream for t, _, stream, _ in seen if t == HEADERS}) == 100
