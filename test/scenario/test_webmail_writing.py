"""Composer and settings of the webmail in Debian's Chromium, from one account to another.

ARTEFACTS=DIR keeps the screenshots there."""
import os
import pathlib
import subprocess
import sys

import pytest

from conftest import PASSWORD, ROOT, Demo

BROWSER = ROOT / "test" / "browser"


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = pathlib.Path(tmp_path_factory.mktemp("writing"))
    filled = Demo(folder / "filled").start()
    strict = Demo(folder / "strict", trust=()).start()
    try:
        subprocess.run([sys.executable, BROWSER / "fill.py", str(filled.port("imaps")), "anna@example.org", PASSWORD],
                       check=True, timeout=300)
        yield filled, strict
    finally:
        filled.stop()
        strict.stop()


def test_writing_in_chromium(servers):
    filled, strict = servers
    env = {**os.environ, "LOCKOUT": f"https://127.0.0.1:{strict.port('https')}"}
    done = subprocess.run(["node", BROWSER / "writing.mjs", f"https://127.0.0.1:{filled.port('https')}",
                           str(filled.port("imaps")), PASSWORD], capture_output=True, text=True, timeout=900, env=env)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
