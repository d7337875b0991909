"""The sets of data, as SQLite files. The same size and seed give the same file."""

import random
import sqlite3

from engines import run


def techcare(path, size, seeder):
    """What the project's own seeder makes: wide rows with JSON, keys and foreign keys."""
    run([str(seeder), "--out", str(path), "--diagnostics", str(size)])


def narrow(path, size, _):
    """Rows of three integers and a short text."""
    draw = random.Random(1)
    rows = ((n, draw.randrange(1000), draw.randrange(1 << 40), f"s{n % 977}") for n in range(1, size + 1))
    write(path, {"narrow": ("id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b BIGINT NOT NULL, c VARCHAR(8)", rows)})


def tables(path, size, _):
    """Many tables of a few rows, each with an index."""
    columns = "id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL UNIQUE, at DATETIME"
    row = lambda n: (n, f"name {n}", f"2026-01-{n:02} 10:00:00.000000")
    write(path, {f"t{n:05}": (columns, map(row, range(1, 11))) for n in range(size)})


def long(path, size, _):
    """One table of texts of 1 MiB."""
    draw = random.Random(1)
    text = lambda: draw.randbytes(512 * 1024).hex()
    write(path, {"long": ("id INTEGER PRIMARY KEY, body TEXT NOT NULL", ((n, text()) for n in range(1, size + 1)))})


def write(path, tables):
    """Makes tables, each of the text of its columns and its rows."""
    with sqlite3.connect(path) as file:
        for name, (columns, rows) in tables.items():
            file.execute(f"CREATE TABLE {name} ({columns})")
            marks = ", ".join("?" * len(file.execute(f"PRAGMA table_info({name})").fetchall()))
            file.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
    file.close()


# Name, how it is made, what sets its size and to what by default, what the size counts.
SETS = {
    "techcare": (techcare, "BENCH_ROWS", 30_000, "diagnostics"),
    "narrow": (narrow, "BENCH_NARROW", 500_000, "rows"),
    "tables": (tables, "BENCH_TABLES", 1_000, "tables"),
    "long": (long, "BENCH_LONG", 64, "values of 1 MiB"),
}


def table_names(path):
    """In the order in which they were made."""
    with sqlite3.connect(path) as file:
        names = file.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
        )
        return [name for (name,) in names]


def rows_of(path):
    with sqlite3.connect(path) as file:
        return sum(file.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in table_names(path))
