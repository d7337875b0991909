//! Reading rows: one prepared SELECT a table, each value straight from SQLite's page into the batch; and the
//! snapshot, a handful of connections that hold read transactions of one instant.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use tokio::sync::Semaphore;

use super::cell::{self, Misfit, Reading, Value};
use super::ddl::{CAPABILITIES, quote};
use super::file::{self, Access, failure};
use super::{backup, inspect, orphans, profile};
use crate::engine::backup::NativeOrder;
use crate::engine::blocking;
use crate::engine::capability::{Matching, Orphans, ReadColumn, ReadRequest, Snapshot};
use crate::engine::condition::{selection, where_clause};
use crate::engine::judge::Misfits;
use crate::engine::stream::BatchSender;
use crate::model::batch::{Batch, Cell, RowKey, Shape, ShapeColumn};
use crate::model::codes;
use crate::model::endpoint::Dialect;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{Plan, TableProfile};
use crate::model::policy::Decision;
use crate::model::schema::{DataType, Table};

/// Steps of SQLite's machine from one look at the clock to the next: some tenths of a millisecond.
const STEPS: i32 = 10_000;

/// How often several readers try to begin at the same instant before one has to do.
const BEGIN_TRIES: u32 = 20;

/// Reads a table or view from beginning to end.
pub fn table(connection: &Connection, request: &ReadRequest, to: &BatchSender) -> Result<()> {
    let is_view = connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'view' AND name = ?1 COLLATE NOCASE)",
            [&request.table],
            |row| row.get::<_, bool>(0),
        )
        .map_err(|e| failure(ErrorKind::Read, format!("cannot read {}", quote(&request.table)), &e))?;
    if is_view {
        with_views(connection, |connection| {
            within(connection, request.within, || rows(connection, request, "", to))
        })
        .map_err(|e| failure(ErrorKind::Read, format!("cannot read {}", quote(&request.table)), &e))?
    } else {
        rows(connection, request, "", to)
    }
}

/// Works with views, which the connection does not look into otherwise. Their text may hold strings in double quotes, as
/// SQLite takes them by default.
fn with_views<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let set = |on| {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, on)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, on)
    };
    set(true)?;
    let done = work(connection);
    set(false)?;
    done
}

/// Works on a connection for so long at most; then whatever it is doing is interrupted.
fn within<T>(
    connection: &Connection,
    limit: Option<Duration>,
    work: impl FnOnce() -> Result<T>,
) -> rusqlite::Result<Result<T>> {
    let Some(limit) = limit else { return Ok(work()) };
    let begun = Instant::now();
    connection.progress_handler(STEPS, Some(move || begun.elapsed() >= limit))?;
    let done = work();
    connection.progress_handler(STEPS, None::<fn() -> bool>)?;
    Ok(done)
}

/// Reads the rows of a table that a WHERE (in front of it a blank) over `t` admits.
pub fn rows(connection: &Connection, request: &ReadRequest, filter: &str, to: &BatchSender) -> Result<()> {
    let what = || format!("cannot read table {}", quote(&request.table));
    let failed = |e: rusqlite::Error| failure(ErrorKind::Read, what(), &e);
    let key = Key::of(connection, request);
    let columns: Vec<Column> = request.columns.iter().map(|c| Column::of(c, request)).collect();
    let sql = select(request, key.rowid) + filter;
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut scratch = String::new();
    let mut batch = to.fresh();
    let mut misfits = Misfits::on(to);
    while let Some(row) = rows.next().map_err(failed)? {
        for (at, column) in columns.iter().enumerate() {
            let stored = row.get_ref(at).map_err(failed)?;
            // Only where that was decided: a target of the same kind takes it.
            if column.in_key
                && stored == ValueRef::Null
                && misfits.ask(at, codes::NULL_IN_KEY) == Decision::Reject
            {
                Value::Null.push(&mut batch);
                continue;
            }
            let misfit = match cell::interpret(stored, column.carries, column.reading, &mut scratch) {
                Ok(value) => {
                    value.push(&mut batch);
                    continue;
                }
                Err(misfit) => misfit,
            };
            let instead = match misfits.ask(at, misfit.code) {
                Decision::Reject => Some(Value::Null),
                Decision::Convert => {
                    cell::convert(stored, column.carries, column.reading, misfit, &mut scratch)
                }
                Decision::Stop | Decision::Accept => None,
            };
            match instead {
                Some(value) => value.push(&mut batch),
                None => {
                    return Err(refuse(request, &request.columns[at], &key.text(row), misfit));
                }
            }
        }
        misfits.settle(&mut batch, |_| key.of_row(row))?;
        if batch.rows() >= request.batch_rows || batch.byte_size() >= request.batch_bytes {
            to.blocking_send(std::mem::replace(&mut batch, to.fresh()))?;
        }
    }
    if !batch.is_empty() {
        to.blocking_send(batch)?;
    }
    Ok(())
}

/// A column of the SELECT, with what the loop over its values needs at hand.
struct Column<'a> {
    carries: &'a DataType,
    reading: Reading,
    /// Whether it identifies rows.
    in_key: bool,
}

impl<'a> Column<'a> {
    fn of(column: &'a ReadColumn, request: &ReadRequest) -> Self {
        let reading = Reading::of(&column.native_type, column.epoch);
        Self { carries: &column.carries, reading, in_key: request.key.contains(&column.name) }
    }
}

/// Names are qualified, because SQLite takes a quoted name of no column for a string.
fn select(request: &ReadRequest, rowid: Option<&str>) -> String {
    let mut names: Vec<String> = request.columns.iter().map(|c| format!("t.{}", quote(&c.name))).collect();
    names.extend(rowid.map(|name| format!("t.{name}")));
    let condition = selection(request, |name| format!("t.{}", quote(name)));
    format!("SELECT {} FROM main.{} AS t{condition}", names.join(", "), quote(&request.table))
}

/// Counts rows and names some.
fn matching(connection: &Connection, table: &Table, condition: &str) -> rusqlite::Result<Matching> {
    let columns = table.key_columns();
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let key = Key::among(connection, &table.name, &names, &columns);
    let mut list: Vec<String> = names.iter().map(|n| format!("t.{}", quote(n))).collect();
    list.extend(key.rowid.map(|name| format!("t.{name}")));
    let list = if list.is_empty() { "NULL".to_owned() } else { list.join(", ") };
    let from = format!("FROM main.{} AS t{}", quote(&table.name), where_clause(condition));
    let rows: i64 = connection.query_row(&format!("SELECT count(*) {from}"), [], |r| r.get(0))?;
    let mut statement = connection.prepare(&format!("SELECT {list} {from} LIMIT 5"))?;
    let keys = statement.query_map([], |row| Ok(key.text(row)))?.collect::<rusqlite::Result<_>>()?;
    Ok(Matching { rows: u64::try_from(rows).unwrap_or(0), keys })
}

fn refused_condition(table: &str, error: &rusqlite::Error) -> Error {
    Error::new(ErrorKind::Usage, format!("SQLite does not take the condition for table {}", quote(table)))
        .why(error)
        .next("a condition is an expression of SQLite over the columns of the table")
}

fn refuse(request: &ReadRequest, column: &ReadColumn, key: &str, misfit: Misfit) -> Error {
    let table = quote(&request.table);
    Error::new(
        ErrorKind::Value,
        format!("the value of {} in table {table}, row {key}, {}", quote(&column.name), misfit.text),
    )
    .why(format!("the column is declared {} and is carried as such", declared(&column.native_type)))
    .next("correct the row in the source and run again")
}

fn declared(native_type: &str) -> &str {
    if native_type.is_empty() { "without a type" } else { native_type }
}

/// How a row is called in messages: by its key columns, else, and where one of them is NULL, by its rowid.
pub struct Key {
    columns: Vec<(usize, String)>,
    /// Name under which the rowid can be asked for, where it is needed.
    pub rowid: Option<&'static str>,
    width: usize,
}

impl Key {
    /// The key of a request.
    pub fn of(connection: &Connection, request: &ReadRequest) -> Self {
        let names: Vec<&str> = request.columns.iter().map(|c| c.name.as_str()).collect();
        Self::among(connection, &request.table, &names, &request.key)
    }

    /// The key of a SELECT of those columns; the rowid, if need be, stands behind them.
    pub fn among(connection: &Connection, table: &str, columns: &[&str], key: &[String]) -> Self {
        let place = |name: &String| columns.iter().position(|c| c == name).map(|at| (at, name.clone()));
        let places: Option<Vec<(usize, String)>> = key.iter().map(place).collect();
        let places = places.unwrap_or_default();
        let free = |name: &&str| !columns.iter().any(|c| c.eq_ignore_ascii_case(name));
        let works = |name: &&str| {
            let sql = format!("SELECT t.{name} FROM main.{} AS t", quote(table));
            connection.prepare(&sql).is_ok()
        };
        // A result has no more columns than a table may have.
        let fits = columns.len() < CAPABILITIES.max_columns;
        let wanted = fits && (places.is_empty() || may_be_null(connection, table, key));
        let rowid = ["rowid", "_rowid_", "oid"].into_iter().filter(|_| wanted).filter(free).find(works);
        Self { columns: places, rowid, width: columns.len() }
    }

    /// The key of a row, as batches show keys.
    pub fn text(&self, row: &Row<'_>) -> String {
        self.of_row(row).text.unwrap_or_else(|| "without a key".into())
    }

    /// The key of a row.
    pub fn of_row(&self, row: &Row<'_>) -> RowKey {
        let mut places = self.columns.clone();
        let is_null = |(at, _): &(usize, String)| matches!(row.get_ref(*at), Ok(ValueRef::Null));
        if let Some(name) = self.rowid.filter(|_| places.is_empty() || places.iter().any(is_null)) {
            places = vec![(self.width, name.to_owned())];
        }
        if places.is_empty() {
            return RowKey::default();
        }
        let column =
            |(_, name): &(usize, String)| ShapeColumn { name: name.clone(), data_type: DataType::Any };
        let shape = Shape {
            table: String::new(),
            columns: places.iter().map(column).collect(),
            key: (0..places.len()).collect(),
        };
        let mut batch = Batch::new(Arc::new(shape));
        for (at, _) in &places {
            let mut scratch = String::new();
            match row
                .get_ref(*at)
                .map(|stored| cell::interpret(stored, &DataType::Any, Reading::default(), &mut scratch))
            {
                Ok(Ok(value)) => value.push(&mut batch),
                _ => batch.push(Cell::Null),
            }
        }
        batch.row_key(0)
    }
}

/// Whether a column of the key takes NULL, which those of a primary key do unless they say otherwise or are the rowid.
fn may_be_null(connection: &Connection, table: &str, key: &[String]) -> bool {
    let sql = "SELECT name, \"notnull\", upper(type) = 'INTEGER' FROM pragma_table_xinfo(?1)";
    let columns = connection.prepare_cached(sql).and_then(|mut statement| {
        let columns = statement.query_map([table], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
        columns.collect::<rusqlite::Result<Vec<(String, bool, bool)>>>()
    });
    let open = |(name, not_null, integer): &(String, bool, bool)| {
        key.contains(name) && !not_null && !(*integer && key.len() == 1)
    };
    columns.is_ok_and(|columns| columns.iter().any(open))
}

/// A few connections of one kind, each for one caller at a time.
pub struct Pool {
    connections: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    size: usize,
}

impl Pool {
    /// A pool of these.
    pub fn new(connections: Vec<Connection>) -> Self {
        let size = connections.len();
        Self { connections: Arc::new(Mutex::new(connections)), permits: Arc::new(Semaphore::new(size)), size }
    }

    /// Lends a connection to work on a thread that may block. The connection comes back when the work is done,
    /// also if nobody waits for it any more.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|_| Error::internal("a database was used after it was closed"))?;
        let connections = self.connections.clone();
        blocking::run(move || {
            let lent = connections.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut lent =
                lent.ok_or_else(|| Error::internal("a connection was lost by a worker that failed"))?;
            let done = work(&mut lent);
            connections.lock().unwrap_or_else(PoisonError::into_inner).push(lent);
            drop(permit);
            done
        })
        .await
    }

    /// Waits for all work and closes the connections.
    pub async fn close(&self) {
        let all = u32::try_from(self.size).unwrap_or(u32::MAX);
        let _ = self.permits.acquire_many(all).await;
        self.permits.close();
        let connections =
            std::mem::take(&mut *self.connections.lock().unwrap_or_else(PoisonError::into_inner));
        // Closing may checkpoint, which is work for a thread that may block.
        let _ = blocking::run(move || {
            drop(connections);
            Ok(())
        })
        .await;
    }
}

/// One instant of a file.
pub struct SqliteSnapshot {
    pool: Pool,
    state: Option<String>,
}

impl SqliteSnapshot {
    /// Begins; blocks while another program commits.
    pub fn begin(real: &Path, readers: usize) -> Result<Self> {
        let readers = readers.max(1);
        let before = file::state(real);
        let of = |connections| Self {
            pool: Pool::new(connections),
            // The same after the view began as before: then it is the state that is seen.
            state: before.clone().filter(|before| file::state(real).as_ref() == Some(before)),
        };
        for _ in 0..BEGIN_TRIES {
            match begin_together(real, readers)? {
                Some(connections) => return Ok(of(connections)),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        // Somebody commits all the time: one reader is one instant whatever happens.
        let connection = file::open(real, Access::Read)?;
        begin(&connection, real)?;
        Ok(of(vec![connection]))
    }
}

/// As many read transactions, or `None` if another program committed between the first and the last of them.
/// With a rollback journal that cannot happen, since the first holds its lock; in WAL mode a connection that holds
/// none sees by `data_version` whether it did.
fn begin_together(real: &Path, readers: usize) -> Result<Option<Vec<Connection>>> {
    let watcher = file::open(real, Access::Read)?;
    let version = || -> Result<i64> {
        let version = watcher.query_row("PRAGMA data_version", [], |r| r.get(0));
        version.map_err(|e| failure(ErrorKind::Read, format!("cannot read {}", real.display()), &e))
    };
    let before = version()?;
    let mut connections = Vec::with_capacity(readers);
    for _ in 0..readers {
        let connection = file::open(real, Access::Read)?;
        match begin(&connection, real) {
            Ok(()) => connections.push(connection),
            // A writer that waits for the first reader lets no other one in: fewer will do.
            Err(e) if e.kind() == ErrorKind::Busy && !connections.is_empty() => break,
            Err(e) => return Err(e),
        }
    }
    Ok((readers == 1 || version()? == before).then_some(connections))
}

/// A read transaction begins with its first read.
fn begin(connection: &Connection, real: &Path) -> Result<()> {
    connection
        .execute_batch("BEGIN")
        .and_then(|()| connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())))
        .map_err(|e| failure(ErrorKind::Read, format!("cannot begin to read {}", real.display()), &e))
}

#[async_trait]
impl Snapshot for SqliteSnapshot {
    fn readers(&self) -> usize {
        self.pool.size
    }

    async fn estimate(&self, table: &str) -> Result<Option<u64>> {
        let table = table.to_owned();
        self.pool
            .run(move |connection| {
                inspect::estimated_rows(connection, &table)
                    .map_err(|e| failure(ErrorKind::Read, format!("cannot read table {}", quote(&table)), &e))
            })
            .await
    }

    async fn count(&self, table: &str) -> Result<u64> {
        let table = table.to_owned();
        self.pool
            .run(move |connection| {
                let sql = format!("SELECT count(*) FROM main.{}", quote(&table));
                let counted = connection.query_row(&sql, [], |row| row.get::<_, i64>(0));
                let counted = counted.map_err(|e| {
                    failure(ErrorKind::Read, format!("cannot count the rows of table {}", quote(&table)), &e)
                })?;
                Ok(u64::try_from(counted).unwrap_or(0))
            })
            .await
    }

    async fn profile(&self, table: &Table, target: Dialect, condition: Option<&str>) -> Result<TableProfile> {
        if target == Dialect::Sqlite {
            return Ok(TableProfile::default());
        }
        let (table, condition) = (table.clone(), condition.map(str::to_owned));
        self.pool
            .run(move |connection| profile::table(connection, &table, target, condition.as_deref()))
            .await
    }

    async fn matching(&self, table: &Table, condition: &str) -> Result<Matching> {
        let (table, condition) = (table.clone(), condition.to_owned());
        self.pool
            .run(move |connection| {
                let found = matching(connection, &table, &condition);
                found.map_err(|e| refused_condition(&table.name, &e))
            })
            .await
    }

    async fn columns(&self, view: &str) -> Result<Vec<ReadColumn>> {
        let view = view.to_owned();
        self.pool
            .run(move |connection| {
                let ask = |connection: &Connection| {
                    let mut statement =
                        connection.prepare("SELECT name FROM pragma_table_info(?1) ORDER BY cid")?;
                    let column = |row: &Row<'_>| Ok(ReadColumn::untyped(row.get(0)?, DataType::Any));
                    let columns = statement.query_map([&view], column)?;
                    columns.collect::<rusqlite::Result<Vec<_>>>()
                };
                with_views(connection, ask).map_err(|e| {
                    failure(ErrorKind::Read, format!("cannot look at view {}", quote(&view)), &e)
                })
            })
            .await
    }

    async fn orphans(&self, plan: &Plan) -> Result<Vec<Orphans>> {
        let plan = plan.in_source();
        self.pool
            .run(move |connection| {
                orphans::find(connection, &plan)
                    .map_err(|e| failure(ErrorKind::Read, "cannot check the foreign keys of the source", &e))
            })
            .await
    }

    async fn state(&self) -> Option<String> {
        self.state.clone()
    }

    async fn read(&self, request: &ReadRequest, to: BatchSender) -> Result<()> {
        let request = request.clone();
        self.pool.run(move |connection| self::table(connection, &request, &to)).await
    }

    async fn native_backup(&self, order: &NativeOrder) -> Result<()> {
        let order = order.clone();
        self.pool.run(move |connection| backup::copy(connection, &order)).await
    }

    async fn close(self: Box<Self>) {
        self.pool.close().await;
    }
}

/// Readers of a file that nobody writes to (a staged one): as many as are wanted at once. Each is used again, because a
/// new connection reads the definition of every object first.
pub struct Readers {
    real: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    /// Of this file; none is opened yet.
    pub fn new(real: PathBuf) -> Self {
        Self { real, idle: Arc::default() }
    }

    /// Reads a table.
    pub async fn read(&self, request: ReadRequest, to: BatchSender) -> Result<()> {
        let (real, idle) = (self.real.clone(), self.idle.clone());
        blocking::run(move || {
            let rested = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = rested.map_or_else(|| file::open(&real, Access::Read), Ok)?;
            let done = table(&connection, &request, &to);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            done
        })
        .await
    }

    /// Closes all that are idle.
    pub fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn readers_agree_while_somebody_commits_all_the_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("busy.db");
        let writer = Connection::open(&path).unwrap();
        writer
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE t (a)")
            .unwrap();
        let stop = AtomicBool::new(false);
        let stop = &stop;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    writer.execute("INSERT INTO t VALUES (1)", []).unwrap();
                }
            });
            for _ in 0..10 {
                let snapshot = SqliteSnapshot::begin(&path, 3).unwrap();
                let connections = snapshot.pool.connections.lock().unwrap();
                assert_eq!(connections.len(), snapshot.readers());
                let counts: Vec<i64> = connections
                    .iter()
                    .map(|c| c.query_row("SELECT count(*) FROM t", [], |r| r.get(0)).unwrap())
                    .collect();
                assert!(counts.iter().all(|c| *c == counts[0]), "{counts:?}");
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}
