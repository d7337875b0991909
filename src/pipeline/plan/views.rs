//! Views: which of them the target can have, and in which order. What it really gives is seen when they run there
//! (`pipeline/views`).

use super::Planner;
use super::findings::{Note, view_left_behind};
use crate::engine::expression::{self, Relation, RelationColumn};
use crate::model::codes;
use crate::model::endpoint::Dialect;
use crate::model::plan::{Finding, FindingAction, Plan, TablePlan};
use crate::model::schema::{Object, ObjectKind};
use crate::model::view::{ViewColumn, ViewPlan, Wording};

impl Planner<'_> {
    /// Plans the views that can be carried, those first that others read, and lists the rest with their text.
    pub(super) fn views(&mut self, tables: &[TablePlan]) -> Vec<ViewPlan> {
        let mut planned: Vec<ViewPlan> = Vec::new();
        let mut relations: Vec<Relation> = tables.iter().filter_map(|t| self.relation(t)).collect();
        let mut waiting: Vec<(&Object, Vec<String>)> =
            self.input.source.objects.iter().filter(|o| is_view(o)).map(|o| (o, self.reads(o))).collect();
        while !waiting.is_empty() {
            let names: Vec<&str> = waiting.iter().map(|(view, _)| view.name.as_str()).collect();
            // Those that read one another cannot be told apart, and no engine has such.
            let next = waiting
                .iter()
                .position(|(view, reads)| {
                    !reads.iter().any(|name| *name != view.name && names.contains(&name.as_str()))
                })
                .unwrap_or(0);
            let (view, reads) = waiting.remove(next);
            if let Err(why) = self.readable(view, &reads, tables, &planned) {
                self.leave_view(view, &why);
                continue;
            }
            let renamed = |t: &&TablePlan| t.name != t.source || t.columns.iter().any(|c| c.name != c.source);
            let renamed = tables.iter().filter(renamed).any(|t| reads.contains(&t.source));
            if self.input.verbatim() && !renamed {
                planned.push(kept(view, reads));
            } else if let Some((translated, columns)) = self.translated(view, reads, &relations) {
                let name = translated.name.clone();
                relations.push(Relation { source: name.clone(), name, columns });
                self.announce(&translated);
                planned.push(translated);
            } else {
                self.leave_view(view, "not all of it certainly means the same in the target");
            }
        }
        planned
    }

    fn leave_view(&mut self, view: &Object, why: &str) {
        let text = format!("{why}; it reads: {}", view.definition.trim());
        let note = Note::new(codes::OBJECT_NOT_CARRIED, view.kind.as_str(), FindingAction::NotCarried, text);
        self.findings.push(note.object(Some(&view.name)));
    }

    /// Says that a view is in other words, and which.
    fn announce(&mut self, view: &ViewPlan) {
        let text = format!(
            "is put into the target's words, and stays there only if it gives the same rows: {}",
            view.definition
        );
        let note = Note::new(codes::VIEW_TRANSLATED, view.kind.as_str(), FindingAction::Translated, text);
        self.findings.push(note.object(Some(&view.name)));
    }

    /// Whether everything that a view names is carried; else why the view is left behind.
    fn readable(
        &self,
        view: &Object,
        reads: &[String],
        tables: &[TablePlan],
        planned: &[ViewPlan],
    ) -> Result<(), String> {
        if let Some(what) = view.reaches.first() {
            return Err(format!("it uses {what}, which is not carried"));
        }
        let carried = |name: &String| {
            tables.iter().any(|t| t.source == *name) || planned.iter().any(|v| v.name == *name)
        };
        if let Some(missing) = reads.iter().find(|name| !carried(name)) {
            return Err(format!("it reads \"{missing}\", which is not carried"));
        }
        if let Some(routine) = self.routine_of(view) {
            return Err(format!("it calls \"{routine}\", which is not carried"));
        }
        let taken = |t: &TablePlan| t.name.eq_ignore_ascii_case(&view.name);
        let rules = self.input.rules;
        if !rules.accepts_name(&view.name) || rules.reserves(&view.name) || tables.iter().any(taken) {
            return Err("the target cannot have it under its name".to_owned());
        }
        Ok(())
    }

    /// A view in the target's words, with its columns for the views that read it.
    fn translated(
        &self,
        view: &Object,
        reads: Vec<String>,
        relations: &[Relation],
    ) -> Option<(ViewPlan, Vec<RelationColumn>)> {
        let rules = self.input.rules;
        let text = expression::view(self.input.source.dialect, &view.definition, rules.dialect(), relations)?;
        if !text.columns.iter().all(|c| rules.accepts_name(&c.source)) {
            return None;
        }
        let column = |column: &RelationColumn| {
            Some(ViewColumn {
                name: column.source.clone(),
                carries: column.facts.as_ref()?.data_type.clone(),
                source_type: column.source_type.clone(),
                native_type: column.native_type.clone(),
            })
        };
        let planned = ViewPlan {
            name: view.name.clone(),
            kind: view.kind,
            definition: format!("CREATE VIEW {} AS {}", rules.quote(&view.name), text.query),
            original: view.definition.trim().to_owned(),
            wording: Wording::Translated,
            columns: text.columns.iter().map(column).collect::<Option<_>>()?,
            reads,
        };
        Some((planned, text.columns))
    }

    /// A table as views may read it: numbers that stand for times do not compare as times do.
    fn relation(&self, table: &TablePlan) -> Option<Relation> {
        let source = self.input.source.table(&table.source)?;
        let column = |name: &String| {
            let planned = table.columns.iter().find(|c| c.source == *name && c.epoch.is_none());
            RelationColumn {
                source: name.clone(),
                source_type: planned.map_or_else(String::new, |c| c.source_type.clone()),
                native_type: planned.map_or_else(String::new, |c| c.native_type.clone()),
                facts: planned.and_then(|c| self.facts(&c.source, source, &table.columns)),
            }
        };
        let columns = source.columns.iter().map(|c| column(&c.name)).collect();
        Some(Relation { source: table.source.clone(), name: table.name.clone(), columns })
    }

    /// Tables and views of the source that a view names.
    fn reads(&self, view: &Object) -> Vec<String> {
        let source = self.input.source;
        let named = expression::relations(source.dialect, &view.definition);
        let same = |known: &str| {
            named.iter().any(|name| match source.dialect {
                Dialect::Postgres => name == known,
                Dialect::Sqlite | Dialect::Mysql => name.eq_ignore_ascii_case(known),
            })
        };
        let tables = source.tables.iter().map(|t| &t.name).chain(self.input.left_out);
        let others = source.objects.iter().filter(|o| is_view(o) || o.kind == ObjectKind::VirtualTable);
        tables.chain(others.map(|o| &o.name)).filter(|known| same(known)).cloned().collect()
    }

    /// A routine of the source that a view calls.
    fn routine_of(&self, view: &Object) -> Option<&str> {
        let source = self.input.source;
        let called = expression::called(source.dialect, &view.definition);
        let routines = source.objects.iter().filter(|o| o.kind == ObjectKind::Routine);
        routines
            .map(|o| o.name.split('(').next().unwrap_or(&o.name))
            .find(|routine| called.iter().any(|name| name.eq_ignore_ascii_case(routine)))
    }
}

/// A view in its own words.
fn kept(view: &Object, reads: Vec<String>) -> ViewPlan {
    ViewPlan {
        name: view.name.clone(),
        kind: view.kind,
        definition: view.definition.trim().trim_end_matches(';').to_owned(),
        original: view.definition.trim().to_owned(),
        wording: Wording::Kept,
        columns: Vec::new(),
        reads,
    }
}

/// Leaves behind what only running it on both sides would prove: the views in other words, and those that read them.
/// For a plan that becomes a script, which nobody runs.
pub fn without_proof(plan: &mut Plan) {
    let mut left: Vec<ViewPlan> = Vec::new();
    let views = std::mem::take(&mut plan.views);
    for view in views {
        let why = match left.iter().find(|other| view.reads.contains(&other.name)) {
            Some(other) => format!("it reads \"{}\", which is not carried", other.name),
            None if view.wording == Wording::Translated => {
                "nothing shows whether it gives the same rows in the target's words, since a script is not run".to_owned()
            }
            None => {
                plan.views.push(view);
                continue;
            }
        };
        replace_finding(&mut plan.findings, view_left_behind(&view, &why));
        left.push(view);
    }
}

/// Puts the finding of a view that is left behind in place of the one that announced it.
pub fn replace_finding(findings: &mut Vec<Finding>, left: Finding) {
    findings.retain(|f| f.code != codes::VIEW_TRANSLATED || f.object != left.object);
    findings.push(left);
}

fn is_view(object: &Object) -> bool {
    matches!(object.kind, ObjectKind::View | ObjectKind::MaterializedView)
}
