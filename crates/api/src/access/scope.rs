//! Scopes in the manner of SMART App Launch 2: `system/Observation.rs`, `system/*.cruds`.
//! <http://hl7.org/fhir/smart-app-launch/STU2/scopes-and-launch-context.html>

use fhir::{Category, Error, IssueCode};
use record::ResourceType;
use rustc_hash::FxHashMap;

use crate::ask::shortened;

/// One thing a scope can permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    Create,
    Read,
    Update,
    Delete,
    Search,
}

impl Permission {
    const ALL: [Self; 5] = [Self::Create, Self::Read, Self::Update, Self::Delete, Self::Search];

    /// The letter SMART gives it.
    pub(crate) const fn letter(self) -> char {
        match self {
            Self::Create => 'c',
            Self::Read => 'r',
            Self::Update => 'u',
            Self::Delete => 'd',
            Self::Search => 's',
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What a set of scopes permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scopes {
    text: String,
    every: u8,
    types: FxHashMap<ResourceType, u8>,
}

impl Scopes {
    /// Everything.
    pub(crate) fn everything() -> Self {
        Self::parse("system/*.cruds").expect("the widest scope can be read")
    }

    /// Reads scopes separated by spaces. The `.read`, `.write` and `.*` of SMART 1 are understood.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let mut scopes = Self { text: words.join(" "), every: 0, types: FxHashMap::default() };
        for scope in words {
            let refused = || {
                let text = format!("“{}” is not a scope such as system/Observation.rs.", shortened(scope));
                Error::new(Category::Invalid, IssueCode::Value, text)
            };
            let (type_, letters) =
                scope.strip_prefix("system/").and_then(|rest| rest.split_once('.')).ok_or_else(refused)?;
            let bits = bits(letters).ok_or_else(refused)?;
            if type_ == "*" {
                scopes.every |= bits;
            } else {
                *scopes.types.entry(ResourceType::named(type_).ok_or_else(refused)?).or_default() |= bits;
            }
        }
        if scopes.text.is_empty() {
            return Err(Error::new(Category::Invalid, IssueCode::Required, "At least one scope is needed."));
        }
        Ok(scopes)
    }

    /// As they were written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether they permit something for a type, or for every type.
    pub(crate) fn allow(&self, permission: Permission, type_: Option<ResourceType>) -> bool {
        let own = type_.and_then(|type_| self.types.get(&type_)).copied().unwrap_or_default();
        (self.every | own) & permission.bit() != 0
    }

    /// Whether they permit all that the others permit.
    pub(crate) fn cover(&self, others: &Self) -> bool {
        others.every & !self.every == 0
            && others
                .types
                .iter()
                .all(|(type_, bits)| bits & !(self.every | self.types.get(type_).copied().unwrap_or_default()) == 0)
    }
}

/// The permissions of the part after the point. The letters stand in the order `cruds`, as SMART wants them.
fn bits(letters: &str) -> Option<u8> {
    match letters {
        "read" => return Some(Permission::Read.bit() | Permission::Search.bit()),
        "write" => return Some(Permission::Create.bit() | Permission::Update.bit() | Permission::Delete.bit()),
        "*" => return bits("cruds"),
        "" => return None,
        _ => {}
    }
    let mut rest = Permission::ALL.iter();
    letters.chars().try_fold(0, |bits, letter| {
        let permission = rest.find(|permission| permission.letter() == letter)?;
        Some(bits | permission.bit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation() -> Option<ResourceType> {
        ResourceType::named("Observation")
    }

    #[test]
    fn a_scope_for_one_type_permits_nothing_for_another() {
        let scopes = Scopes::parse("system/Observation.rs").unwrap();
        assert!(scopes.allow(Permission::Read, observation()));
        assert!(!scopes.allow(Permission::Create, observation()));
        assert!(!scopes.allow(Permission::Read, ResourceType::named("Patient")));
        assert!(!scopes.allow(Permission::Read, None));
    }

    #[test]
    fn scopes_add_up() {
        let scopes = Scopes::parse("system/*.r system/Observation.cu").unwrap();
        assert!(scopes.allow(Permission::Read, observation()) && scopes.allow(Permission::Update, observation()));
        assert!(scopes.cover(&Scopes::parse("system/Observation.cru").unwrap()));
        assert!(!scopes.cover(&Scopes::parse("system/*.c").unwrap()));
    }

    #[test]
    fn the_words_of_the_first_version_are_understood() {
        assert_eq!(bits("read"), bits("rs"));
        assert_eq!(bits("write"), bits("cud"));
        assert_eq!(bits("*"), bits("cruds"));
    }

    #[test]
    fn what_is_not_a_scope_is_refused() {
        for text in ["", "system/Observation.sr", "system/Observation.", "patient/*.r", "system/Robot.r", "system/*.x"]
        {
            assert!(Scopes::parse(text).is_err(), "{text}");
        }
    }
}
