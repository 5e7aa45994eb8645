#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Checks that the captures are what make-captures makes.
set -e
golden=${srcdir:-.}/tests/golden
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

python3 "$golden/make-captures" "$dir"
set -- "$dir"/*.pcap
echo "1..$#"
n=0
for capture; do
    n=$((n + 1))
    name=${capture##*/}
    if cmp "$capture" "$golden/$name"; then
        echo "ok $n - $name is what the script makes"
    else
        echo "not ok $n - $name is what the script makes"
    fi
done
