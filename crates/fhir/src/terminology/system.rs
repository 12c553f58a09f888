//! One code system, indexed: its concepts, who is under whom, and the filters of value sets over them.
//!
//! <http://hl7.org/fhir/R4/codesystem.html>

use regex::Regex;
use rustc_hash::FxHashMap;
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use crate::json::{list, text};
use crate::{Category, Error, IssueCode, Value};

/// How much of its codes a CodeSystem resource holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// All of them.
    Complete,
    /// Some of them: a code that is not listed may still exist.
    Partial,
    /// None: the codes are kept elsewhere.
    NotPresent,
}

/// A CodeSystem resource, indexed by code.
#[derive(Debug)]
pub struct System<'v> {
    resource: &'v Value,
    concepts: Vec<Entry<'v>>,
    by_code: FxHashMap<&'v str, usize>,
}

#[derive(Debug)]
struct Entry<'v> {
    concept: &'v Value,
    code: &'v str,
    parents: Vec<usize>,
}

impl<'v> System<'v> {
    /// Indexes a CodeSystem resource.
    pub fn new(resource: &'v Value) -> Self {
        let mut system = Self { resource, concepts: Vec::new(), by_code: FxHashMap::default() };
        system.add(list(resource, "concept"), None);
        system.link();
        system
    }

    /// In the order written, a parent before what is nested in it. Loops instead of recursing, so that nesting is free.
    fn add(&mut self, concepts: &'v [Value], parent: Option<usize>) {
        let mut waiting = vec![(concepts.iter(), parent)];
        while let Some((concepts, parent)) = waiting.last_mut() {
            let parent = *parent;
            let Some(concept) = concepts.next() else {
                waiting.pop();
                continue;
            };
            let Some(code) = text(concept, "code") else { continue };
            let at = self.concepts.len();
            self.by_code.entry(code).or_insert(at);
            self.concepts.push(Entry { concept, code, parents: parent.into_iter().collect() });
            waiting.push((list(concept, "concept").iter(), Some(at)));
        }
    }

    /// Adds the hierarchy that properties give besides nesting.
    fn link(&mut self) {
        let mut links = Vec::new();
        for (at, entry) in self.concepts.iter().enumerate() {
            for property in list(entry.concept, "property") {
                let Some(other) = text(property, "valueCode").and_then(|code| self.by_code.get(code)) else { continue };
                match text(property, "code") {
                    Some("parent" | "subsumedBy") => links.push((at, *other)),
                    Some("child") => links.push((*other, at)),
                    _ => {}
                }
            }
        }
        for (child, parent) in links {
            let parents = &mut self.concepts[child].parents;
            if !parents.contains(&parent) {
                parents.push(parent);
            }
        }
    }

    /// Its canonical URL.
    pub fn url(&self) -> &'v str {
        text(self.resource, "url").unwrap_or_default()
    }

    /// Its version.
    pub fn version(&self) -> Option<&'v str> {
        text(self.resource, "version")
    }

    /// Its name for people: the title, else the name.
    pub fn name(&self) -> &'v str {
        text(self.resource, "title").or_else(|| text(self.resource, "name")).unwrap_or_default()
    }

    /// How much of its codes is here.
    pub fn content(&self) -> Content {
        match text(self.resource, "content") {
            Some("complete") => Content::Complete,
            Some("not-present") => Content::NotPresent,
            None if !self.concepts.is_empty() => Content::Complete,
            _ => Content::Partial,
        }
    }

    /// The position of a code; letter case counts unless the system says that it does not.
    pub fn find(&self, code: &str) -> Option<usize> {
        self.by_code.get(code).copied().or_else(|| {
            let is_insensitive = self.resource.get("caseSensitive").and_then(|flag| flag.as_bool()) == Some(false);
            let same = |entry: &Entry<'_>| entry.code.eq_ignore_ascii_case(code);
            is_insensitive.then(|| self.concepts.iter().position(same)).flatten()
        })
    }

    /// The number of concepts.
    pub fn len(&self) -> usize {
        self.concepts.len()
    }

    /// Whether there are no concepts.
    pub fn is_empty(&self) -> bool {
        self.concepts.is_empty()
    }

    /// The code at a position.
    pub fn code(&self, at: usize) -> &'v str {
        self.concepts[at].code
    }

    /// The concept at a position, as it stands in the resource.
    pub fn concept(&self, at: usize) -> &'v Value {
        self.concepts[at].concept
    }

    /// What is directly above a concept.
    pub fn parents(&self, at: usize) -> &[usize] {
        &self.concepts[at].parents
    }

    /// What is directly below a concept.
    pub fn children(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.concepts.len()).filter(move |other| self.concepts[*other].parents.contains(&at))
    }

    /// Whether the concept at `at` is the one at `of` or is below it.
    pub fn is_a(&self, at: usize, of: usize) -> bool {
        let (mut seen, mut waiting) = (vec![at], vec![at]);
        while let Some(next) = waiting.pop() {
            if next == of {
                return true;
            }
            for parent in &self.concepts[next].parents {
                if !seen.contains(parent) {
                    seen.push(*parent);
                    waiting.push(*parent);
                }
            }
        }
        false
    }

    /// Whether a concept groups others and may not be chosen itself.
    pub fn is_abstract(&self, at: usize) -> bool {
        self.property(at, "notSelectable").any(|value| value == "true")
            || self.property(at, "abstract").any(|value| value == "true")
    }

    /// Whether a concept is no longer to be used.
    pub fn is_inactive(&self, at: usize) -> bool {
        self.property(at, "inactive").any(|value| value == "true")
            || self.property(at, "status").any(|value| matches!(value.as_str(), "retired" | "inactive" | "Retired"))
    }

    /// The values of a property of a concept, as text.
    fn property<'s>(&'s self, at: usize, code: &'s str) -> impl Iterator<Item = String> + 's {
        list(self.concepts[at].concept, "property")
            .iter()
            .filter(move |property| text(property, "code") == Some(code))
            .filter_map(property_text)
    }

    /// The values a filter compares: `code`, `display`, the hierarchy or a property.
    fn values(&self, at: usize, property: &str) -> Vec<String> {
        let concept = self.concepts[at].concept;
        match property {
            "code" | "concept" => vec![self.concepts[at].code.to_owned()],
            "display" | "definition" => text(concept, property).map(str::to_owned).into_iter().collect(),
            "parent" => self.concepts[at].parents.iter().map(|parent| self.concepts[*parent].code.to_owned()).collect(),
            "child" => self.children(at).map(|child| self.concepts[child].code.to_owned()).collect(),
            _ => self.property(at, property).collect(),
        }
    }

    /// Whether a concept passes a filter of a value set. <http://hl7.org/fhir/R4/valueset-filter-operator.html>
    pub(super) fn passes(&self, at: usize, filter: &Filter<'_>) -> bool {
        let of = || self.find(filter.value);
        let is = |value: &String| value == filter.value;
        match filter.operator {
            Operator::IsA => of().is_some_and(|of| self.is_a(at, of)),
            Operator::DescendentOf => of().is_some_and(|of| at != of && self.is_a(at, of)),
            Operator::IsNotA => of().is_none_or(|of| !self.is_a(at, of)),
            Operator::Generalizes => of().is_some_and(|of| self.is_a(of, at)),
            Operator::Equal => self.values(at, filter.property).iter().any(is),
            Operator::In => self.values(at, filter.property).iter().any(|value| filter.lists(value)),
            Operator::NotIn => !self.values(at, filter.property).iter().any(|value| filter.lists(value)),
            Operator::Exists => self.values(at, filter.property).is_empty() == (filter.value == "false"),
            Operator::Regex => {
                let pattern = filter.pattern.as_ref();
                pattern
                    .is_some_and(|pattern| self.values(at, filter.property).iter().any(|value| pattern.is_match(value)))
            }
        }
    }
}

/// The value of a property, as the text a filter would give.
fn property_text(property: &Value) -> Option<String> {
    let (_, value) = property.as_object()?.iter().find(|(name, _)| name.starts_with("value"))?;
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    if let Some(flag) = value.as_bool() {
        return Some(flag.to_string());
    }
    if let Some(number) = value.as_raw_number() {
        return Some(number.as_str().to_owned());
    }
    text(value, "code").map(str::to_owned)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    IsA,
    DescendentOf,
    IsNotA,
    Generalizes,
    Regex,
    In,
    NotIn,
    Exists,
}

/// One filter of an include.
#[derive(Debug)]
pub(super) struct Filter<'v> {
    property: &'v str,
    operator: Operator,
    value: &'v str,
    pattern: Option<Regex>,
}

impl<'v> Filter<'v> {
    pub(super) fn read(filter: &'v Value) -> Result<Self, Error> {
        let [property, operator, value] =
            ["property", "op", "value"].map(|member| text(filter, member).unwrap_or_default());
        let operator = match operator {
            "=" => Operator::Equal,
            "is-a" => Operator::IsA,
            "descendent-of" => Operator::DescendentOf,
            "is-not-a" => Operator::IsNotA,
            "generalizes" => Operator::Generalizes,
            "regex" => Operator::Regex,
            "in" => Operator::In,
            "not-in" => Operator::NotIn,
            "exists" => Operator::Exists,
            _ => return Err(Error::unsupported("A filter of the value set has an operator that is not known.")),
        };
        let pattern = match operator {
            // The expression must match the whole value.
            Operator::Regex => Some(Regex::new(&format!("^(?:{value})$")).map_err(|_| {
                Error::new(
                    Category::Unprocessable,
                    IssueCode::Value,
                    "A filter of the value set is not a regular expression.",
                )
            })?),
            _ => None,
        };
        Ok(Self { property, operator, value, pattern })
    }

    fn lists(&self, value: &str) -> bool {
        self.value.split(',').any(|listed| listed.trim() == value)
    }
}
