//! `POST /Type`, also only if nothing matches. <http://hl7.org/fhir/R4/http.html#create>

use record::{Action, Change, ResourceType, Session};

use super::change;
use crate::answer::Answer;
use crate::ask::{Ask, Return};
use crate::outcome::Failure;

pub(crate) async fn run(session: &Session, mut ask: Ask, type_: ResourceType) -> Result<Answer, Failure> {
    let resource = ask.resource(type_.name())?;
    let if_none_exist = ask.conditions.if_none_exist.map(|query| query.trim_start_matches('?').to_owned());
    let action = Action::Create { resource, if_none_exist };
    change(session, Change::new(action), ask.prefer.returns.unwrap_or(Return::Representation)).await
}
