"""The servers that `tests/support/servers` gives: fresh databases in them, and what they have used of the processor."""

import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

TICK = os.sysconf("SC_CLK_TCK")


def run(command, **more):
    """Runs to success and returns what was printed; what goes wrong is told with the program's own words."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: exit {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def _ticks(pid):
    """The parent of a process, and the clock ticks of it and of those of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None, 0
    return int(fields[1]), sum(map(int, fields[11:15]))


class Postgres:
    name, title = "postgres", "PostgreSQL"

    def __init__(self, url):
        self.base = url.rsplit("/", 1)[0]
        at = urlsplit(url)
        self.host, self.port, self.user = at.hostname, at.port, at.username
        self.pid = int(Path(self.query("SHOW data_directory"), "postmaster.pid").read_text().split()[0])

    def url(self, database):
        return f"{self.base}/{database}"

    def command(self, database):
        return ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.url(database)]

    def query(self, sql, database="postgres"):
        return run([*self.command(database), "-At", "-c", sql]).strip()

    def fresh(self, database):
        self.query(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        self.query(f'CREATE DATABASE "{database}"')

    def version(self):
        return f"PostgreSQL {self.query('SHOW server_version').split()[0]}"

    def settings(self):
        names = ["fsync", "synchronous_commit", "shared_buffers", "max_wal_size"]
        return ", ".join(f"{name} {self.query('SHOW ' + name)}" for name in names)

    def cpu(self):
        """Seconds of the server with all its sessions. One that has ended counts as its parent's."""
        while True:
            own = _ticks(self.pid)
            total = own[1]
            for entry in os.listdir("/proc"):
                if entry.isdigit():
                    parent, ticks = _ticks(entry)
                    total += ticks if parent == self.pid else 0
            # A session that has ended in between is in neither of them.
            if _ticks(self.pid) == own:
                return total / TICK


class Mariadb:
    name, title = "mariadb", "MariaDB"

    def __init__(self, url):
        self.base = url.rsplit("/", 1)[0]
        at = urlsplit(url)
        self.host, self.port, self.user = at.hostname, at.port, at.username
        self.pid = int(Path(self.query("SELECT @@pid_file")).read_text())

    def url(self, database):
        return f"{self.base}/{database}"

    def command(self, database):
        return ["mariadb", "--no-defaults", "--local-infile=1", "--default-character-set=utf8mb4", "-h", self.host,
                "-P", str(self.port), "-u", self.user, database]

    def query(self, sql, database="mysql"):
        return run([*self.command(database), "-N", "-r", "-e", sql]).strip()

    def fresh(self, database):
        self.query(f"DROP DATABASE IF EXISTS `{database}`; CREATE DATABASE `{database}` CHARACTER SET utf8mb4")

    def version(self):
        return f"MariaDB {self.query('SELECT VERSION()').split('-')[0]}"

    def settings(self):
        names = ["innodb_flush_log_at_trx_commit", "innodb_doublewrite", "innodb_buffer_pool_size"]
        return ", ".join(f"{name} {self.query(f'SELECT @@{name}')}" for name in names)

    def cpu(self):
        return _ticks(self.pid)[1] / TICK


class Sqlite:
    """A folder of files."""

    name, title = "sqlite", "SQLite"

    def __init__(self, folder):
        self.folder = folder

    def path(self, database):
        return self.folder / f"{database}.db"

    def url(self, database):
        return f"sqlite:///{self.path(database)}"

    def command(self, database):
        return ["sqlite3", str(self.path(database))]

    def query(self, sql, database):
        return run([*self.command(database), sql]).strip()

    def fresh(self, database):
        for end in ["", "-wal", "-shm", "-journal"]:
            Path(f"{self.path(database)}{end}").unlink(missing_ok=True)

    def version(self):
        return f"sqlite3 {run(['sqlite3', '--version']).split()[0]}"

    def settings(self):
        return "defaults"

    def cpu(self):
        return 0.0
