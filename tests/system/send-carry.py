#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Sends lines in frames that the kernel's tools do not make: any VLAN tags, IP
# fragments in any order, TCP segments of a connection that nobody answers.
#
# In: interface, source and destination address for IPv4 and for IPv6; cases
# on standard input, "IP PROTOCOL TAGS FRAGMENTS PORT LINE" each, where IP is 4
# or 6, TAGS is plain, vlan or qinq, and FRAGMENTS is whole, in-order or
# reversed.  Out: Ethernet frames from the interface, their number on standard
# output.  Runs in: a VM of topology.sh.
import socket
import struct
import sys

TAGS = {"plain": b"", "vlan": struct.pack("!HH", 0x8100, 5),
        "qinq": struct.pack("!HHHH", 0x88a8, 6, 0x8100, 7)}
# A multiple of 8, and more than connection tracking takes for an attack.
FRAGMENT_SIZE = 1240


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Guest:
    """Makes the packets of one VM."""

    def __init__(self, addresses):
        self.src = {4: socket.inet_aton(addresses[0]),
                    6: socket.inet_pton(socket.AF_INET6, addresses[2])}
        self.dst = {4: socket.inet_aton(addresses[1]),
                    6: socket.inet_pton(socket.AF_INET6, addresses[3])}
        self.number = 0

    def transport(self, version, protocol, header, at, payload):
        """Returns header and payload, with the checksum in byte 'at'."""
        data = header + payload
        pseudo = (self.src[version] + self.dst[version]
                  + struct.pack("!IHBB", len(data), 0, 0, protocol))
        value = checksum(pseudo + data) or 0xffff
        return data[:at] + struct.pack("!H", value) + data[at + 2:]

    def udp(self, version, port, line):
        header = struct.pack("!HHHH", 40000 + self.number, port,
                             8 + len(line), 0)
        return [(17, self.transport(version, 17, header, 6, line))]

    def tcp(self, version, port, line):
        """A whole connection: SYN, the line in two segments, FIN."""
        half = len(line) // 2
        packets = []
        seq = 1000
        for flags, data in ((0x02, b""), (0x18, line[:half]),
                            (0x18, line[half:]), (0x11, b"")):
            header = struct.pack("!HHIIBBHHH", 40000 + self.number, port,
                                 seq, 0 if flags == 2 else 1, 0x50, flags,
                                 65535, 0, 0)
            packets.append((6, self.transport(version, 6, header, 16, data)))
            seq += len(data) or 1
        return packets

    def ip(self, version, protocol, data, fragments):
        """Returns the IP packets that carry 'data'."""
        self.number += 1
        size = FRAGMENT_SIZE if fragments != "whole" else 65535
        packets = []
        for ofs in range(0, len(data), size):
            part = data[ofs:ofs + size]
            more = ofs + size < len(data)
            if version == 4:
                head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(part),
                                   self.number, more << 13 | ofs // 8, 64,
                                   protocol, 0)
                head += self.src[4] + self.dst[4]
                head = (head[:10] + struct.pack("!H", checksum(head))
                        + head[12:])
            else:
                extension = b""
                if len(data) > size:
                    extension = struct.pack("!BBHI", protocol, 0, ofs | more,
                                            self.number)
                head = struct.pack("!IHBB", 6 << 28,
                                   len(extension) + len(part),
                                   44 if extension else protocol, 64)
                head += self.src[6] + self.dst[6] + extension
            packets.append(head + part)
        return packets[::-1] if fragments == "reversed" else packets

    def frames(self, case):
        """Yields the frames of 'case', without the source's address."""
        version, protocol, tags, fragments, port, line = case.split(" ", 5)
        version = int(version)
        # Longer than one fragment may be, a TCP segment too.
        line = line.encode() + (b"." * 5000 if fragments != "whole" else b"")
        if protocol == "tcp":
            line += b"\n"
        make = self.udp if protocol == "udp" else self.tcp
        for number, data in make(version, int(port), line):
            for packet in self.ip(version, number, data, fragments):
                yield (TAGS[tags] + struct.pack(
                    "!H", 0x0800 if version == 4 else 0x86dd) + packet)


def main():
    guest = Guest(sys.argv[2:])
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((sys.argv[1], 0))
    addresses = bytes.fromhex("0200000005fe") + sock.getsockname()[4]
    n = 0
    for case in sys.stdin:
        for frame in guest.frames(case.rstrip("\n")):
            sock.send(addresses + frame)
            n += 1
    print(n)


main()
