//! The indicators of a protocol over the runs of a period that whoever asks may see: `GET /protocols/{code}/figures`,
//! and `GET /fhir/Measure/{id}/$evaluate-measure`.
//!
//! With `by=` the runs are told apart by `month`, by `organization`, by `role:{role}` or by `trait:{trait}`, or by two of
//! them as in `by=month,role:referrer`: each indicator then has a cell for each group, for each row and column, and for
//! all. A run belongs to the member that the institution or department bound to the role is a part of, and to the group
//! its trait names; one without the trait is only among all. `trait=reason:critical` asks for the runs of one such group.
//! Runs are read page by page and not kept; each is judged by the version of the protocol it is under.

mod cells;
mod members;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use axum::http::StatusCode;
use fhir::{Category, Error, IssueCode, json as tree, time};
use protocol::definition::{Counted, Indicator};
use protocol::figures::{Figure, Recorded, Tally, report};
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
use members::Members;

/// Runs read at a time.
const PAGE: usize = 500;

/// Which runs are counted.
#[derive(Default)]
struct Asked {
    /// Those that began from then on, in microseconds since 1970.
    from: Option<i64>,
    /// And before then.
    to: Option<i64>,
    /// And in which an institution takes part, as a reference.
    organization: Option<String>,
    /// In this role.
    role: Option<String>,
    /// And that have this trait, with this value.
    trait_: Option<(String, String)>,
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
        Ok(Self {
            from: read(from)?.map(|from| from.lo),
            to: read(to)?.map(|to| to.hi),
            organization,
            role: None,
            trait_: None,
        })
    }

    /// Whether a run has the trait that is asked for, and an institution that is asked for takes part in it, itself or by
    /// one of its departments.
    async fn includes(&self, run: &Run, members: &mut Members) -> Result<bool, Error> {
        if self.trait_.as_ref().is_some_and(|(code, value)| run.traits.get(code) != Some(value)) {
            return Ok(false);
        }
        let Some(asked) = &self.organization else { return Ok(true) };
        for (role, party) in &run.parties {
            if self.role.as_ref().is_some_and(|asked| asked != role) {
                continue;
            }
            if party.reference == *asked || members.of(&party.reference).await?.as_deref() == Some(asked) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

pub(super) async fn run(visit: &Visit<'_>, code: &str, query: &Query) -> Result<Answer, Failure> {
    let protocol = visit.protocol(code, query.get("version")).await?;
    if visit.allow(Interaction::Search { type_: Some(ResourceType::parse("Task")?), compartment: None }).await?
        == Extent::OnePatient
    {
        return Err(beyond_one_patient().into());
    }
    let mut asked = Asked::new(visit.app, query.get("from"), query.get("to"), query.get("organization"))?;
    asked.role = query.get("role").map(str::to_owned);
    let role = asked.role.as_deref().filter(|role| protocol.role(role).is_none());
    if let Some(role) = role {
        return Err(Error::invalid(format!("There is no role {}.", crate::ask::shortened(role))).into());
    }
    if let Some(text) = query.get("trait") {
        let named = text.split_once(':').filter(|(code, _)| protocol.trait_(code).is_some());
        let Some((code, value)) = named else {
            let text = format!("There is no trait {}; one is asked for as TRAIT:VALUE.", crate::ask::shortened(text));
            return Err(Error::invalid(text).into());
        };
        asked.trait_ = Some((code.to_owned(), value.to_owned()));
    }
    let mut allowed = BTreeMap::new();
    for type_ in counted_types(&protocol)? {
        let may = visit.allow(Interaction::Search { type_: Some(type_), compartment: None }).await.is_ok();
        allowed.insert(type_.name(), may);
    }
    let counter = Counter { session: visit.session, allowed: Some(allowed) };
    match query.get("by") {
        Some(by) => {
            let cells = cells::Cells::new(&protocol, by)?;
            json(StatusCode::OK, &cells.count(visit.app, &counter, &protocol, &asked, visit.now()).await?)
        }
        None => json(StatusCode::OK, &whole(visit.app, &counter, &protocol, &asked, visit.now()).await?),
    }
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
    let now = app.record.surroundings().clock.now();
    let counter = Counter { session, allowed: None };
    let all = whole(app, &counter, &protocol, &asked, now).await?;
    let figure = all.iter().find(|figure| figure.code == indicator).ok_or_else(|| not_found(&key))?;
    let period = (asked.from.unwrap_or_default(), asked.to.unwrap_or(now));
    Ok(Answer::resource(tree::to_bytes(&report(&protocol, figure, period, now))))
}

/// The figures over all runs that are asked for, with the runs behind each.
async fn whole<'p>(
    app: &App,
    counter: &Counter<'_>,
    protocol: &'p Protocol,
    asked: &Asked,
    now: i64,
) -> Result<Vec<Figure<'p>>, Error> {
    let mut members = Members::new(&app.record);
    let mut tally = Tally::new(protocol, now, zone(app)).naming_runs();
    let mut pages = Pages::new(counter.session, protocol, asked)?;
    while let Some(runs) = pages.next().await? {
        for run in runs {
            if asked.includes(&run, &mut members).await? {
                let own = own_version(app, protocol, &run).await?;
                tally.add(&run, own.as_deref().unwrap_or(protocol));
            }
        }
    }
    let place = match &asked.organization {
        Some(organization) => Some(members.within(organization).await?),
        None => None,
    };
    let recorded = counter.all(protocol, (asked.from, asked.to), place.as_deref()).await?;
    Ok(tally.figures(&|indicator| recorded.get(indicator.code.as_str()).copied().unwrap_or_default()))
}

/// The version a run is under, where it is another than that of the indicators.
async fn own_version(app: &App, protocol: &Protocol, run: &Run) -> Result<Option<Arc<Protocol>>, Error> {
    if run.version == protocol.version {
        return Ok(None);
    }
    app.engine.protocol(&run.protocol, Some(&run.version)).await
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

/// The runs of a protocol that a caller may see, a page at a time.
struct Pages(record::Pages);

impl Pages {
    fn new(session: &Session, protocol: &Protocol, asked: &Asked) -> Result<Self, Error> {
        let mut parameters = vec![
            ("_tag", format!("{}|root", task::RUN)),
            ("code", format!("{}|{}", task::PROTOCOL, protocol.code)),
            ("_count", PAGE.to_string()),
        ];
        parameters.extend(asked.from.map(|from| ("authored-on", format!("ge{}", time::instant(from)))));
        parameters.extend(asked.to.map(|to| ("authored-on", format!("lt{}", time::instant(to)))));
        Ok(Self(session.pages(SearchRequest::of("Task", &parameters)?)))
    }

    async fn next(&mut self) -> Result<Option<Vec<Run>>, Error> {
        let Some(page) = self.0.next().await? else { return Ok(None) };
        let bodies = page.matches.into_iter().filter_map(|version| version.body);
        bodies.map(|body| task::run(&tree::parse(&body)?)).collect::<Result<Vec<Run>, Error>>().map(Some)
    }
}

/// Counts in the record what a caller may see of it.
struct Counter<'a> {
    session: &'a Session,
    /// Types that may be counted; all where nothing is said.
    allowed: Option<BTreeMap<&'static str, bool>>,
}

impl Counter<'_> {
    /// What the record counts for each indicator that asks for it, over a period, at some organizations or everywhere.
    async fn all<'p>(
        &self,
        protocol: &'p Protocol,
        period: (Option<i64>, Option<i64>),
        place: Option<&[String]>,
    ) -> Result<BTreeMap<&'p str, Recorded>, Error> {
        let mut found = BTreeMap::new();
        // Several indicators have the same below the line.
        let mut counts: BTreeMap<(&str, &str), Option<u64>> = BTreeMap::new();
        for Indicator { code, events, per, .. } in &protocol.indicators {
            for counted in events.iter().chain(per) {
                let asked = (counted.query.as_str(), counted.date.as_str());
                if let Entry::Vacant(unasked) = counts.entry(asked) {
                    unasked.insert(self.count(counted, period, place).await?);
                }
            }
            let known =
                |counted: &Counted| counts.get(&(counted.query.as_str(), counted.date.as_str())).copied().flatten();
            if events.is_some() || per.is_some() {
                let (events, per) = (events.as_ref().and_then(known), per.as_ref().and_then(known));
                found.insert(code.as_str(), Recorded { events, per });
            }
        }
        Ok(found)
    }

    async fn count(
        &self,
        counted: &Counted,
        (from, to): (Option<i64>, Option<i64>),
        place: Option<&[String]>,
    ) -> Result<Option<u64>, Error> {
        let type_ = ResourceType::parse(type_of(counted))?;
        if self.allowed.as_ref().is_some_and(|allowed| allowed.get(type_.name()) != Some(&true)) {
            return Ok(None);
        }
        let (_, query) = counted.query.split_once('?').unwrap_or((&counted.query, ""));
        let mut parameters = SearchRequest::parameters_of(query)?;
        parameters.extend(from.map(|from| (counted.date.to_string(), format!("ge{}", time::instant(from)))));
        parameters.extend(to.map(|to| (counted.date.to_string(), format!("lt{}", time::instant(to)))));
        match (place, &counted.organization) {
            (Some(place), Some(parameter)) => parameters.push((parameter.to_string(), place.join(","))),
            (Some(_), None) => return Ok(None),
            (None, _) => {}
        }
        parameters.push(("_summary".to_owned(), "count".to_owned()));
        let request = SearchRequest { type_: Some(type_), compartment: None, parameters, strict: true };
        Ok(self.session.search(&request).await?.total)
    }
}

/// The types of which indicators count something in the record.
fn counted_types(protocol: &Protocol) -> Result<Vec<ResourceType>, Error> {
    let counted = protocol.indicators.iter().flat_map(|one| one.events.iter().chain(&one.per));
    counted.map(|counted| ResourceType::parse(type_of(counted))).collect()
}

fn type_of(counted: &Counted) -> &str {
    counted.query.split('?').next().unwrap_or_default()
}

fn beyond_one_patient() -> Error {
    let text = "This app was given one patient, and figures are about many.";
    Error::new(Category::Forbidden, IssueCode::Forbidden, text)
}
