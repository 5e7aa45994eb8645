# SPDX-License-Identifier: Apache-2.0
"""sluicectl context get, stats, refresh and diff, of a real proxy with a
static file.  Speaks TAP."""

import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.environ["srcdir"], "tests", "control"))
from harness import BUILD, Sluiced, equal, main, wait_for

UUID = "11111111-2222-4333-8444-%012d"


def vm(i, name, **values):
    return {"uuid": UUID % i, "macs": ["52:54:00:00:00:%02x" % i],
            "name": name, **({"values": values} if values else {})}


class Proxy(Sluiced):
    def __init__(self, *vms):
        super().__init__(programs=())
        self.libexec = BUILD + "/proxy-vm"
        self.file = self.dir + "/vms.yaml"
        self.know(*vms)
        self.write_config(extra=f"context:\n  static-file: {self.file}\n")
        self.start()
        self.wait_vms(len(vms))

    def know(self, *vms):
        self.write(self.file + ".new", json.dumps({"vms": vms}))
        os.rename(self.file + ".new", self.file)

    def context(self, *args):
        result = self.ctl("--json", "context", *args)
        equal(result.stderr, "")
        return json.loads(result.stdout)

    def stats(self):
        return self.context("stats")

    def wait_vms(self, n):
        wait_for(f"{n} VMs", lambda: [s for s in self.stats().get(
            "snapshots", ()) if s["vms"] == n])

    def wait_diff(self, *args):
        return wait_for("a change",
                        lambda: self.context("diff", *args)["context"])


def facts(found, field="value"):
    return {f["key"]: f[field] for f in found["facts"]}


def a_vm_is_got_by_each_of_its_keys():
    with Proxy(vm(1, "web", team="shop", rack="h1"), vm(2, "db")) as p:
        for key in (UUID % 1, "52:54:00:00:00:01", "web"):
            (found,) = p.context("get", key)["context"]
            equal((found["name"], facts(found)),
                  ("web", {"team": "shop", "rack": "h1"}))
            equal({(k["kind"], k["key"]) for k in found["keys"]},
                  {("uuid", UUID % 1), ("mac", "52:54:00:00:00:01")})
        text = p.ctl("context", "get", "web").stdout
        for part in ("web\n", "uuid " + UUID % 1, "mac 52:54:00:00:00:01",
                     "team", "shop", "static"):
            assert part in text, text


def what_is_not_known_has_a_sentence():
    with Proxy(vm(1, "web")) as p:
        for args, status, text in (
                (("get", "other"), 1, "no such VM is known; give a UUID"),
                (("get", UUID % 9), 1, "no such VM is known."),
                (("get", "web", "--at", "yesterday"), 2, "is not a time"),
                (("get",), 2, "give one VM"),
                (("stats", "web"), 2, "it takes nothing else"),
                (("stats", "--at", "10m"), 2, "--at: it is for context get, not "
                 "for context stats"),
                (("explode",), 2, "there is no command")):
            result = p.ctl("context", *args)
            equal((result.returncode, text in result.stderr), (status, True))


def it_is_known_what_was_earlier():
    with Proxy(vm(1, "web", rack="h1"), vm(2, "db")) as p:
        before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        p.know(vm(1, "web-2", rack="h2"))
        wait_for("another rack", lambda: p.ctl(
            "context", "get", "web-2").returncode == 0)
        (found,) = p.context("get", "web-2")["context"]
        equal((facts(found), found["until_ns"], found["from_ns"] > 0),
              ({"rack": "h2"}, 0, True))
        (found,) = p.context("get", UUID % 1, "--at", before)["context"]
        equal((found["name"], facts(found), found["until_ns"] > 0),
              ("web", {"rack": "h1"}, True))
        # By its name of now, too; and what is gone.
        (found,) = p.context("get", "web-2", "--at", before)["context"]
        equal(found["name"], "web")
        (found,) = p.context("get", UUID % 2, "--at", "1h")["context"]
        equal(found["name"], "db")
        equal(p.ctl("context", "get", UUID % 2).returncode, 1)


def changes_are_listed():
    with Proxy(vm(1, "web", rack="h1", team="a"), vm(2, "db"),
               vm(3, "same", rack="h3")) as p:
        assert "Nothing changed." in p.ctl("context", "diff").stdout
        p.know(vm(1, "www", rack="h2"), vm(3, "same", rack="h3"),
               vm(4, "new", rack="h4"))
        changes = {v["name"]: v for v in p.wait_diff()}
        equal({n: v["change"] for n, v in changes.items()},
              {"www": "changed", "db": "gone", "new": "new"})
        equal(facts(changes["www"]), {"rack": "h2", "team": "",
                                      "name": "www"})
        equal(facts(changes["www"], "before"),
              {"rack": "h1", "team": "a", "name": "web"})
        # Since an hour, all but what is new.
        changes = {v["name"]: v for v in p.wait_diff("--since", "1h")}
        equal({n: v["change"] for n, v in changes.items()},
              {"www": "changed", "db": "gone"})
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ",
                            time.gmtime(time.time() + 1))
        equal(p.context("diff", "--since", now)["context"], [])
        # What is published again without a change is none.
        n = p.stats()["snapshots"][0]["generation"]
        equal(p.ctl("context", "refresh").returncode, 0)
        wait_for("another generation",
                 lambda: p.stats()["snapshots"][0]["generation"] > n)
        equal(len(p.context("diff")["context"]), 3)


def stats_tell_of_sources_and_look_ups():
    with Proxy(vm(1, "web", rack="h1", team="a"), vm(2, "db")) as p:
        # The status is written behind the snapshot.
        wait_for("the status", lambda: [s for s in p.stats()["sources"]
                                        if s["state"] == "current"])
        stats = p.stats()
        (source,) = stats["sources"]
        equal({k: source[k] for k in ("name", "state", "problem", "vms",
                                      "values", "stale_values")},
              {"name": "static", "state": "current", "problem": "", "vms": 2,
               "values": 2, "stale_values": 0})
        wait_for("when it was heard of",
                 lambda: p.stats()["sources"][0]["heard_ns"])
        assert source["oldest_ns"]
        names = {c["name"] for c in stats["counters"]}
        assert {"context-hit-vm", "context-hit-mac", "context-miss"} <= names
        p.write(p.file, "no yaml: [")
        wait_for("a problem", lambda: p.stats()["sources"][0]["problem"])
        text = p.ctl("context", "stats").stdout
        assert "vms.yaml" in text and "static" in text, text


def refreshing_needs_somebody_to_ask():
    with Proxy(vm(1, "web")) as p:
        pid = p.program("context")["pid"]
        equal(p.ctl("context", "refresh").returncode, 0)
        equal(p.program("context")["pid"], pid)


if __name__ == "__main__":
    sys.exit(main([
        a_vm_is_got_by_each_of_its_keys,
        what_is_not_known_has_a_sentence,
        it_is_known_what_was_earlier,
        changes_are_listed,
        stats_tell_of_sources_and_look_ups,
        refreshing_needs_somebody_to_ask,
    ]))
