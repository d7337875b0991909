//! The program under strace, which kills it at a system call or lets the call fail. Where there is no strace, or where
//! processes may not be traced, tests that need it are left out, with the reason printed.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::binary::{self, Ran, Running};

/// System calls that change files, names and what is durable of them.
const CALLS: &str = "write,pwrite64,writev,fsync,fdatasync,ftruncate,fallocate,rename,renameat,renameat2,link,linkat,\
                     unlink,unlinkat,mkdir,mkdirat,fchmod,flock";

/// What happens at a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed before it is carried out.
    Kill,
    /// An error of the device.
    Io,
    /// No room.
    Full,
}

impl Fault {
    fn words(self) -> &'static str {
        match self {
            Self::Kill => "signal=KILL",
            Self::Io => "error=EIO",
            Self::Full => "error=ENOSPC",
        }
    }
}

/// A system call of a run: the n-th of its name in whichever thread comes to so many first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    call: String,
    number: u32,
    /// Whether it makes the names in a folder durable: what they say has happened by then.
    names: bool,
}

impl Point {
    /// Whether it comes after a step that is not taken back: a file was renamed, or a journal removed.
    pub fn is_late(&self) -> bool {
        self.names
    }

    /// Whether an error can come of it. The runtime wakes its threads by `write` to what is no file; that never fails, and
    /// a thread that was not woken sleeps for ever.
    pub fn can_fail(&self) -> bool {
        self.call != "write"
    }
}

/// Whether programs can be traced here.
pub fn at_hand() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let tried = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).output();
        let why = match tried {
            Ok(done) if done.status.success() => return true,
            Ok(done) => String::from_utf8_lossy(&done.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        eprintln!("skipped: no strace here ({why})");
        false
    })
}

/// Runs the program in an application folder, with a fault at a point.
pub fn run(folder: &Path, fault: Option<(&Point, Fault)>, args: &[&str]) -> Ran {
    traced(folder, fault, Path::new("/dev/null"), args)
}

fn traced(folder: &Path, fault: Option<(&Point, Fault)>, log: &Path, args: &[&str]) -> Ran {
    let mut strace = Command::new("timeout");
    binary::clean(&mut strace, folder);
    strace
        .args(["120", "strace", "-f", "-qq", "-y", "-s", "0", "-o"])
        .arg(log)
        .args(["-e", &format!("trace={CALLS}")]);
    if let Some((point, fault)) = fault {
        let inject = format!("inject={}:{}:when={}", point.call, fault.words(), point.number);
        strace.args(["-e", &inject]);
    }
    strace.arg("--").arg(binary::PATH).args(["--progress", "never"]).args(args);
    Running::start(strace).end()
}

/// Runs the program without a fault; answers with the system calls that concerned files below `within`, each once.
pub fn points(folder: &Path, within: &Path, args: &[&str]) -> (Ran, Vec<Point>) {
    let log = tempfile::NamedTempFile::new().unwrap();
    let ran = traced(folder, None, log.path(), args);
    let text = std::fs::read_to_string(log.path()).unwrap();
    let mut counts: HashMap<(&str, &str), u32> = HashMap::new();
    let mut points = BTreeSet::new();
    for line in text.lines() {
        // `PID call(arguments…`; the second half of an interrupted call is no call.
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, arguments)) = rest.trim_start().split_once('(') else { continue };
        if call.contains(' ') {
            continue;
        }
        let number = counts.entry((thread, call)).or_default();
        *number += 1;
        if arguments.contains(within.to_str().unwrap()) {
            let file = arguments.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
            let names = call == "fsync" && file.is_some_and(|(path, _)| Path::new(path).is_dir());
            points.insert(Point { call: call.to_owned(), number: *number, names });
        }
    }
    (ran, points.into_iter().collect())
}
