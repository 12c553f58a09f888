//! `Patient/id/$who-looked`: who looked at a patient's record or wrote in it, newest first, as AuditEvents.
//!
//! Parameters: `_count`. The events tell of nobody else's record. `agent[0]` is the person or machine, with the duties
//! they acted from as roles; `agent[1]`, when there is one, the institution of their post; `purposeOfEvent` says why.

use fhir::Error;
use record::Session;

use super::parameters::Parameters;
use crate::answer::Answer;
use crate::ask::{Ask, Query};
use crate::bundle::Bundle;
use crate::outcome::Failure;
use crate::route::On;

/// Events on a page when the caller does not say.
const COUNT: usize = 20;

pub(crate) async fn run(session: &Session, mut ask: Ask, on: On) -> Result<Answer, Failure> {
    let On::Instance(patient) = on else {
        return Err(Error::not_found("This operation is called on a patient.").into());
    };
    let base = ask.base.to_string();
    let parameters = Parameters::of(&mut ask)?;
    let count = parameters.number("_count")?.unwrap_or(COUNT);
    let page = session.who_looked(&patient.id, count, parameters.text("_page").as_deref()).await?;
    let own = format!("{base}/{patient}/$who-looked");
    let mut links = vec![("self", format!("{own}?{}", page.understood))];
    if let Some(next) = &page.next {
        // What the record says of the next page is read once, so that it cannot become another address.
        links.push(("next", format!("{own}?{}", Query::parse(next)?.encoded())));
    }
    let mut bundle = Bundle::new("searchset", None, &links);
    for version in &page.matches {
        bundle.found(&base, Some(&version.key), version.body.as_deref().unwrap_or(b"{}"), "match");
    }
    Ok(Answer::resource(bundle.end()))
}
