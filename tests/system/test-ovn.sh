#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Beside a real OVN, whose flows carry the guests' packets: ours take a copy in
# front of them, as docs/install.md has it, and come back when OVN's controller
# has deleted them.
# shellcheck source=tests/system/ovn.sh
. "$(dirname "$0")/ovn.sh"

if [[ ! -x $ovn_root/ovn-host/usr/bin/ovn-controller ]]; then
    echo "1..0 # SKIP there is no OVN in $ovn_root"
    exit 0
fi

# add_flows: as a user would.
add_flows() {
    topo_sluicectl flows --config "$topo_dir/sluice.yaml" --action \
        --match tun_id=0 --then 'set_field:1->tun_id,resubmit(,0)' \
        >"$topo_dir/flows.sh" &&
        PATH=$OVS_DIR/build/utilities:$PATH \
            topo_in hv sh -e "$topo_dir/flows.sh"
}

n_flows() {
    topo_ofctl dump-flows br-int cookie=0x2534c/-1 | grep -c cookie
}

# flows_are N
flows_are() {
    local n
    n=$(n_flows || true)
    echo "$n flows"
    [[ $n == "$1" ]]
}

# arrives N LINE: OVN takes the packet to where the guest sent it, the line gets
# to the tenant as its Nth.
arrives() {
    topo_wait 60 "$2 in the log server's network" \
        grep -q "$2\$" "$topo_dir/lan7.received" && wait_for_lines 7 "$1"
}

topo_up
topo_start_proxy
ovn_up

lines_send vm1 rfc5424 "without flows line=before"
check "OVN takes a guest's packets to where they go" \
    topo_wait 60 "the packet" grep -q 'line=before$' "$topo_dir/lan7.received"
check "the flows that sluicectl prints are taken beside OVN's" add_flows
lines_each lines_send
check "the lines of tenant 7 arrive" wait_for_lines 7 "$n7"
check "the lines of tenant 8 arrive" wait_for_lines 8 "$n8"
check_lines
check "and OVN takes the packets to where they go" \
    topo_wait 60 "the packets" topo_has_lines "$topo_dir/lan7.received" "$n7"
check "none of the other tenant's" nowhere vm3 "$topo_dir/lan7.received"

# The controller, started again, deletes what is not its own.
n=$(n_flows)
topo_stop "$ovn_controller_pid"
ovn_start_controller
check "OVN's controller deletes our flows when it comes" \
    topo_wait 60 "no flow of ours" flows_are 0
PATH=$OVS_DIR/build/utilities:$PATH topo_start hv keep-flows.log \
    "$common_here/../../proxy-vm/hostd/sluice-keep-flows" br-int \
    "$topo_dir/flows.sh"
check "sluice-keep-flows brings them back" \
    topo_wait 60 "all flows" flows_are "$n"
lines_send vm1 rfc5424 "with flows line=again"
check "a line goes on" arrives $((n7 + 1)) line=again
topo_ofctl del-flows br-int cookie=0x2534c/-1
check "it brings them back whenever they are deleted" \
    topo_wait 60 "all flows" flows_are "$n"
lines_send vm1 rfc5424 "with flows line=once-more"
check "a line goes on" arrives $((n7 + 2)) line=once-more

check "the books balance" books_balance
check "the programs' logs have no error" logs_quiet
done_testing
