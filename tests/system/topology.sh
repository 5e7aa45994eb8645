# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The network of the demo and of the system tests, in network namespaces that
# it makes itself: nothing is added to the machine's own.
#
#     vm1 vm2   tenant 7 --+                              +-- t7  rsyslogd
#     vm3       tenant 8 --+-- hv  br-int ~ br-phy -- proxy
#     vm4       no tenant -+       Open vSwitch  sluiced  +-- t8  rsyslogd
#     lan7 lan8 the log servers that the VMs believe in
#
# The tenants' networks overlap: vm1 and vm3 have the same address, and vm1 and
# vm2, its clone, the same host name.  Only the port tells them apart.
#
# In: SLUICE_BUILD, a build of Sluice; OVS_DIR, what ovs-ext/prepare-ovs made.
# Out: functions topo_*, and namespaces, processes and files that topo_down
# removes again.  Whoever sources this gets an EXIT trap that calls it.
# Runs in: quickstart, tests/system/test-*.sh.

: "${SLUICE_BUILD:?name the build of Sluice}"
: "${OVS_DIR:?name the directory that ovs-ext/prepare-ovs filled}"

topo_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
topo_id="sluice$$"
topo_dir=
topo_log=               # Directory of all log files.
topo_pids=()
topo_namespaces=()
topo_vms=(vm1 vm2 vm3 vm4)

# One row per VM: tenant, VLAN of the tenant's network, MAC, IPv4 address,
# IPv6 address, UUID, host name that the guest claims, name that the manager
# knows, owner.  A tenant and UUID of "-" are not configured at the port.
declare -A topo_vm=(
    [vm1]="7 107 02:00:00:00:07:01 10.0.0.11 fd00::11 a0000000-0000-4000-8000-000000000701 web web-1 shop-team"
    [vm2]="7 107 02:00:00:00:07:02 10.0.0.12 fd00::12 a0000000-0000-4000-8000-000000000702 web web-2 shop-team"
    [vm3]="8 108 02:00:00:00:08:01 10.0.0.11 fd00::11 a0000000-0000-4000-8000-000000000801 ledger ledger-1 bank-team"
    [vm4]="- 107 02:00:00:00:07:04 10.0.0.14 fd00::14 - stray - -"
)

# The log server of each tenant's network, which VMs send to.
topo_logserver=10.0.0.254
topo_logserver6=fd00::fe

# --- Waiting -----------------------------------------------------------------

# topo_wait SECONDS WHAT COMMAND...: until COMMAND succeeds; else says that WHAT
# did not happen, and what COMMAND said last.
topo_wait() {
    local deadline=$((SECONDS + $1)) what=$2 output
    shift 2
    until output=$("$@" 2>&1); do
        if ((SECONDS >= deadline)); then
            printf '%s: not within the time allowed\n%s\n' "$what" \
                "$output" >&2
            return 1
        fi
        sleep 0.05
    done
}

# topo_has_lines FILE N: at least N lines are in FILE.
topo_has_lines() {
    [[ -f $1 ]] && (($(wc -l <"$1") >= $2))
}

# --- Namespaces and processes ------------------------------------------------

# topo_in NAME COMMAND...: in the namespace NAME.
topo_in() {
    local name=$1
    shift
    ip netns exec "$topo_id-$name" "$@"
}

# topo_start NAME LOG COMMAND...: in the background; topo_pid gets its id.
topo_start() {
    local name=$1 log=$2
    shift 2
    # "ip netns exec" becomes the command: the id is the command's.
    ip netns exec "$topo_id-$name" "$@" </dev/null >>"$topo_log/$log" 2>&1 &
    topo_pid=$!
    topo_pids+=("$topo_pid")
}

# topo_stop PID: ends a process that topo_start started, and waits for it.
topo_stop() {
    local pid=$1 deadline=$((SECONDS + 15))
    kill "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do
        if ((SECONDS >= deadline)); then
            kill -9 "$pid" 2>/dev/null || true
            break
        fi
        sleep 0.02
    done
    wait "$pid" 2>/dev/null || true
}

topo_namespace() {
    ip netns add "$topo_id-$1"
    topo_namespaces+=("$1")
    ip -n "$topo_id-$1" link set lo up
}

# topo_link NAME IF PEER PEER_IF: a veth pair, born inside the namespaces.
topo_link() {
    ip -n "$topo_id-$1" link add "$2" type veth \
       peer name "$4" netns "$topo_id-$3"
    # A userspace datapath gets frames as they are: no sums left to hardware.
    topo_in "$1" ethtool -K "$2" tx off >/dev/null
    topo_in "$3" ethtool -K "$4" tx off >/dev/null
    ip -n "$topo_id-$1" link set "$2" up
    ip -n "$topo_id-$3" link set "$4" up
}

# topo_quiet_ipv6 NAME: no router solicitations and the like.
topo_quiet_ipv6() {
    topo_in "$1" sysctl -qw net.ipv6.conf.all.accept_ra=0 \
        net.ipv6.conf.default.accept_dad=0 \
        net.ipv6.conf.default.router_solicitations=0 \
        net.ipv6.conf.default.addr_gen_mode=1
}

topo_down() {
    local name pid
    trap '' INT TERM HUP
    # Newest first: whoever sends goes before whoever receives.
    for ((i = ${#topo_pids[@]} - 1; i >= 0; i--)); do
        topo_stop "${topo_pids[i]}"
    done
    topo_pids=()
    for name in "${topo_namespaces[@]}"; do
        # What is left in a namespace of ours is ours.
        for pid in $(ip netns pids "$topo_id-$name" 2>/dev/null); do
            kill -9 "$pid" 2>/dev/null || true
        done
        ip netns del "$topo_id-$name" 2>/dev/null || true
    done
    topo_namespaces=()
    if [[ -n $topo_dir && -z ${SLUICE_KEEP:-} ]]; then
        rm -rf "$topo_dir"
    fi
    topo_dir=
    trap - INT TERM HUP
}

# topo_exit STATUS: the end of whoever sourced this, with the ends of the logs
# if something went wrong.
topo_exit() {
    local log
    if (($1)) && [[ -d $topo_log ]]; then
        for log in "$topo_log"/{sluiced,ovs-vswitchd}.log; do
            [[ ! -s $log ]] || tail -n 15 "$log" | sed "s,^,# ${log##*/}: ," >&2
        done
    fi
    topo_down
}

# --- Open vSwitch ------------------------------------------------------------

# ovs-vsctl and friends of the build, on the daemons of this topology.
topo_vsctl() {
    topo_in hv "$OVS_DIR/build/utilities/ovs-vsctl" --timeout=30 "$@"
}

topo_ofctl() {
    topo_in hv "$OVS_DIR/build/utilities/ovs-ofctl" --timeout=30 "$@"
}

topo_appctl() {
    topo_in hv "$OVS_DIR/build/utilities/ovs-appctl" --timeout=30 "$@"
}

# Columns of the Open_vSwitch table for ovs-vswitchd to start with.
topo_ovs_config=()

topo_start_ovs() {
    export OVS_RUNDIR=$topo_dir/ovs OVS_DBDIR=$topo_dir/ovs
    export OVS_LOGDIR=$topo_log OVS_SYSCONFDIR=$topo_dir/ovs
    mkdir -p "$OVS_RUNDIR"
    "$OVS_DIR/build/ovsdb/ovsdb-tool" create "$OVS_DBDIR/conf.db" \
        "$OVS_DIR/src/vswitchd/vswitch.ovsschema"
    topo_start hv ovsdb-server.log "$OVS_DIR/build/ovsdb/ovsdb-server" \
        "$OVS_DBDIR/conf.db" --remote="punix:$OVS_RUNDIR/db.sock" \
        --pidfile --no-chdir
    topo_wait 60 "ovsdb-server's socket" test -S "$OVS_RUNDIR/db.sock"
    topo_vsctl --no-wait init \
        ${topo_ovs_config:+-- set Open_vSwitch . "${topo_ovs_config[@]}"}
    # The kernel's datapath is the machine's: leave it alone.
    topo_start hv ovs-vswitchd.log "$OVS_DIR/build/vswitchd/ovs-vswitchd" \
        --disable-system --pidfile --no-chdir "unix:$OVS_RUNDIR/db.sock"
    topo_wait 60 "ovs-vswitchd's pidfile" test -s "$OVS_RUNDIR/ovs-vswitchd.pid"
}

# topo_add_vm NAME: connects a VM to br-int; its port tells who it is.
topo_add_vm() {
    local tenant vlan mac ip ip6 uuid rest
    read -r tenant vlan mac ip ip6 uuid rest <<<"${topo_vm[$1]}"
    topo_namespace "$1"
    topo_quiet_ipv6 "$1"
    topo_link "$1" eth0 hv "$1"
    ip -n "$topo_id-$1" link set eth0 address "$mac"
    ip -n "$topo_id-$1" addr add "$ip/24" dev eth0
    ip -n "$topo_id-$1" addr add "$ip6/64" dev eth0 nodad
    topo_vsctl add-port br-int "$1" tag="$vlan"
    if [[ $tenant != - ]]; then
        topo_vsctl set Interface "$1" \
            external_ids:vm-id="$uuid" external_ids:sluice-tenant="$tenant"
    fi
}

# topo_add_logserver TENANT VLAN: the host that the VMs of a tenant send to.
topo_add_logserver() {
    local name=lan$1
    topo_namespace "$name"
    topo_quiet_ipv6 "$name"
    topo_link "$name" eth0 hv "$name"
    ip -n "$topo_id-$name" addr add "$topo_logserver/24" dev eth0
    ip -n "$topo_id-$name" addr add "$topo_logserver6/64" dev eth0 nodad
    topo_vsctl add-port br-int "$name" tag="$2"
    topo_start "$name" "$name.log" python3 "$topo_here/udp-sink.py" \
        "$topo_dir/$name.received"
    topo_wait 60 "the log server in $name" test -f "$topo_dir/$name.received"
}

# The proxy's host and the underlay to it.
topo_add_underlay() {
    topo_link proxy eth0 hv uplink
    # Room for the outer headers and options around a frame of 1500 bytes.
    ip -n "$topo_id-proxy" link set eth0 mtu 1800
    ip -n "$topo_id-hv" link set uplink mtu 1800
    ip -n "$topo_id-proxy" addr add 198.18.0.2/24 dev eth0
    topo_vsctl add-br br-phy -- set Bridge br-phy datapath_type=netdev \
        -- add-port br-phy uplink -- set Interface br-phy mtu_request=1800
    ip -n "$topo_id-hv" addr add 198.18.0.1/24 dev br-phy
    ip -n "$topo_id-hv" link set br-phy up
    topo_vsctl add-port br-int sluice0 -- set Interface sluice0 type=geneve \
        options:remote_ip=flow options:key=flow
    # A tunnel drops packets until the neighbour's address is known; the
    # switch learns it from the answer to this.
    topo_wait 60 "an answer from the proxy's host" \
        topo_in hv ping -c 1 -W 1 198.18.0.2
    topo_wait 60 "the route of the tunnel" topo_tunnel_ready
}

topo_tunnel_ready() {
    topo_appctl tnl/neigh/show | grep -q '^198\.18\.0\.2 ' &&
        topo_appctl ovs/route/lookup 198.18.0.2 | grep -q 'br-phy'
}

# --- Tenants -----------------------------------------------------------------

# topo_add_tenant N: a namespace for the tenant's own log server.
topo_add_tenant() {
    topo_namespace "t$1"
    topo_link "t$1" eth0 proxy "t$1"
    ip -n "$topo_id-t$1" addr add "198.18.$1.2/30" dev eth0
    ip -n "$topo_id-proxy" addr add "198.18.$1.1/30" dev "t$1"
}

topo_listens() {
    topo_in "$1" ss -Hlnt "sport = :$2" | grep -q .
}

# topo_start_rsyslog N: the log server of tenant N, which writes each message
# as it came to $topo_dir/tN.log.
topo_start_rsyslog() {
    local n=$1
    mkdir -p "$topo_dir/rsyslog-$n"
    cat >"$topo_dir/rsyslog-$n.conf" <<END
global(workDirectory="$topo_dir/rsyslog-$n" maxMessageSize="64k")
module(load="imtcp")
template(name="raw" type="string" string="%rawmsg%\n")
ruleset(name="tenant") {
    action(type="omfile" file="$topo_dir/t$n.log" template="raw")
}
input(type="imtcp" port="514" ruleset="tenant")
END
    touch "$topo_dir/t$n.log"
    topo_start "t$n" "rsyslogd-$n.log" \
        rsyslogd -n -iNONE -f "$topo_dir/rsyslog-$n.conf"
    topo_rsyslog_pid[$n]=$topo_pid
    topo_wait 60 "rsyslogd of tenant $n" topo_listens "t$n" 514
}
declare -A topo_rsyslog_pid

topo_stop_rsyslog() {
    topo_stop "${topo_rsyslog_pid[$1]}"
}

# --- The proxy ---------------------------------------------------------------

# topo_intake_user: the section of the configuration that gives sluice-intake
# another user than root, if such a user can reach our directory and programs:
# both may lie below somebody's private directory.
topo_intake_user() {
    if setpriv --reuid=nobody --regid=nogroup --clear-groups \
        test -x "$topo_dir/bin/sluice-intake"; then
        printf 'intake:\n  user: nobody\n'
    fi
}

# topo_write_config: sluice.yaml and, for the VMs of the table, context.yaml.
topo_write_config() {
    local name tenant mac uuid proven owner
    cat >"$topo_dir/sluice.yaml" <<END
tunnel:
  listen: 198.18.0.2
paths:
  run: $topo_dir/run
  spool: $topo_dir/spool
  state: $topo_dir/state
batch:
  max-delay-ms: 200
output:
  hold-ms: 200
  backoff-max-ms: 500
$(topo_intake_user)
context:
  static-file: $topo_dir/context.yaml
hosts:
  - name: hv-1
    vtep: 198.18.0.1
    tenants: [7, 8]
tenants:
  - id: 7
    name: shop
    server: 198.18.7.2:514
  - id: 8
    name: bank
    server: 198.18.8.2:514
END
    echo "vms:" >"$topo_dir/context.yaml"
    for name in "${topo_vms[@]}"; do
        read -r tenant _ mac _ _ uuid _ proven owner <<<"${topo_vm[$name]}"
        echo "$name ${topo_vm[$name]}" >>"$topo_dir/vms"
        [[ $tenant != - ]] || continue
        cat >>"$topo_dir/context.yaml" <<END
  - uuid: $uuid
    macs: ["$mac"]
    name: $proven
    port: $name
    tenant: $tenant
    guest-os: debian-12
    host: hv-1
    cluster: rack-2
    owner: $owner
END
    done
}

# topo_link_programs: those of the build in one directory, as if installed.
topo_link_programs() {
    mkdir -p "$topo_dir/bin"
    find "$SLUICE_BUILD/proxy-vm" -type f -perm -100 -name 'sluice*' \
        -exec ln -s -t "$topo_dir/bin" {} +
}

topo_sluicectl() {
    topo_in proxy "$topo_dir/bin/sluicectl" \
        --socket "$topo_dir/run/control.sock" "$@"
}

topo_start_proxy() {
    topo_start proxy sluiced.log "$topo_dir/bin/sluiced" \
        --config "$topo_dir/sluice.yaml" --libexec "$topo_dir/bin"
    topo_wait 60 "an answer of sluiced" topo_answers_or_dead "$topo_pid"
    if ! kill -0 "$topo_pid" 2>/dev/null; then
        echo "sluiced ended at its start" >&2
        return 1
    fi
    topo_wait 60 "a socket on the tunnel port" topo_listens_udp proxy 6081
    topo_wait 60 "the context snapshot" test -s \
        "$topo_dir/state/context/context.snapshot"
}

# topo_answers_or_dead PID: not worth to wait for any longer.
topo_answers_or_dead() {
    topo_sluicectl status || ! kill -0 "$1" 2>/dev/null
}

topo_listens_udp() {
    topo_in "$1" ss -Hlnu "sport = :$2" | grep -q .
}

# tenant_figure TENANT NAME: a figure of sluicectl tenants.
tenant_figure() {
    topo_sluicectl --json tenants | python3 -c '
import json, sys
for tenant in json.load(sys.stdin)["tenants"]:
    if tenant["id"] == int(sys.argv[1]):
        print(tenant[sys.argv[2]])' "$1" "$2"
}

# figure_is TENANT NAME VALUE
figure_is() {
    local figure
    figure=$(tenant_figure "$1" "$2")
    echo "$2 of tenant $1: $figure"
    [[ $figure == "$3" ]]
}

# The flow, for IPv4 and IPv6.
topo_flow='udp,tp_dst=514,actions=log_tunnel(port=sluice0,dst=198.18.0.2),normal'
topo_flow6='udp6,tp_dst=514,actions=log_tunnel(port=sluice0,dst=198.18.0.2),normal'

topo_add_flows() {
    topo_ofctl add-flow br-int "$topo_flow"
    topo_ofctl add-flow br-int "$topo_flow6"
}

# --- The whole ---------------------------------------------------------------

# topo_up: namespaces, switch, tenants; no flow and no proxy yet.
topo_up() {
    topo_dir=$(mktemp -d "${TMPDIR:-/tmp}/sluice.XXXXXX")
    # The user that sluice-intake runs as must get through.
    chmod 711 "$topo_dir"
    topo_log=$topo_dir/log
    mkdir -p "$topo_log"
    topo_link_programs
    topo_write_config
    trap 'topo_exit $?' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM

    local name
    for name in hv proxy; do
        topo_namespace "$name"
        topo_quiet_ipv6 "$name"
    done
    topo_start_ovs
    topo_vsctl add-br br-int -- set Bridge br-int datapath_type=netdev
    topo_add_underlay
    topo_add_logserver 7 107
    topo_add_logserver 8 108
    for name in "${topo_vms[@]}"; do
        topo_add_vm "$name"
    done
    for name in 7 8; do
        topo_add_tenant "$name"
        topo_start_rsyslog "$name"
    done
}
