//! The `Person` in which the registrations of one human are joined. <http://hl7.org/fhir/R4/person.html>
//!
//! A human with one registration has none: there is nothing to join. A Person says nothing of its own; names and numbers
//! stand in the Patients, so that they cannot differ.

use fhir::search::OwnAddresses;
use fhir::{Category, Error, Value, json};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use crate::{Action, Change, Key, Patch, SearchRequest, Session, Target, Version};

/// How often a change is tried against others that change the same.
const EDITS: usize = 5;

/// How far two registrations are known to be of one person. <http://hl7.org/fhir/R4/valueset-identity-assuranceLevel.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assurance {
    /// By their weights.
    Scored,
    /// Somebody looked and decided.
    Decided,
}

impl Assurance {
    fn code(self) -> &'static str {
        match self {
            Self::Scored => "level3",
            Self::Decided => "level4",
        }
    }
}

/// A Person as it is now.
pub(super) struct Human {
    key: Key,
    version: u64,
    /// The Patients it joins, with the assurance of each.
    links: Vec<(String, String)>,
}

impl Human {
    /// The id of the Person.
    pub(super) fn id(&self) -> &str {
        &self.key.id
    }

    /// The ids of the Patients it joins.
    pub(super) fn patients(&self) -> impl Iterator<Item = &str> {
        self.links.iter().map(|(patient, _)| patient.as_str())
    }

    fn read(version: &Version, own: &OwnAddresses) -> Result<Option<Self>, Error> {
        let Some(body) = &version.body else { return Ok(None) };
        let person = json::parse(body)?;
        let links = list(&person, "link").iter().filter_map(|link| {
            let reference = link.get("target")?.get("reference")?.as_str()?;
            let assurance = link.get("assurance").and_then(|code| code.as_str()).unwrap_or("level3");
            Some((own.relative(reference).strip_prefix("Patient/")?.to_owned(), assurance.to_owned()))
        });
        Ok(Some(Self { key: version.key.clone(), version: version.version, links: links.collect() }))
    }

    /// The change that gives it these links; without two of them there is nothing to join.
    fn with(&self, links: &[(String, String)]) -> Result<Change, Error> {
        let target = Target::Key(self.key.clone());
        if links.len() < 2 {
            return Ok(Change::new(Action::Delete { target, if_match: Some(self.version) }));
        }
        let patch = format!(r#"[{{"op":"add","path":"/link","value":{}}}]"#, written(links));
        let patch = Patch::Json(json::parse(patch.as_bytes())?);
        Ok(Change::new(Action::Patch { target, patch, if_match: Some(self.version) }))
    }
}

fn written(links: &[(String, String)]) -> String {
    let link = |(patient, assurance): &(String, String)| {
        format!(r#"{{"target":{{"reference":"Patient/{patient}"}},"assurance":"{assurance}"}}"#)
    };
    format!("[{}]", links.iter().map(link).collect::<Vec<_>>().join(","))
}

pub(super) fn list<'v>(value: &'v Value, member: &str) -> &'v [Value] {
    value.get(member).and_then(|list| list.as_array()).map(|list| list.as_slice()).unwrap_or_default()
}

/// The one resource, or the few, that a search by one parameter finds.
pub(super) async fn found(session: &Session, type_: &str, code: &str, value: &str) -> Result<Vec<Version>, Error> {
    Ok(session.search(&SearchRequest::of(type_, &[(code, value.to_owned())])?).await?.matches)
}

/// The Person that joins a Patient with others.
pub(super) async fn human(session: &Session, patient: &str) -> Result<Option<Human>, Error> {
    for version in found(session, "Person", "link", &format!("Patient/{patient}")).await? {
        if let Some(human) = Human::read(&version, session.own())? {
            return Ok(Some(human));
        }
    }
    Ok(None)
}

/// Joins two registrations, and with them those each is joined with.
pub(super) async fn join(session: &Session, one: &str, other: &str, assurance: Assurance) -> Result<(), Error> {
    edit(session, move || async move {
        let (first, second) = (human(session, one).await?, human(session, other).await?);
        let mut links: Vec<(String, String)> = Vec::new();
        for human in first.iter().chain(second.iter()) {
            for link in &human.links {
                if !links.iter().any(|(patient, _)| *patient == link.0) {
                    links.push(link.clone());
                }
            }
        }
        let before = links.clone();
        for patient in [one, other] {
            match links.iter_mut().find(|(known, _)| known == patient) {
                Some((_, level)) if assurance == Assurance::Decided => assurance.code().clone_into(level),
                Some(_) => {}
                None => links.push((patient.to_owned(), assurance.code().to_owned())),
            }
        }
        Ok(match (first, second) {
            (Some(first), Some(second)) if first.key != second.key => {
                let target = Target::Key(second.key.clone());
                let gone = Change::new(Action::Delete { target, if_match: Some(second.version) });
                vec![first.with(&links)?, gone]
            }
            (Some(human), _) | (None, Some(human)) if links != before => vec![human.with(&links)?],
            (Some(_), _) | (None, Some(_)) => Vec::new(),
            (None, None) => {
                let text = format!(r#"{{"resourceType":"Person","link":{},"active":true}}"#, written(&links));
                let if_none_exist = Some(format!("link=Patient/{one}"));
                vec![Change::new(Action::Create { resource: json::parse(text.as_bytes())?, if_none_exist })]
            }
        })
    })
    .await
}

/// Takes a registration out of those it is joined with.
pub(super) async fn part(session: &Session, patient: &str) -> Result<(), Error> {
    edit(session, move || async move {
        let Some(human) = human(session, patient).await? else { return Ok(Vec::new()) };
        let rest: Vec<(String, String)> = human.links.iter().filter(|(other, _)| other != patient).cloned().collect();
        Ok(vec![human.with(&rest)?])
    })
    .await
}

/// Makes changes that depend on what is there, anew when it changed meanwhile.
pub(super) async fn edit<F>(session: &Session, changes: impl Fn() -> F + Send) -> Result<(), Error>
where
    F: Future<Output = Result<Vec<Change>, Error>> + Send,
{
    let mut tried = 0;
    loop {
        let changes = changes().await?;
        if changes.is_empty() {
            return Ok(());
        }
        tried += 1;
        match session.transact(changes).await {
            Ok(_) => return Ok(()),
            Err(refusal)
                if tried < EDITS
                    && matches!(refusal.error.category(), Category::Conflict | Category::PreconditionFailed) => {}
            Err(refusal) => return Err(refusal.error),
        }
    }
}
