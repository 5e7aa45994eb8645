#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sluice.service and sluice.socket under a systemd that runs as the first
process of a container, while a switch sends lines and a tenant's server notes
them: what is restarted, killed or hangs comes back, and no line is lost.  Then
sluice-hostd.service, and the proxy beside its switch on one host.

In: the container's root directory and the process id of its systemd; runs in
the container's network; and OVS_DIR.  Out: TAP.  Runs in: test-systemd.sh."""

import json
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
os.environ.setdefault("srcdir", str(HERE.parents[1]))
for folder in ("tests", "tests/control"):
    sys.path.insert(0, os.path.join(os.environ["srcdir"], folder))
from harness import equal, main, wait_for  # noqa: E402
from traffic import Server, Stream  # noqa: E402

ROOT, SYSTEMD = pathlib.Path(sys.argv[1]), sys.argv[2]
PREFIX = ROOT / "usr/local"
UNITS = ROOT / "etc/systemd/system"
PORT = 6081
OVS = os.environ["OVS_DIR"]

SERVER = Server()
STREAM = Stream(PORT)


def inside(*command, check=True):
    """Runs 'command' in the container and returns what it printed."""
    done = subprocess.run(
        ["nsenter", "--target", SYSTEMD, "--all", "--", *command],
        capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr}"
                             + journal()[-4000:])
    return done.stdout


def journal():
    return inside("journalctl", "--no-pager", "--output=cat",
                  "--unit=sluice.service", "--unit=sluice.socket",
                  "--unit=sluice-hostd.service")


def systemctl(*arguments):
    return inside("systemctl", *arguments)


def show(what):
    return systemctl("show", "--value", f"--property={what}",
                     "sluice.service").strip()


def ask(what):
    return json.loads(inside("sluicectl", "--json", what))


def lines_go_on():
    """Waits for lines that were sent after this was called."""
    sent = STREAM.n
    wait_for("new lines", lambda: max(SERVER.numbers, default=0) > sent, 60)


def all_lines_come():
    """Stops the stream; returns how many lines it sent once all are there."""
    n = STREAM.stop()
    try:
        wait_for("all lines", lambda: len(set(SERVER.numbers)) >= n, 60)
    except AssertionError as error:
        missing = sorted(set(range(1, n + 1)) - set(SERVER.numbers))
        raise AssertionError(
            f"{len(missing)} of {n} lines are missing, the first {missing[:9]}"
            f"; {SERVER.others[-9:]}; {inside('sluicectl', 'counters')}"
            f"{inside('sluicectl', 'tenants')}{journal()}") from error
    return n


def comes_back(act):
    """Sees that sluiced is another process after 'act', and lines go on."""
    before = show("MainPID")
    act()
    wait_for("another sluiced", lambda: (
        show("ActiveState") == "active"
        and show("MainPID") not in (before, "0")), 60)
    lines_go_on()


def the_units_start_and_lines_come():
    config = PREFIX / "etc/sluice/sluice.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(
        "batch:\n  max-delay-ms: 20\noutput:\n  hold-ms: 100\n"
        "tenants:\n- id: 7\n  name: shop\n"
        f"  server: 127.0.0.1:{SERVER.port}\n", encoding="utf-8")
    systemctl("daemon-reload")
    inside("systemd-tmpfiles", "--create")
    systemctl("start", "sluice.socket", "sluice.service")
    equal(systemctl("is-active", "sluice.socket", "sluice.service").split(),
          ["active", "active"])
    assert "come from the service manager: 16" in journal(), journal()
    STREAM.start()
    lines_go_on()


def what_the_service_may_not_write_to_it_cannot():
    pid = show("MainPID")
    for path in ("/usr/local/sbin/x", "/etc/x", "/var/lib/x"):
        done = subprocess.run(
            ["nsenter", "--target", SYSTEMD, "--pid", "--mount", "--",
             "nsenter", "--target", pid, "--mount", "--", "touch", path],
            capture_output=True, text=True, check=False)
        assert "Read-only file system" in done.stderr, (path, done)
    status = inside("cat", f"/proc/{pid}/status")
    assert "NoNewPrivs:\t1" in status, status


def nobody_is_root_and_who_reads_packets_is_alone():
    for name, user in (("sluiced", "sluice"), ("sluice-ship", "sluice"),
                       ("sluice-intake", "sluice-intake")):
        equal(set(inside("ps", "-o", "user:20=", "-C", name).split()), {user})


def a_restart_a_reload_and_a_stop_lose_nothing():
    for _ in range(2):
        comes_back(lambda: systemctl("restart", "sluice.service"))
    systemctl("reload", "sluice.service")
    lines_go_on()

    def stop_and_start():
        systemctl("stop", "sluice.service")
        equal(show("Result"), "success")
        sent = STREAM.n         # More come while nobody is there.
        wait_for("packets", lambda: STREAM.n > sent + 500)
        systemctl("start", "sluice.service")
    comes_back(stop_and_start)


def blocks(document, where):
    """The blocks of a document that are to be run here."""
    text = (HERE.parents[1] / document).read_text(encoding="utf-8")
    return re.findall(rf"<!-- run: {where} -->\n```sh\n(.*?)```", text, re.S)


def what_the_documents_say_of_the_units_is_so():
    for document, n in (("docs/install.md", 2), ("docs/upgrade.md", 1)):
        found = blocks(document, "systemd")
        equal(len(found), n)
        for block in found:
            if "restart sluice.service" in block:
                comes_back(lambda block=block: shell(block))
            else:
                shell(block)
                lines_go_on()
    equal(systemctl("is-enabled", "sluice.socket", "sluice.service").split(),
          ["enabled", "enabled"])


def what_is_killed_comes_back():
    n_before = int(show("NRestarts"))
    comes_back(lambda: systemctl("kill", "--kill-who=main", "--signal=KILL",
                                 "sluice.service"))
    equal(int(show("NRestarts")), n_before + 1)


def what_hangs_is_killed_by_the_watchdog_and_comes_back():
    drop_in = UNITS / "sluice.service.d/watchdog.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nWatchdogSec=1s\n", encoding="utf-8")
    systemctl("daemon-reload")
    comes_back(lambda: systemctl("restart", "sluice.service"))
    comes_back(lambda: systemctl("kill", "--kill-who=main", "--signal=STOP",
                                 "sluice.service"))
    assert "Watchdog timeout" in journal(), journal()
    drop_in.unlink()
    systemctl("daemon-reload")


def without_the_socket_unit_systemd_keeps_the_descriptors():
    # The sockets are others then: what waits in these must be out.
    n = all_lines_come()
    systemctl("stop", "sluice.service", "sluice.socket")
    systemctl("mask", "--runtime", "sluice.socket")
    config = PREFIX / "etc/sluice/sluice.yaml"
    config.write_text("tunnel:\n  listen: 127.0.0.1\n"
                      + config.read_text(encoding="utf-8"), encoding="utf-8")
    systemctl("start", "sluice.service")
    wait_for("the descriptors", lambda: show("NFileDescriptorStore") == "16")

    again = Stream(PORT)
    again.n = n
    globals()["STREAM"] = again
    again.start()
    lines_go_on()
    for _ in range(2):
        comes_back(lambda: systemctl("restart", "sluice.service"))
    equal(show("NFileDescriptorStore"), "16")


def the_books_say_that_each_line_came():
    n = all_lines_come()
    equal(sorted(set(SERVER.numbers)), list(range(1, n + 1)))
    wait_for("the books", lambda: [
        (t["received"], t["shipped"], t["dropped"])
        for t in ask("tenants")["tenants"]] == [(n, n, 0)])
    vm = ask("vms")["vms"][0]
    equal((vm["lost"], vm["replayed"], vm["received"]), (0, 0, n))
    twice = len(SERVER.numbers) - n
    print(f"# {n} lines, {twice} of them again: those that a shipper had sent "
          "in the hold time when it was killed", flush=True)
    systemctl("stop", "sluice.service")
    equal((show("Result"), show("ActiveState")), ("success", "inactive"))


def the_host_reports_with_no_capability():
    etc, state = "/usr/local/etc/sluice", "/var/lib/sluice"
    inside("sluice-hostd", "--generate-key", "--key", f"{etc}/hostd.key",
           "--public", f"{etc}/hostd.pub")
    config = PREFIX / "etc/sluice/sluice.yaml"
    config.write_text(config.read_text(encoding="utf-8") + (
        "context:\n  host-listen: 127.0.0.1:6082\n"
        "hosts:\n- name: hv\n  vtep: 127.0.0.1\n"
        f"  public-key-file: {etc}/hostd.pub\n"), encoding="utf-8")
    defaults = PREFIX / "etc/default/sluice-hostd"
    defaults.parent.mkdir(parents=True, exist_ok=True)
    defaults.write_text(
        f"OPTIONS='--key {etc}/hostd.key --proxy "
        f"127.0.0.1:6082,{state}/host-channel.key.pub'\n", encoding="utf-8")
    start_switch()
    reports_come()
    systemctl("stop", "sluice-hostd.service", "sluice.service")


def start_switch():
    """Open vSwitch, in the container."""
    inside("mkdir", "-p", "/run/openvswitch")
    inside(f"{OVS}/build/ovsdb/ovsdb-tool", "create", "/root/db",
           f"{OVS}/src/vswitchd/vswitch.ovsschema")
    inside("systemd-run", "--unit=ovsdb-server",
           f"{OVS}/build/ovsdb/ovsdb-server", "--no-chdir",
           "--remote=punix:/run/openvswitch/db.sock", "/root/db")
    shell("ovs-vsctl --retry --timeout=30 --no-wait init")
    inside("systemd-run", "--unit=ovs-vswitchd",
           f"{OVS}/build/vswitchd/ovs-vswitchd", "--no-chdir",
           "--disable-system")


def shell(command):
    """As a document has it, in the container."""
    command = command.replace("/etc/sluice", "/usr/local/etc/sluice")
    return inside("env", f"PATH={OVS}/build/utilities:{os.environ['PATH']}",
                  "sh", "-ec", command)


def reports_come():
    systemctl("start", "sluice.service", "sluice-hostd.service")
    status = ROOT / "var/lib/sluice/context/context.snapshot.status"
    try:
        wait_for("a report", lambda: re.search(
            "reports: [1-9]", status.read_text(encoding="utf-8")), 30)
    except AssertionError as error:
        raise AssertionError(status.read_text(encoding="utf-8")
                             + journal()[-4000:]) from error
    pid = systemctl("show", "--value", "--property=MainPID",
                    "sluice-hostd.service").strip()
    rights = inside("cat", f"/proc/{pid}/status")
    for line in ("CapBnd:\t0000000000000000", "NoNewPrivs:\t1",
                 "Seccomp:\t2"):
        assert line in rights, (line, rights)


def the_switch_on_the_same_host_sends():
    """Does what docs/deploy-host.md says."""
    text = (HERE.parents[1] / "docs/deploy-host.md").read_text(
        encoding="utf-8")
    files = re.findall(r"<!-- file: (\S+) -->\n```\w*\n(.*?)```", text, re.S)
    commands = blocks("docs/deploy-host.md", "host")
    equal((len(files), len(commands)), (2, 3))
    for path, content in files:
        path = ROOT / path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    config = PREFIX / "etc/sluice/sluice.yaml"
    config.write_text(
        "batch:\n  max-delay-ms: 20\n"
        "hosts:\n- name: this-host\n  vtep: 192.0.2.1\n"
        "tenants:\n- id: 7\n  name: shop\n"
        f"  server: 127.0.0.1:{SERVER.port}\n", encoding="utf-8")
    systemctl("unmask", "--runtime", "sluice.socket")

    # A guest on the bridge of the guests.
    shell("ip netns add vm1;"
          "ip link add vm1 type veth peer name eth0 netns vm1;"
          "ip link set vm1 up; ip -n vm1 address add 10.0.0.1/24 dev eth0;"
          "ip netns exec vm1 ethtool -K eth0 tx off;"
          "ip -n vm1 link set eth0 up;"
          "ip -n vm1 neigh add 10.0.0.254 lladdr 02:00:00:00:00:fe dev eth0;"
          "ovs-vsctl add-br br-int -- set Bridge br-int datapath_type=netdev "
          "-- add-port br-int vm1 -- set Interface vm1 external_ids:vm-id="
          "a0000000-0000-4000-8000-000000000701 external_ids:sluice-tenant=7")
    for block in commands:
        shell(block)
    # No socket of the host's network is open to packets.
    equal(inside("ss", "-Hnul", "sport", f"= {PORT}"), "")
    first = max(SERVER.numbers) + 1
    shell("ip netns exec vm1 bash -c 'for ((i = 0; i < 20; i++)); do "
          f"printf \"<13>1 - h a - - - number=$(({first} + i)) end\" "
          ">/dev/udp/10.0.0.254/514; done'")
    wait_for("the guest's lines", lambda: set(
        range(first, first + 20)) <= set(SERVER.numbers), 30)
    wait_for("the books", lambda: [
        (vm["received"], vm["lost"]) for vm in ask("vms")["vms"]
        if vm["vtep"].endswith("192.0.2.1")] == [(20, 0)])
    systemctl("stop", "sluice.service", "sluice.socket", "sluice-rx.service")


main([
    the_units_start_and_lines_come,
    what_the_service_may_not_write_to_it_cannot,
    nobody_is_root_and_who_reads_packets_is_alone,
    a_restart_a_reload_and_a_stop_lose_nothing,
    what_the_documents_say_of_the_units_is_so,
    what_is_killed_comes_back,
    what_hangs_is_killed_by_the_watchdog_and_comes_back,
    without_the_socket_unit_systemd_keeps_the_descriptors,
    the_books_say_that_each_line_came,
    the_host_reports_with_no_capability,
    the_switch_on_the_same_host_sends,
])
