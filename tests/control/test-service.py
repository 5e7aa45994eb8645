#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# sluiced under a service manager: what it says to one, by a socket of this
# test's, and that no packet is lost while the manager holds the UDP sockets.
import array
import collections
import http.client
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile

from harness import BUILD, SLUICED, SOURCE, equal, main, wait_for
from traffic import Server, Stream, packet, with_server


class Manager:
    """Takes what sluiced says, and keeps the descriptors that it stores."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="sluice-test.")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.dir + "/notify")
        self.sock.settimeout(0.05)
        self.said = []
        self.kept = []          # Pairs of a name and a descriptor.

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
        self.forget()
        shutil.rmtree(self.dir)

    def forget(self, name=None):
        for kept in self.kept:
            if name in (None, kept[0]):
                os.close(kept[1])
        self.kept = [kept for kept in self.kept
                     if name not in (None, kept[0])]

    def listen(self):
        """Takes what there is; returns all that was said."""
        while True:
            try:
                data, control, _, _ = self.sock.recvmsg(4096, 256)
            except TimeoutError:
                return self.said
            fields = dict(line.split("=", 1)
                          for line in data.decode().splitlines())
            self.said.append(fields)
            if "FDSTOREREMOVE" in fields:
                self.forget(fields["FDNAME"])
            for level, kind, payload in control:
                equal((level, kind), (socket.SOL_SOCKET, socket.SCM_RIGHTS))
                fds = array.array("i", payload)
                self.kept += [(fields["FDNAME"], fd) for fd in fds]

    def has_said(self, name, n=1):
        return wait_for(name, lambda: sum(name in said
                                          for said in self.listen()) >= n)

    def start(self, s, fds=None, **env):
        """Starts sluiced as a service that is handed 'fds', pairs of a name
        and a descriptor."""
        fds = self.kept if fds is None else fds
        env = {**os.environ, "NOTIFY_SOCKET": self.dir + "/notify",
               "LISTEN_FDNAMES": ":".join(name for name, _ in fds), **env}
        listen = f"LISTEN_PID=$$ LISTEN_FDS={len(fds)}" if fds else ""
        # What is to be handed over must not lie where it is to go.
        high = [os.dup2(fd, 200 + i) for i, (_, fd) in enumerate(fds)]
        moves = "".join(f" {3 + i}<&{fd}" for i, fd in enumerate(high))
        closes = "".join(f" {fd}<&-" for fd in high)
        with open(s.dir + "/log", "a", encoding="utf-8") as log:
            # pylint: disable=consider-using-with
            s.process = subprocess.Popen(
                ["bash", "-c", f"exec{moves}{closes}; {listen} exec \"$@\"",
                 "bash", SLUICED, "--config", s.config, "--libexec",
                 s.libexec], stderr=log, env=env,
                pass_fds=tuple(high))
        for fd in high:
            os.close(fd)
        wait_for("an answer", lambda: s.ctl("status").returncode == 0)


def the_manager_is_told_how_sluiced_is():
    with with_server(Server()) as s, Manager() as manager:
        manager.start(s, WATCHDOG_USEC="200000")
        manager.has_said("READY")
        manager.has_said("WATCHDOG", 3)
        equal(s.ctl("reload").returncode, 0)
        manager.has_said("RELOADING")
        manager.has_said("READY", 2)
        assert int([said["MONOTONIC_USEC"] for said in manager.said
                    if "RELOADING" in said][0]) > 0
        s.process.terminate()
        manager.has_said("STOPPING")
        wait_for("the end", lambda: (manager.listen(),
                                     s.process.poll() is not None)[1])
        equal(s.process.returncode, 0)


def port_of(fd):
    with socket.socket(fileno=os.dup(fd)) as sock:
        return sock.getsockname()[1]


def keeps_sockets_at(manager, port):
    """Sixteen, all at 'port', among which the kernel chooses."""
    equal([(name, port_of(fd)) for name, fd in manager.kept],
          [("tunnel", port)] * 16)


def the_sockets_are_kept_and_new_ones_in_their_place():
    with with_server(Server()) as s, Manager() as manager:
        manager.start(s)
        manager.has_said("FDSTORE")
        keeps_sockets_at(manager, s.port)
        old = s.port
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            s.port = sock.getsockname()[1]
        s.write(s.config, s.read(s.config).replace(f"port: {old}",
                                                   f"port: {s.port}"))
        equal(s.ctl("reload").stderr, "")
        manager.has_said("FDSTORE", 2)
        keeps_sockets_at(manager, s.port)
        equal(s.stop(), 0)


def no_packet_is_lost_over_restarts_under_load():
    server = Server()
    with with_server(server, extra="batch:\n  max-delay-ms: 20\n"
                     "output:\n  hold-ms: 100\n") as s, Manager() as manager:
        manager.start(s)
        manager.has_said("FDSTORE")
        stream = Stream(s.port)
        stream.start()
        for i in range(4):
            n_before = len(server.numbers)
            wait_for("lines", lambda n=n_before: len(server.numbers) > n)
            if i % 2:
                s.process.kill()
                s.process.wait()
            else:
                equal(s.stop(), 0)
            sent = stream.n     # More come while nobody is there.
            wait_for("packets", lambda n=sent: stream.n > n + 100)
            manager.listen()
            manager.start(s)
        n = stream.stop()
        wait_for("all lines", lambda: len(set(server.numbers)) >= n, 60)
        wait_for("the books", lambda: [
            (t["received"], t["shipped"]) for t in s.ask("tenants")["tenants"]
        ] == [(n, n)])
        n_of = collections.Counter(server.numbers)
        twice = sum(n_of[i] > 1 for i in n_of)
        print(f"# {n} lines over 2 stops and 2 kills of sluiced; {twice} came "
              "twice, which were in the hold time of a killed shipper",
              flush=True)
        equal((min(n_of), max(n_of), len(n_of)), (1, n, n))
        vm = s.ask("vms")["vms"][0]
        equal((vm["lost"], vm["replayed"], vm["received"]), (0, 0, n))
        equal(s.stop(), 0)


def a_socket_that_does_not_fit_is_refused():
    with with_server(Server()) as s, Manager() as manager, \
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind(("127.0.0.1", 0))
        manager.start(s, [("tunnel", other.fileno())])
        assert "is no UDP socket at port" in s.read(s.dir + "/log")
        manager.has_said("FDSTORE")
        keeps_sockets_at(manager, s.port)
        equal(s.stop(), 0)


def systemd_hands_the_socket_over():
    activate = shutil.which("systemd-socket-activate")
    if not activate:
        return "there is no systemd-socket-activate"
    server = Server()
    with with_server(server, extra="batch:\n  max-delay-ms: 20\n") as s:
        with open(s.dir + "/log", "a", encoding="utf-8") as log:
            # pylint: disable=consider-using-with
            s.process = subprocess.Popen(
                [activate, "--datagram", "-l", f"127.0.0.1:{s.port}",
                 "--fdname=tunnel", SLUICED, "--config", s.config,
                 "--libexec", s.libexec], stderr=log)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            def answers():
                if "Listening on" not in s.read(s.dir + "/log"):
                    return False
                return True
            wait_for("the socket", answers)
            # The packet that wakes it up is the first to be received.
            sock.sendto(packet(1), ("127.0.0.1", s.port))
        wait_for("an answer", lambda: s.ctl("status").returncode == 0)
        assert "come from the service manager: 1" in s.read(s.dir + "/log")
        wait_for("the line", lambda: server.numbers == [1])
        equal(s.stop(), 0)
    return None


def rights_in_the_unit():
    """As the unit gives them to sluiced, in setpriv's words."""
    with open(SOURCE + "/proxy-vm/systemd/sluice.service.in",
              encoding="utf-8") as file:
        rights = re.findall(r"CAP_(\w+)", " ".join(
            line for line in file if line.startswith("AmbientCapabilities=")))
    return ",".join("+" + right.lower() for right in rights)


def can_run_as(user, path):
    return not subprocess.run(["setpriv", "--reuid", user, "--clear-groups",
                               "test", "-x", path], check=False).returncode


def rights_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        status = dict(line.split(":\t", 1) for line in file)
    return {name: (status[name].split() if name == "Uid"
                   else int(status[name], 16))
            for name in ("Uid", "CapEff", "CapPrm", "CapAmb")}


def get_metrics(port):
    """What sluice-metrics says, or nothing while there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    except ConnectionError:
        return ""
    finally:
        connection.close()


def free_tcp_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def in_the_unit(s, groups):
    """The command that starts sluiced with the rights that the unit leaves."""
    rights = "-all," + rights_in_the_unit()
    return ["setpriv", "--reuid", "daemon", "--regid", "daemon", *groups,
            "--no-new-privs", "--inh-caps", rights, "--ambient-caps", rights,
            "--bounding-set", rights, "bash", "-c",
            "umask 077; exec \"$@\"", "bash", SLUICED, "--config", s.config,
            "--libexec", s.libexec]


def left_by_one_that_read_everything(top):
    """Directories and a file that sluice-intake has to itself, as a version
    left them whose sluiced needed no permission."""
    nobody = pwd.getpwnam("nobody")
    os.makedirs(top + "/deep", 0o711)
    os.mkdir(top + "/run", 0o700)
    shutil.chown(top + "/run", "daemon")
    for path in ("run/intake", "deep/spool", "deep/spool/7",
                 "deep/spool/7/main"):
        os.mkdir(f"{top}/{path}", 0o700)
        os.chown(f"{top}/{path}", nobody.pw_uid, nobody.pw_gid)
    path = top + "/deep/spool/generation"
    with open(path, "w", encoding="utf-8") as file:
        file.write("0000000005\n")
    os.chmod(path, 0o600)
    os.chown(path, nobody.pw_uid, nobody.pw_gid)


def it_is_not_root_and_who_faces_guests_has_no_rights():
    if os.geteuid():
        return "only root can become another"
    if not can_run_as("nobody", BUILD + "/proxy-vm/intake/sluice-intake"):
        return "the build lies in a directory that nobody can't reach"
    server, port = Server(), free_tcp_port()
    with with_server(server, extra="batch:\n  max-delay-ms: 20\n"
                     f"intake:\n  user: nobody\nmetrics:\n  port: {port}\n"
                     ) as s:
        os.chmod(s.dir, 0o711)
        shutil.chown(s.dir, "daemon")
        left_by_one_that_read_everything(s.dir)
        refused = subprocess.run(
            in_the_unit(s, ["--clear-groups"]), capture_output=True, text=True,
            check=False)
        equal(refused.returncode, 1)
        assert "is not in the group of that user" in refused.stderr, refused
        with open(s.dir + "/log", "a", encoding="utf-8") as log:
            # pylint: disable=consider-using-with
            s.process = subprocess.Popen(in_the_unit(s, [
                "--groups", str(pwd.getpwnam("nobody").pw_gid)]), stderr=log)
        wait_for("an answer", lambda: s.ctl("status").returncode == 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for number in range(1, 11):
                sock.sendto(packet(number), ("127.0.0.1", s.port))
        wait_for("the lines", lambda: len(server.numbers) == 10)
        wait_for("the books", lambda: s.ask("tenants")["tenants"][0]["shipped"]
                 == 10)
        equal(rights_of(s.process.pid)["Uid"],
              [str(pwd.getpwnam("daemon").pw_uid)] * 4)
        # sluice-metrics gets to the socket in a directory of another group; it
        # answers once it has become nobody.
        wait_for("metrics", lambda: "sluice_tenant_received_lines_total"
                 in get_metrics(port), 60)
        programs = {p["name"]: p for p in s.ask("status")["programs"]}
        for name in "intake", "metrics":
            equal((name, rights_of(programs[name]["pid"])), (name, {
                "Uid": [str(pwd.getpwnam("nobody").pw_uid)] * 4,
                "CapEff": 0, "CapPrm": 0, "CapAmb": 0}))
        for name in "context", "ship-7":
            equal((name, rights_of(programs[name]["pid"])["CapPrm"]),
                  (name, 0))
        equal([p["restarts"] for p in programs.values()], [0] * len(programs))
        equal(s.stop(), 0)
    return None


# "systemd-analyze security": how much is in reach of a unit's programs, at most.
EXPOSED = 2.0


def write_unit(name, to):
    path = f"{BUILD}/proxy-vm/systemd/{name}"
    if not os.path.exists(path):
        path = f"{SOURCE}/proxy-vm/systemd/{name}"
    with open(path, encoding="utf-8") as file:
        text = file.read()
    # Where it would be installed it may not be yet.
    text = re.sub(r"^ExecStart=\S+", "ExecStart=" + SLUICED, text, flags=re.M)
    text = re.sub(r"^Documentation=.*\n", "", text, flags=re.M)
    with open(to, "w", encoding="utf-8") as file:
        file.write(text)


def the_units_are_right():
    if not shutil.which("systemd-analyze"):
        return "there is no systemd-analyze"
    names = [name.removesuffix(".in") for name in sorted(
        os.listdir(SOURCE + "/proxy-vm/systemd"))
             if re.search(r"\.(service|socket)\.in$", name)]
    assert "sluice.service" in names, names
    with tempfile.TemporaryDirectory() as units:
        paths = [f"{units}/{name.replace('@.', '@7.')}" for name in names]
        for name, path in zip(names, paths):
            write_unit(name, path)
        result = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *paths],
            capture_output=True, text=True, check=False)
        equal((result.returncode, [
            line for line in result.stderr.splitlines() if "sluice" in line
        ]), (0, []))
        for name, path in zip(names, paths):
            if not name.endswith(".service"):
                continue
            result = subprocess.run(
                ["systemd-analyze", "security", "--offline=true", path],
                capture_output=True, text=True, check=False)
            score = result.stdout.strip().splitlines()[-1]
            print(f"# {score}", flush=True)
            assert float(score.split(": ")[1].split()[0]) <= EXPOSED, score
    return None


main([
    the_manager_is_told_how_sluiced_is,
    the_sockets_are_kept_and_new_ones_in_their_place,
    no_packet_is_lost_over_restarts_under_load,
    a_socket_that_does_not_fit_is_refused,
    systemd_hands_the_socket_over,
    it_is_not_root_and_who_faces_guests_has_no_rights,
    the_units_are_right,
])
