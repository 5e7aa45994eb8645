#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# sluicectl --watch, and what sluicectl's exit status says.
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios

from harness import LIMIT_S, SLUICECTL, SOURCE, Sluiced, equal, main

NAMED = {"show": ["7/main/1-1"], "get": ["vm-1"]}
# What these ask for is not there.
REFUSED = ("spool show", "context get", "context diff")


def commands():
    """Each command of the tables: its words, and whether it only asks."""
    for table in ("control", "spool", "context"):
        path = f"{SOURCE}/proxy-vm/common/{table}-verbs.def"
        with open(path, encoding="ascii") as file:
            for name, does in re.findall(r"VERB\(\w+, (\w+), (ASKS|ACTS)",
                                         file.read()):
                group = [] if table == "control" else [table]
                yield group + [name] + NAMED.get(name, []), does == "ASKS"


def start(s, *args, stdout=subprocess.PIPE):
    return subprocess.Popen([SLUICECTL, "--socket", s.socket, *args],
                            stdout=stdout, stderr=subprocess.PIPE, text=True)


def read_until(fd, count):
    """What comes from 'fd' until 'count' of that says enough."""
    data = b""
    while not count(data):
        assert select.select([fd], [], [], LIMIT_S)[0], data
        part = os.read(fd, 65536)
        assert part, data
        data += part
    return data


def a_state_is_printed_again_until_interrupted():
    with Sluiced() as s:
        s.start()
        watch = start(s, "--watch=1", "status")
        once = s.ctl("status").stdout.encode()[:20]
        blocks = read_until(watch.stdout.fileno(),
                            lambda data: data.count(once) >= 2)
        watch.send_signal(signal.SIGINT)
        equal((watch.wait(LIMIT_S), watch.stderr.read()), (0, ""))
        assert blocks.startswith(once), blocks
        assert b"\n\n" + once in blocks and b"\033" not in blocks, blocks
        equal(s.stop(), 0)


def json_is_a_line_each_time():
    with Sluiced() as s:
        s.start()
        watch = start(s, "--json", "--watch=1", "tenants")
        data = read_until(watch.stdout.fileno(),
                          lambda data: data.count(b"\n") >= 2)
        watch.send_signal(signal.SIGINT)
        equal(watch.wait(LIMIT_S), 0)
        for line in data.splitlines():
            equal([row["id"] for row in json.loads(line)["tenants"]], [7, 8])
        equal(s.stop(), 0)


def a_terminal_is_redrawn():
    with Sluiced() as s:
        s.start()
        master, slave = pty.openpty()
        watch = start(s, "--watch=1", "tenants", stdout=slave)
        read_until(master, lambda data: data.count(b"\033[H\033[J") >= 2)
        watch.send_signal(signal.SIGINT)
        equal(watch.wait(LIMIT_S), 0)
        os.close(slave)
        os.close(master)
        equal(s.stop(), 0)


def a_small_terminal_has_as_much_as_fits():
    with Sluiced() as s:
        s.start()
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 6, 30, 0,
                                                           0))
        watch = start(s, "--watch=1", "status", stdout=slave)
        data = read_until(master,
                          lambda data: data.count(b"\033[H\033[J") >= 2)
        watch.send_signal(signal.SIGINT)
        equal(watch.wait(LIMIT_S), 0)
        os.close(slave)
        os.close(master)
        lines = data.decode().split("\033[H\033[J")[1].splitlines()
        equal(len(lines), 5)
        equal(max(map(len, lines)), 30)
        assert re.fullmatch(r"\(\d+ more lines\)", lines[-1]), lines
        equal(s.stop(), 0)


def it_ends_with_sluiced():
    with Sluiced() as s:
        s.start()
        watch = start(s, "--watch=1", "rules")
        read_until(watch.stdout.fileno(), lambda data: data)
        equal(s.stop(), 0)
        equal(watch.wait(LIMIT_S), 1)
        assert "sluiced" in watch.stderr.read()


def it_is_for_every_state_and_for_nothing_else():
    with Sluiced() as s:
        s.start()
        for words, asks in commands():
            watch = start(s, "--watch", *words)
            if asks and " ".join(words[:2]) not in REFUSED:
                read_until(watch.stdout.fileno(), lambda data: data)
                watch.send_signal(signal.SIGINT)
                equal((words, watch.wait(LIMIT_S)), (words, 0))
            else:
                equal((words, watch.wait(LIMIT_S)), (words, 1 if asks else 2))
                equal((words, watch.stdout.read()), (words, ""))
        for words in (["flows"], ["top"], ["rules", "test", "x"], ["ledger",
                      "--check"], ["explain", "x"], ["no-such"], []):
            equal((words, s.ctl("--watch", *words).returncode), (words, 2))
        equal(s.ctl("--watch=often", "tenants").returncode, 2)
        equal(s.stop(), 0)


def what_cannot_be_written_fails():
    with Sluiced() as s:
        s.start()
        with open("/dev/full", "w", encoding="ascii") as full:
            for words, asks in commands():
                if asks:
                    done = subprocess.run(
                        [SLUICECTL, "--socket", s.socket, *words],
                        stdout=full, stderr=subprocess.PIPE, text=True,
                        check=False)
                    equal((words, done.returncode), (words, 1))
                    if " ".join(words[:2]) not in REFUSED:
                        assert "make room" in done.stderr, (words, done)
        equal(s.stop(), 0)


def the_exit_status_says_what_became_of_it():
    with Sluiced() as s:
        equal(s.ctl("status").returncode, 1)
        s.start()
        for words in (["status"], ["--json", "tenants"], ["reload"],
                      ["ledger", "--check"], ["spool", "list"], ["--help"],
                      ["--version"]):
            equal((words, s.ctl(*words).returncode), (words, 0))
        s.write(s.config, "nonsense: 1\n")
        for words in (["reload"], ["--json", "reload"],
                      ["spool", "show", "7/main/1-1"], ["context", "get", "x"],
                      ["ledger", "--tenant", "9"]):
            done = s.ctl(*words)
            equal((words, done.returncode), (words, 1))
            assert done.stderr.startswith("sluicectl: "), done
        for words in ([], ["no-such"], ["status", "twice"], ["--no-such"],
                      ["--timeout", "long", "drain"], ["spool", "list", "x"],
                      ["spool", "drop"], ["context", "get"],
                      ["ledger", "--tenant", "x"], ["vms", "--tenant", "7"],
                      ["top", "--sort", "age"], ["status", "--watch=0"]):
            done = s.ctl(*words)
            equal((words, done.returncode, done.stdout), (words, 2, ""))
            assert "sluicectl" in done.stderr, done
        equal(s.stop(), 0)


main([
    a_state_is_printed_again_until_interrupted,
    json_is_a_line_each_time,
    a_terminal_is_redrawn,
    a_small_terminal_has_as_much_as_fits,
    it_ends_with_sluiced,
    it_is_for_every_state_and_for_nothing_else,
    what_cannot_be_written_fails,
    the_exit_status_says_what_became_of_it,
])
