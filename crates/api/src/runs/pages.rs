//! `GET /runs/{id}/pages`: whom a run has paged, over which channels, and what became of it.

use axum::http::StatusCode;
use fhir::{Category, Error, IssueCode};
use record::Standing;

use super::{Visit, json};
use crate::answer::Answer;
use crate::outcome::Failure;
use crate::route::Interaction;

pub(super) async fn run(visit: &Visit<'_>, id: &str) -> Result<Answer, Failure> {
    visit.run(id, Interaction::Read).await?;
    if let Standing::Lay(_) = visit.session.caller().standing {
        // Who of the staff was called, and over which number, is not the patient's.
        let text = "Whom a run has paged is for staff.";
        return Err(Error::new(Category::Forbidden, IssueCode::Forbidden, text).into());
    }
    json(StatusCode::OK, &visit.app.paging.reached(id).await?)
}
