//! Views, once the tables are proven: each is made in staging and run on both sides, and stays only if it gives the same
//! rows. A view guards no data, so one that does not is left behind and named, and the migration goes on.

use std::time::Duration;

use super::copy::{self, BatchSize};
use super::plan::findings::view_left_behind;
use super::rejects::Rejects;
use crate::engine::capability::{ReadColumn, ReadRequest, Snapshot, Staging};
use crate::model::codes;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::event::{Event, Observer};
use crate::model::plan::{Finding, Plan, Scope};
use crate::model::policy::Decision;
use crate::model::schema::DataType;
use crate::model::view::{ViewPlan, Wording};

/// What views are made and compared with.
pub struct Views<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The source.
    pub snapshot: &'a dyn Snapshot,
    /// The target, finished but for the views.
    pub staging: &'a dyn Staging,
    /// Size of a batch.
    pub batch: BatchSize,
    /// Whether rows are compared at all.
    pub verify: bool,
    /// Longest that a view may be run, on either side.
    pub within: Option<Duration>,
    /// What was put aside and converted on the way.
    pub rejects: &'a Rejects,
}

impl Views<'_> {
    /// Makes the views of the plan; answers a finding for each that was left behind.
    pub async fn make(&self, observer: &dyn Observer) -> Result<Vec<Finding>> {
        let mut left: Vec<(&ViewPlan, Finding)> = Vec::new();
        for view in &self.plan.views {
            observer.event(&Event::Step { what: view.statement().what });
            let missing = left.iter().find(|(other, _)| view.reads.contains(&other.name));
            let why = match missing {
                Some((other, _)) => Some(format!("it reads \"{}\", which is not carried", other.name)),
                None => self.obstacle(view).await?,
            };
            if let Some(why) = why {
                self.refuse_if_asked(view, &why)?;
                left.push((view, view_left_behind(view, &why)));
            }
        }
        Ok(left.into_iter().map(|(_, finding)| finding).collect())
    }

    /// A policy may say that the migration stops rather than leave a view behind.
    fn refuse_if_asked(&self, view: &ViewPlan, why: &str) -> Result<()> {
        let policies = &self.plan.policies;
        let decision = policies.decision(codes::OBJECT_NOT_CARRIED, None, None, Some(&view.name));
        if decision != Some(Decision::Stop) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Refused, format!("view \"{}\" cannot be carried", view.name))
            .why(why)
            .next(format!(
                "{}=accept lets the migration go on without it; nothing was changed",
                codes::OBJECT_NOT_CARRIED
            )))
    }

    /// Makes a view; takes it back and says why if it proves wrong.
    async fn obstacle(&self, view: &ViewPlan) -> Result<Option<String>> {
        if let Err(error) = self.staging.make_view(view, self.within).await {
            return self.refused(error, "target", "does not take it").map(Some);
        }
        let why = self.difference(view).await?;
        if why.is_some() {
            self.staging.drop_view(view).await?;
        }
        Ok(why)
    }

    /// What is different about the rows of a view in the target.
    async fn difference(&self, view: &ViewPlan) -> Result<Option<String>> {
        if !self.verify || self.plan.scope == Scope::SchemaOnly {
            return Ok(None);
        }
        if let Some(table) = self.changed(view) {
            // Its own text says the same of fewer or other rows; of other words only equal rows do.
            return Ok((view.wording == Wording::Translated).then(|| {
                format!("rows of \"{table}\" stay behind or were converted, so that nothing shows whether it is right")
            }));
        }
        if !self.snapshot.evaluates() {
            return Ok((view.wording == Wording::Translated).then(|| {
                "the archive does not hold the rows that it gives, so that nothing shows whether it is right".into()
            }));
        }
        let (here, there) = match self.columns(view).await {
            Ok(columns) => columns,
            Err(error) => return self.refused(error, "source", "cannot run it").map(Some),
        };
        let request = |columns| ReadRequest {
            batch_rows: self.batch.rows.max(1),
            batch_bytes: self.batch.bytes.max(1),
            within: self.within,
            ..ReadRequest::all(&view.name, columns)
        };
        let (here, there) = (request(here), request(there));
        let here = match copy::digest(&here, |to| self.snapshot.read(&here, to)).await {
            Ok(digest) => digest,
            Err(error) => return self.refused(error, "source", "cannot run it").map(Some),
        };
        let there = match copy::digest(&there, |to| self.staging.read(&there, to)).await {
            Ok(digest) => digest,
            Err(error) => return self.refused(error, "target", "cannot run it").map(Some),
        };
        Ok(match (here, there) {
            (here, there) if here == there => None,
            (here, there) if here.rows != there.rows => {
                Some(format!("it gives {} rows in the source and {} in the target", here.rows, there.rows))
            }
            _ => Some("it gives other rows in the target".to_owned()),
        })
    }

    /// Columns of a view on both sides.
    async fn columns(&self, view: &ViewPlan) -> Result<(Vec<ReadColumn>, Vec<ReadColumn>)> {
        let column = |name: &str, native: &str, carries: &DataType| ReadColumn {
            name: name.to_owned(),
            native_type: native.to_owned(),
            carries: carries.clone(),
            epoch: None,
        };
        if view.columns.is_empty() {
            let columns = self.snapshot.columns(&view.name).await?;
            return Ok((columns.clone(), columns));
        }
        let here = view.columns.iter().map(|c| column(&c.name, &c.source_type, &c.carries)).collect();
        let there = view.columns.iter().map(|c| column(&c.name, &c.native_type, &c.carries)).collect();
        Ok((here, there))
    }

    /// A table that the view reads, through other views too, and of which rows stayed behind or came as others.
    fn changed(&self, view: &ViewPlan) -> Option<String> {
        view.reads.iter().find_map(|name| {
            if let Some(other) = self.plan.views.iter().find(|v| v.name == *name && v.name != view.name) {
                return self.changed(other);
            }
            let table = self.plan.tables.iter().find(|t| t.source == *name)?;
            let filtered = table.filter.as_ref().is_some_and(|f| f.left != Some(0));
            (filtered || self.rejects.changed(name)).then(|| name.clone())
        })
    }

    /// What a side has against a view, without its own words, which may hold a value. What has nothing to do with the view
    /// is an error as before.
    fn refused(&self, error: Error, side: &str, what: &str) -> Result<String> {
        let why = match (error.kind(), self.within) {
            (ErrorKind::TimedOut, Some(limit)) => {
                format!("the {side} had not done with it after {} s, the --view-timeout", limit.as_secs())
            }
            (
                ErrorKind::Read
                | ErrorKind::Write
                | ErrorKind::Value
                | ErrorKind::Refused
                | ErrorKind::Permission
                | ErrorKind::Usage,
                _,
            ) => format!("the {side} {what}"),
            _ => return Err(error),
        };
        tracing::debug!(error = %error, "a view is left behind");
        Ok(why)
    }
}
