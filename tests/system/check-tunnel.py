#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Judges tunnel packets as they leave the switch.
#
#     check-tunnel.py sums INTERFACE FILE
#     check-tunnel.py sequence PCAP N
#
# sums: watches INTERFACE until SIGTERM and writes to FILE how many packets it
# saw, by kind; complains of each checksum that is wrong, inner or outer.
# sequence: PCAP holds N packets of one port, in whatever order, whose sequence
# numbers are 1 to N of one epoch, and whose activity ids differ.
# Runs in: test-dpdk.sh.
import collections
import json
import signal
import socket
import struct
import sys

GENEVE_PORT = 6081
SEQUENCE, ACTIVITY, AUTH, SPLIT = 0x05, 0x06, 0x07, 0x89


def fold(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total >> 16) + (total & 0xffff)
    return total


def transport(frame):
    """Returns protocol, pseudo-header and content of an IP frame's payload, or
    None."""
    ethertype, ofs = frame[12:14], 14
    while ethertype in (b"\x81\x00", b"\x88\xa8"):
        ethertype, ofs = frame[ofs + 2:ofs + 4], ofs + 4
    ip = frame[ofs:]
    if ethertype == b"\x08\x00":
        total, = struct.unpack("!H", ip[2:4])
        content = ip[(ip[0] & 15) * 4:total]
        return ip[9], ip[12:20] + struct.pack("!HH", ip[9],
                                              len(content)), content
    if ethertype == b"\x86\xdd":
        size, = struct.unpack("!H", ip[4:6])
        content = ip[40:40 + size]
        return ip[6], ip[8:40] + struct.pack("!IHH", len(content), 0,
                                             ip[6]), content
    return None


def tunnel(frame):
    """Returns the UDP header, the sum over it, options and the inner frame of
    a tunnel packet, or None."""
    found = transport(frame)
    if not found or found[0] != socket.IPPROTO_UDP:
        return None
    _, pseudo, udp = found
    if struct.unpack("!H", udp[2:4])[0] != GENEVE_PORT:
        return None
    geneve = udp[8:]
    end = 8 + (geneve[0] & 0x3f) * 4
    options, ofs = {}, 8
    while ofs < end:
        size = (geneve[ofs + 3] & 0x1f) * 4
        options[geneve[ofs + 2]] = geneve[ofs + 4:ofs + 4 + size]
        ofs += 4 + size
    return udp[:8], fold(pseudo + udp), options, geneve[end:]


def judge_sums(frame, counts):
    """Counts a tunnel packet."""
    found = tunnel(frame)
    if not found:
        return
    udp, total, options, inner = found
    counts["packets"] += 1
    counts["with auth" if any(options.get(AUTH, b"")) else "no auth"] += 1
    if udp[6:8] == b"\0\0":
        counts["no outer sum"] += 1
    else:
        counts["outer right" if total == 0xffff else "outer wrong"] += 1
    if SPLIT in options:
        counts["parts"] += 1
        return
    protocol, pseudo, content = transport(inner)
    if protocol == socket.IPPROTO_UDP and content[6:8] == b"\0\0":
        counts["no inner sum"] += 1
    else:
        right = fold(pseudo + content) == 0xffff
        counts["inner right" if right else "inner wrong"] += 1


def watch(interface, path):
    counts = collections.Counter()
    so_rcvbufforce, solicit_all = 33, socket.htons(3)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                       solicit_all) as sock:
        sock.setsockopt(socket.SOL_SOCKET, so_rcvbufforce, 32 << 20)
        sock.bind((interface, 0))
        sock.settimeout(0.1)
        ended = []
        signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
        with open(path, "w", encoding="utf-8"):
            pass                                # Ready.
        while True:
            try:
                judge_sums(sock.recv(1 << 17), counts)
            except socket.timeout:
                if ended:
                    break
    with open(path, "w", encoding="utf-8") as file:
        json.dump(counts, file)


def frames_of(path):
    with open(path, "rb") as file:
        file.read(24)
        while header := file.read(16):
            yield file.read(struct.unpack("=IIII", header)[2])


def judge_sequence(path, n):
    numbers, epochs, activities = set(), set(), set()
    n_packets = 0
    for frame in frames_of(path):
        found = tunnel(frame)
        if found:
            epoch, number = struct.unpack("!II", found[2][SEQUENCE])
            n_packets += 1
            numbers.add(number)
            epochs.add(epoch)
            activities.add(found[2][ACTIVITY])
    print(f"{n_packets} packets, {len(numbers)} numbers from {min(numbers)} "
          f"to {max(numbers)}, {len(epochs)} epochs, {len(activities)} ids")
    return (n_packets == len(activities) == n and len(epochs) == 1
            and numbers == set(range(1, n + 1)))


if sys.argv[1] == "sums":
    watch(sys.argv[2], sys.argv[3])
else:
    sys.exit(not judge_sequence(sys.argv[2], int(sys.argv[3])))
