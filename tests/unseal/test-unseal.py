# SPDX-License-Identifier: Apache-2.0
"""sluice-unseal: files, its server, what is wrong with a stream, and its
limits.  Speaks TAP."""

import json
import os
import pwd
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading

from unsealing import (DUPLICATE, REFUSED, STORED, TENANT, UNSEAL, frame,
                       line_number, read_file, run)
from certificates import make_certificates
from tap import LIMIT_S, Failure, check, wait_until


def change(path, offset, bits=1):
    data = bytearray(read_file(path))
    data[offset] ^= bits
    with open(path, "wb") as f:
        f.write(data)


def check_names(said, name):
    check(": %s: " % name in said, "it does not name a %s: %s" % (name, said))


# Files.

def batches_come_out_once_however_often_they_go_in(bench):
    spool = bench.new_spool()
    directory = os.path.dirname(bench.seal(spool, 20, 5)[0])
    bench.take(directory)
    bench.check_lines("the first time")
    check(not bench.take(directory), "it complains of duplicates")
    bench.seal(spool, 100, 3)
    check(not bench.take(directory), "it complains of the next run")
    bench.check_lines("the third time")
    said = bench.run_unseal("--check", directory)[0]
    check(said == "120 batches, 400 lines, 0 duplicates, 0 faults\n",
          "a sound spool is not: " + said)


def what_is_wrong_with_a_stream_is_named(bench):
    spool = bench.new_spool()
    paths = bench.seal(spool, 6, 1)

    # A cut in the middle, the rest in another order, and again.
    said = bench.take(paths[0], paths[2], paths[3], status=1)
    check_names(said, "cut")
    check("batch 1 of stream 0000000000000001 is missing" in said, said)
    check_names(bench.take(paths[1], status=1), "swap")
    check(not bench.take(paths[1]), "a duplicate is no fault")
    bench.take(paths[4])
    bench.check_lines("all but the last", [0, 2, 3, 1, 4])

    # The end of the stream is missing, as the next run shows.
    later = bench.seal(spool, 1, 1)
    check_names(bench.take(later[0], status=1), "no-end")

    # Another history under the same names: a spool that was put back.
    bench.n_lines = 100
    other = bench.seal(bench.new_spool(), 8, 1)
    said = bench.take(other[3], status=1)
    check_names(said, "roll-back")
    check(said.rstrip().endswith("refused"), said)
    # Its last two would be new numbers, on top of what never came.
    check_names(bench.take(other[6], status=1), "cut")
    check(bench.lines() == [0, 2, 3, 1, 4, 6, 106], "taken: %r"
          % bench.lines())


def a_replay_is_refused(bench):
    paths = bench.seal(bench.new_spool(), 100, 1)
    bench.take(*paths)
    said = bench.take(paths[3], status=1)
    check_names(said, "replay")
    check(not bench.take(paths[90]), "a recent duplicate is no fault")
    bench.check_lines("after the replay")


def a_splice_between_tenants_is_refused(bench):
    spool = bench.new_spool()
    mine = bench.seal(spool, 2, 1)
    theirs = bench.seal(bench.new_spool(), 2, 1, tenant=TENANT + 1)
    bench.take(mine[0])
    check_names(bench.take(theirs[1], status=1), "foreign")
    # And where its header is made to fit.
    change(theirs[1], 11, (TENANT + 1) ^ TENANT)
    check_names(bench.take(theirs[1], status=1), "flip")
    # What is sealed to another key.
    key = bench.path("other")
    subprocess.run([UNSEAL, "--generate-key", "--key", key, "--public",
                    key + ".pub"], check=True)
    sealed = bench.seal(bench.new_spool(), 1, 1, public=key + ".pub")
    check_names(bench.take(sealed[0], status=1), "other-key")
    bench.check_lines("only the tenant's own", [0])


def a_check_audits_an_export(bench):
    spool = bench.new_spool()
    paths = bench.seal(spool, 10, 2)
    change(paths[1], 240)
    with open(paths[3], "r+b") as f:
        f.truncate(100)
    os.unlink(paths[5])
    # Two that changed their places.
    os.rename(paths[7], paths[5])
    os.rename(paths[8], paths[7])
    os.rename(paths[5], paths[8])
    said = bench.run_unseal("--check", os.path.dirname(paths[0]),
                            status=1)[0].splitlines()
    for name in ("flip", "truncated", "cut", "swap"):
        check(any(": %s: " % name in line for line in said),
              "no %s in %r" % (name, said))
    check(sum("swap" in line or "cut" in line for line in said) == 5,
          "other faults: %r" % said)
    check(said[-1].startswith("9 batches, 14 lines, 0 duplicates, "), said[-1])
    check(not os.path.exists(bench.out), "a check wrote something")


def a_batch_under_another_name_is_told(bench):
    paths = bench.seal(bench.new_spool(), 2, 1)
    os.unlink(paths[1])
    os.rename(paths[0], paths[1])
    said = bench.run_unseal("--check", os.path.dirname(paths[0]), status=1)[0]
    check_names(said, "renamed")


def lines_go_to_standard_output_without_options(bench):
    paths = bench.seal(bench.new_spool(), 3, 2)
    out = bench.run_unseal(*paths)[0]
    check([line_number(line.encode()) for line in out.splitlines()]
          == list(range(6)), "standard output has %r" % out)
    out = bench.run_unseal("--format", "json", *paths)[0]
    check([json.loads(line)["sluice"]["tenant"] for line in out.splitlines()]
          == [TENANT] * 6, "this is not JSON: " + out[:300])
    out = bench.run_unseal("--format", "raw", *paths)[0]
    check([line.split()[:2] for line in out.splitlines()]
          == [["line", "%d" % i] for i in range(6)], "raw: " + out[:300])


def options_that_do_not_go_together_are_refused(bench):
    for args, word in (
            ((), "either"), (("--listen", "127.0.0.1:1"), "--tenant"),
            (("--state", bench.state, "x"), "--tenant"),
            (("--ca", "x", "y"), "together"),
            (("--check", "--output", "x", "y"), "--check"),
            (("--output", "x", "--syslog", "y", "z"), "--syslog"),
            (("--tenant", "0", "x"), "not a number"),
            (("--memory", "1", "x"), "--memory")):
        said = bench.run_unseal(*args, status=1)[1]
        check(word in said, "%r: %r" % (args, said))
    os.chmod(bench.key, 0o644)
    check("0600" in bench.run_unseal("x", status=1)[1], "a key for all to see")


# The server.

def each_batch_gets_a_receipt_across_restarts(bench):
    paths = bench.seal(bench.new_spool(), 5, 3)
    server = bench.serve()
    sender = bench.sender()
    for number, path in enumerate(paths[:3]):
        check(sender.deliver(path) == (STORED, 1, number, 3, ""),
              "no receipt as it should be")
    bench.check_lines("after three receipts", list(range(9)))
    receipt = sender.deliver(paths[1])
    check(receipt[:4] == (DUPLICATE, 1, 1, 3), "no duplicate: %r" % (receipt,))
    bench.stop(server)

    server = bench.serve()
    sender = bench.sender()
    check(sender.deliver(paths[2])[0] == DUPLICATE, "it forgot over the end")
    receipt = sender.deliver(paths[4])
    check(receipt[0] == STORED and receipt[4].startswith("cut: "),
          "no cut: %r" % (receipt,))
    check(sender.deliver(paths[3])[4].startswith("swap: "), "no swap")
    change(paths[4], 250)
    receipt = sender.deliver(paths[4])
    check(receipt[0] == REFUSED and receipt[4].startswith("flip: "),
          "no flip: %r" % (receipt,))
    sender.close()
    bench.stop(server)
    check(sorted(bench.lines()) == list(range(15)), "lines are missing")


def as_another_user_it_reads_root_s_key_and_takes_batches(bench):
    if os.geteuid():
        return "only root can become another user"
    nobody = pwd.getpwnam("nobody")
    for path in (bench.dir, bench.state):
        os.chown(path, nobody.pw_uid, -1)
    paths = bench.seal(bench.new_spool(), 2, 3)
    said = bench.run_unseal("--user", "no-such-user", *paths, status=1)[1]
    check("there is no user no-such-user" in said, said)
    server = bench.serve("--user", "nobody")
    for path in paths:
        check(bench.sender().deliver(path)[0] == STORED, "not stored")
    status = read_file("/proc/%d/status" % server.pid).decode()
    check("Uid:" + 4 * ("\t%d" % nobody.pw_uid) in status, status)
    bench.check_lines("by nobody")
    bench.stop(server)


def many_batches_under_way_get_receipts_in_order(bench):
    paths = bench.seal(bench.new_spool(), 200, 2)
    server = bench.serve()
    sender = bench.sender()
    check(sender.window >= 64, "a window of %d" % sender.window)
    sent = 0
    for number in range(len(paths)):
        while sent < len(paths) and sent < number + sender.window:
            sender.send(read_file(paths[sent]))
            sent += 1
        check(sender.receipt()[:3] == (STORED, 1, number), "out of order")
    bench.check_lines("all of them")
    bench.stop(server)


def who_is_no_sender_is_told_so(bench):
    server = bench.serve()
    for kwargs, word in (
            ({"tenant": 8}, "foreign"), ({"version": 9}, "version 1"),
            ({"public": b"00" * 31 + b"09"}, "other-key"),
            ({"hello": b"GET / HTTP/1.1\r\n\r\n"}, "no delivery"),
            ({"hello": frame(b"SLUICEB\x02" + bytes(100))}, "beginning")):
        kwargs = {"public": read_file(bench.public), **kwargs}
        from unsealing import Sender
        sender = Sender(bench.port, welcome=False, **kwargs)
        said = sender.failure()
        check(word in said, "%r: %r" % (kwargs, said))
    sender = bench.sender()
    sender.send(b"not a batch")
    check(sender.receipt()[0] == REFUSED, "garbage got a receipt")
    sender.socket.sendall(bytes(4))
    check("no delivery" in sender.failure(), "an empty frame")
    check(server.poll() is None, "the server ended")
    bench.stop(server)


def a_batch_that_is_too_large_is_refused_and_the_next_taken(bench):
    spool = bench.new_spool()
    large = bench.seal(spool, 1, 10000)[0]
    check(os.path.getsize(large) > 30000, "it is not large")
    small = bench.seal(spool, 2, 2)
    server = bench.serve("--max-batch", "20000")
    sender = bench.sender()
    sender.send(read_file(large))
    sender.send(read_file(small[0]))
    receipt = sender.receipt()
    check(receipt[:3] == (REFUSED, 1, 0) and receipt[4].startswith("bomb: "),
          "no bomb: %r" % (receipt,))
    check(sender.receipt()[:3] == (STORED, 2, 0), "the next one is lost")
    check(sender.deliver(small[1])[0] == STORED, "the one behind is lost")
    bench.stop(server)


def senders_that_take_their_time_lose_their_session(bench):
    path = bench.seal(bench.new_spool(), 1, 1)[0]
    server = bench.serve("--timeout-ms", "300", "--sessions", "4")
    silent = socket.create_connection(("127.0.0.1", bench.port), LIMIT_S)
    silent.settimeout(LIMIT_S)
    check(silent.recv(1) == b"", "who says nothing stays")
    half = bench.sender()
    half.socket.sendall(frame(read_file(path))[:50])
    check("too long" in half.failure(), "half a batch is waited for")

    # Idle sessions stay, until there is need of their place.
    idle = [bench.sender() for _ in range(4)]
    busy = bench.sender()
    try:
        gone = idle[0].socket.recv(1)
    except ConnectionResetError:
        gone = b""
    check(gone == b"", "the longest idle session is not the one that goes")
    check(busy.deliver(path)[0] == STORED, "there is no place for the busy")
    check(idle[3].deliver(path)[0] == DUPLICATE, "another one went, too")
    bench.stop(server)


def memory_is_bounded_whatever_is_announced(bench):
    """64 sessions that announce 16 MiB each, and send most of it."""
    if os.environ.get("SLUICE_SANITIZERS"):
        return "sanitizers take memory of their own"
    paths = bench.seal(bench.new_spool(), 1, 10)
    server = bench.serve("--memory", "64", "--timeout-ms", "2000")
    threads = []
    head = read_file(paths[0])[:232]

    def flood():
        try:
            sender = bench.sender()
            sender.socket.sendall(struct.pack(">I", 16 * 1024 * 1024) + head)
            for _ in range(15):
                sender.socket.sendall(bytes(1024 * 1024))
            sender.failure()
        except (OSError, EOFError, Failure):
            pass

    for _ in range(40):
        threads.append(threading.Thread(target=flood))
        threads[-1].start()
    for thread in threads:
        thread.join(LIMIT_S)
    with open("/proc/%d/status" % server.pid, encoding="ascii") as f:
        peak = [int(line.split()[1]) for line in f if line.startswith("VmHWM")]
    check(peak[0] < 160 * 1024, "it took %d KiB" % peak[0])
    check(bench.sender().deliver(paths[0])[0] == STORED,
          "it does not work any more")
    bench.stop(server)


def a_full_disk_costs_the_session_and_no_line(bench):
    paths = bench.seal(bench.new_spool(), 20, 300)

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000 * 1000,
                                                   resource.RLIM_INFINITY))

    server = bench.serve(preexec_fn=limit)
    n_failed = 0
    done = 0
    while done < len(paths):
        sender = bench.sender()
        try:
            while done < len(paths):
                status = sender.deliver(paths[done])[0]
                check(status == STORED, "receipt %d for batch %d"
                      % (status, done))
                done += 1
        except Failure:
            n_failed += 1
            check(n_failed < 3, "it does not recover")
            check(server.poll() is None, "a full disk ended it")
            bench.check_lines("with the disk full", list(range(done * 300)))
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE,
                             (resource.RLIM_INFINITY,
                              resource.RLIM_INFINITY))
        sender.close()
    check(n_failed == 1, "the disk was never full")
    bench.check_lines("afterwards")
    bench.stop(server)


def a_file_that_is_rotated_is_followed(bench):
    spool = bench.new_spool()
    paths = bench.seal(spool, 10, 5)
    server = bench.serve()
    sender = bench.sender()
    for path in paths[:4]:
        sender.deliver(path)
    os.rename(bench.out, bench.out + ".1")
    for path in paths[4:6]:
        sender.deliver(path)
    server.send_signal(signal.SIGHUP)
    wait_until(lambda: os.path.exists(bench.out), "no new file")
    for path in paths[6:8]:
        sender.deliver(path)
    lines = bench.lines()
    check(lines == list(range(30, 40)), "the new file has %r" % lines)

    # Killed while a batch was half written, and rotated before the next start.
    server.kill()
    server.wait()
    os.rename(bench.out, bench.out + ".2")
    with open(bench.out + ".2", "ab") as f:
        f.write(b"<14>1 half a line that nobody confir")
    open(bench.out, "wb").close()
    server = bench.serve()
    sender = bench.sender()
    check(sender.deliver(paths[7])[0] == DUPLICATE, "it forgot")
    for path in paths[8:]:
        check(sender.deliver(path)[0] == STORED, "not stored")
    bench.stop(server)
    data = b"".join(read_file(bench.out + end) for end in (".1", ".2", ""))
    check([line_number(line) for line in data.splitlines()]
          == list(range(50)), "lines are lost or come twice")


def a_kill_at_any_time_leaves_each_line_once(bench):
    n_kills = int(os.environ.get("SLUICE_KILLS", 30))
    spool = bench.new_spool()
    paths = []
    for _ in range(n_kills):
        paths += bench.seal(spool, 12, 40)
    done = 0
    kills = 0
    random = 12345
    while done < len(paths):
        server = bench.serve()
        sender = bench.sender()
        sent = done
        random = (random * 1103515245 + 12345) % (1 << 31)
        if kills < n_kills:
            # In the midst of what is under way, at a time of chance.
            timer = threading.Timer(random % 20000 / 1e6, server.kill)
            timer.start()
        try:
            while done < len(paths):
                while sent < len(paths) and sent < done + sender.window:
                    sender.send(read_file(paths[sent]))
                    sent += 1
                status = sender.receipt()[0]
                check(status != REFUSED, "a batch was refused")
                done += 1
            if kills >= n_kills:
                bench.stop(server)
        except (OSError, EOFError):
            pass
        if kills < n_kills:
            timer.join()
            server.wait()
            kills += 1
        sender.close()
        bench.running.remove(server)
    server = bench.serve()
    bench.stop(server)
    check(kills == n_kills or done == len(paths), "not killed")
    bench.check_lines("after %d kills" % kills)


def lines_reach_a_syslog_socket(bench):
    paths = bench.seal(bench.new_spool(), 4, 5)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(bench.path("dgram"))
        s.settimeout(LIMIT_S)
        got = []
        # Few datagrams fit into a socket: who sends has to wait.
        thread = threading.Thread(target=lambda: got.extend(
            line_number(s.recv(65536)) for _ in range(20)))
        thread.start()
        bench.run_unseal("--syslog", bench.path("dgram"), *paths)
        thread.join(LIMIT_S)
        check(got == list(range(20)), "datagrams: %r" % got)

    def collect(listener, result):
        connection = listener.accept()[0]
        data = b""
        while True:
            more = connection.recv(65536)
            if not more:
                break
            data += more
        result.append(data)

    for family, address in ((socket.AF_UNIX, bench.path("stream")),
                            (socket.AF_INET, ("127.0.0.1", 0))):
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.bind(address)
            s.listen()
            result = []
            thread = threading.Thread(target=collect, args=(s, result))
            thread.start()
            name = (address if family == socket.AF_UNIX
                    else "127.0.0.1:%d" % s.getsockname()[1])
            bench.run_unseal("--syslog", name, *paths)
            thread.join(LIMIT_S)
            data, lines = result[0], []
            if family == socket.AF_UNIX:
                lines = data.splitlines()
            while family == socket.AF_INET and data:
                size, data = data.split(b" ", 1)
                lines.append(data[:int(size)])
                data = data[int(size):]
            check([line_number(line) for line in lines] == list(range(20)),
                  "%s got %r" % (name, lines[:2]))


def a_syslog_server_that_is_away_gets_all_once_it_is_back(bench):
    paths = bench.seal(bench.new_spool(), 3, 5)
    address = bench.path("devlog")
    server = bench.serve("--syslog", address, "--timeout-ms", "500")
    sender = bench.sender()
    sender.send(read_file(paths[0]))
    check("could not be stored" in sender.failure(), "stored nowhere")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(address)
        s.settimeout(LIMIT_S)
        got = []
        thread = threading.Thread(target=lambda: got.extend(
            line_number(s.recv(65536)) for _ in range(15)))
        thread.start()
        sender = bench.sender()
        for path in paths:
            check(sender.deliver(path)[0] == STORED, "not stored")
        thread.join(LIMIT_S)
        check(got == list(range(15)), "it got %r" % got)
    bench.stop(server)


def tls_lets_in_who_has_the_right_certificate(bench):
    import ssl
    if not shutil.which("openssl"):
        return "openssl, which makes certificates, is not installed"
    make_certificates(bench, ["unseal.test", "proxy.test", "evil.test"],
                      ["foreign.test"])
    paths = bench.seal(bench.new_spool(), 3, 2)
    server = bench.serve("--certificate", bench.path("unseal.test.pem"),
                         "--private-key", bench.path("unseal.test.key"),
                         "--ca", bench.path("ca.pem"),
                         "--client-name", "proxy.test")

    def connect(name):
        context = ssl.create_default_context(cafile=bench.path("ca.pem"))
        if name:
            context.load_cert_chain(bench.path(name + ".pem"),
                                    bench.path(name + ".key"))
        raw = socket.create_connection(("127.0.0.1", bench.port), LIMIT_S)
        return context.wrap_socket(raw, server_hostname="unseal.test")

    from unsealing import Sender

    class TlsSender(Sender):
        def __init__(self, name):
            self.socket = connect(name)
            self.socket.sendall(frame(
                b"SLUICED\x01" + struct.pack(">I", TENANT) + bytes.fromhex(
                    read_file(bench.public).decode().strip()) + b"\4main"))
            check(self.receive()[0] == 1, "no WELCOME")

    for name in (None, "evil.test", "foreign.test"):
        try:
            TlsSender(name)
        except (OSError, EOFError):
            continue
        raise Failure("%s is let in" % name)
    sender = TlsSender("proxy.test")
    for path in paths:
        check(sender.deliver(path)[0] == STORED, "not stored")
    bench.check_lines("over TLS")

    # Bytes that are no TLS.
    raw = bench.sender(welcome=False)
    raw.socket.settimeout(LIMIT_S)
    try:
        while raw.socket.recv(4096):
            pass
    except ConnectionResetError:
        pass
    bench.stop(server)


if __name__ == "__main__":
    sys.exit(run([
        batches_come_out_once_however_often_they_go_in,
        what_is_wrong_with_a_stream_is_named,
        a_replay_is_refused,
        a_splice_between_tenants_is_refused,
        a_check_audits_an_export,
        a_batch_under_another_name_is_told,
        lines_go_to_standard_output_without_options,
        options_that_do_not_go_together_are_refused,
        each_batch_gets_a_receipt_across_restarts,
        as_another_user_it_reads_root_s_key_and_takes_batches,
        many_batches_under_way_get_receipts_in_order,
        who_is_no_sender_is_told_so,
        a_batch_that_is_too_large_is_refused_and_the_next_taken,
        senders_that_take_their_time_lose_their_session,
        memory_is_bounded_whatever_is_announced,
        a_full_disk_costs_the_session_and_no_line,
        a_file_that_is_rotated_is_followed,
        a_kill_at_any_time_leaves_each_line_once,
        lines_reach_a_syslog_socket,
        a_syslog_server_that_is_away_gets_all_once_it_is_back,
        tls_lets_in_who_has_the_right_certificate,
    ]))
