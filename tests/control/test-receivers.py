#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# What docs/tenant.md tells a tenant to write into its log server's configuration
# does what it says there: each VM's lines in the file that the switch names.
import glob
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


def config_of(server, port, logs):
    """The document's configuration for 'server', with our port and folder."""
    text = block(server)
    return re.sub(r'port(=?)([("])6514', rf"port\1\g<2>{port}",
                  text).replace("/var/log/vms", logs)


def receives(server, command, config, look):
    """Runs 'command', a log server whose configuration is written to 'config'
    in the proxy's folder, sends lines of a VM, of which two are lost on the
    way, and has 'look' look at the files."""
    with Sluiced(programs=()) as s:
        port = free_tcp_port()
        logs = s.dir + "/logs"
        s.libexec = BUILD + "/proxy-vm"
        s.write_config(tenants=(7,), extra="batch:\n  max-delay-ms: 20\n")
        s.write(s.config, s.read(s.config).replace("127.0.0.1:9\n",
                                                   f"127.0.0.1:{port}\n"))
        text = config_of(server, port, logs)
        assert str(port) in text and logs in text, text
        s.write(f"{s.dir}/{config}", text)
        with open(s.dir + "/server.log", "w", encoding="utf-8") as log, \
                command(s.dir, log) as process:
            try:
                s.start()
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    for n in (1, 2, 5):
                        sock.sendto(packet(n), ("127.0.0.1", s.port))
                path = f"{logs}/{VM}.log"
                wait_for("the VM's lines", lambda: all(
                    f"number={n} end" in read(path) for n in (1, 2, 5)))
                look(s, logs)
                equal(s.stop(), 0)
            finally:
                process.terminate()


def rsyslog_gives_each_vm_its_file_and_gaps_theirs():
    rsyslogd = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin")
    if not rsyslogd:
        return "there is no rsyslogd"

    def command(folder, log):
        return subprocess.Popen([rsyslogd, "-n", "-iNONE",
                                 "-f", folder + "/rsyslog.conf"], stderr=log)

    def look(s, logs):
        wait_for("the gap", lambda: "gap" in read(logs + "/gaps.log"))
        assert 'packets="2"' in read(logs + "/gaps.log"), \
            read(logs + "/gaps.log")
        assert f'vm="{VM}"' in read(f"{logs}/{VM}.log")
        equal(sorted(os.listdir(logs)), [f"{VM}.log", "gaps.log"])
        equal(s.read(s.dir + "/server.log"), "")

    return receives("rsyslog", command, "rsyslog.conf", look)


def syslog_ng_gives_each_vm_its_file():
    # Its package and rsyslog's exclude each other: quickstart unpacks it.
    root = os.environ.get("SYSLOG_NG_ROOT",
                          BUILD + "/../unpacked/syslog-ng-core")
    if not os.path.exists(root + "/usr/sbin/syslog-ng"):
        return f"there is no syslog-ng in {root}"
    modules, = glob.glob(root + "/usr/lib/syslog-ng/[0-9]*")

    def command(folder, log):
        path = folder + "/syslog-ng.conf"
        text = Sluiced.read(path)
        Sluiced.write(path, f"@version: {os.path.basename(modules)}\n{text}")
        return subprocess.Popen(
            [root + "/usr/sbin/syslog-ng", "--foreground", "--stderr",
             "--no-caps", "--module-path=" + modules, "--cfgfile=" + path,
             f"--pidfile={folder}/pid", f"--control={folder}/control",
             f"--persist-file={folder}/persist"],
            env=os.environ | {"LD_LIBRARY_PATH": os.path.dirname(modules)},
            stderr=log)

    def look(s, logs):
        wait_for("the gap", lambda: " sluice " in read(f"{logs}/{VM}.log"))
        equal(os.listdir(logs), [f"{VM}.log"])
        assert "Error" not in s.read(s.dir + "/server.log"), \
            s.read(s.dir + "/server.log")

    return receives("syslog-ng", command, "syslog-ng.conf", look)


main([rsyslog_gives_each_vm_its_file_and_gaps_theirs,
      syslog_ng_gives_each_vm_its_file])
