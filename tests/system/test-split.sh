#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Frames too large for the underlay: cut by the switch, joined by intake.  A
# sweep over the underlay's MTU and the size of the frame, IPv4 and IPv6, with
# and without AUTH and checksum; then more at once than a burst holds, and a
# kill -9 of intake in between.  Not one is lost unseen.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

mtus=(9000 4500 2000 1500 1281 1280)
sizes_py=$(dirname "$0")/split-sizes.py
key=00112233445566778899aabbccddeeff

# One tunnel port a row: source port of the datagrams that go there, VM that
# sends them, family of the underlay, address of the proxy, checksum.  A VM has
# one family: to the proxy, the addresses of a host are two hosts.
tunnels=(
    "41001 vm1 4 198.18.0.2 false"
    "41002 vm1 4 198.18.0.3 true"
    "41003 vm2 6 2001:db8:18::2 false"
    "41004 vm2 6 2001:db8:18::3 true"
)

# write_config [KEY-FILE]: the proxy listens on all its addresses, and knows
# both of the switch.
write_config() {
    python3 - "$topo_dir/sluice.yaml" "$@" <<'END'
import sys
path, key = sys.argv[1], sys.argv[2:]
with open(path, encoding="utf-8") as file:
    text = file.read().split("hosts:\n")[0]
text = text.replace("listen: 198.18.0.2\n", 'listen: "::"\n')
with open(path + ".old", encoding="utf-8") as file:
    tenants = file.read().partition("tenants:\n  - id")
hosts = "hosts:\n"
for name, vtep in (("hv-1", "198.18.0.1"), ("hv-1-ipv6", "2001:db8:18::1")):
    hosts += f"  - name: {name}\n    vtep: {vtep}\n    tenants: [7, 8]\n"
    hosts += "".join(f"    key-file: {file}\n" for file in key)
with open(path + ".new", "w", encoding="utf-8") as file:
    file.write(text + hosts + "".join(tenants[1:]))
END
    mv "$topo_dir/sluice.yaml.new" "$topo_dir/sluice.yaml"
}

add_tunnels() {
    local tunnel source vm family address csum
    for vm in vm1 vm2; do
        ip -n "$topo_id-$vm" link set eth0 mtu 9000
        ip -n "$topo_id-hv" link set "$vm" mtu 9000
    done
    ip -n "$topo_id-proxy" addr add 198.18.0.3/24 dev eth0
    ip -n "$topo_id-proxy" addr add 2001:db8:18::2/64 dev eth0 nodad
    ip -n "$topo_id-proxy" addr add 2001:db8:18::3/64 dev eth0 nodad
    ip -n "$topo_id-hv" addr add 2001:db8:18::1/64 dev br-phy nodad
    for tunnel in "${tunnels[@]}"; do
        read -r source vm family address csum <<<"$tunnel"
        topo_vsctl add-port br-int "t$source" -- set Interface "t$source" \
            type=geneve options:remote_ip="$address" options:key=flow \
            options:csum="$csum"
        # What VMs broadcast is not for the proxy.
        topo_ofctl mod-port br-int "t$source" no-flood
        topo_ofctl add-flow br-int \
            "priority=40000,in_port=$vm,udp,tp_src=$source,tp_dst=514,actions=log_tunnel(port=t$source)"
        topo_wait 60 "an answer from $address" \
            topo_in hv ping -c 1 -W 1 "$address"
    done
}

# trace_has TEXT: the flows of all tunnels would be translated with TEXT.
trace_has() {
    local tunnel source vm
    for tunnel in "${tunnels[@]}"; do
        read -r source vm _ <<<"$tunnel"
        topo_appctl ofproto/trace br-int \
            "in_port=$vm,udp,udp_src=$source,udp_dst=514" |
            grep -e "$1" || return 1
    done
}

# set_mtu MTU: of the underlay, at both ends; and the flows have it.
set_mtu() {
    ip -n "$topo_id-proxy" link set eth0 mtu "$1"
    ip -n "$topo_id-hv" link set uplink mtu "$1"
    topo_vsctl set Interface br-phy mtu_request="$1"
    topo_wait 60 "an MTU of $1 in the flows" trace_has ",mtu=$1)" ||
        return 1
    topo_appctl revalidator/wait
}

next=1                  # Number of the next frame.

# send VM SOURCE-PORT SIZE...
send() {
    local vm=$1 source=$2
    shift 2
    topo_in "$vm" python3 "$sizes_py" send "$next" "$source" "$topo_logserver" "$@" ||
        return 1
    next=$((next + $#))
}

# sweep AUTH: every size at every MTU through every tunnel.
sweep() {
    local mtu tunnel source vm family sizes
    for mtu in "${mtus[@]}"; do
        set_mtu "$mtu" || return 1
        for tunnel in "${tunnels[@]}"; do
            read -r source vm family _ <<<"$tunnel"
            read -ra sizes < <(python3 "$sizes_py" sizes "$mtu" "$family" "$1")
            send "$vm" "$source" "${sizes[@]}" || return 1
            sent+=("${sizes[@]}")
        done
    done
}

# sweep_arrives NAME AUTH: the lines of a sweep, byte for byte.
sweep_arrives() {
    local first=$next status=0
    sent=()
    # Not below "check", whose subshell would keep what was sent.
    sweep "$2" >>"$topo_log/sweep.log" 2>&1 || status=$?
    check "frames of ${#mtus[@]} underlay MTUs leave the switch, $1" \
        test "$status" = 0
    check "all ${#sent[@]} of them arrive as they were sent, $1" \
        topo_wait 60 "all lines" python3 "$sizes_py" check \
        "$topo_dir/t7.log" "$first" "${sent[@]}"
}

# with_key: the switch signs, then the proxy insists on it.
with_key() {
    (umask 077 && echo "$key" >"$topo_dir/key")
    topo_vsctl set Open_vSwitch . \
        other_config:sluice-key-file="$topo_dir/key"
    topo_wait 60 "AUTH in the flows" trace_has "and AUTH are stamped"
    topo_appctl revalidator/wait
    write_config "$topo_dir/key"
    topo_sluicectl reload
}

# took: how many packets of both VMs the switch took.
took() {
    bash -c "$COUNT"
}

topo_up
export COUNT="OVS_RUNDIR='$OVS_RUNDIR' '$OVS_DIR/build/utilities/ovs-appctl' \
sluice/show | awk '/^    packets / { n += \$2 } END { print n + 0 }'"
cp "$topo_dir/sluice.yaml" "$topo_dir/sluice.yaml.old"
write_config
# The proxy last: until a port is no-flood, what VMs broadcast goes there.
add_tunnels
topo_start_proxy

sweep_arrives "without AUTH" no
check "then with a key" with_key
sweep_arrives "with AUTH" yes

# More at once than a burst has packets, small ones in between: what reaches
# the action comes out, however many the sender's socket was too fast for.
blast=()
for ((i = 0; i < 60; i++)); do
    blast+=(9000 64 2400)
done
before=$(took)
first=$next
COUNT='' send vm1 41002 "${blast[@]}"
send vm1 41002 64
blast+=(64)
n_took=$(($(took) - before))
check "of ${#blast[@]} at once more reach the switch than a burst holds" \
    test "$n_took" -ge 48
check "and what reached it arrives as it was sent" \
    topo_wait 60 "the $n_took that were taken" python3 "$sizes_py" check-any \
    "$topo_dir/t7.log" "$first" "$n_took" "${blast[@]}"

# intake_kill: as soon as there is one; before it starts again, it has no id.
intake_kill() {
    local pid
    pid=$(topo_sluicectl --json status | python3 -c '
import json, sys
print(*(program["pid"] for program in json.load(sys.stdin)["programs"]
        if program["name"] == "intake"))')
    ((pid > 0)) && kill -9 "$pid"
}

# Parts that had left the socket wait for the next process.
stream=()
for ((i = 0; i < 160; i++)); do
    stream+=(9000)
done
first=$next
send vm2 41004 "${stream[@]}" &
sender=$!
for ((i = 1; i <= 3; i++)); do
    topo_wait 60 "some of the stream" \
        grep -q "frame-$((first + 40 * i - 40)) " "$topo_dir/t7.log" || break
    topo_wait 60 "an intake to kill" intake_kill || break
done
wait "$sender"
check "intake, killed three times, joins each frame once" \
    topo_wait 60 "the stream" python3 "$sizes_py" check \
    "$topo_dir/t7.log" "$first" "${stream[@]}"

check "no part was dropped" drops_are dropped 0
check "sent = received and lost 0 per port; the tenants' books balance" \
    topo_wait 60 "balanced books" books_balance
check "the programs' logs have no error" logs_quiet
done_testing
