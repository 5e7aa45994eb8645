#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The units under systemd, which is the first process of a container: of this
# machine's own system with Sluice installed in it, where what is written goes
# to memory, and with a network of its own.  What is checked there is in
# systemd-service.py.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ -z ${SLUICE_OWN_MOUNTS:-} ]]; then
    # All mounts below go with this process.
    SLUICE_OWN_MOUNTS=1 exec unshare --mount --propagation private \
        bash "${BASH_SOURCE[0]}"
fi
set -euo pipefail
SLUICE_BUILD=$(realpath "${SLUICE_BUILD:-$here/../../_build/sluice}")
dir=$(mktemp -d "${TMPDIR:-/tmp}/sluice.XXXXXX")
name=sluice-${dir##*.}
root=$dir/root
ovs=$(realpath "${OVS_DIR:-$here/../../_build/ovs}")
container=

skip_all() {
    echo "1..0 # SKIP $*"
    exit 0
}

clean_up() {
    set +e
    if [[ $container ]]; then
        # At the second, systemd-nspawn does not wait for the container.
        kill "$container" && kill "$container"
        wait "$container"
    fi
    ip netns del "$name"
    umount -R "$root" "$dir"
    rmdir "$dir"
} >/dev/null 2>&1
trap clean_up EXIT

# wait_for SECONDS WHAT COMMAND...
wait_for() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS > end)) || ! kill -0 "$container"; then
            echo "# $what did not come; the container said:"
            sed 's/^/# /' "$dir/log"
            echo "Bail out!"
            exit 1
        fi
        sleep 0.05
    done
}

first_process() {
    pgrep -P "$container" -x systemd
}

inside() {
    nsenter --target "$(first_process)" --all -- "$@"
}

[[ -x $(type -P systemd-nspawn) ]] || skip_all "there is no systemd-nspawn"
mount -t tmpfs tmpfs "$dir"
mkdir "$dir/upper" "$dir/work" "$root"
mount -t overlay overlay "$root" \
    -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" 2>"$dir/log" ||
    skip_all "the kernel mounts no overlay on /: $(<"$dir/log")"

make -s -C "$SLUICE_BUILD" install DESTDIR="$root" >"$dir/log" 2>&1 || {
    sed 's/^/# /' "$dir/log"
    echo "Bail out!  make install failed"
    exit 1
}
systemd-id128 new >"$root/etc/machine-id"
rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/resolv.conf
ip netns add "$name"
ip -n "$name" link set lo up

# Its filter would have to know the system calls of sluice-intake's sandbox.
# The container has a /tmp of its own, and what was built may lie in ours.
SYSTEMD_SECCOMP=0 systemd-nspawn --quiet --directory="$root" \
    --machine="$name" --register=no --keep-unit --link-journal=no \
    --network-namespace-path="/run/netns/$name" --capability=CAP_NET_ADMIN \
    --bind=/dev/net/tun --bind-ro="$ovs:/mnt" --console=pipe --boot -- --unit=basic.target \
    </dev/null >"$dir/log" 2>&1 &
container=$!
wait_for 20 "systemd" first_process
wait_for 60 "the system" inside systemctl is-active basic.target

OVS_DIR=/mnt builddir=$SLUICE_BUILD ip netns exec "$name" python3 -B "$here/systemd-service.py" \
    "$root" "$(first_process)"
