#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What log_tunnel costs in the switch, against a stock tunnel in the same
# process: instructions per packet, by callgrind, which do not depend on what
# else the machine does.  See docs/performance.md for cycles.
#
# In: $OVS_DIR, built with DPDK.  Needs valgrind.  Huge pages are not needed.
# shellcheck source=tests/system/tap.sh
. "$(dirname "$0")/tap.sh"

top=$(cd "$(dirname "$0")/../.." && pwd)
variants=forward-beside-stock-tunnel,forward-beside-log-tunnel
variants+=,stock-tunnel,log-tunnel
rc=0

skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

counted() {
    echo "$figures"
    return "$rc"
}

# at_most RATIO LIMIT: RATIO was counted, and is no more than LIMIT.
at_most() {
    echo "$figures" | awk -v name="switch.$1.instructions" -v limit="$2" '
        $1 == name { found = 1; high = $2 > limit }
        END { exit !found || high }'
}

: "${OVS_DIR:?is where ovs-ext/prepare-ovs built Open vSwitch}"
"$OVS_DIR/build/vswitchd/ovs-vswitchd" --version | grep -q DPDK ||
    skip_all "Open vSwitch was built without DPDK"
for program in valgrind callgrind_control; do
    command -v "$program" >/dev/null || skip_all "$program is not installed"
done

figures=$(python3 "$top/tests/bench/switch_bench.py" --ovs "$OVS_DIR/build" \
    --seconds 0.5 --instructions "$variants" 2>&1) || rc=$?
check "instructions per packet are counted" counted
printf '%s\n' "$figures" | sed 's/^/# /'
# Seen: 1.000.
check "a flow with log_tunnel costs other packets nothing" \
    at_most beside-log-to-beside-stock 1.01
# Seen: 1.05 to 1.09.  An instruction more per packet is 0.001.
check "log_tunnel costs little more than a stock tunnel" \
    at_most log-to-stock 1.13

done_testing
