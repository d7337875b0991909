"""The floors: an engine's own bulk load of ready files into the same tables with the same keys. They prove nothing, and
what makes the files ready is not measured."""

from engines import run


def prepare(folder, file, names, postgres, mariadb, sqlite, program):
    """Writes what the floors load, from the databases `source` as ours made them; returns the command of each by the
    engine that it fills. `program` is the example `floor`."""
    ready = folder / "ready"
    ready.mkdir(exist_ok=True)
    ready.chmod(0o777)
    return {
        "postgres": _postgres(folder, ready, names, postgres),
        "mariadb": _mariadb(folder, ready, names, mariadb),
        "sqlite": _sqlite(ready, file, sqlite, program),
    }


def _postgres(folder, ready, names, server):
    dump = lambda section: run(["pg_dump", "-d", server.url("source"), f"--section={section}"])
    copy = lambda name, way: f"\\copy \"{name}\" {way} '{ready / name}.pg' (FORMAT binary)\n"
    run(server.command("source"), input="".join(copy(name, "TO") for name in names))
    script = folder / "floor-postgres.sql"
    filled = "".join(copy(name, "FROM") for name in names)
    # What pg_dump writes has left the search path empty.
    script.write_text(dump("pre-data") + "SET search_path = public;\n" + filled + dump("post-data"))
    return lambda database: [*server.command(database), "-o", "/dev/null", "-f", str(script)]


def _mariadb(folder, ready, names, server):
    made, filled = "", ""
    for name in names:
        (ready / f"{name}.my").unlink(missing_ok=True)
        shown = server.query(f"SHOW CREATE TABLE `{name}`", "source")
        made += shown.split("\t", 1)[1] + ";\n"
        filled += f"LOAD DATA LOCAL INFILE '{ready / name}.my' INTO TABLE `{name}` CHARACTER SET binary;\n"
    written = (f"SELECT * FROM `{n}` INTO OUTFILE '{ready / n}.my' CHARACTER SET binary;" for n in names)
    run(server.command("source"), input="".join(written))
    script = folder / "floor-mariadb.sql"
    # An id of 0 would become the next one.
    settings = "SET foreign_key_checks = 0, sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO');\n"
    script.write_text(settings + made + filled)
    return lambda database: ["sh", "-c", 'file=$1; shift; exec "$@" <"$file"', "sh", str(script),
                             *server.command(database)]


def _sqlite(ready, file, sqlite, program):
    run([str(program), "ready", str(file), str(ready / "sqlite")])
    return lambda database: [str(program), "load", str(ready / "sqlite"), str(sqlite.path(database))]
