# SPDX-License-Identifier: Apache-2.0
"""sluice-context with a vCenter alone, which is not there when it starts.
Speaks TAP."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from managers import (Place, build_vcsim, check, value, wait_until,
                      why_no_vcsim)
from tap import run_tests

VM = "DC0_C0_RP0_VM1"


def without_vcenter(p):
    """Knows four VMs, and is started again where nobody knows any."""
    sim = p.sim()
    sim.tell("load %s 500" % VM)
    p.start()
    p.wait_vms(lambda v: len(v) == 4 and value(v[VM], "cpu-percent"),
               "four VMs and the load of one")
    p.stop()
    sim.close()
    p.start()
    p.wait_problem("the request failed")


def test_to_wait_for_it_costs_nothing(p):
    without_vcenter(p)
    began, cpu = time.monotonic(), p.cpu_s()
    wait_until(lambda: time.monotonic() - began > 3, "three seconds")
    spent = p.cpu_s() - cpu
    print("# %.2f s of processor time in 3 s" % spent)
    check(spent < 0.5, "it took %.2f s of processor time" % spent)


def test_what_was_known_is_marked_stale(p):
    without_vcenter(p)
    vms = p.wait_vms(lambda v: len(v) == 4 and v[VM]["values"]["power"][2],
                     "stale values")
    check("cpu-percent" not in vms[VM]["values"], "a measurement is left")
    check("context-stale" in vms[VM]["values"], "lines do not tell")


if __name__ == "__main__":
    why = why_no_vcsim()
    if why:
        print("1..0 # SKIP " + why)
        sys.exit(0)
    build_vcsim()
    sys.exit(run_tests([
        test_to_wait_for_it_costs_nothing,
        test_what_was_known_is_marked_stale,
    ], Place, ("context.log",)))
