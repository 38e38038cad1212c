"""Where mail goes when it does not go to the MX: smart host and transports, with a login or without; and what the way
there may look like."""
import base64
import subprocess
import time

import pytest

from conftest import DEPESCHE, message, wait_for
from sending import PLAIN, World
from world import Certificate, address, configure

LOGIN, SECRET = "wir@provider.example", "Gehe!im 7"


def asks_for_login(verb, arg):
    if verb == "AUTH":
        word = arg.split()[-1]
        right = base64.b64decode(word) == f"\0{LOGIN}\0{SECRET}".encode()
        # Servers repeat what they did not like.
        return b"235 2.7.0 ok\r\n" if right else f"535 5.7.8 no: AUTH {arg}\r\n".encode()
    return None


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("hop"))
    w.sinks = {"smart": w.sink(w.ca.issue("smart.plain.example"), answer=asks_for_login,
                               extensions=["PIPELINING", "AUTH PLAIN LOGIN"]),
               "side": w.sink(), "second": w.sink(), "mx": w.sink()}
    w.servers += w.sinks.values()
    ip = {name: s.ip for name, s in w.sinks.items()}
    w.records[PLAIN] += [f"smart A {ip['smart']}", f"side A {ip['side']}", f"normal MX 10 mx", f"mx A {ip['mx']}",
                         "special MX 10 mx", "loop MX 10 mail.example.org.", "both MX 10 mx-both",
                         f"mx-both AAAA ::2", f"mx-both A {address()}", f"mx-both A {ip['second']}",
                         "cname CNAME real", "real MX 10 mx", "slowdns MX 10 mx-slowdns", f"mx-slowdns A {ip['mx']}",
                         "loopafter MX 10 mail.example.org.", "loopafter MX 20 mx", "loopbefore MX 10 mx",
                         "loopbefore MX 20 mail.example.org."]
    w.start(sending__transport=f"special.plain.example side.plain.example:{w.port}")
    yield w
    w.stop()


def to(name, local="a"):
    return f"{local}@{name}.plain.example"


def again(world, **settings):
    world.demo.stop()
    configure(world.demo, **settings)
    world.demo.serve()


def test_a_transport_is_for_its_domain_alone(world):
    world.send(to("special"))
    world.delivered(to("special"), "side.plain.example")
    world.send(to("normal"))
    world.delivered(to("normal"), "mx.plain.example")
    assert len(world.sinks["side"].mails) == len(world.sinks["mx"].mails) == 1


def test_one_dead_address_after_the_other(world):
    """No route for IPv6, nobody at the first IPv4: seconds, not minutes."""
    begin = time.time()
    world.send(to("both"))
    world.delivered(to("both"))
    assert time.time() - begin < 8 and len(world.sinks["second"].mails) == 1


def test_a_domain_that_is_an_alias(world):
    world.send(to("cname"))
    world.delivered(to("cname"), "mx.plain.example")


def test_mail_that_would_come_back_to_us(world):
    world.send(to("loop"))
    assert world.report(to("loop")).field("Status") == "5.4.6"
    # RFC 5321 5.1: hosts that are not better than we are no way; better ones are.
    world.send(to("loopbefore"))
    world.delivered(to("loopbefore"), "mx.plain.example")
    world.send(to("loopafter"))
    assert world.report(to("loopafter")).field("Status") == "5.4.6"


def test_name_servers_that_do_not_answer_are_no_reason_to_give_up(world):
    world.zones.rules[("slowdns.plain.example.", 15)] = "fail"
    world.send(to("slowdns"))
    world.deferred(to("slowdns"), "name servers")
    world.zones.rules.clear()
    world.demo.command("queue", "retry", "--recipient", to("slowdns"))
    world.delivered(to("slowdns"))


def test_many_recipients_are_one_message_or_few(world):
    people = [to("normal", f"r{k}") for k in range(90)]
    before = len(world.sinks["mx"].mails)
    world.send(people, subject="rundschreiben")
    wait_for(lambda: sum(len(m[1]) for m in world.sinks["mx"].mails[before:]) == 90, 15, "all of them")
    assert len(world.sinks["mx"].mails) - before == 1


def test_a_smart_host_with_a_login(world):
    secret = world.demo.dir / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    again(world, sending__smarthost=f"smart.plain.example:{world.port}", sending__smarthost_user=LOGIN,
          sending__smarthost_password_file=secret)
    world.send(to("normal", "smart"))
    world.delivered(to("normal", "smart"), "smart.plain.example", "TLSv1.3")
    world.send(to("special", "smart"))
    world.delivered(to("special", "smart"), "side.plain.example")
    assert [m[1][0] for m in world.sinks["smart"].mails] == [f"TO:<{to('normal', 'smart')}>"]
    log = world.demo.log.read_text()
    assert SECRET not in log and base64.b64encode(f"\0{LOGIN}\0{SECRET}".encode()).decode() not in log


def test_a_login_is_shown_to_the_right_server_alone(world):
    smart = world.sinks["smart"]
    good, before = smart.certificate, len(smart.lines)
    other = world.ca.issue("elsewhere.example")
    smart.certificate = Certificate(other.chain, other.key)
    again(world)  # no connection is left from before
    world.send(to("normal", "wrong"))
    world.deferred(to("normal", "wrong"), "different name")
    assert not any(line.upper().startswith(b"AUTH") for line in smart.lines[before:])
    smart.certificate = good
    world.demo.command("queue", "retry", "--recipient", to("normal", "wrong"))
    world.delivered(to("normal", "wrong"), "smart.plain.example")


def test_a_login_that_is_refused_waits(world):
    (world.demo.dir / "secret").write_text("falsch\n")
    again(world)
    world.send(to("normal", "refused"))
    why = world.deferred(to("normal", "refused"), "user name and password")["why"]
    for secret in ("falsch", base64.b64encode(f"\0{LOGIN}\0falsch".encode()).decode()):
        assert secret not in why and secret not in world.demo.log.read_text()


@pytest.mark.parametrize("name,setting,words", [
    ("secret", "sending__smarthost_password_file", "smarthost.no_password"),
    ("ca.txt", "tls__ca", "the authorities' certificates cannot be read")])
def test_a_file_without_what_it_is_for_is_told_at_the_start(world, name, setting, words):
    world.demo.stop()
    before, file = world.demo.config.read_text(), world.dir / name
    file.write_text("\n")
    configure(world.demo, **{setting: file})
    try:
        r = subprocess.run([DEPESCHE, "serve", "--config", str(world.demo.config)], capture_output=True, text=True,
                           timeout=30)
        assert r.returncode != 0 and words in r.stderr, r.stderr
    finally:
        world.demo.config.write_text(before)
        world.demo.serve()
