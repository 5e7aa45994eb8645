# SPDX-License-Identifier: Apache-2.0
"""sluice-context against vCenter's simulator, through TLS: what it learns, how
soon, at what cost, and what a vCenter that is slow, broken or lying can do.

SLUICE_VMS: how many VMs the large vCenter has; 1000."""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from managers import (PASSWORD, Place, check, build_vcsim, value, wait_until,
                     why_no_vcsim)
from tap import Skip, run_tests

N_VMS = int(os.environ.get("SLUICE_VMS", "1000"))
VM = "DC0_C0_RP0_VM%d"


def has_macs(n):
    return lambda vms: len(vms) == n and all("macs" in v for v in vms.values())


def test_all_that_is_known_of_a_vm_is_in_the_snapshot(p):
    sim = p.sim()
    sim.tell("field %s owner shop  team" % (VM % 1))
    sim.tell("load %s 500" % (VM % 1))
    p.start()
    vms = p.wait_vms(lambda v: has_macs(4)(v)
                     and value(v[VM % 1], "cpu-percent"), "four VMs")
    vm = vms[VM % 1]
    instance, bios, host, mac = sim.tell("show " + VM % 1).split()
    check(vm["uuid"] == instance and vm["other-uuids"] == [bios]
          and vm["macs"] == [mac], "its keys: %s" % vm)
    got = {key: v[0] for key, v in vm["values"].items()}
    check(got.pop("host-memory-percent") and got.pop("host-cpu-percent"),
          "the host's load")
    check(got == {"guest-os": "otherGuest", "host": host,
                  "host-ip": "127.0.0.1", "cluster": "DC0_C0",
                  "resource-pool": "Resources", "folder": "/DC0/vm",
                  "power": "on", "tools": "not-running",
                  "cpu-percent": "25.0", "memory-percent": "25.0",
                  "attr-owner": "shop team"}, "its values: %s" % got)
    check(all(v[1:] == ("vsphere:vc1", False)
              for v in vm["values"].values()), "where from: %s" % vm)
    p.stop()
    check(PASSWORD not in p.log(), "the password is in the log")
    check(sim.calls("Logout") == 1, "it does not log out")


def test_tags_are_read_where_they_are_wanted(p):
    sim = p.sim()
    p.managers[0]["tags-interval-ms"] = "1000"
    p.start()
    wait_until(lambda: sim.calls("tag") >= 3, "that there are no tags")
    p.wait_no_problem()
    p.stop()
    before = sim.calls("session")
    del p.managers[0]["tags-interval-ms"]
    p.configure()
    sim.tell("tag %s Cost_Center eu west" % (VM % 0))
    for tag in ("two", "one"):
        sim.tell("tag %s Cost_Center %s" % (VM % 1, tag))
    sim.tell("tag %s env prod" % (VM % 1))
    p.log_read = len(p.log())
    p.start()
    p.wait_log("generation [0-9]+ with 4 VMs")     # Not the one from before.
    p.wait_vms(has_macs(4), "four VMs")
    check(sim.calls("session") == before, "tags were asked for")

    p.managers[0]["tags-interval-ms"] = "1000"
    p.configure()
    p.process.send_signal(1)

    def tags(vms, i):
        return {k: v[0] for k, v in vms[VM % i]["values"].items()
                if k.startswith("tag-")}

    p.wait_vms(lambda v: len(v) == 4 and tags(v, 1) == {
        "tag-Cost_Center": "one, two", "tag-env": "prod"}
        and tags(v, 0) == {"tag-Cost_Center": "eu"} and not tags(v, 2),
        "tags")
    sim.tell("untag %s Cost_Center one" % (VM % 1))
    sim.tell("tag %s env test" % (VM % 2))
    p.wait_vms(lambda v: tags(v, 1).get("tag-Cost_Center") == "two"
               and tags(v, 2) == {"tag-env": "test"}, "other tags")
    n = sim.calls("session") - before
    check(n == 1, "%d sessions" % n)

    # What goes wrong leaves what is known, and the rest of vCenter alone.
    sim.tell("fail tag-association 500")
    p.wait_problem("vsphere:vc1: tags: asking who has tags: .* 500")
    vms = p.vms()
    check(tags(vms, 2) == {"tag-env": "test"}, "they are gone: %s" % vms)
    sim.tell("rename %s web" % (VM % 3))
    p.wait_vms(lambda v: "web" in v, "that vCenter is heard of")
    sim.tell("reset")
    p.wait_no_problem()
    p.stop()
    check(PASSWORD not in p.log(), "the password is in the log")


def test_averages_are_read_where_they_are_wanted(p):
    sim = p.sim("-vms", "120")
    p.start()
    p.wait_vms(has_macs(120), "all VMs")
    check(sim.calls("QueryPerf") == 0, "averages were asked for")
    sim.tell("power %s off" % (VM % 3))
    p.managers[0]["average-interval-ms"] = "1000"
    p.configure()
    p.process.send_signal(1)
    keys = ("cpu-average-percent", "memory-average-percent",
            "host-cpu-average-percent", "host-memory-average-percent")

    def has_averages(vms, i, wanted=keys):
        values = vms[VM % i]["values"]
        return all((key in values) == (key in wanted) for key in keys)

    vms = p.wait_vms(lambda v: len(v) == 120 and has_averages(v, 3, keys[2:])
                     and all(has_averages(v, i) for i in range(120)
                             if i != 3), "averages")
    check(all(0 <= float(v["values"][key][0]) <= 100 for v in vms.values()
              for key in keys if key in v["values"]), "they are percentages")
    n = sim.calls("QueryPerf")
    wait_until(lambda: sim.calls("QueryPerf") >= n + 4, "another reading")
    sim.tell("fail QueryPerf 503")
    p.wait_problem("vsphere:vc1: asking for properties: .* 503")
    sim.tell("rename %s web" % (VM % 0))
    p.wait_vms(lambda v: "web" in v, "that vCenter is heard of")
    sim.tell("reset")
    p.wait_no_problem()
    check(sim.calls("Login") == 2, "one login of each configuration")


def test_answers_in_pages_are_one_inventory(p):
    sim = p.sim("-vms", "20")
    sim.tell("page 3")
    p.start()
    p.wait_vms(has_macs(20), "all VMs with their MACs")
    check(sim.calls("WaitForUpdatesEx") >= 8
          and sim.calls("ContinueRetrievePropertiesEx") >= 6, "pages")
    check("generation 1 with 20 VMs" in p.log(), "only the whole is taken")
    check(sim.calls("Login") == 1, "one login")


def test_a_change_of_the_configuration_keeps_the_others_session(p):
    sim = p.sim()
    p.start()
    p.wait_vms(has_macs(4), "four VMs")
    p.static = p.path("vms.yaml")
    p.write("vms.yaml", 'vms: [ { macs: [ "52:54:00:00:00:01" ], '
            'name: s1 } ]\n')
    p.configure()
    p.process.send_signal(1)
    vms = p.wait_vms(lambda v: len(v) == 5, "the static VM, too")
    check(not any("context-stale" in v["values"] for v in vms.values()),
          "nothing is stale")
    check(sim.calls("Login") == 1, "it logged in again")
    p.managers = []
    p.configure()
    p.process.send_signal(1)
    p.wait_vms(lambda v: list(v) == ["s1"], "the static VM alone")
    check(sim.calls("Logout") == 1, "it does not log out")


def test_changes_are_seen_soon_and_with_one_login(p):
    sim = p.sim()
    p.start()
    p.wait_vms(has_macs(4), "four VMs")
    slowest = 0.0

    def change(command, condition):
        nonlocal slowest
        sim.tell(command)
        began = time.monotonic()
        p.wait_vms(condition, command)
        slowest = max(slowest, time.monotonic() - began)

    for i in range(2):
        host = "DC0_C0_H%d" % i
        name = "web-%d" % i
        change("rename %s %s" % ("web-0" if i else VM % 0, name),
               lambda v: name in v)
        change("move %s %s" % (name, host),
               lambda v: value(v[name], "host") == host)
    change("power web-1 off", lambda v: value(v["web-1"], "power") == "off")
    change("add new-1", lambda v: "new-1" in v)
    change("mac web-1 00:50:56:09:09:09",
           lambda v: v["web-1"].get("macs") == ["00:50:56:09:09:09"])
    change("remove new-1", lambda v: "new-1" not in v)
    print("# the slowest change was seen after %.2f s" % slowest)
    check(sim.calls("Login") == 1, "%d logins" % sim.calls("Login"))
    check(sim.calls("RetrieveServiceContent") == 1, "one session")


def test_a_lost_session_is_renewed_and_nothing_forgotten(p):
    sim = p.sim()
    p.start()
    p.wait_vms(has_macs(4), "four VMs")
    # Soon after a login there is a back-off, else none.
    for i, pattern in enumerate(["it ended our session soon after the login",
                                 "it ended our session; logging in again"]):
        sim.tell("lose")
        sim.tell("rename %s a%d" % ("a0" if i else VM % 0, i))
        vms = p.wait_vms(lambda v: "a%d" % i in v and has_macs(4)(v),
                         "a VM renamed")
        p.wait_log(pattern)
        wait_until(lambda: sim.calls("Login") == i + 2, "login %d" % (i + 2))
        p.wait_no_problem()
        check(not any(v["values"].get("context-stale") for v in vms.values()),
              "nothing is stale")
        since = time.monotonic()
        if not i:
            wait_until(lambda: time.monotonic() - since > 10.5, "a while")


def test_a_vcenter_that_floods_is_asked_slowly(p):
    sim = p.sim()
    p.start()
    p.wait_vms(has_macs(4), "four VMs")
    sim.tell("flood")
    sim.tell("rename %s a" % (VM % 0))
    n = sim.calls("WaitForUpdatesEx")
    began = time.monotonic()
    wait_until(lambda: sim.calls("WaitForUpdatesEx") >= n + 11, "eleven calls")
    took_s = time.monotonic() - began
    check(took_s >= 0.9, "ten calls within %.2f s" % took_s)


def test_broken_answers_are_named_and_change_nothing(p):
    sim = p.sim()
    p.start()
    p.wait_vms(has_macs(4), "four VMs")
    for i, (how, pattern) in enumerate([
            ("cut", "the request failed"),
            ("text", "not well-formed|no SOAP"),
            ("entity", "document type"),
            ("deep", "deep"),
            ("long", "larger than|not well-formed"),
            ("huge", "larger than|not well-formed"),
            ("empty", "not well-formed|no SOAP")]):
        sim.tell("break 1 " + how)
        sim.tell("rename %s x-%d" % (VM % 0 if not i else "x-%d" % (i - 1),
                                     i))
        line = p.wait_log(pattern)
        check("|vsphere:vc1: waiting for changes: " in line
              and "\x1b" not in line, "the problem is named: " + line)
        check(len(p.vms()) == 4, "the old snapshot stays")
        # No need to wait out the back-off.
        p.process.send_signal(1)
        p.wait_vms(lambda v: "x-%d" % i in v and len(v) == 4, "it recovers")
        p.wait_no_problem()
    rss = int(open("/proc/%d/statm" % p.process.pid).read().split()[1])
    check(rss * os.sysconf("SC_PAGESIZE") < 400 << 20
          or os.environ.get("SLUICE_SANITIZERS"), "memory: %d pages" % rss)


def test_a_slow_or_failing_vcenter_holds_up_nothing_else(p):
    sim = p.sim()
    p.static = p.path("vms.yaml")
    p.write("vms.yaml", 'vms: [ { macs: [ "52:54:00:00:00:01" ], '
            'name: s1 } ]\n')
    sim.tell("delay Login 3600000")
    p.start()
    p.wait_vms(lambda v: list(v) == ["s1"], "the static VM")
    p.write("vms.yaml", 'vms: [ { macs: [ "52:54:00:00:00:01" ], '
            'name: s2 } ]\n')
    p.wait_vms(lambda v: list(v) == ["s2"], "the changed static VM")
    p.stop()

    sim.tell("reset")
    sim.tell("status 2 503")
    p.start()
    p.wait_log("HTTP status 503")
    p.wait_vms(lambda v: len(v) == 5 and "s2" in v, "all, in the end")
    p.wait_no_problem()


# A DNS server that never answers, while the process lives that it belongs to.
DEAF = """
import os, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
s.settimeout(1)
while os.getppid() == int(sys.argv[2]):
    try:
        s.recv(1500)
        open(sys.argv[1], "w").close()
    except TimeoutError:
        pass
"""


def test_a_deaf_dns_server_holds_up_nothing(p):
    alone = ["unshare", "--map-root-user", "--net", "--mount", "sh", "-ec"]
    p.write("resolv.conf", "nameserver 127.0.0.1\n"
            "options timeout:30 attempts:5\n")
    p.write("deaf.py", DEAF)
    p.wrapper = alone + ["""
        mount --bind "$0/resolv.conf" /etc/resolv.conf
        ip link set lo up
        python3 "$0/deaf.py" "$0/asked" $$ </dev/null >/dev/null 2>&1 &
        exec "$@" """, p.dir]
    if subprocess.run(p.wrapper[:-2] + ["ip link set lo up"],
                      capture_output=True).returncode:
        raise Skip("there may be no namespaces")
    p.managers = [{"name": "vc1", "kind": "vsphere",
                   "server": "vcenter.example:443",
                   "credentials-file": p.credentials}]
    p.start()
    wait_until(lambda: os.path.exists(p.path("asked")), "a DNS query")
    # The name is being looked up, for two and a half minutes.
    p.stop()


def test_what_could_not_be_asked_is_asked_again(p):
    sim = p.sim()
    p.start()
    p.wait_vms(has_macs(4), "four VMs")
    sim.tell("fail RetrievePropertiesEx 503")
    sim.tell("mac %s 00:50:56:09:09:09" % (VM % 1))
    p.wait_problem("asking for properties: .* status 503")
    sim.tell("rename %s a" % (VM % 0))
    p.wait_vms(lambda v: "a" in v, "other changes")
    check("asking for properties" in p.status()["problem"],
          "there still is a problem")
    sim.tell("reset")
    # No need to wait out the back-off.
    p.process.send_signal(1)
    p.wait_vms(lambda v: v[VM % 1].get("macs") == ["00:50:56:09:09:09"],
               "the new MAC")
    p.wait_no_problem()
    check(sim.calls("Login") == 1, "it logged in again")


def test_who_is_not_let_in_says_why_and_not_with_what(p):
    sim = p.sim()
    p.write("credentials", "reader\nwrong-secret\n", 0o600)
    p.start()
    p.wait_problem("logging in: it refused: InvalidLogin")
    check(sim.calls("Login") == 1, "it does not try and try")
    p.stop()
    check("wrong-secret" not in p.log() + str(p.status()), "a secret is out")

    p.write("credentials", "reader\n" + PASSWORD + "\n", 0o644)
    p.start()
    p.wait_problem("others than its owner have access to it")
    p.stop()
    p.write("credentials", "reader\n" + PASSWORD + "\n", 0o600)
    p.start()
    p.wait_vms(lambda v: len(v) == 4, "four VMs")
    p.stop()
    check(PASSWORD not in p.log() + str(p.status()), "a password is out")


def test_a_password_that_comes_back_is_not_told(p):
    sim = p.sim()
    secret = "Secret-Word-7"
    p.write("credentials", "reader\n%s\n" % secret, 0o600)
    for how, pattern in [("text", "it refused: InvalidLogin; trying again"),
                         ("name", "it refused, with a fault"),
                         ("tag", "the reply is refused: it is none")]:
        sim.tell("echo " + how)
        p.start()
        p.wait_problem("logging in: " + pattern)
        with open(p.snapshot + ".status", encoding="utf-8") as f:
            check(secret not in f.read(), "the status says it: " + how)
        p.stop()
        os.unlink(p.snapshot + ".status")
        check(secret not in p.log(), "the log says it: " + how)


def fingerprint(pem):
    import base64
    import hashlib
    with open(pem, encoding="ascii") as f:
        text = "".join(f.read().splitlines()[1:-1])
    return hashlib.sha256(base64.b64decode(text)).hexdigest()


def test_a_certificate_that_is_not_trusted_gets_no_password(p):
    sim = p.sim()
    p.sim()
    manager, other = p.managers
    p.managers = [manager]
    ca = manager["ca-file"]
    for change, pattern in [
            ({"ca-file": other["ca-file"]}, "certificate"),
            ({"ca-file": None}, "certificate"),
            ({"ca-file": None,
              "certificate-sha256": fingerprint(other["ca-file"])},
             "certificate"),
            ({"certificate-sha256": fingerprint(other["ca-file"])},
             "certificate"),
            ({"ca-file": other["ca-file"],
              "certificate-sha256": fingerprint(ca)}, "certificate"),
            # The certificate is for 127.0.0.1.
            ({"server": sim.server.replace("127.0.0.1", "localhost")},
             "subject name|certificate")]:
        p.managers = [{k: v for k, v in {**manager, **change}.items() if v}]
        p.start()
        p.wait_problem(pattern)
        p.stop()
        os.unlink(p.snapshot + ".status")
    check(sim.calls("Login") == 0, "it was told a password")

    pinned = {k: v for k, v in manager.items() if k != "ca-file"}
    p.managers = [{**pinned, "certificate-sha256": fingerprint(ca)}]
    p.start()
    p.wait_vms(lambda v: len(v) == 4, "four VMs")


def test_a_restart_without_vcenter_keeps_what_was_known(p):
    sim = p.sim()
    p.static = p.path("vms.yaml")
    p.write("vms.yaml", "vms: []\n")
    sim.tell("load %s 500" % (VM % 1))
    p.start()
    p.wait_vms(lambda v: has_macs(4)(v)
               and value(v[VM % 1], "cpu-percent"), "four VMs")
    p.stop()
    sim.close()
    uuid = p.vms()[VM % 1]["uuid"]
    p.write("vms.yaml", "vms: [ { uuid: %s, name: mine, tenant: 7 } ]\n"
            % uuid)
    p.start()
    p.wait_problem("the request failed")
    vms = p.wait_vms(lambda v: len(v) == 4 and "mine" in v, "four VMs")
    vm = vms["mine"]
    check(vm["tenant"] == "7", "the operator's tenant")
    check(vm["values"]["power"] == ("on", "vsphere:vc1", True),
          "what is stale is marked: %s" % vm)
    check(value(vm, "context-stale") == "vsphere:vc1", "and said: %s" % vm)
    check(value(vm, "cpu-percent") is None, "old measurements are gone")


def test_a_bios_uuid_of_two_vms_is_no_key_of_either(p):
    sim = p.sim()
    uuid = "564d0000-0000-4000-8000-000000000001"
    sim.tell("bios %s %s" % (VM % 0, uuid))
    p.start()
    vms = p.wait_vms(has_macs(4), "four VMs")
    wait_until(lambda: p.status().get("ambiguous-uuids") == "0",
               "none at first")
    sim.tell("bios %s %s" % (VM % 1, uuid))
    wait_until(lambda: p.status()["ambiguous-uuids"] == "1", "the alarm")
    vms = p.wait_vms(lambda v: len(v) == 4, "four VMs")
    check(vms[VM % 0]["uuid"] != uuid and vms[VM % 1]["uuid"] != uuid,
          "their own UUIDs are their keys")
    check(uuid in vms[VM % 0]["other-uuids"], "it is said all the same")
    check("ambiguous-uuids: 1" in p.log(), "it is logged")


def test_two_vcenters_that_claim_one_vm_are_an_alarm(p):
    # The simulator numbers its VMs alike, wherever it runs: both have the same
    # four.
    p.sim()
    p.sim()
    p.start()
    wait_until(lambda: p.status().get("ambiguous-uuids") == "8", "the alarm")
    check(p.status()["keyless-vms"] == "8", "neither has them")
    check("ambiguous-uuids: 8" in p.log(), "it is logged")


def test_names_that_lie_are_made_harmless(p):
    sim = p.sim()
    long_name = b"x" * 1000000
    sim.tell("say %s %s" % (VM % 0, long_name.hex()))
    sim.tell("say %s %s" % (VM % 1, "a\u202eb\tc]\"\n\u009bd%2fe".encode()
                            .hex()))
    sim.tell("loop")
    p.start()
    vms = p.wait_vms(lambda v: len(v) == 4, "four VMs")
    check("x" * 255 in vms, "a long name is cut: %s" % sorted(vms))
    odd = [name for name in vms if name.startswith("a")]
    check(odd and odd[0].startswith("a?") and "\t" not in odd[0]
          and "\u202e" not in odd[0] and odd[0].endswith("d/e"),
          "an odd name: %s" % odd)
    folder = value(vms[VM % 2], "folder")
    check(folder and len(folder) <= 512, "folders in a circle end")


def test_a_large_inventory_is_there_soon(p):
    sim = p.sim("-vms", str(N_VMS), "-hosts", "50")
    p.start()
    wait_until(lambda: p.status().get("vms") == str(N_VMS), "all VMs",
               seconds=120)
    cpu_s = p.cpu_s()
    print("# %d VMs after %.2f s of CPU" % (N_VMS, cpu_s))
    if not os.environ.get("SLUICE_SANITIZERS"):
        check(cpu_s < 10, "it took %.2f s of CPU" % cpu_s)
    p.wait_vms(has_macs(N_VMS), "all MACs")
    print("# and with their MACs after %.2f s" % p.cpu_s())
    check(sim.calls("Login") == 1, "one login")


def main():
    why = why_no_vcsim()
    if why:
        print("1..0 # SKIP %s" % why)
        return 0
    build_vcsim()
    tests = [v for k, v in globals().items() if k.startswith("test_")]
    wanted = sys.argv[1:]
    return run_tests([t for t in tests if not wanted or t.__name__ in wanted],
                     Place, ("context.log",))


sys.exit(main())
