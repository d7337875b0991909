//! A whole database into a portable archive.

use std::fs::File;
use std::sync::Arc;

use super::plan::{PlanInput, plan};
use super::refused_rows;
use crate::engine::archive::{self, Content, Written};
use crate::engine::capability::{Snapshot, Source};
use crate::model::error::Result;
use crate::model::event::Observer;
use crate::model::plan::FindingAction;
use crate::model::schema::Schema;

/// What an archive of that schema does not bring back into its own engine, each by its kind and name: what is there by its
/// text only, and what is not there at all.
pub fn left_out(source: &dyn Source, schema: &Schema) -> Vec<String> {
    let own = plan(&PlanInput::of_catalogue(schema, source.facts().flavour, source.rules()));
    let left = own.findings.iter().filter(|finding| finding.action == FindingAction::NotCarried);
    left.map(|finding| {
        let name = finding.object.as_ref().or(finding.column.as_ref());
        let name = name.map_or_else(String::new, |name| format!(" {name:?}"));
        let table = finding.table.as_ref().map_or_else(String::new, |table| format!(" of table {table:?}"));
        format!("{}{name}{table}", finding.kind)
    })
    .collect()
}

/// Writes everything that `snapshot`, a view of `source` with that schema, holds into an empty file and brings it to disk.
/// What was written is proved by [`crate::engine::archive::Archive::verify`].
pub async fn write(
    source: &dyn Source,
    schema: &Schema,
    snapshot: &dyn Snapshot,
    file: File,
    run: &str,
    observer: &Arc<dyn Observer>,
) -> Result<Written> {
    let own = plan(&PlanInput::of_catalogue(schema, source.facts().flavour, source.rules()));
    let orphans = snapshot.orphans(&own).await?;
    let told = &refused_rows::told(schema, snapshot, source.rules()).await?;
    let content = Content { source, schema, snapshot, orphans: &orphans, told, run, observer };
    archive::write(&content, file).await
}
