//! The record as its callers see it, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod access;
mod alone;
mod branches;
mod conditions;
mod consents;
mod crashes;
mod feed;
mod following;
mod hostile;
mod layout;
mod links;
mod load;
mod moving;
mod naive;
mod outages;
mod own;
mod papers;
mod parameters;
mod patches;
mod people;
mod rights;
mod rivals;
mod search;
mod self_made;
mod soundness;
mod trail;
mod versions;
mod watchers;

use fhir::Value;
use record::{Action, Applied, Change, Key, Refusal, ResourceType, Session, Target};

fn json(text: &str) -> Value {
    fhir::json::parse(text.as_bytes()).expect("the test's JSON is JSON")
}

fn key(type_: &str, id: &str) -> Key {
    Key::new(ResourceType::named(type_).expect("an R4 type"), id)
}

fn patient(id: &str, family: &str) -> Value {
    json(&format!(r#"{{"resourceType":"Patient","id":"{id}","name":[{{"family":"{family}"}}]}}"#))
}

fn update(type_: &str, id: &str, resource: Value, if_match: Option<u64>) -> Change {
    Change::new(Action::Update { target: Target::Key(key(type_, id)), resource, if_match, if_absent: false })
}

fn create(resource: Value) -> Change {
    Change::new(Action::Create { resource, if_none_exist: None })
}

fn delete(type_: &str, id: &str) -> Change {
    Change::new(Action::Delete { target: Target::Key(key(type_, id)), if_match: None })
}

async fn one(session: &Session, change: Change) -> Result<Applied, Refusal> {
    session.transact(vec![change]).await.map(|mut applied| applied.remove(0))
}

fn body(applied: &Applied) -> String {
    let body = applied.version.as_ref().and_then(|version| version.body.clone()).expect("a version with a body");
    String::from_utf8(body.to_vec()).expect("JSON is UTF-8")
}
