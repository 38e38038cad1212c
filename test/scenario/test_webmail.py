"""The webmail in Debian's Chromium: every feature, German and English, phone to desktop, axe-core.

ARTEFACTS=DIR keeps the screenshots there."""
import pathlib
import subprocess
import sys

import pytest

from conftest import PASSWORD, ROOT, Demo

BROWSER = ROOT / "test" / "browser"
MANY = 300  # messages beside the special ones: several fetches of 50


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    demo = Demo(pathlib.Path(tmp_path_factory.mktemp("webmail")) / "d").start()
    try:
        subprocess.run([sys.executable, BROWSER / "fill.py", str(demo.port("imaps")), "anna@example.org", PASSWORD,
                        str(MANY)], check=True, timeout=300)
        yield demo
    finally:
        demo.stop()


def test_what_needs_no_browser():
    webmail = ROOT / "webmail"
    subprocess.run([webmail / "install"], check=True, timeout=300)
    for script in ("check", "test"):
        done = subprocess.run(["npm", "run", "-s", script], cwd=webmail, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_in_chromium(filled):
    origin = f"https://127.0.0.1:{filled.port('https')}"
    done = subprocess.run(["node", BROWSER / "webmail.mjs", origin, str(filled.port("imaps")), PASSWORD],
                          capture_output=True, text=True, timeout=600)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
