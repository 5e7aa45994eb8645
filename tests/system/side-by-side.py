#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Prints what each VM sent beside what its tenant's log server wrote.
#
# In: lines.tsv; the table of VMs from topology.sh; TENANT=FILE for each
# tenant.  Out: text for people, in two columns.
# Runs in: tests/run-demo.
import re
import shutil
import sys
import textwrap


def columns(left, right, width):
    """Prints two texts side by side, each wrapped to 'width'."""
    def wrap(text):
        return textwrap.wrap(text, width, break_on_hyphens=False)
    left, right = wrap(left), wrap(right)
    for i in range(max(len(left), len(right))):
        one = left[i] if i < len(left) else ""
        two = right[i] if i < len(right) else ""
        print(f"  {one:<{width}} | {two}")


def main():
    lines, vms, *received = sys.argv[1:]
    width = (max(100, min(shutil.get_terminal_size().columns, 160)) - 5) // 2
    with open(vms, encoding="utf-8") as file:
        tenant_of = {row.split()[0]: row.split()[1] for row in file}
    came = {}
    for argument in received:
        tenant, path = argument.split("=", 1)
        with open(path, encoding="utf-8") as file:
            for row in file:
                found = re.search(r'line=(\S+)$', row)
                if found:
                    came[tenant, found.group(1)] = row.rstrip("\n")
    before = None
    with open(lines, encoding="utf-8") as file:
        for row in file:
            if row.startswith("#"):
                continue
            vm, how, text = row.rstrip("\n").split("\t")
            tenant = tenant_of[vm]
            if vm != before:
                print()
                columns(f"SENT by {vm} of tenant {tenant}",
                        f"GOT by tenant {tenant}", width)
                print("  " + "-" * width + "-+-" + "-" * width)
                before = vm
            line = re.search(r'line=(\S+)$', text).group(1)
            text = text.replace("{{", "").replace("}}", "")
            columns(f"{how}: {text}", came.get((tenant, line), "(nothing)"),
                    width)
            print("  " + " " * width + " |")


main()
