//! From what the server says to an error that an operator can act on. The server's own words are kept, row values
//! are not: DETAIL and CONTEXT are left out, and so is whatever a data error quotes.

use std::fmt::Write as _;
use std::time::Duration;

use sqlx::postgres::PgDatabaseError;

use crate::engine::limits::TWINS;
use crate::model::error::{Error, ErrorKind};

/// An error about `what`, of the kind that the server's code says, else of the given one.
pub(super) fn fault(kind: ErrorKind, what: impl Into<String>, cause: &sqlx::Error) -> Error {
    let kind = kind_of(cause).unwrap_or(kind);
    let error = Error::new(kind, what).why(words(cause));
    match advice(code(cause).as_deref(), kind) {
        Some(next) => error.next(next),
        None => error,
    }
}

/// Kind of an error under a limit on time: a statement that the server canceled took longer than that.
pub(super) fn within(kind: ErrorKind, limit: Option<Duration>, cause: &sqlx::Error) -> ErrorKind {
    let canceled = limit.is_some() && code(cause).as_deref() == Some("57014");
    if canceled { ErrorKind::TimedOut } else { kind }
}

/// The SQLSTATE, if the server has said one.
pub(super) fn code(cause: &sqlx::Error) -> Option<String> {
    cause.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned)
}

/// Kind that a cause has whatever was being done.
fn kind_of(cause: &sqlx::Error) -> Option<ErrorKind> {
    match cause {
        sqlx::Error::Io(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::PoolClosed
        // There are pools only of servers that have answered before.
        | sqlx::Error::PoolTimedOut => Some(ErrorKind::Lost),
        sqlx::Error::Tls(_) => Some(ErrorKind::Unreachable),
        sqlx::Error::Database(_) => kind_of_code(&code(cause)?),
        _ => None,
    }
}

/// Kind behind a SQLSTATE; `None` where it depends on what was being done.
fn kind_of_code(code: &str) -> Option<ErrorKind> {
    match code {
        "57P01" | "57P02" | "57P03" | "57P05" => Some(ErrorKind::Lost),
        "3D000" => Some(ErrorKind::Login),
        "42501" | "25006" => Some(ErrorKind::Permission),
        "53100" => Some(ErrorKind::Space),
        "40P01" | "40001" | "55P03" | "53300" => Some(ErrorKind::Busy),
        "54000" => Some(ErrorKind::Value),
        _ => match code.get(..2)? {
            "08" => Some(ErrorKind::Lost),
            "28" => Some(ErrorKind::Login),
            "22" | "23" => Some(ErrorKind::Value),
            _ => None,
        },
    }
}

fn advice(code: Option<&str>, kind: ErrorKind) -> Option<&'static str> {
    match (kind, code) {
        (ErrorKind::Space, _) => Some("make room on the server, then run the command again"),
        (ErrorKind::Busy, Some("53300")) => {
            Some("the server has no connection left: lower --jobs or try again later")
        }
        (ErrorKind::Busy, _) => Some("another session holds a lock: try again when it is done"),
        (ErrorKind::Lost, _) => Some("see whether the server is up, then run the command again"),
        (_, Some("53200")) => Some(
            "raise max_locks_per_transaction on the server and restart it, or migrate in parts with --tables",
        ),
        (_, Some("42501")) => Some(
            "have the owner grant the right: reading takes SELECT on every table (GRANT SELECT ON ALL TABLES IN SCHEMA …)",
        ),
        (_, Some("23505")) => Some(TWINS),
        (_, Some("25006")) => Some("the server takes no writes: name the primary server"),
        _ => None,
    }
}

/// The server's words without row values.
pub(super) fn words(cause: &sqlx::Error) -> String {
    let error = match cause {
        sqlx::Error::Database(error) => error,
        sqlx::Error::Io(error) => return error.to_string(),
        sqlx::Error::Tls(error) => return format!("TLS: {error}"),
        // The driver adds the place in its own source.
        sqlx::Error::Protocol(text) => return text.split(" (sqlx").next().unwrap_or(text).to_owned(),
        other => return other.to_string(),
    };
    let Some(error) = error.try_downcast_ref::<PgDatabaseError>() else {
        return error.message().to_owned();
    };
    let mut out = without_values(error.code(), error.message());
    for (kind, name) in
        [("constraint", error.constraint()), ("column", error.column()), ("type", error.data_type())]
    {
        if let Some(name) = name.filter(|n| !out.contains(*n)) {
            let _ = write!(out, " ({kind} \"{name}\")");
        }
    }
    if let Some(line) = error.r#where().and_then(copy_line) {
        let _ = write!(out, " (row {line} of the load)");
    }
    out
}

/// Data exceptions (class 22) quote the value that they are about, and nothing else; what a function of the database
/// raises (class P0) says whatever its author liked.
fn without_values(code: &str, message: &str) -> String {
    if code.starts_with("P0") {
        return format!("a function of the database raised an error ({code}); its text may hold a value");
    }
    if !code.starts_with("22") {
        return message.to_owned();
    }
    match (message.find('"'), message.rfind('"')) {
        (Some(from), Some(to)) if from < to => format!("{}\"…\"{}", &message[..from], &message[to + 1..]),
        _ => message.to_owned(),
    }
}

/// Row number out of `COPY users, line 3, column email: …`.
fn copy_line(context: &str) -> Option<u64> {
    let rest = context.strip_prefix("COPY ")?;
    let rest = &rest[rest.find(", line ")? + 7..];
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_kinds() {
        for (code, kind) in [
            ("08006", Some(ErrorKind::Lost)),
            ("57P01", Some(ErrorKind::Lost)),
            ("28P01", Some(ErrorKind::Login)),
            ("3D000", Some(ErrorKind::Login)),
            ("42501", Some(ErrorKind::Permission)),
            ("53100", Some(ErrorKind::Space)),
            ("40P01", Some(ErrorKind::Busy)),
            ("22001", Some(ErrorKind::Value)),
            ("57014", None),
            ("23505", Some(ErrorKind::Value)),
            ("42P01", None),
        ] {
            assert_eq!(kind_of_code(code), kind, "{code}");
        }
        assert_eq!(advice(Some("23505"), ErrorKind::Value), Some(TWINS));
    }

    #[test]
    fn values_stay_out_and_names_stay_in() {
        assert_eq!(
            without_values("22P02", "invalid input syntax for type integer: \"sec\"ret\""),
            "invalid input syntax for type integer: \"…\""
        );
        let raised = without_values("P0001", "no such clinic: secret");
        assert!(raised.contains("P0001") && !raised.contains("secret"), "{raised}");
        let duplicate = "duplicate key value violates unique constraint \"users_pkey\"";
        assert_eq!(without_values("23505", duplicate), duplicate);
        assert_eq!(copy_line("COPY a, b, line 31, column x: \"secret, line 7\""), Some(31));
        assert_eq!(copy_line("SQL function \"f\""), None);
    }
}
