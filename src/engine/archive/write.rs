//! Writes an archive from one consistent view of a database: the schema, table after table, the manifest. Reading and
//! packing run side by side; memory holds a few batches whatever the size of a table.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use arrow_ipc::writer::StreamEncoder;
use chrono::{SecondsFormat, Utc};
use sha2::{Digest as _, Sha256};

use super::columns::{self, Gatherer};
use super::container::Writer;
use super::format::{self, ColumnEntry, Database, Manifest, TableEntry};
use crate::engine::blocking;
use crate::engine::capability::{Facts, Orphans, ReadColumn, ReadRequest, Rules, Snapshot, Source, Told};
use crate::engine::compress::ZSTD_LEVEL;
use crate::engine::stream::{self, BatchReceiver};
use crate::model::batch::Batch;
use crate::model::digest::Digest;
use crate::model::endpoint::Dialect;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::event::{Event, Observer};
use crate::model::plan::TableProfile;
use crate::model::schema::{Schema, Table};
use crate::model::value::format_hex;

/// Bytes that are collected before they are written.
const BUFFER: usize = 256 * 1024;

/// What goes into an archive.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    /// The database, for what it says about itself.
    pub source: &'a dyn Source,
    /// Its schema, or the tables of it that are to be kept.
    pub schema: &'a Schema,
    /// The view that everything is read through.
    pub snapshot: &'a dyn Snapshot,
    /// Rows without a parent that the view has.
    pub orphans: &'a [Orphans],
    /// What it says of other rows that a constraint may refuse.
    pub told: &'a Told,
    /// Run that makes the archive.
    pub run: &'a str,
    /// Who watches.
    pub observer: &'a Arc<dyn Observer>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The manifest that stands in the archive.
    pub manifest: Manifest,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes an archive into an empty file and brings it to disk. `Value` names a value that has no exact form outside of
/// its engine (an infinite timestamp of PostgreSQL).
pub async fn write(content: &Content<'_>, file: File) -> Result<Written> {
    let begun = now();
    let synced = file.try_clone().map_err(|e| failed(&e))?;
    let text = to_json(content.schema)?;
    let schema_sha256 = format_hex(&Sha256::digest(&text));
    let mut writer = blocking::run(move || {
        let mut writer = Writer::new(BufWriter::with_capacity(BUFFER, file));
        whole_member(&mut writer, format::SCHEMA, &text).map_err(|e| failed(&e))?;
        Ok(writer)
    })
    .await?;
    let mut tables = Vec::with_capacity(content.schema.tables.len());
    for (nth, table) in content.schema.tables.iter().enumerate() {
        let entry;
        (writer, entry) = write_table(content, nth, table, writer).await?;
        tables.push(entry);
    }
    let manifest = Manifest {
        format: format::VERSION,
        program: format!("techcare-db {}", env!("CARGO_PKG_VERSION")),
        run: content.run.to_owned(),
        begun,
        ended: now(),
        database: Database::from(content.source.facts()),
        schema_sha256,
        tables,
        orphans: content.orphans.to_vec(),
        told: content.told.clone(),
    };
    let text = to_json(&manifest)?;
    let bytes = blocking::run(move || {
        let finish = || {
            whole_member(&mut writer, format::MANIFEST, &text)?;
            writer.finish()?;
            synced.sync_all()?;
            Ok(synced.metadata()?.len())
        };
        finish().map_err(|e| failed(&e))
    })
    .await?;
    Ok(Written { manifest, bytes })
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}

type Out = Writer<BufWriter<File>>;

fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    let text =
        serde_json::to_vec_pretty(value).map_err(|e| Error::internal("cannot describe an archive").why(e))?;
    if text.len() as u64 > format::MOST_JSON {
        return Err(Error::new(ErrorKind::Refused, "the database has more tables than an archive describes"));
    }
    Ok(text)
}

fn whole_member(writer: &mut Out, name: &str, content: &[u8]) -> io::Result<()> {
    writer.begin(name)?;
    writer.write_all(content)?;
    writer.end().map(drop)
}

/// Reads one table and writes its member.
async fn write_table(
    content: &Content<'_>,
    nth: usize,
    table: &Table,
    writer: Out,
) -> Result<(Out, TableEntry)> {
    let Content { source, snapshot, observer, .. } = *content;
    let profiles = profiles(snapshot, table).await?;
    let columns = kept(source.rules(), table, &profiles);
    let rows = snapshot.estimate(&table.name).await?;
    observer.event(&Event::TableStarted { table: table.name.clone(), rows });
    let request = request(table, &columns);
    let (sender, receiver) = stream::channel(request.shape());
    let watcher = observer.clone();
    let name = table.name.clone();
    let sender = sender.tapped(move |batch: &Batch| {
        let (rows, bytes) = (batch.rows() as u64, batch.byte_size() as u64);
        watcher.event(&Event::Rows { table: name.clone(), rows, bytes });
    });
    let name = table.name.clone();
    let write = blocking::run(move || write_rows(writer, nth, &name, columns, receiver));
    let (read, written) = tokio::join!(snapshot.read(&request, sender), write);
    let (writer, mut entry) = match (read, written) {
        (Ok(()), written) => written?,
        (Err(read), Ok(_)) => return Err(unreadable(read, source.facts())),
        // The reader stopped because the writer did, whose error is the one to tell.
        (Err(_), Err(written)) => return Err(written),
    };
    entry.profiles = profiles;
    observer.event(&Event::TableFinished { table: table.name.clone(), rows: entry.content.rows });
    Ok((writer, entry))
}

/// What is seen of a table's values towards each engine, where that leaves something open.
async fn profiles(snapshot: &dyn Snapshot, table: &Table) -> Result<BTreeMap<Dialect, TableProfile>> {
    let mut seen = BTreeMap::new();
    for target in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
        let profile = snapshot.profile(table, target, None).await?;
        if profile != TableProfile::default() {
            seen.insert(target, profile);
        }
    }
    Ok(seen)
}

fn kept(rules: &dyn Rules, table: &Table, profiles: &BTreeMap<Dialect, TableProfile>) -> Vec<ColumnEntry> {
    let entry = |(at, column): (usize, &crate::model::schema::Column)| {
        let seen: Vec<_> = profiles.values().filter_map(|p| p.columns.get(at)).collect();
        ColumnEntry { name: column.name.clone(), kept: rules.keeps(column, &seen) }
    };
    table.columns.iter().enumerate().map(entry).collect()
}

/// Every column, generated ones included: they become plain ones where the target cannot compute them.
fn request(table: &Table, columns: &[ColumnEntry]) -> ReadRequest {
    let columns = table.columns.iter().zip(columns);
    let columns = columns.map(|(column, entry)| ReadColumn::of(column, entry.kept.clone()));
    ReadRequest { key: table.key_columns(), ..ReadRequest::all(&table.name, columns.collect()) }
}

/// Packs the rows of one table as they come.
fn write_rows(
    mut writer: Out,
    nth: usize,
    table: &str,
    columns: Vec<ColumnEntry>,
    mut rows: BatchReceiver,
) -> Result<(Out, TableEntry)> {
    let broken = |e: arrow_schema::ArrowError| Error::internal(format!("cannot pack table {table:?}")).why(e);
    let member = format::member(nth);
    writer.begin(&member).map_err(|e| failed(&e))?;
    let mut gatherer = Gatherer::new(&columns);
    let mut encoder = StreamEncoder::try_new(&columns::schema(&columns)).map_err(broken)?;
    let mut packed = zstd::stream::write::Encoder::new(&mut writer, ZSTD_LEVEL).map_err(|e| failed(&e))?;
    let (mut content, mut scratch, mut arrow_bytes) = (Digest::default(), Vec::new(), 0);
    let mut put = |buffers: Vec<arrow_buffer::Buffer>| -> Result<()> {
        for buffer in buffers {
            arrow_bytes += buffer.len() as u64;
            packed.write_all(&buffer).map_err(|e| failed(&e))?;
        }
        Ok(())
    };
    while let Some(batch) = rows.blocking_recv() {
        content.add_batch(&batch, &mut scratch);
        let made = gatherer.gather(&batch).map_err(broken)?;
        let arrow = made.map_err(|stray| strayed(table, &batch, &columns[stray.0].name))?;
        let buffers = encoder.encode(&arrow).map_err(broken)?;
        if buffers.iter().map(|b| b.len() as u64).sum::<u64>() > format::MOST_BATCH {
            let what = format!("a row of table {table:?} is larger than an archive takes");
            return Err(
                Error::new(ErrorKind::Value, what).next("leave the table out, or use --method native")
            );
        }
        put(buffers)?;
        rows.recycle(batch);
    }
    put(encoder.finish().map_err(broken)?)?;
    packed.finish().map_err(|e| failed(&e))?;
    let (bytes, sha256) = writer.end().map_err(|e| failed(&e))?;
    let profiles = BTreeMap::new();
    let entry =
        TableEntry { name: table.to_owned(), member, bytes, sha256, arrow_bytes, content, columns, profiles };
    Ok((writer, entry))
}

/// A value that its own engine's reader gave and that is none of the column's kind.
fn strayed(table: &str, batch: &Batch, column: &str) -> Error {
    let key = (0..batch.rows()).next().and_then(|row| batch.key_of(row));
    let near = key.map(|k| format!(", at or after the row with {k}")).unwrap_or_default();
    Error::new(
        ErrorKind::Value,
        format!("column {column:?} of table {table:?} holds a value that its type does not describe{near}"),
    )
    .next("correct it, or use --method native")
}

/// A value that the engine's own backup keeps and an archive does not.
fn unreadable(error: Error, facts: &Facts) -> Error {
    if error.kind() != ErrorKind::Value {
        return error;
    }
    let why = error.reason().map(|why| format!(": {why}")).unwrap_or_default();
    Error::new(ErrorKind::Value, error.what().to_owned())
        .why(format!("an archive keeps values that more than one engine has{why}"))
        .next(format!(
            "correct the value, or make a backup in {}'s own form with --method native",
            facts.flavour.title()
        ))
}

fn failed(error: &io::Error) -> Error {
    Error::new(ErrorKind::of_writing(error), "cannot write the archive").why(error)
}
