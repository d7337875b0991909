//! ON UPDATE CURRENT_TIMESTAMP of MySQL as a trigger: one a table, with a function of its own. Where such a trigger
//! stands, `inspect` says of its columns what MySQL says of them, so that the way back ends where it began.

use xxhash_rust::xxh3::xxh3_64;

use super::ddl::literal;
use super::types::quote;
use crate::model::plan::TablePlan;

/// Name of the trigger on every table that has one, by which the queries of `inspect` and of the switch find it too.
const TRIGGER: &str = "techcare_db_now";

/// Whether a table gets a trigger: a row in which nothing else can change is never set.
pub(super) fn has_trigger(table: &TablePlan) -> bool {
    table.columns.iter().any(|c| c.on_update_now) && others(table).next().is_some()
}

/// Name of the function of a table's trigger: of one length, because names end at 63 bytes.
pub(super) fn function(table: &str) -> String {
    format!("{TRIGGER}_{:016x}", xxh3_64(table.as_bytes()))
}

/// The statements that make function and trigger of a table that is called `name` now.
pub(super) fn statements(table: &TablePlan, name: &str) -> Vec<(&'static str, String)> {
    if !has_trigger(table) {
        return Vec::new();
    }
    let set: Vec<&str> = table.columns.iter().filter(|c| c.on_update_now).map(|c| c.name.as_str()).collect();
    let function = quote(&function(&table.name));
    let assign = |column: &&str| {
        let column = quote(column);
        format!(
            "IF NEW.{column} IS NOT DISTINCT FROM OLD.{column} THEN \
             NEW.{column} := pg_catalog.statement_timestamp(); END IF; "
        )
    };
    let body = format!("BEGIN {}RETURN NEW; END", set.iter().map(assign).collect::<String>());
    let row = |of: &str| others(table).map(|c| format!("{of}.{}", quote(c))).collect::<Vec<_>>().join(", ");
    let arguments = set.iter().map(|c| literal(c)).collect::<Vec<_>>().join(", ");
    vec![
        (
            "function of the trigger on",
            // Dropping a table leaves its function behind.
            format!(
                "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS {}",
                literal(&body)
            ),
        ),
        (
            "trigger on",
            // The images of records compare whatever their types, also those that have no equality; without the casts
            // it would be column by column.
            format!(
                "CREATE TRIGGER {TRIGGER} BEFORE UPDATE ON {} FOR EACH ROW \
                 WHEN (CAST(ROW({}) AS record) OPERATOR(pg_catalog.*<>) CAST(ROW({}) AS record)) EXECUTE FUNCTION {function}({arguments})",
                quote(name),
                row("OLD"),
                row("NEW")
            ),
        ),
    ]
}

/// Columns whose change sets the others. Generated ones follow from these, and a trigger may not name them.
fn others(table: &TablePlan) -> impl Iterator<Item = &str> {
    table.columns.iter().filter(|c| !c.on_update_now && c.generated.is_none()).map(|c| c.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::GeneratedPlan;
    use crate::model::sample;
    use crate::model::schema::DataType;

    #[test]
    fn a_trigger_looks_at_what_is_not_generated() {
        let mut at = sample::column("a\"t", "timestamp(6)", DataType::DateTime { precision: 6 });
        at.on_update_now = true;
        let mut twice = sample::column("twice", "integer", DataType::INT32);
        twice.generated = Some(GeneratedPlan { expression: "n * 2".into(), stored: true });
        let n = sample::column("n", "integer", DataType::INT32);
        assert!(!has_trigger(&sample::table("t", vec![at.clone(), twice.clone()])));
        let made = statements(&sample::table("t", vec![at, twice, n]), "t");
        let function = function("t");
        assert_eq!(function.len(), TRIGGER.len() + 17);
        assert_eq!(
            made[1].1,
            format!(
                "CREATE TRIGGER techcare_db_now BEFORE UPDATE ON \"t\" FOR EACH ROW WHEN \
                 (CAST(ROW(OLD.\"n\") AS record) OPERATOR(pg_catalog.*<>) CAST(ROW(NEW.\"n\") AS record)) \
                 EXECUTE FUNCTION \"{function}\"('a\"t')"
            )
        );
        assert!(made[0].1.contains("NEW.\"a\"\"t\" := pg_catalog.statement_timestamp()"), "{}", made[0].1);
    }
}
