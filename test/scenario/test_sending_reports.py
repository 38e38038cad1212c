"""Delivery reports (RFC 3461, 3464): who is told what, when, and who is told nothing."""
import time

import pytest

from conftest import message, wait_for
from sending import PLAIN, World
from world import address

WITH = ("PIPELINING", "8BITMIME", "SIZE 52428800", "DSN")
WITHOUT = ("PIPELINING", "8BITMIME", "SIZE 52428800")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("reports"))
    w.sinks = {name: w.sink(extensions=e, answer=a) for name, e, a in [
        ("with", WITH, None), ("without", WITHOUT, None),
        ("refuses", WITH, lambda v, arg: b"550 5.7.1 not wanted\r\n" if v == "RCPT" else None),
        ("later", WITH, lambda v, arg: b"450 4.2.0 later\r\n" if v == "RCPT" else None)]}
    for name, sink in w.sinks.items():
        w.host(name, zone=PLAIN, server=sink)
    w.host("dead", zone=PLAIN, ip=address())
    w.start(sending__retry_first="1s", sending__retry_most="1s", sending__delay_notice="3s", sending__give_up="8s")
    w.demo.command("account", "language", "anna@example.org", "de")
    yield w
    w.stop()


def to(name, local="a"):
    return f"{local}@{name}.plain.example"


def told_nothing(world, recipient, user="anna"):
    time.sleep(1)  # a report that should not come would be there by now
    assert not world.reports(recipient, user)


@pytest.mark.parametrize("name,status", [("later", "4.2.0"), ("dead", "4.4.1")])
def test_a_delay_is_told_once_and_then_the_end(world, name, status):
    world.send(to(name), subject=f"dauert {name}")
    delay = world.report(to(name), action="delayed", timeout=12)
    assert delay.field("Status") == status
    assert delay.field("Will-Retry-Until")
    assert delay.mail["Subject"] == "Ihre Nachricht verzögert sich" and "Wir versuchen es bis" in delay.human
    assert delay.returned.get_content_type() == "text/rfc822-headers"
    failed = world.report(to(name), action="failed", timeout=20)
    assert failed.field("Status") in ("5.4.7", "4.4.7")
    if name == "later":
        assert "450 4.2.0 later" in failed.field("Diagnostic-Code")
    assert failed.returned.get_content_type() == "message/rfc822"
    assert len([r for r in world.reports(to(name)) if r.field("Action") == "delayed"]) == 1
    assert world.why(to(name))["state"] == "returned"


def test_never_is_never(world):
    world.send(to("refuses", "never"), rcpt_options=["NOTIFY=NEVER"])
    world.outcome(to("refuses", "never"), "returned")
    told_nothing(world, to("refuses", "never"))


def test_only_successes_were_asked_for(world):
    world.send(to("refuses", "only"), rcpt_options=["NOTIFY=SUCCESS"])
    world.outcome(to("refuses", "only"), "returned")
    told_nothing(world, to("refuses", "only"))


def test_no_delay_notice_when_only_failures_were_asked_for(world):
    world.send(to("later", "fail"), rcpt_options=["NOTIFY=FAILURE"])
    world.report(to("later", "fail"), action="failed")
    assert len(world.reports(to("later", "fail"))) == 1


def test_headers_alone_come_back(world):
    body = "Geheim " * 20 + "\r\n"
    world.send(to("refuses", "hdrs"), text=message("nur Kopf".replace("ü", "ue"), to("refuses"), "anna@example.org", body=body),
               mail_options=["RET=HDRS", "ENVID=QQ+2B1"], rcpt_options=["ORCPT=rfc822;orig+2Binal@elsewhere.example"])
    report = world.report(to("refuses", "hdrs"))
    assert report.returned.get_content_type() == "text/rfc822-headers"
    assert "Geheim" not in str(report.mail)
    assert str(report.whole["Original-Envelope-Id"]) == "QQ+1"
    assert report.field("Original-Recipient").replace(" ", "") == "rfc822;orig+inal@elsewhere.example"


def test_success_is_told_where_the_other_side_will_not(world):
    world.send(to("without"), rcpt_options=["NOTIFY=SUCCESS,FAILURE"])
    world.delivered(to("without"))
    report = world.report(to("without"))
    assert (report.field("Action"), report.field("Status")) == ("relayed", "2.0.0")
    assert not any(b"NOTIFY" in line for line in world.sinks["without"].lines)


def test_wishes_are_passed_on(world):
    world.send(to("with"), mail_options=["RET=HDRS", "ENVID=abc-1"],
               rcpt_options=["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;who@elsewhere.example"])
    world.delivered(to("with"))
    lines = b"".join(world.sinks["with"].lines)
    assert b" RET=HDRS" in lines and b" ENVID=abc-1" in lines
    assert b" NOTIFY=SUCCESS,DELAY" in lines and b" ORCPT=rfc822;who@elsewhere.example" in lines
    told_nothing(world, to("with"))


def test_never_a_report_to_nobody(world):
    """A bounce for someone who forwards: what cannot be passed on ends in silence."""
    world.demo.command("account", "forward", "ben@example.org", to("refuses", "ben"))
    before = len(world.inbox()), len(world.inbox("ben"))
    with world.demo.smtp() as s:
        s.sendmail("", ["ben@example.org"], message("zurueck", "ben@example.org", "mailer-daemon@elsewhere.example"))
    w = world.outcome(to("refuses", "ben"), "returned")
    assert w["sender"] in ("", "<>") and "nobody was told" in w["why"]
    time.sleep(1)
    assert len(world.inbox()) == before[0]
    assert not [m for m in world.inbox("ben") if m.get_content_type() == "multipart/report"]
    wait_for(lambda: not [r for r in world.queue("list") if not r["sender"] or r["sender"] == "<>"], 5, "an empty queue")
