//! `GET /runs/{id}/documents`: what a run can be printed as now. `GET /runs/{id}/documents/{code}`: one of them, with
//! everything in it as far as whoever asks may see it.

use axum::http::StatusCode;
use fhir::Error;
use protocol::definition::PaperSize;
use protocol::engine::Printed;
use protocol::view::Moment;
use protocol::{Standing, Words};
use record::{Act, Note};
use serde::Serialize;

use super::{Visit, json, names};
use crate::answer::Answer;
use crate::ask::shortened;
use crate::outcome::Failure;
use crate::route::Interaction;

#[derive(Serialize)]
struct Entry<'p> {
    code: &'p str,
    title: &'p Words,
    paper: PaperSize,
}

#[derive(Serialize)]
struct Whole<'p> {
    #[serde(flatten)]
    document: Printed,
    run: &'p str,
    protocol: Of<'p>,
    /// When it was printed.
    printed: Moment,
    /// By whom, where they have a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

#[derive(Serialize)]
struct Of<'p> {
    code: &'p str,
    version: &'p str,
    title: &'p Words,
}

pub(super) async fn list(visit: &Visit<'_>, id: &str) -> Result<Answer, Failure> {
    let standing = visit.run(id, Interaction::Read).await?;
    let documents = visit.app.engine.documents(visit.session, &standing, is_lay(visit)).await?;
    let entries: Vec<Entry<'_>> =
        documents.iter().map(|one| Entry { code: &one.code, title: &one.title, paper: one.paper }).collect();
    json(StatusCode::OK, &entries)
}

pub(super) async fn run(visit: &Visit<'_>, id: &str, code: &str) -> Result<Answer, Failure> {
    let standing = visit.run(id, Interaction::Read).await?;
    let engine = &visit.app.engine;
    let documents = engine.documents(visit.session, &standing, is_lay(visit)).await?;
    let none = || Error::not_found(format!("This run has no document {} now.", shortened(code)));
    let document = documents.into_iter().find(|one| one.code.as_str() == code).ok_or_else(none)?;
    let Standing { protocol, run, .. } = &standing;
    let names = names::of(&visit.app.record, visit.session, run).await?;
    let printed = engine.print(visit.session, &standing, document, &names).await?;
    // What is printed leaves the platform, so the trail says that it was, besides each read that made it.
    let patient = run.patient.as_deref().and_then(|patient| patient.strip_prefix("Patient/"));
    let detail = format!("runs/{id}/documents/{code}");
    let note = Note { patients: patient.map(str::to_owned).into_iter().collect(), detail, ..Note::new(Act::Request) };
    visit.app.record.note(visit.session.caller(), note).await?;
    let whole = Whole {
        document: printed,
        run: &run.id,
        protocol: Of { code: &protocol.code, version: &protocol.version, title: &protocol.title },
        printed: Moment { at: visit.now(), zone: visit.zone() },
        by: names::one(&visit.app.record, visit.session, &visit.session.caller().actor).await?,
    };
    json(StatusCode::OK, &whole)
}

fn is_lay(visit: &Visit<'_>) -> bool {
    matches!(visit.session.caller().standing, record::Standing::Lay(_))
}
