//! What a receiver wants to hear about.

use std::sync::Arc;

use fhir::definitions::{ParamKind, r4};
use fhir::search::{IndexValue, ParamId, Registry};
use fhir::{Category, Error, IssueCode, Value};
use record::{Key, ResourceType};

use super::hub::{Seen, Shared};
use crate::ask::{Query, shortened};

/// Values one topic may name.
const MOST_VALUES: usize = 200;

/// What a receiver wants to hear about.
#[derive(Debug)]
pub(super) enum Topic {
    /// Everything.
    Everything,
    /// A type, as far as its resources meet the criteria or met them before the change.
    Type(ResourceType, Vec<Criterion>),
    /// One resource and, for the types that have one, its compartment.
    Instance(Key),
}

/// One parameter and its values, of which one must be there.
#[derive(Debug)]
pub(super) enum Criterion {
    /// `_id`
    Id(Vec<String>),
    /// Codes and the like.
    Token(ParamId, Vec<Token>),
    /// References.
    Reference(ParamId, Vec<String>),
}

/// A value of a token parameter: `code`, `system|code`, `|code` or `system|`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// `None` for any system, empty for none.
    system: Option<String>,
    /// Empty for any code.
    code: String,
}

impl Topic {
    /// Reads a topic.
    pub(super) fn parse(registry: &Registry, text: &str) -> Result<Self, Error> {
        let (name, criteria) = text.split_once('?').unwrap_or((text, ""));
        if name == "*" && criteria.is_empty() {
            return Ok(Self::Everything);
        }
        if let Some((type_, id)) = name.split_once('/') {
            if !Key::is_id(id) || !criteria.is_empty() {
                return Err(malformed("A topic about one resource looks like Patient/1."));
            }
            return Ok(Self::Instance(Key::new(known(type_)?, id)));
        }
        let type_ = known(name)?;
        let query = Query::parse(criteria)?;
        let mut values = 0;
        let mut read = Vec::new();
        for (name, value) in query.pairs() {
            let list: Vec<&str> = value.split(',').filter(|value| !value.is_empty()).collect();
            values += list.len();
            if list.is_empty() || values > MOST_VALUES {
                return Err(malformed("Every criterion of a topic needs a value, and there may not be too many."));
            }
            read.push(Criterion::parse(registry, type_, name, &list)?);
        }
        Ok(Self::Type(type_, read))
    }

    /// The type a topic is limited to.
    pub(super) fn type_(&self) -> Option<ResourceType> {
        match self {
            Self::Everything => None,
            Self::Type(type_, _) => Some(*type_),
            Self::Instance(key) => Some(key.type_),
        }
    }

    /// The id of the patient whose record is followed, if it is one's.
    pub(super) fn patient(&self) -> Option<String> {
        match self {
            Self::Instance(key) if key.type_.name() == "Patient" => Some(key.id.clone()),
            _ => None,
        }
    }

    /// Whether a change is of interest. A resource that ceases to meet the criteria is as interesting as one that
    /// begins to: a board must also learn what to take down.
    pub(super) async fn concerns(&self, shared: &Shared, seen: &Seen) -> Result<bool, Error> {
        let changed = &seen.entry.key;
        match self {
            Self::Everything => Ok(true),
            Self::Type(type_, _) if changed.type_ != *type_ => Ok(false),
            Self::Type(_, criteria) if criteria.is_empty() => Ok(true),
            Self::Type(_, criteria) => {
                let terms = shared.terms(seen).await?;
                Ok(terms.iter().any(|terms| criteria.iter().all(|criterion| criterion.met(changed, terms))))
            }
            Self::Instance(key) if key == changed => Ok(true),
            Self::Instance(key) => {
                let codes = r4()
                    .compartments()
                    .iter()
                    .find(|compartment| compartment.code == key.type_.name())
                    .map(|compartment| compartment.params_of(changed.type_.name()))
                    .unwrap_or_default();
                if codes.is_empty() {
                    return Ok(false);
                }
                let target = key.to_string();
                let terms = shared.terms(seen).await?;
                Ok(terms.iter().any(|terms| terms.refer(codes, &target)))
            }
        }
    }
}

fn known(name: &str) -> Result<ResourceType, Error> {
    ResourceType::named(name)
        .ok_or_else(|| malformed(&format!("“{}” is no topic: * , a resource type, or one resource.", shortened(name))))
}

fn malformed(text: &str) -> Error {
    Error::new(Category::Invalid, IssueCode::Value, text)
}

impl Criterion {
    fn parse(registry: &Registry, type_: ResourceType, name: &str, values: &[&str]) -> Result<Self, Error> {
        if name == "_id" {
            return Ok(Self::Id(values.iter().map(|value| (*value).to_owned()).collect()));
        }
        let refused = || {
            let name = shortened(name);
            malformed(&format!("A topic cannot ask for “{name}”: it takes token and reference parameters as they are."))
        };
        let param = registry.param(type_.name(), name).ok_or_else(refused)?;
        match param.kind {
            ParamKind::Token | ParamKind::Uri => {
                Ok(Self::Token(param.id, values.iter().map(|value| Token::parse(value)).collect()))
            }
            ParamKind::Reference => {
                let own = registry.own();
                Ok(Self::Reference(param.id, values.iter().map(|value| own.relative(value).to_owned()).collect()))
            }
            _ => Err(refused()),
        }
    }

    fn met(&self, key: &Key, terms: &Terms) -> bool {
        match self {
            Self::Id(ids) => ids.contains(&key.id),
            Self::Token(param, tokens) => terms
                .tokens
                .iter()
                .filter(|(of, ..)| of == param)
                .any(|(_, system, code)| tokens.iter().any(|token| token.is(system.as_deref(), code))),
            Self::Reference(param, wanted) => terms
                .references
                .iter()
                .filter(|(of, ..)| of == param)
                .any(|(.., target)| wanted.iter().any(|wanted| points(target, wanted))),
        }
    }
}

impl Token {
    fn parse(text: &str) -> Self {
        match text.split_once('|') {
            Some((system, code)) => Self { system: Some(system.to_owned()), code: code.to_owned() },
            None => Self { system: None, code: text.to_owned() },
        }
    }

    fn is(&self, system: Option<&str>, code: &str) -> bool {
        let of_system = self.system.as_deref().is_none_or(|wanted| wanted == system.unwrap_or_default());
        of_system && (self.code.is_empty() || self.code == code)
    }
}

/// Whether a reference points to `wanted`, which is `Type/id`, an address, or an id alone.
fn points(target: &str, wanted: &str) -> bool {
    target == wanted || (!wanted.contains('/') && target.rsplit_once('/').is_some_and(|(_, id)| id == wanted))
}

/// What a resource says that topics can ask for.
#[derive(Debug)]
pub(super) struct Terms {
    tokens: Vec<(ParamId, Option<String>, String)>,
    references: Vec<(ParamId, Arc<str>, String)>,
}

impl Terms {
    /// Takes them from a resource.
    pub(super) fn of(registry: &Registry, resource: &Value) -> Self {
        let mut terms = Self { tokens: Vec::new(), references: Vec::new() };
        for entry in registry.extract(resource) {
            match entry.value {
                IndexValue::Token { system, code } => {
                    let system = system.map(std::borrow::Cow::into_owned);
                    terms.tokens.push((entry.param, system, code.into_owned()));
                }
                IndexValue::Reference { target } => {
                    let code = Arc::clone(&registry.at(entry.param).code);
                    terms.references.push((entry.param, code, target.into_owned()));
                }
                _ => {}
            }
        }
        terms
    }

    /// Whether one of the parameters of these codes points to `target`.
    fn refer(&self, codes: &[&str], target: &str) -> bool {
        self.references.iter().any(|(_, code, found)| found == target && codes.contains(&&**code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_met_with_and_without_its_system() {
        let is = |text: &str, system, code| Token::parse(text).is(system, code);
        assert!(is("a", Some("s"), "a") && is("s|a", Some("s"), "a") && is("s|", Some("s"), "b"));
        assert!(is("|a", None, "a"));
        assert!(!is("|a", Some("s"), "a") && !is("t|a", Some("s"), "a") && !is("b", Some("s"), "a"));
    }

    #[test]
    fn a_reference_is_met_by_type_and_id_or_by_id() {
        assert!(points("Patient/1", "Patient/1") && points("Patient/1", "1"));
        assert!(!points("Patient/11", "1") && !points("Group/1", "Patient/1"));
    }
}
