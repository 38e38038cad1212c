#!/usr/bin/python3
"""Signs a corpus of messages, many of them broken, and lets an independent program (dkimpy) verify both signatures of
each: dkim_verified.py DKIM_DUMP CORPUS_FOLDER. Status 77, skipped, where dkimpy is not installed."""
import pathlib
import subprocess
import sys
import tempfile

try:
    import dkim
    import nacl  # noqa: F401 (dkimpy's Ed25519)
except ImportError:
    sys.exit(77)

FROM = b"From: anna@example.org\r\n"
ODD = {
    "no body, no empty line": FROM + b"Subject: x\r\n",
    "no body": FROM + b"\r\n",
    "no line end": FROM + b"\r\nlast line",
    "blanks alone": FROM + b"\r\n \t \r\n\r\n \r\n",
    "empty lines": FROM + b"\r\n\r\n\r\na\r\n\r\n\r\n",
    "empty field": FROM + b"Subject:\r\nTo: \r\n \r\nCc:\t\r\n\r\nx\r\n",
    "folds and blanks": b"FROM \t: \t anna@example.org\r\n\t \r\n (x)\r\nSubject:  a \t b\r\n\t c  \r\n\r\n a \t b \r\n",
    "8bit": FROM + "Subject: Grüße\r\n\r\nSchöne Grüße\r\n".encode(),
    "binary": FROM + b"\r\n" + bytes(b for b in range(256) if b not in b"\r\n") + b"\r\n",
    "two From": FROM + FROM + b"Subject: x\r\n\r\nx\r\n",
    "many To": FROM + b"".join(b"To: u%d@example.net\r\n" % i for i in range(50)) + b"\r\nx\r\n",
    "huge field": FROM + b"Subject:" + b" word" * 50000 + b"\r\n\r\nx\r\n",
    "list fields": FROM + b"List-Id: <l>\r\nSender: s@example.org\r\nList-Unsubscribe: <u>\r\n\r\nx\r\n",
    "signed before": FROM + b"DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s=x; h=From; bh=x; b=x\r\n\r\nx\r\n",
}


def messages(folder, corpus):
    for i, (name, raw) in enumerate(ODD.items()):
        path = pathlib.Path(folder) / f"odd-{i}"
        path.write_bytes(raw)
        yield name, path
    for path in sorted(pathlib.Path(corpus).rglob("*")):
        if path.is_file() and path.suffix != ".md":
            yield str(path.relative_to(corpus)), path


def verify(raw, records):
    def look_up(name, timeout=5):
        name = name.decode() if isinstance(name, bytes) else name
        return records.get(name.rstrip("."))

    d = dkim.DKIM(raw)
    return [d.verify(idx=i, dnsfunc=look_up) for i in range(2)]


def main(program, corpus):
    failed = not_read = 0
    with tempfile.TemporaryDirectory() as folder:
        all_messages = list(messages(folder, corpus))
        subprocess.run([program, folder, *[str(p) for _, p in all_messages]], check=True)
        records = {f"{s}._domainkey.example.org": (pathlib.Path(folder) / s).read_bytes() for s in ("rsa", "ed25519")}
        for i, (name, _) in enumerate(all_messages):
            raw = (pathlib.Path(folder) / str(i)).read_bytes()
            try:
                good = verify(raw, records)
            except dkim.MessageFormatError:
                # Lines in the header that are no fields: the verifier reads no message at all.
                not_read += 1
                continue
            except Exception as e:
                good = [repr(e)]
            if i == 0 and verify(raw.replace(b"anna@", b"eve@"), records) != [False, False]:
                good = ["the verifier finds everything good"]
            if good != [True, True]:
                failed += 1
                print(f"{name}: {good}")
    print(f"{len(all_messages)} messages, {not_read} not read, {failed} failed")
    return 1 if failed or not_read > len(all_messages) / 4 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
