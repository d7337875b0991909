//! What `check` observes beside the findings of a plan. Nothing of it is decided, so there are no policies; everything
//! else holds for these codes as for all.

use crate::model::plan::Severity;

/// The question of `check` that it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// How is the database?
    Alone,
    /// Does another one hold the same?
    Against,
}

/// One code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// The code.
    pub name: &'static str,
    /// How grave it is: `Info` is good to know, everything else is to be looked at.
    pub severity: Severity,
    /// What it answers.
    pub question: Question,
    /// One sentence.
    pub text: &'static str,
}

/// How grave an observation is. What is a finding of migrations as well (`orphans`) is to be looked at.
pub fn severity_of(name: &str) -> Severity {
    ALL.iter().find(|code| code.name == name).map_or(Severity::Warning, |code| code.severity)
}

/// Declares each code as a constant and as a line of [`ALL`]: its sentence is the constant's documentation.
macro_rules! observed {
    ($(#[doc = $text:literal] $constant:ident = $name:literal, $severity:ident, $question:ident;)+) => {
        $(#[doc = $text] pub const $constant: &str = $name;)+

        /// All codes.
        pub const ALL: &[Observed] = &[$(Observed {
            name: $name,
            severity: Severity::$severity,
            question: Question::$question,
            text: $text.trim_ascii(),
        }),+];
    };
}

observed! {
    /// The engine finds its own storage damaged.
    DAMAGED = "damaged", Warning, Alone;
    /// A foreign key leads to a table that is not there.
    DANGLING_FOREIGN_KEY = "dangling_foreign_key", Warning, Alone;
    /// Nothing of TechCare's schema is in the database.
    NOT_TECHCARE = "not_techcare", Info, Alone;
    /// The schema is one of an older release: users have their role as text.
    OLDER_SCHEMA = "older_schema", Info, Alone;
    /// A migration of `schema up` is not applied, though others are recorded.
    PENDING_MIGRATION = "pending_migration", Warning, Alone;
    /// A table of the models is not in the database.
    MISSING_TABLE = "missing_table", Warning, Alone;
    /// A table of the database is not in the models.
    EXTRA_TABLE = "extra_table", Info, Alone;
    /// A column of the models is not in the database.
    MISSING_IN_DB = "missing_in_db", Warning, Alone;
    /// A column of the database is not in the models.
    EXTRA_IN_DB = "extra_in_db", Info, Alone;
    /// A column that is not in the models takes no NULL and has no default.
    EXTRA_REQUIRED = "extra_required", Warning, Alone;
    /// A column cannot hold all that TechCare stores in it.
    WRONG_TYPE = "wrong_type", Warning, Alone;
    /// A column takes different texts for equal.
    LOOSE_COMPARISON = "loose_comparison", Warning, Alone;
    /// A column takes no NULL, which TechCare stores there.
    NOT_NULL = "not_null", Warning, Alone;
    /// A column takes NULL, which the models do not have.
    LETS_NULL_IN = "lets_null_in", Info, Alone;
    /// Columns that are unique in the models are not unique in the database.
    NOT_UNIQUE = "not_unique", Warning, Alone;
    /// A foreign key of the models is not in the database.
    NO_FOREIGN_KEY = "no_foreign_key", Warning, Alone;
    /// A table has another primary key than in the models.
    OTHER_PRIMARY_KEY = "other_primary_key", Warning, Alone;
    /// At least four fifths of the server's connections are in use.
    CONNECTIONS = "connections", Warning, Alone;
    /// The user lacks a right that an application or a migration needs.
    MISSING_RIGHT = "missing_right", Warning, Alone;
    /// The server's time zone is not UTC.
    TIME_ZONE = "time_zone", Warning, Alone;
    /// The database's character set does not hold every character.
    ENCODING = "encoding", Warning, Alone;

    /// A table or column stands in this database only.
    ONLY_HERE = "only_here", Warning, Against;
    /// A table or column stands in the other database only.
    ONLY_THERE = "only_there", Warning, Against;
    /// The types of a column have no common form, so its values were not compared.
    NOT_COMPARABLE = "not_comparable", Warning, Against;
    /// Rows of a table differ: their contents, or they stand on one side only.
    ROWS_DIFFER = "rows_differ", Warning, Against;
    /// A value that its column does not describe kept a table from being read to its end.
    UNREADABLE_VALUE = "unreadable_value", Warning, Against;
}
