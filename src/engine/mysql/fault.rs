//! Errors of MySQL and MariaDB as the program speaks of them: the kind by the server's number, the server's words
//! without the values that it quotes, and what to do next.

use sqlx::mysql::MySqlDatabaseError;

use crate::engine::limits::TWINS;
use crate::model::endpoint::{Endpoint, Server};
use crate::model::error::{Error, ErrorKind};

/// Number and words of an error that the server sent.
fn of_server(error: &sqlx::Error) -> Option<(u16, &str)> {
    let database = error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?;
    Some((database.number(), database.message()))
}

/// The server's number for an error, if the server sent it.
pub fn number(error: &sqlx::Error) -> Option<u16> {
    of_server(error).map(|(number, _)| number)
}

/// What an error is; `otherwise` is what it is when its number says nothing more.
fn kind(error: &sqlx::Error, otherwise: ErrorKind) -> ErrorKind {
    let Some((number, _)) = of_server(error) else {
        return match error {
            // sqlx calls it a fault of the protocol when a packet ends early. There are pools only of servers that have
            // answered before.
            sqlx::Error::Io(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::WorkerCrashed => ErrorKind::Lost,
            // But also that it does not know the type of a column.
            sqlx::Error::Protocol(words) if !words.contains("unknown column type") => ErrorKind::Lost,
            _ => otherwise,
        };
    };
    match number {
        1044 | 1045 | 1049 | 1130 | 1698 | 3118 | 3159 | 4151 => ErrorKind::Login,
        1040 | 1203 | 1226 | 2002 | 2003 => ErrorKind::Unreachable,
        1053 | 1077 | 1079 | 1080 | 1158..=1161 | 1317 | 1927 | 2006 | 2013 | 4031 => ErrorKind::Lost,
        1205 | 1206 | 1213 | 3058 | 3572 => ErrorKind::Busy,
        1969 | 3024 => ErrorKind::TimedOut,
        // 1114 also speaks of tables in memory; 3, 20, 23 and 28 are the system's own.
        3 | 20 | 23 | 28 | 1021 | 1026 | 1114 => ErrorKind::Space,
        1095 | 1142 | 1143 | 1227 | 1290 | 1370 | 1410 | 1419 | 1792 | 1836 | 3630 => ErrorKind::Permission,
        1022 | 1048 | 1062 | 1069 | 1071 | 1118 | 1153 | 1169 | 1171 | 1264 | 1265 | 1292 | 1364 | 1366
        | 1406 | 1411 | 1416 | 1451 | 1452 | 1525 | 1557 | 1586 | 1690 | 3140 | 3157 | 3819 | 3903 | 4025 => {
            ErrorKind::Value
        }
        _ => otherwise,
    }
}

/// The server's words without the values that it quotes; names of keys and columns stay.
pub fn words(error: &sqlx::Error) -> String {
    match of_server(error) {
        Some((number, message)) => format!("{} ({number})", without_values(number, message)),
        None => error.to_string(),
    }
}

fn without_values(number: u16, message: &str) -> String {
    // "Duplicate entry 'ana' for key 'email'", "Incorrect integer value: 'x' for column `a`.`b`.`c` at row 1",
    // "Truncated incorrect DOUBLE value: 'x'": the value stands in the first quotes and may hold quotes itself,
    // so it ends at the last word that only the server writes.
    let holds_value = matches!(
        number,
        1062 | 1169 | 1264 | 1265 | 1292 | 1366 | 1411 | 1416 | 1525 | 1586 | 1690 | 3140 | 1557
    );
    if !holds_value {
        return message.to_owned();
    }
    let Some(start) = ["entry '", "value: '", "value '", "type '"]
        .iter()
        .find_map(|w| message.find(w).map(|at| at + w.len() - 1))
    else {
        // Out of range and the like name the column only, save for expressions, which are not ours.
        return message.to_owned();
    };
    let end = ["' for key ", "' for column ", "' for function ", "' in ", "' at row "]
        .iter()
        .filter_map(|w| message[start..].rfind(w))
        .max()
        .map_or(message.len(), |at| start + at + 1);
    format!("{}…{}", &message[..start], &message[end..])
}

/// An error while a connection is made.
pub fn connecting(server: &Server, endpoint: &Endpoint, error: &sqlx::Error) -> Error {
    let number = number(error);
    let at = format!("{endpoint} ({})", endpoint.origin);
    match (number, error) {
        (Some(1049), _) => {
            Error::new(ErrorKind::Login, format!("database \"{}\" does not exist at {at}", server.database))
                .why(words(error))
                .next(format!(
                    "create it: CREATE DATABASE {} CHARACTER SET utf8mb4",
                    super::types::quote(&server.database)
                ))
        }
        (Some(1044), _) => Error::new(ErrorKind::Login, format!("user \"{}\" may not use {at}", server.user))
            .why(words(error))
            .next(format!(
                "have an administrator run: GRANT ALL PRIVILEGES ON {}.* TO {}",
                super::types::quote(&server.database),
                super::types::literal(&server.user)
            )),
        (Some(_), _) if kind(error, ErrorKind::Login) == ErrorKind::Login => {
            let odd =
                server.password.as_ref().is_some_and(|p| !secrecy::ExposeSecret::expose_secret(p).is_ascii());
            let next = if odd {
                "check user and password; a password with letters beyond ASCII must be given as UTF-8 here, while \
                 some clients (PyMySQL) send it as Latin-1"
            } else if server.password.is_none() {
                "no password was given: set it in the URL, DB_PASSWORD_FILE or ~/.my.cnf"
            } else {
                "check user and password, and the host that the account is bound to"
            };
            Error::new(ErrorKind::Login, format!("login refused at {at}")).why(words(error)).next(next)
        }
        (_, sqlx::Error::Configuration(why)) if why.to_string().contains("RSA") => Error::new(
            ErrorKind::Login,
            format!("the password may not cross to {at} unencrypted"),
        )
        .why("the account uses caching_sha2_password or sha256_password, and this connection has no TLS")
        .next("use ssl_mode=required; the server must offer TLS, which MySQL does unless told otherwise"),
        (_, sqlx::Error::Tls(_) | sqlx::Error::Configuration(_)) => {
            Error::new(ErrorKind::Unreachable, format!("no secure connection to {at}")).why(error).next(
                "check ssl_mode, ssl_ca and the server's certificate; remote servers are verified by default",
            )
        }
        _ if words(error).contains("certificate") => Error::new(
            ErrorKind::Unreachable,
            format!("no secure connection to {at}"),
        )
        .why(words(error))
        .next("check the certificate, or name its authority with ?ssl_ca=, or ask for another ?ssl_mode="),
        _ => Error::new(ErrorKind::Unreachable, format!("cannot connect to {at}"))
            .why(words(error))
            .next("check that the server runs, and host, port, socket and firewall"),
    }
}

/// An error while something is read.
pub fn reading(what: &str, error: &sqlx::Error) -> Error {
    advised(Error::new(kind(error, ErrorKind::Read), format!("reading {what} failed")).why(words(error)))
}

/// An error while something is written or changed.
pub fn writing(what: &str, error: &sqlx::Error) -> Error {
    let fault = Error::new(kind(error, ErrorKind::Write), format!("{what} failed")).why(words(error));
    if number(error).is_some_and(is_duplicate) { fault.next(TWINS) } else { advised(fault) }
}

/// Whether a server's number says that a unique key has a value already.
fn is_duplicate(number: u16) -> bool {
    matches!(number, 1022 | 1062 | 1169 | 1586)
}

fn advised(error: Error) -> Error {
    let next = match error.kind() {
        ErrorKind::Lost => {
            "the connection to the server was lost: look at its log, then run the same command again"
        }
        ErrorKind::Busy => "another session holds a lock: run the same command again when it is done",
        ErrorKind::Space => "make room on the server's disk, then run the same command again",
        ErrorKind::Permission => "have an administrator grant the right that the server names",
        _ => return error,
    };
    error.next(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_left_out_and_names_stay() {
        for (number, message, expected) in [
            (1062, "Duplicate entry 'ana@x' for key 'ix_email'", "Duplicate entry …' for key 'ix_email'"),
            (1062, "Duplicate entry 'a' for key 'b' for key 'k'", "Duplicate entry …' for key 'k'"),
            (
                1366,
                "Incorrect integer value: 'secret' for column `d`.`t`.`c` at row 1",
                "Incorrect integer value: …' for column `d`.`t`.`c` at row 1",
            ),
            (1292, "Truncated incorrect DOUBLE value: 'secret'", "Truncated incorrect DOUBLE value: …"),
            (
                1264,
                "Out of range value for column 'c' at row 1",
                "Out of range value for column 'c' at row 1",
            ),
            (1406, "Data too long for column 'c' at row 1", "Data too long for column 'c' at row 1"),
        ] {
            let expected = expected.replace("…'", "…");
            assert_eq!(without_values(number, message), expected);
        }
    }
}
