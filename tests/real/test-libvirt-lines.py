# SPDX-License-Identifier: Apache-2.0
"""Lines flow from a domain of a real libvirtd, of libvirt's test driver,
through the whole proxy while it changes: they say what is so within two
seconds (measured, with a patient deadline).  Speaks TAP."""

import os
import sys
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir, "torture"))
sys.path.insert(0, HERE)
from libvirtd import NOVA, Libvirtd, domain, why_no_libvirtd
from managers import BUILD, Place, check
from reader import Reader
from scene import Proxy, Stream, Town, Vm, option, wait_for
from tap import run_tests

TENANT = 7
RATE = 100                          # Lines a second.
UUID = "6d5e0a52-1f0b-4f6e-9e58-0a4c5b2f9d01"


def vm_of(identifier):
    """A switch port that belongs to the domain of that UUID."""
    vm = Vm(TENANT)
    vm.fixed = (vm.fixed[:12] + option(2, uuid.UUID(identifier).bytes)
                + vm.fixed[32:])
    return vm


def test_lines_say_what_libvirt_says_now(place):
    lv = Libvirtd(place)
    vm = vm_of(UUID)
    server = Reader(TENANT)
    town = Town([server])
    town.start()
    slowest = 0.0

    def change(text, verb, *args, xml=None):
        nonlocal slowest
        if xml:
            lv.with_xml(verb, xml)
        else:
            lv.virsh(verb, *args)
        began = time.monotonic()
        wait_for("lines that say %r" % text,
                 lambda: text in server.latest, 60)
        slowest = max(slowest, time.monotonic() - began)
        server.forget()

    with Proxy({TENANT: server.port}, extra="batch:\n  max-delay-ms: 50\n"
               + place.managers_text()) as proxy:
        proxy.start()
        stream = Stream(proxy.port, [vm], RATE)
        stream.start()
        wait_for("lines of a domain that is not there",
                 lambda: b' ctx="pending"' in server.latest, 60)
        change(b" instance-1 app ", "define",
               xml=domain("instance-1", UUID, metadata=NOVA))
        wait_for("what Nova knows",
                 lambda: b' owner="alice"' in server.latest
                 and b' project="shop"' in server.latest, 60)
        check(b' ctx="pending"' not in server.latest, "context is missing")
        change(b' power="on"', "start", "instance-1")
        change(b' power="paused"', "suspend", "instance-1")
        change(b' power="on"', "resume", "instance-1")
        change(b' power="off"', "destroy", "instance-1")
        change(b' title="moved"', "define",
               xml=domain("instance-1", UUID, title="moved"))
        check(b' owner="alice"' not in server.latest, "the owner stays")
        # Gone with all its domains, and back: what was known stays.
        lv.kill()
        n = server.n_seen()
        wait_for("200 lines", lambda: server.n_seen() >= n + 200, 60)
        check(b' title="moved"' in server.latest
              and b' ctx="pending"' not in server.latest, "context was lost")
        lv.start()
        wait_for("that it is not known any more",
                 lambda: b' ctx="pending"' in server.latest, 60)
        change(b" instance-2 app ", "define", xml=domain("instance-2", UUID))
        change(b' ctx="pending"', "undefine", "instance-2")
        print("# the slowest change was in the lines after %.2f s" % slowest)

        stream.stop()
        wait_for("all lines", lambda: not server.missing([vm]), 60)
        proxy.check_books()
    town.stop()


def main():
    why = why_no_libvirtd()
    if not os.path.exists(os.path.join(BUILD,
                                       "proxy-vm/libvirt/sluice-libvirt")):
        why = "sluice-libvirt was not built: install libvirt-dev"
    if why:
        print("1..0 # SKIP %s" % why)
        return 0
    return run_tests([test_lines_say_what_libvirt_says_now], Place)


sys.exit(main())
