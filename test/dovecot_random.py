#!/usr/bin/env python3
"""Compares this program with Dovecot on messages that nobody would write.

  dovecot_random.py PROGRAM [--count N] [--seed S]

Makes messages of odd and broken fields, boundaries and nestings, and changed ones of the corpus,
asks a private Dovecot (see dovecot_reference.py) and PROGRAM, the structure dump, about each, and
shows the first differences. A seed gives the same messages again.
"""

import argparse
import random
import subprocess
import sys

import dovecot_reference as reference

TYPES = [
    b"text", b"text/", b"text/plain", b"TEXT/HTML; charset=x", b"text /plain; a=b", b"/", b"", b" ",
    b'text/plain ; a = b ; c="d;e"', b"multipart/mixed", b"multipart/mixed; boundary=", b";",
    b'multipart/mixed; boundary=""', b"multipart/mixed; boundary=b1; boundary=b2", b"multipart/x",
    b"(c) text/(d)plain(e);(f)a=(g)b", b"message/rfc822", b"Message/RFC822; x=y",
    b'message/partial; id="a"; number=1', b"text/plain; name*0=a; name*1=b",
    b"text/plain; name*1=b; name*0=a; x=y",
    b"text/plain; name*0*=utf-8''a%20; name*1=b%; name*2*=c",
    b"text/plain; name*1=b; name*3=c", b"text/plain; name*=utf-8''x", b"text/plain; a; b=c; =d; e=",
    b"text/plain; name==?utf-8?q?a?=", b'text/plain; name="unterminated', b'text/plain; x="\\',
    b"text/plain; name=a b c; d=e", b'application/octet-stream; name="a\\"b\\\\c"', b"text/plain(",
    b'text/plain;\r\n\tname="fo\r\n ld"; x=\r\n y', b"text/plain, text/html", b"image/png name=x",
    b"text/pl\xe4in; n=\xc3\xa4", b"multipart/digest; boundary=b1", b'"text"/plain',
    b'multipart/report; boundary="b 1 "', b"text/plain; charset=a; charset=b",
    b"text/plain; a*b=c; d**=e; f*0**=g",
]
ENCODINGS = [
    b"7bit", b"BASE64", b"quoted-printable;", b"", b"8bit 7bit", b"(c)8bit(d)", b'"base64"',
    b"x-foo", b"binary\r\n ",
]
DISPOSITIONS = [
    b"attachment", b"inline; filename=a", b'attachment; filename="a b"; size=3', b"", b"; x=y",
    b"attachment;filename*=utf-8''%41", b'"attachment"; filename=x', b"att\xe4", b"(",
    b"inline garbage; x=y",
]
VALUES = [
    b"en", b"en, de", b"en,", b", en", b'"en"', b"de (x), fr", b"", b"a b", b"<id@x>", b"f\r\n old",
    b"  two  blanks ", b"\r\n late", b" \r\n late", b"  \r\n  late", b'q"uo\\te', b"8\xe4bit",
    b'""""""""', b"\ttab\tbed\t", b'http://x/"y"',
]
SUBJECTS = [
    b"x", b" ", b"  a  b ", b"a\tb", b"a\r\n b", b"a\r\n\tb", b"\\", b'a"b\\c"d\\e"f', b"\t",
    b"a\r\n ",
]
ADDRESSES = [
    b"a@b", b"<a@b>", b"A <a@b>", b'"A B" <a@b>, c@d', b"A B a@b", b"a", b'"a"', b"a (c)", b"@",
    b"(c) a@b (d)", b"a@b (N (ested) x)", b"G: a@b, c@d;", b"G:;", b"G: ;, x@y", b"G: a", b'G: "a',
    b":;", b";", b",a@b", b"a@b,,c@d", b"a@b,", b"<>", b"X <>", b"X <a>", b"X <@r:a@b>", b"X <@r>",
    b"X <@r,@s:a@b>", b"X <a@b", b"X <a@b> y", b"X <a@b>, Y <c@d> z, e@f", b"a@[1.2.3.4]",
    b"a@[1.2",
    b"a @ b . c", b"a . b@c", b".a@b", b"a.@b", b"a..b@c", b"a@b@c", b"A. B. <a@b>", b"A, B <a@b>",
    b'"A\\"B" <a@b>', b'"unterminated <a@b>', b"(unterminated a@b", b"J\xc3\xb6 <a@b>", b"\\", b"",
    b"J\xe4 <\xe4@b>", b"a@", b"@b", b"a b@c", b'"a b"@c', b'"a"."b"@c', b"a@b c", b"a@b <c@d>",
    b"<a@b> (x)", b"a\r\n @b", b"A\r\n B <a@b>", b'"A\r\n B" <a@b>', b"  ", b"a\\b@c",
    b'A <"q r"@b>',
    b"A <a@b>; c@d", b"u-r:;", b'"x": a@b;', b"a b: c@d;", b"A <mailto:a@b>", b"A [b] <c@d>",
    b"x <a@b>>", b"<<a@b>>", b"a@b;c@d", b"(a\\)b) c@d", b"(a\\)b\\(c) d", b'"" <a@b>', b'""', b"<",
    b'"a" b "c" <d@e>', b'"a b" (c)', b"a . <b@c>", b"G: H: a@b;;", b"G: a@b, ;", b"G: , a@b;",
    b"A <a@b> <c@d>", b"<a", b"A <a@>", b"A <@b:>", b"A <@b: c@d>", b"A <@[1]:c@d>", b"( ) a@b",
    b"()",
]
FIELDS = {
    b"Content-Type": TYPES, b"Content-Transfer-Encoding": ENCODINGS, b"MIME-Version": [b"1.0", b""],
    b"Content-Disposition": DISPOSITIONS, b"Content-Language": VALUES, b"Content-ID": VALUES,
    b"Content-Description": VALUES, b"Content-Location": VALUES, b"Content-MD5": VALUES,
    b"From": ADDRESSES, b"To": ADDRESSES, b"Cc": ADDRESSES, b"Bcc": ADDRESSES, b"Sender": ADDRESSES,
    b"Reply-To": ADDRESSES, b"Subject": SUBJECTS + VALUES, b"Date": VALUES, b"Message-ID": VALUES,
    b"In-Reply-To": VALUES,
}
OTHER_LINES = [
    b"garbage line\r\n", b" cont\r\n", b"X-Y: z\r\n\tw\r\n", b"nocolon\r\n folded\r\n",
    b":empty name\r\n", b"From a@b Mon Jan 1 10:00:00\r\n",
]
BODIES = [
    b"text\r\n", b"no newline", b"", b"\r\n", b"a\r\n\r\nb\r\n", b"--b1\r\nx\r\n", b"--\r\n---\r\n",
    b"\xe4\xf6\r\n",
]
BOUNDARIES = [b"b1", b"b2", b"b1b", b"b", b"b1--", b"b 1 "]


def fields(r):
    out = b""
    for _ in range(r.randint(0, 9)):
        name = r.choice(list(FIELDS))
        if r.random() < 0.15:
            out += r.choice(OTHER_LINES)
        out += name + r.choice([b": "] * 6 + [b":", b":  ", b" : ", b":\t"])
        out += r.choice(FIELDS[name]) + b"\r\n"
    return out


def multipart(r, depth):
    b = r.choice(BOUNDARIES)
    head = b"Content-Type: multipart/" + r.choice([b"mixed", b"digest", b"alternative", b"related"])
    head += b"; boundary=" + r.choice([b'"%s"', b"%s"]) % b + b"\r\n"
    body = r.choice([b"", b"preamble\r\n", b"\r\n"])
    for _ in range(r.randint(0, 3)):
        line = b"--" + r.choice([b] * 8 + [b"b1", b"b"]) + r.choice([b""] * 6 + [b" ", b"x", b"--"])
        body += r.choice([b"", b"\r\n"]) + line + b"\r\n" + entity(r, depth + 1)
    body += r.choice([
        b"\r\n--" + b + b"--\r\n", b"", b"--" + b + b"--", b"\r\n--" + b + b"--\r\nepilogue\r\n",
        b"\r\n--" + b, b"\r\n--" + b + b"\r\n",
    ])
    return head, body


def entity(r, depth=0):
    head, kind = fields(r), r.random()
    if depth < 4 and kind < 0.45:
        more, body = multipart(r, depth)
        head += more
    elif depth < 4 and kind < 0.6:
        head += b"Content-Type: message/rfc822\r\n"
        body = entity(r, depth + 1)
    else:
        body = r.choice(BODIES)
    return head + r.choice([b"\r\n"] * 8 + [b""]) + body


def changed(r, message):
    lines = message.split(b"\r\n")
    for _ in range(r.randint(1, 3)):
        i, what = r.randrange(len(lines)), r.random()
        if what < 0.3 and len(lines) > 1:
            del lines[i]
        elif what < 0.5:
            lines.insert(i, r.choice(lines))
        elif what < 0.7 and lines[i]:
            j = r.randrange(len(lines[i]))
            new = r.choice([b'"', b"(", b"<", b";", b",", b" ", b"--", b"", b":"])
            lines[i] = lines[i][:j] + new + lines[i][j + r.randint(0, 1) :]
        elif what < 0.9:
            name = r.choice(list(FIELDS))
            lines.insert(min(i, r.randrange(12)), name + b": " + r.choice(FIELDS[name]))
        else:
            lines = lines[: i + 1]
    return b"\r\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    r = random.Random(args.seed)
    corpus = [reference.crlf(f.read_bytes()) for f in reference.messages()]
    corpus = [m for m in corpus if len(m) < 20000]
    made = [
        entity(r) if r.random() < 0.7 else changed(r, r.choice(corpus))
        for _ in range(args.count)
    ]
    server, wrong = reference.Dovecot(made), 0
    try:
        server.command("SELECT INBOX")
        for number, message in enumerate(made, 1):
            theirs = reference.encode(reference.ask(server, number))
            ours = subprocess.run([args.program], input=message, capture_output=True, check=True)
            if ours.stdout != theirs:
                wrong += 1
                if wrong <= 3:
                    print(message, "\n--- dovecot\n", theirs, "\n--- ours\n", ours.stdout)
    finally:
        server.close()
    print(f"{args.count} messages, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
