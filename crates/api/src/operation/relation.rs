//! `Patient/[id]/$relation`: by what the caller may see a record, and what would open it; and `$break-glass`, which
//! opens it in an emergency. Both are ours, and told in docs/decisions/access.md.

use fhir::{Category, Error, IssueCode, Value};
use record::{Act, Key, Note, Outcome, Reason, Session};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use super::parameters::{Parameters, Writer};
use crate::access::Grant;
use crate::answer::Answer;
use crate::ask::Ask;
use crate::json;
use crate::outcome::Failure;
use crate::route::On;

/// Tells how the caller stands to the patient.
pub(crate) async fn show(session: &Session, on: On) -> Result<Answer, Failure> {
    let patient = patient(on)?;
    let relations = session.relations(&patient).await?;
    let relations = relations.ok_or_else(|| Error::not_found(format!("There is no {patient}.")))?;
    let mut answer = Writer::new();
    for held in &relations.held {
        answer.parts("relation", |part| {
            part.text("code", "valueCode", held.relation.code());
            if let Some(source) = &held.source {
                let mut reference = b"{".to_vec();
                json::string(&mut reference, "reference");
                reference.push(b':');
                json::string(&mut reference, &source.to_string());
                reference.push(b'}');
                part.raw("source", "valueReference", &reference);
            }
            if let Some(until) = held.until {
                part.text("until", "valueInstant", &json::instant(until));
            }
        });
    }
    answer.flag("closed", relations.closed);
    answer.flag("refused", relations.refused);
    for relation in &relations.opened_by {
        answer.text("opened-by", "valueCode", relation.code());
    }
    answer.flag("emergency", relations.emergency);
    Ok(answer.answer())
}

/// Opens the record to the caller's post for a short time. That takes the person themselves: an app that somebody let in
/// decides no emergency for them.
pub(crate) async fn break_glass(grant: &Grant, session: &Session, mut ask: Ask, on: On) -> Result<Answer, Failure> {
    let patient = patient(on)?;
    if !grant.in_person {
        let note = Note { outcome: Outcome::Refused, patients: vec![patient.id], ..Note::new(Act::Emergency) };
        session.note(note).await?;
        let text = "A record is opened in an emergency by a person who is signed in, not by an app or a machine.";
        return Err(Error::forbidden(text).into());
    }
    let parameters = Parameters::of(&mut ask)?;
    let reason = match parameters.value("reason") {
        Some(concept) if concept.is_object() => of_concept(concept),
        _ => Reason { code: None, text: parameters.text("reason") },
    };
    let code = reason.code.or_else(|| parameters.text("code"));
    let text = reason.text.or_else(|| parameters.text("text"));
    let opened = session.break_glass(&patient, &Reason { code, text }).await?;
    let mut answer = Writer::new();
    answer.text("task", "valueUri", &opened.task.to_string());
    answer.text("until", "valueInstant", &json::instant(opened.until));
    Ok(answer.answer())
}

fn of_concept(concept: &Value) -> Reason {
    let text = |value: &Value, name: &str| value.get(name).and_then(|text| text.as_str()).map(str::to_owned);
    let coding = concept.get("coding").and_then(|list| list.as_array()).and_then(|list| list.iter().next());
    // The value may also be a Coding itself.
    let code = coding.and_then(|coding| text(coding, "code")).or_else(|| text(concept, "code"));
    Reason { code, text: text(concept, "text").or_else(|| text(concept, "display")) }
}

fn patient(on: On) -> Result<Key, Error> {
    match on {
        On::Instance(key) => Ok(key),
        _ => Err(Error::new(Category::NotFound, IssueCode::NotSupported, "This is asked of one patient.")),
    }
}
