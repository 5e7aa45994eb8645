#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A tenant whose batches are sealed to a key of its own: from the guest through
# switch and proxy to sluice-unseal in the tenant's network, and from there to
# its rsyslogd; with kills of both ends, and an intake that ends in order.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

unseal_pid=

start_unseal() {
    topo_start t7 unseal-7.log "$topo_dir/bin/sluice-unseal" \
        --key "$topo_dir/tenant.key" --tenant 7 --state "$topo_dir/unseal" \
        --listen 198.18.7.2:6515 --syslog 127.0.0.1:514
    unseal_pid=$topo_pid
    topo_wait 60 "sluice-unseal" topo_listens t7 6515
}

kill_unseal() {
    kill -9 "$unseal_pid"
    wait "$unseal_pid" 2>/dev/null || true
    start_unseal
}

ship_pid() {
    topo_sluicectl --json status | python3 -c '
import json, sys
print(next(program["pid"] for program in json.load(sys.stdin)["programs"]
           if program["name"].startswith("ship-7")))'
}

kill_ship() {
    kill -9 "$(ship_pid)"
}

# no_faults: sluice-unseal has not found anything wrong.
no_faults() {
    ! grep -E 'WARN|ERR' "$topo_log/unseal-7.log"
}

# The shipper's own key opens nothing of it.
only_the_tenant_can_open() {
    local key=$topo_dir/state/ship.key
    ! "$unseal" --key "$key" --check "$topo_dir"/spool/7/*/*.batch >&2 &&
        "$unseal" --key "$topo_dir/tenant.key" --check \
            "$topo_dir"/spool/7/*/*.batch
}

topo_up
unseal=$topo_dir/bin/sluice-unseal
"$unseal" --generate-key --key "$topo_dir/tenant.key" \
    --public "$topo_dir/tenant.pub"
mkdir "$topo_dir/unseal"
python3 - "$topo_dir" <<'END'
import sys
path = sys.argv[1] + "/sluice.yaml"
with open(path, encoding="utf-8") as file:
    text = file.read()
new = text.replace("    server: 198.18.7.2:514\n", """\
    destinations:
      - name: vault
        type: sealed
        server: 198.18.7.2:6515
        recipient-file: %s/tenant.pub
""" % sys.argv[1])
assert new != text
with open(path, "w", encoding="utf-8") as file:
    file.write(new)
END

topo_start_proxy
topo_add_flows
lines_each lines_send
check "the other tenant's lines arrive" wait_for_lines 8 "$n8"
check "the tenant's lines wait in its queue" \
    topo_wait 60 "$n7 lines in the spool" figure_is 7 spooled "$n7"
check "the tenant's key opens them, and the shipper's does not" \
    only_the_tenant_can_open
check "the books balance while they wait" books_balance

start_unseal
check "they arrive once there is a receiver" wait_for_lines 7 "$n7"
check_lines
check "nothing is wrong with the stream" no_faults
check "the books balance" books_balance

# Again, with kills between.
rm -f "$topo_dir/t7.log"
kill -HUP "${topo_rsyslog_pid[7]}"
kill_ship
lines_each lines_send
kill_unseal
check "lines arrive over kills of both ends" \
    topo_wait 60 "the lines again" lines_came 7 "$n7"
check "no batch is set aside" figure_is 7 quarantined 0
check "all of it is shipped" \
    topo_wait 60 "all shipped" figure_is 7 shipped $((2 * n7))
check "the books balance after the kills" books_balance
check "no secret is in what sluice-unseal keeps" \
    nowhere password "$topo_dir/unseal"
check "no program complains of something that it should not meet" logs_quiet
done_testing
