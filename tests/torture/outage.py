#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# A tenant's server is down while lines go on; once it is back, none is
# missing, and what waited drains at five times the rate at which it came, or
# faster, while lines go on.
#
# In: SLUICE_OUTAGE_S, how long.  Out: TAP.
import os
import time

from scene import (LogServer, Proxy, Stream, Town, Vm, equal, long_or_short,
                   main, say, wait_for)

TENANT = 7
RATE = 2000
DOWN_S = int(os.environ.get("SLUICE_OUTAGE_S", long_or_short(3600, 6)))
SPEED = 5


def nothing_is_lost_and_the_rest_drains_at_five_times_the_rate():
    server = LogServer(TENANT)
    town = Town([server])
    vm = Vm(TENANT)
    town.start()
    with Proxy({TENANT: server.port},
               extra="output:\n  backoff-max-ms: 500\n") as proxy:
        proxy.start()
        stream = Stream(proxy.port, [vm], RATE)
        stream.start()
        wait_for("the first lines", server.n_seen)
        town.behave(TENANT, "down")
        began = time.monotonic()
        time.sleep(DOWN_S)
        down_s = time.monotonic() - began

        n_before = server.n_seen()
        town.behave(TENANT, "healthy")
        wait_for("a session", lambda: server.n_seen() > n_before, 60)
        began, n_began = time.monotonic(), server.n_seen()
        n_waiting = vm.n - n_began
        # Caught up: no more is missing than is on its way at any time.
        wait_for("the drain", lambda: vm.n - server.n_seen() <= 3 * RATE,
                 DOWN_S + 60)
        took = max(time.monotonic() - began, 0.001)
        speed = (server.n_seen() - n_began) / took
        say(f"{n_waiting} lines waited after {down_s:.0f} s; {took:.1f} s to "
            f"drain, {speed:.0f} lines/s while {RATE} lines/s came")

        stream.stop()
        wait_for("all lines", lambda: not server.missing([vm]), 60)
        say(f"{vm.n} lines, {server.n_twice()} of them twice")
        equal(server.foreign, [])
        proxy.check_books()
        assert speed >= SPEED * RATE, speed
    town.stop()


main([nothing_is_lost_and_the_rest_drains_at_five_times_the_rate])
