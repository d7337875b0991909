//! The proof: what the target says when it is asked again, against what was read from the source.

use std::sync::Arc;

use super::copy::{self, BatchSize, Copied, Counter, Side, Tally};
use super::rejects::Rejects;
use crate::engine::capability::{Orphans, ReadRequest, Snapshot, Staging};
use crate::engine::stream::{self, BatchReceiver, BatchSender};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::event::{Event, Observer};
use crate::model::plan::TablePlan;

/// Reads a staged table back.
pub async fn read_staged(
    staging: &dyn Staging,
    table: &TablePlan,
    size: BatchSize,
    observer: &Arc<dyn Observer>,
) -> Result<Tally> {
    let request = copy::request(table, Side::Target, size);
    let (counter, sender, receiver) = road(&request, table, observer);
    tally(staging.read(&request, sender), counter, receiver, table, observer).await
}

/// Reads a table of the source without writing it anywhere.
pub async fn read_source(
    snapshot: &dyn Snapshot,
    table: &TablePlan,
    size: BatchSize,
    observer: &Arc<dyn Observer>,
) -> Result<Tally> {
    let request = copy::request(table, Side::Source, size);
    let (counter, sender, receiver) = road(&request, table, observer);
    tally(snapshot.read(&request, sender), counter, receiver, table, observer).await
}

fn road(
    request: &ReadRequest,
    table: &TablePlan,
    observer: &Arc<dyn Observer>,
) -> (Counter, BatchSender, BatchReceiver) {
    observer.event(&Event::TableStarted { table: table.source.clone(), rows: table.estimated_rows });
    let (sender, receiver) = stream::channel(request.shape());
    let (counter, sender) = Counter::on(sender, &table.source, observer);
    (counter, sender, receiver)
}

async fn tally(
    read: impl Future<Output = Result<()>>,
    counter: Counter,
    receiver: BatchReceiver,
    table: &TablePlan,
    observer: &Arc<dyn Observer>,
) -> Result<Tally> {
    let (read, drained) = tokio::join!(read, receiver.drain(|_| Ok(())));
    read.and(drained)?;
    let tally = counter.tally();
    observer.event(&Event::TableFinished { table: table.source.clone(), rows: tally.digest.rows });
    Ok(tally)
}

/// Every row that was read has been written, whichever way it went; holds without the proof too.
fn account(table: &TablePlan, read: Tally, written: u64) -> Result<()> {
    if written == read.digest.rows {
        return Ok(());
    }
    let rows = read.digest.rows;
    Err(Error::new(
        ErrorKind::Verify,
        format!("table \"{}\": {rows} rows were read but {written} were written", table.source),
    ))
}

/// Closes the books of a table that was carried: says what was put aside and left out of it, and refuses if that does
/// not add up.
pub async fn settle(
    table: &TablePlan,
    copied: &mut Copied,
    snapshot: &dyn Snapshot,
    rejects: &Rejects,
) -> Result<()> {
    account(table, copied.read, copied.written)?;
    copied.rejected = rejects.rows(&table.source);
    copied.filtered = table.filter.as_ref().and_then(|f| f.left).unwrap_or(0);
    if copied.rejected > 0 || table.filter.is_some() {
        balance(table, *copied, snapshot.count(&table.source).await?)?;
    }
    Ok(())
}

/// Every row that the source has, counted once more in the same view, was written, put aside, or left
/// out by a rule.
pub fn balance(table: &TablePlan, copied: Copied, counted: u64) -> Result<()> {
    if copied.written + copied.rejected + copied.filtered == counted {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Verify,
        format!(
            "table \"{}\" has {counted} rows, but {} were written, {} rejected and {} left out by a rule",
            table.source, copied.written, copied.rejected, copied.filtered
        ),
    ))
}

/// Compares what was read with what arrived.
pub fn compare(table: &TablePlan, read: Tally, arrived: Tally) -> Result<()> {
    if read.digest == arrived.digest {
        return Ok(());
    }
    let why = if read.digest.rows == arrived.digest.rows {
        "the number of rows is the same, the contents differ".to_owned()
    } else {
        format!("{} rows were read, {} arrived", read.digest.rows, arrived.digest.rows)
    };
    Err(Error::new(
        ErrorKind::Verify,
        format!("table \"{}\" did not arrive in the target as it was read", table.source),
    )
    .why(why)
    .next(
        "nothing was switched on and the target is as it was; a rule in techcare-db.toml can give the column that the target \
         spells anew another type (type = \"text\") or leave it out (exclude); please report this with the table's definition",
    ))
}

/// Rows whose parent is missing stop the migration: a foreign key over them would be a lie.
pub fn refuse_orphans(orphans: &[Orphans]) -> Result<()> {
    let Some(first) = orphans.first() else { return Ok(()) };
    let keys = if first.keys.is_empty() { String::new() } else { format!(": {}", first.keys.join("; ")) };
    let more = match orphans.len() {
        1 => String::new(),
        n => format!(" ({} more foreign keys have orphans too)", n - 1),
    };
    Err(Error::new(
        ErrorKind::Value,
        format!(
            "{} rows of table \"{}\" point with \"{}\" at rows of \"{}\" that are not there{more}",
            first.rows,
            first.table,
            first.columns.join("\", \""),
            first.references
        ),
    )
    .why(format!("rows concerned{keys}"))
    .next("mend or delete these rows in the source and run the migration again; the target is as it was"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::Digest;

    fn tally(rows: u64, sum: u128) -> Tally {
        Tally { digest: Digest { rows, sum }, bytes: 0 }
    }

    fn table() -> TablePlan {
        crate::model::sample::table("users", vec![])
    }

    #[test]
    fn only_equal_counts_and_contents_pass() {
        assert!(compare(&table(), tally(3, 7), tally(3, 7)).is_ok());
        for arrived in [tally(3, 8), tally(2, 7)] {
            let error = compare(&table(), tally(3, 7), arrived).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Verify);
            assert!(error.what().contains("users"));
        }
    }

    #[test]
    fn rows_have_to_add_up_without_the_proof_too() {
        assert!(account(&table(), tally(3, 7), 3).is_ok());
        let error = account(&table(), tally(3, 7), 2).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Verify);
    }

    #[test]
    fn no_row_is_neither_written_nor_rejected() {
        let copied = Copied { read: tally(3, 7), written: 3, rejected: 2, filtered: 1, ..Copied::default() };
        assert!(balance(&table(), copied, 6).is_ok());
        let error = balance(&table(), copied, 7).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Verify);
    }

    #[test]
    fn orphans_are_named_by_key() {
        let orphans = [Orphans {
            table: "diagnostics".into(),
            columns: vec!["user_id".into()],
            references: "users".into(),
            rows: 2,
            keys: vec!["id=7".into(), "id=9".into()],
        }];
        let error = refuse_orphans(&orphans).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Value);
        assert!(error.reason().unwrap().contains("id=7; id=9"));
        assert!(refuse_orphans(&[]).is_ok());
    }
}
