#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# sluicectl flows: the commands that it prints, run on a real Open vSwitch with
# the userspace datapath, in a network namespace of its own.
#
# In: $OVS_BUILD and $OVS_SOURCE, a build of Open vSwitch and its source.
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

from harness import SLUICECTL, Sluiced, equal, main, wait_for

OVS_BUILD = os.environ["OVS_BUILD"]
OVS_SOURCE = os.environ["OVS_SOURCE"]
VM1 = "a0000000000040008000000000000701"
VM2 = "b0000000000040008000000000000801"
CONTEXT = """
vms:
  - {uuid: a0000000-0000-4000-8000-000000000701, name: "web's $(false)",
     port: v1, tenant: 7}
  - {uuid: b0000000-0000-4000-8000-000000000801, port: v-2, tenant: 8}
  - {macs: ["02:00:00:00:07:03"], name: no uuid, port: v3, tenant: 7}
  - {macs: ["02:00:00:00:07:04"], name: stranger, port: v4, tenant: 9}
  - {macs: ["02:00:00:00:07:05"], name: nowhere, tenant: 7}
"""
CONFIG = """
tunnel: {listen: 198.18.0.2}
context: {static-file: %s/context.yaml}
tenants:
- {id: 7, name: seven, server: "192.0.2.1:514"}
- {id: 8, name: eight, server: "192.0.2.1:514"}
"""


def run(*command, check=True):
    result = subprocess.run(command, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=60,
                            check=False)
    if check and result.returncode:
        raise AssertionError(f"{command}: {result.stdout}")
    return result.stdout


class Switch:
    """Open vSwitch with ports v1, v-2, v3, v4 and an underlay."""

    def __init__(self):
        self.dir = None
        self.processes = []

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="sluice-test.")
        for name in ("RUNDIR", "LOGDIR", "DBDIR", "SYSCONFDIR"):
            os.environ["OVS_" + name] = self.dir
        os.environ["PATH"] = ":".join(
            [f"{OVS_BUILD}/{part}" for part in ("utilities", "ovsdb",
                                                "vswitchd")]
            + [os.environ["PATH"]])
        try:
            self.set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def set_up(self):
        run("ip", "link", "set", "lo", "up")
        run("ovsdb-tool", "create", self.dir + "/conf.db",
            OVS_SOURCE + "/vswitchd/vswitch.ovsschema")
        self.start("ovsdb-server", self.dir + "/conf.db",
                   f"--remote=punix:{self.dir}/db.sock")
        wait_for("ovsdb-server", lambda: os.path.exists(self.dir + "/db.sock"))
        run("ovs-vsctl", "--no-wait", "init")
        self.start("ovs-vswitchd", "--disable-system",
                   f"unix:{self.dir}/db.sock")
        run("ovs-vsctl", "--timeout=30", "add-br", "br-int", "--", "set",
            "Bridge", "br-int", "datapath_type=netdev")
        run("ovs-vsctl", "--timeout=30", "add-br", "br-phy", "--", "set",
            "Bridge", "br-phy", "datapath_type=netdev")
        for port, bridge in (("v1", "br-int"), ("v-2", "br-int"),
                             ("v3", "br-int"), ("v4", "br-int"),
                             ("phy0", "br-phy")):
            run("ip", "link", "add", port, "type", "veth", "peer", "name",
                port + "p")
            run("ip", "link", "set", port, "up")
            run("ip", "link", "set", port + "p", "up")
            run("ovs-vsctl", "--timeout=30", "add-port", bridge, port)
        run("ip", "addr", "add", "198.18.0.1/24", "dev", "br-phy")
        run("ip", "link", "set", "br-phy", "up")
        wait_for("the route", lambda: "br-phy" in run(
            "ovs-appctl", "ovs/route/lookup", "198.18.0.2", check=False))
        run("ovs-appctl", "tnl/neigh/set", "br-phy", "198.18.0.2",
            "02:00:00:00:00:99")
        Sluiced.write(self.dir + "/context.yaml", CONTEXT)
        Sluiced.write(self.dir + "/sluice.yaml", CONFIG % self.dir)

    def start(self, *command):
        with open(self.dir + "/log", "a", encoding="utf-8") as log:
            self.processes.append(subprocess.Popen(
                [*command, "--pidfile", "--no-chdir"], stdout=log,
                stderr=log))

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
            process.wait()
        shutil.rmtree(self.dir)

    def flows(self, *options):
        return subprocess.run(
            [SLUICECTL, "flows", "--config", self.dir + "/sluice.yaml",
             *options], capture_output=True, text=True, check=False)

    def trace(self, flow):
        return run("ovs-appctl", "ofproto/trace", "br-int", flow)


SWITCH = Switch()
UDP = "udp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,udp_dst="


def the_script_runs_and_may_run_again():
    result = SWITCH.flows()
    equal((result.returncode, result.stderr), (0, ""))
    path = SWITCH.dir + "/flows.sh"
    Sluiced.write(path, result.stdout)
    equal(run("sh", "-e", path), "")
    before = run("ovs-ofctl", "--no-stats", "dump-flows", "br-int")
    equal(run("sh", "-e", path), "")
    equal(run("ovs-ofctl", "--no-stats", "dump-flows", "br-int"), before)


def packets_leave_with_our_options():
    for port, vm, tenant in (("v1", VM1, 7), ("v-2", VM2, 8)):
        for protocol in (UDP, "udp6,ipv6_src=fd00::1,ipv6_dst=fd00::2,"
                         "udp_dst="):
            trace = SWITCH.trace(f"in_port={port},{protocol}514")
            assert (f"geneve(vni={tenant:#x},options("
                    f"{{class=0xff53,type=0x2,len=16,0x{vm}}}"
                    f"{{class=0xff53,type=0x3,len=4,{tenant:#x}}}))"
                    ) in trace, trace
            assert "dst=198.18.0.2" in trace, trace
            assert "NORMAL" in trace, trace


def a_vm_without_uuid_has_its_tenant_alone():
    trace = SWITCH.trace(f"in_port=v3,{UDP}514")
    assert "options({class=0xff53,type=0x3,len=4,0x7})" in trace, trace


def nothing_else_is_tunnelled():
    for flow in (f"in_port=v1,{UDP}515", f"in_port=v4,{UDP}514"):
        trace = SWITCH.trace(flow)
        assert "tnl_push" not in trace and "0xff53" not in trace, trace


def nothing_comes_out_of_the_tunnel():
    trace = SWITCH.trace("in_port=sluice0,tun_id=7,tun_src=198.18.0.2,"
                         f"tun_dst=198.18.0.1,{UDP}514")
    assert "Datapath actions: drop" in trace, trace


def geneve_of_a_guest_is_dropped_at_its_port():
    for port in ("v1", "v-2", "v3"):
        for protocol in (UDP, "udp6,ipv6_src=fd00::1,ipv6_dst=fd00::2,"
                         "udp_dst="):
            trace = SWITCH.trace(f"in_port={port},{protocol}6081")
            assert "Datapath actions: drop" in trace, trace


def a_real_packet_carries_the_bytes_of_the_wire_format():
    frame = (bytes.fromhex("ffffffffffff 020000000701 0800"
                           "4500 0021 0000 0000 4011 0000 0a000001 0a0000fe"
                           "03e8 0202 000d 0000") + b"hello")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                       socket.htons(3)) as guest, \
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                          socket.htons(3)) as underlay:
        guest.bind(("v1p", 0))
        underlay.bind(("phy0p", 0))
        underlay.settimeout(20)
        guest.send(frame)
        while True:
            outer = underlay.recv(2000)
            if (len(outer) > 50 and outer[23] == 17
                    and struct.unpack(">H", outer[36:38])[0] == 6081):
                break
    geneve = outer[42:]
    equal(geneve[:8].hex(), "0700655800000700")
    equal(geneve[8:36].hex(), "ff530204" + VM1 + "ff530301" + "00000007")
    equal(geneve[36:36 + len(frame)], frame)


def options_are_heeded():
    result = SWITCH.flows("--bridge", "br-x", "--tunnel-port", "log1",
                          "--proxy", "2001:db8::2", "--port", "1514")
    equal(result.returncode, 0)
    assert ("ovs-ofctl add-flow br-x 'in_port=v1,udp,tp_dst=1514,actions="
            "clone(set_field:7->tun_id,set_field:2001:db8::2->tun_ipv6_dst,"
            f"set_field:0x{VM1}->tun_metadata0,set_field:7->tun_metadata1,"
            "output:log1),normal'\n") in result.stdout, result.stdout


def what_cannot_be_printed_is_refused():
    for options, sentence in (
            (("--port", "0"), "--port: 0 is not a UDP or TCP port; give "
             "1 to 65535."),
            (("--proxy", "proxy"), "--proxy: proxy is not an IPv4 or IPv6 "
             "address; write it as 192.0.2.1 or 2001:db8::1."),
            (("--proxy", "::"), "the proxy listens on all its addresses (::); "
             "name the one for the tunnel with --proxy."),
            (("--bridge", "br;reboot"), "--bridge: \"br;reboot\" is not a "
             "name of Open vSwitch that a script can have; use letters, "
             "digits, '.', '_' and '-', not digits alone."),
            (("--tunnel-port", "7"), "--tunnel-port: \"7\" is not a name of "
             "Open vSwitch that a script can have; use letters, digits, '.', "
             "'_' and '-', not digits alone.")):
        result = SWITCH.flows(*options)
        equal((result.returncode, result.stdout, result.stderr),
              (2 if sentence.startswith("--") else 1, "",
               f"sluicectl: {sentence}\n"))


def flows_for_our_action_name_what_they_need():
    result = SWITCH.flows("--action", "--log-server", "10.0.0.9,fd00::9",
                          "--rate", "5", "--first-meter", "40",
                          "--then", "resubmit(,10)", "--fragments", "none")
    equal((result.returncode, result.stderr), (0, ""))
    flows = [line for line in result.stdout.splitlines()
             if line.startswith("add ") and "in_port=v-2," in line]
    action = ("actions=log_tunnel(port=sluice0,dst=198.18.0.2,meter=41),"
              "resubmit(,10)")
    begin = "add cookie=0x2534c,priority="
    equal(flows, [
        begin + "65000,in_port=v-2,udp,tp_dst=6081,actions=drop",
        begin + "65000,in_port=v-2,udp6,tp_dst=6081,actions=drop",
        begin + "40000,in_port=v-2,udp,nw_dst=10.0.0.9,tp_dst=514," + action,
        begin + "40000,in_port=v-2,tcp,nw_dst=10.0.0.9,tp_dst=514," + action,
        begin + "40000,in_port=v-2,udp6,ipv6_dst=fd00::9,tp_dst=514," + action,
        begin + "40000,in_port=v-2,tcp6,ipv6_dst=fd00::9,tp_dst=514," + action,
    ])
    assert "'meter=41,pktps,burst,band=type=drop,rate=5,burst_size=5'" in (
        result.stdout), result.stdout
    matched = SWITCH.flows("--action", "--match", "tun_id=0", "--then",
                           "set_field:1->tun_id,resubmit(,0)").stdout
    equal(matched.count(",tun_id=0,actions=log_tunnel(port=sluice0,"
                        "dst=198.18.0.2),set_field:1->tun_id,resubmit(,0)\n"),
          matched.count("log_tunnel("))
    assert "tun_id" in matched, matched
    later = SWITCH.flows("--action").stdout
    equal([later.count(f"in_port=v1,{protocol},nw_frag=later,")
           for protocol in ("udp", "tcp", "ipv6")], [1, 1, 1])


def what_our_action_cannot_do_is_refused():
    for options, sentence in (
            (("--rate", "5:x"), "--rate: 5:x is not a rate; give packets a "
             "second, and how many may come at once, as 500:1000."),
            (("--fragments", "all"), "--fragments: there is no way \"all\"; "
             "use later or none."),
            (("--log-server", "10.0.0.9,"), "--log-server:  is not an IPv4 or "
             "IPv6 address; write it as 192.0.2.1 or 2001:db8::1."),
            (("--first-meter", "65533"), "--first-meter: 65533 is not a "
             "number from 1 on that leaves room for all VMs up to 65535."),
            (("--match", "x'"), "--match: \"x'\" is not a match that a "
             "script can have; write it as \"tun_id=0\"."),
            (("--then", "normal';reboot'"), "--then: \"normal';reboot'\" are "
             "not actions that a script can have; write them as \"normal\" "
             "or \"resubmit(,1)\".")):
        result = SWITCH.flows("--action", *options)
        equal((result.returncode, result.stdout, result.stderr),
              (2, "", f"sluicectl: {sentence}\n"))


def a_file_without_ports_is_refused():
    Sluiced.write(SWITCH.dir + "/context.yaml",
                 "vms:\n- {macs: ['02:00:00:00:00:01'], port: v1}\n")
    equal(SWITCH.flows().stderr, f"sluicectl: {SWITCH.dir}/context.yaml: no "
          "VM has a port and a configured tenant; give \"port\" and "
          "\"tenant\" to those that log.\n")
    Sluiced.write(SWITCH.dir + "/sluice.yaml", (CONFIG % "/x").replace(
        "context: {static-file: /x/context.yaml}\n", ""))
    equal(SWITCH.flows().stderr, f"sluicectl: {SWITCH.dir}/sluice.yaml: there "
          "is no context.static-file, which would name the VMs; add one.\n")


def run_all():
    if os.geteuid():
        print("1..0 # SKIP a network namespace takes root")
        return
    if "SLUICE_TEST_NAMESPACE" not in os.environ:
        os.environ["SLUICE_TEST_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, "-B",
                              *sys.argv])
    with SWITCH:
        main([
            the_script_runs_and_may_run_again,
            packets_leave_with_our_options,
            a_vm_without_uuid_has_its_tenant_alone,
            nothing_else_is_tunnelled,
            nothing_comes_out_of_the_tunnel,
            geneve_of_a_guest_is_dropped_at_its_port,
            a_real_packet_carries_the_bytes_of_the_wire_format,
            options_are_heeded,
            what_cannot_be_printed_is_refused,
            flows_for_our_action_name_what_they_need,
            what_our_action_cannot_do_is_refused,
            a_file_without_ports_is_refused,
        ])


run_all()
