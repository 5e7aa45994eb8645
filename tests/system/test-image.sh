#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The image of the proxy's VM in QEMU, at a tap of our switch or, with
# SLUICE_LINK=vhost-user, behind such a port of OVS-DPDK: its seed configures it,
# the tenants get their lines, and what waits in the spool outlives a kill of the
# VM and an upgrade by packages.  A BIOS starts it; at a tap, UEFI with Secure Boot
# does after the kill.
#
#     vm1 vm2 vm3 -- hv  br-int ~ br-phy -- link0  QEMU
#                                      +-- t7, t8  rsyslogd
#
# In: SLUICE_IMAGE and DEB_DIR, what "quickstart image" made; without them all
# is skipped.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

top=$common_here/../..
image=${SLUICE_IMAGE:-$top/_build/image/sluice-proxy.qcow2}
debs=${DEB_DIR:-$top/_build/deb}
link=${SLUICE_LINK:-tap}
firmware=bios

skip_all() {
    echo "1..0 # SKIP $*"
    exit 0
}

# --- The VM ------------------------------------------------------------------

vm_machine=(qemu-system-x86_64 -accel "tcg,thread=multi" -cpu Nehalem -smp 2
    -m 1024 -nodefaults -no-user-config -display none)
archive_port=8080
# Seconds to start: without KVM, that takes minutes on a busy machine.
start_limit=1200
ovmf=/usr/share/OVMF
# With the keys that servers come with; nothing but its own code may change them.
uefi=(-machine "q35,smm=on" -global "driver=cfi.pflash01,property=secure,value=on"
    -drive "if=pflash,unit=0,format=raw,readonly=on,file=$ovmf/OVMF_CODE_4M.ms.fd")

# write_seed: addresses, a key and the proxy's configuration.
write_seed() {
    local seed=$topo_dir/seed
    mkdir "$seed"
    ssh-keygen -q -t ed25519 -N '' -f "$topo_dir/key"
    printf 'instance-id: %s\nlocal-hostname: proxy-1\n' "$topo_id" \
        >"$seed/meta-data"
    cat >"$seed/network-config" <<END
version: 2
ethernets:
  eth0:
    mtu: 1800
    addresses: [198.18.0.2/24, 198.18.7.1/30, 198.18.8.1/30]
END
    {
        cat <<END
#cloud-config
ssh_authorized_keys:
  - $(<"$topo_dir/key.pub")
write_files:
  - path: /etc/apt/sources.list
    content: "deb [trusted=yes] http://198.18.0.1:$archive_port ./"
  - path: /etc/sluice/context.yaml
    content: |
$(sed 's/^/      /' "$topo_dir/context.yaml")
  - path: /etc/sluice/sluice.yaml
    content: |
END
        # With the package's own sockets, paths and user.
        sed -e '/^tunnel:/,/^  listen:/d' -e '/^paths:/,/^  state:/d' \
            -e '/^intake:/,/^  user:/d' -e "s,$topo_dir,/etc/sluice," \
            -e 's/^/      /' "$topo_dir/sluice.yaml"
    } >"$seed/user-data"
    genisoimage -quiet -V cidata -r -J -o "$topo_dir/seed.iso" "$seed"
}

# start_alone SEED: starts the VM on disks of its own and a seed of the directory
# SEED, at a network where nobody is but a DHCP server: with none at all systemd
# waits for one for two minutes.
start_alone() {
    local seed=$topo_dir/$1
    genisoimage -quiet -V cidata -r -J -o "$seed.iso" "$seed"
    qemu-img create -q -f qcow2 -F qcow2 -b "$(realpath "$image")" \
        "$seed-root.qcow2"
    qemu-img create -q -f qcow2 "$seed-data.qcow2" 1G
    topo_start hv qemu.log "${vm_machine[@]}" \
        -drive "if=virtio,file=$seed-root.qcow2" \
        -drive "if=virtio,file=$seed-data.qcow2" \
        -drive "if=virtio,file=$seed.iso,format=raw,readonly=on" \
        -netdev "user,id=net,restrict=on" \
        -device "virtio-net-pci,netdev=net,romfile=" -device virtio-rng-pci \
        -chardev "file,id=tty,path=$seed.console" -serial chardev:tty
}

# console_says SEED LINE...: each of them, from sluice-seed, and no other.
console_says() {
    local file=$topo_dir/$1.console line said
    shift
    said=$(tr -d '\r' <"$file" | grep -o 'sluice-seed: .*')
    for line; do
        grep -qF "sluice-seed: $line" <<<"$said" ||
            { tail -n 5 "$file"; return 1; }
    done
    (($(wc -l <<<"$said") == $#)) || { echo "$said"; return 1; }
}

# says_what_it_lacks SEED LINE...
says_what_it_lacks() {
    topo_wait "$start_limit" "what the seed lacks" console_says "$@"
}

make_poor_seeds() {
    mkdir "$topo_dir/no-key" "$topo_dir/no-user-data"
    cp "$topo_dir/seed/meta-data" "$topo_dir/no-key/"
    cp "$topo_dir/seed/meta-data" "$topo_dir/no-user-data/"
    sed '/^ssh_authorized_keys:/,/^write_files:/{/^write_files:/!d}' \
        "$topo_dir/seed/user-data" >"$topo_dir/no-key/user-data"
}

make_disks() {
    qemu-img create -q -f qcow2 -F qcow2 -b "$(realpath "$image")" \
        "$topo_dir/root.qcow2"
    qemu-img create -q -f qcow2 "$topo_dir/data.qcow2" 1G
}

# add_link: the port of br-phy that the VM is at.
add_link() {
    if [[ $link == tap ]]; then
        ip -n "$topo_id-hv" tuntap add link0 mode tap
        ip -n "$topo_id-hv" link set link0 mtu 1800 up
        topo_vsctl add-port br-phy link0
    else
        topo_vsctl add-port br-phy link0 -- set Interface link0 \
            type=dpdkvhostuserclient mtu_request=1800 \
            options:vhost-server-path="$topo_dir/vhost"
    fi
}

# The switch gets frames as they are: no sums left to hardware.  Without MSI-X
# at vhost-user: see test-dpdk.sh.
start_vm() {
    local card=()
    if [[ $link == tap ]]; then
        card=(-netdev
            "tap,id=net,ifname=link0,script=no,downscript=no,vnet_hdr=off"
            -device "virtio-net-pci,netdev=net,romfile=")
    else
        card=(-object "memory-backend-memfd,id=mem,size=1024M,share=on"
            -numa "node,memdev=mem"
            -chardev "socket,id=vhost,path=$topo_dir/vhost,server=on,wait=off"
            -netdev "vhost-user,id=net,chardev=vhost"
            -device "virtio-net-pci,netdev=net,vectors=0,romfile=")
    fi
    if [[ $firmware == uefi ]]; then
        cp "$ovmf/OVMF_VARS_4M.ms.fd" "$topo_dir/uefi.vars"
        card+=("${uefi[@]}" -drive
            "if=pflash,unit=1,format=raw,file=$topo_dir/uefi.vars")
    fi
    topo_start hv qemu.log "${vm_machine[@]}" \
        -drive "if=virtio,file=$topo_dir/root.qcow2" \
        -drive "if=virtio,file=$topo_dir/data.qcow2" \
        -drive "if=virtio,file=$topo_dir/seed.iso,format=raw,readonly=on" \
        "${card[@]}" -device virtio-rng-pci \
        -chardev "file,id=tty,path=$topo_log/console.log" -serial chardev:tty
    vm_pid=$topo_pid
}

# vm COMMAND...: in the VM.
vm() {
    topo_in hv ssh -q -i "$topo_dir/key" -o BatchMode=yes \
        -o ConnectTimeout=5 -o ServerAliveInterval=5 \
        -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o ControlMaster=auto -o ControlPersist=600 \
        -o ControlPath="$topo_dir/ssh" root@198.18.0.2 "${*@Q}"
}

# kill_vm: as a power cut does.
kill_vm() {
    kill -9 "$vm_pid"
    wait "$vm_pid" 2>/dev/null || true
    topo_in hv ssh -q -O exit -o ControlPath="$topo_dir/ssh" root@198.18.0.2 ||
        true
}

# vm_is_up: whether it is, or never will.
vm_is_up() {
    kill -0 "$vm_pid" 2>/dev/null || return 0
    vm sluicectl status || { tail -n 5 "$topo_log/console.log"; false; }
}

wait_for_vm() {
    topo_wait "$start_limit" "an answer of sluiced in the VM" vm_is_up &&
        kill -0 "$vm_pid" &&
        topo_wait 60 "the route of the tunnel" topo_tunnel_ready
}

# --- In place of topology.sh's -----------------------------------------------

topo_sluicectl() {
    vm sluicectl "$@"
}

topo_add_underlay() {
    topo_vsctl add-br br-phy -- set Bridge br-phy datapath_type=netdev \
        -- set Interface br-phy mtu_request=1800
    add_link
    ip -n "$topo_id-hv" addr add 198.18.0.1/24 dev br-phy
    ip -n "$topo_id-hv" link set br-phy up
    topo_vsctl add-port br-int sluice0 -- set Interface sluice0 type=geneve \
        options:remote_ip=flow options:key=flow
    write_seed
    make_disks
    start_vm
}

topo_add_tenant() {
    topo_namespace "t$1"
    topo_link "t$1" eth0 hv "t$1"
    ip -n "$topo_id-t$1" addr add "198.18.$1.2/30" dev eth0
    topo_vsctl add-port br-phy "t$1"
}

# --- What is checked ---------------------------------------------------------

# booted_securely: as the kernel was told.
booted_securely() {
    vm dmesg | grep -i 'secure boot' | grep enabled
}

# is_small: the bound that is promised.
is_small() {
    (($(stat -c %s "$image") < 400000000))
}

# only_tunnel_listens: besides sshd, for which the seed has a key.
only_tunnel_listens() {
    local ports
    ports=$(vm ss -Hlntu | awk '{ sub(/.*:/, "", $5); print $1, $5 }' | sort -u)
    echo "$ports"
    [[ $ports == $'tcp 22\nudp 6081' ]]
}

root_is_read_only() {
    vm sh -c '! touch /usr/x && ! touch /var/lib/dpkg/x && ! touch /boot/x'
}

spool_is_on_disk() {
    vm findmnt -n -o SOURCE,FSTYPE /var/spool/sluice | grep -q '/dev/vd.*ext4'
}

no_unit_failed() {
    local failed
    failed=$(vm systemctl --failed --no-legend --plain)
    echo "$failed"
    [[ -z $failed ]]
}

data_has_mib() {
    local mib
    mib=$(vm findmnt -bn -o SIZE /data)
    echo "$((mib >>= 20)) MiB"
    ((mib > $1))
}

# refuses_to_upgrade: the archive of the seed cannot be read yet.
refuses_to_upgrade() {
    local output
    output=$(vm sluice-image-upgrade 2>&1) && return 1
    echo "$output"
    grep -q 'nothing was upgraded' <<<"$output" && root_is_read_only
}

# make_archive: one that has our packages in a version still newer.
make_archive() {
    local package
    mkdir "$topo_dir/archive"
    for package in sluice-ctl sluice-proxy; do
        "$top/tests/deb/newer-deb" "$topo_dir/$package.deb" \
            "$topo_dir/archive/$package.deb" || return 1
    done
    (cd "$topo_dir/archive" && dpkg-scanpackages . >Packages)
    topo_start hv archive.log python3 -m http.server --bind 198.18.0.1 \
        --directory "$topo_dir/archive" "$archive_port"
    topo_wait 30 "the archive" topo_in hv bash -c \
        "echo >/dev/tcp/198.18.0.1/$archive_port"
}

upgrade() {
    local package
    for package in sluice-ctl sluice-proxy; do
        "$top/tests/deb/newer-deb" "$(echo "$debs/${package}"_*.deb)" \
            "$topo_dir/$package.deb" &&
            vm sh -c "cat >/tmp/$package.deb" <"$topo_dir/$package.deb" ||
            return 1
    done
    vm sluice-image-upgrade /tmp/sluice-ctl.deb /tmp/sluice-proxy.deb
}

# runs_newer SUFFIX: what runs is what was installed, of our packages' version
# with SUFFIX behind it, and not what was there before.
runs_newer() {
    local version
    version=$(dpkg-deb -f "$(echo "$debs"/sluice-proxy_*.deb)" Version)
    # shellcheck disable=SC2016 # A format of dpkg, and for the VM's shell.
    vm sh -c 'dpkg-query -W -f "\${Version}\n" sluice-proxy |
        grep -xF "$0" &&
        [ /proc/$(systemctl show -P MainPID sluice.service)/exe -ef \
            /usr/sbin/sluiced ] && sluicectl status' "$version$1"
}

# --- The test ----------------------------------------------------------------

[[ -e $image ]] ||
    skip_all "there is no image: 'sudo ./quickstart image' builds it"
for tool in qemu-system-x86_64 qemu-img genisoimage ssh ssh-keygen; do
    command -v "$tool" >/dev/null || skip_all "there is no $tool"
done

if [[ $link != tap ]]; then
    "$OVS_DIR/build/vswitchd/ovs-vswitchd" --version | grep -q DPDK ||
        skip_all "this Open vSwitch was built without DPDK"
    # Huge pages are for speed, and this is not about it.
    topo_ovs_config=(other_config:dpdk-init=true
        other_config:dpdk-extra="\"--no-pci --no-telemetry --legacy-mem --no-huge -m 1024\""
        other_config:pmd-cpu-mask=0x1 other_config:pmd-maxsleep=500)
fi
topo_up
topo_add_flows
check "the image starts, and the proxy in it as the seed says" wait_for_vm
((tap_failed)) && done_testing
check "the image has less than 400 MB" is_small
check "nothing listens but the tunnel's port, and sshd for the seed's key" \
    only_tunnel_listens
check "the root file system can only be read" root_is_read_only
check "the spool is on the data disk, which was empty" spool_is_on_disk
check "no unit failed" no_unit_failed

topo_stop_rsyslog 7
lines_each lines_send
check "a tenant's lines arrive" wait_for_lines 8 "$n8"
check "those of the tenant whose server is down wait in the spool" \
    topo_wait 60 "$n7 lines in the spool" figure_is 7 spooled "$n7"
check "the books balance while they wait" books_balance

check "the data disk has 1 GiB" data_has_mib 900
kill_vm
qemu-img resize -q "$topo_dir/data.qcow2" 2G
if [[ $link == tap && -r $ovmf/OVMF_CODE_4M.ms.fd ]]; then
    firmware=uefi
fi
start_vm
check "the VM starts again after it was killed" wait_for_vm
if [[ $firmware == uefi ]]; then
    check "UEFI started it, with Secure Boot" booted_securely
elif [[ $link == tap ]]; then
    skip "UEFI started it, with Secure Boot" "there is none: install ovmf"
fi
check "the file system takes all of the data disk, which is larger now" \
    data_has_mib 1900
check "what waited still does" figure_is 7 spooled "$n7"

check "it is upgraded in place by packages" upgrade
check "the new version runs" topo_wait 60 "sluiced" runs_newer +1
check "it upgrades nothing from an archive that it cannot read" \
    refuses_to_upgrade
if command -v dpkg-scanpackages >/dev/null; then
    make_archive
    check "it is upgraded in place from an archive" vm sluice-image-upgrade
    check "that version runs" topo_wait 60 "sluiced" runs_newer +1+1
else
    skip "it is upgraded in place from an archive" \
        "there is no dpkg-scanpackages"
fi
check "the root file system can only be read again" root_is_read_only
check "what waited still does after the upgrade" figure_is 7 spooled "$n7"

topo_start_rsyslog 7
check "all of it arrives when the server is back" wait_for_lines 7 "$n7"
for tenant in 7 8; do
    check "each line of tenant $tenant came, and none of another's" \
        judge complete "$tenant"
    check "lines of tenant $tenant carry proven origin and context" \
        judge enriched "$tenant"
    check "secrets of tenant $tenant are marked, and all else is as sent" \
        judge redacted "$tenant"
done
check "no unit failed in between" no_unit_failed

# The rest is the same whatever the VM is at.
if [[ $link == tap ]]; then
    kill_vm
    make_poor_seeds
    # Both at once: a VM that starts leaves one of two processors idle.
    start_alone no-key
    start_alone no-user-data
    check "the console says that the seed has no key" says_what_it_lacks \
        no-key "the seed has no key for root"
    check "the console says what a seed without user-data lacks" \
        says_what_it_lacks no-user-data \
        "cloud-init takes /dev/vdc for no seed" \
        "the seed writes no /etc/sluice/sluice.yaml" \
        "the seed has no key for root"
fi
done_testing
