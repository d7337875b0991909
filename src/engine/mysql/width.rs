//! A row holds 65,535 bytes: the widest VARCHARs that no key needs become LONGTEXT, which holds the same values outside
//! of it. Pure.

use super::charset::charset_of;
use super::native::NativeType;
use crate::model::endpoint::Flavour;
use crate::model::plan::{ColumnPlan, Fidelity, IndexPlan, TablePlan};

/// Bytes of a row without what lives outside of it; some are left for NULL flags and lengths.
const ROW_BYTES: u64 = 65_535 - 1_000;

/// Bytes that stay in the row of a value that lives outside of it.
const POINTER_BYTES: u64 = 12;

/// Changes types until a row fits; answers the columns that got another one, by their names in the plan.
pub fn fit(flavour: Flavour, table: &mut TablePlan) -> Vec<String> {
    let mut total: u64 = table.columns.iter().map(row_bytes).sum();
    let movable = |column: &ColumnPlan| {
        let base = NativeType::parse(&column.native_type).base;
        let bounded = matches!(base.as_str(), "varchar" | "varbinary");
        bounded && column.generated.is_none() && !is_in_key(table, &column.name)
    };
    let mut candidates: Vec<usize> =
        (0..table.columns.len()).filter(|at| movable(&table.columns[*at])).collect();
    candidates.sort_by_key(|at| std::cmp::Reverse(row_bytes(&table.columns[*at])));
    let mut changed = Vec::new();
    for at in candidates {
        if total <= ROW_BYTES {
            break;
        }
        let column = &mut table.columns[at];
        total -= row_bytes(column).saturating_sub(POINTER_BYTES);
        let binary = NativeType::parse(&column.native_type).base == "varbinary";
        column.native_type = String::from(if binary { "longblob" } else { "longtext" });
        if column.fidelity == Fidelity::Exact {
            column.fidelity = Fidelity::Wider;
        }
        // MySQL takes a default of these types as an expression only.
        if let Some(default) =
            column.default.take_if(|d| flavour == Flavour::Mysql && !d.starts_with('(') && d != "NULL")
        {
            column.default = Some(format!("({default})"));
        }
        changed.push(column.name.clone());
    }
    changed
}

fn is_in_key(table: &TablePlan, column: &str) -> bool {
    let in_primary = table.primary_key.as_ref().is_some_and(|k| k.columns.iter().any(|c| c == column));
    let in_index = |i: &IndexPlan| i.parts.iter().any(|p| p.column.as_deref() == Some(column));
    in_primary
        || table.indexes.iter().any(in_index)
        || table.foreign_keys.iter().any(|f| f.columns.iter().any(|c| c == column))
}

/// Bytes that a column takes within the row at most.
fn row_bytes(column: &ColumnPlan) -> u64 {
    let native = NativeType::parse(&column.native_type);
    let length = native.numbers.first().map_or(1, |n| u64::from(*n));
    match native.base.as_str() {
        "varchar" => length * char_bytes(column) + 2,
        "char" => length * char_bytes(column),
        "varbinary" => length + 2,
        "binary" => length,
        "decimal" => length / 2 + 4,
        _ => 12,
    }
}

/// Bytes of one character at most.
fn char_bytes(column: &ColumnPlan) -> u64 {
    match column.collation.as_deref().map(charset_of) {
        Some("latin1" | "ascii" | "binary" | "latin2" | "latin5" | "latin7" | "greek" | "hebrew") => 1,
        Some("ucs2") => 2,
        Some("utf8" | "utf8mb3") => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;
    use crate::model::schema::DataType;

    #[test]
    fn a_row_that_would_be_too_long_keeps_its_longest_text_outside() {
        let text = |n| sample::column(&format!("c{n}"), "varchar(1000)", DataType::TEXT);
        let mut table = sample::table("t", (0..20).map(text).collect());
        table.indexes = vec![sample::index("i", false, &["c0", "c1"])];
        table.columns[2].default = Some("'x'".into());
        let mut maria = table.clone();
        assert_eq!(fit(Flavour::Mysql, &mut table), ["c2", "c3", "c4", "c5"]);
        assert_eq!(table.columns[0].native_type, "varchar(1000)");
        assert_eq!(
            (table.columns[2].native_type.as_str(), table.columns[2].default.as_deref()),
            ("longtext", Some("('x')"))
        );
        assert_eq!(table.columns[2].fidelity, Fidelity::Wider);
        fit(Flavour::Mariadb, &mut maria);
        assert_eq!(maria.columns[2].default.as_deref(), Some("'x'"));
        assert!(fit(Flavour::Mysql, &mut table).is_empty(), "a row that fits stays as it is");
    }
}
