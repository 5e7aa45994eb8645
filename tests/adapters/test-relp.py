# SPDX-License-Identifier: Apache-2.0
"""sluice-relp against a real rsyslogd with imrelp, plain and by TLS, and
against servers that misbehave.

Everything is on the loopback interface, at ports that were free when the test
began, and in a directory of its own.  Speaks TAP."""

import collections
import os
import shutil
import signal
import socket
import sys
import threading

from adapter import (CONFIRMED, FAILED, OPEN, Adapter, Place,
                     message_frame)
from certificates import make_certificates
from cutting_relay import CuttingRelay
from tap import BUILD, LIMIT_S, check, free_port, run_tests, wait_until

RELP = os.path.join(BUILD, "proxy-vm/relp/sluice-relp")
RSYSLOGD = shutil.which("rsyslogd", path=os.environ.get("PATH", "")
                        + ":/usr/sbin:/sbin")
# Cut by a reset after how many bytes; in order, after each.
RESET_STEP = 1 if os.environ.get("SLUICE_CUTS") == "all" else 8
CLIENT, SERVER = "sluice.example", "logs.example"

CONF = """
global(workDirectory="{dir}" maxMessageSize="700k"
       net.enableDNS="off")
module(load="imrelp"{library})
template(name="raw" type="string" string="%rawmsg%\\n")
# Direct: what was acknowledged is written, and not in a queue that dies with
# the process.
ruleset(name="all" queue.type="Direct") {{
    action(type="omfile" file="{out}" template="raw")
}}
input(type="imrelp" address="127.0.0.1" port="{port}" ruleset="all"
      maxDataSize="700k"{tls})
"""

TLS = """
      tls="on" tls.caCert="{dir}/ca.pem" tls.myCert="{dir}/{cert}.pem"
      tls.myPrivKey="{dir}/{cert}.key" tls.authMode="name"
      tls.permittedPeer=["{peer}"]"""


class Bench(Place):
    def __init__(self):
        super().__init__("relp")
        self.port = free_port()
        self.out = self.path("out")
        self.server = None

    def start_server(self, tls="", library=""):
        conf = self.write("rsyslog.conf", CONF.format(
            dir=self.dir, port=self.port, out=self.out, tls=tls,
            library=library))
        with open(self.path("rsyslog.log"), "a") as log:
            self.server = self.start(
                [RSYSLOGD, "-n", "-f", conf, "-i", self.path("pid")],
                stdout=log, stderr=log)
        self.wait_for_server()

    def wait_for_server(self):
        def listens():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0
        wait_until(listens, "rsyslogd does not listen")

    def start_tls_server(self, cert=SERVER, peer=CLIENT, library="gnutls"):
        make_certificates(self, [CLIENT, SERVER, "stranger.example"])
        self.start_server(TLS.format(dir=self.dir, cert=cert, peer=peer),
                          ' tls.tlslib="%s"' % library)

    def adapter(self, *extra, port=None):
        return Adapter([RELP, "--server", "127.0.0.1:%d" % (port or self.port),
                        "--timeout-ms", "5000", *extra])

    def tls_adapter(self, cert=CLIENT, ca="ca", name=SERVER):
        return self.adapter("--tls", "--ca-file", self.path(ca + ".pem"),
                            "--certificate-file", self.path(cert + ".pem"),
                            "--key-file", self.path(cert + ".key"),
                            "--server-name", name)

    def received(self):
        try:
            with open(self.out, "rb") as f:
                lines = f.read().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        # A server that was killed in a write leaves the beginning of a line,
        # behind which the next server goes on.
        return [line[max(line.rfind(b"<14>1 - host"), 0):] for line in lines]


def lines_of(batch, n, size=0):
    return [b"<14>1 - host app - - - batch %d line %d " % (batch, i)
            + b"x" * size for i in range(n)]


def send_in_order(bench, adapter):
    """Ten batches, then the end: each line there once, in order."""
    sent = []
    with adapter:
        adapter.expect(OPEN)
        for batch in range(10):
            lines = lines_of(batch, 700, 200)
            sent += lines
            adapter.send_batch(lines, 1000 + batch)
        for batch in range(10):
            adapter.expect(CONFIRMED, 1000 + batch, 0)
        # What is confirmed is in the file.
        check(bench.received() == sent, "not every line once and in order")
        adapter.finish()


def test_plain(bench):
    """Every line arrives once and in order, and is confirmed when it is
    written."""
    bench.start_server()
    send_in_order(bench, bench.adapter())


def test_tls(bench):
    """The same by TLS with certificates on both sides, to a server that uses
    GnuTLS."""
    bench.start_tls_server()
    send_in_order(bench, bench.tls_adapter())


def test_long(bench):
    """A line of 600,000 bytes arrives, among short ones."""
    bench.start_server()
    lines = lines_of(0, 3) + lines_of(1, 1, 600000) + lines_of(2, 3)
    with bench.adapter() as a:
        a.expect(OPEN)
        a.send_batch(lines, 1)
        a.expect(CONFIRMED, 1, 0)
        a.finish()
    check(bench.received() == lines, "the lines are others")


def test_pieces(bench):
    """Requests may come byte by byte, and a mark without a message."""
    bench.start_server()
    with bench.adapter() as a:
        a.expect(OPEN)
        a.send_batch([], 7)
        a.expect(CONFIRMED, 7, 0)
        data = b"".join(message_frame(l) for l in lines_of(0, 3))
        for i in range(len(data)):
            a.send(data[i:i + 1])
        a.send_batch([], 8)
        a.expect(CONFIRMED, 8, 0)
        a.finish()
    check(bench.received() == lines_of(0, 3), "the lines are others")


def test_wrong_name(bench):
    """A certificate of another name is refused in a sentence that has both
    names."""
    bench.start_tls_server(cert="stranger.example")
    with bench.tls_adapter() as a:
        a.expect_failure("certificate", SERVER, "stranger.example")
    check(not bench.received(), "something was sent")


def test_wrong_ca(bench):
    """A certificate that another CA signed is refused in a sentence that names
    the file."""
    bench.start_tls_server()
    with bench.tls_adapter(ca="other") as a:
        a.expect_failure("certificate", "other.pem", "not signed")
    check(not bench.received(), "something was sent")


def test_refused_client(bench):
    """A server that does not take our certificate is named, with a guess
    why."""
    bench.start_tls_server(peer="somebody.example")
    with bench.tls_adapter() as a:
        a.expect_failure("127.0.0.1:%d" % bench.port)
    check(not bench.received(), "something was sent")


def test_tls_needs_certificate(bench):
    """TLS without a certificate of its own, which would be without the
    server's too, is refused."""
    make_certificates(bench, [SERVER])
    with bench.adapter("--tls", "--ca-file", bench.path("ca.pem"),
                       "--server-name", SERVER) as a:
        a.expect_failure("--certificate-file")


def test_not_tls(bench):
    """A server that does not speak TLS fails the session in a sentence."""
    bench.start_server()
    make_certificates(bench, [CLIENT])
    with bench.tls_adapter() as a:
        a.expect_failure("127.0.0.1:%d" % bench.port)


def test_nobody(bench):
    """Where nobody listens, the sentence says so."""
    with bench.adapter() as a:
        a.expect_failure("can't connect", "Connection refused")


class FakeServer:
    """Listens, and does with the first connection what 'serve' says."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, args=(serve,))
        self.thread.start()

    def run(self, serve):
        try:
            self.connection, _ = self.listener.accept()
            with self.connection:
                serve(self.connection)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(LIMIT_S)
        self.listener.close()


OFFERS = b"200 OK\nrelp_version=0\nrelp_software=test\ncommands=syslog"


def rsp(txnr, data):
    return b"%d rsp %d %s\n" % (txnr, len(data), data)


def receive_frames(connection, n):
    """Reads until 'n' lines came, which in these tests are frames: only the
    "open" has lines in it, four of them."""
    data = b""
    while data.count(b"\n") < n:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
    return data


def open_session(connection):
    receive_frames(connection, 3)
    connection.sendall(rsp(1, OFFERS))


def fail_with(bench, serve, *words, lines=3, timeout="500"):
    with FakeServer(serve) as server:
        with bench.adapter("--timeout-ms", timeout, port=server.port) as a:
            if a.next() == (OPEN,):
                a.send_batch(lines_of(0, lines), 1)
                return a.expect_failure(*words)
            return ""


def test_refused_message(bench):
    """A response other than 200 confirms nothing and is told with its
    text."""
    def serve(c):
        open_session(c)
        receive_frames(c, 3)
        c.sendall(rsp(2, b"200 OK") + rsp(3, b"500 no\x1b[2Jdisk")
                  + rsp(4, b"200 OK"))
        c.recv(1)
    sentence = fail_with(bench, serve, "500", "no?[2Jdisk")
    check(sentence, "no session")


def test_early_response(bench):
    """A response to what was not sent ends the session."""
    def serve(c):
        open_session(c)
        receive_frames(c, 3)
        c.sendall(rsp(2, b"200 OK") + rsp(9, b"200 OK"))
        c.recv(1)
    check(fail_with(bench, serve, "message 9", "not sent"), "no session")


def test_double_response(bench):
    """A second response to the same message ends the session."""
    def serve(c):
        open_session(c)
        receive_frames(c, 3)
        c.sendall(rsp(2, b"200 OK") * 2)
        c.recv(1)
    check(fail_with(bench, serve, "message 2", "not sent"), "no session")


def test_out_of_order(bench):
    """Responses may come in any order; the mark waits for all of them."""
    release = threading.Event()

    def serve(c):
        open_session(c)
        receive_frames(c, 3)
        c.sendall(rsp(4, b"200 OK") + rsp(2, b"200 OK"))
        release.wait(LIMIT_S)
        c.sendall(rsp(3, b"200 OK"))
        c.recv(1)
    with FakeServer(serve) as server:
        with bench.adapter(port=server.port) as a:
            a.expect(OPEN)
            a.send_batch(lines_of(0, 3), 1)
            try:
                check(False, "confirmed early: %r" % (a.next(0.5),))
            except Exception as e:
                check("said nothing" in str(e), str(e))
            finally:
                release.set()
            a.expect(CONFIRMED, 1, 0)


def test_silent(bench):
    """A server that does not answer messages is given up in time."""
    done = threading.Event()

    def serve(c):
        open_session(c)
        done.wait(LIMIT_S)
    try:
        check(fail_with(bench, serve, "acknowledged nothing", "500 ms"),
              "no session")
    finally:
        done.set()


def test_not_reading(bench):
    """A server that takes nothing is given up in time."""
    done = threading.Event()

    def serve(c):
        open_session(c)
        done.wait(LIMIT_S)
    with FakeServer(serve) as server:
        with bench.adapter("--timeout-ms", "500", port=server.port) as a:
            a.expect(OPEN)
            # More than sockets and window hold.
            feeder = threading.Thread(
                target=a.send_batch, args=(lines_of(0, 200, 100000), 1))
            feeder.start()
            try:
                a.expect_failure("500 ms")
            finally:
                a.close()
                feeder.join()
                done.set()


def test_black_hole(bench):
    """A server that accepts and says nothing is given up in time, plain and in
    the handshake."""
    make_certificates(bench, [CLIENT])
    for tls in (False, True):
        done = threading.Event()
        with FakeServer(lambda c: done.wait(LIMIT_S)) as server:
            args = ["--tls", "--ca-file", bench.path("ca.pem"),
                    "--certificate-file", bench.path(CLIENT + ".pem"),
                    "--key-file", bench.path(CLIENT + ".key"),
                    "--server-name", SERVER] if tls else []
            with bench.adapter("--timeout-ms", "700", *args,
                               port=server.port) as a:
                a.expect_failure("700 ms")
            done.set()


def test_nonsense(bench):
    """A server that does not speak RELP is told so."""
    def serve(c):
        c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        c.recv(65536)
        c.recv(1)
    with FakeServer(serve) as server:
        with bench.adapter(port=server.port) as a:
            a.expect_failure("127.0.0.1:%d" % server.port, "RELP")


def test_idle_close(bench):
    """A server that closes an idle session is noticed at once."""
    bench.start_server()
    with bench.adapter() as a:
        a.expect(OPEN)
        bench.stop(bench.server)
        a.expect_failure("broke")


def test_ship_gone(bench):
    """The adapter ends when its socket is closed, with what it had sent
    acknowledged."""
    bench.start_server()
    with bench.adapter() as a:
        a.expect(OPEN)
        a.send_batch(lines_of(0, 500), 1)
        a.socket.shutdown(socket.SHUT_WR)
        a.expect(CONFIRMED, 1, 0)
        check(a.process.wait(LIMIT_S) == 0, "did not end well")
    check(bench.received() == lines_of(0, 500), "the lines are others")


def test_killed_server(bench):
    """rsyslogd killed twenty times in the middle: nothing that was confirmed
    is missing."""
    batch = 0
    for kill in range(20):
        bench.start_server()
        with bench.adapter() as a:
            a.expect(OPEN)
            confirmed = -1
            for i in range(6):
                a.send_batch(lines_of(batch + i, 300, 100), i)
            for reply in iter(a.next, None):
                if reply[0] == FAILED:
                    break
                confirmed = reply[1]
                if confirmed == kill % 5:
                    bench.stop(bench.server, signal.SIGKILL)
            # That much is written, whatever happened to the process.
            have = set(bench.received())
            for i in range(confirmed + 1):
                check(set(lines_of(batch + i, 300, 100)) <= have,
                      "batch %d was confirmed and is not there" % i)
        batch += 6
    check(len(have) > 20 * 300, "it was killed too early")


def exchange(bench, port, lines):
    """One batch and the end.  Returns true if it was confirmed."""
    confirmed = False
    with bench.adapter(port=port) as a:
        a.send_batch(lines, 1)
        try:
            a.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        for reply in iter(a.next, None):
            confirmed = confirmed or reply[0] == CONFIRMED
        a.process.wait(LIMIT_S)
    return confirmed


def test_cut_everywhere(bench):
    """A session cut after each number of bytes of a whole exchange, in either
    direction, in order or by a reset: what was confirmed is there, and sent
    again, all is there, nothing more than twice."""
    bench.start_server()
    whole = CuttingRelay(bench.port, lambda n: None)
    try:
        check(exchange(bench, whole.port, lines_of(0, 5)), "not confirmed")
        wait_until(lambda: whole.passed["down"] > 100, "the relay is late")
    finally:
        whole.close()
    n_cuts = {d: n for d, n in whole.passed.items()}
    cuts = [(d, n, how) for d in ("up", "down") for n in range(n_cuts[d] + 1)
            for how in ("fin", "rst") if how == "fin" or not n % RESET_STEP]
    check(len(cuts) > 500, "the exchange has only %d bytes" % len(cuts))

    relay = CuttingRelay(bench.port, lambda n: cuts[n])
    n_confirmed = 0
    try:
        for i, cut in enumerate(cuts):
            lines = lines_of(i + 1, 5)
            if exchange(bench, relay.port, lines):
                n_confirmed += 1
                check(set(lines) <= set(bench.received()[-20:]),
                      "%r: confirmed, and not there" % (cut,))
            else:
                check(exchange(bench, bench.port, lines),
                      "%r: not confirmed the second time" % (cut,))
    finally:
        relay.close()
    counts = collections.Counter(bench.received())
    for i in range(len(cuts) + 1):
        for line in lines_of(i, 5):
            check(1 <= counts.pop(line, 0) <= 2, "%r is not there once or "
                  "twice" % line)
    check(not counts, "there is more: %r" % list(counts)[:3])
    # Cut in "close", a batch had been confirmed; cut before, none.
    check(0 < n_confirmed < len(cuts) / 2,
          "%d of %d were confirmed" % (n_confirmed, len(cuts)))
    print("# %d cuts, %d batches confirmed before" % (len(cuts), n_confirmed))


def main():
    if not RSYSLOGD or not os.path.exists(RELP):
        print("1..0 # SKIP %s" % (
            "sluice-relp was not built: librelp-dev was missing"
            if RSYSLOGD else "there is no rsyslogd"))
        return 0
    wanted = sys.argv[1:]
    return run_tests([value for name, value in sorted(globals().items())
                      if name.startswith("test_")
                      and (not wanted or name in wanted)], Bench)


if __name__ == "__main__":
    sys.exit(main())
