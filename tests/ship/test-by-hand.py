# SPDX-License-Identifier: Apache-2.0
"""The programs run by hand on a directory: a key pair is made, a capture goes
into the spool, and the spool to a server.

In: builddir, srcdir.  Out: TAP.  Runs in: make check."""

import os
import re
import socket
import subprocess
import tempfile
import threading

BUILD = os.environ.get("builddir", ".")
SOURCE = os.environ.get("srcdir", ".")
INTAKE = os.path.join(BUILD, "proxy-vm/intake/sluice-intake")
SHIP = os.path.join(BUILD, "proxy-vm/ship/sluice-ship")
LIMIT_S = 60

n_cases = 0


def ok(condition, name, detail=""):
    global n_cases
    n_cases += 1
    print(f"{'ok' if condition else 'not ok'} {n_cases} - {name}", flush=True)
    if not condition and detail:
        print("".join(f"# {line}\n" for line in str(detail).splitlines()))


def run(*command):
    return subprocess.run(command, capture_output=True, text=True,
                          timeout=LIMIT_S, check=False)


def frames(data):
    """Splits an octet-counted stream (RFC 6587 section 3.4.1)."""
    messages = []
    while data:
        length, data = data.split(b" ", 1)
        messages.append(data[:int(length)])
        data = data[int(length):]
    return messages


def serve(listener, received):
    """Takes what one client sends."""
    connection, _ = listener.accept()
    with connection:
        while chunk := connection.recv(65536):
            received.append(chunk)


def check_streams():
    """Fragments and TCP streams become lines, and what is torn a gap."""
    with tempfile.TemporaryDirectory(prefix="sluice-test.") as directory:
        spool = os.path.join(directory, "spool")
        key = os.path.join(directory, "ship.key")
        os.mkdir(spool)
        run(SHIP, "--generate-key", "--spool", spool, "--key", key)
        result = run(INTAKE, "--pcap",
                     os.path.join(SOURCE, "tests/golden/streams.pcap"),
                     "--spool", spool, "--run", os.path.join(directory, "run"))
        received = []
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=serve, daemon=True,
                                      args=(listener, received))
            thread.start()
            run(SHIP, "--spool", spool, "--key", key, "--tenant", "7",
                "--server", f"127.0.0.1:{listener.getsockname()[1]}",
                "--hold-ms", "100", "--once")
            thread.join(LIMIT_S)
        found = [(m.split(b"] ")[-1], b' gap="tcp-missing" gap-bytes="104" '
                  in m) for m in frames(b"".join(received))]
        ok(" 1 dropped" in result.stdout
           and [f for f in found if not f[1]] == [
               (text, False) for text in (b"hello", b"hello", b"hello",
                                          b"second", b"a", b"b", b"whole")],
           "fragments, and TCP streams in both framings, become lines",
           result.stdout + repr(found))
        ok(len([f for f in found if f[1]]) == 1,
           "the line that is torn is announced, and not glued", repr(found))


def main():
    with tempfile.TemporaryDirectory(prefix="sluice-test.") as directory:
        spool = os.path.join(directory, "spool")
        key = os.path.join(directory, "ship.key")
        capture = os.path.join(SOURCE, "tests/golden/full.pcap")
        os.mkdir(spool)

        result = run(INTAKE, "--pcap", capture, "--spool", spool,
                     "--run", os.path.join(directory, "run"))
        ok(result.returncode and "sluice-ship --generate-key" in result.stderr,
           "without a key intake says how to make one", result.stderr)

        result = run(SHIP, "--generate-key", "--spool", spool, "--key", key)
        ok(not result.returncode and os.stat(key).st_mode & 0o777 == 0o600,
           "a key pair is made", result.stderr)
        with open(key, encoding="ascii") as file:
            secret = file.read()
        result = run(SHIP, "--generate-key", "--spool", spool, "--key", key)
        with open(key, encoding="ascii") as file:
            ok(result.returncode and secret == file.read()
               and "never replaced" in result.stderr,
               "a secret key is never replaced", result.stderr)

        result = run(INTAKE, "--pcap", capture, "--spool", spool,
                     "--run", os.path.join(directory, "run"))
        found = re.search(r": (\d+) packets, 0 dropped, 0 skipped",
                          result.stdout)
        ok(not result.returncode and found, "a capture goes into the spool",
           result.stdout + result.stderr)

        received = []
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=serve, daemon=True,
                                      args=(listener, received))
            thread.start()
            result = run(SHIP, "--spool", spool, "--key", key, "--tenant", "7",
                         "--server", f"127.0.0.1:{listener.getsockname()[1]}",
                         "--hold-ms", "100", "--once")
            thread.join(LIMIT_S)
        # The capture's second packet is of another host than its first and
        # third, whose port lacks a number.
        messages = frames(b"".join(received))
        gaps = [m for m in messages if b" sluice - gap [" in m]
        ok(len(gaps) == 1 and b' gap="lost-on-way" gap-packets="1" ' in gaps[0],
           "the number that is missing is announced by a gap record",
           str(messages))
        messages = [m for m in messages if m not in gaps]
        ok(not result.returncode and found
           and len(messages) == int(found.group(1)),
           "each packet of it is a line at the server",
           result.stderr + repr(messages))
        ok(messages and all(re.match(rb"<\d+>1 \S+ \S+ .*\[sluice@32473 "
                                     rb"tenant=\"7\" ", m) for m in messages),
           "with proven origin", repr(messages))
        ok(not [name for name in os.listdir(os.path.join(spool, "7", "main"))
                if name.endswith(".batch")], "and the spool is empty")
    check_streams()
    print(f"1..{n_cases}")


main()
