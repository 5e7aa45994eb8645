#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Completion of sluicectl: every command and option that it lists, and what
# belongs behind them.
#
# In: srcdir, builddir.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/system/tap.sh
. "$here/../system/tap.sh"
# shellcheck source=proxy-vm/ctl/completion/sluicectl
. "$here/../../proxy-vm/ctl/completion/sluicectl"
sluicectl=${builddir:-.}/proxy-vm/sluicectl

# completed EXPECTED WORD...: the last word is completed to these, sorted.
completed() {
    local expected=$1 got
    shift
    COMP_WORDS=("$sluicectl" "$@")
    COMP_CWORD=$#
    _sluicectl
    got=$(printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' ')
    echo "got $got"
    [[ $got == "$expected " ]]
}

# offers WORD...: the first word is completed to each of these, too.
offers() {
    local word
    COMP_WORDS=("$sluicectl" "$1")
    COMP_CWORD=1
    _sluicectl
    for word in "${@:2}"; do
        printf '%s\n' "${COMPREPLY[@]}" | grep -qx -- "$word" || {
            echo "not $word, but ${COMPREPLY[*]}"
            return 1
        }
    done
}

# shellcheck disable=SC2046 # A list of words.
check "all commands are offered" offers "" \
    $(sed -nE 's/^VERB\([A-Z_]+, ([a-z]+),.*/\1/p' \
        "$here/../../proxy-vm/common/control-verbs.def") top flows
check "all options are offered" offers -- --json --socket --tenant \
    --quarantined --by-tenant --log-server
check "a command is completed" completed "tail tenants top" t
check "and what may stand behind it" completed \
    "drop export list replay show" spool ""
check "also behind context" completed "diff get refresh stats" context ""
check "also in its middle" completed "replay" --json spool rep
check "what an option takes is no command" completed "tail tenants top" \
    --socket /run/sluice/control.sock --tenant 3 t
check "rules are tested" completed "test" rules ""
check "an option has values" completed "redactions" top --sort red
check "a file is a file" completed "$here/test-completion.sh" rules test \
    "$here/test-completion.s"
check "nothing stands behind others" completed "" tenants ""
done_testing
