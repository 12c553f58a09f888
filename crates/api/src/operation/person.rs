//! One human and their registrations: `Patient/$match`, `Patient/$merge`, `Patient/$unmerge`, `Patient/id/$person`.

use fhir::{Category, Error, IssueCode};
use record::person::{Match, Verdict};
use record::{Key, Session};
use sonic_rs::JsonValueTrait;

use super::parameters::{Parameters, Writer};
use crate::App;
use crate::access::Grant;
use crate::answer::Answer;
use crate::ask::Ask;
use crate::bundle::Bundle;
use crate::outcome::Failure;
use crate::route::On;

/// How many are shown when the caller does not say.
const SHOWN: usize = 10;

/// `Patient/$match`: who this may be. <http://hl7.org/fhir/R4/patient-operation-match.html>
pub(crate) async fn find(app: &App, grant: &Grant, session: &Session, mut ask: Ask) -> Result<Answer, Failure> {
    let base = ask.base.to_string();
    let parameters = Parameters::of(&mut ask)?;
    let is_patient = |resource: &&fhir::Value| resource.get("resourceType").as_str() == Some("Patient");
    let resource = parameters.resource("resource").filter(is_patient).ok_or_else(|| {
        Error::new(Category::Invalid, IssueCode::Required, "A parameter “resource” that is a Patient is needed.")
    })?;
    let only_certain = parameters.flag("onlyCertainMatches")?.unwrap_or(false);
    let most = app.record.settings().limits.page_max;
    let count = parameters.number("count")?.map_or(SHOWN, |count| count.min(most));
    let is_shown = record::ResourceType::named("Patient").is_some_and(|type_| grant.may_read(type_));
    let found = if is_shown { session.matches(resource, only_certain, count).await? } else { Vec::new() };
    let mut bundle = Bundle::new("searchset", Some(found.len() as u64), &[]);
    for one in &found {
        let body = one.version.body.as_deref().unwrap_or(b"{}");
        bundle.matched(&base, &one.version.key, body, one.score.probability, grade(one));
    }
    Ok(Answer::resource(bundle.end()))
}

/// How sure a match is. <http://hl7.org/fhir/R4/valueset-match-grade.html>
fn grade(one: &Match) -> &'static str {
    match one.verdict {
        Verdict::Same => "certain",
        Verdict::Doubtful => "probable",
        Verdict::Other => "possible",
    }
}

/// `Patient/$merge`: one registration is taken for another.
/// <http://hl7.org/fhir/R5/patient-operation-merge.html>
pub(crate) async fn merge(session: &Session, mut ask: Ask) -> Result<Answer, Failure> {
    let parameters = Parameters::of(&mut ask)?;
    let (source, target) = (patient(&parameters, "source-patient")?, patient(&parameters, "target-patient")?);
    let survivor = session.merge(&source, &target).await?;
    Ok(result(survivor.body.as_deref()))
}

/// `Patient/$unmerge`: a merge is undone.
pub(crate) async fn unmerge(session: &Session, mut ask: Ask) -> Result<Answer, Failure> {
    let parameters = Parameters::of(&mut ask)?;
    let source = session.unmerge(&patient(&parameters, "source-patient")?).await?;
    Ok(result(source.body.as_deref()))
}

fn result(patient: Option<&[u8]>) -> Answer {
    let mut writer = Writer::new();
    writer.raw("result", "resource", patient.unwrap_or(b"{}"));
    writer.answer()
}

/// The id of the Patient that a parameter refers to.
fn patient(parameters: &Parameters, name: &str) -> Result<String, Error> {
    let reference = parameters.value(name).and_then(|value| value.get("reference")).and_then(|text| text.as_str());
    let id = reference.and_then(|reference| reference.strip_prefix("Patient/")).filter(|id| Key::is_id(id));
    id.map(str::to_owned).ok_or_else(|| {
        let text = format!("The parameter “{name}” must be a reference such as Patient/7.");
        Error::new(Category::Invalid, IssueCode::Value, text)
    })
}

/// `Patient/id/$person`: all registrations of this human that the caller may see.
pub(crate) async fn show(session: &Session, on: On) -> Result<Answer, Failure> {
    let On::Instance(key) = on else {
        return Err(Error::not_found("This operation is called on a patient.").into());
    };
    let same = session.same_person(&key.id).await?;
    let mut writer = Writer::new();
    let reference = |type_: &str, id: &str| format!(r#"{{"reference":"{type_}/{id}"}}"#).into_bytes();
    if let Some(person) = &same.person {
        writer.raw("person", "valueReference", &reference("Person", person));
    }
    for id in &same.patients {
        writer.raw("patient", "valueReference", &reference("Patient", id));
    }
    Ok(writer.answer())
}
