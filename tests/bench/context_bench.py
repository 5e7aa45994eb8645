# SPDX-License-Identifier: Apache-2.0
"""What context costs: a line's look-up and its part in a batch, and how long
packets take through intake while a snapshot is published each second, and while
none is, in turns of one run.

Runs in: bench.py."""

import os
import shutil
import statistics
import subprocess
import threading

TURNS, TURN_S = 5, 6


def figures(command, **kwargs):
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE,
                         text=True, **kwargs).stdout
    return {name: float(value) for name, value in
            (line.split() for line in out.splitlines())}


class Publisher(threading.Thread):
    """Puts another file with the same VMs in the snapshot's place, synced, as
    sluice-context does, once a second."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.halt, self.n = path, threading.Event(), 0

    def run(self):
        while not self.halt.wait(1):
            new = self.path + ".new"
            shutil.copyfile(self.path, new)
            fd = os.open(new, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)
            os.rename(new, self.path)
            self.n += 1

    def stop(self):
        self.halt.set()
        self.join()


def measure(bench, intake_class, pin):
    program = bench.bench_program("bench-context")
    inputs = ["--corpus", bench.corpus, "--population", bench.population]
    costs = figures([program, *inputs, "--snapshot", bench.snapshot,
                     "--seconds", "0.2" if bench.args.quick else "1"],
                    preexec_fn=pin("measured"))
    for name, value in costs.items():
        bench.report.add("context." + name, value,
                         "per line" if name.endswith(".sources")
                         else "ns/line")

    turns = {False: [], True: []}
    with intake_class(bench, "context") as intake:
        for i in range(2 * (1 if bench.args.quick else TURNS)):
            publisher = Publisher(bench.snapshot) if i % 2 else None
            if publisher:
                publisher.start()
            turns[bool(publisher)].append(figures(
                [program, *inputs, "--probe", str(intake.port), "--stats",
                 intake.run + "/intake.stats", "--seconds", str(TURN_S)],
                preexec_fn=pin("load")))
            if publisher:
                publisher.stop()
    for publishing, results in turns.items():
        name = "context.latency%s." % ("-publishing" if publishing else "")
        for figure in ("p50", "p99", "p99.9"):
            bench.report.add(name + figure, statistics.median(
                r[figure] for r in results), "us")
        bench.report.add(name + "packets",
                         int(sum(r["packets"] for r in results)), "packets",
                         any(r["lost"] for r in results))
