//! Resources as trees of JSON: what stands in them, how they are read through a session, and how they are written back.
//!
//! A [`fhir::Value`] is what is validated and stored; a tree is what the services of the platform look into and change.
//! Whatever is not there reads as nothing: elements of a tree may be asked for at any depth without asking whether what
//! is above them is there.

use fhir::Error;
use jiff::tz::Offset;
use serde_json::{Value, json};

use crate::{Action, Change, Key, SearchPage, SearchRequest, Session, Target, Version};

/// What says a text in another language. <http://hl7.org/fhir/R4/extension-translation.html>
const TRANSLATION: &str = "http://hl7.org/fhir/StructureDefinition/translation";
/// What kind of organization one is. <http://hl7.org/fhir/R4/valueset-organization-type.html>
const ORGANIZATION: &str = "http://terminology.hl7.org/CodeSystem/organization-type";
/// How many organizations are above one another at most.
const LEVELS: usize = 8;

/// The tree of a version; none when it is a deletion.
pub fn of(version: &Version) -> Result<Option<Value>, Error> {
    version.body.as_ref().map(|body| serde_json::from_slice(body).map_err(Error::fault)).transpose()
}

/// A tree as the resource that is validated and stored.
pub fn resource(tree: &Value) -> Result<fhir::Value, Error> {
    fhir::json::parse(&serde_json::to_vec(tree).map_err(Error::fault)?)
}

/// The reference by which a resource is named, such as `Slot/7`.
pub fn name(tree: &Value) -> String {
    let part = |name: &str| tree[name].as_str().unwrap_or_default();
    format!("{}/{}", part("resourceType"), part("id"))
}

/// A Reference. <http://hl7.org/fhir/R4/references.html>
pub fn reference(to: &str) -> Value {
    json!({ "reference": to })
}

/// What a Reference refers to, such as `Slot/7`.
pub fn referred(element: &Value) -> Option<&str> {
    element["reference"].as_str()
}

/// What a Reference, or each of a list of them, refers to, of one type.
pub fn referred_of<'v>(element: &'v Value, type_: &str) -> impl Iterator<Item = &'v str> {
    each(element).iter().filter_map(referred).filter(move |to| is_of(to, type_))
}

/// Whether a reference is to a resource of a type.
pub fn is_of(reference: &str, type_: &str) -> bool {
    reference.split_once('/').is_some_and(|(kind, _)| kind == type_)
}

/// The items of an element that is a list.
pub fn items(element: &Value) -> impl Iterator<Item = &Value> {
    element.as_array().into_iter().flatten()
}

/// The items of an element that is a list, or the element itself.
fn each(element: &Value) -> &[Value] {
    element.as_array().map_or(std::slice::from_ref(element), Vec::as_slice)
}

/// The list that an element is, to be changed, where there is one.
pub fn list_of<'v>(tree: &'v mut Value, element: &str) -> Option<&'v mut Vec<Value>> {
    tree.get_mut(element)?.as_array_mut()
}

/// Takes elements off; the others stay in their order.
pub fn without(tree: &mut Value, elements: &[&str]) {
    if let Some(members) = tree.as_object_mut() {
        elements.iter().for_each(|element| drop(members.shift_remove(*element)));
    }
}

/// A CodeableConcept of one code. <http://hl7.org/fhir/R4/datatypes.html#CodeableConcept>
pub fn concept(system: &str, code: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code }] })
}

/// The codes that a CodeableConcept, or a list of them, has in a system.
pub fn codes<'v>(element: &'v Value, system: &str) -> impl Iterator<Item = &'v str> {
    let codings = each(element).iter().flat_map(|concept| items(&concept["coding"]));
    codings.filter(move |coding| coding["system"] == system).filter_map(|coding| coding["code"].as_str())
}

/// Whether a CodeableConcept, or one of a list of them, has a code of a system.
pub fn is_coded(element: &Value, system: &str, code: &str) -> bool {
    codes(element, system).any(|one| one == code)
}

/// The extensions of an address; of an extension that consists of others, its parts of a name.
/// <http://hl7.org/fhir/R4/extensibility.html>
pub fn extensions<'v>(tree: &'v Value, url: &str) -> impl Iterator<Item = &'v Value> {
    items(&tree["extension"]).filter(move |one| one["url"] == url)
}

/// The first of [`extensions`].
pub fn extension<'v>(tree: &'v Value, url: &str) -> Option<&'v Value> {
    extensions(tree, url).next()
}

/// Puts an extension on in place of those of its address.
pub fn put_extension(tree: &mut Value, extension: Value) {
    without_extension(tree, extension["url"].as_str().unwrap_or_default());
    match list_of(tree, "extension") {
        Some(list) => list.push(extension),
        None => tree["extension"] = json!([extension]),
    }
}

/// Takes the extensions of an address off.
pub fn without_extension(tree: &mut Value, url: &str) {
    let Some(list) = list_of(tree, "extension") else { return };
    list.retain(|one| one["url"] != url);
    if list.is_empty() {
        without(tree, &["extension"]);
    }
}

/// The moment a date or time says, in microseconds since 1970; of one that covers a time, such as a day, its beginning.
/// What is written without a zone is meant in the one given.
pub fn moment(element: &Value, zone: Offset) -> Option<i64> {
    fhir::time::parse(element.as_str()?, zone).map(|span| span.lo)
}

/// From when until when something is that says both by its elements `start` and `end`, such as a Slot or a Period, in
/// microseconds since 1970.
pub fn span(element: &Value, zone: Offset) -> Option<(i64, i64)> {
    moment(&element["start"], zone).zip(moment(&element["end"], zone))
}

/// Whether an Organization is a department of another.
pub fn is_department(organization: &Value) -> bool {
    organization["resourceType"] == "Organization" && is_coded(&organization["type"], ORGANIZATION, "dept")
}

/// A text in both languages of the platform.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Words {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

impl Words {
    /// The words of an element: the Chinese ones are its value, and the English ones stand beside it as a translation.
    /// Where there is no translation, its value stands for both.
    pub fn of(tree: &Value, element: &str) -> Self {
        let zh = tree[element].as_str().unwrap_or_default().to_owned();
        let is_english = |one: &&Value| extensions(one, "lang").any(|lang| lang["valueCode"] == "en");
        let english = extensions(&tree[format!("_{element}")], TRANSLATION).find(is_english);
        let en = english.and_then(|one| extension(one, "content")?["valueString"].as_str());
        Self { en: en.unwrap_or(&zh).to_owned(), zh }
    }

    /// The same in both.
    pub fn same(text: &str) -> Self {
        Self { zh: text.to_owned(), en: text.to_owned() }
    }

    /// Puts them into an element; the English ones only where they are not the Chinese ones.
    pub fn put(&self, tree: &mut Value, element: &str) {
        tree[element] = self.zh.as_str().into();
        if !self.en.is_empty() && self.en != self.zh {
            tree[format!("_{element}")] = translation(&self.en);
        }
    }
}

/// What stands beside a Chinese text, under its name with `_` before it, to say the same in English.
/// <http://hl7.org/fhir/R4/extension-translation.html>
pub fn translation(english: &str) -> Value {
    let parts = json!([{ "url": "lang", "valueCode": "en" }, { "url": "content", "valueString": english }]);
    json!({ "extension": [{ "url": TRANSLATION, "extension": parts }] })
}

/// The change that stores a resource under the name it has: on the condition that it is at a version, or, with none,
/// that nothing is there.
pub fn put(tree: &Value, version: Option<u64>) -> Result<Change, Error> {
    let key = Key::of(&name(tree)).ok_or_else(|| Error::fault("a resource was made without a name"))?;
    let (target, resource) = (Target::Key(key), resource(tree)?);
    Ok(Change::new(Action::Update { target, resource, if_match: version, if_absent: version.is_none() }))
}

/// The change that stores a resource under a new id, unless something matches a query such as `identifier=system|value`.
pub fn create(tree: &Value, if_none_exist: Option<String>) -> Result<Change, Error> {
    Ok(Change::new(Action::Create { resource: resource(tree)?, if_none_exist }))
}

/// A resource by its reference, and its version. None when there is none for the caller, when it was deleted, and when
/// the reference is to nothing in this record.
pub async fn read(session: &Session, reference: &str) -> Result<Option<(Value, u64)>, Error> {
    let Some(key) = Key::of(reference) else { return Ok(None) };
    let Some(version) = session.read(&key).await? else { return Ok(None) };
    Ok(of(&version)?.map(|tree| (tree, version.version)))
}

/// Everything of a type that matches, page by page.
pub async fn every(session: &Session, type_: &str, parameters: &[(&str, String)]) -> Result<Vec<Value>, Error> {
    let found = every_version(session, type_, parameters).await?;
    Ok(found.into_iter().map(|(tree, _)| tree).collect())
}

/// Everything of a type that matches, page by page, each with its version.
pub async fn every_version(
    session: &Session,
    type_: &str,
    parameters: &[(&str, String)],
) -> Result<Vec<(Value, u64)>, Error> {
    let (mut pages, mut found) = (session.pages(SearchRequest::of(type_, parameters)?), Vec::new());
    while let Some(page) = pages.next().await? {
        for version in &page.matches {
            found.extend(of(version)?.map(|tree| (tree, version.version)));
        }
    }
    Ok(found)
}

/// What matches on the first page.
pub async fn first(session: &Session, type_: &str, parameters: &[(&str, String)]) -> Result<Vec<Value>, Error> {
    let page = session.search(&SearchRequest::of(type_, parameters)?).await?;
    on(&page)
}

/// What matched on a page.
pub fn on(page: &SearchPage) -> Result<Vec<Value>, Error> {
    page.matches.iter().filter_map(|version| of(version).transpose()).collect()
}

/// How many match.
pub async fn count(session: &Session, type_: &str, parameters: &[(&str, String)]) -> Result<u64, Error> {
    let mut request = SearchRequest::of(type_, parameters)?;
    request.parameters.push(("_summary".to_owned(), "count".to_owned()));
    Ok(session.search(&request).await?.total.unwrap_or_default())
}

/// The ids of an organization (`Organization/…`) and, of a department, of those it is part of, up to its institution.
pub async fn up_from(session: &Session, organization: &str) -> Result<Vec<String>, Error> {
    let (mut at, mut found) = (Some(organization.to_owned()), Vec::new());
    while let Some(one) = at.take().filter(|_| found.len() < LEVELS) {
        let Some(id) = one.strip_prefix("Organization/") else { break };
        found.push(id.to_owned());
        let department = read(session, &one).await?.filter(|(tree, _)| is_department(tree));
        at = department.and_then(|(tree, _)| referred(&tree["partOf"]).map(str::to_owned));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
