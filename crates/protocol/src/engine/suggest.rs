//! What criteria suggest from the record.

use std::collections::{BTreeMap, BTreeSet};

use fhir::{Error, Value, json};
use jiff::Timestamp;
use record::{ResourceType, SearchRequest, Session};
use sonic_rs::JsonValueTrait;

use super::{Engine, scene};
use crate::criteria::{Criteria, Criterion, Evidence, SUGGESTION};
use crate::definition::Data;
use crate::run::Grounds;
use crate::{knowledge, task};

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

    /// Why a rule, named as `PROTOCOL.RULE`, begins something of a patient by itself, with the key of what shows it. None
    /// where it does not hold, where it was declined on this evidence, and where what it suggests is under way.
    pub(super) async fn grounds(&self, rule: &str, patient: Option<&str>) -> Result<Option<(Grounds, String)>, Error> {
        let session = self.platform();
        let (Some((protocol, code)), Some(patient)) = (rule.split_once('.'), patient) else { return Ok(None) };
        let Some(criteria) = self.criteria(protocol).await? else { return Ok(None) };
        // A run is seen by everybody who takes part; what must not be seen without a grant of its own begins none.
        let known = criteria.rule(code).filter(|rule| rule.sensitive.is_none());
        let (Some(known), Some(whom)) = (known, scene::read(&session, None, Some(patient)).await?) else {
            return Ok(None);
        };
        let types = criteria.data.iter().filter_map(|data| ResourceType::named(data.query.split('?').next()?));
        let types: BTreeSet<&str> = types.map(|type_| type_.name()).collect();
        let held = self.suggest(&session, &criteria, &whom, Some(known.start.as_str()), &types).await?;
        let Some(held) = held.into_iter().find(|one| one.rule.code == known.code) else { return Ok(None) };
        let declined = [("identifier", format!("{SUGGESTION}|{}", held.key))];
        let under_way = [
            ("patient", patient.to_owned()),
            ("_tag", format!("{}|root", task::RUN)),
            ("code", format!("{}|{protocol}", task::PROTOCOL)),
            ("status", "in-progress".to_owned()),
        ];
        if is_there(&session, "DetectedIssue", &declined).await? || is_there(&session, "Task", &under_way).await? {
            return Ok(None);
        }
        let text = |value: &Value, name: &str| Some(value.get(name)?.as_str()?.to_owned());
        let evidence = held.evidence.iter().filter_map(|shows| match shows {
            Shows::Resource(one) => {
                Some(Evidence::Resource(format!("{}/{}", text(one, "resourceType")?, text(one, "id")?)))
            }
            Shows::Value(value) => Some(Evidence::Value(value.clone())),
        });
        Ok(Some((Grounds { rule: rule.to_owned(), evidence: evidence.collect() }, held.key)))
    }
}

/// Whether a search finds anything.
async fn is_there(session: &Session, type_: &str, parameters: &[(&str, String)]) -> Result<bool, Error> {
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let parameters = parameters.chain([("_count".to_owned(), "1".to_owned())]).collect();
    let type_ = Some(ResourceType::parse(type_)?);
    let page = session.search(&SearchRequest { type_, compartment: None, parameters, strict: true }).await?;
    Ok(!page.matches.is_empty())
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
