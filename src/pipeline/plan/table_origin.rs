//! What a table was, beside its columns, on a journey through an engine that cannot say it: what is kept of that, and where
//! it comes back.

use super::findings::Note;
use super::{PlanInput, Planner};
use crate::model::codes;
use crate::model::origin::{Renamed, TableOrigin};
use crate::model::plan::{FindingAction, TablePlan};
use crate::model::rule;
use crate::model::schema::Table;

/// The origin of a table that goes back to where it came from. TechCare's own models, and those of an application that made
/// the table already, know better.
fn origin_here<'a>(input: &PlanInput<'_>, table: &'a Table) -> Option<&'a TableOrigin> {
    let here = |o: &&TableOrigin| !input.verbatim() && o.product.dialect() == input.rules.dialect();
    let is_model = input.known.is_some_and(|known| known.table(&table.name).is_some())
        || input.existing.is_some_and(|e| e.table(rule::table_name(input.by_hand, &table.name)).is_some());
    table.origin.as_ref().filter(here).filter(|_| !is_model)
}

/// What to keep of a name that is another one in the target, and not because a rule says so.
pub(super) fn kept_name(was: &str, now: String, by_rule: bool) -> Option<Renamed> {
    (!by_rule && now != was).then(|| Renamed { was: was.to_owned(), now })
}

impl Planner<'_> {
    /// What has to be kept with a table so that its way back ends where it began.
    pub(super) fn table_origin(&self, table: &Table) -> Option<TableOrigin> {
        let input = self.input;
        if input.verbatim() {
            return table.origin.clone();
        }
        let (strict, without_rowid) = (table.options.strict, table.options.without_rowid);
        let known = input.known.is_some_and(|known| known.table(&table.name).is_some());
        let product = input.source_flavour;
        let by_rule = rule::table_name(input.by_hand, &table.name) != table.name;
        let name = kept_name(&table.name, self.names.table(&table.name), by_rule);
        let kept = !known && (strict || without_rowid || name.is_some());
        kept.then_some(TableOrigin { product, strict, without_rowid, name })
    }

    /// Whether a table holds every value to its declared type: as in the source, or as before if it takes all its columns
    /// so.
    pub(super) fn is_strict(&mut self, at: usize) -> bool {
        let table = &self.input.source.tables[at];
        if self.input.verbatim() {
            return table.options.strict;
        }
        if !origin_here(self.input, table).is_some_and(|o| o.strict) {
            return false;
        }
        let mut others = Vec::new();
        for (position, column) in table.columns.iter().enumerate() {
            let (mapping, _) = self.mapping(at, position, true);
            if !self.input.rules.holds_strictly(&mapping) {
                others.push(format!("{:?} is {}", column.name, mapping.native_type));
            }
        }
        if !others.is_empty() {
            self.not_again(table, "STRICT", &others.join(", "));
        }
        others.is_empty()
    }

    /// Whether a table has no rowid: as in the source, or as before if it still has what that needs.
    pub(super) fn is_without_rowid(&mut self, table: &Table, planned: &TablePlan) -> bool {
        if self.input.verbatim() {
            return table.options.without_rowid;
        }
        if !origin_here(self.input, table).is_some_and(|o| o.without_rowid) {
            return false;
        }
        let counts = planned.columns.iter().find(|c| c.identity.is_some());
        let why = match (&planned.primary_key, counts) {
            (None, _) => "it has no primary key".to_owned(),
            (Some(_), Some(column)) => format!("the rowid hands out the values of {:?}", column.name),
            (Some(_), None) => return true,
        };
        self.not_again(table, "WITHOUT ROWID", &why);
        false
    }

    fn not_again(&mut self, table: &Table, what: &str, why: &str) {
        let text = format!("is not {what} again: {why}");
        let note = Note::new(codes::WIDENED, "table", FindingAction::Widened, text);
        self.findings.push(note.table(&table.name));
    }
}
