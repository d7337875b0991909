//! Statements: from a plan to the text that makes it. Pure, unqualified (the session's `search_path` decides where
//! things go), every name through [`quote`].

use std::fmt::Write as _;

use super::on_update;
use super::types::{quote, split_type};
use crate::engine::capability::Naming;
use crate::model::origin;
use crate::model::plan::{
    ColumnPlan, ForeignKeyPlan, IdentityPlan, IndexPartPlan, IndexPlan, KeyPlan, ObjectPlan, Plan, Scope,
    Script, Statement, TablePlan,
};
use crate::model::schema::{Action, DataType, Deferrable, IdentityGeneration, ObjectKind};

/// A character string literal, the same whatever `standard_conforming_strings` says.
pub(super) fn literal(text: &str) -> String {
    let escaped = text.replace('\'', "''");
    if escaped.contains('\\') {
        format!("E'{}'", escaped.replace('\\', "\\\\"))
    } else {
        format!("'{escaped}'")
    }
}

/// Rows up to which the statistics of all columns cost nothing that anyone would notice.
const SMALL: u64 = 10_000;

/// All statements of a plan, in the order of [`Script`], for a server that has autovacuum or not.
pub(super) fn script(plan: &Plan, naming: &Naming, autovacuum: bool) -> Script {
    let mut script = Script::default();
    let makes = plan.scope != Scope::DataOnly;
    if makes {
        for kind in &plan.types {
            let labels = kind.labels.iter().map(|l| literal(l)).collect::<Vec<_>>().join(", ");
            script.before.push(Statement {
                table: None,
                what: format!("type {}", quote(&kind.name)),
                sql: format!("CREATE TYPE {} AS ENUM ({labels})", quote(&kind.name)),
            });
        }
    }
    if makes {
        script.before.extend(plan.objects.iter().filter(|o| !is_guard(o)).map(made));
    }
    for table in &plan.tables {
        let writer = Writer { table, name: naming.table(&table.name), naming };
        if makes {
            script.before.extend(writer.create());
            script.indexes.extend(writer.keys());
            script.constraints.extend(writer.checks());
            script.last.extend(writer.comments());
            script.last.extend(writer.on_update());
        }
        script.last.extend(writer.identities(plan.scope));
        if plan.scope != Scope::SchemaOnly {
            let seen =
                plan.scope == Scope::DataOnly || plan.views.iter().any(|v| v.reads.contains(&table.source));
            script.statistics.push(writer.statistics(autovacuum && !seen));
        }
    }
    // Every key must be there before the first foreign key looks for it.
    if makes {
        script.constraints.extend(plan.objects.iter().filter(|o| is_guard(o)).map(made));
        for table in &plan.tables {
            let writer = Writer { table, name: naming.table(&table.name), naming };
            script.constraints.extend(writer.foreign_keys());
        }
    }
    script
}

/// Whether a column gets its values from a sequence that its table makes. SERIAL is no type but a word for integers: such
/// a column becomes one of its domain afterwards.
fn is_serial(column: &ColumnPlan) -> bool {
    column.identity.as_ref().is_some_and(|i| i.generation == IdentityGeneration::Serial)
}

/// Whether an object guards rows, so that it is made when they are there.
fn is_guard(object: &ObjectPlan) -> bool {
    object.kind == ObjectKind::Constraint
}

fn made(object: &ObjectPlan) -> Statement {
    Statement {
        table: None,
        what: format!("{} {}", object.kind.as_str(), quote(&object.name)),
        sql: object.definition.clone(),
    }
}

/// Whether values of a type are short, whatever they are.
fn has_bound(data_type: &DataType) -> bool {
    match data_type {
        DataType::Text { max_chars: length, .. } | DataType::Bytes { max_bytes: length, .. } => {
            length.is_some_and(|length| length <= 255)
        }
        DataType::Bool
        | DataType::Int { .. }
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal { .. }
        | DataType::Date
        | DataType::Time { .. }
        | DataType::TimeSpan { .. }
        | DataType::TimeTz
        | DataType::DateTime { .. }
        | DataType::Timestamp { .. }
        | DataType::Interval
        | DataType::Year
        | DataType::Uuid
        | DataType::Enum { .. } => true,
        _ => false,
    }
}

/// Statements of one table.
struct Writer<'a> {
    table: &'a TablePlan,
    name: String,
    naming: &'a Naming,
}

impl Writer<'_> {
    fn quoted(&self) -> String {
        quote(&self.name)
    }

    /// A statement with its message: `index "ix" on table "users"`.
    fn say(&self, kind: &str, object: &str, sql: String) -> Statement {
        let table = quote(&self.table.name);
        let what = if object.is_empty() {
            format!("{kind} table {table}")
        } else {
            format!("{kind} {object} of table {table}")
        };
        Statement { table: Some(self.table.source.clone()), what, sql }
    }

    /// ANALYZE of the table. Where `later` somebody sees to the rest, a large one has no more than what keys and indexes
    /// are over and values with a bound: to take 30,000 long texts apart costs as much as to load them. A list of
    /// columns leaves the table as changed as it was (`resetcounter` in PostgreSQL's analyze.c), so that autovacuum
    /// gathers the rest within its minute; it leaves out what indexes have expressions for as well.
    fn statistics(&self, later: bool) -> Statement {
        let table = self.table;
        let indexed: Vec<&IndexPartPlan> = table.indexes.iter().flat_map(|i| &i.parts).collect();
        let known = |column: &ColumnPlan| {
            has_bound(&column.carries)
                || indexed.iter().any(|part| part.column.as_ref() == Some(&column.name))
                || table.primary_key.iter().any(|key| key.columns.contains(&column.name))
                || table.foreign_keys.iter().any(|key| key.columns.contains(&column.name))
        };
        let all = !later
            || table.estimated_rows.is_some_and(|rows| rows <= SMALL)
            || indexed.iter().any(|part| part.expression.is_some())
            || table.columns.iter().all(known);
        let columns: Vec<String> =
            table.columns.iter().filter(|c| !all && known(c)).map(|c| quote(&c.name)).collect();
        let list = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
        self.say("statistics of", "", format!("ANALYZE {}{list}", self.quoted()))
    }

    fn create(&self) -> Vec<Statement> {
        let columns = self.table.columns.iter().map(Self::column).collect::<Vec<_>>().join(",\n  ");
        let body = if columns.is_empty() { String::new() } else { format!("\n  {columns}\n") };
        let mut statements = vec![Statement {
            table: Some(self.table.source.clone()),
            what: format!("table {}", quote(&self.table.name)),
            sql: format!("CREATE TABLE {} ({body})", self.quoted()),
        }];
        for column in &self.table.columns {
            let Some(identity) = &column.identity else { continue };
            if let Some(domain) = column.domain.as_ref().filter(|_| is_serial(column)) {
                let (table, name) = (self.quoted(), quote(&column.name));
                let sql = format!("ALTER TABLE {table} ALTER COLUMN {name} TYPE {}", quote(domain));
                statements.push(self.say("domain of column", &name, sql));
            }
            if identity.generation == IdentityGeneration::Serial && identity.increment != 1 {
                let sql = self.on_sequence(column, &format!("INCREMENT BY {}", identity.increment));
                statements.push(self.say("sequence of column", &quote(&column.name), sql));
            }
        }
        statements
    }

    fn column(column: &ColumnPlan) -> String {
        let mut out = quote(&column.name);
        let serial = is_serial(column);
        let native = match (column.native_type.as_str(), &column.domain) {
            ("smallint", _) if serial => "smallserial".into(),
            ("integer", _) if serial => "serial".into(),
            ("bigint", _) if serial => "bigserial".into(),
            (_, Some(domain)) => quote(domain),
            (other, None) => other.to_owned(),
        };
        let _ = write!(out, " {native}");
        if let Some(collation) = &column.collation {
            let _ = write!(out, " COLLATE {}", quote(collation));
        }
        if let Some(generated) = &column.generated {
            let kind = if generated.stored { "STORED" } else { "VIRTUAL" };
            let _ = write!(out, " GENERATED ALWAYS AS ({}) {kind}", generated.expression);
        } else if let Some(identity) = column.identity.as_ref().filter(|_| !serial) {
            let how = if identity.generation == IdentityGeneration::Always { "ALWAYS" } else { "BY DEFAULT" };
            let _ = write!(out, " GENERATED {how} AS IDENTITY");
            if identity.increment != 1 {
                let _ = write!(out, " (INCREMENT BY {})", identity.increment);
            }
        } else if let Some(default) = column.default.as_ref().filter(|_| !serial) {
            let _ = write!(out, " DEFAULT {default}");
        }
        if !column.nullable {
            out.push_str(" NOT NULL");
        }
        out
    }

    fn keys(&self) -> Vec<Statement> {
        let key = self.table.primary_key.iter().map(|k| self.primary_key(k));
        let indexes =
            self.table.indexes.iter().map(|i| if i.constraint { self.unique(i) } else { self.index(i) });
        key.chain(indexes).collect()
    }

    fn primary_key(&self, key: &KeyPlan) -> Statement {
        let sql = format!(
            "ALTER TABLE {} ADD {}PRIMARY KEY ({})",
            self.quoted(),
            constraint_name(key.name.as_deref()),
            list(&key.columns)
        );
        self.say("primary key", &label(key.name.as_deref()), sql)
    }

    fn unique(&self, index: &IndexPlan) -> Statement {
        let columns = index.parts.iter().filter_map(|p| p.column.clone()).collect::<Vec<_>>();
        let mut sql =
            format!("ALTER TABLE {} ADD {}UNIQUE", self.quoted(), constraint_name(index.name.as_deref()));
        if index.nulls_not_distinct {
            sql.push_str(" NULLS NOT DISTINCT");
        }
        let _ = write!(sql, " ({})", list(&columns));
        if !index.include.is_empty() {
            let _ = write!(sql, " INCLUDE ({})", list(&index.include));
        }
        sql.push_str(deferrable(index.deferrable));
        self.say("unique constraint", &label(index.name.as_deref()), sql)
    }

    fn index(&self, index: &IndexPlan) -> Statement {
        let mut sql = format!("CREATE {}INDEX ", if index.unique { "UNIQUE " } else { "" });
        if let Some(name) = &index.name {
            let _ = write!(sql, "{} ", quote(name));
        }
        let _ = write!(sql, "ON {}", self.quoted());
        if let Some(method) = &index.method {
            let _ = write!(sql, " USING {}", quote(method));
        }
        let parts = index.parts.iter().map(index_part).collect::<Vec<_>>().join(", ");
        let _ = write!(sql, " ({parts})");
        if !index.include.is_empty() {
            let _ = write!(sql, " INCLUDE ({})", list(&index.include));
        }
        if index.nulls_not_distinct {
            sql.push_str(" NULLS NOT DISTINCT");
        }
        if let Some(predicate) = &index.predicate {
            let _ = write!(sql, " WHERE {predicate}");
        }
        self.say("index", &label(index.name.as_deref()), sql)
    }

    fn checks(&self) -> Vec<Statement> {
        let check = |check: &crate::model::plan::CheckPlan| {
            let sql = format!(
                "ALTER TABLE {} ADD {}CHECK ({})",
                self.quoted(),
                constraint_name(check.name.as_deref()),
                check.expression
            );
            self.say("check", &label(check.name.as_deref()), sql)
        };
        self.table.checks.iter().map(check).collect()
    }

    fn foreign_keys(&self) -> Vec<Statement> {
        self.table.foreign_keys.iter().map(|key| self.foreign_key(key)).collect()
    }

    fn foreign_key(&self, key: &ForeignKeyPlan) -> Statement {
        let mut sql = format!(
            "ALTER TABLE {} ADD {}FOREIGN KEY ({}) REFERENCES {} ({})",
            self.quoted(),
            constraint_name(key.name.as_deref()),
            list(&key.columns),
            quote(&self.naming.table(&key.references)),
            list(&key.referenced_columns)
        );
        if key.match_full {
            sql.push_str(" MATCH FULL");
        }
        for (event, action) in [("UPDATE", key.on_update), ("DELETE", key.on_delete)] {
            if action != Action::NoAction {
                let _ = write!(sql, " ON {event} {}", action.sql());
            }
        }
        sql.push_str(deferrable(key.deferrable));
        self.say("foreign key", &label(key.name.as_deref()), sql)
    }

    fn comments(&self) -> Vec<Statement> {
        let of_table = origin::said(self.table.comment.as_deref(), self.table.origin.as_ref(), usize::MAX)
            .map(|text| {
                let sql = format!("COMMENT ON TABLE {} IS {}", self.quoted(), literal(&text));
                self.say("comment on", "", sql)
            });
        let of_columns = self.table.columns.iter().filter_map(|column| {
            let text = origin::said(column.comment.as_deref(), column.origin.as_ref(), usize::MAX)?;
            let text = literal(&text);
            let sql = format!("COMMENT ON COLUMN {}.{} IS {text}", self.quoted(), quote(&column.name));
            Some(self.say("comment on column", &quote(&column.name), sql))
        });
        let of_indexes = self.table.indexes.iter().filter_map(|index| {
            let text = literal(&origin::said(None, index.origin.as_ref(), usize::MAX)?);
            let name = quote(index.name.as_ref()?);
            let sql = format!("COMMENT ON INDEX {name} IS {text}");
            Some(self.say("comment on index", &name, sql))
        });
        of_table.into_iter().chain(of_columns).chain(of_indexes).collect()
    }

    fn on_update(&self) -> impl Iterator<Item = Statement> {
        let statements = on_update::statements(self.table, &self.name).into_iter();
        statements.map(|(kind, sql)| self.say(kind, "", sql))
    }

    fn identities(&self, scope: Scope) -> Vec<Statement> {
        let identity = |column: &ColumnPlan| {
            let identity = column.identity.as_ref()?;
            let sql = if scope == Scope::DataOnly {
                self.restart(column, identity)
            } else {
                self.set_value(column, identity)
            };
            Some(self.say("next value of column", &quote(&column.name), sql))
        };
        self.table.columns.iter().filter_map(identity).collect()
    }

    /// The greater of the source's next value and max + 1. A sequence at its end is left used up, not out of bounds.
    fn set_value(&self, column: &ColumnPlan, identity: &IdentityPlan) -> String {
        let (next, limit) = self.next_value(column, identity);
        let beyond = if identity.increment < 0 { "<" } else { ">" };
        let nearer = if identity.increment < 0 { "greatest" } else { "least" };
        format!(
            "SELECT setval({}, {nearer}(high.next, {limit})::bigint, high.next {beyond} {limit}) \
             FROM ({next}) AS high",
            self.sequence(column)
        )
    }

    /// The same for a table that is in use already: in contrast to `setval`, RESTART is undone with its transaction.
    fn restart(&self, column: &ColumnPlan, identity: &IdentityPlan) -> String {
        let (next, limit) = self.next_value(column, identity);
        let nearer = if identity.increment < 0 { "greatest" } else { "least" };
        let body = format!(
            "DECLARE s text := {}; n numeric; BEGIN SELECT {nearer}(high.next, {limit}) INTO n FROM ({next}) AS high; \
             IF s IS NOT NULL THEN EXECUTE 'ALTER SEQUENCE ' || s || ' RESTART WITH ' || n; END IF; END",
            self.sequence(column)
        );
        do_block(&body)
    }

    /// `ALTER SEQUENCE` for a sequence whose name only the server knows.
    fn on_sequence(&self, column: &ColumnPlan, change: &str) -> String {
        do_block(&format!("BEGIN EXECUTE 'ALTER SEQUENCE ' || {} || ' {change}'; END", self.sequence(column)))
    }

    fn sequence(&self, column: &ColumnPlan) -> String {
        format!("pg_get_serial_sequence({}, {})", literal(&self.quoted()), literal(&column.name))
    }

    /// A query for the next value (`next`, numeric: max + 1 may lie beyond bigint), and the sequence's limit.
    fn next_value(&self, column: &ColumnPlan, identity: &IdentityPlan) -> (String, i64) {
        let (name, table) = (quote(&column.name), self.quoted());
        let step = identity.increment;
        let (most, least) = match split_type(&column.native_type).0.as_str() {
            "smallint" => (i64::from(i16::MAX), i64::from(i16::MIN)),
            "integer" => (i64::from(i32::MAX), i64::from(i32::MIN)),
            _ => (i64::MAX, i64::MIN),
        };
        let (aggregate, pick, first, limit) =
            if step < 0 { ("min", "least", -1, least) } else { ("max", "greatest", 1, most) };
        let known = identity.next.map_or_else(|| first.to_string(), |n| n.to_string());
        let next = format!(
            "SELECT {pick}({first}, {known}, coalesce({aggregate}({name})::numeric + ({step}), {first})) AS next \
             FROM {table}"
        );
        (next, limit)
    }
}

/// A DO statement with a quoting tag that its body does not contain.
pub(super) fn do_block(body: &str) -> String {
    let mut tag = "$do$".to_owned();
    while body.contains(&tag) {
        tag.insert(1, 'x');
    }
    format!("DO {tag}{body}{tag}")
}

fn index_part(part: &IndexPartPlan) -> String {
    let mut out = match (&part.column, &part.expression) {
        (Some(column), _) => quote(column),
        (None, Some(expression)) => format!("({expression})"),
        (None, None) => String::new(),
    };
    if let Some(collation) = &part.collation {
        let _ = write!(out, " COLLATE {}", quote(collation));
    }
    if let Some(class) = &part.operator_class {
        let _ = write!(out, " {}", quote(class));
    }
    if part.descending {
        out.push_str(" DESC");
    }
    match part.nulls_first {
        Some(true) => out.push_str(" NULLS FIRST"),
        Some(false) => out.push_str(" NULLS LAST"),
        None => {}
    }
    out
}

fn list(names: &[String]) -> String {
    names.iter().map(|n| quote(n)).collect::<Vec<_>>().join(", ")
}

fn constraint_name(name: Option<&str>) -> String {
    name.map(|n| format!("CONSTRAINT {} ", quote(n))).unwrap_or_default()
}

fn label(name: Option<&str>) -> String {
    name.map(quote).unwrap_or_default()
}

fn deferrable(deferrable: Deferrable) -> &'static str {
    match deferrable {
        Deferrable::No => "",
        Deferrable::Immediate => " DEFERRABLE INITIALLY IMMEDIATE",
        Deferrable::Deferred => " DEFERRABLE INITIALLY DEFERRED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::endpoint::{Dialect, Flavour};
    use crate::model::plan::{CheckPlan, TypePlan};
    use crate::model::sample;
    use crate::model::schema::DataType;

    fn column(name: &str, native: &str) -> ColumnPlan {
        sample::column(name, native, DataType::TEXT)
    }

    fn table() -> TablePlan {
        let mut id = column("id", "integer");
        id.nullable = false;
        id.identity =
            Some(IdentityPlan { generation: IdentityGeneration::Serial, next: Some(42), increment: 1 });
        let mut name = column("na\"me", "character varying(9)");
        name.collation = Some("C.utf8".into());
        name.default = Some("'x'".into());
        name.comment = Some("it's".into());
        let part = IndexPartPlan {
            column: None,
            expression: Some("lower(x)".into()),
            descending: true,
            nulls_first: Some(false),
            operator_class: Some("text_pattern_ops".into()),
            ..sample::part("")
        };
        let index = IndexPlan {
            parts: vec![part],
            include: vec!["id".into()],
            predicate: Some("id > 0".into()),
            method: Some("btree".into()),
            ..sample::index("ix", true, &[])
        };
        let key = ForeignKeyPlan {
            deferrable: Deferrable::Deferred,
            match_full: true,
            ..sample::foreign_key(&["id"], "t", &["id"])
        };
        TablePlan {
            source: "T".into(),
            primary_key: Some(KeyPlan { name: Some("t_pk".into()), ..sample::key(&["id"]) }),
            indexes: vec![index],
            foreign_keys: vec![key],
            checks: vec![CheckPlan { name: None, expression: "id > 0".into(), original: None }],
            key: vec!["id".into()],
            ..sample::table("t", vec![id, name])
        }
    }

    fn script_of(scope: Scope) -> Script {
        let plan = Plan {
            scope,
            types: vec![TypePlan { name: "mood".into(), labels: vec!["a".into(), "it's".into()] }],
            ..sample::plan(Dialect::Sqlite, Flavour::Postgres, vec![table()])
        };
        script(&plan, &Naming::default(), false)
    }

    #[test]
    fn a_plan_is_said_in_order() {
        let script = script_of(Scope::All);
        let said: Vec<&str> = script.iter().map(|s| s.sql.as_str()).collect();
        assert_eq!(
            said,
            [
                "CREATE TYPE \"mood\" AS ENUM ('a', 'it''s')",
                "CREATE TABLE \"t\" (\n  \"id\" serial NOT NULL,\n  \
                 \"na\"\"me\" character varying(9) COLLATE \"C.utf8\" DEFAULT 'x'\n)",
                "ALTER TABLE \"t\" ADD CONSTRAINT \"t_pk\" PRIMARY KEY (\"id\")",
                "CREATE UNIQUE INDEX \"ix\" ON \"t\" USING \"btree\" ((lower(x)) \"text_pattern_ops\" \
                 DESC NULLS LAST) INCLUDE (\"id\") WHERE id > 0",
                "ALTER TABLE \"t\" ADD CHECK (id > 0)",
                "ALTER TABLE \"t\" ADD CONSTRAINT \"fk\" FOREIGN KEY (\"id\") REFERENCES \"t\" (\"id\") \
                 MATCH FULL ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
                "COMMENT ON COLUMN \"t\".\"na\"\"me\" IS 'it''s'",
                "SELECT setval(pg_get_serial_sequence('\"t\"', 'id'), least(high.next, 2147483647)::bigint, \
                 high.next > 2147483647) FROM (SELECT greatest(1, 42, coalesce(max(\"id\")::numeric + (1), 1)) \
                 AS next FROM \"t\") AS high",
                "ANALYZE \"t\"",
            ]
        );
        assert_eq!(script.before[1].table.as_deref(), Some("T"));
        assert_eq!(script.indexes[1].what, "index \"ix\" of table \"t\"");
    }

    #[test]
    fn long_values_without_an_index_are_left_to_autovacuum() {
        let statistics = |change: &dyn Fn(&mut Plan), autovacuum| {
            let note = sample::column("note", "text", DataType::TEXT);
            let mut table = table();
            table.indexes.clear();
            let short = DataType::Text { max_chars: Some(9), fixed: false };
            table.columns.truncate(1);
            table.columns.extend([sample::column("kind", "varchar(9)", short), note]);
            let mut plan = sample::plan(Dialect::Sqlite, Flavour::Postgres, vec![table]);
            change(&mut plan);
            script(&plan, &Naming::default(), autovacuum).statistics.remove(0).sql
        };
        let all = "ANALYZE \"t\"";
        assert_eq!(statistics(&|_| (), true), "ANALYZE \"t\" (\"id\", \"kind\")");
        assert_eq!(statistics(&|_| (), false), all);
        assert_eq!(statistics(&|plan| plan.tables[0].estimated_rows = Some(99), true), all);
        assert_eq!(statistics(&|plan| plan.scope = Scope::DataOnly, true), all);
        let indexed = |part: IndexPartPlan| {
            let index = IndexPlan::over(Some("ix".into()), false, vec![part]);
            statistics(&move |plan| plan.tables[0].indexes.push(index.clone()), true)
        };
        assert_eq!(indexed(IndexPartPlan::plain(Some("note".into()), None)), all);
        assert_eq!(indexed(IndexPartPlan::plain(None, Some("lower(note)".into()))), all);
    }

    #[test]
    fn rows_alone_make_nothing() {
        let script = script_of(Scope::DataOnly);
        assert!(script.before.is_empty() && script.indexes.is_empty() && script.constraints.is_empty());
        assert!(script.last[0].sql.starts_with("DO $do$DECLARE"), "{}", script.last[0].sql);
    }

    #[test]
    fn quoting_holds_whatever_is_quoted() {
        assert_eq!(literal("a'b\\c"), "E'a''b\\\\c'");
        assert_eq!(quote("a\"b"), "\"a\"\"b\"");
        assert_eq!(do_block("x $do$ y"), "DO $xdo$x $do$ y$xdo$");
    }
}
