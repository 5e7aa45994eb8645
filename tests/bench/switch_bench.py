#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a packet costs in Open vSwitch with DPDK: forwarded, sent through a
stock tunnel, and by log_tunnel.

usage: switch_bench.py --ovs DIR [--stock-ovs DIR] [--rounds N] [--seconds S]
                       [--instructions VARIANT,...]

In: --ovs, the build that prepare-ovs made; --stock-ovs, one without our
patches, or Debian's openvswitch-switch-dpdk unpacked with "dpkg -x".
Out: one line per figure on standard output, "name value unit".
bench.py runs it.  See docs/performance.md.
"""
import argparse
import contextlib
import os
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

VM = "6f1c3b52-8a0e-4d1c-9a55-2b1f0c7d9e10"
TENANT = 7
PACKET_SIZE, N_FLOWS = 326, 64          # A line of 280 bytes in UDP, IPv4.
TLV_MAP = ("{class=0xff53,type=2,len=16}->tun_metadata0,"
           "{class=0xff53,type=3,len=4}->tun_metadata1")
TUNNELS = {"gnv0": "false", "gnv1": "true"}     # Port: outer UDP checksum.

# What becomes of the source's packets.  Both tunnels carry whose packet it is;
# the stock one as "sluicectl flows" prints it.
STOCK = ("set_field:{remote}->tun_dst,set_field:%d->tun_id,"
         "set_field:0x%s->tun_metadata0,set_field:%#x->tun_metadata1,"
         "output:" % (TENANT, VM.replace("-", ""), TENANT))
LOG = "log_tunnel(port=%s,dst={remote})"

# By name: the actions for the source's packets; those for other packets, which
# do not come, if there is such a flow; whether there is a key; the datapath
# flow that says that all this is in force.
VARIANTS = {
    "forward": ("output:sink", None, False, r"actions:sink"),
    "forward-beside-stock-tunnel": (
        "output:sink", STOCK + "gnv0", False, r"udp\(dst=514\).*actions:sink"),
    "forward-beside-log-tunnel": (
        "output:sink", LOG % "gnv0", False, r"udp\(dst=514\).*actions:sink"),
    "stock-tunnel": (
        STOCK + "gnv0", None, False,
        r"actions:tnl_push\(.*udp\([^)]*csum=0x0\)"),
    "log-tunnel": (
        LOG % "gnv0", None, False, r"log_tunnel.*size=126.*csum=0x0"),
    "log-tunnel-auth": (
        LOG % "gnv0", None, True, r"log_tunnel.*size=138.*csum=0x0"),
    "stock-tunnel-checksum": (
        STOCK + "gnv1", None, False,
        r"actions:tnl_push\(.*udp\([^)]*csum=0xffff\)"),
    "log-tunnel-checksum": (
        LOG % "gnv1", None, False, r"log_tunnel.*size=126.*csum=0xffff"),
}
# Instructions are counted in the one function, per call of the other, which
# has BATCH packets each time, since the source never runs dry.
COUNTED_FUNCTION, BATCH_FUNCTION = ("dp_netdev_process_rxq_port",
                                    "dp_netdev_input")
BATCH = 32
COUNTED = {
    "stock": ("forward",),
    "ours": ("forward", "forward-beside-stock-tunnel",
             "forward-beside-log-tunnel", "stock-tunnel", "log-tunnel",
             "log-tunnel-auth"),
}

# Name: what is divided by what.
RATIOS = {
    "log-to-stock": ("ours.log-tunnel", "ours.stock-tunnel"),
    "log-to-stock-checksum": ("ours.log-tunnel-checksum",
                              "ours.stock-tunnel-checksum"),
    "log-auth-to-stock": ("ours.log-tunnel-auth", "ours.stock-tunnel"),
    "forward-to-stock-build": ("ours.forward", "stock.forward"),
    "beside-log-to-beside-stock": ("ours.forward-beside-log-tunnel",
                                   "ours.forward-beside-stock-tunnel"),
}


def say(text):
    print(text, file=sys.stderr, flush=True)


def wait_for(condition, what, timeout_s=30):
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            sys.exit("bench: %s: not within %d s" % (
                what() if callable(what) else what, timeout_s))
        time.sleep(0.05)


def write_pcap(path, port):
    """Packets of N_FLOWS flows to UDP port 'port'."""
    with open(path, "wb") as f:
        f.write(struct.pack("=IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for i in range(N_FLOWS):
            payload = b"<13>" + b"x" * (PACKET_SIZE - 14 - 20 - 8 - 4)
            udp = struct.pack("!HHHH", 20000 + i, port, 8 + len(payload), 0)
            ip = bytearray(struct.pack(
                "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp) + len(payload), i, 0,
                64, 17, 0, socket.inet_aton("10.0.0.1"),
                socket.inet_aton("10.0.0.2")))
            total = sum(struct.unpack("!10H", ip))
            total = (total & 0xffff) + (total >> 16)
            ip[10:12] = struct.pack("!H", ~(total + (total >> 16)) & 0xffff)
            frame = (bytes.fromhex("020000000011020000000012") + b"\x08\x00"
                     + bytes(ip) + udp + payload)
            f.write(struct.pack("=IIII", 0, i, len(frame), len(frame)) + frame)


def vswitchd_of(path):
    for place in ("vswitchd/ovs-vswitchd", "build/vswitchd/ovs-vswitchd",
                  "usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"):
        whole = os.path.join(path, place)
        if os.access(whole, os.X_OK):
            return whole
    sys.exit("bench: there is no ovs-vswitchd in %s" % path)


class Switch:
    """A switch with an endless source, a sink and two tunnels."""
    def __init__(self, name, vswitchd, tools, work, wrapper=(), mib=256):
        self.name, self.tools, self.processes = name, tools, []
        self.mib = mib          # Memory of DPDK.
        self.can_log = name == "ours"
        self.bridge, self.underlay = "br-int", "br-phy"
        self.local, self.remote = "198.18.0.1", "198.18.0.2"
        self.dir = os.path.join(work, name)
        os.makedirs(self.dir)
        self.env = dict(os.environ, OVS_RUNDIR=self.dir, OVS_LOGDIR=self.dir,
                        OVS_DBDIR=self.dir, OVS_SYSCONFDIR=self.dir)
        # In a network namespace of its own, for its bridges' devices.
        self.vswitchd = ["unshare", "--net", "nice", "-n", "-10", *wrapper,
                         vswitchd]
        self.patience = 300 if wrapper else 30

    def tool(self, name, *args):
        return subprocess.run(
            [os.path.join(self.tools, name), *args], env=self.env, check=True,
            stdout=subprocess.PIPE, text=True).stdout

    def vsctl(self, *args):
        return self.tool("utilities/ovs-vsctl",
                         "--timeout=%d" % self.patience, *args)

    def ofctl(self, *args):
        return self.tool("utilities/ovs-ofctl", *args)

    def appctl(self, *args):
        return self.tool("utilities/ovs-appctl", "-t", self.dir + "/ctl",
                         *args)

    def ip(self, *args):
        subprocess.run(["nsenter", "--net=/proc/%d/ns/net"
                        % self.processes[-1].pid, "ip", *args], check=True)

    def start(self, command, log):
        with open(os.path.join(self.dir, log), "w") as f:
            self.processes.append(subprocess.Popen(
                command, env=self.env, stdin=subprocess.DEVNULL, stdout=f,
                stderr=f))

    def __enter__(self):
        with open(os.path.join(self.tools, "Makefile")) as f:
            source = re.search(r"^abs_top_srcdir = (.*)$", f.read(),
                               re.M).group(1)
        db, socket_ = self.dir + "/conf.db", self.dir + "/db.sock"
        self.tool("ovsdb/ovsdb-tool", "create", db,
                  source + "/vswitchd/vswitch.ovsschema")
        self.start([self.tools + "/ovsdb/ovsdb-server", db,
                    "--remote=punix:" + socket_, "--no-chdir"], "ovsdb.log")
        wait_for(lambda: os.path.exists(socket_), "ovsdb-server")
        cpus = sorted(os.sched_getaffinity(0))
        self.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                   "other_config:dpdk-init=true",
                   "other_config:dpdk-extra=--no-huge --legacy-mem "
                   "--no-shconf -m %d --no-pci --no-telemetry" % self.mib,
                   "other_config:pmd-cpu-mask=%#x" % (1 << cpus[-1]),
                   "other_config:max-idle=1000000")
        self.start([*self.vswitchd, "unix:" + socket_, "--disable-system",
                    "--no-chdir", "--unixctl=" + self.dir + "/ctl"],
                   "ovs-vswitchd.log")
        return self

    def __exit__(self, *_):
        self.pause(False)
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def add_dpdk(self, bridge, name, devargs, vm=VM, tenant=TENANT):
        self.vsctl("add-port", bridge, name, "--", "set", "Interface", name,
                   "type=dpdk", "options:dpdk-devargs=" + devargs,
                   "external_ids:vm-id=" + vm,
                   "external_ids:sluice-tenant=%d" % tenant)
        error = self.vsctl("get", "Interface", name, "error").strip()
        if error != "[]":
            sys.exit("bench: port %s: %s" % (name, error))

    def configure(self, pcap):
        """A bridge that packets come in on, and one that is the underlay."""
        for bridge in (self.bridge, self.underlay):
            self.vsctl("add-br", bridge, "--", "set", "Bridge", bridge,
                       "datapath_type=netdev", "fail_mode=secure")
        self.add_dpdk(self.bridge, "sink", "net_null0,no-rx=1")
        self.add_dpdk(self.underlay, "uplink", "net_null1,no-rx=1")
        for name, csum in TUNNELS.items():
            self.vsctl("add-port", self.bridge, name, "--", "set",
                       "Interface", name, "type=geneve",
                       "options:remote_ip=flow", "options:key=flow",
                       "options:csum=" + csum,
                       "options:dst_port=%d" % (6081 + (csum == "true")))
        self.ofctl("add-flow", self.underlay,
                   "in_port=LOCAL,actions=output:uplink")
        self.ip("addr", "add", self.local + "/24", "dev", self.underlay)
        self.ip("link", "set", self.underlay, "up")
        self.appctl("tnl/neigh/set", self.underlay, self.remote,
                    "02:00:00:00:00:02")
        wait_for(lambda: self.underlay in self.appctl("ovs/route/lookup",
                                                      self.remote),
                 "the tunnel's route")
        self.ofctl("add-tlv-map", self.bridge, TLV_MAP)
        self.add_dpdk(self.bridge, "src",
                      "net_pcap0,rx_pcap=%s,infinite_rx=1" % pcap)

    def pmd(self):
        """The thread that forwards: its folder in /proc."""
        tasks = "/proc/%d/task/" % self.processes[-1].pid
        for task in os.listdir(tasks):
            with open(tasks + task + "/comm") as f:
                if f.read().startswith("pmd-c"):
                    return tasks + task
        sys.exit("bench: ovs-vswitchd has no thread that forwards")

    def cpu_ns(self):
        with open(self.pmd() + "/schedstat") as f:
            return int(f.read().split()[0])

    def stats(self):
        """Packets received, and the cycles that went into them."""
        text = self.appctl("dpif-netdev/pmd-stats-show")
        packets = sum(map(int, re.findall(r"packets received: (\d+)", text)))
        cycles = sum(map(int, re.findall(r"processing cycles: (\d+)", text)))
        return packets, cycles

    def set_key(self, has_key):
        if not has_key:
            self.vsctl("remove", "Open_vSwitch", ".", "other_config",
                       "sluice-key-file")
            return
        path = os.path.join(self.dir, "key")
        if not os.path.exists(path):
            with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600),
                           "w") as f:
                print(os.urandom(16).hex(), file=f)
        self.vsctl("set", "Open_vSwitch", ".",
                   "other_config:sluice-key-file=" + path)
        self.appctl("sluice/reload-key")

    def use(self, variant):
        """Gives the source's packets the actions of 'variant'."""
        actions, other, has_key, expected = VARIANTS[variant]
        self.ofctl("del-flows", self.bridge)
        if "log_tunnel" in actions:
            self.set_key(has_key)
        if other:
            self.ofctl("add-flow", self.bridge,
                       "priority=10,udp,tp_dst=515,actions="
                       + other.format(remote=self.remote))
        self.ofctl("add-flow", self.bridge, "in_port=src,actions="
                   + actions.format(remote=self.remote))

        def flows():
            return self.appctl("dpctl/dump-flows", "--names")
        wait_for(lambda: re.search(expected, flows()),
                 lambda: "%s: a datapath flow like %s among\n%s" % (
                     variant, expected, flows()), self.patience)

    def measure(self, seconds):
        """Cycles and nanoseconds of CPU time per packet."""
        (packets, cycles), cpu = self.stats(), self.cpu_ns()
        time.sleep(seconds)
        after, cpu_after = self.stats(), self.cpu_ns()
        packets = after[0] - packets
        if not packets:
            sys.exit("bench: no packets were forwarded")
        return (after[1] - cycles) / packets, (cpu_after - cpu) / packets

    def pause(self, is_paused):
        self.processes[-1].send_signal(
            signal.SIGSTOP if is_paused else signal.SIGCONT)


def run_rounds(switches, args):
    """Returns the figures of all rounds, by name of build and variant."""
    got = {}
    for i in range(args.rounds):
        say("round %d of %d" % (i + 1, args.rounds))
        for switch in switches:
            switch.pause(False)
            for variant in (v for v in VARIANTS if switch.can_log
                            or v in ("forward", "stock-tunnel")):
                switch.use(variant)
                got.setdefault("%s.%s" % (switch.name, variant), []).append(
                    switch.measure(args.seconds))
            switch.pause(True)
    for switch in switches:
        switch.pause(False)
    return got


def count_instructions(name, path, args, work, pcap):
    """Yields name and instructions per packet, by callgrind, of each variant
    that is to be counted in the build in 'path'."""
    out = os.path.join(work, "callgrind." + name)
    wrapper = ["valgrind", "-q", "--tool=callgrind", "--fair-sched=yes",
               "--compress-strings=no",
               "--callgrind-out-file=" + out,
               "--toggle-collect=" + COUNTED_FUNCTION]
    with Switch("%s-callgrind" % name, vswitchd_of(path), args.ovs, work,
                wrapper) as switch:
        switch.configure(pcap)
        pid = str(switch.processes[-1].pid)
        variants = [v for v in COUNTED[name]
                    if not args.instructions or v in args.instructions]
        for i, variant in enumerate(variants, 1):
            say("instructions of %s.%s" % (name, variant))
            switch.use(variant)
            for command in ("-z", "-d"):
                subprocess.run(["callgrind_control", command, pid],
                               check=True, stdout=subprocess.DEVNULL)
                time.sleep(args.seconds * 4 if command == "-z" else 0)
            with open("%s.%d" % (out, i)) as f:
                text = f.read()
            total = re.search(r"^(?:totals|summary): (\d+)", text, re.M)
            n = calls_of(text, BATCH_FUNCTION) * BATCH
            if not n:
                say("no instructions: the symbols are missing in " + path)
                return
            yield "%s.%s" % (name, variant), int(total.group(1)) / n


def calls_of(profile, function):
    """How often 'function' was called, in a profile by callgrind."""
    return sum(map(int, re.findall(r"^cfn=%s\ncalls=(\d+) " % function,
                                   profile, re.M)))


def report(got):
    def add(name, value, unit):
        print("switch." + name, round(value, 3), unit, flush=True)
    for name, rounds in got.items():
        for i, (kind, unit) in enumerate((("cycles", "cycles/packet"),
                                          ("cpu", "ns/packet"))):
            values = [figures[i] for figures in rounds]
            add("%s.%s" % (name, kind), statistics.median(values), unit)
            add("%s.%s.least" % (name, kind), min(values), unit)
    for name, (above, below) in RATIOS.items():
        if above not in got or below not in got:
            continue
        # Round by round: what else the machine does changes from one to the
        # next.
        for i, kind in enumerate(("cycles", "cpu")):
            add("%s.%s" % (name, kind), statistics.median(
                a[i] / b[i] for a, b in zip(got[above], got[below])), "times")


def measure_rounds(args):
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="bench-switch-"))
        pcap = os.path.join(work, "source.pcap")
        write_pcap(pcap, 514)
        switches = []
        for name, path in (("ours", args.ovs), ("stock", args.stock_ovs)):
            if path:
                switch = stack.enter_context(Switch(
                    name, vswitchd_of(path), args.ovs, work))
                switch.configure(pcap)
                switch.pause(True)
                switches.append(switch)
        report(run_rounds(switches, args))


def measure_instructions(args):
    got = {}
    with tempfile.TemporaryDirectory(prefix="bench-switch-") as work:
        pcap = os.path.join(work, "source.pcap")
        write_pcap(pcap, 514)
        for name, path in (("ours", args.ovs), ("stock", args.stock_ovs)):
            if path:
                for what, n in count_instructions(name, path, args, work,
                                                  pcap):
                    got[what] = n
                    print("switch.%s.instructions" % what, round(n, 2),
                          "instructions/packet", flush=True)
    for name, (above, below) in RATIOS.items():
        if above in got and below in got:
            print("switch.%s.instructions" % name,
                  round(got[above] / got[below], 3), "times", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ovs", required=True,
                        help="build directory of an Open vSwitch with "
                        "log_tunnel")
    parser.add_argument("--stock-ovs", help="the same without, or Debian's "
                        "openvswitch-switch-dpdk unpacked")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5,
                        help="of each measurement (default: %(default)s)")
    parser.add_argument("--instructions", metavar="VARIANT,...",
                        type=lambda s: s.split(","), default=[],
                        help="count the instructions of these and measure "
                        "nothing else")
    args = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: ended"))
    if not args.instructions:
        measure_rounds(args)
    if shutil.which("valgrind"):
        measure_instructions(args)
    else:
        say("no instructions: valgrind is missing")


if __name__ == "__main__":
    main()
