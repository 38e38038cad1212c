"""What openssl s_client sees: protocols, ciphers, groups, renegotiation, several names."""
import re
import subprocess

import pytest

from conftest import need


def s_client(demo, service, *args, starttls=None, send=b""):
    need("openssl")
    cmd = ["openssl", "s_client", "-connect", f"127.0.0.1:{demo.port(service)}", "-CAfile",
           str(demo.dir / "ca.pem"), *args]
    if starttls:
        cmd += ["-starttls", starttls]
    r = subprocess.run(cmd, input=send, capture_output=True, timeout=30)
    return r.stdout.decode(errors="replace") + r.stderr.decode(errors="replace")


PORTS = [("smtp", "smtp"), ("submission", "smtp"), ("submissions", None), ("imap", "imap"), ("imaps", None)]


def cipher(text):
    m = re.search(r"^\s*(?:New, \S+, Cipher is|Cipher\s*:)\s*(\S+)", text, re.M)
    return m[1] if m else None


@pytest.mark.parametrize("service,starttls", PORTS)
def test_best_first(demo, service, starttls):
    text = s_client(demo, service, "-servername", "localhost", starttls=starttls)
    assert "New, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384" in text
    assert "Verification: OK" in text and "Compression: NONE" in text
    text = s_client(demo, service, "-tls1_2", starttls=starttls)
    assert re.search(r"Cipher is ECDHE-(ECDSA|RSA)-AES256-GCM-SHA384", text)
    assert "Extended master secret: yes" in text
    text = s_client(demo, service, "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384",
                    starttls=starttls)
    assert "Cipher is TLS_AES_256_GCM_SHA384" in text, "the server's order counts"


@pytest.mark.parametrize("service,starttls", PORTS)
@pytest.mark.parametrize("old", [
    ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
    ("-tls1", "-cipher", "ALL:@SECLEVEL=0"),
    ("-tls1_2", "-cipher", "AES256-GCM-SHA384"),
    ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA"),
    ("-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384"),
    ("-tls1_2", "-cipher", "aNULL:@SECLEVEL=0"),
])
def test_old_is_refused(demo, service, starttls, old):
    text = s_client(demo, service, *old, starttls=starttls)
    assert cipher(text) in (None, "(NONE)", "0000"), text


def test_no_renegotiation(demo):
    p = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{demo.port('imaps')}", "-tls1_2"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    seen = b""
    while b"* OK" not in seen:  # the greeting must not fall into the handshake that is asked for
        piece = p.stdout.read1(4096)
        assert piece, seen
        seen += piece
    out, _ = p.communicate(b"R\n", timeout=20)
    text = out.decode(errors="replace").lower()
    assert "no renegotiation" in text or "handshake failure" in text, text


def test_resumption_by_ticket(demo, tmp_path):
    first = s_client(demo, "imaps", "-sess_out", str(tmp_path / "s"), "-tls1_2")
    assert "Reused" not in first
    assert "Reused" in s_client(demo, "imaps", "-sess_in", str(tmp_path / "s"), "-tls1_2")


@pytest.mark.parametrize("name", ["localhost", "mail.example.org", "webmail.example.org", "mail.example.org."])
def test_names(demo, name):
    text = s_client(demo, "imaps", "-servername", name, "-verify_hostname", name.rstrip("."))
    assert "Verification: OK" in text and "alert" not in text.lower()


def test_bsi_profile(fresh_demo):
    d = fresh_demo()
    d.stop()
    d.config.write_text(d.config.read_text().replace("[tls]\n", "[tls]\nprofile = bsi\n"))
    d.serve()
    assert cipher(s_client(d, "imaps", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256")) in (None, "(NONE)")
    assert cipher(s_client(d, "imaps", "-groups", "X25519")) in (None, "(NONE)")
    assert "TLS_AES_256" in s_client(d, "imaps", "-groups", "P-384")
