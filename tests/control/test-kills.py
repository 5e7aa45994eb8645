#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# kill -9 of intake again and again, in a stream of packets: sluiced starts it
# at once, each line arrives once, and the books say so to the unit.
#
# In: SLUICE_KILLS, how many times (100).
# Out: TAP, with how long a new process takes to be there.
import collections
import os
import random
import re
import signal
import time

from harness import LIMIT_S, equal, main, wait_for
from traffic import Server, Stream, with_server

N_KILLS = int(os.environ.get("SLUICE_KILLS", "100"))
MAX_PAUSE_MS = 50


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


def kill_once(s, server):
    """Kills intake somewhere in its work; returns how many ms another takes to
    be there."""
    time.sleep(random.random() * 0.02)      # Anywhere in the stream.
    pid = intake_of(s.process.pid)
    n_before = len(server.numbers)
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    while intake_of(s.process.pid) in (pid, None):
        assert time.monotonic() - began < LIMIT_S, "no other intake"
        time.sleep(0.001)
    took = (time.monotonic() - began) * 1000
    wait_for("lines from it", lambda: len(server.numbers) > n_before)
    return took


def each_line_arrives_however_often_intake_is_killed():
    server = Server()
    with with_server(server, extra="batch:\n  max-delay-ms: 20\n"
                     "output:\n  hold-ms: 500\n") as s:
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
        wait_for("the books", lambda: [
            (t["received"], t["shipped"], t["dropped"], t["open"],
             t["spooled"]) for t in s.ask("tenants")["tenants"]
        ] == [(n, n, 0, 0, 0)])
        equal(s.stop(), 0)
        n_of = collections.Counter(server.numbers)
        equal([i for i in range(1, n + 1) if i not in n_of], [])
        equal([i for i in n_of if n_of[i] > 1], [])
        # How long a start takes is the machine's; the pause before is ours.
        pauses = [int(pause) for pause in re.findall(
            r"started again in (\d+) ms", s.read(s.dir + "/log"))]
        equal((len(pauses), max(pauses)), (N_KILLS, MAX_PAUSE_MS))
        equal([w for w in ("poison", "dropped") if w in s.read(s.dir + "/log")
               ], [])


main([each_line_arrives_however_often_intake_is_killed])
