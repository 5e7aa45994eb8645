#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Completion of sluicectl for zsh: every command that it lists, and what belongs
# behind them.
#
# In: srcdir, builddir.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/system/tap.sh
. "$here/../system/tap.sh"
sluicectl=${builddir:-.}/proxy-vm/sluicectl
folder=$here/../../proxy-vm/ctl/completion

# zsh's own functions that offer something print it instead.
# shellcheck disable=SC2016 # Variables of zsh.
printing='
compadd() { if [[ $1 == -a ]]; then print -l -- ${(P)2}; else print -l -- $@; fi }
_describe() { print -l -- ${(P)2} }
_files() { print files }
_message() { print -- "message $*" }
_call_program() { shift; eval "$@" }
fpath=($1 $fpath)
words=("${@[2,-1]}")
CURRENT=$#words
autoload -U _sluicectl
_sluicectl
'

# offered WORD...: what is offered for the last of the words.
offered() {
    zsh -f -c "$printing" zsh "$folder" "$sluicectl" "$@"
}

# offers EXPECTED WORD...: those, sorted, without what is said of them.
offers() {
    local expected=$1 got
    shift
    got=$(offered "$@" | cut -d : -f 1 | sort | tr '\n' ' ')
    echo "got $got"
    [[ $got == "$expected " ]]
}

# offers_also WORD...: these are among what can be a command, or an option.
offers_also() {
    local word got
    got=$(offered "$1" | cut -d : -f 1)
    for word in "${@:2}"; do
        grep -qx -- "$word" <<<"$got" || { echo "not $word, but $got"; return 1; }
    done
}

is_found() {
    # shellcheck disable=SC2016 # Variables of zsh.
    [[ $(zsh -f -c 'fpath=($1 $fpath); autoload -U compinit; compinit -u -D
print $_comps[sluicectl]' zsh "$folder") == _sluicectl ]]
}

if ! command -v zsh >/dev/null; then
    echo "1..0 # SKIP there is no zsh"
    exit 0
fi
check "zsh finds it under the command's name" is_found
# shellcheck disable=SC2046 # A list of words.
check "all commands are offered" offers_also "" \
    $(sed -nE 's/^VERB\([A-Z_]+, ([a-z]+),.*/\1/p' \
        "$here/../../proxy-vm/common/control-verbs.def") top flows rules
says_what_it_is() {
    offered "" | tee /dev/stderr |
        grep -qx 'tenants:tenants, their servers and their books'
}
check "with what is said of them" says_what_it_is
check "all options are offered" offers_also -- --json --socket --tenant \
    --quarantined --by-tenant --log-server
check "what may stand behind a command" offers "drop export list replay show" \
    spool ""
check "what an option takes is no command" offers \
    "drop export list replay show" --socket /run/x spool --tenant 3 ""
check "an option has values" offers \
    "bytes dropped lag lines lost redactions" top --sort ""
check "an option that takes a file" offers files --config ""
check "rules are tested" offers test rules ""
check "on a file" offers files rules test ""
check "nothing stands behind others" offers "message no more" tenants ""
done_testing
