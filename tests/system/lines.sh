# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Sends the lines of lines.tsv from the VMs of topology.sh with real tools.
#
# In: lines.tsv.  Out: datagrams to the log server that the VMs believe in.
# Runs in: tests/run-demo, tests/system/test-*.sh.

# shellcheck source=tests/system/topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

lines_tsv=$topo_here/lines.tsv

# lines_each FUNCTION: calls FUNCTION VM HOW TEXT for each line.
lines_each() {
    local vm how text
    while IFS=$'\t' read -r vm how text <&3; do
        [[ -z $vm || $vm == '#'* ]] || "$1" "$vm" "$how" "$text"
    done 3<"$lines_tsv"
}

# lines_count VM...: how many lines those VMs have.
lines_count() {
    local vm n=0
    for vm in "$@"; do
        n=$((n + $(grep -c "^$vm"$'\t' "$lines_tsv")))
    done
    echo "$n"
}

# lines_plain TEXT: the text as it is sent.
lines_plain() {
    local text=${1//'{{'/}
    echo "${text//'}}'/}"
}

# lines_secrets: the secrets, one per line.
lines_secrets() {
    grep -v '^#' "$lines_tsv" | grep -o '{{[^}]*}}' | tr -d '{}'
}

# lines_logger VM OPTION... TEXT: logger in a VM, whose host name is its own.
lines_logger() {
    local vm=$1 claimed
    shift
    read -r _ _ _ _ _ _ claimed _ <<<"${topo_vm[$vm]}"
    # shellcheck disable=SC2016
    topo_in "$vm" unshare --uts sh -c 'hostname "$0" && exec logger "$@"' \
        "$claimed" -d -P 514 -t app "$@"
}

# lines_send VM HOW TEXT: see lines.tsv.
lines_send() {
    local vm=$1 how=$2 text
    text=$(lines_plain "$3")
    case $how in
    rfc5424 | rfc3164)
        lines_logger "$vm" -n "$topo_logserver" "--$how" -- "$text"
        ;;
    forged)
        lines_logger "$vm" -n "$topo_logserver" --rfc5424 \
            --sd-id sluice@32473 --sd-param 'tenant="9"' -- "$text"
        ;;
    ipv6)
        lines_logger "$vm" -n "$topo_logserver6" --rfc5424 -- "$text"
        ;;
    vlan)
        topo_in "$vm" python3 "$topo_here/send-vlan.py" eth0 5 \
            10.5.0.12 10.5.0.254 \
            "<13>1 $(date -u +%FT%TZ) web app - - - $text"
        ;;
    raw)
        # shellcheck disable=SC2016
        topo_in "$vm" bash -c 'printf %s "$1" >"/dev/udp/$0/514"' \
            "$topo_logserver" "$text"
        ;;
    *)
        echo "lines.tsv: there is no way '$how' to send a line" >&2
        return 1
        ;;
    esac
}
