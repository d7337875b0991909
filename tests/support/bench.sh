#!/usr/bin/env bash
# `make bench`: ours beside the floor, which is the engine's own bulk load of a ready file into the same tables with
# the same keys and proves nothing: `\copy … (format binary)`, `LOAD DATA LOCAL INFILE`, and for SQLite an insert of
# ready rows without a journal. Interleaved, medians, ratios, peak memory. BENCH_ROWS diagnostics (30,000), BENCH_RUNS
# runs (3), BENCH_WRITE=1 writes docs/benchmarks.md.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/packages.sh"
rows=${BENCH_ROWS:-30000}
runs=${BENCH_RUNS:-3}

if [ "${1:-}" != inside ]; then
    [ -x /usr/bin/time ] || install_packages time
    cd "$top"
    "${CARGO:-cargo}" build --release --locked --bin techcare-db --example seed
    exec "$here/servers" run --durable "$0" inside
fi

target=${CARGO_TARGET_DIR:-$top/target}
tool=$target/release/techcare-db
work=$(mktemp -d "${TMPDIR:-/tmp}/techcare-db-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
mkdir ready && chmod 777 ready

postgres=${TECHCARE_DB_TEST_POSTGRES%/*}
mariadb=${TECHCARE_DB_TEST_MARIADB%/*}
port=${mariadb##*:}
export PGOPTIONS="-c client_min_messages=warning"
pg() { psql -X -q -v ON_ERROR_STOP=1 -d "$postgres/$1" "${@:2}" >/dev/null; }
my() { mariadb --no-defaults --local-infile=1 --default-character-set=utf8mb4 -h 127.0.0.1 -P "$port" -u root "$@"; }

fresh_postgres() { pg postgres -c "DROP DATABASE IF EXISTS $1 WITH (FORCE)" -c "CREATE DATABASE $1"; }
fresh_mariadb() { my -e "DROP DATABASE IF EXISTS $1; CREATE DATABASE $1 CHARACTER SET utf8mb4"; }
migrate() { "$tool" --progress never -q migrate --source "$1" --target "$2"; }

echo "seeding $rows diagnostics" >&2
"$target/release/examples/seed" --out first.db --diagnostics "$rows" >/dev/null
tables=$(sqlite3 -readonly first.db "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid")

# What the floors load: the databases as ours makes them, once, as files, and their empty tables as scripts.
fresh_postgres source_pg
fresh_mariadb source_my
migrate "$work/first.db" "$postgres/source_pg" >/dev/null
migrate "$work/first.db" "$mariadb/source_my" >/dev/null
pg_dump -d "$postgres/source_pg" --section=pre-data >pre.sql
pg_dump -d "$postgres/source_pg" --section=post-data >post.sql
echo "SET foreign_key_checks = 0;" >load-my.sql
for table in $tables; do
    echo "\\copy \"$table\" TO '$work/ready/$table.pg' (FORMAT binary)" | pg source_pg
    echo "\\copy \"$table\" FROM '$work/ready/$table.pg' (FORMAT binary)" >>load-pg.sql
    my source_my -e "SELECT * FROM \`$table\` INTO OUTFILE '$work/ready/$table.my' CHARACTER SET binary"
    my source_my -N -r -e "SHOW CREATE TABLE \`$table\`" | cut -f2- | sed '$s/$/;/' >>load-my.sql
done
for table in $tables; do
    echo "LOAD DATA LOCAL INFILE '$work/ready/$table.my' INTO TABLE \`$table\` CHARACTER SET binary;" >>load-my.sql
done
{
    echo "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; ATTACH '$work/first.db' AS f; BEGIN;"
    sqlite3 -readonly first.db "SELECT sql || ';' FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
    for table in $tables; do echo "INSERT INTO main.\"$table\" SELECT * FROM f.\"$table\";"; done
    sqlite3 -readonly first.db "SELECT sql || ';' FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
    echo "COMMIT;"
} >load-sqlite.sql

# Contenders. What comes before the clock starts is in `prepare`.
prepare() {
    case $1 in
    *-postgres) fresh_postgres bench ;;
    *-mariadb) fresh_mariadb bench ;;
    *-sqlite) rm -f bench.db ;;
    esac
    sync
}
floor() {
    case $1 in
    *-postgres) pg bench -f pre.sql && pg bench -f load-pg.sql && pg bench -f post.sql ;;
    *-mariadb) my bench <load-my.sql ;;
    *-sqlite) sqlite3 bench.db <load-sqlite.sql >/dev/null ;;
    esac
}
ours() {
    case $1 in
    sqlite-postgres) migrate "$work/first.db" "$postgres/bench" ;;
    sqlite-mariadb) migrate "$work/first.db" "$mariadb/bench" ;;
    postgres-sqlite) migrate "$postgres/source_pg" "sqlite:///$work/bench.db" ;;
    mariadb-sqlite) migrate "$mariadb/source_my" "sqlite:///$work/bench.db" ;;
    postgres-mariadb) migrate "$postgres/source_pg" "$mariadb/bench" ;;
    mariadb-postgres) migrate "$mariadb/source_my" "$postgres/bench" ;;
    esac
}
now() { date +%s.%N; }

export -f migrate ours
export tool work postgres mariadb
routes="sqlite-postgres sqlite-mariadb postgres-sqlite mariadb-sqlite postgres-mariadb mariadb-postgres"
for run in $(seq "$runs"); do
    for route in $routes; do
        echo "run $run of $runs: $route" >&2
        prepare "$route"
        start=$(now)
        floor "$route"
        echo "$start $(now)" | awk '{ print $2 - $1 }' >>"floor.$route"
        prepare "$route"
        /usr/bin/time -o once -f '%e %M' bash -c 'ours "$0" >/dev/null' "$route"
        awk '{ print $1 > (f "s"); print $2 > (f "m") }' f=once. once
        cat once.s >>"ours.$route"
        cat once.m >>"memory.$route"
    done
done

median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
table() {
    echo "| route | floor, s | ours, s | ratio | peak memory, MB |"
    echo "| --- | ---: | ---: | ---: | ---: |"
    for route in $routes; do
        echo "$(median "floor.$route") $(median "ours.$route") $(sort -n "memory.$route" | tail -n 1)" |
            awk -v r="${route/-/ → }" '{ printf "| %s | %.2f | %.2f | %.2f | %d |\n", r, $1, $2, $2 / $1, $3 / 1024 }'
    done
}
bytes=$(stat -c %s first.db)
total=0
for table in $tables; do total=$((total + $(sqlite3 -readonly first.db "SELECT count(*) FROM \"$table\""))); done
{
    echo "# Benchmarks"
    echo
    echo "A TechCare file of $total rows, $((bytes / 1000000)) MB; $(nproc) cores; medians of $runs interleaved runs. Ours includes keys, indexes,"
    echo "identities and the proof by content; the floor is the engine's own bulk load of a ready file into the same tables."
    echo "Made by \`make bench\`; compare ratios, not seconds."
    echo
    table
} >report.md
echo
cat report.md
[ -z "${BENCH_WRITE:-}" ] || cp report.md "$top/docs/benchmarks.md"
