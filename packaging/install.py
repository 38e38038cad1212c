"""Installs what the program prints of itself: man pages, completion, sample configuration, unit.

Run by `meson install`: install.py PROGRAM MANDIR DATADIR (below the prefix).
"""
import os
import pathlib
import subprocess
import sys


def main():
    program, mandir, datadir = sys.argv[1:]
    prefix = pathlib.Path(os.environ["MESON_INSTALL_DESTDIR_PREFIX"])
    for page, place in (
        ("man", f"{mandir}/man8/depesche.8"),
        ("man-config", f"{mandir}/man5/depesche.conf.5"),
        ("completion", f"{datadir}/bash-completion/completions/depesche"),
        ("config", f"{datadir}/doc/depesche/depesche.conf.example"),
        ("unit", "lib/systemd/system/depesche.service"),
    ):
        target = prefix / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(subprocess.run([program, "help", page], check=True, stdout=subprocess.PIPE).stdout)
        target.chmod(0o644)
        print(f"Installing {target}")


main()
