//! PostgreSQL's answers to the planner: what the dialect can express, defaults and identities in its words.
//! Pure. Types are in `types`, whole statements in `ddl`.

use std::collections::BTreeSet;

use super::types::{self, Known};
use super::{ddl, mapping};
use crate::engine::capability::{
    Capabilities, ColumnInput, Facts, KeyLimit, LooseKey, Mapping, NameLimit, Naming, Rules,
};
use crate::engine::fit::Fit;
use crate::model::endpoint::{Dialect, Flavour};
use crate::model::plan::{ColumnPlan, IdentityPlan, ObjectPlan, Plan, Script};
use crate::model::schema::{Collation, DataType, DefaultValue, Identity, IdentityGeneration, ObjectKind};
use crate::model::value;

/// Rules of one server, or of PostgreSQL as such.
#[derive(Debug, Clone)]
pub(super) struct PostgresRules {
    capabilities: Capabilities,
    known: Known,
}

impl PostgresRules {
    /// Rules of a server that was asked, as far as [`Facts`] tell; of the oldest supported one without them.
    pub(super) fn from_facts(facts: Option<&Facts>) -> Self {
        let known = facts.map_or_else(Known::default, |facts| Known {
            version: Some(facts.version_number),
            collations: Some(facts.collations.iter().cloned().collect()),
            default_is_exact: is_unicode_code_point_order(&facts.collation),
            types: None,
            routines: BTreeSet::new(),
            autovacuum: false,
        });
        Self::new(known)
    }

    /// Rules of a server of which more is known than [`Facts`] hold.
    pub(super) fn of_server(
        facts: &Facts,
        (types, routines): (Vec<String>, Vec<String>),
        autovacuum: bool,
    ) -> Self {
        let mut rules = Self::from_facts(Some(facts));
        rules.known.types = Some(types.into_iter().collect());
        rules.known.routines = routines.into_iter().collect();
        rules.known.autovacuum = autovacuum;
        rules
    }

    fn new(known: Known) -> Self {
        let major = known.version.map_or(0, |v| v.0);
        let capabilities = Capabilities {
            max_name: NameLimit::Bytes(63),
            max_columns: 1600,
            max_indexes: usize::MAX,
            max_index_columns: 32,
            case_sensitive_tables: true,
            case_sensitive_columns: true,
            index_names_are_global: true,
            indexes_share_names_with_tables: true,
            primary_key_names: true,
            constraint_names_are_global: false,
            partial_indexes: true,
            expression_indexes: true,
            invisible_columns: false,
            index_prefixes: false,
            index_include: true,
            index_nulls_order: true,
            index_methods: &["btree", "hash", "gin", "gist", "spgist", "brin"],
            deferrable: true,
            deferrable_unique: true,
            unique_constraints: true,
            set_default: true,
            unique_parents: false,
            match_full: true,
            checks: true,
            generated_stored: true,
            generated_not_null: true,
            generated_virtual: major >= 18,
            default_expressions: true,
            sequences: true,
            late_instants: true,
            comments: true,
            on_update_now: false,
            restores_whole: false,
            writers: 4,
        };
        Self { capabilities, known }
    }
}

/// Whether a database's default collation orders by code points and still knows Unicode letters, so that naming
/// another one would add nothing.
fn is_unicode_code_point_order(collation: &str) -> bool {
    matches!(collation, "C.UTF-8" | "C.utf8" | "C.UTF8")
}

impl Rules for PostgresRules {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn flavour(&self) -> Flavour {
        Flavour::Postgres
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Domains go along as types do.
    fn provides(&self, reached: &str) -> bool {
        let made_by_users = ["function ", "operator "].iter().any(|kind| reached.starts_with(kind));
        !made_by_users || self.known.routines.contains(reached)
    }

    /// A third of a page of 8 KiB.
    fn key_limit(&self) -> KeyLimit {
        KeyLimit::Stored(2_700)
    }

    fn quote(&self, name: &str) -> String {
        types::quote(name)
    }

    fn exactly(&self, quoted: &str) -> String {
        format!("{quoted}::text COLLATE \"C\"")
    }

    fn literal(&self, text: &str) -> String {
        ddl::literal(text)
    }

    fn map_column(&self, input: &ColumnInput<'_>) -> Mapping {
        mapping::map_column(input, &self.known)
    }

    fn default(&self, value: &DefaultValue, mapping: &Mapping) -> Option<String> {
        default(value, mapping)
    }

    fn type_of(&self, native: &str) -> DataType {
        types::parse_type(native)
    }

    fn fit(&self, column: &ColumnPlan) -> Option<Fit> {
        super::fit::fit(&column.native_type)
    }

    fn knows_fit(&self, column: &ColumnPlan) -> bool {
        !matches!(column.carries, DataType::Native { .. }) || self.fit(column).is_some()
    }

    fn loose_key(
        &self,
        column: &str,
        collation: &Collation,
        source: Dialect,
        ascii: bool,
    ) -> Option<LooseKey> {
        let mut column = types::quote(column);
        if collation.pads {
            column = format!("rtrim({column})");
        }
        if !collation.case_insensitive {
            return collation.pads.then_some(LooseKey {
                expression: Some(column),
                collation: None,
                needs: None,
                keeps_accents: false,
            });
        }
        let folded = |expression: String| LooseKey {
            expression: Some(expression),
            collation: None,
            needs: None,
            keeps_accents: true,
        };
        // NOCASE folds ASCII letters, which is what the collation of bytes does too.
        if source == Dialect::Sqlite && !ascii {
            return Some(folded(format!("lower({column} COLLATE \"C\")")));
        }
        if source == Dialect::Sqlite || !self.known.has_loose_collations() {
            return Some(folded(format!("lower({column})")));
        }
        let (name, locale) = if collation.accent_insensitive {
            ("techcare_db_ci_ai", "und-u-ks-level1")
        } else {
            ("techcare_db_ci", "und-u-ks-level2")
        };
        let there = self.known.collations.as_ref().is_some_and(|all| all.contains(name));
        Some(LooseKey {
            expression: collation.pads.then_some(column),
            collation: Some(name.to_owned()),
            needs: (!there).then(|| ObjectPlan {
                kind: ObjectKind::Collation,
                name: name.to_owned(),
                definition: format!(
                    "CREATE COLLATION {} (provider = icu, locale = '{locale}', deterministic = false)",
                    types::quote(name)
                ),
            }),
            keeps_accents: false,
        })
    }

    fn identity(&self, identity: &Identity, mapping: &Mapping) -> Option<IdentityPlan> {
        let integer = matches!(mapping.native_type.as_str(), "smallint" | "integer" | "bigint");
        integer.then_some(IdentityPlan {
            generation: match identity.generation {
                IdentityGeneration::Always => IdentityGeneration::Always,
                IdentityGeneration::ByDefault => IdentityGeneration::ByDefault,
                // What SQLAlchemy makes of an integer key, and what it looks for when it inserts.
                IdentityGeneration::Serial
                | IdentityGeneration::AutoIncrement
                | IdentityGeneration::Rowid => IdentityGeneration::Serial,
            },
            next: identity.next,
            increment: if identity.increment == 0 { 1 } else { identity.increment },
        })
    }

    fn script(&self, plan: &Plan, naming: &Naming) -> Script {
        ddl::script(plan, naming, self.known.autovacuum)
    }
}

/// A default in PostgreSQL's words, checked against the type as far as a constant can be: a default that its
/// column cannot take would only fail at CREATE TABLE.
fn default(value: &DefaultValue, mapping: &Mapping) -> Option<String> {
    match value {
        DefaultValue::Null => Some("NULL".into()),
        DefaultValue::Bool(truth) => truth_default(*truth, &mapping.carries),
        DefaultValue::Number(number) => number_default(number, &mapping.carries),
        DefaultValue::Text(text) => text_default(text, &mapping.carries),
        DefaultValue::Bytes(bytes) => {
            let hex = value::format_hex(bytes);
            matches!(mapping.carries, DataType::Bytes { .. }).then(|| format!("'\\x{hex}'::bytea"))
        }
        DefaultValue::CurrentTimestamp => match mapping.carries {
            DataType::Timestamp { .. } | DataType::DateTime { .. } => Some("CURRENT_TIMESTAMP".into()),
            DataType::Date => Some("CURRENT_DATE".into()),
            DataType::Time { .. } => Some("LOCALTIME".into()),
            DataType::Text { .. } => Some("to_char(timezone('UTC', now()), 'YYYY-MM-DD HH24:MI:SS')".into()),
            _ => None,
        },
        DefaultValue::CurrentDate => match mapping.carries {
            DataType::Date | DataType::DateTime { .. } | DataType::Timestamp { .. } => {
                Some("CURRENT_DATE".into())
            }
            DataType::Text { .. } => Some("to_char(timezone('UTC', now()), 'YYYY-MM-DD')".into()),
            _ => None,
        },
        DefaultValue::CurrentTime => match mapping.carries {
            DataType::Time { .. } => Some("LOCALTIME".into()),
            DataType::TimeTz => Some("CURRENT_TIME".into()),
            DataType::Text { .. } => Some("to_char(timezone('UTC', now()), 'HH24:MI:SS')".into()),
            _ => None,
        },
        DefaultValue::Expression(expression) => Some(expression.clone()),
    }
}

fn truth_default(truth: bool, carries: &DataType) -> Option<String> {
    match carries {
        DataType::Bool => Some(truth.to_string()),
        DataType::Int { .. } | DataType::Decimal { .. } | DataType::Float32 | DataType::Float64 => {
            Some(u8::from(truth).to_string())
        }
        DataType::Text { .. } => Some(ddl::literal(if truth { "1" } else { "0" })),
        _ => None,
    }
}

fn number_default(number: &str, carries: &DataType) -> Option<String> {
    let number = number.trim();
    let is_integer = value::is_decimal(number) && !number.contains('.');
    let is_number = number.parse::<f64>().is_ok_and(f64::is_finite);
    match carries {
        DataType::Bool => match value::canonical_decimal(number).as_str() {
            "0" => Some("false".into()),
            "1" => Some("true".into()),
            _ => None,
        },
        DataType::Int { .. } | DataType::Year => {
            let whole = value::rescale_decimal(number, 0).filter(|_| value::is_decimal(number));
            whole.filter(|w| w.parse::<i128>().is_ok())
        }
        DataType::Decimal { .. } | DataType::Float32 | DataType::Float64 => {
            is_number.then(|| number.to_owned())
        }
        DataType::Text { .. } | DataType::Enum { .. } | DataType::Set { .. } => Some(ddl::literal(number)),
        DataType::Json { .. } => is_number.then(|| ddl::literal(number)),
        DataType::Bit { length: Some(length), varying: false } if is_integer => {
            let bits = format!("{:b}", number.parse::<u64>().ok()?);
            let width = usize::try_from(*length).ok()?;
            (bits.len() <= width).then(|| format!("B'{bits:0>width$}'"))
        }
        _ => None,
    }
}

fn text_default(text: &str, carries: &DataType) -> Option<String> {
    let literal = || Some(ddl::literal(text));
    if text.contains('\0') {
        return None;
    }
    match carries {
        DataType::Text { max_chars: Some(most), .. } => {
            (text.chars().count() as u64 <= *most).then(|| ddl::literal(text))
        }
        DataType::Bool => value::parse_truth(text).map(|truth| truth.to_string()),
        DataType::Decimal { .. } | DataType::Float32 | DataType::Float64
            if matches!(text, "NaN" | "Infinity" | "-Infinity") =>
        {
            literal()
        }
        DataType::Int { .. }
        | DataType::Year
        | DataType::Decimal { .. }
        | DataType::Float32
        | DataType::Float64 => number_default(text, carries),
        DataType::Enum { labels, .. } => labels.iter().any(|l| l == text).then(|| ddl::literal(text)),
        DataType::Date => value::parse_date(text.get(..10)?).and_then(|_| literal()),
        DataType::Time { .. } => value::parse_time(text).and_then(|_| literal()),
        DataType::TimeSpan { .. } => value::parse_time_span(text).and_then(|_| literal()),
        DataType::DateTime { .. } if value::parse_datetime(text).is_some() => literal(),
        // Times that say their distance from UTC are read as those of UTC.
        DataType::DateTime { .. } => {
            value::parse_timestamp(text).map(|v| ddl::literal(&value::format_datetime(v, 6)))
        }
        DataType::Timestamp { .. } => {
            if value::parse_timestamp(text).is_some() {
                literal()
            } else {
                // A wall clock without a zone: the sessions that wrote it spoke UTC.
                value::parse_datetime(text).map(|_| ddl::literal(&format!("{text}+00")))
            }
        }
        DataType::Uuid => value::parse_uuid(text).and_then(|_| literal()),
        DataType::Json { .. } => {
            serde_json::from_str::<serde::de::IgnoredAny>(text).ok().and_then(|_| literal())
        }
        DataType::Bytes { .. } => Some(format!("'\\x{}'::bytea", value::format_hex(text.as_bytes()))),
        DataType::Bit { .. } => text.bytes().all(|b| matches!(b, b'0' | b'1')).then(|| format!("B'{text}'")),
        _ => literal(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::Fidelity;

    fn mapping(carries: DataType, native: &str) -> Mapping {
        Mapping::plain(native, carries, Fidelity::Exact)
    }

    fn said(value: &DefaultValue, carries: DataType) -> Option<String> {
        PostgresRules::from_facts(None).default(value, &mapping(carries, "x"))
    }

    #[test]
    fn constants_take_the_form_of_their_type() {
        let number = |n: &str| DefaultValue::Number(n.into());
        let text = |t: &str| DefaultValue::Text(t.into());
        let datetime = DataType::DateTime { precision: 6 };
        for (value, carries, expected) in [
            (number("1"), DataType::Bool, Some("true")),
            (number("2"), DataType::Bool, None),
            (number("0.00"), DataType::Decimal { precision: Some(4), scale: Some(2) }, Some("0.00")),
            (number("0"), DataType::TEXT, Some("'0'")),
            (number("5"), DataType::Bit { length: Some(4), varying: false }, Some("B'0101'")),
            (text("it's"), DataType::TEXT, Some("'it''s'")),
            (text("7"), DataType::INT32, Some("7")),
            (text("seven"), DataType::INT32, None),
            (text("0000-00-00 00:00:00"), datetime.clone(), None),
            (text("2024-01-02 03:04:05"), datetime.clone(), Some("'2024-01-02 03:04:05'")),
            (text("c"), DataType::Enum { name: None, labels: vec!["a".into()] }, None),
            (text("{}"), DataType::Json { binary: true }, Some("'{}'")),
            (text("abc"), DataType::Text { max_chars: Some(2), fixed: false }, None),
            (DefaultValue::Bool(true), DataType::Bool, Some("true")),
            (DefaultValue::Bytes(vec![0, 255]), DataType::BYTES, Some("'\\x00ff'::bytea")),
            (DefaultValue::CurrentTimestamp, datetime, Some("CURRENT_TIMESTAMP")),
            (DefaultValue::CurrentTimestamp, DataType::INT32, None),
            (DefaultValue::CurrentDate, DataType::Date, Some("CURRENT_DATE")),
        ] {
            assert_eq!(said(&value, carries.clone()).as_deref(), expected, "{value:?} {carries:?}");
        }
    }

    #[test]
    fn only_integers_can_be_identities() {
        let identity = Identity {
            generation: IdentityGeneration::AutoIncrement,
            next: Some(7),
            increment: 1,
            sequence: None,
        };
        let rules = PostgresRules::from_facts(None);
        let plan = rules.identity(&identity, &mapping(DataType::INT64, "bigint")).unwrap();
        assert_eq!((plan.generation, plan.next), (IdentityGeneration::Serial, Some(7)));
        assert_eq!(rules.identity(&identity, &mapping(DataType::INT64, "numeric(20)")), None);
    }
}
