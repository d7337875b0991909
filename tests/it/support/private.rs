//! A server of one test's own, which it may stop in the middle of the work. Started by the same script that
//! `make test` uses; it ends with the test, and with the test's process if that one is killed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::database::Engine;

/// A running server.
pub struct Private {
    engine: Engine,
    folder: PathBuf,
    /// URL of its maintenance database.
    pub url: String,
}

impl Private {
    pub fn start(engine: Engine) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("techcare-db.{}.{number}", std::process::id()));
        let url = start(engine, &folder);
        Self { engine, folder, url }
    }

    /// Where it keeps its data, log and socket.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Kills it as a power cut would.
    pub fn halt(&self) {
        script(&["halt", self.folder.to_str().unwrap()]);
    }

    /// Brings it back at the same place, with what it had written.
    pub fn restart(&self) {
        assert_eq!(start(self.engine, &self.folder), self.url);
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        script(&["stop", self.folder.to_str().unwrap()]);
    }
}

fn start(engine: Engine, folder: &Path) -> String {
    script(&["start", engine.kind(), folder.to_str().unwrap(), &std::process::id().to_string()])
}

fn script(args: &[&str]) -> String {
    let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/servers");
    let done = Command::new(servers).args(args).output().unwrap();
    assert!(done.status.success(), "servers {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}
