//! A dump of `pg_dump` becomes a schema that nobody sees. `pg_restore` says what is in it; every statement and every row goes
//! through a session of this program, into the staging schema instead of the one that is named. Owners and grants come
//! last, so that what is being built stays ours until it is.

mod text;

use std::collections::{BTreeSet, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::text::{Entry, Piece, Reader};
use super::connect::Connector;
use super::fault::{code, fault};
use super::types::quote;
use super::{Postgres, backup, stage};
use crate::engine::capability::{Restoration, Source};
use crate::engine::{blocking, tool};
use crate::model::change::Change;
use crate::model::error::{Error, ErrorKind, Result};

/// Blocks of the script that wait for the server at most.
const BLOCKS: usize = 4;

/// What extensions have made in a schema: a dump names it and does not hold it.
const EXTENSIONS_OWN: &str = "
SELECT DISTINCT coalesce(t.typname, p.proname, o.oprname, c.relname, k.opcname, f.opfname, l.collname)::text
FROM pg_depend d
LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
LEFT JOIN pg_operator o ON d.classid = 'pg_operator'::regclass AND o.oid = d.objid
LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
LEFT JOIN pg_opclass k ON d.classid = 'pg_opclass'::regclass AND k.oid = d.objid
LEFT JOIN pg_opfamily f ON d.classid = 'pg_opfamily'::regclass AND f.oid = d.objid
LEFT JOIN pg_collation l ON d.classid = 'pg_collation'::regclass AND l.oid = d.objid
WHERE d.deptype = 'e' AND to_regnamespace(quote_ident($1)) IN (t.typnamespace, p.pronamespace, o.oprnamespace,
  c.relnamespace, k.opcnamespace, f.opfnamespace, l.collnamespace)";

/// What there is to do where a dump is not restored.
const BY_HAND: &str = "nothing was changed: restore it by hand into a new database, as docs/backup.md says";

/// Whether rights are set for whatever this role makes, in whichever schema: a dump only tells how rights differ from the
/// server's own defaults.
const DEFAULTS_OF_ALL: &str = "
SELECT EXISTS (SELECT FROM pg_default_acl a JOIN pg_roles r ON r.oid = a.defaclrole
WHERE a.defaclnamespace = 0 AND r.rolname = current_user AND a.defaclobjtype <> 'n')";

/// Settings of the session that loads, beside those that every session of ours has. Names without a schema mean nothing.
const SETTINGS: &str =
    "SET search_path TO ''; SET check_function_bodies TO off; SET client_min_messages TO warning";

/// A dump that became a schema.
pub(super) struct SchemaRestoration {
    connector: Connector,
    namespace: String,
    run: String,
    schema: String,
    left_out: Vec<String>,
    /// Holds the lock that says that this run lives.
    guard: PgConnection,
}

impl SchemaRestoration {
    /// Restores the schema `namespace` of a dump into the staging schema of a run.
    pub(super) async fn make(
        connector: &Connector,
        namespace: &str,
        run: &str,
        dump: &Path,
        cancel: &CancellationToken,
    ) -> Result<Self> {
        let program = blocking::run(backup::restorer).await?;
        let beside = beside(connector, namespace, &program, dump, cancel).await?;
        let guard = stage::make_schema(connector, namespace, run).await?;
        let schema = stage::schema_name(run);
        let mut made = Self {
            connector: connector.clone(),
            namespace: namespace.to_owned(),
            run: run.to_owned(),
            schema,
            left_out: Vec::new(),
            guard,
        };
        match made.load(program, dump, cancel).await {
            Ok(left_out) => {
                made.left_out = beside;
                made.left_out.extend(left_out);
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

    async fn load(&self, program: PathBuf, dump: &Path, cancel: &CancellationToken) -> Result<Vec<String>> {
        let (to, from) = mpsc::channel(BLOCKS);
        let (dump, namespace, stop) = (dump.to_owned(), self.namespace.clone(), cancel.clone());
        let reading = blocking::run(move || {
            let mut command = tool::bare(&program);
            command.args(["--file=-", "--no-tablespaces"]).arg(format!("--schema={namespace}")).arg(&dump);
            tool::run(command, &mut Blocks(to), &|_| (), &stop).map_err(unreadable)
        });
        let loading = async {
            tokio::select! {
                loaded = self.fill(from) => loaded,
                () = cancel.cancelled() => Err(Error::new(ErrorKind::Interrupted, "the restore was interrupted")),
            }
        };
        match tokio::join!(reading, loading) {
            (Err(error), _) if error.kind() == ErrorKind::Interrupted => Err(error),
            // A script that nobody takes any more ends in an error of its own.
            (_, Err(error)) | (Err(error), Ok(None)) => Err(error),
            (Ok(()), Ok(None)) => {
                Err(Error::new(ErrorKind::Verify, "the dump is not complete").why("its script has no end"))
            }
            (read, Ok(Some(left_out))) => read.map(|()| left_out),
        }
    }

    /// Runs the script; `None` if it ends before its end.
    async fn fill(&self, from: mpsc::Receiver<Vec<u8>>) -> Result<Option<Vec<String>>> {
        let mut session = self.connector.session().await?;
        let prepared = async {
            stage::execute(&mut session, SETTINGS.into()).await?;
            sqlx::query_scalar(EXTENSIONS_OWN).bind(&self.namespace).fetch_all(&mut session).await
        };
        let stay: Vec<String> =
            prepared.await.map_err(|e| fault(ErrorKind::Write, "cannot prepare the restore", &e))?;
        let names = Names { from: &self.namespace, to: &self.schema, stay: stay.into_iter().collect() };
        let mut script = Script { from, reader: Reader::default() };
        let (mut rights, mut left_out, mut functions) = (Vec::new(), Vec::new(), false);
        while let Some(piece) = script.next().await? {
            match piece {
                Piece::Entry(entry) => {
                    names.refuse_what_shows(&entry)?;
                    if entry.kind == "ACL" && names.is_of_extension(&entry) {
                        left_out.push(format!(
                            "left out of the backup: rights of {}, which an extension owns",
                            entry.name
                        ));
                        continue;
                    }
                    functions |= matches!(entry.kind.as_str(), "FUNCTION" | "PROCEDURE");
                    run_entry(&mut session, &names, &entry, &mut rights).await?;
                    // Bodies that are texts read the schema that they name, which is still the one that gives way.
                    if entry.kind == "MATERIALIZED VIEW DATA" && functions {
                        left_out.push(format!(
                            "materialized view {} was computed before the switch: if it calls functions that read tables, \
                             REFRESH MATERIALIZED VIEW {}.{}",
                            entry.name,
                            quote(&self.namespace),
                            quote(&entry.name)
                        ));
                    }
                }
                Piece::Copy(entry) => {
                    names.refuse_what_shows(&entry)?;
                    copy(&mut session, &names.exchanged(&entry.text), &entry, &mut script).await?;
                }
                Piece::Rows(_) | Piece::RowsEnd => {
                    return Err(Error::internal("rows of a dump that belong to no table"));
                }
            }
        }
        if !script.reader.is_complete() {
            return Ok(None);
        }
        for statement in &rights {
            give(&mut session, &names, statement, &mut left_out).await?;
        }
        let _ = session.close().await;
        left_out.sort();
        left_out.dedup();
        Ok(Some(left_out))
    }
}

#[async_trait]
impl Restoration for SchemaRestoration {
    async fn source(&self) -> Result<Box<dyn Source>> {
        let path = format!("{}, {}", quote(&self.schema), quote(&self.namespace));
        Ok(Box::new(Postgres::over(self.connector.reading().with_search_path(path)).await?))
    }

    fn left_out(&self) -> Vec<String> {
        self.left_out.clone()
    }

    async fn change(&self) -> Result<Change> {
        let mut session = self.connector.session().await?;
        let change = stage::whole::change(&mut session, &self.namespace, &self.run, &self.schema).await;
        let _ = session.close().await;
        change
    }

    async fn discard(self: Box<Self>) -> Result<()> {
        stage::remove_schema(&self.connector, &self.schema).await?;
        let _ = self.guard.close().await;
        Ok(())
    }
}

/// The way from the program's thread to the session.
struct Blocks(mpsc::Sender<Vec<u8>>);

impl Write for Blocks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.blocking_send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The script, piece by piece.
struct Script {
    from: mpsc::Receiver<Vec<u8>>,
    reader: Reader,
}

impl Script {
    async fn next(&mut self) -> Result<Option<Piece>> {
        loop {
            if let Some(piece) = self.reader.pop() {
                return Ok(Some(piece));
            }
            let Some(block) = self.from.recv().await else { return Ok(None) };
            self.reader.push(&block).map_err(|why| {
                Error::new(ErrorKind::Refused, "the dump cannot be restored here").why(why).next(BY_HAND)
            })?;
        }
    }
}

/// Which schema is exchanged for which, and what does not go along.
struct Names<'a> {
    from: &'a str,
    to: &'a str,
    stay: HashSet<String>,
}

impl Names<'_> {
    fn exchanged(&self, sql: &str) -> String {
        text::rename(sql, self.from, self.to, &self.stay)
    }

    /// Refuses what would be made or seen in a schema that is in use, before it is run.
    fn refuse_what_shows(&self, entry: &Entry) -> Result<()> {
        let refused = |why: String| {
            let what = format!("cannot restore {} {:?}", entry.kind.to_lowercase(), entry.name);
            Err(Error::new(ErrorKind::Refused, what).why(why).next(BY_HAND))
        };
        // Such a name means what the extension owns, which stays where it is.
        if entry.makes() && self.stay.contains(&entry.bare_name()) {
            return refused("an extension owns something of that name".into());
        }
        match entry.joins_another(self.from) {
            Some(schema) => refused(format!("it is part of a table of schema {schema:?}")),
            None => Ok(()),
        }
    }

    /// Whether rights are those of something that an extension owns: `FUNCTION f(integer)`, `TABLE t`, `COLUMN t.a`.
    fn is_of_extension(&self, rights: &Entry) -> bool {
        let Some((_, of)) = rights.name.split_once(' ') else { return false };
        let table = of.split('.').next().unwrap_or_default();
        let of = Entry { name: of.to_owned(), ..rights.clone() };
        self.stay.contains(&of.bare_name()) || self.stay.contains(table)
    }
}

/// Runs the statements of an entry, but for those that give rights away: they are put aside. What is said of the schema
/// itself is left alone, since that stays.
async fn run_entry(
    session: &mut PgConnection,
    names: &Names<'_>,
    entry: &Entry,
    rights: &mut Vec<String>,
) -> Result<()> {
    match entry.kind.as_str() {
        // The others are about what is in use: a publication, and statistics of a table by its name in a text.
        "SCHEMA" | "DEFAULT ACL" | "STATISTICS DATA" => return Ok(()),
        kind if kind.starts_with("PUBLICATION") => return Ok(()),
        "ACL" => {
            rights.extend(entry.statements());
            return Ok(());
        }
        _ => {}
    }
    let (statements, owner) = entry.apart_from_owner();
    rights.extend(owner.map(str::to_owned));
    tracing::debug!(kind = entry.kind, name = entry.name, "entry of the dump");
    stage::execute(session, names.exchanged(statements)).await.map_err(|e| not_restored(entry, &e))
}

/// Loads the rows of a table.
async fn copy(session: &mut PgConnection, sql: &str, entry: &Entry, script: &mut Script) -> Result<()> {
    let failed = |e: &sqlx::Error| not_restored(entry, e);
    let mut copy = session.copy_in_raw(sql.trim().trim_end_matches(';')).await.map_err(|e| failed(&e))?;
    loop {
        match script.next().await? {
            Some(Piece::Rows(rows)) => {
                copy.send(rows).await.map_err(|e| failed(&e))?;
            }
            Some(Piece::RowsEnd) => break,
            Some(_) | None => {
                let _ = copy.abort("the dump ends").await;
                return Err(Error::new(ErrorKind::Verify, "the dump is not complete")
                    .why(format!("the rows of {} have no end", entry.name)));
            }
        }
    }
    copy.finish().await.map(drop).map_err(|e| failed(&e))
}

/// Gives something to its owner or a right to whoever had it. Roles belong to the server: where one is not there, or is not
/// ours to act for, what it had is left out and said.
async fn give(
    session: &mut PgConnection,
    names: &Names<'_>,
    statement: &str,
    left_out: &mut Vec<String>,
) -> Result<()> {
    let sql = names.exchanged(statement);
    let mut given = stage::execute(session, sql.clone()).await;
    if let (Err(cause), Some((_, owner))) = (&given, statement.rsplit_once(" OWNER TO "))
        && code(cause).as_deref() == Some("42501")
    {
        // Whoever is to own something has to be able to make something there, which goes with the staging schema.
        let make =
            format!("GRANT USAGE, CREATE ON SCHEMA {} TO {}", quote(names.to), owner.trim_end_matches(';'));
        given = match stage::execute(session, make).await {
            Ok(()) => stage::execute(session, sql).await,
            refused => refused,
        };
    }
    match given {
        Err(cause) if matches!(code(&cause).as_deref(), Some("42704" | "42501" | "22023")) => {
            let words = super::fault::words(&cause);
            left_out.push(format!("left out of the backup: {} ({words})", statement.trim_end_matches(';')));
            Ok(())
        }
        given => {
            given.map_err(|e| fault(ErrorKind::Write, "cannot give what was restored to its owners", &e))
        }
    }
}

fn not_restored(entry: &Entry, cause: &sqlx::Error) -> Error {
    let kind = entry.kind.to_lowercase();
    let error = fault(ErrorKind::Write, format!("cannot restore {kind} {:?}", entry.name), cause);
    // Something that the dump takes for granted: a schema, a language, a collation of the system.
    if code(cause).is_some_and(|code| code.starts_with("42")) && error.kind() == ErrorKind::Write {
        return error
            .with_kind(ErrorKind::Refused)
            .next("nothing was changed: make what is missing, then run the same command again");
    }
    error
}

fn unreadable(error: Error) -> Error {
    if error.kind() == ErrorKind::Interrupted {
        return error;
    }
    let why = error.reason().unwrap_or_default().to_owned();
    Error::new(ErrorKind::Verify, "pg_restore cannot read the dump").why(why)
}

/// What the dump holds beside the schema and is left out. Refuses a dump that is made for extensions which are not here, or
/// that holds large objects: these belong to no schema and are not moved with one.
async fn beside(
    connector: &Connector,
    namespace: &str,
    program: &Path,
    dump: &Path,
    cancel: &CancellationToken,
) -> Result<Vec<String>> {
    let (program, dump, stop) = (program.to_owned(), dump.to_owned(), cancel.clone());
    let listed = blocking::run(move || {
        let mut command = tool::bare(&program);
        command.arg("--list").arg(&dump);
        let mut list = Vec::new();
        tool::run(command, &mut list, &|_| (), &stop).map_err(unreadable)?;
        Ok(String::from_utf8_lossy(&list).into_owned())
    })
    .await?;
    let contents = contents(&listed, namespace);
    if contents.large_objects {
        return Err(Error::new(
            ErrorKind::Refused,
            "the dump holds large objects, which rollback does not restore",
        )
        .next(BY_HAND));
    }
    let mut session = connector.session().await?;
    let defaults: bool = sqlx::query_scalar(DEFAULTS_OF_ALL)
        .fetch_one(&mut session)
        .await
        .map_err(|e| fault(ErrorKind::Read, "cannot ask for the default rights of the target", &e))?;
    if defaults {
        return Err(Error::new(ErrorKind::Refused, "what is restored would not have the rights of the backup")
            .why("ALTER DEFAULT PRIVILEGES is set in all schemas for the role that restores")
            .next(
                "nothing was changed: restore with a role that has no such default (`\\ddp` lists them), or take it back",
            ));
    }
    let there: Vec<String> = sqlx::query_scalar("SELECT extname::text FROM pg_extension")
        .fetch_all(&mut session)
        .await
        .map_err(|e| fault(ErrorKind::Read, "cannot ask for the extensions of the target", &e))?;
    let _ = session.close().await;
    let missing: Vec<&String> = contents.extensions.iter().filter(|name| !there.contains(name)).collect();
    if missing.is_empty() {
        return Ok(contents.beside.iter().map(|what| format!("left out of the backup: {what}")).collect());
    }
    let make = missing.iter().map(|name| format!("CREATE EXTENSION {}", quote(name))).collect::<Vec<_>>();
    Err(Error::new(ErrorKind::Refused, "the dump needs extensions that this database lacks")
        .why(missing.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "))
        .next(format!("nothing was changed: {}; then run the same command again", make.join("; "))))
}

/// What a dump holds beside schemas.
#[derive(Debug, Default, PartialEq, Eq)]
struct Contents {
    extensions: Vec<String>,
    large_objects: bool,
    /// Other schemas, and what belongs to none.
    beside: BTreeSet<String>,
}

/// Reads what `pg_restore --list` prints: a number, the catalogue that the object is in, its number there, its kind, its
/// schema or a dash, its name and its owner.
fn contents(list: &str, namespace: &str) -> Contents {
    const PG_CLASS: &str = "1259";
    const PG_EXTENSION: &str = "3079";
    const PG_LARGEOBJECT: &str = "2613";
    const PG_NAMESPACE: &str = "2615";
    const PG_PUBLICATION_REL: &str = "6106";
    const PG_PUBLICATION_NAMESPACE: &str = "6237";
    let mut contents = Contents::default();
    for line in list.lines().filter(|line| !line.starts_with(';')) {
        let mut fields = line.splitn(4, ' ').skip(1);
        let catalogue = fields.next();
        let rest = fields.nth(1).unwrap_or_default();
        let rest = rest.rsplit_once(' ').map_or(rest, |(rest, _owner)| rest);
        match catalogue {
            Some(PG_LARGEOBJECT) => contents.large_objects = true,
            Some(PG_EXTENSION) => {
                let name = line.split_once(" EXTENSION - ").map(|(_, name)| name.trim_end().to_owned());
                // There from the beginning.
                contents.extensions.extend(name.filter(|name| name != "plpgsql"));
            }
            Some(PG_NAMESPACE) => {
                let name = rest.strip_prefix("SCHEMA - ").filter(|name| *name != namespace);
                contents.beside.extend(name.map(|name| format!("schema {name}")));
            }
            Some(PG_CLASS) => {
                let table = rest.strip_prefix("TABLE ").filter(|table| !table.starts_with("DATA "));
                let other = table.filter(|table| !table.starts_with(&format!("{namespace} ")));
                let schema = other.and_then(|table| table.split(' ').next());
                contents.beside.extend(schema.map(|name| format!("schema {name}")));
            }
            Some(PG_PUBLICATION_REL | PG_PUBLICATION_NAMESPACE) => {
                contents.beside.insert(rest.to_lowercase());
            }
            Some("0") | None => {}
            Some(_) => {
                let of_none = rest.split_once(" - ").filter(|(kind, _)| {
                    *kind != "DATABASE" && kind.bytes().all(|b| b.is_ascii_uppercase() || b == b' ')
                });
                contents.beside.extend(of_none.map(|(kind, name)| format!("{} {name}", kind.to_lowercase())));
            }
        }
    }
    contents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_tells_of_extensions_and_large_objects() {
        let list = "; Archive\n2; 3079 16390 EXTENSION - citext \n3471; 0 0 COMMENT - EXTENSION citext \n\
                    216; 1259 16502 TABLE public BLOB - x postgres\n";
        let extensions = vec!["citext".into()];
        assert_eq!(contents(list, "public"), Contents { extensions, ..Contents::default() });
        assert!(contents("3; 2613 16400 BLOB - 16400 postgres\n", "public").large_objects);
    }

    #[test]
    fn a_list_tells_of_what_is_not_in_the_schema() {
        let list = "5; 2615 16385 SCHEMA - other postgres\n6; 1259 16502 TABLE other t postgres\n\
                    7; 1259 16503 TABLE public a - b postgres\n8; 0 16502 TABLE DATA other t postgres\n\
                    9; 2605 16510 CAST - CAST (text AS public.mood) \n10; 3466 16511 EVENT TRIGGER - watch postgres\n\
                    11; 6104 16512 PUBLICATION - p postgres\n12; 6106 16513 PUBLICATION TABLE public p users postgres\n\
                    13; 1255 16514 FUNCTION public f() postgres\n14; 2615 2200 SCHEMA - public postgres\n\
                    15; 0 0 COMMENT - EXTENSION citext \n";
        let beside: Vec<String> = contents(list, "public").beside.into_iter().collect();
        assert_eq!(
            beside,
            [
                "cast CAST (text AS public.mood)",
                "event trigger watch",
                "publication p",
                "publication table public p users",
                "schema other"
            ]
        );
    }
}
