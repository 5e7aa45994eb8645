#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The spool after simulated power cuts: tests/unit/test-power-cut, with 100,000
# outcomes in the long form and as many as "make check" has in the short one.
#
# In: builddir.  Out: TAP.
set -euo pipefail
: "${builddir:?must name the directory that Sluice was built in}"
echo 1..1
make -s -C "$builddir" tests/unit/test-power-cut >&2
[[ ${SLUICE_TORTURE:-} != long ]] || export SLUICE_POWER_CUTS=100000
status=0
output=$("$builddir/tests/unit/test-power-cut" 2>&1) || status=$?
grep -E '^# |^ERROR' <<<"$output" || true
(( status == 0 )) || echo -n "not "
echo "ok 1 - a power cut loses nothing that was acknowledged"
exit "$status"
