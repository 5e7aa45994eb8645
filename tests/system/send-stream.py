#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Sends numbered lines over TCP, each in two parts, so that some line is always
# half way; connection NAME is in each line.
#
#     send-stream.py lf|octets HOST NAME COUNT
#
# Runs in: tests/system/test-tcp.sh.
import socket
import sys
import time


def main():
    framing, host, name, count = sys.argv[1:]
    with socket.create_connection((host, 514)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(int(count)):
            message = (f"<13>1 - web app - - - password=str3am-secret "
                       f"{name} {i} end").encode()
            frame = (message + b"\n" if framing == "lf"
                     else b"%d " % len(message) + message)
            middle = 1 + i % (len(frame) - 1)
            connection.sendall(frame[:middle])
            connection.sendall(frame[middle:])
            if i % 20 == 19:
                # The rate of a busy VM: a burst would be lost in the veth,
                # which is not what this is about.
                time.sleep(0.02)


main()
