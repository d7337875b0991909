//! Failures of SeaORM as errors of this program: which kind they are, and what of the server's words may be shown.

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::mysql::MySqlDatabaseError;
use sea_orm::{DbErr, RuntimeErr};

use crate::model::error::{Error, ErrorKind};

/// An error about `what`; `otherwise` is its kind where the failure itself doesn't tell a better one.
pub(super) fn failed(otherwise: ErrorKind, what: impl Into<String>, failure: &DbErr) -> Error {
    match failure {
        DbErr::Conn(RuntimeErr::SqlxError(inner))
        | DbErr::Exec(RuntimeErr::SqlxError(inner))
        | DbErr::Query(RuntimeErr::SqlxError(inner)) => {
            let error = Error::new(kind(inner).unwrap_or(otherwise), what);
            match inner.as_ref() {
                SqlxError::Database(server) => error.why(words(server.as_ref())),
                other => error.why(other),
            }
        }
        DbErr::ConnectionAcquire(inner) => Error::new(ErrorKind::Busy, what).why(inner),
        DbErr::Type(why) => Error::new(ErrorKind::Value, what).why(why),
        other => Error::new(otherwise, what).why(other),
    }
}

fn kind(error: &SqlxError) -> Option<ErrorKind> {
    match error {
        SqlxError::Io(_) | SqlxError::PoolClosed | SqlxError::WorkerCrashed => Some(ErrorKind::Lost),
        SqlxError::PoolTimedOut => Some(ErrorKind::Busy),
        SqlxError::ColumnDecode { .. } | SqlxError::Decode(_) => Some(ErrorKind::Value),
        SqlxError::Database(server) => {
            let code = server.code();
            // MySQL by its number, PostgreSQL by SQLSTATE, SQLite by its result code of one or two digits.
            match (number(server.as_ref()), code.as_deref()?) {
                (Some(1044 | 1142 | 1227 | 1290), _) | (None, "42501" | "8" | "14") => {
                    Some(ErrorKind::Permission)
                }
                (Some(1205 | 1213), _) | (None, "55P03" | "40P01" | "40001" | "5" | "6") => {
                    Some(ErrorKind::Busy)
                }
                (Some(1114 | 1021), _) | (None, "53100" | "13") => Some(ErrorKind::Space),
                (Some(1264 | 1366 | 1406), _) => Some(ErrorKind::Value),
                (None, "57P01") => Some(ErrorKind::Lost),
                (None, code) if code.len() == 5 && code.starts_with("22") => Some(ErrorKind::Value),
                _ => None,
            }
        }
        _ => None,
    }
}

fn number(server: &dyn DatabaseError) -> Option<u16> {
    server.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

/// The server's words. MySQL quotes values of rows in them (`Duplicate entry 'ana' for key 'ix_users_username'`),
/// and doesn't tell them from names: what stands in quotes is left out.
fn words(server: &dyn DatabaseError) -> String {
    match number(server) {
        Some(number) => format!("{} (error {number})", unquoted(server.message())),
        None => server.message().to_owned(),
    }
}

fn unquoted(message: &str) -> String {
    // The last quote closes the last value, so that a quote within a value cannot show the rest of it.
    match (message.find('\''), message.rfind('\'')) {
        (Some(first), Some(last)) if first < last => {
            format!("{}'…'{}", &message[..first], &message[last + 1..])
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_quotes_are_left_out() {
        assert_eq!(unquoted("Duplicate entry 'o'neil' for key 'name'"), "Duplicate entry '…'");
        assert_eq!(unquoted("Table is read only"), "Table is read only");
    }

    #[test]
    fn a_type_mismatch_is_about_a_value() {
        let error = failed(ErrorKind::Read, "reading users", &DbErr::Type("column 3".into()));
        assert_eq!(error.kind(), ErrorKind::Value);
    }
}
