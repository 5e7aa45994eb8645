#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# kill -9 of intake again and again, in a stream of packets: sluiced starts it
# at once, and each line arrives.  Once, but that a batch comes twice if intake
# was killed between putting it into the spool and forgetting it, and the
# shipper was through with it before the next intake put it there again.
#
# In: SLUICE_KILLS, how many times (100).
# Out: TAP, with how long a new process takes to be there.
import collections
import os
import random
import re
import signal
import socket
import struct
import threading
import time

from harness import BUILD, Sluiced, equal, main, wait_for

N_KILLS = int(os.environ.get("SLUICE_KILLS", "100"))
MAX_PAUSE_MS = 50


class Server(threading.Thread):
    """A tenant's log server: notes the number in each line."""

    def __init__(self):
        super().__init__(daemon=True)
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.numbers = []

    def run(self):
        while True:
            peer, _ = self.sock.accept()
            rest = b""
            while data := peer.recv(1 << 20):
                *lines, rest = (rest + data).split(b" end")
                self.numbers += [int(re.search(rb"number=(\d+)$", line)[1])
                                 for line in lines]


def option(kind, data):
    return struct.pack(">HBB", 0xff53, kind, len(data) // 4) + data


def packet(number):
    text = b"<13>Nov 20 12:00:00 host app: number=%d end" % number
    udp = struct.pack(">HHHH", 1000, 514, 8 + len(text), 0) + text
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                     b"\x0a\0\0\1", b"\x0a\0\0\2")
    options = (option(1, struct.pack(">BBHI", 1, 0, 0, 3))
               + option(2, bytes(range(16)))
               + option(3, struct.pack(">I", 7))
               + option(4, struct.pack(">Q", time.time_ns()))
               + option(5, struct.pack(">II", 5, number)))
    return (struct.pack(">BBHI", len(options) // 4, 0, 0x6558, 7 << 8)
            + options + b"\2" * 6 + b"\4" * 6 + b"\x08\0" + ip + udp)


def intake_of(sluiced_pid):
    """The process id of intake, or None between two of them."""
    with open(f"/proc/{sluiced_pid}/task/{sluiced_pid}/children",
              encoding="ascii") as file:
        for pid in file.read().split():
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as cmdline:
                    if b"sluice-intake\0" in cmdline.read():
                        return int(pid)
            except (FileNotFoundError, ProcessLookupError):
                pass
    return None


class Stream(threading.Thread):
    """Sends numbered lines, a thousand a second, until it is stopped."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(("127.0.0.1", port))
        self.n = 0
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.wait(0.002):
            for _ in range(2):
                self.n += 1
                self.sock.send(packet(self.n))

    def stop(self):
        self.stopping.set()
        self.join()
        return self.n


def kill_once(s, server):
    """Kills intake somewhere in its work; returns how many ms another takes to
    be there."""
    time.sleep(random.random() * 0.02)      # Anywhere in the stream.
    pid = intake_of(s.process.pid)
    n_before = len(server.numbers)
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    while intake_of(s.process.pid) in (pid, None):
        assert time.monotonic() - began < 20, "no other intake"
        time.sleep(0.001)
    took = (time.monotonic() - began) * 1000
    wait_for("lines from it", lambda: len(server.numbers) > n_before)
    return took


def each_line_arrives_however_often_intake_is_killed():
    server = Server()
    server.start()
    with Sluiced() as s:
        s.libexec = BUILD + "/proxy-vm"
        s.write_config(tenants=(7,), extra="batch:\n  max-delay-ms: 20\n"
                       "output:\n  hold-ms: 500\n")
        s.write(s.config, s.read(s.config).replace(
            "127.0.0.1:9", f"127.0.0.1:{server.port}"))
        s.start()
        stream = Stream(s.port)
        stream.start()
        wait_for("the first lines", lambda: server.numbers)
        took = sorted(kill_once(s, server) for _ in range(N_KILLS))
        n = stream.stop()
        print(f"# {N_KILLS} kills in {n} lines; a new intake after "
              f"{took[len(took) // 2]:.0f} ms (median), {took[-1]:.0f} ms "
              "(the longest)", flush=True)
        wait_for("all lines", lambda: len(set(server.numbers)) >= n, 60)
        equal(s.program("intake")["restarts"], N_KILLS)
        equal(s.stop(), 0)
        n_of = collections.Counter(server.numbers)
        equal([i for i in range(1, n + 1) if i not in n_of], [])
        twice = sorted(i for i in n_of if n_of[i] > 1)
        batches = 1 + sum(b != a + 1 for a, b in zip(twice, twice[1:]))
        print(f"# {len(twice)} lines came twice", flush=True)
        assert not twice or (batches <= N_KILLS / 10
                             and max(n_of.values()) == 2), twice
        # How long a start takes is the machine's; the pause before is ours.
        pauses = [int(pause) for pause in re.findall(
            r"started again in (\d+) ms", s.read(s.dir + "/log"))]
        equal((len(pauses), max(pauses)), (N_KILLS, MAX_PAUSE_MS))
        equal([w for w in ("poison", "dropped") if w in s.read(s.dir + "/log")
               ], [])


main([each_line_arrives_however_often_intake_is_killed])
