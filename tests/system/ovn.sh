# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# OVN on the topology: central databases, northd and a controller for br-int, and
# a logical switch for each tenant's network.
#
# In: OVN_ROOT, where the packages ovn-common, ovn-central and ovn-host are
# unpacked, each in a folder of its name.
# Out: functions ovn_*.  Runs in: tests/system/test-ovn.sh.
# shellcheck source=tests/system/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

ovn_root=${OVN_ROOT:-$SLUICE_BUILD/../unpacked}

ovn_nbctl() {
    topo_in hv "$ovn_root/ovn-common/usr/bin/ovn-nbctl" --timeout=30 \
        --db="unix:$topo_dir/ovn/nb.sock" "$@"
}

# ovn_start_database nb|sb
ovn_start_database() {
    "$OVS_DIR/build/ovsdb/ovsdb-tool" create "$topo_dir/ovn/$1.db" \
        "$ovn_root/ovn-central/usr/share/ovn/ovn-$1.ovsschema"
    topo_start hv "ovn-$1.log" "$OVS_DIR/build/ovsdb/ovsdb-server" \
        "$topo_dir/ovn/$1.db" --remote="punix:$topo_dir/ovn/$1.sock" \
        --unixctl="$topo_dir/ovn/$1.ctl" --no-chdir
    topo_wait 60 "the socket of OVN's $1" test -S "$topo_dir/ovn/$1.sock"
}

# ovn_start_controller: ovn_controller_pid gets its id.
ovn_start_controller() {
    topo_start hv ovn-controller.log env OVN_RUNDIR="$topo_dir/ovn" \
        "$ovn_root/ovn-host/usr/bin/ovn-controller" "unix:$OVS_RUNDIR/db.sock" \
        --no-chdir
    # shellcheck disable=SC2034 # For the test.
    ovn_controller_pid=$topo_pid
}

# ovn_add_port SWITCH NAME MAC IP...: a logical port, and the port of br-int that
# it is.
ovn_add_port() {
    local switch=$1 name=$2
    shift 2
    ovn_nbctl lsp-add "$switch" "$name" -- lsp-set-addresses "$name" "$*"
    topo_vsctl set Interface "$name" external_ids:iface-id="$name"
}

ovn_ports_are_up() {
    local name
    for name in "$@"; do
        [[ $(ovn_nbctl lsp-get-up "$name") == up ]] || return 1
    done
}

# ovn_up: the logical switches ls7 and ls8 with the VMs and log servers of the
# tenants.
ovn_up() {
    local name tenant mac ip ip6 rest
    mkdir -p "$topo_dir/ovn"
    ovn_start_database nb
    ovn_start_database sb
    topo_start hv ovn-northd.log env OVN_RUNDIR="$topo_dir/ovn" \
        "$ovn_root/ovn-central/usr/bin/ovn-northd" --unixctl="$topo_dir/ovn/northd.ctl" \
        --ovnnb-db="unix:$topo_dir/ovn/nb.sock" \
        --ovnsb-db="unix:$topo_dir/ovn/sb.sock"
    topo_vsctl set Open_vSwitch . external_ids:system-id=hv-1 \
        external_ids:ovn-bridge=br-int \
        external_ids:ovn-bridge-datapath-type=netdev \
        external_ids:ovn-remote="unix:$topo_dir/ovn/sb.sock" \
        external_ids:ovn-encap-type=geneve \
        external_ids:ovn-encap-ip=198.18.0.1
    for tenant in 7 8; do
        ovn_nbctl ls-add "ls$tenant"
        mac=$(topo_in "lan$tenant" cat /sys/class/net/eth0/address)
        ovn_add_port "ls$tenant" "lan$tenant" "$mac" "$topo_logserver" \
            "$topo_logserver6"
    done
    for name in vm1 vm2 vm3; do
        read -r tenant _ mac ip ip6 rest <<<"${topo_vm[$name]}"
        ovn_add_port "ls$tenant" "$name" "$mac" "$ip" "$ip6"
    done
    ovn_start_controller
    topo_wait 60 "OVN's ports" ovn_ports_are_up lan7 lan8 vm1 vm2 vm3
}
