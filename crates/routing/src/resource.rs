//! Elements of resources as trees.

use fhir::Error;
use record::{Action, Change, Key, ResourceType, Target};
use serde_json::{Value, json};

/// The tree of a stored body.
pub(crate) fn parsed(body: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(body).map_err(Error::fault)
}

/// The key of a reference to a resource of this record.
pub(crate) fn key(reference: &str) -> Option<Key> {
    let (type_, id) = reference.split_once('/')?;
    ResourceType::named(type_).filter(|_| Key::is_id(id)).map(|type_| Key::new(type_, id))
}

/// The reference that names a resource, such as `Location/7`.
pub(crate) fn name(tree: &Value) -> String {
    let part = |name: &str| tree[name].as_str().unwrap_or_default().to_owned();
    format!("{}/{}", part("resourceType"), part("id"))
}

/// A Reference.
pub(crate) fn reference(to: &str) -> Value {
    json!({ "reference": to })
}

/// What an element refers to.
pub(crate) fn referred(element: &Value) -> Option<&str> {
    element["reference"].as_str()
}

/// The items of an element that is a list.
pub(crate) fn items(element: &Value) -> impl Iterator<Item = &Value> {
    element.as_array().into_iter().flatten()
}

/// Whether a CodeableConcept has a code.
pub(crate) fn is_coded(concept: &Value, system: &str, code: &str) -> bool {
    codes(concept, system).any(|one| one == code)
}

/// The codes of a CodeableConcept of one system.
pub(crate) fn codes<'v>(concept: &'v Value, system: &'v str) -> impl Iterator<Item = &'v str> {
    items(&concept["coding"]).filter(move |coding| coding["system"] == system).filter_map(|one| one["code"].as_str())
}

/// The extensions of an address.
pub(crate) fn extensions<'v>(tree: &'v Value, url: &'v str) -> impl Iterator<Item = &'v Value> {
    items(&tree["extension"]).filter(move |one| one["url"] == url)
}

/// A part of an extension that consists of several.
pub(crate) fn part<'v>(extension: &'v Value, url: &'v str) -> Option<&'v Value> {
    extensions(extension, url).next()
}

/// Takes extensions off and puts another on in their place.
pub(crate) fn replace_extension(tree: &mut Value, url: &str, with: Option<Value>) {
    let mut list: Vec<Value> = items(&tree["extension"]).filter(|one| one["url"] != url).cloned().collect();
    list.extend(with);
    match tree.as_object_mut() {
        Some(members) if list.is_empty() => drop(members.shift_remove("extension")),
        Some(members) => drop(members.insert("extension".to_owned(), Value::Array(list))),
        None => {}
    }
}

/// Puts a resource under the name it has; on the condition that it is as it was, or that nothing is there.
pub(crate) fn put(tree: &Value, version: Option<u64>) -> Result<Change, Error> {
    let key = key(&name(tree)).ok_or_else(|| Error::fault("a resource was made without a name"))?;
    let resource = fhir::json::parse(&serde_json::to_vec(tree).map_err(Error::fault)?)?;
    let action = Action::Update { target: Target::Key(key), resource, if_match: version, if_absent: version.is_none() };
    Ok(Change::new(action))
}
