#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Our packages in the place of Debian's, and back: in a chroot of Debian's
# release with Debian's Open vSwitch, whose database has bridges, ours are
# installed over it, run, rolled back and removed.
#
# In: DEB_DIR, where "make deb" put packages; without them all is skipped.
# Runs the daemons in a network namespace of its own, without systemd, by
# ovs-ctl, with the userspace datapath.  Runs in: make check-deb.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/system/tap.sh
. "$here/../system/tap.sh"
# shellcheck source=tests/deb/chroot.sh
. "$here/chroot.sh"

action='actions=log_tunnel(port=10,dst=192.0.2.2)'
# UDP to the port of syslog.
frame=50540000000a50540000000908004500002000000000401166cb0a0000010a000002
frame+=1f900202000c057b61626364

ovs_start() {
    in_root /usr/share/openvswitch/scripts/ovs-ctl start \
        --system-id=11111111-2222-3333-4444-555555555555 \
        --ovsdb-server-wrapper=none --ovs-vswitchd-wrapper=none
}

ovs_stop() {
    in_root /usr/share/openvswitch/scripts/ovs-ctl stop
}

at_exit() {
    if [[ -n $root && -x $root/usr/share/openvswitch/scripts/ovs-ctl ]]; then
        ovs_stop >/dev/null 2>&1 || true
    fi
    end
}

install_debian() {
    apt_root install "${packages[@]}" &&
        ln -sf /bin/true "$root/usr/sbin/modprobe"
}

# --- What is looked at -------------------------------------------------------

configure() {
    in_root ovs-vsctl -- add-br br-phy \
        -- set Bridge br-phy datapath_type=netdev fail_mode=standalone \
        -- add-port br-phy uplink -- set Interface uplink type=internal \
        -- add-br br-int -- set Bridge br-int datapath_type=netdev \
        -- add-port br-int vm1 \
        -- set Interface vm1 type=internal ofport_request=1 \
        external_ids:vm-id=a0000000-0000-4000-8000-000000000701 \
        external_ids:sluice-tenant=7 \
        -- add-port br-int sluice0 \
        -- set Interface sluice0 type=geneve ofport_request=10 \
        options:remote_ip=flow options:key=flow \
        -- set Open_vSwitch . other_config:max-idle=30000 &&
        in_root ip address replace 192.0.2.1/24 dev br-phy &&
        in_root ip link set br-phy up
}

# database: what an operator put into the database, as the server has it.
database() {
    in_root ovsdb-client --no-headings --format=csv dump Open_vSwitch Bridge \
        _uuid name datapath_type fail_mode ports external_ids other_config
    in_root ovsdb-client --no-headings --format=csv dump Open_vSwitch Port \
        _uuid name interfaces tag external_ids other_config
    in_root ovsdb-client --no-headings --format=csv dump Open_vSwitch \
        Interface _uuid name type options ofport_request external_ids
    in_root ovsdb-client --no-headings --format=csv dump Open_vSwitch \
        Open_vSwitch _uuid bridges other_config
}

database_is_the_same() {
    database | diff "$work/database" -
}

refuses_the_action() {
    local output
    output=$(in_root ovs-ofctl parse-flow "$action" 2>&1) && return 1
    echo "$output"
    grep -q 'unknown action log_tunnel' <<<"$output"
}

parses_the_action() {
    in_root ovs-ofctl parse-flow "$action" | grep -F 'log_tunnel(port=10'
}

runs() {
    in_root ovs-appctl version | tee /dev/stderr | grep -q ovs-vswitchd &&
        in_root ovs-appctl dpif/show | tee /dev/stderr | grep -q 'vm1 1/'
}

knows_the_route() {
    in_root ovs-appctl ovs/route/show | grep -q '192.0.2.0/24'
}

has_sent() {
    in_root ovs-appctl sluice/show | grep -q ' sent 1$'
}

# sends_a_packet: a packet of vm1 goes through the tunnel.
sends_a_packet() {
    in_root ip address replace 192.0.2.1/24 dev br-phy
    in_root ip link set br-phy up
    wait_for knows_the_route
    in_root ovs-appctl tnl/neigh/set br-phy 192.0.2.2 02:00:00:00:00:02
    in_root ovs-ofctl packet-out br-int "in_port=vm1 packet=$frame $action"
    wait_for has_sent || { in_root ovs-appctl sluice/show; return 1; }
}

restart() {
    ovs_stop && ovs_start
}

use_dpdk() {
    chroot "$root" update-alternatives --set ovs-vswitchd \
        /usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk &&
        restart && in_root readlink -f /usr/sbin/ovs-vswitchd &&
        in_root ovs-vswitchd --version | grep DPDK
}

use_plain() {
    chroot "$root" update-alternatives --auto ovs-vswitchd
}

roll_back() {
    in_root apt-mark unhold "${packages[@]}" &&
        apt_root install --allow-downgrades "${packages[@]/%/=$debian_version}"
}

# nothing_left: neither packages nor programs, alternatives or manuals.
nothing_left() {
    local left
    # shellcheck disable=SC2016 # A format of dpkg.
    left=$(chroot "$root" dpkg-query -W -f '${Package} ${Status}\n' \
        '*openvswitch*' 2>/dev/null | grep -v not-installed || true)
    left+=$(find "$root/usr" "$root/etc" "$root/var/lib/dpkg/alternatives" \
        \( -name '*ovs-vswitchd*' -o -name 'log_tunnel*' -o -name 'ovs-ctl*' \
        \) -print)
    [[ -z $left ]] || { echo "left: $left"; return 1; }
}

# --- The test ----------------------------------------------------------------

# What is replaced, and what those depend on in the very same version.
begin openvswitch-common openvswitch-switch openvswitch-switch-dpdk \
    python3-openvswitch
our_version=$(dpkg-deb -f "${deb_of[openvswitch-switch]}" Version)

make_chroot iproute2,procps,man-db || skip_all "$(no_chroot)"
# No module of a kernel is loaded: the userspace datapath needs none.
mkdir -p "$root/dev/net"
mount --bind /dev/net "$root/dev/net"
cp "$DEB_DIR"/openvswitch-*.deb "$root/debs/"

check "Debian's packages install" install_debian
debian_version=$(version_of openvswitch-switch || true)
echo "# Debian's $debian_version, ours $our_version"
check "ours is the newer version" \
    dpkg --compare-versions "$our_version" gt "$debian_version"
check "Debian's switch starts" ovs_start
check "bridges and ports are configured" configure
check "Debian's switch has them" runs
check "Debian's ovs-ofctl does not know the action" refuses_the_action
database >"$work/database"
check "the database has them" grep sluice-tenant "$work/database"
check "Debian's switch stops" ovs_stop

check "ours install over Debian's" install_ours
check "all of ours are of our version" versions_are "$our_version"
check "ours can be held" in_root apt-mark hold "${packages[@]}"
check "our switch starts" ovs_start
check "our switch has the bridges" runs
check "the database is the same" database_is_the_same
check "our ovs-ofctl knows the action" parses_the_action
check "our switch takes a flow with it" \
    in_root ovs-ofctl add-flow br-int "udp,tp_dst=514,$action,normal"
check "our switch sends a packet through the tunnel" sends_a_packet
check "the manual page is there" in_root man -w log_tunnel
check "our switch with DPDK starts" use_dpdk
check "it has the bridges" runs
check "it sends a packet through the tunnel" sends_a_packet
use_plain >/dev/null
check "flows with it can be taken away" in_root ovs-ofctl del-flows br-int \
    udp,tp_dst=514
check "our switch stops" ovs_stop

check "Debian's go over ours again" roll_back
check "all of Debian's are of the version before" versions_are "$debian_version"
check "Debian's switch starts again" ovs_start
check "it has the bridges again" runs
check "the database is still the same" database_is_the_same
check "its ovs-ofctl does not know the action" refuses_the_action
check "Debian's switch stops again" ovs_stop

check "ours install once more" install_ours
check "our switch starts once more" ovs_start
check "the database is the same once more" database_is_the_same
check "our switch stops once more" ovs_stop
check "ours can be removed" apt_root remove '*openvswitch*'
check "the database stays when they are removed" \
    test -s "$root/var/lib/openvswitch/conf.db"
check "ours can be purged" apt_root purge '*openvswitch*'
check "nothing of them is left" nothing_left
done_testing
