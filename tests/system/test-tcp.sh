#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Syslog over TCP, as logger and rsyslog send it in both framings, from VMs of
# two tenants through the switch; fragments; TLS; and kill -9 of intake in the
# middle of streams: each line once.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

tunnel='actions=log_tunnel(port=sluice0,dst=198.18.0.2),normal'

# program_pid NAME: the id that sluicectl status says.
program_pid() {
    topo_sluicectl --json status | python3 -c '
import json, sys
for program in json.load(sys.stdin)["programs"]:
    if program["name"] == sys.argv[1]:
        print(program["pid"])' "$1"
}

# program_restarted NAME PID: runs, as another process than PID.
program_restarted() {
    local pid
    pid=$(program_pid "$1")
    [[ -n $pid && $pid != 0 && $pid != "$2" ]] && kill -0 "$pid"
}

# came TENANT N PATTERN: that many lines, which is what all of them are.
came() {
    local n
    n=$(grep -cE -- "$3" "$topo_dir/t$1.log")
    echo "$n lines of tenant $1 with $3"
    grep -F ' gap="' "$topo_dir/t$1.log" | tail -n 3
    [[ $n == "$2" ]]
}

# stream_whole TENANT NAME N: each of 0..N-1 once.
stream_whole() {
    diff <(seq 0 $(($3 - 1)) | sort) \
        <(grep -oP " $2 \K[0-9]+(?= end$)" "$topo_dir/t$1.log" | sort) |
        head -n 5
    return "${PIPESTATUS[0]}"
}

# send_rsyslog VM NAME FRAMING: three lines by rsyslog's omfwd, which reads them
# from a file.
send_rsyslog() {
    local dir=$topo_dir/omfwd-$2 i
    mkdir -p "$dir"
    cat >"$dir.conf" <<END
global(workDirectory="$dir")
module(load="imfile")
template(name="plain" type="string" string="<14>1 - web omfwd - - - %msg%")
ruleset(name="forward") {
    action(type="omfwd" target="$topo_logserver" port="514" protocol="tcp"
           template="plain" TCP_Framing="$3")
}
input(type="imfile" file="$dir/in" tag="x" ruleset="forward")
END
    for i in 1 2 3; do echo "omfwd $2 line $i"; done >"$dir/in"
    topo_start "$1" "omfwd-$2.log" rsyslogd -n -iNONE -f "$dir.conf"
}

topo_up
for n in 7 8; do
    topo_start "lan$n" "tcp-sink-$n.log" python3 "$topo_here/tcp-sink.py" \
        "$topo_dir/tcp-sink-$n" 514 6514
    topo_wait 60 "the TCP log server in lan$n" test -f "$topo_dir/tcp-sink-$n"
done
topo_start_proxy
topo_add_flows
for match in tcp,tp_dst=514 tcp6,tp_dst=514 tcp,tp_dst=6514 udp,ip_frag=yes; do
    topo_ofctl add-flow br-int "$match,$tunnel"
done

for i in 1 2 3; do
    topo_in vm1 logger --tcp --server "$topo_logserver" --port 514 \
        --rfc5424 "logger plain password=tcp-secret-1 $i"
    topo_in vm3 logger --tcp --octet-count --server "$topo_logserver" \
        --port 514 --rfc5424 "logger counted password=tcp-secret-1 $i"
    topo_in vm2 logger --tcp --server "$topo_logserver6" --port 514 \
        "logger over IPv6 $i"
done
check "lines of logger --tcp arrive" \
    topo_wait 60 "lines of vm1" came 7 3 'logger plain .* [123]$'
check "over IPv6 too" topo_wait 60 "lines of vm2" came 7 3 'over IPv6 [123]'
check "and with octets counted, at the other tenant" \
    topo_wait 60 "lines of vm3" came 8 3 'logger counted .* [123]$'

send_rsyslog vm1 lf traditional
send_rsyslog vm3 octets octet-counted
check "lines of rsyslog's omfwd arrive in both framings" eval '
    topo_wait 60 "lines of vm1" came 7 3 "omfwd lf line [123]$" &&
        topo_wait 60 "lines of vm3" came 8 3 "omfwd octets line [123]$"'

topo_in vm1 python3 -c '
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.sendto(b"<13>1 - web app - - - fragments " + b"x" * 4000 + b" whole",
             (sys.argv[1], 514))' "$topo_logserver"
check "a datagram in fragments arrives as one line" \
    topo_wait 60 "the long line" came 7 1 'fragments x{4000} whole$'

topo_in vm2 python3 -c '
import socket, sys
with socket.create_connection((sys.argv[1], 6514)) as s:
    s.sendall(b"\x16\x03\x01\x00\x05hello")' "$topo_logserver"
# vm_has_tls NAME
vm_has_tls() {
    topo_sluicectl --json vms | python3 -c '
import json, sys
print([vm["name"] for vm in json.load(sys.stdin)["vms"]
       if vm["tls_streams"]] == [sys.argv[1]])' "$1" | grep -q True
}
check "sluicectl vms says which VM uses TLS" \
    topo_wait 60 "a TLS stream of web-2" vm_has_tls web-2
check "none of it is announced as missing" came 7 0 ' gap="'

streams=()
for name in a b; do
    topo_start vm1 "stream-$name.log" python3 "$topo_here/send-stream.py" \
        lf "$topo_logserver" "vm1$name" 3000
    streams+=("$topo_pid")
    topo_start vm3 "stream-3$name.log" python3 "$topo_here/send-stream.py" \
        octets "$topo_logserver" "vm3$name" 3000
    streams+=("$topo_pid")
done
n_kills=0
while kill -0 "${streams[0]}" 2>/dev/null; do
    pid=$(program_pid intake)
    kill -9 "$pid"
    n_kills=$((n_kills + 1))
    topo_wait 60 "another intake" program_restarted intake "$pid"
done
# How often depends on how fast the machine is.
check "intake was killed while they ran" test "$n_kills" -ge 1
wait "${streams[@]}"
for name in a b; do
    check "each line of stream $name with LF arrives once" \
        topo_wait 60 "stream vm1$name" stream_whole 7 "vm1$name" 3000
    check "each line of stream $name with octets counted arrives once" \
        topo_wait 60 "stream vm3$name" stream_whole 8 "vm3$name" 3000
done
check "sent = received and lost 0 per port; the tenants' books balance" \
    topo_wait 60 "balanced books" books_balance
for secret in str3am-secret tcp-secret-1; do
    check "$secret is nowhere" nowhere "$secret" "$topo_dir"/t[78].log \
        "$topo_dir/spool" "$topo_dir/run" "$topo_log"
done
check "no program complained" logs_quiet
done_testing
