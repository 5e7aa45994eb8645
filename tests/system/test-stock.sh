#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The whole line with the flows that sluicectl prints for a stock Open vSwitch.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

topo_up
topo_start_proxy

# add_stock_flows: as a user would: prints them and runs what was printed.
add_stock_flows() {
    topo_sluicectl flows >"$topo_dir/flows.sh" &&
        cat "$topo_dir/flows.sh" &&
        PATH=$OVS_DIR/build/utilities:$PATH topo_in hv sh -e "$topo_dir/flows.sh"
}
check "the flows that sluicectl prints are taken by the switch" add_stock_flows
check "and do not use our action" \
    nowhere log_tunnel "$topo_dir/flows.sh"
lines_each lines_send

check "the lines of tenant 7 arrive" wait_for_lines 7 "$n7"
check "the lines of tenant 8 arrive" wait_for_lines 8 "$n8"
check_lines --origin stock
check "the tenants' books balance" books_balance --stock
check "the programs' logs have no error" logs_quiet
done_testing
