#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The command lines of the programs: help, version, and what is wrong with one,
# each in a sentence on standard error.
#
# In: builddir.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/system/tap.sh
. "$here/../system/tap.sh"
programs=${builddir:-.}/proxy-vm
dir=$(mktemp -d --tmpdir sluice-test.XXXXXX)
trap 'rm -rf "$dir"' EXIT

# path_of PROGRAM
path_of() {
    local path
    for path in "$programs/$1" "$programs/${1#sluice-}/$1"; do
        [[ ! -x $path ]] || echo "$path"
    done
}

# says_who PROGRAM: with -V, --version and --help, whatever else is missing.
says_who() {
    local path option
    path=$(path_of "$1")
    for option in -V --version; do
        "$path" "$option" | grep -qE "^$1 \(Sluice\) [0-9.]+$" || return 1
    done
    for option in -h --help; do
        "$path" "$option" | grep -qi "^usage: .*$1 " || return 1
    done
}

# refuses STATUS SENTENCE PROGRAM ARGUMENT...
refuses() {
    local status=$1 sentence=$2 path rc=0
    path=$(path_of "$3")
    shift 3
    "$path" "$@" >"$dir/out" 2>"$dir/err" </dev/null || rc=$?
    cat "$dir/out" "$dir/err"
    echo "exit status $rc"
    [[ $rc == "$status" && ! -s $dir/out ]] &&
        grep -qF -- "$sentence" "$dir/err"
}

# wrong STATUS SENTENCE PROGRAM ARGUMENT...: a case.
wrong() {
    check "${*:3}: $2" refuses "$@"
}

for program in sluiced sluicectl \
    sluice-{context,hostd,intake,metrics,ship,unseal} \
    sluice-{kafka,libvirt,relp}; do
    if [[ -n $(path_of "$program") ]]; then
        check "$program says who it is and what it takes" says_who "$program"
    else
        skip "$program says who it is and what it takes" "it was not built"
    fi
done

wrong 2 "is not an option" sluiced more
wrong 2 "there is no command; see" sluicectl
wrong 2 "there is no command \"statu\", but there is status" sluicectl statu
wrong 2 "there is no command \"rules tset\", but there is test" sluicectl \
    rules tset x
wrong 2 "context: it takes one of get, stats, refresh, diff" sluicectl context
wrong 2 "status: \"more\" is too much" sluicectl status more
wrong 2 "explain: give a line, or --pcap with a file" sluicectl explain
wrong 2 "explain: \"b\" is too much; give one line, in quotes" sluicectl \
    explain a b
wrong 2 "rules test: give a file" sluicectl rules test
wrong 2 "--tenant: it is for ledger, drain, top, tail," sluicectl \
    tenants --tenant 7
wrong 2 "and explain, not for tenants; leave it out" sluicectl \
    tenants --tenant 7
wrong 2 "--json: it is for status," sluicectl --json flows
wrong 2 "--lines: it is for tail, not for top" sluicectl top -n 3
wrong 2 "--tenant: \"x\" is not the number of a tenant" sluicectl \
    ledger --tenant x
wrong 2 "--tenant: \"0\" is not the number of a tenant" sluicectl \
    ledger --tenant 0
wrong 2 "--rate: it is for flows with --action" sluicectl flows --rate 500
wrong 2 "--watch: 0 is not a number of seconds from 1 to 86400" sluicectl \
    status --watch=0
wrong 2 "--interval: 86401 is not a number of seconds" sluicectl top \
    --interval 86401
wrong 2 "--watch is for commands that print a state" sluicectl reload --watch
wrong 2 "--sort: there is no \"speed\"" sluicectl top --sort speed
wrong 2 "--severity: there is no \"bad\"" sluicectl tail --severity bad
wrong 2 "--facility: there is no \"bad\"" sluicectl tail --facility bad
wrong 2 "--grep: " sluicectl tail --grep "("
wrong 2 "\"7\" is not the name of a batch" sluicectl spool show 7
wrong 2 "spool show: name batches" sluicectl spool show
wrong 2 "spool list: \"7/a/1-1\" is too much" sluicectl spool list 7/a/1-1
wrong 2 "or choose them by options, not both" sluicectl spool drop 7/a/1-1 \
    --tenant 8 --yes
wrong 2 "or by --tenant and --queue" sluicectl spool drop --tenant 8 --yes
wrong 1 "is it running?" sluicectl --socket "$dir/none" status

wrong 2 "give --config, or --static and --snapshot" sluice-context
wrong 2 "give one or the other" sluice-context --config a --static b
wrong 2 "belongs to no option" sluice-context --config a b
wrong 2 "can't be understood" sluice-context --nothing

wrong 1 "give --key" sluice-hostd
wrong 1 "give --proxy" sluice-hostd --key a
wrong 1 "give --public" sluice-hostd --key a --generate-key
wrong 1 "names no key; write ADDR:PORT,FILE" sluice-hostd --proxy 192.0.2.1:1
wrong 1 "give it, too" sluice-hostd --key a --proxy 192.0.2.1:1,b --set-owner
wrong 1 "\"999\" is not a number from 1000 to 30000" sluice-hostd \
    --interval-ms 999
wrong 1 "takes options only" sluice-hostd more
many=()
for n in 1 2 3 4 5 6 7 8 9; do
    many+=(--proxy "192.0.2.$n:1,key")
done
wrong 1 "there are more than 8" sluice-hostd "${many[@]}"

wrong 1 "name the directories with --spool and --run" sluice-intake
wrong 1 "takes options only" sluice-intake more
wrong 1 "--n-fds: \"17\" is not a number from 1 to 16" sluice-intake --n-fds 17
wrong 1 "--max-bytes: \"0\" is not a number" sluice-intake --max-bytes 0
wrong 1 "--max-delay-ms: \"1s\" is not a number" sluice-intake \
    --max-delay-ms 1s
wrong 1 "$dir/none" sluice-intake --config "$dir/none"

wrong 1 "give --config, or --socket and --listen" sluice-metrics
wrong 1 "give one or the other" sluice-metrics --config a --socket b
wrong 1 "is not an address and port" sluice-metrics --socket a --listen b
wrong 1 "--max-vms: \"many\" is not a number" sluice-metrics --max-vms many
wrong 1 "takes options only" sluice-metrics more
printf 'tenants: [{id: 7, name: a, server: "h:1"}]\n' >"$dir/sluice.yaml"
wrong 1 "metrics.port is 0" sluice-metrics --config "$dir/sluice.yaml"

wrong 1 "has no tenant 8" sluice-ship --config "$dir/sluice.yaml" --tenant 8
wrong 1 "has no queue \"far\" for tenant 7" sluice-ship \
    --config "$dir/sluice.yaml" --tenant 7 --queue far
wrong 1 "is not the name of a queue" sluice-ship --tenant 7 --queue ../7
wrong 1 "--generate-key needs --key" sluice-ship --generate-key
wrong 1 "--timeout-ms: \"99\" is not a number from 100" sluice-ship \
    --timeout-ms 99

wrong 1 "--key is missing" sluice-unseal
wrong 1 "needs --public" sluice-unseal --key a --generate-key
wrong 1 "either --listen or batches" sluice-unseal --key a
wrong 1 "--listen needs --tenant and --state" sluice-unseal --key a --listen b
wrong 1 "--state needs --tenant" sluice-unseal --key a --state b c
wrong 1 "TLS needs" sluice-unseal --key a --ca b c
wrong 1 "TLS needs" sluice-unseal --key a --client-name b c
wrong 1 "don't go together" sluice-unseal --key a --output b --syslog c d
wrong 1 "--check puts nothing anywhere" sluice-unseal --key a --check \
    --output b c
wrong 1 "--memory must have room for two batches" sluice-unseal --key a \
    --memory 1 b
wrong 1 "\"xml\" is not rfc5424, json or raw" sluice-unseal --format xml
wrong 1 "can't read the key $dir/none" sluice-unseal --key "$dir/none" a

if [[ -n $(path_of sluice-libvirt) ]]; then
    wrong 2 "give --uri" sluice-libvirt
    wrong 2 "is not a number of milliseconds" sluice-libvirt --uri a \
        --poll-interval-ms 99
    wrong 2 "belongs to no option" sluice-libvirt --uri a b
fi
done_testing
