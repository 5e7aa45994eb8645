# SPDX-License-Identifier: Apache-2.0
"""What the parts that kill programs share: a proxy whose UDP socket outlives
sluiced, as under systemd, and which is started again when sluiced dies;
tenants with plain TCP and with RELP; and what must be true after a kill.

Runs in: tests/torture/{failpoints,kills}.py."""

import mmap
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

from scene import LogServer, Proxy, Stream, Town, Vm, children_of, say
from harness import BUILD, SLUICED, SOURCE, equal, wait_for

RELP = os.path.exists(BUILD + "/proxy-vm/relp/sluice-relp")
BATCH_BYTES = 4096
RATE = 200                      # Lines a second of each tenant.
N_TENANTS = 6                   # The last has RELP, where it was built.
FIRST_EXTRA = 60000             # Tenants that come with reloads.
HEAD = (f"batch:\n  max-bytes: {BATCH_BYTES}\n  max-delay-ms: 60\n"
        "output:\n  hold-ms: 20\n  backoff-max-ms: 100\n")
GONE = (FileNotFoundError, ProcessLookupError)
# What a process wrote outlives it there, too, and no disk is waited for.
if os.access("/dev/shm", os.W_OK):
    tempfile.tempdir = "/dev/shm"


class RelpServer(LogServer):
    """Speaks RELP: confirms each line once it is noted."""


class RelpTown(Town):
    FRAME = re.compile(rb"(\d+) (\w+) (\d+)(?: |\n)")

    def read(self, s, peer):
        if not isinstance(s, RelpServer):
            super().read(s, peer)
            return
        data = self.receive(s, peer)
        if not data:
            return
        data = s.peers[peer] + data
        replies = []
        while m := self.FRAME.match(data):
            size = int(m[3])
            end = m.end() + size + (1 if size else 0)
            if len(data) < end:
                break
            body, data = data[m.end():m.end() + size], data[end:]
            said = b"200 OK"
            if m[2] == b"open":
                said += (b"\nrelp_version=0\nrelp_software=torture\n"
                         b"commands=syslog")
            elif m[2] == b"syslog":
                s.note(body)
            replies.append(b"%s rsp %d %s\n" % (m[1], len(said), said))
        s.peers[peer] = data
        try:
            peer.send(b"".join(replies))
        except OSError:
            pass                    # Its client was killed.


class Failpoints:
    """The slots of proxy-vm/common/failpoint.h, in memory that the programs
    share."""

    SLOT = struct.Struct("=QqII24s16x")
    ROW = re.compile(r'^FAILPOINT\((\w+), "([a-z-]+)", (\w+), (\w+),', re.M)

    def __init__(self, directory):
        path = SOURCE + "/proxy-vm/common/failpoints.def"
        with open(path, encoding="utf-8") as file:
            self.rows = [(m[2], m[3].lower(), m[4].lower())
                         for m in self.ROW.finditer(file.read())]
        self.path = directory + "/failpoints"
        self.index = {row[0]: i for i, row in enumerate(self.rows)}
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.ftruncate(fd, self.SLOT.size * len(self.rows))
        self.map = mmap.mmap(fd, self.SLOT.size * len(self.rows))
        os.close(fd)

    def get(self, name):
        """Returns the passes, and how often something was done."""
        passes, _, _, acted, _ = self.SLOT.unpack_from(
            self.map, self.index[name] * self.SLOT.size)
        return passes, acted

    def arm(self, name, countdown, error=0, program=""):
        at = self.index[name] * self.SLOT.size
        struct.pack_into("=I", self.map, at + 16, error)
        struct.pack_into("=24s", self.map, at + 24, program.encode())
        struct.pack_into("=q", self.map, at + 8, countdown)

    def disarm(self, name):
        struct.pack_into("=q", self.map, self.index[name] * self.SLOT.size + 8,
                         0)


class Killed(Proxy):
    """A proxy that is started again when sluiced dies."""

    def __init__(self, servers):
        super().__init__({s.tenant: s.port for s in servers}, extra=HEAD)
        self.relp = {s.tenant for s in servers if isinstance(s, RelpServer)}
        self.n_extra = 0
        self.write_tenants()
        self.failpoints = Failpoints(self.dir)
        self.socket_held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket_held.bind(("127.0.0.1", self.port))
        self.n_starts = 0
        self.keeper = threading.Thread(target=self.keep, daemon=True)
        self.halt = threading.Event()

    def write_tenants(self, extra=0):
        super().write_tenants()
        text = self.read(self.config)
        for tenant in getattr(self, "relp", ()):
            text = text.replace(
                f"  server: 127.0.0.1:{self.ports[tenant]}\n",
                "  destinations:\n  - name: main\n    type: relp\n"
                f"    server: 127.0.0.1:{self.ports[tenant]}\n")
        if extra:
            text += (f"- id: {extra}\n  name: extra-{extra}\n"
                     "  server: 127.0.0.1:9\n")
        # As an editor would: what is read is whole.
        self.write(self.config + ".new", text)
        os.rename(self.config + ".new", self.config)

    def launch(self):
        """Starts sluiced with the socket, as a service manager does."""
        held = self.socket_held.fileno()
        with open(self.dir + "/log", "a", encoding="utf-8") as log:
            # pylint: disable=consider-using-with
            self.process = subprocess.Popen(
                ["bash", "-c", f"exec 3<&{held} {held}<&-; LISTEN_PID=$$ "
                 "LISTEN_FDS=1 LISTEN_FDNAMES=tunnel exec \"$@\"", "bash",
                 SLUICED, "--config", self.config, "--libexec", self.libexec],
                stderr=log, pass_fds=(held,),
                env={**os.environ,
                     "SLUICE_FAILPOINTS": self.failpoints.path})
        self.n_starts += 1

    def keep(self):
        while not self.halt.wait(0.005):
            if self.process.poll() is not None:
                self.launch()

    def start(self):
        self.launch()
        self.keeper.start()
        self.wait_answer()
        return self

    def wait_answer(self):
        wait_for("an answer", lambda: self.ctl("status").returncode == 0, 60)

    def stop(self):
        self.halt.set()
        self.keeper.join()
        self.socket_held.close()
        return super().stop()

    def __exit__(self, *args):
        if not self.halt.is_set():
            self.stop()
        super().__exit__(*args)

    def pids(self, program):
        """The processes of 'program' that live."""
        try:
            if program == "sluiced":
                return [self.process.pid]
            if program == "adapter":
                return [pid for ship in self.pids("ship")
                        for pid in children_of(ship, ("relp",))]
            return children_of(self.process.pid, (program,))
        except GONE:
            return []

    def kill(self, program, pid):
        """Kills a process of 'program'.  Returns whether there was one."""
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            # It may have ended, and another have its number by now; from here
            # on it is the one that is looked at.
            if pid not in self.pids(program):
                return False
            signal.pidfd_send_signal(fd, signal.SIGKILL)
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

    def reload(self):
        """With another tenant than before; sluiced may die of it."""
        self.n_extra += 1
        self.write_tenants(extra=FIRST_EXTRA + self.n_extra)
        self.ctl("reload")

    def refuse(self, n):
        """Puts what is no batch into the queue of the first tenant."""
        folder = f"{self.spool}/{min(self.ports)}/main"
        self.write(f"{folder}/.refused", "This is no batch.")
        os.rename(f"{folder}/.refused", f"{folder}/0000000000-{n:020}.batch")

    def counters(self):
        """Intake's counters, by tenant and name."""
        found = {}
        for c in self.ask("counters")["counters"]:
            if c["program"] == "intake" and c["tenant"]:
                found.setdefault(c["tenant"], {})[c["name"]] = c["value"]
        return found


class Battle:
    """The proxy, the lines that come to it, and what became of them."""

    def __init__(self):
        tenants = range(1, N_TENANTS + 1)
        self.servers = [RelpServer(t) if RELP and t == N_TENANTS
                        else LogServer(t) for t in tenants]
        self.town = RelpTown(self.servers)
        # What a full spool sheds last.
        self.vms = [Vm(t, severity=0) for t in tenants]
        self.proxy = Killed(self.servers)
        self.stream = None
        self.n_kills = 0
        self.batch_lines = 0        # At most.

    def __enter__(self):
        self.town.start()
        self.proxy.__enter__().start()
        self.fire()
        wait_for("the first lines", lambda: all(s.n_seen()
                                                for s in self.servers), 60)
        return self

    def __exit__(self, *args):
        self.cease()
        self.proxy.__exit__(*args)
        self.town.stop()

    def fire(self):
        self.stream = Stream(self.proxy.port, self.vms, RATE,
                             servers=self.servers)
        self.stream.start()

    def cease(self):
        if self.stream:
            self.stream.stop()
            self.stream = None

    def n_seen(self):
        return sum(s.n_seen() for s in self.servers)

    def n_again(self):
        return [s.n_again for s in self.servers]

    def settle(self, seconds=60):
        """Waits until all that was sent before this call has come."""
        marks = [(s, vm.n) for s, vm in zip(self.servers, self.vms)]
        try:
            wait_for("all lines", lambda: all(s.has_all(1, n)
                                              for s, n in marks), seconds)
        except AssertionError:
            self.tell()
            raise

    def tell(self):
        """Which lines did not come, and what there is to know of that."""
        for server, vm in zip(self.servers, self.vms):
            if missing := server.missing([vm]):
                say(f"tenant {vm.tenant}: {len(missing)} of {vm.n} lines did "
                    f"not come, {missing[0][1]} to {missing[-1][1]}")
        for command in ("status", "tenants", "spool"):
            for line in self.proxy.ctl(command).stdout.splitlines():
                say(line)
        for line in self.proxy.read(self.proxy.dir
                                    + "/log").splitlines()[-40:]:
            say(line)

    def check(self):
        """Has the lines cease: none is lost but those that are told to be
        dropped, and the books balance.  Returns how many those are."""
        self.cease()
        self.proxy.wait_answer()
        try:
            wait_for("all lines", self.is_all_there, 120)
        except AssertionError:
            self.tell()
            raise
        wait_for("balanced books", self.is_balanced, 60)
        self.proxy.check_books()
        for server in self.servers:
            equal(server.foreign, [])
        figures = self.proxy.counters()
        self.batch_lines = max(BATCH_BYTES * t["received"] // t["raw-bytes"]
                              for t in figures.values() if t["received"]) + 2
        return sum(t["dropped"] for t in figures.values())

    def n_sluiced_kills(self):
        return self.proxy.n_starts - 1

    def check_twice(self, n_kills):
        """No more came twice than a batch for each process that was killed:
        sluiced takes all with it."""
        n_kills += N_TENANTS * self.n_sluiced_kills()
        n_twice = sum(self.n_again())
        say(f"{sum(vm.n for vm in self.vms)} lines, 0 lost, {n_twice} twice; "
            f"a batch has up to {self.batch_lines}")
        assert n_twice <= n_kills * self.batch_lines, n_twice

    def is_all_there(self):
        figures = self.proxy.counters()
        return all(len(s.missing([vm])) == figures[s.tenant]["dropped"]
                   for s, vm in zip(self.servers, self.vms))

    def is_balanced(self):
        return self.proxy.ctl("ledger", "--check",
                              "--timeout", "5").returncode == 0
