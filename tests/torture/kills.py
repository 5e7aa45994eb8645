#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# kill -9 of intake, of shippers, of an adapter, of sluice-context and of
# sluiced, at any moment, while lines come and the configuration is read again:
# each line arrives that had left the socket, at most one batch comes twice for
# each process killed, and the books balance.
#
# In: SLUICE_KILLS, how many; SLUICE_SECONDS, when to end before that.
# Out: TAP.
import os
import random
import time

from scene import equal, long_or_short, main, say, wait_for
from killing import Battle

KILLS = int(os.environ.get("SLUICE_KILLS", long_or_short(10_000, 60)))
SECONDS = int(os.environ.get("SLUICE_SECONDS", 24 * 3600))
ROUND = long_or_short(250, 60)  # Kills between two looks at the books.
# How often each is meant; a shipper that dies often is started late.
VICTIMS = (["intake"] * 9 + ["ship"] * 7 + ["adapter"] * 2 + ["sluiced"] * 1
           + ["context"])
MAX_PAUSE_S = 0.2
# Who is killed in each start gets nowhere; so often it gets somewhere first.
GRACE = 0.5


def fight(n, killed):
    """Kills 'n' processes, at any moment."""
    proxy = BATTLE.proxy
    for i in range(n):
        seen = BATTLE.n_seen()
        time.sleep(random.random() * MAX_PAUSE_S)
        if random.random() < GRACE:
            wait_for("a line", lambda n=seen: BATTLE.n_seen() > n, 60)
        if i % 40 == 39:
            proxy.reload()

        def kill_one():
            victim = random.choice(VICTIMS)
            pids = proxy.pids(victim)
            if pids and proxy.kill(victim, random.choice(pids)):
                killed[victim] = killed.get(victim, 0) + 1
                return True
            return False
        wait_for("somebody to kill", kill_one)


def no_line_is_lost_whoever_is_killed():
    random.seed(2)
    killed = {}
    done, end_at = 0, time.monotonic() + SECONDS
    while done < KILLS and time.monotonic() < end_at:
        n = min(ROUND, KILLS - done)
        fight(n, killed)
        done += n
        equal(BATTLE.check(), 0)
        BATTLE.fire()
    BATTLE.cease()
    say(f"{done} kills: " + ", ".join(f"{n} of {name}" for name, n
                                      in sorted(killed.items())))
    BATTLE.check_twice(done)


with Battle() as BATTLE:
    main([no_line_is_lost_whoever_is_killed])
