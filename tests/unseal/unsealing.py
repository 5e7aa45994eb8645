# SPDX-License-Identifier: Apache-2.0
"""What the tests of sluice-unseal have in common: a directory of keys and
batches, the program, and a sender that speaks its protocol by hand.

Everything is on the loopback interface, at ports that were free when the test
began, and in a directory of its own."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir))
from tap import (BUILD, LIMIT_S, check, free_port, run_tests,
                 wait_until)

UNSEAL = os.path.join(BUILD, "proxy-vm/unseal/sluice-unseal")
HELPER = os.path.join(BUILD, "tests/ship/ship-helper")
TENANT = 7
STORED, DUPLICATE, REFUSED = 1, 2, 3


def read_file(path):
    with open(path, "rb") as f:
        return f.read()


def frame(data):
    return struct.pack(">I", len(data)) + data


class Bench:
    """A tenant's key, batches sealed to it, and what runs; all of it gone at
    the end."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="sluice-test-unseal.")
        self.key = self.path("tenant.key")
        self.public = self.path("tenant.pub")
        self.state = self.path("state")
        self.out = self.path("out")
        self.log = self.path("log")
        self.port = free_port()
        self.running = []
        self.n_lines = 0
        self.n_spools = 0
        os.mkdir(self.state)
        open(self.log, "w", encoding="ascii").close()
        self.run_unseal("--generate-key", "--public", self.public)

    def close(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def new_spool(self, tenant=TENANT, public=None):
        """Makes a spool, whose batches have an origin of their own where
        'public' is another key, and returns its path."""
        self.n_spools += 1
        spool = self.path("spool%d" % self.n_spools)
        os.mkdir(spool)
        return spool

    def seal(self, spool, n_batches, n_lines, tenant=TENANT, public=None):
        """A run of intake: puts a stream of batches into the spool.  Returns
        their paths."""
        before = set(self.batches(spool))
        subprocess.run([HELPER, "push", spool, public or self.public,
                        "%d/main" % TENANT, str(tenant), str(self.n_lines),
                        str(n_batches), str(n_lines)], check=True)
        self.n_lines += n_batches * n_lines
        return [p for p in self.batches(spool) if p not in before]

    @staticmethod
    def batches(spool):
        return sorted(os.path.join(dir_path, name)
                      for dir_path, _, names in os.walk(spool)
                      for name in names if name.endswith(".batch"))

    def run_unseal(self, *args, status=0, **kwargs):
        done = subprocess.run([UNSEAL, "--key", self.key, *args],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=LIMIT_S, **kwargs)
        check(done.returncode == status, "%r ended with %d: %r %r"
              % (args, done.returncode, done.stdout[-300:],
                 done.stderr[-300:]))
        return done.stdout.decode(), done.stderr.decode()

    def take(self, *paths, status=0):
        """Opens batches into self.out, with a state.  Returns what it says."""
        return self.run_unseal("--tenant", str(TENANT), "--state", self.state,
                               "--output", self.out, *paths,
                               status=status)[1]

    def start(self, args, **kwargs):
        process = subprocess.Popen(args, **kwargs)
        self.running.append(process)
        return process

    def serve_args(self, *extra):
        output = () if "--syslog" in extra else ("--output", self.out)
        return [UNSEAL, "--key", self.key, "--tenant", str(TENANT),
                "--state", self.state, "--listen",
                "127.0.0.1:%d" % self.port, *output, *extra]

    def serve(self, *extra, **kwargs):
        with open(self.log, "a", encoding="utf-8") as log:
            process = self.start(self.serve_args(*extra), stderr=log, **kwargs)
        wait_until(self.is_listening, "sluice-unseal does not listen: "
                   + read_file(self.log).decode())
        return process

    def is_listening(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), LIMIT_S).close()
        except ConnectionRefusedError:
            return False
        return True

    @staticmethod
    def takes_signals(process):
        """Whether it has got so far that SIGTERM comes by a descriptor."""
        if process.poll() is not None:
            return True
        status = read_file("/proc/%d/status" % process.pid).decode()
        blocked, = (int(line.split()[1], 16) for line in status.splitlines()
                    if line.startswith("SigBlk:"))
        return blocked >> (signal.SIGTERM - 1) & 1

    def stop(self, process):
        wait_until(lambda: self.takes_signals(process), "it does not start")
        process.terminate()
        check(process.wait(LIMIT_S) == 0, "it did not end in order: "
              + read_file(self.log).decode()[-500:])

    def lines(self):
        """Numbers of the lines in self.out, each of which is whole."""
        if not os.path.exists(self.out):
            return []
        data = read_file(self.out)
        check(not data or data.endswith(b"\n"), "the last line is torn")
        return [line_number(line) for line in data.splitlines()]

    def check_lines(self, what, expected=None):
        lines = self.lines()
        if expected is None:
            expected = list(range(self.n_lines))
        check(lines == expected, "%s: %d lines where there should be %d"
              % (what, len(lines), len(expected)))

    def sender(self, **kwargs):
        return Sender(self.port, read_file(self.public), **kwargs)


def line_number(line):
    check(line.startswith(b"<14>1 ") and b" line " in line,
          "a line is damaged: %r" % line[:200])
    return int(line.rsplit(b" line ", 1)[1].split()[0])


class Sender:
    """The sending end of the protocol."""

    def __init__(self, port, public, tenant=TENANT, version=1, hello=None,
                 welcome=True):
        self.socket = socket.create_connection(("127.0.0.1", port), LIMIT_S)
        self.socket.settimeout(LIMIT_S)
        if hello is None:
            hello = frame(b"SLUICED" + bytes([version])
                          + struct.pack(">I", tenant)
                          + bytes.fromhex(public.decode().strip()) + b"\4main")
        self.socket.sendall(hello)
        if welcome:
            kind, body = self.receive()
            check(kind == 1 and body[:8] == b"SLUICED\x01",
                  "no WELCOME but %d: %r" % (kind, body))
            self.window, self.max_batch = struct.unpack(">II", body[8:])

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(frame(data))

    def read_exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.socket.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def receive(self):
        size = struct.unpack(">I", self.read_exactly(4))[0]
        data = self.read_exactly(size)
        return data[0], data[1:]

    def receipt(self):
        kind, body = self.receive()
        check(kind == 2, "no receipt but %d: %r" % (kind, body))
        status, stream, number, n_lines = struct.unpack(">BQQI", body[:21])
        return status, stream, number, n_lines, body[21:].decode()

    def failure(self):
        kind, body = self.receive()
        check(kind == 3, "not the end of the session but %d" % kind)
        return body.decode()

    def deliver(self, path):
        self.send(read_file(path))
        return self.receipt()


def run(tests):
    """Runs the tests, speaking TAP."""
    return run_tests(tests, Bench, ("log",))
