#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sluice-metrics under a real sluiced: read by a real Prometheus, checked by
promtool, and asked by clients that misbehave.

Everything is on the loopback interface, at ports that were free when the test
began, and in a directory of its own.  Speaks TAP."""
import contextlib
import http.client
import json
import os
import pwd
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("", "control"):
    sys.path.insert(0, os.path.join(HERE, os.pardir, folder))
# pylint: disable=wrong-import-position
import tap                                                  # noqa: E402
from harness import (BUILD, SLUICECTL, SOURCE, equal,       # noqa: E402
                     is_alive, main, wait_for)
from traffic import Server, packet, with_server             # noqa: E402

DOCS = SOURCE + "/docs/prometheus"
N = 25


def section(port, more=""):
    return f"metrics:\n  port: {port}\n{more}"


class Answer:
    """What is at a path of the server."""

    def __init__(self, port, path, method="GET", body=None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            self.status = response.status
            self.type = response.getheader("Content-Type")
            self.size = int(response.getheader("Content-Length") or 0)
            self.text = response.read().decode()
        finally:
            connection.close()


def serves(port):
    try:
        return Answer(port, "/healthz").status == 200
    except OSError:
        return False


def samples(text):
    """By name and labels, as they stand there."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            assert name not in found, f"twice: {name}"
            found[name] = float(value)
    return found


@contextlib.contextmanager
def serving(more="", tenants=(7,)):
    """A proxy that serves metrics and has got N lines out."""
    port, server = tap.free_port(), Server()
    with with_server(server, tenants, section(port, more)
                     + "batch:\n  max-delay-ms: 20\n"
                     "output:\n  hold-ms: 50\n") as s:
        os.chmod(s.dir, 0o711)      # Nobody must get to the control socket.
        s.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for number in range(1, N + 1):
                sock.sendto(packet(number), ("127.0.0.1", s.port))
        wait_for("the lines", lambda: len(server.numbers) == N)
        wait_for("metrics", lambda: serves(port))
        wait_for("the books", lambda: s.ask("tenants")["tenants"][0]["shipped"]
                 == N)
        yield s, port
        equal(s.stop(), 0)


def metrics_say_what_sluicectl_says():
    with serving() as (s, port):
        answer = Answer(port, "/metrics")
        equal((answer.status, answer.type.split(";")[0]), (200, "text/plain"))
        got = samples(answer.text)
        tenant = '{tenant="7",tenant_name="tenant-7"}'
        queue = '{tenant="7",tenant_name="tenant-7",queue="main"}'
        equal({name: got[name] for name in got if name in (
            "sluice_tenant_received_lines_total" + tenant,
            "sluice_ship_shipped_lines_total" + queue,
            "sluice_queue_spooled_lines" + queue,
            "sluice_queue_difference_lines" + queue,
            'sluice_program_up{program="intake"}',
            "sluice_config_last_load_successful", "sluice_vms",
            "sluice_vms_omitted")}, {
                "sluice_tenant_received_lines_total" + tenant: N,
                "sluice_ship_shipped_lines_total" + queue: N,
                "sluice_queue_spooled_lines" + queue: 0,
                "sluice_queue_difference_lines" + queue: 0,
                'sluice_program_up{program="intake"}': 1,
                "sluice_config_last_load_successful": 1,
                "sluice_vms": 1, "sluice_vms_omitted": 0})
        # Every counter that sluicectl knows is there, with its value.
        known = [value for value in got.values()]
        for c in s.ask("counters")["counters"]:
            if c["unit"] != "per cent" and not c["name"].startswith("commits"):
                assert c["value"] in known, c
        vm, = [name for name in got
               if name.startswith("sluice_vm_received_lines_total")]
        equal(got[vm], N)
        assert 'vtep="127.0.0.1"' in vm, vm
        count, = [value for name, value in got.items() if name ==
                  'sluice_intake_commit_duration_seconds_bucket{le="+Inf"}']
        assert count >= 1
        equal(got["sluice_intake_commit_duration_seconds_count"], count)
        took, = [c["value"] for c in s.ask("counters")["counters"]
                 if c["name"] == "commits-us"]
        assert took > 0
        equal(got["sluice_intake_commit_duration_seconds_sum"], took / 1e6)


STATIC = ("context:\n  static-file: %s\n")


@contextlib.contextmanager
def context_file():
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write('vms: [ { macs: [ "52:54:00:00:00:01" ], name: a, '
                   'values: { rack: "1" } } ]\n')
        file.flush()
        yield file


def context_is_told_by_source():
    with context_file() as file, serving(STATIC % file.name) as (_, port):
        def told():
            got = samples(Answer(port, "/metrics").text)
            return (got.get("sluice_context_vms") == 1
                    and 'sluice_context_source_up{source="static"}' in got
                    and got)
        got = wait_for("a snapshot", told)
        label = '{source="static"}'
        equal({name: got["sluice_context_source_" + name + label]
               for name in ("up", "stale", "problem", "vms", "values",
                            "stale_values")},
              {"up": 1, "stale": 0, "problem": 0, "vms": 1, "values": 1,
               "stale_values": 0})
        assert got["sluice_context_source_oldest_value_time_seconds"
                   + label] > 1e9
        assert got["sluice_context_generation"] >= 1


def promtool_finds_nothing_to_say():
    if not shutil.which("promtool"):
        return "promtool is not installed: see the file packages"
    with serving() as (_, port):
        done = subprocess.run(
            ["promtool", "check", "metrics"], check=False, text=True,
            input=Answer(port, "/metrics").text, capture_output=True)
        equal((done.returncode, done.stdout + done.stderr), (0, ""))
    return None


def a_prometheus_reads_them():
    if not shutil.which("prometheus"):
        return "prometheus is not installed: see the file packages"
    with serving() as (s, port):
        at = tap.free_port()
        s.write(s.dir + "/prometheus.yml", json.dumps({
            "global": {"scrape_interval": "1s"},
            "rule_files": [DOCS + "/alerts.yml"],
            "scrape_configs": [{
                "job_name": "sluice",
                "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]}))
        with open(s.dir + "/prometheus.log", "w", encoding="utf-8") as log, \
                subprocess.Popen(
                    ["prometheus", "--config.file", s.dir + "/prometheus.yml",
                     "--storage.tsdb.path", s.dir + "/tsdb",
                     "--web.listen-address", f"127.0.0.1:{at}"],
                    stderr=log, stdout=log) as prometheus:
            try:
                def ask(query):
                    try:
                        answer = Answer(at, "/api/v1/query?query="
                                        + urllib.parse.quote(query))
                    except OSError:
                        return None
                    if answer.status != 200:
                        return None
                    return [r["value"][1] for r in
                            json.loads(answer.text)["data"]["result"]]
                wait_for("Prometheus to read", lambda: ask(
                    'sluice_tenant_received_lines_total{tenant="7"}')
                         == [str(N)], 60)
                equal(ask('up{job="sluice"}'), ["1"])
                equal(ask("histogram_quantile(0.99, "
                          "sluice_intake_commit_duration_seconds_bucket) > 0"
                          ) != [], True)
                rules = json.loads(Answer(at, "/api/v1/rules").text)
                equal([r for g in rules["data"]["groups"] for r in g["rules"]
                       if r["health"] == "err"], [])
            finally:
                prometheus.send_signal(signal.SIGTERM)
                prometheus.wait(60)
    return None


def the_alert_rules_alert():
    if not shutil.which("promtool"):
        return "promtool is not installed: see the file packages"
    for args in (["check", "rules", "alerts.yml"],
                 ["test", "rules", "alerts-test.yml"]):
        done = subprocess.run(["promtool", *args], cwd=DOCS, check=False,
                              capture_output=True, text=True)
        equal((done.returncode, done.stderr), (0, ""))
    return None


def rules_and_dashboard_ask_for_what_there_is():
    with context_file() as file, serving(STATIC % file.name) as (_, port):
        wait_for("a source", lambda: "sluice_context_source_up{"
                 in Answer(port, "/metrics").text)
        there = {re.match(r"\w+", name)[0]
                 for name in samples(Answer(port, "/metrics").text)}
    # What is only there once something was dropped.
    there.add("sluice_dropped_packets_total")
    for name in ("alerts.yml", "dashboard.json"):
        with open(f"{DOCS}/{name}", encoding="utf-8") as file:
            asked = set(re.findall(r"\bsluice_[a-z0-9_]+", file.read()))
        equal((name, asked - there), (name, set()))


def ready_says_who_does_not_run():
    with serving() as (s, port):
        answer = Answer(port, "/readyz")
        equal((answer.status, answer.text), (200, "all programs run\n"))
        # The shipper can't be started again.
        s.libexec = s.dir + "/libexec"
        equal(s.stop(), 0)
        for name in ("intake", "context", "metrics"):
            os.symlink(next(path for path in (
                f"{BUILD}/proxy-vm/{name}/sluice-{name}",
                f"{BUILD}/proxy-vm/sluice-{name}") if os.path.exists(path)),
                f"{s.libexec}/real-{name}")
            os.replace(f"{s.libexec}/real-{name}",
                       f"{s.libexec}/sluice-{name}")
        s.set_mode("sluice-ship-7", "crash")
        s.start()
        wait_for("metrics", lambda: serves(port))
        wait_for("an answer", lambda: Answer(port, "/readyz").status == 503)
        wait_for("its name", lambda: re.search(
            r"^ship-7 does not run: exit status 3$",
            Answer(port, "/readyz").text, re.M))


def health_does_not_wait_for_sluiced():
    def is_answered_meanwhile():
        """Whether that is while /metrics waits for sluiced."""
        with socket.create_connection(("127.0.0.1", port)) as waiting:
            waiting.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            equal(Answer(port, "/healthz").status, 200)
            waits = not select.select([waiting], [], [], 0)[0]
            waiting.settimeout(60)
            assert waiting.recv(4096).startswith(b"HTTP/1.1 503")
        return waits

    with serving() as (s, port):
        s.process.send_signal(signal.SIGSTOP)
        try:
            # On a busy machine, some may come after those 5 s.
            assert any(is_answered_meanwhile() for _ in range(3))
        finally:
            s.process.send_signal(signal.SIGCONT)
        wait_for("metrics", lambda: Answer(port, "/metrics").status == 200)


def it_is_nobody():
    if os.geteuid():
        return "only root can become somebody else"
    with serving() as (s, _):
        pid = next(p["pid"] for p in s.ask("status")["programs"]
                   if p["name"] == "metrics")
        status = s.read(f"/proc/{pid}/status")
        for name in ("Uid", "CapEff", "NoNewPrivs"):
            words = re.search(rf"^{name}:\s*(.*)$", status, re.M)[1].split()
            if name == "Uid":
                equal("0" in words, False)
            else:
                equal(int(words[0], 16), int(name == "NoNewPrivs"))
    return None


def it_may_only_ask():
    if os.geteuid():
        return "only root can become somebody else"
    with serving() as (s, _):
        group = os.stat(s.socket).st_gid

        def become():
            os.setgroups([])
            os.setresgid(group, group, group)
            nobody = pwd.getpwnam("nobody").pw_uid
            os.setresuid(nobody, nobody, nobody)
        # A copy, for the tree may be closed to others.
        ctl = shutil.copy(SLUICECTL, s.dir + "/sluicectl")
        for args, is_right in ((["vms"], True), (["ledger"], True),
                               (["reload"], False), (["drain"], False),
                               (["spool", "drop", "--yes", "7/main/1-1"],
                                False)):
            done = subprocess.run([ctl, "--socket", s.socket, *args],
                                  preexec_fn=become, capture_output=True,
                                  text=True, check=False)
            equal((args, done.returncode == 0), (args, is_right))
            if not is_right:
                assert "may only ask" in done.stderr, done.stderr
    return None


def it_does_not_outlive_sluiced():
    with serving() as (s, port):
        pid = next(p["pid"] for p in s.ask("status")["programs"]
                   if p["name"] == "metrics")
        s.process.kill()
        s.process.wait()
        wait_for("its end", lambda: not is_alive(pid) and not serves(port))
        s.start()


def a_cap_bounds_the_series():
    with serving("  max-vms: 0\n") as (_, port):
        got = samples(Answer(port, "/metrics").text)
        equal((got["sluice_vms"], got["sluice_vms_omitted"]), (1, 1))
        equal([name for name in got if name.startswith("sluice_vm_")], [])


def a_reload_moves_and_ends_it():
    with serving() as (s, port):
        other = tap.free_port()
        text = s.read(s.config)
        s.write(s.config, text.replace(section(port), section(other)))
        equal(s.ctl("reload").returncode, 0)
        wait_for("the new port", lambda: serves(other) and not serves(port))
        s.write(s.config, text.replace(section(port), ""))
        equal(s.ctl("reload").returncode, 0)
        wait_for("its end", lambda: not serves(other) and "metrics" not in [
            p["name"] for p in s.ask("status")["programs"]])
        s.write(s.config, text)
        equal(s.ctl("reload").returncode, 0)
        wait_for("its return", lambda: serves(port))


def who_misbehaves_hurts_nobody_else():
    with serving() as (s, port):
        equal(Answer(port, "/metrics", "HEAD").size > 1000, True)
        equal(Answer(port, "/metrics", "POST", "x" * 100000).status, 405)
        equal(Answer(port, "/metrics", "DELETE").status, 405)
        equal(Answer(port, "/../etc/passwd").status, 404)
        equal(Answer(port, "/metrics/").status, 404)
        for junk in (b"\0" * 4096, b"GET " + b"/" * 100000 + b" HTTP/1.1\r\n",
                     b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20000,
                     b"GET / HTTP/9.9\r\n\r\n", os.urandom(65536)):
            with socket.create_connection(("127.0.0.1", port), 60) as peer:
                try:
                    peer.sendall(junk)
                    peer.shutdown(socket.SHUT_WR)
                    while peer.recv(65536):
                        pass
                except OSError:
                    pass            # It has had enough.
        # As many as it takes, of those who say nothing, lose their place.
        with contextlib.ExitStack() as stack:
            for _ in range(40):
                stack.enter_context(
                    socket.create_connection(("127.0.0.1", port), 60))
            wait_for("an answer to others", lambda: serves(port), 60)
        equal([p["restarts"] for p in s.ask("status")["programs"]
               if p["name"] == "metrics"], [0])


main([
    metrics_say_what_sluicectl_says,
    context_is_told_by_source,
    promtool_finds_nothing_to_say,
    a_prometheus_reads_them,
    the_alert_rules_alert,
    rules_and_dashboard_ask_for_what_there_is,
    ready_says_who_does_not_run,
    health_does_not_wait_for_sluiced,
    it_is_nobody,
    it_may_only_ask,
    it_does_not_outlive_sluiced,
    a_cap_bounds_the_series,
    a_reload_moves_and_ends_it,
    who_misbehaves_hurts_nobody_else,
])
