#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What "sluicectl rules test" and "sluicectl explain" show of lines and captures,
# held against
# tests/golden/rules/NAME.expected.
#
# With an argument, shows that instead.  After a wanted change, write an
# expectation anew with
#
#     srcdir=../.. tests/golden/test-rules.sh NAME > rules/NAME.expected
#
# Runs in: make check.
set -euo pipefail

srcdir=${srcdir:-.}
golden=$srcdir/tests/golden
sluicectl=${SLUICECTL:-proxy-vm/sluicectl}

# show NAME: what it says of a case.
show() {
    local options=(--config "$golden/rules/sluice.yaml")
    case $1 in
    lines) options+=(--tenant 7 rules test "$golden/rules/rules.lines") ;;
    lines-json)
        options+=(--json --tenant 7 rules test "$golden/rules/rules.lines") ;;
    of-vm)
        options+=(--tenant 7 --vm db-2 rules test "$golden/rules/rules.lines") ;;
    of-tenant) options+=(--tenant 8 rules test "$golden/rules/rules.lines") ;;
    full | streams)
        options+=(rules test "$golden/$1.pcap") ;;
    explain-line)
        options+=(--tenant 7 explain
            '<13>1 2026-11-20T17:25:31.46Z web app - - - password=Tr0ub4dor-71') ;;
    explain-json)
        options+=(--json explain --pcap "$golden/streams.pcap") ;;
    explain-*)
        options+=(explain --pcap "$golden/${1#explain-}.pcap") ;;
    esac
    # A line that no switch saw has the time of now.
    "$sluicectl" "${options[@]}" |
        if [[ $1 == explain-line ]]; then
            sed -E 's/ time="[^"]*Z"/ time="NOW"/'
        else
            cat
        fi
}

if (($#)); then
    show "$1"
    exit
fi

cases=("$golden"/rules/*.expected)
n=0
failed=0
echo "1..${#cases[@]}"
for expected in "${cases[@]}"; do
    name=$(basename "$expected" .expected)
    n=$((n + 1))
    if diff -u "$expected" <(show "$name") >&2; then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        failed=1
    fi
done
exit "$failed"
