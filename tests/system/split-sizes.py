#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sends frames of many sizes, and looks for what they held in a tenant's log.

    split-sizes.py sizes MTU FAMILY AUTH
        prints the sizes of inner frames, 64 to 9000, that matter where the
        underlay has MTU, IPv4 or IPv6, and packets carry AUTH or not: each
        boundary and its neighbours.
    split-sizes.py send FIRST SOURCE-PORT DESTINATION SIZE...
        sends UDP datagrams in IPv4 frames of these sizes, numbered from
        FIRST.  With COUNT, a command that prints how many packets the switch
        took, in the environment: in groups that the switch has room for.
    split-sizes.py check LOG FIRST SIZE...
        looks for the same in LOG, each exactly once, byte for byte.
    split-sizes.py check-any LOG FIRST N SIZE...
        the same, but only N of them must be there.

Runs in: test-split.sh, "send" in the network namespace of a VM.
"""
import collections
import itertools
import os
import re
import socket
import subprocess
import sys
import time

HEADERS = 14 + 20 + 8           # Ethernet, IPv4, UDP of the inner frame.
GROUP = 8                       # Frames that a socket's buffer has room for.


def sizes(mtu, family, auth):
    overhead = {4: 20, 6: 40}[family] + 8 + 8 + 76 + (12 if auth else 0)
    whole, part = mtu - overhead, mtu - overhead - 8
    wanted = {64, 65, 512, 1500, 4000, 8999, 9000}
    for edge in [whole] + [part * k for k in range(2, 9)]:
        wanted |= {edge - 1, edge, edge + 1}
    return sorted(size for size in wanted if 64 <= size <= 9000)


def text(number, size):
    """A line that fills a frame of 'size' bytes, no four of which are twice
    in it, so that nothing can be missing or out of place unseen."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ("".join(word) for word in itertools.product(letters, repeat=3))
    room = size - HEADERS - len("<13>")
    line = f"frame-{number} " + " ".join(
        itertools.islice(words, room // 4 + 1))
    line = line[:room]
    return line[:-1] + "z" if line.endswith(" ") else line


def wait_for(command, n):
    deadline = time.monotonic() + 30
    while True:
        took = int(subprocess.run(command, shell=True, check=True, text=True,
                                  capture_output=True).stdout or 0)
        if took >= n:
            return took
        if time.monotonic() > deadline:
            sys.exit(f"the switch took {took} packets, not {n}")
        time.sleep(0.01)


def send(first, source_port, destination, lengths):
    command = os.environ.get("COUNT")
    took = wait_for(command, 0) if command else 0
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", source_port))
    for i, size in enumerate(lengths):
        sock.sendto(b"<13>" + text(first + i, size).encode(),
                    (destination, 514))
        if command and (i % GROUP == GROUP - 1 or i == len(lengths) - 1):
            wait_for(command, took + i + 1)


def check(log, first, lengths, n=None):
    if not lengths:
        sys.exit("no frame was sent")
    found = collections.Counter()
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in file:
            match = re.search(r"\] (frame-(\d+) [^\]]*)\n", line)
            if match and first <= int(match[2]) < first + len(lengths):
                found[match[1]] += 1
    expected = {text(first + i, size) for i, size in enumerate(lengths)}
    faults = [f"not as sent: {line[:80]}" for line in found
              if line not in expected]
    faults += [f"{count} times: {line[:80]}"
               for line, count in found.items() if count > 1]
    if n is None:
        faults += [f"missing: {len(line) + HEADERS + 4} bytes: {line[:40]}"
                   for line in expected if line not in found]
    elif n != len(found):
        faults.append(f"{len(found)} came, not {n}")
    if faults:
        sys.exit("\n".join(faults))


def main(verb, *args):
    if verb == "sizes":
        print(*sizes(int(args[0]), int(args[1]), args[2] == "yes"))
    elif verb == "send":
        send(int(args[0]), int(args[1]), args[2], list(map(int, args[3:])))
    elif verb == "check":
        check(args[0], int(args[1]), list(map(int, args[2:])))
    elif verb == "check-any":
        check(args[0], int(args[1]), list(map(int, args[3:])), int(args[2]))
    else:
        sys.exit(__doc__)


main(*sys.argv[1:])
