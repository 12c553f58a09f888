//! A line as FHIR resources, and back: a protocol is a `PlanDefinition` with an `ActivityDefinition` for each activity and
//! a `Measure` for each indicator, a form is a `Questionnaire`, a list of codes a `CodeSystem` with the `ValueSet` of all
//! its codes.
//!
//! What suggests a protocol is a `PlanDefinition` of the type eca-rule with an action for each rule, as the
//! [Clinical Guidelines](http://hl7.org/fhir/R4/plandefinition.html#examples) have it. It is no part of a version of the
//! protocol: thresholds change without anything changing for runs.
//!
//! What has no element of its own stands as an extension under its own name; so the documents of a protocol are
//! extensions `document` of its plan, in the structure of their text.
//!
//! Canonicals are `https://qingshan.dev/fhir/TYPE/NAME`. A protocol and its parts are stored once for each version, under
//! the id `NAME-VERSION`, so that a run finds the version it began with for ever. Forms and lists are stored under their
//! names; the record keeps their earlier versions.

mod codes;
mod place;
mod plan;
mod questionnaire;
mod rules;
mod stored;

use std::collections::BTreeMap;

use fhir::{Category, Error, IssueCode, Value, json};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sonic_rs::{JsonContainerTrait, JsonValueMutTrait};
use toml::Table;

use crate::criteria::Criteria;
use crate::definition::Protocol;
use crate::form::Form;
use crate::text::{Line, List};
use place::{list, put_tables, read, text, write};

pub use stored::{Pending, install, latest, load, suggested, suggesting, versions};

/// What the platform's own canonicals begin with.
const BASE: &str = "https://qingshan.dev/fhir/";

/// The resources of a line, in an order in which each names only those before it. The same line gives the same resources.
///
/// # Errors
/// Unprocessable, when two things would be stored under one id, or something says nothing where it must say something,
/// such as an empty text: such a line would come back as another.
pub fn to_fhir(line: &Line) -> Result<Vec<Value>, Error> {
    let none = Protocol::default();
    let mut resources = Vec::new();
    for one in &line.lists {
        let system = write(table(one), codes::SYSTEM, &none);
        let all = codes::value_set(&system);
        resources.extend([system, all]);
    }
    for form in &line.forms {
        resources.push(write(table(form), questionnaire::QUESTIONNAIRE, &none));
    }
    for protocol in &line.protocols {
        resources.extend(protocol.activities.iter().map(|one| write(table(one), plan::ACTIVITY, protocol)));
        resources.extend(protocol.indicators.iter().map(|one| write(table(one), plan::MEASURE, protocol)));
        resources.push(write(table(protocol), plan::PLAN, protocol));
    }
    for criteria in &line.criteria {
        resources.push(write(table(criteria), rules::RULES, &none));
    }
    // Numbers made here carry no digits until they are read.
    let resources = resources.iter().map(|one| json::parse(&json::to_bytes(one))).collect::<Result<Vec<_>, _>>()?;
    let mut keys = BTreeMap::new();
    for key in resources.iter().map(key) {
        if keys.insert(key.clone(), ()).is_some() {
            return Err(cannot(format!("Two things of the line would be {key}; give one of them another code.")));
        }
    }
    if read_line(&resources)? != line.clone().in_order() {
        return Err(cannot("Something in the line is empty; write it or leave its key out.".to_owned()));
    }
    Ok(resources)
}

/// The line that resources are.
///
/// # Errors
/// Unprocessable, when a part that a plan names is not among them, when they are no line, or when they say something no
/// text can: what comes back from here is the whole of what was given, or nothing.
pub fn from_fhir(resources: &[Value]) -> Result<Line, Error> {
    let line = read_line(resources)?;
    let written: BTreeMap<String, Value> = to_fhir(&line)?.into_iter().map(|one| (key(&one), one)).collect();
    for resource in resources {
        let key = key(resource);
        let Some(own) = written.get(&key) else {
            return Err(cannot(format!("{key} is no part of a line.")));
        };
        if let Some(element) = difference(&bare(resource), own) {
            let told = "is not kept as it is here: it contradicts other elements, or no protocol can say it";
            return Err(cannot(format!("{key}: {element} {told}.")));
        }
    }
    Ok(line)
}

/// The protocol of a `PlanDefinition`, whose parts are among `parts`.
///
/// # Errors
/// Unprocessable, when a part is missing or the plan is none of the platform's.
pub fn protocol(plan: &Value, parts: &[Value]) -> Result<Protocol, Error> {
    let mut table = read(plan, plan::PLAN);
    for (kind, places) in [("activity", plan::ACTIVITY), ("indicator", plan::MEASURE)] {
        let type_ = if kind == "activity" { "ActivityDefinition" } else { "Measure" };
        let named = part_keys(plan).into_iter().filter(|key| key.split('/').next() == Some(type_));
        let found = named.map(|named| {
            let part = parts.iter().find(|part| key(part) == named);
            part.map(|part| read(part, places)).ok_or_else(|| cannot(format!("{named} is missing.")))
        });
        put_tables(&mut table, kind, found.collect::<Result<Vec<_>, _>>()?.into_iter());
    }
    value(table, &key(plan))
}

/// The form of a `Questionnaire`.
///
/// # Errors
/// Unprocessable, when it is none of the platform's.
pub fn form(questionnaire: &Value) -> Result<Form, Error> {
    value(read(questionnaire, questionnaire::QUESTIONNAIRE), &key(questionnaire))
}

/// The list of a `CodeSystem`.
///
/// # Errors
/// Unprocessable, when it is none of the platform's.
pub fn list_of_codes(system: &Value) -> Result<List, Error> {
    value(read(system, codes::SYSTEM), &key(system))
}

/// What suggests a protocol, of a `PlanDefinition` of rules.
///
/// # Errors
/// Unprocessable, when it is none of the platform's.
pub fn criteria(plan: &Value) -> Result<Criteria, Error> {
    value(read(plan, rules::RULES), &key(plan))
}

/// The resources besides a plan in which its protocol says its activities and indicators, as `Type/id`.
pub fn part_keys(plan: &Value) -> Vec<String> {
    let parts = list(plan, "relatedArtifact").iter().filter(|one| text(one, "type") == Some("composed-of"));
    let canonicals = parts.filter_map(|one| text(one, "resource")?.strip_prefix(BASE)?.split_once('|'));
    canonicals.map(|(name, version)| format!("{name}-{version}")).collect()
}

/// The id of the `PlanDefinition` that holds a version of a protocol.
pub fn plan_id(code: &str, version: &str) -> String {
    format!("{code}-{version}")
}

/// The canonical of the resource of that type and name.
pub fn canonical(type_: &str, name: &str) -> String {
    format!("{BASE}{type_}/{name}")
}

/// The name in a canonical of that type, whatever its version.
pub fn code_of<'c>(canonical: &'c str, type_: &str) -> Option<&'c str> {
    let name = canonical.strip_prefix(BASE)?.strip_prefix(type_)?.strip_prefix('/')?;
    name.split('|').next()
}

fn read_line(resources: &[Value]) -> Result<Line, Error> {
    let mut line = Line::default();
    for resource in resources {
        match text(resource, "resourceType") {
            Some("PlanDefinition") if rules::are_rules(resource) => line.criteria.push(criteria(resource)?),
            Some("PlanDefinition") => line.protocols.push(protocol(resource, resources)?),
            Some("Questionnaire") => line.forms.push(form(resource)?),
            Some("CodeSystem") => line.lists.push(list_of_codes(resource)?),
            _ => {}
        }
    }
    Ok(line.in_order())
}

/// What one has written, as a tree.
fn table(one: &impl Serialize) -> Table {
    Table::try_from(one).expect("what was read from TOML can be written as TOML")
}

/// What a tree says. The places of codes are those in the tree's text, which nobody has seen.
fn value<T: DeserializeOwned>(table: Table, key: &str) -> Result<T, Error> {
    let written = toml::to_string(&table).map_err(Error::fault)?;
    toml::from_str(&written).map_err(|error| cannot(format!("{key} cannot be read: {}.", error.message())))
}

fn cannot(text: String) -> Error {
    Error::new(Category::Unprocessable, IssueCode::BusinessRule, text)
}

fn key(resource: &Value) -> String {
    let part = |element| text(resource, element).unwrap_or_default();
    format!("{}/{}", part("resourceType"), part("id"))
}

/// A resource without what the record and whoever shows it put there.
fn bare(resource: &Value) -> Value {
    let mut bare = resource.clone();
    if let Some(members) = bare.as_object_mut() {
        members.remove(&"meta");
        members.remove(&"text");
    }
    bare
}

/// The path of the first element in which two trees differ.
fn difference(one: &Value, other: &Value) -> Option<String> {
    if json::same(one, other) {
        return None;
    }
    if let (Some(left), Some(right)) = (one.as_object(), other.as_object()) {
        let names = left.iter().map(|(name, _)| name).chain(right.iter().map(|(name, _)| name));
        return names.into_iter().find_map(|name| match (left.get(&name), right.get(&name)) {
            (Some(left), Some(right)) => difference(left, right)
                .map(|inner| if inner.is_empty() { name.to_owned() } else { format!("{name}.{inner}") }),
            _ => Some(name.to_owned()),
        });
    }
    Some(String::new())
}

/// A name that programs can use: letters and digits, beginning with a capital.
/// <http://hl7.org/fhir/R4/plandefinition-definitions.html#PlanDefinition.name>
fn name_of(code: &str) -> String {
    let words = code.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    let name: String = words.map(capital).collect();
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) { name } else { format!("N{name}") }
}

#[cfg(test)]
mod tests;
