//! Scopes in the manner of SMART App Launch 2: `system/Observation.rs`, `patient/*.rs`, `openid`.
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

/// Within which bounds a scope holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// `system/`: whatever the machine was registered for.
    System,
    /// `user/`: whatever the person who signed in may do.
    User,
    /// `patient/`: of that, what is about one patient.
    Patient,
}

impl Level {
    const ALL: [Self; 3] = [Self::System, Self::User, Self::Patient];

    /// The word before the slash.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Patient => "patient",
        }
    }
}

/// Scopes that are not about resources.
pub(crate) const WORDS: [&str; 8] = [
    "openid",
    "fhirUser",
    "profile",
    "launch",
    "launch/patient",
    "launch/encounter",
    "offline_access",
    "online_access",
];

/// What the scopes of one level permit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Reach {
    every: u8,
    types: FxHashMap<ResourceType, u8>,
}

/// What a set of scopes permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scopes {
    text: String,
    levels: [Reach; 3],
}

impl Scopes {
    /// Everything, for a machine.
    pub(crate) fn everything() -> Self {
        Self::parse("system/*.cruds").expect("the widest scope can be read")
    }

    /// Everything that a person may do.
    pub(crate) fn of_a_person() -> Self {
        Self::parse("user/*.cruds").expect("the widest scope can be read")
    }

    /// Reads scopes separated by spaces. The `.read`, `.write` and `.*` of SMART 1 are understood.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let mut scopes = Self { text: words.join(" "), levels: Default::default() };
        for scope in words {
            scopes.add(scope)?;
        }
        if scopes.text.is_empty() {
            return Err(Error::new(Category::Invalid, IssueCode::Required, "At least one scope is needed."));
        }
        Ok(scopes)
    }

    fn add(&mut self, scope: &str) -> Result<(), Error> {
        let refused = |text: String| Error::new(Category::Invalid, IssueCode::Value, text);
        let unknown = || refused(format!("“{}” is not a scope such as system/Observation.rs.", shortened(scope)));
        if WORDS.contains(&scope) {
            return Ok(());
        }
        let (level, rest) = scope.split_once('/').ok_or_else(unknown)?;
        let level = Level::ALL.into_iter().find(|known| known.word() == level).ok_or_else(unknown)?;
        if rest.contains('?') {
            let text = "Scopes that are narrowed by a search, such as “…?category=…”, are not offered.";
            return Err(refused(text.to_owned()));
        }
        let (type_, letters) = rest.split_once('.').ok_or_else(unknown)?;
        let bits = bits(letters).ok_or_else(unknown)?;
        let reach = &mut self.levels[level as usize];
        if type_ == "*" {
            reach.every |= bits;
        } else {
            *reach.types.entry(ResourceType::named(type_).ok_or_else(unknown)?).or_default() |= bits;
        }
        Ok(())
    }

    /// As they were written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a word is among them.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.text.split(' ').any(|scope| scope == word)
    }

    /// Whether any is of this level.
    pub(crate) fn reach(&self, level: Level) -> bool {
        let reach = &self.levels[level as usize];
        reach.every != 0 || !reach.types.is_empty()
    }

    /// Whether those of a level permit something for a type, or for every type.
    pub(crate) fn allow(&self, level: Level, permission: Permission, type_: Option<ResourceType>) -> bool {
        let reach = &self.levels[level as usize];
        let own = type_.and_then(|type_| reach.types.get(&type_)).copied().unwrap_or_default();
        (reach.every | own) & permission.bit() != 0
    }

    /// Whether they permit all that the others permit.
    pub(crate) fn cover(&self, others: &Self) -> bool {
        let levels = self.levels.iter().zip(&others.levels).all(|(own, other)| {
            let beyond = |(type_, bits): (&ResourceType, &u8)| {
                bits & !(own.every | own.types.get(type_).copied().unwrap_or_default()) != 0
            };
            other.every & !own.every == 0 && !other.types.iter().any(beyond)
        });
        levels && others.text.split(' ').filter(|word| WORDS.contains(word)).all(|word| self.has(word))
    }

    /// Of what is asked for, what these permit; a server may give out less than it is asked for.
    /// <https://www.rfc-editor.org/rfc/rfc6749#section-3.3>
    pub(crate) fn of_those(&self, asked: &str) -> Result<Self, Error> {
        let mut kept = Vec::new();
        for word in asked.split_ascii_whitespace() {
            match Self::parse(word) {
                Ok(scope) if self.cover(&scope) => kept.push(word),
                Err(error) if word.contains('?') => return Err(error),
                _ => {}
            }
        }
        Self::parse(&kept.join(" "))
    }

    /// Those that are for machines.
    pub(crate) fn of_machines(&self) -> Result<Self, Error> {
        let system: Vec<&str> = self.text.split(' ').filter(|scope| scope.starts_with("system/")).collect();
        Self::parse(&system.join(" "))
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
    fn a_scope_for_one_type_and_level_permits_nothing_for_another() {
        let scopes = Scopes::parse("system/Observation.rs").unwrap();
        assert!(scopes.allow(Level::System, Permission::Read, observation()));
        assert!(!scopes.allow(Level::User, Permission::Read, observation()));
        assert!(!scopes.allow(Level::System, Permission::Create, observation()));
        assert!(!scopes.allow(Level::System, Permission::Read, ResourceType::named("Patient")));
        assert!(!scopes.allow(Level::System, Permission::Read, None));
    }

    #[test]
    fn scopes_add_up() {
        let scopes = Scopes::parse("system/*.r system/Observation.cu openid").unwrap();
        let allow = |permission| scopes.allow(Level::System, permission, observation());
        assert!(allow(Permission::Read) && allow(Permission::Update));
        assert!(scopes.cover(&Scopes::parse("system/Observation.cru openid").unwrap()));
        for beyond in ["system/*.c", "user/Observation.r", "offline_access"] {
            assert!(!scopes.cover(&Scopes::parse(beyond).unwrap()), "{beyond}");
        }
    }

    #[test]
    fn of_what_is_asked_for_only_what_is_known_and_allowed_is_given() {
        let own = Scopes::parse("launch/patient patient/*.rs openid").unwrap();
        let given = own.of_those("openid patient/*.read patient/Observation.c launch/patient unheard.of").unwrap();
        assert_eq!(given.as_str(), "openid patient/*.read launch/patient");
        assert!(own.of_those("patient/Observation.rs?category=laboratory").is_err(), "narrower than could be kept");
        assert!(own.of_those("user/*.rs").is_err(), "nothing is left");
    }

    #[test]
    fn the_words_of_the_first_version_are_understood() {
        assert_eq!(bits("read"), bits("rs"));
        assert_eq!(bits("write"), bits("cud"));
        assert_eq!(bits("*"), bits("cruds"));
    }

    #[test]
    fn what_is_not_a_scope_is_refused() {
        for text in
            ["", "system/Observation.sr", "system/Observation.", "group/*.r", "system/Robot.r", "system/*.x", "all"]
        {
            assert!(Scopes::parse(text).is_err(), "{text}");
        }
    }
}
