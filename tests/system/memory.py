#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Looks for texts in the memory of processes, all of it that a core dump would
have.  Prints what it finds; exit status 1 if there is anything.

Terabytes that a sanitizer reserves for its own notes are left out: nobody's
texts are there.

usage: memory.py PID... < TEXTS, one per line
"""
import sys

MAX_REGION = 1 << 32


def regions(pid):
    """What is mapped and can be read, a region at a time."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, \
            open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            span, mode = line.split()[:2]
            start, end = (int(x, 16) for x in span.split("-"))
            if ("r" not in mode or "[v" in line
                    or end - start > MAX_REGION):
                continue
            mem.seek(start)
            try:
                yield mem.read(end - start)
            except OSError:     # Guard pages.
                continue


def main():
    texts = [line.rstrip("\n").encode() for line in sys.stdin]
    found = set()
    n_bytes = 0
    for pid in sys.argv[1:]:
        for region in regions(pid):
            n_bytes += len(region)
            found |= {(pid, text) for text in texts if text in region}
    for pid, text in sorted(found):
        print(f"process {pid} has {text!r}")
    assert texts and n_bytes, "nothing was looked at"
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
