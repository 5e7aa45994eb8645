# SPDX-License-Identifier: Apache-2.0
"""The part "durable" of the benchmark: how many lines a second an intake with
durability: power puts on the disk of the build directory, and how long its
commits take there; beside it what the disk takes for a file, and rsyslog that
syncs what it writes.

In: bench.py's Bench and Intake.  Out: rows of its report."""
import os
import statistics
import time

import rsyslog_peer

RATES = (50000, 75000, 100000)
SECONDS = 7                     # Of sending, in each trial.
N_TRIALS = 4                    # So that there are some hundred commits.
FILE_SIZE = 95 * 1024           # About what a batch has.
N_FILES = 200
BUCKETS_MS = (1, 2, 5, 10, 20, 50, 100)
WANTED_MS = 20


def measure_disk(bench):
    """What it takes to write a file, sync it, rename it, sync the folder."""
    folder = bench.path("disk")
    os.mkdir(folder)
    folder_fd = os.open(folder, os.O_RDONLY)
    data = os.urandom(FILE_SIZE)
    times = []
    for i in range(N_FILES):
        began = time.monotonic()
        path = os.path.join(folder, "%d" % i)
        with open(path + ".tmp", "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.rename(path + ".tmp", path)
        os.fsync(folder_fd)
        times.append((time.monotonic() - began) * 1000)
    os.close(folder_fd)
    times.sort()
    bench.report.add("disk.file.median", statistics.median(times), "ms")
    bench.report.add("disk.file.p99", times[len(times) * 99 // 100], "ms")


def report_commits(bench, name, trials):
    """The share of all commits within WANTED_MS, and the bucket p99 is in."""
    n = sum(t["books"]["commits"] for t in trials)
    bench.report.add(name + ".commits", n, "commits")
    if not n:
        return
    share = {ms: sum(t["books"]["commits-%dms" % ms] for t in trials) / n
             for ms in BUCKETS_MS}
    bench.report.add("%s.commits-within-%d-ms" % (name, WANTED_MS),
                     share[WANTED_MS] * 100, "%")
    p99 = next((ms for ms in BUCKETS_MS if share[ms] >= 0.99), None)
    if p99:
        bench.report.add(name + ".commit-p99-at-most", p99, "ms")
    else:
        bench.report.add(name + ".commit-p99-above", BUCKETS_MS[-1], "ms")


def run_trials(bench, name, trial):
    """Raises the rate until no trial of one was without loss."""
    best = 0
    for rate in RATES:
        row = "%s.at-%d" % (name, rate)
        clean = []
        for i in range(1, N_TRIALS + 1):
            t = trial(rate, bench.lines(rate * SECONDS))
            lossy = not t["sent"] == t["received"] == t["out"]
            bench.report.add("%s.trial-%d.rate" % (row, i), round(t["rate"]),
                             "lines/s", lossy)
            bench.report.add("%s.trial-%d.lost" % (row, i),
                             t["sent"] - t["out"], "lines", lossy)
            clean += [] if lossy else [t]
        if not clean:
            break
        best = rate
        bench.report.add(row + ".cpu", statistics.median(
            t["cpu"] / t["out"] * 1e6 for t in clean), "CPU-s/Mline")
        if "commits" in clean[0]["books"]:
            report_commits(bench, row, clean)
    bench.report.add(name + ".clean-rate", best, "lines/s")


def synced_rsyslog(rsyslog_class):
    """Returns a class like it, whose rsyslog writes to a file, which it syncs
    once for all lines that it took from its queue together."""
    class SyncedRsyslog(rsyslog_class):
        n_lines, offset = 0, 0

        def configuration(self, table, sink_port):
            return rsyslog_peer.synced_file(self.dir, self.port)

        def count(self):
            """As bench-sink does: lines, bytes, marks, sessions."""
            path = os.path.join(self.dir, "out")
            if os.path.exists(path):
                with open(path, "rb") as f:
                    f.seek(self.offset)
                    while data := f.read(1 << 20):
                        self.n_lines += data.count(b"\n")
                        self.offset += len(data)
            return self.n_lines, self.offset, 0, 0

    return SyncedRsyslog


def measure(bench, intake_class, rsyslog_class):
    measure_disk(bench)
    with intake_class(bench, "durable") as intake:
        intake.trial(RATES[0] // 5, bench.lines(20000))     # Warms up.
        run_trials(bench, "durable", intake.trial)
    with synced_rsyslog(rsyslog_class)(bench, "rsyslog-synced",
                                       redact=False) as peer:
        peer.trial(RATES[0] // 5, bench.lines(20000))
        run_trials(bench, "rsyslog.synced-file", peer.trial)
