# SPDX-License-Identifier: Apache-2.0
#
# What the tests of sluiced and sluicectl share: TAP, waiting, and a sluiced
# with programs that stand in for the real ones.
#
# Runs in: tests/control/test-*.py.
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

BUILD = os.environ["builddir"]
SOURCE = os.environ["srcdir"]
sys.path.insert(0, SOURCE + "/tests")
from ports import free_port     # noqa: E402

SLUICED = BUILD + "/proxy-vm/sluiced"
SLUICECTL = BUILD + "/proxy-vm/sluicectl"
PROGRAMS = ("sluice-context", "sluice-intake", "sluice-ship")
LIMIT_S = 60                    # On a machine that is busy, too.


def wait_for(what, condition, seconds=LIMIT_S):
    """Returns what 'condition' returns once that is true."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def equal(got, expected):
    if got != expected:
        raise AssertionError(f"got {got!r}, expected {expected!r}")


def is_alive(pid):
    """Whether 'pid' runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class Event:
    def __init__(self, line):
        ms, self.name, pid, self.text = line.rstrip("\n").split(" ", 3)
        self.ms, self.pid = int(ms), int(pid)


class Sluiced:
    """A sluiced of its own, in a directory of its own."""

    def __init__(self, programs=PROGRAMS):
        self.dir = tempfile.mkdtemp(prefix="sluice-test.")
        self.libexec = self.dir + "/libexec"
        self.config = self.dir + "/sluice.yaml"
        self.socket = self.dir + "/run/control.sock"
        self.process = None
        self.port = free_port()
        os.mkdir(self.libexec)
        for name in programs:
            shutil.copy(SOURCE + "/tests/control/child.py",
                        f"{self.libexec}/{name}")
        self.write_config()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir)

    def write_config(self, tenants=(7, 8), extra=""):
        text = (f"tunnel:\n  listen: 127.0.0.1\n  port: {self.port}\n"
                f"paths:\n  run: {self.dir}/run\n"
                f"  spool: {self.dir}/deep/spool\n"
                f"  state: {self.dir}/state\n{extra}tenants:\n")
        for tenant in tenants:
            text += (f"- id: {tenant}\n  name: tenant-{tenant}\n"
                     f"  server: 127.0.0.1:9\n")
        self.write(self.config, text)

    @staticmethod
    def write(path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    @staticmethod
    def read(path):
        with open(path, encoding="utf-8") as file:
            return file.read()

    @staticmethod
    def read_bytes(path):
        with open(path, "rb") as file:
            return file.read()

    def set_mode(self, name, mode):
        self.write(f"{self.libexec}/{name}.mode", mode)

    def start(self):
        with open(self.dir + "/log", "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [SLUICED, "--config", self.config, "--libexec", self.libexec],
                stderr=log)
        wait_for("an answer", lambda: self.ctl("status").returncode == 0)
        return self

    def run_to_end(self):
        """For a sluiced that refuses to start."""
        return subprocess.run(
            [SLUICED, "--config", self.config, "--libexec", self.libexec],
            stderr=subprocess.PIPE, text=True, timeout=LIMIT_S, check=False)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LIMIT_S)

    def ctl(self, *args):
        return subprocess.run([SLUICECTL, "--socket", self.socket, *args],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=LIMIT_S, check=False)

    def ask(self, verb):
        result = self.ctl("--json", verb)
        equal(result.stderr, "")
        return json.loads(result.stdout)

    def program(self, name):
        for program in self.ask("status")["programs"]:
            if program["name"] == name:
                return program
        return None

    def events(self, name=None, text=""):
        try:
            lines = self.read(self.libexec + "/events").splitlines()
        except FileNotFoundError:
            return []
        events = [Event(line) for line in lines]
        return [event for event in events
                if name in (None, event.name) and event.text.startswith(text)]

    def wait_for_event(self, name, text, n=1):
        return wait_for(f"{name}: {text}",
                        lambda: self.events(name, text)[n - 1:n])[0]

    def wait_for_all(self):
        for name in ("sluice-context", "sluice-intake", "sluice-ship-7",
                     "sluice-ship-8"):
            self.wait_for_event(name, "start")

    def connect(self):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(self.socket)   # Waits for room in the queue.
        sock.settimeout(LIMIT_S)
        return sock


def frame(message):
    return struct.pack(">I", len(message)) + message


def receive_exactly(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def receive_frame(sock):
    (size,) = struct.unpack(">I", receive_exactly(sock, 4))
    assert size <= 1 << 20
    return receive_exactly(sock, size)


def error_of(message):
    """The 'error' of a Response that has nothing else, or its beginning."""
    if not message.startswith(b"\x0a"):
        return ""
    size, i, shift = 0, 1, 0
    while True:
        size |= (message[i] & 0x7f) << shift
        shift += 7
        i += 1
        if not message[i - 1] & 0x80:
            return message[i:i + size].decode()


def main(tests):
    """Runs 'tests'; one that returns a string was skipped for that reason."""
    print(f"1..{len(tests)}", flush=True)
    failed = False
    for i, test in enumerate(tests, 1):
        name = test.__name__.replace("_", " ")
        try:
            why_skipped = test()
            print(f"ok {i} - {name}" + (f" # SKIP {why_skipped}"
                                        if why_skipped else ""), flush=True)
        except Exception:       # A test may fail in any way.
            failed = True
            print(f"not ok {i} - {name}")
            for line in traceback.format_exc().splitlines():
                print(f"# {line}", flush=True)
    sys.exit(failed)
