#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the log_tunnel packets in a capture of an underlay port.

Reads what "ovs-pcap" prints, a packet a line in hexadecimal, on standard
input.  Writes one line for each GENEVE packet and nothing for others.  Knows
nothing of the switch's encoder, so that a mistake there cannot hide here.

With "--key HEX", which may be given several times, AUTH is verified under
these keys and the number of the one that fits, from 1, printed.  An activity
id given with "--activity HEX" is printed as it is, each time.

Values that differ from run to run are checked instead of printed: the time
must be that of the last minutes, the activity ids must all differ (but for
the parts of one frame, which must have the same), checksums must be right.  A wrong one is printed.
"""

import argparse
import struct
import sys
import time
import uuid

NAMES = {0x01: "meta", 0x02: "vm", 0x03: "tenant", 0x04: "time",
         0x05: "seq", 0x06: "activity", 0x07: "auth", 0x08: "owner",
         0x89: "split"}

MASK = (1 << 64) - 1

activities = {}
epochs = []
keys = []
known_activities = []


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def siphash24(key, data):
    """SipHash-2-4, from the text of the paper (sections 2.1 to 2.4)."""
    def rotate(x, n):
        return (x << n | x >> (64 - n)) & MASK

    def rounds(v, n):
        v0, v1, v2, v3 = v
        for _ in range(n):
            v0, v2 = (v0 + v1) & MASK, (v2 + v3) & MASK
            v1, v3 = rotate(v1, 13) ^ v0, rotate(v3, 16) ^ v2
            v0 = rotate(v0, 32)
            v2, v0 = (v2 + v1) & MASK, (v0 + v3) & MASK
            v1, v3 = rotate(v1, 17) ^ v2, rotate(v3, 21) ^ v0
            v2 = rotate(v2, 32)
        return [v0, v1, v2, v3]

    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
         k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573]
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) % 256])
    for m, in struct.iter_unpack("<Q", padded):
        v[3] ^= m
        v = rounds(v, 2)
        v[0] ^= m
    v[2] ^= 0xff
    v = rounds(v, 4)
    return struct.pack("<Q", v[0] ^ v[1] ^ v[2] ^ v[3])


def auth_name(auth, zeroed):
    """The number of the key under which 'auth' is right, 'zeroed' being the
    packet with zeros in its place."""
    for number, key in enumerate(keys, 1):
        if siphash24(key, zeroed) == auth:
            return str(number)
    return auth.hex()


def epoch_name(epoch):
    """Epochs are named A, B... in order of appearance."""
    if epoch not in epochs:
        epochs.append(epoch)
    return chr(ord("A") + epochs.index(epoch))


def option(opt_type, data, part):
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
        if data in known_activities:
            return "activity=%s" % data.hex()
        unique = any(data) and data not in activities.values()
        unique |= part is not None and activities.get(part, data) == data
        activities[part or len(activities)] = data
        return "activity=%s" % ("ok" if unique else data.hex())
    elif name == "split":
        return "split=%d/%d/%d" % struct.unpack("!HBB", data)
    elif name == "owner":
        return "owner=%d:%d" % struct.unpack("!II", data)
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
    if flags >> 6 or bits & ~0x40 or proto != 0x6558 or geneve[7]:
        out.append("header=%s" % geneve[:8].hex())

    options = geneve[8:8 + (flags & 0x3f) * 4]
    inner = geneve[8 + len(options):]
    classes = set()
    split = options[-8:][2:4] == b"\x89\x01"
    part = options[-4:-2] if split else None
    if bool(bits) != split:
        out.append("critical bit wrong")
    while options:
        opt_class, opt_type, size = struct.unpack("!HBB", options[:4])
        size = (size & 0x1f) * 4
        classes.add(opt_class)
        if NAMES.get(opt_type) == "auth":
            ofs = len(geneve) - len(inner) - len(options) + 4
            out.append("auth=%s" % auth_name(
                geneve[ofs:ofs + size],
                geneve[:ofs] + bytes(size) + geneve[ofs + size:]))
        else:
            out.append(option(opt_type, options[4:4 + size], part))
        options = options[4 + size:]
    out.append("class=%s" % ",".join("%#x" % c for c in sorted(classes)))
    out.append("inner=%s" % inner.hex())
    return " ".join(out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--key", action="append", default=[],
                        type=bytes.fromhex)
    parser.add_argument("--activity", action="append", default=[],
                        type=bytes.fromhex)
    args = parser.parse_args()
    keys.extend(args.key)
    known_activities.extend(args.activity)
    for line in sys.stdin:
        text = decode(bytes.fromhex(line.strip()))
        if text:
            print(text)


if __name__ == "__main__":
    main()
