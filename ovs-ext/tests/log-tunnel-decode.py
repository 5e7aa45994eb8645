#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the log_tunnel packets in a capture of an underlay port.

Reads what "ovs-pcap" prints, a packet a line in hexadecimal, on standard
input.  Writes one line for each GENEVE packet and nothing for others.  Knows
nothing of the switch's encoder, so that a mistake there cannot hide here.

Values that differ from run to run are checked instead of printed: the time
must be that of the last minutes, the activity ids must all differ, checksums
must be right.  A wrong one is printed.
"""

import struct
import sys
import time
import uuid

NAMES = {0x01: "meta", 0x02: "vm", 0x03: "tenant", 0x04: "time",
         0x05: "seq", 0x06: "activity"}

activities = set()
epochs = []


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def epoch_name(epoch):
    """Epochs are named A, B... in order of appearance."""
    if epoch not in epochs:
        epochs.append(epoch)
    return chr(ord("A") + epochs.index(epoch))


def option(opt_type, data):
    name = NAMES.get(opt_type, "type%#x" % opt_type)
    if name == "meta":
        version, flags, zero, port = struct.unpack("!BBHI", data)
        return "meta=%d/%d/%d/%d" % (version, flags, zero, port)
    elif name == "vm":
        return "vm=%s" % uuid.UUID(bytes=data)
    elif name == "tenant":
        return "tenant=%d" % struct.unpack("!I", data)
    elif name == "time":
        ns, = struct.unpack("!Q", data)
        age = time.time() - ns / 1e9
        return "time=ok" if -1 < age < 300 else "time=%d" % ns
    elif name == "seq":
        epoch, number = struct.unpack("!II", data)
        return "seq=%s:%d" % (epoch_name(epoch), number)
    elif name == "activity":
        unique = any(data) and data not in activities
        activities.add(data)
        return "activity=%s" % ("ok" if unique else data.hex())
    else:
        return "%s=%s" % (name, data.hex())


def decode(frame):
    if frame[12:14] == b"\x08\x00":
        ip, udp = frame[14:34], frame[34:]
        if ip[9] != 17:
            return None
        src, dst = ip[12:16], ip[16:20]
        out = ["ip4" if not checksum(ip) else "ip4 checksum wrong"]
        out.append("dst=%s" % ".".join(str(b) for b in dst))
        udp = udp[:struct.unpack("!H", ip[2:4])[0] - 20]
        pseudo = src + dst + struct.pack("!HH", 17, len(udp))
    elif frame[12:14] == b"\x86\xdd":
        ip, udp = frame[14:54], frame[54:]
        if ip[6] != 17:
            return None
        out = ["ip6", "dst=%s" % ip[24:40].hex()]
        udp = udp[:struct.unpack("!H", ip[4:6])[0]]
        pseudo = ip[8:40] + struct.pack("!II", len(udp), 17)
    else:
        return None

    dport, length, csum = struct.unpack("!HHH", udp[2:8])
    if dport != 6081:
        return None
    if length != len(udp):
        out.append("length=%d/%d" % (length, len(udp)))
    out.append("csum=%s" % ("none" if not csum
                            else "wrong" if checksum(pseudo + udp)
                            else "ok"))

    geneve = udp[8:]
    flags, bits, proto = struct.unpack("!BBH", geneve[:4])
    out.append("vni=%d" % int.from_bytes(geneve[4:7], "big"))
    if flags >> 6 or bits or proto != 0x6558 or geneve[7]:
        out.append("header=%s" % geneve[:8].hex())

    options = geneve[8:8 + (flags & 0x3f) * 4]
    inner = geneve[8 + len(options):]
    classes = set()
    while options:
        opt_class, opt_type, size = struct.unpack("!HBB", options[:4])
        size = (size & 0x1f) * 4
        classes.add(opt_class)
        out.append(option(opt_type, options[4:4 + size]))
        options = options[4 + size:]
    out.append("class=%s" % ",".join("%#x" % c for c in sorted(classes)))
    out.append("inner=%s" % inner.hex())
    return " ".join(out)


def main():
    for line in sys.stdin:
        text = decode(bytes.fromhex(line.strip()))
        if text:
            print(text)


if __name__ == "__main__":
    main()
