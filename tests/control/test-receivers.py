#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# What docs/tenant.md tells a tenant to write into its rsyslog does what it says
# there: each VM's lines in the file that the switch names, gaps in another.
import os
import re
import shutil
import socket
import subprocess

from harness import SOURCE, Sluiced, BUILD, equal, main, wait_for
from traffic import packet

VM = "00010203-0405-0607-0809-0a0b0c0d0e0f"


def block(after):
    """The block behind the mark 'after' in the document."""
    with open(SOURCE + "/docs/tenant.md", encoding="utf-8") as file:
        return re.search(f"<!-- {after} -->\n```\n(.*?)```", file.read(),
                         re.S)[1]


def free_tcp_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def read(path):
    return Sluiced.read(path) if os.path.exists(path) else ""


def each_vm_has_its_file_and_gaps_have_theirs():
    rsyslogd = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin")
    if not rsyslogd:
        return "there is no rsyslogd"
    s = Sluiced(programs=())
    port = free_tcp_port()
    logs = s.dir + "/logs"
    s.libexec = BUILD + "/proxy-vm"
    s.write_config(tenants=(7,), extra="batch:\n  max-delay-ms: 20\n")
    s.write(s.config, s.read(s.config).replace("127.0.0.1:9\n",
                                               f"127.0.0.1:{port}\n"))
    text = block("rsyslog")
    assert 'port="6514"' in text and '"/var/log/vms/' in text, text
    s.write(s.dir + "/rsyslog.conf",
            text.replace('port="6514"', f'port="{port}" address="127.0.0.1"')
            .replace("/var/log/vms", logs))
    with open(s.dir + "/rsyslog.log", "w", encoding="utf-8") as log, \
            s, subprocess.Popen(
                [rsyslogd, "-n", "-iNONE", "-f", s.dir + "/rsyslog.conf"],
                stderr=log) as server:
        try:
            s.start()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                for n in (1, 2, 5):
                    sock.sendto(packet(n), ("127.0.0.1", s.port))

            path = f"{logs}/{VM}.log"
            wait_for("the VM's lines", lambda: all(
                f"number={n} end" in read(path) for n in (1, 2, 5)))
            wait_for("the gap", lambda: "gap" in read(logs + "/gaps.log"))
            assert 'packets="2"' in read(logs + "/gaps.log"), \
                read(logs + "/gaps.log")
            assert f'vm="{VM}"' in read(path), read(path)
            equal(sorted(os.listdir(logs)), [f"{VM}.log", "gaps.log"])
            equal(s.read(s.dir + "/rsyslog.log"), "")
            equal(s.stop(), 0)
        finally:
            server.terminate()
    return None


main([each_vm_has_its_file_and_gaps_have_theirs])
