#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A tenant's log server that is down: its batches wait, the other tenant does
# not notice, and all arrives when it is back.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

server_refuses() {
    topo_sluicectl tenants | tee /dev/stderr | grep -qi refused
}

no_plain_text() {
    ! grep -ra 'line=vm1' "$topo_dir/spool"
}

topo_up
topo_stop_rsyslog 7
# Batches stay open long enough to be looked at.
sed -i 's/max-delay-ms: .*/max-delay-ms: 8000/' "$topo_dir/sluice.yaml"
topo_start_proxy
topo_add_flows
lines_each lines_send

check "lines are in the open batch before they are in the spool" \
    topo_wait 60 "lines in the open batch" \
    grep -qa 'line=vm1-2' "$topo_dir"/run/intake/open/7-*.open
check "and no secret is in it" no_secret
check "the other tenant's lines arrive" wait_for_lines 8 "$n8"
check "batches of the tenant wait in the spool" \
    topo_wait 60 "$n7 lines in the spool" figure_is 7 spooled "$n7"
check "the books balance while they wait" books_balance
check "sluicectl says what is wrong with the server" server_refuses
check "no line is readable in the spool" no_plain_text

topo_start_rsyslog 7
check "they arrive when the server is back" wait_for_lines 7 "$n7"
check_lines
check "the spool is empty again" figure_is 7 spooled 0
check "sent = received and lost 0 per port; the tenants' books balance" \
    books_balance
done_testing
