#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# The disk of the spool is full, in bytes and then in inodes, and read-only,
# while lines of every severity go on and the tenant's server is down: no
# program ends, what gets in no more is counted to the line and announced, what
# was taken arrives once there is room, and lines get in again within 5 seconds
# of that.
#
# In: nothing; needs root, for a file system in a mount namespace of its own.
# Out: TAP.
import ctypes
import os
import socket
import threading
import time

from scene import (LogServer, Proxy, Town, Vm, children_of, equal,
                   long_or_short, main, say, wait_for)

TENANT = 7
RATE = 2000
TROUBLE_S = long_or_short(60, 4)
BACK_S = 5
ROUNDS = long_or_short(2, 1)
CLONE_NEWNS = 0x20000
MNT_DETACH = 2
MS_RDONLY, MS_REMOUNT, MS_REC, MS_PRIVATE = 1, 32, 1 << 14, 1 << 18

libc = ctypes.CDLL(None, use_errno=True)


def mount(kind, where, flags, data=None):
    """mount(2), for there is no other way to keep to this namespace."""
    if libc.mount(b"none", where.encode(), kind and kind.encode(), flags,
                  data and data.encode()):
        raise OSError(ctypes.get_errno(), f"mount {where}")


class Source(threading.Thread):
    """Sends lines of all severities in turn."""

    def __init__(self, port, vm):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(("127.0.0.1", port))
        self.vm, self.halt = vm, threading.Event()

    def run(self):
        began, n = time.monotonic(), 0
        while not self.halt.wait(0.002):
            while n < (time.monotonic() - began) * RATE:
                self.sock.send(self.vm.packet(severity=n % 8))
                n += 1

    def stop(self):
        self.halt.set()
        self.join()


class Disk(Proxy):
    """A proxy whose spool is a file system of its own."""

    def __init__(self, port, size):
        super().__init__({TENANT: port},
                         # Small batches fill a small disk soon.
                         extra="batch:\n  max-delay-ms: 200\n"
                         "output:\n  hold-ms: 500\n  backoff-max-ms: 500\n")
        os.makedirs(self.spool)
        mount("tmpfs", self.spool, 0, size)

    def __exit__(self, *args):
        if self.process and self.process.poll() is None:
            self.stop()
        if libc.umount2(self.spool.encode(), MNT_DETACH):
            raise OSError(ctypes.get_errno(), f"umount {self.spool}")
        super().__exit__(*args)


def counters(proxy):
    return {c["name"]: c["value"] for c in proxy.ask("counters")["counters"]
            if c["tenant"] == TENANT and c["program"] == "intake"}


def n_shed(figures):
    return sum(value for name, value in figures.items()
               if name in ("spool-shed", "spool-quota", "spool-failed"))


def suffer(size, spoil, mend):
    """Fills what 'size' bounds or does 'spoil' to the disk, and mends it."""
    server = LogServer(TENANT)
    town = Town([server])
    vm = Vm(TENANT)
    town.start()
    with Disk(server.port, size) as proxy:
        proxy.start()
        programs = ("intake", "context", "ship")
        wait_for("the programs", lambda: len(children_of(
            proxy.process.pid, programs)) == 3)
        pids = children_of(proxy.process.pid, programs)
        source = Source(proxy.port, vm)
        source.start()
        wait_for("the first lines", server.n_seen)
        for _ in range(ROUNDS):
            town.behave(TENANT, "down")
            spoil(proxy.spool)
            before = n_shed(counters(proxy))
            wait_for("drops", lambda: n_shed(counters(proxy)) > before, 120)
            time.sleep(TROUBLE_S)

            mend(proxy.spool)
            town.behave(TENANT, "healthy")
            began = time.monotonic()

            def is_back():
                at = n_shed(counters(proxy))
                time.sleep(0.5)
                return n_shed(counters(proxy)) == at
            wait_for("an end of the drops", is_back, 60)
            took = time.monotonic() - began - 0.5
            say(f"no line dropped {took:.1f} s after there was room")
            assert took <= BACK_S, took
        source.stop()
        equal(sorted(children_of(proxy.process.pid, programs)), sorted(pids))

        def is_told():
            figures = counters(proxy)
            return figures["shed-told"] == n_shed(figures)
        wait_for("the gap records", is_told, 60)
        proxy.check_books()
        figures = counters(proxy)
        wait_for("all lines", lambda: len(server.missing([vm]))
                 == n_shed(figures), 60)
        say(f"{vm.n} lines, {n_shed(figures)} dropped and announced: "
            + ", ".join(f"{figures[name]} {name}" for name in (
                "spool-shed", "spool-quota", "spool-failed")
                if name in figures))
        equal(server.foreign, [])
    town.stop()


def remount(spool, data, flags=0):
    """Once there is not more on it, and nobody writes."""
    def is_done():
        try:
            mount(None, spool, MS_REMOUNT | flags, data)
        except OSError:
            return False
        return True
    wait_for(f"a disk of {data}", is_done, 60)


def a_full_disk_costs_what_matters_least_and_to_the_line():
    suffer("size=512k", lambda spool: remount(spool, "size=512k"),
           lambda spool: remount(spool, "size=64m"))


def a_disk_without_inodes_costs_what_matters_least_and_to_the_line():
    suffer("nr_inodes=24", lambda spool: remount(spool, "nr_inodes=24"),
           lambda spool: remount(spool, "nr_inodes=10000"))


def a_read_only_disk_costs_what_matters_least_and_to_the_line():
    suffer("size=64m", lambda spool: remount(spool, "size=64m", MS_RDONLY),
           lambda spool: remount(spool, "size=64m"))


if libc.unshare(CLONE_NEWNS):
    print("1..0 # SKIP a disk of its own needs root")
else:
    mount(None, "/", MS_REC | MS_PRIVATE)
    main([a_full_disk_costs_what_matters_least_and_to_the_line,
          a_disk_without_inodes_costs_what_matters_least_and_to_the_line,
          a_read_only_disk_costs_what_matters_least_and_to_the_line])
