#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# The log server that VMs believe in: writes each datagram that comes to UDP
# port 514 as a line of the file named by its argument.
import socket
import sys

sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
sock.bind(("::", 514))
with open(sys.argv[1], "wb", buffering=0) as sink:
    while True:
        sink.write(sock.recv(65536).replace(b"\n", b"\\n") + b"\n")
