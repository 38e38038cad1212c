#!/usr/bin/env python3
"""Asks Debian's Dovecot how it sees the messages of test/data/mime-corpus.

  dovecot_reference.py --write            keeps the answers in test/data/mime-golden
  dovecot_reference.py --check PROGRAM    asks Dovecot now and compares with PROGRAM, the structure
                                          dump built from src/message/message_dump.c

A private Dovecot is run as a child (its imap program, already logged in, on a pipe): no port, no
daemon, a maildir in a temporary folder. Messages are given CRLF line ends first.

A golden file is a list of records "NAME LENGTH\\n", LENGTH bytes, "\\n". NAME is ENVELOPE,
BODYSTRUCTURE, BODY, or a section such as "1.2.MIME", whose record holds its size and its FNV-1a
hash instead of the bytes.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE / "data" / "mime-corpus"
GOLDEN = HERE / "data" / "mime-golden"
IMAP = "/usr/lib/dovecot/imap"


def crlf(data: bytes) -> bytes:
    return re.sub(rb"\r?\n", b"\r\n", data)


def fnv(data: bytes) -> int:
    h = 0xCBF29CE484222325
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def messages():
    return sorted(CORPUS.rglob("*.eml"))


def golden_name(path: pathlib.Path) -> str:
    return str(path.relative_to(CORPUS)).replace("/", "__") + ".txt"


class Dovecot:
    """One private imap process with the whole corpus in its INBOX, in the order given."""

    def __init__(self, bodies):
        self.dir = tempfile.mkdtemp(prefix="dovecot-reference-")
        inbox = pathlib.Path(self.dir, "mail")
        for sub in ("cur", "new", "tmp"):
            (inbox / sub).mkdir(parents=True)
        for i, body in enumerate(bodies):
            name = f"{1000000000 + i}.M{i:06}.test,S={len(body)},W={len(body)}:2,"
            (inbox / "cur" / name).write_bytes(body)
        config = pathlib.Path(self.dir, "dovecot.conf")
        config.write_text(
            f"base_dir = {self.dir}/run\nstate_dir = {self.dir}/run\n"
            f"mail_location = maildir:{inbox}\nprotocols = imap\nssl = no\n"
            "log_path = /dev/stderr\nmail_fsync = never\nfirst_valid_uid = 0\n"
            "stats_writer_socket_path =\n"
        )
        user = group = extra = None
        if os.getuid() == 0:  # it refuses to serve mail as root
            user, group, extra = "nobody", "nogroup", []
            subprocess.run(["chown", "-R", f"{user}:{group}", self.dir], check=True)
        env = dict(os.environ, USER="reference", HOME=self.dir)
        self.process = subprocess.Popen(
            [IMAP, "-c", str(config)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=env, user=user, group=group, extra_groups=extra, cwd=self.dir,
        )
        self.tag = 0
        greeting = self.process.stdout.readline()
        if b"PREAUTH" not in greeting:
            raise SystemExit(f"dovecot does not greet: {greeting!r}")

    def command(self, text: str):
        """The untagged responses, each with its literals inside."""
        self.tag += 1
        tag = f"a{self.tag}".encode()
        self.process.stdin.write(tag + b" " + text.encode() + b"\r\n")
        self.process.stdin.flush()
        out = []
        while True:
            line = self.response()
            if line.startswith(tag + b" "):
                if not line.startswith(tag + b" OK"):
                    raise ValueError(f"{text}: {line!r}")
                return out
            out.append(line)

    def response(self) -> bytes:
        whole = b""
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit("dovecot went away")
            whole += line
            literal = re.search(rb"~?\{(\d+)\}\r\n$", line)
            if not literal:
                return whole[:-2]
            whole += self.process.stdout.read(int(literal.group(1)))

    def fetch(self, number: int, items: str):
        """Item name -> raw value of one message."""
        for line in self.command(f"FETCH {number} ({items})"):
            head = re.match(rb"\* \d+ FETCH \(", line)
            if head:
                return pairs(line[head.end() : -1])
        raise ValueError(f"no FETCH answer for message {number}")

    def close(self):
        try:
            self.command("LOGOUT")
        except (SystemExit, ValueError, BrokenPipeError):
            pass
        self.process.stdin.close()
        self.process.wait(timeout=10)
        shutil.rmtree(self.dir, ignore_errors=True)


def value_end(data: bytes, pos: int) -> int:
    """Where the IMAP value that starts at pos ends."""
    depth = 0
    while True:
        byte = data[pos : pos + 1]
        if byte == b"(":
            depth += 1
            pos += 1
        elif byte == b")":
            depth -= 1
            pos += 1
        elif byte == b'"':
            pos += 1
            while data[pos : pos + 1] != b'"':
                pos += 2 if data[pos : pos + 1] == b"\\" else 1
            pos += 1
        elif byte in (b"{", b"~"):
            literal = re.compile(rb"~?\{(\d+)\}\r\n").match(data, pos)
            pos = literal.end() + int(literal.group(1))
        elif byte == b" ":
            pos += 1
            continue
        else:
            pos = re.compile(rb"[^ ()\"]+").match(data, pos).end()
        if depth == 0:
            return pos


def pairs(data: bytes):
    out = {}
    pos = 0
    while pos < len(data):
        name = re.compile(rb"([A-Z0-9.]+(?:\[[^\]]*\])?) ").match(data, pos)
        end = value_end(data, name.end())
        out[name.group(1).decode()] = data[name.end() : end]
        pos = end + 1
    return out


def parse(data: bytes, pos: int = 0):
    """Lists as lists, strings as bytes, NIL as None."""
    byte = data[pos : pos + 1]
    if byte == b"(":
        out = []
        pos += 1
        while data[pos : pos + 1] != b")":
            if data[pos : pos + 1] == b" ":
                pos += 1
                continue
            item, pos = parse(data, pos)
            out.append(item)
        return out, pos + 1
    end = value_end(data, pos)
    return unquote(data[pos:end]), end


def unquote(value: bytes):
    if value == b"NIL":
        return None
    if value[:1] == b'"':
        return re.sub(rb"\\(.)", rb"\1", value[1:-1])
    literal = re.match(rb"~?\{\d+\}\r\n", value)
    return value[literal.end() :] if literal else value


def sections(structure, prefix=""):
    """Every section number with whether it is a message, from a parsed BODY."""
    if isinstance(structure[0], list):
        parts = [p for p in structure if isinstance(p, list)]
        for i, part in enumerate(parts, 1):
            yield from part_sections(part, f"{prefix}{i}")
    else:
        yield from part_sections(structure, f"{prefix}1")


def part_sections(part, path):
    message = (
        not isinstance(part[0], list)
        and (part[0] or b"").lower() == b"message"
        and (part[1] or b"").lower() == b"rfc822"
    )
    yield path, message
    if isinstance(part[0], list):
        yield from sections(part, path + ".")
    elif message:
        yield from sections(part[8], path + ".")


def ask(server: Dovecot, number: int):
    """All records of one message."""
    got = server.fetch(number, "ENVELOPE BODYSTRUCTURE BODY")
    records = [(k, got[k]) for k in ("ENVELOPE", "BODYSTRUCTURE", "BODY")]
    names = ["HEADER", "TEXT"]
    for path, message in sections(parse(got["BODY"])[0]):
        names += [path, path + ".MIME"]
        if message:
            names += [path + ".HEADER", path + ".TEXT"]
    for name in names:
        answer = server.fetch(number, f"BODY.PEEK[{name}]")
        data = unquote(answer[f"BODY[{name}]"])
        data = b"" if data is None else data
        records.append((name, b"%d %016x" % (len(data), fnv(data))))
    return records


def encode(records) -> bytes:
    return b"".join(b"%s %d\n%s\n" % (k.encode(), len(v), v) for k, v in records)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", metavar="PROGRAM")
    args = parser.parse_args()
    if not os.path.exists(IMAP):
        raise SystemExit("dovecot-imapd is not installed")
    files = messages()
    bodies = [crlf(f.read_bytes()) for f in files]
    server = Dovecot(bodies)
    wrong = 0
    try:
        server.command("SELECT INBOX")
        if args.write:
            GOLDEN.mkdir(exist_ok=True)
        for number, (path, body) in enumerate(zip(files, bodies), 1):
            theirs = encode(ask(server, number))
            if args.write:
                (GOLDEN / golden_name(path)).write_bytes(theirs)
            if args.check:
                ours = subprocess.run([args.check], input=body, capture_output=True, check=True)
                if ours.stdout != theirs:
                    wrong += 1
                    print(f"{path.relative_to(CORPUS)}:")
                    print("--- dovecot\n" + theirs.decode(errors="replace"))
                    print("--- ours\n" + ours.stdout.decode(errors="replace"))
    finally:
        server.close()
    print(f"{len(files)} messages, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
