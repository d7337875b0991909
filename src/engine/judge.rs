//! What becomes of rows that do not fit: a reader asks whoever watches its road, row by row. Without a judge every
//! misfit stops the reader, which is the rule; the user's policies make exceptions.

use crate::model::batch::{Batch, RowKey};
use crate::model::error::Result;
use crate::model::policy::Decision;

use super::stream::BatchSender;

/// Decides about values that do not fit, and hears what became of them.
pub trait Judge: Send + Sync {
    /// What to do with a value of the column at that position: `Stop`, `Reject` or `Convert`.
    fn decide(&self, column: usize, code: &str) -> Decision;

    /// A row was put aside because of a value of that column.
    fn rejected(&self, key: &RowKey, column: usize, code: &str) -> Result<()>;

    /// A value of that column was converted by the rule of its code.
    fn converted(&self, key: &RowKey, column: usize, code: &str);

    /// Looks at a full batch for values that are right where they come from and impossible where they go.
    fn screen(&self, batch: &mut Batch) -> Result<()>;
}

/// The misfits of the row that a reader is filling in.
pub struct Misfits<'a> {
    road: &'a BatchSender,
    rejected: Option<(usize, &'static str)>,
    converted: Vec<(usize, &'static str)>,
}

impl<'a> Misfits<'a> {
    /// None yet, of rows that go down that road.
    pub fn on(road: &'a BatchSender) -> Self {
        Self { road, rejected: None, converted: Vec::new() }
    }

    /// Asks what to do with the value of a column. `Stop`: fail. `Reject`: push NULL in its place and go on with
    /// the row. `Convert`: push what the code's rule makes of it, or fail where the rule makes nothing of it.
    pub fn ask(&mut self, column: usize, code: &'static str) -> Decision {
        let Some(judge) = self.road.judge() else { return Decision::Stop };
        let decision = judge.decide(column, code);
        match decision {
            Decision::Reject => _ = self.rejected.get_or_insert((column, code)),
            Decision::Convert => self.converted.push((column, code)),
            Decision::Stop | Decision::Accept => return Decision::Stop,
        }
        decision
    }

    /// The row is complete: tells the judge what became of it, and takes it out of the batch if it was rejected.
    /// `key` is asked only where there was a misfit.
    pub fn settle(&mut self, batch: &mut Batch, key: impl FnOnce(&Batch) -> RowKey) -> Result<()> {
        if self.rejected.is_none() && self.converted.is_empty() {
            return Ok(());
        }
        let Some(judge) = self.road.judge() else { return Ok(()) };
        let key = key(batch);
        let converted = std::mem::take(&mut self.converted);
        if let Some((column, code)) = self.rejected.take() {
            batch.drop_last_row();
            return judge.rejected(&key, column, code);
        }
        for (column, code) in converted {
            judge.converted(&key, column, code);
        }
        Ok(())
    }
}
