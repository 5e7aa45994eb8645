#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The whole line with our action: guests, switch, proxy, tenants.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

topo_up
topo_start_proxy
topo_add_flows
lines_each lines_send
lines_send vm4 rfc5424 "a line of nobody line=vm4-1"

check "the lines of tenant 7 arrive" wait_for_lines 7 "$n7"
check "the lines of tenant 8 arrive" wait_for_lines 8 "$n8"
check_lines

# vm2's line with a VLAN tag does not pass the untagged port by itself.
check "'normal' brings the packets to where the guests sent them" \
    topo_wait 60 "$n7 packets" topo_has_lines "$topo_dir/lan7.received" "$n7"
check "a packet of a port without VM and tenant goes on as ever" \
    grep -q 'line=vm4-1$' "$topo_dir/lan7.received"

# nobody_counted: the switch counts it for the port of vm4.
nobody_counted() {
    topo_appctl sluice/show | tee /dev/stderr | grep -A4 'port vm4 ' |
        grep -q 'dropped unconfigured 1'
}
check "and the switch counts what it did not tunnel" nobody_counted
check "a packet of such a port does not reach a tenant" \
    nowhere 'line=vm4' "$topo_dir/t7.log" "$topo_dir/t8.log"

# Without 'normal' the proxy alone gets the packet.
topo_ofctl add-flow br-int \
    'priority=40000,in_port=vm1,udp,tp_dst=514,actions=log_tunnel(port=sluice0,dst=198.18.0.2)'
lines_send vm1 rfc5424 "redirected line=redirected"
check "a redirected line arrives" wait_for_lines 7 $((n7 + 1))
# A second packet that does go on shows that the first had its time.
lines_send vm2 rfc5424 "copied line=copied"
topo_wait 60 "the copied packet" \
    grep -q 'line=copied$' "$topo_dir/lan7.received"
check "and does not go where the guest sent it" \
    nowhere 'line=redirected' "$topo_dir/lan7.received"
check "the copied line arrives too" wait_for_lines 7 $((n7 + 2))

check "sent = received and lost 0 per port; the tenants' books balance" \
    books_balance
check "the programs' logs have no error" logs_quiet
done_testing
