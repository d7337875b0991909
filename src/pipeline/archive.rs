//! A whole database into a portable archive.

use std::fs::File;
use std::sync::Arc;

use super::plan::{PlanInput, plan};
use super::refused_rows;
use crate::engine::archive::{self, Content, Written};
use crate::engine::capability::{Snapshot, Source};
use crate::model::error::Result;
use crate::model::event::Observer;
use crate::model::schema::Schema;

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
