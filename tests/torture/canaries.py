#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# A hundred tenants, each line marked with a canary of its tenant, while the
# programs are killed and the configuration is read again: no server gets a
# line of another tenant's, each gets all of its own, and the spool's
# directories hold nothing but their own tenant's.
#
# In: nothing.  Out: TAP.
import os
import random
import re
import signal
import struct
import threading

from scene import (LogServer, Proxy, Stream, Town, Vm, children_of, equal,
                   long_or_short, main, say, wait_for)

N_TENANTS = 100
N_LINES = long_or_short(1_000_000, 24_000)
RATE = long_or_short(80, 40)    # Lines a second of each tenant.
PAUSE_S = long_or_short(0.5, 0.3)


def disturb(proxy, halt, done):
    """Kills one program after the other, and reloads in between."""
    random.seed(1)
    while not halt.wait(PAUSE_S):
        victims = children_of(proxy.process.pid, ("intake", "ship", "context"))
        if victims:
            os.kill(random.choice(victims), signal.SIGKILL)
            done["kills"] += 1
        if done["kills"] % 3 == 0:
            # A tenant more or less, besides those that send.
            proxy.write_tenants(extra=done["reloads"] % 2)
            reload = proxy.ctl("reload")
            # What was killed may take longer than sluiced waits for it.
            assert (not reload.returncode
                    or "was not taken yet" in reload.stderr), reload.stderr
            done["reloads"] += 1


def foreign_batches(proxy):
    """Spool files whose header names another tenant than their directory.
    Those that come again after a kill may be shipped meanwhile."""
    found = []
    for folder, _, names in os.walk(proxy.spool):
        m = re.search(r"/spool/(\d+)(/|$)", folder)
        for name in names if m else ():
            if name.endswith(".batch"):
                try:
                    with open(os.path.join(folder, name), "rb") as file:
                        (tenant,) = struct.unpack(">8xI", file.read(12))
                except FileNotFoundError:
                    continue
                if tenant != int(m[1]):
                    found.append(f"{folder}/{name}")
    return found


def tell_missing(proxy, servers, vms):
    """Which lines did not come, and what the books say of their tenants."""
    books = {t["id"]: t for t in proxy.ask("tenants")["tenants"]}
    for server, vm in zip(servers, vms):
        if missing := server.missing([vm]):
            say(f"tenant {vm.tenant}: {len(missing)} of {vm.n} lines did not "
                f"come, the first {missing[0][1]}, the last {missing[-1][1]}; "
                f"{books[vm.tenant]}")
    lost = [c for c in proxy.ask("counters")["counters"]
            if c["name"] in ("socket-lost", "dropped") and c["value"]]
    say(f"{lost}")


def no_line_comes_to_another_tenant():
    servers = [LogServer(t) for t in range(1, N_TENANTS + 1)]
    town = Town(servers)
    town.start()
    vms = [Vm(s.tenant) for s in servers]
    halt, done = threading.Event(), {"kills": 0, "reloads": 0}
    with Proxy({s.tenant: s.port for s in servers}, extra=(
            "batch:\n  max-delay-ms: 200\noutput:\n  hold-ms: 200\n"
            "  backoff-max-ms: 500\n")) as proxy:
        proxy.start()
        stream = Stream(proxy.port, vms, RATE, N_LINES // N_TENANTS, servers)
        trouble = threading.Thread(target=disturb, args=(proxy, halt, done),
                                   daemon=True)
        stream.start()
        wait_for("the first lines", lambda: any(s.n_seen() for s in servers))
        trouble.start()
        stream.join()
        halt.set()
        trouble.join()
        try:
            wait_for("all lines", lambda: sum(s.n_seen() for s in servers)
                     >= sum(vm.n for vm in vms), 120)
        except AssertionError:
            tell_missing(proxy, servers, vms)
            raise
        say(f"{sum(vm.n for vm in vms)} lines of {N_TENANTS} tenants, "
            f"{done['kills']} kills, {done['reloads']} reloads, "
            f"{sum(s.n_twice() for s in servers)} lines twice")
        equal([line for s in servers for line in s.foreign], [])
        equal(foreign_batches(proxy), [])
        for server, vm in zip(servers, vms):
            equal(server.missing([vm]), [])
        assert done["kills"] and done["reloads"]
        proxy.check_books()
    town.stop()


main([no_line_comes_to_another_tenant])
