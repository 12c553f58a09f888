//! Profiles: a StructureDefinition read into a tree of what it demands of each element.
//!
//! <http://hl7.org/fhir/R4/profiling.html>

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use crate::definitions::{Definitions, Strength, TypeDef, r4};
use crate::json::{list, text};
use crate::path::Expression;
use crate::terminology::Source;
use crate::{Category, Error, IssueCode, Value, json};

/// A profile, compiled.
#[derive(Debug)]
pub struct Profile {
    /// Its canonical URL.
    pub url: String,
    /// The type it narrows.
    pub type_name: String,
    /// The profile it narrows further, when that one's demands do not stand in it already.
    pub(super) base: Option<String>,
    pub(super) root: Demand,
}

/// What a profile demands of an element, or of one slice of it.
#[derive(Debug, Default)]
pub(super) struct Demand {
    /// The FHIRPath name.
    pub(super) name: String,
    /// The name of the slice, of a slice.
    pub(super) slice: Option<String>,
    pub(super) min: u32,
    /// None when unbounded.
    pub(super) max: Option<u32>,
    /// The longest text, in characters.
    pub(super) max_length: Option<usize>,
    pub(super) fixed: Option<Value>,
    pub(super) pattern: Option<Value>,
    pub(super) types: Vec<TypeDemand>,
    pub(super) binding: Option<(Strength, String)>,
    pub(super) rules: Vec<RuleDemand>,
    pub(super) slicing: Option<Slicing>,
    pub(super) slices: Vec<Demand>,
    pub(super) children: Vec<Demand>,
}

/// A type an element may have, and what is demanded of a value of it.
#[derive(Debug)]
pub(super) struct TypeDemand {
    pub(super) code: String,
    /// Any of these must be met.
    pub(super) profiles: Vec<String>,
    /// For a reference, the profiles or types of which the target must be one.
    pub(super) targets: Vec<String>,
}

/// A rule the profile adds.
#[derive(Debug)]
pub(super) struct RuleDemand {
    pub(super) key: String,
    pub(super) is_error: bool,
    pub(super) human: String,
    pub(super) expression: Expression,
}

/// How values are told apart. <http://hl7.org/fhir/R4/profiling.html#discriminator>
#[derive(Debug, Default)]
pub(super) struct Slicing {
    pub(super) discriminators: Vec<(By, String)>,
    /// Whether a value of no slice is refused.
    pub(super) is_closed: bool,
}

/// What about a value tells its slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Value,
    Exists,
    Type,
    Profile,
}

impl Profile {
    /// Compiles a StructureDefinition from its snapshot, or else from its differential.
    ///
    /// # Errors
    ///
    /// Unprocessable, when it is not a profile of a type of FHIR R4 or a rule in it is not FHIRPath.
    pub fn compile(structure: &Value) -> Result<Self, Error> {
        let refuse = |text: &str| Error::new(Category::Unprocessable, IssueCode::Invalid, text);
        let definitions = r4();
        let type_name = text(structure, "type").unwrap_or_default();
        let definition = definitions
            .type_(type_name)
            .ok_or_else(|| refuse("The StructureDefinition is not of a type of FHIR R4."))?;
        let snapshot = list(&structure["snapshot"], "element");
        let elements = if snapshot.is_empty() { list(&structure["differential"], "element") } else { snapshot };
        let mut root = Demand { name: type_name.to_owned(), ..Demand::default() };
        for element in elements {
            let id = text(element, "id").map_or_else(|| id_of(element), str::to_owned);
            let (first, rest) = id.split_once('.').map_or((id.as_str(), None), |(first, rest)| (first, Some(rest)));
            if first != type_name {
                return Err(refuse("An element of the StructureDefinition is of another type."));
            }
            root.at(rest, Some(definition), definitions).read(element, definitions)?;
        }
        let base = text(structure, "baseDefinition").unwrap_or_default();
        let is_core = base
            .strip_prefix("http://hl7.org/fhir/StructureDefinition/")
            .is_some_and(|name| definitions.type_(name).is_some());
        Ok(Self {
            url: text(structure, "url").unwrap_or_default().to_owned(),
            type_name: type_name.to_owned(),
            base: (snapshot.is_empty() && !base.is_empty() && !is_core).then(|| base.to_owned()),
            root,
        })
    }
}

/// The id an element without one would have, from its path and slice.
fn id_of(element: &Value) -> String {
    let path = text(element, "path").unwrap_or_default();
    text(element, "sliceName").map_or_else(|| path.to_owned(), |slice| format!("{path}:{slice}"))
}

impl Demand {
    /// The demand on the element at an id such as `identifier:mrn.system`, made when there is none yet.
    fn at(&mut self, id: Option<&str>, definition: Option<&TypeDef>, definitions: &Definitions) -> &mut Self {
        let Some(id) = id else { return self };
        let (segment, rest) = id.split_once('.').map_or((id, None), |(segment, rest)| (segment, Some(rest)));
        let (name, mut slice) = segment.split_once(':').map_or((segment, None), |(name, slice)| (name, Some(slice)));
        let mut name = name.trim_end_matches("[x]");
        let mut inner = None;
        if let Some(definition) = definition {
            if let Some(element) = definition.element(name) {
                inner = element.types.first().filter(|_| element.types.len() == 1).map(|kind| kind.code);
            } else if let Some(child) = definition.child(name) {
                // `valueQuantity` is short for the slice of `value[x]` that is a Quantity.
                slice = slice.or(Some(name));
                name = child.element.name;
                inner = Some(child.type_name);
            }
            if let Some(child) =
                slice.and_then(|slice| definition.child(slice)).filter(|child| child.element.name == name)
            {
                inner = Some(child.type_name);
            }
        }
        let known = self.children.iter().position(|child| child.name == name);
        let at = known.unwrap_or_else(|| {
            self.children.push(Self { name: name.to_owned(), ..Self::default() });
            self.children.len() - 1
        });
        let mut found = &mut self.children[at];
        // A slice of a slice is written `a/b`; it is one more slice here, and its values are those of both.
        if let Some(slice) = slice {
            let known = found.slices.iter().position(|child| child.slice.as_deref() == Some(slice));
            let at = known.unwrap_or_else(|| {
                let types = inner.filter(|_| found.is_choice_of(definition)).map(TypeDemand::of).into_iter().collect();
                let demand = Self { name: name.to_owned(), slice: Some(slice.to_owned()), types, ..Self::default() };
                found.slices.push(demand);
                found.slices.len() - 1
            });
            found = &mut found.slices[at];
        }
        found.at(rest, inner.and_then(|inner| definitions.type_(inner)), definitions)
    }

    fn is_choice_of(&self, definition: Option<&TypeDef>) -> bool {
        definition.and_then(|definition| definition.element(&self.name)).is_some_and(|element| element.is_choice)
    }

    fn read(&mut self, element: &Value, definitions: &Definitions) -> Result<(), Error> {
        if let Some(min) = element.get("min").and_then(|min| min.as_u64()) {
            self.min = u32::try_from(min).unwrap_or(u32::MAX);
        }
        self.max = text(element, "max").and_then(|max| max.parse().ok());
        self.max_length =
            element.get("maxLength").and_then(|length| length.as_u64()).and_then(|length| usize::try_from(length).ok());
        for (member, value) in element.as_object().into_iter().flatten() {
            if member.starts_with("fixed") {
                self.fixed = Some(value.clone());
            } else if member.starts_with("pattern") {
                self.pattern = Some(value.clone());
            }
        }
        let types: Vec<_> = list(element, "type").iter().map(TypeDemand::read).collect();
        if !types.is_empty() {
            self.types = types;
        }
        if let Some(binding) = element.get("binding") {
            let strength = text(binding, "strength").and_then(Strength::parse);
            self.binding = strength.zip(text(binding, "valueSet").map(str::to_owned));
        }
        if let Some(slicing) = element.get("slicing") {
            self.slicing = Some(Slicing::read(slicing));
        }
        for constraint in list(element, "constraint") {
            let key = text(constraint, "key").unwrap_or_default();
            let Some(expression) = text(constraint, "expression").filter(|_| !is_official(definitions, key)) else {
                continue;
            };
            self.rules.push(RuleDemand {
                key: key.to_owned(),
                is_error: text(constraint, "severity") != Some("warning"),
                human: text(constraint, "human").unwrap_or_default().to_owned(),
                expression: Expression::parse(expression)?,
            });
        }
        Ok(())
    }

    /// The demand on the child of this name; in a slice too, what is demanded of any value is not repeated.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// How the values are told apart; extensions and choices need no saying.
    pub(super) fn discriminators(&self) -> Vec<(By, &str)> {
        match &self.slicing {
            Some(slicing) if !slicing.discriminators.is_empty() => {
                slicing.discriminators.iter().map(|(by, path)| (*by, path.as_str())).collect()
            }
            _ if matches!(self.name.as_str(), "extension" | "modifierExtension") => vec![(By::Value, "url")],
            _ if self.slices.iter().all(|slice| slice.types.len() == 1) => vec![(By::Type, "$this")],
            _ => Vec::new(),
        }
    }
}

/// Whether the specification itself has a rule of this name, which is checked anyway.
fn is_official(definitions: &Definitions, key: &str) -> bool {
    definitions.types().iter().any(|found| {
        let own = found.constraints.iter();
        own.chain(found.elements().iter().flat_map(|element| element.constraints))
            .any(|constraint| constraint.key == key)
    })
}

impl TypeDemand {
    fn of(code: &str) -> Self {
        Self { code: code.to_owned(), profiles: Vec::new(), targets: Vec::new() }
    }

    fn read(kind: &Value) -> Self {
        let strings = |member| list(kind, member).iter().filter_map(|url| url.as_str()).map(str::to_owned).collect();
        let code = text(kind, "code").unwrap_or_default();
        Self { code: code.to_owned(), profiles: strings("profile"), targets: strings("targetProfile") }
    }
}

impl Slicing {
    fn read(slicing: &Value) -> Self {
        let discriminators = list(slicing, "discriminator").iter().filter_map(|discriminator| {
            let by = match text(discriminator, "type")? {
                "value" | "pattern" => By::Value,
                "exists" => By::Exists,
                "type" => By::Type,
                "profile" => By::Profile,
                _ => return None,
            };
            Some((by, text(discriminator, "path")?.to_owned()))
        });
        Self { discriminators: discriminators.collect(), is_closed: text(slicing, "rules") == Some("closed") }
    }
}

/// Compiled profiles, each read once. Whoever changes a StructureDefinition makes a new one.
#[derive(Debug, Default)]
pub struct Profiles(Mutex<HashMap<String, Option<Arc<Profile>>>>);

impl Profiles {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The profile at a canonical, official or from `source`; none when there is no such.
    ///
    /// # Errors
    ///
    /// When the source fails or the StructureDefinition cannot be compiled.
    pub fn find(&self, canonical: &str, source: &dyn Source) -> Result<Option<Arc<Profile>>, Error> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(canonical).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let (url, version) = canonical.split_once('|').map_or((canonical, None), |(url, version)| (url, Some(version)));
        let found = match r4().structure(canonical) {
            Some(text) => Some(Profile::compile(&json::parse(text.as_bytes())?)?),
            None => match source.find("StructureDefinition", url, version)? {
                Some(structure) => Some(Profile::compile(&structure)?),
                None => None,
            },
        };
        let found = found.map(Arc::new);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(canonical.to_owned(), found.clone());
        Ok(found)
    }
}
