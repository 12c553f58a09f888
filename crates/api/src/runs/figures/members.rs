//! Which institution a department is a part of, as the register of institutions says.

use std::collections::BTreeMap;

use fhir::{Error, Value, json};
use record::{Caller, Key, Record, SearchRequest, Session};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

/// How many organizations are looked through upwards; a tree of institutions is not that high.
const LEVELS: usize = 8;
/// Departments looked for at a time.
const PAGE: usize = 500;
/// The tiers of care that institutions are of. <https://qingshan.dev/fhir/CodeSystem/level>
const LEVEL: &str = "https://qingshan.dev/fhir/CodeSystem/level";
/// The type of what holds institutions together and is none.
const CONSORTIUM: &str = "medical-consortium";

/// Institutions by what belongs to them. What institutions there are is known to everybody.
pub(super) struct Members {
    session: Session,
    known: BTreeMap<String, Option<String>>,
    names: BTreeMap<String, String>,
}

impl Members {
    pub(super) fn new(record: &Record) -> Self {
        let session = record.session(Caller::system("HOPERAT"));
        Self { session, known: BTreeMap::new(), names: BTreeMap::new() }
    }

    /// The institution that an organization is, or is a part of; none for whoever is no organization.
    pub(super) async fn of(&mut self, reference: &str) -> Result<Option<String>, Error> {
        if let Some(known) = self.known.get(reference) {
            return Ok(known.clone());
        }
        let mut at = reference.to_owned();
        let mut found = None;
        for _ in 0..LEVELS {
            let Some(one) = self.read(&at).await? else { break };
            if is_consortium(&one) {
                break;
            }
            if let Some(name) = one.get("name").and_then(|name| name.as_str()) {
                self.names.insert(at.clone(), name.to_owned());
            }
            let above = one.get("partOf").and_then(|above| above.get("reference")?.as_str()).map(str::to_owned);
            found = Some(at);
            match above {
                Some(above) => at = above,
                None => break,
            }
        }
        self.known.insert(reference.to_owned(), found.clone());
        Ok(found)
    }

    /// What an institution is called.
    pub(super) fn name(&self, reference: &str) -> Option<&str> {
        self.names.get(reference).map(String::as_str)
    }

    /// All institutions that are of a tier of care.
    pub(super) async fn all(&mut self) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        for one in self.search("type", format!("{LEVEL}|")).await? {
            let Some(id) = one.get("id").and_then(|id| id.as_str()) else { continue };
            let reference = format!("Organization/{id}");
            if self.of(&reference).await?.as_deref() == Some(&reference) {
                found.push(reference);
            }
        }
        Ok(found)
    }

    /// An organization and what belongs to it.
    pub(super) async fn within(&self, reference: &str) -> Result<Vec<String>, Error> {
        let mut all = vec![reference.to_owned()];
        let mut last = vec![reference.to_owned()];
        for _ in 0..LEVELS {
            if last.is_empty() {
                break;
            }
            let below = self.search("partof", last.join(",")).await?;
            let below = below.iter().filter_map(|one| one.get("id").and_then(|id| id.as_str()));
            last = below.map(|id| format!("Organization/{id}")).filter(|one| !all.contains(one)).collect();
            all.extend(last.iter().cloned());
        }
        Ok(all)
    }

    async fn read(&self, reference: &str) -> Result<Option<Value>, Error> {
        let Some(key) = Key::of(reference).filter(|key| key.type_.name() == "Organization") else { return Ok(None) };
        let body = self.session.read(&key).await?.and_then(|version| version.body);
        body.map(|body| json::parse(&body)).transpose()
    }

    async fn search(&self, name: &str, value: String) -> Result<Vec<Value>, Error> {
        let request = SearchRequest::of("Organization", &[(name, value), ("_count", PAGE.to_string())])?;
        let page = self.session.search(&request).await?;
        page.matches.into_iter().filter_map(|version| version.body).map(|body| json::parse(&body)).collect()
    }
}

fn is_consortium(organization: &Value) -> bool {
    let list = |value: &Value, name: &str| -> Vec<Value> {
        value.get(name).and_then(|list| list.as_array()).map(|list| list.to_vec()).unwrap_or_default()
    };
    let types = list(organization, "type");
    let mut codings = types.iter().flat_map(|concept| list(concept, "coding"));
    codings.any(|coding| coding.get("code").and_then(|code| code.as_str()) == Some(CONSORTIUM))
}
