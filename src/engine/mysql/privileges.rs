//! Rights on routines and packages by name. The server takes them away with the routine that is dropped
//! (<https://mariadb.com/kb/en/drop-function/>), so what gives way has them written down, and what comes in its place or comes
//! back gets them again. `CREATE OR REPLACE` of MariaDB leaves them alone.

use sqlx::MySqlConnection;

use super::connection::{Role, reset, rows, run};
use super::fault;
use super::place::qualified;
use super::programs::{CALLED, NOBODY, account, is_replaced};
use super::types::{literal, quote};
use crate::model::change::{Change, Moved};
use crate::model::error::{ErrorKind, Result};

/// Errors that say that there is no such account: `ER_PASSWORD_NO_MATCH` (MariaDB), `ER_CANT_CREATE_USER_WITH_GRANT` (MySQL).
const NO_SUCH_ACCOUNT: [u16; 2] = [1133, 1410];

/// Notes with every program that a change drops the rights on it, and with those that come in its place. What this account may
/// not see or not give is told by the change.
pub async fn note(
    session: &mut MySqlConnection,
    mariadb: bool,
    target: &str,
    change: &mut Change,
) -> Result<()> {
    let mut hidden = Vec::new();
    for program in change.kept.iter_mut().filter(|moved| moved.is_program() && CALLED.contains(&moved.kind)) {
        if is_replaced(mariadb, &change.shown, program) {
            continue;
        }
        let Some(rights) = on(session, target, program).await? else {
            hidden.push(format!("{} \"{}\"", program.kind.word(), program.name));
            continue;
        };
        if let Some(heir) = change.shown.iter_mut().find(|moved| moved.is_like(program)) {
            heir.rights.clone_from(&rights);
        }
        program.rights = rights;
    }
    if !hidden.is_empty() {
        change.by_hand.push(format!(
            "rights that were granted by name on these are gone with them, and this account may not see which (SELECT on \
             mysql.procs_priv): {}",
            hidden.join(", ")
        ));
    }
    if change.shown.iter().any(|moved| !moved.rights.is_empty()) && !may_grant(session).await? {
        let rights: Vec<String> =
            change.shown.iter_mut().flat_map(|moved| std::mem::take(&mut moved.rights)).collect();
        change.by_hand.push(format!(
            "rights on routines that this account may not give again (GRANT OPTION); have an administrator run: {}",
            rights.join("; ")
        ));
    }
    Ok(())
}

/// The statements that give the rights on a program again; `None` if this account may not see them.
async fn on(session: &mut MySqlConnection, target: &str, program: &Moved) -> Result<Option<Vec<String>>> {
    let kind = program.kind.word().to_uppercase();
    let list = format!(
        "SELECT user, host, proc_priv FROM mysql.procs_priv WHERE db = DATABASE() AND routine_name = {} AND \
         routine_type = {} ORDER BY 1, 2",
        literal(&program.name),
        literal(&kind)
    );
    let granted = match rows(session, "the rights on routines", &list).await {
        Ok(granted) => granted,
        Err(error) if error.kind() == ErrorKind::Lost => return Err(error),
        Err(_) => return Ok(None),
    };
    let place = format!("{kind} {}", qualified(target, &program.name));
    let rights = granted
        .iter()
        .map(|row| grant(&row.word(2), &place, &account(&format!("{}@{}", row.word(0), row.word(1)))));
    Ok(Some(rights.collect()))
}

/// GRANT of what the list of accounts says: `Execute,Alter Routine,Grant`.
fn grant(privileges: &str, place: &str, account: &str) -> String {
    let (option, rights): (Vec<&str>, Vec<&str>) = privileges.split(',').partition(|right| *right == "Grant");
    let rights = rights.join(", ").to_uppercase();
    let rights = if rights.is_empty() { "USAGE" } else { &rights };
    let option = if option.is_empty() { "" } else { " WITH GRANT OPTION" };
    format!("GRANT {rights} ON {place} TO {account}{option}")
}

/// Whether the account may grant rights on any routine of the session's database. The server says so before it looks whether
/// there is such a routine, and there is none.
async fn may_grant(session: &mut MySqlConnection) -> Result<bool> {
    let sql = format!("GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE {} TO CURRENT_USER()", quote(NOBODY));
    let Err(error) = run(session, &sql).await else { return Ok(true) };
    let failed = fault::writing("trying the right to grant", &error);
    match failed.kind() {
        ErrorKind::Lost => Err(failed),
        ErrorKind::Permission | ErrorKind::Login => Ok(false),
        _ => Ok(true),
    }
}

/// Gives the rights on a program that was made. An account that is no more has none.
pub async fn give(session: &mut MySqlConnection, program: &Moved) -> Result<()> {
    if program.rights.is_empty() {
        return Ok(());
    }
    let failed = |e: &sqlx::Error, sql: &str| {
        let what = format!("giving the rights on {} \"{}\" again", program.kind.word(), program.name);
        fault::writing(&what, e).next(format!("run yourself: {sql}"))
    };
    // Else MariaDB makes the account that it does not find.
    let careful = "SET SESSION sql_mode=CONCAT(@@sql_mode /*M!100101 , ',NO_AUTO_CREATE_USER' */)";
    run(session, careful).await.map_err(|e| failed(&e, careful))?;
    for sql in &program.rights {
        match run(session, sql).await {
            Err(e) if fault::number(&e).is_some_and(|n| NO_SUCH_ACCOUNT.contains(&n)) => {}
            done => done.map_err(|e| failed(&e, sql))?,
        }
    }
    reset(session, Role::Loader).await.map_err(|e| fault::writing("the settings of a session", &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_said_as_they_are_granted() {
        for (told, expected) in [
            ("Execute", "GRANT EXECUTE ON FUNCTION f TO u"),
            (
                "Execute,Alter Routine,Grant",
                "GRANT EXECUTE, ALTER ROUTINE ON FUNCTION f TO u WITH GRANT OPTION",
            ),
            ("Grant", "GRANT USAGE ON FUNCTION f TO u WITH GRANT OPTION"),
        ] {
            assert_eq!(grant(told, "FUNCTION f", "u"), expected);
        }
    }
}
