//! What the two products and their versions can express. Pure: no connection. Types are chosen in `mapping`,
//! statements are made in `ddl`, cells in `read` and `write`.

use super::charset::{Collations, charset_of};
use super::native::{self, NativeType};
use super::{ddl, width};
use crate::engine::capability::{
    Capabilities, ColumnInput, CommentLimit, Facts, KeyLimit, LooseKey, Mapping, NameLimit, Naming,
    Rules as RulesTrait,
};
use crate::engine::fit::Fit;
use crate::engine::{expression, limits};
use crate::model::endpoint::{Dialect, Flavour};
use crate::model::plan::{ColumnPlan, IdentityPlan, Plan, Script, TablePlan};
use crate::model::schema::{Collation, DataType, DefaultValue, Identity, IdentityGeneration};
use crate::model::value;

/// Functions of MariaDB whose argument is a sequence, as the server tells of defaults and views
/// (<https://mariadb.com/kb/en/sequence-functions/>).
pub const SEQUENCE_FUNCTIONS: [&str; 3] = ["nextval", "lastval", "setval"];

/// Rules of one product and version.
#[derive(Debug, Clone)]
pub struct Rules {
    pub(super) flavour: Flavour,
    pub(super) version: (u32, u32, u32),
    pub(super) collations: Collations,
    capabilities: Capabilities,
    /// Sequences that defaults may use, with their database, as the catalogue tells them.
    sequences: Vec<String>,
}

impl Rules {
    /// Whether tables that LOCK TABLES holds can be renamed (<https://dev.mysql.com/doc/refman/8.0/en/rename-table.html>).
    pub(super) fn renames_locked(&self) -> bool {
        !self.is_mariadb() && self.version >= (8, 0, 13)
    }

    /// Rules of a server that was asked, or of a current one where there is none to ask.
    pub fn new(flavour: Flavour, facts: Option<&Facts>) -> Self {
        let current = if flavour == Flavour::Mariadb { (10, 11, 0) } else { (8, 4, 0) };
        let version = facts.map_or(current, |f| f.version_number);
        let collations =
            Collations::new(flavour, version, facts.map(|f| f.collations.as_slice()).unwrap_or_default());
        let case_sensitive = facts.is_none_or(|f| f.case_sensitive_names);
        let own = capabilities(flavour, version, case_sensitive);
        let unique_parents = facts.map_or(own.unique_parents, |f| f.unique_parents);
        Self {
            flavour,
            version,
            collations,
            capabilities: Capabilities { unique_parents, ..own },
            sequences: facts.map(|f| f.sequences.clone()).unwrap_or_default(),
        }
    }

    /// Whether the target has every sequence that an expression takes values from. The catalogue tells a sequence in a default
    /// together with its database, so that of another database would be used, or none be found.
    fn has_sequences(&self, expression: &str) -> bool {
        let calls = expression::called(Dialect::Mysql, expression);
        let calls = calls.iter().filter(|name| SEQUENCE_FUNCTIONS.contains(&name.as_str()));
        let known = self.sequences.iter().flat_map(|s| [format!("nextval({s})"), format!("lastval({s})")]);
        calls.count() == known.map(|call| expression.matches(&call).count()).sum::<usize>()
    }

    /// A constant other than text.
    fn constant(&self, text: &str, native: &NativeType, carries: &DataType) -> Option<String> {
        match carries {
            DataType::Bool => value::parse_truth(text).map(|truth| u8::from(truth).to_string()),
            DataType::Float32 | DataType::Float64 | DataType::Decimal { .. } => {
                text.parse::<f64>().is_ok_and(f64::is_finite).then(|| literal(text))
            }
            DataType::DateTime { .. } | DataType::Timestamp { .. } => {
                // Neither product takes an offset everywhere; the sessions that make tables speak UTC.
                let moment = value::parse_timestamp(text);
                let said = moment.map_or_else(|| text.to_owned(), |v| value::format_datetime(v, 6));
                let instant =
                    moment.or_else(|| value::parse_datetime(text)).filter(|_| native.base == "timestamp");
                let held = instant.is_none_or(|v| self.holds_instant(v));
                held.then(|| literal(&said))
            }
            _ => Some(literal(text)),
        }
    }

    fn holds_instant(&self, micros: i64) -> bool {
        let late = self.capabilities.late_instants;
        (limits::FIRST_INSTANT..=limits::last_instant(late)).contains(&micros)
    }

    pub(super) fn is_mariadb(&self) -> bool {
        self.flavour == Flavour::Mariadb
    }
}

impl RulesTrait for Rules {
    fn dialect(&self) -> Dialect {
        Dialect::Mysql
    }

    fn flavour(&self) -> Flavour {
        self.flavour
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Neither product takes characters beyond the basic plane (emoji) in names, nor blanks at their end.
    fn accepts_name(&self, name: &str) -> bool {
        let plain = name.chars().all(|c| u32::from(c) <= 0xffff) && !name.ends_with(' ');
        plain && !name.is_empty() && !name.contains('\0') && self.capabilities.max_name.fits(name)
    }

    fn watches_changed_columns(&self) -> bool {
        false
    }

    /// MariaDB keeps a hash of long values for that.
    fn keys_whole(&self, native: &str) -> bool {
        self.is_mariadb() || !NativeType::parse(native).is_outside_row()
    }

    /// That of InnoDB with pages of 16 KiB.
    fn key_limit(&self) -> KeyLimit {
        KeyLimit::Declared(3_072)
    }

    fn comment_limit(&self) -> CommentLimit {
        CommentLimit { table: 2_048, column: 1_024 }
    }

    fn fit_row(&self, table: &mut TablePlan) -> Vec<String> {
        width::fit(self.flavour, table)
    }

    fn quote(&self, name: &str) -> String {
        quote(name)
    }

    fn exactly(&self, quoted: &str) -> String {
        format!("CAST({quoted} AS BINARY)")
    }

    fn literal(&self, text: &str) -> String {
        literal(text)
    }

    fn map_column(&self, input: &ColumnInput<'_>) -> Mapping {
        let own = (input.source == Dialect::Mysql).then(|| self.same_dialect(input)).flatten();
        own.unwrap_or_else(|| self.foreign(input))
    }

    fn default(&self, value: &DefaultValue, mapping: &Mapping) -> Option<String> {
        let native = NativeType::parse(&mapping.native_type);
        // Neither product takes a bare literal for a type that lives outside the row, MySQL at all and MariaDB
        // before 10.2.1; as an expression in parentheses both do.
        let outside = native.is_outside_row();
        let expressions = self.capabilities.default_expressions;
        let plain = |text: String| match (outside, self.is_mariadb()) {
            (false, _) => Some(text),
            (true, true) => expressions.then_some(text),
            (true, false) => expressions.then(|| format!("({text})")),
        };
        let computed = |text: &str| expressions.then(|| format!("({text})"));
        let quoted = native.is_character();
        // The column may have more digits than its values: those of the present are more than a type of before takes.
        let digits = match mapping.carries {
            DataType::DateTime { precision }
            | DataType::Timestamp { precision }
            | DataType::Time { precision }
            | DataType::TimeSpan { precision } => native.precision().min(precision.into()),
            _ => native.precision(),
        };
        match value {
            DefaultValue::Expression(text) if !self.has_sequences(text) => None,
            DefaultValue::Null => Some("NULL".into()),
            DefaultValue::Bool(b) if quoted => plain(literal(if *b { "true" } else { "false" })),
            DefaultValue::Bool(b) => Some(u8::from(*b).to_string()),
            DefaultValue::Number(n) if quoted => plain(literal(n)),
            DefaultValue::Number(n) => Some(n.clone()),
            DefaultValue::Text(t) if native.base == "bit" => {
                let bits = !t.is_empty() && t.bytes().all(|b| matches!(b, b'0' | b'1'));
                bits.then(|| format!("b'{t}'"))
            }
            DefaultValue::Text(t) if quoted || outside => plain(literal(t)),
            DefaultValue::Text(t) => self.constant(t, &native, &mapping.carries),
            DefaultValue::Bytes(b) => plain(format!("x'{}'", value::format_hex(b))),
            DefaultValue::CurrentTimestamp => match native.base.as_str() {
                "datetime" | "timestamp" if digits == native.precision() => Some(now(digits)),
                // MariaDB takes the bare word for one of as many digits as the column has.
                "datetime" | "timestamp" if digits == 0 => computed("CAST(CURRENT_TIMESTAMP AS DATETIME)"),
                "datetime" | "timestamp" => computed(&now(digits)),
                "date" => computed("CURRENT_DATE"),
                "time" => computed(&format!("CURRENT_TIME({digits})")),
                _ if quoted => computed("CURRENT_TIMESTAMP"),
                _ => None,
            },
            DefaultValue::CurrentDate if native.base == "date" || quoted => computed("CURRENT_DATE"),
            // The offset of a time that is kept as text would be missing.
            DefaultValue::CurrentTime if mapping.carries == DataType::TimeTz => None,
            DefaultValue::CurrentTime if native.base == "time" || quoted => {
                computed(&format!("CURRENT_TIME({digits})"))
            }
            DefaultValue::CurrentDate | DefaultValue::CurrentTime => None,
            DefaultValue::Expression(text) => computed(text),
        }
    }

    /// Dates of no calendar, and the empty text in the place of a label, are values that only this dialect has.
    fn carries_here(&self, native: &str, carries: DataType) -> DataType {
        match carries {
            DataType::Date
            | DataType::DateTime { .. }
            | DataType::Timestamp { .. }
            | DataType::Enum { .. } => DataType::Native { dialect: Dialect::Mysql, name: native.to_owned() },
            carries => carries,
        }
    }

    fn type_of(&self, native: &str) -> DataType {
        NativeType::parse(native).data_type(native)
    }

    /// InnoDB puts `_ibfk_1` behind the name of the table, MySQL `_chk_1`, however long that is
    /// (<https://dev.mysql.com/doc/refman/8.4/en/create-table-foreign-keys.html>).
    fn names_constraints(&self, table: &str) -> bool {
        self.capabilities.max_name.fits(&format!("{table}_ibfk_9999"))
    }

    /// MySQL prints no width of integers from 8.0.19 on, but for `tinyint(1)` and what is padded
    /// (<https://dev.mysql.com/doc/refman/8.0/en/numeric-type-attributes.html>); others mean nothing (`same_type`).
    fn told(&self, native: &str) -> String {
        let forgets = !self.is_mariadb() && self.version >= (8, 0, 19);
        let truth = native.eq_ignore_ascii_case("tinyint(1) unsigned");
        (if forgets && truth { "tinyint unsigned" } else { native }).to_owned()
    }

    fn same_type(&self, one: &str, other: &str) -> bool {
        native::is_same(one, other)
    }

    fn compared(&self, mapping: Mapping, collation: &Collation) -> Mapping {
        if charset_of(&collation.name) != "utf8mb4" {
            return mapping;
        }
        Mapping { collation: Some(self.collations.same(collation)), ..mapping }
    }

    fn fit(&self, column: &ColumnPlan) -> Option<Fit> {
        super::fit::fit(column)
    }

    fn knows_letters(&self, collation: &str) -> bool {
        super::fit::knows_letters(collation)
    }

    /// MySQL spells JSON anew, and who takes what for JSON is for each server to say.
    fn knows_fit(&self, column: &ColumnPlan) -> bool {
        column.native_type != "json"
    }

    fn loose_key(&self, column: &str, collation: &Collation, _: Dialect, ascii: bool) -> Option<LooseKey> {
        let mut expression = quote(column);
        if collation.pads {
            expression = format!("rtrim({expression})");
        }
        if collation.case_insensitive {
            expression = format!("lower({expression})");
        }
        // Lower case is Unicode's here; of ASCII it is everybody's.
        let can = if collation.case_insensitive { ascii } else { collation.pads };
        can.then_some(LooseKey {
            expression: Some(expression),
            collation: None,
            needs: None,
            keeps_accents: false,
        })
    }

    fn identity(&self, identity: &Identity, mapping: &Mapping) -> Option<IdentityPlan> {
        let integer = NativeType::parse(&mapping.native_type).is_integer();
        (integer && identity.increment > 0).then_some(IdentityPlan {
            generation: IdentityGeneration::AutoIncrement,
            next: identity.next,
            increment: 1,
        })
    }

    fn script(&self, plan: &Plan, naming: &Naming) -> Script {
        ddl::script(self, plan, naming)
    }
}

/// An identifier in backticks.
pub(super) fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A string literal; the session never sets NO_BACKSLASH_ESCAPES.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' => out.push_str("''"),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            // Client programs drop it at the end of a line.
            '\r' => out.push_str("\\r"),
            _ => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// `CURRENT_TIMESTAMP` with as many digits as the column has, which the server insists on.
pub(super) fn now(precision: u32) -> String {
    if precision == 0 { "CURRENT_TIMESTAMP".into() } else { format!("CURRENT_TIMESTAMP({precision})") }
}

/// Whether TIMESTAMP goes on after 2038-01-19 03:14:07 UTC: that of MariaDB from 11.5 on, on 64-bit systems, and there are
/// few others (<https://mariadb.com/kb/en/timestamp/>).
pub(super) fn late_instants(flavour: Flavour, version: (u32, u32, u32)) -> bool {
    flavour == Flavour::Mariadb && version >= (11, 5, 0)
}

fn capabilities(flavour: Flavour, version: (u32, u32, u32), case_sensitive_tables: bool) -> Capabilities {
    let mariadb = flavour == Flavour::Mariadb;
    Capabilities {
        max_name: NameLimit::Chars(64),
        max_columns: 1017,
        max_indexes: 64,
        max_index_columns: 16,
        case_sensitive_tables,
        case_sensitive_columns: false,
        index_names_are_global: false,
        indexes_share_names_with_tables: false,
        primary_key_names: false,
        constraint_names_are_global: true,
        partial_indexes: false,
        expression_indexes: !mariadb && version >= (8, 0, 13),
        invisible_columns: mariadb && version >= (10, 3, 0),
        index_prefixes: true,
        index_include: false,
        index_nulls_order: false,
        index_methods: &["fulltext", "spatial"],
        deferrable: false,
        deferrable_unique: false,
        unique_constraints: false,
        set_default: false,
        // restrict_fk_on_non_standard_key is on unless somebody has switched it off, which a server can be asked about.
        unique_parents: !mariadb && version >= (8, 4, 0),
        match_full: false,
        checks: version >= if mariadb { (10, 2, 1) } else { (8, 0, 16) },
        generated_not_null: !mariadb,
        generated_stored: version >= (5, 7, 6),
        generated_virtual: version >= (5, 7, 6),
        default_expressions: version >= if mariadb { (10, 2, 1) } else { (8, 0, 13) },
        sequences: false,
        late_instants: late_instants(flavour, version),
        comments: true,
        on_update_now: true,
        // Two streams load 1.2 to 1.4 times as fast as one even on two cores: a session of the server is one thread.
        restores_whole: false,
        writers: 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::Fidelity;

    fn maria() -> Rules {
        Rules::new(Flavour::Mariadb, None)
    }

    #[test]
    fn defaults_fit_the_type() {
        let of = |rules: &Rules, native: &str, value: DefaultValue| {
            rules.default(&value, &Mapping::plain(native, DataType::TEXT, Fidelity::Exact))
        };
        let text = || DefaultValue::Text(r"it's \".into());
        let mysql = Rules::new(Flavour::Mysql, None);
        assert_eq!(of(&maria(), "longtext", text()).as_deref(), Some(r"'it''s \\'"));
        assert_eq!(of(&mysql, "longtext", text()).as_deref(), Some(r"('it''s \\')"));
        assert_eq!(of(&mysql, "varchar(9)", DefaultValue::Number("1".into())).as_deref(), Some("'1'"));
        let now = || DefaultValue::CurrentTimestamp;
        assert_eq!(of(&maria(), "datetime(6)", now()).as_deref(), Some("CURRENT_TIMESTAMP(6)"));
        assert_eq!(of(&maria(), "timestamp", now()).as_deref(), Some("CURRENT_TIMESTAMP"));
        assert_eq!(of(&maria(), "int", now()), None);
        let coarse = Mapping::plain("timestamp(6)", DataType::Timestamp { precision: 3 }, Fidelity::Wider);
        assert_eq!(mysql.default(&now(), &coarse).as_deref(), Some("(CURRENT_TIMESTAMP(3))"));
        assert_eq!(of(&mysql, "int", DefaultValue::Expression("1 + 2".into())).as_deref(), Some("(1 + 2)"));
    }

    #[test]
    fn names_and_texts_cannot_escape() {
        assert_eq!(quote("a`b\n"), "`a``b\n`");
        assert_eq!(literal(r"'; DROP -- \'"), r"'''; DROP -- \\'''");
    }
}
