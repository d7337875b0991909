//! What a switch does to a database, object by object: which ones become visible, which ones give way and where these
//! are kept. It is known before the switch, is recorded with the run, and read backwards it is the way back.

use serde::{Deserialize, Serialize};

/// A switch of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The run, whose id is part of the names of the places that it makes.
    pub run: String,
    /// What becomes visible, in the order in which it is moved.
    pub shown: Vec<Moved>,
    /// What gives way, in the order in which it is moved. It is kept until somebody drops it.
    pub kept: Vec<Moved>,
    /// Foreign keys that what gives way loses, for the way back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<Again>,
    /// Foreign keys that what becomes visible had lost when it gave way, and gets again now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restores: Vec<Again>,
    /// All that was in the database gives way to all that comes in: a backup was put back. Else some tables do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// By what the engine tells afterwards whether the switch happened, in its own words.
    pub mark: String,
    /// Default collation of the database (MySQL, MariaDB), where stored programs are made: those that were made under
    /// another one need it changed for a moment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub collation: String,
    /// What goes with it and this account cannot bring back, a sentence each, with what somebody else can do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_hand: Vec<String>,
}

impl Change {
    /// Whether there is nothing to be taken back.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty() && self.kept.is_empty()
    }

    /// The change of a run that puts rows into tables which are there.
    pub fn filling<'a>(run: &str, tables: impl Iterator<Item = &'a str>, mark: String) -> Self {
        let nowhere = |name: &str| Aside { place: String::new(), name: name.to_owned() };
        let rows = |name: &str| Moved::new(Kind::Rows, name.to_owned(), nowhere(name));
        Self { run: run.to_owned(), shown: tables.map(rows).collect(), mark, ..Self::default() }
    }

    /// Whether rows go into tables that are there, which stay what they are.
    pub fn is_filling(&self) -> bool {
        self.shown.iter().any(|moved| moved.kind == Kind::Rows)
    }

    /// Whether rows are taken out of tables which stay: the way back of one that [`Change::is_filling`]. Its own way back
    /// is a filling again, from where they are kept.
    pub fn is_emptying(&self) -> bool {
        self.kept.iter().any(|moved| moved.kind == Kind::Rows)
    }

    /// Whether only rows come or go.
    pub fn is_of_rows(&self) -> bool {
        self.is_filling() || self.is_emptying()
    }

    /// Tables that become visible.
    pub fn tables_shown(&self) -> impl Iterator<Item = &Moved> {
        self.shown.iter().filter(|moved| moved.kind == Kind::Table)
    }

    /// Tables that rows go into, or are taken out of.
    pub fn tables_of_rows(&self) -> impl Iterator<Item = &Moved> {
        self.shown.iter().chain(&self.kept).filter(|moved| moved.kind == Kind::Rows)
    }

    /// Tables that give way.
    pub fn tables_kept(&self) -> impl Iterator<Item = &Moved> {
        self.kept.iter().filter(|moved| moved.kind == Kind::Table)
    }

    /// Schemas, databases or files in which something is kept, each once.
    pub fn places(&self) -> Vec<&str> {
        asides(&self.kept)
    }

    /// Schemas, databases or files that something comes from, each once.
    pub fn origins(&self) -> Vec<&str> {
        asides(&self.shown)
    }
}

/// Where these stand while nobody sees them, each place once.
fn asides(moved: &[Moved]) -> Vec<&str> {
    let places: std::collections::BTreeSet<&str> = moved.iter().map(|m| m.aside.place.as_str()).collect();
    places.into_iter().collect()
}

/// An object that a switch moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// What it is.
    pub kind: Kind,
    /// Its name where everybody sees it.
    pub name: String,
    /// Where it stands while nobody does.
    pub aside: Aside,
    /// The statement that makes it anew, of an object that the engine cannot move (a view of MySQL). Such ones are made
    /// and dropped after the atomic step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// The settings under which `definition` is run, of an object that keeps them (a stored program of MySQL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Settings>,
    /// Statements that follow the atomic step because they cannot be part of it; running one again does no harm. Rows of
    /// MySQL have such: the table's next value. Of rows that are kept: those for when they come in again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follows: Vec<String>,
    /// Statements that give rights on it, which the engine takes away with what it drops (a routine of MySQL).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rights: Vec<String>,
    /// Statements that put the next values of a table's columns back to where they were before its rows came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resets: Vec<String>,
    /// Of a table that gives way: it must have no row then (MySQL, MariaDB), and whatever it has afterwards came at the last moment.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_empty: bool,
}

impl Moved {
    /// Whether it is a stored program of MySQL: a routine, a package, a trigger or an event, made again under its
    /// [`Settings`].
    pub fn is_program(&self) -> bool {
        self.settings.is_some()
    }

    /// Whether both are of one kind and name.
    pub fn is_like(&self, other: &Self) -> bool {
        (self.kind, &self.name) == (other.kind, &other.name)
    }

    /// An object that the engine itself moves.
    pub fn new(kind: Kind, name: String, aside: Aside) -> Self {
        Self {
            kind,
            name,
            aside,
            definition: None,
            settings: None,
            follows: Vec::new(),
            rights: Vec::new(),
            resets: Vec::new(),
            is_empty: false,
        }
    }
}

/// What MySQL and MariaDB keep with a stored program of the session and the database in which it was made, in the words of
/// their catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The account with whose rights it runs, also in its text: `user@host`, of a role only its name.
    pub definer: String,
    /// `sql_mode`, under which its text is read and run.
    pub sql_mode: String,
    /// Character set of its text.
    pub character_set_client: String,
    /// Collation of the constants in it.
    pub collation_connection: String,
    /// Default collation of the database, which its parameters and variables have.
    pub database_collation: String,
    /// Time zone of an event's schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// Where an object stands that is out of sight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// Schema (PostgreSQL), database (MySQL, MariaDB) or file (SQLite); empty for rows that a migration brings.
    pub place: String,
    /// Its name there.
    pub name: String,
}

/// Kinds of objects that are moved by themselves; indexes, constraints and PostgreSQL's triggers go with their tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Table.
    Table,
    /// All rows of a table that stays.
    Rows,
    /// View.
    View,
    /// Materialized view.
    MaterializedView,
    /// Sequence that no column owns. MariaDB moves them as it does tables.
    Sequence,
    /// Type.
    Type,
    /// Collation.
    Collation,
    /// Function: of a trigger (PostgreSQL), stored (MySQL, MariaDB).
    Function,
    /// Stored procedure.
    Procedure,
    /// What a package of MariaDB offers.
    Package,
    /// What a package of MariaDB does.
    PackageBody,
    /// Trigger that does not go with its table: MySQL leaves no table with one out of its database.
    Trigger,
    /// Event of a schedule.
    Event,
}

impl Kind {
    /// In messages.
    pub const fn word(self) -> &'static str {
        match self {
            // Where rows are missing it is their table that is.
            Self::Table | Self::Rows => "table",
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Sequence => "sequence",
            Self::Type => "type",
            Self::Collation => "collation",
            Self::Function => "function",
            Self::Procedure => "procedure",
            Self::Package => "package",
            Self::PackageBody => "package body",
            Self::Trigger => "trigger",
            Self::Event => "event",
        }
    }
}

/// A foreign key that a kept table had onto a table which stays. A kept copy must not hold on to rows of the
/// application, so the key is taken off and made again on the way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// Table, by its visible name.
    pub table: String,
    /// Name of the key.
    pub name: String,
    /// The statement that makes it.
    pub sql: String,
}
