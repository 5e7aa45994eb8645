#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# sluice-intake on the switch's own host, which takes packets from memory that
# it shares with OVS-DPDK: to the tenant's server, over kills of intake and
# restarts of the switch.
#
# In addition to what all system tests need: Open vSwitch with DPDK and its
# memif driver, in ordinary memory: no huge pages.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

n_lines=400
n_queued=3000               # Packets of a port that a forwarding thread polls.

skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

"$OVS_DIR/build/vswitchd/ovs-vswitchd" --version | grep -q DPDK ||
    skip_all "this Open vSwitch was built without DPDK"
[[ -n $(find /usr/lib -name 'librte_net_memif.so*' -print -quit) ]] ||
    skip_all "DPDK's memif driver is missing: apt-get install librte-net-memif23"

# --- The underlay: no link, but a port with memory of its own ------------------

topo_ovs_config=(other_config:dpdk-init=true
    other_config:dpdk-extra="\"--no-huge --legacy-mem --no-shconf -m 512 --no-pci --no-telemetry\""
    other_config:pmd-maxsleep=200)

# add_memif_port: with a socket for the user that intake runs as, as
# docs/deploy-host.md has it.
add_memif_port() {
    mkdir -p "$topo_dir/memif"
    if grep -q 'user: nobody' "$topo_dir/sluice.yaml"; then
        chgrp nogroup "$topo_dir/memif"
    fi
    chmod 2750 "$topo_dir/memif"
    topo_vsctl add-port br-phy memif0 -- set Interface memif0 type=dpdk \
        \
        options:dpdk-devargs="\"net_memif0,role=server,socket=$topo_dir/memif/sock,socket-abstract=no\""
}

# In place of topology.sh's.
topo_add_underlay() {
    topo_vsctl add-br br-phy -- set Bridge br-phy datapath_type=netdev

    add_memif_port
    ip -n "$topo_id-hv" addr add 198.18.0.1/24 dev br-phy
    ip -n "$topo_id-hv" link set br-phy up
    topo_vsctl add-port br-int sluice0 -- set Interface sluice0 type=geneve \
        options:remote_ip=flow options:key=flow
}

# In place of topology.sh's: there is no socket, but a connection.
topo_listens_udp() {
    (($(drops memif-rings) > 0))
}

reach_proxy() {
    topo_wait 20 "an answer of intake to ping" \
        topo_in hv ping -c 1 -W 1 198.18.0.2 &&
        topo_wait 20 "the route of the tunnel" topo_tunnel_ready
}

# --- Lines -------------------------------------------------------------------

# switch_took N: packets of vm1.
switch_took() {
    topo_appctl sluice/show | grep -A2 'port vm1 ' | grep "packets $1 "
}

# send_stream LABEL N: lines of vm1, in groups that the switch has room for;
# 'taken' counts them.
taken=0
send_stream() {
    local i last
    for ((i = 1; i <= $2; i += 20)); do
        last=$((i + 19 < $2 ? i + 19 : $2))
        # shellcheck disable=SC2016
        topo_in vm1 bash -c '
            for ((i = $2; i <= $3; i++)); do
                echo -n "<13>1 - web app - - - $1 password=str3am-secret $i" \
                    >"/dev/udp/$0/514"
            done' "$topo_logserver" "$1" "$i" "$last"
        taken=$((taken + last - i + 1))
        topo_wait 20 "$taken packets in the switch" switch_took "$taken"
    done
}

# stream_came LABEL N: each of 1..N is in the tenant's log, and once.
stream_came() {
    local missing
    missing=$(diff <(seq "$2" | sort) \
        <(grep -oP "$1 .* \K[0-9]+\$" "$topo_dir/t7.log" | sort) |
        grep '^[<>]' | paste -s -d ' ')
    [[ -z $missing ]] || { echo "missing or twice: ${missing:0:300}"; return 1; }
}

program_pid() {
    topo_sluicectl --json status | python3 -c '
import json, sys
for program in json.load(sys.stdin)["programs"]:
    if program["name"] == sys.argv[1]:
        print(program["pid"])' "$1"
}

# intake_is_another PID
intake_is_another() {
    local pid
    pid=$(program_pid intake)
    [[ -n $pid && $pid != 0 && $pid != "$1" ]]
}

# counter_over NAME N
counter_over() {
    (($(drops "$1") > $2))
}

# is_live: BFD through the port log0 says so.
is_live() {
    topo_vsctl get Interface log0 bfd_status:forwarding | grep -q true
}

# figures: what intake has received of all VMs, and what it knows that it missed.
figures() {
    topo_sluicectl --json vms | python3 -c '
import json, sys
vms = json.load(sys.stdin)["vms"]
print(*(sum(vm[name] for vm in vms) for name in ("received", "lost")))'
}

# books_agree RECEIVED LOST: what the switch has sent is what intake received and
# missed, but for so much of an earlier ovs-vswitchd.
books_agree() {
    local sent received lost
    sent=$(topo_appctl sluice/show --json br-int | python3 -c '
import json, sys
print(sum(d["sent"] for port in json.load(sys.stdin)["ports"]
          for d in port["destinations"]))')
    read -r received lost < <(figures)
    echo "sent $sent received $received - $1 lost $lost - $2"
    ((sent == received - $1 + lost - $2))
}

# restart_switch: ovs-vswitchd is killed, and another one started.  The socket is
# removed before, as docs/deploy-host.md has it: DPDK takes no path that exists.
restart_switch() {
    local pid
    pid=$(<"$topo_dir/ovs/ovs-vswitchd.pid")
    kill -9 "$pid"
    topo_wait 20 "the end of ovs-vswitchd" eval "! kill -0 $pid 2>/dev/null"
    rm -f "$topo_dir/memif/sock" "$topo_dir/ovs/ovs-vswitchd.pid"
    topo_start hv ovs-vswitchd.log "$OVS_DIR/build/vswitchd/ovs-vswitchd" \
        --disable-system --pidfile --no-chdir "unix:$topo_dir/ovs/db.sock"
    topo_wait 60 "ovs-vswitchd's pidfile" \
        test -s "$topo_dir/ovs/ovs-vswitchd.pid"
    topo_wait 60 "the bridge" ip -n "$topo_id-hv" link set br-phy up
    ip -n "$topo_id-hv" addr replace 198.18.0.1/24 dev br-phy
}

# write_queue FILE: a packet of vm2 that a port gives over and over again.
write_queue() {
    python3 - "$1" <<'END'
import socket
import struct
import sys

line = b"<13>1 - web app - - - q2-sent password=str3am-secret"
udp = struct.pack("!HHHH", 1024, 514, 8 + len(line), 0)
ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(line), 0, 0, 64, 17, 0,
                 socket.inet_aton("10.0.0.12"),
                 socket.inet_aton("10.0.0.254"))
frame = bytes.fromhex("02000000ff01020000000702") + b"\x08\x00"
frame += ip + udp + line
with open(sys.argv[1], "wb") as f:
    f.write(struct.pack("=IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    f.write(struct.pack("=IIII", 0, 0, len(frame), len(frame)) + frame)
END
}

# add_queued_port FILE: in the place of vm2's.  The source has no end, so what is
# taken from it has.
add_queued_port() {
    local uuid
    read -r _ _ _ _ _ uuid _ <<<"${topo_vm[vm2]}"
    topo_ofctl -O OpenFlow13 add-meter br-int \
        "meter=1,pktps,burst,band=type=drop,rate=$n_queued,burst_size=$n_queued"
    topo_ofctl add-flow br-int \
        'priority=50000,ip,nw_src=10.0.0.12,actions=drop'
    topo_vsctl del-port vm2 -- add-port br-int q2 tag=107 -- \
        set Interface q2 type=dpdk \
        options:dpdk-devargs="\"net_pcap0,rx_pcap=$1,infinite_rx=1\"" \
        external_ids:vm-id="$uuid" external_ids:sluice-tenant=7
    topo_ofctl -O OpenFlow13 add-flow br-int \
        'priority=50001,udp,nw_src=10.0.0.12,tp_dst=514,actions=meter:1,log_tunnel(port=sluice0,dst=198.18.0.2)'
}

# sent_by PORT: how many packets the switch has sent.
sent_by() {
    topo_appctl sluice/show | grep -A8 "port $1 " |
        sed -n '/sent/{s/.* sent //p;q}'
}

enough_queued() {
    (($(sent_by q2) >= n_queued))
}

# queue_came: as many lines as the port's packets that were sent.
queue_came() {
    local n
    n=$(grep -c ' q2-sent ' "$topo_dir/t7.log")
    echo "$n lines of $(sent_by q2)"
    ((n == $(sent_by q2)))
}

# --- The test ----------------------------------------------------------------

umask 002
topo_up
sed -i "s,^  listen: .*,&\n  rx: memif\n  memif-socket: $topo_dir/memif/sock\n  receive-buffer: 8388608\n  bfd-sessions: 16," \
    "$topo_dir/sluice.yaml"
topo_start_proxy
check "intake connects to the switch's memif port" topo_listens_udp
check "sluicectl says so" eval \
    'topo_sluicectl status | grep "^Packets come by memif, .*: [1-9][0-9]* rings; connections 1,"'
check "it answers ARP and ping, so that the switch finds it" reach_proxy
topo_add_flows

lines_each lines_send
check "each line of tenant 7 arrives" wait_for_lines 7 "$n7"
check "each line of tenant 8 arrives" wait_for_lines 8 "$n8"
check_lines
check "sent = received and lost 0 per port; the tenants' books balance" \
    topo_wait 20 "balanced books" books_balance
topo_vsctl add-port br-int log0 -- set Interface log0 type=geneve \
    options:remote_ip=198.18.0.2 options:key=flow \
    bfd:enable=true bfd:min_rx=200 bfd:min_tx=200
check "BFD by the ring finds intake alive" topo_wait 30 "a session" is_live

# In the ring when intake dies: that it has to be stopped for.
switch_has() {
    topo_appctl sluice/show | grep -A2 'port vm1 ' |
        sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}
taken=$(switch_has)
pid=$(program_pid intake)
kill -STOP "$pid"
send_stream waiting "$n_lines"
kill -9 "$pid"
check "sluiced starts an intake that was killed again" \
    topo_wait 20 "another intake" intake_is_another "$pid"
check "it connects again" topo_wait 20 "a connection" topo_listens_udp
check "each line that was in the ring when it was killed arrives, once" \
    topo_wait 60 "the lines" stream_came waiting "$n_lines"
check "nothing is lost: sent = received, lost 0, the books balance" \
    topo_wait 20 "balanced books" books_balance

send_stream killed "$n_lines" &
stream=$!
topo_wait 20 "the first lines" grep -q ' killed ' "$topo_dir/t7.log"
kill -9 "$(program_pid intake)"
wait "$stream"
taken=$((taken + n_lines))
topo_wait 20 "a connection" topo_listens_udp
send_stream after 20
check "lines come again after a kill in the midst of a stream" \
    topo_wait 60 "the lines" stream_came after 20
check "what the switch could not put into a ring intake knows, and no more" \
    topo_wait 20 "books that agree" books_agree 0 0

read -r before lost < <(figures)
restart_switch
check "intake notices that the switch went away, and counts it" \
    topo_wait 20 "a failure" counter_over memif-failures 0
check "it connects to the next ovs-vswitchd" \
    topo_wait 60 "a connection" topo_listens_udp
check "which finds it" reach_proxy
topo_add_flows
taken=0
send_stream restarted "$n_lines"
check "each line after the switch's restart arrives" \
    topo_wait 60 "the lines" stream_came restarted "$n_lines"

write_queue "$topo_dir/queue.pcap"
add_queued_port "$topo_dir/queue.pcap"
check "a forwarding thread sends $n_queued packets at once" \
    topo_wait 30 "the packets" enough_queued
topo_ofctl --strict del-flows br-int \
    'priority=50001,udp,nw_src=10.0.0.12,tp_dst=514'
topo_appctl revalidator/wait
check "the line of each arrives" topo_wait 60 "the lines" queue_came
check "what the switch sent since then is what intake received" \
    topo_wait 20 "books that agree" books_agree "$before" "$lost"
check "nothing of that was lost" test "$(figures | cut -d " " -f 2)" = "$lost"
check "intake has met no frame that it can't read" \
    test "$(drops frames-malformed)$(drops frames-ring)$(drops frames-checksum)" = 000
check "no secret of the streams is anywhere" \
    nowhere str3am-secret "$topo_dir/t7.log" "$topo_dir/spool" \
    "$topo_dir/run" "$topo_log"
if ((tap_failed)); then
    topo_sluicectl counters | grep -vw 0
    cat "$topo_log/sluiced.log"
fi
done_testing
