#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A hostile message takes at most twice the instructions per byte that the
# lines of programs take.  Counted by callgrind, so that it does not depend on
# what else the machine does.
set -eu
: "${srcdir:?}" "${builddir:?}"

name="a hostile byte costs at most twice what a normal one does"
echo 1..1
if ! command -v valgrind > /dev/null; then
    echo "ok 1 - $name # SKIP there is no valgrind"
    exit 0
fi
if nm "$builddir/tests/bench/bench-redact" 2> /dev/null | grep -q __asan; then
    echo "ok 1 - $name # SKIP valgrind does not go with sanitizers"
    exit 0
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# cost FILE: thousandths of instructions for each byte of its lines.
cost() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        --toggle-collect=redactor_run \
        "$builddir/tests/bench/bench-redact" "$1" 1 > /dev/null 2> "$dir/log"
    awk -v bytes="$(wc -c < "$1")" \
        '/Collected/ { printf "%d\n", $NF * 1000 / bytes }' "$dir/log"
}

python3 -B "$srcdir/tests/bench/corpus.py" 1000 1 > "$dir/normal"
normal=$(cost "$dir/normal")
echo "# lines of programs: $normal thousandths of an instruction per byte"
failed=
while read -r unit; do
    python3 -c 'import sys; u = sys.argv[1]; print((u * 65536)[:65536])' \
        "$unit" > "$dir/hostile"
    hostile=$(cost "$dir/hostile")
    echo "# $unit: $hostile"
    if [ "$hostile" -gt $((2 * normal)) ]; then
        failed=1
    fi
done << 'END'
pwd:
pwd='
4111 1111
eyJ
://a:b@
authorization: x a=b,
%70%77%64%3d
cGFzc3dvcmQ9
70617373776f72643d
\u0070wd=
pwd:a \u0070wd:a 
END
if [ "$failed" ]; then
    echo "not ok 1 - $name"
else
    echo "ok 1 - $name"
fi
