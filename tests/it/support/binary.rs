//! The real binary, run as a user would: a clean environment, a folder of its own, a limit on its time.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// No migration of the suite may take longer; one that hangs is killed and fails its test.
const LIMIT: Duration = Duration::from_secs(240);

/// The path of the binary under test.
pub const PATH: &str = env!("CARGO_BIN_EXE_techcare-db");

/// The binary in a folder that is its application folder, with nothing inherited but what a shell needs.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(PATH);
    clean(&mut command, folder);
    command
}

/// Gives a command (also one that wraps the binary) the clean environment.
pub fn clean(command: &mut Command, folder: &Path) {
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("LC_ALL", "C.UTF-8")
        .env("NO_COLOR", "1")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
}

/// What a run left.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; 128 + signal where one ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// Most memory that it held at once, in KiB, as far as was seen.
    pub peak_kib: u64,
}

impl Ran {
    /// The JSON document on stdout.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not one JSON document: {error}\n{self}"))
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let out: String = self.stdout.chars().take(4000).collect();
        let err: String = self.stderr.chars().take(4000).collect();
        write!(f, "exit {}\n--- stdout\n{out}\n--- stderr\n{err}", self.code)
    }
}

/// Runs with these arguments in a folder of its own.
pub fn run(args: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path());
    command.args(args);
    Running::start(command).end()
}

/// `migrate --format json` between two databases.
pub fn migrate(source: &str, target: &str, more: &[&str]) -> Ran {
    let mut args = vec!["--format", "json", "migrate", "--source", source, "--target", target];
    args.extend_from_slice(more);
    run(&args)
}

/// A run under way.
pub struct Running {
    child: Child,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<()>,
    lines: Arc<Mutex<String>>,
    started: Instant,
    /// The application folder, where nobody else needs it.
    folder: Option<TempDir>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut out = child.stdout.take().unwrap();
        let err = child.stderr.take().unwrap();
        let lines = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&lines);
        Self {
            child,
            stdout: std::thread::spawn(move || {
                let mut bytes = Vec::new();
                out.read_to_end(&mut bytes).unwrap();
                String::from_utf8_lossy(&bytes).into_owned()
            }),
            stderr: std::thread::spawn(move || {
                for line in BufReader::new(err).split(b'\n').map_while(Result::ok) {
                    let mut heard = heard.lock().unwrap();
                    heard.push_str(&String::from_utf8_lossy(&line));
                    heard.push('\n');
                }
            }),
            lines,
            started: Instant::now(),
            folder: None,
        }
    }

    /// Keeps its application folder as long as it runs.
    pub fn in_folder(self, folder: TempDir) -> Self {
        Self { folder: Some(folder), ..self }
    }

    /// Waits until stderr holds these texts one after the other. False where the run ended first.
    pub fn until(&mut self, texts: &[&str]) -> bool {
        let heard = |lines: &str| {
            texts
                .iter()
                .try_fold(0, |from, text| lines[from..].find(text).map(|at| from + at + text.len()))
                .is_some()
        };
        self.until_lines(heard)
    }

    /// Waits until what stderr holds is enough. False where the run ended first.
    pub fn until_lines(&mut self, enough: impl Fn(&str) -> bool) -> bool {
        loop {
            if enough(&self.lines.lock().unwrap()) {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(self.started.elapsed() < LIMIT, "never said enough");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Number of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-s", name, &pid]).status().unwrap();
    }

    /// Waits for the end; what takes too long is killed, and the test fails.
    pub fn end(mut self) -> Ran {
        let mut peak_kib = 0;
        let status = loop {
            peak_kib = peak(self.child.id()).max(peak_kib);
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if self.started.elapsed() > LIMIT {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                panic!("did not end within {LIMIT:?}; stderr:\n{}", self.lines.lock().unwrap());
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let stdout = self.stdout.join().unwrap();
        self.stderr.join().unwrap();
        let stderr = self.lines.lock().unwrap().clone();
        drop(self.folder);
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Ran { code, stdout, stderr, peak_kib }
    }
}

/// High-water mark of a process's memory, in KiB; 0 once it has ended.
fn peak(pid: u32) -> u64 {
    // For a moment after its birth a process still has the memory of the one that it came from.
    if std::fs::read_link(format!("/proc/{pid}/exe")).ok().as_deref() != Some(Path::new(PATH)) {
        return 0;
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
