#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A wrong configuration: refused with file, line and key; the running one stays.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

sluiced_check() {
    "$topo_dir/bin/sluiced" --check --config "$1"
}

# refused COMMAND...: fails, and says file, line and key.
refused() {
    local output
    if output=$("$@" 2>&1); then
        echo "accepted: $output"
        return 1
    fi
    echo "$output"
    grep -q 'sluice.*yaml:[0-9]' <<<"$output" && grep -q 'port' <<<"$output"
}

topo_up
check "sluiced --check accepts a good file" \
    sluiced_check "$topo_dir/sluice.yaml"
sed 's/^tunnel:/tunnel:\n  port: 70000/' "$topo_dir/sluice.yaml" \
    >"$topo_dir/sluice-wrong.yaml"
check "sluiced --check refuses a wrong one with file, line and key" \
    refused sluiced_check "$topo_dir/sluice-wrong.yaml"
check "the example is good" \
    sluiced_check "$common_here/../../docs/sluice.yaml.example"

topo_start_proxy
topo_add_flows
cp "$topo_dir/sluice.yaml" "$topo_dir/sluice-good.yaml"
cp "$topo_dir/sluice-wrong.yaml" "$topo_dir/sluice.yaml"
check "a reload of a wrong one is refused" refused topo_sluicectl reload
status_tells() {
    topo_sluicectl status | tee /dev/stderr | grep -q 'port'
}
check "and sluicectl status says so" status_tells
lines_each lines_send
check "the running configuration stays: lines of tenant 7 arrive" \
    wait_for_lines 7 "$n7"
check "and those of tenant 8" wait_for_lines 8 "$n8"

# A tenant less: its packets are dropped by reason, the other goes on.
sed '/- id: 8/,$d' "$topo_dir/sluice-good.yaml" |
    sed 's/tenants: \[7, 8\]/tenants: [7]/' >"$topo_dir/sluice.yaml"
check "a reload of a good one is taken" topo_sluicectl reload
done_testing
