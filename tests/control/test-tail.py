#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# sluicectl tail: what comes, as it comes, after redaction; and that looking on
# changes nothing of it.
import json
import os
import re
import signal
import socket
import subprocess
import threading

from harness import LIMIT_S, SLUICECTL, equal, main, wait_for
from traffic import Server, Stream, packet, with_server

SLOW = "batch:\n  max-delay-ms: 60000\n"


def start(s, *args):
    wait_for("intake", lambda: os.path.isdir(s.dir + "/run/intake/open"))
    return subprocess.Popen(
        [SLUICECTL, "--socket", s.socket, "tail", *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def tail(s, *args):
    return s.ctl("tail", *args)


def send(s, *lines, tenant=7, start=1):
    """Sends 'lines' and waits until they have been taken."""
    before = received(s)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for number, line in enumerate(lines, start):
            sock.sendto(packet(number, tenant, line),
                        ("127.0.0.1", s.port))
    wait_for("the lines", lambda: received(s) >= before + len(lines))


def received(s):
    return sum(tenant["received"] for tenant in s.ask("tenants")["tenants"])


def lines_come_as_they_come():
    with with_server(Server()) as s:
        s.start()
        send(s, b"<13>Nov 20 12:00:00 host early: before")
        watch = start(s, "-n", "0", "--count", "2")
        # It has looked once the files are open no more than a moment.
        wait_for("a look", lambda: "before" in tail(
            s, "-n", "1", "--count", "1").stdout)
        send(s, b"<11>Nov 20 12:00:00 host app[12]: first",
             b"<13>Nov 20 12:00:00 host app: \x1b[31msecond\x00end", start=2)
        out, err = watch.communicate(timeout=LIMIT_S)
        equal((watch.returncode, err), (0, ""))
        first, second = out.splitlines()
        vm = "00010203-0405-0607-0809-0a0b0c0d0e0f"
        assert re.fullmatch(r"[-0-9]+T[:0-9]+\.\d{3}Z 7 " + vm
                            + r" err app\[12\]: first", first), first
        assert second.endswith(" notice app: ?[31msecond?end"), second
        equal(s.stop(), 0)


def lines_can_be_chosen():
    with with_server(Server(), tenants=(7, 8), extra=SLOW) as s:
        s.start()
        send(s, b"<11>Nov 20 12:00:00 host cron: one",
             b"<14>Nov 20 12:00:00 host app: two",
             b"<8>Nov 20 12:00:00 host app: three")
        send(s, b"<11>Nov 20 12:00:00 host app: four", tenant=8)

        def words(*args, count):
            done = tail(s, "--count", str(count), *args)
            equal((args, done.returncode, done.stderr), (args, 0, ""))
            return [line.rpartition(" ")[2]
                    for line in done.stdout.splitlines()]

        equal(words(count=4), ["one", "two", "three", "four"])
        equal(words("-n", "2", count=2), ["three", "four"])
        equal(words("--tenant", "8", count=1), ["four"])
        equal(words("--severity", "err", count=3), ["one", "three", "four"])
        equal(words("--severity", "crit", count=1), ["three"])
        equal(words("--app", "cron", count=1), ["one"])
        equal(words("--grep", "t(wo|hree)$", count=2), ["two", "three"])
        equal(words("--grep", "o", "--tenant", "7", "--severity", "info",
                    count=2), ["one", "two"])
        equal(words("--vm", "00010203-0405-0607-0809-0a0b0c0d0e0f", "--tenant",
                    "7", count=3), ["one", "two", "three"])
        done = tail(s, "--json", "--tenant", "7", "--grep", "two", "--count",
                    "1")
        line = json.loads(done.stdout)
        equal((line["sluice"]["tenant"], line["message"]), (7, "two"))
        equal(s.stop(), 0)


def what_is_wrong_is_said():
    with with_server(Server()) as s:
        done = tail(s)
        equal(done.returncode, 1)
        assert "is sluiced running?" in done.stderr, done
        s.start()
        for args, words in ((["--severity", "loud"], "--severity: there is"),
                            (["--facility", "loud"], "--facility: there is"),
                            (["--tenant", "x"], "not the number of a tenant"),
                            (["--grep", "(a"], "--grep: "),
                            (["--grep", "a" * 1025], "more than 1024 bytes"),
                            (["--grep", "(((a{1,30000}){1,30000}){1,30000})"],
                             "--grep: ")):
            done = tail(s, *args)
            equal((args, done.returncode), (args, 2))
            assert words in done.stderr, (args, done)
        equal(s.stop(), 0)


def nothing_shows_before_redaction():
    secret = b"AKIA" + b"IOSFODNN7SLUICE9"
    with with_server(Server(), extra=SLOW) as s:
        s.start()
        send(s, b"<13>Nov 20 12:00:00 host app: key " + secret + b" end",
             b"<13>Nov 20 12:00:00 host " + secret + b": in the name")
        for args in ([], ["--json"]):
            done = tail(s, "--count", "2", *args)
            equal(done.returncode, 0)
            assert secret.decode() not in done.stdout, done.stdout
            assert "in the name" in done.stdout, done.stdout
        equal(s.stop(), 0)


def every_line_is_shown_or_counted():
    """Full speed, with a reader that is often stopped."""
    server = Server()
    with with_server(server, extra="batch:\n  max-bytes: 16384\n") as s:
        s.start()
        watch = start(s, "--json", "-n", "100000")
        got, missing = [], []

        def read():
            for text in watch.stdout:
                line = json.loads(text)
                if "not_shown" in line:
                    missing.append(line["not_shown"])
                else:
                    got.append(int(re.search(r"number=(\d+)",
                                             line["message"])[1]))

        reader = threading.Thread(target=read)
        reader.start()
        stream = Stream(s.port)
        stream.start()
        for _ in range(3):
            wait_for("lines", lambda n=len(got): len(got) > n + 100)
            watch.send_signal(signal.SIGSTOP)
            wait_for("more", lambda n=stream.n: stream.n > n + 500)
            watch.send_signal(signal.SIGCONT)
        n = stream.stop()
        wait_for("all", lambda: len(got) + sum(missing) >= n)
        watch.send_signal(signal.SIGINT)
        equal(watch.wait(LIMIT_S), 0)
        reader.join()
        equal(len(got) + sum(missing), n)
        equal(len(set(got)), len(got))
        assert missing, "the reader was never late"
        # Who looks on changes nothing of what ships.
        wait_for("the server", lambda: len(server.numbers) >= n)
        equal(sorted(server.numbers), list(range(1, n + 1)))
        equal(s.ctl("ledger", "--check").returncode, 0)
        equal(s.stop(), 0)


def a_restart_of_intake_is_said():
    with with_server(Server()) as s:
        s.start()
        watch = start(s, "-n", "10")
        send(s, b"<13>Nov 20 12:00:00 host app: one")
        assert "one" in watch.stdout.readline()
        pid = s.program("intake")["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_for("another", lambda: s.program("intake")["pid"] not in (0, pid))
        send(s, b"<13>Nov 20 12:00:00 host app: two", start=2)
        line = watch.stdout.readline()
        assert "started again" in line, line or watch.communicate()
        assert "two" in watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        equal(watch.wait(LIMIT_S), 0)
        equal(s.stop(), 0)


main([
    lines_come_as_they_come,
    lines_can_be_chosen,
    what_is_wrong_is_said,
    nothing_shows_before_redaction,
    every_line_is_shown_or_counted,
    a_restart_of_intake_is_said,
])
