# SPDX-License-Identifier: Apache-2.0
#
# A switch that sends numbered lines to sluiced, and a tenant's log server that
# notes them.
#
# Runs in: tests/control/test-*.py.
import re
import socket
import struct
import threading
import time

from harness import BUILD, Sluiced


def with_server(server, tenants=(7,), extra=""):
    """A sluiced with the real programs, whose tenants have this server."""
    s = Sluiced()
    s.libexec = BUILD + "/proxy-vm"
    s.write_config(tenants=tenants, extra=extra)
    s.write(s.config, s.read(s.config).replace("127.0.0.1:9",
                                               f"127.0.0.1:{server.port}"))
    return s


class Server(threading.Thread):
    """A tenant's log server: notes the number in each line, and the lines that
    have none, which are Sluice's own."""

    def __init__(self):
        super().__init__(daemon=True)
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.numbers = []
        self.others = []
        self.sessions = 0
        self.start()

    def run(self):
        while True:
            peer, _ = self.sock.accept()
            self.sessions += 1
            threading.Thread(target=self.serve, args=(peer,),
                             daemon=True).start()

    def serve(self, peer):
        rest = b""
        while data := peer.recv(1 << 20):
            rest += data
            while b" " in rest[:8]:
                size, _, frames = rest.partition(b" ")
                if len(frames) < int(size):
                    break
                self.take(frames[:int(size)])
                rest = frames[int(size):]

    def take(self, line):
        number = re.search(rb"number=(\d+) end$", line)
        if number:
            self.numbers.append(int(number[1]))
        else:
            self.others.append(line.decode())


def option(kind, data):
    return struct.pack(">HBB", 0xff53, kind, len(data) // 4) + data


def packet(number, tenant=7, text=None):
    text = text or b"<13>Nov 20 12:00:00 host app: number=%d end" % number
    udp = struct.pack(">HHHH", 1000, 514, 8 + len(text), 0) + text
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                     b"\x0a\0\0\1", b"\x0a\0\0\2")
    options = (option(1, struct.pack(">BBHI", 1, 0, 0, 3))
               + option(2, bytes(range(16)))
               + option(3, struct.pack(">I", tenant))
               + option(4, struct.pack(">Q", time.time_ns()))
               + option(5, struct.pack(">II", 5, number)))
    return (struct.pack(">BBHI", len(options) // 4, 0, 0x6558, tenant << 8)
            + options + b"\2" * 6 + b"\4" * 6 + b"\x08\0" + ip + udp)


class Stream(threading.Thread):
    """Sends numbered lines, a thousand a second, until it is stopped."""

    def __init__(self, port, tenant=7):
        super().__init__(daemon=True)
        self.tenant = tenant
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(("127.0.0.1", port))
        self.n = 0
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.wait(0.002):
            for _ in range(2):
                self.n += 1
                self.sock.send(packet(self.n, self.tenant))

    def stop(self):
        self.stopping.set()
        self.join()
        return self.n
