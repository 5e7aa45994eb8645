# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# A QEMU guest that sends lines when it is told: Debian's cloud kernel, which is
# fetched with "apt-get download" and not installed (or is in the directory
# SLUICE_GUEST_KERNEL, unpacked), and guest.c as its init.
#
# In: common.sh, sourced; a console whose socket is $topo_dir/tty, and which is
# written to $topo_log/guest.log.
# Out: the functions below.  Runs in: test-dpdk.sh, test-libvirt-bridge.sh.
# shellcheck disable=SC2154 # Names of topology.sh.

guest_kernel=${SLUICE_GUEST_KERNEL:-$OVS_DIR/guest-kernel}
guest_modules=(net/core/failover drivers/net/net_failover
    drivers/virtio/virtio_ring drivers/virtio/virtio
    drivers/virtio/virtio_pci_modern_dev drivers/virtio/virtio_pci_legacy_dev
    drivers/virtio/virtio_pci drivers/net/virtio_net)

# fetch_kernel: Debian's cloud kernel, unpacked.
fetch_kernel() {
    local package
    [[ ! -e $(echo "$guest_kernel"/boot/vmlinuz-*) ]] || return 0
    package=$(apt-cache depends linux-image-cloud-amd64 |
        awk '/Depends:/ { print $2; exit }')
    [[ -n $package ]] && mkdir -p "$topo_dir/kernel" &&
        (cd "$topo_dir/kernel" && apt-get download -q "$package") &&
        mkdir -p "$guest_kernel" &&
        dpkg-deb -x "$topo_dir/kernel/$package"_*.deb "$guest_kernel"
}

# why_no_guest: prints why there can be none, if so.
why_no_guest() {
    if ! command -v qemu-system-x86_64 >/dev/null; then
        echo "qemu-system-x86_64 is not installed"
    elif ! fetch_kernel >"$topo_log/kernel.log" 2>&1; then
        echo "apt-get cannot download linux-image-cloud-amd64"
    fi
}

# make_initramfs: guest.c and the modules it loads.
make_initramfs() {
    local root=$topo_dir/root modules module
    modules=$(echo "$guest_kernel"/lib/modules/*)
    mkdir -p "$root/dev"
    mknod "$root/dev/console" c 5 1
    gcc -static -O2 -o "$root/init" "$topo_here/guest.c" &&
        for module in "${guest_modules[@]}"; do
            cp "$modules/kernel/$module.ko" "$root/" &&
                echo "/${module##*/}.ko" >>"$root/modules"
        done &&
        (cd "$root" && find . | cpio --quiet -o -H newc) >"$topo_dir/initramfs"
}

# guest_arguments VM LAN: what guest.c is told by the kernel's command line.
guest_arguments() {
    local ip server_mac
    read -r _ _ _ ip _ <<<"${topo_vm[$1]}"
    server_mac=$(topo_in "$2" cat /sys/class/net/eth0/address)
    echo "console=ttyS0 quiet panic=-1 address=$ip server=$topo_logserver" \
        "server_mac=$server_mac"
}

guest_is_ready() {
    grep -q 'guest: ready' "$topo_log/guest.log" ||
        { tail -n 5 "$topo_log/guest.log" "$topo_log/qemu.log"; false; }
}

# guest COMMAND LABEL N: see guest.c; waits until it is done.
guest() {
    python3 - "$topo_dir/tty" "$*" <<'END'
import socket
import sys

with socket.socket(socket.AF_UNIX) as tty:
    tty.settimeout(60)
    tty.connect(sys.argv[1])
    tty.sendall(sys.argv[2].encode() + b"\n")
    seen = b""
    done = b"guest: done " + sys.argv[2].split()[1].encode()
    while done not in seen:
        new = tty.recv(4096)
        if not new:
            sys.exit("the guest is gone")
        seen += new
END
}

# came LABEL N FILE: N lines of that label are in FILE, each once.
came() {
    local n
    n=$(grep -o "line=$1-[0-9]*" "$3" | sort | uniq -c |
        awk '$1 == 1 { n++ } END { print n + 0 }')
    echo "$n of $2 lines"
    ((n == $2))
}
