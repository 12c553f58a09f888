//! `GET /protocols/{code}/suggestions?patient=`: what the record suggests of a patient, by the criteria of the protocol and
//! as far as whoever asks may see; with `organization=` instead, of everybody who is an inpatient there. `start=` leaves
//! those that suggest one way to start. `POST /protocols/{code}/suggestions`: one is declined, with a reason.
//!
//! What was declined is a `DetectedIssue` whose mitigation says why and by whom. It is found by the key of the suggestion,
//! which changes with its evidence: what is new is suggested again.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use fhir::{Category, Error, IssueCode, Value, json as tree};
use protocol::criteria::{Criteria, SUGGESTION};
use protocol::engine::{Shows, Suggested};
use protocol::view::Moment;
use protocol::{Protocol, Words, task};
use record::{Action, Change, Key, ResourceType, SearchRequest};
use serde::{Deserialize, Serialize};
use sonic_rs::{JsonContainerTrait, JsonValueTrait, json};

use super::{Sent, Visit, json as answered, names};
use crate::access::Extent;
use crate::answer::Answer;
use crate::ask::{Query, shortened};
use crate::outcome::Failure;
use crate::route::Interaction;

/// The system of the codes of rules, `PROTOCOL.RULE`.
const CRITERION: &str = "https://qingshan.dev/fhir/CodeSystem/criterion";
/// What became of a suggestion.
const ANSWER: &str = "https://qingshan.dev/fhir/CodeSystem/suggestion-answer";
/// What must not be seen by everybody who may see the rest.
const SENSITIVE: &str = "https://qingshan.dev/fhir/CodeSystem/sensitive";
/// Inpatients looked through at a time.
const WARD: usize = 200;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'c> {
    rule: &'c str,
    key: String,
    title: &'c Words,
    patient: Whom,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Coded<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<Class<'c>>,
    source: &'c str,
    evidence: Vec<Seen>,
    /// The item of the form in which the reason stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    into: Option<&'c str>,
    /// A run of the protocol that is under way for the patient already.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    declined: Option<Declined>,
}

#[derive(Clone, Serialize)]
struct Whom {
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    display: Option<String>,
}

#[derive(Serialize)]
struct Coded<'c> {
    code: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'c Words>,
}

#[derive(Serialize)]
struct Class<'c> {
    code: &'c str,
    title: &'c Words,
    priority: &'c str,
}

/// Something that shows that a rule holds, in words as far as the resource has them.
#[derive(Default, Serialize)]
struct Seen {
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    values: Vec<Measured>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
}

#[derive(Serialize)]
struct Measured {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
}

#[derive(Clone, Serialize)]
struct Declined {
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    /// Of whom, as a reference.
    patient: String,
    /// The key of the suggestion.
    key: String,
    /// Why it is not followed.
    reason: String,
}

pub(super) async fn list(visit: &Visit<'_>, code: &str, query: &Query) -> Result<Answer, Failure> {
    let protocol = visit.protocol(code, None).await?;
    let Some(criteria) = visit.app.engine.criteria(code).await? else {
        return answered(StatusCode::OK, &Vec::<Entry<'_>>::new());
    };
    let start = query.get("start");
    let mut entries = Vec::new();
    match (query.get("patient"), query.get("organization")) {
        (Some(patient), None) => {
            let patient = patient.strip_prefix("Patient/").unwrap_or(patient);
            entries.extend(of(visit, &protocol, &criteria, patient, start).await?);
        }
        (None, Some(organization)) => {
            for patient in inpatients(visit, organization).await? {
                entries.extend(of(visit, &protocol, &criteria, &patient, start).await?);
            }
        }
        _ => {
            let text = "Say of whom: by patient=, or of all inpatients by organization=.";
            return Err(Error::new(Category::Invalid, IssueCode::Required, text).into());
        }
    }
    answered(StatusCode::OK, &entries)
}

pub(super) async fn decline(visit: &Visit<'_>, code: &str, sent: &Sent) -> Result<Answer, Failure> {
    let told: Told = sent.read_as("a suggestion that is declined")?;
    let reason = told.reason.trim();
    if reason.is_empty() {
        let text = "Say why the suggestion is not followed.";
        return Err(Error::new(Category::Invalid, IssueCode::Required, text).into());
    }
    let issues = ResourceType::parse("DetectedIssue")?;
    visit.allow(Interaction::Create(issues)).await?;
    let protocol = visit.protocol(code, None).await?;
    let criteria = visit.app.engine.criteria(code).await?.unwrap_or_default();
    let patient = told.patient.strip_prefix("Patient/").unwrap_or(&told.patient);
    let held = suggested(visit, &criteria, patient, None).await?;
    let gone = || Error::new(Category::Conflict, IssueCode::Conflict, "This is not suggested any more.");
    let one = held.into_iter().find(|one| one.key == told.key).ok_or_else(gone)?;
    let issue = issue(visit, &protocol, patient, &one, reason)?;
    // Declining the same twice is declining it once.
    let if_none_exist = Some(format!("identifier={SUGGESTION}|{}", one.key));
    let change = Change::new(Action::Create { resource: issue, if_none_exist });
    visit.session.transact(vec![change]).await.map_err(|refusal| refusal.error)?;
    let entries = of(visit, &protocol, &criteria, patient, None).await?;
    answered(StatusCode::OK, &entries)
}

/// A suggestion that is not followed. <http://hl7.org/fhir/R4/detectedissue.html>
fn issue(
    visit: &Visit<'_>,
    protocol: &Protocol,
    patient: &str,
    one: &Suggested<'_>,
    reason: &str,
) -> Result<Value, Error> {
    let now = tree_text(&Moment { at: visit.now(), zone: visit.zone() })?;
    let rule = one.rule;
    let refs: Vec<Value> = one
        .evidence
        .iter()
        .filter_map(|shows| match shows {
            Shows::Resource(resource) => reference(resource).map(|reference| json!({ "reference": reference })),
            Shows::Value(_) => None,
        })
        .collect();
    let mut issue = json!({
        "resourceType": "DetectedIssue",
        "identifier": [{ "system": SUGGESTION, "value": one.key.as_str() }],
        "status": "final",
        "code": {
            "coding": [{ "system": CRITERION, "code": format!("{}.{}", protocol.code, rule.code) }],
            "text": rule.title.zh.as_str(),
        },
        "patient": { "reference": format!("Patient/{patient}") },
        "identifiedDateTime": now.as_str(),
        "mitigation": [{
            "action": { "coding": [{ "system": ANSWER, "code": "declined" }], "text": reason },
            "date": now.as_str(),
            "author": { "reference": visit.session.caller().actor.as_str() },
        }],
    });
    if let Some(sensitive) = &rule.sensitive {
        issue["meta"] = json!({ "security": [{ "system": SENSITIVE, "code": sensitive.as_str() }] });
    }
    if !refs.is_empty() {
        issue["implicated"] = json!(refs);
    }
    tree::parse(&tree::to_bytes(&issue))
}

/// What is suggested of one patient, with what became of it before.
async fn of<'c>(
    visit: &Visit<'_>,
    protocol: &'c Protocol,
    criteria: &'c Criteria,
    patient: &str,
    start: Option<&str>,
) -> Result<Vec<Entry<'c>>, Failure> {
    let held = suggested(visit, criteria, patient, start).await?;
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let declined = declined(visit, patient).await?;
    let run = under_way(visit, protocol, patient).await?;
    let reference = format!("Patient/{patient}");
    let display = names::one(&visit.app.record, visit.session, &reference).await?;
    let whom = Whom { reference, display };
    let entry = |one: Suggested<'c>| {
        let rule = one.rule;
        let way = protocol.starts.iter().find(|start| start.code.as_ref() == Some(&rule.start));
        let class = protocol.class(&rule.class);
        Entry {
            rule: &rule.code,
            title: &rule.title,
            patient: whom.clone(),
            start: way.map(|way| Coded { code: &rule.start, title: way.title.as_ref() }),
            class: class.map(|class| Class { code: &class.code, title: &class.title, priority: &class.priority }),
            source: &rule.source,
            evidence: one.evidence.iter().map(seen).collect(),
            into: criteria.into.as_deref(),
            run: run.clone(),
            declined: declined.get(&one.key).cloned(),
            key: one.key,
        }
    };
    Ok(held.into_iter().map(entry).collect())
}

async fn suggested<'c>(
    visit: &Visit<'_>,
    criteria: &'c Criteria,
    patient: &str,
    start: Option<&str>,
) -> Result<Vec<Suggested<'c>>, Failure> {
    let none = || Error::not_found(format!("There is no patient {}.", shortened(patient)));
    if !Key::is_id(patient) {
        return Err(none().into());
    }
    let key = Key::new(ResourceType::parse("Patient")?, patient);
    let extent = visit.allow(Interaction::Read(key.clone())).await?;
    if extent == Extent::OnePatient && visit.grant.patient.as_deref() != Some(patient) {
        return Err(none().into());
    }
    let body = visit.session.read(&key).await?.and_then(|version| version.body).ok_or_else(none)?;
    let whom = tree::parse(&body)?;
    // An app that was not given a kind of resource learns nothing of it by what is suggested.
    let mut may = BTreeSet::new();
    for data in &criteria.data {
        let type_ = ResourceType::parse(data.query.split('?').next().unwrap_or_default())?;
        if visit.allow(Interaction::Search { type_: Some(type_), compartment: None }).await.is_ok() {
            may.insert(type_.name());
        }
    }
    Ok(visit.app.engine.suggest(visit.session, criteria, &whom, start, &may).await?)
}

async fn search(visit: &Visit<'_>, type_: &str, parameters: &[(&str, String)]) -> Result<Vec<Value>, Error> {
    let page = visit.session.search(&SearchRequest::of(type_, parameters)?).await?;
    page.matches.into_iter().filter_map(|version| version.body).map(|body| tree::parse(&body)).collect()
}

/// Suggestions of a patient that were declined, by their keys.
async fn declined(visit: &Visit<'_>, patient: &str) -> Result<BTreeMap<String, Declined>, Error> {
    let parameters = [
        ("patient", format!("Patient/{patient}")),
        ("identifier", format!("{SUGGESTION}|")),
        ("_count", "200".to_owned()),
    ];
    let mut found = BTreeMap::new();
    for issue in search(visit, "DetectedIssue", &parameters).await? {
        let keys = list_in(&issue, "identifier").iter();
        let key = keys.filter(|one| text(one, "system") == Some(SUGGESTION)).find_map(|one| text(one, "value"));
        let (Some(key), Some(answer)) = (key, list_in(&issue, "mitigation").first()) else { continue };
        let author = answer.get("author").and_then(|author| text(author, "reference"));
        let by = match author {
            Some(author) => names::one(&visit.app.record, visit.session, author).await?,
            None => None,
        };
        let reason = answer.get("action").and_then(|action| text(action, "text")).map(str::to_owned);
        found.insert(key.to_owned(), Declined { at: text(answer, "date").map(str::to_owned), by, reason });
    }
    Ok(found)
}

/// A run of the protocol that goes on for a patient, as far as whoever asks may see it.
async fn under_way(visit: &Visit<'_>, protocol: &Protocol, patient: &str) -> Result<Option<String>, Error> {
    let parameters = [
        ("patient", format!("Patient/{patient}")),
        ("_tag", format!("{}|root", task::RUN)),
        ("code", format!("{}|{}", task::PROTOCOL, protocol.code)),
        ("status", "in-progress".to_owned()),
        ("_sort", "-authored-on".to_owned()),
        ("_count", "1".to_owned()),
    ];
    let found = search(visit, "Task", &parameters).await?;
    Ok(found.first().and_then(|task| text(task, "id")).map(str::to_owned))
}

/// Those who are inpatients somewhere now, by id.
async fn inpatients(visit: &Visit<'_>, organization: &str) -> Result<BTreeSet<String>, Failure> {
    let stays = ResourceType::parse("Encounter")?;
    if visit.allow(Interaction::Search { type_: Some(stays), compartment: None }).await? == Extent::OnePatient {
        let text = "This app was given one patient, and a ward has many.";
        return Err(Error::new(Category::Forbidden, IssueCode::Forbidden, text).into());
    }
    let organization = organization.strip_prefix("Organization/").unwrap_or(organization);
    let parameters = [
        ("service-provider", format!("Organization/{organization}")),
        ("status", "in-progress".to_owned()),
        ("class", "IMP".to_owned()),
        ("_count", WARD.to_string()),
    ];
    let stays = search(visit, "Encounter", &parameters).await?;
    let patients = stays.iter().filter_map(|stay| text(stay.get("subject")?, "reference")?.strip_prefix("Patient/"));
    Ok(patients.map(str::to_owned).collect())
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}

fn list_in<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(|list| list.as_array()).map(|list| list.as_slice()).unwrap_or_default()
}

fn reference(resource: &Value) -> Option<String> {
    Some(format!("{}/{}", text(resource, "resourceType")?, text(resource, "id")?))
}

fn tree_text(moment: &Moment) -> Result<String, Error> {
    let written = sonic_rs::to_value(moment).map_err(Error::fault)?;
    Ok(written.as_str().unwrap_or_default().to_owned())
}

fn seen(shows: &Shows) -> Seen {
    let resource = match shows {
        Shows::Resource(resource) => resource,
        Shows::Value(value) => {
            let value = Measured { code: None, title: None, value: value.clone(), unit: None };
            return Seen { values: vec![value], ..Seen::default() };
        }
    };
    let (code, title) = resource.get("code").or_else(|| resource.get("class")).map(called).unwrap_or_default();
    let period = resource.get("period").and_then(|period| text(period, "start"));
    let at = ["effectiveDateTime", "effectiveInstant", "recordedDate", "onsetDateTime", "authoredOn", "issued"];
    let at = at.into_iter().find_map(|name| text(resource, name)).or(period);
    let parts = list_in(resource, "component").iter();
    let values = std::iter::once(resource).chain(parts).filter_map(measured);
    Seen { reference: reference(resource), code, title, values: values.collect(), at: at.map(str::to_owned) }
}

/// The value of an Observation or of a part of one.
fn measured(part: &Value) -> Option<Measured> {
    let is_whole = part.get("resourceType").is_some();
    let (code, title) = part.get("code").filter(|_| !is_whole).map(called).unwrap_or_default();
    let (value, unit) = if let Some(quantity) = part.get("valueQuantity") {
        let unit = text(quantity, "unit").or_else(|| text(quantity, "code"));
        (quantity.get("value")?.to_string(), unit.map(str::to_owned))
    } else if let Some(concept) = part.get("valueCodeableConcept") {
        let (code, title) = called(concept);
        (title.or(code)?, None)
    } else if let Some(number) = part.get("valueInteger") {
        (number.to_string(), None)
    } else {
        (text(part, "valueString")?.to_owned(), None)
    };
    Some(Measured { code, title, value, unit })
}

/// The first code of a concept or a coding, and what it is called.
fn called(concept: &Value) -> (Option<String>, Option<String>) {
    let coding = list_in(concept, "coding").first().unwrap_or(concept);
    let title = text(concept, "text").or_else(|| text(coding, "display"));
    (text(coding, "code").map(str::to_owned), title.map(str::to_owned))
}
