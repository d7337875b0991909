//! Files are for their owner and folders too, whatever the umask; nothing is written through a link.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::bad_input::small;
use crate::support::binary::{self, Ran, Running};
use crate::support::database::{Db, Engine};

/// Runs under a umask.
fn run(folder: &Path, umask: &str, args: &[&str]) -> Ran {
    let mut command = Command::new("sh");
    binary::clean(&mut command, folder);
    command.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\""), binary::PATH]).args(args);
    Running::start(command).end()
}

/// Everything below a folder with its mode.
fn modes(folder: &Path) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, metadata) = (entry.path(), entry.metadata().unwrap());
        found.push((path.display().to_string(), metadata.permissions().mode() & 0o777));
        if metadata.is_dir() {
            found.extend(modes(&path));
        }
    }
    found
}

#[test]
fn everything_is_for_its_owner_whatever_the_umask() {
    let source = small();
    source.execute(
        "CREATE TABLE bad (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO bad VALUES (1, 'x'), (2, 2)",
    );
    let from = source.path().to_str().unwrap();
    let server = Db::fresh(Engine::Postgres);
    for umask in ["000", "077", "022"] {
        let target = Db::fresh(Engine::Postgres);
        let folder = tempfile::tempdir().unwrap();
        let go = |args: &[&str], code| {
            let ran = run(folder.path(), umask, args);
            assert_eq!(ran.code, code, "{umask} {args:?}: {ran}");
        };
        std::fs::write(folder.path().join("known.env"), "").unwrap();
        std::fs::set_permissions(folder.path().join("known.env"), std::fs::Permissions::from_mode(0o666))
            .unwrap();
        let move_to = ["migrate", "--source", from, "--target"];
        go(&[&move_to[..], &["copy.db", "--write-env", "new.env"]].concat(), 0);
        let rows_aside = [&target.url, "--on-bad-row", "reject", "--write-env", "known.env"];
        go(&[&move_to[..], &rows_aside].concat(), 1);
        go(&[&move_to[..], &["sqlite", "--dump", "script.sql"]].concat(), 0);
        go(&[&move_to[..], &["sqlite", "--dump", "script.sql.gz"]].concat(), 0);
        go(&[&move_to[..], &["sqlite", "--dump", "script.sql.zst"]].concat(), 0);
        go(&["schema", "up", "--database", "sqlite:///./made.db"], 0);
        go(&["backup", "--database", from], 0);
        let found = modes(folder.path());
        for wanted in ["backups", "reports", "rejects", "copy.db", "new.env", "script.sql.zst", "made.db"] {
            assert!(found.iter().any(|(path, _)| path.ends_with(wanted)), "{wanted}: {found:?}");
        }
        for (path, mode) in found {
            assert_eq!(mode & 0o077, 0, "umask {umask}: {path} has mode {mode:04o}");
        }
    }
    drop(server);
}

#[test]
fn nothing_is_written_through_a_link() {
    let source = small();
    let from = source.path().to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let victim = folder.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    let link = |name: &str, to: &Path| symlink(to, folder.path().join(name)).unwrap();
    let nowhere = folder.path().join("nowhere");
    for (to, name) in [(&victim, "to_a_file"), (&nowhere, "to_nothing")] {
        link(&format!("{name}.env"), to);
        link(&format!("{name}.sql"), to);
        link(&format!("{name}_half.sql.partial"), to);
        link(&format!(".{name}.db.techcare-lock"), to);
        link(&format!(".{name}.db.partial-0123"), to);
        let move_to = |target: &str, more: &[&str], codes: &[i32]| {
            let args = [&["migrate", "--source", from, "--target", target], more].concat();
            let ran = run(folder.path(), "022", &args);
            assert!(codes.contains(&ran.code), "{name} {args:?}: {ran}");
            assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious", "{name} {args:?}: {ran}");
            assert!(!nowhere.exists(), "{name} {args:?}: {ran}");
        };
        move_to("plain.db", &["--write-env", &format!("{name}.env")], &[2]);
        assert!(!folder.path().join("plain.db").exists(), "refused only after the work was done");
        move_to("sqlite", &["--dump", &format!("{name}.sql")], &[4]);
        move_to("sqlite", &["--dump", &format!("{name}_half.sql")], &[4, 5]);
        move_to(&format!("{name}.db"), &[], &[4, 5]);
        assert!(!folder.path().join(format!("{name}.db")).exists());
    }
    // As the database itself: a link to nothing is no place for one.
    link("dangling.db", &nowhere);
    let ran =
        run(folder.path(), "022", &["migrate", "--source", from, "--target", "sqlite:///./dangling.db"]);
    assert!((2..=5).contains(&ran.code), "{ran}");
    assert!(!nowhere.exists(), "{ran}");
}
