"""Who moves a database: ours, the floor, and the peers that are installed. Each is a command for a route."""

import shutil
from pathlib import Path

DUCKDB = """
import sys, duckdb
source, target, extensions = sys.argv[1:4]
def attach(text, name):
    kind, _, rest = text.partition("|")
    db.execute(f"LOAD {kind}")
    db.execute(f"ATTACH '{rest}' AS {name} (TYPE {kind})")
db = duckdb.connect(config={"extension_directory": extensions})
attach(source, "s")
attach(target, "t")
rows = db.execute("SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 's'").fetchall()
into = {"postgres": "t.public", "mysql": "t.bench", "sqlite": "t"}[target.partition("|")[0]]
for schema, table in rows:
    db.execute(f'CREATE TABLE {into}."{table}" AS SELECT * FROM s."{schema}"."{table}"')
"""


class Contender:
    """`proves` says that success is proof of the content; everybody else is asked after."""

    def __init__(self, name, command, proves=False, routes=None):
        self.name, self.command, self.proves, self.routes = name, command, proves, routes

    def takes(self, source, target):
        return self.routes is None or (source.name, target.name) in self.routes


def ours(tool, name, *options, proves=False):
    def command(source, target):
        return [str(tool), "--progress", "never", "-q", "migrate", "--source", source, "--target", target, *options]

    return Contender(name, lambda s, t: command(s.url("source"), t.url("bench")), proves)


def floor(commands):
    return Contender("floor", lambda _, t: commands[t.name]("bench"))


def peers(folder):
    """Those that are there, and the names of those that are not. `folder` is the one of `make bench-peers`."""
    programs = folder / "python" / "bin"
    found, missing = [], []

    def add(name, program, command, routes=None):
        at = program if Path(program).exists() else shutil.which(Path(program).name)
        if at:
            found.append(Contender(name, lambda s, t: command(str(at), s, t), routes=routes))
        else:
            missing.append(name)

    # Without its extensions, which it fetches from a place of its own, it attaches no other database.
    extensions = folder / "duckdb"
    if len(list(extensions.rglob("*.duckdb_extension"))) == 3:
        found.append(Contender("DuckDB", lambda s, t: [str(programs / "python3"), "-c", DUCKDB, _duckdb(s, "source"),
                                                       _duckdb(t, "bench"), str(extensions)]))
    else:
        missing.append("DuckDB with its extensions")
    add("pgloader", "pgloader",
        lambda at, s, t: [at, "--quiet", _plain(s, "source"), _plain(t, "bench")],
        routes={("sqlite", "postgres"), ("mariadb", "postgres")})
    add("sqlite3-to-mysql", programs / "sqlite3mysql",
        lambda at, s, t: [at, "-f", str(s.path("source")), "-d", "bench", "-u", t.user, "-h", t.host,
                          "-P", str(t.port), "-q"],
        routes={("sqlite", "mariadb")})
    add("mysql-to-sqlite3", programs / "mysql2sqlite",
        lambda at, s, t: [at, "-f", str(t.path("bench")), "-d", "source", "-u", s.user, "-h", s.host,
                          "-P", str(s.port), "-q"],
        routes={("mariadb", "sqlite")})
    add("db-to-sqlite", programs / "db-to-sqlite",
        lambda at, s, t: [at, "--all", s.url("source").replace("postgresql:", "postgresql+psycopg2:"),
                          str(t.path("bench"))],
        routes={("postgres", "sqlite")})
    return found, missing


def _duckdb(engine, database):
    """How DuckDB attaches a database, behind the kind that it is."""
    if engine.name == "sqlite":
        return f"sqlite|{engine.path(database)}"
    if engine.name == "postgres":
        return f"postgres|host={engine.host} port={engine.port} user={engine.user} dbname={database}"
    return f"mysql|host={engine.host} port={engine.port} user={engine.user} database={database}"


def _plain(engine, database):
    return f"sqlite://{engine.path(database)}" if engine.name == "sqlite" else engine.url(database)
