//! One row of the catalogue about a column, and the neutral column that it means. Pure.

use super::super::charset;
use super::super::native::{self, NativeType};
use super::defaults::{self, Telling};
use crate::model::origin::{self, Origin};
use crate::model::schema::{Column, DataType, Generated, Identity, IdentityGeneration};

/// What `information_schema.columns` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawColumn {
    /// COLUMN_NAME.
    pub name: String,
    /// COLUMN_TYPE.
    pub column_type: String,
    /// IS_NULLABLE.
    pub nullable: bool,
    /// COLUMN_DEFAULT.
    pub default: Option<String>,
    /// EXTRA.
    pub extra: String,
    /// GENERATION_EXPRESSION.
    pub generation: Option<String>,
    /// COLLATION_NAME.
    pub collation: Option<String>,
    /// COLUMN_COMMENT.
    pub comment: String,
    /// SRS_ID of MySQL.
    pub srid: Option<u32>,
}

/// How MariaDB tells the two columns of a system-versioned table that have the times of a row.
pub const ROW_TIMES: [&str; 2] = ["ROW START", "ROW END"];

impl RawColumn {
    /// Whether the default is a literal, and not an expression.
    fn has_literal_default(&self, telling: Telling) -> bool {
        self.default.as_ref().is_some_and(|text| match telling {
            Telling::Expression => text.starts_with('\''),
            Telling::Bare => !self.has_marked_default(),
        })
    }

    /// What of it is an expression.
    pub fn expressions(&mut self, telling: Telling) -> impl Iterator<Item = &mut String> {
        let default = telling == Telling::Expression || self.has_marked_default();
        self.default.as_mut().filter(|_| default).into_iter().chain(self.generation.as_mut())
    }

    /// Whether MySQL calls the default an expression.
    fn has_marked_default(&self) -> bool {
        self.extra.to_ascii_lowercase().contains("default_generated")
    }

    /// Whether its default is a literal that only SHOW CREATE TABLE tells.
    pub fn has_untold_literal(&self, telling: Telling) -> bool {
        let kind = NativeType::parse(&self.column_type).data_type(&self.column_type);
        let marks = telling == Telling::Bare && self.default.as_deref().is_some_and(|d| d.contains('?'));
        self.has_literal_default(telling) && (marks || matches!(kind, DataType::Bytes { .. }))
    }

    /// Which time of a row it has in a system-versioned table.
    pub fn row_time(&self) -> Option<&str> {
        self.generation.as_deref().filter(|text| ROW_TIMES.contains(text))
    }

    /// Whether MariaDB makes this of what is declared JSON, beside a check
    /// (<https://mariadb.com/docs/server/reference/data-types/string-data-types/json>). Any other column that has to be
    /// valid JSON is what it is declared as.
    pub fn may_be_json(&self) -> bool {
        self.column_type == "longtext" && self.collation.as_deref() == Some("utf8mb4_bin")
    }
}

/// The column, from what the catalogue tells with its expressions as SQL. `next` is the table's AUTO_INCREMENT; `json` says that a check keeps this text valid JSON, which is
/// all that JSON is on MariaDB.
pub fn column(raw: &RawColumn, telling: Telling, next: Option<i128>, json: bool) -> Column {
    let native = NativeType::parse(&raw.column_type);
    let extra = raw.extra.to_ascii_lowercase();
    let (data_type, native_type) = if json {
        (DataType::Json { binary: false }, "json".to_owned())
    } else {
        (native.data_type(&raw.column_type), raw.column_type.clone())
    };
    let expression = raw.generation.as_deref().filter(|e| !e.is_empty() && raw.row_time().is_none());
    let generated =
        expression.filter(|_| extra.contains("generated") || extra.contains("persistent")).map(|e| {
            Generated {
                expression: e.to_owned(),
                stored: extra.contains("stored") || extra.contains("persistent"),
            }
        });
    let identity = extra.contains("auto_increment").then_some(Identity {
        generation: IdentityGeneration::AutoIncrement,
        next,
        increment: 1,
        sequence: None,
    });
    let default = raw.default.as_deref().filter(|_| generated.is_none() && identity.is_none());
    let bytes = matches!(data_type, DataType::Bytes { .. });
    let (comment, origin) = origin::read::<Origin>(&raw.comment);
    let origin = origin.filter(|o| native::is_same(&o.now, &raw.column_type) || o.now == native_type);
    Column {
        name: raw.name.clone(),
        default: default
            .and_then(|d| defaults::parse(telling, raw.has_marked_default(), &native, &data_type, d)),
        nullable: raw.nullable,
        generated,
        identity,
        on_update_now: extra.contains("on update"),
        collation: raw.collation.as_deref().filter(|_| !json && !bytes).map(charset::describe),
        comment,
        origin,
        domain: None,
        reaches: Vec::new(),
        data_type,
        native_type,
    }
}

/// Whether a check is the one that makes text JSON, and of which column.
pub fn json_column(clause: &str) -> Option<&str> {
    let lower = clause.trim().trim_start_matches('(').trim_end_matches(')');
    let inside = lower.strip_prefix("json_valid(")?;
    let name = inside.trim().strip_prefix('`')?.strip_suffix('`')?;
    (!name.contains('`')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schema::DefaultValue;

    fn raw(column_type: &str) -> RawColumn {
        RawColumn { name: "c".into(), column_type: column_type.into(), ..RawColumn::default() }
    }

    #[test]
    fn a_counting_column_keeps_its_high_water_mark() {
        let c = column(
            &RawColumn { extra: "auto_increment".into(), ..raw("int(10) unsigned") },
            Telling::Expression,
            Some(500),
            false,
        );
        assert_eq!(c.identity.and_then(|i| i.next), Some(500));
        assert_eq!(
            (c.native_type.as_str(), c.data_type),
            ("int(10) unsigned", DataType::Int { bits: 32, unsigned: true })
        );
    }

    #[test]
    fn json_of_mariadb_is_text_with_a_check() {
        assert_eq!(json_column("json_valid(`f`)"), Some("f"));
        assert_eq!(json_column("json_valid(`f`) and `g` > 1"), None);
        let c = column(
            &RawColumn {
                collation: Some("utf8mb4_bin".into()),
                default: Some("'{}'".into()),
                ..raw("longtext")
            },
            Telling::Expression,
            None,
            true,
        );
        assert_eq!((c.native_type.as_str(), c.data_type), ("json", DataType::Json { binary: false }));
        assert_eq!(c.collation, None);
        assert_eq!(c.default, Some(DefaultValue::Text("{}".into())));
    }

    #[test]
    fn generated_columns_and_clocks() {
        let stored = RawColumn {
            extra: "STORED GENERATED".into(),
            generation: Some("concat(`a`,'x')".into()),
            ..raw("varchar(9)")
        };
        let c = column(&stored, Telling::Bare, None, false);
        assert_eq!(c.generated, Some(Generated { expression: "concat(`a`,'x')".into(), stored: true }));
        let clock = RawColumn {
            extra: "DEFAULT_GENERATED on update CURRENT_TIMESTAMP".into(),
            default: Some("CURRENT_TIMESTAMP".into()),
            ..raw("timestamp")
        };
        let c = column(&clock, Telling::Bare, None, false);
        assert!(c.on_update_now);
        assert_eq!(c.default, Some(DefaultValue::CurrentTimestamp));
    }
}
