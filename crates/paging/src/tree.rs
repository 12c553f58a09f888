//! Elements of resources as trees.

use fhir::Error;
use jiff::tz::Offset;
use record::{Action, Change, Key, ResourceType, Target};
use serde_json::{Value, json};

/// What names a text in another language. <http://hl7.org/fhir/R4/extension-translation.html>
const TRANSLATION: &str = "http://hl7.org/fhir/StructureDefinition/translation";

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
    let part = |name: &str| tree[name].as_str().unwrap_or_default();
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

/// A CodeableConcept of one code.
pub(crate) fn concept(system: &str, code: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code }] })
}

/// The codes that a CodeableConcept, or a list of them, has in a system.
pub(crate) fn codes<'v>(element: &'v Value, system: &str) -> impl Iterator<Item = &'v str> {
    let concepts: Vec<&Value> = if element.is_array() { items(element).collect() } else { vec![element] };
    let codings = concepts.into_iter().flat_map(|concept| items(&concept["coding"]));
    codings.filter(move |coding| coding["system"] == system).filter_map(|coding| coding["code"].as_str())
}

/// The extensions of an address, or the parts of one.
pub(crate) fn extensions<'v>(tree: &'v Value, url: &str) -> impl Iterator<Item = &'v Value> {
    items(&tree["extension"]).filter(move |one| one["url"] == url)
}

/// Words in Chinese and in English, of an element and what stands beside it under the same name with `_`.
pub(crate) fn words(tree: &Value, element: &str) -> Words {
    let zh = tree[element].as_str().unwrap_or_default().to_owned();
    let beside = &tree[format!("_{element}")];
    let english =
        extensions(beside, TRANSLATION).find(|one| extensions(one, "lang").any(|lang| lang["valueCode"] == "en"));
    let en = english.and_then(|one| extensions(one, "content").next()?["valueString"].as_str());
    Words { en: en.unwrap_or(&zh).to_owned(), zh }
}

/// Puts words into an element, and the English ones beside it.
pub(crate) fn put_words(tree: &mut Value, element: &str, words: &Words) {
    tree[element] = words.zh.as_str().into();
    if !words.en.is_empty() && words.en != words.zh {
        let parts = json!([{ "url": "lang", "valueCode": "en" }, { "url": "content", "valueString": words.en }]);
        tree[format!("_{element}")] = json!({ "extension": [{ "url": TRANSLATION, "extension": parts }] });
    }
}

/// The moment an element says, in microseconds since 1970.
pub(crate) fn moment(element: &Value, zone: Offset) -> Option<i64> {
    fhir::time::parse(element.as_str()?, zone).map(|span| span.lo)
}

/// Puts a resource under the name it has: on the condition that it is as it was, or that nothing is there.
pub(crate) fn put(tree: &Value, version: Option<u64>) -> Result<Change, Error> {
    let key = key(&name(tree)).ok_or_else(|| Error::fault("a resource was made without a name"))?;
    let resource = fhir::json::parse(&serde_json::to_vec(tree).map_err(Error::fault)?)?;
    let action = Action::Update { target: Target::Key(key), resource, if_match: version, if_absent: version.is_none() };
    Ok(Change::new(action))
}

/// Words in both languages of the platform.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Words {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

impl Words {
    /// The same in both.
    pub(crate) fn same(text: &str) -> Self {
        Self { zh: text.to_owned(), en: text.to_owned() }
    }
}
