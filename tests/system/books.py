#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Checks the books: by tenant and queue, received + announced = shipped + open
# + spooled + quarantined + dropped + routed; by switch port, sent = received
# and lost 0, with the switch's own figures beside the proxy's.
#
# In: directory with what the switch and the proxy answered ("show", "vms",
# "tenants").  Out: a sentence for each fault, and exit status 1.
# Runs in: tests/system/test-*.sh.
import argparse
import json
import re
import sys


def switch_ports(text):
    """Returns {uuid: figures} from the output of sluice/show."""
    ports = {}
    for entry in re.split(r'^(?=\S)', text, flags=re.M):
        vm = re.search(r'^    vm (\S+) tenant (\S+)$', entry, re.M)
        figures = re.search(r'packets (\d+) bytes (\d+) sent (\d+)', entry)
        # One for each proxy that the port's packets went to.
        sequences = re.findall(r'sequence (\d+):(\d+)', entry)
        if vm and figures and sequences:
            ports[vm.group(1)] = {
                "tenant": vm.group(2), "packets": int(figures.group(1)),
                "sent": int(figures.group(3)),
                "sequences": [(int(epoch), int(number))
                              for epoch, number in sequences]}
    return ports


def check_tenants(tenants):
    """Yields a sentence for each tenant whose books do not balance."""
    for t in tenants:
        kept = sum(t[name] for name in ("shipped", "open", "spooled",
                                        "quarantined", "dropped", "routed"))
        if t["received"] + t["announced"] != kept:
            yield f"tenant {t['id']}: received + announced is not the sum: {t}"


def check_vms(vms, ports):
    """Yields a sentence for each port that lost something, or of which switch
    and proxy disagree."""
    by_uuid = {vm["vm"]: vm for vm in vms if vm["origin"] == "sluice"}
    for vm in by_uuid.values():
        if vm["lost"] or vm["sent"] != vm["received"]:
            yield f"VM {vm['vm']}: sent is not received: {vm}"
    for uuid, port in ports.items():
        if not port["sent"]:
            continue
        vm = by_uuid.get(uuid)
        if not vm:
            yield f"VM {uuid}: the proxy does not know it"
        elif vm["received"] != port["sent"] or (
                vm["seq_epoch"], vm["seq_highest"]) not in port["sequences"]:
            yield f"VM {uuid}: switch says {port}, proxy says {vm}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--stock", action="store_true",
                        help="no sequence numbers: the tenants' books alone")
    parser.add_argument("directory")
    args = parser.parse_args()

    def read(name):
        with open(f"{args.directory}/{name}", encoding="utf-8") as file:
            return file.read()
    tenants = json.loads(read("tenants"))["tenants"]
    vms = json.loads(read("vms"))["vms"]
    if not tenants or not vms:
        sys.exit("the books are empty")
    faults = list(check_tenants(tenants))
    if not args.stock:
        ports = switch_ports(read("show"))
        if not any(port["sent"] for port in ports.values()):
            faults.append("the switch says that it sent nothing")
        faults += check_vms(vms, ports)
    if faults:
        sys.exit("\n".join(faults))


main()
