//! `PATCH /Type/id` and `PATCH /Type?criteria`: JSON Patch and FHIRPath Patch.
//! <http://hl7.org/fhir/R4/http.html#patch>

use fhir::Value;
use record::{Action, Change, Key, Patch, ResourceType, Session, Target};

use super::change;
use crate::answer::Answer;
use crate::ask::{Ask, Content, Return, type_of};
use crate::outcome::Failure;

pub(crate) async fn run(session: &Session, mut ask: Ask, key: Key) -> Result<Answer, Failure> {
    ask.conditions.look_up(session, &key).await?;
    apply(session, ask, Target::Key(key)).await
}

pub(crate) async fn conditional(session: &Session, ask: Ask, type_: ResourceType) -> Result<Answer, Failure> {
    ask.conditions.need_no_name()?;
    let target = Target::Query(type_, ask.criteria()?);
    apply(session, ask, target).await
}

async fn apply(session: &Session, mut ask: Ask, target: Target) -> Result<Answer, Failure> {
    let patch = match std::mem::replace(&mut ask.content, Content::None) {
        Content::JsonPatch(patch) => Patch::Json(patch),
        Content::Resource(parameters) => fhirpath(parameters)?,
        Content::None => return Err(fhir::Error::invalid("The body must be a patch.").into()),
    };
    let action = Action::Patch { target, patch, if_match: ask.conditions.if_match };
    change(session, Change::new(action), ask.prefer.returns.unwrap_or(Return::Representation)).await
}

/// A FHIRPath Patch, which is a Parameters resource; anything else of that content type is no patch.
pub(crate) fn fhirpath(parameters: Value) -> Result<Patch, Failure> {
    if type_of(&parameters) == Some("Parameters") { Ok(Patch::FhirPath(parameters)) } else { Err(Failure::MediaType) }
}
