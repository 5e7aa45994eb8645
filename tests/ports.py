# SPDX-License-Identifier: Apache-2.0
"""Ports for servers of tests, which are bound later, and perhaps by another
program: nobody else may get them in between.

They are below those that the kernel gives to clients, unless these are nearly
all, and each is kept from other tests by a socket in the abstract namespace,
until this process ends."""

import random
import socket

_kept = []


def _last():
    """Where to choose: below the first port of clients, if that leaves some."""
    with open("/proc/sys/net/ipv4/ip_local_port_range",
              encoding="ascii") as file:
        first = int(file.read().split()[0])
    return first if first >= 20000 else 65536


def _is_free(port):
    """Whether nobody is bound to it, be it TCP or UDP."""
    for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
        with socket.socket(socket.AF_INET, kind) as sock:
            try:
                sock.bind(("", port))
            except OSError:
                return False
    return True


def free_port():
    for _ in range(1000):
        port = random.randrange(10000, _last())
        keeper = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            keeper.bind("\0sluice-test-port-%d" % port)
        except OSError:
            keeper.close()
            continue
        if _is_free(port):
            _kept.append(keeper)
            return port
        keeper.close()
    raise OSError("there is no free port")
