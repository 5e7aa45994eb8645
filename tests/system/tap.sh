# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Test Anything Protocol for tests in bash.
#
# In: calls of check and skip.  Out: TAP on standard output.
# Runs in: tests/system/test-*.sh, tests/run-lint.

tap_n=0
tap_failed=0

# check NAME COMMAND...: a case that passes if COMMAND does; what it printed is
# shown if it does not.
check() {
    local name=$1 output
    shift
    tap_n=$((tap_n + 1))
    if output=$("$@" 2>&1); then
        echo "ok $tap_n - $name"
    else
        tap_failed=$((tap_failed + 1))
        echo "not ok $tap_n - $name"
        printf 'command: %s\n%s\n' "$*" "$output" | head -n 60 | sed 's/^/# /'
    fi
}

# skip NAME REASON
skip() {
    tap_n=$((tap_n + 1))
    echo "ok $tap_n - $1 # SKIP $2"
}

# done_testing: the plan, and the exit status of the test.
done_testing() {
    echo "1..$tap_n"
    exit "$((tap_failed > 0))"
}
