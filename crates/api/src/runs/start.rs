//! `POST /runs`: a run is started. Sent again under the same id it is answered with the run that is there.

use std::collections::BTreeMap;

use axum::http::{StatusCode, header};
use fhir::{Error, IssueCode};
use protocol::Start;
use record::ResourceType;
use serde::Deserialize;
use serde::de::IgnoredAny;
use sonic_rs::JsonValueTrait;

use super::{Sent, Visit, show};
use crate::access::Extent;
use crate::answer::{self, Answer};
use crate::outcome::Failure;
use crate::route::Interaction;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    id: Option<String>,
    protocol: String,
    version: Option<String>,
    start: Option<String>,
    patient: Option<String>,
    focus: Option<String>,
    class: Option<String>,
    #[serde(default)]
    roles: BTreeMap<String, String>,
    #[serde(rename = "response")]
    _response: Option<IgnoredAny>,
}

pub(super) async fn run(visit: &Visit<'_>, sent: &Sent) -> Result<Answer, Failure> {
    let told: Told = sent.read_as("a run to be started")?;
    let extent = visit.allow(Interaction::Create(ResourceType::parse("Task")?)).await?;
    let patient = told.patient.as_deref().and_then(|patient| patient.strip_prefix("Patient/"));
    if extent == Extent::OnePatient && patient != visit.grant.patient.as_deref() {
        let text = "This app was given one patient, and this goes beyond that patient.";
        return Err(Error::new(fhir::Category::Forbidden, IssueCode::Forbidden, text).into());
    }
    let start = Start {
        id: told.id,
        protocol: told.protocol,
        version: told.version,
        start: told.start,
        patient: told.patient,
        focus: told.focus,
        class: told.class,
        roles: told.roles,
        response: sent.0.get("response").filter(|response| !response.is_null()).cloned(),
        ..Start::default()
    };
    let engine = &visit.app.engine;
    let is_there = match start.id.as_deref() {
        Some(id) => engine.load(id).await?.is_some(),
        None => false,
    };
    let standing = engine.start(visit.session.caller(), start).await?;
    let status = if is_there { StatusCode::OK } else { StatusCode::CREATED };
    let mut answer = show::shown(visit, &standing, status).await?;
    answer.headers.push((header::LOCATION, answer::text(&format!("/runs/{}", standing.run.id))));
    Ok(answer)
}
