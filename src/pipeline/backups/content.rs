//! What is in a database, table by table: rows and digest, as a migration to the same engine would read them. The
//! database and its backup are asked alike.

use std::io::Read;
use std::sync::Arc;

use futures::stream::{self as streams, StreamExt as _, TryStreamExt as _};

use crate::engine::capability::{ColumnInput, ReadColumn, ReadRequest, Rules, Snapshot, Source};
use crate::engine::stream;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::event::{Event, Observer};
use crate::model::manifest::TableContent;
use crate::model::schema::{Schema, Table};
use crate::pipeline::copy::Counter;

/// Reads every table, as many at a time as the snapshot has readers.
pub async fn of(
    schema: &Schema,
    snapshot: &dyn Snapshot,
    rules: &dyn Rules,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<TableContent>> {
    let mut contents: Vec<TableContent> = streams::iter(&schema.tables)
        .map(|table| of_table(table, snapshot, rules, observer))
        .buffer_unordered(snapshot.readers().max(1))
        .try_collect()
        .await?;
    contents.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(contents)
}

/// What is in a backup that its engine has written of a view of its own: nobody else could read that. `None` where it does not
/// tell.
pub async fn of_backup(
    schema: &Schema,
    source: &dyn Source,
    dump: Box<dyn Read + Send>,
) -> Result<Option<Vec<TableContent>>> {
    let requests = schema.tables.iter().map(|table| request(table, source.rules())).collect();
    let Some(contents) = source.rows_of_backup(requests, dump).await? else { return Ok(None) };
    // One that was made meanwhile is in it, with its number of rows. One that is not may have been dropped or left out.
    let named = |name: &str| contents.iter().any(|content| content.name == name);
    match schema.tables.iter().map(|table| &table.name).find(|name| !named(name)) {
        None => Ok(Some(contents)),
        Some(name) => Err(changed(format!("table \"{name}\" is missing in it"))),
    }
}

/// A backup that came out as something else than the database.
pub fn changed(why: String) -> Error {
    Error::new(ErrorKind::Verify, "the backup is not what the database holds")
        .why(why)
        .next("run it again; if the tables were being changed meanwhile, this is why")
}

async fn of_table(
    table: &Table,
    snapshot: &dyn Snapshot,
    rules: &dyn Rules,
    observer: &Arc<dyn Observer>,
) -> Result<TableContent> {
    let name = table.name.clone();
    let rows = snapshot.estimate(&name).await?;
    observer.event(&Event::TableStarted { table: name.clone(), rows });
    let request = request(table, rules);
    let (sender, receiver) = stream::channel(request.shape());
    let (counter, sender) = Counter::on(sender, &name, observer);
    let (read, drained) = tokio::join!(snapshot.read(&request, sender), receiver.drain(|_| Ok(())));
    let content = match read.and(drained) {
        Ok(()) => {
            let digest = counter.tally().digest;
            TableContent { name, rows: digest.rows, digest: Some(digest) }
        }
        // A value that is not of its column's type is no reason to make no backup of it.
        Err(error) if error.kind() == ErrorKind::Value => {
            TableContent { rows: snapshot.count(&name).await?, name, digest: None }
        }
        Err(error) => return Err(error),
    };
    observer.event(&Event::TableFinished { table: content.name.clone(), rows: content.rows });
    Ok(content)
}

fn request(table: &Table, rules: &dyn Rules) -> ReadRequest {
    let stored = table.columns.iter().filter(|column| column.generated.is_none());
    let columns = stored.map(|column| {
        let input = ColumnInput {
            source: rules.dialect(),
            source_flavour: rules.flavour(),
            column,
            profile: None,
            indexed: false,
        };
        ReadColumn::of(column, rules.map_column(&input).carries)
    });
    ReadRequest::all(&table.name, columns.collect())
}

/// The first difference between what should be there and what is, in one clause. A table that has no digest where it should be
/// is told by its number of rows.
pub fn difference(should: &[TableContent], is: &[TableContent]) -> Option<String> {
    let named = |name: &str, among: &[TableContent]| among.iter().any(|t| t.name == name);
    if let Some(missing) = should.iter().find(|t| !named(&t.name, is)) {
        return Some(format!("table \"{}\" is missing", missing.name));
    }
    if let Some(more) = is.iter().find(|t| !named(&t.name, should)) {
        return Some(format!("there is one more table, \"{}\"", more.name));
    }
    let differ = |a: &TableContent, b: &TableContent| {
        a.rows != b.rows || a.digest.is_some_and(|digest| b.digest != Some(digest))
    };
    should.iter().zip(is).find(|(a, b)| differ(a, b)).map(|(a, b)| {
        if a.rows == b.rows {
            format!("the rows of table \"{}\" are others", a.name)
        } else {
            format!("table \"{}\" has {} rows instead of {}", a.name, b.rows, a.rows)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::Digest;

    #[test]
    fn every_kind_of_difference_is_told() {
        let table = |name: &str, rows, sum| TableContent {
            name: name.into(),
            rows,
            digest: Some(Digest { rows, sum }),
        };
        let should = [table("a", 1, 1), table("b", 2, 2)];
        assert_eq!(difference(&should, &should), None);
        for (is, word) in [
            (vec![table("a", 1, 1)], "missing"),
            (vec![table("a", 1, 1), table("b", 2, 2), table("c", 0, 0)], "more"),
            (vec![table("a", 1, 1), table("b", 3, 2)], "3 rows instead of 2"),
            (vec![table("a", 1, 1), table("b", 2, 3)], "others"),
        ] {
            assert!(difference(&should, &is).unwrap().contains(word), "{word}");
        }
    }
}
