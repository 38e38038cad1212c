"""What mail programs and people ask without logging in: autoconfig, Autodiscover, Apple's profile, the page with
the server's details, the MTA-STS policy, ACME. The requests are those that Thunderbird and Outlook send."""
import plistlib
import re
import subprocess
import xml.etree.ElementTree as ET

import pytest

from conftest import need

OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
OUTER = "{http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006}"
INNER = "{" + OUTLOOK + "}"

# As Thunderbird tries them, in its order; K-9 sends no address.
THUNDERBIRD = [
    ("https", "autoconfig.example.org", "/mail/config-v1.1.xml?emailaddress=anna%40example.org"),
    ("https", "example.org", "/.well-known/autoconfig/mail/config-v1.1.xml"),
    ("http", "autoconfig.example.org", "/mail/config-v1.1.xml"),
    ("http", "example.org", "/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=nobody%40example.org"),
    ("https", "autoconfig.example.org", "/mail/config-v1.1.xml?emailaddress=%C3%A4%40example.org"),
]


@pytest.mark.parametrize("scheme,host,path", THUNDERBIRD)
def test_autoconfig(demo, scheme, host, path):
    status, fields, body = demo.web("GET", path, tls=scheme == "https", host=host)
    assert status == 200 and fields["content-type"] == "text/xml; charset=utf-8"
    assert "www-authenticate" not in fields and "set-cookie" not in fields
    root = ET.fromstring(body)
    assert root.tag == "clientConfig" and root.get("version") == "1.1"
    provider = root.find("emailProvider")
    assert provider.get("id") == provider.findtext("domain") == "example.org"
    assert len(provider.findtext("displayShortName")) <= 20
    servers = [(s.tag, s.get("type"), s.findtext("hostname"), int(s.findtext("port")), s.findtext("socketType"),
                s.findtext("authentication"), s.findtext("username"))
               for s in provider if s.tag.endswith("Server")]
    mail, plain, user = "mail.example.org", "password-cleartext", "%EMAILADDRESS%"
    assert servers == [
        ("incomingServer", "imap", mail, demo.port("imaps"), "SSL", plain, user),
        ("incomingServer", "imap", mail, demo.port("imap"), "STARTTLS", plain, user),
        ("outgoingServer", "smtp", mail, demo.port("submissions"), "SSL", plain, user),
        ("outgoingServer", "smtp", mail, demo.port("submission"), "STARTTLS", plain, user)]
    assert b"pop3" not in body.lower()
    assert root.find("webMail/loginPage").get("url") == f"https://mail.example.org:{demo.port('https')}/mail/"


def test_autoconfig_is_the_same_for_all_addresses(demo):
    answers = {demo.web("GET", f"/mail/config-v1.1.xml{q}", host="autoconfig.example.org")[2]
               for q in ("", "?emailaddress=anna@example.org", "?emailaddress=nobody@example.org",
                         "?emailaddress=", "?emailaddress=%00")}
    assert len(answers) == 1


def test_autoconfig_of_a_foreign_domain_is_refused(demo):
    status, _, body = demo.web("GET", "/mail/config-v1.1.xml?emailaddress=a@gmail.com", host="autoconfig.example.org")
    assert status == 404 and b"clientConfig" not in body


def test_mail_v1(demo):
    status, _, body = demo.web("GET", "/.well-known/mail-v1.xml?emailaddress=anna@example.org",
                               host="autoconfig.example.org")
    root = ET.fromstring(body)
    assert status == 200 and root.get("version") == "1.2"
    jmap = root.find("emailProvider/incomingServer[@type='jmap']")
    assert jmap.findtext("url") == f"https://mail.example.org:{demo.port('https')}/.well-known/jmap"


def pox(demo, address, schema=OUTLOOK, path="/autodiscover/autodiscover.xml", raw=None):
    body = raw or f"""<?xml version="1.0" encoding="utf-8"?><Autodiscover
xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>
<EMailAddress>{address}</EMailAddress><AcceptableResponseSchema>{schema}</AcceptableResponseSchema>
</Request></Autodiscover>"""
    status, fields, answer = demo.web("POST", path, body, {"Content-Type": "text/xml; charset=utf-8"},
                                      host="autodiscover.example.org")
    assert status == 200 and "xml" in fields["content-type"], (status, answer)
    return ET.fromstring(answer)


@pytest.mark.parametrize("path", ["/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml",
                                  "/AUTODISCOVER/AUTODISCOVER.XML"])
@pytest.mark.parametrize("user", ["anna", "nobody"])
def test_autodiscover(demo, path, user):
    root = pox(demo, f"{user}@example.org", path=path)
    protocols = root.findall(f"{INNER}Response/{INNER}Account/{INNER}Protocol")
    assert [p.findtext(f"{INNER}Type") for p in protocols] == ["IMAP", "SMTP"]
    for p, port in zip(protocols, ("imaps", "submissions")):
        get = {e.tag[len(INNER):]: e.text for e in p}
        assert get["Server"] == "mail.example.org" and int(get["Port"]) == demo.port(port)
        assert get["LoginName"] == f"{user}@example.org" and get["SSL"] == "on" and get["SPA"] == "off"
        assert get["Encryption"] == "SSL"


@pytest.mark.parametrize("address,schema,raw", [
    ("anna@example.org", "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006", None),
    ("anna@gmail.com", OUTLOOK, None),
    ("", OUTLOOK, None),
    (None, None, "no xml"),
    (None, None, "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><Autodiscover><Request><EMailAddress>&e;"
                 "</EMailAddress></Request></Autodiscover>"),
])
def test_autodiscover_error(demo, address, schema, raw):
    root = pox(demo, address, schema, raw=raw)
    error = root.find(f"{OUTER}Response/{OUTER}Error")
    assert error.findtext(f"{OUTER}ErrorCode") in ("500", "600") and error.get("Id") and error.get("Time")


def test_autodiscover_by_get_leads_to_tls(demo):
    status, fields, _ = demo.web("GET", "/autodiscover/autodiscover.xml", tls=False, host="autodiscover.example.org")
    assert status == 302
    assert fields["location"] == f"https://mail.example.org:{demo.port('https')}/autodiscover/autodiscover.xml"


@pytest.mark.parametrize("path", ["/autodiscover/autodiscover.json?Email=anna@example.org&Protocol=Autodiscoverv1&RedirectCount=1",
                                  "/autodiscover/autodiscover.json/v1.0/anna@example.org?Protocol=Autodiscoverv1"])
def test_autodiscover_json(demo, path):
    import json
    status, _, body = demo.web("GET", path, host="autodiscover.example.org")
    assert status == 200 and json.loads(body)["Protocol"] == "AutodiscoverV1"
    assert json.loads(body)["Url"].endswith("/autodiscover/autodiscover.xml")
    status, _, body = demo.web("GET", path.replace("Protocol=Autodiscoverv1", "Protocol=ActiveSync"))
    assert status == 400 and json.loads(body)["ErrorCode"] == "InvalidProtocol"


def test_apple_profile_is_signed(demo, tmp_path):
    need("openssl")
    status, fields, der = demo.web("GET", "/apple.mobileconfig?address=anna%40example.org")
    assert status == 200 and fields["content-type"] == "application/x-apple-aspen-config"
    assert fields["content-disposition"].endswith('.mobileconfig"')
    (tmp_path / "p").write_bytes(der)
    subprocess.run(["openssl", "cms", "-verify", "-inform", "DER", "-in", "p", "-out", "plain", "-CAfile",
                    str(demo.dir / "ca.pem"), "-purpose", "any"], cwd=tmp_path, check=True, capture_output=True)
    profile = plistlib.loads((tmp_path / "plain").read_bytes())
    (mail,) = profile["PayloadContent"]
    assert mail["PayloadType"] == "com.apple.mail.managed" and mail["EmailAddress"] == "anna@example.org"
    assert (mail["IncomingMailServerHostName"], mail["IncomingMailServerPortNumber"],
            mail["IncomingMailServerUseSSL"]) == ("mail.example.org", demo.port("imaps"), True)
    assert mail["OutgoingMailServerPortNumber"] == demo.port("submissions")
    assert "IncomingPassword" not in mail


def test_apple_code_leads_to_the_profile(demo):
    status, fields, svg = demo.web("GET", "/apple.svg")
    assert status == 200 and fields["content-type"] == "image/svg+xml" and ET.fromstring(svg).tag.endswith("svg")


@pytest.mark.parametrize("language,words", [("de-DE,de;q=0.9", ["Warum es kein POP3 gibt", "20 Minuten", "mindestens 8"]),
                                            ("en", ["Why there is no POP3", "20 minutes", "at least 8"])])
def test_details(demo, language, words):
    status, fields, body = demo.web("GET", "/", headers={"Accept-Language": language})
    text = body.decode()
    assert status == 200 and fields["content-type"] == "text/html; charset=utf-8"
    for word in [*words, "mail.example.org", str(demo.port("imaps")), str(demo.port("submissions")), "t-online.de",
                 "gmx.de", "posteo.de"]:
        assert word in text, word
    assert "<script" not in text and "style=" not in text
    for path in re.findall(r'(?:href|src)="(/[^"?]+)"', text):
        assert demo.web("GET", path)[0] == 200, path
    assert "'unsafe-inline'" not in fields["content-security-policy"]


def test_details_tell_what_is_configured(fresh_demo, tmp_path):
    d = fresh_demo()
    d.stop()
    (tmp_path / "imprint.txt").write_text("Verein <für> Post\nHafenstraße 1\n\nTel. 040 1")
    config = d.config.read_text().replace("[guard]", "[guard]\ntolerated = 2\nclose = 1h")
    d.config.write_text(config + f"\n[web]\nname = Vereinspost\nimprint = {tmp_path}/imprint.txt\n"
                                 "[sending]\nclear_text = no\nsmarthost = relay.example.net:587\n")
    d.serve()
    text = d.web("GET", "/?lang=de")[2].decode()
    for word in ["<h1>Vereinspost</h1>", "<p>Verein &lt;für&gt; Post<br>\nHafenstraße 1</p>", "<p>Tel. 040 1</p>",
                 "Bis zu 2 falsche", "für 1 Stunde", "Unverschlüsselt verlässt uns nichts", "relay.example.net"]:
        assert word in text, word


def test_mta_sts_policy(demo):
    status, fields, body = demo.web("GET", "/.well-known/mta-sts.txt", host="mta-sts.example.org")
    assert status == 200 and fields["content-type"].startswith("text/plain")
    assert body.startswith(b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.org\r\nmax_age: ")
    assert demo.web("GET", "/.well-known/mta-sts.txt", host="mta-sts.gmail.com")[0] == 404


def test_acme_challenge(demo):
    folder = demo.dir / "data" / "acme" / ".well-known" / "acme-challenge"
    folder.mkdir(parents=True)
    for path in (folder.parents[1], folder.parents[0], folder):
        path.chmod(0o755)
    (folder / "tok-en_1").write_text("tok-en_1.thumb")
    status, _, body = demo.web("GET", "/.well-known/acme-challenge/tok-en_1", tls=False)
    assert status == 200 and body == b"tok-en_1.thumb"
    for name in ("none", "", "..%2f..%2fdirectory.db", "../../../directory.db", ".hidden"):
        assert demo.web("GET", f"/.well-known/acme-challenge/{name}", tls=False)[0] in (400, 404)


def test_port_80_leads_to_https(demo):
    status, fields, _ = demo.web("GET", "/mail/?a=b", tls=False, host="mail.example.org")
    assert status in (301, 308) and fields["location"] == f"https://mail.example.org:{demo.port('https')}/mail/?a=b"
