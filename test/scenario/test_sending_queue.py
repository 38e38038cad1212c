"""The queue: what the operator can do with it, that it is fair, and that it goes on at once when a server is back."""
import random
import time

import pytest

from conftest import message, wait_for
from sending import PLAIN, World


class Switch:
    """An answer that says no until it is put on."""

    def __init__(self):
        self.on = False

    def __call__(self, verb, arg):
        return None if self.on or verb != "RCPT" else b"450 4.3.2 not now\r\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("queue"))
    w.switch = {name: Switch() for name in ("one", "two")}
    w.sinks = {name: w.sink(answer=switch) for name, switch in w.switch.items()}
    w.sinks["back"] = w.sink(greeting=b"421 4.3.2 closed\r\n")
    w.sinks["slow"] = w.sink(delay=0.1)
    w.sinks["quick"] = w.sink()
    w.sinks["silent"] = w.sink(greeting=b"")
    for name, sink in w.sinks.items():
        w.host(name, zone=PLAIN, server=sink)
    w.start(sending__retry_first="60s", sending__retry_most="60s", sending__connections="4")
    yield w
    w.stop()


@pytest.fixture
def waiting(world):
    """Four letters that two servers do not want for now: of each account one to each."""
    for switch in world.switch.values():
        switch.on = False
    tag = f"{random.getrandbits(32):x}"
    people = {(user, name): f"{user}-{tag}@{name}.plain.example" for user in ("anna", "ben") for name in ("one", "two")}
    for (user, _), to in people.items():
        world.send(to, user=user, subject=f"wartet {tag}")
    for to in people.values():
        world.deferred(to)
    yield people
    world.demo.command("queue", "cancel", "--all", check=False)


def states(world, people):
    rows = {r["recipient"]: r["state"] for r in world.queue("list", "--finished") + world.queue("list")}
    return [rows.get(p) for p in people]


def in_state(world, people, state):
    wait_for(lambda: states(world, people) == [state] * len(people), 10, f"{people} {state}")


SELECTORS = {"sender": lambda people: (["--sender", "anna@example.org"], [("anna", "one"), ("anna", "two")]),
             "recipient": lambda people: (["--recipient", people["ben", "one"]], [("ben", "one")]),
             "destination": lambda people: (["--destination", "two.plain.example"], [("anna", "two"), ("ben", "two")])}


@pytest.mark.parametrize("by", [*SELECTORS, "id"])
def test_hold_release_cancel(world, waiting, by):
    if by == "id":
        row = next(r for r in world.queue("list") if r["recipient"] == waiting["anna", "one"])
        selection, keys = [row["id"]], [("anna", "one")]
    else:
        selection, keys = SELECTORS[by](waiting)
    chosen = [waiting[k] for k in keys]
    others = [p for p in waiting.values() if p not in chosen]
    world.demo.command("queue", "hold", *selection)
    in_state(world, chosen, "held")
    if by == "id":
        assert f" queue.command action=hold entry={selection[0]} recipients=1 " in world.demo.log.read_text()
    assert states(world, others) == ["waiting"] * len(others)
    assert {r["recipient"] for r in world.queue("list", "--held")} == set(chosen)
    assert "depesche queue release" in world.why(chosen[0])["why"]
    for name in ("one", "two"):
        world.switch[name].on = True
    world.demo.command("queue", "retry", *selection, check=False)
    time.sleep(0.5)
    assert states(world, chosen) == ["held"] * len(chosen), "a retry does not let go what is held"
    world.demo.command("queue", "release", *selection)
    in_state(world, chosen, "delivered")
    rest = [p for p in others if states(world, [p]) == ["waiting"]]
    for p in rest:
        world.demo.command("queue", "cancel", "--recipient", p)
        in_state(world, [p], "cancelled")
    assert not [r for r in world.queue("list") if r["recipient"] in waiting.values()]
    assert not world.reports(others[0]) and not world.reports(others[0], "ben"), "cancelling tells nobody"


def test_what_is_held_stays_held_over_a_restart(world, waiting):
    world.demo.command("queue", "hold", "--destination", "one.plain.example")
    world.demo.stop()
    world.demo.serve()
    chosen = [waiting["anna", "one"], waiting["ben", "one"]]
    assert states(world, chosen) == ["held", "held"]
    world.demo.command("queue", "cancel", "--destination", "one.plain.example")
    in_state(world, chosen, "cancelled")


def test_list_show_and_why(world, waiting):
    to = waiting["anna", "one"]
    row = next(r for r in world.queue("list") if r["recipient"] == to)
    assert row["sender"] == "anna@example.org" and row["state"] == "waiting" and int(row["attempts"]) >= 1
    assert "450 4.3.2 not now" in row["last_answer"]
    shown = world.queue("show", row["id"])
    assert shown["recipients"] == [to]
    header = "\n".join(shown["header"])
    assert "Subject: wartet" in header
    text = world.demo.command("queue", "show", row["id"]).stdout
    assert "Subject: wartet" in text and to in text and "Guten Tag" not in text
    why = world.demo.command("queue", "why", row["id"]).stdout
    for words in ("waiting: attempt 2 at ", "mx-one.plain.example", world.sinks["one"].ip, "not encrypted", "not now"):
        assert words in why, why
    assert to in world.demo.command("queue", "list").stdout


def test_nothing_that_fits_is_an_error(world):
    for args in (["retry", "ffffff"], ["hold", "--recipient", "nobody@nowhere.example"], ["show", "ffffff"],
                 ["cancel"], ["release", "xyz"], ["why", "--recipient", "nobody@nowhere.example"]):
        r = world.demo.command("queue", *args, check=False)
        assert r.returncode != 0 and r.stderr.strip(), (args, r)


def test_all_leaves_at_once_when_a_server_is_back(world):
    people = [f"p{k}@back.plain.example" for k in range(12)]
    for p in people:
        world.send(p)
    for p in people[:1]:
        world.deferred(p)
    world.sinks["back"].greeting = b"220 back.example ESMTP\r\n"
    world.demo.command("queue", "retry", "--recipient", people[0])
    begin = time.time()
    wait_for(lambda: len(world.sinks["back"].mails) == len(people), 10, "all of them")
    in_state(world, people, "delivered")
    assert time.time() - begin < 10  # and not the 60 s of the next attempt


def test_a_mailing_does_not_delay_a_letter(world):
    world.send_many(300, "many@slow.plain.example")
    wait_for(lambda: len(world.sinks["slow"].mails) > 2, 10, "the mailing's begin")
    begin = time.time()
    world.send("one@quick.plain.example", user="ben")
    wait_for(lambda: world.sinks["quick"].mails, 10, "the letter")
    assert time.time() - begin < 2
    assert len(world.sinks["slow"].mails) < 250, "the mailing is over: this says nothing"
    world.demo.command("queue", "cancel", "--destination", "slow.plain.example")


def test_servers_that_say_nothing_do_not_take_all_places(world):
    """Each of the four connections would be lost for the five minutes that a greeting may take."""
    world.send_many(6, "many@silent.plain.example", prefix="silent")
    wait_for(lambda: world.sinks["silent"].sessions >= 2, 10, "connections to the silent one")
    begin, before = time.time(), len(world.sinks["quick"].mails)
    world.send("two@quick.plain.example", user="ben")
    world.send("three@quick.plain.example")
    wait_for(lambda: len(world.sinks["quick"].mails) == before + 2, 10, "the letters")
    assert time.time() - begin < 3 and world.sinks["silent"].sessions == 2
    world.demo.command("queue", "cancel", "--destination", "silent.plain.example")


def test_connections_are_used_again(world):
    sink = world.sinks["quick"]
    before = sink.sessions, len(sink.mails)
    names = world.send_many(200, "many@quick.plain.example", prefix="again")
    wait_for(lambda: len(sink.mails) - before[1] == len(names), 20, "all of them")
    assert sink.sessions - before[0] <= 20
    body = b"".join(m[2] for m in sink.mails)
    assert all(f"<{n}@".encode() in body for n in names)
