//! What migration tools have written down in a database, read as any rows are read.

use serde::Serialize;

use crate::engine::capability::{ReadColumn, ReadRequest, Snapshot, Source};
use crate::model::batch::Cell;
use crate::model::error::Result;
use crate::model::schema::{Schema, Table};
use crate::pipeline::copy;
use crate::pipeline::history::HISTORIES;

/// What one tool has recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// Table in which it stands.
    pub table: String,
    /// Migrations, sorted.
    pub names: Vec<String>,
}

/// Reads what migration tools have recorded, as any rows are read.
pub(crate) async fn read(source: &dyn Source, schema: &Schema) -> Result<Vec<Recorded>> {
    // Those whose migrations have one name each.
    let single = HISTORIES.iter().filter_map(|(table, telling)| match telling {
        [column] => Some((*table, *column)),
        _ => None,
    });
    let recorded = single
        .filter_map(|(table, column)| Some((schema.table(table)?, column)))
        .filter(|(table, column)| table.column(column).is_some());
    let mut out = Vec::new();
    for (table, column) in recorded {
        let snapshot = source.snapshot(1).await?;
        let names = texts(snapshot.as_ref(), table, column).await;
        snapshot.close().await;
        let mut names = names?;
        names.sort();
        out.push(Recorded { table: table.name.clone(), names });
    }
    Ok(out)
}

/// All values of a text column.
async fn texts(snapshot: &dyn Snapshot, table: &Table, column: &str) -> Result<Vec<String>> {
    let Some(column) = table.column(column) else { return Ok(Vec::new()) };
    let columns = vec![ReadColumn::of(column, column.data_type.clone())];
    let request = ReadRequest::all(&table.name, columns);
    let mut texts = Vec::new();
    let read = |to| snapshot.read(&request, to);
    copy::each_batch(&request, read, |batch| {
        for row in batch.iter() {
            if let [Cell::Text(span)] = row {
                texts.push(batch.text(*span).to_owned());
            }
        }
    })
    .await?;
    Ok(texts)
}
