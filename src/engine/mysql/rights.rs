//! What this user may see. The catalogue of MySQL and MariaDB leaves out tables that a user has no right on, so a
//! database that is read with too few rights looks smaller than it is, and nothing else would tell.

use sqlx::MySqlConnection;

use super::connection::run;
use super::fault;
use super::types::{literal, quote};
use crate::engine::capability::MissingRight;
use crate::model::error::{Error, ErrorKind, Result};

/// `ER_NO_SUCH_TABLE`.
const NO_SUCH_TABLE: u16 = 1146;

/// Whether the user may read every table of the session's database, also those that are not there yet: the server
/// says of a table that nobody has that it does not exist only to somebody who might read it. Roles, wildcards in
/// grants and partial revokes are then the server's own business.
pub async fn sees_every_table(connection: &mut MySqlConnection) -> Result<bool> {
    let probe = format!("SELECT 1 FROM {}", quote("techcare-db: no such table"));
    match run(connection, &probe).await {
        Ok(()) => Ok(true),
        Err(error) => match fault::number(&error) {
            Some(number) => Ok(number == NO_SUCH_TABLE),
            None => Err(fault::reading("the rights of the user", &error)),
        },
    }
}

/// Refuses to read a database of which tables may be hidden.
pub async fn refuse_hidden_tables(
    connection: &mut MySqlConnection,
    user: &str,
    database: &str,
) -> Result<()> {
    if sees_every_table(connection).await? {
        return Ok(());
    }
    let missing = to_see_every_table(user, database);
    Err(Error::new(ErrorKind::Permission, missing.what)
        .why("the server does not even name tables that a user has no right on, so some may be missing")
        .next(format!("have an administrator run: {}", missing.fix)))
}

/// The right that shows every table, view and trigger.
pub fn to_see_every_table(user: &str, database: &str) -> MissingRight {
    MissingRight {
        what: format!("user \"{user}\" may not read every table of database \"{database}\""),
        fix: format!("GRANT SELECT, SHOW VIEW, TRIGGER ON {}.* TO {}", quote(database), literal(user)),
    }
}
