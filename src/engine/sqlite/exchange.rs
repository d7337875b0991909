//! The way back in a file. Tables that a run made go, and those that it replaced come in again from the file that keeps
//! them, in one transaction. A file that a run made, and in which nothing else is, goes as a whole: it gets another
//! name. Either way the present state is kept beside the file.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rustix::fs::CWD;

use super::ddl::quote;
use super::file::{self, Access, failure};
use super::live::{self, Incoming, Swap};
use super::{leftovers, stage, whole};
use crate::engine::{file_name, way_back};
use crate::model::change::{Aside, Change, Kind, Moved};
use crate::model::error::{Error, ErrorKind, Result};

/// How the mark of a change begins that is a file of its own; device and inode follow.
const FILE: &str = "file:";

/// File beside a database in which a run keeps what gave way.
pub fn kept_file(database: &Path, run: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(format!(".kept-{run}"));
    PathBuf::from(name)
}

/// Mark of a change that makes or takes away a whole file.
pub fn file_mark(file: &File) -> std::io::Result<String> {
    file.metadata().map(|about| format!("{FILE}{}:{}", about.dev(), about.ino()))
}

/// How the mark of a change within a file begins.
const TABLE: &str = "techcare_db_switch_";

/// Mark of a change within a file: a table that its transaction makes.
pub fn table_mark(run: &str) -> String {
    let letters: Vec<char> = run.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{TABLE}{}", letters[letters.len().saturating_sub(12)..].iter().collect::<String>())
}

/// Whether a table only tells of a switch.
pub fn is_mark(table: &str) -> bool {
    table.starts_with(TABLE)
}

/// The table that tells of a change within a file.
fn mark_of(change: &Change) -> &str {
    whole::mark(change).unwrap_or(&change.mark)
}

/// Whether the mark of a file is this one's.
fn is_marked(path: &Path, mark: &str) -> bool {
    fs::metadata(path).is_ok_and(|about| mark == format!("{FILE}{}:{}", about.dev(), about.ino()))
}

/// Whether the switch of a change has happened.
pub fn happened(path: &Path, change: &Change) -> Result<bool> {
    if change.mark.starts_with(FILE) {
        let place = change.places().first().map_or(path, |kept| Path::new(*kept));
        return Ok(is_marked(place, &change.mark));
    }
    match file::find(path)? {
        Some(real) => has_table(&file::open(&real, Access::Read)?, mark_of(change)),
        None => Ok(false),
    }
}

fn has_table(connection: &Connection, name: &str) -> Result<bool> {
    let sql =
        "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE)";
    connection
        .query_row(sql, [name], |r| r.get(0))
        .map_err(|e| failure(ErrorKind::Read, "cannot look at what the file holds", &e))
}

/// What became of a switch that ended with an error: an error of the disk can come after the step that cannot be taken
/// back, when the folder is made durable in which a journal was removed or a file renamed. Where the switch has not
/// happened, what had been prepared for it is removed and the error stays. Else it becomes `Lost`, so that everything is
/// kept until the next run looks again. The caller has no connection to the file any more.
pub fn judged(path: &Path, change: &Change, done: Result<()>) -> Result<()> {
    let Err(error) = done else { return Ok(()) };
    match happened(path, change) {
        Ok(false) => {
            // What stays is found by the next run.
            let _ = settle(path, change, false);
            Err(error)
        }
        Ok(true) | Err(_) => Err(error
            .with_kind(ErrorKind::Lost)
            .next("run the same command again: it looks whether the switch has happened")),
    }
}

/// Removes the mark, and the file whose tables came back from it; or the copy that was kept for a change that did not
/// happen.
pub fn settle(path: &Path, change: &Change, happened: bool) -> Result<()> {
    if change.mark.starts_with(FILE) {
        return Ok(());
    }
    let unused = if happened {
        // Where the file is gone since, so is its mark.
        if let Some(real) = file::find(path)? {
            file::open(&real, Access::Write)?
                .execute_batch(&format!("DROP TABLE IF EXISTS main.{}", quote(mark_of(change))))
                .map_err(|e| {
                    failure(
                        ErrorKind::Write,
                        "all is in place, but the mark of the switch cannot be removed",
                        &e,
                    )
                    .next("run the same command again: it removes the mark")
                })?;
        }
        change.shown.first()
    } else {
        change.kept.first()
    };
    // A backup was restored from a staged file, which is of no use any more either.
    let ours =
        |file: &str| file.contains(".kept-") || whole::mark(change).is_some() && file.contains(".partial-");
    if let Some(moved) = unused.filter(|moved| ours(&moved.aside.place)) {
        let kept = Path::new(&moved.aside.place);
        match fs::remove_file(kept) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::new(ErrorKind::Write, format!("cannot remove {}", kept.display())).why(e));
            }
            // Whoever was killed while it made the copy has left a journal of it.
            _ => stage::remove_journals(kept),
        }
    }
    if let Some(real) = file::find(path)? {
        if happened {
            // A run that was killed behind its switch had no time to.
            let (folder, name) = file::place(&real)?;
            stage::remove(&leftovers::staging_file(&folder, &name, &change.run));
        }
        leftovers::clear_super_journals(&real);
    }
    Ok(())
}

/// Drops the marks that runs left which died after their switch; answers which. The mark of a run that keeps something
/// beside the file stays for whoever has that run in the history: by nothing else it could be told whether the switch has
/// happened, and the copy of one that has not is removed.
pub fn clear_marks(real: &Path) -> Result<Vec<String>> {
    let failed =
        |e: rusqlite::Error| failure(ErrorKind::Write, "cannot remove the mark of an earlier run", &e);
    let marks = |connection: &Connection| -> rusqlite::Result<Vec<String>> {
        let sql =
            "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND substr(name, 1, length(?1)) = ?1";
        let mut statement = connection.prepare(sql)?;
        let names = statement.query_map([TABLE], |r| r.get(0))?;
        names.collect()
    };
    let kept = marks_of_kept(real)?;
    let mut found = marks(&file::open(real, Access::Read)?).map_err(failed)?;
    found.retain(|mark| !kept.contains(mark));
    if found.is_empty() {
        return Ok(found);
    }
    let connection = file::open(real, Access::Write)?;
    for mark in &found {
        connection.execute_batch(&format!("DROP TABLE IF EXISTS main.{}", quote(mark))).map_err(failed)?;
    }
    Ok(found.into_iter().map(|mark| format!("table {mark}")).collect())
}

/// The marks of all runs that keep something beside a file.
fn marks_of_kept(real: &Path) -> Result<Vec<String>> {
    let (folder, name) = file::place(real)?;
    let prefix = format!("{name}.kept-");
    let entries = fs::read_dir(&folder)
        .map_err(|e| Error::new(ErrorKind::Read, format!("cannot look into {}", folder.display())).why(e))?;
    let run_of = |entry: fs::DirEntry| Some(entry.file_name().to_str()?.strip_prefix(&prefix)?.to_owned());
    Ok(entries.flatten().filter_map(run_of).map(|run| table_mark(&run)).collect())
}

/// The change that takes another one back.
pub fn back(path: &Path, run: &str, change: &Change) -> Result<Change> {
    let Some(real) = file::find(path)? else { return file_again(run, change) };
    if whole::mark(change).is_some() && !change.kept.is_empty() {
        return whole::back(&real, run, change);
    }
    let connection = file::open(&real, Access::Read)?;
    for moved in change.tables_shown().chain(change.tables_of_rows()) {
        if !has_table(&connection, &moved.name)? {
            return Err(missing(&moved.name, &real));
        }
    }
    let is_kept = |moved: &&Moved| matches!(moved.kind, Kind::Table | Kind::Rows);
    for moved in change.kept.iter().filter(is_kept) {
        let kept = Path::new(&moved.aside.place);
        if !kept.is_file() || !has_table(&file::open(kept, Access::Read)?, &moved.name)? {
            return Err(missing(&moved.name, kept));
        }
    }
    let place = kept_file(&real, run).display().to_string();
    let kept: Vec<Moved> = change
        .shown
        .iter()
        .rev()
        .map(|moved| Moved {
            aside: Aside { place: place.clone(), name: moved.name.clone() },
            ..moved.clone()
        })
        .collect();
    let ask = |e: rusqlite::Error| failure(ErrorKind::Read, "cannot look at what the file holds", &e);
    let whole = change.mark.starts_with(FILE) && others(&connection, &kept).map_err(ask)?.is_empty();
    let mark = if whole {
        File::open(&real)
            .and_then(|file| file_mark(&file))
            .map_err(|e| Error::new(ErrorKind::Read, format!("cannot look at {}", real.display())).why(e))?
    } else {
        refuse_keys_of_others(&connection, change)?;
        table_mark(run)
    };
    let mut shown = change.kept.clone();
    for moved in shown.iter_mut().filter(|moved| moved.kind == Kind::Rows) {
        moved.resets = live::high_water(&connection, &moved.name).map_err(ask)?;
    }
    Ok(Change { run: run.to_owned(), shown, kept, mark, ..Change::default() })
}

/// A file that was put out of the way as a whole comes back.
fn file_again(run: &str, change: &Change) -> Result<Change> {
    let places = change.places();
    let (Some(kept), true) = (places.first(), change.mark.starts_with(FILE)) else {
        return Err(Error::new(ErrorKind::Refused, "the database file of the run is not there any more")
            .next("nothing was changed: restore a backup instead"));
    };
    let mark = File::open(kept).and_then(|file| file_mark(&file)).map_err(|e| {
        Error::new(ErrorKind::Refused, format!("cannot look at {kept}"))
            .why(e)
            .next("nothing was changed: restore a backup instead")
    })?;
    Ok(Change { run: run.to_owned(), shown: change.kept.clone(), mark, ..Change::default() })
}

fn missing(table: &str, file: &Path) -> Error {
    way_back::gone(format!("table {} is not in {} any more", quote(table), file.display()))
        .why("it was dropped or renamed since, or the file was removed")
}

/// Tables and views of a file that are none of these.
fn others(connection: &Connection, moved: &[Moved]) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT name FROM main.sqlite_schema WHERE type IN ('table', 'view') \
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1",
    )?;
    let names = statement.query_map([], |r| r.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let ours = |name: &String| moved.iter().any(|m| m.name.eq_ignore_ascii_case(name));
    Ok(names.into_iter().filter(|name| !ours(name)).collect())
}

/// Refuses if a table that stays refers to one that goes without another taking its place.
fn refuse_keys_of_others(connection: &Connection, change: &Change) -> Result<()> {
    let has_heir = |name: &str| change.tables_kept().any(|old| old.name.eq_ignore_ascii_case(name));
    let goes = |name: &str| change.tables_shown().any(|moved| moved.name.eq_ignore_ascii_case(name));
    let find = || -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare(
            "SELECT DISTINCT s.name, k.\"table\" FROM main.sqlite_schema s, pragma_foreign_key_list(s.name) k \
             WHERE s.type = 'table' ORDER BY 1, 2",
        )?;
        let keys = statement.query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?)))?;
        let keys = keys.collect::<rusqlite::Result<Vec<_>>>()?;
        let holds = |(from, to): &(String, String)| !goes(from) && goes(to) && !has_heir(to);
        let clause = |(from, to)| format!("table {from:?} refers to table {to:?}");
        Ok(keys.into_iter().filter(holds).map(clause).collect())
    };
    let holders = find().map_err(|e| failure(ErrorKind::Read, "cannot look at the foreign keys", &e))?;
    way_back::refuse_held(&holders)
}

/// Refuses if a table that is not emptied has a row that refers to one that is.
pub fn refuse_rows_of_others(connection: &Connection, change: &Change) -> Result<()> {
    let is_emptied = |name: &str| change.kept.iter().any(|moved| moved.name.eq_ignore_ascii_case(name));
    let find = || -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare(
            "SELECT DISTINCT s.name FROM main.sqlite_schema s, pragma_foreign_key_list(s.name) k \
             WHERE s.type = 'table' ORDER BY 1",
        )?;
        let children = statement.query_map([], |r| r.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        let mut check =
            connection.prepare("SELECT DISTINCT \"parent\" FROM pragma_foreign_key_check(?1) ORDER BY 1")?;
        let mut holders = Vec::new();
        for child in children.iter().filter(|child| !is_emptied(child)) {
            let parents =
                check.query_map([child], |r| r.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
            let emptied = parents.iter().filter(|parent| is_emptied(parent));
            holders
                .extend(emptied.map(|parent| format!("rows of table {child:?} refer to table {parent:?}")));
        }
        Ok(holders)
    };
    let holders = find().map_err(|e| failure(ErrorKind::Read, "cannot look at the foreign keys", &e))?;
    way_back::refuse_held(&holders)
}

/// Refuses if a row of these tables refers to one that is not there.
pub fn refuse_orphans(connection: &Connection, tables: &[String]) -> Result<()> {
    let find = || -> rusqlite::Result<Vec<String>> {
        let mut check =
            connection.prepare("SELECT DISTINCT \"parent\" FROM pragma_foreign_key_check(?1) ORDER BY 1")?;
        let mut orphans = Vec::new();
        for table in tables {
            let parents =
                check.query_map([table], |r| r.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
            orphans.extend(
                parents
                    .iter()
                    .map(|parent| format!("rows of table {table:?} refer to some of table {parent:?}")),
            );
        }
        Ok(orphans)
    };
    let orphans = find().map_err(|e| failure(ErrorKind::Read, "cannot look at the foreign keys", &e))?;
    way_back::refuse_orphans(&orphans)
}

/// Carries out what [`back`] has made.
pub fn exchange(path: &Path, change: &Change) -> Result<()> {
    let done = match (change.mark.starts_with(FILE), change.places().first()) {
        (true, Some(kept)) => put_away(path, Path::new(kept), change),
        (true, None) => {
            let kept = change.shown.first().map(|moved| moved.aside.place.clone()).unwrap_or_default();
            rename(Path::new(&kept), path)
        }
        (false, _) if whole::mark(change).is_some() => whole::swap(path, change),
        (false, _) => swap(path, change),
    };
    judged(path, change, done).map_err(|e| match e.kind() {
        // Nothing was changed, and the message says who has to stop first.
        ErrorKind::Busy => e.with_kind(ErrorKind::Refused),
        _ => e,
    })
}

fn swap(path: &Path, change: &Change) -> Result<()> {
    let real = file::existing(path)?;
    let mut connection = file::open(&real, Access::Write)?;
    connection
        .pragma_update(None, "synchronous", "EXTRA")
        .map_err(|e| failure(ErrorKind::Write, "cannot write to the file", &e))?;
    let of_kind = |list: &[Moved], kind| -> Vec<String> {
        list.iter().filter(|moved| moved.kind == kind).map(|moved| moved.name.clone()).collect()
    };
    let from = change.shown.first().map(|moved| PathBuf::from(&moved.aside.place));
    live::swap(
        &mut connection,
        &real,
        &Swap {
            change,
            still_empty: of_kind(&change.shown, Kind::Rows),
            incoming: from.as_deref().map(|file| {
                if change.is_filling() {
                    return Incoming::Rows { file, tables: of_kind(&change.shown, Kind::Rows) };
                }
                Incoming::Back {
                    file,
                    tables: of_kind(&change.shown, Kind::Table),
                    views: of_kind(&change.shown, Kind::View),
                }
            }),
        },
    )
}

/// Gives the file another name, while nobody can read or write it. Who has it open, idle, goes on under the new name:
/// what is written there is not lost.
fn put_away(path: &Path, kept: &Path, change: &Change) -> Result<()> {
    let real = file::existing(path)?;
    let busy = |e: rusqlite::Error| {
        failure(ErrorKind::Write, format!("cannot take {} out of use", real.display()), &e)
    };
    let connection = file::open(&real, Access::Write)?;
    // Only a file without a log can change its name. This waits for all others to close it, where there is one.
    let mode: String =
        connection.query_row("PRAGMA journal_mode = DELETE", [], |r| r.get(0)).map_err(busy)?;
    if !mode.eq_ignore_ascii_case("delete") {
        return Err(Error::new(ErrorKind::Busy, format!("{} is in use", real.display()))
            .next("stop the application, then run the same command again"));
    }
    connection.execute_batch("BEGIN EXCLUSIVE").map_err(busy)?;
    let found = others(&connection, &change.kept).map_err(busy)?;
    if let Some(other) = found.first() {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("{} holds table {other:?} by now", real.display()),
        )
        .next("nothing was changed: run the same command again"));
    }
    rename(&real, kept)
}

/// A rename onto a name that nobody has.
fn rename(from: &Path, to: &Path) -> Result<()> {
    file_name::take(CWD, from, to).and_then(|()| file::sync_folder(to)).map_err(|e| {
        Error::new(ErrorKind::Write, format!("cannot rename {} to {}", from.display(), to.display())).why(e)
    })
}
