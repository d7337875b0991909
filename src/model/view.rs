//! A view in a plan: the statement that makes it in the target, and how its rows are read on both sides so that they
//! can be compared.

use serde::{Deserialize, Serialize};

use super::plan::Statement;
use super::schema::{DataType, ObjectKind};

/// A view or materialized view, under the same name in the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewPlan {
    /// Name.
    pub name: String,
    /// View or materialized view.
    pub kind: ObjectKind,
    /// What makes it, in the target's words, with unqualified names and without a closing semicolon. Comments and the
    /// indexes of a materialized view follow as statements of their own.
    pub definition: String,
    /// The source's own text.
    pub original: String,
    /// Where `definition` comes from.
    pub wording: Wording,
    /// How its columns are read for the comparison; empty where any value is compared as it stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ViewColumn>,
    /// Tables and views of the source that it names.
    pub reads: Vec<String>,
}

impl ViewPlan {
    /// The statement that makes it.
    pub fn statement(&self) -> Statement {
        Statement {
            table: None,
            what: format!("{} \"{}\"", self.kind.as_str(), self.name),
            sql: self.definition.clone(),
        }
    }
}

/// Where the text of a view comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wording {
    /// It is the source's own: both speak the same dialect.
    Kept,
    /// It was put into the target's words.
    Translated,
}

/// A column of a translated view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewColumn {
    /// Name, the same on both sides.
    pub name: String,
    /// Cells that both sides are read into.
    pub carries: DataType,
    /// Type of the column of a table that it shows as it is, in the source; empty for one that is calculated.
    pub source_type: String,
    /// The same in the target.
    pub native_type: String,
}
