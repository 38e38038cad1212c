"""Mail programs that real people use: curl, mbsync, neomutt, imapflow with nodemailer."""
import json
import mailbox
import os
import subprocess

import pytest

from conftest import PASSWORD, ROOT, message, need


def run(args, timeout=180, check=True, **kw):
    r = subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=timeout,
                       stdin=kw.pop("stdin", subprocess.DEVNULL), **kw)
    assert not check or r.returncode == 0, (args, r.stdout[-3000:], r.stderr[-3000:])
    return r


def test_curl_sends_and_reads(demo, tmp_path):
    need("curl")
    mail = tmp_path / "mail.eml"
    mail.write_bytes(message("mit curl", sender="anna@example.org"))
    run(["curl", "-sS", "--cacert", demo.dir / "ca.pem", f"smtps://localhost:{demo.port('submissions')}",
         "--user", f"anna@example.org:{PASSWORD}", "--mail-from", "anna@example.org", "--mail-rcpt",
         "anna@example.org", "--upload-file", mail])
    out = run(["curl", "-sS", "--cacert", demo.dir / "ca.pem", "--user", f"anna@example.org:{PASSWORD}",
               f"imaps://localhost:{demo.port('imaps')}/INBOX?SUBJECT%20curl"]).stdout
    number = out.split()[2]
    out = run(["curl", "-sS", "--cacert", demo.dir / "ca.pem", "--user", f"anna@example.org:{PASSWORD}",
               f"imaps://localhost:{demo.port('imaps')}/INBOX;MAILINDEX={number}"]).stdout
    assert "Subject: mit curl" in out


def test_imapflow_and_nodemailer(demo):
    need("node")
    clients = ROOT / "test/clients"
    assert (clients / "node_modules/imapflow").exists(), "run tools/need test"
    r = run(["node", clients / "imapflow.mjs", demo.port("imaps"), demo.port("submission"), "anna@example.org",
             PASSWORD, demo.dir / "ca.pem"])
    seen = json.loads(r.stdout.strip().splitlines()[-1])
    assert seen["created"] and seen["arrived"] == 1 and seen["search"] and seen["flagged"]
    assert seen["subject"] == "Grüße mit Anhang 🎈"
    assert seen["attachment"] == ["Übersicht.txt", 1000]
    assert seen["copied"] == 1 and seen["moved"] == 1 and seen["status"]["messages"] == 2
    assert {"\\Sent", "\\Drafts", "\\Junk", "\\Trash", "\\Archive"} <= {u for _, u in seen["mailboxes"]}


def mbsync_config(demo, tmp_path, user):
    local = tmp_path / "local"
    local.mkdir()
    rc = tmp_path / "mbsyncrc"
    rc.write_text(f"""
IMAPAccount a
Host localhost
Port {demo.port('imaps')}
User {user}@example.org
Pass "{PASSWORD}"
SSLType IMAPS
CertificateFile {demo.dir / 'ca.pem'}
AuthMechs PLAIN

IMAPStore far
Account a

MaildirStore near
Path {local}/
Inbox {local}/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
Sync All
SyncState *
""")
    return rc, local


def test_mbsync_two_way_thousand(demo, tmp_path):
    need("mbsync")
    demo.command("account", "add", "sync@example.org", "--password-fd", "0", input=PASSWORD + "\n")
    rc, local = mbsync_config(demo, tmp_path, "sync")
    with demo.imap("sync") as i:
        for k in range(500):
            i.append("INBOX", None, None, message(f"fern {k}", message_id=f"fern-{k}"))
    run(["mbsync", "-c", rc, "c"])
    box = mailbox.Maildir(local / "INBOX", create=False)
    assert len(box) == 500
    for k in range(500):
        m = mailbox.MaildirMessage(message(f"nah {k}", message_id=f"nah-{k}").replace(b"\r\n", b"\n"))
        m.set_subdir("cur")
        m.set_flags("S" if k % 2 else "")
        box.add(m)
    run(["mbsync", "-c", rc, "c"])
    with demo.imap("sync") as i:
        assert int(i.select("INBOX")[1][0]) == 1000
        assert len(i.search(None, "SEEN")[1][0].split()) == 250
        subjects = b"".join(p[1] for p in i.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
                            if isinstance(p, tuple))
        assert all(f"nah {k}\r\n".encode() in subjects for k in range(500))
        # changes on both sides cross
        i.store("1:100", "+FLAGS", r"(\Flagged)")
        i.store("101:150", "+FLAGS", r"(\Deleted)")
        i.expunge()
    box = mailbox.Maildir(local / "INBOX", create=False)
    gone = [k for k, m in box.items() if m["subject"].startswith("nah")][:30]
    for k in gone:
        m = box[k]
        m.add_flag("T")
        box[k] = m
    run(["mbsync", "-c", rc, "c"])
    box = mailbox.Maildir(local / "INBOX", create=False)
    assert len(box) == 1000 - 50 - 30
    assert sum("F" in m.get_flags() for m in box) == 100
    with demo.imap("sync") as i:
        assert int(i.select("INBOX")[1][0]) == 1000 - 50 - 30
    again = run(["mbsync", "-c", rc, "c"])
    assert len(mailbox.Maildir(local / "INBOX", create=False)) == 920


def test_neomutt_reads_and_saves(demo, tmp_path):
    need("neomutt")
    with demo.smtp() as s:
        s.sendmail("a@sender.example", ["ben@example.org"], message("für neomutt"
                   .encode("ascii", "replace").decode(), to="ben@example.org"))
    rc = tmp_path / "neomuttrc"
    out = tmp_path / "saved"
    rc.write_text(f"""
set folder = "imaps://localhost:{demo.port('imaps')}/"
set spool_file = "+INBOX"
set imap_user = "ben@example.org"
set imap_pass = "{PASSWORD}"
set certificate_file = "{demo.dir / 'ca.pem'}"
set ssl_ca_certificates_file = "{demo.dir / 'ca.pem'}"
set ssl_usesystemcerts = no
set ssl_force_tls = yes
set header_cache = ""
set message_cachedir = ""
set sort = reverse-date-received
set confirm_append = no
set confirm_create = no
set delete = no
set quit = yes
set wait_key = no
set mbox_type = mbox
""")
    env = dict(os.environ, TERM="xterm", HOME=str(tmp_path))
    run(["script", "-qec",
         f"neomutt -n -F {rc} -e 'push \"<tag-pattern>~A<enter><tag-prefix><copy-message>{out}<enter><quit>\"'",
         "/dev/null"], timeout=90, env=env, check=False)
    assert out.exists(), "neomutt saved nothing"
    text = out.read_bytes()
    assert b"neomutt" in text
