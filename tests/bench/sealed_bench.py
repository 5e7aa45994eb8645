#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what a sealed batch costs on its way from the spool to a file at
the tenant: CPU-seconds per million lines of sluice-ship and of sluice-unseal, from
the scheduler's own account, as the difference between many batches and few.

usage: sealed_bench.py BUILD [MILLIONS]

The lines are those of corpus.py, 900 to a batch, as many as intake's default
of 256 KiB has.  All traffic is on the loopback interface."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BATCH = 900
FEW = 5

CONFIG = """
paths: {{run: {dir}/run, spool: {dir}/spool, state: {dir}}}
tenants:
  - id: 7
    name: bench
    destinations:
      - {{name: main, type: sealed, server: "127.0.0.1:{port}",
         recipient-file: {dir}/tenant.pub}}
"""


def cpu_seconds(pid):
    """Of all threads of a process."""
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, task),
                  encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def measure(build, n_batches):
    """Returns CPU-seconds of ship and of unseal, and bytes of the files."""
    helper = os.path.join(build, "tests/ship/ship-helper")
    directory = tempfile.mkdtemp(prefix="sluice-bench-sealed.")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    running = []
    try:
        def path(name):
            return os.path.join(directory, name)

        for name in ("run", "spool", "state"):
            os.mkdir(path(name))
        with open(path("sluice.yaml"), "w", encoding="ascii") as f:
            f.write(CONFIG.format(dir=directory, port=port))
        subprocess.run([helper, "keys", path("ship.key"),
                        path("spool/key.pub")], check=True)
        subprocess.run([helper, "keys", path("tenant.key"),
                        path("tenant.pub")], check=True)
        lines = subprocess.run(
            [sys.executable, os.path.join(HERE, "corpus.py"), "20000", "1"],
            stdout=subprocess.PIPE, check=True).stdout.splitlines()
        for i in range(n_batches):
            batch = [lines[(i * BATCH + j) % len(lines)]
                     for j in range(BATCH)]
            subprocess.run([helper, "push-text", path("spool"),
                            path("tenant.pub"), "7/main", "7"],
                           input=b"\0".join(batch), check=True)
        queue = path("spool/7/main")
        n_bytes = sum(os.path.getsize(os.path.join(queue, n))
                      for n in os.listdir(queue) if n.endswith(".batch"))

        unseal = subprocess.Popen(
            [os.path.join(build, "proxy-vm/unseal/sluice-unseal"), "--key",
             path("tenant.key"), "--tenant", "7", "--state", path("state"),
             "--listen", "127.0.0.1:%d" % port, "--output", path("out")])
        running.append(unseal)
        ship = subprocess.Popen(
            [os.path.join(build, "proxy-vm/ship/sluice-ship"), "--config",
             path("sluice.yaml"), "--tenant", "7"])
        running.append(ship)
        while any(n.endswith(".batch") for n in os.listdir(queue)):
            time.sleep(0.05)
        with open(path("out"), "rb") as f:
            n_lines = sum(1 for _ in f)
        if n_lines != n_batches * BATCH:
            sys.exit("%d lines of %d came" % (n_lines, n_batches * BATCH))
        return cpu_seconds(ship.pid), cpu_seconds(unseal.pid), n_bytes
    finally:
        for process in running:
            process.kill()
            process.wait()
        shutil.rmtree(directory)


def rows(build, n_lines):
    """Yields name, value and unit of each figure, of about 'n_lines'."""
    n_batches = n_lines // BATCH
    # What a start costs is in both, and so in neither figure.
    few, many = measure(build, FEW), measure(build, FEW + n_batches)
    millions = n_batches * BATCH / 1e6
    for name, a, b in zip(("ship", "unseal"), few, many):
        yield "sealed." + name, round((b - a) / millions, 3), "CPU-s/Mline"
    yield ("sealed.bytes", round((many[2] - few[2]) / millions / 1e6, 1),
           "bytes/line")


def main():
    millions = float(sys.argv[2]) if len(sys.argv) > 2 else 0.3
    for row in rows(os.path.abspath(sys.argv[1]), int(millions * 1e6)):
        print(*row)


if __name__ == "__main__":
    main()
