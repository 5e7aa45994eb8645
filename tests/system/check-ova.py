#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Checks an OVA as a reader of it does: order of its members, sums of the
# manifest, the descriptor's references and what the hardware refers to.
#
# In: OVA IMAGE, and the size of the data disk in GiB.  Out: status 0, or what is
# wrong.  Runs in: tests/system/test-export.sh.
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET

OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = ("{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
        "CIM_ResourceAllocationSettingData}")


def qemu_img(*args):
    return subprocess.run(["qemu-img", *args], check=True, text=True,
                          capture_output=True).stdout


def check_manifest(directory, manifest, names):
    sums = dict(re.fullmatch(r"SHA256\((.+)\)= ([0-9a-f]{64})", line).groups()
                for line in manifest.read().decode().splitlines())
    assert set(sums) == set(names), (sums, names)
    for name in names:
        with open(os.path.join(directory, name), "rb") as f:
            assert hashlib.sha256(f.read()).hexdigest() == sums[name], name


def check_hardware(root):
    """Whatever an item refers to is there, and no two have the same id."""
    items = root.findall(f".//{OVF}Item")
    ids = [item.findtext(f"{RASD}InstanceID") for item in items]
    assert len(set(ids)) == len(ids), ids
    disks = {disk.get(f"{OVF}diskId") for disk in root.iter(f"{OVF}Disk")}
    used = set()
    for item in items:
        assert item.findtext(f"{RASD}Parent") in [None, *ids]
        host = item.findtext(f"{RASD}HostResource")
        if host:
            used.add(host.removeprefix("ovf:/disk/"))
    assert used == disks, (used, disks)
    networks = {n.get(f"{OVF}name") for n in root.iter(f"{OVF}Network")}
    assert {c.text for c in root.iter(f"{RASD}Connection")} == networks


def check_disks(directory, root, image, data_gib):
    files = {f.get(f"{OVF}id"): f for f in root.iter(f"{OVF}File")}
    by_id = {disk.get(f"{OVF}diskId"): disk for disk in root.iter(f"{OVF}Disk")}
    file = files[by_id["root"].get(f"{OVF}fileRef")]
    path = os.path.join(directory, file.get(f"{OVF}href"))
    assert int(file.get(f"{OVF}size")) == os.path.getsize(path)
    info = json.loads(qemu_img("info", "--output=json", path))
    assert info["format"] == "vmdk", info
    assert info["format-specific"]["data"]["create-type"] == \
        "streamOptimized", info
    assert int(by_id["root"].get(f"{OVF}capacity")) == info["virtual-size"]
    qemu_img("compare", path, image)
    assert by_id["data"].get(f"{OVF}capacity") == data_gib
    assert by_id["data"].get(f"{OVF}fileRef") is None


def main():
    ova, image, data_gib = sys.argv[1:]
    name = os.path.basename(ova).removesuffix(".ova")
    with tempfile.TemporaryDirectory() as directory:
        with tarfile.open(ova) as tar:
            names = tar.getnames()
            assert names[:2] == [f"{name}.ovf", f"{name}.mf"], names
            for member in tar.getmembers():
                assert member.isfile() and "/" not in member.name, member
            tar.extractall(directory)
            check_manifest(directory, tar.extractfile(names[1]),
                           [names[0], *names[2:]])
        root = ET.parse(os.path.join(directory, names[0])).getroot()
        assert root.tag == f"{OVF}Envelope", root.tag
        assert [f.get(f"{OVF}href") for f in root.iter(f"{OVF}File")] == \
            names[2:]
        check_hardware(root)
        check_disks(directory, root, image, data_gib)


main()
