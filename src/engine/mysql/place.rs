//! Where a run builds before anybody sees it: a database of its own or, without the right to make one, tables with
//! a reserved prefix in the target. Names and rights.

use sqlx::MySqlConnection;

use super::connection::{Link, number, rows, run};
use super::fault;
use super::types::{literal, quote};
use crate::engine::capability::Naming;
use crate::model::change::Aside;
use crate::model::error::{Error, ErrorKind, Result};

/// What every name of ours begins with.
pub const OURS: &str = "techcare_db_";

/// Table that says which run a place belongs to, and that shows by moving that the switch happened.
pub const MARKER: &str = "techcare_db_marker";

/// Longest name of a table or a constraint, in characters.
pub const MAX_NAME: usize = 64;

/// A place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Run, as a part of names.
    pub run: String,
    /// Database of the target.
    pub target: String,
    /// Staging database; the target itself where tables have a prefix instead.
    pub database: String,
    /// How tables are called there.
    pub naming: Naming,
}

impl Place {
    /// A database of its own.
    pub fn database(run: &str, target: &str) -> Self {
        let run = word(run);
        Self {
            database: format!("{OURS}stage_{run}"),
            naming: Naming { outside: Some(target.to_owned()), ..Naming::default() },
            target: target.to_owned(),
            run,
        }
    }

    /// Tables with a prefix in the target.
    pub fn prefix(run: &str, target: &str) -> Self {
        let run = word(run);
        let naming = Naming { prefix: format!("{OURS}{}_", short(&run)), outside: Some(target.to_owned()) };
        Self { database: target.to_owned(), naming, target: target.to_owned(), run }
    }

    /// Whether it is a database of its own.
    pub fn is_database(&self) -> bool {
        self.database != self.target
    }

    /// Lock that a live run holds.
    pub fn lock(&self) -> String {
        lock(&self.run)
    }

    /// Where a table of the target goes that gives way, the `at`-th of them.
    pub fn kept(&self, at: usize, table: &str) -> Aside {
        if self.is_database() {
            Aside { place: kept_database(&self.run), name: table.to_owned() }
        } else {
            // A number, because the name itself may be as long as names can be.
            Aside { place: self.target.clone(), name: format!("{OURS}kept_{}_{at}", short(&self.run)) }
        }
    }

    /// Where a table goes that was visible for a moment and had to be taken back. By its name it cannot be taken for one
    /// that gave way: that such a table is there says that the switch has happened.
    pub fn withdrawn(&self, at: usize, table: &str) -> Aside {
        if self.is_database() {
            let name = format!("withdrawn_{at}_{table}").chars().take(MAX_NAME).collect();
            Aside { place: kept_database(&self.run), name }
        } else {
            self.kept(at, table)
        }
    }

    /// Where a staged table stands.
    pub fn aside(&self, table: &str) -> Aside {
        Aside { place: self.database.clone(), name: self.naming.table(table) }
    }

    /// A staged table, with its database.
    pub fn staged(&self, table: &str) -> String {
        qualified(&self.database, &self.naming.table(table))
    }

    /// The same table once it is visible.
    pub fn visible(&self, table: &str) -> String {
        qualified(&self.target, table)
    }

    /// The marker while it is staged.
    pub fn marker(&self) -> String {
        self.staged(MARKER)
    }

    /// The same as a place and a name.
    pub fn marker_aside(&self) -> Aside {
        self.aside(MARKER)
    }

    /// Where a marker waits for a switch that has nothing staged: among what will be kept.
    pub fn marker_among_kept(&self) -> Aside {
        if self.is_database() {
            Aside { place: kept_database(&self.run), name: self.switched_marker() }
        } else {
            self.marker_aside()
        }
    }

    /// Name of the marker once the switch has happened, in the target.
    pub fn switched_marker(&self) -> String {
        format!("{OURS}switch_{}", short(&self.run))
    }

    /// Makes the place and tries out every right that the switch will need. `Permission` if one is missing; then
    /// nothing is left.
    pub async fn make(&self, connection: &mut MySqlConnection) -> Result<()> {
        if self.is_database() {
            self.step(
                connection,
                &format!("CREATE DATABASE {} CHARACTER SET utf8mb4", quote(&self.database)),
            )
            .await?;
        }
        let tried = self.try_rights(connection).await;
        if tried.is_err() {
            self.remove(connection).await?;
        }
        tried
    }

    async fn try_rights(&self, connection: &mut MySqlConnection) -> Result<()> {
        let (here, there) = (self.marker(), self.visible(&self.switched_marker()));
        for sql in [
            format!(
                "CREATE TABLE {here} (run VARCHAR(64) NOT NULL, target VARCHAR(64) NOT NULL) ENGINE=InnoDB"
            ),
            format!("INSERT INTO {here} VALUES ({}, {})", literal(&self.run), literal(&self.target)),
            // The switch is a rename into the target, so a rename there and back shows that it may be done.
            format!("RENAME TABLE {here} TO {there}"),
            format!("RENAME TABLE {there} TO {here}"),
        ] {
            self.step(connection, &sql).await?;
        }
        Ok(())
    }

    async fn step(&self, connection: &mut MySqlConnection, sql: &str) -> Result<()> {
        let Err(error) = run(connection, sql).await else { return Ok(()) };
        let failed = fault::writing("making a place to build in", &error);
        Err(match failed.kind() {
            ErrorKind::Permission | ErrorKind::Login => failed.with_kind(ErrorKind::Permission),
            _ => failed,
        })
    }

    /// Removes every trace of it that is neither visible in the target nor kept.
    pub async fn remove(&self, connection: &mut MySqlConnection) -> Result<()> {
        let failed = |e: &sqlx::Error| fault::writing("removing what had been staged", e);
        if self.is_database() {
            let sql = format!("DROP DATABASE IF EXISTS {}", quote(&self.database));
            return run(connection, &sql).await.map_err(|e| failed(&e));
        }
        let sql = format!(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = {} AND table_name LIKE {}",
            literal(&self.target),
            literal(&format!("{}%", self.naming.prefix.replace('_', "\\_")))
        );
        run(connection, "SET SESSION foreign_key_checks=0").await.map_err(|e| failed(&e))?;
        for row in rows(connection, "the list of tables", &sql).await? {
            let sql = format!("DROP TABLE IF EXISTS {}", qualified(&self.target, &row.word(0)));
            run(connection, &sql).await.map_err(|e| failed(&e))?;
        }
        Ok(())
    }
}

/// Takes the lock of a live run for as long as the connection lives.
pub async fn hold_lock(connection: &mut MySqlConnection, place: &Place) -> Result<()> {
    let sql = format!("SELECT GET_LOCK({}, 0)", literal(&place.lock()));
    if number(connection, "the lock of this run", &sql).await? == 1 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Busy, "another process holds the lock of this run")
        .next("wait until it is done, or start a new run"))
}

/// What to grant so that staging works, for the account that is logged in.
pub async fn grant(connection: &mut MySqlConnection, link: &Link) -> String {
    let account = rows(connection, "the account", "SELECT CURRENT_USER()").await;
    let account =
        account.ok().and_then(|r| r.first().map(|r| r.word(0))).unwrap_or_else(|| link.user().to_owned());
    let account = match account.rsplit_once('@') {
        Some((user, host)) => format!("{}@{}", literal(user), literal(host)),
        None => literal(&account),
    };
    format!(
        "have an administrator run: GRANT ALL PRIVILEGES ON {}.* TO {account}; GRANT ALL PRIVILEGES ON \
         `techcare\\_db\\_%`.* TO {account}",
        quote(link.database())
    )
}

/// Database in which a run keeps what gave way.
pub fn kept_database(run: &str) -> String {
    format!("{OURS}kept_{}", word(run))
}

/// The statements that make a database in which a run keeps something, and a table in it that says so.
pub fn make_kept(database: &str, run: &str, target: &str) -> [String; 3] {
    let marker = qualified(database, MARKER);
    [
        format!("CREATE DATABASE IF NOT EXISTS {} CHARACTER SET utf8mb4", quote(database)),
        format!(
            "CREATE TABLE IF NOT EXISTS {marker} (run VARCHAR(64) NOT NULL, target VARCHAR(64) NOT NULL) ENGINE=InnoDB"
        ),
        format!("INSERT INTO {marker} VALUES ({}, {})", literal(run), literal(target)),
    ]
}

/// How many tables are kept in a database, as a query.
pub fn count_kept(database: &str) -> String {
    format!(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = {} AND table_name <> {}",
        literal(database),
        literal(MARKER)
    )
}

/// Whether a database is one in which a run keeps something.
pub fn is_kept_database(name: &str) -> bool {
    name.starts_with(&format!("{OURS}kept_"))
}

/// Whether a database is one in which a run builds.
pub fn is_staging_database(name: &str) -> bool {
    name.starts_with(&format!("{OURS}stage_"))
}

/// A table with its database.
pub fn qualified(database: &str, table: &str) -> String {
    format!("{}.{}", quote(database), quote(table))
}

/// What was put aside, with the database that it is in.
pub fn at(aside: &Aside) -> String {
    qualified(&aside.place, &aside.name)
}

/// Whether a table or view of that name is in the session's database; `what` is asked for.
pub async fn has_table(connection: &mut MySqlConnection, what: &str, name: &str) -> Result<bool> {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = {}",
        literal(name)
    );
    Ok(number(connection, what, &sql).await? > 0)
}

pub fn lock(run: &str) -> String {
    format!("{OURS}stage_{run}")
}

/// A run's id as part of a name: lower case, digits and `_`, so long that 64 characters are enough for the rest.
fn word(run: &str) -> String {
    let clean: String =
        run.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    clean[clean.len().saturating_sub(40)..].to_owned()
}

/// The last eight letters and digits, which differ most between runs.
fn short(run: &str) -> String {
    let letters: Vec<char> = run.chars().filter(char::is_ascii_alphanumeric).collect();
    let tail = &letters[letters.len().saturating_sub(8)..];
    format!("{:0>8}", tail.iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_say_whose_they_are() {
        let run = "0193A5C0-7E0D-7B51-9F6E-3C1D2E4F5A6B";
        let place = Place::database(run, "app");
        assert_eq!(place.database, "techcare_db_stage_0193a5c0_7e0d_7b51_9f6e_3c1d2e4f5a6b");
        assert!(place.is_database() && place.database.len() <= 64);
        assert_eq!(place.staged("t"), "`techcare_db_stage_0193a5c0_7e0d_7b51_9f6e_3c1d2e4f5a6b`.`t`");
        let place = Place::prefix(run, "app");
        assert_eq!(place.staged("t"), "`app`.`techcare_db_2e4f5a6b_t`");
        assert_eq!(place.visible(&place.switched_marker()), "`app`.`techcare_db_switch_2e4f5a6b`");
        assert_eq!(Place::prefix("r1", "app").naming.prefix, "techcare_db_000000r1_");
    }
}
