# SPDX-License-Identifier: Apache-2.0
"""Ports for servers of tests, which are bound later, and perhaps by another
program: nobody else may get them in between.

They are below those that the kernel gives to clients, and each is kept from
other tests by a socket in the abstract namespace, until this process ends."""

import random
import socket

_kept = []


def _first_of_clients():
    with open("/proc/sys/net/ipv4/ip_local_port_range",
              encoding="ascii") as file:
        return int(file.read().split()[0])


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
        port = random.randrange(10000, _first_of_clients())
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
