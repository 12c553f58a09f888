//! `GET /runs/{id}`: a run as it stands.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use protocol::Standing;
use protocol::view::{Viewer, view};

use super::{Visit, json, names};
use crate::answer::Answer;
use crate::outcome::Failure;
use crate::route::Interaction;

pub(super) async fn run(visit: &Visit<'_>, id: &str) -> Result<Answer, Failure> {
    let standing = visit.run(id, Interaction::Read).await?;
    shown(visit, &standing, StatusCode::OK).await
}

/// A run as whoever asks may see it.
pub(super) async fn shown(visit: &Visit<'_>, standing: &Standing, status: StatusCode) -> Result<Answer, Failure> {
    let (engine, caller) = (&visit.app.engine, visit.session.caller());
    let Standing { protocol, run, .. } = standing;
    let mut theirs = BTreeSet::new();
    for work in run.open() {
        if engine.may(caller, standing, &work.step, work.n).await? {
            theirs.insert((work.step.as_str(), work.n));
        }
    }
    let lay = matches!(caller.standing, record::Standing::Lay(_));
    let names = names::of(&visit.app.record, visit.session, run).await?;
    let summary = if lay { BTreeMap::new() } else { engine.summary(visit.session, standing, &names).await? };
    let may_cancel = !lay && engine.may_cancel(caller, standing).await?;
    let viewer = Viewer {
        now: visit.now(),
        zone: visit.zone(),
        lay,
        may: &|work| theirs.contains(&(work.step.as_str(), work.n)),
        may_cancel,
        names: &names,
        summary: &summary,
    };
    json(status, &view(protocol, run, viewer))
}
