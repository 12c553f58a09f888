//! `$meta`, `$meta-add`, `$meta-delete`. <http://hl7.org/fhir/R4/resource-operation-meta.html>

use std::collections::BTreeSet;

use fhir::{Category, Error, IssueCode, Value};
use record::{Action, Change, Key, SearchRequest, Session, Target};
use sonic_rs::{JsonContainerTrait, JsonValueMutTrait, JsonValueTrait};

use super::parameters::{Parameters, Writer};
use crate::answer::Answer;
use crate::ask::Ask;
use crate::outcome::Failure;
use crate::route::On;

/// The parts of `meta` that are lists and can be added to or taken from.
const LISTS: [&str; 3] = ["profile", "security", "tag"];
/// Resources looked at for the profiles, tags and labels in use.
const LOOKED_AT: usize = 10_000;

/// Shows the `meta` of a resource, or what is in use throughout a type or the record.
pub(crate) async fn show(session: &Session, on: On) -> Result<Answer, Failure> {
    let meta = match on {
        On::Instance(key) => current(session, &key).await?.get("meta").map(fhir::json::to_bytes),
        On::Type(type_) => Some(in_use(session, Some(type_)).await?),
        On::System => Some(in_use(session, None).await?),
    };
    Ok(returned(&meta.unwrap_or_else(|| b"{}".to_vec())))
}

/// Adds profiles, tags and labels to a resource.
pub(crate) async fn add(session: &Session, ask: Ask, on: On) -> Result<Answer, Failure> {
    edit(session, ask, on, |present, asked| {
        for item in asked {
            if !present.iter().any(|other| same(other, item)) {
                present.push(item.clone());
            }
        }
    })
    .await
}

/// Takes profiles, tags and labels from a resource.
pub(crate) async fn remove(session: &Session, ask: Ask, on: On) -> Result<Answer, Failure> {
    edit(session, ask, on, |present, asked| present.retain(|other| !asked.iter().any(|item| same(item, other)))).await
}

async fn edit(
    session: &Session,
    mut ask: Ask,
    on: On,
    change: impl Fn(&mut Vec<Value>, &[Value]),
) -> Result<Answer, Failure> {
    let On::Instance(key) = on else {
        return Err(Error::not_found("This operation is called on a resource.").into());
    };
    let parameters = Parameters::of(&mut ask)?;
    let asked = parameters.value("meta").cloned().ok_or_else(|| {
        Error::new(Category::Invalid, IssueCode::Required, "A parameter “meta” of type Meta is needed.")
    })?;
    let mut resource = current(session, &key).await?;
    let version = resource
        .get("meta")
        .and_then(|meta| meta.get("versionId"))
        .and_then(|version| version.as_str())
        .and_then(|version| version.parse().ok());
    let mut meta = resource.get("meta").cloned().unwrap_or_default();
    if !meta.is_object() {
        meta = Value::new_object();
    }
    for name in LISTS {
        let Some(asked) = asked.get(name).and_then(|list| list.as_array()) else { continue };
        let mut list: Vec<Value> =
            meta.get(name).and_then(|list| list.as_array()).map(|list| list.to_vec()).unwrap_or_default();
        change(&mut list, asked.as_slice());
        let object = meta.as_object_mut().expect("it was made an object above");
        if list.is_empty() {
            object.remove(&name);
        } else {
            object.insert(name, Value::from(list));
        }
    }
    let object = resource.as_object_mut().ok_or_else(|| Error::fault("a stored resource is no object"))?;
    object.insert("meta", meta);
    // The version read is the version changed, so that two callers cannot undo each other.
    let action = Action::Update { target: Target::Key(key.clone()), resource, if_match: version, if_absent: false };
    session.transact(vec![Change::new(action)]).await?;
    show(session, On::Instance(key)).await
}

async fn current(session: &Session, key: &Key) -> Result<Value, Failure> {
    let version = session.read(key).await?.ok_or_else(|| Error::not_found(format!("There is no {key}.")))?;
    let body = version
        .body
        .ok_or_else(|| Error::new(Category::Gone, IssueCode::Deleted, format!("{key} has been deleted.")))?;
    Ok(fhir::json::parse(&body)?)
}

/// Whether two items of `meta` are the same: profiles by text, codings by system and code.
fn same(left: &Value, right: &Value) -> bool {
    if left.is_str() || right.is_str() {
        return left.as_str() == right.as_str();
    }
    ["system", "code"]
        .iter()
        .all(|name| left.get(name).and_then(|value| value.as_str()) == right.get(name).and_then(|value| value.as_str()))
}

/// The profiles, tags and labels in use, as a Meta.
async fn in_use(session: &Session, type_: Option<record::ResourceType>) -> Result<Vec<u8>, Failure> {
    let mut found: [BTreeSet<Vec<u8>>; 3] = Default::default();
    let parameters = vec![("_count".to_owned(), "1000".to_owned())];
    let mut pages = session.pages(SearchRequest { type_, compartment: None, parameters, strict: false });
    let mut looked_at = 0;
    while looked_at < LOOKED_AT
        && let Some(page) = pages.next().await?
    {
        for body in page.matches.iter().filter_map(|version| version.body.as_ref()) {
            looked_at += 1;
            let resource = fhir::json::parse(body)?;
            for (name, found) in LISTS.iter().zip(&mut found) {
                let list = resource.get("meta").and_then(|meta| meta.get(name)).and_then(|list| list.as_array());
                found.extend(list.into_iter().flatten().map(fhir::json::to_bytes));
            }
        }
    }
    let lists: Vec<Vec<u8>> = LISTS
        .iter()
        .zip(&found)
        .filter(|(_, found)| !found.is_empty())
        .map(|(name, found)| {
            let items: Vec<&[u8]> = found.iter().map(Vec::as_slice).collect();
            [format!("\"{name}\":[").as_bytes(), &items.join(&b','), b"]"].concat()
        })
        .collect();
    Ok([b"{", lists.join(&b',').as_slice(), b"}"].concat())
}

fn returned(meta: &[u8]) -> Answer {
    let mut writer = Writer::new();
    writer.raw("return", "valueMeta", meta);
    writer.answer()
}
