//! The interactions of the RESTful API, one file each. <http://hl7.org/fhir/R4/http.html>

pub(crate) mod bundle;
pub(crate) mod capabilities;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod history;
pub(crate) mod patch;
pub(crate) mod read;
pub(crate) mod search;
pub(crate) mod update;
pub(crate) mod vread;

use axum::http::StatusCode;
use bytes::Bytes;
use fhir::{Category, Error, Issue, IssueCode};
use record::{Applied, Change, Effect, Key, Session, Version};

use crate::answer::{Answer, Payload};
use crate::ask::{Ask, Conditions, Return};
use crate::bundle::status_of;
use crate::outcome::{self, Failure};
use crate::summary::Part;

/// Makes one change and gives its answer.
async fn change(session: &Session, change: Change, wanted: Return) -> Result<Answer, Failure> {
    let mut applied = session.transact(vec![change]).await?;
    let applied = applied.pop().ok_or_else(|| Error::fault("one change had no answer"))?;
    Ok(changed(&applied, wanted))
}

/// The answer to a change that was made. <http://hl7.org/fhir/R4/http.html#ops>
pub(crate) fn changed(applied: &Applied, wanted: Return) -> Answer {
    let Some(version) = &applied.version else { return Answer::empty(StatusCode::NO_CONTENT) };
    let mut answer = Answer::empty(status_of(applied.effect)).about(version);
    if applied.effect != Effect::Deleted && version.body.is_some() {
        answer.location = Some((version.key.clone(), version.version));
    } else {
        answer.status = StatusCode::NO_CONTENT;
    }
    answer.body = match (wanted, &version.body) {
        (Return::Representation, Some(body)) => Payload::Resource(body.clone()),
        (Return::Outcome, _) => {
            if answer.status == StatusCode::NO_CONTENT {
                answer.status = StatusCode::OK;
            }
            answer.tells = true;
            Payload::Resource(done(applied.effect).into())
        }
        _ => Payload::Nothing,
    };
    answer
}

fn done(effect: Effect) -> Vec<u8> {
    let text = match effect {
        Effect::Created => "Created.",
        Effect::Updated => "Updated.",
        Effect::Deleted => "Deleted.",
        Effect::Unchanged => "Nothing had to be changed.",
    };
    outcome::outcome(&[Issue::information(IssueCode::Informational, text)])
}

/// The answer that shows one version, as far as the caller does not have it already.
fn shown(ask: &Ask, version: &Version) -> Result<Answer, Failure> {
    let body = version.body.clone().ok_or_else(|| gone(&version.key))?;
    if has_already(&ask.conditions, version) {
        return Ok(Answer::empty(StatusCode::NOT_MODIFIED).about(version));
    }
    let body = match Part::of(&ask.query)? {
        None => body,
        Some(part) => Bytes::from(part.cut(&body)?),
    };
    Ok(Answer::resource(body).about(version))
}

/// <http://hl7.org/fhir/R4/http.html#cread>
fn has_already(conditions: &Conditions, version: &Version) -> bool {
    if !conditions.if_none_match.is_empty() {
        return conditions.if_none_match.contains(&version.version);
    }
    // The header has whole seconds, so a version made within the second it names counts as known.
    conditions.if_modified_since.is_some_and(|since| version.at.div_euclid(1_000_000) * 1_000_000 <= since)
}

pub(crate) fn not_found(key: &Key) -> Error {
    Error::not_found(format!("There is no {key}."))
}

fn gone(key: &Key) -> Error {
    Error::new(Category::Gone, IssueCode::Deleted, format!("{key} has been deleted."))
}

/// The times a date or time covers. What is written without a zone is meant in the record's own.
pub(crate) fn time(app: &crate::App, text: &str) -> Option<fhir::time::Interval> {
    // An unescaped plus sign of a zone arrives as a space.
    fhir::time::parse(&text.replace(' ', "+"), app.record.settings().zone())
}

/// The moment a text says, in microseconds since 1970; of a day its beginning.
pub(crate) fn moment(app: &crate::App, text: &str) -> Result<i64, Error> {
    let read = time(app, text).map(|interval| interval.lo);
    read.ok_or_else(|| Error::new(Category::Invalid, IssueCode::Value, "A time reads 2026-05-04T08:00:00+08:00."))
}
