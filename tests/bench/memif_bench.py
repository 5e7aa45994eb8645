# SPDX-License-Identifier: Apache-2.0
"""The part "memif" of the benchmark: what a line costs by memif and by
sockets, in turns in one run: in sluice-intake alone, fed by bench-send; and,
with --ovs and as root, on the whole way from a guest's port of OVS-DPDK into
the spool, through log_tunnel: the switch, the kernel, and sluice-intake.

Both ways are there at once, each with an intake of its own, in one switch; its
flow says which one a line takes:

    bench-send  br-int    br-ring             intake, by memif
       memif ---- guest    |  memif ------------ |
                  gnv0 --- +
                           |
                          br-log  veth ~~ veth   intake, by sockets

In: bench.py's Bench and Intake.  Out: rows of its report."""
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys

import population
import switch_bench

COMMON_RATE = 10000             # A rate that both ways reach.
MAX_SECONDS = 15                # Of sending, in a trial.
N_ROUNDS = 5
# Time on a processor: of intake; of the switch for these packets, which is what
# its own account calls processing; and of the kernel's threads for what it puts
# off.  The rest of the kernel's work for a packet is done by who sends it or
# asks for it, in their time.
PARTS = ("intake", "switch", "ksoftirqd")
# The same with all that the switch's thread took, polling for packets included.
POLLING = ("intake", "switch.thread", "ksoftirqd")
SOCKET = ("socket", "br-log", "198.18.0.1", "198.18.0.2")
RING = ("ring", "br-ring", "198.18.1.1", "198.18.1.2")
SOCKET_MAC, RING_MAC = "02:00:00:00:00:02", "02:53:c6:12:01:02"
TICK = os.sysconf("SC_CLK_TCK")


def measure_intake(bench, intake_of, repeat_until_clean):
    """Intake alone, without a switch."""
    args = bench.args
    count = bench.lines(min(1000000, args.rate * MAX_SECONDS))
    with (intake_of(bench, "by-socket", durable=False) as socket_,
          intake_of(bench, "by-memif", durable=False, memif=True) as memif):
        for intake in (socket_, memif):
            intake.trial(COMMON_RATE, bench.lines(20000))   # Warms up.
        for rate, n in ((COMMON_RATE, bench.lines(100000)),
                        (args.rate, count)):
            figures = [repeat_until_clean(
                bench, "memif.%s-at-%d" % (name, rate), intake.trial, rate, n)
                for name, intake in (("socket", socket_), ("ring", memif))]
            if all(figures):
                bench.report.add("memif.saved-at-%d" % rate,
                                 (1 - figures[1] / figures[0]) * 100, "%")


def schedstat(task):
    """CPU seconds of a thread, the kernel's work for it included."""
    with open(task + "/schedstat") as f:
        return int(f.read().split()[0]) / 1e9


def ksoftirqd():
    """The same of the kernel's threads for interrupts, of all the machine."""
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open("/proc/%s/comm" % pid) as f:
                if f.read().startswith("ksoftirqd/"):
                    total += schedstat("/proc/%s/task/%s" % (pid, pid))
    return total


class Line:
    """A switch, the two ways that its packets may take, and a guest."""
    def __init__(self, bench, intake_of):
        self.bench, self.intake_of = bench, intake_of
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_):
        self.stack.close()

    def start(self):
        bench = self.bench
        vswitchd = switch_bench.vswitchd_of(bench.args.ovs)
        self.switch = self.stack.enter_context(switch_bench.Switch(
            "ours", vswitchd, bench.args.ovs, bench.run, mib=512))
        # It shares a processor with the guest and leaves the other one to
        # intake, which takes what is left while it polls.
        self.switch.vsctl("set", "Open_vSwitch", ".",
                          "other_config:pmd-cpu-mask=%#x" % (
                              1 << min(os.sched_getaffinity(0))),
                          "other_config:pmd-maxsleep=100")
        self.guest = bench.run + "/guest.sock"
        self.make_bridges()
        namespace = self.make_link()
        self.intakes = {
            "socket": self.stack.enter_context(self.intake_of(
                bench, "line-socket", durable=False, address=SOCKET[3],
                wrapper=namespace)),
        }
        ring = self.intake_of(bench, "line-ring", durable=False, memif=True,
                              address=RING[3])
        self.add_ring(ring.memif)
        self.intakes["ring"] = self.stack.enter_context(ring)
        self.make_tunnels()

    def make_bridges(self):
        switch = self.switch
        for bridge in ("br-int", SOCKET[1], RING[1]):
            switch.vsctl("add-br", bridge, "--", "set", "Bridge", bridge,
                         "datapath_type=netdev")
        for _, bridge, local, _ in (SOCKET, RING):
            switch.ip("addr", "add", local + "/24", "dev", bridge)
            switch.ip("link", "set", bridge, "up")

    @contextlib.contextmanager
    def guest_port(self):
        """DPDK's client wants the server to be there already."""
        vm = next(population.vms())
        switch_bench.wait_for(lambda: os.path.exists(self.guest),
                              "bench-send's socket")
        self.switch.add_dpdk("br-int", "guest", '"net_memif0,role=client,'
                             'socket=%s,socket-abstract=no,rsize=12"'
                             % self.guest, vm.uuid, vm.tenant)
        yield
        self.switch.vsctl("del-port", "guest")

    def add_ring(self, path):
        self.switch.add_dpdk(RING[1], "ring", '"net_memif1,role=server,'
                             'socket=%s,socket-abstract=no"' % path)

    def make_link(self):
        """The network that docs/deploy-host.md gives the sockets.  Returns
        what runs a command in it."""
        holder = self.bench.start(["unshare", "--net", "cat"], "load",
                                  stdin=subprocess.PIPE)
        switch_bench.wait_for(
            lambda: os.readlink("/proc/%d/ns/net" % holder.pid)
            != os.readlink("/proc/self/ns/net"), "a network namespace")
        inside = ["nsenter", "--net=/proc/%d/ns/net" % holder.pid]
        self.switch.ip("link", "add", "log-tx", "type", "veth", "peer", "name",
                       "log-rx", "netns", str(holder.pid))
        self.switch.ip("link", "set", "log-tx", "up")
        for command in (("link", "set", "log-rx", "address", SOCKET_MAC),
                        ("addr", "add", SOCKET[3] + "/24", "dev", "log-rx"),
                        ("link", "set", "log-rx", "up")):
            subprocess.run([*inside, "ip", *command], check=True)
        self.switch.vsctl("add-port", SOCKET[1], "log-tx")
        return inside

    def make_tunnels(self):
        switch = self.switch
        for (name, bridge, _, remote), mac in ((SOCKET, SOCKET_MAC),
                                               (RING, RING_MAC)):
            switch.vsctl("add-port", "br-int", name + "-gnv", "--", "set",
                         "Interface", name + "-gnv", "type=geneve",
                         "options:remote_ip=flow", "options:key=flow",
                         "options:dst_port=%d" % self.intakes[name].port)
            switch_bench.wait_for(
                lambda bridge=bridge, remote=remote: bridge in switch.appctl(
                    "ovs/route/lookup", remote), "the tunnel's route")
            switch.appctl("tnl/neigh/set", bridge, remote, mac)

    def use(self, way):
        """Has the guest's packets take 'way'."""
        name, _, _, remote = way
        self.switch.ofctl("del-flows", "br-int")
        self.switch.ofctl("add-flow", "br-int",
                          "udp,tp_dst=514,actions=log_tunnel(port=%s-gnv,"
                          "dst=%s)" % (name, remote))
        self.switch.appctl("revalidator/wait")

    def hertz(self):
        """Of what the switch counts cycles by."""
        with open(self.switch.dir + "/ovs-vswitchd.log") as log:
            found = re.search(r"TSC frequency: (\d+) KHz", log.read())
        if not found:
            sys.exit("bench: ovs-vswitchd does not say how long a cycle is")
        return int(found.group(1)) * 1000

    def now(self, intake):
        pmd = self.switch.pmd()
        with open(pmd + "/stat") as f:
            system = int(f.read().rpartition(")")[2].split()[12]) / TICK
        packets, cycles = self.switch.stats()
        return {"intake": sum(schedstat(task) for task in
                              tasks(intake.process.pid)),
                "switch": cycles / self.hertz(),
                "switch.thread": schedstat(pmd), "switch.system": system,
                "ksoftirqd": ksoftirqd(),
                "packets": packets, "cycles": cycles}

    def trial(self, way, rate, count):
        """Returns what it took, in CPU-seconds, and the books."""
        self.use(way)
        process = self.bench.start_send(514, rate, count, vms=1, tenants=100,
                                        more=("--plain", "--memif",
                                              self.guest))
        with self.guest_port():
            return self.measure(self.intakes[way[0]], process)

    def measure(self, intake, process):
        process.stdout.readline()       # It is connected.
        before, books = self.now(intake), intake.stats()
        out = process.communicate(b"\n")[0]
        if process.returncode:
            sys.exit("bench: bench-send failed")
        sent = json.loads(out)

        def spooled():
            return intake.stats()["tenant-spooled"] - books["tenant-spooled"]
        self.bench.wait_while_moving(spooled, sent["sent"])
        after = self.now(intake)
        took = {key: after[key] - before[key] for key in after}
        took.update(out=spooled(), sent=sent["sent"] + sent["errors"])
        intake.empty_spool()
        return took


def tasks(pid):
    return ("/proc/%d/task/%s" % (pid, task)
            for task in os.listdir("/proc/%d/task" % pid))


def report_rounds(report, name, rounds):
    """'rounds' is of the trials of one way that lost nothing."""
    def add(what, values, unit="CPU-s/Mline"):
        report.add("%s.%s" % (name, what), statistics.median(values), unit)
        report.add("%s.%s.least" % (name, what), min(values), unit)
    for part in PARTS + ("switch.thread", "switch.system"):
        add(part, [t[part] / t["out"] * 1e6 for t in rounds])
    add("switch.cycles", [t["cycles"] / t["packets"] for t in rounds],
        "cycles/packet")
    add("whole", [whole(t) for t in rounds])
    add("whole-with-polling", [whole(t, POLLING) for t in rounds])


def whole(t, parts=PARTS):
    return sum(t[part] for part in parts) / max(t["out"], 1) * 1e6


def measure_at(bench, line, rate, count):
    report, got = bench.report, {SOCKET: [], RING: []}
    for i in range(2 if bench.args.quick else N_ROUNDS):
        bench.say("round %d: %d lines at %d lines/s, each way" % (i + 1, count,
                                                                 rate))
        pair = {way: line.trial(way, rate, count) for way in got}
        for way, t in pair.items():
            lossy = t["sent"] != t["out"]
            for key in ("sent", "out"):
                report.add("memif.line.%s-at-%d.trial-%d.%s" % (
                    way[0], rate, i + 1, key), t[key], "lines", lossy)
            report.add("memif.line.%s-at-%d.trial-%d.whole" % (
                way[0], rate, i + 1), whole(t), "CPU-s/Mline", lossy)
        if all(t["sent"] == t["out"] for t in pair.values()):
            for way, t in pair.items():
                got[way].append(t)
    if not got[RING]:
        bench.say("no round at %d lines/s lost nothing" % rate)
        return
    for way, rounds in got.items():
        report_rounds(report, "memif.line.%s-at-%d" % (way[0], rate), rounds)
    # Round by round: what else the machine does hits both ways alike.
    report.add("memif.line.saved-at-%d" % rate, 100 * statistics.median(
        1 - whole(ring) / whole(socket_)
        for socket_, ring in zip(got[SOCKET], got[RING])), "%")


def measure_line(bench, intake_of):
    if not bench.has_switch():
        return
    with Line(bench, intake_of) as line:
        for way in (SOCKET, RING):
            line.trial(way, COMMON_RATE, bench.lines(20000))   # Warms up.
        bench.report.add("memif.line.clock", line.hertz() / 1e9, "GHz")
        rate = min(bench.args.rate, 3 * COMMON_RATE)
        measure_at(bench, line, COMMON_RATE, bench.lines(100000))
        measure_at(bench, line, rate, bench.lines(rate * 10))


def measure(bench, intake_of, repeat_until_clean):
    measure_intake(bench, intake_of, repeat_until_clean)
    measure_line(bench, intake_of)
