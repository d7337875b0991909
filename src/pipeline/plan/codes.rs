//! The codes of the planner's findings, and how grave each is: the one place where that is decided.
//! Codes are a contract: reports, `--accept` and scripts name them, so they are never renamed. Codes of misfits in
//! the data (`wrong_storage_class`, `bad_datetime`, …) come from the engines that look at it and always block.

use crate::model::plan::Severity;

/// The target's type holds more than the source's; nothing is lost.
pub const WIDENED: &str = "widened";
/// The target holds the values under a documented spelling.
pub const EMULATED: &str = "emulated";
/// The target has no type that holds the column's values exactly.
pub const UNSUPPORTED_TYPE: &str = "unsupported_type";
/// A name is too long for the target or taken there, and another one stands for it.
pub const RENAMED: &str = "renamed";
/// Two names differ only in case and the target takes them for one.
pub const CASE_TWINS: &str = "case_twins";
/// Two types of the same name would differ.
pub const TYPE_CONFLICT: &str = "type_conflict";
/// A table has more columns than the target takes, or none.
pub const COLUMN_COUNT: &str = "column_count";
/// A table has more indexes than the target takes.
pub const INDEX_COUNT: &str = "index_count";
/// The primary key is longer than the target takes.
pub const KEY_TOO_LONG: &str = "key_too_long";
/// A column of the primary key holds NULL, which only SQLite lets it.
pub const NULL_IN_KEY: &str = "null_in_key";
/// Rows that refer to rows which are not there.
pub const ORPHANS: &str = "orphans";
/// `--data-only`: the target lacks a table or column, or its column cannot hold the source's.
pub const TARGET_MISMATCH: &str = "target_mismatch";

/// A default that the target cannot say.
pub const DEFAULT_NOT_CARRIED: &str = "default_not_carried";
/// ON UPDATE CURRENT_TIMESTAMP, which only MySQL has.
pub const ON_UPDATE_NOT_CARRIED: &str = "on_update_not_carried";
/// A generated column becomes a plain one that keeps its values of today.
pub const GENERATED_NOT_CARRIED: &str = "generated_not_carried";
/// A VIRTUAL generated column is stored, or the reverse; its values are the same.
pub const GENERATED_KIND: &str = "generated_kind";
/// Values are handed out in another way (step, strictness).
pub const IDENTITY_CHANGED: &str = "identity_changed";
/// A column whose values were handed out becomes a plain one.
pub const IDENTITY_NOT_CARRIED: &str = "identity_not_carried";
/// A comment that the target has no place for.
pub const COMMENT_NOT_CARRIED: &str = "comment_not_carried";
/// Text compared regardless of case, accents or trailing blanks, and will not any more; no key depends on it.
pub const COMPARISON_CHANGED: &str = "comparison_changed";

/// A check that says what the type of its column means in the target anyway.
pub const CHECK_IMPLIED: &str = "check_implied";
/// A check that the target cannot say.
pub const CHECK_NOT_CARRIED: &str = "check_not_carried";
/// A unique constraint or index that is lost, or carried without its uniqueness.
pub const UNIQUE_NOT_CARRIED: &str = "unique_not_carried";
/// A unique key of the target lets in what the source's refuses (`a` and `A`, long texts that begin alike).
pub const UNIQUE_LOOSER: &str = "unique_looser";
/// An index that serves speed only and has no counterpart.
pub const INDEX_NOT_CARRIED: &str = "index_not_carried";
/// An index that is carried in a plainer form.
pub const INDEX_SIMPLIFIED: &str = "index_simplified";
/// An index that the source does not have and the target needs.
pub const INDEX_ADDED: &str = "index_added";
/// An index of the source that another one of the target serves as well.
pub const INDEX_COVERED: &str = "index_covered";
/// A foreign key that is not carried.
pub const FOREIGN_KEY_NOT_CARRIED: &str = "foreign_key_not_carried";
/// A foreign key that is carried with another action or match rule.
pub const FOREIGN_KEY_CHANGED: &str = "foreign_key_changed";
/// A constraint that could wait for the end of the transaction no longer can.
pub const DEFERRABLE_DROPPED: &str = "deferrable_dropped";
/// A constraint without a neutral form (exclusion).
pub const CONSTRAINT_NOT_CARRIED: &str = "constraint_not_carried";

/// The rows of a partitioned table arrive in one plain table.
pub const PARTITIONING_NOT_CARRIED: &str = "partitioning_not_carried";
/// A view, trigger, routine or another object beside the tables.
pub const OBJECT_NOT_CARRIED: &str = "object_not_carried";
/// An extension: what it provides is named with the objects that use it.
pub const EXTENSION_NOT_CARRIED: &str = "extension_not_carried";
/// A table that the user left out.
pub const NOT_SELECTED: &str = "not_selected";

/// How grave a finding of the planner is.
///
/// Objects that guard data (keys, unique, foreign keys, checks, generated columns, identities) are warnings as long
/// as there is no `--accept` to let them pass as blockers: they are named with their text, and the migration ends
/// with exit 1.
pub fn severity_of(code: &str) -> Severity {
    match code {
        WIDENED
        | EMULATED
        | RENAMED
        | GENERATED_KIND
        | IDENTITY_CHANGED
        | COMMENT_NOT_CARRIED
        | COMPARISON_CHANGED
        | INDEX_SIMPLIFIED
        | INDEX_COVERED
        | INDEX_ADDED
        | CHECK_IMPLIED
        | DEFERRABLE_DROPPED
        | EXTENSION_NOT_CARRIED
        | NOT_SELECTED => Severity::Info,
        DEFAULT_NOT_CARRIED
        | ON_UPDATE_NOT_CARRIED
        | GENERATED_NOT_CARRIED
        | IDENTITY_NOT_CARRIED
        | CHECK_NOT_CARRIED
        | UNIQUE_NOT_CARRIED
        | UNIQUE_LOOSER
        | INDEX_NOT_CARRIED
        | FOREIGN_KEY_NOT_CARRIED
        | FOREIGN_KEY_CHANGED
        | CONSTRAINT_NOT_CARRIED
        | PARTITIONING_NOT_CARRIED
        | OBJECT_NOT_CARRIED => Severity::Warning,
        // UNSUPPORTED_TYPE, CASE_TWINS, …, and whatever an engine found in the data.
        _ => Severity::Blocker,
    }
}
