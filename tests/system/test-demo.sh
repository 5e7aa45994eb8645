#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The demo shows what it says, and leaves nothing behind, even if interrupted.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

demo=$common_here/../run-demo
export SLUICE_BUILD OVS_DIR
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/tmp"
export TMPDIR=$scratch/tmp

# machine: what the demo must not change.
machine() {
    ip -o addr show
    ip route show table all
    ip -o link show
}

# demo_starts LOG: in the background, as process $pid.
demo_starts() {
    "$demo" >"$1" 2>&1 &
    pid=$!
}

# nothing_left: no namespace of the demo, no file, and the machine's own
# namespace as before.
nothing_left() {
    ! ip netns list | grep "^sluice$pid-" &&
        diff <(echo "$before") <(machine) && [[ -z $(ls "$TMPDIR") ]]
}

before=$(machine)
demo_starts "$scratch/out"
result=0
wait "$pid" || result=$?
check "the demo runs" test "$result" = 0
((result == 0)) || sed 's/^/# /' "$scratch/out"
check "it leaves nothing behind" nothing_left
check "it shows the proven name of a VM beside what it claims" \
    grep -q 'name="web-2"' "$scratch/out"
check "it shows a redacted line" grep -q 'redacted:password' "$scratch/out"
check "it shows the books" grep -q 'port vm1' "$scratch/out"
check "it lacks no line" nowhere '(nothing)' "$scratch/out"

demo_starts "$scratch/out2"
topo_wait 60 "the demo on its way" grep -q '^\[2/' "$scratch/out2"
kill -TERM "$pid"
result=0
wait "$pid" || result=$?
check "a demo that is interrupted ends" test "$result" = 143
check "and leaves nothing behind either" nothing_left
done_testing
