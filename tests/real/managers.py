# SPDX-License-Identifier: Apache-2.0
"""What tests of sluice-context against real managers share: vCenter's
simulator, sluice-context with a configuration, and its snapshot as data.

Everything is on the loopback interface and in a directory of its own."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("srcdir", ".")
sys.path.insert(0, os.path.join(SOURCE, "tests"))
from tap import BUILD, LIMIT_S, Failure, check, wait_until

CONTEXT = os.path.join(BUILD, "proxy-vm/sluice-context")
GOPATH = "/usr/share/gocode"
PASSWORD = "pass<&>word"


def why_no_vcsim():
    """Returns why the simulator can't be built, or None."""
    if not shutil.which("go"):
        return "there is no go: install golang-go"
    if not os.path.isdir(GOPATH + "/src/github.com/vmware/govmomi/simulator"):
        return ("there is no simulator: install "
                "golang-github-vmware-govmomi-dev")
    return None


def build_vcsim():
    """Builds the simulator, unless that was done, and returns its path.  Who
    comes while another builds waits; the compiled packages are kept where
    GOCACHE says, or in the build."""
    source = os.path.join(SOURCE, "tests/real/vcsim")
    where = os.path.join(os.path.abspath(BUILD), "tests/real")
    program = os.path.join(where, "vcsim")
    os.makedirs(where, exist_ok=True)
    with open(program + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (not os.path.exists(program) or os.stat(program).st_mtime
                < os.stat(os.path.join(source, "main.go")).st_mtime):
            subprocess.run(["go", "build", "-trimpath", "-o", program, "."],
                           check=True, cwd=source, env={
                               "GOCACHE": os.path.join(where, "go-cache"),
                               **os.environ, "GO111MODULE": "off",
                               "GOPATH": GOPATH, "GOFLAGS": ""})
    return program


class Vcsim:
    """The simulator, see vcsim/main.go."""

    def __init__(self, ca, *options):
        self.process = subprocess.Popen(
            [build_vcsim(), "-ca", ca, *options], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline().split()
        check(ready and ready[0] == "ready", "vcsim says: %s" % ready)
        self.server = ready[1]

    def tell(self, command):
        """Has it do something, and returns what it says."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip("\n")
        check(answer.startswith("ok"), "vcsim, asked to %s: %s"
              % (command[:60], answer))
        return answer[3:]

    def calls(self, method):
        return int(self.tell("calls " + method))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def parse_dump(text):
    """The VMs of a dump, by name; each a dictionary with the keys uuid,
    other-uuids, macs, tenant and values, the latter to (text, source,
    stale)."""
    vms = {}
    vm = None
    for line in text.splitlines():
        found = re.match(r'  - name: (".*")$', line)
        if found:
            vm = {"values": {}}
            vms[json.loads(found[1])] = vm
            continue
        found = re.match(r'      (".*?"): (".*")  # "(.*?)" \S+( stale)?$',
                         line)
        if found:
            vm["values"][json.loads(found[1])] = (
                json.loads(found[2]), found[3], bool(found[4]))
            continue
        found = re.match(r"    (uuid|other-uuids|macs|tenant): (.*)$", line)
        if found:
            key, value = found.groups()
            vm[key] = (re.findall(r'[^\[\], "]+', value)
                       if key in ("other-uuids", "macs") else value)
    return vms


class Place:
    """A directory, a simulator if one is started, and sluice-context."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="sluice-test-real.")
        self.sims = []
        self.process = None
        self.static = None
        self.managers = []
        self.wrapper = []       # What sluice-context is started by.
        self.log_read = 0
        os.makedirs(self.path("context"))
        self.snapshot = self.path("context/context.snapshot")
        self.credentials = self.path("credentials")
        self.write("credentials", "reader\n" + PASSWORD + "\n", 0o600)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text, mode=0o644):
        new = self.path(name + ".new")
        with open(new, "w", encoding="utf-8") as f:
            os.fchmod(f.fileno(), mode)
            f.write(text)
        os.rename(new, self.path(name))

    def sim(self, *options):
        """Starts a simulator, and has it configured as a manager."""
        ca = self.path("ca%d.pem" % len(self.sims))
        sim = Vcsim(ca, *options)
        self.sims.append(sim)
        self.managers.append({
            "name": "vc%d" % len(self.sims), "kind": "vsphere",
            "server": sim.server, "credentials-file": self.credentials,
            "ca-file": ca, "poll-interval-ms": "1000"})
        return sim

    def managers_text(self):
        """The section of the configuration."""
        if not self.managers:
            return ""
        return "managers:\n" + "".join(
            "  - { %s }\n" % ", ".join('%s: "%s"' % item
                                       for item in manager.items())
            for manager in self.managers)

    def configure(self):
        text = ('tenants: [ { id: 7, name: a, server: "h:514" } ]\n'
                "paths: { state: %s }\n" % self.dir)
        if self.static:
            text += "context: { static-file: %s }\n" % self.static
        self.write("sluice.yaml", text + self.managers_text())

    def start(self):
        self.configure()
        with open(self.path("context.log"), "ab") as log:
            self.process = subprocess.Popen(
                self.wrapper + [CONTEXT, "--config", self.path("sluice.yaml"),
                                "-vvsphere:file:off"], stderr=log)

    def stop(self):
        if self.process:
            self.process.terminate()
            check(self.process.wait(LIMIT_S) == 0, "sluice-context exits with "
                  "%s" % self.process.returncode)
            self.process = None

    def cpu_s(self):
        """Seconds of CPU that sluice-context has used."""
        with open("/proc/%d/stat" % self.process.pid, encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return ((int(fields[11]) + int(fields[12]))
                / os.sysconf("SC_CLK_TCK"))

    def log(self):
        with open(self.path("context.log"), encoding="utf-8",
                  errors="replace") as f:
            return f.read()

    def vms(self):
        result = subprocess.run([CONTEXT, "--dump", self.snapshot],
                                capture_output=True, text=True)
        return parse_dump(result.stdout)

    def status(self):
        try:
            with open(self.snapshot + ".status", encoding="utf-8") as f:
                return dict(line.rstrip("\n").split(": ", 1) for line in f)
        except FileNotFoundError:
            return {}

    def wait_vms(self, condition, what):
        """Waits until the condition is true of the VMs of the snapshot, and
        returns them."""
        got = {}

        def is_true():
            got["vms"] = self.vms()
            return condition(got["vms"])
        try:
            wait_until(is_true, what)
        except Failure as e:
            raise Failure("%s; there is: %s; status: %s"
                          % (e, str(got["vms"])[:3000], self.status()))
        return got["vms"]

    def wait_log(self, pattern):
        """Waits for a line of the log that matches, behind that which was
        waited for last, and returns it."""
        found = None

        def is_there():
            nonlocal found
            found = re.compile(".*(%s).*" % pattern).search(self.log(),
                                                            self.log_read)
            return found
        wait_until(is_there, "a line of the log like '%s'" % pattern)
        self.log_read = found.end()
        return found[0]

    def wait_problem(self, pattern):
        """Waits until the status names a problem that matches."""
        wait_until(lambda: re.search(pattern,
                                     self.status().get("problem", "")),
                   "a problem like '%s', but there is: %s"
                   % (pattern, self.status()))
        return self.status()["problem"]

    def wait_no_problem(self):
        wait_until(lambda: self.status().get("problem") == "none",
                   "no problem, but there is: %s" % self.status())

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        for sim in self.sims:
            sim.close()
        shutil.rmtree(self.dir)


def value(vm, key):
    """The text under a key, or None."""
    return vm["values"].get(key, (None,))[0]
