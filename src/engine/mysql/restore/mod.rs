//! A dump of `mariadb-dump` or `mysqldump` becomes a database that nobody sees: tables with their rows, which one RENAME moves into
//! the target, and views, routines, packages, triggers and events, which are tried here and made there. Every statement goes through
//! a session of this program in that database, and only statements that are known to stay in it.

mod program;
mod sequence;
pub(super) mod text;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use async_trait::async_trait;
use sqlx::{Connection as _, MySqlConnection};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::program::Program;
use self::text::{Reader, Statement};
use super::connection::{Link, Role, number, parse, rows, run};
use super::place::{self, OURS, Place};
use super::types::{literal, quote};
use super::{Database, exchange, fault, privileges, programs, replace};
use crate::engine::blocking;
use crate::engine::capability::{Restoration, Source};
use crate::engine::way_back;
use crate::model::change::{Change, Kind, Moved};
use crate::model::error::{Error, ErrorKind, Result};

/// Statements that wait for the server at most.
const STATEMENTS: usize = 4;

/// What there is to do where a dump is not restored.
const BY_HAND: &str = "nothing was changed: restore it by hand into a new database, as docs/backup.md says";

/// A dump that became a database.
pub(super) struct DatabaseRestoration {
    link: Link,
    mariadb: bool,
    target: String,
    run: String,
    place: Place,
    holds: Holds,
    /// Holds the lock that says that this run lives.
    guard: MySqlConnection,
}

/// What a dump holds beside tables.
#[derive(Default)]
struct Holds {
    /// Views with the statements that make them, those first that are not made of others.
    views: Vec<(String, String)>,
    /// Routines, packages, triggers and events as the server tells of them.
    programs: Vec<programs::Program>,
    /// What the server has no place for, and accounts that it does not have, a sentence each.
    left_out: Vec<String>,
}

impl DatabaseRestoration {
    /// Restores a dump into the staging database of a run.
    pub(super) async fn make(
        link: &Link,
        mariadb: bool,
        target: &str,
        run: &str,
        dump: &Path,
        cancel: &CancellationToken,
    ) -> Result<Self> {
        let mut guard = link.connect(Role::Loader).await?;
        let place = Place::database(run, target);
        place::hold_lock(&mut guard, &place).await?;
        if let Err(error) = place.make(&mut guard).await {
            return Err(match error.kind() {
                ErrorKind::Permission => error.next(place::grant(&mut guard, link).await),
                _ => error,
            });
        }
        let mut made = Self {
            link: link.clone(),
            mariadb,
            target: target.to_owned(),
            run: run.to_owned(),
            place,
            holds: Holds::default(),
            guard,
        };
        match made.load(dump, cancel).await {
            Ok(holds) => {
                made.holds = holds;
                Ok(made)
            }
            Err(mut error) => {
                if let Err(also) = Box::new(made).discard().await {
                    error.push(also);
                }
                Err(error)
            }
        }
    }

    async fn load(&self, dump: &Path, cancel: &CancellationToken) -> Result<Holds> {
        let (to, from) = mpsc::channel(STATEMENTS);
        let dump = dump.to_owned();
        let reading = blocking::run(move || read(&dump, &to));
        let loading = async {
            tokio::select! {
                loaded = self.fill(from) => loaded,
                () = cancel.cancelled() => Err(Error::new(ErrorKind::Interrupted, "the restore was interrupted")),
            }
        };
        // Whoever reads stops without an error where nobody takes anything any more.
        match tokio::join!(reading, loading) {
            (_, Err(error)) | (Err(error), Ok(_)) => Err(error),
            (Ok(()), Ok(holds)) => Ok(holds),
        }
    }

    /// Runs the statements; then every table has to have the rows of the dump, and every view has to be one.
    async fn fill(&self, mut from: mpsc::Receiver<Statement>) -> Result<Holds> {
        let mut session = self.link.in_database(&self.place.database).connect(Role::Loader).await?;
        let (mut tables, mut views) = (BTreeMap::<String, u64>::new(), BTreeMap::new());
        let (mut made, mut sequences) = (Vec::new(), BTreeMap::new());
        let collation = programs::collation(&mut session, &self.target).await?;
        collate(&mut session, &programs::collate(&self.place.database, &collation)).await?;
        while let Some(statement) = from.recv().await {
            match statement {
                Statement::Idle => {}
                Statement::Set(sql) => {
                    run(&mut session, &sql).await.map_err(|e| fault::writing("a setting of the dump", &e))?;
                }
                Statement::Table { name, sql } => {
                    let made = run(&mut session, &sql).await;
                    made.map_err(|e| fault::writing(&format!("restoring table \"{name}\""), &e))?;
                    tables.insert(name, 0);
                }
                Statement::Rows { table, .. } if is_triggered(&made, &table) => {
                    let what = format!(
                        "the dump holds rows of \"{table}\" behind a trigger that would run for them"
                    );
                    return Err(Error::new(ErrorKind::Refused, what).next(BY_HAND));
                }
                Statement::Rows { table, rows, sql } => {
                    let filled = run(&mut session, &sql).await;
                    filled.map_err(|e| fault::writing(&format!("restoring the rows of \"{table}\""), &e))?;
                    *tables.entry(table).or_default() += rows;
                }
                // The last is the view itself: before it stands what other views are made of meanwhile.
                Statement::View { name, sql } => {
                    views.insert(name, sql);
                }
                Statement::Sequence { name, sql } => {
                    let made = run(&mut session, &sql).await;
                    made.map_err(|e| fault::writing(&format!("restoring sequence \"{name}\""), &e))?;
                }
                Statement::Value { sequence, value } => {
                    go_on(&mut session, &sequence, &value).await?;
                    sequences.insert(sequence, value);
                }
                Statement::Program(program) => {
                    restore(&mut session, &program).await?;
                    made.push(program);
                }
                Statement::Collation(clauses) => {
                    let sql = format!("ALTER DATABASE {} {clauses}", quote(&self.place.database));
                    collate(&mut session, &sql).await?;
                }
                Statement::Other(what) => {
                    let what = format!("the dump holds what rollback does not restore: {what}");
                    return Err(Error::new(ErrorKind::Refused, what).next(BY_HAND));
                }
            }
        }
        if tables.is_empty() {
            return Err(Error::new(ErrorKind::Refused, "there is no table in the backup")
                .next("nothing was changed: an empty database needs no backup"));
        }
        // What the session that wrote them sees need not be there for others.
        let mut other = self.link.in_database(&self.place.database).connect(Role::Loader).await?;
        for (table, should) in tables {
            let count = format!("SELECT COUNT(*) FROM {}", quote(&table));
            let is = number(&mut other, &format!("table \"{table}\""), &count).await?;
            if is != should {
                return Err(differs(format!("table \"{table}\" has {is} rows instead of {should}")));
            }
        }
        for (sequence, should) in sequences {
            let is = next(&mut other, &sequence).await?;
            if is != should {
                return Err(differs(format!(
                    "sequence \"{sequence}\" goes on with {is} instead of {should}"
                )));
            }
        }
        let views = tried(&mut session, views).await?;
        let _ = session.close().await;
        let (programs, left_out) = told(&mut other, &made).await?;
        let _ = other.close().await;
        Ok(Holds { views, programs, left_out })
    }
}

fn differs(why: String) -> Error {
    Error::new(ErrorKind::Verify, "what was restored is not what the backup holds").why(why).next(BY_HAND)
}

/// What a sequence hands out next, but for what the server has reserved of it in memory.
async fn next(session: &mut MySqlConnection, sequence: &str) -> Result<String> {
    let what = format!("sequence \"{sequence}\"");
    let sql = format!("SELECT next_not_cached_value FROM {}", quote(sequence));
    Ok(rows(session, &what, &sql).await?.first().map(|row| row.word(0)).unwrap_or_default())
}

/// Has a sequence that was just made go on with a value. SETVAL never goes back
/// (<https://mariadb.com/kb/en/setval/>), as is needed where one that cycles stands before its start value; the other
/// statement takes no value behind the greatest one, where a sequence that has run out stands.
async fn go_on(session: &mut MySqlConnection, sequence: &str, value: &str) -> Result<()> {
    let name = quote(sequence);
    let failed =
        |e: &sqlx::Error| fault::writing(&format!("restoring the value of sequence \"{sequence}\""), e);
    run(session, &format!("DO SETVAL({name}, {value}, 0)")).await.map_err(|e| failed(&e))?;
    if next(session, sequence).await? != value {
        let sql = format!("ALTER SEQUENCE {name} RESTART WITH {value}");
        run(session, &sql).await.map_err(|e| failed(&e))?;
    }
    Ok(())
}

async fn collate(session: &mut MySqlConnection, sql: &str) -> Result<()> {
    run(session, sql).await.map_err(|e| fault::writing("the collation of the staging database", &e))
}

/// What the server tells of the programs that were made, and of which it tells nothing. Then triggers are removed again: no
/// table leaves its database with one.
async fn told(
    session: &mut MySqlConnection,
    made: &[Program],
) -> Result<(Vec<programs::Program>, Vec<String>)> {
    let mut told = programs::all(session).await?;
    let mut left_out = Vec::new();
    for program in made {
        let (kind, name) = (program.kind, &program.name);
        let Some(there) = told.iter_mut().find(|t| t.kind == kind && t.name == *name) else {
            if kind == Kind::Event {
                left_out.push(format!(
                    "event \"{name}\" was not made again: its time is over, and it was to go with that"
                ));
                continue;
            }
            return Err(differs(format!("{} \"{name}\" is not there", kind.word())));
        };
        if program.is_enabled() {
            there.sql = program::switched_on(&there.sql)
                .ok_or_else(|| Error::internal(format!("event \"{name}\" cannot be switched on again")))?;
        }
    }
    for trigger in told.iter().filter(|program| program.kind == Kind::Trigger) {
        let dropped = run(session, &format!("DROP TRIGGER {}", quote(&trigger.name))).await;
        dropped.map_err(|e| fault::writing(&format!("removing trigger \"{}\" again", trigger.name), &e))?;
    }
    left_out.extend(programs::without_account(session, &told).await?);
    Ok((told, left_out))
}

/// Whether one of these is a trigger on the table.
fn is_triggered(made: &[Program], table: &str) -> bool {
    made.iter().any(|program| program.table.as_deref() == Some(table))
}

/// Makes a stored program, an event so that it never fires.
async fn restore(session: &mut MySqlConnection, program: &Program) -> Result<()> {
    let sql = program.at_rest();
    let tried = async {
        parse(session, &sql).await?;
        run(session, &sql).await
    };
    tried.await.map_err(|e| {
        let what = format!("restoring {} \"{}\"", program.kind.word(), program.name);
        let error = fault::writing(&what, &e);
        match error.kind() {
            ErrorKind::Write => error.with_kind(ErrorKind::Refused).next(BY_HAND),
            _ => error,
        }
    })
}

/// Makes views, in whichever order that can be done, and removes them again: the order is the answer.
async fn tried(
    session: &mut MySqlConnection,
    mut left: BTreeMap<String, String>,
) -> Result<Vec<(String, String)>> {
    let mut made = Vec::new();
    while !left.is_empty() {
        let (mut waiting, mut refused, before) = (BTreeMap::new(), None, made.len());
        for (name, sql) in left {
            match run(session, &sql).await {
                Ok(()) => made.push((name, sql)),
                Err(error) => {
                    refused = Some(fault::writing(&format!("restoring view \"{name}\""), &error));
                    waiting.insert(name, sql);
                }
            }
        }
        match refused {
            Some(error) if made.len() == before => return Err(error),
            _ => left = waiting,
        }
    }
    for (name, _) in made.iter().rev() {
        let dropped = run(session, &format!("DROP VIEW {}", quote(name))).await;
        dropped.map_err(|e| fault::writing(&format!("removing view \"{name}\" again"), &e))?;
    }
    Ok(made)
}

/// Hands over the statements of a dump until it ends or nobody takes them.
fn read(dump: &Path, to: &mpsc::Sender<Statement>) -> Result<()> {
    let failed =
        |e: std::io::Error| Error::new(ErrorKind::Read, format!("cannot read {}", dump.display())).why(e);
    let mut file = BufReader::new(File::open(dump).map_err(failed)?);
    let (mut reader, mut line) = (Reader::default(), Vec::new());
    while file.read_until(b'\n', &mut line).map_err(failed)? > 0 {
        let text = std::str::from_utf8(&line)
            .map_err(|_| Error::new(ErrorKind::Refused, "the dump is not in UTF-8").next(BY_HAND))?;
        if let Some(sql) = reader.line(text)
            && to.blocking_send(text::recognise(sql).here(reader.database())).is_err()
        {
            return Ok(());
        }
        line.clear();
    }
    if reader.is_between() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Verify, "the dump is not complete").why("its last statement has no end"))
}

#[async_trait]
impl Restoration for DatabaseRestoration {
    async fn source(&self) -> Result<Box<dyn Source>> {
        let staged = Database::over(self.link.in_database(&self.place.database), Role::Reader).await?;
        Ok(Box::new(staged))
    }

    fn left_out(&self) -> Vec<String> {
        self.holds.left_out.clone()
    }

    /// Tables with triggers stay in their database, under another name: they cannot leave it. Views, routines, packages,
    /// triggers and events are dropped and made again, so that what they are is written down.
    async fn change(&self) -> Result<Change> {
        let mut session = self.link.connect(Role::Loader).await?;
        let beside = Place::prefix(&self.run, &self.target);
        let (mut kept, mut held) = (Vec::new(), Vec::new());
        let outside = replace::keys_of_other_databases(&mut session).await?;
        for (at, table) in objects(&mut session, &self.target, "TABLE").await?.into_iter().enumerate() {
            let stays = !replace::triggers(&mut session, &table).await?.is_empty();
            held.extend(outside.onto(&table));
            if stays {
                held.extend(keys_that_meet(&mut session, &table, &self.place.database).await?);
            }
            let aside = if stays { &beside } else { &self.place }.kept(at, &table);
            kept.push(Moved::new(Kind::Table, table, aside));
        }
        way_back::refuse_held(&held)?;
        let live = objects(&mut session, &self.target, "SEQUENCE").await?;
        for sequence in &live {
            let aside = self.place.kept(kept.len(), sequence);
            kept.push(Moved::new(Kind::Sequence, sequence.clone(), aside));
        }
        let tables = objects(&mut session, &self.place.database, "TABLE").await?;
        let sequences = objects(&mut session, &self.place.database, "SEQUENCE").await?;
        for view in objects(&mut session, &self.target, "VIEW").await? {
            if tables.contains(&view) || sequences.contains(&view) {
                let what = format!("view \"{view}\" is where a table or sequence of the backup belongs");
                return Err(Error::new(ErrorKind::Refused, what)
                    .next("nothing was changed: drop the view by hand, then run the same command again"));
            }
            let show = format!("SHOW CREATE VIEW {}", quote(&view));
            let shown = rows(&mut session, &format!("view \"{view}\""), &show).await?;
            let aside = self.place.kept(kept.len(), &view);
            let definition = shown.first().and_then(|row| row.text(1));
            kept.push(Moved { definition, ..Moved::new(Kind::View, view, aside) });
        }
        let moved = |kind, name: String| Moved::new(kind, name.clone(), self.place.aside(&name));
        let mut shown: Vec<Moved> = tables.into_iter().map(|name| moved(Kind::Table, name)).collect();
        if sequences.iter().all(|sequence| live.contains(sequence)) {
            // Then no row can be written behind the switch that finds its sequence missing.
            exchange::lead_defaults(&mut session, &self.place.database, &self.place.database, &self.target)
                .await?;
        }
        shown.extend(sequences.into_iter().map(|name| moved(Kind::Sequence, name)));
        shown.extend(
            self.holds.views.iter().map(|(name, sql)| Moved {
                definition: Some(sql.clone()),
                ..moved(Kind::View, name.clone())
            }),
        );
        let (going, coming) = programs::differing(&programs::all(&mut session).await?, &self.holds.programs);
        for program in going {
            let aside = self.place.kept(kept.len(), &program.name);
            kept.push(program.moved(aside));
        }
        shown.extend(coming.into_iter().map(|program| {
            let aside = self.place.aside(&program.name);
            program.moved(aside)
        }));
        let mut change = Change {
            run: self.run.clone(),
            shown,
            kept,
            whole: true,
            mark: self.place.switched_marker(),
            collation: programs::collation(&mut session, &self.target).await?,
            ..Change::default()
        };
        if let Err(error) = programs::try_rights(&mut session, &change).await {
            return Err(match error.kind() {
                ErrorKind::Permission => error.next(place::grant(&mut session, &self.link).await),
                _ => error,
            });
        }
        privileges::note(&mut session, self.mariadb, &self.target, &mut change).await?;
        let _ = session.close().await;
        Ok(change)
    }

    async fn discard(self: Box<Self>) -> Result<()> {
        let mut session = self.link.connect(Role::Loader).await?;
        self.place.remove(&mut session).await?;
        let _ = session.close().await;
        let _ = self.guard.close().await;
        Ok(())
    }
}

/// Foreign keys of a table of the session's database whose names others have in `staged`, as clauses: if the table stays in
/// its database, these cannot come there. Names that the server has made follow their table.
async fn keys_that_meet(session: &mut MySqlConnection, table: &str, staged: &str) -> Result<Vec<String>> {
    let list = format!(
        "SELECT constraint_name FROM information_schema.referential_constraints WHERE constraint_schema = DATABASE() \
         AND table_name = {} AND constraint_name IN (SELECT constraint_name FROM \
         information_schema.referential_constraints WHERE constraint_schema = {}) ORDER BY 1",
        literal(table),
        literal(staged)
    );
    let names = rows(session, "the list of foreign keys", &list).await?;
    let names = names.iter().map(|row| row.word(0));
    let chosen = names.filter(|name| !name.starts_with(&format!("{table}_ibfk_")));
    let clause = |name| {
        format!(
            "table \"{table}\" has a trigger and so cannot leave its database, and the backup has its foreign key \"{name}\""
        )
    };
    Ok(chosen.map(clause).collect())
}

/// Names of the tables, sequences or views of a database that are not ours.
async fn objects(session: &mut MySqlConnection, database: &str, kind: &str) -> Result<Vec<String>> {
    let kinds = match kind {
        "VIEW" => "= 'VIEW'",
        "SEQUENCE" => "= 'SEQUENCE'",
        _ => "IN ('BASE TABLE', 'SYSTEM VERSIONED')",
    };
    let list = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = {} AND table_type {kinds} ORDER BY 1",
        literal(database)
    );
    let mut names: Vec<String> =
        rows(session, "the list of tables", &list).await?.iter().map(|row| row.word(0)).collect();
    names.retain(|name| !name.starts_with(OURS));
    Ok(names)
}
