#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# docs/examples/sluice-control.py speaks every verb of the control socket, and
# docs/control.md has all of them.
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile

from harness import SOURCE, equal, main, wait_for
from traffic import Server, packet, with_server

CLIENT = SOURCE + "/docs/examples/sluice-control.py"
PYTHON = "/usr/bin/python3"     # Which has the distribution's protobuf.


class Client:
    def __init__(self, s):
        self.socket = s.socket
        self.dir = tempfile.mkdtemp(prefix="sluice-test.")
        subprocess.run(["protoc", "--python_out=" + self.dir,
                        f"--proto_path={SOURCE}/proto", "control.proto"],
                       check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir)

    def run(self, *args, script=(CLIENT,)):
        return subprocess.run(
            [PYTHON, "-B", *script, *args], capture_output=True, text=True,
            check=False, env={**os.environ, "PYTHONPATH": self.dir + ":"
                              + os.path.dirname(CLIENT)})

    def ask(self, *args):
        done = self.run("--socket", self.socket, *args)
        equal((args, done.returncode, done.stderr), (args, 0, ""))
        return json.loads(done.stdout)

    def refusal(self, *args):
        done = self.run("--socket", self.socket, *args)
        equal((args, done.returncode, done.stdout), (args, 1, ""))
        return done.stderr


def verbs():
    """The names in enum Verb, but for the one that is none."""
    with open(SOURCE + "/proto/control.proto", encoding="ascii") as file:
        enum = re.search(r"enum Verb \{(.*?)\n\}", file.read(), re.S)[1]
    return re.findall(r"^  ([A-Z_]+) = [1-9]", enum, re.M)


def why_not():
    if subprocess.run([PYTHON, "-c", "import google.protobuf"], check=False,
                      capture_output=True).returncode:
        return "there is no python3-protobuf"
    return "" if shutil.which("protoc") else "there is no protoc"


def the_document_has_every_verb():
    with open(SOURCE + "/docs/control.md", encoding="utf-8") as file:
        text = file.read()
    equal(sorted(re.findall(r"^\| `([A-Z_]+)` \|", text, re.M)),
          sorted(verbs()))


def send_one(s):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(packet(1), ("127.0.0.1", s.port))
    wait_for("a batch", lambda: s.ask("spool")["spool"]
             and s.ask("spool")["spool"][0]["batches"])


def export(client, batch, path):
    """Has the module get the batch's file."""
    done = client.run(script=("-c", f"""
import importlib.util, control_pb2
spec = importlib.util.spec_from_file_location("client", {CLIENT!r})
client = importlib.util.module_from_spec(spec)
spec.loader.exec_module(client)
sluiced = client.Sluiced({client.socket!r})
query = control_pb2.SpoolQuery(**{batch!r})
with open({path!r}, "wb") as file:
    file.write(sluiced.export(query))
"""))
    equal((done.returncode, done.stderr), (0, ""))


def every_verb_is_answered():
    if why_not():
        return why_not()
    server = Server()
    with with_server(server) as s, Client(s) as client:
        # Nobody takes the line.
        s.write(s.config, s.read(s.config).replace(
            f"127.0.0.1:{server.port}", "127.0.0.1:9"))
        s.start()
        send_one(s)
        asked = set()

        def ask(verb, *fields):
            asked.add(verb)
            return client.ask(verb, *fields)

        def refusal(verb, *fields):
            asked.add(verb)
            return client.refusal(verb, *fields)

        status = ask("STATUS")["status"]
        equal(status["configuration"], s.config)
        equal([program["name"] for program in status["programs"]],
              [program["name"] for program in s.ask("status")["programs"]])
        tenants = ask("TENANTS")
        equal((tenants["tenants"][0]["id"], tenants["tenants"][0]["name"]),
              (7, "tenant-7"))
        equal(len(tenants["destinations"]), 1)
        equal(ask("VMS")["vms"][0]["received"], "1")
        equal(len(ask("COUNTERS")["counters"]),
              len(s.ask("counters")["counters"]))
        equal(ask("SPOOL")["spool"][0]["lines"], "1")
        equal(ask("RULES"), {})
        equal(ask("LEDGER")["ledger"][0]["received"], "1")
        equal(ask("DRAIN")["ledger"][0]["received"], "1")
        equal(ask("RELOAD")["status"]["configuration"], s.config)

        (batch,) = ask("SPOOL_LIST", "tenant=7")["batches"]
        # What is 0 is left out.
        query = {"tenant": 7, "queue": batch["queue"],
                 "generation": int(batch.get("generation", 0)),
                 "number": int(batch.get("number", 0))}
        name = [f"{key}={value}" for key, value in query.items()]
        equal(ask("SPOOL_LIST", "quarantined=true"), {})
        equal(ask("SPOOL_SHOW", *name)["batches"][0]["lines"], "1")
        equal(ask("SPOOL_EXPORT", *name)["batches"][0]["bytes"],
              batch["bytes"])
        export(client, query, s.dir + "/exported")
        equal(s.read_bytes(s.dir + "/exported"),
              s.read_bytes(f"{s.dir}/deep/spool/7/{batch['queue']}/"
                           + batch["name"].rpartition("/")[2]))
        for verb in ("SPOOL_REPLAY", "SPOOL_DROP"):
            # Until its shipper has let go of the queue.
            wait_for(verb, lambda verb=verb: not client.run(
                "--socket", s.socket, verb, *name).returncode)
            asked.add(verb)
        assert "there is no batch" in refusal("SPOOL_SHOW", *name)
        # What tells of the drop may be there by now.
        left = ask("SPOOL_LIST").get("batches", [])
        assert batch["name"] not in [b["name"] for b in left], left

        wait_for("a snapshot", lambda: client.ask("CONTEXT_STATS").get(
            "snapshots"))
        asked.add("CONTEXT_STATS")
        assert "vm-1" in refusal("CONTEXT_GET", "vm=vm-1")
        equal(ask("CONTEXT_DIFF"), {})
        equal(ask("CONTEXT_REFRESH"), {})
        equal(sorted(asked), sorted(verbs()))
        equal(s.stop(), 0)
    return None


main([
    the_document_has_every_verb,
    every_verb_is_answered,
])
