//! A database that can be written to, through staging only: built where nobody sees it, switched on in one step.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{Intent, Journal, Matching, Orphans, ReadRequest, Source, Unfinished};
use crate::engine::stream::{BatchReceiver, BatchSender};
use crate::model::change::Change;
use crate::model::error::{Error, Result};
use crate::model::plan::{ForeignKeyPlan, IndexPlan, Plan, TablePlan};
use crate::model::view::ViewPlan;

/// A database that can be written to, through staging only.
#[async_trait]
pub trait Target: Source {
    /// Which of these tables (names as in the plan) are there already, with whether they hold a row, and which
    /// other objects (types, views, indexes) are in the way. What belongs to one of these tables goes with it and is
    /// not named.
    async fn occupied(&self, plan: &Plan) -> Result<Vec<Occupied>>;

    /// Takes the target for one run, so that no other of ours changes it meanwhile. `Refused` if another run has it.
    /// A claim ends with its process, however that ends.
    async fn claim(&self) -> Result<Box<dyn Claim>>;

    /// Removes what runs that are dead have left here, and answers what that was, each in words that name it. For
    /// the holder of the claim; what a living run has anywhere is not touched, nor is the run `keep`.
    async fn clear(&self, keep: Option<&str>) -> Result<Vec<String>>;

    /// Dead runs whose journal can be gone on with, the latest first.
    async fn unfinished(&self) -> Result<Vec<Unfinished>> {
        Ok(Vec::new())
    }

    /// Takes over the place of a run of [`Target::unfinished`] for a plan of the same hash. From then on that run
    /// commits nothing more, should it only have been asleep.
    async fn resume(&self, run: &str, _plan: &Plan) -> Result<Box<dyn Staging>> {
        Err(Error::internal(format!("run {run} cannot be gone on with")))
    }

    /// Counts the rows that `key` takes for one with another row, as this engine compares. `plan` has one table, of whose
    /// columns `rows` are; nothing of it stays.
    async fn collisions(&self, plan: &Plan, key: &IndexPlan, rows: BatchReceiver) -> Result<Matching>;

    /// Why this engine does not take these values, without any of them; `None` if it does. `plan` has one table, of whose
    /// columns `rows` are; nothing of it stays. Asked of types that users made, which not every engine has.
    async fn refusal(&self, _plan: &Plan, _rows: BatchReceiver) -> Result<Option<String>> {
        Err(Error::internal("values of types that users made have no place here"))
    }

    /// Counts the rows whose text in `column` the type of that would give back in another spelling, or refuse;
    /// `None` if nobody can say. `plan` has one table, of whose columns `rows` are; `column` is of that type there, and nothing
    /// of it stays. Asked where [`super::Rules::knows_fit`] is false.
    async fn altered(&self, _plan: &Plan, _column: &str, _rows: BatchReceiver) -> Result<Option<Matching>> {
        Ok(None)
    }

    /// Makes a place that nobody sees yet, named after the run. Fails with `Permission` and the fix when the
    /// right to do so is missing, before anything is made.
    ///
    /// With [`crate::model::plan::Scope::DataOnly`] the place is one transaction over the tables that are there.
    async fn stage(&self, run: &str, plan: &Plan) -> Result<Box<dyn Staging>>;

    /// Refuses if no native backup could be restored here now, whatever is in it: a program, a right is missing, or something
    /// holds on to what would give way.
    async fn restorable(&self) -> Result<()> {
        Ok(())
    }

    /// Builds the database of a native backup where nobody sees it, in a place named after the run. `backup` is plain, and
    /// whoever calls has verified it. If that fails no trace is left.
    async fn restore(
        &self,
        _run: &str,
        backup: &Path,
        _cancel: &CancellationToken,
    ) -> Result<Box<dyn Restoration>> {
        Err(Error::internal(format!("nothing here restores {}", backup.display())))
    }

    /// Whether the switch of a change has happened. Holds until [`Target::settle`].
    async fn happened(&self, change: &Change) -> Result<bool>;

    /// After a switch: does what cannot be part of its atomic step, and removes the mark that it happened and places
    /// in which nothing is kept. Called when the change is on record; calling it again does no harm. For a change that
    /// has not `happened` it removes what had been prepared. Whether it has is the record's to say: the mark may be gone.
    async fn settle(&self, change: &Change, happened: bool) -> Result<()>;

    /// The change of run `run` that takes another one back. `Refused` with the names where something is missing or
    /// something else stands on what would go.
    async fn back(&self, run: &str, change: &Change) -> Result<Change>;

    /// How an operator gets rid of what a change keeps, a command each.
    fn dropping(&self, change: &Change) -> Vec<String>;

    /// Carries out what [`Target::back`] has made, in one atomic step. If it fails with anything but `Lost`, nothing
    /// has changed.
    async fn exchange(&self, change: &Change) -> Result<()>;
}

/// A target that one run has for itself.
#[async_trait]
pub trait Claim: Send + Sync {
    /// Gives the target back. Dropping the claim does so too, only that a server may take a moment to notice.
    async fn release(self: Box<Self>);
}

/// A database that was built from a backup and that nobody sees yet.
///
/// Until [`Target::exchange`] has carried its change out, the target is as it was; [`Restoration::discard`] removes every
/// trace. Dropping it without either leaves something that the next run finds by its name.
#[async_trait]
pub trait Restoration: Send + Sync {
    /// Opens it for reading.
    async fn source(&self) -> Result<Box<dyn Source>>;

    /// What of the backup was left out because this server has no place for it, a sentence each.
    fn left_out(&self) -> Vec<String> {
        Vec::new()
    }

    /// What [`Target::exchange`] has to do: all that is in the target gives way to all that was restored.
    async fn change(&self) -> Result<Change>;

    /// Removes every trace.
    async fn discard(self: Box<Self>) -> Result<()>;
}

/// An object of the target that is where the plan wants to put one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupied {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: String,
    /// Whether it is a table without a row.
    pub empty: bool,
    /// What keeps a table from being replaced, each as a clause that names it: `view "v" is made of it`.
    pub held_by: Vec<String>,
}

/// Whoever hears of each statement before it runs. A name of its own, because `async_trait` would bind the lifetime
/// of the `&str` to the call, and no statement of the implementation's own would live long enough.
pub type OnStatement<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// What becomes of rows without a parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// They are deleted.
    Deleted,
    /// They stay, with NULL in the columns of the foreign key and every other value as it is.
    Cut,
}

/// A switch that was not made.
pub struct NotSwitched {
    /// Why.
    pub error: Error,
    /// The place with all that is staged, where it can be tried again; whoever does not parks or discards it. Without it
    /// there is nothing left to discard.
    pub staging: Option<Box<dyn Staging>>,
}

impl std::fmt::Debug for NotSwitched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kept = self.staging.is_some();
        f.debug_struct("NotSwitched").field("error", &self.error).field("kept", &kept).finish()
    }
}

impl From<Error> for NotSwitched {
    fn from(error: Error) -> Self {
        Self { error, staging: None }
    }
}

/// The place where a migration is built before anybody sees it.
///
/// Until [`Staging::switch`] returns, the target is as it was; [`Staging::discard`] removes every trace, also
/// when the connection that made it is gone. Dropping it without either leaves something that the next run finds
/// by its name.
#[async_trait]
pub trait Staging: Send + Sync {
    /// Makes types and empty tables ([`crate::model::plan::Script::before`]).
    async fn create(&self) -> Result<()>;

    /// Begins a journal: from now on whatever is committed is committed together with its mark. `source` is the state
    /// of the source that is read. Places that go with their connection keep none.
    async fn begin_journal(&self, _intent: &Intent, _source: &str) -> Result<()> {
        Ok(())
    }

    /// The journal; an empty one where none is kept.
    async fn journal(&self) -> Result<Journal> {
        Ok(Journal::default())
    }

    /// Notes the state of the source that all marks are of; `None` while they are of more than one.
    async fn note_source(&self, _source: Option<&str>) -> Result<()> {
        Ok(())
    }

    /// Takes all rows out of a table again, and its marks out of the journal.
    async fn empty(&self, table: &TablePlan) -> Result<()> {
        Err(Error::internal(format!("table {} cannot be emptied", table.name)))
    }

    /// Writes rows into a table until the road ends; returns how many, all of them durable within staging. With a
    /// journal the mark of the last batch is committed with it, and now and then one on the way. Up to
    /// [`super::Capabilities::writers`] calls run at the same time for different tables.
    async fn write(&self, table: &TablePlan, rows: BatchReceiver) -> Result<u64>;

    /// Names and runs the statements after the load, one kind after the other: indexes, constraints, last. Those that
    /// the journal says are done are passed over.
    /// `on_statement` hears of each before it runs.
    async fn finish(&self, on_statement: OnStatement<'_>) -> Result<()>;

    /// Gathers the statistics that [`Staging::finish`] leaves ([`crate::model::plan::Script::statistics`]), while staged
    /// tables are read: they cost the server's time and none of ours, the proof the other way round. Done before a view
    /// is made, whose run needs them.
    async fn gather_statistics(&self) -> Result<()> {
        Ok(())
    }

    /// Makes a view over what was staged, after [`Staging::finish`]. What the engine refuses is an error that leaves
    /// everything else as it was; so is `TimedOut`, where making it runs it and takes longer than `within`. Plans that
    /// only fill tables have no views.
    async fn make_view(&self, _view: &ViewPlan, _within: Option<Duration>) -> Result<()> {
        Ok(())
    }

    /// Removes a view again; those that are there at the switch go along.
    async fn drop_view(&self, _view: &ViewPlan) -> Result<()> {
        Ok(())
    }

    /// Reads a staged table or view back, with the contract of [`super::Snapshot::read`].
    async fn read(&self, request: &ReadRequest, to: BatchSender) -> Result<()>;

    /// Reads the rows of a table that a foreign key of the plan finds without a parent, as [`Staging::read`] does, and
    /// does with them as told; answers with how many it did. Called after the load and before [`Staging::finish`].
    /// With [`crate::model::plan::Scope::DataOnly`] such rows stop the plan, whatever was decided, and nobody asks.
    async fn take_orphans(
        &self,
        _table: &TablePlan,
        _key: &ForeignKeyPlan,
        _fate: Fate,
        _request: &ReadRequest,
        _to: BatchSender,
    ) -> Result<u64> {
        Ok(0)
    }

    /// Foreign keys of the plan that the engine has not checked itself and that have orphans: proved by
    /// anti-join (or the engine's own check).
    async fn orphans(&self) -> Result<Vec<Orphans>>;

    /// A SeaORM connection whose unqualified names are the staged tables, for `--loader seaorm`; the caller closes
    /// it. `None` where staged tables have other names than the plan's (a prefix) or can only be reached through
    /// the one connection that holds a transaction.
    async fn orm(&self) -> Result<Option<sea_orm::DatabaseConnection>>;

    /// What [`Staging::switch`] is going to do.
    async fn change(&self) -> Result<Change>;

    /// Makes everything visible in one atomic step, in which the plan's tables take the place of those that they
    /// replace; these are kept as the change says. `Refused` if one that had to be empty is so no more, or if rows of a
    /// table that stays would refer to nothing: then nothing has changed. `Busy` comes with the place as it was: somebody
    /// holds a lock, and everything is looked at again the next time.
    async fn switch(self: Box<Self>, change: &Change) -> Result<(), NotSwitched>;

    /// Leaves the place as it is, for a run that goes on with it.
    async fn park(self: Box<Self>) {}

    /// Removes every trace.
    async fn discard(self: Box<Self>) -> Result<()>;
}
