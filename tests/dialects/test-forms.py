#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each form of forms.txt is read as it says there, and goes out as RFC 5424
within its limits with the same text."""
import json
import os
import re
import subprocess
import sys
from datetime import datetime, timezone

HERE = os.path.dirname(os.path.abspath(__file__))
PARSE_LINES = os.path.join(os.environ.get("builddir", "."),
                           "tests/dialects/parse-lines")
REFERENCE = "2026-11-20T12:00:00Z"
FIELDS = ("host", "app", "procid", "msgid", "sd", "msg")
KEYS = ("in", "dialect", "pri", "time", "zone") + FIELDS
LIMITS = {"app": 48, "procid": 128, "msgid": 32}


def to_ns(text):
    """An RFC 3339 time in UTC as nanoseconds since 1970."""
    seconds, fraction = re.fullmatch(r"(.{19})(?:\.(\d+))?Z", text).groups()
    moment = datetime.fromisoformat(seconds).replace(tzinfo=timezone.utc)
    return (int(moment.timestamp()) * 10**9
            + int((fraction or "").ljust(9, "0")))


def unescape(text):
    """Bytes: UTF-8, and \\xNN and \\\\ as in C."""
    return re.sub(rb"\\(x[0-9a-f]{2}|\\)",
                  lambda m: (bytes.fromhex(m[1][1:].decode())
                             if len(m[1]) > 1 else b"\\"), text.encode())


def read_forms(path):
    """Yields a name and a dictionary for each form."""
    name, form = None, {}
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if line.startswith("#"):
                continue
            if not line:
                if form:
                    yield name, form
                name, form = None, {}
            elif not line.startswith(" "):
                name = line
            else:
                key, _, value = line.strip(" ").partition(" ")
                if key not in KEYS or key in form or not name:
                    sys.exit("%s:%d: %s does not belong here"
                             % (path, number, key))
                form[key] = unescape(value[max(0, 8 - len(key)):])
    if form:
        yield name, form


def expectation(form):
    """What parse-lines should print."""
    expected = {key: form.get(key, b"").decode("latin-1") for key in FIELDS}
    expected["dialect"] = form["dialect"].decode()
    if "pri" in form:
        expected["pri"] = int(form["pri"])
    if "time" in form:
        expected["time"] = to_ns(form["time"].decode())
        expected["zone"] = form.get("zone", b"yes") == b"yes"
    return expected


def complaint(form, found):
    """What is wrong, or null."""
    wanted = expectation(form)
    seen = {key: found[key] for key in set(wanted) | {"pri", "time", "zone"}
            if key in found}
    if wanted != seen:
        return "\n".join("%s: wanted %r, found %r"
                         % (key, wanted.get(key), seen.get(key))
                         for key in sorted(set(wanted) | set(seen))
                         if wanted.get(key) != seen.get(key))
    if "wanted" in found:
        return "what goes out lacks " + found["wanted"]
    if found["out-msg"] != found["msg"]:
        return "the text goes out as %r" % found["out-msg"]
    for key, limit in LIMITS.items():
        if found["out-" + key] != (found[key][:limit] or "-"):
            return "%s goes out as %r" % (key, found["out-" + key])
    return None


def main():
    forms = list(read_forms(os.path.join(HERE, "forms.txt")))
    frames = b"".join(b"%d %s" % (len(form["in"]), form["in"])
                      for _, form in forms)
    lines = subprocess.run([PARSE_LINES, str(to_ns(REFERENCE))], input=frames,
                           stdout=subprocess.PIPE,
                           check=True).stdout.splitlines()
    n_failed = 0
    for number, ((name, form), line) in enumerate(zip(forms, lines), 1):
        wrong = complaint(form, json.loads(line))
        n_failed += wrong is not None
        print("%sok %d - %s" % ("not " if wrong else "", number, name))
        if wrong:
            print("# " + wrong.replace("\n", "\n# "))
    print("1..%d" % len(forms))
    return len(lines) != len(forms) or n_failed > 0


if __name__ == "__main__":
    sys.exit(main())
