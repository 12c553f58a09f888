//! Emergency access: a record is opened to one post at once, for a short time, and everybody concerned is told.
//!
//! What is written is FHIR: a `Task` that holds the access and awaits review, and a `Communication` to the patient and
//! to the privacy officers who answer for the institution. The access is a tie of the Task and ends by itself.

use std::sync::Arc;

use fhir::{Category, Error, IssueCode, json, time};

use super::facts::Kind;
use super::rules::Relation;
use super::sight::{Act, Sight};
use crate::audit::{self, Note};
use crate::search::SearchRequest;
use crate::store::names::Place;
use crate::store::reads;
use crate::store::value::Rows;
use crate::transact::{Action, Change};
use crate::{Caller, Key, Post, ResourceType, Session, Standing, Version};

/// The codes of tasks of ours.
const TASKS: &str = "https://qingshan.dev/fhir/CodeSystem/task";

/// The codes of duties.
const DUTY: &str = "https://qingshan.dev/fhir/CodeSystem/duty";

/// The code of an emergency access.
const CODE: &str = "emergency-access";

/// The longest reason that is kept, in characters.
const REASON: usize = 500;

/// Privacy officers told of one access.
const TOLD: usize = 50;

/// Why a record is opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reason {
    /// A code of <https://qingshan.dev/fhir/CodeSystem/emergency-reason>.
    pub code: Option<String>,
    /// In the words of whoever opens it.
    pub text: Option<String>,
}

/// A record that is open in an emergency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmergencyAccess {
    /// The Task that holds the access and awaits review.
    pub task: Key,
    /// When it ends, in microseconds since 1970-01-01T00:00:00Z.
    pub until: i64,
}

impl Session {
    /// Opens a patient's record to the caller's post for as long as the rules say, and tells the patient and the
    /// privacy officers in the same transaction. While one access runs, asking again answers with that one.
    ///
    /// Fails with [`Category::Forbidden`] for anyone whose duties open nothing in an emergency, with
    /// [`Category::NotFound`] when there is no such patient, and with [`Category::Unprocessable`] without a reason.
    pub async fn break_glass(&self, patient: &Key, reason: &Reason) -> Result<EmergencyAccess, Error> {
        let opened = self.open_in_emergency(patient, reason).await;
        if let Err(error) = &opened {
            let (outcome, patients) = (audit::Outcome::of(error), vec![patient.id.clone()]);
            self.note(Note { outcome, patients, ..Note::new(audit::Act::Emergency) }).await?;
        }
        opened
    }

    async fn open_in_emergency(&self, patient: &Key, reason: &Reason) -> Result<EmergencyAccess, Error> {
        let sight = self.sight().await?;
        let (Some(sight), Standing::Staff(post)) = (sight, &self.caller.standing) else { return Err(not_for_you()) };
        let clinical = ResourceType::parse("Observation")?.number();
        if !sight.ways(Act::Read, clinical).contains(&Relation::Emergency) {
            return Err(not_for_you());
        }
        let given =
            |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let (code, text) = (given(&reason.code), given(&reason.text));
        let too_long = text.as_ref().is_some_and(|text| text.chars().count() > REASON);
        if (code.is_none() && text.is_none()) || too_long || code.as_ref().is_some_and(|code| !is_code(code)) {
            let text = format!("An emergency access needs a reason: a code, or words of at most {REASON} characters.");
            return Err(Error::new(Category::Unprocessable, IssueCode::Required, text));
        }
        let there = self.record.store().read(patient, Some(&sight)).await?;
        if patient.type_.name() != "Patient" || there.is_none_or(|version| version.body.is_none()) {
            return Err(Error::not_found(format!("There is no {patient}.")));
        }
        if let Some(running) = self.running(&sight, patient).await? {
            return Ok(running);
        }
        let start = sight.now - sight.now.rem_euclid(1_000);
        let until = start + self.record.tools().rules.after.emergency;
        let officers = self.officers(&sight).await?;
        let changes = papers(post, patient, &reason_json(code.as_deref(), text.as_deref()), &officers, (start, until))?;
        // The rules let nobody write these: they are the platform's word that the access was announced.
        let caller = Arc::new(Caller { standing: Standing::System, ..Caller::clone(&self.caller) });
        let note = Note { patients: vec![patient.id.clone()], ..Note::new(audit::Act::Emergency) };
        self.note(note).await?;
        let applied = crate::transact::run(&Self { caller, ..self.clone() }, None, changes).await?;
        let task = applied.into_iter().next().and_then(|applied| applied.version);
        let task = task.ok_or_else(|| Error::fault("an emergency access was not written"))?.key;
        Ok(EmergencyAccess { task, until })
    }

    /// The access of this post to this patient that has not ended.
    async fn running(&self, sight: &Sight, patient: &Key) -> Result<Option<EmergencyAccess>, Error> {
        let mut rows = self.record.reader().await?;
        let Some(Place { rid, .. }) = reads::place(&mut rows, patient).await? else { return Ok(None) };
        let ties = super::ties(&mut rows, &[rid], &[], sight.now).await?;
        let tie = ties.iter().find(|tie| tie.kind == Kind::Emergency && sight.parties.contains(&tie.party));
        let Some(tie) = tie else { return Ok(None) };
        let sql = "SELECT id FROM resource WHERE rid = $1";
        let found = rows.rows(sql, &[tie.rid.into()]).await?;
        let id = found.first().map(|row| row.text(0)).transpose()?.unwrap_or_default();
        Ok(Some(EmergencyAccess { task: Key::new(ResourceType::parse("Task")?, id), until: tie.hi }))
    }

    /// The posts of the privacy officers who are told: of the caller's institution, where it has none of those that
    /// manage it, then of whoever leads the consortium, and at last all there are.
    async fn officers(&self, sight: &Sight) -> Result<Vec<String>, Error> {
        let request = SearchRequest {
            type_: ResourceType::named("PractitionerRole"),
            compartment: None,
            parameters: vec![
                ("role".to_owned(), format!("{DUTY}|privacy-officer")),
                ("_count".to_owned(), "1000".to_owned()),
            ],
            strict: true,
        };
        let found = crate::search::run(&self.record, &request, None).await?;
        let mut rows = self.record.reader().await?;
        let mut officers: Vec<(String, Vec<i64>)> = Vec::new();
        for Version { key, .. } in found.matches {
            let Some(Place { rid, .. }) = reads::place(&mut rows, &key).await? else { continue };
            let ties = super::ties(&mut rows, &[], &[rid], sight.now).await?;
            let homes: Vec<i64> = ties.iter().filter(|tie| tie.kind == Kind::Post).map(|tie| tie.party).collect();
            if !homes.is_empty() {
                officers.push((key.to_string(), homes));
            }
        }
        let levels = self.record.access().institutions.read().answerable(sight.home, sight.now);
        let at = |level: &[i64]| -> Vec<String> {
            let there = officers.iter().filter(|(_, homes)| homes.iter().any(|home| level.contains(home)));
            there.map(|(name, _)| name.clone()).take(TOLD).collect()
        };
        let nearest = levels.iter().map(|level| at(level)).find(|told| !told.is_empty());
        Ok(nearest.unwrap_or_else(|| officers.iter().map(|(name, _)| name.clone()).take(TOLD).collect()))
    }
}

fn not_for_you() -> Error {
    let text = "Only those who treat patients may open a record in an emergency.";
    Error::new(Category::Forbidden, IssueCode::Forbidden, text)
}

fn is_code(code: &str) -> bool {
    code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn quoted(text: &str) -> String {
    String::from_utf8(json::to_bytes(&fhir::Value::from(text))).expect("JSON is UTF-8")
}

fn reason_json(code: Option<&str>, text: Option<&str>) -> String {
    let system = "https://qingshan.dev/fhir/CodeSystem/emergency-reason";
    let coding = code.map(|code| format!(r#""coding":[{{"system":"{system}","code":"{code}"}}]"#));
    let text = text.map(|text| format!(r#""text":{}"#, quoted(text)));
    let parts: Vec<String> = coding.into_iter().chain(text).collect();
    format!("{{{}}}", parts.join(","))
}

/// The Task and the Communication of an access.
fn papers(
    post: &Post,
    patient: &Key,
    reason: &str,
    officers: &[String],
    span: (i64, i64),
) -> Result<Vec<Change>, Error> {
    // A period holds the whole of its last millisecond.
    let (start, end) = (time::instant(span.0), time::instant(span.1 - 1_000));
    let (role, organization) = (&post.role, &post.organization);
    let coding = format!(r#"{{"coding":[{{"system":"{TASKS}","code":"{CODE}"}}]}}"#);
    let task = format!(
        r#"{{"resourceType":"Task","status":"requested","intent":"order","code":{coding},"for":{{"reference":"{patient}"}},
        "executionPeriod":{{"start":"{start}","end":"{end}"}},"authoredOn":"{start}",
        "requester":{{"reference":"PractitionerRole/{role}"}},"owner":{{"reference":"Organization/{organization}"}},
        "reasonCode":{reason}}}"#
    );
    let told = std::iter::once(patient.to_string()).chain(officers.iter().cloned());
    let told: Vec<String> = told.map(|name| format!(r#"{{"reference":"{name}"}}"#)).collect();
    let name = "urn:uuid:00000000-0000-4000-8000-000000000001";
    let communication = format!(
        r#"{{"resourceType":"Communication","status":"completed","category":[{coding}],"subject":{{"reference":"{patient}"}},
        "about":[{{"reference":"{name}"}}],"sent":"{start}","recipient":[{}],
        "sender":{{"reference":"PractitionerRole/{role}"}},"reasonCode":[{reason}]}}"#,
        told.join(",")
    );
    let create = |text: &str| -> Result<Action, Error> {
        Ok(Action::Create { resource: json::parse(text.as_bytes())?, if_none_exist: None })
    };
    let task = Change { full_url: Some(name.to_owned()), action: create(&task)? };
    Ok(vec![task, Change { full_url: None, action: create(&communication)? }])
}
