#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# kill -9 of the programs of the proxy in the middle of a stream: nothing is
# lost that had left the socket, and sluiced starts them again.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

n_lines=400

# program_pid NAME: the id that sluicectl status says.
program_pid() {
    topo_sluicectl --json status | python3 -c '
import json, sys
for program in json.load(sys.stdin)["programs"]:
    if program["name"] == sys.argv[1]:
        print(program["pid"])' "$1"
}

# program_restarted NAME PID: runs, as another process than PID.
program_restarted() {
    local pid
    pid=$(program_pid "$1")
    [[ -n $pid && $pid != 0 && $pid != "$2" ]] && kill -0 "$pid"
}

# switch_took N: packets of vm1.
switch_took() {
    topo_appctl sluice/show | grep -A2 'port vm1 ' | grep "packets $1 "
}

# send_stream FIRST LAST: lines of vm1, in groups that the switch has room for:
# what is lost before it is not Sluice's to save.
send_stream() {
    local i last
    for ((i = $1; i <= $2; i += 20)); do
        last=$((i + 19 < $2 ? i + 19 : $2))
        # shellcheck disable=SC2016
        topo_in vm1 bash -c '
            for ((i = $1; i <= $2; i++)); do
                echo -n "<13>1 - web app - - - stream password=str3am-secret $i"\
                    >"/dev/udp/$0/514"
            done' "$topo_logserver" "$i" "$last"
        topo_wait 60 "$last packets in the switch" switch_took "$last"
    done
}

# stream_came N: each of 1..N is in the tenant's log.
stream_came() {
    local missing
    missing=$(comm -23 <(seq "$1" | sort) \
        <(grep -oP 'stream .* \K[0-9]+$' "$topo_dir/t7.log" | sort -u) |
        paste -s -d ' ')
    if [[ -n $missing ]]; then
        echo "missing: $missing"
        topo_appctl sluice/show
        topo_sluicectl vms
        topo_sluicectl tenants
        return 1
    fi
}

# doubles: how many lines came more than once.
doubles() {
    grep -oP 'stream .* \K[0-9]+$' "$topo_dir/t7.log" | sort | uniq -d | wc -l
}

topo_up
topo_start_proxy
topo_add_flows

send_stream 1 "$n_lines" &
stream=$!
topo_wait 60 "the first lines" lines_came 7 1
pid=$(program_pid intake)
kill -9 "$pid"
check "sluiced starts intake again" \
    topo_wait 60 "another intake" program_restarted intake "$pid"
wait "$stream"
# The socket is sluiced's: what comes while intake is away waits in it.
check "each line of the stream arrives" topo_wait 60 "the stream" \
    stream_came "$n_lines"
check "none came twice" test "$(doubles)" = 0
check "sent = received and lost 0 per port; the tenants' books balance" \
    topo_wait 60 "balanced books" books_balance

pid=$(program_pid ship-7)
send_stream $((n_lines + 1)) $((2 * n_lines)) &
stream=$!
topo_wait 60 "a line of the second stream" \
    grep -q "str.* $((n_lines + 1))\$" "$topo_dir/t7.log"
kill -9 "$pid"
check "sluiced starts ship again" \
    topo_wait 60 "another ship" program_restarted ship-7 "$pid"
wait "$stream"
check "each line of the second stream arrives" topo_wait 60 "the stream" \
    stream_came $((2 * n_lines))
check "the books balance after that" \
    topo_wait 60 "balanced books" books_balance
check "no secret of the stream is anywhere" \
    nowhere str3am-secret "$topo_dir/t7.log" "$topo_dir/spool" \
    "$topo_dir/run" "$topo_log"
done_testing
