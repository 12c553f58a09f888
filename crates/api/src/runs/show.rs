//! `GET /runs/{id}`: a run as it stands. With `?with=patient` it comes with whom it is for, as far as whoever asks may read
//! the Patient: what tells people apart, so that a list of runs takes one request for each of them.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use fhir::{Error, Value};
use protocol::Standing;
use protocol::view::{View, Viewer, view};
use record::Key;
use serde::Serialize;

use super::{Visit, json, names};
use crate::answer::Answer;
use crate::ask::shortened;
use crate::outcome::Failure;
use crate::route::Interaction;
use crate::summary::Part;

/// What is shown of the patient beside a run.
const WHOM: [&str; 4] = ["name", "gender", "birthDate", "deceased"];

/// A run and whom it is for.
#[derive(Serialize)]
struct Beside<'v> {
    #[serde(flatten)]
    run: View<'v>,
    /// The patient, for whoever may read them.
    #[serde(skip_serializing_if = "Option::is_none")]
    whom: Option<Value>,
}

pub(super) async fn run(visit: &Visit<'_>, id: &str, with: Option<&str>) -> Result<Answer, Failure> {
    if let Some(other) = with.filter(|with| *with != "patient") {
        let text = format!("A run is shown with=patient, not with “{}”.", shortened(other));
        return Err(Error::invalid(text).into());
    }
    let standing = visit.run(id, Interaction::Read).await?;
    if let Some(patient) = standing.run.patient.as_deref().filter(|_| with.is_some()).and_then(Key::of) {
        visit.allow(Interaction::Read(patient)).await?;
    }
    told(visit, &standing, StatusCode::OK, with.is_some()).await
}

/// A run as whoever asks may see it.
pub(super) async fn shown(visit: &Visit<'_>, standing: &Standing, status: StatusCode) -> Result<Answer, Failure> {
    told(visit, standing, status, false).await
}

async fn told(visit: &Visit<'_>, standing: &Standing, status: StatusCode, with: bool) -> Result<Answer, Failure> {
    let (engine, caller) = (&visit.app.engine, visit.session.caller());
    let Standing { protocol, run, .. } = standing;
    let mut theirs = BTreeSet::new();
    for work in run.open() {
        if engine.may(caller, standing, &work.step, work.n).await? {
            theirs.insert((work.step.as_str(), work.n));
        }
    }
    let lay = matches!(caller.standing, record::Standing::Lay(_));
    let patient = names::patient(visit.session, run).await?;
    let names = names::beside(&visit.app.record, visit.session, run, patient.as_ref()).await?;
    let summary = if lay { BTreeMap::new() } else { engine.summary(visit.session, standing, &names).await? };
    let may_cancel = !lay && engine.may_cancel(caller, standing).await?;
    let may_regrade = !lay && engine.may_regrade(caller, standing).await?;
    let targets = if lay { Vec::new() } else { engine.targets(caller, standing).await? };
    let viewer = Viewer {
        now: visit.now(),
        zone: visit.zone(),
        lay,
        may: &|work| theirs.contains(&(work.step.as_str(), work.n)),
        may_cancel,
        may_regrade,
        targets: &targets,
        names: &names,
        summary: &summary,
    };
    let run = view(protocol, run, viewer);
    if !with {
        return json(status, &run);
    }
    let part = Part::Elements(WHOM.map(str::to_owned).to_vec());
    let whom = patient.map(|patient| fhir::json::parse(&part.cut(&fhir::json::to_bytes(&patient))?)).transpose()?;
    json(status, &Beside { run, whom })
}
