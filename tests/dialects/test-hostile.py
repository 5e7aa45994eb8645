#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Messages of a hostile guest: a million through the strict parser, and, by
octet counting over TCP, through a real rsyslogd: 100,000, or as many as the
first argument says.

As many frames come out as messages went in, nobody can forge our structured
data, and each text comes back byte for byte.  Speaks TAP."""
import json
import os
import subprocess
import sys

import rsyslogd

N_STRICT, N_RSYSLOG, CHUNK = 1000000, 100000, 100000
HOSTILE = os.path.join(os.environ.get("builddir", "."),
                       "tests/dialects/hostile")
C0 = {chr(c) for c in range(1, 32)}
FIELDS = ("pri", "host", "app", "procid", "msgid", "sd", "msg")


def hostile(what, n, seed):
    return subprocess.run([HOSTILE, what, str(n), str(seed)],
                          stdout=subprocess.PIPE, check=True).stdout


def as_rsyslog_has_it(text):
    """rsyslog can't hold a NUL: it writes "#000" instead and, from the byte
    before the first one on, leaves out the other C0 controls."""
    first = text.find("\0") - 1
    if first < -1:
        return text
    first = max(first, 0)
    return text[:first] + "".join("#000" if c == "\0" else c
                                  for c in text[first:] if c not in C0)


def difference(ours, theirs):
    """What rsyslogd read otherwise, or null."""
    # No byte: "\uffff" parts the two.
    ours["sd"], ours["msg"] = as_rsyslog_has_it(
        ours["sd"] + "\uffff" + ours["msg"]).split("\uffff")
    for key in FIELDS:
        if ours[key] != theirs[key]:
            return "%s: sent %r, read %r" % (key, ours[key], theirs[key])
    return None


def through_rsyslogd(n, seed):
    """Returns what is wrong."""
    theirs = rsyslogd.read(hostile("frames", n, seed), n)
    ours = hostile("fields", n, seed).splitlines()
    if len(theirs) != n:
        return ["%d messages came of %d" % (len(theirs), n)]
    return [wrong for wrong in (difference(json.loads(a), b)
                                for a, b in zip(ours, theirs)) if wrong]


def check(number, name, wrong):
    print("%sok %d - %s" % ("not " if wrong else "", number, name))
    for text in wrong[:5]:
        print("# " + text)
    return not wrong


def main():
    rsyslogd.enter_namespace()
    n = int(sys.argv[1]) if sys.argv[1:] else N_RSYSLOG
    strict = subprocess.run([HOSTILE, "check", str(N_STRICT), "1"],
                            capture_output=True, check=False)
    text = (strict.stderr or strict.stdout).decode(errors="backslashreplace")
    print("# " + text.strip().replace("\n", "\n# "))
    wrong = []
    for seed in range(n // CHUNK):
        wrong += through_rsyslogd(CHUNK, seed + 2)
    good = [
        check(1, "the strict parser reads %d hostile messages as they were"
              % N_STRICT, [text] if strict.returncode else []),
        check(2, "rsyslogd reads %d of them as they were" % n, wrong),
    ]
    print("1..%d" % len(good))
    return not all(good)


if __name__ == "__main__":
    sys.exit(main())
