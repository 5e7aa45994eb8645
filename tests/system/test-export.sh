#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The ways that the image of the proxy's VM is handed to a hypervisor: libvirt's
# domain, the line for virt-install, the archive for vSphere.  A small disk stands
# for the image.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
# shellcheck source=tests/system/tap.sh
. "$here/tap.sh"
dir=$(mktemp -d "${TMPDIR:-/tmp}/sluice.XXXXXX")
trap 'rm -rf "$dir"' EXIT

domain=$top/proxy-vm/image/export/sluice-proxy.xml

# By a libvirt whose machines are made of nothing.
defines() {
    virsh -q -c test:///default "define $1; autostart sluice-proxy;
        start sluice-proxy; dumpxml sluice-proxy"
}

# documented WHERE: the block of the manual after "<!-- run: WHERE -->".
documented() {
    awk -v mark="<!-- run: $1 -->" '
        $0 == mark { here = 1; next }
        here && /^```sh$/ { inside = 1; next }
        /^```$/ { here = inside = 0 }
        inside' "$top/docs/deploy.md"
}

# virt_install: the documented line, which says what it would define.
virt_install() {
    local line
    line=$(documented virt-install)
    line=${line//\/var\/lib\/libvirt\/images/$dir}
    [[ $line == virt-install* ]] || return 1
    sh -e -c "virt-install --connect test:///default --dry-run --print-xml \
        ${line#virt-install}" >"$dir/domain.xml" &&
        virt-xml-validate "$dir/domain.xml" domain
}

make_disk() {
    head -c 3M /dev/urandom >"$dir/raw"
    truncate -s 64M "$dir/raw"
    qemu-img convert -O qcow2 -c "$dir/raw" "$dir/sluice-proxy.qcow2"
    qemu-img create -q -f qcow2 "$dir/sluice-proxy-data.qcow2" 20G
    truncate -s 1M "$dir/sluice-proxy-seed.iso"
}

refuses() {
    ! "$top/proxy-vm/image/make-ova" "$@"
}

check "libvirt's schema has nothing against the domain" \
    virt-xml-validate "$domain" domain
check "libvirt defines and starts it" defines "$domain"
make_disk
check "the documented virt-install defines a domain" virt_install
check "an archive for vSphere is made" "$top/proxy-vm/image/make-ova" \
    --data 50 "$dir/sluice-proxy.qcow2" "$dir/proxy.ova"
check "its sums, sizes and references are right, and the disk is the image" \
    python3 "$here/check-ova.py" "$dir/proxy.ova" "$dir/sluice-proxy.qcow2" 50
check "a size that is none is refused" refuses --data 5x \
    "$dir/sluice-proxy.qcow2" "$dir/other.ova"
done_testing
