//! Generated columns: the values that the source has against those that the target computes from the rows that arrived.
//! They are not copied, so the proof of the tables does not see them. Every row is asked, on both sides.

use std::collections::HashSet;

use super::compare::buckets::{self, Sums, place};
use super::compare::differences::{Differences, Entry};
use super::copy::{self, BatchSize, Side};
use super::rejects::Rejects;
use crate::engine::capability::{ReadRequest, Snapshot, Staging};
use crate::engine::stream::BatchSender;
use crate::model::batch::Batch;
use crate::model::endpoint::Dialect;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{ColumnPlan, Plan, TablePlan};
use crate::model::schema::DataType;

/// Rows that an error names.
const NAMED: usize = 5;

/// Buckets of rows that differ which are looked at for these names.
const BUCKETS: usize = 20;

/// What generated columns are proven with.
pub struct Computed<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The source.
    pub snapshot: &'a dyn Snapshot,
    /// The target, filled and with its keys.
    pub staging: &'a dyn Staging,
    /// Size of a batch.
    pub batch: BatchSize,
    /// What was put aside and converted on the way.
    pub rejects: &'a Rejects,
}

impl Computed<'_> {
    /// Fails with `Verify`, naming column and keys, unless the target computes what the source has in every row of the
    /// table. A table of which rows were put aside or converted is passed over: its rows in the source are others.
    pub async fn prove(&self, table: &TablePlan) -> Result<()> {
        let columns: Vec<&ColumnPlan> = table.columns.iter().filter(|c| is_computed(c)).collect();
        if columns.is_empty() || self.rejects.changed(&table.source) {
            return Ok(());
        }
        let (here, there) = self.sums(&self.of(table, &columns)).await?;
        if here.total == there.total {
            return Ok(());
        }
        for column in &columns {
            let one = self.of(table, &[column]);
            let (here, there) = self.sums(&one).await?;
            if here.total != there.total {
                let buckets = here.differing(&there).iter().take(BUCKETS).map(|d| d.bucket).collect();
                return Err(refusal(table, column, &self.rows(&one, &buckets).await?));
            }
        }
        Err(Error::internal(format!("the generated columns of \"{}\" differ only together", table.source)))
    }

    /// The table with its key and these columns only, all of them to be read.
    fn of(&self, table: &TablePlan, columns: &[&ColumnPlan]) -> TablePlan {
        let mut of = table.clone();
        of.columns.retain(|c| {
            let copied_key = table.key.contains(&c.name) && c.filled && c.generated.is_none();
            copied_key || columns.iter().any(|wanted| wanted.name == c.name)
        });
        for column in &mut of.columns {
            // SQLite stores of any class what an expression gives, whatever the column declares.
            let any_class = (self.plan.source, self.plan.target) == (Dialect::Sqlite, Dialect::Sqlite);
            if column.generated.take().is_some() && any_class {
                column.carries = DataType::Any;
            }
        }
        of
    }

    async fn sums(&self, table: &TablePlan) -> Result<(Sums, Sums)> {
        let (source, target) = self.requests(table);
        let (mut here, mut there) = (Sums::default(), Sums::default());
        // One after the other: an expression may make long values of short ones, and those of both would be in memory.
        each_row(&source, |to| self.snapshot.read(&source, to), |place, _, _| here.add(place)).await?;
        each_row(&target, |to| self.staging.read(&target, to), |place, _, _| there.add(place)).await?;
        Ok((here, there))
    }

    /// What differs in these buckets.
    async fn rows(&self, table: &TablePlan, buckets: &HashSet<usize>) -> Result<Differences> {
        let (source, target) = self.requests(table);
        let (mut here, mut there) = (Vec::new(), Vec::new());
        let note = |entries: &mut Vec<Entry>, place: buckets::Place, text: Option<String>| {
            if buckets.contains(&place.bucket) {
                entries.push(Entry { key: place.key, row: place.row, text: text.map(Into::into) });
            }
        };
        let in_source = |place, batch: &Batch, at| note(&mut here, place, batch.key_of(at));
        each_row(&source, |to| self.snapshot.read(&source, to), in_source).await?;
        // The names in a message are those of the source.
        let in_target = |place, _: &Batch, _| note(&mut there, place, None);
        each_row(&target, |to| self.staging.read(&target, to), in_target).await?;
        let mut differences = Differences::default();
        differences.add(here, there);
        Ok(differences)
    }

    fn requests(&self, table: &TablePlan) -> (ReadRequest, ReadRequest) {
        (copy::request(table, Side::Source, self.batch), copy::request(table, Side::Target, self.batch))
    }
}

/// A generated column whose values the source has too, and not one that the plan made for an index.
fn is_computed(column: &ColumnPlan) -> bool {
    column.generated.is_some() && column.filled && !column.invisible
}

/// Reads a table through and shows where each row stands.
async fn each_row<F>(
    request: &ReadRequest,
    read: impl FnOnce(BatchSender) -> F,
    mut show: impl FnMut(buckets::Place, &Batch, usize),
) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let (shape, mut scratch) = (request.shape(), Vec::new());
    copy::each_batch(request, read, |batch| {
        for (at, cells) in batch.iter().enumerate() {
            show(place(batch, cells, &shape.key, &mut scratch), batch, at);
        }
    })
    .await
}

fn refusal(table: &TablePlan, column: &ColumnPlan, differences: &Differences) -> Error {
    let keys: Vec<&str> = differences.rows.iter().take(NAMED).map(|row| row.key.as_str()).collect();
    let rows = if keys.is_empty() { String::new() } else { format!("; rows concerned: {}", keys.join("; ")) };
    Error::new(
        ErrorKind::Verify,
        format!(
            "table \"{}\": the target computes other values for the generated column \"{}\" than the source has",
            table.source, column.source
        ),
    )
    .why(format!("its expression means something else there{rows}"))
    .next("nothing was switched on; leave the column out by a rule (exclude), and please report its definition")
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, Fault, plan};
    use super::*;
    use crate::engine::capability::{Source as _, Target as _};
    use crate::model::batch::RowKey;
    use crate::model::event::{Observer, Silent};
    use crate::model::mark::Mark;
    use crate::model::plan::GeneratedPlan;
    use crate::model::{codes, sample};
    use std::sync::Arc;

    async fn proven(fault: Fault, rejects: &Rejects) -> Result<()> {
        let size = BatchSize { rows: 2, bytes: 1 << 20 };
        let engine = Fake::new(fault, &[1, 2, 3]);
        let plan = plan(1);
        let (snapshot, staging) = (engine.snapshot(1).await?, engine.stage("run", &plan).await?);
        let observer: Arc<dyn Observer> = Arc::new(Silent);
        let (from, table) = (Mark::default(), &plan.tables[0]);
        copy::copy_table(snapshot.as_ref(), staging.as_ref(), table, size, from, None, &observer).await?;
        let mut table = table.clone();
        table.columns[0].generated = Some(GeneratedPlan { expression: "1".into(), stored: true });
        let computed = Computed {
            plan: &plan,
            snapshot: snapshot.as_ref(),
            staging: staging.as_ref(),
            batch: size,
            rejects,
        };
        computed.prove(&table).await
    }

    #[tokio::test]
    async fn a_column_that_is_computed_otherwise_is_found() {
        let rejects = Rejects::new("unused");
        assert!(proven(Fault::None, &rejects).await.is_ok());
        let error = proven(Fault::Alter, &rejects).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Verify);
        assert!(error.what().contains("\"id\""), "{error}");
    }

    #[tokio::test]
    async fn rows_that_were_converted_are_others_in_the_source() {
        let rejects = Rejects::new("unused");
        let key = RowKey { text: None, values: serde_json::Map::new() };
        rejects.convert("t0", "id", codes::ORPHANS, &key);
        assert!(proven(Fault::Alter, &rejects).await.is_ok());
    }

    #[test]
    fn keys_are_named_and_columns_of_the_plan_passed_over() {
        let mut column = sample::column("total", "INTEGER", DataType::INT64);
        column.generated = Some(GeneratedPlan { expression: "a + 1".into(), stored: false });
        assert!(is_computed(&column));
        assert!(!is_computed(&ColumnPlan { invisible: true, ..column.clone() }));
        assert!(!is_computed(&ColumnPlan { filled: false, ..column.clone() }));
        let mut found = Differences::default();
        let entry = |row, text: Option<&str>| Entry { key: 7, row, text: text.map(Into::into) };
        found.add(vec![entry(1, Some("id=7"))], vec![entry(2, None)]);
        let error = refusal(&sample::table("t", vec![]), &column, &found);
        assert!(error.reason().unwrap().ends_with("rows concerned: id=7"));
    }
}
