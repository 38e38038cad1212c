"""From the address that the demo prints to the lockout, in Chromium: what a new user does first.

ARTEFACTS=DIR keeps the screenshots there."""
import imaplib
import json
import pathlib
import re
import ssl
import subprocess

import pytest

from conftest import PASSWORD, ROOT, Demo

NEXT = "Leuchtturm-am-Kai-88!"


def test_the_first_day(tmp_path):
    demo = Demo(pathlib.Path(tmp_path) / "d", trust=()).start()
    try:
        origin = re.search(r"https://localhost:\d+", demo.banner).group()
        done = subprocess.run(["node", ROOT / "test" / "browser" / "ends_when.mjs", origin, PASSWORD, NEXT],
                              capture_output=True, text=True, timeout=180)
        print(done.stdout)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        # The lock holds for mail programs of that address too, and with the right password.
        locked = json.loads(demo.command("ban", "list", "--json").stdout)
        assert len(locked) == 1, locked
        address = locked[0]["address"]
        with pytest.raises((imaplib.IMAP4.error, OSError)):
            imaplib.IMAP4_SSL(address, demo.port("imaps"), timeout=10,
                              ssl_context=ssl._create_unverified_context()).login("anna@example.org", NEXT)
    finally:
        demo.stop()
