#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Checks that docs/man/log_tunnel.7 is well-formed and names what the tables
# and the parser of the action have.
set -e
top=${srcdir:-.}
page=$top/docs/man/log_tunnel.7
# The page without the backslashes of roff.
text=$(sed 's/\\-/-/g' "$page")
n=0
failures=0

# result STATUS NAME: prints a line of TAP.
result () {
    n=$((n + 1))
    if [ "$1" = 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        failures=$((failures + 1))
    fi
}

# has_items WORD NAME...: whether the page has an item for each NAME, with WORD
# after it, which may be a pattern.
has_items () {
    word=$1
    shift
    [ $# -gt 0 ] || return 1
    status=0
    for name; do
        if ! echo "$text" | grep -q "^\.It Cm $name$word"; then
            echo "# there is no item for $name in $page"
            status=1
        fi
    done
    return $status
}

reasons=$(sed -n 's/^SLUICE_DROP_REASON([A-Z_]*, "\([a-z-]*\)".*/\1/p' \
          "$top/ovs-ext/sluice/lib/drop-reasons.def")
options=$(sed -n 's/^SLUICE_TLV_OPTION(\([A-Z]*\), .*/\1/p' \
          "$top/lib/tlv.def")
arguments=$(sed -n 's/.*!strcmp(key, "\([a-z]*\)").*/\1/p' \
            "$top/ovs-ext/sluice/lib/ofp-log-tunnel.c")

# shellcheck disable=SC2086 # Lists of names.
{
    status=0; has_items '$' $reasons || status=1
    result $status "each drop reason is in the manual"
    status=0; has_items ' No (0x[0-9a-f]*)$' $options || status=1
    result $status "each option is in the manual"
    status=0; has_items '= ' $arguments || status=1
    result $status "each argument is in the manual"
}

types=$(sed -n 's/^SLUICE_TLV_OPTION(\([A-Z]*\), \(0x..\),.*/\1 No (\2)/p' \
        "$top/lib/tlv.def")
shown=$(echo "$text" | sed -n 's/^\.It Cm \([A-Z]* No (0x..)\)$/\1/p')
status=0; [ "$types" = "$shown" ] || status=1
result $status "options have the types and the order of the table"

if command -v mandoc > /dev/null; then
    # Manuals of others need not be installed.
    lint=$(mandoc -Tlint -W style "$page" 2>&1 |
           grep -v -e 'referenced manual not found' -e 'outdated mandoc.db' ||
           :)
    status=0
    if [ -n "$lint" ]; then
        echo "$lint" | sed 's/^/# /'
        status=1
    fi
    result $status "mandoc finds no fault with the manual"
else
    n=$((n + 1))
    echo "ok $n - mandoc finds no fault # SKIP mandoc is not installed"
fi

echo "1..$n"
[ "$failures" -eq 0 ]
