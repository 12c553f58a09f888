//! Doubtful pairs as work for a registrar: a `Task` with both registrations, and what is known of each field.
//!
//! Whoever decides completes it with an output `decision` of `same` or `different`. The Task stays, and with it the
//! answer: one pair has one Task, whose id is made of both. <http://hl7.org/fhir/R4/task.html>

use std::fmt::Write;

use fhir::{Error, Value, json, time};
use sha2::Digest;
use sonic_rs::JsonValueTrait;

use crate::person::Score;
use crate::person::link::{edit, list};
use crate::{Action, Change, Key, Patch, ResourceType, Session, Target};

/// What kinds of work of the platform there are.
const TASKS: &str = "https://qingshan.dev/fhir/CodeSystem/task";
/// What the inputs and outputs of a review are.
const REVIEW: &str = "https://qingshan.dev/fhir/CodeSystem/person-review";
/// How much a field agrees.
const AGREEMENT: &str = "https://qingshan.dev/fhir/CodeSystem/agreement";
/// How many bits that is worth.
const BITS: &str = "https://qingshan.dev/fhir/StructureDefinition/bits";
/// The code of the work.
const CODE: &str = "person-review";

/// What is known of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody was asked, or the question has been withdrawn.
    NotAsked,
    /// Somebody was asked and has not answered.
    Asked,
    /// They are of one person.
    Same,
    /// They are of two.
    Different,
}

/// The Task of a pair. Which is named first does not matter.
pub(super) fn key(one: &str, other: &str) -> Result<Key, Error> {
    let (first, second) = if one <= other { (one, other) } else { (other, one) };
    let digest = sha2::Sha256::digest(format!("{first} {second}"));
    let mut id = String::from("pair-");
    for byte in &digest[..16] {
        write!(id, "{byte:02x}").expect("text takes everything");
    }
    Ok(Key::new(ResourceType::parse("Task")?, id))
}

/// Whether a Task is of this kind, and of which pair.
pub(super) fn pair(task: &Value) -> Option<(String, String)> {
    let codings = list(task.get("code")?, "coding");
    codings.iter().find(|coding| text(coding, "system") == Some(TASKS) && text(coding, "code") == Some(CODE))?;
    let patient = |reference: &Value| Some(text(reference, "reference")?.strip_prefix("Patient/")?.to_owned());
    let other = list(task, "input").iter().find(|input| is(input, "other"))?.get("valueReference")?;
    Some((patient(task.get("focus")?)?, patient(other)?))
}

/// What a Task says of its pair.
pub(super) fn standing_of(task: &Value) -> Standing {
    let decision = list(task, "output").iter().find(|output| is(output, "decision"));
    let decision = decision.and_then(|output| text(output, "valueCode"));
    match (text(task, "status"), decision) {
        (Some("completed"), Some("same")) => Standing::Same,
        (Some("completed"), Some("different")) => Standing::Different,
        (Some("cancelled" | "rejected" | "failed" | "entered-in-error"), _) => Standing::NotAsked,
        _ => Standing::Asked,
    }
}

/// What is known of a pair.
pub(super) async fn standing(session: &Session, one: &str, other: &str) -> Result<Standing, Error> {
    Ok(current(session, &key(one, other)?).await?.map_or(Standing::NotAsked, |(task, _)| standing_of(&task)))
}

fn text<'v>(value: &'v Value, member: &str) -> Option<&'v str> {
    value.get(member)?.as_str()
}

fn is(part: &Value, code: &str) -> bool {
    let codings = part.get("type").map(|type_| list(type_, "coding")).unwrap_or_default();
    codings.iter().any(|coding| text(coding, "system") == Some(REVIEW) && text(coding, "code") == Some(code))
}

fn type_(code: &str) -> String {
    format!(r#""type":{{"coding":[{{"system":"{REVIEW}","code":"{code}"}}]}}"#)
}

async fn current(session: &Session, key: &Key) -> Result<Option<(Value, u64)>, Error> {
    let Some(version) = session.read(key).await? else { return Ok(None) };
    let Some(body) = &version.body else { return Ok(None) };
    Ok(Some((json::parse(body)?, version.version)))
}

/// Asks about a pair, unless it was asked before and the question still stands or is answered.
pub(super) async fn ask(session: &Session, one: &str, other: &str, score: &Score) -> Result<(), Error> {
    let key = &key(one, other)?;
    edit(session, move || async move {
        let before = current(session, key).await?;
        if before.as_ref().is_some_and(|(task, _)| standing_of(task) != Standing::NotAsked) {
            return Ok(Vec::new());
        }
        let now = time::instant(session.record.surroundings().clock.now());
        let mut inputs = vec![
            format!(r#"{{{},"valueReference":{{"reference":"Patient/{other}"}}}}"#, type_("other")),
            format!(r#"{{{},"valueDecimal":{:.4}}}"#, type_("probability"), score.probability),
        ];
        for reason in &score.reasons {
            let (field, level, bits) = (reason.field.code(), reason.level.code(), reason.bits);
            let worth = format!(r#""extension":[{{"url":"{BITS}","valueDecimal":{bits:.1}}}]"#);
            let coding = format!(r#"{{{worth},"system":"{AGREEMENT}","code":"{level}"}}"#);
            inputs.push(format!(r#"{{{},"valueCoding":{coding}}}"#, type_(field)));
        }
        let task = format!(
            r#"{{"resourceType":"Task","id":"{}","status":"requested","intent":"order","code":{{"coding":[{{"system":"{TASKS}","code":"{CODE}"}}]}},"focus":{{"reference":"Patient/{one}"}},"authoredOn":"{now}","input":[{}]}}"#,
            key.id,
            inputs.join(",")
        );
        let resource = json::parse(task.as_bytes())?;
        let (target, version) = (Target::Key(key.clone()), before.map(|(_, version)| version));
        // A pair that nobody else put down meanwhile.
        let if_absent = version.is_none();
        Ok(vec![Change::new(Action::Update { target, resource, if_match: version, if_absent })])
    })
    .await
}

/// Withdraws a question that has been answered by what was written since.
pub(super) async fn withdraw(session: &Session, one: &str, other: &str) -> Result<(), Error> {
    let key = &key(one, other)?;
    edit(session, move || async move {
        let Some((task, version)) = current(session, key).await? else { return Ok(Vec::new()) };
        if standing_of(&task) != Standing::Asked {
            return Ok(Vec::new());
        }
        let patch = Patch::Json(json::parse(br#"[{"op":"replace","path":"/status","value":"cancelled"}]"#)?);
        Ok(vec![Change::new(Action::Patch { target: Target::Key(key.clone()), patch, if_match: Some(version) })])
    })
    .await
}

/// Puts down an answer that was given elsewhere.
pub(super) async fn settle(session: &Session, one: &str, other: &str, score: &Score, same: bool) -> Result<(), Error> {
    ask(session, one, other, score).await?;
    let key = &key(one, other)?;
    edit(session, move || async move {
        let Some((task, version)) = current(session, key).await? else { return Ok(Vec::new()) };
        let decision = if same { "same" } else { "different" };
        if standing_of(&task) == (if same { Standing::Same } else { Standing::Different }) {
            return Ok(Vec::new());
        }
        let output = format!(r#"[{{{},"valueCode":"{decision}"}}]"#, type_("decision"));
        let patch = format!(
            r#"[{{"op":"replace","path":"/status","value":"completed"}},{{"op":"add","path":"/output","value":{output}}}]"#
        );
        let patch = Patch::Json(json::parse(patch.as_bytes())?);
        Ok(vec![Change::new(Action::Patch { target: Target::Key(key.clone()), patch, if_match: Some(version) })])
    })
    .await
}
