"""587 and 465 as users meet them."""
import email
import email.policy
import json
import smtplib
import socket
import ssl

import pytest

from conftest import PASSWORD, message
from test_receiving import Raw, find, inbox


def test_nothing_before_tls(demo):
    r = Raw(demo, "submission")
    lines = r.say("EHLO client.test")
    assert not [l for l in lines if "AUTH" in l]
    for line in ("AUTH PLAIN AGFubmEAeA==", "MAIL FROM:<anna@example.org>", "VRFY anna"):
        assert r.say(line)[0].startswith(("530", "538", "503", "502", "504")), line
    r.close()


@pytest.mark.parametrize("implicit", [False, True])
def test_local_delivery_at_once(demo, implicit):
    subject = f"an ben {implicit}"
    with demo.submission(implicit=implicit) as s:
        s.sendmail("anna@example.org", ["ben@example.org"],
                   f"From: Anna <anna@example.org>\r\nTo: ben@example.org\r\nBcc: geheim@example.org\r\n"
                   f"Subject: {subject}\r\n\r\nHallo Ben\r\n".encode())
    got = find(demo, subject, "ben")
    assert len(got) == 1
    head = got[0].split(b"\r\n\r\n")[0].decode()
    assert "\r\nDate: " in head and "\r\nMessage-ID: <" in head
    assert "127.0.0.1" not in head and "client.test" not in head and "Bcc" not in head


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_mechanisms(demo, mechanism):
    s = demo.submission(login=False)
    s.ehlo()
    assert mechanism in s.esmtp_features["auth"]
    s.user, s.password = "anna@example.org", PASSWORD
    for initial in (True, False):
        code, _ = s.auth(mechanism, getattr(s, "auth_" + mechanism.lower()), initial_response_ok=initial)
        assert code == 235
        s.quit()
        s = demo.submission(login=False)
        s.ehlo()
        s.user, s.password = "anna@example.org", PASSWORD
    s.quit()


def test_foreign_sender_and_from(demo):
    with demo.submission() as s:
        with pytest.raises(smtplib.SMTPSenderRefused) as e:
            s.sendmail("ben@example.org", ["ben@example.org"], message(sender="anna@example.org"))
        assert e.value.smtp_code == 550 and b"5.7.1" in e.value.smtp_error
        s.rset()
        with pytest.raises(smtplib.SMTPDataError) as e:
            s.sendmail("anna@example.org", ["ben@example.org"], message(sender="chef@bank.example"))
        assert e.value.smtp_code == 550 and b"5.7.1" in e.value.smtp_error


def test_alias_as_sender(demo):
    demo.command("alias", "add", "vorstand@example.org", "anna@example.org")
    with demo.submission() as s:
        s.sendmail("vorstand@example.org", ["ben@example.org"],
                   message("vom Vorstand", sender="vorstand@example.org", to="ben@example.org"))
    assert len(find(demo, "vom Vorstand", "ben")) == 1


def test_remote_recipients_wait_in_the_queue(demo):
    with demo.submission() as s:
        s.sendmail("anna@example.org", ["ben@example.org", "carla@remote.test", "dirk@remote.test"],
                   message("an alle", sender="anna@example.org", to="ben@example.org"))
    assert len(find(demo, "an alle", "ben")) == 1
    listing = json.loads(demo.command("queue", "list", "--json").stdout)
    text = json.dumps(listing)
    assert "carla@remote.test" in text and "dirk@remote.test" in text and "anna@example.org" in text


def test_report_of_success(demo):
    subject = "mit Zustellbericht"
    with demo.submission() as s:
        s.sendmail("anna@example.org", ["ben@example.org"],
                   message(subject, sender="anna@example.org", to="ben@example.org"),
                   mail_options=["ENVID=QQ314", "RET=HDRS"],
                   rcpt_options=["NOTIFY=SUCCESS", "ORCPT=rfc822;ben@example.org"])
    assert len(find(demo, subject, "ben")) == 1
    reports = [m for m in inbox(demo, "anna") if b"Original-Envelope-Id: QQ314\r\n" in m]
    assert len(reports) == 1
    m = email.message_from_bytes(reports[0], policy=email.policy.default)
    assert not m.defects and m["Return-Path"] == "<>" and m["Auto-Submitted"] == "auto-replied"
    assert m.get_content_type() == "multipart/report"
    assert m.get_param("report-type") == "delivery-status"
    human, status, headers = m.iter_parts()
    assert "ben@example.org" in human.get_content()
    assert status.get_content_type() == "message/delivery-status"
    whole, ben = status.get_payload()
    assert whole["Original-Envelope-Id"] == "QQ314" and whole["Reporting-MTA"].startswith("dns;")
    assert ben["Final-Recipient"] == ben["Original-Recipient"] == "rfc822;ben@example.org"
    assert ben["Action"] == "delivered" and ben["Status"] == "2.0.0"
    assert headers.get_content_type() == "text/rfc822-headers"
    assert email.message_from_string(headers.get_content())["Subject"] == subject


def test_no_send_account(demo):
    demo.command("account", "suspend", "ben@example.org", "--no-send")
    try:
        with demo.submission("ben") as s:
            with pytest.raises((smtplib.SMTPSenderRefused, smtplib.SMTPResponseException)) as e:
                s.sendmail("ben@example.org", ["anna@example.org"], message(sender="ben@example.org"))
            assert e.value.smtp_code == 550
    finally:
        demo.command("account", "resume", "ben@example.org")


def test_unknown_local_recipient(demo):
    with demo.submission() as s, pytest.raises(smtplib.SMTPRecipientsRefused) as e:
        s.sendmail("anna@example.org", ["niemand@example.org"], message(sender="anna@example.org"))
    assert e.value.recipients["niemand@example.org"][0] == 550
