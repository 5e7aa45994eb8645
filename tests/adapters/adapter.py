# SPDX-License-Identifier: Apache-2.0
"""sluice-ship's end of an adapter: starts it with a socket as descriptor 3,
and speaks the protocol of adapter-frame.h.  And where an adapter's tests take
place."""

import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir))
from tap import LIMIT_S, Failure, check

OPEN, CONFIRMED, FAILED, PROGRESS = 1, 2, 3, 4


def message_frame(payload, key=b""):
    body = b"\x01" + struct.pack("B", len(key)) + key + payload
    return struct.pack(">I", len(body)) + body


def mark_frame(number):
    return struct.pack(">IBQ", 9, 2, number)


class Adapter:
    """A running adapter.  'args' is its command."""

    def __init__(self, args, stderr=None):
        ours, theirs = socket.socketpair()
        # The shell puts the socket where the adapter looks for it.  Debian's
        # /bin/sh knows descriptors of one digit only.
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", 'exec "$@" 3<&%d %d<&-' % (
                theirs.fileno(), theirs.fileno()), "bash"] + args,
            pass_fds=(theirs.fileno(),), stderr=stderr)
        theirs.close()
        self.socket = ours
        self.input = b""
        self.n_progress = 0

    def close(self):
        self.socket.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()

    def send(self, data):
        """Returns false if the adapter is gone."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def send_batch(self, lines, number, key=b""):
        return self.send(b"".join(message_frame(l, key) for l in lines)
                         + mark_frame(number))

    def next(self, seconds=LIMIT_S):
        """Returns the next reply, a tuple, or None at the end.  What tells of
        progress is only counted."""
        deadline = time.monotonic() + seconds
        while True:
            if len(self.input) >= 4:
                size, = struct.unpack(">I", self.input[:4])
                if len(self.input) >= 4 + size:
                    body = self.input[4:4 + size]
                    self.input = self.input[4 + size:]
                    if body[0] == CONFIRMED:
                        return (CONFIRMED,) + struct.unpack(">QI", body[1:])
                    if body[0] == FAILED:
                        return FAILED, body[1:].decode()
                    check(body in (b"\x01", b"\x04"), "a reply is %r" % body)
                    if body[0] == OPEN:
                        return (OPEN,)
                    self.n_progress += 1
                    continue
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                raise Failure("the adapter said nothing for %d s" % seconds)
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self.input += data

    def expect(self, *reply):
        got = self.next()
        check(got == reply, "the adapter said %r, not %r" % (got, reply))

    def expect_failure(self, *words):
        """Returns the sentence, which has all the words."""
        while True:
            got = self.next()
            check(got is not None, "the adapter ended without a sentence, with "
                  "status %s" % self.process.wait(LIMIT_S))
            if got[0] == FAILED:
                break
        for word in words:
            check(word in got[1], "no %r in %r" % (word, got[1]))
        check(self.process.wait(LIMIT_S) != 0, "the adapter ended in order")
        return got[1]

    def finish(self):
        """Nothing more comes: the adapter ends in order."""
        self.socket.shutdown(socket.SHUT_WR)
        got = self.next()
        check(got is None, "the adapter said %r at its end" % (got,))
        check(self.process.wait(LIMIT_S) == 0, "the adapter did not end well")


class Place:
    """A directory and processes, gone at the end."""

    def __init__(self, name):
        self.dir = tempfile.mkdtemp(prefix="sluice-test-%s." % name)
        self.running = []

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self, args, **kwargs):
        process = subprocess.Popen(args, **kwargs)
        self.running.append(process)
        return process

    def stop(self, process, sig=signal.SIGTERM):
        process.send_signal(sig)
        process.wait(LIMIT_S)
        self.running.remove(process)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def close(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.dir)
