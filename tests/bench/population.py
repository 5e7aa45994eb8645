# SPDX-License-Identifier: Apache-2.0
"""The VMs of the benchmark, and what is known about them.

The same 10,000 VMs are told to sluice-context (as YAML), to the peer (as a
lookup table of rsyslog) and to the generator, each in its own form; all of it
follows from the VM's number.
"""
import hashlib
import json

N_VMS = 10000
N_TENANTS = 100
N_HOSTS = 64
SD_ID = "sluice@32473"


def digest(text, size):
    return hashlib.sha256(text.encode()).hexdigest()[:size]


def uuid(kind, i):
    d = digest("%s %d" % (kind, i), 32)
    return "-".join((d[:8], d[8:12], d[12:16], d[16:20], d[20:]))


class Vm:
    def __init__(self, i):
        self.number = i
        self.uuid = uuid("vm", i)
        self.mac = "02:5c:%02x:%02x:%02x:%02x" % (
            i >> 24, i >> 16 & 0xFF, i >> 8 & 0xFF, i & 0xFF)
        self.tenant = i % N_TENANTS + 1
        self.port = i // N_HOSTS % 200 + 1
        # Within 127.0.0.0/8, so that a peer can be sent to from it.
        self.guest = "127.10.%d.%d" % (i // 250, i % 250 + 1)
        self.vtep = "127.20.0.%d" % (i % N_HOSTS + 1)
        self.name = "%s-prod-%05d" % (
            ("web", "db", "api", "cache", "worker")[i % 5], i)

    def context(self):
        """The 15 keys, in order: the name, those that sluice-context has a
        key for, and free ones."""
        i = self.number
        return (
            ("vm-name", self.name),
            ("guest-os", ("debian-12", "rhel-9", "windows-2022")[i % 3]),
            ("host", "hv-%03d.dc1" % (i % N_HOSTS)),
            ("cluster", "cluster-%02d" % (i % 8)),
            ("owner", "team-%02d" % (i % 20)),
            ("cpu-percent", str(i % 97)),
            ("memory-percent", str(i % 89)),
        ) + self.free_values()

    def free_values(self):
        i, t = self.number, self.tenant
        return (
            ("datacenter", "eu-west-1%s" % "abc"[i % 3]),
            ("project", digest("project %d" % t, 16)),
            ("image", uuid("image", i % 40)),
            ("network", "net-" + digest("net %d" % t, 8)),
            ("subnet", "10.%d.%d.0/24" % (t, i % 250)),
            ("flavor", "m5." + ("large", "xlarge", "2xlarge")[i % 3]),
            ("environment", ("prod", "stage")[i % 2]),
            ("cost-center", "cc-%04d" % (1000 + t)),
        )


def vms():
    return (Vm(i) for i in range(N_VMS))


def write_population(path):
    with open(path, "w") as f:
        for vm in vms():
            print(vm.uuid, vm.mac, vm.tenant, vm.port, vm.guest, vm.vtep,
                  sep="\t", file=f)


def write_context(path):
    """Ours: sluice-context.yaml(5)."""
    with open(path, "w") as f:
        print("vms:", file=f)
        for vm in vms():
            keys = dict(vm.context()[:-len(vm.free_values())])
            name = keys.pop("vm-name")
            print("  - uuid: %s\n    macs: [ %s ]\n    name: %s" % (
                vm.uuid, vm.mac, name), file=f)
            for key, value in keys.items():
                print("    %s: %s" % (key, value), file=f)
            print("    values:", file=f)
            for key, value in vm.free_values():
                print("      %s: \"%s\"" % (key, value), file=f)


def write_lookup_table(path):
    """The peer's: from a source address to a rendered element."""
    table = [{"index": vm.guest,
              "value": "[%s %s]" % (SD_ID, " ".join(
                  '%s="%s"' % pair for pair in vm.context()))}
             for vm in vms()]
    with open(path, "w") as f:
        json.dump({"version": 1, "nomatch": "-", "type": "string",
                   "table": table}, f)
