# SPDX-License-Identifier: Apache-2.0
"""sluice-ship against a real rsyslogd, and against servers that misbehave.

Everything is on the loopback interface, at ports that were free when the test
began, and in a directory of its own.  Speaks TAP."""

import os
import resource
import signal
import subprocess
import sys

from harness import SHIP, TENANT, connects, listener, run
from tap import LIMIT_S, check, wait_until

CONFIG = """
paths:
  run: {dir}/run
  spool: {dir}/spool
  state: {dir}/state
output:
  hold-ms: 100
tenants:
  - id: {tenant}
    name: test
    server: 127.0.0.1:{port}
"""


def batches_wait_for_a_server_that_is_down(b):
    b.push(3, 100)
    b.start_ship()
    wait_until(lambda: b.stat("failures") >= 3, "no failures are counted")
    check(len(b.in_spool()) == 3, "a batch went nowhere")
    check("Connection refused" in b.stat("error"), b.stat("error"))
    b.start_server()
    b.wait_spool_empty()
    b.check_received(duplicates=False)
    # And what comes once it is connected.
    b.push(2, 50)
    b.wait_spool_empty()
    b.check_received(duplicates=False)
    check(b.stat("state") == "connected", b.stat("state"))
    check(b.stat("batches") == 5, "batches")


def a_killed_server_loses_nothing(b):
    b.push(100, 500)
    server = b.start_server()
    b.start_ship()
    wait_until(lambda: len(b.received()) > 1000, "nothing arrives")
    server.kill()
    server.wait()
    check(b.in_spool(), "it was over before the kill")
    wait_until(lambda: b.stat("state") == "backoff", "the end goes unnoticed")
    b.push(1, 500)
    b.start_server()
    b.wait_spool_empty()
    b.check_received(duplicates=True)
    check(b.stat("failures") > 0, "no failure was counted")


def a_killed_ship_loses_nothing(b):
    b.push(100, 500)
    b.start_server()
    for _ in range(3):
        n = len(b.received())
        ship = b.start_ship()
        wait_until(lambda: len(b.received()) > n + 1000, "nothing arrives")
        ship.kill()
        ship.wait()
        check(b.in_spool(), "it was over before the kill")
    b.start_ship()
    b.wait_spool_empty()
    b.check_received(duplicates=True)


def a_kill_while_batches_are_deleted_leaves_the_books_right(b):
    b.push(60, 10)
    b.start_server()
    while b.in_spool():
        n = len(b.in_spool())
        ship = b.start_ship("--hold-ms", "0")
        wait_until(lambda: len(b.in_spool()) < n, "nothing is deleted")
        ship.kill()
        ship.wait()
    # The journal is settled by the next start.
    b.ship_once()
    b.check_received(duplicates=True)


def what_can_not_be_opened_is_set_aside(b):
    b.push(1, 10)
    b.push(1, 10, tenant=TENANT + 1)
    path = os.path.join(b.spool, str(TENANT), "main")
    with open(os.path.join(path, "%010d-%020d.batch" % (9, 0)), "w") as f:
        f.write("not a batch")
    whole = os.path.join(path, b.in_spool()[0])
    with open(whole, "rb") as f:
        changed = bytearray(f.read())
    changed[-1] ^= 1
    with open(os.path.join(path, "%010d-%020d.batch" % (9, 1)), "wb") as f:
        f.write(changed)
    b.push(1, 10)
    b.start_server()
    wait_until(lambda: connects(b.port), "rsyslogd does not listen")
    done = b.ship_once()
    check(done.returncode == 1, "exit status %d" % done.returncode)
    check(b"quarantine" in done.stderr.splitlines()[-1], done.stderr)
    check(len(b.in_spool("quarantine")) == 3, b.in_spool("quarantine"))
    check(b.stat("quarantined") == 20, "quarantined lines")
    wait_until(lambda: len(b.received()) >= b.n_lines, "lines are missing")
    b.check_received(duplicates=False)
    log = done.stderr.decode()
    check("it is of tenant 8" in log and "it is not a sealed batch" in log,
          log)
    check("line 1" not in log, "payload in the log")


def once_ends_with_a_sentence_if_the_server_is_down(b):
    done = b.ship_once()
    check(done.returncode == 0, "with an empty spool: %s" % done.stderr)
    b.push(1, 10)
    done = b.ship_once()
    check(done.returncode == 1, "exit status %d" % done.returncode)
    check(b"can't connect to 127.0.0.1" in done.stderr, done.stderr)
    check(len(b.in_spool()) == 1, "the batch is gone")


def sigterm_ends_it_without_loss(b):
    b.push(20, 500)
    b.start_server()
    wait_until(lambda: connects(b.port), "rsyslogd does not listen")
    ship = b.start_ship()
    wait_until(lambda: b.received(), "nothing arrives")
    ship.send_signal(signal.SIGTERM)
    check(ship.wait(timeout=LIMIT_S) == 0, "exit status")
    # What it had begun it also finished: no line twice.
    check(b.ship_once().returncode == 0, "the rest does not go")
    b.check_received(duplicates=False)
    # With nothing to do it ends at once, though the server be down.
    b.running[0].kill()
    b.push(1, 1)
    ship = b.start_ship("--hold-ms", "3600000")
    wait_until(lambda: b.stat("failures") > 0, "no failure is counted")
    ship.send_signal(signal.SIGTERM)
    check(ship.wait(timeout=LIMIT_S) == 0, "exit status")


def a_server_that_takes_nothing_is_given_up(b):
    b.push(40, 500)
    with listener(b, receive_buffer=4096) as s:
        b.start_ship("--timeout-ms", "300", "--hold-ms", "0")
        first, _ = s.accept()
        second, _ = s.accept()  # It came again.
        check(b.stat("failures") >= 1, "no failure is counted")
        check("took nothing" in b.stat("error")
              or "timed out" in b.stat("error"), b.stat("error"))
        check(b.stat("shipped") == 0, "shipped what was not taken")
        check(len(b.in_spool()) == 40, "batches are gone")
        first.close()
        second.close()


def the_end_of_an_idle_session_is_noticed(b):
    b.push(1, 1)
    with listener(b) as s:
        b.start_ship("--hold-ms", "0")
        session, _ = s.accept()
        b.wait_spool_empty()
        wait_until(lambda: b.stat("state") == "connected", "not connected")
        session.close()
        wait_until(lambda: b.stat("state") == "idle", "not noticed")
        check("closed the session" in b.stat("error")
              or "reset" in b.stat("error"), b.stat("error"))


def receive_until(session, what):
    data = b""
    while what not in data:
        more = session.recv(65536)
        check(more, "the session ended before %s" % what)
        data += more


def a_batch_is_kept_until_the_hold_time_is_over(b):
    b.push(1, 10)
    with listener(b) as s:
        b.start_ship("--hold-ms", "3600000")
        session, _ = s.accept()
        with session:
            receive_until(session, b"line 9 ")
            # The next batch: ship has looked at the first one meanwhile.
            b.push(1, 1)
            receive_until(session, b"line 10 ")
        # All of it was taken; yet the session broke before the time.
        session, _ = s.accept()
        check(len(b.in_spool()) == 2, "a batch is gone")
        check(b.stat("shipped") == 0, "shipped too early")
        wait_until(lambda: b.stat("resent") == 11, "resent is not counted")
        session.close()


def a_talking_server_is_not_listened_to(b):
    b.push(1, 10)
    with listener(b) as s:
        ship = b.start_ship("--hold-ms", "0")
        session, _ = s.accept()
        with session:
            session.sendall(b"x" * 1000000)
            b.wait_spool_empty()
            # The count follows the deletion.
            wait_until(lambda: b.stat("shipped") == 10, "not counted")
            check(ship.poll() is None, "it ended")


def the_configuration_says_it_all(b):
    conf = b.path("sluice.yaml")
    with open(conf, "w") as f:
        f.write(CONFIG.format(dir=b.dir, port=b.port, tenant=TENANT))
    os.mkdir(b.path("run"))
    os.mkdir(b.path("state"))
    os.rename(b.key, b.path("state/ship.key"))
    b.stats_file = b.path("run/ship-%d-main.stats" % TENANT)
    b.push(1, 10)
    b.start_server()
    wait_until(lambda: connects(b.port), "rsyslogd does not listen")

    def run(tenant):
        return subprocess.run([SHIP, "--config", conf, "--once",
                               "--tenant", str(tenant)],
                              stderr=subprocess.PIPE, timeout=LIMIT_S)

    done = run(TENANT)
    check(done.returncode == 0, done.stderr)
    wait_until(lambda: len(b.received()) >= b.n_lines, "lines are missing")
    b.check_received(duplicates=False)
    done = run(TENANT + 1)
    check(done.returncode == 1, "exit status %d" % done.returncode)
    check(b"has no tenant 8" in done.stderr, done.stderr)


def wrong_options_are_refused_with_a_sentence(b):
    def refuses(what, *args):
        done = subprocess.run([SHIP, *args], stderr=subprocess.PIPE,
                              timeout=LIMIT_S)
        check(done.returncode == 1, "%s: status %d" % (args, done.returncode))
        check(what in done.stderr.decode(), done.stderr)

    good = ["--spool", b.spool, "--key", b.key, "--server", "h:1"]
    refuses("--tenant is missing")
    refuses("must be there", "--tenant", "7")
    refuses("from 1 to 16777215", "--tenant", "16777216")
    refuses("from 1 to 16777215", "--tenant", "x")
    refuses("is not the name of a queue", "--tenant", "7", *good, "--queue",
            "a/b")
    refuses("is not an option", "--tenant", "7", *good, "more")
    refuses("can't open the spool", "--tenant", "7", *good, "--spool",
            "/nonexistent")
    refuses("is not a server", "--tenant", "7", *good, "--server", "h")
    refuses("can't read the key", "--tenant", "7", *good, "--key",
            "/nonexistent")
    os.chmod(b.key, 0o644)
    refuses("others may read it", "--tenant", "7", *good)


def measure(b):
    """Not a test: CPU time for a million lines, when asked for."""
    b.push(500, 800)
    b.start_server()
    wait_until(lambda: connects(b.port), "rsyslogd does not listen")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    b.ship_once()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    user = after.ru_utime - before.ru_utime
    system = after.ru_stime - before.ru_stime
    print("# ship-cpu %.3f s/Mline (user %.3f, system %.3f)"
          % tuple(x * 1e6 / b.n_lines for x in (user + system, user, system)))


def main():
    tests = [
        batches_wait_for_a_server_that_is_down,
        a_killed_server_loses_nothing,
        a_killed_ship_loses_nothing,
        a_kill_while_batches_are_deleted_leaves_the_books_right,
        what_can_not_be_opened_is_set_aside,
        once_ends_with_a_sentence_if_the_server_is_down,
        sigterm_ends_it_without_loss,
        a_server_that_takes_nothing_is_given_up,
        the_end_of_an_idle_session_is_noticed,
        a_batch_is_kept_until_the_hold_time_is_over,
        a_talking_server_is_not_listened_to,
        the_configuration_says_it_all,
        wrong_options_are_refused_with_a_sentence,
    ]
    return run(tests, [measure])


if __name__ == "__main__":
    sys.exit(main())
