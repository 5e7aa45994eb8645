#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A guest that a real libvirtd plugs into the bridge, as docs/install.md has it:
# libvirt writes vm-id, the hook of docs/examples the tenant, and what the guest
# logs is its tenant's.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/system/guest.sh
. "$(dirname "$0")/guest.sh"

n_lines=200
topo_vms=(vm1)

# In place of topology.sh's: libvirt adds it.
topo_add_vm() {
    :
}

# write_domain: as an operator would, with a console for guest.sh and without
# offloads, which a tap of a userspace datapath has not.
write_domain() {
    local mac uuid
    read -r _ _ mac _ _ uuid _ <<<"${topo_vm[vm1]}"
    cat >"$topo_dir/vm1.xml" <<END
<domain type='qemu'>
  <name>web-1</name>
  <uuid>$uuid</uuid>
  <memory unit='MiB'>192</memory>
  <vcpu>2</vcpu>
  <os>
    <type arch='x86_64'>hvm</type>
    <kernel>$(echo "$guest_kernel"/boot/vmlinuz-*)</kernel>
    <initrd>$topo_dir/initramfs</initrd>
    <cmdline>$(guest_arguments vm1 lan7)</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <interface type='bridge'>
      <mac address='$mac'/>
      <source bridge='br-int'/>
      <virtualport type='openvswitch'/>
      <vlan><tag id='107'/></vlan>
      <target dev='vm1'/>
      <model type='virtio'/>
      <driver name='qemu'>
        <host csum='off' gso='off' tso4='off' tso6='off' ecn='off' ufo='off'/>
        <guest csum='off' tso4='off' tso6='off' ecn='off' ufo='off'/>
      </driver>
      <rom enabled='no'/>
    </interface>
    <serial type='unix'>
      <source mode='bind' path='$topo_dir/tty'/>
      <log file='$topo_log/guest.log'/>
    </serial>
  </devices>
</domain>
END
}

# start_libvirtd: with directories of its own in the place of the machine's, the
# user that its package would have made, without /dev/kvm, and with a shell that
# takes leave of orphans: libvirtd waits for a QEMU that it killed.
start_libvirtd() {
    mkdir -p "$topo_dir/libvirt/hooks"
    cp "$common_here/../../docs/examples/libvirt-hook" \
        "$topo_dir/libvirt/hooks/qemu"
    cat >"$topo_dir/libvirt/qemu.conf" <<'END'
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
remember_owner = 0
dynamic_ownership = 0
stdio_handler = "file"
END
    cat >"$topo_dir/libvirt/libvirtd.conf" <<END
log_outputs = "3:file:$topo_log/libvirtd.log"
unix_sock_dir = "$topo_dir/libvirt"
auth_unix_rw = "none"
END
    echo "libvirt-qemu:x:64055:64055::/:/bin/false" \
        >"$topo_dir/libvirt/passwd.more"
    echo "libvirt-qemu:x:64055:" >"$topo_dir/libvirt/group.more"
    # shellcheck disable=SC2016
    PATH=$OVS_DIR/build/utilities:$PATH topo_start hv libvirtd.out \
        unshare --mount --pid --fork --kill-child --mount-proc sh -e -c '
mkdir "$0/empty"
touch "$0/none"
chmod 0 "$0/none"
for dir in /run /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do
    if [ -d "$dir" ]; then mount -t tmpfs tmpfs "$dir"; fi
done
mkdir /run/openvswitch
mount --bind "$OVS_RUNDIR" /run/openvswitch
for file in passwd group; do
    { cat "/etc/$file"; cat "$0/$file.more"; } >"$0/$file"
    mount --bind "$0/$file" "/etc/$file"
done
mkdir -p /etc/libvirt
mount --bind "$0" /etc/libvirt
if [ -e /dev/kvm ]; then mount --bind "$0/none" /dev/kvm; fi
libvirtd -f "$0/libvirtd.conf" -p "$0/pid"
exit' "$topo_dir/libvirt"
    topo_wait 60 "libvirtd" virsh_in version
}

virsh_in() {
    topo_in hv virsh -q -c \
        "qemu:///system?socket=$topo_dir/libvirt/libvirt-sock" "$@"
}

# documented_tenant: what the manual says to run, upon this libvirt.
documented_tenant() {
    local command
    command=$(grep -A 2 -Fx '<!-- run: libvirt -->' \
        "$common_here/../../docs/install.md" | grep '^virsh ')
    eval "virsh_in ${command#virsh}"
}

# port_is KEY VALUE: in external_ids of the guest's port.
port_is() {
    local value
    value=$(topo_vsctl get Interface vm1 "external_ids:$1")
    echo "$1: $value"
    [[ $value == "\"$2\"" || $value == "$2" ]]
}

# port_is_gone: and the others are not.
port_is_gone() {
    local ports
    ports=$(topo_vsctl list-ports br-int)
    echo "$ports"
    grep -qx lan7 <<<"$ports" && ! grep -qx vm1 <<<"$ports"
}

# quiet: as logs_quiet, but for the tap, which is down before QEMU has it.
quiet() {
    sed -i '/error receiving data from vm1: Network is down/d' \
        "$topo_log/ovs-vswitchd.log"
    logs_quiet
}

topo_up
why=$(why_no_guest)
if [[ -z $why ]] && ! command -v libvirtd >/dev/null; then
    why="libvirtd is not installed"
fi
if [[ -n $why ]]; then
    skip "a guest of libvirt" "$why"
    done_testing
    exit
fi
read -r _ _ _ _ _ uuid _ <<<"${topo_vm[vm1]}"
make_initramfs
topo_start_proxy
topo_add_flows
write_domain
check "libvirtd starts" start_libvirtd
check "it defines a guest on br-int" virsh_in define "$topo_dir/vm1.xml"
check "the documented command names its tenant" documented_tenant
check "it starts the guest" virsh_in start web-1
((!tap_failed)) || done_testing
check "libvirt says which VM the port is" port_is vm-id "$uuid"
check "the hook says whose" port_is sluice-tenant 7
check "the guest boots" topo_wait 90 "the guest" guest_is_ready
check "it sends" guest udp libvirt "$n_lines"
check "its lines reach its tenant" \
    topo_wait 60 "$n_lines lines" came libvirt "$n_lines" "$topo_dir/t7.log"
check "'normal' brings them to where it sent them" \
    topo_wait 60 "$n_lines lines" came libvirt "$n_lines" \
    "$topo_dir/lan7.received"
check "each says which VM" \
    eval "! grep 'line=libvirt' '$topo_dir/t7.log' | grep -vF 'vm=\"$uuid\"'"
check "the books balance" topo_wait 60 "balance" books_balance
check "the guest is ended" virsh_in destroy web-1
check "and its port is gone" port_is_gone
check "the programs' logs have no error" quiet
done_testing
