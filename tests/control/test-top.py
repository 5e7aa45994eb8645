#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# sluicectl top: rates of what comes, of a VM and of a tenant.
import json
import os
import pty
import subprocess

from harness import SLUICECTL, equal, main, wait_for
from traffic import Server, Stream, with_server


def top(s, *args, **kwargs):
    return subprocess.run([SLUICECTL, "--socket", s.socket, "top", *args],
                          capture_output=True, text=True, check=False,
                          **kwargs)


def rates_are_what_comes():
    with with_server(Server()) as s:
        s.start()
        stream = Stream(s.port)
        stream.start()
        wait_for("a VM", lambda: s.ask("vms")["vms"])
        before = s.ask("vms")["vms"][0]["received"]
        done = top(s, "--json", "--interval", "1", "--count", "3")
        after = s.ask("vms")["vms"][0]["received"]
        equal((done.returncode, done.stderr), (0, ""))
        looks = [json.loads(line) for line in done.stdout.splitlines()]
        equal([len(look["top"]) for look in looks], [1, 1, 1])
        rows = [look["top"][0] for look in looks]
        for row in rows:
            equal((row["tenant"], row["vms"], row["lost"], row["dropped"]),
                  (7, 1, 0, 0))
            assert row["lines"] > 0 and row["bytes"] > row["lines"], row
        # Of three seconds and what it takes to ask.
        assert 0 < sum(row["lines"] for row in rows) <= after - before, (
            rows, before, after)
        stream.stop()
        wait_for("no more", lambda: json.loads(
            top(s, "--json", "--interval", "1", "--count", "1").stdout
        )["top"][0]["lines"] == 0)
        equal(s.stop(), 0)


def rows_can_be_chosen():
    with with_server(Server()) as s:
        s.start()
        stream = Stream(s.port)
        stream.start()
        wait_for("a VM", lambda: s.ask("vms")["vms"])
        stream.stop()
        vm = s.ask("vms")["vms"][0]
        text = top(s, "--interval", "1", "--count", "1").stdout
        for word in ("LINES/S", "REDACTIONS/S", vm["vtep"]):
            assert word in text, text
        row = json.loads(top(s, "--json", "--by-tenant", "--interval", "1",
                             "--count", "1").stdout)["top"][0]
        equal((row["tenant"], row["vms"], row["vm"], row["name"]),
              (7, 1, "", "tenant-7"))
        equal(json.loads(top(s, "--json", "--tenant", "8", "--interval", "1",
                             "--count", "1").stdout)["top"], [])
        for args, words in (
                (["--sort", "age"], "--sort: there is no \"age\"; sort by "
                 "lines, bytes, lost, dropped, redactions or lag."),
                (["--tenant", "x"], "--tenant: \"x\" is not the number of a "
                 "tenant.")):
            done = top(s, *args)
            equal((done.returncode, done.stderr), (2, f"sluicectl: {words}\n"))
        equal(top(s, "--count", "few").returncode, 2)
        equal(s.stop(), 0)


def a_terminal_is_cleared_and_a_file_is_not():
    with with_server(Server()) as s:
        s.start()
        master, slave = pty.openpty()
        args = [SLUICECTL, "--socket", s.socket, "top", "--interval", "1",
                "--count", "1"]
        subprocess.run(args, stdout=slave, check=True)
        text = os.read(master, 4096)
        os.close(slave)
        os.close(master)
        assert text.startswith(b"\033[H\033[J"), text
        assert "\033" not in top(s, "--interval", "1", "--count", "1").stdout
        # One that can't be cleared is not.
        master, slave = pty.openpty()
        subprocess.run(args, stdout=slave, check=True,
                       env={**os.environ, "TERM": "dumb"})
        text = os.read(master, 4096)
        os.close(slave)
        os.close(master)
        assert b"\033" not in text and b"No virtual machine" in text, text
        equal(s.stop(), 0)
        assert "can't reach sluiced" in top(s).stderr


def a_tenant_whose_server_is_down_lags():
    server = Server()
    with with_server(server, tenants=(7, 8),
                     extra="batch:\n  max-delay-ms: 20\n") as s:
        text = s.read(s.config)
        where = text.index("id: 8")
        s.write(s.config, text[:where]
                + text[where:].replace(f":{server.port}", ":9"))
        s.start()
        for tenant in (7, 8):
            stream = Stream(s.port, tenant)
            stream.start()
            wait_for("a VM", lambda tenant=tenant: [
                vm for vm in s.ask("vms")["vms"] if vm["tenant"] == tenant])
            stream.stop()

        def first():
            done = top(s, "--json", "--sort", "lag", "--interval", "1",
                       "--count", "1")
            rows = json.loads(done.stdout)["top"]
            equal(len(rows), 2)
            assert rows[0]["lag_s"] >= rows[1]["lag_s"], rows
            return rows[0]

        wait_for("a lag", lambda: first()["tenant"] == 8
                 and first()["lag_s"] > 1)
        equal(s.stop(), 0)


main([
    rates_are_what_comes,
    rows_can_be_chosen,
    a_terminal_is_cleared_and_a_file_is_not,
    a_tenant_whose_server_is_down_lags,
])
