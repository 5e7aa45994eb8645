#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# The real programs die at each point of proxy-vm/common/failpoints.def, while
# lines come: each line arrives that had left the socket, no more come twice
# than a batch for each process that died, and the books balance.  Then each
# call for a durable file fails, by each of some errors: no program ends, and
# what is missing was dropped and counted.
#
# In: SLUICE_KILLS, how often at each point; SLUICE_SECONDS, when to end before
# that.  Out: TAP.
import errno
import itertools
import os
import random
import time

from scene import equal, long_or_short, main, say, wait_for
from killing import GONE, Battle

KILLS = int(os.environ.get("SLUICE_KILLS", long_or_short(50, 1)))
SECONDS = int(os.environ.get("SLUICE_SECONDS", 24 * 3600))
FAILURES = max(KILLS // 5, 1)   # Of each call by each error.
PER_LINE = ("packet-begun", "line-intended", "packet-run", "packet-done")
ERRORS = (errno.EIO, errno.ENOSPC, errno.EROFS, errno.EMFILE)
# Who makes each of the calls for durable files, while lines come.
CALLERS = {"file-read": ("ship",), "file-write": ("intake", "sluiced"),
           "file-renameat": ("intake", "sluiced"),
           "file-unlinkat": ("intake", "ship"), "file-linkat": ("ship",),
           "file-list": ("ship",),
           "file-fstatat": ("intake", "ship")}
ALL = ("intake", "ship", "sluiced")
PROVOKE_S = 3                   # Until a program is brought there again.


class Attack:
    """A failpoint that is armed, until a program comes by it."""

    n_provoked = 0              # Kills that were to lead to one.
    n_refused = 0

    def __init__(self, row, error=0):
        self.name, self.program, self.trigger = row
        self.points = BATTLE.proxy.failpoints
        self.before = self.points.get(self.name)[1]
        self.provoke_at = 0
        # Anywhere in what happens within a moment, where there is much.
        countdown, owner = 1, ""
        if self.name in PER_LINE:
            countdown = random.randrange(1, 300)
        elif self.trigger == "load" and self.program != "sluiced":
            countdown = random.randrange(1, 6)
        if self.name.startswith("file-"):
            owner = "sluice-" + random.choice(CALLERS.get(self.name, ALL))
            if owner == "sluice-sluiced":
                countdown, owner = 1, "sluiced"
        self.points.arm(self.name, countdown, error, owner)

    def is_over(self):
        """Whether somebody came by; brings somebody there, if lines alone do
        not."""
        if self.points.get(self.name)[1] > self.before:
            return True
        if self.trigger != "load" and time.monotonic() > self.provoke_at:
            self.provoke_at = time.monotonic() + PROVOKE_S
            self.provoke()
        return False

    def provoke(self):
        proxy = BATTLE.proxy
        try:
            if self.trigger == "start":
                pids = proxy.pids(self.program)
                if pids:
                    Attack.n_provoked += proxy.kill(self.program,
                                                    random.choice(pids))
                else:
                    self.provoke_at = 0
            elif self.trigger == "reload":
                proxy.reload()
            elif self.trigger == "refusal":
                Attack.n_refused += 1
                proxy.refuse(Attack.n_refused)
        except GONE:
            self.provoke_at = 0


def waves(rows):
    """Points at which programs die at the same time: one of intake's and one
    of others; sluiced, which takes all with it, alone, and every now and
    then: it has a shipper that died often wait."""
    groups = {"intake": [], "others": [], "sluiced": []}
    for row in rows:
        groups[row[1] if row[1] in groups else "others"].append(row)
    for group in groups.values():
        random.shuffle(group)
    pairs = [[row for row in pair if row] for pair in
             itertools.zip_longest(groups["intake"], groups["others"])]
    every = len(pairs) // len(groups["sluiced"])
    for i, row in enumerate(groups["sluiced"]):
        pairs.insert((i + 1) * (every + 1) - 1, [row])
    return pairs


def why_not():
    """Why nobody comes by any failpoint, or None."""
    return (None if BATTLE.proxy.failpoints.get("receive-ready")[0]
            else "it was configured with --disable-failpoints")


def each_point_kills_and_no_line_is_lost():
    if why_not():
        return why_not()
    random.seed(1)
    rows = [row for row in BATTLE.proxy.failpoints.rows
            if row[1] != "adapter" or BATTLE.proxy.relp]
    n_kills, n_passes, worst = 0, 0, 0
    end_at = time.monotonic() + SECONDS
    while n_passes < KILLS and time.monotonic() < end_at:
        n_passes += 1
        for wave in waves(rows):
            before = BATTLE.n_again()
            for attack in [Attack(row) for row in wave]:
                wait_for(attack.name, attack.is_over, 60)
                n_kills += 1
            BATTLE.settle()
            worst = max(worst, *(now - b for now, b
                                 in zip(BATTLE.n_again(), before)))
        equal(BATTLE.check(), 0)
        BATTLE.fire()
    say(f"{len(rows)} failpoints, {n_passes} kills at each, and "
        f"{Attack.n_provoked} to lead there; {BATTLE.n_sluiced_kills()} were "
        "of sluiced, and so of all")
    say(f"at most {worst} lines of one queue came twice at a time")
    BATTLE.check_twice(n_kills + Attack.n_provoked)
    return None


def each_call_fails_and_no_line_is_lost():
    if why_not():
        return why_not()
    proxy = BATTLE.proxy
    rows = [row for row in proxy.failpoints.rows
            if row[0].startswith("file-")]
    before = {p: sorted(proxy.pids(p)) for p in ("intake", "ship", "sluiced")}
    n = 0
    for _ in range(FAILURES):
        for error in ERRORS:
            for row in rows:
                attack = Attack(row, error)
                wait_for(attack.name, attack.is_over, 60)
                n += 1
    n_dropped = BATTLE.check()
    equal({p: sorted(proxy.pids(p)) for p in before}, before)
    say(f"{n} calls failed, of {len(rows)} kinds by {len(ERRORS)} errors: no "
        f"program ended; {n_dropped} lines dropped and counted, 0 lost")
    return None


with Battle() as BATTLE:
    main([each_point_kills_and_no_line_is_lost,
          each_call_fails_and_no_line_is_lost])
