//! From the catalogue's rows to the neutral schema. Pure: the same rows make the same schema.

use std::collections::{BTreeMap, HashMap};

use super::expression::{domain_check, parse_default, without_parentheses};
use super::parts::{check, collation, foreign_key, identity, index, object};
use super::query::{Catalogue, ColumnRow, ConstraintRow, DomainCheck, IndexRow, Relation, SequenceRow};
use super::types;
use crate::engine::postgres::types::{parse_type, quote};
use crate::model::endpoint::Dialect;
use crate::model::origin::{self, Origin};
use crate::model::schema::{
    Check, Column, DataType, Domain, Generated, Identity, Index, Object, ObjectKind, PrimaryKey, Schema,
    Table, TableOptions,
};

/// The whole schema.
pub(super) fn schema(catalogue: &Catalogue) -> Schema {
    let reader = Reader::new(catalogue);
    let tops = catalogue.relations.iter().filter(|r| r.root.is_none());
    let mut tables: Vec<Table> = tops.map(|relation| reader.table(relation)).collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    let mut objects = catalogue.views.clone();
    objects.extend(catalogue.objects.iter().chain(&catalogue.attributes).filter_map(object));
    objects.extend(reader.free_sequences());
    objects.extend(types::objects(&catalogue.types));
    objects.extend(reader.guards());
    Schema { dialect: Dialect::Postgres, tables, objects }
}

/// The rows, found by what they belong to.
struct Reader<'a> {
    catalogue: &'a Catalogue,
    relations: HashMap<i64, &'a Relation>,
    columns: HashMap<i64, Vec<&'a ColumnRow>>,
    constraints: HashMap<i64, Vec<&'a ConstraintRow>>,
    indexes: HashMap<i64, Vec<&'a IndexRow>>,
    sequences: HashMap<i64, &'a SequenceRow>,
    labels: HashMap<i64, &'a [String]>,
    partitions: HashMap<i64, Vec<&'a Relation>>,
}

/// The types that a column has: its base type's and its domain's.
fn own_types(row: &ColumnRow) -> Vec<&str> {
    std::iter::once(row.native.as_str()).chain(row.domain_name.as_deref()).collect()
}

fn grouped<T>(rows: &[T], key: impl Fn(&T) -> i64) -> HashMap<i64, Vec<&T>> {
    let mut groups: HashMap<i64, Vec<&T>> = HashMap::new();
    for row in rows {
        groups.entry(key(row)).or_default().push(row);
    }
    groups
}

impl<'a> Reader<'a> {
    fn new(catalogue: &'a Catalogue) -> Self {
        let mut partitions: HashMap<i64, Vec<&Relation>> = HashMap::new();
        for relation in &catalogue.relations {
            if let Some(root) = relation.root {
                partitions.entry(root).or_default().push(relation);
            }
        }
        Self {
            catalogue,
            relations: catalogue.relations.iter().map(|r| (r.oid, r)).collect(),
            columns: grouped(&catalogue.columns, |c| c.table),
            constraints: grouped(&catalogue.constraints, |c| c.table),
            indexes: grouped(&catalogue.indexes, |i| i.table),
            sequences: catalogue.sequences.iter().map(|s| (s.oid, s)).collect(),
            labels: catalogue.enums.iter().map(|e| (e.oid, e.labels.as_slice())).collect(),
            partitions,
        }
    }

    fn constraints_of(&self, table: i64) -> impl Iterator<Item = &'a ConstraintRow> {
        self.constraints.get(&table).into_iter().flatten().copied()
    }

    fn table(&self, relation: &Relation) -> Table {
        let columns = self.columns.get(&relation.oid).map(Vec::as_slice).unwrap_or_default();
        let constraints = || self.constraints_of(relation.oid);
        let key = constraints().find(|c| c.kind == "p").map(|c| PrimaryKey {
            name: Some(c.name.clone()),
            columns: c.columns.clone(),
            prefixes: vec![None; c.columns.len()],
            descending: vec![],
            collations: vec![],
        });
        let everywhere = self.on_every_partition(relation.oid);
        let foreign_keys = constraints()
            .filter(|c| self.is_foreign_key(c))
            .map(|c| foreign_key(c, Some(c.name.clone())))
            .chain(everywhere.iter().filter(|c| self.is_foreign_key(c)).map(|c| foreign_key(c, None)))
            .collect();
        let checks = constraints()
            .filter(|c| c.kind == "c")
            .filter_map(|c| check(c, Some(c.name.clone())))
            .chain(everywhere.iter().filter(|c| c.kind == "c").filter_map(|c| check(c, None)))
            .collect();
        let (comment, origin) = relation.comment.as_deref().map(origin::read).unwrap_or_default();
        Table {
            name: relation.name.clone(),
            columns: columns.iter().map(|c| self.column(c)).collect(),
            primary_key: key,
            indexes: self.table_indexes(relation.oid),
            foreign_keys,
            checks,
            comment,
            options: TableOptions {
                partitioned_by: relation.partitioned_by.clone(),
                ..TableOptions::default()
            },
            estimated_rows: relation.estimated_rows.and_then(|n| u64::try_from(n).ok()),
            bytes: relation.bytes.and_then(|n| u64::try_from(n).ok()),
            origin,
        }
    }

    /// Foreign keys into another schema or into one partition only have no neutral form, nor have those that set some of
    /// their columns.
    fn is_foreign_key(&self, constraint: &ConstraintRow) -> bool {
        let into_partition = || {
            let named = |r: &&Relation| Some(&r.name) == constraint.references.as_ref();
            self.catalogue.relations.iter().find(named).is_some_and(|r| r.root.is_some())
        };
        constraint.kind == "f"
            && constraint.references_schema_is_ours
            && !constraint.deletes_some
            && !into_partition()
    }

    fn column(&self, row: &ColumnRow) -> Column {
        let data_type = self.data_type(row);
        let native_type = match &data_type {
            DataType::Enum { name: Some(name), .. } => quote(name),
            _ => row.native.clone(),
        };
        let identity = self.identity(row, &data_type);
        let text = row.default.as_deref();
        let generated = text.filter(|_| !row.generated.is_empty()).map(|text| Generated {
            expression: without_parentheses(text).to_owned(),
            stored: row.generated == "s",
        });
        let default = text
            .filter(|_| identity.is_none() && generated.is_none())
            .map(|text| parse_default(text, &data_type, &own_types(row)));
        let (comment, origin) = row.comment.as_deref().map(origin::read).unwrap_or_default();
        let unchanged = |o: &Origin| {
            o.now == native_type
                || (parse_type(&o.now) == data_type && !matches!(data_type, DataType::Native { .. }))
        };
        let origin = origin.filter(unchanged);
        Column {
            name: row.name.clone(),
            native_type,
            nullable: !row.not_null,
            default,
            generated,
            identity,
            on_update_now: row.on_update_now,
            collation: collation(row),
            comment,
            origin,
            domain: self.domain(row, &data_type),
            reaches: row.reaches.clone(),
            data_type,
        }
    }

    /// A sequence that several columns call is nobody's identity: they would part ways.
    fn identity(&self, row: &ColumnRow, data_type: &DataType) -> Option<Identity> {
        let shared = |oid| {
            self.sequences.get(&oid).is_some_and(|s| s.is_in_schema)
                && self.catalogue.columns.iter().filter(|c| c.default_sequence == Some(oid)).count() > 1
        };
        identity(row, &self.sequences, data_type).filter(|_| !row.default_sequence.is_some_and(shared))
    }

    fn data_type(&self, row: &ColumnRow) -> DataType {
        let native = || DataType::Native { dialect: Dialect::Postgres, name: row.native.clone() };
        match row.type_kind.as_str() {
            "e" => match self.labels.get(&row.type_oid) {
                Some(labels) => DataType::Enum { name: Some(row.type_name.clone()), labels: labels.to_vec() },
                None => native(),
            },
            _ if row.type_is_built_in => parse_type(&row.native),
            _ if row.type_name == "citext" => DataType::TEXT,
            _ => native(),
        }
    }

    /// The domain of a column, and what the column says beside it.
    fn domain(&self, row: &ColumnRow, data_type: &DataType) -> Option<Domain> {
        let of_column = |d: &&DomainCheck| Some(d.domain) == row.domain;
        let quoted = quote(&row.name);
        let checks = self.catalogue.domain_checks.iter().filter(of_column);

        Some(Domain {
            name: row.domain_name.clone()?,
            nullable: !row.own_not_null,
            default: row
                .own_default
                .as_deref()
                .filter(|_| row.generated.is_empty())
                .map(|text| parse_default(text, data_type, &own_types(row))),
            checks: checks
                .filter_map(|d| {
                    let expression = domain_check(&d.definition, &quoted)?;
                    let (reaches, validated) = (d.reaches.clone(), d.validated);
                    Some(Check { name: None, expression, reaches, validated })
                })
                .collect(),
        })
    }

    fn table_indexes(&self, table: i64) -> Vec<Index> {
        let rows = || self.indexes.get(&table).into_iter().flatten();
        let excluded =
            |row: &IndexRow| self.constraints_of(table).any(|c| c.kind == "x" && c.index == row.oid);
        let mut indexes: Vec<Index> = rows()
            .filter(|row| !excluded(row))
            .map(|row| {
                let constraint = self.constraints_of(table).find(|c| c.kind == "u" && c.index == row.oid);
                index(row, constraint)
            })
            .collect();
        // An index that partitions have on their own serves the rows of those; over all rows it does no harm.
        let own = self.partitions.get(&table).into_iter().flatten().filter_map(|p| self.indexes.get(&p.oid));
        for row in own.flatten().filter(|r| !r.unique && r.valid) {
            let hoisted = Index { name: None, ..index(row, None) };
            let same = |other: &Index| {
                (&other.parts, &other.predicate, &other.method, &other.include)
                    == (&hoisted.parts, &hoisted.predicate, &hoisted.method, &hoisted.include)
            };
            if !indexes.iter().any(same) {
                indexes.push(hoisted);
            }
        }
        indexes
    }

    /// Foreign keys and checks that every partition of a table declares for itself hold for the table.
    fn on_every_partition(&self, root: i64) -> Vec<&'a ConstraintRow> {
        let leaves: Vec<i64> =
            self.partitions.get(&root).into_iter().flatten().filter(|p| p.is_leaf).map(|p| p.oid).collect();
        let Some(first) = leaves.first() else { return Vec::new() };
        let on_all = |c: &&ConstraintRow| {
            matches!(c.kind.as_str(), "f" | "c")
                && leaves.iter().all(|leaf| self.constraints_of(*leaf).any(|o| o.definition == c.definition))
        };
        self.constraints_of(*first).filter(on_all).collect()
    }

    fn free_sequences(&self) -> Vec<Object> {
        let callers =
            |oid: i64| self.catalogue.columns.iter().filter(move |c| c.default_sequence == Some(oid));
        // What one column calls and owns is that column's identity, unless it makes more of it than a number. One that
        // it does not own has a name that others may know.
        let free = self.catalogue.sequences.iter().filter(|s| {
            let is_identity =
                callers(s.oid).next().is_none_or(|c| self.identity(c, &self.data_type(c)).is_some());
            s.is_in_schema && !(s.owned && is_identity)
        });
        free.map(|s| {
            let last = s.last_value.unwrap_or(s.start);
            let definition =
                format!("{}; SELECT setval('{}', {last}, {})", s.definition, quote(&s.name), s.is_called);
            Object::new(ObjectKind::Sequence, s.name.clone(), definition)
        })
        .collect()
    }

    /// Constraints without a neutral form; those of partitions that read alike are one entry.
    fn guards(&self) -> Vec<Object> {
        let mut guards: BTreeMap<(String, String), (String, Vec<String>)> = BTreeMap::new();
        let mut add = |table: &Relation, name: &str, definition: &str| {
            let top = table.root.and_then(|root| self.relations.get(&root)).map_or(&table.name, |r| &r.name);
            let entry = guards.entry((top.clone(), definition.to_owned()));
            entry.or_insert_with(|| (name.to_owned(), Vec::new())).1.push(table.name.clone());
        };
        for relation in &self.catalogue.relations {
            let everywhere = relation.root.map(|root| self.on_every_partition(root)).unwrap_or_default();
            for c in self.constraints_of(relation.oid) {
                let carried = match relation.root {
                    None => matches!(c.kind.as_str(), "p" | "u" | "c") || self.is_foreign_key(c),
                    Some(_) => {
                        everywhere.iter().any(|e| e.definition == c.definition)
                            && (c.kind == "c" || self.is_foreign_key(c))
                    }
                };
                if !carried {
                    add(relation, &c.name, &c.definition);
                }
            }
            let of_partition = self.indexes.get(&relation.oid).filter(|_| relation.root.is_some());
            for row in of_partition.into_iter().flatten().filter(|r| r.unique && r.valid) {
                if !self.constraints_of(relation.oid).any(|c| c.index == row.oid) {
                    add(relation, &row.name, &row.definition);
                }
            }
        }
        // The index of an exclusion constraint has its name.
        let excluding = |table: &String, name: &String| {
            let of_table = |row: &&IndexRow| self.relations.get(&row.table).is_some_and(|r| r.name == *table);
            let rows = self.catalogue.indexes.iter().filter(of_table);
            rows.filter(|row| row.name == *name).flat_map(|row| row.reaches.clone()).collect()
        };
        let object = |((top, definition), (name, tables)): ((String, String), (String, Vec<String>))| {
            let on = tables.iter().map(|t| quote(t)).collect::<Vec<_>>().join(", ");
            let definition =
                if definition.starts_with("CREATE ") { definition } else { format!("{definition} ON {on}") };
            let reaches = excluding(&top, &name);
            Object { reaches, ..Object::new(ObjectKind::Constraint, name, definition).of(Some(top)) }
        };
        guards.into_iter().map(object).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::postgres::inspect::query::EnumRow;
    use crate::model::schema::{Action, IdentityGeneration};

    fn relation(oid: i64, name: &str, root: Option<i64>) -> Relation {
        Relation { oid, name: name.into(), root, is_leaf: true, ..Relation::default() }
    }

    fn column(name: &str, native: &str) -> ColumnRow {
        ColumnRow {
            table: 1,
            name: name.into(),
            native: native.into(),
            type_kind: "b".into(),
            type_is_built_in: true,
            collation_is_deterministic: true,
            ..ColumnRow::default()
        }
    }

    fn foreign(table: i64, name: &str) -> ConstraintRow {
        ConstraintRow {
            table,
            name: name.into(),
            kind: "f".into(),
            columns: vec!["a".into()],
            references: Some("parent".into()),
            references_schema_is_ours: true,
            referenced_columns: vec!["id".into()],
            on_delete: "c".into(),
            definition: "FOREIGN KEY (a) REFERENCES parent(id) ON DELETE CASCADE".into(),
            ..ConstraintRow::default()
        }
    }

    #[test]
    fn a_serial_knows_its_next_value() {
        let sequence = |is_called| SequenceRow {
            oid: 9,
            name: "t_id_seq".into(),
            increment: 5,
            last_value: Some(10),
            is_called,
            start: 1,
            ..SequenceRow::default()
        };
        for (is_called, next) in [(true, 15), (false, 10)] {
            let id = ColumnRow {
                default: Some("nextval('t_id_seq'::regclass)".into()),
                default_sequence: Some(9),
                ..column("id", "integer")
            };
            let catalogue = Catalogue {
                relations: vec![relation(1, "t", None)],
                columns: vec![id],
                sequences: vec![sequence(is_called)],
                ..Catalogue::default()
            };
            let identity = schema(&catalogue).tables[0].columns[0].identity.clone().unwrap();
            assert_eq!((identity.generation, identity.next), (IdentityGeneration::Serial, Some(next)));
        }
    }

    #[test]
    fn enums_have_their_labels_and_domains_their_checks() {
        let mood = ColumnRow {
            type_oid: 5,
            type_name: "mood".into(),
            type_kind: "e".into(),
            type_is_built_in: false,
            default: Some("'ok'::mood".into()),
            ..column("m", "mood")
        };
        let year = ColumnRow {
            domain: Some(7),
            domain_name: Some("year".into()),
            not_null: true,
            default: Some("1999".into()),
            ..column("y", "integer")
        };
        let catalogue = Catalogue {
            relations: vec![relation(1, "t", None)],
            columns: vec![mood, year],
            enums: vec![EnumRow { oid: 5, labels: vec!["ok".into(), "sad".into()] }],
            domain_checks: vec![super::super::query::DomainCheck {
                domain: 7,
                definition: "CHECK ((VALUE > 1900)) NOT VALID".into(),
                validated: false,
                reaches: vec!["function f(integer)".into()],
            }],
            ..Catalogue::default()
        };
        let table = schema(&catalogue).tables.remove(0);
        let labels = vec!["ok".to_owned(), "sad".to_owned()];
        assert_eq!(table.columns[0].data_type, DataType::Enum { name: Some("mood".into()), labels });
        assert_eq!(table.columns[0].native_type, "\"mood\"");
        assert_eq!(table.columns[0].default, Some(crate::model::schema::DefaultValue::Text("ok".into())));
        assert!(!table.columns[1].nullable && table.columns[1].default.is_some());
        let checks = vec![Check {
            name: None,
            expression: "\"y\" > 1900".into(),
            reaches: vec!["function f(integer)".into()],
            validated: false,
        }];
        let own = Domain { name: "year".into(), nullable: true, default: None, checks };
        assert_eq!(table.columns[1].domain, Some(own));
    }

    #[test]
    fn what_all_partitions_guard_the_table_guards() {
        let mut parent = relation(1, "payment", None);
        parent.is_leaf = false;
        let relations = vec![parent, relation(2, "p1", Some(1)), relation(3, "p2", Some(1))];
        let whole = Catalogue {
            relations: relations.clone(),
            constraints: vec![foreign(2, "p1_fk"), foreign(3, "p2_fk")],
            ..Catalogue::default()
        };
        let all = schema(&whole);
        assert_eq!(all.tables.len(), 1);
        assert_eq!(all.tables[0].foreign_keys.len(), 1);
        assert_eq!(all.tables[0].foreign_keys[0].on_delete, Action::Cascade);
        assert!(all.objects.is_empty());
        let partly =
            schema(&Catalogue { relations, constraints: vec![foreign(2, "p1_fk")], ..Catalogue::default() });
        assert!(partly.tables[0].foreign_keys.is_empty());
        assert_eq!(partly.objects[0].kind, ObjectKind::Constraint);
        assert!(partly.objects[0].definition.ends_with("ON \"p1\""));
    }
}
