//! What this user may see. The catalogue of MySQL and MariaDB leaves out tables that a user has no right on, so a
//! database that is read with too few rights looks smaller than it is, and nothing else would tell.

use sqlx::MySqlConnection;

use super::connection::{rows, run};
use super::fault;
use super::types::{literal, quote};
use crate::engine::capability::MissingRight;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::schema::{Object, ObjectKind};

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

/// Kinds of objects that the catalogue shows only to who has a right to them, with the rights of which any does: on the
/// database, and on the whole server. <https://dev.mysql.com/doc/refman/en/information-schema-routines-table.html>
const SHOWN_TO: [(&str, &[&str], &[&str]); 3] = [
    ("triggers", &["TRIGGER"], &[]),
    ("events", &["EVENT"], &[]),
    (
        "routines",
        &["EXECUTE", "ALTER ROUTINE", "CREATE ROUTINE", "SHOW CREATE ROUTINE"],
        &["SELECT", "SHOW_ROUTINE"],
    ),
];

/// That there may be triggers, events and routines which the user cannot see, if so: in the place of those.
pub async fn unseen(connection: &mut MySqlConnection) -> Result<Option<Object>> {
    // A server without accounts (--skip-grant-tables) tells of no rights and hides nothing.
    let Some(granted) = granted(connection).await? else { return Ok(None) };
    let has = |right: &str, server: bool| {
        granted.iter().any(|g| (!server || g.server) && (g.rights == "ALL PRIVILEGES" || g.has(right)))
    };
    let hidden: Vec<(&str, &str)> = SHOWN_TO
        .iter()
        .filter(|(_, database, server)| {
            !database.iter().any(|right| has(right, false)) && !server.iter().any(|right| has(right, true))
        })
        .map(|(kind, database, _)| (*kind, database[0]))
        .collect();
    if hidden.is_empty() {
        return Ok(None);
    }
    let kinds: Vec<&str> = hidden.iter().map(|(kind, _)| *kind).collect();
    let rights: Vec<&str> = hidden.iter().map(|(_, right)| *right).collect();
    let name = format!("{} that this user may not see", kinds.join(", "));
    let why = format!(
        "the server names them only to who has a right to them ({} on the database)",
        rights.join(", ")
    );
    Ok(Some(Object::new(ObjectKind::Other, name, why)))
}

/// Rights that cover the session's database.
struct Granted {
    /// Words with commas between them.
    rights: String,
    /// Whether they are those on every database.
    server: bool,
}

impl Granted {
    fn has(&self, right: &str) -> bool {
        self.rights.split(", ").any(|one| one == right)
    }
}

/// What the user and its active roles were granted on the session's database; `None` if the server does not tell. The name of
/// the database may be a pattern in a grant.
async fn granted(connection: &mut MySqlConnection) -> Result<Option<Vec<Granted>>> {
    const WHAT: &str = "the rights of the user";
    let mut lines = match rows(connection, WHAT, "SHOW GRANTS").await {
        Ok(lines) => lines,
        Err(error) if error.kind() == ErrorKind::Lost => return Err(error),
        Err(_) => return Ok(None),
    };
    let role = rows(connection, WHAT, "SELECT CURRENT_ROLE()").await;
    // MariaDB tells those of roles among the user's own.
    if let Some(roles) =
        role.ok().and_then(|row| row.first().and_then(|row| row.text(0))).filter(|r| r.contains('@'))
    {
        lines.extend(rows(connection, WHAT, &format!("SHOW GRANTS FOR CURRENT_USER() USING {roles}")).await?);
    }
    let mut out = Vec::new();
    for line in &lines {
        let Some((rights, scope)) = scope(&line.word(0)) else { continue };
        let covers = match &scope {
            None => true,
            Some(pattern) => {
                let sql = format!("SELECT DATABASE() LIKE {}", literal(pattern));
                rows(connection, WHAT, &sql).await?.first().and_then(|row| row.number::<u8>(0)) == Some(1)
            }
        };
        if covers {
            out.push(Granted { rights, server: scope.is_none() });
        }
    }
    Ok(Some(out))
}

/// Rights and pattern of the database of a line of SHOW GRANTS that is about a whole database, or no pattern where it is
/// about every one.
fn scope(line: &str) -> Option<(String, Option<String>)> {
    let (rights, rest) = line.strip_prefix("GRANT ")?.split_once(" ON ")?;
    if rest.starts_with("*.* ") {
        return Some((rights.to_owned(), None));
    }
    let (name, _) = rest.strip_prefix('`')?.split_once("`.* ")?;
    Some((rights.to_owned(), Some(name.replace("``", "`"))))
}

#[cfg(test)]
mod tests {
    use super::scope;

    #[test]
    fn lines_about_databases_are_read() {
        let of =
            |line| scope(line).map(|(rights, pattern)| (rights, pattern.unwrap_or_else(|| "every".into())));
        let told = |rights: &str, pattern: &str| Some((rights.to_owned(), pattern.to_owned()));
        assert_eq!(of("GRANT SELECT, EVENT ON *.* TO `a`@`%`"), told("SELECT, EVENT", "every"));
        assert_eq!(
            of("GRANT ALL PRIVILEGES ON `d\\_1`.* TO `a`@`%` WITH GRANT OPTION"),
            told("ALL PRIVILEGES", "d\\_1")
        );
        assert_eq!(of("GRANT TRIGGER ON `a``b`.* TO `a`@`%`"), told("TRIGGER", "a`b"));
        for other in [
            "GRANT SELECT ON `d`.`t` TO `a`@`%`",
            "GRANT SELECT (`a`) ON `d`.`t` TO `a`@`%`",
            "GRANT `role`@`%` TO `a`@`%`",
            "GRANT PROXY ON ''@'' TO 'root'@'localhost' WITH GRANT OPTION",
            "REVOKE SELECT ON `d`.* FROM `a`@`%`",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
