#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Sends GENEVE packets that the proxy must drop, one for each reason.
#
# In: nothing.  Out: datagrams to the proxy; on standard output the reasons,
# names of lib/drop.def, one per line.
# Runs in: the hypervisor's namespace of topology.sh, with 198.18.0.3 and
# 198.18.0.4 beside its own address.
import socket
import struct

PROXY = ("198.18.0.2", 6081)
CLASS = 0xff53
VM = bytes.fromhex("a00000000000400080000000000007ff")
META, VM_ID, TENANT, SEQUENCE, SPLIT = 1, 2, 3, 5, 0x89


def option(kind, data, option_class=CLASS):
    return struct.pack("!HBB", option_class, kind, len(data) // 4) + data


def geneve(options=b"", frame=b"", vni=7, first=None, flags=0, kind=0x6558):
    if first is None:
        first = len(options) // 4
    return struct.pack("!BBHI", first, flags, kind, vni << 8) + options + frame


def ip_frame(payload, protocol=17, fragment=0, length=None, version=0x45):
    length = 20 + len(payload) if length is None else length
    return bytes(12) + struct.pack(
        "!HBBHHHBBH4s4s", 0x0800, version, 0, length, 1, fragment, 64,
        protocol, 0, bytes([10, 0, 0, 99]), bytes([10, 0, 0, 254])) + payload


def udp(payload, length=None):
    length = 8 + len(payload) if length is None else length
    return struct.pack("!HHHH", 50514, 514, length, 0) + payload


def numbered(number, frame):
    """A packet as the switch sends it, up to its frame."""
    return geneve(option(META, struct.pack("!BBHI", 1, 0, 0, 99)) +
                  option(VM_ID, VM) +
                  option(TENANT, struct.pack("!I", 7)) +
                  option(SEQUENCE, struct.pack("!II", 1, number)), frame)


GOOD = ip_frame(udp(b"<13>1 - - - - - - good"))
WORD = bytes(4)

# Reason, sender, packet.
PACKETS = [
    ("geneve-truncated", "198.18.0.1", b"\0\0\x65"),
    ("geneve-version", "198.18.0.1", geneve(first=0x40, frame=GOOD)),
    ("geneve-control", "198.18.0.1", geneve(flags=0x80, frame=GOOD)),
    ("geneve-protocol", "198.18.0.1", geneve(kind=0x0800, frame=GOOD)),
    ("option-length", "198.18.0.1", geneve(option(VM_ID, WORD), GOOD)),
    ("option-duplicate", "198.18.0.1",
     geneve(option(VM_ID, VM) + option(VM_ID, VM), GOOD)),
    ("option-critical", "198.18.0.1",
     geneve(option(0xff, WORD, 0x0102), GOOD)),
    ("split-malformed", "198.18.0.1", geneve(option(SPLIT, WORD), GOOD)),
    ("tenant-vni", "198.18.0.1",
     geneve(option(TENANT, struct.pack("!I", 8)), GOOD)),
    ("tenant-unknown", "198.18.0.1", geneve(vni=9, frame=GOOD)),
    ("host-unknown", "198.18.0.4", geneve(frame=GOOD)),
    ("host-tenant", "198.18.0.3", geneve(frame=GOOD)),
    ("inner-truncated", "198.18.0.1", numbered(1, GOOD[:30])),
    ("inner-ethertype", "198.18.0.1",
     numbered(2, bytes(12) + b"\x88\xb5" + bytes(46))),
    ("inner-ip", "198.18.0.1", numbered(3, ip_frame(b"", version=0x41))),
    ("inner-fragment", "198.18.0.1",
     numbered(4, ip_frame(udp(b"part"), fragment=0x2000))),
    ("inner-protocol", "198.18.0.1",
     numbered(5, ip_frame(bytes(20), protocol=1))),
    ("inner-udp", "198.18.0.1", numbered(6, ip_frame(udp(b"x", length=99)))),
    ("inner-empty", "198.18.0.1", numbered(7, ip_frame(udp(b"")))),
    # The number of the packet before, once more.
    ("sequence-replayed", "198.18.0.1", numbered(7, ip_frame(udp(b"again")))),
]


def main():
    sockets = {}
    for reason, sender, packet in PACKETS:
        if sender not in sockets:
            sockets[sender] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sockets[sender].bind((sender, 0))
        sockets[sender].sendto(packet, PROXY)
        print(reason)


main()
