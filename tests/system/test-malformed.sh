#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Packets that are not what they should be, from the hypervisor's address:
# each is a counted drop with its reason, and lines go on.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

# counters_tell: for people.
counters_tell() {
    topo_sluicectl counters | tee /dev/stderr | grep -q geneve-truncated
}

# The packets from 198.18.0.3 are those of a host that may not send for
# tenant 7, the ones from 198.18.0.4 of no host at all.
topo_up
sed -i 's/^tenants:/  - name: hv-2\n    vtep: 198.18.0.3\n    tenants: [8]\n&/' \
    "$topo_dir/sluice.yaml"
topo_start_proxy
topo_add_flows
for address in 198.18.0.3 198.18.0.4; do
    ip -n "$topo_id-hv" addr add "$address/24" dev br-phy
done

mapfile -t reasons < <(topo_in hv python3 "$topo_here/send-malformed.py")
for reason in "${reasons[@]}"; do
    check "a packet with $reason is dropped and counted" \
        topo_wait 60 "one drop for $reason" drops_are "$reason" 1
done
check "people see the reasons in sluicectl counters" counters_tell

lines_each lines_send
check "the lines of tenant 7 arrive" wait_for_lines 7 "$n7"
check "the lines of tenant 8 arrive" wait_for_lines 8 "$n8"
check_lines
check "sent = received and lost 0 per port; the books balance with the drops" \
    books_balance
done_testing
