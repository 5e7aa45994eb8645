# SPDX-License-Identifier: Apache-2.0
"""sluice-ship and sluice-unseal together, and ship with receivers that
misbehave.  Speaks TAP."""

import os
import shutil
import socket
import struct
import sys
import threading

from unsealing import (DUPLICATE, REFUSED, STORED, TENANT, frame, read_file,
                       run)
from certificates import make_certificates
from tap import BUILD, LIMIT_S, check, wait_until

SHIP = os.path.join(BUILD, "proxy-vm/ship/sluice-ship")

CONFIG = """
paths:
  run: {dir}/run
  spool: {spool}
  state: {dir}/ship
output:
  timeout-ms: {timeout}
  backoff-max-ms: 200
tenants:
  - id: {tenant}
    name: test
    destinations:
      - name: main
        type: sealed
        server: "127.0.0.1:{port}"
        recipient-file: {public}
{more}
"""

TLS = """        ca-file: {dir}/ca.pem
        server-name: unseal.test
        certificate-file: {dir}/proxy.test.pem
        key-file: {dir}/proxy.test.key
"""


def set_up(bench, timeout=10000, more="", port=None):
    bench.spool = bench.new_spool()
    os.makedirs(bench.path("run"), exist_ok=True)
    os.makedirs(bench.path("ship"), exist_ok=True)
    bench.ship_log = bench.path("ship.log")
    import subprocess
    subprocess.run([os.path.join(BUILD, "tests/ship/ship-helper"), "keys",
                    bench.path("ship/ship.key"),
                    os.path.join(bench.spool, "key.pub")], check=True)
    with open(bench.path("sluice.yaml"), "w", encoding="ascii") as f:
        f.write(CONFIG.format(dir=bench.dir, spool=bench.spool,
                              timeout=timeout, tenant=TENANT,
                              port=port or bench.port, public=bench.public,
                              more=more.format(dir=bench.dir)))


def ship(bench, *extra):
    with open(bench.ship_log, "a", encoding="utf-8") as log:
        return bench.start([SHIP, "--config", bench.path("sluice.yaml"),
                            "--tenant", str(TENANT), *extra], stderr=log)


def waiting(bench, directory="7/main"):
    path = os.path.join(bench.spool, directory)
    if not os.path.isdir(path):
        return []
    return [n for n in os.listdir(path) if n.endswith(".batch")]


def said(bench):
    return read_file(bench.ship_log).decode()


def batches_go_through_and_leave_the_spool(bench):
    set_up(bench)
    server = bench.serve()
    bench.seal(bench.spool, 200, 20)
    process = ship(bench)
    wait_until(lambda: not waiting(bench), "the spool is not empty")
    bench.check_lines("200 batches")
    bench.seal(bench.spool, 5, 20)
    wait_until(lambda: not waiting(bench), "the spool is not empty again")
    bench.check_lines("and 5 more")
    bench.stop(process)
    bench.stop(server)


def a_batch_that_is_refused_is_set_aside_and_the_next_goes(bench):
    set_up(bench)
    server = bench.serve()
    paths = bench.seal(bench.spool, 6, 2)
    data = bytearray(read_file(paths[2]))
    data[-1] ^= 1
    with open(paths[2], "wb") as f:
        f.write(data)
    process = ship(bench)
    wait_until(lambda: not waiting(bench), "the spool is not empty")
    check(waiting(bench, "7/main/quarantine")
          == [os.path.basename(paths[2])], "quarantine has %r"
          % waiting(bench, "7/main/quarantine"))
    check("refused it: flip" in said(bench), said(bench))
    # What comes behind is taken, and said to be behind a cut.
    bench.check_lines("the others", [0, 1, 2, 3] + list(range(6, 12)))
    check("cut" in read_file(bench.log).decode(), "no cut is told")
    bench.stop(process)
    bench.stop(server)


def batches_wait_for_a_receiver_that_is_away(bench):
    set_up(bench)
    bench.seal(bench.spool, 10, 2)
    process = ship(bench)
    wait_until(lambda: "refused" in said(bench), "nobody misses the server")
    check(len(waiting(bench)) == 10, "batches are gone")
    server = bench.serve()
    wait_until(lambda: not waiting(bench), "the spool is not empty")
    bench.check_lines("in the end")
    bench.stop(process)
    bench.stop(server)


def kills_of_both_ends_leave_each_line_once(bench):
    n_kills = int(os.environ.get("SLUICE_KILLS", 30))
    set_up(bench)
    server = bench.serve()
    process = ship(bench)
    random = 4711
    for number in range(n_kills):
        bench.seal(bench.spool, 10, 40)
        random = (random * 1103515245 + 12345) % (1 << 31)
        # Wait for so many batches to leave: a kill in the midst of them.
        left = random % 9
        wait_until(lambda limit=left: len(waiting(bench)) <= limit + 1,
                   "no batch leaves")
        if number % 2:
            process.kill()
            process.wait()
            bench.running.remove(process)
            process = ship(bench)
        else:
            server.kill()
            server.wait()
            bench.running.remove(server)
            server = bench.serve()
    wait_until(lambda: not waiting(bench), "the spool is not empty")
    bench.stop(process)
    bench.stop(server)
    bench.check_lines("after %d kills" % n_kills)
    check(not waiting(bench, "7/main/quarantine"), "batches were set aside")


class Receiver:
    """The receiving end, by hand: answers as 'behave' says."""

    def __init__(self, port, behave):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.n_sessions = 0
        self.behave = behave
        self.closing = False
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            self.n_sessions += 1
            connection.settimeout(LIMIT_S)
            try:
                self.behave(self, connection)
            except (OSError, EOFError):
                pass
            connection.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(LIMIT_S)


def take_frame(connection):
    def take(n):
        data = b""
        while len(data) < n:
            more = connection.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data
    return take(struct.unpack(">I", take(4))[0])


def welcome(connection, window=64):
    hello = take_frame(connection)
    assert hello[:8] == b"SLUICED\x01"
    connection.sendall(frame(b"\1SLUICED\1" + struct.pack(
        ">II", window, 1 << 24)))


def receipt(batch, status=STORED, number=None, n_lines=None):
    stream, own_number = struct.unpack(">QQ", batch[16:32])
    lines = struct.unpack(">I", batch[12:16])[0]
    return frame(bytes([2, status]) + struct.pack(
        ">QQI", stream, own_number if number is None else number,
        lines if n_lines is None else n_lines))


def receivers_that_answer_nonsense_get_no_batch_deleted(bench):
    set_up(bench, timeout=500)
    bench.seal(bench.spool, 3, 1)

    def other_number(_, connection):
        welcome(connection)
        batch = take_frame(connection)
        connection.sendall(receipt(batch, number=77))
        connection.recv(1)

    def too_many(_, connection):
        welcome(connection)
        connection.sendall(receipt(bytes(32)))
        while connection.recv(65536):
            pass

    def no_kind(_, connection):
        welcome(connection)
        connection.sendall(frame(b"\x09nonsense"))
        connection.recv(1)

    def huge(_, connection):
        take_frame(connection)
        connection.sendall(b"\xff" * 4096)
        connection.recv(1)

    def http(_, connection):
        take_frame(connection)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.recv(1)

    def failed(_, connection):
        take_frame(connection)
        connection.sendall(frame(b"\3the disk\x1b[31m is full"))
        connection.recv(1)

    for behave, word in ((other_number, "not asked"), (too_many, "not asked"),
                         (no_kind, "not asked"), (huge, "does not answer"),
                         (http, "does not answer"),
                         (failed, "the disk?[31m is full")):
        receiver = Receiver(bench.port, behave)
        with open(bench.ship_log, "w", encoding="ascii"):
            pass
        process = ship(bench)
        wait_until(lambda w=word: w in said(bench), "%s: no \"%s\" in %s"
                   % (behave.__name__, word, said(bench)))
        bench.stop(process)
        receiver.close()
        check(len(waiting(bench)) == 3, "%s: %d batches are left"
              % (behave.__name__, len(waiting(bench))))


def receivers_that_say_nothing_lose_the_session(bench):
    set_up(bench, timeout=300)
    bench.seal(bench.spool, 3, 1)

    def silent(_, connection):
        while connection.recv(65536):
            pass

    def silent_later(_, connection):
        welcome(connection)
        while connection.recv(65536):
            pass

    for behave, word in ((silent, "did not welcome"),
                         (silent_later, "took nothing for")):
        receiver = Receiver(bench.port, behave)
        process = ship(bench)
        wait_until(lambda w=word: w in said(bench), "no \"%s\"" % word)
        wait_until(lambda r=receiver: r.n_sessions > 2, "it gives up")
        process.kill()
        process.wait()
        receiver.close()
        check(len(waiting(bench)) == 3, "batches are gone")


def the_window_is_kept_and_receipts_count(bench):
    set_up(bench)
    bench.seal(bench.spool, 40, 1)
    highest = []

    def windowed(_, connection):
        welcome(connection, window=4)
        batches = []
        while True:
            batches.append(take_frame(connection))
            connection.settimeout(0.1 if len(batches) >= 4 else LIMIT_S)
            try:
                if len(batches) < 4:
                    continue
                connection.recv(1, socket.MSG_PEEK)
                highest.append("a fifth batch came")
            except TimeoutError:
                connection.settimeout(LIMIT_S)
                for n, batch in enumerate(batches):
                    connection.sendall(receipt(
                        batch, status=(STORED, DUPLICATE, REFUSED,
                                       STORED)[n]))
                batches = []

    receiver = Receiver(bench.port, windowed)
    process = ship(bench)
    wait_until(lambda: not waiting(bench), "the spool is not empty")
    bench.stop(process)
    receiver.close()
    check(not highest, highest)
    check(len(waiting(bench, "7/main/quarantine")) == 10,
          "not each refused batch was set aside, and no other")


def it_goes_over_tls(bench):
    if not shutil.which("openssl"):
        return "openssl, which makes certificates, is not installed"
    make_certificates(bench, ["unseal.test", "proxy.test", "evil.test"])
    set_up(bench, more=TLS)
    server = bench.serve("--certificate", bench.path("unseal.test.pem"),
                         "--private-key", bench.path("unseal.test.key"),
                         "--ca", bench.path("ca.pem"),
                         "--client-name", "proxy.test")
    bench.seal(bench.spool, 50, 20)
    process = ship(bench)
    wait_until(lambda: not waiting(bench), "the spool is not empty: "
               + said(bench))
    bench.check_lines("over TLS")
    bench.stop(process)
    bench.stop(server)


if __name__ == "__main__":
    sys.exit(run([
        batches_go_through_and_leave_the_spool,
        a_batch_that_is_refused_is_set_aside_and_the_next_goes,
        batches_wait_for_a_receiver_that_is_away,
        kills_of_both_ends_leave_each_line_once,
        receivers_that_answer_nonsense_get_no_batch_deleted,
        receivers_that_say_nothing_lose_the_session,
        the_window_is_kept_and_receipts_count,
        it_goes_over_tls,
    ]))
