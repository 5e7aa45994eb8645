#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Stands in for a program that sluiced starts: says what it sees, and ends as
# it is told.
#
# In: NAME.mode beside it ("crash", "segv", "stubborn", "busy", "picky",
# "mute"), signals.
# Out: a line for each event in the file "events" beside it:
#     MILLISECONDS NAME PID EVENT
# Runs in: tests/control/test-sluiced.py, as sluice-intake and so on.
import os
import signal
import socket
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(sys.argv[0]))
NAME = os.path.basename(sys.argv[0])
if "--tenant" in sys.argv:
    NAME += "-" + sys.argv[sys.argv.index("--tenant") + 1]


def tell(event):
    line = f"{time.monotonic_ns() // 1000000} {NAME} {os.getpid()} {event}\n"
    fd = os.open(HERE + "/events", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, line.encode())
    os.close(fd)


def mode():
    try:
        with open(f"{HERE}/{NAME}.mode", encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def argument(option):
    return sys.argv[sys.argv.index(option) + 1]


def report():
    """Says which configuration it has, as proxy-vm/common/taken.h wants it;
    unless it is busy, and that it can't use it if it is picky.  If it is mute,
    it says nothing any more."""
    if "--report-fd" in sys.argv and mode() == "mute":
        os.close(int(argument("--report-fd")))
    elif "--report-fd" in sys.argv and mode() != "busy":
        stamp = os.stat(argument("--config")).st_mtime_ns
        os.write(int(argument("--report-fd")),
                 struct.pack("=QQ", stamp, mode() == "picky"))


def main():
    inherited = os.listdir("/proc/self/fd")     # And that directory's own.
    blocked = "+".join(s.name for s in
                       signal.pthread_sigmask(signal.SIG_BLOCK, []))
    signals = {signal.SIGHUP, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    tell(f"start fds={len(inherited) - 1} blocked={blocked} "
         + " ".join(sys.argv[1:]))
    if "--fd" in sys.argv:
        # The last of all is like the first.
        fd = int(argument("--fd")) + int(argument("--n-fds")) - 1
        with socket.socket(fileno=os.dup(fd)) as sock:
            buffer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
            tell(f"socket {sock.getsockname()[1]} {buffer}")
    if mode() == "crash":
        sys.exit(3)
    if mode() == "segv":
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)
    report()
    while True:
        number = signal.sigwait(signals)
        tell(signal.Signals(number).name)
        if number == signal.SIGHUP:
            report()
        if number == signal.SIGTERM and mode() != "stubborn":
            sys.exit(0)


main()
