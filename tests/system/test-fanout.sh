#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Several destinations on the real line: tenant 7 has two at once, of which one
# is down for a while, and tenant 8 has two in order, of which the first dies
# and comes back.  Each line comes once to each that it is for, and the ledger
# closes for each queue.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

# write_destinations: in place of the tenants' servers.
write_destinations() {
    sed -i '/^tenants:/,$d' "$topo_dir/sluice.yaml"
    cat >>"$topo_dir/sluice.yaml" <<END
tenants:
  - id: 7
    name: shop
    destinations:
      - name: logs
        type: tcp
        server: 198.18.7.2:514
      - name: archive
        type: file
        path: $topo_dir/t7-archive.log
  - id: 8
    name: bank
    delivery: first
    destinations:
      - name: first
        type: tcp
        server: 198.18.8.2:514
      - name: second
        type: file
        path: $topo_dir/t8-second.log
END
}

# queue_figure TENANT QUEUE NAME: a figure of the ledger.
queue_figure() {
    topo_sluicectl --json ledger | python3 -c '
import json, sys
tenant, queue, name = sys.argv[1:]
for s in json.load(sys.stdin)["ledger"]:
    if (s["tenant"], s["queue"]) == (int(tenant), queue):
        print(s[name] if name in s
              else {i["name"]: i["lines"] for i in s["left"]}.get(name, 0))
' "$@"
}

# queue_is TENANT QUEUE NAME VALUE
queue_is() {
    local figure
    figure=$(queue_figure "$1" "$2" "$3")
    echo "$3 of tenant $1, queue $2: $figure"
    [[ $figure == "$4" ]]
}

# shipped TENANT QUEUE N: the queue's destination has N lines, and the spool
# has none of them any more.
shipped() {
    topo_wait 60 "$3 lines of tenant $1, queue $2, shipped" \
        queue_is "$1" "$2" shipped "$3"
}

# has_each_once FILE N: N lines, no two of them the same.
has_each_once() {
    wc -l "$1"
    [[ $(wc -l <"$1") == "$2" && -z $(sort "$1" | uniq -d) ]]
}

# state_of TENANT DESTINATION: its state, a word.
state_of() {
    topo_sluicectl --json tenants | python3 -c '
import json, sys
for d in json.load(sys.stdin)["destinations"]:
    if (d["tenant"], d["name"]) == (int(sys.argv[1]), sys.argv[2]):
        print(d["state"])' "$@"
}

# state_is TENANT DESTINATION STATE
state_is() {
    local state
    state=$(state_of "$1" "$2")
    echo "state of tenant $1, $2: $state"
    [[ $state == "$3" ]]
}

topo_up
write_destinations
topo_stop_rsyslog 7
topo_start_proxy
topo_add_flows

lines_each lines_send
check "a file gets what a server that is down will get later" \
    shipped 7 archive "$n7"
check "meanwhile those lines wait in the server's queue" \
    topo_wait 60 "$n7 lines in the spool" queue_is 7 logs spooled "$n7"
check "the first of two in order gets all" shipped 8 main "$n8"
check "the first has each line once" \
    has_each_once "$topo_dir/t8.log" "$n8"

topo_stop_rsyslog 8
check "the end of the first is noticed" \
    topo_wait 60 "an open circuit" state_is 8 first backoff
lines_each lines_send
check "the second takes over" shipped 8 main "$((2 * n8))"
check "the second has each line since, once" \
    has_each_once "$topo_dir/t8-second.log" "$n8"

topo_start_rsyslog 7
topo_start_rsyslog 8
check "the first is tried until it works again" \
    topo_wait 60 "a session to the first" state_is 8 first connected
lines_each lines_send
check "and gets the lines again" shipped 8 main "$((3 * n8))"
check "which it has once each" has_each_once "$topo_dir/t8.log" "$((2 * n8))"
check "and the second no more" \
    has_each_once "$topo_dir/t8-second.log" "$n8"

check "the server that was down gets all" shipped 7 logs "$((3 * n7))"
check "the file has got all" shipped 7 archive "$((3 * n7))"
check "the server has each line once" \
    has_each_once "$topo_dir/t7.log" "$((3 * n7))"
check "the file has the same lines" cmp <(sort "$topo_dir/t7.log") \
    <(sort "$topo_dir/t7-archive.log")
check "the ledger closes for each queue and each port" \
    topo_wait 60 "a ledger that closes" topo_sluicectl ledger --check
check "sent = received and lost 0 per port; the tenants' books balance" \
    books_balance
check "no secret is in any file of the proxy or of a tenant" no_secret
check "the programs' logs have no error" logs_quiet
done_testing
