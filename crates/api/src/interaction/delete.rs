//! `DELETE /Type/id` and `DELETE /Type?criteria`. <http://hl7.org/fhir/R4/http.html#delete>

use record::{Action, Change, Key, ResourceType, Session, Target};

use super::change;
use crate::answer::Answer;
use crate::ask::{Ask, Return};
use crate::outcome::Failure;

pub(crate) async fn run(session: &Session, mut ask: Ask, key: Key) -> Result<Answer, Failure> {
    ask.conditions.look_up(session, &key).await?;
    remove(session, ask, Target::Key(key)).await
}

pub(crate) async fn conditional(session: &Session, ask: Ask, type_: ResourceType) -> Result<Answer, Failure> {
    ask.conditions.need_no_name()?;
    let target = Target::Query(type_, ask.criteria()?);
    remove(session, ask, target).await
}

async fn remove(session: &Session, ask: Ask, target: Target) -> Result<Answer, Failure> {
    let action = Action::Delete { target, if_match: ask.conditions.if_match };
    change(session, Change::new(action), ask.prefer.returns.unwrap_or(Return::Minimal)).await
}
