//! What criteria suggest from the record.

use std::collections::{BTreeMap, BTreeSet};

use fhir::{Error, Value, json};
use jiff::Timestamp;
use record::Session;
use sonic_rs::JsonValueTrait;

use super::{Engine, scene};
use crate::criteria::{Criteria, Criterion, Evidence};
use crate::definition::Data;
use crate::knowledge;

/// A rule that holds for a patient.
#[derive(Debug, Clone)]
pub struct Suggested<'c> {
    /// The rule.
    pub rule: &'c Criterion,
    /// What tells it from the same rule on other evidence.
    pub key: String,
    /// What shows it.
    pub evidence: Vec<Shows>,
}

/// Something that shows that a rule holds.
#[derive(Debug, Clone)]
pub enum Shows {
    /// A resource of the record.
    Resource(Value),
    /// A value as text.
    Value(String),
}

impl Engine {
    /// What suggests a protocol, as the record holds it now; none where nothing does.
    pub async fn criteria(&self, protocol: &str) -> Result<Option<Criteria>, Error> {
        knowledge::suggesting(&self.platform(), protocol).await
    }

    /// The codes of the protocols that criteria suggest.
    pub async fn suggests(&self) -> Result<Vec<String>, Error> {
        knowledge::suggested(&self.platform()).await
    }

    /// The rules that hold for a patient by what the session shows. `start` leaves those that suggest that way to start.
    /// `may` are the types that may be searched at all; a search of another finds nothing.
    pub async fn suggest<'c>(
        &self,
        session: &Session,
        criteria: &'c Criteria,
        patient: &Value,
        start: Option<&str>,
        may: &BTreeSet<&'static str>,
    ) -> Result<Vec<Suggested<'c>>, Error> {
        let id = patient.get("id").and_then(|id| id.as_str()).unwrap_or_default();
        let mut found = BTreeMap::new();
        for data in wanted(criteria, start) {
            let request = scene::request(&data.query.replace("{patient}", id))?;
            if !request.type_.is_some_and(|type_| may.contains(type_.name())) {
                continue;
            }
            let page = session.search(&request).await?;
            let bodies = page.matches.into_iter().filter_map(|version| version.body);
            let values = bodies.map(|body| json::parse(&body)).collect::<Result<Vec<Value>, Error>>()?;
            found.insert(data.code.to_string(), values);
        }
        let now = Timestamp::from_microsecond(self.now()).map_err(Error::fault)?;
        let resource = |reference: &str| {
            let is_it = |value: &&Value| {
                let text = |name: &str| value.get(name).and_then(|text| text.as_str());
                reference.split_once('/') == text("resourceType").zip(text("id"))
            };
            found.values().flatten().chain([patient]).find(is_it).cloned()
        };
        let held = criteria.judge(patient, &found, now, self.zone());
        let held = held.iter().filter(|one| is_meant(one.rule, start)).map(|one| {
            let evidence = one.evidence.iter().filter_map(|evidence| match evidence {
                Evidence::Resource(reference) => resource(reference).map(Shows::Resource),
                Evidence::Value(text) => Some(Shows::Value(text.clone())),
            });
            Suggested { rule: one.rule, key: one.key(&[&criteria.protocol, id]), evidence: evidence.collect() }
        });
        Ok(held.collect())
    }
}

fn is_meant(rule: &Criterion, start: Option<&str>) -> bool {
    start.is_none_or(|start| rule.start.as_str() == start)
}

/// What the rules that are meant look up.
fn wanted<'c>(criteria: &'c Criteria, start: Option<&str>) -> Vec<&'c Data> {
    let rules = || criteria.rules.iter().filter(|rule| is_meant(rule, start));
    let paths = || rules().flat_map(|rule| std::iter::once(&rule.when).chain(&rule.evidence));
    criteria.data.iter().filter(|data| paths().any(|path| scene::names(path, &data.code))).collect()
}
