//! Statements that a dialect makes of a plan.

use serde::{Deserialize, Serialize};

/// One statement in the target's dialect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Table it is about, as named in the source; `None` for types.
    pub table: Option<String>,
    /// What it makes, for messages: `table "users"`, `index "ix_users_email"`.
    pub what: String,
    /// The statement, without a closing semicolon. Names are unqualified: the session decides where they go.
    pub sql: String,
}

/// The statements of a plan, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// Before the rows: types and tables.
    pub before: Vec<Statement>,
    /// After the rows: keys and indexes.
    pub indexes: Vec<Statement>,
    /// After the indexes: foreign keys and checks that the target validates itself.
    pub constraints: Vec<Statement>,
    /// Last: identities, comments, and statistics where nothing may read while they are gathered.
    pub last: Vec<Statement>,
    /// Statistics that can be gathered while the rows are read back.
    pub statistics: Vec<Statement>,
}

impl Script {
    /// All statements in order.
    pub fn iter(&self) -> impl Iterator<Item = &Statement> {
        let after = self.indexes.iter().chain(&self.constraints).chain(&self.last);
        self.before.iter().chain(after).chain(&self.statistics)
    }
}
