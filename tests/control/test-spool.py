#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# The spool as an operator sees it: batches are listed, shown, exported, put
# back and dropped while shippers and intake work, and the books stay exact.
import itertools
import json
import os
import re
import shutil
import socket
import struct
import subprocess

from harness import (BUILD, equal, error_of, frame, main, receive_frame,
                     wait_for)
from traffic import Server, Stream, packet, with_server

FAST = "batch:\n  max-delay-ms: 20\noutput:\n  hold-ms: 0\n"


def send(s, *numbers, tenant=7):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for number in numbers:
            sock.sendto(packet(number, tenant), ("127.0.0.1", s.port))


def statement(s, tenant=7, queue="main"):
    books = json.loads(s.ctl("--json", "ledger").stdout)["ledger"]
    return next(b for b in books if (b["tenant"], b["queue"])
                == (tenant, queue))


def left(b, name):
    return sum(item["lines"] for item in b["left"] if item["name"] == name)


def wait_for_books(s, tenant=7, queue="main", **figures):
    """Waits until the books of a queue say that, and balance."""
    def right():
        b = statement(s, tenant, queue)
        return not b["difference"] and all(
            n == (b[name] if name in b else left(b, name.replace("_", "-")))
            for name, n in figures.items())
    try:
        wait_for("the books", right)
    except AssertionError as error:
        raise AssertionError(f"{error}: {statement(s, tenant, queue)} is not "
                             f"{figures}") from None


def batches(s, *args):
    result = s.ctl("--json", "spool", "list", *args)
    equal(result.stderr, "")
    return json.loads(result.stdout)["batches"]


def name_of(b):
    return f'{b["tenant"]}/{b["queue"]}/{b["generation"]}-{b["number"]}'


def path_of(s, b):
    return (f'{s.dir}/deep/spool/{b["tenant"]}/{b["queue"]}/'
            + ("quarantine/" if b["in_quarantine"] else "") + b["name"])


def names(s, *args):
    return [name_of(b) for b in batches(s, *args)]


def turn_off(s, server):
    """A configuration whose server takes nothing."""
    config = s.read(s.config)
    s.write(s.config, config.replace(f":{server.port}", ":9"))
    return config


def turn_on(s, config):
    s.write(s.config, config)
    equal(s.ctl("reload").stderr, "")


def fill(s, *numbers):
    """A batch for each number."""
    for number in numbers:
        n = len(batches(s, "--tenant", "7"))
        send(s, number)
        wait_for("the batch",
                 lambda n=n: len(batches(s, "--tenant", "7")) > n)


def batches_are_listed_shown_and_exported():
    server = Server()
    with with_server(server, tenants=(7, 8), extra=FAST) as s:
        turn_off(s, server)
        s.start()
        fill(s, 1, 2)
        send(s, 3, tenant=8)
        wait_for("tenant 8", lambda: len(batches(s)) == 3)
        first, second = batches(s, "--tenant", "7")
        equal([b["state"] for b in (first, second)], ["waiting"] * 2)
        equal([b["lines"] for b in (first, second)], [1, 1])
        assert first["number"] < second["number"], (first, second)
        equal(batches(s, "--tenant", "7", "--queue", "other"), [])
        equal(batches(s, "--quarantined"), [])
        text = s.ctl("spool", "list").stdout
        for b in batches(s):
            assert name_of(b) in text, text
        table = s.ask("spool")["spool"]
        equal([(q["tenant"], q["batches"]) for q in table], [(7, 2), (8, 1)])
        equal(table[0]["oldest_ns"], first["created_ns"])
        equal(s.ask("tenants")["tenants"][0]["oldest_ns"],
              first["created_ns"])

        # By its name, or by that of its file.
        content = s.read_bytes(path_of(s, first))
        file = f'7/main/{first["name"]}'
        for name in (name_of(first), file):
            shown = json.loads(s.ctl("--json", "spool", "show", name).stdout)
            (b,) = shown["batches"]
            equal((b["bytes"], b["lines"], b["problem"], b["for_shipper"]),
                  (len(content), 1, "", True))
        both = json.loads(s.ctl("--json", "spool", "show", name_of(first),
                                name_of(second)).stdout)["batches"]
        equal([name_of(b) for b in both], [name_of(first), name_of(second)])
        equal(b["stream"], content[16:24].hex())
        equal(b["recipient"], content[96:128].hex())
        text = s.ctl("spool", "show", file).stdout
        assert "sealed to    the proxy" in text, text

        # To a file, and several into a directory; never over another file.
        out = s.dir + "/out.batch"
        equal(s.ctl("spool", "export", file, "--output", out).stderr, "")
        equal(s.read_bytes(out), content)
        equal(os.stat(out).st_mode & 0o777, 0o600)
        several = (name_of(first), name_of(second))
        refused = s.ctl("spool", "export", *several)
        equal(refused.returncode, 1)
        os.mkdir(s.dir + "/all")
        equal(s.ctl("spool", "export", *several, "--output",
                    s.dir + "/all").stderr, "")
        equal(sorted(s.read_bytes(f"{s.dir}/all/{name}")
                     for name in os.listdir(s.dir + "/all")),
              sorted(s.read_bytes(path_of(s, b)) for b in (first, second)))
        equal(s.stop(), 0)


def a_name_that_is_none_goes_nowhere():
    server = Server()
    with with_server(server, extra=FAST) as s:
        turn_off(s, server)
        s.start()
        fill(s, 1)
        bad = ("7/main", "7/main/", "7/main/1", "7/main/1-", "7/../7/main/1-0",
               "7/./1-0", "7/main/../main/1-0", "7//1-0", "0/main/1-0",
               "16777216/main/1-0", "7/main/4294967296-0", "/7/main/1-0",
               "7/main/1-18446744073709551616", "7/main/1-0.batch.x",
               "7/" + "a" * 33 + "/1-0", "7/main/-1-0", "7/.main/1-0",
               "7/main/ 1-0", "7/main/+1-0")
        for name in bad:
            for verb in ("show", "export", "replay", "drop"):
                result = s.ctl("spool", verb, name)
                equal((name, result.returncode, result.stdout),
                      (name, 2, ""))
                assert "is not the name of a batch" in result.stderr, result
        none = s.ctl("spool", "show", "7/main/9-9")
        equal(none.returncode, 1)
        assert "there is no batch 9-9" in none.stderr, none
        for args in (("drop",), ("drop", "--yes"), ("replay",),
                     ("drop", "--yes", "--tenant", "7"), ("show",), ("eat",),
                     ("list", "7/main/1-0"),
                     ("drop", "--yes", "--quarantined", "7/main/1-0")):
            equal((args, s.ctl("spool", *args).returncode), (args, 2))
        equal(len(batches(s)), 1)
        equal(s.stop(), 0)


def what_is_dropped_is_counted_and_announced():
    server = Server()
    with with_server(server, extra=FAST) as s:
        config = turn_off(s, server)
        s.start()
        fill(s, 1, 2, 3)
        first, second, third = names(s)
        asked = s.ctl("spool", "drop", first)
        equal(asked.returncode, 1)
        assert "give --yes" in asked.stderr, asked
        equal(len(batches(s)), 3)

        dropped = s.ctl("spool", "drop", first, third, "--yes")
        equal((dropped.returncode, dropped.stderr), (0, ""))
        equal(dropped.stdout, f"{first}: dropped, 1 lines\n"
              f"{third}: dropped, 1 lines\n")
        again = s.ctl("spool", "drop", first, "--yes")
        equal(again.returncode, 1)
        assert "there is no batch" in again.stderr, again
        wait_for_books(s, received=3, dropped_by_command=2)
        wait_for("the announcement",
                 lambda: statement(s)["announced"] >= 1)

        # It is told in the tenant's stream, once, and the books hold beyond a
        # restart.
        turn_on(s, config)
        wait_for_books(s, received=3, dropped_by_command=2, spooled=0)
        told = [int(n) for line in server.others
                for n in re.findall(r'gap="by-command".* (\d+) lines? '
                                    'deleted', line)]
        equal(sum(told), 2)
        equal(server.numbers, [2])
        equal(s.stop(), 0)
        for is_reboot in (False, True):
            if is_reboot:
                shutil.rmtree(s.dir + "/run")
            s.start()
            wait_for_books(s, received=3 + is_reboot, dropped_by_command=2,
                           spooled=0)
            send(s, 4 + is_reboot)
            wait_for("the line", lambda n=4 + is_reboot: n in server.numbers)
            equal(sum("by-command" in line for line in server.others),
                  len(told))
            equal(s.stop(), 0)


def a_queue_that_is_not_configured_any_more_can_be_emptied():
    server = Server()
    with with_server(server, tenants=(7, 8), extra=FAST) as s:
        config = turn_off(s, server)
        s.start()
        fill(s, 1, 2)
        s.write(s.config, config[:config.index("- id: 7")]
                + config[config.index("- id: 8"):])
        equal(s.ctl("reload").stderr, "")
        asked = s.ctl("spool", "drop", "--tenant", "7", "--queue", "main")
        assert "2 batches with 2 lines would be dropped" in asked.stderr, asked
        dropped = s.ctl("spool", "drop", "--tenant", "7", "--queue", "main",
                        "--yes")
        equal((dropped.returncode, dropped.stderr), (0, ""))
        equal(batches(s), [])
        wait_for_books(s, received=2, dropped_by_command=2, announced=0)
        equal(s.stop(), 0)


def flip(path):
    """Changes a bit in the last byte of a file, as of the same file again."""
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([byte ^ 1]))


def what_was_quarantined_says_why_and_can_be_replayed():
    server = Server()
    with with_server(server, extra=FAST) as s:
        config = turn_off(s, server)
        s.start()
        fill(s, 1, 2, 3)
        flip(path_of(s, batches(s)[0]))
        flip(path_of(s, batches(s)[2]))
        turn_on(s, config)
        wait_for_books(s, received=3, shipped=1, quarantined=2)
        one, three = batches(s, "--quarantined")
        equal([b["state"] for b in (one, three)], ["quarantined"] * 2)
        assert "changed" in one["reason"], one
        assert one["reason"] in s.ctl("spool", "show", name_of(one)).stdout

        # As long as it is broken it comes back, with its lines.
        equal(s.ctl("spool", "replay", name_of(one)).stdout,
              f"{name_of(one)}: back in the queue, 1 lines\n")
        wait_for_books(s, shipped=1, quarantined=2, replayed=0)
        flip(path_of(s, one))
        equal(s.ctl("spool", "replay", "--quarantined").stderr, "")
        wait_for_books(s, shipped=2, quarantined=1)
        equal(sorted(server.numbers), [1, 2])
        replayed = [c["value"] for c in s.ask("counters")["counters"]
                    if c["name"] == "replayed"]
        assert sum(replayed) >= 3, replayed
        equal(s.ctl("spool", "drop", "--quarantined", "--yes").stdout,
              f"{name_of(three)}: dropped, 1 lines\n")
        wait_for_books(s, shipped=2 + statement(s)["announced"],
                       quarantined=0, dropped_by_command=1)
        equal(os.listdir(s.dir + "/deep/spool/7/main/quarantine"), [])
        equal(s.stop(), 0)


def what_is_cut_short_is_set_aside_and_says_so():
    server = Server()
    with with_server(server, extra=FAST) as s:
        config = turn_off(s, server)
        s.start()
        fill(s, 1, 2, 3)
        one, two, _ = batches(s)
        os.truncate(path_of(s, one), one["bytes"] - 1)
        os.truncate(path_of(s, two), 100)
        problems = [json.loads(s.ctl("--json", "spool", "show", name_of(b))
                               .stdout)["batches"][0]["problem"]
                    for b in (one, two)]
        assert all("shorter" in problem for problem in problems), problems
        turn_on(s, config)
        wait_for("the third", lambda: server.numbers)
        aside = wait_for("both aside", lambda: (
            batches(s, "--quarantined") if len(batches(s, "--quarantined"))
            == 2 else None))
        assert all("shorter" in b["reason"] for b in aside), aside
        # How many lines were in one without a header nobody knows.
        equal([b["lines"] for b in aside], [1, 0])
        equal(statement(s)["quarantined"], 1)
        equal(s.stop(), 0)


def only_who_has_the_key_can_read_an_export():
    unseal = BUILD + "/proxy-vm/unseal/sluice-unseal"
    with with_server(Server(), extra=FAST) as s:
        key = s.dir + "/tenant.key"
        subprocess.run([unseal, "--generate-key", "--key", key, "--public",
                        key + ".pub"], check=True)
        config = s.read(s.config)
        s.write(s.config, config[:config.index("  server:")]
                + "  destinations:\n"
                "  - {name: plain, type: tcp, server: 127.0.0.1:9}\n"
                "  - {name: sealed, type: sealed, server: 127.0.0.1:9,\n"
                f"     recipient-file: {key}.pub}}\n")
        s.start()
        send(s, 1)
        wait_for("both queues", lambda: len(batches(s)) == 2)
        keys = {"plain": s.dir + "/state/ship.key", "sealed": key}
        for b in batches(s):
            out = f'{s.dir}/{b["queue"]}'
            equal(s.ctl("spool", "export", name_of(b), "--output",
                        out).stderr, "")
            shown = json.loads(s.ctl("--json", "spool", "show", name_of(b))
                               .stdout)["batches"][0]
            equal(shown["for_shipper"], b["queue"] == "plain")
            for name, path in keys.items():
                done = subprocess.run(
                    [unseal, "--key", path, out], stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, text=True, check=False,
                    timeout=60)
                opened = "number=1 end" in done.stdout
                equal((b["queue"], name, opened, done.returncode),
                      (b["queue"], name, name == b["queue"], 1 - opened))
        equal(s.stop(), 0)


def a_batch_in_hand_is_left_to_its_shipper():
    server = Server()
    with with_server(server, extra="batch:\n  max-delay-ms: 20\n"
                     "output:\n  hold-ms: 6000\n") as s:
        s.start()
        send(s, 1)
        wait_for("the line", lambda: server.numbers)
        (name,) = names(s)
        busy = s.ctl("spool", "drop", name, "--yes", "--timeout", "1")
        equal(busy.returncode, 1)
        assert "its shipper has batches in hand" in busy.stderr, busy
        send(s, 2)
        wait_for_books(s, received=2, shipped=2, dropped_by_command=0)
        gone = s.ctl("spool", "drop", name, "--yes")
        assert "it may have been shipped meanwhile" in gone.stderr, gone
        equal(s.stop(), 0)


def drop_newest(s, sock):
    """Asks to drop the newest batch of tenant 7, as sluicectl does, but with
    no time in between.  Returns whether that was done."""
    files = sorted(name for name in os.listdir(s.dir + "/deep/spool/7/main")
                   if name.endswith(".batch"))
    if not files:
        return False
    generation, number = files[-1].removesuffix(".batch").split("-")
    query = (b"\x08\x07\x12\x04main\x20" + bytes([int(generation)])
             + b"\x29" + struct.pack("<Q", int(number)))
    sock.sendall(frame(b"\x08\x18\x12" + bytes([len(query)]) + query))
    return not error_of(receive_frame(sock))


def commands_in_a_queue_that_is_busy_keep_the_books_exact():
    server = Server()
    with with_server(server, extra="batch:\n  max-delay-ms: 10\n"
                     "output:\n  hold-ms: 30\n") as s:
        s.start()
        stream = Stream(s.port)
        stream.start()
        shipped = dropped = 0
        for _ in range(3):
            def moves(name, n):
                wait_for(name, lambda: left(statement(s), name) > n, 30)
                return left(statement(s), name)
            shipped = moves("shipped", shipped)
            # What is in hand is shipped first, what comes then can be dropped.
            with s.connect() as sock:
                wait_for("a drop", lambda sock=sock: drop_newest(s, sock), 30)
            dropped = moves("dropped-by-command", dropped)
        n = stream.stop()
        wait_for_books(s, received=n, spooled=0, open=0, quarantined=0)
        b = statement(s)
        # Nothing went twice, and nothing but what was dropped is missing.
        equal(len(server.numbers), len(set(server.numbers)))
        equal(left(b, "shipped"), len(server.numbers) + len(server.others))
        equal(left(b, "dropped-by-command") + left(b, "shipped"),
              n + b["announced"])
        equal(s.stop(), 0)


def a_queue_that_is_not_emptied_sheds_and_says_so():
    server = Server()
    with with_server(server, extra=FAST) as s:
        s.write(s.config, s.read(s.config) + "  quota-age-s: 2\n")
        config = turn_off(s, server)
        s.start()
        numbers = itertools.count(1)

        def sheds():
            send(s, next(numbers))
            return [i["lines"] for i in statement(s)["dropped"]
                    if i["name"] == "spool-age"]
        wait_for("a line that is shed", sheds)
        turn_on(s, config)
        wait_for("the record", lambda: any(
            'gap="spool-full"' in line for line in server.others), 30)
        wait_for_books(s, spooled=0, open=0)
        before = len(server.numbers)
        send(s, next(numbers))
        wait_for("a line again", lambda: len(server.numbers) > before)
        equal(s.stop(), 0)


def files_that_are_no_batches_are_set_aside_and_counted():
    server = Server()
    with with_server(server, extra=FAST) as s:
        turn_off(s, server)
        s.start()
        fill(s, 1)
        queue = s.dir + "/deep/spool/7/main/"
        s.write(queue + "0000000001-00000000000000000000.batch9", "newer")
        s.write(queue + "notes", "foreign")
        s.write(queue + ".hidden", "nobody's business")
        wait_for("the count", lambda: s.ask("spool")["spool"][0]["foreign"]
                 == 2)
        equal([(b["name"], b["in_quarantine"]) for b in batches(s)
               if b["state"] == "foreign"],
              [("0000000001-00000000000000000000.batch9", False),
               ("notes", False)])
        equal(s.stop(), 0)
        s.start()
        wait_for("both aside", lambda: len(
            [b for b in batches(s, "--quarantined")
             if b["state"] == "foreign"]) == 2)
        equal(s.read(queue + "quarantine/notes"), "foreign")
        equal(sorted(os.listdir(queue))[0], ".hidden")
        equal(s.ask("spool")["spool"][0]["foreign"], 2)
        # No command touches them.
        equal(s.ctl("spool", "drop", "--quarantined", "--yes").stdout,
              "There is no such batch.\n")
        equal(sorted(os.listdir(queue + "quarantine")),
              ["0000000001-00000000000000000000.batch9", "notes"])
        equal(s.stop(), 0)


main([
    batches_are_listed_shown_and_exported,
    a_name_that_is_none_goes_nowhere,
    what_is_dropped_is_counted_and_announced,
    a_queue_that_is_not_configured_any_more_can_be_emptied,
    what_was_quarantined_says_why_and_can_be_replayed,
    what_is_cut_short_is_set_aside_and_says_so,
    only_who_has_the_key_can_read_an_export,
    a_batch_in_hand_is_left_to_its_shipper,
    commands_in_a_queue_that_is_busy_keep_the_books_exact,
    a_queue_that_is_not_emptied_sheds_and_says_so,
    files_that_are_no_batches_are_set_aside_and_counted,
])
