# SPDX-License-Identifier: Apache-2.0
#
# What cmocka skips it says is not ok, which to TAP is a failure; and why it is
# skipped stands in the line before, if it is to be known.
#
# In: what a unit test prints.  Out: TAP.  Runs in: make check.
/^not ok [0-9]+ # SKIP/ {
    sub(/^not /, "")
    $0 = $0 ": " before
}
{
    before = $0
    print
}
