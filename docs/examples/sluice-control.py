#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Asks sluiced over its control socket, as docs/control.md describes: an example
# for other programs, and a module that they can use.
#
# Needs python3-protobuf, and control_pb2.py beside it or in PYTHONPATH:
#
#     protoc --python_out=. --proto_path=proto control.proto
#
# In: --socket PATH VERB [FIELD=VALUE]...; answers.  Out: JSON.
import argparse
import socket
import struct
import sys

import control_pb2
from google.protobuf import json_format

MAX_SIZE = 1 << 20              # Bytes of a message.


class Refused(Exception):
    """sluiced did not do it: why, in a sentence."""


class Sluiced:
    """A connection to sluiced, which takes one request after the other."""

    def __init__(self, path="/run/sluice/control.sock", seconds=15):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(seconds)
        self.socket.connect(path)

    def close(self):
        self.socket.close()

    def ask(self, request):
        """Returns the answer to 'request' with all its parts."""
        message = request.SerializeToString()
        self.socket.sendall(struct.pack(">I", len(message)) + message)
        answer = control_pb2.Response(more=True)
        while answer.more:
            answer.more = False
            answer.MergeFromString(self.receive())
        if answer.error:
            raise Refused(answer.error)
        return answer

    def receive(self):
        (size,) = struct.unpack(">I", self.receive_exactly(4))
        if size > MAX_SIZE:
            raise ValueError(f"a message of {size} bytes")
        return self.receive_exactly(size)

    def receive_exactly(self, size):
        data = bytearray()
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise EOFError("sluiced closed the connection")
            data += part
        return bytes(data)

    def export(self, query):
        """Returns the file of a batch, which comes in several answers."""
        data = b""
        while True:
            query.offset = len(data)
            answer = self.ask(control_pb2.Request(
                verb=control_pb2.SPOOL_EXPORT, spool=query))
            data += answer.data
            if len(data) >= answer.batches[0].bytes or not answer.data:
                return data


def request_of(verb, fields):
    """The request for the verb of that name, with fields as "tenant=7" of the
    query that such a verb has."""
    request = control_pb2.Request(verb=control_pb2.Verb.Value(verb))
    query = {"SPOOL": request.spool,
             "CONTEXT": request.context}.get(verb.partition("_")[0])
    for field in fields:
        name, _, value = field.partition("=")
        kind = type(getattr(query, name))
        setattr(query, name, value in ("1", "true") if kind is bool
                else kind(value))
    return request


def main():
    parser = argparse.ArgumentParser(description="Asks sluiced.")
    parser.add_argument("--socket", default="/run/sluice/control.sock")
    parser.add_argument("verb", choices=control_pb2.Verb.keys()[1:])
    parser.add_argument("field", nargs="*", help="of the query: tenant=7")
    args = parser.parse_args()
    sluiced = Sluiced(args.socket)
    try:
        answer = sluiced.ask(request_of(args.verb, args.field))
    except Refused as refused:
        sys.exit(str(refused))
    finally:
        sluiced.close()
    print(json_format.MessageToJson(answer, preserving_proto_field_name=True))


if __name__ == "__main__":
    main()
