//! `POST /runs/{id}/acts`: something is done to a run.

use axum::http::StatusCode;
use fhir::{Category, Error, Issue};
use protocol::Act;
use sonic_rs::JsonValueTrait;

use super::{Sent, Visit, deed, names, show};
use crate::answer::Answer;
use crate::outcome::Failure;
use crate::route::Interaction;

pub(super) async fn run(visit: &Visit<'_>, id: &str, sent: &Sent) -> Result<Answer, Failure> {
    let told: deed::Told = sent.read_as("an act")?;
    let deed = told.deed(visit.app)?;
    visit.run(id, Interaction::Update).await?;
    let response = sent.0.get("response").filter(|response| !response.is_null()).cloned();
    match visit.app.engine.act(visit.session.caller(), id, Act { deed, response }).await {
        Ok(standing) => show::shown(visit, &standing, StatusCode::OK).await,
        Err(error) if error.category() == Category::Conflict => Err(told_by_name(visit, id, error).await?.into()),
        Err(error) => Err(error.into()),
    }
}

/// The same refusal, in which those who were first are called by their names.
async fn told_by_name(visit: &Visit<'_>, id: &str, error: Error) -> Result<Error, Error> {
    let Some(standing) = visit.app.engine.load(id).await? else { return Ok(error) };
    let names = names::of(&visit.app.record, visit.session, &standing.run).await?;
    let named = |text: &str| {
        let first = names.iter().find(|(reference, _)| text.starts_with(&format!("{reference} ")));
        first.map_or_else(|| text.to_owned(), |(reference, name)| text.replacen(reference.as_str(), name, 1))
    };
    let issues = error.issues().iter().map(|issue| Issue { text: named(&issue.text), ..issue.clone() });
    Ok(Error::with_issues(Category::Conflict, issues.collect()))
}
