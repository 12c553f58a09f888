//! Whether coded values come from the value set their element is bound to.
//!
//! <http://hl7.org/fhir/R4/terminologies.html#strength>

use std::sync::OnceLock;

use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use crate::Value;
use crate::terminology::{Official, Request, Terminology};

/// The codes of one official value set, read when first asked for.
#[derive(Debug)]
pub(super) struct CodeSet {
    /// Its canonical URL.
    pub(super) url: &'static str,
    codes: OnceLock<Option<Codes>>,
}

/// Codes in order, each with the position of its system.
#[derive(Debug)]
struct Codes {
    systems: Vec<Box<str>>,
    codes: Vec<(Box<str>, u16)>,
}

impl CodeSet {
    pub(super) fn new(url: &'static str) -> Self {
        Self { url, codes: OnceLock::new() }
    }

    /// Whether a coded value of this type is in the set; none when it cannot be said, because the value set names
    /// systems whose codes are kept elsewhere.
    pub(super) fn admits(&self, type_name: &str, value: &Value) -> Option<bool> {
        let codes = self.codes.get_or_init(|| Codes::read(self.url)).as_ref()?;
        let member = |value: &Value, member: &str| -> Option<bool> {
            let code = value.get(member)?.as_str()?;
            Some(codes.have(value.get("system").and_then(|system| system.as_str()), code))
        };
        match type_name {
            "CodeableConcept" => match value.get("coding").and_then(|codings| codings.as_array()) {
                Some(codings) => {
                    let found = codings.iter().any(|coding| member(coding, "code") == Some(true));
                    // A coding without a code may say by an extension why it has none.
                    let silent = codings.iter().all(|coding| coding.get("code").is_none());
                    if found { Some(true) } else { (!silent).then_some(false) }
                }
                None => value.get("text").map(|_| false),
            },
            "Coding" => member(value, "code"),
            "Quantity" => member(value, "code"),
            _ => value.as_str().map(|code| codes.have(None, code)),
        }
    }
}

impl Codes {
    fn read(url: &str) -> Option<Self> {
        let terminology = Terminology::new(&Official);
        let value_set = terminology.value_set(url).ok()?;
        let expansion = terminology.expand(&value_set, &Request::default()).ok()?;
        if !expansion.partial.is_empty() {
            return None;
        }
        let mut systems: Vec<Box<str>> = Vec::new();
        let mut codes = Vec::with_capacity(expansion.concepts.len());
        for concept in expansion.concepts {
            let known = systems.iter().position(|system| **system == *concept.system).unwrap_or_else(|| {
                systems.push(Box::from(&*concept.system));
                systems.len() - 1
            });
            codes.push((concept.code.into_boxed_str(), u16::try_from(known).ok()?));
        }
        codes.sort_unstable();
        Some(Self { systems, codes })
    }

    fn have(&self, system: Option<&str>, code: &str) -> bool {
        let from = self.codes.partition_point(|(known, _)| **known < *code);
        let mut same = self.codes[from..].iter().take_while(|(known, _)| **known == *code);
        same.any(|(_, known)| system.is_none_or(|system| *self.systems[usize::from(*known)] == *system))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::{Strength, r4};

    #[test]
    fn every_required_value_set_can_be_checked_but_those_of_outside_registries() {
        let mut required: Vec<_> = r4()
            .types()
            .iter()
            .flat_map(|found| found.elements())
            .filter_map(|element| element.binding)
            .filter(|binding| binding.strength == Strength::Required)
            .map(|binding| binding.value_set)
            .collect();
        required.sort_unstable();
        required.dedup();
        assert!(required.len() > 200, "{}", required.len());
        let unknown: Vec<_> = required.into_iter().filter(|url| Codes::read(url).is_none()).collect();
        let outside =
            ["currencies", "mimetypes", "ucum-units"].map(|name| format!("http://hl7.org/fhir/ValueSet/{name}"));
        assert_eq!(unknown[..3], outside);
        assert_eq!(unknown[3..], ["http://loinc.org/vs/LL379-9"]);
    }
}
