//! What equality of text means on both sides: what the collations of the dialects ignore, by their names, and what
//! changes on the way.

use super::Planner;
use super::findings::Note;
use crate::engine::capability::Mapping;
use crate::engine::expression::Comparison;
use crate::model::codes;
use crate::model::endpoint::Dialect;
use crate::model::plan::{ColumnPlan, FindingAction};
use crate::model::schema::{Collation, Column, DataType, Index, IndexKey, Table};

/// What a collation does not tell apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ignored {
    case: bool,
    accents: bool,
    blanks: bool,
}

impl Ignored {
    /// By a collation of the source.
    pub(super) fn by(collation: &Collation) -> Self {
        Self {
            case: collation.case_insensitive,
            accents: collation.accent_insensitive,
            blanks: collation.pads,
        }
    }

    /// By a collation of the target. Names say it: `_bin`, `_ci`, `_as_ci`, `nopad`, `NOCASE`, `C`.
    pub(super) fn by_name(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let no_pad = name.contains("nopad") || name.contains("0900");
        match name.as_str() {
            "c" | "posix" | "ucs_basic" | "binary" | "pg_c_utf8" | "c.utf8" | "c.utf-8" => Self::default(),
            "techcare_db_ci_ai" => Self { case: true, accents: true, ..Self::default() },
            "techcare_db_ci" | "nocase" => Self { case: true, ..Self::default() },
            "rtrim" => Self { blanks: true, ..Self::default() },
            _ if ["_bin", "_cs", "_ks"].iter().any(|exact| name.ends_with(exact)) => {
                Self { blanks: !no_pad, ..Self::default() }
            }
            _ if name.ends_with("_ci") => {
                Self { case: true, accents: !name.contains("_as_"), blanks: !no_pad }
            }
            // A collation of a language on PostgreSQL: it orders, and equality stays exact.
            _ => Self::default(),
        }
    }

    pub(super) fn accents(self) -> bool {
        self.accents
    }

    pub(super) fn is_exact(self) -> bool {
        self == Self::default()
    }

    /// What this one ignores and the other does not.
    pub(super) fn beyond(self, other: Self) -> Self {
        Self {
            case: self.case && !other.case,
            accents: self.accents && !other.accents,
            blanks: self.blanks && !other.blanks,
        }
    }

    /// The same, and case.
    pub(super) fn and_case(self) -> Self {
        Self { case: true, ..self }
    }

    /// Whether it ignores letters, not only the blanks behind them.
    pub(super) fn letters(self) -> bool {
        self.case || self.accents
    }

    /// Whether it ignores more than accents, which ASCII has none of.
    pub(super) fn beyond_accents(self) -> bool {
        self.case || self.blanks
    }

    /// For messages.
    fn words(self) -> String {
        let words = [(self.case, "case"), (self.accents, "accents"), (self.blanks, "blanks at the end")];
        let words: Vec<&str> = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
        match words.as_slice() {
            [] => "nothing".into(),
            [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
            [first, ..] => (*first).into(),
        }
    }
}

/// What a planned column of the target ignores.
pub(super) fn ignored(planned: Option<&ColumnPlan>) -> Ignored {
    planned.and_then(|c| c.collation.as_deref()).map_or_else(Ignored::default, Ignored::by_name)
}

/// Whether a collation of any of the dialects compares by code point.
pub(super) fn is_exact_name(name: &str) -> bool {
    Ignored::by_name(name).is_exact()
}

/// Whether a collation of MySQL or MariaDB compares by the rules of a language, which may have some for ASCII letters:
/// Turkish has two letters i, Croatian takes `lj` for one letter and `lJ` for two. The rules for all languages, and the
/// Swedish ones that `latin1` had by default, have none.
pub(super) fn has_language(name: &str) -> bool {
    let general = |word: &str| {
        matches!(
            word,
            "general"
                | "mysql500"
                | "unicode"
                | "520"
                | "0900"
                | "uca1400"
                | "nopad"
                | "ai"
                | "as"
                | "ci"
                | "cs"
                | "bin"
        )
    };
    let is_ours = name.starts_with("techcare_db_") || name.starts_with("latin1_swedish_");
    !is_ours && !name.split('_').skip(1).all(general)
}

/// How comparisons of a text column come out on both sides.
pub(super) fn on_both_sides(
    source: Dialect,
    collation: Option<&Collation>,
    planned: &ColumnPlan,
) -> Comparison {
    match collation {
        Some(collation) if !collation.is_exact() => Comparison::Loose,
        _ if !ignored(Some(planned)).is_exact() => Comparison::Loose,
        // PostgreSQL sorts by the rules of a language unless told otherwise, though equality is exact.
        Some(Collation { name, .. }) if source == Dialect::Postgres => {
            let by_code_point = matches!(name.as_str(), "C" | "POSIX" | "ucs_basic" | "pg_c_utf8" | "C.utf8");
            if by_code_point { Comparison::Exact } else { Comparison::Equality }
        }
        None if source == Dialect::Postgres => Comparison::Equality,
        _ => Comparison::Exact,
    }
}

/// Whether the primary key or a unique index of a table is over a column itself.
fn is_in_unique_key(table: &Table, column: &str) -> bool {
    let over = |index: &Index| index.parts.iter().any(|part| part.key == IndexKey::Column(column.to_owned()));
    table.primary_key.as_ref().is_some_and(|key| key.columns.iter().any(|c| c == column))
        || table.indexes.iter().any(|index| index.unique && over(index))
}

impl Planner<'_> {
    /// Says where equality of a column's text changes.
    pub(super) fn comparison_findings(&mut self, table: &Table, column: &Column, mapping: &Mapping) {
        let Some(collation) = column.collation.as_ref().filter(|_| column.data_type.is_text()) else {
            return;
        };
        let text = if self.input.verbatim() {
            // The dialect knows its own collations; it says so where it had to take another one.
            match mapping.note.clone() {
                Some(note) => note,
                None => return,
            }
        } else {
            let before = Ignored::by(collation);
            let after = mapping.collation.as_deref().map_or_else(Ignored::default, Ignored::by_name);
            let (lost, gained) = (before.beyond(after), after.beyond(before));
            let name = &collation.name;
            let changed = match (lost.is_exact(), gained.is_exact()) {
                (true, true) => None,
                (false, _) => Some(format!("{name} ignores {}; the target does not", lost.words())),
                (true, false) => Some(format!("{name} tells {} apart; the target does not", gained.words())),
            };
            // NOCASE has no rules but for ASCII, which are everybody's.
            let by_language = collation.case_insensitive && !collation.ascii_case;
            let keyed = (by_language && is_in_unique_key(table, &column.name)).then(|| {
                format!(
                    "beyond ASCII, which letters are one to its unique key is for the rules of the target to say from now on: \
                     what {name} takes for one (ß and ss, ä and a, ł and l) may be two there, and the reverse"
                )
            });
            let texts: Vec<String> = [changed, keyed].into_iter().flatten().collect();
            if texts.is_empty() {
                return;
            }
            texts.join("; ")
        };
        let note = Note::new(codes::COMPARISON_CHANGED, "column", FindingAction::Converted, text);
        self.findings.push(note.table(&table.name).column(&column.name));
    }

    /// What a key over a column ignores in the source and not in the target. `None` where that is nothing, as it is for
    /// ENUM and SET, whatever their collation: a key over them compares the numbers that are stored for labels (MySQL
    /// manual, "The ENUM Type").
    pub(super) fn lost_comparison(
        &self,
        table: &Table,
        column: &str,
        columns: &[ColumnPlan],
        said: Option<&Collation>,
    ) -> Option<(Collation, Ignored)> {
        let column_of_text = |c: &&Column| matches!(c.data_type, DataType::Text { .. });
        let own = table.column(column).filter(column_of_text);
        let planned = columns.iter().find(|c| c.source == column);
        let padded = own.filter(|own| said.is_none() && self.is_filled_up(own));
        let own = own.and_then(|own| own.collation.as_ref());
        let filled = padded.map(|padded| Collation {
            pads: true,
            ..own.cloned().unwrap_or_else(|| Collation {
                name: padded.native_type.clone(),
                case_insensitive: false,
                ascii_case: false,
                accent_insensitive: false,
                pads: true,
            })
        });
        let collation = filled.as_ref().or(said).or(own)?;
        // The same dialect keeps the collation, unless it had to take another one.
        if self.input.verbatim()
            && (said.is_some() || planned.is_none_or(|c| c.collation.as_ref() == Some(&collation.name)))
        {
            return None;
        }
        let mut lost = Ignored::by(collation).beyond(ignored(planned));
        lost.blanks &= !planned.is_some_and(|planned| self.fills_up(planned));
        // SQLite's NOCASE knows ASCII only, which is enough where the data are.
        if self.input.rules.dialect() == Dialect::Sqlite && ignored(planned).case {
            let ascii = self.ascii(table, column) == Some(true);
            lost = Ignored {
                case: collation.case_insensitive && !ascii && !collation.ascii_case,
                accents: lost.accents && !ascii,
                ..lost
            };
        }
        (!lost.is_exact()).then(|| (collation.clone(), lost))
    }

    /// Whether blanks at the end count nothing in a column because of its type, `char(n)`, whatever its collation.
    fn is_filled_up(&self, column: &Column) -> bool {
        let fixed = matches!(column.data_type, DataType::Text { fixed: true, .. });
        fixed && self.input.source.dialect != Dialect::Sqlite && !self.input.verbatim()
    }

    /// The same of a column of the target, and whether it is text at all.
    fn fills_up(&self, planned: &ColumnPlan) -> bool {
        let native = planned.native_type.to_ascii_lowercase();
        let fixed = ["char(", "character("].iter().any(|fixed| native.starts_with(fixed));
        !planned.carries.is_text() || (fixed && self.input.rules.dialect() != Dialect::Sqlite)
    }

    /// A unique key that lets in what the source refuses.
    pub(super) fn looser(
        &mut self,
        table: &Table,
        column: &str,
        columns: &[ColumnPlan],
        (kind, object): (&str, Option<&str>),
        said: Option<&Collation>,
    ) {
        let text = if let Some((collation, lost)) = self.lost_comparison(table, column, columns, said) {
            format!("lets in values that differ only in {}, which {} refuses", lost.words(), collation.name)
        } else {
            let native = table.column(column).map_or("its type", |c| c.native_type.as_str());
            format!(
                "lets in another spelling of a value that is there: {native} compares values, and the target text"
            )
        };
        let note = Note::new(codes::UNIQUE_LOOSER, kind, FindingAction::Converted, text);
        self.findings.push(note.table(&table.name).column(column).object(object));
    }

    /// A unique key that refuses what the source's lets in: NOCASE knows the case of ASCII letters only, others know
    /// that of all.
    pub(super) fn stricter(
        &mut self,
        table: &Table,
        column: &str,
        columns: &[ColumnPlan],
        (kind, object): (&str, Option<&str>),
        said: Option<&Collation>,
    ) {
        let own = table.column(column).and_then(|c| c.collation.as_ref());
        let Some(collation) = said.or(own).filter(|c| c.case_insensitive) else { return };
        let planned = columns.iter().find(|c| c.source == column);
        let knows_more = match self.input.rules.dialect() {
            Dialect::Sqlite => false,
            Dialect::Mysql => true,
            // Where there are others among the values already, its key is over lower case by bytes.
            Dialect::Postgres => {
                self.ascii(table, column) == Some(true)
                    && planned.is_some_and(|c| c.collation.as_deref() != Some("C"))
            }
        };
        if self.input.source.dialect == Dialect::Sqlite && knows_more {
            let text = format!(
                "refuses 'É' beside 'é', which {} lets in: it knows the case of ASCII only",
                collation.name
            );
            let note = Note::new(codes::UNIQUE_STRICTER, kind, FindingAction::Converted, text);
            self.findings.push(note.table(&table.name).column(column).object(object));
        }
    }
}
