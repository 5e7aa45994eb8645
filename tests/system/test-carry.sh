#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Everything that carries logs, with the flows that sluicectl prints: UDP and
# TCP, IPv4 and IPv6, VLAN tags, fragments both ways, several ports, a meter
# for each VM.  Each part ends with balanced books.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

ports=(514 601 1514)

topo_up
topo_start_proxy

# add_flows OPTION...: as an operator would: prints them and runs what was
# printed.
add_flows() {
    topo_sluicectl flows --action --qinq --port "$(IFS=,; echo "${ports[*]}")" \
        "$@" >"$topo_dir/flows.sh" &&
        cat "$topo_dir/flows.sh" &&
        PATH=$OVS_DIR/build/utilities:$PATH topo_in hv sh -e "$topo_dir/flows.sh"
}

# send_frames VM <CASES: see send-carry.py; prints their number.
send_frames() {
    local ip ip6
    read -r _ _ _ ip ip6 _ <<<"${topo_vm[$1]}"
    topo_in "$1" python3 "$topo_here/send-carry.py" eth0 \
        "$ip" "$topo_logserver" "$ip6" "$topo_logserver6"
}

# send VM N <CASES: the same, N cases after the other: what waits in the
# switch's socket may be lost there, before the action.  Adds to n_sent[VM].
declare -A n_sent=([vm1]=0 [vm2]=0 [vm3]=0)
send() {
    local vm=$1 group n
    while mapfile -t -n "$2" group && ((${#group[@]})); do
        n=$(printf '%s\n' "${group[@]}" | send_frames "$vm")
        n_sent[$vm]=$((n_sent[$vm] + n))
        topo_wait 60 "frames of $vm at the action" \
            switch_is "$vm" packets "${n_sent[$vm]}" || return 1
    done
}

# cases NAME FRAGMENTS...: all there are, with an id in each line.
cases() {
    local name=$1 id=0 ip protocol tags fragments port
    shift
    for ip in 4 6; do
        for protocol in udp tcp; do
            for tags in plain vlan qinq; do
                for fragments; do
                    port=${ports[id % ${#ports[@]}]}
                    id=$((id + 1))
                    echo "$ip $protocol $tags $fragments $port" \
                        "<13>1 - web app - - - $protocol line=$name-$id;"
                done
            done
        done
    done
}

# switch_figure VM NAME: a figure of sluice/show; drops by their reasons.
switch_figure() {
    topo_appctl sluice/show --json br-int | python3 -c '
import json, sys
for port in json.load(sys.stdin)["ports"]:
    if port["port"] == sys.argv[1]:
        print({**port["dropped"], **port}.get(sys.argv[2], 0))' "$@"
}

# switch_is VM NAME VALUE
switch_is() {
    local figure
    figure=$(switch_figure "$1" "$2")
    echo "$2 of $1: $figure, not $3"
    [[ $figure == "$3" ]]
}

# proxy_is VM NAME VALUE: a figure of sluicectl vms.
proxy_is() {
    local uuid figure
    read -r _ _ _ _ _ uuid _ <<<"${topo_vm[$1]}"
    figure=$(topo_sluicectl --json vms | python3 -c '
import json, sys
print(*(vm[sys.argv[2]] for vm in json.load(sys.stdin)["vms"]
        if vm["vm"] == sys.argv[1]))' "$uuid" "$2")
    echo "$2 of $1: $figure, not $3"
    [[ $figure == "$3" ]]
}

# all_carried: what each VM sent went into the tunnel, once, and arrived.
all_carried() {
    local vm
    for vm in vm1 vm2 vm3; do
        topo_wait 60 "frames of $vm at the action" \
            switch_is "$vm" packets "${n_sent[$vm]}" &&
            switch_is "$vm" sent "${n_sent[$vm]}" &&
            topo_wait 60 "frames of $vm at the proxy" \
                proxy_is "$vm" received "${n_sent[$vm]}" || return 1
    done
}

# lines_of_kind PATTERN TENANT N: as many lines came to the tenant.
lines_of_kind() {
    local n
    n=$(grep -cE "$1" "$topo_dir/t$2.log" || true)
    echo "lines $1 of tenant $2: $n, not $3"
    [[ $n == "$3" ]]
}

# --- Whole packets -----------------------------------------------------------

check "the flows that sluicectl prints are taken by the switch" add_flows
check "and may be added again, in the place of themselves" add_flows
n_flows=$(topo_ofctl dump-flows br-int cookie=0x2534c/-1 | grep -c in_port=)
# Three VMs: GENEVE twice; 4 protocols, 3 ports; later fragments of UDP, TCP
# and IPv6.  And one for the tunnel.
check "there are as many as there should be" test "$n_flows" = $((3 * 17 + 1))

for vm in vm1 vm2 vm3; do
    send "$vm" 6 < <(cases "$vm-whole" whole)
done
check "each frame of UDP and TCP, IPv4 and IPv6, tagged or not, is carried" \
    all_carried
for row in "vm1 7" "vm2 7" "vm3 8"; do
    read -r vm tenant <<<"$row"
    for protocol in udp tcp; do
        check "what $vm sent over $protocol becomes lines" topo_wait 60 \
            "lines" lines_of_kind " $protocol line=$vm-whole" "$tenant" 6
    done
done
check "the books balance" books_balance

# --- Fragments ---------------------------------------------------------------

for vm in vm1 vm3; do
    send "$vm" 3 < <(cases "$vm-later" in-order reversed)
done
check "each fragment is carried, later ones by a flow of their own" all_carried
for row in "vm1 7" "vm3 8"; do
    read -r vm tenant <<<"$row"
    for protocol in udp tcp; do
        check "what $vm sent over $protocol in fragments becomes lines" \
            topo_wait 60 "lines" \
            lines_of_kind " $protocol line=$vm-later" "$tenant" 12
    done
done

(ports=(700 800 900) && cases other whole) | send_frames vm1 >/dev/null
send vm1 1 <<<"4 udp plain whole 514 <13>1 - web app - - - udp line=behind;"
check "packets to other ports are not" all_carried
check "the books balance with fragments" books_balance

# --- What guests must not send -----------------------------------------------

# n_dropped_geneve VM N: packets that the flows against it dropped.
n_dropped_geneve() {
    local n
    n=$(topo_ofctl dump-flows br-int "cookie=0x2534c/-1,in_port=$1" |
        sed -n 's/.*n_packets=\([0-9]*\),.*tp_dst=6081 actions=drop$/\1/p' |
        awk '{ n += $1 } END { print n + 0 }')
    echo "dropped: $n"
    [[ $n == "$2" ]]
}
for tags in plain vlan qinq; do
    printf '%s\n' "4 udp $tags whole 6081 forged" \
        "6 udp $tags whole 6081 forged" "4 udp $tags in-order 6081 forged"
done >"$topo_dir/forged"
send_frames vm1 <"$topo_dir/forged" >/dev/null
# Of a datagram in fragments, the first has the port and is dropped.
check "GENEVE from a guest is dropped at its port, tagged or not" \
    topo_wait 60 "drops" n_dropped_geneve vm1 9

# --- A limit for each VM -----------------------------------------------------

check "a meter for each VM is taken" add_flows --rate 10:100
topo_appctl sluice/reset
line="4 udp plain whole 514 <13>1 - web app - - - udp line"
flood=0
n_sent=([vm1]=0 [vm2]=0 [vm3]=0)
while ((flood < 15)); do
    flood=$((flood + 1))
    send vm1 100 < <(seq -f "$line=flood-$flood-%g;" 100)
    if ((flood % 5 == 0)); then
        send vm2 10 < <(seq -f "$line=calm-$flood-%g;" 10)
    fi
done

# Behind the last that is dropped one must come, or the proxy cannot miss it.
before=$(switch_figure vm1 sent)
for try in {1..50}; do
    send vm1 1 <<<"$line=last-$try;"
    [[ $(switch_figure vm1 sent) == "$before" ]] || break
done

dropped=$(switch_figure vm1 rate)
check "a guest that floods is limited" test "$dropped" -ge $((n_sent[vm1] / 3))
check "what it sent is what passed and what was dropped, to the packet" \
    switch_is vm1 sent $((n_sent[vm1] - dropped))
check "the proxy misses what was dropped, to the packet" \
    topo_wait 60 "figures" proxy_is vm1 lost "$dropped"
check "a calm guest beside it loses nothing" switch_is vm2 sent 30
check "and has no drops" switch_is vm2 rate 0
check "nor does the proxy miss anything of it" \
    topo_wait 60 "figures" proxy_is vm2 lost 0
check "its lines arrive" topo_wait 60 "lines" \
    lines_of_kind ' udp line=calm-' 7 30
check "the programs' logs have no error" logs_quiet
done_testing
