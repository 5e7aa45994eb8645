# SPDX-License-Identifier: Apache-2.0
"""What the parts of the torture share: a real proxy on loopback, senders that
number their lines and mark them with a canary of their tenant, and the log
servers of the tenants, which note what comes and can be told to misbehave.

A line says who sent it, its number, and when it left:

    t=<tenant> v=<vm> n=<number> at=<monotonic ns, hex> canary=<hex> end

In hexadecimal, since some decimals of so many digits are numbers of cards, and
would be redacted.

Runs in: tests/torture/*.py."""

import hashlib
import os
import re
import selectors
import socket
import ssl
import struct
import sys
import threading
import time

for folder in ("tests", "tests/control"):
    sys.path.insert(0, os.path.join(os.environ["srcdir"], folder))
from harness import BUILD, Sluiced, equal, free_port, main, wait_for

LONG = os.environ.get("SLUICE_TORTURE") == "long"


def long_or_short(long, short):
    return long if LONG else short


def say(text):
    print(f"# {text}", flush=True)


def canary(tenant):
    return hashlib.sha256(b"canary %d" % tenant).hexdigest()[:16]


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


# The proxy.

def children_of(pid, programs):
    """Process ids of those of 'programs' that run as children of 'pid'."""
    found = []
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        children = file.read().split()
    for child in children:
        try:
            with open(f"/proc/{child}/cmdline", "rb") as file:
                name = os.path.basename(file.read().split(b"\0")[0]).decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if name.removeprefix("sluice-") in programs:
            found.append(int(child))
    return found


class Proxy(Sluiced):
    """The real programs; 'ports' are those of the tenants' servers, of which
    those in 'ca_files' speak TLS."""

    def __init__(self, ports, extra="", ca_files=None):
        super().__init__(programs=())
        self.libexec = BUILD + "/proxy-vm"
        self.spool = self.dir + "/deep/spool"
        self.ports, self.head = ports, extra
        self.ca_files = ca_files or {}
        self.write_tenants()

    def write_tenants(self, extra=0):
        """Writes the configuration, with 'extra' tenants that send nothing."""
        ports = dict(self.ports)
        ports.update({60000 + i: 9 for i in range(extra)})
        self.write_config(tenants=(), extra=self.head)
        text = self.read(self.config)
        for tenant, port in ports.items():
            text += f"- id: {tenant}\n  name: tenant-{tenant}\n"
            if tenant in self.ca_files:
                text += (f"  destinations:\n  - name: main\n    type: tls\n"
                         f"    server: 127.0.0.1:{port}\n"
                         f"    ca-file: {self.ca_files[tenant]}\n")
            else:
                text += f"  server: 127.0.0.1:{port}\n"
        self.write(self.config, text)

    def check_books(self):
        """Waits until nothing is on its way and the books balance: a batch
        that goes from one column to the next is for a moment in neither."""
        def unsettled():
            return [t for t in self.ask("tenants")["tenants"]
                    if t["open"] or t["spooled"]
                    or t["received"] + t["announced"]
                    != sum(t[name] for name in ("shipped", "quarantined",
                                                "dropped"))]
        try:
            wait_for("balanced books", lambda: not unsettled(), 60)
        except AssertionError:
            equal(unsettled(), [])
        for vm in self.ask("vms")["vms"]:
            equal((vm["lost"], vm["sent"]), (0, vm["received"]))


# Sending.

def option(kind, data):
    return struct.pack(">HBB", 0xff53, kind, len(data) // 4) + data


class Vm:
    """A switch port: numbers its packets as the switch would."""

    def __init__(self, tenant, vm=1, severity=6):
        self.tenant, self.vm, self.n = tenant, vm, 0
        self.severity = severity
        self.uuid = struct.pack(">IIII", 0xa0000000, 0x4000, tenant, vm)
        self.canary = canary(tenant).encode()
        self.fixed = (option(1, struct.pack(">BBHI", 1, 0, 0, vm))
                      + option(2, self.uuid)
                      + option(3, struct.pack(">I", tenant)))
        self.mac = b"\x02" + struct.pack(">IB", tenant, vm)

    def packet(self, severity=None):
        self.n += 1
        severity = self.severity if severity is None else severity
        text = (b"<%d>Nov 20 12:00:00 host app: t=%d v=%d n=%d at=%x "
                b"canary=%s end" % (8 + severity, self.tenant, self.vm,
                                    self.n, time.monotonic_ns(),
                                    self.canary))
        udp = struct.pack(">HHHH", 1000, 514, 8 + len(text), 0) + text
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64,
                         17, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
        options = (self.fixed + option(4, struct.pack(">Q", time.time_ns()))
                   + option(5, struct.pack(">II", 5, self.n)))
        return (struct.pack(">BBHI", len(options) // 4, 0, 0x6558,
                            self.tenant << 8)
                + options + b"\2" * 6 + self.mac + b"\x08\0" + ip + udp)


class Stream(threading.Thread):
    """Sends lines of 'vms' in turn, each 'rate' a second, until stopped or
    'limit' lines of each were sent; with 'servers', which get them, only as
    long as no more than MOST_AHEAD have not come: what the kernel drops for
    want of room is not what this is about."""

    MOST_AHEAD = 20_000

    def __init__(self, port, vms, rate, limit=None, servers=()):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(("127.0.0.1", port))
        self.vms, self.rate, self.limit = vms, rate, limit
        self.servers = servers
        self.halt = threading.Event()

    def run(self):
        began, rounds = time.monotonic(), 0
        while not self.halt.wait(0.002):
            due = int((time.monotonic() - began) * self.rate)
            if self.limit is not None:
                due = min(due, self.limit)
            for _ in range(due - rounds):
                for vm in self.vms:
                    self.sock.send(vm.packet())
            rounds = max(due, rounds)
            waited = time.monotonic()
            while self.is_ahead() and not self.halt.wait(0.05):
                pass
            began += time.monotonic() - waited
            if rounds == self.limit:
                return

    def is_ahead(self):
        return self.servers and (
            sum(vm.n for vm in self.vms) - sum(s.n_seen()
                                               for s in self.servers)
            > self.MOST_AHEAD)

    def stop(self):
        self.halt.set()
        self.join()


# Receiving.

LINE = re.compile(rb"t=(\d+) v=(\d+) n=(\d+) at=([0-9a-f]+) canary=([0-9a-f]+) end")


class LogServer:
    """A tenant's log server: notes each line, and behaves as it is told."""

    def __init__(self, tenant, tls=None):
        self.tenant, self.behaviour = tenant, "healthy"
        self.tls = tls              # By behaviour: (certificate, key).
        self.lock = threading.Lock()
        self.seen = {}              # (vm, number): how often it came.
        self.first_missing = {}     # By VM: all numbers below it came.
        self.n_again = 0            # Copies besides the first ones.
        self.latencies = []         # Of the first copies: (when it came, ns).
        self.foreign = []
        self.listener = None
        self.port = free_port()     # It is ours while nobody listens, too.
        self.peers = {}             # Socket: what is left of the latest line.
        self.fillers = []           # Of a black hole's queue.
        self.bind()

    def bind(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        listener.setblocking(False)
        self.listener = listener

    def note(self, data):
        now = time.monotonic_ns()
        with self.lock:
            for m in LINE.finditer(data):
                tenant, vm, n = (int(m[i]) for i in range(1, 4))
                at = int(m[4], 16)
                if (tenant != self.tenant
                        or m[5].decode() != canary(self.tenant)):
                    self.foreign.append(m[0].decode())
                key = (vm, n)
                self.seen[key] = self.seen.get(key, 0) + 1
                if self.seen[key] == 1:
                    self.latencies.append((now, now - at))
                else:
                    self.n_again += 1

    def missing(self, vms):
        """The lines of 'vms' that never came."""
        with self.lock:
            return [(vm.vm, n) for vm in vms for n in range(1, vm.n + 1)
                    if (vm.vm, n) not in self.seen]

    def has_all(self, vm, n):
        """Whether the lines 1 to 'n' of a VM came."""
        with self.lock:
            first = self.first_missing.get(vm, 1)
            while (vm, first) in self.seen:
                first += 1
            self.first_missing[vm] = first
            return first > n

    def n_seen(self):
        with self.lock:
            return len(self.seen)

    def n_twice(self):
        with self.lock:
            return sum(n > 1 for n in self.seen.values())

    def latencies_between(self, began, ended):
        """Of lines that left between these two times."""
        with self.lock:
            return [latency for came, latency in self.latencies
                    if began <= came - latency < ended]


class Town(threading.Thread):
    """Runs all log servers in one thread."""

    def __init__(self, servers):
        super().__init__(daemon=True)
        self.servers = {s.tenant: s for s in servers}
        self.selector = selectors.DefaultSelector()
        self.wishes = []
        self.halt = threading.Event()
        for s in servers:
            self.listen(s)

    def listen(self, s):
        self.selector.register(s.listener, selectors.EVENT_READ, (s, None))

    def close_peer(self, s, peer):
        if peer in s.peers:
            del s.peers[peer]
            try:
                self.selector.unregister(peer)
            except KeyError:
                pass                # It is one that nobody reads from.
        try:
            peer.shutdown(socket.SHUT_RDWR)     # Wakes a thread that reads.
        except OSError:
            pass
        peer.close()

    def behave(self, tenant, behaviour):
        """Has a server change its ways; returns once it has."""
        done = threading.Event()
        self.wishes.append((self.servers[tenant], behaviour, done))
        done.wait()

    def change(self, s, behaviour):
        for peer in list(s.peers):
            self.close_peer(s, peer)
        if s.listener:
            if s.behaviour != "a black hole":
                self.selector.unregister(s.listener)
            s.listener.close()
            s.listener = None
        s.behaviour = behaviour
        while s.fillers:
            s.fillers.pop().close()
        if behaviour == "down":
            return
        s.bind()
        if behaviour == "a black hole":
            # A full queue of connections, and nobody to accept any: the
            # kernel drops each SYN.
            s.listener.listen(0)
            for _ in range(3):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", s.port))
                s.fillers.append(filler)
        else:
            self.listen(s)

    def accept(self, s):
        try:
            peer, _ = s.listener.accept()
        except BlockingIOError:
            return
        peer.setblocking(False)
        s.peers[peer] = b""
        if s.behaviour == "flapping":
            # A reset, not an orderly end.
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
            self.close_peer(s, peer)
        elif s.tls and s.behaviour in s.tls:
            peer.setblocking(True)
            threading.Thread(target=self.read_tls, args=(s, peer),
                             daemon=True).start()
        elif s.behaviour not in ("deaf", "stalled in the handshake"):
            self.selector.register(peer, selectors.EVENT_READ, (s, peer))

    @staticmethod
    def read_tls(s, peer):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*s.tls[s.behaviour])
        rest = b""
        try:
            # A copy, for the session takes its socket away.
            with context.wrap_socket(peer.dup(), server_side=True) as session:
                while data := session.recv(1 << 18):
                    whole, sep, rest = (rest + data).rpartition(b" end")
                    s.note(whole + sep)
            peer.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass                    # It was shut, or its client left.

    def receive(self, s, peer):
        """What there is from 'peer', or nothing; closes one that left."""
        try:
            data = peer.recv(1 << 18)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self.close_peer(s, peer)
        return data

    def read(self, s, peer):
        data = self.receive(s, peer)
        if not data:
            return
        if s.behaviour == "talking nonsense":
            try:
                peer.send(os.urandom(4096))
            except OSError:
                pass
        whole, sep, rest = (s.peers[peer] + data).rpartition(b" end")
        s.note(whole + sep)
        s.peers[peer] = rest

    def run(self):
        while not self.halt.is_set():
            while self.wishes:
                s, behaviour, done = self.wishes.pop(0)
                self.change(s, behaviour)
                done.set()
            for key, _ in self.selector.select(0.02):
                s, peer = key.data
                if peer is None:
                    self.accept(s)
                else:
                    self.read(s, peer)

    def stop(self):
        self.halt.set()
        self.join()
