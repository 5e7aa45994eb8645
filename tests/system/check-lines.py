#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Judges what a tenant's log server wrote, by what its VMs sent.
#
#     check-lines.py WHAT --tenant N [OPTION...] RECEIVED
#
# WHAT is well-formed, complete, enriched or redacted, see the functions of
# that name.  In: lines.tsv, the table of VMs from topology.sh, the log server's
# file.  Out: a sentence for each fault, and exit status 1 if there is one.
# Runs in: tests/system/test-*.sh.
import argparse
import collections
import re
import sys

SD_ID = "sluice@32473"

# RFC 5424 section 6, to the letter.
NAME = r'[!#-<>-\\^-~]{1,32}'
VALUE = r'(?:[^"\\\]]|\\["\\\]])*'
PARAM = rf'({NAME})="({VALUE})"'
ELEMENT = rf'\[({NAME})((?: {NAME}="{VALUE}")*)\]'
MESSAGE = re.compile(
    r'<(0|[1-9][0-9]{0,2})>1 '
    r'(-|[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])'
    r'T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?'
    r'(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])) '
    r'([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) '
    rf'(-|(?:{ELEMENT})+)(?: (.*))?')
MARK = r'<redacted:[a-z0-9-]+>'

Message = collections.namedtuple(
    "Message", "pri time hostname app procid msgid elements msg raw")
Vm = collections.namedtuple(
    "Vm", "name tenant vlan mac ip ip6 uuid claimed proven owner")


class Fault(Exception):
    pass


def parse(raw):
    """Returns the Message in 'raw', bytes, or raises Fault."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Fault(f"not UTF-8: {error}: {raw!r}") from error
    match = MESSAGE.fullmatch(text)
    if not match:
        raise Fault(f"not RFC 5424: {text}")
    pri, time, hostname, app, procid, msgid, sd = match.groups()[:7]
    if int(pri) > 191:
        raise Fault(f"PRI {pri} is larger than 191: {text}")
    elements = {}
    for sd_id, params in re.findall(ELEMENT, sd) if sd != "-" else []:
        if sd_id in elements:
            raise Fault(f"SD-ID {sd_id} stands twice: {text}")
        elements[sd_id] = [(name, re.sub(r'\\(["\\\]])', r'\1', value))
                           for name, value in re.findall(PARAM, params)]
    return Message(int(pri), time, hostname, app, procid, msgid, elements,
                   match.groups()[-1] or "", text)


def ours(message):
    """Returns the parameters of our element."""
    if SD_ID not in message.elements:
        raise Fault(f"no element {SD_ID}: {message.raw}")
    params = message.elements[SD_ID]
    names = [name for name, _ in params]
    for name in names:
        if names.count(name) > 1:
            raise Fault(f"{name} stands twice: {message.raw}")
    return dict(params)


class Case:
    """What was sent and what came."""

    def __init__(self, args):
        self.args = args
        self.vms = {}
        with open(args.vms, encoding="utf-8") as file:
            for row in file:
                vm = Vm(*row.split())
                self.vms[vm.name] = vm
        self.sent = {}          # Id of the line: (Vm, how, text).
        with open(args.lines, encoding="utf-8") as file:
            for row in file:
                if row.startswith("#"):
                    continue
                vm, how, text = row.rstrip("\n").split("\t")
                line = re.search(r'line=(\S+)$', text).group(1)
                if self.vms[vm].tenant == str(args.tenant):
                    self.sent[line] = (self.vms[vm], how, text)
        with open(args.received, "rb") as file:
            self.raw = file.read().splitlines()

    def messages(self):
        """Yields each message that came, with the line it is a copy of."""
        for raw in self.raw:
            message = parse(raw)
            found = re.search(r'line=(vm\S+)$', message.msg)
            yield message, self.sent.get(found.group(1) if found else None)


def well_formed(case):
    """Every message is RFC 5424, with our element once."""
    for raw in case.raw:
        ours(parse(raw))


def complete(case):
    """Each line that this tenant's VMs sent came as often as it was sent, and
    nothing else did: no line of another tenant."""
    came = collections.Counter()
    for message, sent in case.messages():
        if not sent:
            raise Fault(f"not a line of this tenant: {message.raw}")
        came[re.search(r'line=(\S+)$', message.msg).group(1)] += 1
    for line in case.sent:
        if came[line] != case.args.times:
            raise Fault(f"line {line} came {came[line]} times, not "
                        f"{case.args.times}")


def enriched(case):
    """Origin and context are those of the sending VM, whatever it claims."""
    for message, sent in case.messages():
        vm, how, _ = sent
        params = ours(message)
        expect = {"tenant": vm.tenant, "vm": vm.uuid, "name": vm.proven,
                  "host": "hv-1", "cluster": "rack-2", "owner": vm.owner,
                  "guest-os": "debian-12"}
        for name, value in expect.items():
            if params.get(name) != value:
                raise Fault(f"{name} is {params.get(name)!r} and not "
                            f"{value!r}: {message.raw}")
        if message.hostname != vm.proven:
            raise Fault(f"HOSTNAME is not the proven one: {message.raw}")
        if how != "raw" and params.get("claimed-host") != vm.claimed:
            raise Fault(f"claimed-host is not {vm.claimed}: {message.raw}")
        stock = case.args.origin == "stock"
        if (params.get("origin") == "stock") != stock:
            raise Fault(f"origin is {params.get('origin')!r}: {message.raw}")
        for name in ("seq", "activity", "port"):
            if (name in params) == stock:
                raise Fault(f"{name} is {'there' if stock else 'missing'}: "
                            f"{message.raw}")
        if ("time-is-receipt" in params) != stock:
            raise Fault(f"time-is-receipt is wrong: {message.raw}")
        if ("forged-sd" in params) != (how == "forged"):
            raise Fault(f"forged-sd is wrong: {message.raw}")
        if how == "forged" and f"x-{SD_ID}" not in message.elements:
            raise Fault(f"the forged element is not renamed: {message.raw}")


def redacted(case):
    """Each text is as it was sent, with a mark in the place of each secret."""
    for message, (_, _, text) in case.messages():
        text = re.sub(r'^<[0-9]+>', "", text)   # PRI without a header.
        parts = re.split(r'\{\{.*?\}\}', text)
        pattern = MARK.join(re.escape(part) for part in parts)
        if not re.fullmatch(pattern, message.msg):
            raise Fault(f"text is {message.msg!r}, was sent as {text!r}")
        if int(ours(message).get("redactions", 0)) != len(parts) - 1:
            raise Fault(f"redactions is not {len(parts) - 1}: {message.raw}")


WHATS = {"well-formed": well_formed, "complete": complete,
         "enriched": enriched, "redacted": redacted}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=WHATS)
    parser.add_argument("--lines", required=True)
    parser.add_argument("--vms", required=True)
    parser.add_argument("--tenant", type=int, required=True)
    parser.add_argument("--origin", default="sluice",
                        choices=["sluice", "stock"])
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("received")
    args = parser.parse_args()
    try:
        WHATS[args.what](Case(args))
    except Fault as fault:
        sys.exit(f"{args.received}: {fault}")


if __name__ == "__main__":
    main()
