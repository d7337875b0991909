//! A password is nowhere but where somebody put it: not in what is printed, logged or kept, whatever the command and
//! however it ends, nor in what the process list shows. Files that others can read are refused as its place.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::account::{Account, ENCODED, PASSWORD, WORD};
use super::{files, holds};
use crate::bad_input::small;
use crate::support::binary::{self, Ran, Running};
use crate::support::database::Engine;

/// What `ps` could show of a process to others, and of its children to the same user.
fn in_sight(pid: u32) -> Vec<String> {
    let read = |path: String| {
        let bytes = std::fs::read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let mut seen = vec![read(format!("/proc/{pid}/cmdline"))];
    for child in read(format!("/proc/{pid}/task/{pid}/children")).split_whitespace() {
        seen.push(read(format!("/proc/{child}/environ")));
        seen.extend(in_sight(child.parse().unwrap()));
    }
    seen
}

/// Runs, and looks all the while at what can be seen of it from outside.
fn watched(command: Command) -> Ran {
    let running = Running::start(command);
    let (pid, done) = (running.pid(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let shown = in_sight(pid).into_iter().find(|text| text.contains(WORD));
                if shown.is_some() {
                    return shown;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            None
        });
        let ran = running.end();
        done.store(true, Ordering::Relaxed);
        assert_eq!(watch.join().unwrap(), None, "{ran}");
        ran
    })
}

fn silent(ran: &Ran) {
    assert!(!ran.stdout.contains(WORD) && !ran.stderr.contains(WORD), "a password was shown\n{ran}");
}

/// Runs a command that finds the URL in its environment, as talkative as it can be made.
fn run(folder: &Path, url: &str, args: &[&str], code: i32) {
    for loud in [&["-vv", "--progress", "json"][..], &["--format", "json"]] {
        let mut command = binary::command(folder);
        command.env("DATABASE_URL", url).env("RUST_LOG", "trace").args(loud).args(args);
        let ran = watched(command);
        assert_eq!(ran.code, code, "{args:?}: {ran}");
        silent(&ran);
    }
}

fn nowhere(engine: Engine) {
    if !engine.at_hand() {
        return;
    }
    let (account, source) = (Account::new(engine), small());
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (url, word, file) = (account.url(Some(ENCODED)), account.word(), source.path().to_str().unwrap());
    let go = |args: &[&str], code| run(folder.path(), &url, args, code);

    go(&["detect"], 0);
    go(&["check", "--database", file, "--target", word], 0);
    go(&["schema", "status"], 0);
    go(&["migrate", "--source", file, "--target", word, "--dry-run"], 0);
    let mut command = binary::command(folder.path());
    command.env("DATABASE_URL", &url).env("RUST_LOG", "trace").arg("-vv");
    command.args(["migrate", "--source", file, "--target", word, "--write-env", &at("new.env")]);
    let ran = watched(command);
    assert_eq!(ran.code, 0, "{ran}");
    silent(&ran);
    go(&["migrate", "--source", file, "--target", word], 4);
    go(&["check", "--against", file], 0);
    // MariaDB's databases are latin1 unless somebody says otherwise, which is something to look at.
    go(&["check", "--quick"], i32::from(engine == Engine::Mariadb));
    // Debian's client programs are MariaDB's, which do not dump MySQL.
    if engine != Engine::Mysql {
        go(&["backup"], 0);
    }
    for copy in ["a.db", "b.db"] {
        let mut command = binary::command(folder.path());
        command.env("DATABASE_URL", &url).env("RUST_LOG", "trace").arg("-vv");
        let ran = watched({
            command.args(["migrate", "--source", word, "--target", &at(copy), "--loader", "seaorm"]);
            command
        });
        assert_eq!(ran.code, 0, "{ran}");
        silent(&ran);
    }
    for (script, format) in [("a.sql", "text"), ("b.sql", "json")] {
        let mut command = binary::command(folder.path());
        command.env("DATABASE_URL", &url).env("RUST_LOG", "trace").args(["-vv", "--format", format]);
        let ran = watched({
            command.args(["migrate", "--source", word, "--target", "sqlite", "--dump", &at(script)]);
            command
        });
        assert_eq!(ran.code, 0, "{ran}");
        silent(&ran);
    }

    go(&["backup", "--method", "portable"], 0);
    go(&["backup", "--list"], 0);
    go(&["rollback", "--list"], 0);
    go(&["rollback", "--backup", "latest", "--yes", "--no-backup"], 0);
    go(&["tune"], 1);

    // What goes wrong: another password, no server, what is no URL.
    let wrong = account.url(Some("wrong%20kanarienvogel"));
    let down = account.url_at("127.0.0.1:1", Some(ENCODED));
    for url in [&wrong, &down] {
        run(folder.path(), url, &["detect"], 3);
        run(folder.path(), url, &["schema", "status"], 3);
        run(folder.path(), url, &["check"], 3);
        run(folder.path(), url, &["migrate", "--source", word, "--target", &at("c.db")], 3);
        run(folder.path(), url, &["migrate", "--source", file, "--target", word], 3);
    }
    let scheme = url.split(':').next().unwrap();
    for rest in
        ["u:kanarienvogel", "u:x@h:kanarienvogel/d", "u:kanarienvogel@a,b/d", "u:kanarienvogel@h/d?sslmode=x"]
    {
        run(folder.path(), &format!("{scheme}://{rest}"), &["detect"], 2);
    }

    let mut kept = files(folder.path());
    kept.retain(|path| path.file_name().unwrap() != "new.env");
    assert!(kept.iter().any(|path| path.starts_with(folder.path().join("reports"))), "{kept:?}");
    for path in kept {
        assert!(!holds(&std::fs::read(&path).unwrap(), WORD), "the password is in {}", path.display());
    }
    assert!(holds(&std::fs::read(at("new.env")).unwrap(), WORD), "--write-env writes it out");
}

#[test]
fn a87_the_password_of_postgres_is_nowhere() {
    nowhere(Engine::Postgres);
}

#[test]
fn a87_the_password_of_mariadb_is_nowhere() {
    nowhere(Engine::Mariadb);
}

#[test]
fn a87_the_password_of_mysql_is_nowhere() {
    nowhere(Engine::Mysql);
}

/// A file for its owner.
fn write(path: PathBuf, text: &str) -> PathBuf {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    chmod(&path, "600");
    path
}

fn chmod(path: &Path, mode: &str) {
    assert!(Command::new("chmod").arg(mode).arg(path).status().unwrap().success());
}

#[test]
fn a87_every_way_of_giving_it_logs_in() {
    for engine in Engine::servers() {
        let account = Account::new(engine);
        let bare = account.url(None);
        let (host, port) = account.place().split_once(':').unwrap();
        let parts = format!(
            "DB_TYPE={}\nDB_HOST={host}\nDB_PORT={port}\nDB_NAME={}\nDB_USER={}\n",
            account.word(),
            account.db.name(),
            account.user
        );
        let detect = |prepare: &dyn Fn(&Path, &mut Command) -> Option<PathBuf>| {
            let folder = tempfile::tempdir().unwrap();
            let mut command = binary::command(folder.path());
            command.arg("detect");
            let secret = prepare(folder.path(), &mut command);
            let ran = watched(command);
            assert_eq!(ran.code, 0, "{engine:?}: {ran}");
            silent(&ran);
            // The same from a file that others can read.
            let Some(secret) = secret else { return };
            for mode in ["640", "604"] {
                chmod(&secret, mode);
                let mut command = binary::command(folder.path());
                command.arg("detect");
                prepare(folder.path(), &mut command);
                chmod(&secret, mode);
                let ran = watched(command);
                assert_eq!(ran.code, 2, "{engine:?} {mode}: {ran}");
                assert!(ran.stderr.contains("chmod 600"), "{ran}");
                silent(&ran);
            }
        };
        // The environment and .env.
        detect(&|_, command| {
            command.env("DATABASE_URL", account.url(Some(ENCODED)));
            None
        });
        detect(&|_, command| {
            for line in parts.lines() {
                let (name, value) = line.split_once('=').unwrap();
                command.env(name, value);
            }
            command.env("DB_PASSWORD", PASSWORD);
            None
        });
        detect(&|folder, _| {
            write(folder.join(".env"), &format!("{parts}DB_PASSWORD='{PASSWORD}'\n"));
            None
        });
        detect(&|folder, _| {
            write(folder.join(".env"), &format!("DATABASE_URL='{}'\n", account.url(Some(ENCODED))));
            None
        });
        // Files made for it.
        detect(&|folder, command| {
            command.env("DATABASE_URL", &bare).env("DB_PASSWORD_FILE", "secrets/db");
            Some(write(folder.join("secrets/db"), &format!("{PASSWORD}\n")))
        });
        detect(&|folder, command| {
            command.args(["--database", "@it"]);
            let entry = format!("[databases.it]\nurl = '{bare}'\npassword_file = 'secrets/db'\n");
            write(folder.join("techcare-db.toml"), &entry);
            Some(write(folder.join("secrets/db"), &format!("{PASSWORD}\n")))
        });
        // The client programs' own.
        detect(&|folder, command| {
            command.env("DATABASE_URL", &bare);
            Some(if engine == Engine::Postgres {
                let line = format!("*:*:*:{}:{}\n", account.user, PASSWORD.replace(':', "\\:"));
                write(folder.join(".pgpass"), &line)
            } else {
                write(folder.join(".my.cnf"), &format!("[client]\npassword=\"{PASSWORD}\"\n"))
            })
        });
        detect(&|_, command| {
            let name = if engine == Engine::Postgres { "PGPASSWORD" } else { "MYSQL_PWD" };
            command.env("DATABASE_URL", &bare).env(name, PASSWORD);
            None
        });
        // The command line, which cannot be hidden: it is said.
        let folder = tempfile::tempdir().unwrap();
        let mut command = binary::command(folder.path());
        command.args(["detect", "--database", &account.url(Some(ENCODED))]);
        let running = Running::start(command);
        // The watch of all the others really sees what is in sight.
        let seen = (0..2000).any(|_| {
            std::thread::sleep(Duration::from_millis(1));
            in_sight(running.pid()).iter().any(|text| text.contains(WORD))
        });
        assert!(seen, "the watch is blind");
        let ran = running.end();
        assert_eq!(ran.code, 0, "{ran}");
        silent(&ran);
        assert!(ran.stderr.contains("can see the password in --database"), "{ran}");
    }
}
