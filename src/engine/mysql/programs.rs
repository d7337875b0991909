//! Stored programs: routines, packages, triggers and events. No statement moves them, so those that give way are dropped and those
//! that come are made, from their text and under the settings that the server keeps with it. This follows the switch, and
//! can be done again by whoever finds it half done.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::MySqlConnection;

use super::connection::{Role, number, reset, rows, run};
use super::place::qualified;
use super::types::{literal, quote};
use super::{fault, privileges};
use crate::model::change::{Aside, Change, Kind, Moved, Settings};
use crate::model::error::{Error, ErrorKind, Result};

/// A name that no program has, in statements that try a right.
pub const NOBODY: &str = "techcare_db_nobody";

/// A stored program as the server tells of it.
#[derive(Debug, Clone)]
pub struct Program {
    /// Function, procedure, package, its body, trigger or event.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The statement that makes it in the session's database.
    pub sql: String,
    /// Under what.
    pub settings: Settings,
}

impl Program {
    /// Whether both are one. MySQL keeps a semicolon at the end that a client has sent along, and dumps of it do not.
    fn is(&self, other: &Self) -> bool {
        fn bare(sql: &str) -> &str {
            sql.trim_end().trim_end_matches(';')
        }
        (self.kind, &self.name, bare(&self.sql), &self.settings)
            == (other.kind, &other.name, bare(&other.sql), &other.settings)
    }

    /// As a part of a change.
    pub fn moved(self, aside: Aside) -> Moved {
        Moved {
            definition: Some(self.sql),
            settings: Some(self.settings),
            ..Moved::new(self.kind, self.name, aside)
        }
    }
}

/// The query that lists routines of a type.
macro_rules! routines {
    ($type:literal) => {
        concat!(
            "SELECT routine_name, definer FROM information_schema.routines WHERE routine_schema = DATABASE() AND \
             routine_type = '",
            $type,
            "' ORDER BY 1"
        )
    };
}

/// Kinds of programs in the order in which they are made, with the queries that list names and definers in the session's
/// database, and the columns of SHOW CREATE in which text and time zone stand. Triggers of one moment run in the order in which they
/// were made, and a body needs its package; MySQL has none (<https://mariadb.com/kb/en/create-package-body/>).
const KINDS: [(Kind, &str, usize, Option<usize>); 6] = [
    (Kind::Function, routines!("FUNCTION"), 2, None),
    (Kind::Procedure, routines!("PROCEDURE"), 2, None),
    (Kind::Package, routines!("PACKAGE"), 2, None),
    (Kind::PackageBody, routines!("PACKAGE BODY"), 2, None),
    (
        Kind::Trigger,
        "SELECT trigger_name, definer FROM information_schema.triggers WHERE event_object_schema = DATABASE() ORDER BY \
         event_object_table, action_timing, event_manipulation, action_order",
        2,
        None,
    ),
    (
        Kind::Event,
        "SELECT event_name, definer FROM information_schema.events WHERE event_schema = DATABASE() ORDER BY 1",
        3,
        Some(2),
    ),
];

/// Kinds that views may call, and that triggers and events call.
pub const CALLED: [Kind; 4] = [Kind::Function, Kind::Procedure, Kind::Package, Kind::PackageBody];

/// All programs of the session's database, each kind in the order in which it is made.
pub async fn all(session: &mut MySqlConnection) -> Result<Vec<Program>> {
    let failed = |e: sqlx::Error| fault::reading("the stored programs", &e);
    // A text comes in the character set that it was written in, as it has to be sent again.
    run(session, "SET SESSION character_set_results=NULL").await.map_err(failed)?;
    let mut programs = Vec::new();
    for (kind, list, text, zone) in KINDS {
        for row in rows(session, &format!("the list of {}s", kind.word()), list).await? {
            programs.push(shown(session, kind, (row.word(0), row.word(1)), text, zone).await?);
        }
    }
    run(session, "SET SESSION character_set_results=utf8mb4").await.map_err(failed)?;
    Ok(programs)
}

async fn shown(
    session: &mut MySqlConnection,
    kind: Kind,
    (name, definer): (String, String),
    text: usize,
    zone: Option<usize>,
) -> Result<Program> {
    let what = format!("{} \"{name}\"", kind.word());
    let show = format!("SHOW CREATE {} {}", kind.word(), quote(&name));
    let shown = rows(session, &what, &show).await?;
    let unread = || {
        Error::new(ErrorKind::Permission, format!("the text of {what} may not be read")).next(
            "nothing was changed: run this as its definer, or as an account that may read every routine",
        )
    };
    let row = shown.first().ok_or_else(unread)?;
    let bytes = row.bytes(text).ok_or_else(unread)?;
    let sql = std::str::from_utf8(bytes).map_err(|_| {
        Error::new(ErrorKind::Refused, format!("the text of {what} is in a character set other than UTF-8"))
            .why(format!("it was made by a client that wrote {}", row.word(text + 1)))
            .next("nothing was changed: make it again by a client that writes utf8mb4, then run the same command again")
    })?;
    Ok(Program {
        kind,
        name,
        sql: sql.to_owned(),
        settings: Settings {
            definer,
            sql_mode: row.word(1),
            character_set_client: row.word(text + 1),
            collation_connection: row.word(text + 2),
            database_collation: row.word(text + 3),
            time_zone: zone.and_then(|at| row.text(at)),
        },
    })
}

/// Which programs go where these are and those come, and which come. Routines and events that would come back as they are
/// stay, and so do the rights on them. A trigger goes with its table, and the body of a package with the package, which
/// takes it along when it is dropped (<https://mariadb.com/kb/en/drop-package/>).
pub fn differing(there: &[Program], comes: &[Program]) -> (Vec<Program>, Vec<Program>) {
    let in_both = |program: &Program| {
        there.iter().any(|other| other.is(program)) && comes.iter().any(|other| other.is(program))
    };
    let stays = |program: &Program| {
        let package = |other: &&Program| other.kind == Kind::Package && other.name == program.name;
        in_both(program)
            && program.kind != Kind::Trigger
            && (program.kind != Kind::PackageBody || there.iter().find(package).is_some_and(in_both))
    };
    let (_, coming) = comes.iter().cloned().partition(stays);
    let (_, going): (Vec<_>, _) = there.iter().cloned().partition(stays);
    (going, coming)
}

/// Default collation of a database.
pub async fn collation(session: &mut MySqlConnection, database: &str) -> Result<String> {
    let sql = format!(
        "SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = {}",
        literal(database)
    );
    let found = rows(session, "the collation of the database", &sql).await?;
    Ok(found.first().map(|row| row.word(0)).unwrap_or_default())
}

/// Statement that gives a database a default collation.
pub fn collate(database: &str, collation: &str) -> String {
    format!("ALTER DATABASE {} COLLATE {}", quote(database), literal(collation))
}

/// Refuses if the account may not drop and make the programs of a change in the session's database. The statements fail
/// whatever its rights are, and how tells.
pub async fn try_rights(session: &mut MySqlConnection, change: &Change) -> Result<()> {
    let nobody = quote(NOBODY);
    let programs = || change.kept.iter().chain(&change.shown).filter(|moved| moved.is_program());
    let needs = |kinds: &[Kind]| programs().any(|moved| kinds.contains(&moved.kind));
    // Its comment is longer than any may be.
    let create = |definer: &str| {
        format!("CREATE {definer} PROCEDURE {nobody}() COMMENT {} SELECT 1", literal(&"x".repeat(1 << 16)))
    };
    let mut tries = Vec::new();
    if needs(&CALLED) {
        tries.push(create(""));
        tries.push(format!("DROP PROCEDURE IF EXISTS {nobody}"));
    }
    if needs(&[Kind::Trigger]) {
        tries.push(format!("CREATE TRIGGER {nobody} BEFORE INSERT ON {nobody} FOR EACH ROW SET @a = 1"));
    }
    if needs(&[Kind::Event]) {
        tries.push(format!("DROP EVENT IF EXISTS {nobody}"));
    }
    let settings = || programs().filter_map(|moved| moved.settings.as_ref());
    if settings().any(|settings| settings.database_collation != change.collation) {
        tries.push(format!("ALTER DATABASE COLLATE {}", literal(&change.collation)));
    }
    for sql in tries {
        let Err(error) = run(session, &sql).await else { continue };
        let failed =
            fault::writing("trying the right to make routines, packages, triggers and events", &error);
        match failed.kind() {
            ErrorKind::Permission | ErrorKind::Login => return Err(failed.with_kind(ErrorKind::Permission)),
            ErrorKind::Lost | ErrorKind::Busy => return Err(failed),
            _ => {}
        }
    }
    // What gives way has to be dropped now, and made again on the way back. MySQL asks for the same right both times.
    let definers: BTreeSet<&str> = settings().map(|settings| settings.definer.as_str()).collect();
    for definer in definers {
        let Err(error) = run(session, &create(&format!("DEFINER={}", account(definer)))).await else {
            continue;
        };
        let what = format!(
            "routines, packages, triggers and events of the definer {definer} may not be dropped and made"
        );
        match fault::writing("trying a definer", &error).kind() {
            ErrorKind::Permission => {
                return Err(Error::new(ErrorKind::Refused, what)
                    .why(fault::words(&error))
                    .next("nothing was changed: run this as an account that has what the server names"));
            }
            ErrorKind::Lost => return Err(fault::writing("trying a definer", &error)),
            _ => {}
        }
    }
    Ok(())
}

/// Which programs run as an account that the server does not have, a sentence for each such account. Nothing where the list
/// of accounts may not be read.
pub async fn without_account(session: &mut MySqlConnection, programs: &[Program]) -> Result<Vec<String>> {
    let mut of_definer = BTreeMap::<&str, Vec<String>>::new();
    for program in programs {
        let name = format!("{} \"{}\"", program.kind.word(), program.name);
        of_definer.entry(&program.settings.definer).or_default().push(name);
    }
    let mut told = Vec::new();
    for (definer, names) in of_definer {
        let (user, host) = parts(definer);
        let sql = format!(
            "SELECT COUNT(*) FROM mysql.user WHERE user = {} AND host = {}",
            literal(user),
            literal(host.unwrap_or_default())
        );
        match number(session, "the list of accounts", &sql).await {
            Ok(0) => told.push(format!(
                "{definer} is no account of this server: until it is made, what has it as its definer cannot run: {}",
                names.join(", ")
            )),
            Err(error) if error.kind() == ErrorKind::Lost => return Err(error),
            _ => {}
        }
    }
    Ok(told)
}

/// User and host of an account in the words of the catalogue; roles have no host.
fn parts(definer: &str) -> (&str, Option<&str>) {
    match definer.rsplit_once('@') {
        Some((user, host)) => (user, Some(host).filter(|host| !host.is_empty())),
        None => (definer, None),
    }
}

/// An account in the words of the catalogue, quoted.
pub fn account(definer: &str) -> String {
    match parts(definer) {
        (user, Some(host)) => format!("{}@{}", quote(user), quote(host)),
        (role, None) => quote(role),
    }
}

/// Whether MariaDB puts another program in the place of this one by a single statement, with which the rights on it stay
/// (<https://mariadb.com/kb/en/create-function/>). MySQL has none.
pub fn is_replaced(mariadb: bool, others: &[Moved], program: &Moved) -> bool {
    mariadb && CALLED.contains(&program.kind) && others.iter().any(|other| other.is_like(program))
}

/// Drops those programs of a change that give way and are not replaced, and triggers that have come before a run was cut short:
/// those of one moment run in the order in which they are made, so all of them are made in one go.
pub async fn drop_kept(
    session: &mut MySqlConnection,
    mariadb: bool,
    target: &str,
    change: &Change,
) -> Result<()> {
    let goes = |moved: &&Moved| moved.is_program() && !is_replaced(mariadb, &change.shown, moved);
    let kept = change.kept.iter().filter(goes);
    let come = change.shown.iter().filter(|moved| moved.kind == Kind::Trigger);
    for program in kept.chain(come) {
        let (word, name) = (program.kind.word(), qualified(target, &program.name));
        let failed = |e: sqlx::Error| fault::writing(&format!("removing {word} {name}"), &e);
        let drop = format!("DROP {word} IF EXISTS {name}");
        if matches!(program.kind, Kind::Package | Kind::PackageBody) {
            // Only under this mode does the server know the statement (<https://mariadb.com/kb/en/drop-package/>).
            run(session, "SET SESSION sql_mode='ORACLE'").await.map_err(failed)?;
            run(session, &drop).await.map_err(failed)?;
            reset(session, Role::Loader).await.map_err(failed)?;
        } else {
            run(session, &drop).await.map_err(failed)?;
        }
    }
    Ok(())
}

/// Makes those programs of a change that come and are of these kinds, unless they are there, and gives the rights on them. The
/// session's database is the target.
pub async fn make_shown(
    session: &mut MySqlConnection,
    mariadb: bool,
    target: &str,
    change: &Change,
    kinds: &[Kind],
) -> Result<()> {
    for program in change.shown.iter().filter(|moved| kinds.contains(&moved.kind)) {
        let (Some(sql), Some(settings)) = (&program.definition, &program.settings) else { continue };
        let elsewhere = settings.database_collation != change.collation;
        // Which of the two is there now does not show in its name.
        let replaces = is_replaced(mariadb, &change.kept, program);
        let made = if !replaces && is_there(session, program).await? {
            Ok(())
        } else {
            if elsewhere {
                collated(session, target, &settings.database_collation).await?;
            }
            let sql = if replaces { sql.replacen("CREATE ", "CREATE OR REPLACE ", 1) } else { sql.clone() };
            make(session, &program.name, program.kind, &sql, settings).await
        };
        // Also where it is there: whoever made it may have been killed before this.
        let back = if elsewhere { collated(session, target, &change.collation).await } else { Ok(()) };
        made.and(back)?;
        privileges::give(session, program).await?;
    }
    Ok(())
}

async fn collated(session: &mut MySqlConnection, target: &str, collation: &str) -> Result<()> {
    let sql = collate(target, collation);
    run(session, &sql)
        .await
        .map_err(|e| fault::writing("changing the collation of the database", &e).next(sql))
}

async fn is_there(session: &mut MySqlConnection, program: &Moved) -> Result<bool> {
    let name = literal(&program.name);
    let sql = match program.kind {
        Kind::Trigger => format!(
            "SELECT COUNT(*) FROM information_schema.triggers WHERE event_object_schema = DATABASE() AND trigger_name = {name}"
        ),
        Kind::Event => format!(
            "SELECT COUNT(*) FROM information_schema.events WHERE event_schema = DATABASE() AND event_name = {name}"
        ),
        kind => format!(
            "SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = DATABASE() AND routine_name = {name} \
             AND routine_type = {}",
            literal(&kind.word().to_uppercase())
        ),
    };
    Ok(number(session, "the stored programs", &sql).await? > 0)
}

async fn make(
    session: &mut MySqlConnection,
    name: &str,
    kind: Kind,
    sql: &str,
    settings: &Settings,
) -> Result<()> {
    let zone =
        settings.time_zone.as_ref().map_or_else(String::new, |zone| format!(", time_zone={}", literal(zone)));
    let set = format!(
        "SET SESSION sql_mode={}, character_set_client={}, collation_connection={}{zone}",
        literal(&settings.sql_mode),
        literal(&settings.character_set_client),
        literal(&settings.collation_connection)
    );
    let failed = |e: &sqlx::Error| {
        let what = format!("the tables are in place, but making {} \"{name}\"", kind.word());
        fault::writing(&what, e).next(format!("run yourself: {set}; {sql}"))
    };
    run(session, &set).await.map_err(|e| failed(&e))?;
    let made = run(session, sql).await.map_err(|e| failed(&e));
    // The session that the error came from may be gone; then so are its settings.
    made.and(reset(session, Role::Loader).await.map_err(|e| fault::writing("the settings of a session", &e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definers_are_quoted() {
        for (definer, expected) in [
            ("root@127.0.0.1", "`root`@`127.0.0.1`"),
            ("a@b@%", "`a@b`@`%`"),
            ("role", "`role`"),
            ("role@", "`role`"),
            ("a`b@h", "`a``b`@`h`"),
        ] {
            assert_eq!(account(definer), expected);
        }
    }

    #[test]
    fn what_comes_back_as_it_is_stays() {
        let program = |kind, name: &str, sql: &str| Program {
            kind,
            name: name.into(),
            sql: sql.into(),
            settings: Settings {
                definer: "u@h".into(),
                sql_mode: String::new(),
                character_set_client: "utf8mb4".into(),
                collation_connection: "utf8mb4_bin".into(),
                database_collation: "utf8mb4_bin".into(),
                time_zone: None,
            },
        };
        let mut other = program(Kind::Function, "mode", "2");
        other.settings.sql_mode = "ANSI_QUOTES".into();
        let there = vec![
            program(Kind::Function, "same", "1;"),
            program(Kind::Function, "text", "1"),
            program(Kind::Function, "mode", "2"),
            program(Kind::Trigger, "trigger", "3"),
            program(Kind::Event, "later", "4"),
        ];
        let comes = [
            program(Kind::Function, "same", "1"),
            program(Kind::Procedure, "same", "1"),
            program(Kind::Function, "text", "2"),
            other,
            program(Kind::Trigger, "trigger", "3"),
        ];
        let names = |programs: Vec<Program>| -> Vec<String> {
            programs.into_iter().map(|p| format!("{} {}", p.kind.word(), p.name)).collect()
        };
        let (going, coming) = differing(&there, &comes);
        assert_eq!(names(going), ["function text", "function mode", "trigger trigger", "event later"]);
        assert_eq!(names(coming), ["procedure same", "function text", "function mode", "trigger trigger"]);
    }
}
