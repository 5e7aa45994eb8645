#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Sends a line in a frame with a VLAN tag, for kernels that have no VLAN
# interfaces.
#
# In: interface, VLAN, source and destination IPv4 address, line.
# Out: one Ethernet frame from the interface.
# Runs in: a VM of topology.sh.
import socket
import struct
import sys


def ones_complement_sum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def main():
    interface, vlan, src, dst, line = sys.argv[1:]
    src, dst = socket.inet_aton(src), socket.inet_aton(dst)
    line = line.encode()

    length = 8 + len(line)
    ports = struct.pack("!HHH", 50514, 514, length)
    pseudo = src + dst + struct.pack("!BBH", 0, 17, length)
    checksum = ones_complement_sum(pseudo + ports + b"\0\0" + line) or 0xffff
    udp = ports + struct.pack("!H", checksum) + line

    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 1, 0, 64, 17, 0)
    checksum = ones_complement_sum(ip + src + dst)
    ip = ip[:10] + struct.pack("!H", checksum) + src + dst

    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((interface, 0))
    mac = sock.getsockname()[4]
    tags = struct.pack("!HHH", 0x8100, int(vlan), 0x0800)
    sock.send(bytes.fromhex("0200000005fe") + mac + tags + ip + udp)


main()
