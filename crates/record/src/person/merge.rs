//! One registration taken for another: both stay, the one points at the other, and it can be undone.
//! <http://hl7.org/fhir/R4/patient.html#linking>, and for the operation <http://hl7.org/fhir/R5/patient-operation-merge.html>

use std::collections::BTreeSet;

use fhir::search::OwnAddresses;
use fhir::{Category, Error, IssueCode, Value, json};
use sonic_rs::JsonValueTrait;

use crate::person::link::{Assurance, edit, found, human, join, list, part};
use crate::person::{Traits, find, review};
use crate::{Action, Caller, Change, Key, Patch, ResourceType, Session, Target, Version};

/// The most registrations one human is believed to have; links that lead to more are not followed further.
const MOST: usize = 200;

/// The registrations of one human.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamePerson {
    /// The id of the `Person` that joins them; `None` when there is only one, or they are merged and not yet joined.
    pub person: Option<String>,
    /// The ids of the Patients this caller may see, the one asked for first.
    pub patients: Vec<String>,
}

impl Session {
    /// All registrations of the human a Patient is one of.
    ///
    /// Fails with [`Category::NotFound`] when this caller sees no such Patient.
    pub async fn same_person(&self, patient: &str) -> Result<SamePerson, Error> {
        let platform = self.platform();
        existing(self, patient).await?;
        let (mut person, mut known) = (None, vec![patient.to_owned()]);
        let mut at = 0;
        while at < known.len() && known.len() < MOST {
            let mut others = BTreeSet::new();
            if let Some(human) = human(&platform, &known[at]).await? {
                others.extend(human.patients().map(str::to_owned));
                person.get_or_insert(human.id().to_owned());
            }
            if let Some((value, _)) = read(&platform, &known[at]).await? {
                others.extend(merged_with(self.own(), &value));
            }
            known.extend(others.into_iter().filter(|other| !known.contains(other)).collect::<Vec<_>>());
            at += 1;
        }
        let mut patients = Vec::with_capacity(known.len());
        for id in known {
            if id == patient || read(self, &id).await?.is_some() {
                patients.push(id);
            }
        }
        Ok(SamePerson { person, patients })
    }

    /// Takes one registration for another: `source` is no longer in use and says by which it is replaced.
    ///
    /// Nothing that belongs to it moves. Fails with [`Category::Conflict`] when one of them is replaced already.
    pub async fn merge(&self, source: &str, target: &str) -> Result<Version, Error> {
        if source == target {
            return Err(Error::invalid("A registration cannot be merged with itself."));
        }
        let (one, other) = (existing(self, source).await?, existing(self, target).await?);
        for (id, (value, _)) in [(source, &one), (target, &other)] {
            if replaced_by(self.own(), value).is_some() {
                let text = format!("Patient/{id} is replaced by another registration already.");
                return Err(Error::new(Category::Conflict, IssueCode::Conflict, text));
            }
        }
        let changes = vec![
            patched(source, one.1, &retired(&one.0, target))?,
            patched(target, other.1, &[linked(&other.0, source, "replaces")])?,
        ];
        let applied = self.transact(changes).await.map_err(Error::from)?;
        let platform = self.platform();
        join(&platform, source, target, Assurance::Decided).await?;
        review::withdraw(&platform, source, target).await?;
        let version = applied.into_iter().nth(1).and_then(|applied| applied.version);
        version.ok_or_else(|| Error::fault("a patched resource has no version"))
    }

    /// Undoes a merge: both registrations are as they were but for what has been written to them since, and they are
    /// known to be of two people.
    ///
    /// Fails with [`Category::Conflict`] when the registration is not replaced by another.
    pub async fn unmerge(&self, source: &str) -> Result<Version, Error> {
        let (one, version) = existing(self, source).await?;
        let Some(target) = replaced_by(self.own(), &one) else {
            let text = format!("Patient/{source} is not replaced by another registration.");
            return Err(Error::new(Category::Conflict, IssueCode::Conflict, text));
        };
        let (other, others_version) = existing(self, &target).await?;
        let platform = self.platform();
        let was = before(&platform, source, version, &target).await?;
        let mut back = vec![unlinked(self.own(), &one, &target)];
        back.push(match was.as_ref().and_then(|value| value.get("active")).and_then(|active| active.as_bool()) {
            Some(active) => format!(r#"{{"op":"add","path":"/active","value":{active}}}"#),
            None => r#"{"op":"remove","path":"/active"}"#.to_owned(),
        });
        if was.is_none() || one.get("active").is_none() {
            back.truncate(1);
        }
        let matching = &self.record.settings().matching;
        let traits = |value: &Value| Traits::of(value, matching);
        let score = find::compare(&self.record, &traits(&one), &traits(&other)).await?;
        // Put down first, so that the index does not join them again in between.
        review::settle(&platform, source, &target, &score, false).await?;
        let mut changes = vec![patched(source, version, &back)?];
        if links_to(self.own(), &other, source, "replaces") {
            changes.push(patched(&target, others_version, &[unlinked(self.own(), &other, source)])?);
        }
        let applied = self.transact(changes).await.map_err(Error::from)?;
        part(&platform, source).await?;
        let version = applied.into_iter().next().and_then(|applied| applied.version);
        version.ok_or_else(|| Error::fault("a patched resource has no version"))
    }

    /// The platform itself, for what it keeps about people whoever asks.
    fn platform(&self) -> Session {
        self.record.session(Caller::system("HOPERAT"))
    }
}

/// A Patient as it is now, and its version; none when there is none, or it has been deleted.
pub(super) async fn read(session: &Session, patient: &str) -> Result<Option<(Value, u64)>, Error> {
    let Some(version) = session.read(&key(patient)?).await? else { return Ok(None) };
    let Some(body) = &version.body else { return Ok(None) };
    Ok(Some((json::parse(body)?, version.version)))
}

pub(super) fn key(patient: &str) -> Result<Key, Error> {
    Ok(Key::new(ResourceType::parse("Patient")?, patient))
}

async fn existing(session: &Session, patient: &str) -> Result<(Value, u64), Error> {
    read(session, patient).await?.ok_or_else(|| Error::not_found("There is no such Patient."))
}

/// The Patient that replaces this one.
pub(super) fn replaced_by(own: &OwnAddresses, patient: &Value) -> Option<String> {
    links(own, patient).find(|(_, type_)| *type_ == "replaced-by").map(|(other, _)| other)
}

/// The Patients that replace this one or are replaced by it.
pub(super) fn merged_with(own: &OwnAddresses, patient: &Value) -> Vec<String> {
    let merged = links(own, patient).filter(|(_, type_)| matches!(*type_, "replaced-by" | "replaces"));
    merged.map(|(other, _)| other).collect()
}

fn links<'v>(own: &OwnAddresses, patient: &'v Value) -> impl Iterator<Item = (String, &'v str)> {
    list(patient, "link").iter().filter_map(move |link| {
        let reference = own.relative(link.get("other")?.get("reference")?.as_str()?);
        Some((reference.strip_prefix("Patient/")?.to_owned(), link.get("type")?.as_str()?))
    })
}

fn links_to(own: &OwnAddresses, patient: &Value, other: &str, type_: &str) -> bool {
    links(own, patient).any(|(known, known_type)| known == other && known_type == type_)
}

/// The patch operation that adds a link.
fn linked(patient: &Value, other: &str, type_: &str) -> String {
    let link = format!(r#"{{"other":{{"reference":"Patient/{other}"}},"type":"{type_}"}}"#);
    match list(patient, "link").is_empty() {
        true => format!(r#"{{"op":"add","path":"/link","value":[{link}]}}"#),
        false => format!(r#"{{"op":"add","path":"/link/-","value":{link}}}"#),
    }
}

/// The patch operations that take a registration out of use.
fn retired(patient: &Value, target: &str) -> Vec<String> {
    vec![r#"{"op":"add","path":"/active","value":false}"#.to_owned(), linked(patient, target, "replaced-by")]
}

/// The patch operation that takes a link out.
fn unlinked(own: &OwnAddresses, patient: &Value, other: &str) -> String {
    let all = list(patient, "link");
    let reference = format!("Patient/{other}");
    let is = |link: &Value| {
        let type_ = link.get("type").and_then(|type_| type_.as_str());
        let named = link.get("other").and_then(|other| other.get("reference")).and_then(|reference| reference.as_str());
        named.map(|named| own.relative(named)) == Some(&reference) && matches!(type_, Some("replaced-by" | "replaces"))
    };
    match all.iter().position(is) {
        Some(at) if all.len() > 1 => format!(r#"{{"op":"remove","path":"/link/{at}"}}"#),
        _ => r#"{"op":"remove","path":"/link"}"#.to_owned(),
    }
}

fn patched(patient: &str, version: u64, operations: &[String]) -> Result<Change, Error> {
    let patch = Patch::Json(json::parse(format!("[{}]", operations.join(",")).as_bytes())?);
    let target = Target::Key(key(patient)?);
    Ok(Change::new(Action::Patch { target, patch, if_match: Some(version) }))
}

/// The last version before a registration was replaced.
async fn before(session: &Session, patient: &str, version: u64, target: &str) -> Result<Option<Value>, Error> {
    let key = key(patient)?;
    for number in (1..version).rev() {
        let Some(body) = session.vread(&key, number).await?.and_then(|version| version.body) else { continue };
        let value = json::parse(&body)?;
        if !links_to(session.own(), &value, target, "replaced-by") {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// Points a replaced registration at its survivor again, when a system that knows nothing of the merge has written the
/// registration anew. What it wrote stays. Says whether there was anything to do.
pub(super) async fn keep_merged(session: &Session, patient: &str, value: &Value) -> Result<bool, Error> {
    for version in found(session, "Patient", "link", &format!("Patient/{patient}")).await? {
        let Some(body) = &version.body else { continue };
        let survivor = &version.key.id;
        let own = session.own();
        if links_to(own, &json::parse(body)?, patient, "replaces") && !links_to(own, value, survivor, "replaced-by") {
            edit(session, move || async move {
                let Some((value, version)) = read(session, patient).await? else { return Ok(Vec::new()) };
                if links_to(own, &value, survivor, "replaced-by") {
                    return Ok(Vec::new());
                }
                Ok(vec![patched(patient, version, &retired(&value, survivor))?])
            })
            .await?;
            return Ok(true);
        }
    }
    Ok(false)
}
