# SPDX-License-Identifier: Apache-2.0
"""A relay in front of a server, which cuts sessions after so many bytes in one
direction."""

import selectors
import socket
import struct
import threading


class CuttingRelay:
    """Passes sessions on to 'port' of this host.  'plan', called with the
    number of the session from 0 up, returns what to do with it: None, or a
    tuple of

        "up" or "down"  the direction whose bytes count: to the server or back
        n               cut when so many of these were passed on, which may be
                        none; those behind are not
        "fin" or "rst"  how: in order, or at once."""

    def __init__(self, port, plan):
        self.server = ("127.0.0.1", port)
        self.plan = plan
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.passed = {"up": 0, "down": 0}      # In the latest session.
        self.n_sessions = 0
        self.n_cut = 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            cut = self.plan(self.n_sessions)
            try:
                server = socket.create_connection(self.server)
            except OSError:
                client.close()
                continue
            self.passed = {"up": 0, "down": 0}
            self.n_sessions += 1
            with client, server:
                try:
                    self.relay(client, server, cut)
                except OSError:         # One end reset it.
                    pass

    def relay(self, client, server, cut):
        ways = {client: ("up", server), server: ("down", client)}
        with selectors.DefaultSelector() as selector:
            for end in ways:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(end, selectors.EVENT_READ)
            while True:
                if cut and self.passed[cut[0]] >= cut[1]:
                    self.n_cut += 1
                    if cut[2] == "rst":
                        for end in ways:
                            end.setsockopt(socket.SOL_SOCKET,
                                           socket.SO_LINGER,
                                           struct.pack("ii", 1, 0))
                    return
                for key, _ in selector.select():
                    direction, other = ways[key.fileobj]
                    most = 65536
                    if cut and direction == cut[0]:
                        most = min(most, cut[1] - self.passed[direction])
                        if not most:
                            break
                    data = key.fileobj.recv(most)
                    if not data:
                        return
                    other.sendall(data)
                    self.passed[direction] += len(data)
