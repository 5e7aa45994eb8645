#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The benchmark: what a line costs in sluice-intake and in rsyslog.

usage: bench.py --builddir DIR [--only PART]... [--quick] [--keep]

In: the built programs, the rules in tests/bench/peer-rules.def.
Out: one line per figure on standard output, "name value unit", and the same
in bench.json; what it is doing, on standard error.
All traffic is on loopback, each port chosen when it runs.  See
docs/performance.md.
"""
import argparse
import json
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

import context_bench
import corpus
import durable_bench
import memif_bench
import population
import rsyslog_peer

PARTS = ("whole", "stages", "context", "rsyslog", "instructions", "memory",
         "durable", "switch", "ship", "memif")
N_CORPUS = 20000
SPEED_VMS, SPEED_TENANTS = 256, 16
COMMON_RATE = 10000             # A rate that both sides reach.
# The stages that a line passes; the others are parts of them.
ON_THE_WAY = ("geneve", "inner", "redact", "syslog", "attach", "put", "seal")
N_TRIALS, MAX_TRIALS = 3, 8
MAX_SECONDS = 15                # Of sending, in a trial after a lossy one.
STALLED_S = 6                   # No progress for so long: the rest is lost.

# Counters that are reported with a trial, and their units.
BOOKS = (("drop-", "packets"), ("tenant-redactions", "secrets"),
         ("tenant-batches", "batches"), ("tenant-raw-bytes", "bytes"),
         ("tenant-sealed-bytes", "bytes"))


def say(text):
    print(text, file=sys.stderr, flush=True)


class Report:
    def __init__(self):
        self.figures = []

    def add(self, name, value, unit, lossy=False):
        value = round(value, 3) if isinstance(value, float) else value
        self.figures.append({"name": name, "value": value, "unit": unit,
                             "lossy": lossy})
        print(name, value, unit, *(("lossy",) if lossy else ()), flush=True)

    def write(self, path, machine):
        with open(path, "w") as f:
            json.dump({"machine": machine, "figures": self.figures}, f,
                      indent=1)
            f.write("\n")


def machine():
    info = {"kernel": os.uname().release, "load": os.getloadavg()[0]}
    with open("/proc/cpuinfo") as f:
        text = f.read()
    info["cpus"] = len(os.sched_getaffinity(0))
    for key, name in (("model name", "cpu"), ("flags", "flags")):
        found = re.search(r"^%s\s*: (.*)$" % key, text, re.M)
        info[name] = found.group(1) if found else "unknown"
    interesting = ("ssse3", "sse4_2", "avx2", "avx512f", "avx512bw",
                   "avx512_vbmi", "bmi2", "aes", "vaes", "hypervisor")
    info["flags"] = [f for f in interesting if f in info["flags"].split()]
    return info


def pin(where):
    """For Popen's preexec_fn: the measured process has a core for itself, as
    far as the machine allows; load and sink share another."""
    cpus = sorted(os.sched_getaffinity(0))
    cpu = cpus[-1] if where == "measured" else cpus[0]
    return lambda: os.sched_setaffinity(0, {cpu})


def threads(pid):
    """Yields the folder in /proc of each thread of 'pid' and its children."""
    try:
        tasks = os.listdir("/proc/%d/task" % pid)
    except FileNotFoundError:
        return
    for task in tasks:
        path = "/proc/%d/task/%s/" % (pid, task)
        yield path
        try:
            with open(path + "children") as f:
                children = f.read().split()
        except FileNotFoundError:
            continue
        for child in children:
            yield from threads(int(child))


def cpu_seconds(pid):
    total = 0
    for path in threads(pid):
        try:
            with open(path + "schedstat") as f:
                total += int(f.read().split()[0])
        except FileNotFoundError:
            pass                # A thread ended meanwhile.
    return total / 1e9


def memory_kib(pid):
    """VmRSS and its parts."""
    with open("/proc/%d/status" % pid) as f:
        return {key: int(value) for key, value in
                re.findall(r"^((?:Vm|Rss)\w+):\s+(\d+) kB$", f.read(), re.M)}


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def udp_port(port, pid="self"):
    """Whether 'port' is bound where process 'pid' is, and what its socket has
    dropped."""
    bound, drops = False, 0
    with open("/proc/%s/net/udp" % pid) as f:
        for row in f.readlines()[1:]:
            fields = row.split()
            if int(fields[1].split(":")[1], 16) == port:
                bound, drops = True, drops + int(fields[12])
    return bound, drops


def wait_for(condition, what, process=None, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not condition():
        if process and process.poll() is not None:
            sys.exit("bench: %s: the process ended with status %d" % (
                what, process.returncode))
        if time.monotonic() > end:
            sys.exit("bench: %s: not within %d s" % (what, timeout_s))
        time.sleep(0.05)


def wait_while_moving(value, enough):
    """Waits until 'value()' reaches 'enough' or stands still."""
    latest, since = value(), time.monotonic()
    while latest < enough and time.monotonic() - since < STALLED_S:
        time.sleep(0.1)
        now = value()
        if now != latest:
            latest, since = now, time.monotonic()
    return latest


class Bench:
    def __init__(self, args, work, run):
        self.args, self.work, self.run = args, work, run
        self.parts = args.only or PARTS
        self.report, self.started = Report(), []
        self.srcdir = os.path.dirname(os.path.abspath(__file__))
        self.corpus = self.path("corpus.txt")
        self.population = self.path("vms.tsv")
        self.snapshot = self.path("context.snapshot")

    def prepare(self):
        with open(self.corpus, "w") as f:
            for line in corpus.Corpus(1).lines(N_CORPUS):
                print(line, file=f)
        population.write_population(self.population)
        yaml = self.path("context.yaml")
        population.write_context(yaml)
        if set(self.parts) - {"rsyslog", "switch"}:
            subprocess.run([self.program("proxy-vm/sluice-context"),
                            "--once", "--static", yaml, "--snapshot",
                            self.snapshot], check=True)

    def path(self, name):
        return os.path.join(self.work, name)

    def program(self, name):
        path = os.path.join(self.args.builddir, name)
        if not os.access(path, os.X_OK):
            sys.exit("bench: %s is missing: run 'make bench'" % path)
        return path

    def start(self, command, where, **kwargs):
        """Starts a process, which stop() ends at the latest."""
        process = subprocess.Popen(command, preexec_fn=pin(where), **kwargs)
        self.started.append(process)
        return process

    def stop(self):
        for process in self.started:
            if process.poll() is None:
                process.terminate()
                process.wait()

    def bench_program(self, name):
        return self.program("tests/bench/" + name)

    def inputs(self, vms, tenants):
        return ["--corpus", self.corpus, "--population", self.population,
                "--vms", str(vms), "--tenants", str(tenants)]

    def start_send(self, port, rate, count, vms=SPEED_VMS,
                   tenants=SPEED_TENANTS, more=()):
        return self.start(
            [self.bench_program("bench-send"), "--port", str(port), "--rate",
             str(rate), "--count", str(count), *more,
             *self.inputs(vms, tenants)], "load", stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)

    def send(self, *args, **kwargs):
        process = self.start_send(*args, **kwargs)
        out = process.communicate()[0]
        if process.returncode:
            sys.exit("bench: bench-send failed")
        return json.loads(out)

    def lines(self, n):
        return n // 10 if self.args.quick else n

    say = staticmethod(say)
    wait_while_moving = staticmethod(wait_while_moving)

    def has_switch(self):
        """Whether Open vSwitch can be measured; if not, says why."""
        ovs = self.args.ovs
        if not ovs or not os.path.exists(
                os.path.join(ovs, "lib/sluice/odp-log-tunnel.o")):
            say("no switch: name a build of ovs-ext/prepare-ovs with --ovs")
            return False
        if os.geteuid():
            say("no switch: that takes root")
            return False
        return True


class Intake:
    """One sluice-intake, by hand on a directory.  'wrapper' is a command that
    starts another, as where 'address' is."""
    def __init__(self, bench, name, durable=True, memif=False,
                 address="127.0.0.1", wrapper=()):
        self.bench, self.address, self.wrapper = bench, address, wrapper
        # Beside the files of intake, since a socket's path is short.
        self.memif = bench.run + "/" + name + ".sock" if memif else None
        self.dir, self.run = bench.path(name), bench.run + "/" + name
        self.spool = (self.dir if durable else self.run) + "/spool"
        for path in (self.dir, self.run, self.spool):
            os.makedirs(path)
        make_key(self.spool)
        self.process = None

    def __enter__(self):
        self.port = free_port()
        more = (["--rx", "memif", "--memif-socket", self.memif] if self.memif
                else [])
        with open(self.dir + "/log", "w") as log:
            self.process = self.bench.start(
                [*self.wrapper,
                 self.bench.program("proxy-vm/intake/sluice-intake"),
                 "--listen", "%s:%d" % (self.address, self.port),
                 "--spool", self.spool, "--run", self.run,
                 "--snapshot", self.bench.snapshot, *more], "measured",
                stdout=log, stderr=log)
        wait_for(self.is_ready, "sluice-intake (see %s)" % log.name,
                 self.process)
        return self

    def is_ready(self):
        if not self.memif:
            return self.udp_port()[0]
        with open(self.dir + "/log") as log:
            return "receiving" in log.read()

    def udp_port(self):
        return udp_port(self.port, self.process.pid)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def stats(self):
        return json.loads(subprocess.check_output(
            [self.bench.bench_program("bench-stats"),
             self.run + "/intake.stats"], preexec_fn=pin("load")))

    def empty_spool(self):
        """For want of a sluice-ship."""
        for folder, _, names in os.walk(self.spool):
            for name in names:
                if name.endswith(".batch"):
                    os.unlink(os.path.join(folder, name))

    def send_by_memif(self, rate, count):
        """Returns what was sent, and the CPU time when that began."""
        process = self.bench.start_send(self.port, rate, count,
                                        more=("--memif", self.memif))
        process.stdout.readline()
        cpu = cpu_seconds(self.process.pid)
        out = process.communicate(b"\n")[0]
        if process.returncode:
            sys.exit("bench: bench-send failed")
        return json.loads(out), cpu

    def trial(self, rate, count):
        """Sends, waits until all of it is in the spool, returns the books."""
        before, cpu = self.stats(), cpu_seconds(self.process.pid)
        lost = self.udp_port()[1]
        if self.memif:
            sent, cpu = self.send_by_memif(rate, count)
        else:
            sent = self.bench.send(self.port, rate, count)

        wait_while_moving(
            lambda: self.stats()["tenant-spooled"] - before["tenant-spooled"],
            sent["sent"])
        cpu = cpu_seconds(self.process.pid) - cpu
        after = self.stats()
        self.empty_spool()
        books = {name: after[name] - before[name] for name in after}
        return {
            "sent": sent["sent"] + (sent["errors"] if self.memif else 0),
            "received": books["packets"],
            "out": books["tenant-spooled"],
            "lost": self.udp_port()[1] - lost + (
                sent["errors"] if self.memif else 0),
            "dropped": books["dropped"],
            "rate": sent["sent"] / sent["seconds"],
            "cpu": cpu, "load_cpu": sent["cpu_s"],
            "line_bytes": sent["line_bytes"] / sent["sent"],
            "books": books,
        }


def make_key(spool):
    """Any 32 bytes are an X25519 public key.  Nobody has the other half of
    this one: what the benchmark spools is never opened."""
    with open(os.path.join(spool, "key.pub"), "w") as f:
        print(os.urandom(32).hex(), file=f)


def report_trial(report, name, t):
    """Writes the books of a trial.  Returns whether it lost nothing."""
    lossy = not t["sent"] == t["received"] == t["out"]
    report.add(name + ".cpu", per_million(t), "CPU-s/Mline", lossy)
    report.add(name + ".rate", round(t["rate"]), "lines/s", lossy)
    report.add(name + ".line", t["line_bytes"], "bytes/line", lossy)
    for key in ("sent", "received", "lost", "dropped", "out"):
        report.add("%s.%s" % (name, key), t[key], "lines", lossy)
    report.add(name + ".load-cpu", t["load_cpu"] / t["sent"] * 1e6,
               "CPU-s/Mline", lossy)
    for key, value in t["books"].items():
        unit = next((unit for prefix, unit in BOOKS if
                     key.startswith(prefix)), None)
        if unit and value:
            report.add("%s.%s" % (name, key.removeprefix("tenant-")), value,
                       unit, lossy)
    return not lossy


def per_million(t):
    return t["cpu"] / max(t["out"], 1) * 1e6


def repeat_until_clean(bench, name, trial, rate, count):
    """Makes trials until N_TRIALS of one rate lost nothing.  One that lost
    lines says little: it is marked, and the next is slower.  Reports the
    median, in CPU-seconds per million lines, and returns it, or None."""
    clean = {}
    for i in range(1, MAX_TRIALS + 1):
        say("%s: %d lines at %d lines/s" % (name, count, rate))
        t = trial(rate, count)
        if report_trial(bench.report, "%s.trial-%d" % (name, i), t):
            clean.setdefault(rate, []).append(per_million(t))
            if len(clean[rate]) == N_TRIALS:
                break
        else:
            rate = rate * 7 // 10
            count = min(count, rate * MAX_SECONDS)
    if not clean:
        return None
    rate = max(clean, key=lambda r: (len(clean[r]), r))
    median = statistics.median(clean[rate])
    bench.report.add(name, median, "CPU-s/Mline")
    bench.report.add(name + ".least", min(clean[rate]), "CPU-s/Mline")
    bench.report.add(name + ".clean-rate", rate, "lines/s")
    return median


def measure_whole(bench):
    count = bench.lines(1000000)
    with Intake(bench, "whole") as intake:
        intake.trial(COMMON_RATE, bench.lines(20000))   # Warms up.
        slow = repeat_until_clean(
            bench, "intake.whole-at-%d" % COMMON_RATE, intake.trial,
            COMMON_RATE, bench.lines(100000))
        fast = repeat_until_clean(bench, "intake.whole", intake.trial,
                                  bench.args.rate, count)
    with Intake(bench, "in-memory", durable=False) as intake:
        intake.trial(COMMON_RATE, bench.lines(20000))
        memory = repeat_until_clean(bench, "intake.in-memory", intake.trial,
                                    bench.args.rate, count)
    return {"intake.whole": fast, "intake.in-memory": memory,
            "intake.whole-at-%d" % COMMON_RATE: slow}


def measure_memory(bench):
    with Intake(bench, "memory") as intake:
        before = intake.stats()
        process = bench.start_send(
            intake.port, bench.args.rate // 4, bench.lines(500000),
            vms=population.N_VMS, tenants=population.N_TENANTS)
        most, tenants = {"VmRSS": 0}, 0
        while process.poll() is None:
            now = memory_kib(intake.process.pid)
            most = max(most, now, key=lambda m: m["VmRSS"])
            time.sleep(0.05)
        sent = json.loads(process.communicate()[0])
        wait_while_moving(lambda: intake.stats()["tenant-spooled"],
                          sent["sent"])
        after = intake.stats()
        tenants = after["tenants"]
        most["VmHWM"] = memory_kib(intake.process.pid)["VmHWM"]
    lossy = after["packets"] - before["packets"] != sent["sent"]
    bench.report.add("intake.memory.rss", most["VmHWM"] / 1024, "MiB", lossy)
    for key in ("RssAnon", "RssFile", "RssShmem"):
        bench.report.add("intake.memory." + key.lower(), most[key] / 1024,
                         "MiB", lossy)
    bench.report.add("intake.memory.vms", sent["vms"], "VMs", lossy)
    bench.report.add("intake.memory.tenants", tenants, "tenants", lossy)
    bench.report.add("intake.memory.sent", sent["sent"], "lines", lossy)
    bench.report.add("intake.memory.received",
                     after["packets"] - before["packets"], "lines", lossy)


def measure_stages(bench):
    say("stages, each alone")
    out = subprocess.run(
        [bench.bench_program("bench-stages"), "--snapshot", bench.snapshot,
         "--seconds", "0.2" if bench.args.quick else "1",
         *bench.inputs(SPEED_VMS, SPEED_TENANTS)],
        check=True, stdout=subprocess.PIPE, text=True,
        preexec_fn=pin("measured")).stdout
    total = 0
    for row in out.splitlines():
        name, median, least = row.split()
        total += float(median) if name in ON_THE_WAY else 0
        bench.report.add("stage.%s" % name, float(median), "ns/line")
        bench.report.add("stage.%s.least" % name, float(least), "ns/line")
    bench.report.add("stages", total, "ns/line")


def callgrind(bench, name, command, options=()):
    """Runs 'command' under callgrind.  Returns the instructions counted in
    each part of its output, in order: dumps that were asked for, numbered
    from 1, and what was counted from the last one to the end."""
    out = bench.path("callgrind." + name)
    subprocess.run(["valgrind", "-q", "--tool=callgrind",
                    "--callgrind-out-file=" + out, *options, *command],
                   check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    parts = []
    for part in sorted((p for p in os.listdir(bench.work)
                        if p.startswith("callgrind." + name)),
                       key=lambda p: int(p.removeprefix(
                           "callgrind." + name)[1:] or sys.maxsize)):
        with open(bench.path(part)) as f:
            parts.append(int(re.search(r"^(?:totals|summary): (\d+)",
                                       f.read(), re.M).group(1)))
    return parts


def measure_instructions(bench):
    if not shutil.which("valgrind"):
        say("no instructions: valgrind is missing: apt-get install valgrind")
        return
    n = bench.lines(20000)
    say("stages under callgrind, %d lines" % n)
    stages = [bench.bench_program("bench-stages"), "--snapshot",
              bench.snapshot, "--seconds", "0", "--lines", str(n),
              *bench.inputs(SPEED_VMS, SPEED_TENANTS)]
    names = [row.split()[0] for row in subprocess.check_output(
        stages, text=True, stderr=subprocess.DEVNULL).splitlines()]
    counted = callgrind(bench, "stages", stages,
                        ("--toggle-collect=measured_pass",
                         "--dump-after=measured_pass"))
    for name, instructions in zip(names, counted):
        bench.report.add("instructions.stage.%s" % name, instructions / n,
                         "instructions/line")

    # The difference between two runs leaves out what starting costs, which
    # compiling the rules dominates.
    say("sluice-intake --pcap under callgrind, %d and %d lines" % (n, 3 * n))
    totals = []
    for count in (n, 3 * n):
        name = "pcap-%d" % count
        pcap = bench.path(name + ".pcap")
        bench.send(6081, 100000, count, more=("--pcap", pcap))
        intake = Intake(bench, name)
        command = [bench.program("proxy-vm/intake/sluice-intake"), "--pcap",
                   pcap, "--spool", intake.spool, "--run", intake.run,
                   "--snapshot", bench.snapshot]
        totals += callgrind(bench, name, command)[-1:]
        spooled = intake.stats()["tenant-spooled"]
        bench.report.add("instructions.pcap-%d.spooled" % count, spooled,
                         "lines", spooled != count)
    bench.report.add("instructions.intake", (totals[1] - totals[0]) / (2 * n),
                     "instructions/line")
    bench.report.add("instructions.intake-start",
                     float(totals[0] - (totals[1] - totals[0]) / 2),
                     "instructions")


class Rsyslog:
    """An rsyslog that does the same job, and the server it forwards to."""
    def __init__(self, bench, name, redact):
        self.bench, self.redact = bench, redact
        self.dir = bench.path(name)
        os.makedirs(self.dir)

    def __enter__(self):
        self.counts = self.dir + "/counts"
        self.sink = self.bench.start(
            [self.bench.bench_program("bench-sink"), self.counts], "load",
            stdout=subprocess.PIPE)
        sink_port = int(self.sink.stdout.readline())
        self.port = free_port()
        table, conf = self.dir + "/vms.json", self.dir + "/rsyslog.conf"
        population.write_lookup_table(table)
        with open(conf, "w") as f:
            f.write(self.configuration(table, sink_port))
        with open(self.dir + "/log", "w") as log:
            self.process = self.bench.start(
                [rsyslog_peer.program(), "-n", "-iNONE", "-f", conf],
                "measured", stdout=log, stderr=log,
                env=dict(os.environ, LC_ALL="C"))
        wait_for(lambda: udp_port(self.port)[0], "rsyslogd (see %s)" %
                 log.name, self.process)
        return self

    def __exit__(self, *_):
        for process in (self.process, self.sink):
            process.terminate()
            process.wait()

    def configuration(self, table, sink_port):
        rules = os.path.join(self.bench.srcdir, "peer-rules.def")
        return rsyslog_peer.configuration(
            rules if self.redact else None, table, self.dir, self.port,
            sink_port)

    def count(self):
        with open(self.counts, "rb") as f:
            return struct.unpack("=4Q", f.read(32))

    def trial(self, rate, count):
        before, cpu = self.count(), cpu_seconds(self.process.pid)
        lost = udp_port(self.port)[1]
        sent = self.bench.send(self.port, rate, count, more=("--plain",))
        wait_while_moving(lambda: self.count()[0] - before[0], sent["sent"])
        cpu = cpu_seconds(self.process.pid) - cpu
        lines, size, marks, _ = (b - a for a, b in zip(before, self.count()))
        lost = udp_port(self.port)[1] - lost
        return {
            "sent": sent["sent"], "received": sent["sent"] - lost,
            "out": lines, "lost": lost,
            "dropped": sent["sent"] - lost - lines,
            "rate": sent["sent"] / sent["seconds"],
            "cpu": cpu, "load_cpu": sent["cpu_s"],
            "line_bytes": sent["line_bytes"] / sent["sent"],
            "books": {"tenant-redactions": marks, "tenant-raw-bytes": size},
        }


def measure_rsyslog(bench):
    with Rsyslog(bench, "rsyslog-enrich", redact=False) as peer:
        peer.trial(COMMON_RATE, bench.lines(20000))     # Warms up.
        repeat_until_clean(bench, "rsyslog.unredacted", peer.trial, 50000,
                           bench.lines(500000))
    with Rsyslog(bench, "rsyslog-full", redact=True) as peer:
        peer.trial(COMMON_RATE // 2, bench.lines(20000))
        slow = repeat_until_clean(
            bench, "rsyslog.whole-at-%d" % COMMON_RATE, peer.trial,
            COMMON_RATE, bench.lines(100000))
        fast = repeat_until_clean(
            bench, "rsyslog.whole", peer.trial, 16000, bench.lines(200000))
    return fast, slow


def compare(bench, intake, peer):
    """The peer's figure at the same rate, else at its best, as a multiple of
    each of ours."""
    fast, slow = peer
    for name, value in intake.items():
        theirs = slow if name.endswith("-at-%d" % COMMON_RATE) else fast
        if value and theirs:
            bench.report.add("rsyslog-to-" + name, theirs / value, "times")


def run_other(bench, command, what):
    """Runs a benchmark that is a program of its own, and takes its rows."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    bench.started.append(process)
    for row in process.stdout:
        name, value, unit = row.split()
        bench.report.add(name, float(value), unit)
    if process.wait():
        sys.exit("bench: %s could not be measured" % what)


def measure_ship(bench):
    """What a line costs in sluice-ship, and in its peers with TLS."""
    command = [sys.executable, os.path.join(bench.srcdir, "ship_bench.py"),
               "--builddir", bench.args.builddir]
    if bench.args.quick:
        command += ["--lines", "40000"]
    if bench.args.syslog_ng:
        command += ["--syslog-ng", bench.args.syslog_ng]
    run_other(bench, command, "sluice-ship")


def measure_switch(bench):
    """What a packet costs in Open vSwitch."""
    if not bench.has_switch():
        return
    command = [sys.executable,
               os.path.join(bench.srcdir, "switch_bench.py"),
               "--ovs", bench.args.ovs]
    if bench.args.stock_ovs:
        command += ["--stock-ovs", bench.args.stock_ovs]
    if bench.args.quick:
        command += ["--rounds", "2"]
    run_other(bench, command, "the switch")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--builddir", required=True)
    parser.add_argument("--only", action="append", choices=PARTS,
                        help="measure this part, not all; may be repeated")
    parser.add_argument("--ovs", help="build directory of Open vSwitch")
    parser.add_argument("--stock-ovs", help="one without our patches, or "
                        "Debian's openvswitch-switch-dpdk unpacked")
    parser.add_argument("--syslog-ng", help="Debian's syslog-ng-core and what "
                        "it needs, unpacked")
    parser.add_argument("--rate", type=int, default=100000,
                        help="lines/s to begin with (default: %(default)s)")
    parser.add_argument("--quick", action="store_true",
                        help="a tenth of the lines: to see that it works")
    parser.add_argument("--keep", action="store_true",
                        help="keep the working directory")
    args = parser.parse_args()

    # The spool is where the build is, on a disk; what the proxy keeps in tmpfs
    # is in one.
    work = tempfile.mkdtemp(prefix="bench-", dir=args.builddir)
    run = tempfile.mkdtemp(prefix="sluice-bench-", dir="/dev/shm")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: ended"))
    bench = Bench(args, work, run)
    try:
        bench.prepare()
        about = machine()
        say("%(cpus)d cores, %(cpu)s, load %(load).2f" % about)
        intake = measure_whole(bench) if "whole" in bench.parts else {}
        peer = (measure_rsyslog(bench) if "rsyslog" in bench.parts
                else (None, None))
        compare(bench, intake, peer)
        if "stages" in bench.parts:
            measure_stages(bench)
        if "context" in bench.parts:
            say("context")
            context_bench.measure(bench, Intake, pin)
        if "memory" in bench.parts:
            measure_memory(bench)
        if "instructions" in bench.parts:
            measure_instructions(bench)
        if "durable" in bench.parts:
            durable_bench.measure(bench, Intake, Rsyslog)
        if "switch" in bench.parts:
            measure_switch(bench)
        if "ship" in bench.parts:
            measure_ship(bench)
        if "memif" in bench.parts:
            say("memif")
            memif_bench.measure(bench, Intake, repeat_until_clean)
        bench.report.write(os.path.join(args.builddir, "bench.json"), about)
    finally:
        bench.stop()
        if args.keep:
            say("kept %s and %s" % (work, run))
        else:
            shutil.rmtree(work)
            shutil.rmtree(run)


if __name__ == "__main__":
    main()
