# SPDX-License-Identifier: Apache-2.0
"""Lines get what was known about their VM when the switch saw them, whatever
became of it since, through the whole proxy; and the snapshot on disk serves
from the start."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from place import TENANT, Scene, generation, vm_text
from scene import BUILD, Vm, children_of, equal, main, say, wait_for

def test_a_vm_moves_while_its_lines_queue():
    vm, other = Vm(TENANT, 1), Vm(TENANT, 2)
    with Scene() as scene:
        server = scene.server
        rest = vm_text(other, "hv-9")
        scene.vms.write("vms:\n" + vm_text(vm, "hv-1") + rest)
        scene.proxy.start()
        wait_for("a snapshot", lambda: generation(scene.proxy), 60)
        # Intake may not have it before the second line.
        equal(server.host_of(2, scene.send(other)) in ("hv-9", "pending"),
              True)
        equal(server.host_of(1, scene.send(vm)), "hv-1")

        intake, = children_of(scene.proxy.process.pid, ["intake"])
        os.kill(intake, signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            before = time.time_ns()
            queued = [scene.send(vm) for _ in range(20)]
            scene.change(vm_text(vm, "hv-2") + rest)
            after = [scene.send(vm) for _ in range(20)]
            unmoved = scene.send(other)
            # Intake looks for another snapshot each 100 ms.
            wait_for("its next look",
                     lambda: time.monotonic() > stopped + 0.2)
        finally:
            os.kill(intake, signal.SIGCONT)
        for n in queued:
            equal(server.host_of(1, n), "hv-1")
        for n in after:
            equal(server.host_of(1, n), "hv-2")
        equal(server.host_of(2, unmoved), "hv-9")

        # One that comes late among others; and the history outlives a restart
        # of who keeps it.
        equal(server.host_of(1, scene.send(vm, before)), "hv-1")
        equal(server.host_of(1, scene.send(vm)), "hv-2")
        context, = children_of(scene.proxy.process.pid, ["context"])
        n = generation(scene.proxy)
        os.kill(context, signal.SIGKILL)
        wait_for("another snapshot", lambda: generation(scene.proxy) > n, 60)
        scene.change(vm_text(vm, "hv-3") + rest)
        wait_for("the third host",
                 lambda: server.host_of(1, scene.send(vm)) == "hv-3", 60)
        for _ in range(3):
            equal(server.host_of(1, scene.send(vm, before)), "hv-1")
            equal(server.host_of(1, scene.send(vm)), "hv-3")

        # A VM that is gone is still known as it was.
        gone_at = time.time_ns()
        scene.change(rest)
        wait_for("nothing to be known",
                 lambda: server.host_of(1, scene.send(vm)) == "pending", 60)
        equal(server.host_of(1, scene.send(vm, gone_at)), "hv-3")
        text = scene.proxy.ctl("counters").stdout
        found = re.search(r"context-earlier\D*(\d+)", text)
        equal(int(found[1]) >= 3, True)
        scene.proxy.check_books()


def test_a_line_without_time_gets_what_is_known_at_its_receipt():
    vm = Vm(TENANT, 1)
    vm.fixed = vm.fixed[12:]        # No META: a stock switch.
    with Scene() as scene:
        scene.vms.write("vms:\n" + vm_text(vm, "hv-1"))
        scene.proxy.start()
        wait_for("a snapshot", lambda: generation(scene.proxy), 60)

        def send():
            packet = vm.packet()
            size = (packet[0] & 0x3f) * 4
            options = packet[8:8 + size - 24]   # Less TIME and SEQUENCE.
            scene.sock.send(bytes([len(options) // 4]) + packet[1:8] + options
                            + packet[8 + size:])
            return vm.n

        wait_for("the first host",
                 lambda: scene.server.host_of(1, send()) == "hv-1", 60)
        scene.change(vm_text(vm, "hv-2"))
        wait_for("the second host",
                 lambda: scene.server.host_of(1, send()) == "hv-2", 60)


def big_file(path, vm):
    """10,000 VMs of 15 keys each, of which the last is 'vm'."""
    with open(path, "w", encoding="utf-8") as file:
        file.write("vms:\n")
        for i in range(9999):
            file.write(f'''  - {{ uuid: "{uuid.UUID(int=1 << 100 | i)}",
      name: vm-{i}, tenant: {TENANT}, host: hv-{i % 300},
      macs: [ "02:00:{i >> 16:02x}:{i >> 8 & 255:02x}:{i & 255:02x}:00" ],
      guest-os: Debian 12, cluster: c-{i % 20}, owner: team-{i % 50},
      cpu-percent: {i % 100}, memory-percent: {i % 100},
      values: {{ rack: A{i % 90}, row: R{i % 9}, site: fra-1, stage: prod,
                 project: p-{i % 400}, ticket: T-{i}, cost-center: "{i % 77}",
                 backup: daily, tier: gold }} }}
''')
        file.write(vm_text(vm, "hv-cold"))


def start_cold(vm):
    """Returns how long it took from a start until a line had its context, the
    file having been dropped from memory."""
    with Scene("/nonexistent/vms.yaml") as scene:
        directory = scene.proxy.dir + "/state/context"
        os.makedirs(directory)
        path = directory + "/context.snapshot"
        vms = scene.proxy.dir + "/vms.yaml"
        big_file(vms, vm)
        subprocess.run([BUILD + "/proxy-vm/sluice-context", "--static", vms,
                        "--snapshot", path, "--once"], check=True,
                       stderr=subprocess.DEVNULL)
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
        began = time.monotonic()
        # Not by start(), which waits for an answer.
        with open(scene.proxy.dir + "/log", "a", encoding="utf-8") as log:
            scene.proxy.process = subprocess.Popen(
                [BUILD + "/proxy-vm/sluiced", "--config", scene.proxy.config,
                 "--libexec", scene.proxy.libexec], stderr=log)

        def first():
            try:
                scene.send(vm)
            except ConnectionRefusedError:
                pass                # Nobody is there yet.
            return scene.server.lines
        wait_for("a line", first, 60)
        took = time.monotonic() - began
        # None of them was without.
        scene.town.stop()
        equal({scene.server.host_of(*key) for key in scene.server.lines},
              {"hv-cold"})
        return took


def test_ten_thousand_vms_are_known_to_the_first_line_after_a_cold_start():
    # Others may use the machine as well: how long it takes is told, and a
    # test only where it waits for something.
    took = start_cold(Vm(TENANT, 1))
    say(f"from the start to a line with its context at the log server: "
        f"{took:.2f} s")
    equal(took < 50, True)


main([
    test_a_vm_moves_while_its_lines_queue,
    test_a_line_without_time_gets_what_is_known_at_its_receipt,
    test_ten_thousand_vms_are_known_to_the_first_line_after_a_cold_start,
])
