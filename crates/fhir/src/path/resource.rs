//! The functions FHIR adds, and those that walk the tree.
//!
//! <http://hl7.org/fhir/R4/fhirpath.html#functions>

use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::evaluator::{Evaluator, Outcome, Scope, maybe, truth};
use super::function::Function;
use super::item::{Item, Items, Node, Text};
use super::syntax::Call;
use crate::definitions::Kind;
use crate::{Error, Value, narrative};

/// What the URLs of the specification's own profiles begin with.
const STRUCTURE: &str = "http://hl7.org/fhir/StructureDefinition/";

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn on_tree(&mut self, call: &Call, input: Items<'a>, scope: &Scope<'a>) -> Outcome<'a> {
        use Function as F;
        match call.function {
            F::Children => self.children(&input),
            F::Descendants => {
                let mut found = Items::new();
                let mut level = self.children(&input)?;
                while !level.is_empty() {
                    let next = self.children(&level)?;
                    found.append(&mut level);
                    level = next;
                }
                Ok(found)
            }
            F::Resolve => {
                let mut found = Items::new();
                for item in &input {
                    self.charge(1)?;
                    found.extend(self.resolve(item).map(Item::Node));
                }
                Ok(found)
            }
            F::HasValue => Ok(truth(matches!(input.as_slice(), [item] if item.system().is_some()))),
            F::GetValue => match input.as_slice() {
                [item] => Ok(maybe(item.system())),
                _ => Ok(Items::new()),
            },
            F::HtmlChecks => match self.text(&input)? {
                Some(text) => {
                    self.charge(text.len() / 8)?;
                    Ok(truth(narrative::is_safe(&text)))
                }
                None => Ok(Items::new()),
            },
            F::ResourceKey => {
                let mut keys = Items::new();
                for node in input.iter().filter_map(Item::node) {
                    let id = node.value().and_then(|value| value.get("id")).and_then(|id| id.as_str());
                    if let (Some(type_def), Some(id)) = (node.type_def(), id) {
                        keys.push(Item::String(format!("{}/{id}", type_def.name).into()));
                    }
                }
                Ok(keys)
            }
            F::ReferenceKey => self.reference_keys(call, &input),
            F::Extension => {
                let url = self.eval(&call.arguments[0], scope)?;
                let Some(url) = self.text(&url)? else { return Ok(Items::new()) };
                let mut found = Items::new();
                for node in input.iter().filter_map(Item::node) {
                    node.push_named(self.definitions, "extension", &mut found);
                }
                self.charge(found.len())?;
                let url_of = |item: &Item<'a>| item.node()?.value()?.get("url")?.as_str();
                found.retain(|item| url_of(item) == Some(&*url));
                Ok(found)
            }
            _ => self.on_terms(call, input, scope),
        }
    }

    fn children(&mut self, input: &[Item<'a>]) -> Outcome<'a> {
        let mut found = Items::new();
        for node in input.iter().filter_map(Item::node) {
            node.push_children(self.definitions, &mut found);
        }
        self.charge(found.len())?;
        Ok(found)
    }

    /// What a reference, URI or canonical points at: something contained, another entry of the same Bundle, or
    /// what the resolver finds. Without a resolver a relative reference still tells the type.
    fn resolve(&self, item: &Item<'a>) -> Option<Node<'a>> {
        let text = match item.as_text() {
            Some(text) => text,
            None => Text::Borrowed(item.node()?.value()?.get("reference")?.as_str()?),
        };
        let root = self.env.root.and_then(Node::value);
        if let Some(id) = text.strip_prefix('#') {
            let root = root?;
            if id.is_empty() {
                return Some(Node::resource(self.definitions, root));
            }
            let contained = root.get("contained")?.as_array()?;
            let found = contained.iter().find(|resource| member_text(resource, "id") == Some(id))?;
            return Some(Node::resource(self.definitions, found));
        }
        if let Some(found) = root.and_then(|root| entry(root, &text)) {
            return Some(Node::resource(self.definitions, found));
        }
        if let Some(resolver) = self.env.resolver {
            return resolver.resolve(&text).map(|found| Node::resource(self.definitions, found));
        }
        let (type_name, _) = relative(&text)?;
        self.definitions.type_(type_name).filter(|found| found.kind == Kind::Resource).map(Node::absent)
    }

    fn reference_keys(&mut self, call: &Call, input: &[Item<'a>]) -> Outcome<'a> {
        let mut keys = Items::new();
        for node in input.iter().filter_map(Item::node) {
            let reference = node.value().and_then(|value| value.get("reference")).and_then(|text| text.as_str());
            let Some((type_name, id)) = reference.and_then(relative) else { continue };
            if call.type_name.as_ref().is_none_or(|wanted| *wanted.name == *type_name) {
                keys.push(Item::String(format!("{type_name}/{id}").into()));
            }
        }
        Ok(keys)
    }

    /// The functions that need a terminology or profiles.
    fn on_terms(&mut self, call: &Call, input: Items<'a>, scope: &Scope<'a>) -> Outcome<'a> {
        let argument = self.eval(&call.arguments[0], scope)?;
        let Some(item) = self.single(&input)? else { return Ok(Items::new()) };
        if call.function == Function::ConformsTo {
            let Some(profile) = self.text(&argument)? else { return Ok(Items::new()) };
            return self.conforms(item, &profile).map(truth);
        }
        let Some(terminology) = self.env.terminology else {
            return Err(Error::unsupported(format!("{}() needs a terminology service.", call.function.name())));
        };
        let codes = codings(item);
        self.charge(codes.len())?;
        if call.function == Function::MemberOf {
            let Some(set) = self.text(&argument)? else { return Ok(Items::new()) };
            let mut known = None;
            for (system, code) in codes {
                match terminology.member_of(&set, system, code)? {
                    Some(true) => return Ok(truth(true)),
                    answer => known = known.or(answer),
                }
            }
            return Ok(maybe(known.map(Item::Boolean)));
        }
        let Some(other) = self.single(&argument)? else { return Ok(Items::new()) };
        let (broader, narrower) = match call.function {
            Function::Subsumes => (codes, codings(other)),
            _ => (codings(other), codes),
        };
        let mut known = None;
        for (system, code) in broader {
            for (other_system, other_code) in &narrower {
                let Some(shared) = system.or(*other_system) else { continue };
                if system.is_some() && other_system.is_some() && system != *other_system {
                    continue;
                }
                match terminology.subsumes(shared, code, other_code)? {
                    Some(true) => return Ok(truth(true)),
                    answer => known = known.or(answer),
                }
            }
        }
        Ok(maybe(known.map(Item::Boolean)))
    }

    /// Whether a node is of a type of the specification, or conforms to a profile.
    fn conforms(&self, item: &Item<'a>, profile: &str) -> Result<bool, Error> {
        let node = item.node().ok_or_else(|| Error::invalid("conformsTo() wants an element or a resource."))?;
        if let Some(name) = profile.strip_prefix(STRUCTURE)
            && self.definitions.type_(name).is_some()
        {
            return Ok(node.type_def().is_some_and(|own| self.definitions.is_subtype(own.name, name)));
        }
        let known = match self.env.profiles {
            Some(profiles) => profiles.conforms(node, profile)?,
            None => None,
        };
        known.ok_or_else(|| Error::invalid("conformsTo() names a profile that is not known here."))
    }
}

fn member_text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(|member| member.as_str())
}

/// The last two segments of a reference: type and id. A version is left out.
fn relative(reference: &str) -> Option<(&str, &str)> {
    let reference = reference.split_once("/_history/").map_or(reference, |(before, _)| before);
    let (before, id) = reference.rsplit_once('/')?;
    let type_name = before.rsplit('/').next()?;
    (type_name.starts_with(|first: char| first.is_ascii_uppercase()) && !id.is_empty()).then_some((type_name, id))
}

/// The resource of the entry of a Bundle whose `fullUrl` is, or ends in, that reference.
fn entry<'a>(bundle: &'a Value, reference: &str) -> Option<&'a Value> {
    if member_text(bundle, "resourceType") != Some("Bundle") {
        return None;
    }
    let found = bundle.get("entry")?.as_array()?.iter().find(|entry| {
        member_text(entry, "fullUrl")
            .is_some_and(|url| url == reference || url.strip_suffix(reference).is_some_and(|base| base.ends_with('/')))
    })?;
    found.get("resource")
}

/// The systems and codes an item holds: of a CodeableConcept, a Coding, a Quantity or a bare code.
fn codings<'i>(item: &'i Item<'_>) -> Vec<(Option<&'i str>, &'i str)> {
    let coding = |value: &'i Value| Some((member_text(value, "system"), member_text(value, "code")?));
    match item {
        Item::String(text) => vec![(None, text)],
        Item::Node(node) => match node.value() {
            None => Vec::new(),
            Some(value) => match (value.as_str(), value.get("coding").and_then(|codings| codings.as_array())) {
                (Some(code), _) => vec![(None, code)],
                (None, Some(codings)) => codings.iter().filter_map(coding).collect(),
                (None, None) => coding(value).into_iter().collect(),
            },
        },
        _ => Vec::new(),
    }
}
