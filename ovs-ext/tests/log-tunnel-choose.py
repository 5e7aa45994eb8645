#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Says which proxies get the packets of VMs.

    log-tunnel-choose.py ADDRESSES VM...

ADDRESSES are IPv4 addresses of proxies, with commas between them, VM UUIDs.
Prints a line for each VM: the last byte of the addresses, the best one first.
Knows nothing of the switch's code; see its rendezvous.h for what it computes.
"""

import importlib
import ipaddress
import struct
import sys
import uuid

decode = importlib.import_module("log-tunnel-decode")


def weight(vm, address):
    proxy = bytes(10) + b"\xff\xff" + address.packed + struct.pack("!H", 6081)
    return int.from_bytes(decode.siphash24(b"sluice rendezvou",
                                           vm.bytes + proxy), "big")


def main():
    proxies = [ipaddress.ip_address(a) for a in sys.argv[1].split(",")]
    for text in sys.argv[2:]:
        vm = uuid.UUID(text)
        print(*(a.packed[3] for a in
                sorted(proxies, key=lambda a: -weight(vm, a))))


if __name__ == "__main__":
    main()
