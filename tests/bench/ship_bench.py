#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a line costs in sluice-ship, and in rsyslog's omfwd with TLS, and in
syslog-ng's network() if there is one.

usage: ship_bench.py --builddir DIR [--lines N] [--syslog-ng DIR]

In: the built programs; batches of 800 lines of 280 bytes of text; DIR, where
Debian's syslog-ng-core and what it needs are unpacked by dpkg -x, as it can't
be installed beside rsyslog.
Out: "name value unit" for each figure: CPU time for a million lines.
The sinks are OpenSSL's s_server and a socket, on loopback, and not measured;
ports are free ones.  Speed is not measured either: whoever is slower, sink or
source, would be.
"""
import argparse
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import sealed_bench

TENANT = 7
BATCH = 800
LIMIT_S = 150
LEAST_S = 0.5e-6                # Of CPU time, to read a line at all.

SHIP_CONFIG = """
paths: {{run: {dir}/run, spool: {dir}/spool, state: {dir}/state}}
output: {{hold-ms: 0}}
tenants:
  - id: 7
    name: bench
    destinations:
      - {{name: main, {destination}}}
"""

# The same bytes, from a file: as rsyslog's input costs too, what it takes to
# read them and throw them away is measured as well, and taken off.
RSYSLOG_CONFIG = """
global(workDirectory="{dir}" maxMessageSize="64k"
       defaultNetstreamDriverCAFile="{cert}")
module(load="imfile")
template(name="raw" type="string" string="%msg%")
ruleset(name="all" queue.type="Direct") {{
    {action}
}}
input(type="imfile" file="{lines}" tag="bench" ruleset="all"
      readMode="0" addMetadata="off" freshStartTail="off")
"""
FORWARD = """action(type="omfwd" target="127.0.0.1" port="{port}"
           protocol="tcp" TCP_Framing="octet-counted" template="raw"
           streamDriver="{driver}" streamDriverMode="1"
           streamDriverAuthMode="anon")"""
# Without an action rsyslog does not start.
DISCARD = """if $msg == "never" then {
        action(type="omfile" file="/dev/null")
    }
    stop"""

SYSLOG_NG_CONFIG = """
@version: 3.38
options {{ stats-freq(0); log-msg-size(65536); }};
source all {{
    file("{lines}" follow-freq(0.1) flags(no-parse) log-fetch-limit(1000)
         log-iw-size(10000));
}};
destination there {{ {destination} }};
log {{ source(all); destination(there); flags(flow-control); }};
"""
SYSLOG_NG_FORWARD = """network("127.0.0.1" port({port}) transport("tls")
    template("$(length $MSG) $MSG")
    tls(ca-file("{cert}") peer-verify(optional-untrusted)));"""
SYSLOG_NG_DISCARD = 'file("/dev/null" template("x"));'


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def connects(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition, what, process=None):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        if process and process.poll() is not None:
            sys.exit("ship_bench: %s ended with status %d" % (
                what, process.returncode))
        if time.monotonic() > deadline:
            sys.exit("ship_bench: %s: not within %d s" % (what, LIMIT_S))
        time.sleep(0.02)


def cpu_seconds(pid):
    with open("/proc/%d/schedstat" % pid) as f:
        total = int(f.read().split()[0])
    for task in os.listdir("/proc/%d/task" % pid):
        if int(task) != pid:
            with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
                total += int(f.read().split()[0])
    return total / 1e9


class TlsSink:
    """OpenSSL's s_server, and how many bytes came out of it."""
    def __init__(self, cert, key):
        self.port, self.n_bytes = free_port(), 0
        self.process = subprocess.Popen(
            ["openssl", "s_server", "-quiet", "-accept",
             "127.0.0.1:%d" % self.port, "-cert", cert, "-key", key,
             "-no_ticket"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        wait_for(lambda: connects(self.port), "s_server", self.process)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while data := self.process.stdout.read1(1 << 20):
            self.n_bytes += len(data)


class Bench:
    def __init__(self, args, directory):
        self.args = args
        self.dir = directory
        self.helper = os.path.join(args.builddir, "tests/ship/ship-helper")
        self.ship = os.path.join(args.builddir, "proxy-vm/ship/sluice-ship")
        self.spool = os.path.join(directory, "spool")
        self.public = os.path.join(self.spool, "key.pub")
        self.started, self.peer_env = [], {}
        self.n_lines = args.lines // BATCH * BATCH
        for name in "spool", "run", "state":
            os.mkdir(os.path.join(directory, name))
        self.run("keys", os.path.join(directory, "state/ship.key"),
                 self.public)
        self.cert = os.path.join(directory, "cert.pem")
        self.key = os.path.join(directory, "cert.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec",
                        "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", self.key, "-out", self.cert, "-days", "30",
                        "-subj", "/CN=bench", "-addext",
                        "subjectAltName=IP:127.0.0.1"], check=True,
                       stderr=subprocess.DEVNULL)

    def run(self, *args):
        subprocess.run([self.helper, *map(str, args)], check=True)

    def tls_sink(self):
        sink = TlsSink(self.cert, self.key)
        self.started.append(sink.process)
        return sink

    def tcp_sink(self):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def serve():
            while True:
                session, _ = listener.accept()
                with session:
                    while session.recv(1 << 20):
                        pass

        threading.Thread(target=serve, daemon=True).start()
        return listener.getsockname()[1]

    def measure_ship(self, name, destination):
        self.run("push", self.spool, self.public, "%d/main" % TENANT, TENANT,
                 0, self.n_lines // BATCH, BATCH)
        config = os.path.join(self.dir, "sluice.yaml")
        with open(config, "w") as f:
            f.write(SHIP_CONFIG.format(dir=self.dir, destination=destination))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([self.ship, "--config", config, "--tenant",
                        str(TENANT), "--once"], check=True, timeout=LIMIT_S)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.report(name, after.ru_utime + after.ru_stime
                    - before.ru_utime - before.ru_stime)

    def report(self, name, seconds):
        print("%s %.3f CPU-s/Mline" % (name, seconds * 1e6 / self.n_lines),
              flush=True)

    def peer_seconds(self, name, command, sink, n_bytes):
        """Runs a peer that reads the lines until 'sink' has 'n_bytes' or, if
        that is none, until it has used no CPU for three seconds, but some for
        each line.  Returns the CPU time it took."""
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, **self.peer_env)
        self.started.append(process)
        idle = [time.monotonic(), 0.0]

        def is_done():
            if sink:
                return sink.n_bytes >= n_bytes
            now = cpu_seconds(process.pid)
            if now - idle[1] > 0.005 or now < LEAST_S * self.n_lines:
                idle[:] = [time.monotonic(), now]
            return time.monotonic() - idle[0] > 3

        wait_for(is_done, name, process)
        seconds = cpu_seconds(process.pid)
        process.kill()
        process.wait()
        for left in os.listdir(self.dir):
            if left.startswith(("imfile-state", "syslog-ng.")):
                os.remove(os.path.join(self.dir, left))
        return seconds

    def measure_peer(self, name, command, config, forward, discard):
        """Reports what a peer takes to read the lines and forward them, and
        the same less what it takes to read them."""
        lines = os.path.join(self.dir, "lines")
        path = os.path.join(self.dir, "peer.conf")
        seconds = []
        for sink in self.tls_sink(), None:
            with open(path, "w") as f:
                f.write(config(forward(sink.port) if sink else discard))
            seconds.append(self.peer_seconds(name, command + [path], sink,
                                             os.path.getsize(lines)))
        self.report(name + "-with-input", seconds[0])
        self.report(name, seconds[0] - seconds[1])

    def measure_rsyslog(self, driver):
        program = shutil.which("rsyslogd",
                               path="/usr/sbin:/sbin:/usr/bin")
        if not program:
            sys.exit("ship_bench: rsyslogd is missing: apt-get install "
                     "rsyslog")
        self.measure_peer(
            "rsyslog.omfwd-tls-" + driver,
            [program, "-n", "-iNONE", "-f"],
            lambda action: RSYSLOG_CONFIG.format(
                dir=self.dir, cert=self.cert, action=action,
                lines=os.path.join(self.dir, "lines")),
            lambda port: FORWARD.format(port=port, driver=driver), DISCARD)

    def measure_syslog_ng(self, where):
        libraries = os.path.join(where, "usr/lib")
        multiarch = [os.path.join(libraries, n) for n in os.listdir(libraries)
                     if n.endswith("-linux-gnu")]
        modules = [os.path.join(folder, "syslog-ng", version)
                   for folder in [libraries] + multiarch
                   if os.path.isdir(os.path.join(folder, "syslog-ng"))
                   for version in os.listdir(os.path.join(folder,
                                                          "syslog-ng"))]
        self.peer_env = {"env": dict(
            os.environ, LD_LIBRARY_PATH=":".join(
                multiarch + [libraries]
                + [os.path.join(m, "..") for m in modules]))}
        self.measure_peer(
            "syslog-ng.network-tls",
            [os.path.join(where, "usr/sbin/syslog-ng"), "--foreground",
             "--no-caps", "--module-path=" + ":".join(modules),
             "--persist-file=" + os.path.join(self.dir, "syslog-ng.persist"),
             "--control=" + os.path.join(self.dir, "syslog-ng.ctl"),
             "--pidfile=" + os.path.join(self.dir, "syslog-ng.pid"),
             "--cfgfile"],
            lambda destination: SYSLOG_NG_CONFIG.format(
                destination=destination,
                lines=os.path.join(self.dir, "lines")),
            lambda port: SYSLOG_NG_FORWARD.format(port=port, cert=self.cert),
            SYSLOG_NG_DISCARD)

    def close(self):
        for process in self.started:
            process.kill()
            process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--builddir", required=True)
    parser.add_argument("--lines", type=int, default=400000)
    parser.add_argument("--syslog-ng")
    args = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="bench-ship-", dir=args.builddir)
    bench = Bench(args, directory)
    try:
        # As lines of a file these are also what the peers get.
        lines = os.path.join(directory, "lines")
        bench.measure_ship("ship.file", "type: file, path: %s" % lines)
        print("ship.line %.1f bytes/line" % (os.path.getsize(lines)
                                             / bench.n_lines), flush=True)
        bench.measure_ship("ship.tcp", "type: tcp, server: '127.0.0.1:%d'"
                           % bench.tcp_sink())
        bench.measure_ship("ship.tls", "type: tls, server: '127.0.0.1:%d', "
                           "ca-file: %s" % (bench.tls_sink().port,
                                            bench.cert))
        for row in sealed_bench.rows(args.builddir, args.lines // 2):
            print(*row, flush=True)
        for driver in "ossl", "gtls":
            bench.measure_rsyslog(driver)
        if args.syslog_ng:
            bench.measure_syslog_ng(os.path.abspath(args.syslog_ng))
    finally:
        bench.close()
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
