//! `PUT /Type/id`, also where there is none yet, and `PUT /Type?criteria`.
//! <http://hl7.org/fhir/R4/http.html#update>

use fhir::{Category, Error, IssueCode, Value};
use record::{Action, Change, Key, ResourceType, Session, Target};
use sonic_rs::JsonValueTrait;

use super::change;
use crate::answer::Answer;
use crate::ask::{Ask, Return};
use crate::outcome::Failure;

pub(crate) async fn run(session: &Session, mut ask: Ask, key: Key) -> Result<Answer, Failure> {
    let resource = ask.resource(key.type_.name())?;
    same_id(&resource, &key)?;
    ask.conditions.look_up(session, &key).await?;
    put(session, ask, Target::Key(key), resource).await
}

pub(crate) async fn conditional(session: &Session, mut ask: Ask, type_: ResourceType) -> Result<Answer, Failure> {
    let resource = ask.resource(type_.name())?;
    ask.conditions.need_no_name()?;
    let target = Target::Query(type_, ask.criteria()?);
    put(session, ask, target, resource).await
}

async fn put(session: &Session, ask: Ask, target: Target, resource: Value) -> Result<Answer, Failure> {
    let (if_match, if_absent) = (ask.conditions.if_match, ask.conditions.if_absent);
    let action = Action::Update { target, resource, if_match, if_absent };
    change(session, Change::new(action), ask.prefer.returns.unwrap_or(Return::Representation)).await
}

/// Refuses a resource that does not carry the id of its address.
pub(crate) fn same_id(resource: &Value, key: &Key) -> Result<(), Error> {
    let text = match resource.get("id").map(|id| id.as_str()) {
        Some(Some(id)) if id == key.id => return Ok(()),
        Some(_) => "The id in the resource is not the one in the address.",
        None => "An update carries the id of its address in the resource.",
    };
    Err(Error::new(Category::Invalid, IssueCode::Value, text).at(format!("{}.id", key.type_)))
}
