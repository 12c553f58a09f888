//! `Patient/id/$ecg`: an electrocardiogram as a device wrote it is kept, and told in FHIR. It is ours, and told in
//! docs/decisions/emergency.md.
//!
//! Parameters: `file` (Attachment with `data`), `encounter` (Reference), `confirmed` (boolean: whose it is by the file was
//! looked at). Answers the DiagnosticReport; the same file sent again for the same patient is answered with the one there
//! is. Fails with 409 when the file says that it is of somebody of another sex or another day of birth.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecg::{About, Subject, Tracing};
use fhir::{Category, Error, IssueCode, Value};
use jiff::tz::Offset;
use record::{Change, Effect, Key, ResourceType, Session, Version, tree};
use sonic_rs::JsonValueTrait;

use super::parameters::Parameters;
use crate::App;
use crate::answer::Answer;
use crate::ask::Ask;
use crate::interaction::not_found;
use crate::outcome::Failure;
use crate::route::On;

/// Keeps it.
pub(crate) async fn run(app: &App, session: &Session, mut ask: Ask, on: On) -> Result<Answer, Failure> {
    let On::Instance(patient) = on else {
        return Err(Error::not_found("This operation is called on a patient.").into());
    };
    let parameters = Parameters::of(&mut ask)?;
    let sent = Sent::of(&parameters)?;
    let version = session.read(&patient).await?.filter(|version| version.body.is_some());
    let whose = version.and_then(|version| version.body).ok_or_else(|| not_found(&patient))?;
    let name = patient.to_string();
    let report = Key::new(ResourceType::parse(ecg::REPORT)?, ecg::id_of(&name, &sent.bytes));
    if let Some(there) = kept(session, &report).await? {
        return Ok(shown(there, StatusCode::OK));
    }
    let zone = app.record.settings().zone();
    let confirmed = parameters.flag("confirmed")?.unwrap_or(false);
    let received = app.record.surroundings().clock.now();
    // A file of a megabyte takes a while to be taken apart; others are served meanwhile.
    let made = tokio::task::spawn_blocking(move || -> Result<Vec<Change>, Error> {
        let tracing = ecg::read(&sent.bytes, zone)?;
        if !confirmed && let Some(text) = differs(&tracing.subject, &fhir::json::parse(&whose)?) {
            return Err(Error::new(Category::Conflict, IssueCode::BusinessRule, text));
        }
        changes(&tracing, &sent, &name, received, zone)
    });
    match session.transact(made.await.map_err(Error::fault)??).await {
        Ok(applied) => {
            let status = if applied.iter().any(|one| one.effect == Effect::Created) {
                StatusCode::CREATED
            } else {
                StatusCode::OK
            };
            let version = applied.into_iter().next().and_then(|one| one.version);
            Ok(shown(version.ok_or_else(|| Error::fault("an electrocardiogram was kept and is not there"))?, status))
        }
        // Somebody was quicker with the same file.
        Err(refusal) if refusal.is_overtaken() => match kept(session, &report).await? {
            Some(there) => Ok(shown(there, StatusCode::OK)),
            None => Err(refusal.into()),
        },
        Err(refusal) => Err(refusal.into()),
    }
}

/// A file as it was sent.
struct Sent {
    bytes: Vec<u8>,
    content_type: String,
    title: Option<String>,
    encounter: Option<String>,
}

impl Sent {
    fn of(parameters: &Parameters) -> Result<Self, Error> {
        let file = parameters.value("file").filter(|file| file.is_object());
        let text = |name: &str| file.and_then(|file| file.get(name)?.as_str().map(str::to_owned));
        let needed = || {
            let text = "The parameter “file” is needed: an Attachment with “data”.";
            Error::new(Category::Invalid, IssueCode::Required, text)
        };
        let data: String = text("data").ok_or_else(needed)?.split_ascii_whitespace().collect();
        let bytes = STANDARD.decode(data);
        let bytes = bytes.map_err(|_| Error::new(Category::Invalid, IssueCode::Value, "The data is not base64."))?;
        let encounter = parameters.value("encounter").and_then(|value| value.get("reference"));
        let encounter = encounter.and_then(|reference| reference.as_str()).map(str::to_owned);
        let content_type = text("contentType").unwrap_or_else(|| "application/xml".to_owned());
        Ok(Self { bytes, content_type, title: text("title"), encounter })
    }
}

/// The report as the caller may see it, if it is there.
async fn kept(session: &Session, report: &Key) -> Result<Option<Version>, Error> {
    Ok(session.read(report).await?.filter(|version| version.body.is_some()))
}

fn changes(tracing: &Tracing, sent: &Sent, patient: &str, received: i64, zone: Offset) -> Result<Vec<Change>, Error> {
    let about = About {
        patient,
        encounter: sent.encounter.as_deref(),
        received,
        zone,
        content_type: &sent.content_type,
        title: sent.title.as_deref(),
    };
    ecg::resources(tracing, &sent.bytes, &about)?.iter().map(|resource| tree::put(resource, None)).collect()
}

/// What of a file does not fit whom it is for. What either does not say fits, and so does a year of birth that was guessed.
fn differs(subject: &Subject, patient: &Value) -> Option<String> {
    let text = |name: &str| patient.get(name).and_then(|value| value.as_str());
    let other = |own: Option<&str>, said: Option<&str>| own.zip(said).is_some_and(|(own, said)| own != said);
    let known = |sex: &&str| matches!(*sex, "male" | "female");
    let sex = other(text("gender").filter(known), subject.sex);
    let born = other(text("birthDate").filter(|day| day.len() == 10), subject.born.as_deref());
    if !sex && !born {
        return None;
    }
    let said = [subject.name.as_deref(), subject.sex, subject.born.as_deref()].into_iter().flatten();
    let said: Vec<&str> = said.collect();
    let text = "The file says that it is of somebody else";
    Some(format!("{text} ({}). Look whose it is, and send it as confirmed if it is this patient’s.", said.join(", ")))
}

fn shown(version: Version, status: StatusCode) -> Answer {
    let body = version.body.clone().unwrap_or_default();
    Answer { status, ..Answer::resource(body) }.about(&version)
}
