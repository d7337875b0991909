#!/usr/bin/env bash
# `make instructions`: how many instructions each hot loop of tests/benches/loops.rs takes for one row, counted by callgrind.
# Unlike a time it is the same on a busy machine: of two states of the code, the one with fewer does less.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/packages.sh"
need_programs valgrind=valgrind
cd "$top"
cargo=${CARGO:-cargo}
loops=$("$cargo" bench --locked --features loops --bench loops --no-run --message-format=json |
    sed -n 's/.*"target":{[^}]*"name":"loops".*"executable":"\([^"]*\)".*/\1/p')
source=tests/benches/loops.rs
rows=$(sed -n 's/^const ROWS: u64 = \([0-9_]*\);/\1/p' $source | tr -d _)
printf '%-22s %15s\n' loop 'a row'
sed -n 's/^    pub fn \([a-z_]*\)(.*/\1/p' $source | while read -r name; do
    # As a test each loop runs once.
    counted=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect="loops::measured::$name*" \
        "$loops" --bench --test "$name" 2>&1 | sed -n 's/.*Collected : \([0-9]*\).*/\1/p' | tail -n 1)
    [ -n "$counted" ] || { echo "callgrind did not count $name" >&2; exit 1; }
    printf '%-22s %15d\n' "$name" $((counted / rows))
done
