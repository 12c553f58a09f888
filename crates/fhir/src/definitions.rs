//! The official R4 definitions: elements, search parameters, compartments, operations, value sets.
//!
//! `cargo xtask codegen` writes compact tables once; they are embedded and decoded on first use, the small ones
//! as a whole and the library of JSON resources one frame at a time.

mod library;
mod tables;

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use library::Library;

/// The tables of FHIR 4.0.1, decoded on the first call.
pub fn r4() -> &'static Definitions {
    static R4: LazyLock<Definitions> = LazyLock::new(tables::decode);
    &R4
}

/// Everything the specification defines, by name.
#[derive(Debug)]
pub struct Definitions {
    types: Vec<TypeDef>,
    by_name: FxHashMap<&'static str, TypeId>,
    resource_types: Vec<&'static str>,
    search_parameters: Vec<SearchParameter>,
    compartments: Vec<Compartment>,
    operations: Vec<Operation>,
    library: Library,
}

impl Definitions {
    /// A type by its name: `Patient`, `HumanName`, `string`, or a backbone by its path, `Patient.contact`.
    pub fn type_(&self, name: &str) -> Option<&TypeDef> {
        self.type_id(name).map(|id| self.type_at(id))
    }

    /// The position of a type, for readers that look up the same one often.
    pub fn type_id(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }

    /// The type at a position these definitions gave.
    pub fn type_at(&self, id: TypeId) -> &TypeDef {
        &self.types[id.position()]
    }

    /// Every type, backbones included. A [`TypeId`] is a position here.
    pub fn types(&self) -> &[TypeDef] {
        &self.types
    }

    /// The concrete resource types in alphabetical order. A type's stable number is its position here, plus one.
    pub fn resource_types(&self) -> &[&'static str] {
        &self.resource_types
    }

    /// Whether `name` is a concrete resource type.
    pub fn is_resource(&self, name: &str) -> bool {
        self.type_(name).is_some_and(|found| found.kind == Kind::Resource && !found.is_abstract)
    }

    /// Whether `name` is `of` or is derived from it: `Patient` of `DomainResource`, `Age` of `Quantity`, `code` of `string`.
    pub fn is_subtype(&self, name: &str, of: &str) -> bool {
        let mut next = self.type_(name);
        while let Some(found) = next {
            if found.name == of {
                return true;
            }
            next = found.base.and_then(|base| self.type_(base));
        }
        false
    }

    /// The official search parameters; those every resource has stand first.
    pub fn search_parameters(&self) -> &[SearchParameter] {
        &self.search_parameters
    }

    /// The compartments a server may offer. <http://hl7.org/fhir/R4/compartmentdefinition.html>
    pub fn compartments(&self) -> &[Compartment] {
        &self.compartments
    }

    /// The operations the specification defines. <http://hl7.org/fhir/R4/operationslist.html>
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The JSON text of a ValueSet, by its canonical URL. There is one version of each, so a `|version` is not compared.
    pub fn value_set(&self, url: &str) -> Option<String> {
        self.library.text("ValueSet", url)
    }

    /// The JSON text of a CodeSystem, by its canonical URL.
    pub fn code_system(&self, url: &str) -> Option<String> {
        self.library.text("CodeSystem", url)
    }

    /// The JSON text of a ConceptMap, by its canonical URL.
    pub fn concept_map(&self, url: &str) -> Option<String> {
        self.library.text("ConceptMap", url)
    }

    /// The JSON text of a StructureDefinition (a snapshot without definitions and mappings), by its canonical URL.
    pub fn structure(&self, url: &str) -> Option<String> {
        self.library.text("StructureDefinition", url)
    }

    /// The canonical URLs of what the library holds of one type: `ValueSet`, `CodeSystem`, `ConceptMap` or
    /// `StructureDefinition`.
    pub fn library(&self, resource_type: &str) -> impl Iterator<Item = &'static str> + use<'_> {
        self.library.urls(resource_type)
    }
}

/// The position of a type in [`Definitions::types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(u16);

impl TypeId {
    /// The position as an index.
    pub fn position(self) -> usize {
        usize::from(self.0)
    }
}

/// The four families of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A JSON string, number or boolean: `string`, `date`, `decimal`.
    Primitive,
    /// A data type with elements: `HumanName`.
    Complex,
    /// A part of a resource or data type, named by its path: `Patient.contact`.
    Backbone,
    /// A resource: `Patient`; abstract for `Resource` and `DomainResource`.
    Resource,
}

/// A type and its elements.
#[derive(Debug)]
pub struct TypeDef {
    /// `Patient`, or the path of a backbone.
    pub name: &'static str,
    /// Its family.
    pub kind: Kind,
    /// What it is derived from; none for `Element` and `Resource`.
    pub base: Option<&'static str>,
    /// Whether no instance is of exactly this type.
    pub is_abstract: bool,
    /// Rules on every instance of the type.
    pub constraints: &'static [&'static Constraint],
    elements: Vec<ElementDef>,
    /// By length and then text of the JSON name, which makes most comparisons one of two integers.
    slots: Vec<Slot>,
}

impl TypeDef {
    /// What a JSON member of this name is: `birthDate`, `valueQuantity`. Not `_birthDate` nor `resourceType`.
    pub fn child(&self, json_name: &str) -> Option<Child<'_>> {
        let at = self.slots.binary_search_by(|slot| order(&slot.json_name, json_name)).ok()?;
        let slot = &self.slots[at];
        let element = &self.elements[usize::from(slot.element)];
        Some(Child {
            element,
            position: usize::from(slot.element),
            type_name: element.types[usize::from(slot.alternative)].code,
            type_id: slot.type_id,
        })
    }

    /// An element by its FHIRPath name: `value`, `birthDate`.
    pub fn element(&self, name: &str) -> Option<&ElementDef> {
        self.elements.iter().find(|element| element.name == name)
    }

    /// The elements in the order of the specification, inherited ones included.
    pub fn elements(&self) -> &[ElementDef] {
        &self.elements
    }
}

fn order(left: &str, right: &str) -> std::cmp::Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[derive(Debug)]
struct Slot {
    json_name: Box<str>,
    element: u16,
    alternative: u16,
    type_id: TypeId,
}

/// One way an element may stand in JSON.
#[derive(Debug, Clone, Copy)]
pub struct Child<'a> {
    /// The element.
    pub element: &'a ElementDef,
    /// Its position in [`TypeDef::elements`].
    pub position: usize,
    /// The type of the value: of a choice the one its name says, of a backbone its path.
    pub type_name: &'static str,
    /// The same, as a position.
    pub type_id: TypeId,
}

/// An element of a type.
#[derive(Debug)]
pub struct ElementDef {
    /// The FHIRPath name, of a choice without its type: `value`.
    pub name: &'static str,
    /// `Observation.value[x]`, under the type that has it, also when inherited.
    pub path: Box<str>,
    /// The least number of values.
    pub min: u32,
    /// The greatest number of values; none when unbounded.
    pub max: Option<u32>,
    /// What a value may be. A backbone and a reference to another element's content name the backbone's path.
    pub types: Vec<TypeRef>,
    /// Whether JSON names the type too: `valueQuantity`.
    pub is_choice: bool,
    /// Whether `_summary=true` keeps it.
    pub is_summary: bool,
    /// Whether it may change the meaning of what it stands in.
    pub is_modifier: bool,
    /// The value set its codes come from.
    pub binding: Option<Binding>,
    /// Rules on every value.
    pub constraints: &'static [&'static Constraint],
}

impl ElementDef {
    /// Whether JSON writes it as an array.
    pub fn is_list(&self) -> bool {
        self.max != Some(1)
    }
}

/// A type an element may have.
#[derive(Debug)]
pub struct TypeRef {
    /// Its name, a key of [`Definitions::type_`].
    pub code: &'static str,
    /// For `Reference` and `canonical`, the types it may point at; `Resource` stands for any.
    pub targets: Vec<&'static str>,
    /// A narrower definition of the type: `SimpleQuantity`.
    pub profile: Option<&'static str>,
}

/// How firmly an element is bound to a value set. <http://hl7.org/fhir/R4/terminologies.html#strength>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Strength {
    /// An illustration.
    Example,
    /// Encouraged.
    Preferred,
    /// From the set when it has a fitting code.
    Extensible,
    /// From the set.
    Required,
}

impl Strength {
    /// Reads the code the specification uses.
    pub fn parse(code: &str) -> Option<Self> {
        Some(match code {
            "example" => Self::Example,
            "preferred" => Self::Preferred,
            "extensible" => Self::Extensible,
            "required" => Self::Required,
            _ => return None,
        })
    }
}

/// The value set an element's codes come from.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// How firmly.
    pub strength: Strength,
    /// Its canonical URL, without version.
    pub value_set: &'static str,
}

/// A rule in FHIRPath.
#[derive(Debug)]
pub struct Constraint {
    /// Its name: `pat-1`. One name may stand for slightly different texts.
    pub key: &'static str,
    /// Whether breaking it is refused; otherwise it is advice.
    pub is_error: bool,
    /// The rule in words.
    pub human: &'static str,
    /// The rule in FHIRPath, with the element as focus.
    pub expression: &'static str,
}

/// What a search parameter's values look like. <http://hl7.org/fhir/R4/search.html#ptypes>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParamKind {
    /// A number.
    Number,
    /// A point or span of time.
    Date,
    /// Text, matched by its beginning.
    String,
    /// A code, identifier or flag.
    Token,
    /// Another resource.
    Reference,
    /// Two or more other parameters that hold for one repetition.
    Composite,
    /// A number with a unit.
    Quantity,
    /// A URI.
    Uri,
    /// Defined in prose only.
    Special,
}

impl ParamKind {
    /// Reads the code the specification uses.
    pub fn parse(code: &str) -> Option<Self> {
        Some(match code {
            "number" => Self::Number,
            "date" => Self::Date,
            "string" => Self::String,
            "token" => Self::Token,
            "reference" => Self::Reference,
            "composite" => Self::Composite,
            "quantity" => Self::Quantity,
            "uri" => Self::Uri,
            "special" => Self::Special,
            _ => return None,
        })
    }

    /// The code the specification uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Date => "date",
            Self::String => "string",
            Self::Token => "token",
            Self::Reference => "reference",
            Self::Composite => "composite",
            Self::Quantity => "quantity",
            Self::Uri => "uri",
            Self::Special => "special",
        }
    }
}

/// A search parameter. <http://hl7.org/fhir/R4/searchparameter.html>
#[derive(Debug)]
pub struct SearchParameter {
    /// Its canonical URL.
    pub url: &'static str,
    /// The name a query uses.
    pub code: &'static str,
    /// What its values look like.
    pub kind: ParamKind,
    /// The types it applies to.
    pub bases: Vec<&'static str>,
    /// Where its values are, one path per type joined by `|`; none when prose defines it.
    pub expression: Option<&'static str>,
    /// For a reference, the types it may point at.
    pub targets: Vec<&'static str>,
    /// Whether `a,b` is allowed.
    pub multiple_or: bool,
    /// Whether the parameter may repeat.
    pub multiple_and: bool,
    /// The prefixes its definition lists.
    pub comparators: Vec<&'static str>,
    /// The modifiers its definition lists.
    pub modifiers: Vec<&'static str>,
    /// Of a composite, the URL of each component and where it is, seen from the composite's expression.
    pub components: Vec<(&'static str, &'static str)>,
}

/// A compartment: what belongs to one patient, encounter, practitioner, device or related person.
#[derive(Debug)]
pub struct Compartment {
    /// The type whose instance it is about.
    pub code: &'static str,
    /// Its canonical URL.
    pub url: &'static str,
    /// Each type that can belong, and the search parameters of which any makes it do so. `{def}` stands for
    /// the instance itself.
    pub params: Vec<(&'static str, Vec<&'static str>)>,
}

impl Compartment {
    /// The search parameters through which a resource of this type belongs.
    pub fn params_of(&self, resource_type: &str) -> &[&'static str] {
        self.params
            .iter()
            .find(|(name, _)| *name == resource_type)
            .map(|(_, params)| params.as_slice())
            .unwrap_or_default()
    }
}

/// An operation. <http://hl7.org/fhir/R4/operations.html>
#[derive(Debug)]
pub struct Operation {
    /// Its canonical URL.
    pub url: &'static str,
    /// Its title.
    pub name: &'static str,
    /// The name after `$`.
    pub code: &'static str,
    /// Whether it may change something, so that it may not be called by GET.
    pub affects_state: bool,
    /// Whether it is called on the whole server.
    pub system: bool,
    /// Whether it is called on a type.
    pub type_level: bool,
    /// Whether it is called on an instance.
    pub instance: bool,
    /// The types it is called on.
    pub resources: Vec<&'static str>,
}

#[cfg(test)]
mod tests;
