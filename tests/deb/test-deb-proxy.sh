#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The packages of the proxy's programs: what is in them, what lintian says, and,
# in a chroot of Debian's release, that they install, run, are upgraded, removed
# and purged.
#
# In: DEB_DIR, where "make deb" put them; without them all is skipped.
# Runs sluiced in a network namespace of its own, without systemd: no unit is
# started here.  Runs in: make check-deb.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/system/tap.sh
. "$here/../system/tap.sh"
# shellcheck source=tests/deb/chroot.sh
. "$here/chroot.sh"

newer=()

at_exit() {
    stop_proxy || true
    end
}

# --- What is in them ---------------------------------------------------------

# has PACKAGE PATH...: each of them is in the package.
has() {
    local path rc=0
    dpkg-deb -c "${deb_of[$1]}" | awk '{ sub(/^\./, "", $6); print $6 }' \
        >"$work/contents"
    for path in "${@:2}"; do
        grep -qxF -- "$path" "$work/contents" || {
            echo "there is no $path"
            rc=1
        }
    done
    return "$rc"
}

# Neither DPDK nor Open vSwitch comes along.
depends_on_little() {
    local deb rc=0
    for deb in "${deb_of[@]}"; do
        dpkg-deb -f "$deb" Depends | tee /dev/stderr |
            grep -E 'rte|dpdk|openvswitch|unbound' && rc=1
    done
    return "$rc"
}

lintian_is_content() {
    lintian --fail-on error,warning --tag-display-limit 0 "${deb_of[@]}"
}

# no_path: nothing of where it was built is in a program.
no_path() {
    local deb rc=0
    for deb in "${deb_of[@]}"; do
        if dpkg-deb --fsys-tarfile "$deb" |
            grep -aoF "$(cd "$DEB_DIR" && pwd)" | head -n 1 | grep -q .; then
            echo "$deb has it"
            rc=1
        fi
    done
    return "$rc"
}

# --- Another version ---------------------------------------------------------

# The same with another version.
make_newer() {
    local package
    for package in "${packages[@]}"; do
        "$here/newer-deb" "${deb_of[$package]}" \
            "$root/debs/${package}_newer.deb" || return 1
    done
}

# newer_takes_it: the newer version, which is not installed, the configuration.
newer_takes_it() {
    make_newer &&
        dpkg-deb --extract "$root/debs/sluice-proxy_newer.deb" "$root/new" &&
        in_root /new/usr/sbin/sluiced --check --config /etc/sluice/sluice.yaml
}

upgrade() {
    in_root sluicectl drain && apt_root install "${newer[@]}"
}

downgrade() {
    stop_proxy && apt_root install --allow-downgrades "${debs[@]}"
}

# each_runs: the programs of all packages, with the libraries that came along.
each_runs() {
    local program rc=0
    for program in "$root"/usr/{bin,sbin,libexec/sluice}/sluice*; do
        [[ $(head -c 2 "$program") != '#!' ]] || continue
        program=/${program#"$root/"}
        in_root "$program" --version || {
            echo "$program does not run"
            rc=1
        }
    done
    return "$rc"
}

users_are_there() {
    chroot "$root" getent passwd sluice-intake sluice-unseal
}

units_are() {
    local unit rc=0
    for unit in sluice.service sluice.socket sluice-hostd.service; do
        [[ $(chroot "$root" systemctl is-enabled "$unit") == "$1" ]] || {
            echo "$unit is not $1"
            rc=1
        }
    done
    return "$rc"
}

# --- The proxy in it ---------------------------------------------------------

configure() {
    cat >"$root/etc/sluice/sluice.yaml" <<'END'
tunnel:
  listen: 127.0.0.1
tenants:
  - id: 7
    name: seven-seas
    destinations:
      - name: archive
        type: file
        path: /var/log/sluice/seven-seas.log
END
    mkdir -p "$root/var/log/sluice"
    in_root sluiced --check --config /etc/sluice/sluice.yaml
}

is_gone() {
    ! kill -0 "$1" 2>/dev/null
}

# stop_proxy: its pid is in a file, since "check" runs its command in a subshell.
stop_proxy() {
    local pid
    pid=$(cat "$work/pid" 2>/dev/null) || return 0
    rm -f "$work/pid"
    kill "$pid" 2>/dev/null || return 0
    wait_for is_gone "$pid"
}

answers() {
    in_root sluicectl status
}

start_proxy() {
    ip netns exec "$netns" chroot "$root" /usr/sbin/sluiced \
        --config /etc/sluice/sluice.yaml </dev/null >"$work/sluiced.log" 2>&1 &
    echo $! >"$work/pid"
    wait_for answers || cat "$work/sluiced.log"
    answers
}

intake_has_its_user() {
    local pid
    for pid in $(pgrep -P "$(cat "$work/pid")"); do
        if [[ $(cat "/proc/$pid/comm") == sluice-intake ]]; then
            [[ $(stat -c %u "/proc/$pid") == \
                $(chroot "$root" id -u sluice-intake) ]]
            return
        fi
    done
    echo "there is no sluice-intake"
    return 1
}

makes_a_key() {
    in_root sluice-unseal --generate-key --key /etc/sluice-unseal/7.key \
        --public /tmp/7.pub && [[ -s $root/tmp/7.pub ]]
}

# manuals_are_there: one for each program, and for each file that people write.
manuals_are_there() {
    local page rc=0
    for page in "$root"/usr/{bin,sbin,libexec/sluice}/sluice*; do
        page=man8/${page##*/}.8
        [[ -s $root/usr/share/man/$page.gz ]] || { echo "no $page"; rc=1; }
    done
    for page in sluice.yaml sluice-context.yaml sluice-redaction; do
        [[ -s $root/usr/share/man/man5/$page.5.gz ]] ||
            { echo "no $page.5"; rc=1; }
    done
    return "$rc"
}

# links_lead_somewhere: those from one document for users to another.
links_lead_somewhere() {
    local file link rc=0
    for file in "$root"/usr/share/doc/sluice-proxy/*.md*; do
        while read -r link; do
            [[ $(echo "${file%/*}/$link"*) != *'*' ]] || {
                echo "${file##*/}: there is no $link"
                rc=1
            }
        done < <(zcat -f "$file" | grep -oP '\]\(\K[\w-]+\.md' | sort -u)
    done
    return "$rc"
}

remove() {
    stop_proxy
    apt_root remove "${packages[@]}"
}

# What an administrator wrote, and what is not shipped yet.
state_is_there() {
    [[ -s $root/etc/sluice/sluice.yaml && -d $root/var/lib/sluice &&
        -s $root/etc/logrotate.d/sluice-proxy ]]
}

programs_are_gone() {
    ! ls "$root"/usr/sbin/sluice* "$root"/usr/bin/sluice* 2>/dev/null
}

purge() {
    rm -f "$root/etc/sluice/sluice.yaml" "$root/etc/sluice-unseal/7.key"
    apt_root purge "${packages[@]}"
}

nothing_left() {
    local left
    left=$(find "$root/usr" "$root/etc" "$root/var" "$root/lib" "$root/run" \
        -name '*sluice*' -not -path '*/apt/*' -not -path '*/log/*.log' -print |
        grep -v '/var/lib/dpkg/' || true)
    [[ -z $left ]] || { echo "left: $left"; return 1; }
}

# --- The test ----------------------------------------------------------------

begin sluice-proxy sluice-ctl sluice-unseal sluice-hostd sluice-libvirt
version=$(dpkg-deb -f "${deb_of[sluice-proxy]}" Version)
for package in "${packages[@]}"; do
    newer+=("/debs/${package}_newer.deb")
done

check "the proxy's package has its programs and units" has sluice-proxy \
    /usr/sbin/sluiced /usr/sbin/sluice-intake /usr/sbin/sluice-context \
    /usr/sbin/sluice-ship /usr/sbin/sluice-metrics \
    /usr/libexec/sluice/sluice-relp /usr/libexec/sluice/sluice-kafka \
    /lib/systemd/system/sluice.service /lib/systemd/system/sluice.socket \
    /usr/lib/sysusers.d/sluice.conf /usr/lib/tmpfiles.d/sluice.conf \
    /usr/lib/sysctl.d/50-sluice.conf /etc/logrotate.d/sluice-proxy
check "the command line's has it, completions and the schema" has sluice-ctl \
    /usr/bin/sluicectl /usr/share/bash-completion/completions/sluicectl \
    /usr/share/zsh/vendor-completions/_sluicectl \
    /usr/share/sluice/sluice.schema.json
check "the tenant's end has its unit" has sluice-unseal \
    /usr/sbin/sluice-unseal /lib/systemd/system/sluice-unseal@.service
check "the hypervisor's end has its unit" has sluice-hostd \
    /usr/sbin/sluice-hostd /lib/systemd/system/sluice-hostd.service \
    /usr/libexec/sluice/sluice-keep-flows
check "what asks libvirt is a package of its own" has sluice-libvirt \
    /usr/libexec/sluice/sluice-libvirt
check "they depend neither on DPDK nor on Open vSwitch" depends_on_little
check "nothing says where they were built" no_path
if command -v lintian >/dev/null; then
    check "lintian finds nothing" lintian_is_content
else
    skip "lintian finds nothing" "there is no lintian"
fi

if ! make_chroot zsh; then
    skip "they install" "$(no_chroot)"
    done_testing
    exit
fi

check "they install" install_ours
check "each program runs" each_runs
check "the users are there" users_are_there
check "what documents lead to is there" links_lead_somewhere
check "the units are enabled" units_are enabled
check "a configuration is checked" configure
check "the proxy starts and answers" start_proxy
check "sluice-intake has a user of its own" intake_has_its_user
check "a key is made" makes_a_key
check "the manuals are there" manuals_are_there
check "a newer version takes the configuration" newer_takes_it
check "an upgrade goes through" upgrade
check "all are of the new version" versions_are "$version+1"
check "the proxy that ran goes on" answers
stop_proxy
check "the new one starts on the same state" start_proxy
check "the older version goes over it" downgrade
check "all are of the version before" versions_are "$version"
check "the older one starts on the same state" start_proxy
check "they can be removed" remove
check "configuration and state stay" state_is_there
check "the programs are gone" programs_are_gone
check "they can be purged" purge
check "nothing of them is left" nothing_left
done_testing
