#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# A tenant's guests send ten times of what sluice-intake takes, and more:
# another tenant's lines must all arrive, and the books must say exactly how
# many of the flood were lost.
#
# In: nothing.  Out: TAP, with the figures.
import multiprocessing
import os
import socket
import struct
import time

from scene import (LogServer, Proxy, Stream, Town, Vm, children_of, equal,
                   long_or_short, main, percentile, say, wait_for)

FLOODER, OTHER = 7, 8
RATE = 500                      # Lines a second of the other tenant.
FLOOD_S = long_or_short(60, 4)
TIMES = 10
# Makes intake slow beside the flood, which a processor of two could not
# outrun ten times otherwise.
NICE = 15


def flood(port, seconds, queue):
    """Sends one packet time after time, numbered.  Puts how many, and what
    comes last, into 'queue'."""
    vm = Vm(FLOODER)
    packet = vm.packet()
    number = struct.pack(">II", 5, 1)
    head, tail = packet.split(number, 1)
    head += number[:4]
    n, end = 0, time.monotonic() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        while time.monotonic() < end:
            for _ in range(1000):
                n += 1
                sock.send(head + struct.pack(">I", n) + tail)
    queue.put((n, head + struct.pack(">I", n + 1) + tail))


def row(proxy, tenant):
    return next(vm for vm in proxy.ask("vms")["vms"]
                if vm["tenant"] == tenant)


def others_lose_nothing_and_the_flooders_drops_are_exact():
    servers = {tenant: LogServer(tenant) for tenant in (FLOODER, OTHER)}
    town = Town(servers.values())
    other = Vm(OTHER)
    town.start()
    with Proxy({tenant: s.port for tenant, s in servers.items()}) as proxy:
        proxy.start()
        stream = Stream(proxy.port, [other], RATE)
        stream.start()
        wait_for("the first lines", servers[OTHER].n_seen)

        # On one processor, so that their niceness says who has how much.
        intake, = children_of(proxy.process.pid, ("intake",))
        cpu = min(os.sched_getaffinity(0))
        os.sched_setaffinity(intake, {cpu})
        os.setpriority(os.PRIO_PROCESS, intake, NICE)
        queue = multiprocessing.Queue()
        flooder = multiprocessing.Process(target=flood,
                                          args=(proxy.port, FLOOD_S, queue))
        flooder.start()
        os.sched_setaffinity(flooder.pid, {cpu})
        began = time.monotonic()
        n_sent, last = queue.get(timeout=FLOOD_S + 60)
        ended = time.monotonic()
        n_taken = row(proxy, FLOODER)["received"]
        flooder.join()
        os.setpriority(os.PRIO_PROCESS, intake, 0)

        stream.stop()
        wait_for("the other tenant's lines",
                 lambda: not servers[OTHER].missing([other]), 60)
        slow = percentile(servers[OTHER].latencies_between(
            began * 1e9, ended * 1e9), 99)
        say(f"{n_sent} packets of the flood in {ended - began:.0f} s, "
            f"{n_taken} of them taken meanwhile; of the other tenant "
            f"{other.n} lines sent, 0 missing, p99 latency "
            f"{slow / 1e6:.0f} ms during the flood")
        equal(servers[OTHER].foreign, [])
        equal((row(proxy, OTHER)["lost"], row(proxy, OTHER)["received"]),
              (0, other.n))

        # The next packet tells how many before it did not come.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(last, ("127.0.0.1", proxy.port))
        wait_for("the last packet of the flood", lambda: n_sent + 1 == sum(
            row(proxy, FLOODER)[name] for name in ("received", "lost")), 60)
        say("of the flood {received} packets were received, {lost} lost, "
            "{sent} sent".format(**row(proxy, FLOODER)))
        assert n_sent >= TIMES * n_taken, (n_sent, n_taken)
    town.stop()


main([others_lose_nothing_and_the_flooders_drops_are_exact])
