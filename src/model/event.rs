//! What the work tells whoever watches it. One enum and one method: it can be drawn, printed, recorded and compared.

use serde::Serialize;

/// Steps of a migration, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Reading catalogues, checking rights and emptiness.
    Preflight,
    /// Looking at the data where declared types leave something open.
    Profile,
    /// Making empty tables in staging.
    Stage,
    /// Moving rows.
    Load,
    /// Keys, indexes, foreign keys, identities.
    Finish,
    /// Asking the target what arrived.
    Verify,
    /// Making it visible.
    Switch,
    /// Reading two databases side by side.
    Compare,
    /// Copying a database as it is.
    Backup,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A phase began.
    Phase {
        /// Which.
        phase: Phase,
    },
    /// What there is to move.
    Total {
        /// Tables.
        tables: usize,
        /// Rows as far as known.
        rows: Option<u64>,
    },
    /// A table began, in the running phase.
    TableStarted {
        /// Name in the source.
        table: String,
        /// Rows as far as known.
        rows: Option<u64>,
    },
    /// Rows went by (since the last such event of this table).
    Rows {
        /// Name in the source.
        table: String,
        /// Rows.
        rows: u64,
        /// Bytes of values.
        bytes: u64,
    },
    /// A table is done, in the running phase.
    TableFinished {
        /// Name in the source.
        table: String,
        /// Rows in all.
        rows: u64,
    },
    /// A statement is about to run: keys, indexes, foreign keys, identities.
    Step {
        /// What it makes: `index "ix_users_email"`.
        what: String,
    },
    /// Something that an operator should read.
    Warning {
        /// What.
        text: String,
    },
}

/// Whoever watches. Called from several tasks at once, often: must return at once.
pub trait Observer: Send + Sync {
    /// Hears of one event.
    fn event(&self, event: &Event);
}

/// Watches nothing.
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _event: &Event) {}
}
