//! An archive as a source: its catalogue is the schema in it, its one view is the file. Nothing is decoded that does
//! not have the SHA-256 that the manifest says, and nothing outside of the file is touched.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;

use super::columns::{self, Values};
use super::container::{self, Damage, Member, Stretch};
use super::format::{self, Manifest, TableEntry};
use super::parts::{self, Parts};
use super::stream::Batches;
use crate::engine::blocking;
use crate::engine::capability::{
    Defaults, Facts, Matching, Orphans, Probe, ReadColumn, ReadRequest, Rules, Snapshot, Source, Stored,
    TableSize, Told, Verdict,
};
use crate::engine::judge::Misfits;
use crate::engine::kept::{Kept, Unfit};
use crate::engine::stream::BatchSender;
use crate::model::batch::{Batch, Cell, DEFAULT_BATCH_BYTES, Shape, ShapeColumn};
use crate::model::digest::Digest;
use crate::model::endpoint::{Dialect, Flavour};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::event::{Event, Observer};
use crate::model::plan::{ColumnProfile, Plan, TableProfile};
use crate::model::policy::Decision;
use crate::model::schema::{Schema, Table};

/// Most tables that are read at the same time.
const MOST_READERS: usize = 16;

/// An open archive.
pub struct Archive {
    inner: Arc<Inner>,
}

struct Inner {
    file: File,
    shown: PathBuf,
    members: Vec<Member>,
    manifest: Manifest,
    schema: Schema,
    facts: Facts,
    rules: Box<dyn Rules>,
}

/// Product whose database a file is an archive of; `None` if it is none. A file that begins as an archive and is cut
/// or damaged is an error.
pub fn recognise(path: &Path) -> Result<Option<Flavour>> {
    let Ok(file) = File::open(path) else { return Ok(None) };
    if !container::begins(&file, format::SCHEMA).unwrap_or(false) {
        return Ok(None);
    }
    let (_, manifest) =
        parts::manifest(&file).map_err(|e| unreadable(path, &e))?.map_err(|d| damaged(path, &d))?;
    Ok(Some(manifest.database.product))
}

/// Opens an archive; `rules` gives the rules of the product that it is of, as the server that it came from has them.
/// `shown` is what messages call the file.
pub async fn open(
    file: File,
    shown: &Path,
    rules: impl FnOnce(Flavour, &Facts) -> Box<dyn Rules> + Send + 'static,
) -> Result<Archive> {
    let shown = shown.to_owned();
    blocking::run(move || {
        let parts =
            parts::read(&file).map_err(|e| unreadable(&shown, &e))?.map_err(|d| damaged(&shown, &d))?;
        let Parts { members, manifest, schema, facts } = parts;
        let rules = rules(facts.flavour, &facts);
        Ok(Archive { inner: Arc::new(Inner { file, shown, members, manifest, schema, facts, rules }) })
    })
    .await
}

impl Archive {
    /// What the archive says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.inner.manifest
    }

    /// Reads every byte: the digest over the whole file, then each table, whose rows and digest have to be those that
    /// were read from the database. `Verify` says what is wrong.
    pub async fn verify(&self, observer: &Arc<dyn Observer>) -> Result<()> {
        let (inner, observer) = (self.inner.clone(), observer.clone());
        blocking::run(move || match inner.check(observer.as_ref())? {
            None => Ok(()),
            Some(damage) => Err(damaged(&inner.shown, &damage).with_kind(ErrorKind::Verify)),
        })
        .await
    }
}

impl Inner {
    fn table(&self, name: &str) -> Result<(&TableEntry, &Member)> {
        let found = self.manifest.tables.iter().zip(&self.members[1..]).find(|(entry, _)| entry.name == name);
        found.ok_or_else(|| {
            Error::new(ErrorKind::Read, format!("archive {} has no table {name:?}", self.shown.display()))
        })
    }

    /// Hands over the batches of a table, after its member was found to be as it was written.
    fn batches(
        &self,
        (entry, member): (&TableEntry, &Member),
        mut take: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let unreadable = |e: &io::Error| unreadable(&self.shown, e);
        let wrong = |why: &str| damaged(&self.shown, &format!("the rows of table {:?}: {why}", entry.name));
        if container::digest(&self.file, member).map_err(|e| unreadable(&e))? != entry.sha256 {
            return Err(wrong("they are not those that were written"));
        }
        let schema = columns::schema(&entry.columns);
        let content = Stretch::of(&self.file, member);
        let mut batches = Batches::new(content, schema, entry.arrow_bytes).map_err(|e| unreadable(&e))?;
        let mut rows = 0_u64;
        while let Some(batch) = batches.next().map_err(|e| wrong(&e))? {
            rows += batch.num_rows() as u64;
            if rows > entry.content.rows {
                return Err(wrong("there are more of them than the manifest says"));
            }
            take(&batch)?;
        }
        if rows == entry.content.rows { Ok(()) } else { Err(wrong("some are missing")) }
    }

    /// The cells of a batch's columns.
    fn values<'a>(&self, entry: &TableEntry, at: usize, batch: &'a RecordBatch) -> Result<Values<'a>> {
        let array = batch.columns().get(at);
        let values = array.and_then(|array| Values::of(array, &entry.columns[at].kept));
        values.ok_or_else(|| damaged(&self.shown, &format!("a column of table {:?} is missing", entry.name)))
    }

    fn read(&self, request: &ReadRequest, to: &BatchSender) -> Result<()> {
        if request.condition.is_some() {
            return Err(no_conditions(&self.shown));
        }
        let found = self.table(&request.table)?;
        let places = request
            .columns
            .iter()
            .map(|column| {
                let at = found.0.columns.iter().position(|c| c.name == column.name);
                at.map(|at| (at, column)).ok_or_else(|| {
                    let what =
                        format!("table {:?} of the archive has no column {:?}", request.table, column.name);
                    Error::new(ErrorKind::Read, what)
                })
            })
            .collect::<Result<Vec<(usize, &ReadColumn)>>>()?;
        let mut filler =
            Filler { inner: self, entry: found.0, request, to, batch: to.fresh(), misfits: Misfits::on(to) };
        self.batches(found, |rows| {
            let columns = places
                .iter()
                .map(|(at, column)| Ok((self.values(found.0, *at, rows)?, *column)))
                .collect::<Result<Vec<_>>>()?;
            (0..rows.num_rows()).try_for_each(|row| filler.row(&columns, row))
        })?;
        if filler.batch.is_empty() { Ok(()) } else { to.blocking_send(filler.batch) }
    }

    /// What is wrong, found by reading everything.
    fn check(&self, observer: &dyn Observer) -> Result<Option<Damage>> {
        let (said, is) = container::digests(&self.file).map_err(|e| unreadable(&self.shown, &e))?;
        if said != is {
            return Ok(Some("its bytes are not those that were written".into()));
        }
        for (entry, member) in self.manifest.tables.iter().zip(&self.members[1..]) {
            observer
                .event(&Event::TableStarted { table: entry.name.clone(), rows: Some(entry.content.rows) });
            let content = match self.content((entry, member), observer) {
                Ok(content) => content,
                Err(e) if e.kind() == ErrorKind::Read => {
                    return Ok(Some(e.reason().unwrap_or_default().to_owned()));
                }
                Err(e) => return Err(e),
            };
            if content != entry.content {
                return Ok(Some(format!("the rows of table {:?} are not those of the database", entry.name)));
            }
            observer.event(&Event::TableFinished { table: entry.name.clone(), rows: content.rows });
        }
        Ok(None)
    }

    /// Rows and digest of a table, read back as it is kept.
    fn content(&self, found: (&TableEntry, &Member), observer: &dyn Observer) -> Result<Digest> {
        let (entry, _) = found;
        let column =
            |c: &format::ColumnEntry| ShapeColumn { name: c.name.clone(), data_type: c.kept.clone() };
        let columns = entry.columns.iter().map(column).collect();
        let mut batch = Batch::new(Arc::new(Shape { table: entry.name.clone(), columns, key: Vec::new() }));
        let (mut digest, mut scratch) = (Digest::default(), Vec::new());
        let mut flush = |batch: &mut Batch| {
            digest.add_batch(batch, &mut scratch);
            let (rows, bytes) = (batch.rows() as u64, batch.byte_size() as u64);
            observer.event(&Event::Rows { table: entry.name.clone(), rows, bytes });
            batch.clear();
        };
        self.batches(found, |rows| {
            let columns = (0..entry.columns.len())
                .map(|at| self.values(entry, at, rows))
                .collect::<Result<Vec<_>>>()?;
            for row in 0..rows.num_rows() {
                for values in &columns {
                    self.value(entry, values, row)?.push(&mut batch);
                }
                if batch.byte_size() >= DEFAULT_BATCH_BYTES {
                    flush(&mut batch);
                }
            }
            Ok(())
        })?;
        flush(&mut batch);
        Ok(digest)
    }

    fn value<'a>(&self, entry: &TableEntry, values: &Values<'a>, row: usize) -> Result<Kept<'a>> {
        values.at(row).ok_or_else(|| {
            damaged(&self.shown, &format!("the rows of table {:?}: a value is of no kind", entry.name))
        })
    }
}

/// Fills one batch after the other.
struct Filler<'a> {
    inner: &'a Inner,
    entry: &'a TableEntry,
    request: &'a ReadRequest,
    to: &'a BatchSender,
    batch: Batch,
    misfits: Misfits<'a>,
}

impl Filler<'_> {
    /// Takes a row whole, so that its key is known when one of its values is refused.
    fn row(&mut self, columns: &[(Values<'_>, &ReadColumn)], row: usize) -> Result<()> {
        let rules = &self.inner.rules;
        let mut refused: Option<(&str, Unfit)> = None;
        for (at, (values, column)) in columns.iter().enumerate() {
            let value = self.inner.value(self.entry, values, row)?;
            let Err(unfit) = rules.reread(value, column, &mut self.batch) else { continue };
            let made = match self.misfits.ask(at, unfit.code) {
                Decision::Convert => rules.reread_by_rule(value, column, unfit, &mut self.batch),
                Decision::Reject => {
                    self.batch.push(Cell::Null);
                    true
                }
                Decision::Stop | Decision::Accept => false,
            };
            if !made {
                self.batch.push(Cell::Null);
                refused.get_or_insert((column.name.as_str(), unfit));
            }
        }
        let last = self.batch.rows().saturating_sub(1);
        if let Some((column, unfit)) = refused {
            let key = self.batch.key_of(last).map_or_else(|| "without a key".into(), |k| format!("with {k}"));
            let table = &self.request.table;
            return Err(Error::new(
                ErrorKind::Value,
                format!(
                    "the value of column {column:?} in table {table:?}, in the row {key}, {}",
                    unfit.text
                ),
            )
            .next("decide about such values with --rule, or leave the table out"));
        }
        self.misfits.settle(&mut self.batch, |batch| batch.row_key(last))?;
        if self.batch.rows() >= self.request.batch_rows || self.batch.byte_size() >= self.request.batch_bytes
        {
            self.to.blocking_send(std::mem::replace(&mut self.batch, self.to.fresh()))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Source for Archive {
    fn facts(&self) -> &Facts {
        &self.inner.facts
    }

    fn rules(&self) -> &dyn Rules {
        self.inner.rules.as_ref()
    }

    async fn inspect(&self) -> Result<Schema> {
        Ok(self.inner.schema.clone())
    }

    async fn sizes(&self) -> Result<Vec<TableSize>> {
        let size = |entry: &TableEntry| TableSize {
            table: entry.name.clone(),
            rows: entry.content.rows,
            bytes: Some(entry.bytes),
        };
        Ok(self.inner.manifest.tables.iter().map(size).collect())
    }

    async fn damage(&self) -> Result<Vec<String>> {
        let inner = self.inner.clone();
        blocking::run(move || Ok(inner.check(&crate::model::event::Silent)?.into_iter().collect())).await
    }

    async fn snapshot(&self, readers: usize) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(View { inner: self.inner.clone(), readers: readers.clamp(1, MOST_READERS) }))
    }

    async fn probe(&self, _probe: &Probe) -> Result<Option<Vec<Verdict>>> {
        Ok(None)
    }

    async fn evaluate(&self, _defaults: &Defaults) -> Result<Option<Vec<Stored>>> {
        Ok(None)
    }

    async fn close(&self) {}
}

/// The one view that an archive has.
struct View {
    inner: Arc<Inner>,
    readers: usize,
}

#[async_trait]
impl Snapshot for View {
    fn seeks(&self) -> bool {
        false
    }

    fn readers(&self) -> usize {
        self.readers
    }

    async fn estimate(&self, table: &str) -> Result<Option<u64>> {
        self.count(table).await.map(Some)
    }

    async fn count(&self, table: &str) -> Result<u64> {
        Ok(self.inner.table(table)?.0.content.rows)
    }

    /// What was seen when the archive was made, column by column. A column that a rule has given another type since
    /// was not looked at as such: its reader does.
    async fn profile(&self, table: &Table, target: Dialect, condition: Option<&str>) -> Result<TableProfile> {
        if condition.is_some() {
            return Err(no_conditions(&self.inner.shown));
        }
        let entry = self.inner.table(&table.name)?.0;
        let Some(seen) = entry.profiles.get(&target) else { return Ok(TableProfile::default()) };
        let declared = self.inner.schema.table(&table.name);
        let of = |column: &crate::model::schema::Column| {
            let same = declared
                .and_then(|t| t.column(&column.name))
                .is_some_and(|had| had.data_type == column.data_type);
            let at = entry.columns.iter().position(|c| c.name == column.name);
            let found = at.and_then(|at| seen.columns.get(at)).cloned().unwrap_or_default();
            if same {
                found
            } else {
                ColumnProfile { classes: found.classes, utf8: found.utf8, ..ColumnProfile::default() }
            }
        };
        // A table that was not looked at has no columns.
        let columns =
            if seen.columns.is_empty() { Vec::new() } else { table.columns.iter().map(of).collect() };
        Ok(TableProfile { rows: seen.rows, columns })
    }

    fn evaluates(&self) -> bool {
        false
    }

    fn told(&self) -> Option<&Told> {
        Some(&self.inner.manifest.told)
    }

    async fn matching(&self, _: &Table, _: &str) -> Result<Matching> {
        Err(no_conditions(&self.inner.shown))
    }

    async fn columns(&self, view: &str) -> Result<Vec<ReadColumn>> {
        let shown = self.inner.shown.display();
        Err(Error::new(ErrorKind::Read, format!("archive {shown} holds no rows of view {view:?}")))
    }

    /// Those that the database had, of the foreign keys that the plan has.
    async fn orphans(&self, plan: &Plan) -> Result<Vec<Orphans>> {
        let plan = plan.in_source();
        let planned = |orphans: &&Orphans| {
            plan.tables.iter().filter(|t| t.source == orphans.table).flat_map(|t| &t.foreign_keys).any(
                |key| {
                    key.columns == orphans.columns && key.references.eq_ignore_ascii_case(&orphans.references)
                },
            )
        };
        Ok(self.inner.manifest.orphans.iter().filter(planned).cloned().collect())
    }

    async fn read(&self, request: &ReadRequest, to: BatchSender) -> Result<()> {
        let (inner, request) = (self.inner.clone(), request.clone());
        blocking::run(move || inner.read(&request, &to)).await
    }

    async fn close(self: Box<Self>) {}
}

fn damaged(shown: &Path, damage: &Damage) -> Error {
    Error::new(ErrorKind::Read, format!("archive {} is damaged", shown.display()))
        .why(damage)
        .next("use another backup; `techcare-db backup --list` shows what there is")
}

fn unreadable(shown: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Read, format!("cannot read archive {}", shown.display())).why(error)
}

fn no_conditions(shown: &Path) -> Error {
    Error::new(
        ErrorKind::Usage,
        format!("{} is an archive: nobody in it evaluates a condition", shown.display()),
    )
    .next("restore it into a database first, or take the condition out of the rule")
}
