#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# log_tunnel under OVS-DPDK: two forwarding threads, a port of several queues,
# and a QEMU guest behind vhost-user, with and without userspace TSO and outer
# checksums, with AUTH, through to the tenant.
#
# In addition to what all system tests need: huge pages, two processors, QEMU.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/system/guest.sh
. "$(dirname "$0")/guest.sh"

guest_mib=192
dpdk_mib=256
n_pages=$(((guest_mib + dpdk_mib) / 2))
n_lines=600                 # Of the guest, per way to send.
n_queued=20000              # Packets of the port of several queues.
huge=${SLUICE_HUGE:-}

# --- Huge pages --------------------------------------------------------------

skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

# huge_up: has the kernel give the pages that we need, beside those that others
# have, and mounts them.
huge_up() {
    local knob=/proc/sys/vm/nr_hugepages n_free
    if ! grep -q '^Hugepagesize: *2048 kB' /proc/meminfo; then
        skip_all "this kernel has no huge pages of 2 MiB"
    elif [[ ! -w $knob ]]; then
        skip_all "the number of huge pages cannot be changed here"
    fi
    n_before=$(<"$knob")
    trap huge_down EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    echo $((n_before + n_pages)) >"$knob" || true
    n_free=$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)
    ((n_free >= n_pages)) ||
        skip_all "the kernel gives $n_free huge pages, and $n_pages are needed"
    huge=$(mktemp -d "${TMPDIR:-/tmp}/sluice-huge.XXXXXX")
    mount -t hugetlbfs -o "size=${guest_mib}M" sluice "$huge"
}

huge_down() {
    trap '' INT TERM HUP
    if [[ -n $huge ]]; then
        umount "$huge" || true
        rmdir "$huge"
    fi
    echo "$n_before" >/proc/sys/vm/nr_hugepages
}

if [[ -z $huge ]]; then
    "$OVS_DIR/build/vswitchd/ovs-vswitchd" --version | grep -q DPDK ||
        skip_all "this Open vSwitch was built without DPDK"
    (($(nproc) >= 2)) || skip_all "two forwarding threads want two processors"
    huge_up
    SLUICE_HUGE=$huge bash "$0" &
    wait "$!"
    exit
fi

# --- The switch --------------------------------------------------------------

topo_vms=(vm1 vm2)

# In place of topology.sh's: VMs that are not in namespaces.
topo_add_vm() {
    [[ $1 == vm1 ]] || return 0
    local uuid
    read -r _ _ _ _ _ uuid _ <<<"${topo_vm[vm1]}"
    topo_vsctl add-port br-int vm1 tag=107 -- set Interface vm1 \
        type=dpdkvhostuserclient \
        options:vhost-server-path="$topo_dir/vhost-vm1" \
        external_ids:vm-id="$uuid" external_ids:sluice-tenant=7
}

# switch_up TSO: all of topology.sh, with DPDK and a key.
switch_up() {
    topo_ovs_config=(other_config:dpdk-init=true
        other_config:dpdk-socket-mem="$dpdk_mib"
        other_config:dpdk-socket-limit="$dpdk_mib"
        other_config:dpdk-extra="\"--no-pci --no-telemetry\""
        other_config:pmd-cpu-mask=0x3 other_config:pmd-maxsleep=200
        other_config:userspace-tso-enable="$1")
    topo_up
    (umask 077 && od -An -tx1 -N16 /dev/urandom | tr -d ' ' \
        >"$topo_dir/host.key")
    sed -i "s,^    vtep: .*,&\n    key-file: $topo_dir/host.key," \
        "$topo_dir/sluice.yaml"
    topo_vsctl set Open_vSwitch . \
        other_config:sluice-key-file="$topo_dir/host.key"
    topo_appctl sluice/reload-key
    topo_start_proxy
    topo_add_flows
}

# uses_tso TSO: the switch was started so.
uses_tso() {
    local n
    n=$(grep -c 'userspace_tso.*enabled' "$topo_log/ovs-vswitchd.log" || true)
    [[ $1 == "$([[ $n == 0 ]] && echo false || echo true)" ]]
}

# on_two_cores PORT: both threads serve the port.
on_two_cores() {
    topo_appctl dpif-netdev/pmd-rxq-show | tee /dev/stderr | awk -v port="$1" '
        /core_id/ { core = $0 }
        $1 == "port:" && $2 == port && !/disabled/ { cores[core] = 1 }
        END { for (c in cores) n++; exit n != 2 }'
}

# --- A port of several queues ------------------------------------------------

# write_queue FILE: packets that a queue gives over and over again.
write_queue() {
    python3 - "$1" <<'END'
import socket
import struct
import sys

with open(sys.argv[1], "wb") as f:
    f.write(struct.pack("=IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    for i in range(64):
        line = b"<13>1 - guest app - - - line=queue-%d" % i
        udp = struct.pack("!HHHH", 1024 + i, 514, 8 + len(line), 0)
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(line), i, 0, 64,
                         17, 0, socket.inet_aton("10.0.0.12"),
                         socket.inet_aton("10.0.0.254"))
        frame = bytes.fromhex("02000000ff01020000000702") + b"\x08\x00"
        frame += ip + udp + line
        f.write(struct.pack("=IIII", 0, i, len(frame), len(frame)) + frame)
END
}

# sent_by VM: how many packets the switch has sent.
sent_by() {
    topo_appctl sluice/show | grep -A8 "port $1 " |
        sed -n '/sent/{s/.* sent //p;q}'
}

enough_queued() {
    (($(sent_by vm2) >= n_queued))
}

# Behind another underlay, whose end is a file, nothing is lost for want of a
# reader that is quick enough.
check_queues() {
    local uuid pcap=$topo_dir/queue.pcap n
    write_queue "$pcap"
    topo_vsctl add-br br-cap -- set Bridge br-cap datapath_type=netdev \
        -- add-port br-cap cap0 -- set Interface cap0 type=dpdk \
        options:dpdk-devargs="\"net_pcap1,tx_pcap=$topo_dir/cap.pcap\""
    ip -n "$topo_id-hv" addr add 198.19.0.1/24 dev br-cap
    ip -n "$topo_id-hv" link set br-cap up
    topo_appctl tnl/neigh/set br-cap 198.19.0.2 02:00:00:00:ca:02 >/dev/null
    topo_wait 60 "the route to the file" eval \
        'topo_appctl ovs/route/lookup 198.19.0.2 | grep -q br-cap'
    topo_ofctl add-flow br-cap actions=cap0

    # The source has no end, so what is taken from it has.
    topo_ofctl -O OpenFlow13 add-meter br-int \
        "meter=1,pktps,burst,band=type=drop,rate=$n_queued,burst_size=$n_queued"
    topo_ofctl add-flow br-int \
        'priority=50000,ip,nw_src=10.0.0.12,actions=drop'
    read -r _ _ _ _ _ uuid _ <<<"${topo_vm[vm2]}"
    topo_vsctl add-port br-int vm2 tag=107 -- set Interface vm2 type=dpdk \
        options:n_rxq=2 options:dpdk-devargs="\"net_pcap0,rx_pcap=$pcap,rx_pcap=$pcap,infinite_rx=1\"" \
        external_ids:vm-id="$uuid" external_ids:sluice-tenant=7
    topo_ofctl -O OpenFlow13 add-flow br-int \
        'priority=50001,udp,nw_src=10.0.0.12,tp_dst=514,actions=meter:1,log_tunnel(port=sluice0,dst=198.19.0.2)'
    check "two threads serve the port of several queues" on_two_cores vm2
    check "packets of both queues are sent" \
        topo_wait 60 "$n_queued packets" enough_queued
    topo_ofctl --strict del-flows br-int \
        'priority=50001,udp,nw_src=10.0.0.12,tp_dst=514'
    topo_appctl revalidator/wait
    n=$(sent_by vm2)
    topo_vsctl del-port vm2 -- del-port cap0
    check "their $n sequence numbers have no gap and none twice" \
        python3 "$topo_here/check-tunnel.py" sequence "$topo_dir/cap.pcap" "$n"
}

# --- The guest ---------------------------------------------------------------

# Without MSI-X: QEMU 7.2 ends with a segmentation fault when a guest sets it up
# for a vhost-user device and there is no KVM.
start_guest() {
    local mac
    read -r _ _ mac _ <<<"${topo_vm[vm1]}"
    topo_start hv qemu.log qemu-system-x86_64 -accel tcg,thread=multi \
        -nodefaults -no-user-config -display none -no-reboot -smp 2 \
        -m "$guest_mib" -object "memory-backend-file,id=mem,share=on,size=${guest_mib}M,mem-path=$huge,prealloc=on" \
        -numa node,memdev=mem \
        -kernel "$guest_kernel"/boot/vmlinuz-* -initrd "$topo_dir/initramfs" \
        -append "$(guest_arguments vm1 lan7)" \
        -chardev "socket,id=vhost,path=$topo_dir/vhost-vm1,server=on,wait=off" \
        -netdev vhost-user,id=net,chardev=vhost,queues=2 \
        -device virtio-net-pci,netdev=net,mac="$mac",mq=on,vectors=0,romfile= \
        -chardev "socket,id=tty,path=$topo_dir/tty,server=on,wait=off,logfile=$topo_log/guest.log" \
        -serial chardev:tty
}

# vm1_lost_nothing: all that reached the action was sent.
vm1_lost_nothing() {
    topo_appctl sluice/show | grep -A8 'port vm1 ' | tee /dev/stderr |
        awk '/packets/ { exit !($2 > 0 && $2 == $6) }'
}

start_watch() {
    topo_start proxy check-tunnel.log python3 "$topo_here/check-tunnel.py" \
        sums eth0 "$topo_dir/sums"
    watch_pid=$topo_pid
    topo_wait 60 "the watch of the tunnel" test -e "$topo_dir/sums"
}

# saw CONDITION: on the counts "c" of check-tunnel.py.
saw() {
    python3 -c '
import collections, json, sys
c = collections.Counter(json.load(open(sys.argv[1])))
print(dict(c))
sys.exit(not eval(sys.argv[2]))' "$topo_dir/sums" "$1"
}

# check_guest TSO
check_guest() {
    local how="userspace-tso $1" csum n_failed
    make_initramfs
    start_watch
    start_guest
    n_failed=$tap_failed
    check "a guest starts, $how" topo_wait 60 "the guest" guest_is_ready
    ((tap_failed == n_failed)) || return 0
    check "two threads serve the guest's port, $how" \
        topo_wait 60 "two queues" on_two_cores vm1
    for csum in false true; do
        topo_vsctl set Interface sluice0 options:csum="$csum"
        check "the guest sends, $how, tunnel checksum $csum" \
            guest udp "csum-$csum" "$n_lines"
        check "its lines reach the tenant, $how, tunnel checksum $csum" \
            topo_wait 60 "$n_lines lines" \
            came "csum-$csum" "$n_lines" "$topo_dir/t7.log"
        check "'normal' brings them to the server, $how, tunnel checksum $csum" \
            topo_wait 60 "$n_lines lines" \
            came "csum-$csum" "$n_lines" "$topo_dir/lan7.received"
    done
    check "all that reached the action was sent, $how" vm1_lost_nothing
    check "sent = received per port; the books balance, $how" \
        topo_wait 60 "balance" books_balance
    check_tcp "$1"
    topo_stop "$watch_pid"
    check "each inner checksum is valid as it leaves, $how" \
        saw 'c["inner right"] >= 2 * '"$n_lines"' and not c["inner wrong"]'
    check "each outer checksum is valid or absent, as configured, $how" \
        saw 'c["outer right"] >= '"$n_lines"' <= c["no outer sum"] and not c["outer wrong"]'
    check "each packet is authenticated, $how" saw 'not c["no auth"]'
    if [[ $1 == true ]]; then
        check "frames larger than the underlay's MTU leave in parts, $how" \
            saw 'c["parts"] > 0'
    fi
}

# tcp_came LABEL N: the server has all lines of that label.
tcp_came() {
    local n
    n=$(grep -c "line=$1-[0-9]" "$topo_dir/tcp.received")
    echo "$n of $2 lines"
    ((n == $2))
}

# check_tcp TSO: a guest that leaves it to the device to cut a stream into
# segments hands over frames of up to 64 kB.
check_tcp() {
    local how="userspace-tso $1" n=$((4 * n_lines))
    topo_start lan7 tcp-server.log python3 -c '
import socket, sys
with socket.create_server(("", 514)) as server, open(sys.argv[1], "wb") as f:
    peer = server.accept()[0]
    while data := peer.recv(1 << 16):
        f.write(data)
    f.flush()
    peer.close()' "$topo_dir/tcp.received"
    topo_wait 60 "a server for TCP" topo_listens lan7 514
    topo_ofctl add-flow br-int \
        'tcp,tp_dst=514,actions=log_tunnel(port=sluice0,dst=198.18.0.2),normal'
    check "the guest sends by TCP, $how" guest tcp stream "$n"
    check "the server gets all of it, $how" tcp_came stream "$n"
    check "all of it was sent to the proxy, $how" vm1_lost_nothing
}

# --- The test ----------------------------------------------------------------

for tso in false true; do
    switch_up "$tso"
    check "the switch starts with userspace-tso $tso" uses_tso "$tso"
    [[ $tso == true ]] || check_queues
    why=$(why_no_guest)
    if [[ -z $why ]]; then
        check_guest "$tso"
    else
        skip "a QEMU guest, userspace-tso $tso" "$why"
    fi
    check "the programs' logs have no error, userspace-tso $tso" logs_quiet
    ((tap_failed)) && [[ -n ${SLUICE_KEEP:-} ]] && break
    topo_down
done
done_testing
