//! What stands beside the tables (triggers, routines, …; views are in `views`) and what was left out: listed with its
//! text.

use super::Planner;
use super::findings::Note;
use crate::model::codes;
use crate::model::plan::{FindingAction, ObjectPlan};
use crate::model::rule;
use crate::model::schema::{Column, Constrained, DataType, Domain, Object, ObjectKind, OnConflict, Table};

impl Planner<'_> {
    /// Lists every object of the source that the plan does not carry, views apart.
    pub(super) fn objects(&mut self) {
        let source = self.input.source;
        for object in &source.objects {
            if self.makes_type(&object.name).is_some_and(|made| std::ptr::eq(made, object)) {
                // One that stands there already, made by the application, is the same.
                let there = self.is_there(|o| o.is_like(object));
                self.types.retain(|t| t.name != object.name);
                if !there {
                    self.objects.push(ObjectPlan {
                        kind: object.kind,
                        name: object.name.clone(),
                        definition: object.definition.clone(),
                    });
                }
                continue;
            }
            if self.carries_type(object)
                || matches!(object.kind, ObjectKind::View | ObjectKind::MaterializedView)
            {
                continue;
            }
            // No other dialect has these, so they go word for word or not at all.
            let own = match object.kind {
                ObjectKind::Sequence => self.input.rules.capabilities().sequences,
                kind => kind == ObjectKind::Setting,
            };
            if own && self.input.verbatim() {
                self.objects.push(ObjectPlan {
                    kind: object.kind,
                    name: object.name.clone(),
                    definition: object.definition.clone(),
                });
                continue;
            }
            if self.says_on_conflict(object) {
                continue;
            }
            if let Some(guard) = self.exclusion(object) {
                self.objects.push(guard);
                continue;
            }
            let code = match object.kind {
                ObjectKind::Extension => codes::EXTENSION_NOT_CARRIED,
                ObjectKind::Constraint => codes::CONSTRAINT_NOT_CARRIED,
                ObjectKind::Comment => codes::COMMENT_NOT_CARRIED,
                _ => codes::OBJECT_NOT_CARRIED,
            };
            let note =
                Note::new(code, object.kind.as_str(), FindingAction::NotCarried, object.definition.trim())
                    .object(Some(&object.name));
            self.findings.push(match &object.table {
                Some(table) => note.table(table),
                None => note,
            });
        }
        self.types_again();
    }

    /// The types that columns on their way back need.
    fn types_again(&mut self) {
        for made in std::mem::take(&mut self.made) {
            if self.types.iter().any(|t| t.name == made.name) {
                let text = format!("needs a type {:?} that another column needs as an enum", made.name);
                let note = Note::new(codes::TYPE_CONFLICT, "type", FindingAction::Refused, text);
                self.findings.push(note.object(Some(&made.name)));
            } else if !self.is_there(|o| o.kind == made.kind && o.name == made.name) {
                self.objects.push(made);
            }
        }
    }

    fn is_there(&self, wanted: impl Fn(&Object) -> bool) -> bool {
        self.input.existing.is_some_and(|there| there.objects.iter().any(wanted))
    }

    /// An exclusion constraint in the words of the dialect that knows it; `None` where that is not the target's, or a
    /// rule has changed its table.
    fn exclusion(&self, object: &Object) -> Option<ObjectPlan> {
        let table = object.table.as_ref().filter(|_| object.kind == ObjectKind::Constraint)?;
        let words = object.definition.strip_prefix("EXCLUDE ").filter(|_| self.input.verbatim())?;
        let quoted = self.input.rules.quote(table);
        // Behind the constraint stands the one table that it is on; a partition's is none of the whole.
        let words = words.strip_suffix(&format!(" ON {quoted}"))?;
        let carried = self.input.source.table(table).is_some() && self.missing(&object.reaches).is_none();
        if !carried || rule::about(self.input.by_hand, table).is_some() {
            return None;
        }
        let name = self.input.rules.quote(&object.name);
        Some(ObjectPlan {
            kind: object.kind,
            name: object.name.clone(),
            definition: format!("ALTER TABLE {quoted} ADD CONSTRAINT {name} EXCLUDE {words}"),
        })
    }

    /// Whether an object stands for the ON CONFLICT clauses of a table that the target has too.
    fn says_on_conflict(&self, object: &Object) -> bool {
        let table = object.table.as_ref().filter(|_| object.kind == ObjectKind::Constraint);
        let table = table.and_then(|name| self.input.source.table(name));
        self.input.verbatim() && table.is_some_and(|table| !table.options.on_conflict.is_empty())
    }

    /// The ON CONFLICT clauses of a table, which no other dialect has.
    pub(super) fn on_conflict(&self, table: &Table) -> Vec<OnConflict> {
        let renamed = |name: &String| self.names.column(&table.name, name);
        let own = table.options.on_conflict.iter().filter(|_| self.input.verbatim());
        own.map(|clause| OnConflict {
            constraint: match &clause.constraint {
                Constrained::NotNull(column) => Constrained::NotNull(renamed(column)),
                Constrained::PrimaryKey => Constrained::PrimaryKey,
                Constrained::Unique(columns) => Constrained::Unique(columns.iter().map(renamed).collect()),
            },
            resolution: clause.resolution,
        })
        .collect()
    }

    /// Lists the tables that the user left out.
    pub(super) fn left_out(&mut self) {
        for table in self.input.left_out {
            let note =
                Note::new(codes::NOT_SELECTED, "table", FindingAction::NotCarried, "was left out as asked");
            self.findings.push(note.table(table));
        }
    }

    /// The type of that name if the plan makes it in the source's own words, which only the same dialect understands.
    pub(super) fn makes_type(&self, name: &str) -> Option<&Object> {
        let source = self.input.source;
        let wanted = |o: &&Object| o.kind == ObjectKind::Type && o.name == name && o.reaches.is_empty();
        source.objects.iter().find(wanted).filter(|_| self.input.verbatim())
    }

    /// The domain that a column has in the target too.
    pub(super) fn carried_domain<'a>(&self, table: &Table, column: &'a Column) -> Option<&'a Domain> {
        let forced = rule::forced_type(self.input.by_hand, &table.name, &column.name).is_some();
        column.domain.as_ref().filter(|domain| !forced && self.makes_type(&domain.name).is_some())
    }

    /// A type of the source that a carried column uses: its columns hold the values, so nothing is left behind.
    fn carries_type(&self, object: &Object) -> bool {
        let named = |name: &str| {
            let base = name.trim_end_matches("[]").trim_matches('"');
            base == object.name
                || base.rsplit('.').next().is_some_and(|last| last.trim_matches('"') == object.name)
        };
        object.kind == ObjectKind::Type
            && self.input.source.tables.iter().flat_map(|t| &t.columns).any(|column| {
                named(&column.native_type)
                    || match &column.data_type {
                        DataType::Enum { name: Some(name), .. } | DataType::Native { name, .. } => {
                            named(name)
                        }
                        _ => false,
                    }
            })
    }

    /// The rows of a partitioned table arrive, its layout does not.
    pub(super) fn partitioning(&mut self, table: &Table) {
        if let Some(clause) = &table.options.partitioned_by {
            let text = format!("all rows arrive in one plain table; the source has PARTITION BY {clause}");
            let note =
                Note::new(codes::PARTITIONING_NOT_CARRIED, "partitioning", FindingAction::NotCarried, text);
            self.findings.push(note.table(&table.name));
        }
    }

    /// Of a table that keeps the past of its rows, those of today arrive.
    pub(super) fn versioning(&mut self, table: &Table) {
        if let Some(clause) = &table.options.versioned_by {
            let text = format!(
                "the rows of today arrive in a plain table, what they were before does not; the source has {clause}"
            );
            let note =
                Note::new(codes::VERSIONING_NOT_CARRIED, "versioning", FindingAction::NotCarried, text);
            self.findings.push(note.table(&table.name));
        }
    }

    /// Storage engines other than InnoDB differ in more than layout: transactions, foreign keys, how AUTO_INCREMENT counts.
    pub(super) fn storage_engine(&mut self, table: &Table) {
        let engine = table.options.storage_engine.as_deref().filter(|e| !e.eq_ignore_ascii_case("InnoDB"));
        if let Some(engine) = engine.filter(|_| self.input.verbatim()) {
            let text = format!("the table becomes one of InnoDB; the source has ENGINE={engine}");
            let note =
                Note::new(codes::OBJECT_NOT_CARRIED, "storage engine", FindingAction::NotCarried, text);
            self.findings.push(note.table(&table.name).object(Some(engine)));
        }
    }
}
