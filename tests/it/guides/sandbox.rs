//! The machine that a guide speaks to: a folder in the place of `/`, programs that ask for root replaced by ones that
//! check how they are called, and servers of its own, on which the guides may make what they like under any name.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::page::{Action, Step};
use crate::cases::restore_programs::mysqldump;
use crate::schema::seed;
use crate::support::binary;
use crate::support::database::{Engine, execute, query};
use crate::support::private::Private;

/// One server of each engine, for all guides.
pub struct Servers {
    postgres: Private,
    mariadb: Private,
    mysql: Option<Private>,
}

impl Servers {
    pub fn start() -> Self {
        let start = |engine| std::thread::spawn(move || Private::start(engine));
        let (postgres, mariadb) = (start(Engine::Postgres), start(Engine::Mariadb));
        let mysql = Engine::Mysql.at_hand().then(|| Private::start(Engine::Mysql));
        Self { postgres: postgres.join().unwrap(), mariadb: mariadb.join().unwrap(), mysql }
    }

    /// The server that a scenario of this name calls MySQL: MariaDB, unless it says which. None where it is not here.
    fn mysql(&self, scenario: &str) -> Option<&Private> {
        if scenario.starts_with("mysql") { self.mysql.as_ref() } else { Some(&self.mariadb) }
    }

    /// As they were in the beginning.
    fn reset(&self) {
        for name in names(
            Engine::Postgres,
            &self.postgres.url,
            "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'",
        ) {
            execute(Engine::Postgres, &self.postgres.url, &format!("DROP DATABASE \"{name}\" WITH (FORCE)"));
        }
        for name in names(
            Engine::Postgres,
            &self.postgres.url,
            "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname NOT IN ('postgres', 'with_password')",
        ) {
            execute(Engine::Postgres, &self.postgres.url, &format!("DROP ROLE \"{name}\""));
        }
        for (engine, server) in [(Engine::Mariadb, Some(&self.mariadb)), (Engine::Mysql, self.mysql.as_ref())]
        {
            let Some(server) = server else { continue };
            for name in names(
                engine,
                &server.url,
                "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')",
            ) {
                execute(engine, &server.url, &format!("DROP DATABASE `{name}`"));
            }
            execute(engine, &server.url, "DROP USER IF EXISTS techcare@localhost");
        }
    }
}

/// The first column of what a query gives.
fn names(engine: Engine, url: &str, sql: &str) -> Vec<String> {
    query(engine, url, sql).into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
}

/// Folders of the system that a guide names.
const FOLDERS: [&str; 9] = [
    "/opt/techcare",
    "/usr/local/bin",
    "/etc/systemd/system",
    "/etc/techcare",
    "/srv/backups",
    "/var/lib/prometheus/node-exporter",
    "/home/techcare",
    "/var/www",
    "/opt/shop",
];

/// Leads the URLs of a guide to the servers of this machine: those are not where servers are by default.
fn at_home(text: &str, port: &str, socket: &Path) -> String {
    const HERE: &str = "@localhost/";
    let text = text.replace("techcare.mysql.pythonanywhere-services.com", "localhost");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find(HERE) {
        let (before, behind) = (&rest[..at], &rest[at + HERE.len()..]);
        let scheme = before.rfind("://").map(|end| &before[..end]).unwrap_or_default();
        let scheme =
            scheme.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '+').next().unwrap_or_default();
        let (led, read) = if scheme.starts_with("mysql") || scheme.starts_with("mariadb") {
            let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '%');
            let end = behind.find(|c| !name(c)).unwrap_or(behind.len());
            let (more, read) = if behind[end..].starts_with('?') { ("&", end + 1) } else { ("", end) };
            (format!("{HERE}{}?unix_socket={}{more}", &behind[..end], socket.display()), read)
        } else if scheme.starts_with("postgresql") {
            (format!("@localhost:{port}/"), 0)
        } else {
            (HERE.to_owned(), 0)
        };
        out += before;
        out += &led;
        rest = &behind[read..];
    }
    out + rest
}

#[test]
fn urls_of_a_guide_lead_to_the_servers_of_this_machine() {
    for (said, here) in [
        ("a=postgresql://u:p@localhost/d x", "a=postgresql://u:p@localhost:1/d x"),
        ("postgresql://u@localhost:9/d", "postgresql://u@localhost:9/d"),
        (
            "'mysql+pymysql://u:p@localhost/d?charset=utf8mb4'",
            "'mysql+pymysql://u:p@localhost/d?unix_socket=/s&charset=utf8mb4'",
        ),
        ("mysql://u@localhost/u$d --yes", "mysql://u@localhost/u$d?unix_socket=/s --yes"),
        (
            "'mysql://u@techcare.mysql.pythonanywhere-services.com/u$d'",
            "'mysql://u@localhost/u$d?unix_socket=/s'",
        ),
        ("me@localhost/ and postgresql://a@localhost/b", "me@localhost/ and postgresql://a@localhost:1/b"),
    ] {
        assert_eq!(at_home(said, "1", Path::new("/s")), here);
    }
}

/// What the guides before have done where TechCare is said to use PostgreSQL.
const MOVED: &str = "sudo -u postgres psql -c \"CREATE ROLE techcare LOGIN PASSWORD 'secret'\"
sudo -u postgres psql -c 'CREATE DATABASE techcare OWNER techcare TEMPLATE template0'
export TARGET_DATABASE_URL=postgresql://techcare:secret@localhost/techcare
techcare-db migrate --source sqlite --target postgresql
echo DATABASE_URL=$TARGET_DATABASE_URL > .env
unset TARGET_DATABASE_URL";

/// A machine as a guide takes it to be.
pub struct Sandbox<'a> {
    servers: &'a Servers,
    scenario: String,
    root: TempDir,
    said: String,
}

impl<'a> Sandbox<'a> {
    /// A fresh one; none where the server of the scenario is not at hand.
    pub fn new(servers: &'a Servers, scenario: &str) -> Option<Self> {
        servers.mysql(scenario)?;
        servers.reset();
        let root = tempfile::tempdir().unwrap();
        for folder in FOLDERS.iter().copied().chain(["/opt/techcare/instance", "/home"]) {
            fs::create_dir_all(root.path().join(&folder[1..])).unwrap();
        }
        symlink(binary::PATH, root.path().join("usr/local/bin/techcare-db")).unwrap();
        let out = root.path().join("opt/techcare/instance/techcare.db");
        let odd = scenario.ends_with("orphans");
        let orphans = if odd { 3 } else { 0 };
        seed::write(&seed::Options {
            out,
            diagnostics: 40,
            users: 20,
            seed: 1,
            orphans,
            older_schema: false,
        })
        .unwrap();
        fs::write(
            root.path().join("opt/techcare/.env"),
            "SECRET_KEY=change-me\nDATABASE_URL=sqlite:///techcare.db\n",
        )
        .unwrap();
        let mut machine = Self { servers, scenario: scenario.to_owned(), root, said: String::new() };
        if scenario == "postgres moved" {
            let step = Step { line: 0, action: Action::Run { exit: 0 }, text: MOVED.to_owned() };
            machine.take(&step).unwrap();
        }
        Some(machine)
    }

    fn at(&self, path: &str) -> PathBuf {
        if path == "pg_hba.conf" {
            return self.servers.postgres.folder().join("data/pg_hba.conf");
        }
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// A text of the guide with the folders and servers of this machine in it.
    fn here(&self, text: &str) -> String {
        let root = self.root.path().to_str().unwrap();
        let mut text = text.to_owned();
        for folder in FOLDERS {
            text = text.replace(folder, &format!("{root}{folder}"));
        }
        let port = self.servers.postgres.url.rsplit_once(':').unwrap().1.split('/').next().unwrap();
        let socket = self.servers.mysql(&self.scenario).unwrap().folder().join("s");
        let folder = self.servers.postgres.folder().display().to_string();
        let text = text.replace("host=/var/run/postgresql", &format!("host={folder}&port={port}"));
        at_home(&text, port, &socket)
    }

    fn command(&self, program: &str) -> Command {
        let mysql = self.servers.mysql(&self.scenario).unwrap();
        let shims = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/guides/bin");
        let system = std::env::var("PATH").unwrap();
        let dump = if self.scenario.starts_with("mysql") { mysqldump() } else { None };
        let folders = [Some(shims), Some(self.at("usr/local/bin")), dump].into_iter().flatten();
        let path = std::env::join_paths(folders.chain(std::env::split_paths(&system))).unwrap();
        let mut command = Command::new(program);
        binary::clean(&mut command, self.root.path());
        command
            .env("PATH", path)
            .env("SANDBOX_PATH", &system)
            .env("SANDBOX", self.root.path())
            .env("SANDBOX_POSTGRES", &self.servers.postgres.url)
            .env("SANDBOX_MYSQL_SOCKET", mysql.folder().join("s"))
            .env("HOME", self.at("home"))
            .current_dir(self.at("opt/techcare"))
            .stdin(Stdio::null());
        command
    }

    /// Does a step of a guide; what it should have done and did not is the error.
    pub fn take(&mut self, step: &Step) -> Result<(), String> {
        let text = self.here(&step.text);
        match &step.action {
            Action::Run { exit } => {
                let state = self.root.path().join("state");
                let script = format!(
                    "set -eo pipefail\ntrap 'code=$?; declare -px >{0}; pwd >{0}.cwd; exit $code' EXIT\n\
                     if [ -f {0} ]; then . {0}; cd \"$(cat {0}.cwd)\"; fi\n{text}",
                    state.display()
                );
                let ran = self.command("bash").args(["-c", &script]).output().unwrap();
                self.ended(&ran, *exit)
            }
            Action::Cron => {
                for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
                    if line.contains('%') {
                        return Err("cron makes a new line of %".into());
                    }
                    let line = line.splitn(6, ' ').nth(5).ok_or("no command behind the five fields")?;
                    let mut shell = Command::new("env");
                    shell.args(["-i", "PATH=/usr/bin:/bin", "SHELL=/bin/sh", "HOME=/", "sh", "-c", line]);
                    let ran = shell.stdin(Stdio::null()).current_dir("/").output().unwrap();
                    self.ended(&ran, 0)?;
                    if !self.said.is_empty() {
                        return Err(format!("cron would mail:\n{}", self.said));
                    }
                }
                Ok(())
            }
            Action::Output => {
                let text = step.text.lines().find(|line| !self.says(line.trim()));
                text.map_or(Ok(()), |line| Err(format!("not said: {line}\n{}", self.said)))
            }
            Action::File(path) => {
                fs::write(self.at(path), text).unwrap();
                match Path::new(path).extension().and_then(|kind| kind.to_str()) {
                    Some("yml") => self.known(&step.text),
                    Some("service" | "timer") => self.verify(path),
                    _ => Ok(()),
                }
            }
            Action::Append(path) => {
                let before = fs::read_to_string(self.at(path)).unwrap_or_default();
                // PostgreSQL takes the first line that fits.
                let all = if path == "pg_hba.conf" && !before.contains(&text) {
                    text + &before
                } else {
                    before + &text
                };
                fs::write(self.at(path), all).unwrap();
                Ok(())
            }
            Action::Source(path) => said_in(path, &step.text),
            Action::Skip | Action::Scenario(_) => Ok(()),
        }
    }

    fn ended(&mut self, ran: &Output, exit: i32) -> Result<(), String> {
        self.said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
        let code = ran.status.code();
        if code == Some(exit) {
            Ok(())
        } else {
            Err(format!("exit {code:?} instead of {exit}\n{}", self.said))
        }
    }

    /// Whether the last block said this, `…` standing for any text.
    fn says(&self, line: &str) -> bool {
        let said = self.said.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut rest = said.as_str();
        line.split('…').all(|part| {
            let part = part.split_whitespace().collect::<Vec<_>>().join(" ");
            let found = rest.find(&part).map(|at| &rest[at + part.len()..]);
            found.inspect(|&behind| rest = behind).is_some()
        })
    }

    /// Alert rules may only be about numbers that the command before wrote.
    fn known(&self, rules: &str) -> Result<(), String> {
        let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let unknown = words
            .filter(|word| word.starts_with("techcare_db_"))
            .find(|word| !self.says(&format!("{word}{{")));
        unknown.map_or(Ok(()), |word| Err(format!("no metric {word}")))
    }

    fn verify(&self, path: &str) -> Result<(), String> {
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(0o644)).unwrap();
        let Ok(ran) = Command::new("systemd-analyze").arg("verify").arg(self.at(path)).output() else {
            return Ok(());
        };
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        let about = path.rsplit('/').next().unwrap();
        let faults: Vec<&str> = said.lines().filter(|line| line.contains(about)).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
    }
}

/// The lines of a message that cannot be brought about here: their words have to stand in the source file that says them.
fn said_in(path: &str, text: &str) -> Result<(), String> {
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    let source = source.map_err(|error| format!("{path}: {error}"))?.replace("\\\"", "\"");
    // A text of several lines is one.
    let source = source.split("\\\n").map(str::trim_start).collect::<String>();
    let parts = text.lines().flat_map(|line| {
        let line = line.trim();
        let said =
            ["error: ", "why: ", "next: ", "warning: "].iter().find_map(|label| line.strip_prefix(label));
        said.unwrap_or(line).split('…').map(str::trim)
    });
    let missing = parts.filter(|part| !part.is_empty()).find(|part| !source.contains(part));
    missing.map_or(Ok(()), |part| Err(format!("{path} does not say: {part}")))
}
