#!/usr/bin/env bash
# `make bench`: builds what is measured, starts private servers with the settings of one that keeps its data, and leaves
# the rest to bench/, which names what it can be asked for:
#   BENCH_SETS    of techcare narrow tables long; their sizes are BENCH_ROWS (30,000 diagnostics), BENCH_NARROW (500,000
#                 rows), BENCH_TABLES (1,000), BENCH_LONG (64 values of 1 MiB)
#   BENCH_ROUTES  of sqlite-postgres sqlite-mariadb postgres-sqlite mariadb-sqlite postgres-mariadb mariadb-postgres
#   BENCH_RUNS    runs of each contender (3); BENCH_LIMIT seconds after which one is stopped (600)
#   BENCH_WRITE   1 writes docs/benchmarks.md
# `bench.sh scale` (`make bench-scale`) measures how costs grow; BENCH_HUGE=1 goes to 100 million rows, BENCH_WRITE=1 writes
# docs/scale.md.
# `bench.sh peers` (`make bench-peers`) fetches the programs that are measured beside ours, beside the repository.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/packages.sh"
export BENCH_PEERS=${BENCH_PEERS:-$(cache_folder)/peers}
need_programs python3=python3

if [ "${1:-}" = peers ]; then
    mkdir -p "$BENCH_PEERS"
    need_programs pgloader=pgloader || echo "pgloader cannot be had" >&2
    python3 -m venv "$BENCH_PEERS/python" || { install_packages python3-venv && python3 -m venv "$BENCH_PEERS/python"; }
    for peer in duckdb sqlite3-to-mysql mysql-to-sqlite3 'db-to-sqlite[postgresql]'; do
        "$BENCH_PEERS/python/bin/pip" install --quiet --disable-pip-version-check "$peer" ||
            echo "$peer cannot be had" >&2
    done
    # Fetched now, so that no run waits for them.
    "$BENCH_PEERS/python/bin/python3" -c 'import duckdb, sys
db = duckdb.connect(config={"extension_directory": sys.argv[1]})
for kind in ["sqlite", "postgres", "mysql"]: db.execute(f"INSTALL {kind}")' "$BENCH_PEERS/duckdb" 2>/dev/null ||
        echo "DuckDB cannot fetch what attaches other databases: it is left out" >&2
    exit
fi

cd "$top"
"${CARGO:-cargo}" build --release --locked --bin techcare-db --example seed --example floor
export BENCH_TARGET=${BENCH_TARGET:-${CARGO_TARGET_DIR:-$top/target}/release}
if [ "${1:-}" = scale ]; then
    exec "$here/servers" run --durable python3 -B "$here/bench/scale.py"
fi
exec "$here/servers" run --durable python3 -B "$here/bench"
