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

/// The criteria of one protocol: `criteria.toml` of a line.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Criteria {
    /// The protocol they suggest.
    pub protocol: Code,
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

    /// The rules that hold for a patient, in their order.
    ///
    /// `found` has what each search of [`Self::data`] found; one that is not there found nothing. `now` at `zone` is the
    /// time that `now()` and `today()` give.
    ///
    /// # Errors
    /// An expression that cannot be evaluated on what was found.
    pub fn judge(
        &self,
        patient: &Value,
        found: &BTreeMap<String, Vec<Value>>,
        now: Timestamp,
        zone: Offset,
    ) -> Result<Vec<Suggestion<'_>>, Error> {
        let r4 = definitions::r4();
        let node = |value| Item::Node(Node::resource(r4, value));
        let mut env = Environment::new(r4).of(patient).at(now, zone).with("patient", vec![node(patient)]);
        for data in &self.data {
            let values = found.get(data.code.as_str()).map(Vec::as_slice).unwrap_or_default();
            env = env.with(&data.code, values.iter().map(node).collect());
        }
        let mut suggestions = Vec::new();
        for rule in &self.rules {
            let holds = Expression::parse(&rule.when)?.evaluate(patient, &env)?;
            if !matches!(holds.as_slice(), [one] if one.as_bool() == Some(true)) {
                continue;
            }
            let mut evidence = Vec::new();
            for path in &rule.evidence {
                let items = Expression::parse(path)?.evaluate(patient, &env)?;
                evidence.extend(items.iter().filter_map(shown));
            }
            suggestions.push(Suggestion { rule, evidence });
        }
        Ok(suggestions)
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
