//! FHIRPath, searches and the places activities write to.

use fhir::definitions::r4;
use fhir::path::Expression;

use super::Desk;
use crate::definition::{Activity, Code, Protocol};
use crate::text::nearest;

/// What a search may say besides the parameters of its type. <http://hl7.org/fhir/R4/search.html>
const ALWAYS: &[&str] = &[
    "_id",
    "_lastUpdated",
    "_tag",
    "_profile",
    "_security",
    "_source",
    "_has",
    "_list",
    "_type",
    "_sort",
    "_count",
    "_include",
    "_revinclude",
    "_summary",
    "_elements",
    "_total",
    "_filter",
    "_text",
    "_content",
];
/// What stands in braces in a search.
const HOLES: &[&str] = &["patient", "focus", "run"];
/// The search parameter the engine itself puts into the record.
const DUE: (&str, &str) = ("Task", "due");

impl Desk<'_> {
    /// FHIRPath that parses, and names elements and variables that are there.
    pub(super) fn expression(&mut self, path: &Code, type_name: &str, variables: &[(&str, &str)]) {
        let parsed = match Expression::parse(path) {
            Ok(parsed) => parsed,
            Err(error) => return self.error(path, error.to_string()),
        };
        let type_name = if r4().type_(type_name).is_some() { type_name } else { "Element" };
        if let Err(error) = parsed.check_with(r4(), type_name, variables) {
            let told = error.to_string();
            let missing = told.split_once('%').and_then(|(_, rest)| rest.split(' ').next());
            let near = missing.and_then(|name| nearest(name, variables.iter().map(|(name, _)| *name)));
            let near = near.map_or_else(String::new, |near| format!(" Did you mean %{near}?"));
            self.error(path, format!("{told}{near}"));
        }
    }

    /// What expressions of a protocol may name.
    pub(super) fn variables<'p>(&self, protocol: &'p Protocol) -> Vec<(&'p str, &'p str)> {
        let mut all = vec![("patient", "Patient"), ("run", "Task"), ("response", "QuestionnaireResponse")];
        all.push(("focus", protocol.focus.as_deref().unwrap_or("Element")));
        all.extend(protocol.data.iter().map(|data| (data.code.as_str(), found_by(&data.query))));
        all.extend(protocol.activities.iter().map(|one| (one.code.as_str(), made_by(protocol, one))));
        all.extend(protocol.roles.iter().map(|role| (role.code.as_str(), "Reference")));
        all.extend(protocol.series.iter().map(|series| (series.code.as_str(), "string")));
        all
    }

    /// A search: a type, and parameters that type has.
    pub(super) fn query(&mut self, query: &Code) {
        let (type_, rest) = query.split_once('?').unwrap_or((query.as_str(), ""));
        if !r4().is_resource(type_) {
            let near = nearest(type_, r4().resource_types().iter().copied());
            let near = near.map_or_else(String::new, |near| format!(" Did you mean {near}?"));
            return self.error(query, format!("A search begins with a type of resource, and {type_} is none.{near}"));
        }
        for hole in rest.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
            if !HOLES.contains(&hole) {
                self.error(
                    query,
                    format!("Nothing stands for {{{hole}}}; there are {{patient}}, {{focus}} and {{run}}."),
                );
            }
        }
        for part in rest.split('&').filter(|part| !part.is_empty()) {
            let Some((name, value)) = part.split_once('=') else {
                self.error(query, format!("`{part}` has no value; write {part}=…"));
                continue;
            };
            let code = name.split([':', '.']).next().unwrap_or_default();
            let own = || parameters(type_);
            if ALWAYS.contains(&code) || own().any(|one| one == code) || (type_, code) == DUE {
                if value.is_empty() {
                    self.error(
                        query,
                        format!("`{name}` has no value, so the search would find nothing or everything."),
                    );
                }
                continue;
            }
            let near = nearest(code, own()).map_or_else(String::new, |near| format!(" Did you mean `{near}`?"));
            self.error(query, format!("{type_} has no search parameter `{code}`.{near}"));
        }
    }

    /// A search parameter of a type, named by itself.
    pub(super) fn parameter(&mut self, code: &Code, type_: &str) {
        if !parameters(type_).any(|one| one == code.as_str()) {
            let near = nearest(code, parameters(type_));
            let near = near.map_or_else(String::new, |near| format!(" Did you mean `{near}`?"));
            self.error(code, format!("{type_} has no search parameter `{code}`.{near}"));
        }
    }

    /// The place in a resource that an activity writes to, such as `participant[0].actor`; the type of what stands there,
    /// none where that cannot be said.
    pub(super) fn place(&mut self, path: &Code, type_: &str) -> Option<&'static str> {
        let mut at = r4().type_(type_)?;
        for step in path.split('.') {
            let (name, index) = step.split_once('[').map_or((step, None), |(name, index)| (name, Some(index)));
            let fits = index.is_none_or(|index| index.strip_suffix(']').is_some_and(|it| it.parse::<u8>().is_ok()));
            let Some(child) = at.child(name).filter(|_| fits) else {
                let known: Vec<String> = at.elements().iter().map(|element| element.name.to_owned()).collect();
                let near = nearest(name, known.iter().map(String::as_str));
                let near = near.map_or_else(String::new, |near| format!(" Did you mean `{near}`?"));
                self.error(path, format!("{} has no element `{step}`.{near}", at.name));
                return None;
            };
            at = r4().type_at(child.type_id);
        }
        Some(at.name)
    }
}

/// The search parameters of a type.
fn parameters(type_: &str) -> impl Iterator<Item = &'static str> {
    let all = r4().search_parameters().iter();
    let mine = all.filter(move |one| one.bases.iter().any(|base| r4().is_subtype(type_, base) || *base == type_));
    mine.map(|one| one.code)
}

/// The type of what a search finds; with what it brings along, any.
pub(super) fn found_by(query: &str) -> &str {
    let type_ = query.split('?').next().unwrap_or_default();
    if query.contains("include=") || !r4().is_resource(type_) { "Element" } else { type_ }
}

/// The type of what an activity makes or changes.
pub(super) fn made_by<'p>(protocol: &'p Protocol, activity: &'p Activity) -> &'p str {
    if let Some(create) = &activity.create {
        return create;
    }
    let changed = activity.change.as_deref().unwrap_or_default();
    if changed == "focus" {
        return protocol.focus.as_deref().unwrap_or("Element");
    }
    let made = protocol.activity(changed).and_then(|made| made.create.as_deref());
    made.unwrap_or("Element")
}
