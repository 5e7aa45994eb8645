#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same 50,000 valid messages through rsyslog's parser and ours: where they
disagree stands in docs/dialects.md, and what stands there is so.

With the argument "list", prints the disagreements, with an example of each, as
the rows of that document's table begin.

rsyslogd runs in a network namespace of the test.  Speaks TAP."""
import json
import os
import re
import subprocess
import sys
import time
from datetime import datetime

import rsyslogd
from grammar import WITH_YEAR, Grammar

N_MESSAGES, SEED = 50000, 20261120
HERE = os.path.dirname(os.path.abspath(__file__))
DOCUMENT = os.path.join(HERE, "../../docs/dialects.md")
PARSE_LINES = os.path.join(os.environ.get("builddir", "."),
                           "tests/dialects/parse-lines")
FIELDS = ("pri", "time", "host", "app", "procid", "msgid", "sd", "msg")


def to_us(text):
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return int(moment.timestamp()) * 10**6 + moment.microsecond


def without_year(us):
    return time.gmtime(us // 10**6)[1:6] + (us % 10**6,)


def disagreements(form, ours, theirs, begin, end):
    """The fields in which the two differ.  What counts as the same is in the
    document."""
    nothing = {key: "" for key in FIELDS}
    ours = {**nothing, **ours}
    theirs = {key: "" if value == "-" else value
              for key, value in theirs.items()}
    if theirs["host"] == theirs["from"]:
        theirs["host"] = ""
    theirs["pri"] = int(theirs["pri"])
    if ours["pri"] == "":
        ours["pri"] = 13
    if theirs["msg"] == " " + ours["msg"]:
        theirs["msg"] = ours["msg"]
    theirs["time"] = to_us(theirs["time"])
    if begin - 1 <= theirs["time"] / 10**6 <= end + 1:
        theirs["time"] = ""                 # That of its receipt.
    if ours["time"] != "":
        ours["time"] //= 1000
        if theirs["time"] != "" and form not in WITH_YEAR:
            ours["time"] = without_year(ours["time"])
            theirs["time"] = without_year(theirs["time"])
    return [(key, ours[key], theirs[key]) for key in FIELDS
            if ours[key] != theirs[key]]


def documented():
    """The disagreements that the document lists."""
    with open(DOCUMENT, encoding="utf-8") as f:
        rows = re.findall(r"^\| `([a-z0-9-]+)` \| ([a-z, ]+) \|", f.read(),
                          re.M)
    return {(form, field) for form, fields in rows
            for field in fields.split(", ")}


def compare():
    """A message and what differs, for each form and field in which any
    does."""
    messages = list(Grammar(SEED).messages(N_MESSAGES))
    frames = b"".join(b"%d %s" % (len(message), message)
                      for _, message in messages)
    begin = time.time()
    theirs = rsyslogd.read(frames, N_MESSAGES)
    end = time.time()
    ours = subprocess.run(
        [PARSE_LINES, str(time.time_ns())], input=frames,
        stdout=subprocess.PIPE, check=True).stdout.splitlines()
    found = {}
    for (form, message), our, their in zip(messages, ours, theirs):
        for field, a, b in disagreements(form, json.loads(our), their,
                                         begin, end):
            found.setdefault((form, field), (message, a, b))
    return len(ours), len(theirs), found


def show(found):
    for (form, field), (message, ours, theirs) in sorted(found.items()):
        print("| `%s` | %s |\n    %s\n    ours    %r\n    rsyslog %r"
              % (form, field, message.decode(), ours, theirs))


def check(number, name, good, why):
    print("%sok %d - %s" % ("" if good else "not ", number, name))
    if not good:
        print("# " + "\n# ".join(why))
    return good


def test():
    n_ours, n_theirs, found = compare()
    listed = documented()
    good = [
        check(1, "each of 50,000 messages is one for rsyslog and for us",
              n_ours == n_theirs == N_MESSAGES,
              ["%d for us, %d for rsyslog" % (n_ours, n_theirs)]),
        check(2, "each disagreement stands in docs/dialects.md",
              set(found) <= listed,
              ["%s, %s: ours %r, rsyslog's %r: %r"
               % (*key, found[key][1], found[key][2], found[key][0])
               for key in sorted(set(found) - listed)]),
        check(3, "what stands there is so", listed <= set(found),
              ["%s, %s" % key for key in sorted(listed - set(found))]),
    ]
    print("1..%d" % len(good))
    return not all(good)


def main():
    rsyslogd.enter_namespace()
    if sys.argv[1:] == ["list"]:
        show(compare()[2])
        return 0
    return test()


if __name__ == "__main__":
    sys.exit(main())
