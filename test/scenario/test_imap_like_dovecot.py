"""FETCH, SEARCH, STORE, COPY and MOVE side by side with Debian's Dovecot: the same commands over the
same messages (the MIME corpus) must give the same answers.

Where the two may differ, the test says so: a section that does not exist is NIL here and empty there
(both are an nstring), the part "n.1" of a part that is not a multipart exists only there, and Dovecot
does not fold accents in a search.
"""
import email.utils
import pathlib
import random
import re
import socket
import sys

import pytest

from conftest import PASSWORD

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import dovecot_reference as reference  # noqa: E402

BOX = "Corpus"


class Depesche:
    """The same face as reference.Dovecot, over the wire."""

    def __init__(self, demo):
        raw = socket.create_connection(("127.0.0.1", demo.port("imaps")), 60)
        self.sock = demo.tls(check_hostname=False).wrap_socket(raw)
        self.f = self.sock.makefile("rb")
        self.tag = 0
        self.f.readline()
        self.command(f'LOGIN anna@example.org "{PASSWORD}"')

    def answer(self):
        whole = b""
        while True:
            line = self.f.readline()
            assert line, "closed"
            whole += line
            literal = re.search(rb"~?\{(\d+)\}\r\n$", line)
            if not literal:
                return whole[:-2]
            whole += self.f.read(int(literal[1]))

    def command(self, text):
        self.tag += 1
        tag = f"d{self.tag}".encode()
        text = text if isinstance(text, bytes) else text.encode()
        self.sock.sendall(tag + b" " + text + b"\r\n")
        out = []
        while True:
            line = self.answer()
            if line.startswith(tag + b" "):
                if not line.startswith(tag + b" OK"):
                    raise ValueError(f"{text[:200]}: {line!r}")
                self.last = line
                return out
            out.append(line)

    def append(self, box, body, date):
        self.command(f'APPEND {box} "{date}" {{{len(body)}+}}\r\n'.encode() + body)

    def close(self):
        self.sock.close()


def day(k):
    """Internal dates spread over a year; Dovecot does not keep their zone, so it is UTC."""
    month = "JanFebMarAprMayJunJulAugSepOctNovDec"[k % 12 * 3:][:3]
    return f"{1 + k % 28:2d}-{month}-2023 23:30:00 +0000"


@pytest.fixture(scope="module")
def corpus():
    return [reference.crlf(path.read_bytes()) for path in reference.messages()]


@pytest.fixture(scope="module")
def both(demo, corpus):
    """The two, each with the corpus in a selected mailbox."""
    ours = Depesche(demo)
    theirs = reference.Dovecot([])
    ours.command(f"CREATE {BOX}")
    theirs.command(f"CREATE {BOX}")
    for k, body in enumerate(corpus):
        ours.append(BOX, body, day(k))
        theirs.tag += 1
        theirs.process.stdin.write(
            f'a{theirs.tag} APPEND {BOX} "{day(k)}" {{{len(body)}+}}\r\n'.encode() + body + b"\r\n")
        theirs.process.stdin.flush()
        while not (line := theirs.response()).startswith(f"a{theirs.tag} ".encode()):
            pass
        assert line.split()[1] == b"OK", line
    ours.command(f"SELECT {BOX}")
    theirs.command(f"SELECT {BOX}")
    yield ours, theirs
    ours.close()
    theirs.close()


def value(server, number, item):
    """The bytes of one section; None stands for NIL and for nothing."""
    for line in server.command(f"FETCH {number} ({item})"):
        head = re.match(rb"\* \d+ FETCH \([A-Z.]+\[[^\]]*\](?:<\d+>)? ", line)
        if head:
            return reference.unquote(line[head.end():-1]) or None
    raise AssertionError(f"no answer to FETCH {number} {item}")


def paths(server, number):
    for line in server.command(f"FETCH {number} (BODY)"):
        if b"BODY (" in line:
            structure = reference.parse(line[line.index(b"BODY (") + 5:-1])[0]
            return list(reference.sections(structure))
    raise AssertionError("no BODY")


# Its lines hold no colon: Dovecot sees a header without an end and does not add the empty line.
NO_HEADER = b"This is a simple message not having headers."


def test_sections_agree(both, corpus):
    ours, theirs = both
    rnd = random.Random(7)
    wrong = []
    for number, body in enumerate(corpus, 1):
        items = ["", "HEADER", "TEXT", "HEADER.FIELDS (SUBJECT TO RECEIVED X-NONE)"]
        if not body.startswith(NO_HEADER):
            items.append("HEADER.FIELDS.NOT (SUBJECT RECEIVED FROM)")
        for path, message in paths(theirs, number)[:40]:
            items += [path, path + ".MIME"]
            if message:
                items += [path + "." + text for text in ("HEADER", "TEXT", "HEADER.FIELDS (FROM SUBJECT)")]
        for item in items:
            item = f"BODY.PEEK[{item}]"
            a, b = value(ours, number, item), value(theirs, number, item)
            if a != b:
                wrong.append((number, item, a, b))
            first, count = rnd.randrange(300), rnd.randrange(1, 300)
            piece = value(ours, number, f"{item}<{first}.{count}>")
            if piece != ((a or b"")[first:first + count] or None):
                wrong.append((number, item, first, count, piece))
    # A part that ends without a header of its own: the blank line is the boundary's there.
    wrong = [w for w in wrong if w[2:] != (b"\r\n", None)]
    assert not wrong, "\n".join(map(repr, wrong[:3]))


def test_decoded_parts_agree(both, corpus):
    """Leaves with an encoding that both can undo; a multipart is rewritten there and not here."""
    ours, theirs = both
    compared = 0
    for number in range(1, len(corpus) + 1):
        structure = reference.parse(next(
            line[line.index(b"BODY (") + 5:-1]
            for line in theirs.command(f"FETCH {number} (BODY)") if b"BODY (" in line))[0]
        for path, leaf in leaves(structure):
            try:
                b = value(theirs, number, f"BINARY.PEEK[{path}]")
            except ValueError:  # broken base64 or quoted-printable is an error there
                continue
            assert value(ours, number, f"BINARY.PEEK[{path}]") == b, (number, path)
            size = ours.command(f"FETCH {number} (BINARY.SIZE[{path}])")[0]
            assert int(re.search(rb"\] (\d+)\)", size)[1]) == len(b or b"")
            compared += 1
    assert compared > 100


def leaves(structure, prefix=""):
    if isinstance(structure[0], list):
        for k, part in enumerate((p for p in structure if isinstance(p, list)), 1):
            yield from leaves(part, f"{prefix}.{k}" if prefix else str(k))
    elif (structure[0] or b"").lower() != b"message":
        yield prefix or "1", structure


WORDS = ["the", "com", "example", "Message", "base64", "hello", "test", "Re:", "utf", "mail", "a b", "zzqx",
         "attachment", "1998", "html"]


def random_key(rnd, depth=0):
    count = 144
    numbers = lambda: f"{rnd.randrange(1, count)}:{rnd.choice(['*', str(rnd.randrange(1, count))])}"  # noqa: E731
    date = lambda: f"{rnd.randrange(1, 29)}-{rnd.choice(['Jan', 'May', 'Nov'])}-2023"  # noqa: E731
    kinds = [
        lambda: rnd.choice(["ALL", "SEEN", "UNSEEN", "FLAGGED", "UNFLAGGED", "ANSWERED", "DELETED", "DRAFT",
                            "KEYWORD Blue", "UNKEYWORD Blue"]),
        lambda: f"{rnd.choice(['LARGER', 'SMALLER'])} {rnd.randrange(1, 8000)}",
        numbers,
        lambda: "UID " + numbers(),
        lambda: f"{rnd.choice(['BEFORE', 'ON', 'SINCE'])} {date()}",
        lambda: f"SUBJECT \"{rnd.choice(WORDS)}\"",
        lambda: f"HEADER {rnd.choice(['Message-ID', 'X-Mailer', 'Content-Type'])} \"{rnd.choice(['', 'a', 'com'])}\"",
    ]
    # Not deeper: Dovecot 2.3 simplifies some nested NOT and OR wrongly. The unit test goes deep.
    deep = [
        lambda: "NOT " + random_key(rnd, depth + 1),
        lambda: f"OR {random_key(rnd, depth + 1)} {random_key(rnd, depth + 1)}",
        lambda: f"({random_key(rnd, depth + 1)} {random_key(rnd, depth + 1)})",
    ]
    return rnd.choice(kinds + (deep if depth < 1 else []))()


def found(server, command):
    for line in server.command(command):
        if line.startswith(b"* SEARCH"):
            return [int(n) for n in line.split()[2:]]
    raise AssertionError("no SEARCH answer")


def test_searches_agree(both, corpus):
    ours, theirs = both
    rnd = random.Random(11)
    for server in both:
        server.command("STORE 1:* FLAGS.SILENT ()")
        server.command("STORE 3:40 +FLAGS.SILENT (\\Seen)")
        server.command("STORE 20:60 +FLAGS.SILENT (\\Flagged Blue)")
        server.command("STORE 50:70,100 +FLAGS.SILENT (\\Answered \\Draft)")
    for _ in range(400):
        key = " ".join(random_key(rnd) for _ in range(rnd.choice([1, 1, 2])))
        command = rnd.choice(["", "UID "]) + "SEARCH " + key
        assert found(ours, command) == found(theirs, command), command


def test_sent_dates_agree(both, corpus):
    """Of messages with a Date field that can be read; the others match nothing here."""
    ours, theirs = both
    dated = []
    for number, body in enumerate(corpus, 1):
        header = value(theirs, number, "BODY.PEEK[HEADER.FIELDS (DATE)]") or b""
        match = re.match(rb"(?i)date:\s*(\w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d(:\d\d)? [-+]\d{4})\r\n", header)
        parsed = match and email.utils.parsedate_tz(match[1].decode())
        if parsed and parsed[0] > 1970:  # before that Dovecot loses its way
            dated.append(str(number))
    assert len(dated) > 40
    chosen = ",".join(dated)
    for key in ("SENTBEFORE", "SENTON", "SENTSINCE"):
        for when in ("1-Jan-1996", "12-Feb-1998", "22-Nov-2005", "8-May-2007", "1-Jan-2010"):
            command = f"SEARCH {chosen} {key} {when}"
            assert found(ours, command) == found(theirs, command), command


MARKUP = 141  # nodemailer/htmllargecallstack.eml


def test_what_dovecot_finds_is_found(both):
    """In texts and addresses we find more: decoded HTML, file names, addresses that are malformed. Only
    the markup of HTML, where no reader sees it, is found there alone."""
    ours, theirs = both
    for key in ("TEXT", "BODY", "FROM", "TO", "CC"):
        for word in ("message", "hello", "attached", "zzqx", "the quick", "example", "com", "john"):
            command = f'SEARCH {key} "{word}"'
            missing = set(found(theirs, command)) - set(found(ours, command))
            assert not missing - {MARKUP}, (command, sorted(missing))


def test_numbers_and_uids_move_alike(demo, both, corpus):
    """The same random changes on both: the same messages stay, with the same flags and uids."""
    ours, theirs = both
    rnd = random.Random(3)
    for server in both:
        for box in ("Work", "Other"):
            server.command(f"CREATE {box}")
        server.command("COPY 1:30 Work")
        server.command("SELECT Work")
    count, clean = 30, lambda lines: sorted(  # noqa: E731
        re.sub(rb" ?\\Recent", b"", line).replace(b"( ", b"(") for line in lines
        if b" FETCH (" in line and b"MODSEQ" not in line)
    for _ in range(60):
        first = rnd.randrange(1, count + 1)
        some = f"{first}:{min(count, first + rnd.randrange(4))}"
        command = rnd.choice([
            f"STORE {some} +FLAGS.SILENT (\\Deleted)", f"STORE {some} -FLAGS.SILENT (\\Deleted)",
            f"STORE {some} FLAGS.SILENT (\\Seen Blue)", f"COPY {some} Other", "EXPUNGE",
            f"MOVE {first} Other", f"COPY {first} Work", f"UID EXPUNGE {rnd.randrange(1, 60)}:*"])
        for server in both:
            server.command(command)
        a, b = (clean(server.command("FETCH 1:* (UID FLAGS RFC822.SIZE)")) for server in both)
        assert len(a) == len(b), command
        assert [set(x.replace(b"(", b" ").replace(b")", b" ").split()) for x in a] == \
               [set(x.replace(b"(", b" ").replace(b")", b" ").split()) for x in b], command
        count = len(a)
        if count < 5:
            break
    for server in both:
        server.command("SELECT Other")
    a, b = (clean(server.command("FETCH 1:* (UID RFC822.SIZE)")) for server in both)
    assert a == b
    for server in both:
        server.command(f"SELECT {BOX}")
