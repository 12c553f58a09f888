//! Where in a resource the walk is, kept on the stack and written out only for a finding.

use std::fmt;

/// A step from an outer place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    outer: Option<&'p Place<'p>>,
    name: &'p str,
    index: Option<usize>,
}

impl<'p> Place<'p> {
    /// The outermost place: a resource of this type.
    pub(super) fn root(type_name: &'p str) -> Self {
        Self { outer: None, name: type_name, index: None }
    }

    /// The element `name` here.
    pub(super) fn element(&'p self, name: &'p str) -> Self {
        Self { outer: Some(self), name, index: None }
    }

    /// The same element, one of its values.
    pub(super) fn item(self, index: usize) -> Self {
        Self { index: Some(index), ..self }
    }

    /// Whether the element this one stands in is an extension.
    pub(super) fn is_within_extension(&self) -> bool {
        self.outer.is_some_and(|outer| matches!(outer.name, "extension" | "modifierExtension"))
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outer) = self.outer {
            write!(f, "{outer}.")?;
        }
        f.write_str(self.name)?;
        match self.index {
            Some(index) => write!(f, "[{index}]"),
            None => Ok(()),
        }
    }
}
