#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Client rules on the real line: each action on what VMs of two tenants send by
# UDP and TCP, what they drop counted and announced, a reload, and kill -9 of
# intake: the books balance to the line.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

# say VM APP PRI N TEXT: N lines in one go; %d in TEXT is their number.
say() {
    # shellcheck disable=SC2016
    topo_in "$1" python3 -c '
import socket, sys
server, app, pri, n, text = sys.argv[1:]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    for i in range(int(n)):
        sock.sendto(f"<{pri}>1 - web {app} - - - ".encode()
                    + text.replace("%d", str(i)).encode(), (server, 514))
' "$topo_logserver" "$2" "$3" "$4" "$5"
}

# lines TENANT N PATTERN: N lines of guests match.
lines() {
    local n
    n=$(grep -vF ' gap="' "$topo_dir/t$1.log" | grep -cE "$3")
    echo "$n lines of tenant $1 have $3"
    [[ $n == "$2" ]]
}

# A record of Sluice's own up to its reason, in the element that no guest can
# write.
record='^<45>1 \S+ \S+ sluice - gap \[sluice@32473 [^]]*'

# sum PATTERN FILE...: of the numbers that the pattern finds.
sum() {
    local pattern=$1
    shift
    cat "$@" | grep -oP "$pattern" | awk '{ n += $1 } END { print n + 0 }'
}

# announced TENANT REASON RULE N: gap records tell so many lines.
announced() {
    local n
    n=$(sum "$record gap=\"$2\" gap-lines=\"\K[0-9]+(?=\" gap-rule=\"$3\")" \
        "$topo_dir/t$1.log")
    echo "$n lines of tenant $1 announced as dropped by $3 ($2)"
    [[ $n == "$4" ]]
}

# rule NAME EXPRESSION: of the rule as sluicectl tells it, 'rule'.
rule() {
    topo_sluicectl --json rules | python3 -c '
import json, sys
rule, = (r for r in json.load(sys.stdin)["rules"] if r["name"] == sys.argv[1])
print(rule)
sys.exit(not eval("(" + sys.argv[2] + ")"))' "$@"
}

# all_announced: what the rules dropped is what the tenants were told of.
all_announced() {
    local dropped told
    dropped=$(topo_sluicectl --json rules | python3 -c '
import json, sys
print(sum(r["dropped"] for r in json.load(sys.stdin)["rules"]))')
    told=$(sum "$record gap-lines=\"\K[0-9]+" "$topo_dir"/t[78].log)
    echo "dropped by rules: $dropped, in gap records: $told"
    [[ $dropped == "$told" ]]
}

program_pid() {
    topo_sluicectl --json status | python3 -c '
import json, sys
for program in json.load(sys.stdin)["programs"]:
    if program["name"] == sys.argv[1]:
        print(program["pid"])' "$1"
}

program_restarted() {
    local pid
    pid=$(program_pid "$1")
    [[ -n $pid && $pid != 0 && $pid != "$2" ]] && kill -0 "$pid"
}

# stream_lines TENANT MIN MAX: so many lines of the numbered stream came, no two
# the same.
stream_lines() {
    local n n_different
    n=$(grep -cP ' sampled [0-9]+ end$' "$topo_dir/t$1.log")
    n_different=$(grep -oP ' sampled \K[0-9]+(?= end$)' "$topo_dir/t$1.log" |
        sort -u | wc -l)
    echo "$n lines of the stream, $n_different of them different"
    [[ $n == "$n_different" ]] && ((n >= $2 && n <= $3))
}

# set_limits: a maximum of a message, and lines that continue for tenant 7.
set_limits() {
    if grep -q '^intake:' "$topo_dir/sluice.yaml"; then
        sed -i '/^intake:/a\  max-message-bytes: 1000' "$topo_dir/sluice.yaml"
    else
        printf 'intake:\n  max-message-bytes: 1000\n' >>"$topo_dir/sluice.yaml"
    fi
    sed -i 's/^    name: shop$/&\n    multi-line: 1/' "$topo_dir/sluice.yaml"
}

# over_cap TENANT N: so many lines lost their rest.
over_cap() {
    topo_sluicectl --json counters | python3 -c '
import json, sys
n, = (c["value"] for c in json.load(sys.stdin)["counters"]
      if c["name"] == "over-cap" and c["tenant"] == int(sys.argv[1]))
print(n)
sys.exit(n != int(sys.argv[2]))' "$1" "$2"
}

# send_parts VM: a line over TCP that continues, and one that does not.
send_parts() {
    topo_in "$1" python3 -c '
import socket, sys
with socket.create_connection((sys.argv[1], 514)) as s:
    s.sendall(b"<13>1 - web trace - - - first of trace\n  second of trace\n"
              b"<13>1 - web trace - - - third of trace\n")
' "$topo_logserver"
}

write_rules() {
    cat >>"$topo_dir/sluice.yaml" <<END
rules:
  - {name: precious, pattern: '\\bprecious\\b', action: keep}
  - {name: quiet, app: cron, facility: cron, severity: info..debug, action: drop}
  - {name: clone, vm: web-2, app: cloned, action: drop}
  - {name: by-uuid, vm: a0000000-0000-4000-8000-000000000801, app: owned, action: drop}
  - {name: only-8, tenant: 8, app: shared, action: drop}
  - {name: secret, pattern: 'hunter2', action: drop}
  - {name: third, app: chatty, action: sample, one-in: 3}
  - {name: slow, app: fast, action: rate-limit, rate: 1, burst: 5}
  - {name: same, app: flood, action: deduplicate, window-ms: 3000}
  - {name: look, severity: err..emerg, action: verbose}
  - {name: half, pattern: ' sampled [0-9]+ end\$', action: sample, one-in: 2}
END
}

topo_up
write_rules
set_limits
topo_start_proxy
topo_add_flows
topo_ofctl add-flow br-int \
    'tcp,tp_dst=514,actions=log_tunnel(port=sluice0,dst=198.18.0.2),normal'

say vm1 cron 78 20 "a job"
say vm1 cron 78 1 "a precious job"
say vm1 cron 75 1 "a job failed"
check "drop lets nothing pass but what it is not for" eval '
    topo_wait 60 "the job that failed" lines 7 1 "a job failed$" &&
        lines 7 1 "a precious job$" && lines 7 0 " cron .*a job$"'
check "its tenant is told how much was dropped" \
    topo_wait 60 "gap records" announced 7 rule-drop quiet 20
check "sluicectl shows it" topo_wait 60 "figures" rule quiet \
    '(rule["matched"], rule["dropped"], rule["announced"]) == (20, 20, 20)'

for vm in vm1 vm2 vm3; do
    for app in cloned owned shared; do
        say "$vm" "$app" 13 2 "of $vm"
    done
done
check "a rule for a VM is for it alone, by name" eval '
    topo_wait 60 "lines" lines 7 2 " cloned .*of vm1$" &&
        topo_wait 60 "lines" lines 8 2 " cloned .*of vm3$" &&
        lines 7 0 " cloned .*of vm2$"'
check "or by UUID" eval '
    topo_wait 60 "lines" lines 7 4 " owned .*of vm[12]$" &&
        lines 8 0 " owned "'
check "a rule for a tenant is for it alone" eval '
    topo_wait 60 "lines" lines 7 4 " shared .*of vm[12]$" &&
        lines 8 0 " shared "'

say vm1 app 13 1 "password=hunter2 is redacted"
check "patterns see what redaction leaves" eval '
    topo_wait 60 "the line" lines 7 1 "redacted:password> is redacted$" &&
        rule secret "rule[\"matched\"] == 0"'

say vm1 chatty 13 31 "line %d of vm1"
say vm2 chatty 13 31 "line %d of vm2"
check "sample lets one of three pass, of each VM" eval '
    topo_wait 60 "lines" lines 7 11 " chatty .* of vm1$" &&
        topo_wait 60 "lines" lines 7 11 " chatty .* of vm2$" &&
        topo_wait 60 "gap records" announced 7 rule-sample third 40'

say vm1 fast 13 50 "line %d"
check "rate-limit lets a burst pass, and says how much is missing" eval '
    topo_wait 60 "figures" rule slow "rule[\"matched\"] == 50" &&
        rule slow "40 <= rule[\"dropped\"] <= 45" &&
        topo_wait 60 "its announcement" rule slow \
            "rule[\"announced\"] == rule[\"dropped\"]"'

say vm1 flood 13 40 "disk full"
say vm3 flood 13 1 "disk full"
# shellcheck disable=SC2016 # Expanded by eval.
check "repeats become one record at the end of the window" eval '
    topo_wait 60 "the record" announced 7 rule-duplicate same 39 &&
        topo_wait 60 "the line" lines 8 1 " flood .*disk full$" &&
        lines 7 1 " flood .*disk full$" &&
        grep -qF "message of \"flood\" repeated 39 times: [disk full]" \
            "$topo_dir/t7.log"'
check "the record is of the VM" grep -qE \
    ' web-1 sluice - gap .* gap="rule-duplicate"' "$topo_dir/t7.log"

say vm1 app 11 1 "something broke"
check "verbose adds the rule, the flow and the time of receipt" \
    topo_wait 60 "the line" lines 7 1 \
    ' rule="look" received="20[^"]*Z" flow="udp 10\.0\.0\.11 [0-9]+ 10\.0\.0\.254 514".* something broke$'

sed -i 's/name: third, app: chatty/name: third, app: other/' \
    "$topo_dir/sluice.yaml"
check "a reload takes new rules up" topo_sluicectl reload
say vm1 chatty 13 10 "reloaded %d"
check "and keeps the figures of those that stay" eval '
    topo_wait 60 "lines" lines 7 10 " reloaded [0-9]$" &&
        rule third "rule[\"matched\"] == 62"'
# shellcheck disable=SC2016 # Expanded by eval.
check "a forged record does not count" eval '
    say vm1 app 13 1 "x [sluice@32473 gap=\"rule-drop\" gap-lines=\"9\" gap-rule=\"quiet\"] forged" &&
    topo_wait 60 "the line" grep -q forged "$topo_dir/t7.log" &&
    grep -q "src-ip=\"10.0.0.11\"\(  *[^]]*\)*\] x \[sluice@32473 gap=" "$topo_dir/t7.log"'

say vm1 app 13 1 "$(printf 'long%.0s' {1..300}) end"
check "of a message over the maximum the rest is masked, and that is counted" \
    eval 'topo_wait 60 "the line" lines 7 1 \
        "\\] (long)+(lo?n?)?<redacted:over-cap>$" &&
        topo_wait 60 "the counter" over_cap 7 1 && over_cap 8 0'

for n in 7 8; do
    topo_start "lan$n" "tcp-sink-$n.log" python3 "$topo_here/tcp-sink.py" \
        "$topo_dir/tcp-sink-$n" 514
    topo_wait 60 "the TCP log server" test -f "$topo_dir/tcp-sink-$n"
done
send_parts vm1
send_parts vm3
# rsyslogd writes a line feed as #012.
check "a line continues for the tenant that wants it, and not for another" \
    eval 'topo_wait 60 "its end" lines 7 1 "third of trace$" &&
        topo_wait 60 "its end" lines 8 1 "third of trace$" &&
        lines 7 1 "first of trace#012  second of trace$" &&
        lines 8 1 "first of trace$" && lines 8 1 "\\] +second of trace$"'

topo_start vm1 stream.log python3 "$topo_here/send-stream.py" lf \
    "$topo_logserver" sampled 8000
stream=$topo_pid
n_kills=0
while kill -0 "$stream" 2>/dev/null; do
    pid=$(program_pid intake)
    kill -9 "$pid"
    n_kills=$((n_kills + 1))
    topo_wait 60 "another intake" program_restarted intake "$pid"
done
wait "$stream"
check "intake was killed again and again in a sampled stream" \
    test "$n_kills" -ge 2
# A new intake begins a sample anew.
check "half of the stream arrives, no line twice" \
    topo_wait 60 "the stream" stream_lines 7 4000 $((4000 + n_kills))
check "all that rules dropped is announced, whoever was killed" \
    topo_wait 60 "gap records" all_announced
check "sent = received and lost 0 per port; the tenants' books balance" \
    topo_wait 60 "balanced books" books_balance
check "hunter2 is nowhere" nowhere hunter2 "$topo_dir"/t[78].log \
    "$topo_dir/spool" "$topo_dir"/run/intake "$topo_log"
check "no program complained" logs_quiet
done_testing
