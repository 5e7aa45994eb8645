# SPDX-License-Identifier: Apache-2.0
"""A real libvirtd for tests: its own process, network and mount namespaces and
directories, in session mode, without /dev/kvm.  It has two sets of domains:
those of libvirt's test driver, which are pretended, and those of QEMU."""

import os
import shutil
import signal
import subprocess

from managers import check, wait_until

LIBVIRTD = "/usr/sbin/libvirtd"
QEMU = "/usr/bin/qemu-system-x86_64"

# The shell is there to take leave of orphans: libvirtd waits in vain for a
# QEMU that it killed if nobody does.
NAMESPACES = ["unshare", "-U", "-r", "-m", "-n", "-p", "-f", "--kill-child",
              "--mount-proc"]
INNER = """
if [ -e /dev/kvm ]; then mount --bind "$1/none" /dev/kvm || exit 1; fi
if [ -n "$2" ]; then ip link set lo up || exit 1; fi
unshare -U --map-user=1000 --map-group=1000 %s -f "$1/libvirtd.conf" $2
exit $?
""" % LIBVIRTD

NOVA = """
<nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
  <nova:package version="26.2.0"/>
  <nova:name>web-1</nova:name>
  <nova:creationTime>2026-11-02 10:20:30</nova:creationTime>
  <nova:flavor name="m1.tiny"><nova:memory>32</nova:memory></nova:flavor>
  <nova:owner>
    <nova:user uuid="a3f9">alice</nova:user>
    <nova:project uuid="b77e0d6cfe5d4a3b8a9d2c1f00000008">shop</nova:project>
  </nova:owner>
</nova:instance>"""
LIBOSINFO = """
<libosinfo:libosinfo
    xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
  <libosinfo:os id="http://debian.org/debian/12"/>
</libosinfo:libosinfo>"""


def why_no_libvirtd():
    """Returns why none can be started, or None."""
    for program, package in ((LIBVIRTD, "libvirt-daemon"),
                             ("virsh", "libvirt-clients"),
                             ("unshare", "util-linux")):
        if not shutil.which(program):
            return "there is no %s: install %s" % (program, package)
    if subprocess.run(NAMESPACES + ["true"], capture_output=True).returncode:
        return "there can be no namespaces here"
    return None


def why_no_qemu():
    drivers = "/usr/lib/%s-linux-gnu/libvirt/connection-driver" % (
        os.uname().machine)
    if not os.path.exists(drivers + "/libvirt_driver_qemu.so"):
        return "libvirt can't run QEMU: install libvirt-daemon-driver-qemu"
    if not os.path.exists(QEMU):
        return "there is no QEMU: install qemu-system-x86"
    return None


def domain(name, uuid, macs=(), kind="test", more="", metadata="",
           title="", memory_mib=32):
    """The XML of a domain."""
    interfaces = "".join(
        "<interface type='%s'>%s<mac address='%s'/></interface>"
        % (("user", "", mac) if kind == "qemu"
           else ("network", "<source network='default'/>", mac))
        for mac in macs)
    emulator = "<emulator>%s</emulator>" % QEMU if kind == "qemu" else ""
    return ("<domain type='%s'><name>%s</name><uuid>%s</uuid>%s"
            "<metadata>%s</metadata><memory unit='MiB'>%d</memory>"
            "<vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os>%s"
            "<devices>%s%s</devices></domain>"
            % (kind, name, uuid, title and "<title>%s</title>" % title,
               metadata, memory_mib, more, emulator, interfaces))


class Libvirtd:
    """'driver' is "test" or "qemu": what sluice-context is to ask.  'tls' has
    it listen at 127.0.0.1 of its own network: the paths of a CA's certificate,
    its own, and its key."""

    def __init__(self, place, driver="test", test_file=None,
                 name="lv", tls=None):
        self.dir = place.path(name)
        self.driver = driver
        self.test_file = test_file
        self.process = None
        # The path of a socket is short.
        self.socket = os.path.join(self.dir, "run/libvirt/libvirt-sock")
        for folder in ("run", "config", "cache", "data"):
            os.makedirs(os.path.join(self.dir, folder))
        with open(os.path.join(self.dir, "none"), "w", encoding="ascii"):
            os.chmod(os.path.join(self.dir, "none"), 0)
        with open(os.path.join(self.dir, "libvirtd.conf"), "w",
                  encoding="ascii") as f:
            f.write('log_outputs = "3:file:%s/libvirtd.log"\n' % self.dir)
            if tls:
                f.write('listen_tls = 1\nlisten_tcp = 0\nauth_tls = "none"\n'
                        'listen_addr = "127.0.0.1"\ntls_port = "16514"\n'
                        'ca_file = "%s"\ncert_file = "%s"\n'
                        'key_file = "%s"\n' % tls)
        self.listen = "--listen" if tls else ""
        self.env = {"PATH": os.environ["PATH"], "HOME": self.dir,
                    **{"XDG_%s" % name: os.path.join(self.dir, folder)
                       for name, folder in (("RUNTIME_DIR", "run"),
                                            ("CONFIG_HOME", "config"),
                                            ("CACHE_HOME", "cache"),
                                            ("DATA_HOME", "data"))}}
        self.start()
        place.sims.append(self)
        place.managers.append({"name": name, "kind": "libvirt",
                               "uri": self.uri(), "poll-interval-ms": "1000"})

    def uri(self, driver=None):
        driver = driver or self.driver
        path = ("session" if driver == "qemu"
                else self.test_file.lstrip("/") if self.test_file
                else "default")
        return "%s+unix:///%s?socket=%s" % (driver, path, self.socket)

    def start(self):
        with open(os.path.join(self.dir, "out"), "ab") as out:
            self.process = subprocess.Popen(
                NAMESPACES + ["sh", "-c", INNER, "sh", self.dir, self.listen],
                env=self.env, stdout=out, stderr=out,
                stdin=subprocess.DEVNULL)
        wait_until(lambda: self.process.poll() is not None
                   or subprocess.run(["virsh", "-c", self.uri(), "version"],
                                     env=self.env, capture_output=True
                                     ).returncode == 0, "libvirtd")
        check(self.process.poll() is None, "libvirtd ended")

    def virsh(self, *args, driver=None, may_fail=False):
        """Has it do something, and returns what it says."""
        done = subprocess.run(["virsh", "-q", "-c", self.uri(driver), *args],
                              env=self.env, capture_output=True, text=True)
        check(may_fail or done.returncode == 0, "virsh %s: %s"
              % (" ".join(args)[:80], done.stderr.strip()[:300]))
        return done.stdout.strip()

    def with_xml(self, verb, xml, *before, **kwargs):
        """define, create or, behind a domain, attach-device."""
        path = os.path.join(self.dir, "domain.xml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(xml)
        return self.virsh(verb, *before[:1], path, *before[1:], **kwargs)

    def pid(self):
        """Of libvirtd itself: the shell's child, which is unshare's."""
        pid = self.process.pid
        for _ in range(2):
            with open("/proc/%d/task/%d/children" % (pid, pid),
                      encoding="ascii") as f:
                pid = int(f.read().split()[0])
        return pid

    def signal(self, number):
        os.kill(self.pid(), number)

    def kill(self):
        """Kills it, and with it all in its namespaces."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if os.path.exists(self.socket):
            os.unlink(self.socket)

    def close(self):
        if self.process.poll() is None:
            self.kill()
