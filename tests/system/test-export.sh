#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The ways that the image of the proxy's VM is handed to a hypervisor: libvirt's
# domain, the line for virt-install, the archive for vSphere, which vCenter's
# simulator imports.  A small disk stands for the image.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
# shellcheck source=tests/system/tap.sh
. "$here/tap.sh"
gopath=/usr/share/gocode
dir=$(mktemp -d "${TMPDIR:-/tmp}/sluice.XXXXXX")
trap 'rm -rf "$dir"' EXIT

build=${SLUICE_BUILD:-$top/_build/sluice}
domain=$top/proxy-vm/image/export/sluice-proxy.xml

# By a libvirt whose machines are made of nothing.
defines() {
    virsh -q -c test:///default "define $1; autostart sluice-proxy;
        start sluice-proxy; dumpxml sluice-proxy"
}

# The same with what the manual has in the place of <os>.
uefi_domain() {
    grep -qF "\`<os firmware='efi'>\`" "$top/docs/deploy.md" &&
        sed "s/<os>/<os firmware='efi'>/" "$domain" >"$dir/uefi.xml" &&
        grep -qF "<os firmware='efi'>" "$dir/uefi.xml" &&
        virt-xml-validate "$dir/uefi.xml" domain && defines "$dir/uefi.xml"
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

# why_no_import: why the simulator cannot be built, if so.
why_no_import() {
    if ! command -v go >/dev/null; then
        echo "there is no go: install golang-go"
    elif [[ ! -d $gopath/src/github.com/vmware/govmomi/simulator ]]; then
        echo "there is no simulator of vCenter: install" \
            "golang-github-vmware-govmomi-dev"
    fi
}

# With the compiled packages that tests of sluice-context leave.
build_import() {
    local cache
    cache=$(realpath "$build")/tests/real/go-cache
    env -C "$here/../real/import-ova" GO111MODULE=off GOPATH="$gopath" \
        GOFLAGS= GOCACHE="${GOCACHE:-$cache}" \
        go build -trimpath -o "$dir/import-ova" .
}

refuses() {
    ! "$top/proxy-vm/image/make-ova" "$@"
}

check "libvirt's schema has nothing against the domain" \
    virt-xml-validate "$domain" domain
check "libvirt defines and starts it" defines "$domain"
check "libvirt does so with UEFI as documented" uefi_domain
make_disk
check "the documented virt-install defines a domain" virt_install
check "an archive for vSphere is made" "$top/proxy-vm/image/make-ova" \
    --data 50 "$dir/sluice-proxy.qcow2" "$dir/proxy.ova"
check "its sums, sizes and references are right, and the disk is the image" \
    python3 "$here/check-ova.py" "$dir/proxy.ova" "$dir/sluice-proxy.qcow2" 50
why=$(why_no_import)
if [[ -n $why ]]; then
    skip "vCenter's simulator imports it, by the calls of govc" "$why"
else
    check "vCenter's simulator can be built" build_import
    check "vCenter's simulator imports it, by the calls of govc" \
        "$dir/import-ova" "$dir/proxy.ova" 50
fi
check "a size that is none is refused" refuses --data 5x \
    "$dir/sluice-proxy.qcow2" "$dir/other.ova"
done_testing
