//! What the walk needs of each type, worked out once.

use super::format::Format;
use crate::definitions::{Definitions, Kind, TypeDef, TypeId};

/// The compiled definitions, by the position of each type.
#[derive(Debug)]
pub(super) struct Plan(Vec<TypePlan>);

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
}

#[derive(Debug)]
pub(super) struct ElementPlan {
    /// Whether the content is narrowed to a quantity without comparator.
    pub(super) is_simple_quantity: bool,
}

impl Plan {
    pub(super) fn new(definitions: &Definitions) -> Self {
        Self(definitions.types().iter().map(TypePlan::new).collect())
    }

    pub(super) fn of(&self, id: TypeId) -> &TypePlan {
        &self.0[id.position()]
    }
}

impl TypePlan {
    fn new(found: &TypeDef) -> Self {
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
                is_simple_quantity: element.types.iter().any(|kind| kind.profile == Some("SimpleQuantity")),
            })
            .collect();
        Self { shape, required, elements }
    }
}
