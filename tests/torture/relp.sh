#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A RELP session to a real rsyslogd that is cut after each number of bytes of an
# exchange, in both directions and in both ways, and sluice-ship whose sessions
# are cut so one after the other: the same that "make check" does at every few
# bytes, which is why the short form has nothing of it.
#
# In: srcdir, builddir.  Out: TAP.
set -euo pipefail
: "${srcdir:?must name the source tree}"
: "${builddir:?must name the directory that Sluice was built in}"
if [[ ${SLUICE_TORTURE:-} != long ]]; then
    echo "1..0 # SKIP make check cuts the sessions"
    exit
fi
make -s -C "$builddir" tests/ship/ship-helper >&2
export SLUICE_CUTS=all
status=0
python3 -B "$srcdir/tests/adapters/test-relp.py" test_cut_everywhere ||
    status=$?
python3 -B "$srcdir/tests/ship/test-adapters.py" \
    relp_cut_again_and_again_loses_nothing || status=$?
exit "$status"
