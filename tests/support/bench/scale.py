"""`make bench-scale`: what a row, a table, a column, a long value and a slow link cost as they grow. Ours only, with proof; called
by bench.sh, which builds it and starts the servers."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import data
import engines
import report
from link import Link
from measure import measure

TOP = Path(__file__).resolve().parents[3]
LIMIT = 3600
# Round trip of the slow link, in seconds.
DELAY = 0.02

HEAD = """# Scale

Made by `make bench-scale`: one run of each, with proof, without the backup before it. {machine}.
{versions}. Settings of the servers: PostgreSQL with {postgres}; MariaDB with {mariadb}; all else as they come.

A cost that stays the same from line to line is one that grows with the size and no faster. Memory is that of the client.
"""


def say(text):
    print(text, file=sys.stderr, flush=True)


class Series:
    """Runs of one kind of data in several sizes, which are numbers of `unit`. A cost is told of one `thing`, of which there are
    `things` times the size."""

    def __init__(self, title, text, make, sizes, routes, unit, thing, things=1):
        self.title, self.text, self.make, self.sizes, self.routes = title, text, make, sizes, routes
        self.unit, self.thing, self.things = unit, thing, things


def columns(path, size, _):
    """A table of so many columns, of four types by turns, and 500 rows."""
    types = ["INTEGER", "VARCHAR(20)", "FLOAT", "DATETIME"]
    values = lambda n: [n, f"text {n}", n / 4, "2026-01-01 10:00:00.000000"]
    text = ", ".join(f"c{n} {types[n % 4]}" for n in range(1, size))
    rows = ([key, *(values(key + n)[n % 4] for n in range(1, size))] for key in range(1, 501))
    data.write(path, {"wide": (f"id INTEGER PRIMARY KEY, {text}", rows)})


def value(path, size, _):
    """One text of so many MiB."""
    data.write(path, {"long": ("id INTEGER PRIMARY KEY, body TEXT NOT NULL", [(1, "techcare" * (size << 17))])})


def series():
    huge = [100_000_000] if os.environ.get("BENCH_HUGE") else []
    between = ["sqlite-postgres", "sqlite-mariadb", "postgres-sqlite", "mariadb-postgres"]
    return [
        Series("Rows", "Three integers and a short text.", data.narrow, [50_000, 500_000, 5_000_000, *huge], between, "rows", "row"),
        Series("Tables", "Ten rows, a key and an index each.", data.tables, [100, 1_000, 10_000], between, "tables", "table"),
        Series("Columns", "500 rows. MariaDB takes 1,017 columns at most, PostgreSQL 1,600.", columns, [20, 200, 1_000], between,
               "columns", "value", 500),
        Series("Columns, between files", "500 rows.", columns, [20, 200, 2_000], ["sqlite-sqlite"], "columns", "value", 500),
        Series("A long value", "One text of so many MiB.", value, [1, 64, 512],
               ["sqlite-postgres", "postgres-sqlite", "sqlite-sqlite"], "MiB", "MiB"),
    ]


def moved(tool, source, target, servers):
    """One migration; a source or target is an engine and a URL."""
    (_, source_url), (engine, target_url) = source, target
    engine.fresh("bench")
    os.sync()
    run = measure([str(tool), "--progress", "never", "-q", "migrate", "--source", source_url, "--target", target_url,
                   "--no-backup", "--no-report"], servers, LIMIT)
    if run.failed:
        sys.exit(f"{source_url} to {target_url}: {run.failed}")
    return run


def cost(seconds):
    for unit, one in [("s", 1), ("ms", 1e-3), ("µs", 1e-6)]:
        if seconds >= one or unit == "µs":
            return f"{seconds / one:.3g} {unit}"


def lines(kind, tool, at, servers):
    """Measures a series; yields the lines of its table."""
    yield f"| route | {kind.unit} | seconds | a {kind.thing} | client CPU | server CPU | peak memory, MiB |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    done = {route: [] for route in kind.routes}
    for size in kind.sizes:
        file = at["sqlite"].path("source")
        at["sqlite"].fresh("source")
        kind.make(file, size, None)
        for name in {route.split("-")[0] for route in kind.routes} - {"sqlite"}:
            at[name].fresh("source")
            engines.run([str(tool), "--progress", "never", "-q", "migrate", "--source", at["sqlite"].url("source"),
                         "--target", at[name].url("source"), "--no-backup", "--no-report"])
        for route in kind.routes:
            say(f"{kind.title}: {size:,}, {route}")
            source, target = (at[name] for name in route.split("-"))
            run = moved(tool, (source, source.url("source")), (target, target.url("bench")), servers)
            done[route].append(
                f"| {source.title} → {target.title} | {size:,} | {run.seconds:.2f} | {cost(run.seconds / (kind.things * size))} "
                f"| {run.client:.2f} | {run.server:.2f} | {run.memory // 1024} |")
    yield from (line for route in done.values() for line in route)


def slow(tool, seeder, at, servers):
    """The same migration over a link that answers at once, and over one that takes its time."""
    yield f"| route | rows | seconds | over {DELAY * 1e3:.0f} ms | waits |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    file = at["sqlite"].path("source")
    for size in [300, 30_000]:
        at["sqlite"].fresh("source")
        data.techcare(file, size, seeder)
        for name in ["postgres", "mariadb"]:
            say(f"Link: {size:,}, {name}")
            seconds = []
            for delay in [0, DELAY]:
                with Link(at[name].host, at[name].port, delay) as link:
                    url = at[name].url("bench").replace(f":{at[name].port}/", f":{link.port}/")
                    seconds.append(moved(tool, (at["sqlite"], at["sqlite"].url("source")), (at[name], url), servers).seconds)
            waits = (seconds[1] - seconds[0]) / DELAY
            yield f"| SQLite → {at[name].title} | {size:,} | {seconds[0]:.2f} | {seconds[1]:.2f} | {waits:.0f} |"


def main():
    target = Path(os.environ["BENCH_TARGET"])
    tool, seeder = target / "techcare-db", target / "examples" / "seed"
    folder = Path(tempfile.mkdtemp(prefix="techcare-db-scale."))
    folder.chmod(0o755)
    os.chdir(folder)
    try:
        postgres = engines.Postgres(os.environ["TECHCARE_DB_TEST_POSTGRES"])
        mariadb = engines.Mariadb(os.environ["TECHCARE_DB_TEST_MARIADB"])
        at = {engine.name: engine for engine in (engines.Sqlite(folder), postgres, mariadb)}
        servers = [postgres, mariadb]
        page = HEAD.format(machine=report.machine(), versions=", ".join(engine.version() for engine in at.values()),
                           postgres=postgres.settings(), mariadb=mariadb.settings())
        for kind in series():
            page += f"\n## {kind.title}\n\n{kind.text}\n\n" + "\n".join(lines(kind, tool, at, servers)) + "\n"
        page += (f"\n## A slow link\n\nA proxy between us and the server, whose answers come {DELAY * 1e3:.0f} ms later. *Waits* is by "
                 "how many of these the run was longer: what is asked one after the other.\n\n"
                 + "\n".join(slow(tool, seeder, at, servers)) + "\n")
    finally:
        os.chdir("/")
        shutil.rmtree(folder)
    print(page)
    if os.environ.get("BENCH_WRITE"):
        (TOP / "docs" / "scale.md").write_text(page)


main()
