//! Whether a reason is one of those that are asked for.

use fhir::{Category, Error, IssueCode, json};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::{Draft, key};
use crate::definition::Protocol;
use crate::run::{Deed, Reason};

impl Draft<'_> {
    /// Refuses a reason that is not of the list that is asked for. A list that the record does not hold is not held
    /// against anybody.
    pub(in crate::engine) async fn reasoned(&self, run: &str, deed: &Deed) -> Result<(), Error> {
        let Some(moving) = self.runs.iter().find(|moving| moving.run.id == run) else { return Ok(()) };
        let Some((list, reason)) = asked(&moving.protocol, deed) else { return Ok(()) };
        let Some(key) = key(&format!("CodeSystem/{list}")).filter(|_| !reason.code.is_empty()) else { return Ok(()) };
        let Some(body) = self.session.read(&key).await?.and_then(|version| version.body) else { return Ok(()) };
        let system = json::parse(&body)?;
        let concepts = system.get("concept").and_then(|concepts| concepts.as_array());
        let mut codes = concepts.into_iter().flat_map(|all| all.iter()).filter_map(|one| one.get("code")?.as_str());
        if codes.any(|code| code == reason.code) {
            return Ok(());
        }
        let text = format!("The reason is none of the list \"{list}\"; give one of its codes.");
        Err(Error::new(Category::Invalid, IssueCode::CodeInvalid, text))
    }
}

/// The list from which a deed gives its reason, and that reason.
fn asked<'a>(protocol: &'a Protocol, deed: &'a Deed) -> Option<(&'a str, &'a Reason)> {
    let (list, reason) = match deed {
        Deed::Complete { step, outcome, reason, .. } => {
            (protocol.step(step)?.outcome(outcome.as_deref()?)?.reasons.as_ref()?, reason.as_ref()?)
        }
        Deed::Skip { step, reason, .. } => (protocol.step(step)?.skip.as_ref()?, reason),
        Deed::Cancel { reason } => (protocol.cancel.as_ref()?.reasons.as_ref()?, reason),
        _ => return None,
    };
    Some((list.as_str(), reason))
}
