//! Whether a resource meets what profiles demand.
//!
//! Demands are met or not on top of what the walk over the base definitions finds, so nothing is checked twice.

use std::sync::Arc;

use rust_decimal::Decimal;
use sonic_rs::{JsonContainerTrait, JsonType, JsonValueTrait};

use super::profile::{By, Demand, Profile, Profiles};
use super::walk::Target;
use crate::definitions::{Definitions, Kind, Strength, TypeDef};
use crate::error::Severity;
use crate::json::{list, text};
use crate::path::{Environment, Item, Node};
use crate::terminology::{Code, Source, Terminology, Verdict};
use crate::{Error, Issue, IssueCode, Value};

/// How deep profiles may lead to one another.
const DEEPEST: usize = 24;

/// A value of an element, or the extensions of one that is absent.
#[derive(Debug, Clone, Copy)]
struct Found<'a> {
    value: Option<&'a Value>,
    extension: Option<&'a Value>,
    definition: &'static TypeDef,
    /// Its position when the element is an array.
    index: Option<usize>,
}

pub(super) struct Conformance<'a> {
    definitions: &'static Definitions,
    profiles: &'a Profiles,
    source: &'a dyn Source,
    terminology: Terminology<'a>,
    resource: &'a Value,
    depth: usize,
    issues: Vec<Issue>,
}

impl<'a> Conformance<'a> {
    pub(super) fn new(
        definitions: &'static Definitions,
        profiles: &'a Profiles,
        source: &'a dyn Source,
        resource: &'a Value,
    ) -> Self {
        let terminology = Terminology::new(source);
        Self { definitions, profiles, source, terminology, resource, depth: 0, issues: Vec::new() }
    }

    /// Everything the resource lacks to meet the profile at a canonical, or how bad it is that nobody knows it.
    pub(super) fn run(mut self, canonical: &str, unknown: Severity) -> Result<Vec<Issue>, Error> {
        let name = text(self.resource, "resourceType").unwrap_or_default();
        let Some(definition) = self.definitions.type_(name) else { return Ok(self.issues) };
        match self.profiles.find(canonical, self.source)? {
            Some(profile) => {
                let found = Found { value: Some(self.resource), extension: None, definition, index: None };
                self.profile(&profile, found, name)?;
            }
            None => {
                let text = format!("The profile {canonical} is not known, so nothing was checked against it.");
                self.issues.push(Issue { severity: unknown, ..Issue::error(IssueCode::NotFound, text).at(name) });
            }
        }
        Ok(self.issues)
    }

    fn error(&mut self, code: IssueCode, place: &str, text: impl Into<String>) {
        self.issues.push(Issue::error(code, text).at(place));
    }

    fn profile(&mut self, profile: &Arc<Profile>, found: Found<'a>, place: &str) -> Result<(), Error> {
        if self.depth >= DEEPEST {
            return Ok(());
        }
        self.depth += 1;
        if !self.definitions.is_subtype(found.definition.name, &profile.type_name) {
            self.error(IssueCode::Structure, place, format!("{} is for {} only.", profile.url, profile.type_name));
        } else {
            if let Some(base) = &profile.base
                && let Some(base) = self.profiles.find(base, self.source)?
            {
                self.profile(&base, found, place)?;
            }
            self.demand(&profile.root, found, place)?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Whether a value meets a demand, without a word.
    fn meets(&mut self, demand: &Demand, found: Found<'a>) -> Result<bool, Error> {
        self.quietly(|this| this.demand(demand, found, ""))
    }

    fn quietly(&mut self, check: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<bool, Error> {
        let before = self.issues.len();
        let outcome = check(self);
        let is_met = self.issues[before..].iter().all(|issue| issue.severity != Severity::Error);
        self.issues.truncate(before);
        outcome.map(|()| is_met)
    }

    fn demand(&mut self, demand: &Demand, found: Found<'a>, place: &str) -> Result<(), Error> {
        self.content(demand, found, place);
        self.kind(demand, found, place)?;
        self.codes(demand, found, place)?;
        for rule in &demand.rules {
            let environment = Environment::new(self.definitions).of(self.resource).knowing(&self.terminology);
            let focus = Item::Node(Node::element(found.value, found.extension, found.definition));
            if !rule.expression.holds(focus, &environment).unwrap_or(true) {
                let severity = if rule.is_error { Severity::Error } else { Severity::Warning };
                let text = format!("{} ({})", rule.human, rule.key);
                self.issues.push(Issue { severity, ..Issue::error(IssueCode::Invariant, text).at(place) });
            }
        }
        for child in &demand.children {
            let values = self.children(found, &child.name);
            self.element(child, &values, place)?;
        }
        Ok(())
    }

    /// Fixed values, patterns and lengths.
    fn content(&mut self, demand: &Demand, found: Found<'a>, place: &str) {
        if let Some(fixed) = &demand.fixed
            && !found.value.is_some_and(|value| is_same(value, fixed, Match::Whole))
        {
            self.error(IssueCode::Value, place, "The profile fixes another value here.");
        }
        if let Some(pattern) = &demand.pattern
            && !found.value.is_some_and(|value| is_same(value, pattern, Match::Part))
        {
            self.error(IssueCode::Value, place, "The value lacks what the profile's pattern demands.");
        }
        if let (Some(most), Some(text)) = (demand.max_length, found.value.and_then(|value| value.as_str()))
            && text.chars().count() > most
        {
            self.error(IssueCode::TooLong, place, format!("The profile allows at most {most} characters."));
        }
    }

    /// The type of a value, the profiles on it and the target of a reference.
    fn kind(&mut self, demand: &Demand, found: Found<'a>, place: &str) -> Result<(), Error> {
        // The System types stand for the value of a primitive, which the base definitions check.
        if demand.types.is_empty() || demand.types.iter().any(|kind| kind.code.contains("://")) {
            return Ok(());
        }
        let name = found.definition.name;
        let is_backbone = found.definition.kind == Kind::Backbone;
        let mut fitting =
            demand.types.iter().filter(|kind| is_backbone || self.definitions.is_subtype(name, &kind.code)).peekable();
        if fitting.peek().is_none() {
            let allowed: Vec<_> = demand.types.iter().map(|kind| kind.code.as_str()).collect();
            self.error(IssueCode::Structure, place, format!("The profile allows only: {}.", allowed.join(", ")));
            return Ok(());
        }
        let fitting: Vec<_> = fitting.collect();
        let profiles: Vec<&String> = fitting.iter().flat_map(|kind| &kind.profiles).collect();
        if !fitting.iter().any(|kind| kind.profiles.is_empty()) {
            self.any_profile(&profiles, found, place)?;
        }
        let targets: Vec<&String> = fitting.iter().flat_map(|kind| &kind.targets).collect();
        let reference = found.value.and_then(|value| text(value, "reference"));
        if let (Some(reference), false) = (reference, targets.is_empty()) {
            self.target(reference, &targets, place)?;
        }
        Ok(())
    }

    fn any_profile(&mut self, profiles: &[&String], found: Found<'a>, place: &str) -> Result<(), Error> {
        let mut known = Vec::new();
        for canonical in profiles {
            match self.profiles.find(canonical, self.source)? {
                Some(profile) => known.push(profile),
                // What cannot be looked at refuses nothing.
                None => {
                    let text = format!("The profile {canonical} is not known, so nothing was checked against it.");
                    self.issues.push(Issue::warning(IssueCode::NotFound, text).at(place));
                    return Ok(());
                }
            }
        }
        if let [profile] = known.as_slice() {
            return self.profile(profile, found, place);
        }
        for profile in &known {
            if self.quietly(|this| this.profile(profile, found, place))? {
                return Ok(());
            }
        }
        self.error(IssueCode::Structure, place, "The value meets none of the profiles allowed here.");
        Ok(())
    }

    /// The type a literal reference names; what its target is beyond that only the record can say.
    fn target(&mut self, reference: &str, targets: &[&String], place: &str) -> Result<(), Error> {
        let (Target::Type(name) | Target::Url(name)) = Target::of(reference) else { return Ok(()) };
        if !self.definitions.is_resource(name) {
            return Ok(());
        }
        let mut allowed = Vec::new();
        for target in targets {
            let core = target
                .strip_prefix("http://hl7.org/fhir/StructureDefinition/")
                .filter(|name| self.definitions.type_(name).is_some());
            match core {
                Some(core) => allowed.push(core.to_owned()),
                None => match self.profiles.find(target, self.source)? {
                    Some(profile) => allowed.push(profile.type_name.clone()),
                    None => return Ok(()),
                },
            }
        }
        if !allowed.iter().any(|core| self.definitions.is_subtype(name, core)) {
            let text = format!("The profile allows a reference to: {}.", allowed.join(", "));
            self.error(IssueCode::Value, &format!("{place}.reference"), text);
        }
        Ok(())
    }

    fn codes(&mut self, demand: &Demand, found: Found<'a>, place: &str) -> Result<(), Error> {
        let Some((strength, canonical)) = &demand.binding else { return Ok(()) };
        let (Some(value), true) = (found.value, *strength >= Strength::Extensible) else { return Ok(()) };
        let codes: Vec<Code<'_>> = match found.definition.name {
            "CodeableConcept" => list(value, "coding").iter().filter_map(coding).collect(),
            "Coding" | "Quantity" => coding(value).into_iter().collect(),
            _ => value.as_str().map(|code| Code { system: None, code, display: None }).into_iter().collect(),
        };
        let Some(value_set) = self.terminology.find("ValueSet", canonical)? else { return Ok(()) };
        let mut is_known = true;
        for code in &codes {
            match self.terminology.validate_code(&value_set, *code)? {
                Verdict::Member { .. } => return Ok(()),
                Verdict::NotMember => {}
                Verdict::Unknown(_) => is_known = false,
            }
        }
        // A text alone is no code; of a required set there must be one.
        if is_known && (!codes.is_empty() || value.get("text").is_some()) {
            let (severity, wish) = match strength {
                Strength::Required => (Severity::Error, "must"),
                _ => (Severity::Warning, "should"),
            };
            let text = format!("The code {wish} be one of {canonical}.");
            self.issues.push(Issue { severity, ..Issue::error(IssueCode::CodeInvalid, text).at(place) });
        }
        Ok(())
    }

    /// The values of one element: how many, which slice each is of, and what is demanded of each.
    fn element(&mut self, demand: &Demand, values: &[Found<'a>], outer: &str) -> Result<(), Error> {
        let place = if outer.is_empty() { demand.name.clone() } else { format!("{outer}.{}", demand.name) };
        self.count(demand, values.len(), &place);
        let mut by_slice = vec![Vec::new(); demand.slices.len()];
        let is_closed = demand.slicing.as_ref().is_some_and(|slicing| slicing.is_closed);
        for value in values {
            let inner = value.index.map_or_else(|| place.clone(), |index| format!("{place}[{index}]"));
            self.demand(demand, *value, &inner)?;
            let mut is_matched = demand.slices.is_empty();
            for (slice, members) in demand.slices.iter().zip(&mut by_slice) {
                match self.is_of(slice, &demand.discriminators(), *value)? {
                    Some(true) => {
                        members.push((*value, inner.clone()));
                        is_matched = true;
                    }
                    Some(false) => {}
                    // What cannot be told is held against nobody.
                    None => is_matched = true,
                }
            }
            if is_closed && !is_matched {
                self.error(
                    IssueCode::Structure,
                    &inner,
                    "The value is of none of the slices, and the profile allows no others.",
                );
            }
        }
        for (slice, members) in demand.slices.iter().zip(by_slice) {
            self.count(slice, members.len(), &place);
            for (value, inner) in members {
                self.demand(slice, value, &inner)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, demand: &Demand, count: usize, place: &str) {
        let what = demand.slice.as_ref().map(|slice| format!(" of slice `{slice}`")).unwrap_or_default();
        if count < demand.min as usize {
            self.error(
                IssueCode::Required,
                place,
                format!("The profile demands at least {} value(s){what}, not {count}.", demand.min),
            );
        }
        if let Some(max) = demand.max.filter(|max| count > *max as usize) {
            self.error(
                IssueCode::Structure,
                place,
                format!("The profile allows at most {max} value(s){what}, not {count}."),
            );
        }
    }

    /// Whether a value is of a slice; none when that depends on what is not here.
    fn is_of(
        &mut self,
        slice: &Demand,
        discriminators: &[(By, &str)],
        value: Found<'a>,
    ) -> Result<Option<bool>, Error> {
        if discriminators.is_empty() {
            return self.meets(slice, value).map(Some);
        }
        for (by, path) in discriminators {
            if path.contains("resolve()") {
                return Ok(None);
            }
            let found = self.along(value, path);
            let demand = demand_along(slice, path);
            let fits = match by {
                By::Exists => match demand {
                    Some(demand) => found.is_empty() == (demand.max == Some(0)),
                    None => true,
                },
                By::Type => match demand {
                    Some(demand) => found.iter().any(|found| self.is_typed(demand, *found)),
                    None => true,
                },
                By::Profile => {
                    let mut fits = false;
                    for found in found {
                        let Some(demand) = demand else { continue };
                        fits |= self.quietly(|this| this.kind(demand, found, ""))?;
                    }
                    fits
                }
                By::Value => self.is_valued(slice, demand, path, &found)?,
            };
            if !fits {
                return Ok(Some(false));
            }
        }
        Ok(Some(true))
    }

    fn is_typed(&self, demand: &Demand, found: Found<'_>) -> bool {
        demand.types.iter().any(|kind| self.definitions.is_subtype(found.definition.name, &kind.code))
    }

    fn is_valued(
        &mut self,
        slice: &Demand,
        demand: Option<&Demand>,
        path: &str,
        found: &[Found<'a>],
    ) -> Result<bool, Error> {
        if let Some(demand) = demand {
            for found in found {
                if self.meets(demand, *found)? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        // The slice leaves the saying to the profile of its type. Of an extension the URL is that profile's.
        for canonical in slice.types.iter().flat_map(|kind| &kind.profiles) {
            if path == "url" {
                let url = canonical.split('|').next();
                if found.iter().any(|found| found.value.and_then(|value| value.as_str()) == url) {
                    return Ok(true);
                }
            } else if let Some(profile) = self.profiles.find(canonical, self.source)?
                && let Some(demand) = demand_along(&profile.root, path)
            {
                for found in found {
                    if self.meets(demand, *found)? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// What a discriminator's path leads to.
    fn along(&self, value: Found<'a>, path: &str) -> Vec<Found<'a>> {
        let mut found = vec![value];
        for step in path.split('.').filter(|step| *step != "$this") {
            found = match argument(step) {
                Some(("ofType", name)) => found.into_iter().filter(|found| found.definition.name == name).collect(),
                Some(("extension", url)) => {
                    let extensions = found.iter().flat_map(|found| self.children(*found, "extension"));
                    extensions.filter(|found| found.value.and_then(|value| text(value, "url")) == Some(url)).collect()
                }
                _ => found.iter().flat_map(|found| self.children(*found, step)).collect(),
            };
        }
        found
    }

    /// The values of the element `name` of a value.
    fn children(&self, of: Found<'a>, name: &str) -> Vec<Found<'a>> {
        // The id and extensions of a primitive stand beside its value.
        let holder = if of.definition.kind == Kind::Primitive { of.extension } else { of.value };
        let Some(members) = holder.and_then(|holder| holder.as_object()) else { return Vec::new() };
        let mut found: Vec<Found<'a>> = Vec::new();
        for (key, member) in members {
            let (key, is_shadow) = key.strip_prefix('_').map_or((key, false), |key| (key, true));
            let Some(child) = of.definition.child(key).filter(|child| child.element.name == name) else { continue };
            let definition = self.definitions.type_at(child.type_id);
            let items = member.as_array().map(|items| items.as_slice());
            for (at, item) in
                items.unwrap_or(std::slice::from_ref(member)).iter().enumerate().filter(|(_, item)| !item.is_null())
            {
                let index = child.element.is_list().then_some(at);
                let place = found.iter().position(|other| other.index == index);
                let known = match place {
                    Some(place) => &mut found[place],
                    None => {
                        found.push(Found { value: None, extension: None, definition, index });
                        let last = found.len() - 1;
                        &mut found[last]
                    }
                };
                if is_shadow {
                    known.extension = Some(item);
                } else {
                    known.value = Some(item);
                    let named = text(item, "resourceType").filter(|_| definition.kind == Kind::Resource);
                    known.definition = named.and_then(|name| self.definitions.type_(name)).unwrap_or(definition);
                }
            }
        }
        found.sort_by_key(|found| found.index);
        found
    }
}

/// What a slice demands where a discriminator's path leads.
fn demand_along<'d>(slice: &'d Demand, path: &str) -> Option<&'d Demand> {
    let mut found = slice;
    for step in path.split('.').filter(|step| *step != "$this") {
        found = match argument(step) {
            Some(("ofType", name)) => {
                found.slices.iter().find(|slice| slice.types.iter().any(|kind| kind.code == name)).unwrap_or(found)
            }
            Some(("extension", url)) => {
                let extensions = found.child("extension")?;
                extensions
                    .slices
                    .iter()
                    .find(|slice| slice.types.iter().any(|kind| kind.profiles.iter().any(|known| known == url)))?
            }
            // A slice may itself slice what the path leads through; the first slice then says the most.
            _ => {
                let child = found.child(step)?;
                if child.children.is_empty() && child.fixed.is_none() && child.pattern.is_none() {
                    child.slices.first().unwrap_or(child)
                } else {
                    child
                }
            }
        };
    }
    Some(found)
}

/// The function and argument of a step such as `ofType(Quantity)`.
fn argument(step: &str) -> Option<(&str, &str)> {
    let (name, rest) = step.split_once('(')?;
    Some((name, rest.strip_suffix(')')?.trim_matches('\'')))
}

fn coding(value: &Value) -> Option<Code<'_>> {
    Some(Code { system: text(value, "system"), code: text(value, "code")?, display: None })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    /// The value is exactly the wanted one.
    Whole,
    /// The value has at least what is wanted.
    Part,
}

fn is_same(value: &Value, wanted: &Value, how: Match) -> bool {
    match (value.get_type(), wanted.get_type()) {
        (JsonType::Object, JsonType::Object) => {
            let (Some(value), Some(wanted)) = (value.as_object(), wanted.as_object()) else { return false };
            (how == Match::Part || value.len() == wanted.len())
                && wanted.iter().all(|(key, wanted)| value.get(&key).is_some_and(|value| is_same(value, wanted, how)))
        }
        (JsonType::Array, JsonType::Array) => {
            let (Some(value), Some(wanted)) = (value.as_array(), wanted.as_array()) else { return false };
            match how {
                Match::Whole => {
                    value.len() == wanted.len()
                        && value.iter().zip(wanted).all(|(value, wanted)| is_same(value, wanted, how))
                }
                Match::Part => wanted.iter().all(|wanted| value.iter().any(|value| is_same(value, wanted, how))),
            }
        }
        (JsonType::Number, JsonType::Number) => {
            let number =
                |value: &Value| value.as_raw_number().and_then(|number| number.as_str().parse::<Decimal>().ok());
            number(value).is_some() && number(value) == number(wanted)
        }
        (JsonType::String, JsonType::String) => value.as_str() == wanted.as_str(),
        (JsonType::Boolean, JsonType::Boolean) => value.as_bool() == wanted.as_bool(),
        _ => false,
    }
}
