//! The walk: one pass over a resource against the element table.
//!
//! <http://hl7.org/fhir/R4/json.html> says how each element is written.

use sonic_rs::{JsonContainerTrait, JsonValueTrait, Object};

use super::Validator;
use super::format::{Format, is_id, is_uri};
use super::place::Place;
use super::plan::{BindingPlan, ElementPlan, Shape, TypePlan};
use super::rule::Rule;
use crate::definitions::{Child, ElementDef, Kind, TypeDef, TypeId};
use crate::error::Severity;
use crate::path::{Environment, Item, Node};
use crate::{Issue, IssueCode, Value};

/// The most choice elements a type has; `ElementDefinition` has six.
const CHOICES: usize = 8;

/// What the URLs of the specification's own extensions begin with.
const OFFICIAL: &str = "http://hl7.org/fhir/StructureDefinition/";

/// A member name this long or longer is not repeated in an issue.
const LONGEST_NAME: usize = 64;

pub(super) struct Walk<'a> {
    validator: &'a Validator,
    root: &'a Value,
    issues: Vec<Issue>,
    /// The outermost resource, or the nearest one that is not contained: `%rootResource`.
    container: &'a Value,
    /// The resource being walked: `%resource`.
    resource: &'a Value,
}

impl<'a> Walk<'a> {
    pub(super) fn new(validator: &'a Validator, root: &'a Value) -> Self {
        Self { validator, root, issues: Vec::new(), container: root, resource: root }
    }

    pub(super) fn run(mut self) -> Vec<Issue> {
        let name = self.root.get("resourceType").and_then(|name| name.as_str());
        let place = Place::root(name.filter(|name| self.validator.definitions.is_resource(name)).unwrap_or("Resource"));
        self.resource(self.root, place, None);
        self.issues
    }

    fn is_full(&self) -> bool {
        self.issues.len() >= self.validator.options.most_issues
    }

    fn error(&mut self, code: IssueCode, place: Place<'_>, text: impl Into<String>) {
        self.report(Severity::Error, code, place, text);
    }

    fn report(&mut self, severity: Severity, code: IssueCode, place: Place<'_>, text: impl Into<String>) {
        if !self.is_full() {
            self.issues.push(Issue { severity, code, text: text.into(), expression: Some(place.to_string()) });
        }
    }

    /// A resource, which says its own type. `holder` is the element it stands in.
    fn resource(&mut self, value: &'a Value, place: Place<'_>, holder: Option<&ElementDef>) {
        let Some(object) = value.as_object() else {
            return self.error(IssueCode::Structure, place, "A resource must be a JSON object.");
        };
        let Some(name) = value.get("resourceType") else {
            return self.error(IssueCode::Structure, place, "The resource does not say its `resourceType`.");
        };
        let definitions = self.validator.definitions;
        let id = name.as_str().filter(|name| definitions.is_resource(name)).and_then(|name| definitions.type_id(name));
        let Some(id) = id else {
            return self.error(IssueCode::Structure, place, "`resourceType` must name a resource type of FHIR R4.");
        };
        let outer = (self.container, self.resource);
        self.resource = value;
        // What is contained shares the references of its container; what a Bundle or Parameters carries does not.
        if holder.is_none_or(|holder| holder.name != "contained") {
            self.container = value;
        }
        self.object(id, value, object, place);
        (self.container, self.resource) = outer;
    }

    fn object(&mut self, id: TypeId, value: &'a Value, object: &'a Object, place: Place<'_>) {
        let found_before = self.issues.len();
        let validator = self.validator;
        let definition = validator.definitions.type_at(id);
        let plan = validator.plan.of(id);
        let mut members = Members::default();
        for (key, value) in object {
            if self.is_full() {
                return;
            }
            if key == "resourceType" && definition.kind == Kind::Resource {
                continue;
            }
            let (name, is_shadow) = match key.strip_prefix('_') {
                Some(name) => (name, true),
                None => (key, false),
            };
            let found = definition.child(name).filter(|child| {
                // Only a primitive has a second member for its id and extensions.
                !is_shadow || matches!(validator.plan.of(child.type_id).shape, Shape::Primitive(_))
            });
            let Some(child) = found else {
                self.unknown(definition, key, place);
                continue;
            };
            if !members.add(&child) {
                let text = format!("`{}[x]` may have one type only.", child.element.name);
                self.error(IssueCode::Structure, place.element(child.element.name), text);
                continue;
            }
            let element = &plan.elements[child.position];
            if is_shadow {
                self.shadow(&child, value, object.get(&name), place);
            } else {
                self.member(&child, element, value, place, || object.get(&format!("_{key}")));
            }
        }
        self.missing(definition, plan, &members, place);
        if definition.kind != Kind::Resource && !object.iter().any(|(key, _)| key != "id") {
            let text = "An element must have a value, or elements besides its id (ele-1).";
            self.error(IssueCode::Invariant, place, text);
        }
        if !validator.options.invariants {
            return;
        }
        // A rule presupposes structure; on anything else its verdict would say nothing new.
        let is_sound = self.issues.len() == found_before;
        if definition.kind == Kind::Resource {
            self.domain_rules(object, place);
        }
        if is_sound {
            self.rules(&plan.rules, definition, value, place);
        }
    }

    fn rules(&mut self, rules: &'a [Rule], definition: &'static TypeDef, value: &'a Value, place: Place<'_>) {
        for rule in rules.iter().filter(|rule| rule.constraint.is_error || self.validator.options.advice) {
            let holds = value.as_object().and_then(|object| rule.quick.holds(object));
            if holds.unwrap_or_else(|| self.evaluate(rule, definition, value)) {
                continue;
            }
            let severity = if rule.constraint.is_error { Severity::Error } else { Severity::Warning };
            let text = format!("{} ({})", rule.constraint.human, rule.constraint.key);
            self.report(severity, IssueCode::Invariant, place, text);
        }
    }

    /// Whether a rule holds in FHIRPath. One that cannot be evaluated refuses nothing.
    fn evaluate(&self, rule: &Rule, definition: &'static TypeDef, value: &'a Value) -> bool {
        let Some(expression) = rule.expression() else { return true };
        let environment = Environment::new(self.validator.definitions)
            .within(self.resource, self.container)
            .knowing(&self.validator.terminology);
        let focus = Item::Node(Node::element(Some(value), None, definition));
        expression.holds(focus, &environment).unwrap_or(true)
    }

    /// What holds for every resource with narrative and contained resources (dom-2 to dom-6).
    /// <http://hl7.org/fhir/R4/domainresource.html#invs>
    fn domain_rules(&mut self, object: &'a Object, place: Place<'_>) {
        let contained = object.get(&"contained").and_then(|contained| contained.as_array());
        for (index, inner) in contained.into_iter().flatten().enumerate() {
            let place = place.element("contained").item(index);
            let rules = [
                ("A contained resource may not contain another (dom-2).", inner.get("contained").is_some()),
                (
                    "A contained resource may not have a version or time of change (dom-4).",
                    ["versionId", "lastUpdated"]
                        .iter()
                        .any(|member| inner.get("meta").is_some_and(|meta| meta.get(member).is_some())),
                ),
                (
                    "A contained resource may not have security labels (dom-5).",
                    inner.get("meta").is_some_and(|meta| meta.get("security").is_some()),
                ),
                (
                    "A contained resource must be referred to from the resource (dom-3).",
                    !is_referred_to(inner, self.resource),
                ),
            ];
            for (text, _) in rules.into_iter().filter(|(_, is_broken)| *is_broken) {
                self.error(IssueCode::Invariant, place, text);
            }
        }
        let name = self.resource.get("resourceType").and_then(|name| name.as_str()).unwrap_or_default();
        let is_domain_resource = self.validator.definitions.is_subtype(name, "DomainResource");
        if self.validator.options.advice && is_domain_resource && !object.contains_key(&"text") {
            let text = "A resource should have narrative for people to read (dom-6).";
            self.report(Severity::Warning, IssueCode::Invariant, place, text);
        }
    }

    fn unknown(&mut self, definition: &TypeDef, key: &str, place: Place<'_>) {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if key.len() < LONGEST_NAME && key.bytes().all(is_name) {
            let text = format!("{} has no element `{key}`.", definition.name);
            self.error(IssueCode::Structure, place.element(key), text);
        } else {
            let text = format!("{} has no element of a name that stands here.", definition.name);
            self.error(IssueCode::Structure, place, text);
        }
    }

    fn missing(&mut self, definition: &TypeDef, plan: &TypePlan, members: &Members, place: Place<'_>) {
        let mut missing = plan.required & !members.seen;
        while missing != 0 {
            let position = missing.trailing_zeros() as usize;
            missing &= missing - 1;
            let element = &definition.elements()[position];
            let text = format!("`{}` is required.", &element.path);
            self.error(IssueCode::Required, place.element(element.name), text);
        }
    }

    /// The member that holds an element's value or values.
    fn member(
        &mut self,
        child: &Child<'_>,
        plan: &'a ElementPlan,
        value: &'a Value,
        place: Place<'_>,
        shadow: impl FnOnce() -> Option<&'a Value>,
    ) {
        let element = child.element;
        let inner = place.element(element.name);
        match (value.as_array(), element.is_list()) {
            (None, false) => self.single(child, plan, value, inner),
            (Some(_), false) => self.error(IssueCode::Structure, inner, "The element may not be an array."),
            (None, true) => self.error(IssueCode::Structure, inner, "The element must be an array."),
            (Some(items), true) => {
                if items.is_empty() {
                    self.error(IssueCode::Structure, inner, "An array may not be empty.");
                }
                if element.max.is_some_and(|max| items.len() > max as usize) {
                    let text = format!("There may be at most {} values.", element.max.unwrap_or_default());
                    self.error(IssueCode::Structure, inner, text);
                }
                let is_primitive = matches!(self.validator.plan.of(child.type_id).shape, Shape::Primitive(_));
                let mut shadow = Some(shadow);
                let mut others = None;
                for (index, item) in items.iter().enumerate() {
                    if self.is_full() {
                        return;
                    }
                    if is_primitive && item.is_null() {
                        // A null holds the place of a value that has extensions instead.
                        if let Some(shadow) = shadow.take() {
                            others = shadow().and_then(|shadow| shadow.as_array());
                        }
                        if others.and_then(|others| others.get(index)).is_some_and(|other| !other.is_null()) {
                            continue;
                        }
                    }
                    self.single(child, plan, item, inner.item(index));
                }
            }
        }
    }

    fn single(&mut self, child: &Child<'_>, plan: &'a ElementPlan, value: &'a Value, place: Place<'_>) {
        let shape = self.validator.plan.of(child.type_id).shape;
        match shape {
            Shape::Primitive(format) => {
                if let Err(text) = format.check(value) {
                    return self.error(IssueCode::Value, place, text);
                }
            }
            Shape::Resource => self.resource(value, place, Some(child.element)),
            Shape::Object | Shape::Extension | Shape::Reference => {
                let Some(object) = value.as_object() else {
                    return self.error(IssueCode::Structure, place, "The element must be a JSON object.");
                };
                self.object(child.type_id, value, object, place);
                match shape {
                    Shape::Extension => self.extension(object, place),
                    Shape::Reference => self.reference(child.element, object, place),
                    Shape::Object if plan.is_simple_quantity && object.contains_key(&"comparator") => {
                        self.error(IssueCode::Invariant, place, "The quantity may not have a comparator (sqty-1).");
                    }
                    _ => {}
                }
            }
        }
        if let Some(binding) = plan.binding {
            self.binding(binding, child.type_name, value, place);
        }
        if !plan.rules.is_empty() && self.validator.options.invariants {
            let definition = self.validator.definitions.type_at(child.type_id);
            self.rules(&plan.rules, definition, value, place);
        }
    }

    fn binding(&mut self, binding: BindingPlan, type_name: &str, value: &Value, place: Place<'_>) {
        if !binding.is_required && !self.validator.options.advice {
            return;
        }
        let set = self.validator.plan.set(binding);
        if set.admits(type_name, value) == Some(false) {
            let (severity, wish) =
                if binding.is_required { (Severity::Error, "must") } else { (Severity::Warning, "should") };
            self.report(severity, IssueCode::CodeInvalid, place, format!("The code {wish} be one of {}.", set.url));
        }
    }

    /// The member that holds the id and extensions of primitive values: `_birthDate`.
    fn shadow(&mut self, child: &Child<'_>, value: &'a Value, sibling: Option<&'a Value>, place: Place<'_>) {
        let inner = place.element(child.element.name);
        let Some(items) = value.as_array() else {
            return if child.element.is_list() {
                self.error(IssueCode::Structure, inner, "Extensions of an array's values must be an array.");
            } else {
                self.extended(child.type_id, value, sibling, inner);
            };
        };
        if !child.element.is_list() {
            return self.error(IssueCode::Structure, inner, "Extensions of a single value may not be an array.");
        }
        if items.is_empty() {
            self.error(IssueCode::Structure, inner, "An array may not be empty.");
        }
        let siblings = sibling.and_then(|sibling| sibling.as_array());
        if siblings.is_some_and(|siblings| siblings.len() != items.len()) {
            let text = "The array of values and the array of their extensions must have the same length.";
            self.error(IssueCode::Structure, inner, text);
        }
        for (index, item) in items.iter().enumerate() {
            let sibling = siblings.and_then(|siblings| siblings.get(index));
            if !item.is_null() {
                self.extended(child.type_id, item, sibling, inner.item(index));
            } else if sibling.is_none() {
                let text = "A null holds a place only beside a value.";
                self.error(IssueCode::Structure, inner.item(index), text);
            }
        }
    }

    /// The id and extensions of one primitive value, which may be without value.
    fn extended(&mut self, id: TypeId, value: &'a Value, sibling: Option<&'a Value>, place: Place<'_>) {
        let Some(object) = value.as_object() else {
            return self.error(IssueCode::Structure, place, "Extensions of a value must be a JSON object.");
        };
        let has_value = sibling.is_some_and(|sibling| !sibling.is_null());
        if has_value && object.iter().all(|(key, _)| key == "id") && !object.is_empty() {
            // An id alone is enough beside a value, so the rule for objects does not apply.
            if let Some(Err(text)) = object.get(&"id").map(|id| Format::String.check(id)) {
                self.error(IssueCode::Value, place.element("id"), text);
            }
            return;
        }
        self.object(id, value, object, place);
    }

    /// What the element table cannot say of an extension. <http://hl7.org/fhir/R4/extensibility.html>
    fn extension(&mut self, object: &'a Object, place: Place<'_>) {
        let has_extensions = object.contains_key(&"extension");
        let has_value = object.iter().any(|(key, _)| key.starts_with("value") || key.starts_with("_value"));
        if has_extensions == has_value {
            let text = "An extension has either a value or extensions, not both (ext-1).";
            self.error(IssueCode::Invariant, place, text);
        }
        // Within an extension the url is a name its definition gives; elsewhere it is where the definition is.
        if !place.is_within_extension()
            && let Some(url) = object.get(&"url").and_then(|url| url.as_str())
            && !url.contains(':')
        {
            let text = "The url of an extension must be the absolute URI of its definition.";
            self.error(IssueCode::Extension, place.element("url"), text);
        }
        if self.validator.options.advice
            && let Some(url) = object.get(&"url").and_then(|url| url.as_str())
            && url.starts_with(OFFICIAL)
            && !self.validator.definitions.library("StructureDefinition").any(|known| known == url)
        {
            let text = "FHIR R4 defines no extension of this url.";
            self.report(Severity::Warning, IssueCode::Extension, place.element("url"), text);
        }
    }

    /// What a reference points at. <http://hl7.org/fhir/R4/references.html>
    fn reference(&mut self, element: &ElementDef, object: &'a Object, place: Place<'_>) {
        let targets = element.types.iter().find(|kind| kind.code == "Reference").map(|kind| kind.targets.as_slice());
        let targets = targets.unwrap_or_default();
        let any_type = targets.is_empty() || !self.validator.options.targets;
        let definitions = self.validator.definitions;
        let fits = |name: &str| any_type || targets.iter().any(|target| *target == name || *target == "Resource");
        let named = object.get(&"type").and_then(|name| name.as_str());
        if let Some(named) = named
            && definitions.is_resource(named)
            && !fits(named)
        {
            self.error(IssueCode::Value, place.element("type"), wanted(targets));
        }
        let Some(text) = object.get(&"reference").and_then(|text| text.as_str()) else { return };
        let place = place.element("reference");
        if !is_uri(text) {
            return self.error(IssueCode::Value, place, "The value must be a URI without white space.");
        }
        let target = if let Some(id) = text.strip_prefix('#') {
            match self.contained(id) {
                Some(name) => name,
                None => {
                    let text = "No contained resource has this id (ref-1).";
                    return self.error(IssueCode::Invariant, place, text);
                }
            }
        } else {
            match Target::of(text) {
                Target::Unknown => return,
                Target::Type(name) if definitions.is_resource(name) => name,
                Target::Url(name) if definitions.is_resource(name) => name,
                Target::Url(_) => return,
                Target::Type(_) => {
                    let text = "A relative reference must name a resource type of FHIR R4.";
                    self.error(IssueCode::Value, place, text);
                    return;
                }
            }
        };
        if !target.is_empty() && !fits(target) {
            self.error(IssueCode::Value, place, wanted(targets));
        }
    }

    /// The type of the contained resource of this id; empty for the container itself, which needs no id.
    fn contained(&self, id: &str) -> Option<&'a str> {
        if id.is_empty() {
            return Some("");
        }
        let contained = self.container.get("contained")?.as_array()?;
        let found = contained.iter().find(|found| found.get("id").and_then(|id| id.as_str()) == Some(id))?;
        Some(found.get("resourceType").and_then(|name| name.as_str()).unwrap_or_default())
    }
}

fn wanted(targets: &[&str]) -> String {
    format!("The reference must point at one of: {}.", targets.join(", "))
}

/// Whether something in `resource` names the contained resource, or that one names its container.
fn is_referred_to(contained: &Value, resource: &Value) -> bool {
    let id = contained.get("id").and_then(|id| id.as_str()).unwrap_or_default();
    has_text(resource, &|text| text.strip_prefix('#') == Some(id)) || has_text(contained, &|text| text == "#")
}

fn has_text(value: &Value, wanted: &dyn Fn(&str) -> bool) -> bool {
    if let Some(text) = value.as_str() {
        return wanted(text);
    }
    if let Some(items) = value.as_array() {
        return items.iter().any(|item| has_text(item, wanted));
    }
    value.as_object().is_some_and(|members| members.iter().any(|(_, member)| has_text(member, wanted)))
}

/// What a reference says about its target.
pub(super) enum Target<'a> {
    /// Nothing: a URN, or a URL without an id.
    Unknown,
    /// The type before a relative id or query.
    Type(&'a str),
    /// What stands where a FHIR URL has the type, which another URL may have for other reasons.
    Url(&'a str),
}

impl<'a> Target<'a> {
    pub(super) fn of(reference: &'a str) -> Self {
        let reference = reference.split('|').next().unwrap_or(reference);
        if let Some((_, path)) = reference.split_once("://") {
            let path = path.split("/_history/").next().unwrap_or(path);
            return match path.rsplit_once('/').and_then(|(path, id)| Some((path.rsplit_once('/')?.1, id))) {
                Some((name, id)) if is_id(id) => Self::Url(name),
                _ => Self::Unknown,
            };
        }
        match reference.find(['/', '?', ':']) {
            Some(at) if !reference[at..].starts_with(':') => Self::Type(&reference[..at]),
            _ => Self::Unknown,
        }
    }
}

/// Which elements an object has.
#[derive(Default)]
struct Members {
    /// A bit for the position of each.
    seen: u128,
    choices: [Option<(usize, TypeId)>; CHOICES],
}

impl Members {
    /// Whether the element is a new one, or another member of the same choice.
    fn add(&mut self, child: &Child<'_>) -> bool {
        self.seen |= 1 << child.position;
        if !child.element.is_choice {
            return true;
        }
        for slot in &mut self.choices {
            match slot {
                Some((position, type_id)) if *position == child.position => return *type_id == child.type_id,
                Some(_) => {}
                None => {
                    *slot = Some((child.position, child.type_id));
                    return true;
                }
            }
        }
        true
    }
}
