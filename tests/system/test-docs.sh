#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The commands of the documents do what the documents say: each block after
# "<!-- run: WHERE -->", in manuals a comment with the same, is run, in that
# namespace on a switch where nothing is set up yet, or, where it installs, into
# a directory of the test.
# shellcheck source=tests/system/common.sh
. "$(dirname "$0")/common.sh"

top=$common_here/../..

# blocks FILE: "WHERE COMMAND" for each command of such blocks, which may go on
# in the next line.
blocks() {
    sed -e 's/^ *//' -e 's/^\.\\" \(run: .*\)/<!-- \1 -->/' \
        -e 's/^\.Bd -literal.*/```sh/' -e 's/^\.Ed/```/' \
        -e 's/\\e$/\\/' -e 's/\\-/-/g' \
        "$1" |
        awk '/^<!-- run: / { where = $3; next }
             /^```sh$/ && where { inside = 1; next }
             /^```$/ { inside = 0; where = "" }
             /^\.Pp/ { where = "" }
             sub(/^\.Dl /, "") && where { print where, $0 }
             inside && sub(/\\$/, "") { printf "%s", part ? $0 : where " " $0
                                        part = 1; next }
             inside { print part ? $0 : where " " $0; part = 0 }'
}

# run_command WHERE COMMAND: as the document has it, with our programs found
# first and our directory in the place of the system's.  Users are made in
# the files of that directory.
run_command() {
    local where=$1 command=$2
    command=${command//\/etc\/sluice/$topo_dir}
    command=${command//_build\/ovs/$OVS_DIR}
    command=${command//_build\/sluice/$SLUICE_BUILD}
    cd "$topo_dir/docs"
    if [[ $where == install ]]; then
        DESTDIR=$topo_dir/root sh -e -c "$command"
    elif [[ $where == users ]]; then
        mkdir -p "$topo_dir/root/etc"
        cp /etc/{passwd,group,shadow,gshadow,login.defs} "$topo_dir/root/etc/"
        sh -e -c "${command/useradd/useradd --prefix $topo_dir/root}"
        grep '^sluice-intake:' "$topo_dir/root/etc/passwd"
    else
        topo_in "$where" env \
            PATH="$topo_dir/docs-bin:$topo_dir/bin:$OVS_DIR/build/utilities:$PATH" \
            sh -e -c "$command"
    fi
}

topo_up
topo_start_proxy
topo_vsctl del-port sluice0 -- clear Interface vm1 external_ids
mkdir "$topo_dir/docs" "$topo_dir/docs-bin"
printf '#!/bin/sh\nexec %s --socket %s "$@"\n' "$topo_dir/bin/sluicectl" \
    "$topo_dir/run/control.sock" >"$topo_dir/docs-bin/sluicectl"
chmod 755 "$topo_dir/docs-bin/sluicectl"

# run_document FILE: what is for other tests is left out.
n_commands=0
run_document() {
    local where line
    while read -r where line <&4; do
        case $where in
        hv | proxy | install | users)
            n_commands=$((n_commands + 1))
            check "$1: $line" run_command "$where" "$line"
            ;;
        esac
    done 4< <(blocks "$top/$1")
}

for file in docs/{install,flows,rules,spool,troubleshooting,upgrade,context}.md \
    docs/sealed.md README.md ovs-ext/README.md; do
    run_document "$file"
done
for file in usr/sbin/ovs-vswitchd usr/bin/ovs-ofctl; do
    check "the installed Open vSwitch has $file" test -x "$topo_dir/root/$file"
done
for file in sbin/sluiced bin/sluicectl; do
    check "the installed Sluice has $file" \
        test -x "$topo_dir/root/usr/local/$file"
done
check "the documents have commands" test "$n_commands" -ge 10

lines_send vm1 rfc5424 "as the documents say line=docs"
check "a line arrives after that" wait_for_lines 7 1
# These have a port, meters and flows of their own.
topo_vsctl del-port sluice0
topo_ofctl del-flows br-int
topo_ofctl -O OpenFlow13 del-meters br-int
for file in docs/man/{sluicectl.8,log_tunnel.7}; do
    run_document "$file"
done
done_testing
