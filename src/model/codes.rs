//! The codes of findings: the one table that says of each how grave it is, what it is about, and which decisions
//! a policy may take on it, and what `check` observes besides ([`observed`]). Codes are a contract (reports, `--accept`,
//! `--rule` and scripts name them), so they are never renamed. Each has a page in `docs/findings/`; a test compares the
//! two.

pub mod observed;

use super::plan::Severity;
use super::policy::Decision;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// A column, an index, a constraint, a view, …: it is carried, changed or left behind as a whole.
    Object,
    /// The values of rows: each row can be stopped at, rejected or converted.
    Row,
}

/// One code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The code.
    pub name: &'static str,
    /// How grave it is as long as no policy says otherwise.
    pub severity: Severity,
    /// What it is about.
    pub level: Level,
    /// Decisions that make sense for it.
    pub decisions: &'static [Decision],
    /// One sentence.
    pub text: &'static str,
}

impl Code {
    /// Whether a policy may decide so.
    pub fn allows(&self, decision: Decision) -> bool {
        self.decisions.contains(&decision)
    }
}

/// The code of that name.
pub fn find(name: &str) -> Option<&'static Code> {
    ALL.iter().find(|code| code.name == name)
}

/// How grave a finding is as long as no policy says otherwise. What nobody knows stops the migration.
pub fn severity_of(name: &str) -> Severity {
    find(name).map_or(Severity::Blocker, |code| code.severity)
}

/// What `convert` makes of a value; `None` where the code has no such rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    /// NULL, so the column has to take it.
    Null,
    /// Another value of the column's type, in words that follow "such values": `lose their NULs`.
    Value(&'static str),
}

/// The stated rule of a code.
pub fn conversion(name: &str) -> Option<Conversion> {
    Some(match name {
        BAD_DATETIME | ZERO_DATE | DATETIME_RANGE | NOT_FINITE | NOT_A_LABEL | ORPHANS => Conversion::Null,
        INVALID_UTF8 => Conversion::Value("get U+FFFD for each byte sequence that is no UTF-8"),
        NUL_IN_TEXT => Conversion::Value("lose their NULs"),
        NOT_A_BOOLEAN => Conversion::Value("become true"),
        SCALE => Conversion::Value("are rounded to the declared digits, a half to the even one"),
        NUMBER_IN_TEXT => Conversion::Value("become their decimal digits"),
        TEXT_IN_BLOB => Conversion::Value("become their UTF-8 bytes"),
        _ => return None,
    })
}

/// Declares each code as a constant and as a line of [`ALL`]: its sentence is the constant's documentation.
macro_rules! codes {
    ($($(#[doc = $text:literal])+ $constant:ident = $name:literal, $severity:ident, $level:ident, [$($decision:ident),*];)+) => {
        $($(#[doc = $text])+ pub const $constant: &str = $name;)+

        /// All codes, the gravest first.
        pub const ALL: &[Code] = &[$(Code {
            name: $name,
            severity: Severity::$severity,
            level: Level::$level,
            decisions: &[$(Decision::$decision),*],
            text: concat!($($text),+).trim_ascii(),
        }),+];
    };
}

codes! {
    /// The target has no type that holds the column's values exactly.
    UNSUPPORTED_TYPE = "unsupported_type", Blocker, Object, [Stop];
    /// Two names differ only in case and the target takes them for one.
    CASE_TWINS = "case_twins", Blocker, Object, [Stop];
    /// A rule gives a table or column a name that another one has in the target.
    NAME_TAKEN = "name_taken", Blocker, Object, [Stop];
    /// Two types of the same name would differ.
    TYPE_CONFLICT = "type_conflict", Blocker, Object, [Stop];
    /// A table has more columns than the target takes, or none.
    COLUMN_COUNT = "column_count", Blocker, Object, [Stop];
    /// A table has more indexes than the target takes.
    INDEX_COUNT = "index_count", Blocker, Object, [Stop];
    /// The primary key is longer than the target takes.
    KEY_TOO_LONG = "key_too_long", Blocker, Object, [Stop];
    /// `--data-only`: the target lacks a table or column, or its column cannot hold the source's. Otherwise: an empty
    /// table that the application made first cannot give way, or something of it cannot be kept.
    TARGET_MISMATCH = "target_mismatch", Blocker, Object, [Stop];
    /// The target has rows in such a table, or an object that is no table in its place.
    TARGET_NOT_EMPTY = "target_not_empty", Blocker, Object, [Stop];

    /// A generated column becomes a plain one that keeps its values of today.
    GENERATED_NOT_CARRIED = "generated_not_carried", Blocker, Object, [Stop, Accept];
    /// A column whose values were handed out becomes a plain one.
    IDENTITY_NOT_CARRIED = "identity_not_carried", Blocker, Object, [Stop, Accept];
    /// A check that the target cannot say.
    CHECK_NOT_CARRIED = "check_not_carried", Blocker, Object, [Stop, Accept];
    /// A unique constraint or index that is lost, or carried without its uniqueness.
    UNIQUE_NOT_CARRIED = "unique_not_carried", Blocker, Object, [Stop, Accept];
    /// A unique key of the target lets in what the source's refuses (`a` and `A`, long texts that begin alike).
    UNIQUE_LOOSER = "unique_looser", Blocker, Object, [Stop, Accept];
    /// A foreign key that is not carried.
    FOREIGN_KEY_NOT_CARRIED = "foreign_key_not_carried", Blocker, Object, [Stop, Accept];
    /// A foreign key that lets in references of which only a part is NULL, which MATCH FULL of the source refuses.
    MATCH_FULL_NOT_CARRIED = "match_full_not_carried", Blocker, Object, [Stop, Accept];
    /// A constraint without a neutral form (exclusion, periods that may not overlap).
    CONSTRAINT_NOT_CARRIED = "constraint_not_carried", Blocker, Object, [Stop, Accept];
    /// The past of the rows of a system-versioned table (MariaDB) is not carried.
    VERSIONING_NOT_CARRIED = "versioning_not_carried", Blocker, Object, [Stop, Accept];

    /// Rows that refer to rows which are not there.
    ORPHANS = "orphans", Blocker, Row, [Stop, Reject, Convert];
    /// A column of the primary key holds NULL, which only SQLite lets it.
    NULL_IN_KEY = "null_in_key", Blocker, Row, [Stop, Reject];
    /// Rows that the source tells apart and a unique key of the target takes for one.
    DUPLICATES = "duplicates", Blocker, Row, [Stop];
    /// Rows that a check refuses, to which the source has not held them.
    CHECK_VIOLATED = "check_violated", Blocker, Row, [Stop];
    /// A value of another kind than its column declares, which SQLite lets in.
    WRONG_STORAGE_CLASS = "wrong_storage_class", Blocker, Row, [Stop, Reject];
    /// A number in a column of text, which SQLite lets in.
    NUMBER_IN_TEXT = "number_in_text", Blocker, Row, [Stop, Reject, Convert];
    /// Text in a column of byte strings, which SQLite lets in.
    TEXT_IN_BLOB = "text_in_blob", Blocker, Row, [Stop, Reject, Convert];
    /// A date that no calendar has, such as 0000-00-00, which MySQL lets in unless it is strict.
    ZERO_DATE = "zero_date", Blocker, Row, [Stop, Reject, Convert];
    /// A date or time outside the range of the target, an infinite one included.
    DATETIME_RANGE = "datetime_range", Blocker, Row, [Stop, Reject, Convert];
    /// Text that is no date or time in a form that is known.
    BAD_DATETIME = "bad_datetime", Blocker, Row, [Stop, Reject, Convert];
    /// Text that is not valid UTF-8.
    INVALID_UTF8 = "invalid_utf8", Blocker, Row, [Stop, Reject, Convert];
    /// Text with a NUL, which PostgreSQL cannot hold.
    NUL_IN_TEXT = "nul_in_text", Blocker, Row, [Stop, Reject, Convert];
    /// JSON with an escaped NUL (`\u0000`), which jsonb of PostgreSQL cannot hold.
    NUL_IN_JSON = "nul_in_json", Blocker, Row, [Stop];
    /// The empty text that MySQL puts in the place of an enum's label that it does not know, unless it is strict.
    NOT_A_LABEL = "not_a_label", Blocker, Row, [Stop, Reject, Convert];
    /// A value that is neither true nor false in a column of booleans.
    NOT_A_BOOLEAN = "not_a_boolean", Blocker, Row, [Stop, Reject, Convert];
    /// An integer outside the range of the type.
    INTEGER_RANGE = "integer_range", Blocker, Row, [Stop, Reject];
    /// NaN or an infinity, which the target cannot hold.
    NOT_FINITE = "not_finite", Blocker, Row, [Stop, Reject, Convert];
    /// A number or a time with more fractional digits than its column declares.
    SCALE = "scale", Blocker, Row, [Stop, Reject, Convert];

    /// A default that the target cannot say.
    DEFAULT_NOT_CARRIED = "default_not_carried", Warning, Object, [Stop, Accept];
    /// ON UPDATE CURRENT_TIMESTAMP of a column that has no date and time in the target.
    ON_UPDATE_NOT_CARRIED = "on_update_not_carried", Warning, Object, [Stop, Accept];
    /// An index that serves speed only and has no counterpart.
    INDEX_NOT_CARRIED = "index_not_carried", Warning, Object, [Stop, Accept];
    /// A foreign key that is carried with another action.
    FOREIGN_KEY_CHANGED = "foreign_key_changed", Warning, Object, [Stop, Accept];
    /// The rows of a partitioned table arrive in one plain table.
    PARTITIONING_NOT_CARRIED = "partitioning_not_carried", Warning, Object, [Stop, Accept];
    /// What a migration tool (Alembic, Django, SeaORM, Rails, Flyway) noted in the target stays there, and the source's
    /// notes tell of another state of the schema.
    MIGRATION_STATE = "migration_state", Warning, Object, [Stop, Accept];
    /// A view, trigger, routine or another object beside the tables.
    OBJECT_NOT_CARRIED = "object_not_carried", Warning, Object, [Stop, Accept];

    /// The target's type holds more than the source's; nothing is lost.
    WIDENED = "widened", Info, Object, [Stop, Accept];
    /// The target holds the values under a documented spelling.
    EMULATED = "emulated", Info, Object, [Stop, Accept];
    /// Words for truth values (`true`, `t`, `false`, `f`) become truth values.
    CONVERTED = "converted", Info, Object, [Stop, Accept];
    /// Times of one column are spelled in several ways, or as numbers since 1970; all are read.
    DATETIME_FORMAT = "datetime_format", Info, Object, [Stop, Accept];
    /// A name is too long for the target, taken there or has no place in it, and another one stands for it.
    RENAMED = "renamed", Info, Object, [Stop, Accept];
    /// A VIRTUAL generated column is stored, or the reverse; its values are the same.
    GENERATED_KIND = "generated_kind", Info, Object, [Stop, Accept];
    /// Values are handed out in another way (step, strictness).
    IDENTITY_CHANGED = "identity_changed", Info, Object, [Stop, Accept];
    /// A comment that the target has no place for.
    COMMENT_NOT_CARRIED = "comment_not_carried", Info, Object, [Stop, Accept];
    /// Text compared regardless of case, accents or trailing blanks, and will not any more; or by other rules beyond ASCII.
    COMPARISON_CHANGED = "comparison_changed", Info, Object, [Stop, Accept];
    /// What a migration tool (Alembic, Django, SeaORM, Rails, Flyway) noted in the target stays there; the source's notes
    /// are the same.
    HISTORY_KEPT = "history_kept", Info, Object, [Stop, Accept];
    /// Times without a zone are taken as those of UTC, because the column of the target holds instants.
    TAKEN_AS_UTC = "taken_as_utc", Info, Object, [Stop, Accept];
    /// An empty table that the application made first gives way to the plan's; what differs is listed.
    TABLE_REPLACED = "table_replaced", Info, Object, [Stop, Accept];
    /// A check that says what the type of its column means in the target anyway.
    CHECK_IMPLIED = "check_implied", Info, Object, [Stop, Accept];
    /// A check in the target's words, or in those of another product, that no engine was asked about.
    CHECK_UNTRIED = "check_untried", Info, Object, [Stop, Accept];
    /// A default in the target's words, or in those of another product, that no engine was asked about.
    DEFAULT_UNTRIED = "default_untried", Info, Object, [Stop, Accept];
    /// Generated columns and keys of indexes in the words of another product, which nobody was asked whether it knows them.
    EXPRESSION_UNTRIED = "expression_untried", Info, Object, [Stop, Accept];
    /// An index that is carried in a plainer form.
    INDEX_SIMPLIFIED = "index_simplified", Info, Object, [Stop, Accept];
    /// An index that the source does not have and the target needs.
    INDEX_ADDED = "index_added", Info, Object, [Stop, Accept];
    /// A unique key of the target refuses what the source's lets in (`É` beside `é`).
    UNIQUE_STRICTER = "unique_stricter", Info, Object, [Stop, Accept];
    /// An index of the source that another one of the target serves as well.
    INDEX_COVERED = "index_covered", Info, Object, [Stop, Accept];
    /// A constraint that could wait for the end of the transaction no longer can.
    DEFERRABLE_DROPPED = "deferrable_dropped", Info, Object, [Stop, Accept];
    /// An extension: what it provides is named with the objects that use it.
    EXTENSION_NOT_CARRIED = "extension_not_carried", Info, Object, [Stop, Accept];
    /// A table that the user left out.
    NOT_SELECTED = "not_selected", Info, Object, [Stop, Accept];
    /// A table or column has another name in the target because a rule says so.
    RENAMED_BY_RULE = "renamed_by_rule", Info, Object, [Stop, Accept];
    /// A column has another type in the target because a rule says so.
    TYPE_FORCED = "type_forced", Info, Object, [Stop, Accept];
    /// Rows that a rule leaves behind.
    ROWS_FILTERED = "rows_filtered", Info, Object, [Stop, Accept];
    /// A view that is put into the target's words and stays there only if it gives the same rows.
    VIEW_TRANSLATED = "view_translated", Info, Object, [Stop, Accept];
    /// A column that a rule leaves behind.
    COLUMN_EXCLUDED = "column_excluded", Info, Object, [Stop, Accept];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed_names() -> impl Iterator<Item = &'static str> {
        observed::ALL.iter().map(|code| code.name)
    }

    #[test]
    fn what_is_observed_has_codes_of_its_own() {
        let mut names: Vec<&str> = observed_names().collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), observed::ALL.len());
        assert_eq!(observed::severity_of(ORPHANS), Severity::Warning);
    }

    #[test]
    fn codes_are_distinct_and_can_be_left_as_they_are() {
        for (at, code) in ALL.iter().enumerate() {
            let later = ALL[at + 1..].iter().map(|other| other.name);
            assert!(later.chain(observed_names()).all(|other| other != code.name), "{}", code.name);
            assert!(code.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
            assert!(code.allows(Decision::Stop), "{}", code.name);
            let loses_nothing = code.severity < Severity::Blocker;
            assert!(!loses_nothing || code.allows(Decision::Accept), "{}", code.name);
            assert!(code.level == Level::Row || !code.allows(Decision::Reject), "{}", code.name);
            assert_eq!(code.allows(Decision::Convert), conversion(code.name).is_some(), "{}", code.name);
        }
    }
}
