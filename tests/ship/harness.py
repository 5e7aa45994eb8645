# SPDX-License-Identifier: Apache-2.0
"""What the tests of sluice-ship share: a spool with batches in it, servers,
and TAP.

Everything is on the loopback interface, at ports that were free when the test
began, and in a directory of its own."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir))
from tap import (BUILD, LIMIT_S, check, free_port, run_tests,
                 wait_until)

SHIP = os.path.join(BUILD, "proxy-vm/ship/sluice-ship")
HELPER = os.path.join(BUILD, "tests/ship/ship-helper")
RSYSLOGD = shutil.which("rsyslogd", path=os.environ.get("PATH", "")
                        + ":/usr/sbin:/sbin")
TENANT = 7

RSYSLOG_CONF = """
global(workDirectory="{dir}")
module(load="imtcp")
template(name="raw" type="string" string="%rawmsg%\\n")
# Direct: what was read is written at once, and not kept in a queue that dies
# with the process.
ruleset(name="all" queue.type="Direct") {{
    action(type="omfile" file="{out}" template="raw")
}}
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="all"
      supportOctetCountedFraming="on")
"""

class Bench:
    """A spool, a key, a port, and what runs; all of it gone at the end."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="sluice-test-ship.")
        self.spool = self.path("spool")
        os.mkdir(self.spool)
        self.key = self.path("ship.key")
        self.public = self.path("spool/key.pub")
        self.stats_file = self.path("ship.stats")
        self.out = self.path("out")
        self.port = free_port()
        self.running = []
        self.n_lines = 0
        self.run_helper("keys", self.key, self.public)

    def close(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def run_helper(self, *args):
        done = subprocess.run([HELPER] + [str(a) for a in args],
                              stdout=subprocess.PIPE, check=True)
        return done.stdout.decode()

    def push(self, n_batches, n_lines, tenant=TENANT, queues="main"):
        self.run_helper("push", self.spool, self.public,
                        "%d/%s" % (TENANT, queues), tenant, self.n_lines,
                        n_batches, n_lines)
        if tenant == TENANT:
            self.n_lines += n_batches * n_lines

    def push_texts(self, texts, queues="main"):
        """A batch of lines whose text is given, as bytes."""
        subprocess.run([HELPER, "push-text", self.spool, self.public,
                        "%d/%s" % (TENANT, queues), str(TENANT)],
                       input=b"\0".join(texts), check=True)

    def in_spool(self, directory="", queue="main"):
        path = os.path.join(self.spool, str(TENANT), queue, directory)
        try:
            return sorted(n for n in os.listdir(path) if n.endswith(".batch"))
        except FileNotFoundError:
            return []

    def wait_spool_empty(self, queue="main"):
        wait_until(lambda: not self.in_spool(queue=queue),
                   "the spool is not empty")

    def stat(self, name):
        done = subprocess.run([HELPER, "stats", self.stats_file], check=False,
                              stdout=subprocess.PIPE, text=True)
        if done.returncode:
            return 0                # Ship has not made it yet, or not all.
        for line in done.stdout.splitlines():
            if line.startswith(name + " "):
                value = line[len(name) + 1:]
                return int(value) if value.isdigit() else value
        # One of an output is there once ship has named its outputs.
        check("." in name, "no counter " + name)
        return 0

    def ship_args(self, *extra):
        return [SHIP, "--spool", self.spool, "--key", self.key,
                "--tenant", str(TENANT),
                "--server", "127.0.0.1:%d" % self.port,
                "--stats", self.stats_file, "--backoff-max-ms", "200",
                *extra]

    def start(self, args, **kwargs):
        process = subprocess.Popen(args, **kwargs)
        self.running.append(process)
        return process

    def start_ship(self, *extra):
        log = open(self.path("ship.log"), "a")
        with log:
            return self.start(self.ship_args("--hold-ms", "1000", *extra),
                              stderr=log)

    def ship_once(self, *extra):
        return subprocess.run(
            self.ship_args("--once", "--hold-ms", "100", *extra),
            stderr=subprocess.PIPE, timeout=LIMIT_S)

    def start_server(self):
        conf = self.path("rsyslog.conf")
        with open(conf, "w") as f:
            f.write(RSYSLOG_CONF.format(dir=self.dir, out=self.out,
                                        port=self.port))
        with open(self.path("rsyslog.log"), "a") as log:
            return self.start([RSYSLOGD, "-n", "-iNONE", "-f", conf],
                              stdout=log, stderr=log)

    def received(self):
        """The numbers of the lines that the server wrote, in order."""
        try:
            with open(self.out, "rb") as f:
                data = f.read()
        except FileNotFoundError:
            return []
        numbers = []
        # A server that was killed may leave half a line at its end, and
        # write the next one behind it.
        for match in re.finditer(rb"line (\d+) ([a-z]*)", data):
            if len(match.group(0)) == 280:
                numbers.append(int(match.group(1)))
        return numbers

    def check_received(self, duplicates):
        """Every line is there, whole and in order.  With 'duplicates', lines
        may be there more often, as parts of batches sent again."""
        numbers = self.received()
        last_seen = {n: i for i, n in enumerate(numbers)}
        check(len(last_seen) == self.n_lines,
              "%d of %d lines arrived" % (len(last_seen), self.n_lines))
        by_last = sorted(last_seen, key=last_seen.get)
        check(by_last == list(range(self.n_lines)), "lines are out of order")
        n_again = len(numbers) - self.n_lines
        if duplicates:
            check(n_again <= self.stat("resent"),
                  "%d duplicates, %d resent" % (n_again, self.stat("resent")))
        else:
            check(n_again == 0, "%d duplicates" % n_again)
            check(self.stat("resent") == 0, "lines were sent again")
        # A batch is counted when its deletion is on the disk.
        wait_until(lambda: self.stat("shipped") >= self.n_lines,
                   "not all lines are counted as shipped")
        check(self.stat("shipped") == self.n_lines,
              "shipped says %s" % self.stat("shipped"))


def connects(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def listener(b, receive_buffer=None):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        s.bind(("127.0.0.1", b.port))
        s.listen()
        s.settimeout(LIMIT_S)
        yield s


def run(tests, others=()):
    """Runs the tests, or those of them and of the others that the command
    line names."""
    wanted = sys.argv[1:]
    if wanted:
        tests = [t for t in list(tests) + list(others) if t.__name__ in wanted]
    if not RSYSLOGD:
        print("1..0 # SKIP rsyslogd is not installed")
        return 0
    return run_tests(tests, Bench, ("ship.log", "rsyslog.log"))
