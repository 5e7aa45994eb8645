#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The packages of the proxy's programs under systemd, which is the first process
# of a container made of Debian's release: what runs is restarted by an upgrade
# and by the way back, sockets stay, and nothing runs on when it is removed.
#
# In: DEB_DIR, where "make deb" put them; without them all is skipped.
# Runs in: make check-deb.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/system/tap.sh
. "$here/../system/tap.sh"
# shellcheck source=tests/deb/chroot.sh
. "$here/chroot.sh"

container=
newer=()
programs=(sluice.socket sluice.service sluice-unseal@7.service)

at_exit() {
    if [[ -n $container ]]; then
        # At the second, systemd-nspawn does not wait for the container.
        { kill "$container" && kill "$container"; } 2>/dev/null || true
        wait "$container" || true
    fi
    end
}

first_process() {
    pgrep -P "$container" -x systemd
}

# inside COMMAND...: in the container, as whoever administers it.
inside() {
    nsenter --target "$(first_process)" --all -- env -i \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}

# boot: the system calls that the container may make are not limited, since
# sluice-intake limits its own.
boot() {
    umount "$root/proc"
    rm "$root/usr/sbin/policy-rc.d"
    systemd-id128 new >"$root/etc/machine-id"
    SYSTEMD_SECCOMP=0 systemd-nspawn --quiet --directory="$root" \
        --machine="$netns" --register=no --keep-unit --link-journal=no \
        --network-namespace-path="/run/netns/$netns" --console=pipe --boot \
        -- --unit=basic.target </dev/null >"$work/boot.log" 2>&1 &
    container=$!
}

is_booted() {
    inside systemctl is-active basic.target
}

# --- What is looked at -------------------------------------------------------

# show UNIT PROPERTY
show() {
    inside systemctl show --value --property="$2" "$1"
}

units_are() {
    local unit state rc=0
    for unit in "${programs[@]}"; do
        state=$(inside systemctl is-active "$unit" || true)
        echo "$unit: $state"
        [[ $state == "$1" ]] || rc=1
    done
    return "$rc"
}

# Nothing is said and nothing runs, since there is no configuration.
waits_for_its_configuration() {
    inside systemctl start sluice.service &&
        [[ $(show sluice.service ActiveState) == inactive &&
            $(show sluice.service ConditionResult) == no ]]
}

configure() {
    local key=/etc/sluice-unseal/7.key
    cat >"$root/etc/sluice/sluice.yaml" <<'END'
tenants:
  - id: 7
    name: seven-seas
    destinations:
      - name: archive
        type: file
        path: /var/log/sluice/seven-seas.log
END
    printf '%s\n' LISTEN=127.0.0.1:6515 \
        'OPTIONS=--output /var/log/sluice-unseal/7.log' \
        >"$root/etc/sluice-unseal/7.conf"
    inside sluice-unseal --generate-key --key "$key" --public /root/7.pub &&
        inside chown sluice-unseal "$key" &&
        inside systemctl start sluice.socket sluice.service &&
        inside systemctl enable --now sluice-unseal@7.service &&
        wait_for inside sluicectl status && units_are active
}

# note: who runs now.
note() {
    local unit
    for unit in "${programs[@]}"; do
        show "$unit" InvocationID >"$work/$unit"
    done
}

# is_another UNIT YES: whether it was started since note(); if not, it says so.
is_another() {
    local yes=no
    [[ $(show "$1" InvocationID) == "$(<"$work/$1")" ]] || yes=yes
    echo "$1 was started: $yes"
    [[ $yes == "$2" ]]
}

# runs VERSION: after another version was installed.
runs() {
    wait_for inside sluicectl status && units_are active &&
        is_another sluice.socket no && is_another sluice.service yes &&
        is_another sluice-unseal@7.service yes && versions_are "$1"
}

# The administrator's word about the same limit counts, also until the next
# start: what is there would be set, were /proc/sys not read only in here.
keeps_limits() {
    local command said
    echo net.core.rmem_max=67108864 >"$root/etc/sysctl.d/90-ours.conf"
    command=$(grep -A 1 '/systemd-sysctl' \
        "$root/var/lib/dpkg/info/sluice-proxy.postinst")
    [[ $command == *systemd-sysctl* ]] || return 1
    said=$(inside env SYSTEMD_LOG_LEVEL=debug sh -c "$command" 2>&1)
    echo "$said"
    grep -q "net/core/rmem_max' to '67108864'" <<<"$said" &&
        grep -q "fs/inotify/max_user_instances' to '1024'" <<<"$said"
}

security() {
    inside systemd-analyze --no-pager security --threshold=20 sluice.service \
        sluice-hostd.service sluice-unseal@7.service
}

# rotates USER FILE: what is there goes to FILE.1.
rotates() {
    inside runuser -u "$1" -- sh -c "umask 027; echo a line >>'$2'" &&
        inside logrotate --force --verbose /etc/logrotate.conf &&
        inside grep -q 'a line' "$2.1"
}

# follows: sluice-unseal was told that its file has another name.
follows() {
    local pid
    pid=$(show sluice-unseal@7.service MainPID)
    inside ls -l "/proc/$pid/fd" | tee /dev/stderr |
        grep -q '/var/log/sluice-unseal/7\.log$'
}

install_version() {
    inside dpkg --install "$@"
}

remove() {
    inside dpkg --remove sluice-libvirt sluice-proxy sluice-ctl sluice-hostd \
        sluice-unseal
}

nothing_runs() {
    units_are inactive
    if inside pgrep -l sluice; then
        return 1
    fi
}

# The spool's disk of its own is unmounted by whoever mounted it.
purge() {
    inside mount -t tmpfs tmpfs /var/spool/sluice &&
        inside touch /var/spool/sluice/generation &&
        inside dpkg --purge "${packages[@]}" &&
        [[ -z $(inside ls -A /var/spool/sluice) ]] &&
        inside umount /var/spool/sluice
}

what_is_ours_stays() {
    local path rc=0
    for path in /etc/sluice/sluice.yaml /etc/sluice-unseal/7.key; do
        [[ -s $root$path ]] || { echo "$path is gone"; rc=1; }
    done
    for path in /var/lib/sluice /var/log/sluice /var/lib/sluice-unseal; do
        [[ ! -e $root$path ]] || { echo "$path is there"; rc=1; }
    done
    inside getent passwd sluice sluice-intake sluice-unseal || rc=1
    return "$rc"
}

# --- The test ----------------------------------------------------------------

begin sluice-proxy sluice-ctl sluice-unseal sluice-hostd sluice-libvirt
[[ -x $(type -P systemd-nspawn) ]] || skip_all "there is no systemd-nspawn"
version=$(dpkg-deb -f "${deb_of[sluice-proxy]}" Version)
make_chroot systemd-sysv,logrotate,procps || skip_all "$(no_chroot)"
for package in "${packages[@]}"; do
    newer+=("/debs/newer-$package.deb")
    "$here/newer-deb" "${deb_of[$package]}" "$root/debs/newer-$package.deb" \
        >/dev/null
done

check "they install" install_ours
boot
check "the container boots" wait_for is_booted
check "the proxy waits for its configuration" waits_for_its_configuration
check "a proxy and a tenant's end are configured and started" configure
check "systemd-analyze has 2.0 at most for each unit" security
check "an administrator's limits stay" keeps_limits
check "logrotate rotates what destinations of type file write" \
    rotates sluice /var/log/sluice/seven-seas.log
check "and what sluice-unseal writes" \
    rotates sluice-unseal /var/log/sluice-unseal/7.log
check "sluice-unseal goes on in a new file" wait_for follows
note
check "a newer version is installed" install_version "${newer[@]}"
check "it runs, and the sockets are the same" runs "$version+1"
note
check "the older version is installed again" install_version "${debs[@]}"
check "it runs, and the sockets are the same again" runs "$version"
check "they can be removed" remove
check "nothing of them runs" nothing_runs
check "they can be purged, also with a disk of its own for the spool" purge
check "configuration, keys and users stay, and no state" what_is_ours_stays
done_testing
