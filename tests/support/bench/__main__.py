"""`make bench`: ours beside the floor and the peers that are installed, on the six routes between different engines.
Called by bench.sh, which builds what is measured and starts the servers."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import data
import engines
import floors
import report
from contenders import floor, ours, peers
from measure import content, measure

TOP = Path(__file__).resolve().parents[3]
ROUTES = [("sqlite", "postgres"), ("sqlite", "mariadb"), ("postgres", "sqlite"), ("mariadb", "sqlite"),
          ("postgres", "mariadb"), ("mariadb", "postgres")]


def say(text):
    print(text, file=sys.stderr, flush=True)


def number(name, default):
    return int(os.environ.get(name) or default)


def words(name, default):
    chosen = (os.environ.get(name) or "").split() or list(default)
    unknown = [word for word in chosen if word not in default]
    if unknown:
        sys.exit(f"{name}: {' '.join(unknown)}: not one of {' '.join(default)}")
    return chosen


def section(name, folder, target, runs, limit):
    """Measures one set of data; returns its title and the results of each route."""
    make, variable, default, unit = data.SETS[name]
    size = number(variable, default)
    file = folder / "source.db"
    say(f"{name}: {size} {unit}")
    make(file, size, target / "examples" / "seed")
    tool = target / "techcare-db"
    sqlite = engines.Sqlite(folder)
    postgres = engines.Postgres(os.environ["TECHCARE_DB_TEST_POSTGRES"])
    mariadb = engines.Mariadb(os.environ["TECHCARE_DB_TEST_MARIADB"])
    at = {engine.name: engine for engine in (sqlite, postgres, mariadb)}
    for server in (postgres, mariadb):
        server.fresh("source")
        engines.run([str(tool), "--progress", "never", "-q", "migrate", "--source", sqlite.url("source"), "--target",
                     server.url("source")])
    found, missing = peers(Path(os.environ["BENCH_PEERS"]))
    everybody = [
        floor(floors.prepare(folder, file, data.table_names(file), postgres, mariadb, sqlite,
                             target / "examples" / "floor")),
        ours(tool, "techcare-db", proves=True),
        ours(tool, "techcare-db --no-verify --no-backup", "--no-verify", "--no-backup"),
        *found,
    ]
    names = [f"{s}-{t}" for s, t in ROUTES]
    routes = [pair for pair in ROUTES if f"{pair[0]}-{pair[1]}" in words("BENCH_ROUTES", names)]
    results = [(f"{at[s].title} → {at[t].title}", {}) for s, t in routes]
    for nth in range(runs):
        for (source, to), (title, route) in zip(routes, results):
            say(f"{name}, run {nth + 1} of {runs}: {title}")
            for contender in everybody:
                if not contender.takes(at[source], at[to]):
                    continue
                earlier = route.setdefault(contender.name, [])
                # What has failed once is not waited for again.
                if any(run.failed for run in earlier):
                    continue
                at[to].fresh("bench")
                os.sync()
                run = measure(contender.command(at[source], at[to]), [postgres, mariadb], limit)
                if run.failed is None and not contender.proves:
                    run.failed = content(tool, at[source].url("source"), at[to].url("bench"))
                earlier.append(run)
    title = f"{name}: {size} {unit}, {data.rows_of(file)} rows, {file.stat().st_size / 1e6:.0f} MB as SQLite"
    return at, (title, results), missing


def main():
    runs, limit = number("BENCH_RUNS", 3), number("BENCH_LIMIT", 600)
    target = Path(os.environ["BENCH_TARGET"])
    sections, missing, at = [], [], {}
    for name in words("BENCH_SETS", data.SETS):
        folder = Path(tempfile.mkdtemp(prefix="techcare-db-bench."))
        folder.chmod(0o755)
        os.chdir(folder)
        try:
            at, done, missing = section(name, folder, target, runs, limit)
        finally:
            os.chdir("/")
            shutil.rmtree(folder)
        sections.append(done)
    page = report.page(at, sections, missing, runs)
    print(page)
    if os.environ.get("BENCH_WRITE"):
        (TOP / "docs" / "benchmarks.md").write_text(page)


main()
