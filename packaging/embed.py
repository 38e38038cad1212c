"""Writes a text file as a C file with one string, so that the program carries it.

usage: embed.py INPUT OUTPUT HEADER NAME [FROM=TO]...
"""
import sys


def main():
    source, target, header, name = sys.argv[1:5]
    with open(source, encoding="utf-8") as f:
        text = f.read()
    for pair in sys.argv[5:]:
        old, new = pair.split("=", 1)
        text = text.replace(old, new)
    lines = []
    for line in text.splitlines():
        line = line.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'    "{line}\\n"')
    with open(target, "w", encoding="utf-8") as f:
        f.write(f"/* Made from {source.rsplit('/', 1)[-1]} by the build. */\n")
        f.write(f'#include "{header}"\n')
        f.write(f"const char {name}[] =\n" + "\n".join(lines) + ";\n")


main()
