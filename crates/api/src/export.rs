//! Bulk export: `$export` of everything, of all patients or of the members of a Group.
//! <http://hl7.org/fhir/uv/bulkdata/STU2/export.html>
//!
//! An order is a paper in the record and a durable job, so it outlives the process that took it; the files lie in a
//! directory that all processes of one record share. Files are made type by type, and a worker that takes an order
//! up again goes on with the type the last one did not finish.

mod files;
mod order;
mod worker;

use std::fmt::Write;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use bytes::Bytes;
use fhir::{Category, Error, IssueCode};
use record::{ResourceType, Session};

use crate::App;
use crate::access::{Grant, random};
use crate::answer::{Answer, Payload, http_date, text};
use crate::ask::{Ask, encode};
use crate::interaction::time;
use crate::json;
use crate::operation::Parameters;
use crate::outcome::Failure;
use crate::route::{ExportPart, On};

use order::{Order, Scope, State};
pub use worker::run;

/// The queue of orders to be worked on.
const QUEUE: &str = "export";

/// Takes an order and answers where its progress can be seen.
pub(crate) async fn take(app: &App, grant: &Grant, session: &Session, mut ask: Ask, on: On) -> Result<Answer, Failure> {
    if !ask.prefer.respond_async {
        let text = "A bulk export is asked for with the header Prefer: respond-async.";
        return Err(Error::new(Category::Invalid, IssueCode::Required, text).into());
    }
    if !session.caller().standing.is_no_person() {
        // A file outlives the moment at which the rules were asked, so it is for machines whose scopes say what they get.
        let text = "A bulk export is ordered by a machine client, not by a person.";
        return Err(Error::new(Category::Forbidden, IssueCode::Forbidden, text).into());
    }
    let base = ask.base.to_string();
    let path = ask.path.clone();
    let parameters = Parameters::of(&mut ask)?;
    if let Some(format) = parameters.text("_outputFormat") {
        let known = ["application/fhir+ndjson", "application/fhir ndjson", "application/ndjson", "ndjson"];
        if !known.contains(&format.as_str()) {
            let text = "The output format offered is application/fhir+ndjson.";
            return Err(Error::new(Category::Invalid, IssueCode::NotSupported, text).into());
        }
    }
    let since = parameters.text("_since");
    if since.as_deref().is_some_and(|since| time(app, since).is_none()) {
        return Err(Error::new(Category::Invalid, IssueCode::Value, "_since must be an instant.").into());
    }
    let scope = match on {
        On::Instance(group) => {
            let known = session.read(&group).await?;
            if known.is_none_or(|version| version.body.is_none()) {
                return Err(Error::not_found(format!("There is no {group}.")).into());
            }
            Scope::Group(group.id)
        }
        On::Type(_) => Scope::Patients,
        On::System => Scope::System,
    };
    let asked = parameters.text("_type").unwrap_or_default();
    let types = types(grant, &scope, &asked)?;
    let id = random(&app.record);
    let now = app.record.surroundings().clock.now();
    let mut request = format!("{base}/{path}");
    for (at, name) in ["_type", "_since", "_outputFormat"].into_iter().enumerate() {
        if let Some(value) = parameters.text(name) {
            let separator = if at == 0 || !request.contains('?') { '?' } else { '&' };
            let _ = write!(request, "{separator}{name}={}", encode(&value));
        }
    }
    let order = Order {
        id: id.clone(),
        actor: grant.actor.to_string(),
        request,
        scope,
        types,
        since: since.map(|since| since.replace(' ', "+")),
        at: now,
        state: State::Waiting,
        files: Vec::new(),
        written: 0,
    };
    order.save(&app.record, &app.settings.export).await?;
    app.record.jobs(QUEUE).add(now, Bytes::from(id.clone())).await?;
    let mut answer = Answer::empty(StatusCode::ACCEPTED);
    answer.headers.push((header::CONTENT_LOCATION, text(&format!("{base}/$export-status/{id}"))));
    Ok(answer)
}

/// The types of an order: those asked for, or all the scope can hold and the caller may read.
fn types(grant: &Grant, scope: &Scope, asked: &str) -> Result<Vec<String>, Error> {
    let mut types = Vec::new();
    for name in asked.split(',').filter(|name| !name.is_empty()) {
        let type_ = ResourceType::named(name).ok_or_else(|| {
            let text = format!("“{}” in _type is not an R4 resource type.", crate::ask::shortened(name));
            Error::new(Category::Invalid, IssueCode::Value, text)
        })?;
        types.push(type_);
    }
    if types.is_empty() {
        types.extend(ResourceType::all());
    }
    types.retain(|type_| grant.may_read(*type_) && scope.can_hold(*type_));
    types.dedup();
    if types.is_empty() {
        let text = "There is no type among those asked for that this export can hold and that you may read.";
        return Err(Error::new(Category::Invalid, IssueCode::Value, text));
    }
    Ok(types.into_iter().map(|type_| type_.name().to_owned()).collect())
}

/// Answers for an order that has been taken.
pub(crate) async fn part(app: &App, grant: &Grant, ask: &Ask, part: ExportPart) -> Result<Answer, Failure> {
    match part {
        ExportPart::Status(id) => status(app, &own(app, grant, &id).await?, &ask.base.to_string()),
        ExportPart::Cancel(id) => {
            let order = own(app, grant, &id).await?;
            order.forget(&app.record, &app.settings.export).await?;
            Ok(Answer::empty(StatusCode::ACCEPTED))
        }
        ExportPart::File(id, name) => {
            let order = own(app, grant, &id).await?;
            if order.state != State::Done || !order.files.iter().any(|file| file.name == name) {
                return Err(Error::not_found("There is no such file.").into());
            }
            let stream = files::stream(&app.settings.export, &order.id, &name).await?;
            let mut answer = Answer::empty(StatusCode::OK);
            let kind = HeaderValue::from_static("application/fhir+ndjson");
            answer.headers.push((header::CONTENT_TYPE, kind));
            answer.body = Payload::Stream(stream);
            Ok(answer)
        }
    }
}

/// An order, as far as it is the caller's.
async fn own(app: &App, grant: &Grant, id: &str) -> Result<Order, Error> {
    let order = Order::load(&app.record, id).await?.filter(|order| order.actor == *grant.actor);
    order.ok_or_else(|| Error::not_found("There is no such export, or it is no longer kept."))
}

fn status(app: &App, order: &Order, base: &str) -> Result<Answer, Failure> {
    if let State::Failed = order.state {
        return Err(Error::fault("the worker gave this export up").into());
    }
    if order.state != State::Done {
        let done = format!("{} of {} types, {} resources", order.files.len(), order.types.len(), order.written);
        let mut answer = Answer::empty(StatusCode::ACCEPTED);
        answer.headers.push((HeaderName::from_static("x-progress"), text(&done)));
        answer.headers.push((header::RETRY_AFTER, HeaderValue::from_static("2")));
        return Ok(answer);
    }
    let mut out = br#"{"transactionTime":"#.to_vec();
    json::string(&mut out, &json::instant(order.at));
    json::member(&mut out, "request", &order.request);
    let token = if app.settings.open { "false" } else { "true" };
    out.extend_from_slice(format!(r#","requiresAccessToken":{token},"output":["#).as_bytes());
    let mut first = true;
    for file in order.files.iter().filter(|file| file.count > 0) {
        out.extend_from_slice(if std::mem::take(&mut first) { br#"{"type":"# } else { br#",{"type":"# });
        json::string(&mut out, &file.type_);
        json::member(&mut out, "url", &format!("{base}/$export-file/{}/{}", order.id, file.name));
        out.extend_from_slice(format!(r#","count":{}}}"#, file.count).as_bytes());
    }
    out.extend_from_slice(br#"],"error":[]}"#);
    let mut answer = Answer::empty(StatusCode::OK);
    let keep = i64::try_from(app.settings.export.keep.as_micros()).unwrap_or(i64::MAX);
    let end = app.record.surroundings().clock.now().saturating_add(keep);
    answer.headers.push((header::EXPIRES, text(&http_date(end))));
    answer.body = Payload::Json(out.into());
    Ok(answer)
}
