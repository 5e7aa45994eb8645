#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Reloads: what changed is said, tenants come at run time, and hundreds of
# broken configurations change nothing.
import copy
import json
import os
import re
import signal
import socket

from harness import (BUILD, equal, error_of, frame, main, receive_frame,
                     wait_for)
from traffic import Server, Stream, packet, with_server

RELOAD = b"\x08\x06"            # A Request with that verb.


def what_changed_is_said():
    with with_server(Server()) as s:
        s.start()
        config = s.read(s.config)
        done = s.ctl("reload")
        equal((done.returncode, done.stderr), (0, ""))
        assert "nothing in it changed" in done.stdout, done
        s.write(s.config, config.replace("name: tenant-7", "name: other")
                + "- id: 8\n  name: eight\n  server: 127.0.0.1:9\n"
                "batch:\n  max-delay-ms: 500\n")
        equal(s.ctl("reload").stdout,
              f"{s.config}: loaded\n"
              "  batch.max-delay-ms: changed (1000 -> 500)\n"
              "  tenants.7.name: changed (\"tenant-7\" -> \"other\")\n"
              "  tenants.8: added\n")
        s.write(s.config, config)
        s.process.send_signal(signal.SIGHUP)
        wait_for("the log", lambda: "loaded, 1 tenants: batch.max-delay-ms "
                 "changed, tenants.8 removed, tenants.7.name changed"
                 in s.read(s.dir + "/log"))
        equal([(c["key"], c["change"]) for c in s.ask("status")["changes"]],
              [("batch.max-delay-ms", "changed"), ("tenants.8", "removed"),
               ("tenants.7.name", "changed")])
        # What is refused leaves that as it is.
        s.write(s.config, "tenants: []\n")
        equal(s.ctl("reload").returncode, 1)
        equal(len(s.ask("status")["changes"]), 3)
        equal(s.stop(), 0)


def a_tenant_comes_at_run_time():
    old, new = Server(), Server()
    with with_server(old) as s:
        s.start()
        stream = Stream(s.port)
        stream.start()
        wait_for("lines", lambda: old.numbers)
        s.write(s.config, s.read(s.config) + "- id: 8\n  name: eight\n"
                f"  server: 127.0.0.1:{new.port}\n")
        equal(s.ctl("reload").stderr, "")
        other = Stream(s.port, tenant=8)
        other.start()
        wait_for("its lines", lambda: len(new.numbers) > 500)
        n, n_other = stream.stop(), other.stop()
        wait_for("all", lambda: len(old.numbers) >= n
                 and len(new.numbers) >= n_other)
        equal(sorted(old.numbers), list(range(1, n + 1)))
        equal(sorted(new.numbers), list(range(1, n_other + 1)))
        equal((old.sessions, s.ctl("ledger", "--check").returncode), (1, 0))
        equal(s.stop(), 0)


def the_first_line_of_a_new_tenant_is_taken():
    server = Server()
    with with_server(server, tenants=(1,)) as s:
        s.start()
        for tenant in range(2, 52):
            s.write(s.config, s.read(s.config) + f"- id: {tenant}\n"
                    f"  name: tenant-{tenant}\n"
                    f"  server: 127.0.0.1:{server.port}\n")
            equal(s.ctl("reload").stderr, "")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.connect(("127.0.0.1", s.port))
                sock.send(packet(tenant, tenant))
        wait_for("all lines", lambda: len(server.numbers) >= 50, 60)
        equal(sorted(server.numbers), list(range(2, 52)))
        equal(s.stop(), 0)


def a_reload_ends_no_program_that_just_begins():
    server = Server()
    with with_server(server) as s:
        s.start()
        # Each pause before one is started again is longer; intake's is not.
        for name, n in (("intake", 30), ("context", 4), ("ship-7", 4)):
            pid = 0
            for _ in range(n):
                pid = wait_for("a new process",
                               lambda name=name, pid=pid:
                               {s.program(name)["pid"]} - {0, pid}).pop()
                equal(s.ctl("reload").stderr, "")
                os.kill(pid, signal.SIGKILL)
            wait_for("its end", lambda name=name, n=n:
                     s.program(name)["restarts"] == n)
            equal(s.program(name)["last_exit"], "killed (Killed)")
        equal(s.stop(), 0)


# A configuration is a mapping here, and a file of a line of JSON for each
# section, which YAML has as a part of it.

def text_of(config):
    return "".join(f"{section}: {json.dumps(value)}\n"
                   for section, value in config.items()).encode()


def wrong_values(schema):
    """Values that the key may not have."""
    kind = schema["type"]
    if kind == "array":
        yield from ("one", 1, {})
        if schema["items"].get("type") == "integer":
            yield ["many"]
            yield [schema["items"]["maximum"] + 1]
        return
    yield from ({}, {"a": 1}, [], [[1]])
    if kind == "integer":
        yield from ("many", -1, 1.5, "0x", schema["maximum"] + 1, 1 << 64)
        if schema.get("minimum", 0) > 0:
            yield schema["minimum"] - 1
    else:
        yield ""
        yield "a" * (schema["maxLength"] + 1)
        if "enum" in schema:
            yield schema["enum"][0] + "x"


def broken_keys(config, schema):
    """Configurations with something wrong in one section or key."""
    for name, section in schema["properties"].items():
        in_list = section["type"] == "array"
        keys = section["items"] if in_list else section

        def changed(change, name=name, in_list=in_list):
            new = copy.deepcopy(config)
            entries = new.setdefault(name, [{}] if in_list else {})
            change(entries[0] if in_list else entries)
            return new

        for key, rule in keys["properties"].items():
            for value in wrong_values(rule):
                yield changed(lambda e, key=key, value=value:
                              e.update({key: value}))
            yield changed(lambda e, key=key: e.update({key + "s-": 1}))
        yield changed(lambda e: e.update({"no-such-key": 1}))
        yield {**config, name: "one"}
        yield {**config, name: [[[]]]}
        yield {**config, name + "x": {}}


def broken_texts(config):
    """Files with something wrong in their text."""
    text = text_of(config)
    for i in range(5, len(text), 7):
        cut = text[:i]
        # Within a bracket, what is there can't be whole.
        if cut.count(b"{") + cut.count(b"[") > cut.count(b"}") + cut.count(
                b"]"):
            yield cut
    for i in range(3, len(text), 17):
        yield text[:i] + b"\xff" + text[i:]
        yield text[:i] + b"\x01" + text[i:]
    for line in text.splitlines(keepends=True):
        yield text + line       # Stands twice.
    bomb = b"a: &a [x, x, x, x, x, x, x, x, x]\n"
    for i in range(9):
        bomb += b"%c: &%c [%s]\n" % (98 + i, 98 + i,
                                     b", ".join([b"*%c" % (97 + i)] * 9))
    yield bomb + text
    yield text + b"batch: &a {max-bytes: 5000}\noutput: *a\n"
    yield text + b"batch: !!python/object {}\n"
    yield text + b"---\n" + text
    yield text + b"batch: " + b"[" * 10000 + b"\n"
    yield text + b"batch: " + b"{a: " * 10000 + b"\n"
    yield text + b"batch: {" + b", ".join(b"k%d: 1" % i
                                          for i in range(70000)) + b"}\n"
    yield text + b"\tbatch: {}\n"
    yield text + b"%YAML 9.9\n"
    yield b"- " * 100 + text
    yield text + "batch: {}".encode("utf-16")
    yield b"tenants:\n" * 2
    yield b"[]\n"
    yield b"\0" * 100


def broken_files(s, config):
    """Configurations that name files which are not as they must be."""
    secret = s.dir + "/secret"
    with open(secret, "w", encoding="ascii") as file:
        file.write("00" * 32 + "\n")
    os.chmod(secret, 0o644)
    for key, section in (("key-file", "hosts"), ("redaction-file", "tenants"),
                         ("redaction-key-file", "tenants"),
                         ("public-key-file", "tenants"),
                         ("recipient-key-file", "tenants")):
        for path in (s.dir + "/no-such", s.dir, secret, "/dev/null",
                     "/dev/zero", "relative"):
            new = copy.deepcopy(config)
            entry = new.setdefault(section, [{"name": "hv", "vtep":
                                              "192.0.2.1"}])[0]
            entry[key] = path
            yield text_of(new)


def hundreds_of_broken_configurations_change_nothing():
    server = Server()
    with with_server(server) as s, open(
            BUILD + "/docs/sluice.schema.json", encoding="utf-8") as file:
        config = {
            "tunnel": {"listen": "127.0.0.1", "port": s.port},
            "paths": {"run": s.dir + "/run", "spool": s.dir + "/deep/spool",
                      "state": s.dir + "/state"},
            "tenants": [{"id": 7, "name": "tenant-7",
                         "server": f"127.0.0.1:{server.port}"}],
        }
        schema = json.load(file)
        good = text_of(config)
        broken = [*broken_texts(config),
                  *map(text_of, broken_keys(config, schema)),
                  *broken_files(s, config)]
        with open(s.config, "wb") as out:
            out.write(good)
        s.start()
        stream = Stream(s.port)
        stream.start()
        wait_for("lines", lambda: server.numbers)
        programs = [(p["name"], p["pid"]) for p in s.ask("status")["programs"]]
        running = s.read_bytes(s.dir + "/run/sluice.yaml")
        where = re.compile(re.escape(s.config) + r":\d+:\d+: .+[.]$")
        wrong = []
        with s.connect() as sock:
            for text in broken:
                with open(s.config, "wb") as out:
                    out.write(text)
                sock.sendall(frame(RELOAD))
                error = error_of(receive_frame(sock))
                if not where.match(error):
                    wrong.append((text[-300:], error))
        equal(wrong[:5], [])
        assert len(broken) >= 500, len(broken)
        equal(s.read_bytes(s.dir + "/run/sluice.yaml"), running)
        equal([(p["name"], p["pid"]) for p in s.ask("status")["programs"]],
              programs)
        with open(s.config, "wb") as out:
            out.write(good)
        equal(s.ctl("reload").stderr, "")
        n = stream.stop()
        wait_for("all lines", lambda: len(server.numbers) >= n)
        equal(sorted(server.numbers), list(range(1, n + 1)))
        print(f"# {len(broken)} configurations, {n} lines")
        equal(s.stop(), 0)


main([
    what_changed_is_said,
    a_tenant_comes_at_run_time,
    the_first_line_of_a_new_tenant_is_taken,
    a_reload_ends_no_program_that_just_begins,
    hundreds_of_broken_configurations_change_nothing,
])
