#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints frames as a tunnel's other end sends them, in hexadecimal.

    log-tunnel-encap.py SRC DST VNI INNER [OPTIONS...]

INNER is the inner frame, and OPTIONS are blocks of GENEVE options, all in
hexadecimal: one frame for each block, or one without options.  SRC and DST are
the tunnel's IPv4 addresses.  The option class is the tests' 0xff53: "A=HEX"
stands for an ACTIVITY option with that id.
"""

import ipaddress
import struct
import sys


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def encap(src, dst, vni, inner, options):
    geneve = struct.pack("!BBHI", len(options) // 4, 0, 0x6558, vni << 8)
    payload = geneve + options + inner
    udp = struct.pack("!HHHH", 50000, 6081, 8 + len(payload), 0)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64,
                     17, 0, ipaddress.ip_address(src).packed,
                     ipaddress.ip_address(dst).packed)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    ethernet = bytes.fromhex("aa55aa550000" "f8bc124434b8" "0800")
    return ethernet + ip + udp + payload


def parse_options(text):
    if text.startswith("A="):
        text = "ff530604" + text[2:]
    return bytes.fromhex(text)


def main():
    src, dst, vni, inner = sys.argv[1:5]
    for options in sys.argv[5:] or [""]:
        print(encap(src, dst, int(vni), bytes.fromhex(inner),
                    parse_options(options)).hex())


if __name__ == "__main__":
    main()
