//! The one error type below the command line: kind + what + why + next.
//! [`ErrorKind::exit_code`] and [`ErrorKind::is_transient`] are the only places that give a kind a meaning.
//! Row values and passwords never enter an error: keys and column names do.

use std::{fmt, io};

/// Result of everything below the command line.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a caller, cron or a retry needs to tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The command line or the configuration is wrong.
    Usage,
    /// A database cannot be reached.
    Unreachable,
    /// A database refuses the login, or the database named does not exist.
    Login,
    /// Refused before anything changed.
    Refused,
    /// A right is missing on the server or in the file system.
    Permission,
    /// A value or an object that the target cannot hold exactly.
    Value,
    /// Reading from a database failed.
    Read,
    /// Writing to a database failed.
    Write,
    /// The connection was lost in the middle of the work.
    Lost,
    /// A lock, a deadlock or a busy database.
    Busy,
    /// It took longer than it was given.
    TimedOut,
    /// No space left where the data goes.
    Space,
    /// What arrived is not what was read.
    Verify,
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// A fault in this program.
    Internal,
}

impl ErrorKind {
    /// Exit code of the process, as documented in `docs/errors.md`.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Unreachable | Self::Login => 3,
            Self::Refused | Self::Permission | Self::Value => 4,
            Self::Read
            | Self::Write
            | Self::Lost
            | Self::Busy
            | Self::TimedOut
            | Self::Space
            | Self::Verify
            | Self::Internal => 5,
            Self::Interrupted => 130,
        }
    }

    /// What an error of the file system means where something was to be written.
    pub fn of_writing(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Permission,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Space
            }
            _ => Self::Write,
        }
    }

    /// Whether doing the same again may succeed without anybody changing anything.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Unreachable | Self::Lost | Self::Busy)
    }

    /// Stable name used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Unreachable => "unreachable",
            Self::Login => "login",
            Self::Refused => "refused",
            Self::Permission => "permission",
            Self::Value => "value",
            Self::Read => "read",
            Self::Write => "write",
            Self::Lost => "lost",
            Self::Busy => "busy",
            Self::TimedOut => "timed_out",
            Self::Space => "space",
            Self::Verify => "verify",
            Self::Interrupted => "interrupted",
            Self::Internal => "internal",
        }
    }
}

/// An error that an operator can act on: what failed, why (the server's own words), what to do next.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    what: String,
    why: Option<String>,
    next: Option<String>,
    others: Vec<Error>,
    resumes: Option<Box<str>>,
}

impl Error {
    /// A new error; `what` is one sentence without a full stop that names the object it is about.
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), why: None, next: None, others: Vec::new(), resumes: None }
    }

    /// Adds the reason, usually the server's own words.
    #[must_use]
    pub fn why(mut self, why: impl fmt::Display) -> Self {
        self.why = Some(why.to_string());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Keeps the error of a worker that failed beside this one.
    pub fn push(&mut self, other: Error) {
        self.others.push(other);
    }

    /// The same error under another kind, for a caller that knows better what the failure means.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// What it means that a server cannot be reached which has answered before: the connection was lost.
    #[must_use]
    pub fn on_the_way(self) -> Self {
        if self.kind == ErrorKind::Unreachable { self.with_kind(ErrorKind::Lost) } else { self }
    }

    /// Kind of this error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What failed.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Why it failed, if known.
    pub fn reason(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// What to do next, if there is something to do.
    pub fn advice(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// Errors of other workers that failed at the same time.
    pub fn others(&self) -> &[Error] {
        &self.others
    }

    /// Says that what a run has done so far is kept, and another can go on with it.
    #[must_use]
    pub fn resumable(mut self, run: &str) -> Self {
        self.resumes = Some(run.into());
        self
    }

    /// The run that can be gone on with.
    pub fn resumes(&self) -> Option<&str> {
        self.resumes.as_deref()
    }

    /// A failure that no input should be able to cause.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, what)
            .next("this is a fault in techcare-db: please report it with the command that you ran")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(why) = &self.why {
            write!(f, ": {why}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_keep_the_exit_codes_of_the_contract() {
        for (kind, code) in [
            (ErrorKind::Usage, 2),
            (ErrorKind::Unreachable, 3),
            (ErrorKind::Login, 3),
            (ErrorKind::Refused, 4),
            (ErrorKind::Value, 4),
            (ErrorKind::Write, 5),
            (ErrorKind::Verify, 5),
            (ErrorKind::Interrupted, 130),
        ] {
            assert_eq!(kind.exit_code(), code, "{kind:?}");
        }
    }

    #[test]
    fn only_connection_troubles_are_worth_a_retry() {
        assert!(ErrorKind::Lost.is_transient());
        assert!(!ErrorKind::Space.is_transient());
        assert!(!ErrorKind::Value.is_transient());
    }
}
