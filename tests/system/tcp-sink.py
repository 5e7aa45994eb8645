#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# The log server that the VMs believe in, for TCP: takes and forgets.
#
# In: ports.  Out: the file named is made once it listens.
# Runs in: tests/system/test-tcp.sh.
import selectors
import socket
import sys


def main():
    selector = selectors.DefaultSelector()
    for port in sys.argv[2:]:
        listener = socket.create_server(("", int(port)),
                                        family=socket.AF_INET6,
                                        dualstack_ipv6=True)
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, "listener")
    with open(sys.argv[1], "w", encoding="ascii"):
        pass
    while True:
        for key, _ in selector.select():
            if key.data == "listener":
                connection, _ = key.fileobj.accept()
                connection.setblocking(False)
                selector.register(connection, selectors.EVENT_READ, "client")
                continue
            try:
                more = key.fileobj.recv(65536)
            except OSError:
                more = b""
            if not more:
                selector.unregister(key.fileobj)
                key.fileobj.close()


main()
