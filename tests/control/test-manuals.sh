#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The manuals that the build makes of tables: whole, and well-formed.
#
# In: srcdir, builddir.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/system/tap.sh
. "$here/../system/tap.sh"
top=$here/../..
man=${builddir:-.}/docs/man

# items MANUAL TABLE MACRO: the manual has an item for each row, whose name
# stands behind a symbol, in quotation marks.
items() {
    local name names
    names=$(sed -nE "s/^$3\([A-Za-z_]+, \"([a-z0-9-]+)\".*/\1/p" "$top/$2")
    [[ -n $names ]] || return 1
    for name in $names; do
        sed 's/\\-/-/g' "$man/$1" | grep -qE "^\.It Cm $name( No|$)" || {
            echo "there is no $name"
            return 1
        }
    done
}

# well_formed MANUAL: manuals of others need not be installed.
well_formed() {
    ! mandoc -T lint -W warning "$man/$1" |
        grep -v 'referenced manual not found'
}

for macro in INTAKE TENANT SHIP; do
    check "sluice-counters(7) has each counter of $macro" items \
        sluice-counters.7 proxy-vm/common/counters.def "$macro"
done
check "and each reason for dropping" items sluice-counters.7 lib/drop.def DROP
check "and each of gap records" items sluice-counters.7 lib/gap.def GAP
check "and what is counted of hypervisors" items sluice-counters.7 \
    proxy-vm/context/host-counts.def HOST_COUNT
check "no place is left empty" \
    bash -c '! grep -HE "^@[A-Z]+@" "$@"' - "$man"/*.[57]
for manual in sluice-counters.7 sluice.yaml.5; do
    if command -v mandoc >/dev/null; then
        check "mandoc finds nothing in $manual" well_formed "$manual"
    else
        skip "mandoc finds nothing in $manual" "mandoc is not installed"
    fi
done
done_testing
