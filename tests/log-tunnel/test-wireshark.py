#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks docs/wireshark/sluice.lua: tshark shows of the golden captures what
the proxy's own decoder makes of them (tests/golden/*.expected)."""
import os
import re
import runpy
import shutil
import struct
import subprocess
import sys
import tempfile
from uuid import UUID

SOURCE = os.environ.get("srcdir", ".")
GOLDEN = SOURCE + "/tests/golden"
SCRIPT = SOURCE + "/docs/wireshark/sluice.lua"
CAPTURES = runpy.run_path(GOLDEN + "/make-captures")

# Field of ours for each option, to compare with lib/tlv.def.
FIELDS = {
    "META": ["sluice.meta.version", "sluice.meta.flags", "sluice.meta.port"],
    "VM": ["sluice.vm"],
    "TENANT": ["sluice.tenant"],
    "TIME": ["sluice.time"],
    "SEQUENCE": ["sluice.seq.epoch", "sluice.seq.number"],
    "ACTIVITY": ["sluice.activity"],
    "AUTH": ["sluice.auth"],
    "OWNER": ["sluice.owner.pid", "sluice.owner.uid"],
    "SPLIT": ["sluice.split.id", "sluice.split.index", "sluice.split.count"],
    "NAME": ["sluice.name"],
}


def equal(got, expected):
    if got != expected:
        raise AssertionError(f"got {got!r}, expected {expected!r}")


def tshark(capture, fields, *options):
    """Returns a tuple of values, "" where there is none, for each packet."""
    args = ["tshark", "-X", "lua_script:" + SCRIPT, "-r", capture, *options,
            "-T", "fields", "-E", "separator=|"]
    for field in fields:
        args += ["-e", field]
    result = subprocess.run(args, capture_output=True, text=True, check=True)
    if "Lua" in result.stderr or "sluice" in result.stderr:
        raise AssertionError(result.stderr)
    return [tuple(line.split("|")) for line in result.stdout.splitlines()]


def tshark_packets(packets, fields, *options):
    with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
        file.write(struct.pack("!IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        for packet in packets:
            file.write(struct.pack("!IIII", 0, 0, len(packet), len(packet))
                       + packet)
        file.flush()
        return tshark(file.name, fields, *options)


def expected_packets(name):
    """What test-captures prints: a text for each packet."""
    with open(f"{GOLDEN}/{name}.expected", encoding="utf-8") as file:
        return re.split(r"^\d+:", file.read(), flags=re.MULTILINE)[1:]


def fields_are_what_the_proxy_decodes():
    patterns = {
        "sluice.meta.port": r"port (\d+)",
        "sluice.vm": r", vm ([0-9a-f]+)",
        "sluice.time": r"^    time (\d+)",
        "sluice.seq.epoch": r"sequence 0x([0-9a-f]+):",
        "sluice.seq.number": r"sequence 0x[0-9a-f]+:(\d+)",
        "sluice.activity": r"activity ([0-9a-f]+)",
        "sluice.auth": r"auth ([0-9a-f]+)",
        "sluice.owner.pid": r"owner pid (\d+)",
        "sluice.owner.uid": r"owner pid \d+ uid (\d+)",
        "sluice.name": r'^    name "(.*)"',
    }
    shown = tshark(GOLDEN + "/full.pcap", [*patterns, "frame.time_epoch"])
    equal(len(shown), 11)
    seen = set()
    for values, text in zip(shown, expected_packets("full")):
        for (field, pattern), value in zip(patterns.items(), values):
            match = re.search(pattern, text, re.MULTILINE)
            expected = match[1] if match else ""
            if expected:
                seen.add(field)
            if field == "sluice.vm":
                value = UUID(value).hex if value else ""
            elif field == "sluice.seq.epoch" and expected:
                expected = str(int(expected, 16))
            elif field == "sluice.time" and expected:
                equal(value, "Nov 20, 2026 12:13:00.123456789 UTC")
                equal(expected, "1795176780123456789")
                continue
            elif field == "sluice.name":
                expected = expected.encode().decode(
                    "unicode_escape").encode("latin-1").decode()
            equal((field, value), (field, expected))
    equal(seen, set(patterns))


def flags_and_tenants_are_shown():
    shown = tshark(GOLDEN + "/full.pcap",
                   ["sluice.tenant", "sluice.meta.flags.trace",
                    "sluice.meta.flags.truncated", "sluice.unknown",
                    "sluice.drop"])
    equal(shown[:8], [("7", "0", "0", "", "")] * 8)
    # These have no TENANT, and the VNI says it.
    equal(shown[8], ("7", "0", "0", "", ""))
    equal(shown[9], ("7", "0", "1", "ff537f0100000000,ff537f00", ""))
    equal(shown[10], ("7", "1", "0", "", ""))


def parts_of_a_split_frame_are_shown():
    equal(tshark(GOLDEN + "/malformed-geneve.pcap",
                 ["sluice.split.id", "sluice.split.index",
                  "sluice.split.count"], "-Y", "sluice.split.id"),
          [("1", "0", "2")])
    equal(tshark(GOLDEN + "/parts.pcap",
                 ["sluice.split.id", "sluice.split.index",
                  "sluice.split.count", "sluice.seq.number"])[:6],
          [("1", "0", "3", "1"), ("1", "1", "3", "1"), ("1", "2", "3", "1"),
           ("2", "2", "3", "2"), ("2", "0", "3", "2"), ("2", "1", "3", "2")])
    equal(tshark(GOLDEN + "/parts.pcap", ["frame.number"], "-Y",
                 'sluice.drop == "split-malformed"'),
          [("21",), ("22",), ("23",)])


def drops_have_the_reason_that_the_proxy_gives():
    shown = tshark(GOLDEN + "/malformed-geneve.pcap", ["sluice.drop"])
    reasons = [text.strip().removeprefix("dropped: ")
               for text in expected_packets("malformed-geneve")]
    compared = set()
    for number, ((got,), expected) in enumerate(zip(shown, reasons), 1):
        # 1 and 3 have no header that we know, 9, 16 and 22 no option of our
        # class; whether the parts of a frame can be joined (18) a single
        # packet does not tell.
        if number in (1, 3, 9, 16, 18, 22):
            expected = ""
        equal((number, got), (number, expected))
        compared.add(got)
    equal(compared, {"", "geneve-truncated", "geneve-version",
                     "geneve-control", "geneve-protocol", "option-length",
                     "option-duplicate", "option-critical", "tenant-vni",
                     "tenant-unknown"})


def options_that_a_guest_sent_are_not_taken_for_ours():
    make, stamped, forged = (CAPTURES[name] for name in
                             ("outer", "stamped", "geneve"))
    inner = make(forged(b"", stamped(number=666, tenant=9), vni=9))
    equal(tshark_packets([make(forged(inner, stamped(number=5))),
                          make(forged(inner))],
                         ["sluice.tenant", "sluice.seq.number",
                          "geneve.vni"]),
          [("7", "5", "0x000007,0x000009"), ("", "", "0x000007,0x000009")])


def tunnels_of_others_are_left_alone():
    packet = CAPTURES["outer"](CAPTURES["geneve"](
        b"", CAPTURES["option"](0x80, bytes(4), opt_class=0x0102)))
    equal(tshark_packets([packet], ["sluice", "sluice.drop"]), [("", "")])


def another_option_class_can_be_set():
    packet = CAPTURES["outer"](CAPTURES["geneve"](
        b"", CAPTURES["option"](3, bytes((0, 0, 0, 7)), opt_class=0xFF54)))
    equal(tshark_packets([packet], ["sluice.tenant"]), [("",)])
    equal(tshark_packets([packet], ["sluice.tenant"], "-o",
                         "sluice.class:0xff54"), [("7",)])


def options_that_end_early_are_no_error_of_the_script():
    whole = CAPTURES["outer"](CAPTURES["geneve"](b"", CAPTURES["stamped"]()))
    packets = [whole[:size] for size in range(len(whole))]
    shown = tshark_packets(packets, ["frame.number", "_ws.lua.error"])
    equal([error for _, error in shown if error], [])
    equal(len(shown), len(whole))


def every_option_has_fields():
    with open(SOURCE + "/lib/tlv.def", encoding="utf-8") as file:
        rows = dict(re.findall(r"^SLUICE_TLV_OPTION\((\w+), (0x\w+), ",
                               file.read(), re.MULTILINE))
    with open(SCRIPT, encoding="utf-8") as file:
        text = file.read()
    equal({name: int(kind, 16) for name, kind in rows.items()},
          {name: int(kind, 16) for kind, name in
           re.findall(r'^    \[(0x\w+)\] = \{ name = "(\w+)"', text,
                      re.MULTILINE)})
    equal(set(rows), set(FIELDS))
    for fields in FIELDS.values():
        for field in fields:
            equal((field, f'"{field}"' in text), (field, True))


def main(tests):
    missing = None if shutil.which("tshark") else "tshark is not installed"
    if not missing and "with Lua" not in " ".join(subprocess.run(
            ["tshark", "--version"], capture_output=True, text=True,
            check=True).stdout.split()):
        missing = "tshark was built without Lua"
    if missing:
        print(f"1..0 # SKIP {missing}")
        return 0
    failures = 0
    print(f"1..{len(tests)}")
    for number, test in enumerate(tests, 1):
        name = test.__name__.replace("_", " ")
        try:
            test()
            print(f"ok {number} - {name}")
        except (AssertionError, OSError, ValueError,
                subprocess.CalledProcessError) as error:
            failures += 1
            print(f"not ok {number} - {name}")
            print("# " + str(error).replace("\n", "\n# "))
    return 1 if failures else 0


sys.exit(main([
    every_option_has_fields,
    fields_are_what_the_proxy_decodes,
    flags_and_tenants_are_shown,
    parts_of_a_split_frame_are_shown,
    drops_have_the_reason_that_the_proxy_gives,
    options_that_a_guest_sent_are_not_taken_for_ours,
    tunnels_of_others_are_left_alone,
    another_option_class_can_be_set,
    options_that_end_early_are_no_error_of_the_script,
]))
