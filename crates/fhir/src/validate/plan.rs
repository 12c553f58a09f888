//! What the walk needs of each type, worked out once.

use rustc_hash::FxHashMap;

use super::coded::CodeSet;
use super::format::Format;
use super::rule::Rule;
use crate::definitions::{Binding, Constraint, Definitions, ElementDef, Kind, Strength, TypeDef, TypeId};

/// The compiled definitions.
#[derive(Debug)]
pub(super) struct Plan {
    /// By the position of each type.
    types: Vec<TypePlan>,
    /// The value sets codes are checked against, read when first needed.
    sets: Vec<CodeSet>,
}

/// What a value of a type is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A JSON value of its own.
    Primitive(Format),
    /// An object with elements.
    Object,
    /// An extension, which has either a value or extensions of its own.
    Extension,
    /// A reference, whose target has a type.
    Reference,
    /// A resource of the type it names.
    Resource,
}

#[derive(Debug)]
pub(super) struct TypePlan {
    pub(super) shape: Shape,
    /// A bit for the position of each element that must be there.
    pub(super) required: u128,
    pub(super) elements: Vec<ElementPlan>,
    /// Rules on every value of the type.
    pub(super) rules: Vec<Rule>,
}

#[derive(Debug)]
pub(super) struct ElementPlan {
    /// Where its codes come from, when that is more than a suggestion.
    pub(super) binding: Option<BindingPlan>,
    /// Whether the content is narrowed to a quantity without comparator.
    pub(super) is_simple_quantity: bool,
    /// Rules on every value of the element besides those of its type.
    pub(super) rules: Vec<Rule>,
}

/// A binding that is checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct BindingPlan {
    /// Whether a code from elsewhere is refused; otherwise it is worth a warning.
    pub(super) is_required: bool,
    set: usize,
}

/// The value sets met so far, each once.
#[derive(Default)]
struct Bindings {
    sets: Vec<CodeSet>,
    places: FxHashMap<&'static str, usize>,
}

impl Bindings {
    fn of(&mut self, binding: Binding) -> Option<BindingPlan> {
        if binding.strength < Strength::Extensible {
            return None;
        }
        let sets = &mut self.sets;
        let set = *self.places.entry(binding.value_set).or_insert_with(|| {
            sets.push(CodeSet::new(binding.value_set));
            sets.len() - 1
        });
        Some(BindingPlan { is_required: binding.strength == Strength::Required, set })
    }
}

impl Plan {
    pub(super) fn new(definitions: &Definitions) -> Self {
        let mut bindings = Bindings::default();
        let types = definitions.types().iter().map(|found| TypePlan::new(definitions, found, &mut bindings)).collect();
        Self { types, sets: bindings.sets }
    }

    pub(super) fn of(&self, id: TypeId) -> &TypePlan {
        &self.types[id.position()]
    }

    pub(super) fn set(&self, binding: BindingPlan) -> &CodeSet {
        &self.sets[binding.set]
    }
}

impl TypePlan {
    fn new(definitions: &Definitions, found: &TypeDef, bindings: &mut Bindings) -> Self {
        let shape = match (found.kind, found.name) {
            (Kind::Primitive, name) => Shape::Primitive(Format::of(name).expect("every primitive type has a format")),
            (Kind::Resource, _) => Shape::Resource,
            (_, "Extension") => Shape::Extension,
            (_, "Reference") => Shape::Reference,
            _ => Shape::Object,
        };
        let required = found
            .elements()
            .iter()
            .enumerate()
            .filter(|(_, element)| element.min > 0)
            .fold(0, |required, (position, _)| required | 1 << position);
        let elements = found
            .elements()
            .iter()
            .map(|element| ElementPlan {
                binding: element.binding.and_then(|binding| bindings.of(binding)),
                is_simple_quantity: element.types.iter().any(|kind| kind.profile == Some("SimpleQuantity")),
                rules: element_rules(definitions, element),
            })
            .collect();
        let rules = found.constraints.iter().filter_map(|constraint| Rule::new(constraint, Some(found))).collect();
        Self { shape, required, elements, rules }
    }
}

/// The rules a specification puts on an element where it stands, and not on its type.
fn element_rules(definitions: &Definitions, element: &ElementDef) -> Vec<Rule> {
    // Of a choice the type is known only where a value stands.
    let kind = element.types.first().filter(|_| !element.is_choice).and_then(|kind| definitions.type_(kind.code));
    let known = kind.map(|kind| kind.constraints).unwrap_or_default();
    let is_own = |constraint: &&&Constraint| !known.iter().any(|other| other.key == constraint.key);
    element.constraints.iter().filter(is_own).filter_map(|constraint| Rule::new(constraint, kind)).collect()
}
