# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A chroot of Debian's release, with a network namespace, for the tests of
# packages.  To be sourced, with tap.sh.
#
# In: DEB_DIR, where "make deb" put packages.
# Out: $root, the chroot in $work, both set by begin(); $netns; $packages, as
# begin() was told; $debs, their files as they are named in the chroot; $deb_of,
# where they are outside of it.  All is taken away by end().

DEB_DIR=${DEB_DIR:-$here/../../_build/deb}
netns="sluicedeb$$"
work=
root=
packages=()
debs=()
declare -A deb_of

skip_all() {
    echo "1..0 # SKIP $*"
    exit 0
}

# wait_for COMMAND...: until it succeeds, for half a minute at most.
wait_for() {
    local deadline=$((SECONDS + 30))
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

# in_root COMMAND...: in the chroot, in our namespace of the network.
in_root() {
    ip netns exec "$netns" chroot "$root" env -i \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}

# apt_root OPTION...: apt-get in the chroot, which needs the machine's network.
apt_root() {
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y --no-install-recommends "$@" </dev/null
}

# version_of PACKAGE: the one that is installed in the chroot.
version_of() {
    # shellcheck disable=SC2016 # A format of dpkg.
    chroot "$root" dpkg-query -W -f '${Version}' "$1"
}

# versions_are VERSION: those of all of $packages.
versions_are() {
    local package version rc=0
    for package in "${packages[@]}"; do
        version=$(version_of "$package")
        echo "$package $version"
        [[ $version == "$1" ]] || rc=1
    done
    return "$rc"
}

# find_debs: fills $debs and $deb_of, or skips all.
find_debs() {
    local package deb
    for package in "${packages[@]}"; do
        deb=$(find "$DEB_DIR" -maxdepth 1 -name "${package}_*.deb" \
            2>/dev/null || true)
        [[ -f $deb ]] ||
            skip_all "there is no $package in $DEB_DIR:" \
                "'make check-deb' builds it"
        deb_of[$package]=$deb
        debs+=("/debs/${deb##*/}")
    done
}

# begin PACKAGE...: what each test needs before it makes its chroot.  Has at_exit
# called, which is to call end, however the test ends.
begin() {
    packages=("$@")
    ((EUID == 0)) || skip_all "this makes a chroot and must be root"
    command -v mmdebstrap >/dev/null || skip_all "there is no mmdebstrap"
    find_debs
    trap at_exit EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    work=$(mktemp -d "${TMPDIR:-/tmp}/sluice-deb.XXXXXX")
    root=$work/root
}

end() {
    if [[ -n $root ]]; then
        umount "$root/proc" "$root/dev/net" 2>/dev/null || true
    fi
    ip netns del "$netns" 2>/dev/null || true
    if [[ -n $work ]] && ! mountpoint -q "$root/proc"; then
        rm -rf --one-file-system "$work"
    fi
}

# make_chroot PACKAGES: Debian's least, and PACKAGES, separated by commas.
# Nothing starts by itself in it.  Says in $work/chroot.log what it did.
make_chroot() {
    local suite
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    {
        "$here/../../proxy-vm/image/debian-sources" \
            >"$work/sources.list"
        mmdebstrap --mode=root --variant=minbase --include="$1" \
            --skip=cleanup/apt/lists --aptopt='Acquire::Languages "none"' \
            "$suite" "$root" - <"$work/sources.list" || return 1
        printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
        chmod 755 "$root/usr/sbin/policy-rc.d"
        cp /etc/resolv.conf "$root/etc/resolv.conf"
        mount -t proc proc "$root/proc"
        mkdir "$root/debs"
        cp "${deb_of[@]}" "$root/debs/"
        ip netns add "$netns"
        ip -n "$netns" link set lo up
    } >"$work/chroot.log" 2>&1
}

# no_chroot: the reason to skip what needs one.
no_chroot() {
    tail -n 3 "$work/chroot.log" | sed 's/^/# /' >&2
    echo "the chroot could not be made; is there a network?"
}

install_ours() {
    apt_root install "${debs[@]}"
}
