#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# The control socket: framing, wrong peers, wrong requests; and what sluicectl
# says when it fails.
import os
import random
import socket
import subprocess
import sys

from harness import (SLUICECTL, Sluiced, equal, error_of, frame, main,
                     receive_frame)

STATUS = frame(b"\x08\x01")
UNREADABLE = "the request can't be read; use a sluicectl of sluiced's version."


def is_status(message):
    """A Response whose first field is 'status'."""
    return message.startswith(b"\x12")


def closed(sock):
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def requests_may_come_together_or_byte_by_byte():
    with Sluiced() as s:
        s.start()
        with s.connect() as sock:
            sock.sendall(3 * STATUS)
            for _ in range(3):
                assert is_status(receive_frame(sock))
            for byte in STATUS:
                sock.sendall(bytes([byte]))
            assert is_status(receive_frame(sock))


def an_oversized_frame_is_refused_and_ends_the_connection():
    with Sluiced() as s:
        s.start()
        for header in (b"\x00\x10\x00\x01", b"\xff\xff\xff\xff"):
            with s.connect() as sock:
                sock.sendall(header)
                equal(error_of(receive_frame(sock)),
                      "the request is larger than 1 MiB; use a sluicectl of "
                      "sluiced's version.")
                assert closed(sock)


def a_frame_of_the_largest_size_is_read():
    with Sluiced() as s:
        s.start()
        with s.connect() as sock:
            sock.sendall(frame(b"\x00" * (1 << 20)))
            equal(error_of(receive_frame(sock)), UNREADABLE)
            # Half a million unknown fields: more memory than it may have.
            sock.sendall(frame(b"\x78\x01" * (1 << 19)))
            equal(error_of(receive_frame(sock)), UNREADABLE)
            sock.sendall(STATUS)
            assert is_status(receive_frame(sock))


def an_unknown_verb_is_refused():
    with Sluiced() as s:
        s.start()
        with s.connect() as sock:
            for verb in (b"", b"\x08\x00", b"\x08\x63"):
                sock.sendall(frame(verb))
                equal(error_of(receive_frame(sock)),
                      "sluiced does not know the request; use a sluicectl of "
                      "sluiced's version.")


def a_request_cut_short_harms_nobody():
    with Sluiced() as s:
        s.start()
        for n in range(len(STATUS)):
            with s.connect() as sock:
                sock.sendall(STATUS[:n])
                sock.shutdown(socket.SHUT_WR)
                assert closed(sock)
        equal(s.ctl("status").returncode, 0)


def noise_harms_nobody():
    noise = random.Random(514)
    with Sluiced() as s:
        s.start()
        for _ in range(200):
            with s.connect() as sock:
                try:
                    sock.sendall(noise.randbytes(noise.randrange(5000)))
                except (BrokenPipeError, ConnectionResetError):
                    pass
        equal(s.ctl("status").returncode, 0)
        equal(s.process.poll(), None)


def whoever_only_connects_does_not_keep_others_out():
    with Sluiced() as s:
        s.start()
        # More than there is room for: sluiced drops them at their deadline.
        idle = [s.connect() for _ in range(33)]
        equal(s.ctl("status").returncode, 0)
        for sock in idle:
            sock.close()


def whoever_takes_no_answer_is_cut_off():
    with Sluiced() as s:
        s.start()
        with s.connect() as sock:
            sent = 0
            sock.setblocking(False)
            try:
                while sent < 64 << 20:
                    sent += sock.send(1000 * STATUS)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                pass
            assert sent < 16 << 20, sent
            equal(s.ctl("status").returncode, 0)


def a_foreign_user_is_turned_away():
    if os.geteuid():
        return                  # Only root can become somebody else.
    with Sluiced() as s:
        s.start()
        for path in (s.dir, s.dir + "/run"):
            os.chmod(path, 0o755)
        command = [sys.executable, "-c", """
import os, socket, sys
os.setgroups([int(g) for g in sys.argv[3:]])
os.setgid(65534)
os.setuid(65534)
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
try:
    s.sendall(bytes.fromhex(sys.argv[2]))
except BrokenPipeError:
    pass    # It was turned away before it asked.
print(s.recv(100))
""", s.socket, STATUS.hex()]

        def attempt(*groups):
            return subprocess.run(command + list(groups), check=False,
                                  capture_output=True, text=True)
        # The socket's own permissions come first ...
        assert "Permission denied" in attempt().stderr
        # ... and do not decide alone.
        os.chmod(s.socket, 0o666)
        result = attempt()
        assert "user 65534 may not ask sluiced; be root" in result.stdout, \
            result
        # A member of sluiced's group may ask.
        os.chmod(s.socket, 0o660)
        assert "may not" not in attempt("0").stdout
        equal(attempt("0").stderr, "")


def sluicectl_says_what_is_wrong():
    for args, status, sentence in (
            (["--socket", "/nonexistent", "status"], 1,
             "sluicectl: can't reach sluiced at /nonexistent: No such file or "
             "directory; is it running?\n"),
            (["--socket", "/" + 200 * "x", "status"], 1,
             f"sluicectl: can't reach sluiced at /{200 * 'x'}: File name too "
             "long; give a path of at most 107 bytes.\n"),
            ([], 2, "sluicectl: there is no command; see 'sluicectl --help'."
             "\n"),
            (["a", "b"], 2, "sluicectl: there is no command \"a\"; see "
             "'sluicectl --help'.\n"),
            (["stats"], 2, "sluicectl: there is no command \"stats\", but "
             "there is status; see 'sluicectl --help'.\n")):
        result = subprocess.run([SLUICECTL, *args], capture_output=True,
                                text=True, check=False)
        equal((result.returncode, result.stderr), (status, sentence))


def sluicectl_refuses_what_is_no_answer():
    with Sluiced() as s:
        os.mkdir(s.dir + "/run")
        for answer, sentence in (
                (b"\xff\xff\xff\xff", "the answer of sluiced at {} can't be "
                 "read; use a sluicectl of its version."),
                (frame(b"\x0a\x05ab"), "the answer of sluiced at {} can't be "
                 "read; use a sluicectl of its version."),
                (b"\x00\x00", "sluiced at {} does not answer: Connection "
                 "reset by peer; look into its log."),
                (frame(b"\x38\x01"), "sluiced at {} does not answer: "
                 "Connection reset by peer; look into its log.")):
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(s.socket)
                server.listen()
                with subprocess.Popen(
                        [SLUICECTL, "--socket", s.socket, "status"],
                        stderr=subprocess.PIPE, text=True) as process:
                    peer, _ = server.accept()
                    peer.recv(100)
                    peer.sendall(answer)
                    peer.close()
                    equal(process.stderr.read(),
                          f"sluicectl: {sentence.format(s.socket)}\n")
                    equal(process.wait(), 1)
            os.unlink(s.socket)


main([
    requests_may_come_together_or_byte_by_byte,
    an_oversized_frame_is_refused_and_ends_the_connection,
    a_frame_of_the_largest_size_is_read,
    an_unknown_verb_is_refused,
    a_request_cut_short_harms_nobody,
    noise_harms_nobody,
    whoever_only_connects_does_not_keep_others_out,
    whoever_takes_no_answer_is_cut_off,
    a_foreign_user_is_turned_away,
    sluicectl_says_what_is_wrong,
    sluicectl_refuses_what_is_no_answer,
])
