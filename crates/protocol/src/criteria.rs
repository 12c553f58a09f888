//! Criteria: rules that suggest to start a protocol, from what the record says of a patient, with their evidence.
//!
//! A rule suggests and never starts anything. It holds only when its condition is true; a condition that cannot be told
//! from the record suggests nothing.

use std::collections::BTreeMap;

use fhir::path::{Environment, Expression, Item, Node};
use fhir::{Error, Value, definitions};
use jiff::Timestamp;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};
use sonic_rs::JsonValueTrait;

use crate::definition::{Code, Data, Words};

/// The system of the keys of suggestions: the identifiers of what was declined.
pub const SUGGESTION: &str = "https://qingshan.dev/fhir/sid/suggestion";

/// The criteria of one protocol: `criteria.toml` of a line.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Criteria {
    /// The protocol they suggest.
    pub protocol: Code,
    /// The item of the form of a start in which the reason stands; where the form has it, it is filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<Code>,
    /// What their expressions look up: `%code` is what the search found, in its order.
    #[serde(default, rename = "data", skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<Data>,
    /// The rules, the graver first.
    #[serde(default, rename = "criterion", skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Criterion>,
}

/// One rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Criterion {
    /// Its code.
    pub code: Code,
    /// What it says, to whoever decides.
    pub title: Words,
    /// The way to start that it suggests: a code of the protocol's starts.
    pub start: Code,
    /// The class that it suggests.
    pub class: Code,
    /// When it holds, as FHIRPath on `%patient` and the data.
    pub when: Code,
    /// What shows it: FHIRPath that gives resources of the record, or values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Code>,
    /// What its evidence must not be seen without: a code of `https://qingshan.dev/fhir/CodeSystem/sensitive`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitive: Option<Code>,
    /// Where the rule and its figures come from.
    pub source: String,
}

/// A rule that holds for a patient, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion<'c> {
    /// The rule.
    pub rule: &'c Criterion,
    /// What shows it.
    pub evidence: Vec<Evidence>,
}

/// Something that shows that a rule holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// A resource, such as `Observation/o1`.
    Resource(String),
    /// A value as text, such as `182`.
    Value(String),
}

impl Criteria {
    /// Reads `criteria.toml`.
    ///
    /// # Errors
    /// What is no TOML, has unknown keys, or has an expression that is no FHIRPath.
    pub fn read(text: &str) -> Result<Self, Error> {
        let criteria: Self = toml::from_str(text).map_err(|error| Error::invalid(error.message().to_owned()))?;
        for rule in &criteria.rules {
            for path in std::iter::once(&rule.when).chain(&rule.evidence) {
                Expression::parse(path)?;
            }
        }
        Ok(criteria)
    }

    /// The rule of that code.
    pub fn rule(&self, code: &str) -> Option<&Criterion> {
        self.rules.iter().find(|one| one.code.as_str() == code)
    }

    /// The rules that hold for a patient, in their order. A rule that cannot be told on what was found does not hold, and
    /// keeps no other from being told.
    ///
    /// `found` has what each search of [`Self::data`] found; one that is not there found nothing. `now` at `zone` is the
    /// time that `now()` and `today()` give.
    pub fn judge(
        &self,
        patient: &Value,
        found: &BTreeMap<String, Vec<Value>>,
        now: Timestamp,
        zone: Offset,
    ) -> Vec<Suggestion<'_>> {
        let r4 = definitions::r4();
        let node = |value| Item::Node(Node::resource(r4, value));
        let mut env = Environment::new(r4).of(patient).at(now, zone).with("patient", vec![node(patient)]);
        for data in &self.data {
            let values = found.get(data.code.as_str()).map(Vec::as_slice).unwrap_or_default();
            env = env.with(&data.code, values.iter().map(node).collect());
        }
        let judged = self.rules.iter().filter_map(|rule| match evidence(rule, patient, &env) {
            Ok(evidence) => Some(Suggestion { rule, evidence: evidence? }),
            Err(error) => {
                tracing::warn!(%error, protocol = %self.protocol, rule = %rule.code, "a criterion cannot be told");
                None
            }
        });
        judged.collect()
    }
}

/// What shows that a rule holds; none where it does not.
fn evidence<'a>(rule: &Criterion, patient: &'a Value, env: &Environment<'a>) -> Result<Option<Vec<Evidence>>, Error> {
    let holds = Expression::parse(&rule.when)?.evaluate(patient, env)?;
    if !matches!(holds.as_slice(), [one] if one.as_bool() == Some(true)) {
        return Ok(None);
    }
    let mut evidence = Vec::new();
    for path in &rule.evidence {
        let items = Expression::parse(path)?.evaluate(patient, env)?;
        evidence.extend(items.iter().filter_map(shown));
    }
    Ok(Some(evidence))
}

impl Suggestion<'_> {
    /// What tells a suggestion from the same one on other evidence: who has declined it is not asked again, until there
    /// is something new. Made of what it is `about` (the protocol and the patient), the rule, and the resources that show
    /// it, or the values where there are none.
    pub fn key(&self, about: &[&str]) -> String {
        let resources = self.evidence.iter().filter_map(|one| match one {
            Evidence::Resource(reference) => Some(reference.as_str()),
            Evidence::Value(_) => None,
        });
        let mut parts: Vec<&str> = resources.collect();
        if parts.is_empty() {
            parts.extend(self.evidence.iter().map(|one| match one {
                Evidence::Resource(text) | Evidence::Value(text) => text.as_str(),
            }));
        }
        parts.sort_unstable();
        parts.push(&self.rule.code);
        let bytes = about.iter().chain(&parts).flat_map(|part| part.bytes().chain([0]));
        // FNV-1a of 128 bits. <http://www.isthe.com/chongo/tech/comp/fnv/>
        let hash = bytes.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        });
        format!("{hash:032x}")
    }
}

fn shown(item: &Item<'_>) -> Option<Evidence> {
    let text = |value: &Value, name: &str| Some(value.get(name)?.as_str()?.to_owned());
    let resource = item
        .node()
        .and_then(|node| node.value())
        .and_then(|value| Some(Evidence::Resource(format!("{}/{}", text(value, "resourceType")?, text(value, "id")?))));
    resource.or_else(|| Some(Evidence::Value(item.to_text()?.into_owned())))
}
