//! The R4 resource types as small numbers.

use std::fmt;

use fhir::{Category, Error, IssueCode};

/// One of the concrete R4 resource types. The number is stored, so it is the type's place in the frozen R4 list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceType(u16);

impl ResourceType {
    /// The type of that name, or `None`.
    pub fn named(name: &str) -> Option<Self> {
        let at = fhir::definitions::r4().resource_types().binary_search(&name).ok()?;
        Some(Self(u16::try_from(at + 1).expect("R4 has 148 types")))
    }

    /// The type of that name, or the error a caller should see.
    pub fn parse(name: &str) -> Result<Self, Error> {
        Self::named(name).ok_or_else(|| {
            Error::new(
                Category::NotFound,
                IssueCode::NotSupported,
                format!("“{}” is not an R4 resource type.", name.chars().take(64).collect::<String>()),
            )
        })
    }

    /// Every concrete type, alphabetical.
    pub fn all() -> impl Iterator<Item = Self> {
        let count = fhir::definitions::r4().resource_types().len();
        (1..=count).map(|at| Self(u16::try_from(at).expect("R4 has 148 types")))
    }

    /// The name the specification gives it.
    pub fn name(self) -> &'static str {
        fhir::definitions::r4().resource_types()[usize::from(self.0) - 1]
    }

    /// The number stored for it, from 1.
    pub(crate) fn number(self) -> i64 {
        i64::from(self.0)
    }

    /// The type of a stored number.
    pub(crate) fn numbered(number: i64) -> Option<Self> {
        let count = fhir::definitions::r4().resource_types().len();
        let number = u16::try_from(number).ok()?;
        (number >= 1 && usize::from(number) <= count).then_some(Self(number))
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
