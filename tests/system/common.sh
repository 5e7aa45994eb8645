# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the system tests share: the topology, the lines, TAP, and the checks
# that each of them ends with.
#
# Runs in: tests/system/test-*.sh.
set -euo pipefail

common_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SLUICE_BUILD=${SLUICE_BUILD:-$common_here/../../_build/sluice}
OVS_DIR=${OVS_DIR:-$common_here/../../_build/ovs}
# shellcheck source=tests/system/lines.sh
. "$common_here/lines.sh"
# shellcheck source=tests/system/tap.sh
. "$common_here/tap.sh"

# drops REASON: how many packets the proxy dropped for that reason.
drops() {
    topo_sluicectl --json counters | python3 -c '
import json, sys
print(sum(counter["value"] for counter in json.load(sys.stdin)["counters"]
          if counter["name"] == sys.argv[1]))' "$1"
}

# drops_are REASON N: for REASON, or "dropped" for all, so many packets were
# dropped; if not, all that was counted is shown.
drops_are() {
    local n
    n=$(drops "$1")
    echo "drops for $1: $n"
    [[ $n == "$2" ]] || { topo_sluicectl counters | grep -vw 0; return 1; }
}

# lines_came TENANT N: at least N lines are in the tenant's log.
lines_came() {
    topo_has_lines "$topo_dir/t$1.log" "$2"
}

# wait_for_lines TENANT N: lines that the server has and the books show.
wait_for_lines() {
    topo_wait 60 "$2 lines in the log of tenant $1" lines_came "$1" "$2" &&
        topo_wait 60 "$2 lines shipped to tenant $1" \
            figure_is "$1" shipped "$2"
}

# judge WHAT TENANT OPTION...: check-lines.py on the tenant's log.
judge() {
    local what=$1 tenant=$2
    shift 2
    python3 "$topo_here/check-lines.py" "$what" --lines "$lines_tsv" \
        --vms "$topo_dir/vms" --tenant "$tenant" "$@" "$topo_dir/t$tenant.log"
}

# Where packets lie as they came, before anything was taken out of them.
unredacted=(--exclude=intake.rx --exclude=intake.memif --exclude=intake.queues
    --exclude=intake.parts)

# no_secret: none is in what Sluice wrote: logs of the tenants and of the
# programs, spool, open batches, counters, state.
no_secret() {
    local secret rc=0
    while read -r secret; do
        if grep -rFa -l "${unredacted[@]}" -e "$secret" \
            "$topo_dir"/t[0-9]*.log \
            "$topo_dir/spool" "$topo_dir/run" "$topo_dir/state" "$topo_log"
        then
            echo "these have the secret $secret"
            rc=1
        fi
    done < <(lines_secrets)
    return "$rc"
}

# no_secret_in_memory: none is in that of sluiced or of a shipper, which is what
# a core dump of them would have.
no_secret_in_memory() {
    local pids
    mapfile -t pids < <(topo_sluicectl --json status | python3 -c '
import json, os, sys
pids = [program["pid"] for program in json.load(sys.stdin)["programs"]
        if program["name"].startswith("ship")]
assert pids
for pid in pids:
    print(pid)
with open(f"/proc/{pids[0]}/stat", encoding="utf-8") as stat:
    print(stat.read().rpartition(")")[2].split()[1])')
    ((${#pids[@]} >= 2)) &&
        lines_secrets | "$common_here/memory.py" "${pids[@]}"
}

# nowhere TEXT FILE...: in none of the files, nor beneath.
nowhere() {
    local text=$1
    shift
    ! grep -rFa "${unredacted[@]}" -e "$text" "$@"
}

# logs_quiet: no program complained of something that it should not meet.
logs_quiet() {
    ! grep -E 'EMER|ERR\||Sanitizer|assertion|runtime error' \
        "$topo_log"/{sluiced,ovs-vswitchd,ovsdb-server}.log
}

# books_balance OPTION...: see books.py.
books_balance() {
    mkdir -p "$topo_dir/books"
    topo_appctl sluice/show >"$topo_dir/books/show" &&
        topo_sluicectl --json vms >"$topo_dir/books/vms" &&
        topo_sluicectl --json tenants >"$topo_dir/books/tenants" &&
        python3 "$topo_here/books.py" "$@" "$topo_dir/books"
}

# check_lines OPTION...: what must hold of the lines of lines.tsv, for both
# tenants; options are those of check-lines.py.
check_lines() {
    local tenant
    for tenant in 7 8; do
        check "each line of tenant $tenant came, and none of another's" \
            judge complete "$tenant" "$@"
        check "what tenant $tenant got is RFC 5424 to the letter" \
            judge well-formed "$tenant" "$@"
        check "lines of tenant $tenant carry proven origin and context" \
            judge enriched "$tenant" "$@"
        check "secrets of tenant $tenant are marked, and all else is as sent" \
            judge redacted "$tenant" "$@"
    done
    check "no secret is in any file of the proxy or of a tenant" no_secret
    check "no secret is in the memory of sluiced and the shippers" \
        no_secret_in_memory
}

# shellcheck disable=SC2034 # For the tests.
n7=$(lines_count vm1 vm2)
# shellcheck disable=SC2034 # For the tests.
n8=$(lines_count vm3)
