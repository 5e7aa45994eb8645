#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the report on redaction into docs/redaction.md: 10,000 made secrets
in every encoding, 1,000,000 lines without secrets.

usage: report.py --builddir DIR --srcdir DIR
"""
import argparse
import os
import subprocess
import sys
import tempfile

SECRETS = 10000
LINES = 1000000


def replace(text, name, what):
    """Puts 'what' between the comments that begin and end the part 'name'."""
    begin, end = "<!-- begin %s -->\n" % name, "<!-- end %s -->\n" % name
    head, rest = text.split(begin)
    return head + begin + "\n" + what + "\n" + end + rest.split(end)[1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--builddir", required=True)
    parser.add_argument("--srcdir", required=True)
    args = parser.parse_args()

    benign = os.path.join(args.srcdir, "tests/redact/benign.py")
    with tempfile.NamedTemporaryFile() as lines:
        subprocess.run([sys.executable, "-B", benign, str(LINES), "1"],
                       stdout=lines, check=True)
        done = subprocess.run(
            [os.path.join(args.builddir, "tests/redact/redaction-report"),
             str(SECRETS), lines.name], stdout=subprocess.PIPE, text=True)

    path = os.path.join(args.srcdir, "docs/redaction.md")
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(replace(text, "report", done.stdout))
    print(done.stdout, end="")
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
