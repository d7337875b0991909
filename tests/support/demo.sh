#!/usr/bin/env bash
# `make demo`: a TechCare file goes SQLite → PostgreSQL → MariaDB → SQLite through the real binary, and the last file
# is compared with the first by sqlite3, which knows nothing of us. DEMO_ROWS diagnostics (default 20,000).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
rows=${DEMO_ROWS:-20000}

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
    bold="" dim="" green="" red="" plain=""
fi
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
note() { printf '%s%s%s\n' "$dim" "$*" "$plain"; }

# The part that needs servers (or says that it goes without) runs inside `servers run`.
if [ "${1:-}" != inside ]; then
    title "Building techcare-db"
    cd "$top"
    "${CARGO:-cargo}" build --release --locked --bin techcare-db --example seed
    title "Starting private PostgreSQL and MariaDB servers"
    exec "$here/servers" run --optional "$0" inside
fi

target=${CARGO_TARGET_DIR:-$top/target}
tool=$target/release/techcare-db
work=$(mktemp -d "${TMPDIR:-/tmp}/techcare-db-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# Shows a command as it would be typed, then runs it.
run() {
    printf '%s$ %s%s\n' "$dim" "${*/#$tool/techcare-db}" "$plain"
    "$@"
}
size() { du -h --apparent-size "$1" | cut -f1; }

title "Seeding a TechCare database with $rows diagnostics"
"$target/release/examples/seed" --out first.db --diagnostics "$rows" >/dev/null
echo "first.db, $(size first.db)B: accents, emoji, cut-off JSON, 162-character hashes, a column above 64 KiB"

if [ -n "${TECHCARE_DB_TEST_NO_SERVERS:-}" ]; then
    title "SQLite → SQLite"
    note "PostgreSQL and MariaDB could not be had on this machine (see above), so only SQLite is shown."
    run "$tool" migrate --source "$work/first.db" --target "sqlite:///$work/last.db"
else
    postgres=${TECHCARE_DB_TEST_POSTGRES%/*}/techcare
    mariadb=${TECHCARE_DB_TEST_MARIADB%/*}/techcare
    port=${mariadb##*:}
    psql -X -q -d "$TECHCARE_DB_TEST_POSTGRES" -c 'CREATE DATABASE techcare'
    mariadb --no-defaults -h 127.0.0.1 -P "${port%%/*}" -u root -e 'CREATE DATABASE techcare'
    title "1. SQLite → PostgreSQL"
    run "$tool" migrate --source "$work/first.db" --target "$postgres"
    title "2. PostgreSQL → MariaDB"
    run "$tool" migrate --source "$postgres" --target "$mariadb"
    title "3. MariaDB → SQLite"
    run "$tool" migrate --source "$mariadb" --target "sqlite:///$work/last.db"
fi

title "Is last.db what first.db was?"
if ! command -v sqlite3 >/dev/null; then
    note "sqlite3 could not be had either; what the program itself verified is in the tables above"
    exit 0
fi
# A hash over every value and its storage class, table by table, by sqlite3 itself.
digest() { sqlite3 -readonly "$1" ".sha3sum $2"; }
count() { sqlite3 -readonly "$1" "SELECT printf('%,d', count(*)) FROM \"$2\""; }
same=yes
printf '%-20s %12s %12s   %s\n' table "first rows" "last rows" "SHA3 over every value"
for table in $(sqlite3 -readonly first.db "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1"); do
    one=$(digest first.db "$table") two=$(digest last.db "$table")
    if [ -n "$one" ] && [ "$one" = "$two" ]; then
        verdict="${one:0:16}… ${green}equal$plain"
    else
        verdict="${one:0:16}… ${red}differs: ${two:0:16}…$plain" same=no
    fi
    printf '%-20s %12s %12s   %s\n' "$table" "$(count first.db "$table")" "$(count last.db "$table")" "$verdict"
done
[ "$same" = yes ] || { printf '\n%sThe last file differs from the first.%s\n' "$red" "$plain"; exit 1; }
printf '\n%sEqual, bit for bit, after the whole way.%s\n' "$green$bold" "$plain"
