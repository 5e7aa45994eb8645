#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What guests say of themselves, and is not so: a host name, a clock, a tenant.
# The claims are kept beside what is proven, in the lines and in sluicectl vms.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

N=30

# claim VM HOST SECONDS: N lines of that host, by a clock so far ahead.
claim() {
    # shellcheck disable=SC2016
    topo_in "$1" python3 -c '
import socket, sys, time
from datetime import datetime, timezone
server, host, ahead, n = sys.argv[1:]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    for i in range(int(n)):
        now = datetime.fromtimestamp(time.time() + int(ahead), timezone.utc)
        sock.sendto(b"<13>1 %s %s app - - [sluice@32473 tenant=\"9\"] %d" % (
            now.strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode(), host.encode(), i),
            (server, 514))
' "$topo_logserver" "$2" "$3" "$N"
}

# vm_is NAME EXPRESSION: of the VM as sluicectl tells it, 'vm'.
vm_is() {
    topo_sluicectl --json vms | python3 -c '
import json, sys
vm, = (vm for vm in json.load(sys.stdin)["vms"] if vm["name"] == sys.argv[1])
print(vm)
sys.exit(not eval("(" + sys.argv[2] + ")"))' "$@"
}

# lines_with TENANT N PATTERN: N lines of the tenant's log match.
lines_with() {
    local n
    n=$(grep -cE "$3" "$topo_dir/t$1.log")
    echo "$n lines have $3"
    grep -vE "$3" "$topo_dir/t$1.log" | head -n 3
    [[ $n == "$2" ]]
}

topo_up
topo_start_proxy
topo_add_flows
claim vm1 liar -3600
claim vm2 web-2.example.com 0
claim vm3 ledger-1 90

check "the lines of tenant 7 arrive" wait_for_lines 7 $((2 * N))
check "the lines of tenant 8 arrive" wait_for_lines 8 "$N"
check "lines of a clock that is an hour behind tell so, once that is known" \
    lines_with 7 $((N - 4)) ' clock-skew="-3(600|5[0-9]{2})\.[0-9]{3}" '
check "lines of a clock that is ahead tell so" \
    lines_with 8 $((N - 4)) ' clock-skew="(90|8[0-9])\.[0-9]{3}" '
check "lines of a clock that is right do not" \
    lines_with 7 0 ' name="web-2".* clock-skew='
check "the host that is claimed stands beside the name" \
    lines_with 7 "$N" ' web-1 app .* name="web-1".* claimed-host="liar" '
check "and so does the tenant" lines_with 7 $((2 * N)) \
    'sluice@32473 tenant="7" .* forged-sd="1".*\[x-sluice@32473 tenant="9"\]'
check "sluicectl shows the clock that is behind" \
    vm_is web-1 'vm["clock_skew_known"]
                 and -3620000 < vm["clock_skew_ms"] < -3580000'
check "and the host that is not the name" \
    vm_is web-1 'vm["host_mismatches"] == 30 and vm["claimed_host"] == "liar"'
check "a name with its domain is no mismatch" \
    vm_is web-2 'vm["host_mismatches"] == 0 and -5000 < vm["clock_skew_ms"]
                 and vm["clock_skew_ms"] < 5000'
check "sluicectl shows the clock that is ahead" \
    vm_is ledger-1 '80000 < vm["clock_skew_ms"] < 95000'
check "no program complained" logs_quiet
check "sent = received and lost 0 per port; the tenants' books balance" \
    books_balance
done_testing
