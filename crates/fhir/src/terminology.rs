//! Value sets, code systems and concept maps: expansion, membership, lookup, subsumption and translation.
//!
//! Everything is a function of the resources a [`Source`] gives; the official ones are always there. Systems whose
//! codes are kept elsewhere (LOINC, SNOMED CT) make an answer unknown, never silently "no".
//! <http://hl7.org/fhir/R4/terminology-service.html>

mod expand;
mod map;
mod system;

use std::sync::Arc;

use crate::definitions::{Definitions, r4};
use crate::json::{list, text};
use crate::{Category, Error, IssueCode, Value, json, path};

pub use expand::{Concept, Expansion, Request};
pub use map::{Match, Translation};
pub use system::{Content, System};

/// Where terminology resources come from, besides the official ones.
pub trait Source: Sync {
    /// The resource of this type (`ValueSet`, `CodeSystem` or `ConceptMap`), canonical URL and, when given, version.
    ///
    /// # Errors
    ///
    /// When the source itself fails; that there is no such resource is `Ok(None)`.
    fn find(&self, resource_type: &str, url: &str, version: Option<&str>) -> Result<Option<Arc<Value>>, Error>;
}

/// The official resources alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Official;

impl Source for Official {
    fn find(&self, _: &str, _: &str, _: Option<&str>) -> Result<Option<Arc<Value>>, Error> {
        Ok(None)
    }
}

/// A code in a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code<'a> {
    /// The canonical URL of the code system; none for an element of type `code`, whose binding implies it.
    pub system: Option<&'a str>,
    /// The code.
    pub code: &'a str,
    /// What the sender shows for it, to be checked.
    pub display: Option<&'a str>,
}

/// Whether a code is in a value set or system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Member {
        /// What the system shows for it.
        display: Option<String>,
        /// Whether the display given is one the system knows; also when none was given.
        display_fits: bool,
    },
    /// It is not.
    NotMember,
    /// The codes of this system are not here, so nobody here can say.
    Unknown(String),
}

/// How one code stands to another in the hierarchy of their system.
/// <http://hl7.org/fhir/R4/valueset-concept-subsumption-outcome.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subsumption {
    /// They are one concept.
    Equivalent,
    /// The first is the broader.
    Subsumes,
    /// The first is the narrower.
    SubsumedBy,
    /// Neither.
    NotSubsumed,
}

impl Subsumption {
    /// The code the specification uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equivalent => "equivalent",
            Self::Subsumes => "subsumes",
            Self::SubsumedBy => "subsumed-by",
            Self::NotSubsumed => "not-subsumed",
        }
    }
}

/// What is known of a code. <http://hl7.org/fhir/R4/codesystem-operation-lookup.html>
#[derive(Debug, Clone)]
pub struct Lookup {
    /// The name of the system.
    pub name: String,
    /// The version of the system.
    pub version: Option<String>,
    /// What to show.
    pub display: Option<String>,
    /// What it means.
    pub definition: Option<String>,
    /// Whether it groups others and may not be chosen itself.
    pub is_abstract: bool,
    /// The `CodeSystem.concept.designation` objects: other words for it.
    pub designations: Vec<Value>,
    /// The `CodeSystem.concept.property` objects.
    pub properties: Vec<Value>,
    /// The codes directly above.
    pub parents: Vec<String>,
    /// The codes directly below.
    pub children: Vec<String>,
}

/// The operations, over one source.
#[derive(Clone, Copy)]
pub struct Terminology<'s> {
    definitions: &'static Definitions,
    source: &'s dyn Source,
}

impl std::fmt::Debug for Terminology<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Terminology")
    }
}

impl<'s> Terminology<'s> {
    /// The official resources, then those of `source`.
    pub fn new(source: &'s dyn Source) -> Self {
        Self { definitions: r4(), source }
    }

    /// A resource by type and canonical, `url` or `url|version`.
    pub fn find(&self, resource_type: &str, canonical: &str) -> Result<Option<Arc<Value>>, Error> {
        let official = match resource_type {
            "ValueSet" => self.definitions.value_set(canonical),
            "CodeSystem" => self.definitions.code_system(canonical),
            "ConceptMap" => self.definitions.concept_map(canonical),
            _ => None,
        };
        if let Some(text) = official {
            return json::parse(text.as_bytes()).map(|value| Some(Arc::new(value)));
        }
        let (url, version) = match canonical.split_once('|') {
            Some((url, version)) => (url, Some(version)),
            None => (canonical, None),
        };
        self.source.find(resource_type, url, version)
    }

    /// A value set by its canonical.
    ///
    /// # Errors
    ///
    /// Not found, when there is none.
    pub fn value_set(&self, canonical: &str) -> Result<Arc<Value>, Error> {
        self.find("ValueSet", canonical)?.ok_or_else(|| Error::not_found("There is no such ValueSet."))
    }

    /// A code system by its canonical.
    ///
    /// # Errors
    ///
    /// Not found, when there is none.
    pub fn code_system(&self, canonical: &str) -> Result<Arc<Value>, Error> {
        self.find("CodeSystem", canonical)?.ok_or_else(|| Error::not_found("There is no such CodeSystem."))
    }

    /// Whether a code system has a code. A system that is not here makes the answer unknown.
    pub fn validate_in_system(&self, code: Code<'_>) -> Result<Verdict, Error> {
        let Some(url) = code.system else {
            return Err(Error::invalid("A code can be checked only in a system that is named."));
        };
        let Some(resource) = self.find("CodeSystem", url)? else {
            return Ok(Verdict::Unknown(url.to_owned()));
        };
        let system = System::new(&resource);
        Ok(match system.find(code.code) {
            Some(at) => member(system.concept(at), code.display),
            None if system.content() == Content::Complete => Verdict::NotMember,
            None => Verdict::Unknown(url.to_owned()),
        })
    }

    /// What is known of a code; none when its system lacks it.
    ///
    /// # Errors
    ///
    /// Not found, when the system is not here.
    pub fn lookup(&self, canonical: &str, code: &str, language: Option<&str>) -> Result<Option<Lookup>, Error> {
        let resource = self.code_system(canonical)?;
        let system = System::new(&resource);
        let Some(at) = system.find(code) else { return Ok(None) };
        let concept = system.concept(at);
        let codes =
            |positions: &mut dyn Iterator<Item = usize>| positions.map(|at| system.code(at).to_owned()).collect();
        Ok(Some(Lookup {
            name: system.name().to_owned(),
            version: system.version().map(str::to_owned),
            display: display(concept, language).map(str::to_owned),
            definition: text(concept, "definition").map(str::to_owned),
            is_abstract: system.is_abstract(at),
            designations: list(concept, "designation").to_vec(),
            properties: list(concept, "property").to_vec(),
            parents: codes(&mut system.parents(at).iter().copied()),
            children: codes(&mut system.children(at)),
        }))
    }

    /// How `left` stands to `right` in their system.
    ///
    /// # Errors
    ///
    /// Not found, when the system or one of the codes is not here.
    pub fn subsumes(&self, canonical: &str, left: &str, right: &str) -> Result<Subsumption, Error> {
        let resource = self.code_system(canonical)?;
        let system = System::new(&resource);
        let find =
            |code| system.find(code).ok_or_else(|| Error::not_found("The code system does not have one of the codes."));
        let (left, right) = (find(left)?, find(right)?);
        Ok(if left == right {
            Subsumption::Equivalent
        } else if system.is_a(right, left) {
            Subsumption::Subsumes
        } else if system.is_a(left, right) {
            Subsumption::SubsumedBy
        } else {
            Subsumption::NotSubsumed
        })
    }
}

impl path::Terminology for Terminology<'_> {
    fn member_of(&self, value_set: &str, system: Option<&str>, code: &str) -> Result<Option<bool>, Error> {
        let Some(value_set) = self.find("ValueSet", value_set)? else { return Ok(None) };
        Ok(match self.validate_code(&value_set, Code { system, code, display: None })? {
            Verdict::Member { .. } => Some(true),
            Verdict::NotMember => Some(false),
            Verdict::Unknown(_) => None,
        })
    }

    fn subsumes(&self, system: &str, code: &str, narrower: &str) -> Result<Option<bool>, Error> {
        match Terminology::subsumes(self, system, code, narrower) {
            Ok(found) => Ok(Some(matches!(found, Subsumption::Equivalent | Subsumption::Subsumes))),
            Err(error) if error.category() == Category::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The verdict on a code that was found.
fn member(concept: &Value, given: Option<&str>) -> Verdict {
    let shown = text(concept, "display");
    let fits = |given: &str| {
        let same = |known: &str| known.trim().to_lowercase() == given.trim().to_lowercase();
        shown.is_none_or(same) || list(concept, "designation").iter().filter_map(|other| text(other, "value")).any(same)
    };
    Verdict::Member { display: shown.map(str::to_owned), display_fits: given.is_none_or(fits) }
}

/// What to show for a concept in a language such as `zh-CN`: its designation, or the display when there is none.
fn display<'v>(concept: &'v Value, language: Option<&str>) -> Option<&'v str> {
    let main = |tag: &str| tag.split('-').next().map(str::to_ascii_lowercase);
    let wanted = language.and_then(main);
    let designation = wanted.and_then(|wanted| {
        let designations = list(concept, "designation");
        designations.iter().find(|other| text(other, "language").and_then(main).as_ref() == Some(&wanted))
    });
    designation.and_then(|designation| text(designation, "value")).or_else(|| text(concept, "display"))
}

fn unprocessable(code: IssueCode, text: impl Into<String>) -> Error {
    Error::new(Category::Unprocessable, code, text)
}

#[cfg(test)]
mod tests;
