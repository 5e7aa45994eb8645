#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# The books over a loss of the run directory: the figures in tmpfs are gone, as
# after a reboot, and what the ledger says is held against the spool.
import json
import os
import shutil
import signal
import socket
import time

from harness import equal, is_alive, main, wait_for
from traffic import Server, Stream, packet, with_server


def send(s, *numbers):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for number in numbers:
            sock.sendto(packet(number), ("127.0.0.1", s.port))


def tenant(s):
    return s.ask("tenants")["tenants"][0]


def vm(s):
    vms = s.ask("vms")["vms"]
    return vms[0] if vms else None


def counter(s, name):
    return sum(c["value"] for c in s.ask("counters")["counters"]
               if c["name"] == name and c["tenant"] == 7)


def books(s):
    t = tenant(s)
    return {name: t[name] for name in ("received", "announced", "dropped",
                                       "open", "spooled", "quarantined",
                                       "shipped")}


def difference(b):
    return b["received"] + b["announced"] - sum(
        b[name] for name in ("dropped", "open", "spooled", "quarantined",
                             "shipped"))


def wait_for_books(s, **figures):
    """Waits until the books say that, and balance."""
    def right():
        b = books(s)
        return (not difference(b)
                and all(b[name] == n for name, n in figures.items()))
    try:
        wait_for("the books", right)
    except AssertionError as error:
        raise AssertionError(f"{error}: {books(s)} is not {figures}") from None


def wait_for_ledger(s):
    """Waits until the ledger has what was counted before now."""
    before = s.read_bytes(s.dir + "/state/ledger") if os.path.exists(
        s.dir + "/state/ledger") else None
    deadline = time.monotonic() + 3
    wait_for("the ledger", lambda: (
        os.path.exists(s.dir + "/state/ledger")
        and (s.read_bytes(s.dir + "/state/ledger") != before
             or time.monotonic() > deadline)))


def crash(s):
    """Ends all at once; what is in memory is gone."""
    pids = [p["pid"] for p in s.ask("status")["programs"]]
    s.process.kill()
    s.process.wait()
    wait_for("the end of all", lambda: not any(is_alive(pid) for pid in pids))
    shutil.rmtree(s.dir + "/run")


def the_books_go_on_after_a_reboot():
    server = Server()
    with with_server(server, extra="batch:\n  max-delay-ms: 20\n"
                     "output:\n  hold-ms: 0\n") as s:
        s.start()
        send(s, 1, 2, 3, 5)
        wait_for_books(s, received=4, announced=1, shipped=5, spooled=0)
        before, port = books(s), vm(s)
        equal(s.stop(), 0)
        shutil.rmtree(s.dir + "/run")
        s.start()
        equal(books(s), before)
        after = wait_for("the port", lambda: vm(s))
        for name in ("sent", "received", "lost", "announced", "seq_epoch",
                     "seq_highest", "before", "bytes", "mac", "last_ns"):
            equal((name, after[name]), (name, port[name]))
        # What came before does not come again, and the next is the next.
        send(s, 5, 2, 6)
        wait_for_books(s, received=7, dropped=2, shipped=6)
        after = vm(s)
        equal((after["replayed"], after["sent"], after["lost"]), (2, 6, 1))
        equal(s.stop(), 0)


def a_number_does_not_come_again_after_a_kill_of_intake():
    server = Server()
    with with_server(server) as s:
        s.start()
        send(s, 1, 3)
        wait_for_books(s, received=2)
        os.kill(s.program("intake")["pid"], signal.SIGKILL)
        send(s, 3, 1, 2)
        wait_for_books(s, received=5, dropped=2)
        equal(counter(s, "sequence-replayed"), 2)
        equal(vm(s)["lost"], 0)
        equal(s.stop(), 0)


def lines_that_were_open_at_a_power_cut_are_dropped_and_announced():
    server = Server()
    with with_server(server, extra="batch:\n  max-delay-ms: 60000\n"
                     "output:\n  hold-ms: 0\n") as s:
        s.start()
        send(s, *range(1, 11))
        wait_for_books(s, received=10, open=10)
        wait_for_ledger(s)
        crash(s)
        s.write(s.config, s.read(s.config).replace("60000", "20"))
        s.start()
        wait_for_books(s, received=10, dropped=10, announced=1, shipped=1)
        equal(counter(s, "power-cut"), 10)
        wait_for("the gap record", lambda: server.others)
        assert 'gap="power-cut" gap-packets="10"' in server.others[0], server
        send(s, 14)
        wait_for_books(s, received=11, announced=2, shipped=3)
        equal((vm(s)["lost"], vm(s)["sent"]), (3, 14))
        equal(s.stop(), 0)


def what_was_spooled_after_the_ledger_counts_as_received():
    server = Server()
    with with_server(server, extra="batch:\n  max-delay-ms: 20\n") as s:
        config = s.read(s.config)
        s.write(s.config, config.replace(f":{server.port}", ":9"))
        s.start()
        send(s, 1, 2)
        wait_for_books(s, received=2, spooled=2)
        wait_for_ledger(s)
        shutil.copy(s.dir + "/state/ledger", s.dir + "/early")
        send(s, 3, 4, 5)
        wait_for_books(s, received=5, spooled=5)
        crash(s)
        shutil.copy(s.dir + "/early", s.dir + "/state/ledger")
        s.start()
        wait_for_books(s, received=5, spooled=5, dropped=0)
        equal(s.stop(), 0)


def what_left_the_spool_after_the_ledger_was_shipped():
    server = Server()
    with with_server(server, extra="batch:\n  max-delay-ms: 20\n"
                     "output:\n  hold-ms: 0\n") as s:
        config = s.read(s.config)
        s.write(s.config, config.replace(f":{server.port}", ":9"))
        s.start()
        send(s, 1, 2, 3)
        wait_for_books(s, received=3, spooled=3)
        wait_for_ledger(s)
        shutil.copy(s.dir + "/state/ledger", s.dir + "/early")
        s.write(s.config, config)
        equal(s.ctl("reload").stderr, "")
        wait_for_books(s, shipped=3, spooled=0)
        crash(s)
        shutil.copy(s.dir + "/early", s.dir + "/state/ledger")
        s.start()
        wait_for_books(s, received=3, shipped=3, spooled=0, dropped=0)
        equal(counter(s, "power-cut"), 0)
        equal(s.stop(), 0)


def a_ledger_that_cannot_be_read_is_set_aside():
    server = Server()
    with with_server(server, extra="batch:\n  max-delay-ms: 20\n") as s:
        s.write(s.config, s.read(s.config).replace(f":{server.port}", ":9"))
        s.start()
        send(s, 1, 2)
        wait_for_books(s, received=2, spooled=2)
        equal(s.stop(), 0)
        shutil.rmtree(s.dir + "/run")
        with open(s.dir + "/state/ledger", "r+b") as file:
            file.seek(60)
            byte = file.read(1)[0]
            file.seek(60)
            file.write(bytes([byte ^ 1]))
        s.start()
        assert os.path.exists(s.dir + "/state/ledger.bad")
        wait_for_books(s, received=2, spooled=2)
        equal(s.stop(), 0)


def the_books_can_be_asked_for_term_by_term():
    server = Server()
    with with_server(server, tenants=(7, 8),
                     extra="batch:\n  max-delay-ms: 20\n"
                     "output:\n  hold-ms: 0\n") as s:
        s.start()
        send(s, 1, 2, 2)
        wait_for_books(s, received=3, dropped=1, shipped=2)
        books_of = json.loads(s.ctl("--json", "ledger").stdout)
        seven, eight = books_of["ledger"]
        equal((seven["tenant"], seven["queue"], seven["received"],
               seven["difference"]), (7, "main", 3, 0))
        equal(seven["dropped"], [{"name": "sequence-replayed", "lines": 1}])
        equal(seven["left"], [{"name": "shipped", "lines": 2}])
        equal((eight["tenant"], eight["received"]), (8, 0))
        equal([(v["sent"], v["received"], v["replayed"])
               for v in books_of["vms"]], [(2, 2, 1)])
        text = s.ctl("ledger", "--tenant", "7", "--check")
        equal((text.returncode, text.stderr), (0, ""))
        for line in ("Tenant 7 tenant-7, queue main:",
                     "- dropped: sequence-replayed", "= difference"):
            assert line in text.stdout, text.stdout
        assert "Tenant 8" not in text.stdout, text.stdout
        for args, words in (
                (["--vm", "no-such"], "no virtual machine \"no-such\" has "
                 "sent; see \"sluicectl vms\"."),
                (["--tenant", "9"], "there are no books of a tenant 9; see "
                 "\"sluicectl tenants\".")):
            none = s.ctl("ledger", "--check", *args)
            equal((none.returncode, none.stdout, none.stderr),
                  (1, "", f"sluicectl: {words}\n"))

        # Books that are wrong are told: a batch that nobody counted.
        spool = s.dir + "/deep/spool/7/main/"
        s.write(s.config, s.read(s.config).replace(f":{server.port}", ":9"))
        equal(s.ctl("reload").stderr, "")
        send(s, 3)
        wait_for_books(s, received=4, spooled=1)
        os.unlink(spool + [name for name in os.listdir(spool)
                           if name.endswith(".batch")][0])
        bad = s.ctl("ledger", "--check")
        equal((bad.returncode, bad.stderr),
              (1, "sluicectl: the books do not balance.\n"))
        equal(s.stop(), 0)


def draining_waits_until_all_is_out():
    server = Server()
    with with_server(server, extra="batch:\n  max-delay-ms: 60000\n"
                     "output:\n  hold-ms: 0\n") as s:
        s.start()
        send(s, 1, 2, 3)
        wait_for_books(s, received=3, open=3)
        wrong = s.ctl("drain", "--tenant", "9")
        equal((wrong.returncode, wrong.stdout), (1, ""))
        assert "no books of a tenant 9" in wrong.stderr, wrong
        done = s.ctl("--json", "drain", "--tenant", "7")
        equal((done.returncode, done.stderr), (0, ""))
        equal([(b["tenant"], b["open"], b["spooled"])
               for b in json.loads(done.stdout)["ledger"]], [(7, 0, 0)])
        equal(sorted(server.numbers), [1, 2, 3])
        wait_for_books(s, received=3, shipped=3, open=0, spooled=0)
        s.write(s.config, s.read(s.config).replace(f":{server.port}", ":9"))
        equal(s.ctl("reload").stderr, "")
        send(s, 4)
        wait_for_books(s, received=4)
        late = s.ctl("drain", "--timeout", "1")
        equal(late.returncode, 1)
        assert "1 lines are not out after 1 s" in late.stderr, late
        equal(s.stop(), 0)


def a_reload_with_other_tenants_touches_no_session():
    server = Server()
    with with_server(server, tenants=(7, 8),
                     extra="batch:\n  max-delay-ms: 20\n"
                     "output:\n  hold-ms: 200\n") as s:
        config = s.read(s.config)
        one = config[:config.index("- id: 8")]
        s.start()
        stream = Stream(s.port)
        stream.start()
        wait_for("the first lines", lambda: server.numbers)
        for _ in range(3):
            s.write(s.config, one)
            equal(s.ctl("reload").stderr, "")
            s.write(s.config, config)
            equal(s.ctl("reload").stderr, "")
        n = stream.stop()
        wait_for_books(s, received=n, shipped=n)
        equal((sorted(server.numbers), server.sessions),
              (list(range(1, n + 1)), 1))
        equal((counter(s, "resent"), counter(s, "connects")), (0, 1))

        # The queue of a tenant that is taken out is kept, and shown.
        s.write(s.config, config.replace(f":{server.port}", ":9"))
        equal(s.ctl("reload").stderr, "")
        send(s, n + 1)
        wait_for_books(s, received=n + 1, spooled=1)
        s.write(s.config, config[:config.index("- id: 7")]
                + config[config.index("- id: 8"):])
        equal(s.ctl("reload").stderr, "")
        kept = json.loads(s.ctl("--json", "ledger").stdout)["ledger"][0]
        equal((kept["tenant"], kept["configured"], kept["spooled"],
               kept["received"], kept["difference"]),
              (7, False, 1, n + 1, 0))
        equal(s.stop(), 0)


main([
    the_books_go_on_after_a_reboot,
    a_number_does_not_come_again_after_a_kill_of_intake,
    lines_that_were_open_at_a_power_cut_are_dropped_and_announced,
    what_was_spooled_after_the_ledger_counts_as_received,
    what_left_the_spool_after_the_ledger_was_shipped,
    a_ledger_that_cannot_be_read_is_set_aside,
    the_books_can_be_asked_for_term_by_term,
    draining_waits_until_all_is_out,
    a_reload_with_other_tenants_touches_no_session,
])
