//! What an expression may look at besides its focus.

use std::sync::Arc;

use jiff::{Timestamp, tz::Offset};

use super::item::{Item, Node, Text};
use crate::definitions::Definitions;
use crate::{Error, Value};

/// Finds what a reference points at.
pub trait Resolver {
    /// The resource of that literal reference; none when there is no such.
    fn resolve(&self, reference: &str) -> Option<&Value>;
}

/// Answers questions about codes.
pub trait Terminology {
    /// Whether a code is in a value set; none when it is not known. A code without a system comes from an element
    /// whose binding names the system.
    fn member_of(&self, value_set: &str, system: Option<&str>, code: &str) -> Result<Option<bool>, Error>;

    /// Whether the first code is the second or a broader one; none when it is not known.
    fn subsumes(&self, system: &str, code: &str, narrower: &str) -> Result<Option<bool>, Error>;
}

/// Answers whether a node conforms to a profile.
pub trait Profiles {
    /// None when there is no such profile.
    fn conforms(&self, node: Node<'_>, profile: &str) -> Result<Option<bool>, Error>;
}

/// The steps one evaluation may take unless told otherwise: some tens of milliseconds.
const STEPS: u64 = 1_000_000;

/// What an expression may look at besides its focus: the resource it is about, time, and services that
/// resolve references and codes. Without a service, functions that need it are errors.
#[derive(Clone)]
pub struct Environment<'a> {
    definitions: &'a Definitions,
    pub(super) resource: Option<Node<'a>>,
    pub(super) root: Option<Node<'a>>,
    pub(super) resolver: Option<&'a dyn Resolver>,
    pub(super) terminology: Option<&'a dyn Terminology>,
    pub(super) profiles: Option<&'a dyn Profiles>,
    pub(super) now: Option<(Timestamp, Offset)>,
    pub(super) variables: Vec<(Arc<str>, Vec<Item<'a>>)>,
    pub(super) steps: u64,
}

impl<'a> Environment<'a> {
    /// Definitions only.
    pub fn new(definitions: &'a Definitions) -> Self {
        Self {
            definitions,
            resource: None,
            root: None,
            resolver: None,
            terminology: None,
            profiles: None,
            now: None,
            variables: Vec::new(),
            steps: STEPS,
        }
    }

    /// `%resource` and `%rootResource`: the resource itself.
    #[must_use]
    pub fn of(self, resource: &'a Value) -> Self {
        self.within(resource, resource)
    }

    /// `%resource`, and the resource that contains it as `%rootResource`.
    #[must_use]
    pub fn within(mut self, resource: &'a Value, root: &'a Value) -> Self {
        self.resource = Some(Node::resource(self.definitions, resource));
        self.root = Some(Node::resource(self.definitions, root));
        self
    }

    /// Something to resolve references with.
    #[must_use]
    pub fn resolving(mut self, resolver: &'a dyn Resolver) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// Something to ask about codes.
    #[must_use]
    pub fn knowing(mut self, terminology: &'a dyn Terminology) -> Self {
        self.terminology = Some(terminology);
        self
    }

    /// Something to ask about profiles.
    #[must_use]
    pub fn conforming(mut self, profiles: &'a dyn Profiles) -> Self {
        self.profiles = Some(profiles);
        self
    }

    /// The time `now()` gives, on a clock at `offset`.
    #[must_use]
    pub fn at(mut self, now: Timestamp, offset: Offset) -> Self {
        self.now = Some((now, offset));
        self
    }

    /// A variable, `%name`.
    #[must_use]
    pub fn with(mut self, name: &str, value: Vec<Item<'a>>) -> Self {
        self.variables.push((name.into(), value));
        self
    }

    /// The number of steps one evaluation may take. A step is an item looked at.
    #[must_use]
    pub fn limited_to(mut self, steps: u64) -> Self {
        self.steps = steps;
        self
    }

    /// The definitions in force.
    pub fn definitions(&self) -> &'a Definitions {
        self.definitions
    }

    /// The value of `%name`, save `%context`, which is the focus; none when there is no such.
    pub(super) fn variable(&self, name: &str) -> Option<Vec<Item<'a>>> {
        let node = |node: Option<Node<'a>>| node.map(Item::Node).into_iter().collect();
        let text = |text: String| vec![Item::String(Text::from(text))];
        if let Some((_, value)) = self.variables.iter().rev().find(|(known, _)| **known == *name) {
            return Some(value.clone());
        }
        Some(match name {
            "resource" => node(self.resource),
            "rootResource" => node(self.root),
            "sct" => text("http://snomed.info/sct".to_owned()),
            "loinc" => text("http://loinc.org".to_owned()),
            "ucum" => text("http://unitsofmeasure.org".to_owned()),
            _ => match (name.strip_prefix("vs-"), name.strip_prefix("ext-")) {
                (Some(set), _) => text(format!("http://hl7.org/fhir/ValueSet/{set}")),
                (_, Some(extension)) => text(format!("http://hl7.org/fhir/StructureDefinition/{extension}")),
                _ => return None,
            },
        })
    }
}
