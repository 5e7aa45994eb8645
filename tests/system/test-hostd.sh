#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# sluice-hostd on the hypervisor: what it says of host, VMs and ports is in the
# lines, over a restart of either side.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

topo_up
keys=$topo_dir/keys
mkdir "$keys"

# key_of NAME: makes the key pair of a host.
key_of() {
    "$topo_dir/bin/sluice-hostd" --generate-key --key "$keys/$1.key" \
        --public "$keys/$1.pub"
}
check "sluice-hostd makes a key pair" key_of hv-1
key_of stranger

sed -i -e "s,^  static-file:.*,&\n  host-listen: 198.18.0.2:6082," \
    -e "s,^    vtep: 198.18.0.1,&\n    public-key-file: $keys/hv-1.pub," \
    "$topo_dir/sluice.yaml"
topo_start_proxy
topo_add_flows

# start_hostd KEY OPTION...: as that host; hostd_pid gets its id.
start_hostd() {
    local key=$1
    shift
    topo_start hv hostd.log "$topo_dir/bin/sluice-hostd" "$@" \
        --key "$keys/$key.key" --interval-ms 1000 \
        --proxy "198.18.0.2:6082,$topo_dir/state/host-channel.key.pub"
    hostd_pid=$topo_pid
}

# stop_hostd: it ends as it should.
n_crashes=0
stop_hostd() {
    kill "$hostd_pid"
    wait "$hostd_pid" || n_crashes=$((n_crashes + 1))
}

# says VM TEXT: sends an error that says TEXT, so that it gets all context.
says() {
    # shellcheck disable=SC2016 # The inner shell's.
    topo_in "$1" bash -c 'printf "<11>1 - web app - - - %s" "$1" \
        >/dev/udp/10.0.0.254/514' - "$2"
}

# line TENANT TEXT: the line that says TEXT, once it came.
line() {
    topo_wait 60 "the line $2" grep -F " $2" "$topo_dir/t$1.log" &&
        grep -F " $2" "$topo_dir/t$1.log"
}

# becomes VM TENANT REGEX: a line of the VM matches REGEX, soon.
n_said=0
line_matches() {
    n_said=$((n_said + 1))
    says "$1" "said-$n_said;"
    line "$2" "said-$n_said;" | grep -E "$3"
}
# (Not by topo_wait, whose subshell would keep the number.)
becomes() {
    local deadline=$((SECONDS + 60))
    until line_matches "$@"; do
        if ((SECONDS >= deadline)); then
            line "$2" "said-$n_said;"
            return 1
        fi
        sleep 0.2
    done
}

status_has() {
    grep -E "$1" "$topo_dir/state/context/context.snapshot.status" || {
        cat "$topo_dir/state/context/context.snapshot.status"
        return 1
    }
}

percent='"[0-9]+\.[0-9]"'
check "lines come without what no host said" \
    becomes vm1 7 ' host="hv-1"'
check "and do not say what nobody knows" \
    nowhere host-cpu-percent "$topo_dir/t7.log"

start_hostd stranger
check "a host with another key is refused and counted" \
    topo_wait 60 "an unknown host" status_has 'unknown-host: [1-9]'
stop_hostd

start_hostd hv-1
check "lines say how much the host has to do" becomes vm1 7 \
    " host-cpu-percent=$percent .*host-memory-percent=$percent"
check "and which port of the switch it is" becomes vm1 7 ' switch-port="vm1"'
check "of another tenant's VM as well" becomes vm3 8 ' switch-port="vm3"'

# A guest of QEMU that never runs, for vm1's UUID.
uuid_of() {
    local uuid
    read -r _ _ _ _ _ uuid _ <<<"${topo_vm[$1]}"
    echo "$uuid"
}
start_qemu() {
    topo_start hv qemu.log qemu-system-x86_64 -S -accel tcg -nodefaults \
        -display none -m 64 -smp 2 -name guest=web-1 -uuid "$(uuid_of vm1)"
    qemu_pid=$topo_pid
}
check "a VM of which there is no process has no figures" \
    nowhere ' cpu-percent' "$topo_dir/t7.log"
start_qemu
check "lines say how much QEMU uses" becomes vm1 7 \
    " cpu-percent=$percent memory-percent=$percent"
line_without() {
    local text
    text=$(line "$1" "$2") || return
    echo "$text"
    [[ $text && $text != *"$3"* ]]
}
says vm2 "not-vm1;"
check "and not those of another VM" line_without 7 "not-vm1;" " cpu-percent"
topo_stop "$qemu_pid"
without_figures() {
    ! { line_matches vm1 7 . | grep -F ' cpu-percent'; }
}
check "and no more once it is gone" \
    topo_wait 60 "a line without" without_figures

# A process of the host, by the addresses of its socket.
topo_start hv socket.log python3 -c 'import os, signal, socket
os.setgroups([])
os.setresuid(65534, 65534, 65534)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("198.18.0.1", 5140))
signal.pause()'
socket_pid=$topo_pid
topo_vsctl set Interface vm2 \
    'external_ids:sluice-socket="udp:198.18.0.1:5140"'
check "lines say whose user's socket a port is for" \
    becomes vm2 7 ' process-uid="65534"'
check "but not the process, which takes a capability" \
    nowhere ' process-pid' "$topo_dir/t7.log"
stop_hostd
start_hostd hv-1 --processes --set-owner
check "with which they say that, too" becomes vm2 7 \
    " process=\"python3\" process-pid=\"$socket_pid\" process-uid=\"65534\""

check "and the switch stamps it on packets" becomes vm2 7 \
    " owner-pid=\"$socket_pid\" owner-uid=\"65534\""
topo_stop "$socket_pid"
no_owner() {
    ! { topo_vsctl get Interface vm2 external_ids | grep sluice-owner; }
}
check "until the process is gone" topo_wait 60 "no owner" no_owner

# shut_in PID CAPABILITIES: what the kernel says of a process.
shut_in() {
    grep -E '^(Cap(Prm|Eff)|NoNewPrivs|Seccomp):' "/proc/$1/status"
    [[ $(grep -cE "^Cap(Prm|Eff):.*$2\$" "/proc/$1/status") == 2 ]] &&
        grep -q '^NoNewPrivs:.*1$' "/proc/$1/status" &&
        { [[ $sanitized ]] || grep -q '^Seccomp:.*2$' "/proc/$1/status"; }
}
sanitized=$(nm "$topo_dir/bin/sluice-hostd" 2>/dev/null | grep -m 1 asan || true)
check "sluice-hostd keeps the one capability that it needs for that" \
    shut_in "$hostd_pid" 0000000000080000

stop_hostd
start_hostd hv-1
check "and else none" \
    topo_wait 60 "no capability" shut_in "$hostd_pid" 0000000000000000
check "a restart of sluice-hostd begins another session" \
    topo_wait 60 "a third session" status_has '  sessions: 3'
check "and lines go on to say it" \
    becomes vm1 7 " host-cpu-percent=$percent"

restart_database() {
    local pid
    pid=$(cat "$OVS_RUNDIR/ovsdb-server.pid")
    topo_stop "$pid"
    topo_start hv ovsdb-server.log "$OVS_DIR/build/ovsdb/ovsdb-server" \
        "$OVS_DBDIR/conf.db" --remote="punix:$OVS_RUNDIR/db.sock" \
        --pidfile --no-chdir
    topo_wait 60 "ovsdb-server's socket" test -S "$OVS_RUNDIR/db.sock"
    topo_vsctl set Interface vm3 external_ids:vm-name=ledger
}
check "the switch's database is restarted" restart_database
n_reports=$(status_has '  reports:' | tr -dc 0-9)
more_reports() {
    (($(status_has '  reports:' | tr -dc 0-9) >= n_reports + 3))
}
check "and sluice-hostd, without privileges, connects again" \
    topo_wait 60 "more reports" more_reports

restart_proxy() {
    topo_stop "$proxy_pid"
    topo_start_proxy
}
proxy_pid=$(topo_sluicectl --json status | python3 -c '
import json, sys
pid = json.load(sys.stdin)["programs"][0]["pid"]
print(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])')
check "the proxy is restarted" restart_proxy
check "and sluice-hostd connects again" \
    topo_wait 60 "a session with the new one" status_has '  sessions: 1'
check "and reports" \
    topo_wait 60 "a report to the new one" status_has '  reports: [1-9]'
check "lines say what it says" becomes vm1 7 " host-load=\"[0-9.]+\""

# The new proxy had called it stale until it first heard of it.
check "and it is no longer stale" \
    topo_wait 60 "a current host" status_has '^source host:hv-1: current'

# For as long as it says nothing it is believed, but marked.
kill -STOP "$hostd_pid"
check "a host that is silent for a minute is stale" \
    topo_wait 90 "a stale host" status_has '^source host:hv-1: stale'
check "and counted" topo_wait 60 "the count" status_has '  silences: 1'
check "lines say so, and no longer what it measured" \
    becomes vm1 7 ' switch-port="vm1" context-stale="host:hv-1"'
kill -CONT "$hostd_pid"
check "until it is heard of" becomes vm1 7 " host-cpu-percent=$percent"

stop_hostd
check "sluice-hostd ended well each time" test "$n_crashes" = 0
check "the programs' logs have no error" logs_quiet
check "nor has that of sluice-hostd" \
    nowhere 'EMER\|ERR|' "$topo_log/hostd.log"
done_testing
