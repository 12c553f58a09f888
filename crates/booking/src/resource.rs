//! Elements of resources as trees.

use fhir::Error;
use jiff::tz::Offset;
use record::{Key, ResourceType};
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

/// The reference that names a resource, such as `Slot/7`.
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

/// What the items of an element refer to, of one type.
pub(crate) fn referred_of<'v>(element: &'v Value, type_: &str) -> impl Iterator<Item = &'v str> {
    items(element).filter_map(referred).filter(move |to| to.split_once('/').is_some_and(|(kind, _)| kind == type_))
}

/// The actors of an Appointment, of one type.
pub(crate) fn actors<'v>(appointment: &'v Value, type_: &str) -> impl Iterator<Item = &'v str> {
    let actors = items(&appointment["participant"]).filter_map(|participant| referred(&participant["actor"]));
    actors.filter(move |to| to.split_once('/').is_some_and(|(kind, _)| kind == type_))
}

/// Whether a CodeableConcept has a code.
pub(crate) fn is_coded(concept: &Value, system: &str, code: &str) -> bool {
    items(&concept["coding"]).any(|coding| coding["system"] == system && coding["code"] == code)
}

/// The extension of an address.
pub(crate) fn extension<'v>(tree: &'v Value, url: &str) -> Option<&'v Value> {
    items(&tree["extension"]).find(|one| one["url"] == url)
}

/// Takes an extension off.
pub(crate) fn without_extension(tree: &mut Value, url: &str) {
    let Some(list) = list_of(tree, "extension") else { return };
    list.retain(|one| one["url"] != url);
    if list.is_empty() {
        without(tree, &["extension"]);
    }
}

/// Puts an extension on, before those that are there.
pub(crate) fn extend(tree: &mut Value, extension: Value) {
    match list_of(tree, "extension") {
        Some(list) => list.insert(0, extension),
        None => tree["extension"] = json!([extension]),
    }
}

/// The list that an element is, where there is one.
pub(crate) fn list_of<'v>(tree: &'v mut Value, element: &str) -> Option<&'v mut Vec<Value>> {
    tree.get_mut(element)?.as_array_mut()
}

/// Takes elements off.
pub(crate) fn without(tree: &mut Value, names: &[&str]) {
    if let Some(members) = tree.as_object_mut() {
        names.iter().for_each(|name| drop(members.shift_remove(*name)));
    }
}

/// The moment an element says, in microseconds since 1970.
pub(crate) fn moment(element: &Value, zone: Offset) -> Option<i64> {
    fhir::time::parse(element.as_str()?, zone).map(|span| span.lo)
}
