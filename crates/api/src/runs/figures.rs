//! The indicators of a protocol over the runs of a period that whoever asks may see: `GET /protocols/{code}/figures`,
//! and `GET /fhir/Measure/{id}/$evaluate-measure`.

use std::sync::Arc;

use axum::http::StatusCode;
use fhir::{Category, Error, IssueCode, json as tree, time};
use protocol::figures::{figures, report};
use protocol::knowledge::code_of;
use protocol::{Protocol, Run, task};
use record::{ResourceType, SearchRequest, Session};
use sonic_rs::JsonValueTrait;

use super::{Visit, json, zone};
use crate::App;
use crate::access::Extent;
use crate::answer::Answer;
use crate::ask::{Ask, Query};
use crate::interaction::{not_found, time as period};
use crate::operation::Parameters;
use crate::outcome::Failure;
use crate::route::{Interaction, On};

/// Runs read at a time.
const PAGE: usize = 500;

/// Which runs are counted.
struct Asked {
    /// Those that began from then on, in microseconds since 1970.
    from: Option<i64>,
    /// And before then.
    to: Option<i64>,
    /// And in which an institution takes part, as a reference.
    organization: Option<String>,
}

impl Asked {
    /// A day, a month or a year at the end belongs to the period.
    fn new(app: &App, from: Option<&str>, to: Option<&str>, organization: Option<&str>) -> Result<Self, Error> {
        let wrong = || Error::new(Category::Invalid, IssueCode::Value, "A period is given in dates: 2026-05-04.");
        let read = |text: Option<&str>| text.map(|text| period(app, text).ok_or_else(wrong)).transpose();
        let organization = organization.map(|id| match id.contains('/') {
            true => id.to_owned(),
            false => format!("Organization/{id}"),
        });
        Ok(Self { from: read(from)?.map(|from| from.lo), to: read(to)?.map(|to| to.hi), organization })
    }
}

pub(super) async fn run(visit: &Visit<'_>, code: &str, query: &Query) -> Result<Answer, Failure> {
    let protocol = visit.protocol(code, query.get("version")).await?;
    if visit.allow(Interaction::Search { type_: Some(ResourceType::parse("Task")?), compartment: None }).await?
        == Extent::OnePatient
    {
        return Err(beyond_one_patient().into());
    }
    let asked = Asked::new(visit.app, query.get("from"), query.get("to"), query.get("organization"))?;
    let runs = runs(visit.session, &protocol, &asked).await?;
    json(StatusCode::OK, &figures(&protocol, &runs, visit.now(), visit.zone()))
}

/// One indicator as a MeasureReport.
/// <http://hl7.org/fhir/R4/measure-operation-evaluate-measure.html>
///
/// Parameters: `periodStart`, `periodEnd`, `subject` (an Organization) and `reportType`, which can only be `population`.
pub(crate) async fn measure(app: &App, session: &Session, mut ask: Ask, on: On) -> Result<Answer, Failure> {
    let On::Instance(key) = on else { return Err(Error::not_found("This operation is called on a Measure.").into()) };
    let parameters = Parameters::of(&mut ask)?;
    let kind = parameters.text("reportType");
    if kind.as_deref().is_some_and(|kind| kind != "population" && kind != "summary") {
        return Err(Error::unsupported("Only reports of the type population are made.").into());
    }
    let (from, to) = (parameters.required("periodStart")?, parameters.required("periodEnd")?);
    let subject = parameters.text("subject");
    if subject.as_deref().is_some_and(|subject| !subject.starts_with("Organization/")) {
        return Err(Error::unsupported("The subject of a report is an Organization.").into());
    }
    let asked = Asked::new(app, Some(&from), Some(&to), subject.as_deref())?;
    let (protocol, indicator) = named(app, session, &key).await?.ok_or_else(|| not_found(&key))?;
    let runs = runs(session, &protocol, &asked).await?;
    let now = app.record.surroundings().clock.now();
    let all = figures(&protocol, &runs, now, zone(app));
    let figure = all.iter().find(|figure| figure.code == indicator).ok_or_else(|| not_found(&key))?;
    let whole = (asked.from.unwrap_or_default(), asked.to.unwrap_or(now));
    Ok(Answer::resource(tree::to_bytes(&report(&protocol, figure, whole, now))))
}

/// The protocol and the indicator a Measure is of: by what is stored, or by the name alone.
async fn named(app: &App, session: &Session, key: &record::Key) -> Result<Option<(Arc<Protocol>, String)>, Error> {
    let stored =
        session.read(key).await?.and_then(|version| version.body).map(|body| tree::parse(&body)).transpose()?;
    let text = |name: &str| stored.as_ref().and_then(|measure| measure.get(name)?.as_str());
    let name = text("url").and_then(|url| code_of(url, "Measure")).unwrap_or(&key.id);
    for latest in app.engine.protocols().await? {
        let is_meant = |code: &protocol::Code| name == format!("{}-{code}", latest.code);
        let Some(indicator) = latest.indicators.iter().map(|one| &one.code).find(|code| is_meant(code)) else {
            continue;
        };
        let protocol = match text("version") {
            Some(version) => app.engine.protocol(&latest.code, Some(version)).await?,
            None => Some(Arc::clone(&latest)),
        };
        return Ok(protocol.map(|protocol| (protocol, indicator.to_string())));
    }
    Ok(None)
}

/// The runs of a protocol that a caller may see, the oldest first.
async fn runs(session: &Session, protocol: &Protocol, asked: &Asked) -> Result<Vec<Run>, Error> {
    let mut parameters = vec![
        ("_tag", format!("{}|root", task::RUN)),
        ("code", format!("{}|{}", task::PROTOCOL, protocol.code)),
        ("_count", PAGE.to_string()),
    ];
    parameters.extend(asked.from.map(|from| ("authored-on", format!("ge{}", time::instant(from)))));
    parameters.extend(asked.to.map(|to| ("authored-on", format!("lt{}", time::instant(to)))));
    let mut parameters: Vec<(String, String)> =
        parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let type_ = Some(ResourceType::parse("Task")?);
    let takes_part = |run: &Run| {
        asked.organization.as_ref().is_none_or(|one| run.parties.values().any(|party| party.reference == *one))
    };
    let mut runs = Vec::new();
    loop {
        let request = SearchRequest { type_, compartment: None, parameters, strict: true };
        let page = session.search(&request).await?;
        for body in page.matches.into_iter().filter_map(|version| version.body) {
            runs.push(task::run(&tree::parse(&body)?)?);
        }
        match page.next {
            Some(next) => parameters = Query::parse(&next)?.into_pairs(),
            None => break,
        }
    }
    runs.retain(takes_part);
    runs.sort_by(|one, other| (one.began, &one.id).cmp(&(other.began, &other.id)));
    Ok(runs)
}

fn beyond_one_patient() -> Error {
    let text = "This app was given one patient, and figures are about many.";
    Error::new(Category::Forbidden, IssueCode::Forbidden, text)
}
