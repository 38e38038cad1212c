#!/usr/bin/env python3
"""Checks the map of the house: a file includes headers of its own room and of lower floors only."""
import pathlib
import re
import sys

FLOOR = {
    "base": 1,
    "net": 2,
    "message": 3, "config": 3,
    "store": 4, "directory": 4, "guard": 4, "trust": 4,
    "auth": 5, "handover": 5, "queue": 5, "filter": 5,
    "smtp": 6, "imap": 6, "outbound": 6, "publish": 6, "web": 6, "jmap": 6,
    "daemon": 7, "cli": 7,
}
# Same floor, allowed on purpose: web carries JMAP, and shows what publish knows of us; what the queue sends is written in the hand-over's words; bounces are delivered by
# filter in the queue's words; JMAP submits by submission's rules; the web shows the published MTA-STS policy; main.c in daemon joins the commands with it.
SIDEWAYS = {("daemon", "cli"), ("web", "jmap"), ("web", "publish"), ("filter", "queue"), ("queue", "handover"),
            ("jmap", "smtp"), ("web", "publish")}

root = pathlib.Path(__file__).resolve().parent.parent / "src"
bad = []
for path in sorted(root.rglob("*.[ch]")):
    room = path.relative_to(root).parts[0]
    if room not in FLOOR:
        bad.append(f"{path}: room {room} stands on no floor")
        continue
    for number, line in enumerate(path.read_text().splitlines(), 1):
        m = re.match(r'\s*#\s*include\s+"([a-z0-9_]+)/', line)
        if not m or m[1] == room:
            continue
        if m[1] not in FLOOR:
            bad.append(f"{path}:{number}: no such room: {m[1]}")
        elif FLOOR[m[1]] >= FLOOR[room] and (room, m[1]) not in SIDEWAYS:
            bad.append(f"{path}:{number}: {room} (floor {FLOOR[room]}) may not know {m[1]} (floor {FLOOR[m[1]]})")
print("\n".join(bad) if bad else f"floors: {len(FLOOR)} rooms, every include goes down")
sys.exit(bool(bad))
