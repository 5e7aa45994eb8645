#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the test vectors of sealed batches, always the same ones:

    make-vectors.py DIRECTORY

writes a.key, b.key, NAME.batch and vectors.txt, whose lines say, between tabs:

    name, key that it is opened with, result, tenant, stream, number, flags,
    BLAKE2b-256 of the body, the same of the messages of the lines with an LF
    behind each, and these messages as JSON (those over 1000 bytes by hash)

'result' is ok, or what is wrong: truncated, magic, version, limit, recipient,
tampered, compression (lib/seal.h), malformed (its body).  What follows is
there for those alone that are ok.

The bytes depend on zstd's version as well; those in the tree were made with
1.5.4."""

import hashlib
import json
import os
import struct
import sys

import nacl.bindings as sodium
import zstandard

import sealed
from sealed import END, HEADER, RECOVERED


def seeded(text, size=32):
    return hashlib.blake2b(text.encode(), digest_size=size).digest()


SECRET = {name: seeded("secret key " + name) for name in "ab"}
PUBLIC = {name: sodium.crypto_scalarmult_base(SECRET[name]) for name in "ab"}
SHIPPER = seeded("public key of the shipper")
VECTORS = []


# Bodies.

def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value, kind=2):
    tag = varint(number << 3 | kind)
    if kind == 0:
        return tag + varint(value)
    if kind in (1, 5):
        return tag + value.to_bytes(8 if kind == 1 else 4, "little")
    return tag + varint(len(value)) + value


def source(source_id=1, tenant=7, more=b""):
    return field(1, field(1, field(1, source_id, 0) + field(2, tenant, 0)
                          + more))


def line(msg, source_id=1, more=b""):
    return field(1, field(2, field(1, source_id, 0)
                          + field(2, 1700000000123456789, 1)
                          + field(7, 14, 0) + field(15, msg) + more))


BODY = source() + line(b"hello")
CONTEXT = field(1, b"web-1") + field(2, field(1, b"owner") + field(2, b"shop"))
ALL_OF_A_LINE = (
    field(3, 1, 0) + field(4, 0x01020304, 5) + field(5, 77, 5)
    + field(6, bytes(range(16))) + field(8, 1, 0)
    + field(9, 1700000000000000001, 1) + field(10, b"host")
    + field(11, b"app") + field(12, b"42") + field(13, b"ID")
    + field(14, b'[a b="c"]') + field(16, 300, 0)
    + field(17, bytes(10) + b"\xff\xff\x0a\0\0\1") + field(19, 1000, 0)
    + field(20, 33, 0) + field(21, 2 ** 64 - 250, 1) + field(22, 1, 0)
    + field(23, b"token:1"))
GAP = field(18, field(1, b"lost") + field(2, 3, 0) + field(4, 17 * 10 ** 17, 1)
            + field(5, 17 * 10 ** 17 + 9, 1) + field(6, 17, 0)
            + field(7, 514, 0) + field(8, 515, 0) + field(9, bytes(16)))


# Files.

def compress(body):
    return zstandard.ZstdCompressor(level=1).compress(body)


def seal(name, body=BODY, frame=None, key="a", **header):
    """Returns a file.  Fields of the header that are not given are as in a
    first batch of one line."""
    frame = compress(body) if frame is None else frame
    content_key = seeded("content key " + name)
    h = {
        "magic": b"SLUICEB", "version": 2, "tenant": 7, "n_lines": 1,
        "stream": 0x0123456789abcdef, "number": 0,
        "created": 1700000000987654321, "raw_size": len(body),
        "body_size": len(frame) + 16, "generation": 5, "flags": 0,
        "origin": sealed.origin(SHIPPER), "previous": bytes(32),
        "recipient": PUBLIC[key],
        "sealed_key": sealed.seal_key(content_key, PUBLIC[key],
                                      seeded("ephemeral key " + name)),
        "nonce": seeded("nonce " + name, 24),
    }
    h.update(header)
    head = HEADER.pack(*(h[f] for f in sealed.FIELDS))
    return head + sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
        frame, head, h["nonce"], content_key)


def flip(file, at, bit=0):
    return file[:at] + bytes([file[at] ^ 1 << bit]) + file[at + 1:]


def add(name, file, result="ok", lines=None, body=BODY, key="a"):
    VECTORS.append((name, file, key, result, body,
                    [b"hello"] if lines is None else lines))


def add_sound():
    add("one-line", seal("one-line"))
    add("for-another-key", seal("for-another-key", key="b"), key="b")
    add("no-lines-and-the-end",
        seal("no-lines-and-the-end", b"", n_lines=0, flags=END), body=b"",
        lines=[])
    previous = bytes(32)
    for number in range(3):
        name = "chain-%d" % number
        body = source() + line(b"number %d" % number)
        file = seal(name, body, number=number, previous=previous,
                    flags=END if number == 2 else 0)
        add(name, file, body=body, lines=[b"number %d" % number])
        previous = sealed.digest(file)
    add("recovered", seal("recovered", number=9, flags=RECOVERED))
    add("largest-numbers", seal(
        "largest-numbers", source(tenant=2 ** 24 - 1) + line(b"hello"),
        tenant=2 ** 24 - 1, stream=2 ** 64 - 1, number=2 ** 64 - 2,
        created=2 ** 64 - 1, generation=2 ** 32 - 1, flags=END | RECOVERED,
        origin=2 ** 64 - 1),
        body=source(tenant=2 ** 24 - 1) + line(b"hello"))
    for name, body, lines in (
            ("two-sources", source(1) + line(b"a", 1) + source(2)
             + line(b"b", 2) + line(b"c", 1), [b"a", b"b", b"c"]),
            ("all-of-a-source", source(more=(
                field(3, bytes(range(16))) + field(4, 12, 0)
                + field(5, bytes(16)) + field(6, 1, 0) + field(7, b"\2" * 6)
                + field(9, CONTEXT))) + line(b"hello"), [b"hello"]),
            ("all-of-a-line", source() + line(b"hello", more=ALL_OF_A_LINE),
             [b"hello"]),
            ("a-gap", source() + line(b"3 packets were lost", more=GAP),
             [b"3 packets were lost"]),
            ("any-bytes", source() + line(bytes(range(256))),
             [bytes(range(256))]),
            ("long-line", source() + line(b"x" * 60000), [b"x" * 60000]),
            ("does-not-compress", source() + line(b"".join(
                seeded("noise %d" % i) for i in range(40))),
             [b"".join(seeded("noise %d" % i) for i in range(40))]),
            ("fields-of-a-newer-writer", source(more=field(100, b"new"))
             + line(b"hello", more=field(101, 5, 0)), [b"hello"]),
            ("last-of-two-counts", source() + line(b"first",
                                                   more=field(15, b"last")),
             [b"last"])):
        add(name, seal(name, body, n_lines=len(lines)), body=body, lines=lines)
    body = BODY + field(1, field(3, b"of a newer kind"))
    add("entry-of-a-newer-kind", seal("entry-of-a-newer-kind", body,
                                      n_lines=2), body=body)


def add_broken_files():
    file = seal("to be broken", number=4, generation=6,
                previous=seeded("a batch before"))
    for at, name in ((0, "magic"), (6, "magic-end")):
        add("flip-" + name, flip(file, at), "magic")
    add("version-1", file[:7] + b"\1" + file[8:], "version")
    add("version-3", file[:7] + b"\3" + file[8:], "version")
    add("flag-of-a-newer-writer", seal("flag", flags=4), "version")
    add("flip-of-an-unknown-flag", flip(file, 52, 7), "version")
    for at, name in ((11, "tenant"), (15, "n-lines"), (16, "stream"),
                     (31, "number"), (32, "created"), (43, "raw-size"),
                     (51, "generation"), (55, "flag-end"), (56, "origin"),
                     (64, "previous"), (128, "ephemeral-key"),
                     (207, "sealed-key"), (208, "nonce"), (232, "body"),
                     (len(file) - 1, "tag")):
        add("flip-" + name, flip(file, at), "tampered")
    add("flip-recipient", flip(file, 96), "recipient")
    add("flip-body-size", flip(file, 47), "truncated")
    add("empty-file", b"", "truncated")
    for size in (3, 7, 8, 100, 231, 232):
        add("first-%d-bytes" % size, file[:size], "truncated")
    add("last-byte-missing", file[:-1], "truncated")
    add("a-byte-more", file + b"\0", "truncated")
    add("other-key", seal("other-key"), "recipient", key="b")
    add("recipient-replaced", file[:96] + PUBLIC["b"] + file[128:],
        "tampered", key="b")
    other = seal("another batch", source() + line(b"jello"), number=4)
    add("body-of-another-batch", file[:HEADER.size] + other[HEADER.size:],
        "tampered")
    add("sealed-key-of-another-batch",
        file[:128] + other[128:208] + file[208:], "tampered")


def raw_frame(body, content_size=None, window=None):
    """A zstd frame of raw blocks, by hand (RFC 8878)."""
    size = len(body) if content_size is None else content_size
    if window is None:
        head = struct.pack("<IBI", 0xfd2fb528, 0xa0, size)
    else:
        head = struct.pack("<IBBI", 0xfd2fb528, 0x80, window, size)
    return head + struct.pack("<I", len(body) << 3 | 1)[:3] + body


def add_bombs():
    zeros = bytes(sealed.MAX_RAW)
    add("bomb-over-the-limit", seal("over", raw_size=sealed.MAX_RAW + 1),
        "limit")
    add("bomb-ratio-no-frame-has", seal("ratio", frame=b"12345",
                                        raw_size=sealed.MAX_RAW), "limit")
    add("bomb-zeros", seal("zeros", zeros), "malformed")
    add("bomb-more-than-it-says", seal("more", frame=compress(zeros),
                                       raw_size=1000), "compression")
    add("bomb-less-than-it-says",
        seal("less", frame=compress(BODY), raw_size=len(BODY) + 1000),
        "compression")
    # Opened in one go into a buffer of raw_size, a window means nothing.
    add("window-of-gigabytes", seal("window", frame=raw_frame(
        BODY, window=(21 << 3))), "ok")
    add("size-in-frame-lies", seal("lies", frame=raw_frame(
        BODY, content_size=len(BODY) + 5), raw_size=len(BODY) + 5),
        "compression")
    unsized = zstandard.ZstdCompressor(
        level=1, write_content_size=False).compress(BODY)
    add("frame-without-size", seal("unsized", frame=unsized), "compression")
    add("two-frames", seal("two", frame=compress(BODY) + compress(b"")),
        "compression")
    add("bytes-behind-the-frame", seal("behind", frame=compress(BODY) + b"\0"),
        "compression")
    add("no-frame", seal("none", frame=b"", raw_size=0), "compression")
    add("not-zstd", seal("not-zstd", frame=b"\x1f\x8b\x08\0 gzip, perhaps"),
        "compression")
    body = b"".join(source(i) for i in range(1, 65538))
    add("bomb-of-sources", seal("sources", body, n_lines=0), "malformed")


def add_malformed_bodies():
    for name, body in (
            ("line-before-its-source", line(b"hello") + source()),
            ("line-of-no-source", source() + line(b"hello", 2)),
            ("source-of-another-tenant", source(tenant=8) + line(b"hello")),
            ("second-source-of-another-tenant", BODY + source(2, 8)),
            ("source-twice", source() + BODY),
            ("source-0", source(0) + line(b"hello", 0)),
            ("line-missing", source()),
            ("line-too-many", BODY + line(b"hello")),
            ("cut-in-an-entry", BODY[:-1]),
            ("endless-varint", b"\x0a" + b"\xff" * 11),
            ("a-group", BODY + b"\x0b\x0c"),
            ("field-number-0", BODY + b"\x02\x00"),
            ("uuid-of-15-bytes", source(more=field(3, bytes(15)))
             + line(b"hello")),
            ("address-of-5-bytes", source(more=field(5, bytes(5)))
             + line(b"hello")),
            ("msg-that-is-a-number",
             source() + line(b"", more=field(15, 1, 0))),
            ("pri-256", source() + line(b"hello", more=field(7, 256, 0))),
            ("gap-without-reason", source() + line(
                b"hello", more=field(18, field(2, 1, 0)))),
            ("length-past-the-end", BODY + b"\x0a\x05")):
        add(name, seal(name, body), "malformed")


def main():
    directory = sys.argv[1]
    add_sound()
    add_broken_files()
    add_bombs()
    add_malformed_bodies()
    for name in "ab":
        with open(os.path.join(directory, name + ".key"), "w",
                  encoding="ascii") as f:
            f.write(SECRET[name].hex() + "\n")
    rows = []
    for name, file, key, result, body, lines in VECTORS:
        with open(os.path.join(directory, name + ".batch"), "wb") as f:
            f.write(file)
        row = [name, key, result]
        if result == "ok":
            h = sealed.read_header(file)
            texts = json.dumps([t.decode("latin-1") if len(t) < 1000 else
                                hashlib.blake2b(t, digest_size=32).hexdigest()
                                for t in lines])
            row += ["%d" % h["tenant"], "%016x" % h["stream"],
                    "%d" % h["number"], "%d" % h["flags"],
                    hashlib.blake2b(body, digest_size=32).hexdigest(),
                    hashlib.blake2b(b"".join(t + b"\n" for t in lines),
                                    digest_size=32).hexdigest(), texts]
        rows.append("\t".join(row))
    with open(os.path.join(directory, "vectors.txt"), "w",
              encoding="ascii") as f:
        f.write("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
