# SPDX-License-Identifier: Apache-2.0
"""A reader made from docs/batch-format.md alone opens the test vectors, and
refuses those that are broken, for the reason that stands in vectors.txt.
Speaks TAP."""

import hashlib
import json
import os
import sys

try:
    import nacl  # noqa: F401
    import zstandard
except ImportError:
    # Debian's packages are those of Debian's python3.
    if sys.executable != "/usr/bin/python3" and not os.environ.get("RETRY"):
        os.execve("/usr/bin/python3", ["/usr/bin/python3", "-B"] + sys.argv,
                  {**os.environ, "RETRY": "1"})
    print("1..0 # SKIP python3-nacl and python3-zstandard are not there")
    sys.exit(0)

HERE = os.path.join(os.environ.get("srcdir", "."), "tests/vectors")
sys.path.insert(0, HERE)

import sealed  # noqa: E402


def read(name):
    with open(os.path.join(HERE, name), "rb") as f:
        return f.read()


def examine(name, key):
    """Returns what vectors.txt should say behind name and key."""
    try:
        header, body = sealed.open_file(read(name + ".batch"),
                                        bytes.fromhex(read(key + ".key")
                                                      .decode().strip()))
        lines = sealed.read_body(body, header)
    except sealed.Refused as e:
        return [str(e)]
    return ["ok", "%d" % header["tenant"], "%016x" % header["stream"],
            "%d" % header["number"], "%d" % header["flags"],
            hashlib.blake2b(body, digest_size=32).hexdigest(),
            hashlib.blake2b(b"".join(t + b"\n" for t in lines),
                            digest_size=32).hexdigest(),
            json.dumps([t.decode("latin-1") if len(t) < 1000 else
                        hashlib.blake2b(t, digest_size=32).hexdigest()
                        for t in lines])]


def main():
    rows = [row.split("\t") for row in read("vectors.txt").decode("ascii")
            .splitlines()]
    failed = 0
    print("1..%d" % (len(rows) + 1))
    for number, (name, key, *expected) in enumerate(rows, 1):
        found = examine(name, key)
        good = found == expected
        failed |= not good
        print("%sok %d - %s: %s" % ("" if good else "not ", number, name,
                                    expected[0]))
        if not good:
            print("# found %r" % found)
    chain = [read("chain-%d.batch" % i) for i in range(3)]
    previous = [sealed.read_header(file)["previous"] for file in chain]
    good = previous == [bytes(32), sealed.digest(chain[0]),
                        sealed.digest(chain[1])]
    failed |= not good
    print("%sok %d - each batch of a chain names the one before"
          % ("" if good else "not ", len(rows) + 1))
    print("# zstd %d.%d.%d" % zstandard.ZSTD_VERSION)
    return failed


if __name__ == "__main__":
    sys.exit(main())
