//! Client programs of servers: which of them is here, and running one so that no password is ever seen, nothing goes on
//! after an interruption, and an error says what the program said.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use rustix::fs::{MemfdFlags, Mode};
use tokio_util::sync::CancellationToken;

use crate::model::error::{Error, ErrorKind, Result};

/// How often a running program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Lines of stderr that are remembered, from the end.
const LINES: usize = 50;

/// Bytes that are taken from a program at a time.
const BLOCK: usize = 256 << 10;

/// A program that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// The file.
    pub path: PathBuf,
    /// What `--version` says, without the program's own name.
    pub said: String,
    /// Its version: the first numbers with a point between them, after `skip` where there is such a word.
    pub version: (u32, u32),
}

impl Tool {
    /// Name and version for messages and manifests: `pg_dump 15.18`.
    pub fn shown(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        format!("{name} {}.{}", self.version.0, self.version.1)
    }

    /// A program of another name in the same folder.
    pub fn sibling(&self, name: &str) -> PathBuf {
        self.path.with_file_name(name)
    }
}

/// All programs of these names, those of `PATH` first, then those of `folders`.
pub fn find(names: &[&str], folders: &[PathBuf]) -> Vec<Tool> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = std::env::split_paths(&path).filter(|p| p.is_absolute()).collect();
    let mut found = Vec::new();
    for folder in on_path.iter().chain(folders) {
        for name in names {
            let file = folder.join(name);
            if file.is_file()
                && let Some(tool) = ask(file)
                && !found.contains(&tool)
            {
                found.push(tool);
            }
        }
    }
    found
}

fn ask(path: PathBuf) -> Option<Tool> {
    let answer = bare(&path).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let said = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    Some(Tool { version: version(&said)?, path, said })
}

/// The version in what a program says: MariaDB's own stands behind `Distrib` or `from`, before it the protocol's.
fn version(said: &str) -> Option<(u32, u32)> {
    let rest = ["Distrib ", "from "].iter().find_map(|word| said.split_once(word)).map_or(said, |(_, r)| r);
    rest.split(|c: char| c != '.' && !c.is_ascii_digit()).find_map(|word| {
        let (major, minor) = word.split_once('.')?;
        let minor = minor.split('.').next()?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    })
}

/// A command with hardly any environment: no setting of whoever runs us changes what the program does.
pub fn bare(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.env_clear().env("LC_ALL", "C");
    for kept in ["PATH", "HOME", "KRB5CCNAME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}

/// A text that only we and the programs that we start can read: it is in memory, has no name and ends with us. Neither
/// an argument nor a variable of the environment shows it.
#[derive(Debug)]
pub struct Secret(File);

impl Secret {
    /// Keeps a text.
    pub fn keep(text: &str) -> Result<Self> {
        // Without CLOEXEC, since the program has to find it.
        let made = rustix::fs::memfd_create("techcare-db", MemfdFlags::empty()).map_err(io::Error::from);
        let kept = made.and_then(|fd| {
            rustix::fs::fchmod(&fd, Mode::RUSR | Mode::WUSR)?;
            let mut file = File::from(fd);
            file.write_all(text.as_bytes())?;
            Ok(file)
        });
        let failed = |e| Error::new(ErrorKind::Write, "cannot keep a password for a client program").why(e);
        kept.map(Self).map_err(failed)
    }

    /// The path under which a program that inherits it reads it.
    pub fn path(&self) -> OsString {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }
}

/// Runs a program to its end and hands what it prints to `sink`, on a thread that may block. `done` hears how many bytes
/// that were.
pub fn run(
    mut command: Command,
    sink: &mut (dyn Write + Send),
    done: &dyn Fn(u64),
    cancel: &CancellationToken,
) -> Result<()> {
    let name =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|e| {
        Error::new(ErrorKind::Refused, format!("the program {name} cannot be started")).why(e)
    })?;
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Error::internal("a program was started without its streams"));
    };
    let taken = AtomicU64::new(0);
    thread::scope(|scope| {
        let words = scope.spawn(move || last_lines(err));
        let pump = scope.spawn(|| pump(out, sink, &taken));
        let ended = wait(&mut child, &pump, &|| done(taken.load(Ordering::Relaxed)), cancel);
        if ended.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let pumped = pump.join().unwrap_or_else(|_| Err(io::Error::other("the reader ended")));
        let words = words.join().unwrap_or_default();
        if cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Interrupted, format!("{name} was interrupted")));
        }
        pumped.map_err(|e| {
            Error::new(ErrorKind::of_writing(&e), format!("cannot write what {name} prints")).why(e)
        })?;
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(failure(&name, &words, &status.to_string())),
            Err(e) => Err(Error::new(ErrorKind::Read, format!("{name} cannot be waited for")).why(e)),
        }
    })
}

/// Waits for the end, an interruption, or a sink that takes no more.
fn wait(
    child: &mut Child,
    pump: &ScopedJoinHandle<'_, io::Result<()>>,
    look: &dyn Fn(),
    cancel: &CancellationToken,
) -> io::Result<std::process::ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if cancel.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        // A program may close its output some time before it ends, but a sink that fails is never written to again.
        if pump.is_finished() {
            thread::sleep(LOOK_EVERY * 10);
            return match child.try_wait()? {
                Some(status) => Ok(status),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            };
        }
        look();
        thread::sleep(LOOK_EVERY);
    }
}

fn pump(mut from: impl Read, to: &mut (dyn Write + Send), taken: &AtomicU64) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        match from.read(&mut block) {
            Ok(0) => return to.flush(),
            Ok(read) => {
                to.write_all(&block[..read])?;
                taken.fetch_add(read as u64, Ordering::Relaxed);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn last_lines(from: impl Read) -> VecDeque<String> {
    let mut lines = VecDeque::new();
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.by_ref().take(4096).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
    lines
}

/// What a program that failed said: its first error, else its last line.
fn failure(name: &str, words: &VecDeque<String>, status: &str) -> Error {
    let is_error = |line: &&String| line.to_ascii_lowercase().contains("error");
    let said = words.iter().find(is_error).or_else(|| words.iter().rev().find(|line| !line.is_empty()));
    let said = said.map_or(status, |line| line.strip_prefix(&format!("{name}: ")).unwrap_or(line));
    let lower = said.to_ascii_lowercase();
    let denied = ["permission denied", "access denied", "denied to user"].iter().any(|w| lower.contains(w));
    // In the words of libpq and of the libraries of MySQL and MariaDB.
    let lost = [
        "timeout expired",
        "connection refused",
        "server closed the connection",
        "lost connection to",
        "can't connect to",
        "server has gone away",
    ];
    let kind = match (denied, lost.iter().any(|w| lower.contains(w))) {
        (true, _) => ErrorKind::Permission,
        (_, true) => ErrorKind::Lost,
        _ => ErrorKind::Read,
    };
    let error = Error::new(kind, format!("{name} did not make the backup")).why(said);
    if denied { error.next("give the user the right that is missing") } else { error }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = bare(Path::new("/bin/sh"));
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_is_printed_arrives_and_what_is_said_is_told() {
        let cancel = CancellationToken::new();
        let mut sink = Vec::new();
        run(shell("echo rows; echo notice >&2"), &mut sink, &|_| (), &cancel).unwrap();
        assert_eq!(sink, b"rows\n");
        let failed = "echo a; echo 'sh: error: permission denied for table t' >&2; echo b >&2; exit 1";
        let error = run(shell(failed), &mut Vec::new(), &|_| (), &cancel).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission);
        assert_eq!(error.reason(), Some("error: permission denied for table t"));
        let gone =
            "echo 'sh: error: connection to server at \"h\", port 1 failed: timeout expired' >&2; exit 1";
        let error = run(shell(gone), &mut Vec::new(), &|_| (), &cancel).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Lost);
        let error = run(shell("kill -9 $$"), &mut Vec::new(), &|_| (), &cancel).unwrap_err();
        assert!(error.reason().unwrap().contains("signal"), "{error}");
        let error = run(bare(Path::new("/no/such")), &mut Vec::new(), &|_| (), &cancel).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
    }

    #[test]
    fn an_interruption_ends_the_program() {
        let cancel = CancellationToken::new();
        let begun = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(200));
                cancel.cancel();
            });
            let error = run(shell("exec sleep 60"), &mut Vec::new(), &|_| (), &cancel).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Interrupted);
        });
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_full_disk_ends_the_program_too() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let script = "while echo rows; do :; done; exec sleep 60";
        let error = run(shell(script), &mut Full, &|_| (), &CancellationToken::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Space);
    }

    #[test]
    fn a_secret_is_read_by_the_program_and_stands_nowhere() {
        let secret = Secret::keep("canary").unwrap();
        let mut command =
            shell("cat \"$0\"; tr '\\0' '\\n' < /proc/$$/environ; tr '\\0' '\\n' < /proc/$$/cmdline");
        command.arg(secret.path());
        let mut sink = Vec::new();
        run(command, &mut sink, &|_| (), &CancellationToken::new()).unwrap();
        assert_eq!(String::from_utf8(sink).unwrap().matches("canary").count(), 1);
    }

    #[test]
    fn versions_are_read_as_programs_say_them() {
        for (said, expected) in [
            ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", (15, 18)),
            ("mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)", (10, 11)),
            ("mariadb-dump from 11.4.2-MariaDB, client 10.19 for Linux (x86_64)", (11, 4)),
            ("mysqldump  Ver 9.7.0 for Linux on x86_64 (MySQL Community Server - GPL)", (9, 7)),
        ] {
            assert_eq!(version(said), Some(expected), "{said}");
        }
        assert_eq!(version("no version"), None);
    }
}
