//! `POST /runs/{id}/acts`: something is done to a run.

use axum::http::StatusCode;
use fhir::{Category, Error, Issue, IssueCode};
use protocol::{Act, Deed};
use sonic_rs::JsonValueTrait;

use super::{Sent, Visit, deed, names, show};
use crate::answer::Answer;
use crate::outcome::Failure;
use crate::route::Interaction;

pub(super) async fn run(visit: &Visit<'_>, id: &str, sent: &Sent) -> Result<Answer, Failure> {
    let told: deed::Told = sent.read_as("an act")?;
    let deed = told.deed(visit.app)?;
    visit.run(id, Interaction::Update).await?;
    if let Deed::Correct { signed, .. } = &deed {
        signed_by_themselves(visit, signed.as_deref())?;
    }
    let response = sent.0.get("response").filter(|response| !response.is_null()).cloned();
    match visit.app.engine.act(visit.session.caller(), id, Act { deed, response }).await {
        Ok(standing) => show::shown(visit, &standing, StatusCode::OK).await,
        Err(error) if error.category() == Category::Conflict => Err(told_by_name(visit, id, error).await?.into()),
        Err(error) => Err(error.into()),
    }
}

/// Refuses a correction that a person has not signed with their own name. A machine signs by its credentials.
fn signed_by_themselves(visit: &Visit<'_>, signed: Option<&str>) -> Result<(), Error> {
    // Spaces between the parts of a name are written or not.
    let bare = |name: &str| name.split_whitespace().collect::<String>().to_lowercase();
    let is_own = signed.is_some_and(|signed| bare(signed) == bare(&visit.grant.name));
    if is_own || visit.session.caller().standing.is_no_person() {
        return Ok(());
    }
    let text = "A correction is signed: write your own name, as your account has it, as “signature”.";
    Err(Error::new(Category::Unprocessable, IssueCode::Required, text))
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
