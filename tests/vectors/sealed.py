# SPDX-License-Identifier: Apache-2.0
"""Sealed batches, read and written from docs/batch-format.md alone, with
PyNaCl and python-zstandard: shares no line with lib/seal.c and lib/batch.c."""

import hashlib
import struct

import nacl.bindings as sodium
import nacl.exceptions
import zstandard

HEADER = struct.Struct(">7sBIIQQQIIIIQ32s32s80s24s")
FIELDS = ("magic", "version", "tenant", "n_lines", "stream", "number",
          "created", "raw_size", "body_size", "generation", "flags", "origin",
          "previous", "recipient", "sealed_key", "nonce")
MAX_RAW = 16777216
TAG = 16
END, RECOVERED = 1, 2


class Refused(Exception):
    """Its text is one of the results in vectors.txt."""


def digest(file):
    return hashlib.blake2b(file[:HEADER.size] + file[-TAG:],
                           digest_size=32).digest()


def origin(shipper):
    return int.from_bytes(
        hashlib.blake2b(shipper, digest_size=32).digest()[:8], "big")


def open_key(sealed, public, secret):
    """crypto_box_seal_open, as the page takes it apart."""
    ephemeral = sealed[:32]
    nonce = hashlib.blake2b(ephemeral + public, digest_size=24).digest()
    return sodium.crypto_box_open(sealed[32:], nonce, ephemeral, secret)


def seal_key(key, public, ephemeral_secret):
    ephemeral = sodium.crypto_scalarmult_base(ephemeral_secret)
    nonce = hashlib.blake2b(ephemeral + public, digest_size=24).digest()
    return ephemeral + sodium.crypto_box(key, nonce, public, ephemeral_secret)


def read_header(file):
    if file[:7] != b"SLUICEB"[:len(file[:7])]:
        raise Refused("magic")
    if len(file) > 7 and file[7] != 2:
        raise Refused("version")
    if len(file) < HEADER.size:
        raise Refused("truncated")
    header = dict(zip(FIELDS, HEADER.unpack_from(file)))
    if header["flags"] & ~(END | RECOVERED):
        raise Refused("version")
    if (header["raw_size"] > MAX_RAW or header["body_size"] < TAG
            or header["raw_size"] // 32768 > header["body_size"] - TAG):
        raise Refused("limit")
    return header


def open_file(file, secret):
    """Returns header and body, or raises Refused."""
    header = read_header(file)
    public = sodium.crypto_scalarmult_base(secret)
    if len(file) != HEADER.size + header["body_size"]:
        raise Refused("truncated")
    if header["recipient"] != public:
        raise Refused("recipient")
    try:
        key = open_key(header["sealed_key"], public, secret)
        frame = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
            file[HEADER.size:], file[:HEADER.size], header["nonce"], key)
    except (nacl.exceptions.CryptoError, RuntimeError, ValueError) as e:
        raise Refused("tampered") from e
    return header, decompress(frame, header["raw_size"])


def decompress(frame, raw_size):
    """Exactly one frame that states its size."""
    try:
        if zstandard.frame_content_size(frame) != raw_size:
            raise Refused("compression")
        decompressor = zstandard.ZstdDecompressor(
            max_window_size=2 ** 31).decompressobj()
        raw = decompressor.decompress(frame)
    except zstandard.ZstdError as e:
        raise Refused("compression") from e
    if len(raw) != raw_size or decompressor.unused_data \
            or not decompressor.eof:
        raise Refused("compression")
    return raw


# The body.

def take_varint(data, at):
    value = 0
    for i in range(10):
        if at >= len(data):
            raise Refused("malformed")
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << (7 * i)
        if byte < 0x80:
            return value & (2 ** 64 - 1), at
    raise Refused("malformed")


def fields(data):
    """Yields number, type and value of each field of a message."""
    at = 0
    while at < len(data):
        tag, at = take_varint(data, at)
        number, kind = tag >> 3, tag & 7
        if not number or number >= 2 ** 29:
            raise Refused("malformed")
        if kind == 0:
            value, at = take_varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            if len(data) - at < size:
                raise Refused("malformed")
            value = int.from_bytes(data[at:at + size], "little")
            at += size
        elif kind == 2:
            size, at = take_varint(data, at)
            if len(data) - at < size:
                raise Refused("malformed")
            value = data[at:at + size]
            at += size
        else:
            raise Refused("malformed")
        yield number, kind, value


SOURCE = {1: 0, 2: 0, 3: (16,), 4: 0, 5: (4, 16), 6: 0, 7: (6,), 8: 0, 9: 2}
LINE = {1: 0, 2: 1, 3: 0, 4: 5, 5: 5, 6: (16,), 7: 0, 8: 0, 9: 1, 10: 2, 11: 2,
        12: 2, 13: 2, 14: 2, 15: 2, 16: 0, 17: (16,), 18: 2, 19: 0, 20: 0,
        21: 1, 22: 0, 23: 2}
GAP = {1: 2, 2: 0, 3: 0, 4: 1, 5: 1, 6: 0, 7: 0, 8: 0, 9: (16,)}


def read_message(data, layout):
    """The fields of 'layout': the type of each or, of bytes, the sizes that
    they may have."""
    message = {}
    for number, kind, value in fields(data):
        want = layout.get(number)
        if want is None:
            if number < max(layout):
                raise Refused("malformed")
            continue
        sizes = want if isinstance(want, tuple) else None
        if kind != (2 if sizes else want):
            raise Refused("malformed")
        if sizes and value and len(value) not in sizes:
            raise Refused("malformed")
        message[number] = value
    return message


def read_body(body, header):
    """Returns the messages of the lines, or raises Refused."""
    sources, lines, unknown = set(), [], False
    room = 64 * 1024 * 1024
    for number, kind, value in fields(body):
        if number != 1:
            unknown = True
            continue
        if kind != 2:
            raise Refused("malformed")
        entry = [f for f in fields(value) if f[0] <= 2]
        if not entry:
            unknown = True
            continue
        number, kind, value = entry[-1]
        if kind != 2:
            raise Refused("malformed")
        if number == 1:
            source = read_message(value, SOURCE)
            source_id = source.get(1, 0)
            if (source.get(2, 0) != header["tenant"] or source_id in sources
                    or not 1 <= source_id <= 1048576):
                raise Refused("malformed")
            sources.add(source_id)
            room -= 1024 + 8 * len(source.get(9, b""))
            if room < 0:
                raise Refused("malformed")
        else:
            line = read_message(value, LINE)
            if line.get(1, 0) not in sources or line.get(7, 0) > 255:
                raise Refused("malformed")
            if 18 in line and not read_message(line[18], GAP).get(1):
                raise Refused("malformed")
            lines.append(line.get(15, b""))
    if len(lines) > header["n_lines"] or (len(lines) < header["n_lines"]
                                          and not unknown):
        raise Refused("malformed")
    return lines
