# SPDX-License-Identifier: Apache-2.0
"""What tests of context share: a whole proxy with a static file that changes,
and log servers that keep their lines."""

import os
import re
import socket
import struct
import sys
import uuid

sys.path.insert(0, os.path.join(os.environ["srcdir"], "tests/torture"))
from scene import LogServer, Proxy, Town, wait_for

TENANT = 7


class Reader(LogServer):
    """A log server that keeps what it gets, by VM and number."""

    def __init__(self, tenant):
        self.lines = {}
        super().__init__(tenant)

    def note(self, data):
        super().note(data)
        for line in data.split(b" end"):
            found = re.search(rb" v=(\d+) n=(\d+) ", line)
            if found:
                self.lines[int(found[1]), int(found[2])] = line

    def host_of(self, vm, n):
        """The host in a line, once that came."""
        line = wait_for(f"line {n} of VM {vm}",
                        lambda: self.lines.get((vm, n)), 60)
        found = re.search(rb' host="([^"]*)"', line)
        return found[1].decode() if found else (
            "pending" if b' ctx="pending"' in line else "")


class Vms:
    """The static file."""

    def __init__(self, path):
        self.path = path

    def write(self, text):
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.path + ".new", self.path)


def vm_text(vm, host, more=""):
    return (f'  - {{ uuid: "{uuid.UUID(bytes=vm.uuid)}", name: vm-{vm.vm}, '
            f'tenant: {vm.tenant}, host: {host}{more} }}\n')


def generation(proxy):
    try:
        text = proxy.read(proxy.dir + "/state/context/context.snapshot.status")
    except FileNotFoundError:
        return 0
    return int(re.match(r"generation: (\d+)", text)[1])


def at(packet, ns):
    """The packet with another switch time."""
    now = packet.index(struct.pack(">HBB", 0xff53, 4, 2)) + 4
    return packet[:now] + struct.pack(">Q", ns) + packet[now + 8:]


class Scene:
    def __init__(self, static=None, tenants=(TENANT,), policy="", rules=""):
        self.servers = {t: Reader(t) for t in tenants}
        self.server = self.servers[tenants[0]]
        self.town = Town(list(self.servers.values()))
        self.proxy = Proxy({t: s.port for t, s in self.servers.items()})
        self.vms = Vms(static or self.proxy.dir + "/vms.yaml")
        self.proxy.head = (f"batch:\n  max-delay-ms: 50\ncontext:\n"
                           f"  static-file: {self.vms.path}\n{policy}{rules}")
        self.proxy.write_tenants()
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(("127.0.0.1", self.proxy.port))

    def __enter__(self):
        self.town.start()
        return self

    def __exit__(self, *_):
        self.proxy.__exit__()
        self.town.stop()

    def change(self, text):
        """Writes the file, and waits until it is in the snapshot."""
        before = generation(self.proxy)
        self.vms.write("vms:\n" + text)
        wait_for("a snapshot", lambda: generation(self.proxy) > before, 60)

    def send(self, vm, ns=None):
        """Sends a line of 'vm'; returns its number."""
        packet = vm.packet()
        self.sock.send(packet if ns is None else at(packet, ns))
        return vm.n
