#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Two proxies share the VMs, and BFD through the tunnels says which of them
# lives: the share of one that is stopped, and of one that ends, moves to the
# other, and comes back; what the switch sent to each is what each received.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

addresses=(198.18.0.2 198.18.0.3)
proxy_pid=()

# Proxy N has its directories and its configuration, and both ship to the same
# servers.
write_proxy() {
    local dir=$topo_dir/proxy-$1
    mkdir -p "$dir"
    chmod 711 "$dir"
    sed -e "s,$topo_dir/\(run\|spool\|state\)$,$dir/\1," \
        -e "s,listen: .*,listen: ${addresses[$1]}\n  bfd-sessions: 16," \
        "$topo_dir/sluice.yaml" >"$dir/sluice.yaml"
}

start_proxy() {
    topo_start proxy "sluiced-$1.log" "$topo_dir/bin/sluiced" \
        --config "$topo_dir/proxy-$1/sluice.yaml" --libexec "$topo_dir/bin"
    proxy_pid[$1]=$topo_pid
    topo_wait 60 "an answer of proxy $1" proxy_ctl "$1" status
}

proxy_ctl() {
    local n=$1
    shift
    topo_in proxy "$topo_dir/bin/sluicectl" \
        --socket "$topo_dir/proxy-$n/run/control.sock" "$@"
}

# intake_of N: the process that receives for proxy N.
intake_of() {
    local pid
    local -a children
    read -ra children \
        <"/proc/${proxy_pid[$1]}/task/${proxy_pid[$1]}/children"
    for pid in "${children[@]}"; do
        if [[ $(<"/proc/$pid/comm") == sluice-intake ]]; then
            echo "$pid"
        fi
    done
}

# sent_to N: packets for proxy N, from the switch's books.
sent_to() {
    topo_appctl sluice/show --json br-int | python3 -c '
import json, sys
print(sum(d["sent"] for port in json.load(sys.stdin)["ports"]
          for d in port["destinations"] if d["ip"] == sys.argv[1]))' \
        "${addresses[$1]}"
}

# figure_of N NAME: a figure of proxy N, over all VMs.
figure_of() {
    proxy_ctl "$1" --json vms | python3 -c '
import json, sys
print(sum(vm[sys.argv[1]] for vm in json.load(sys.stdin)["vms"]))' "$2"
}

is_live() {
    topo_vsctl get Interface "log$1" bfd_status:forwarding | grep -q true
}

is_dead() {
    ! is_live "$1"
}

has_share() {
    (($(sent_to "$1") > $2))
}

# books_agree LOST...: what was sent to each proxy is what it received, but for
# what it knows that it lost, which is nothing where LOST is 0.
books_agree() {
    local n sent received lost rc=0
    for n in 0 1; do
        sent=$(sent_to "$n")
        received=$(figure_of "$n" received)
        lost=$(figure_of "$n" lost)
        echo "proxy $n: sent $sent received $received lost $lost"
        ((sent == received + lost && (lost == 0 || $1 != 0))) || rc=1
        shift
    done
    return "$rc"
}

# A line every 20 ms from vm1, until it is stopped.
start_sender() {
    topo_start vm1 sender.log python3 -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
n = 0
while True:
    n += 1
    s.sendto(b"<13>Nov 20 12:00:00 web app: line %d" % n,
             ("'"$topo_logserver"'", 514))
    time.sleep(0.02)'
    sender=$topo_pid
}

topo_up
ip -n "$topo_id-proxy" addr add "${addresses[1]}/24" dev eth0
topo_wait 60 "an answer from the second proxy's address" \
    topo_in hv ping -c 1 -W 1 "${addresses[1]}"
for n in 0 1; do
    write_proxy $n
    start_proxy $n
    topo_vsctl add-port br-int "log$n" -- set Interface "log$n" type=geneve \
        options:remote_ip="${addresses[$n]}" options:key=flow \
        bfd:enable=true bfd:min_rx=200 bfd:min_tx=200
done
topo_ofctl add-flow br-int \
    'udp,tp_dst=514,actions=log_tunnel(port=log0,port=log1),normal'
for n in 0 1; do
    check "BFD finds proxy $n alive" \
        topo_wait 60 "a session with proxy $n" is_live $n
done

start_sender
topo_wait 60 "the first packets" eval 'has_share 0 0 || has_share 1 0'
first=0
has_share 0 0 || first=1
other=$((1 - first))
check "all packets of a VM go to one proxy" test "$(sent_to $other)" = 0

stopped=$(intake_of $first)
kill -STOP "$stopped"
begin=${EPOCHREALTIME/./}
check "the share of a stopped proxy moves" \
    topo_wait 60 "packets for the other proxy" has_share $other 0
echo "# it took $(((${EPOCHREALTIME/./} - begin) / 1000)) ms"
check "the switch says that the proxy is dead" is_dead $first
before=$(sent_to $first)
kill -CONT "$stopped"
check "it comes back when the proxy goes on" \
    topo_wait 60 "packets for the first proxy" has_share $first "$before"
topo_stop "$sender"
check "what was sent to each is what each received, and nothing is lost" \
    topo_wait 60 "books that agree" books_agree 0 0

start_sender
before=$(sent_to $first)
topo_wait 60 "more packets" has_share $first "$before"
topo_stop "${proxy_pid[$first]}"
before=$(sent_to $other)
check "the share of a proxy that ends moves" \
    topo_wait 60 "packets for the other proxy" has_share $other "$before"
before=$(sent_to $first)
start_proxy $first
check "it comes back when the proxy is started again" \
    topo_wait 60 "packets for the first proxy" has_share $first "$before"
topo_stop "$sender"
lost=(0 0)
lost[first]=1
check "what one proxy missed it knows, and the other one missed nothing" \
    topo_wait 60 "books that agree" books_agree "${lost[@]}"
done_testing
