# SPDX-License-Identifier: Apache-2.0
"""Through the whole proxy: which of what is known about its VM a line gets, by
severity, facility, application and tenant, and what a tenant never sees."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from place import TENANT, Scene, generation, vm_text
from scene import Vm, equal, main, wait_for

OTHER = 8
KEYS = ("host", "owner", "rack", "cpu-percent", "memory-percent")
VALUES = (", owner: shop, cpu-percent: 93, memory-percent: 71, "
          "values: { rack: A12 }")
EMERG, ERR, INFO, DEBUG = 0, 3, 6, 7


def keys_in(line):
    return [key for key in KEYS if re.search(rb' %s="' % key.encode(), line)]


def line_of(scene, vm, severity):
    """The line that a log server gets of one that 'vm' sends."""
    scene.sock.send(vm.packet(severity))
    lines = scene.servers[vm.tenant].lines
    return wait_for("the line", lambda: lines.get((vm.vm, vm.n)), 60)


def ready(scene, *vms):
    """Starts the proxy, and waits until 'vms' are known."""
    scene.vms.write("vms:\n" + "".join(vm_text(vm, "hv-1", VALUES)
                                       for vm in vms))
    scene.proxy.start()
    wait_for("a snapshot", lambda: generation(scene.proxy), 60)
    for vm in vms:
        wait_for("its context", lambda vm=vm: keys_in(line_of(scene, vm,
                                                             EMERG)), 60)


def test_by_default_errors_are_verbose_and_debug_is_short():
    vm = Vm(TENANT, 1)
    with Scene() as scene:
        ready(scene, vm)
        # All in one batch, which has the VM once.
        equal(keys_in(line_of(scene, vm, ERR)), list(KEYS))
        equal(keys_in(line_of(scene, vm, INFO)), ["host", "owner", "rack"])
        equal(keys_in(line_of(scene, vm, DEBUG)), ["host", "owner"])
        equal(b' name="vm-1"' in line_of(scene, vm, DEBUG), True)
        scene.proxy.check_books()


def test_the_policy_of_the_configuration_counts_and_is_reloaded():
    vm, other = Vm(TENANT, 1), Vm(OTHER, 1)
    policy = """  sets:
    - name: place
      keys: "host, rack"
  policy:
    - { app: "ap?", severity: debug, sets: load }
    - { tenant: 8, severity: err, sets: place }
"""
    with Scene(tenants=(TENANT, OTHER), policy=policy) as scene:
        ready(scene, vm, other)
        equal(keys_in(line_of(scene, vm, DEBUG)),
              ["cpu-percent", "memory-percent"])
        equal(keys_in(line_of(scene, other, ERR)), ["host", "rack"])
        equal(keys_in(line_of(scene, vm, ERR)), list(KEYS))

        scene.proxy.head = scene.proxy.head.replace("sets: place",
                                                    "sets: short")
        scene.proxy.write_tenants()
        equal(scene.proxy.ctl("reload").stderr, "")
        wait_for("the new policy",
                 lambda: keys_in(line_of(scene, other, ERR))
                 == ["host", "owner"], 60)
        scene.proxy.head = scene.proxy.head.replace("sets: short",
                                                    "sets: shrot")
        scene.proxy.write_tenants()
        equal("there is no set shrot, but there is short"
              in scene.proxy.ctl("reload").stderr, True)
        equal(keys_in(line_of(scene, other, ERR)), ["host", "owner"])
        scene.proxy.check_books()


def test_a_rule_raises_a_line_to_all_that_its_tenant_may_see():
    vm, other = Vm(TENANT, 1), Vm(OTHER, 1)
    rules = """rules:
  - { name: look-closer, action: verbose, severity: debug }
"""
    with Scene(tenants=(TENANT, OTHER), rules=rules) as scene:
        text = scene.proxy.read(scene.proxy.config)
        scene.proxy.write(scene.proxy.config, text.replace(
            "  name: tenant-8\n", "  name: tenant-8\n"
            "  context-sets: usual\n"))
        ready(scene, vm, other)
        line = line_of(scene, vm, DEBUG)
        equal(b' rule="look-closer"' in line, True)
        equal(keys_in(line), list(KEYS))
        equal(keys_in(line_of(scene, vm, INFO)), ["host", "owner", "rack"])
        for severity in DEBUG, EMERG:
            equal(keys_in(line_of(scene, other, severity)),
                  ["host", "owner", "rack"])
        scene.proxy.check_books()


def test_a_tenant_sees_nothing_of_another_ones_vm_on_the_same_host():
    vm, other = Vm(TENANT, 1), Vm(OTHER, 1)
    with Scene(tenants=(TENANT, OTHER)) as scene:
        ready(scene, vm, other)
        # A guest takes the other one's address, from a port without UUID.
        thief = Vm(TENANT, 2)
        thief.fixed = thief.fixed[:12] + thief.fixed[32:]
        thief.mac = other.mac
        for severity in EMERG, DEBUG:
            line = line_of(scene, thief, severity)
            equal(keys_in(line), [])
            equal(b' ctx="pending"' in line, True)
        # And one that says to be it by its port.
        liar = Vm(TENANT, 3)
        liar.fixed = (liar.fixed[:16] + other.uuid + liar.fixed[32:])
        line = line_of(scene, liar, EMERG)
        equal(keys_in(line), [])
        for line in scene.servers[TENANT].lines.values():
            equal(b'tenant="8"' in line or b" t=8 " in line, False)
        scene.proxy.check_books()


main([
    test_by_default_errors_are_verbose_and_debug_is_short,
    test_the_policy_of_the_configuration_counts_and_is_reloaded,
    test_a_rule_raises_a_line_to_all_that_its_tenant_may_see,
    test_a_tenant_sees_nothing_of_another_ones_vm_on_the_same_host,
])
