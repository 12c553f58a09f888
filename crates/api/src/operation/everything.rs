//! `Patient/id/$everything`: the compartment of a patient and what it refers to.
//! <http://hl7.org/fhir/R4/patient-operation-everything.html>
//!
//! Without `_count` the whole record is one Bundle, written while it is read, so that its first bytes leave at once
//! and memory holds a page at a time. With `person=true`, a parameter of ours, it is the record of the human, over all
//! their registrations. With `_count` it comes in pages, and where a walk stands is kept as a paper.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use axum::body::Body;
use axum::http::header;
use bytes::Bytes;
use fhir::definitions::r4;
use fhir::search::{IndexValue, OwnAddresses, Registry};
use fhir::{Category, Error, IssueCode};
use futures_util::stream;
use record::{Key, ResourceType, SearchRequest, Session, Version};
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use super::parameters::Parameters;
use crate::App;
use crate::access::{Grant, random};
use crate::answer::{Answer, FHIR_JSON, Payload};
use crate::ask::{Ask, encode, shortened};
use crate::bundle::Bundle;
use crate::interaction::time;
use crate::outcome::{self, Failure};
use crate::route::On;

/// The drawer in which walks stand that are continued page by page.
const DRAWER: &str = "everything";
/// How long the next page can be asked for, in microseconds.
const KEPT: i64 = 3_600_000_000;
/// Resources read at a time for a Bundle that is streamed.
const STEP: usize = 500;
/// Bytes gathered before they are sent.
const CHUNK: usize = 32 << 10;

pub(crate) async fn run(app: &App, grant: &Grant, session: &Session, mut ask: Ask, on: On) -> Result<Answer, Failure> {
    let On::Instance(patient) = on else {
        return Err(Error::not_found("This operation is called on a patient.").into());
    };
    let base = ask.base.to_string();
    let parameters = Parameters::of(&mut ask)?;
    let page = parameters.text("_page");
    let position = match &page {
        Some(name) => standing(app, grant, &patient, name).await?,
        None => {
            let whole = parameters.flag("person")?.unwrap_or(false);
            let others = if whole { session.same_person(&patient.id).await?.patients.split_off(1) } else { Vec::new() };
            Position { patient: patient.to_string(), whole, others, ..Position::default() }
        }
    };
    let filter = Filter::of(app, grant, &parameters)?;
    let count = parameters.number("_count")?.map(|count| count.clamp(1, app.record.settings().limits.page_max));
    let registry = app.record.search_parameters();
    let own = format!("{base}/{patient}/$everything");
    let mut walk = Walk::new(session.clone(), registry, patient, filter, position);
    match count {
        Some(count) => paged(app, grant, &mut walk, &base, &own, &parameters, count).await,
        None => {
            let first = walk.step(STEP).await?;
            Ok(streamed(walk, first, base, own, session.caller().request.clone()))
        }
    }
}

/// Which resources are wanted.
#[derive(Debug, Clone)]
struct Filter {
    grant: Grant,
    types: Vec<String>,
    since: Option<String>,
    span: Option<(i64, i64)>,
}

impl Filter {
    fn of(app: &App, grant: &Grant, parameters: &Parameters) -> Result<Self, Error> {
        let instant =
            |name: &str| parameters.text(name).map(|text| time(app, &text).ok_or_else(|| malformed(name))).transpose();
        let span = match (instant("start")?, instant("end")?) {
            (None, None) => None,
            (start, end) => {
                Some((start.map_or(i64::MIN, |interval| interval.lo), end.map_or(i64::MAX, |interval| interval.hi)))
            }
        };
        instant("_since")?;
        let types = parameters.text("_type").unwrap_or_default();
        let types: Vec<String> = types.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if let Some(name) = types.iter().find(|name| !r4().is_resource(name)) {
            let text = format!("“{}” in _type is not an R4 resource type.", shortened(name));
            return Err(Error::new(Category::Invalid, IssueCode::Value, text));
        }
        Ok(Self { grant: grant.clone(), types, since: parameters.text("_since"), span })
    }

    fn wants(&self, type_: ResourceType) -> bool {
        // The trail tells about a record and is no part of it, and it grows by being read: whoever wants it names it.
        let wanted = match self.types.as_slice() {
            [] => type_.name() != "AuditEvent",
            named => named.iter().any(|name| name == type_.name()),
        };
        wanted && self.grant.may_read(type_)
    }

    /// Whether one of the dates in a resource lies in the span asked for, or it has none.
    fn covers(&self, registry: &Registry, body: &[u8]) -> Result<bool, Error> {
        let Some((start, end)) = self.span else { return Ok(true) };
        let resource = fhir::json::parse(body)?;
        let mut dated = false;
        for entry in registry.extract(&resource) {
            if let IndexValue::Date { lo, hi } = entry.value
                && &*registry.at(entry.param).code != "_lastUpdated"
            {
                dated = true;
                if lo < end && hi > start {
                    return Ok(true);
                }
            }
        }
        Ok(!dated)
    }
}

fn malformed(name: &str) -> Error {
    Error::new(Category::Invalid, IssueCode::Value, format!("The parameter “{name}” must be a date or time."))
}

/// How far a walk is.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Position {
    /// Whose walk it is, so that nobody continues that of another.
    actor: String,
    patient: String,
    /// Whether it is over all registrations of the human.
    whole: bool,
    /// What has been given out of such a walk, since one thing may belong to several registrations.
    given: Vec<String>,
    /// The registration it is at, when that is not the one asked for.
    current: Option<String>,
    /// Other registrations of the same human, still to be given out.
    others: Vec<String>,
    /// Whether the patient has been given out.
    begun: bool,
    /// Which type of the compartment it is at.
    type_: usize,
    /// Where among the resources of that type.
    query: Option<String>,
    /// What has been referred to and is still to be given out.
    wanted: BTreeSet<String>,
}

async fn standing(app: &App, grant: &Grant, patient: &Key, name: &str) -> Result<Position, Error> {
    let lost = || Error::new(Category::Gone, IssueCode::NotFound, "This page can no longer be asked for; begin anew.");
    let paper = app.record.drawer(DRAWER).get(name).await?.ok_or_else(lost)?;
    let position: Position = sonic_rs::from_slice(&paper).map_err(Error::fault)?;
    let own = position.actor == *grant.actor && position.patient == patient.to_string();
    if own { Ok(position) } else { Err(lost()) }
}

/// A walk through what belongs to a patient.
struct Walk {
    session: Session,
    registry: Arc<Registry>,
    patient: Key,
    filter: Filter,
    /// The types of the compartment.
    types: Vec<ResourceType>,
    position: Position,
    /// What this walk has given out since it was begun or continued.
    given: FxHashSet<Key>,
}

/// A found resource, and whether it is of the compartment itself.
type Found = (Version, &'static str);

impl Walk {
    fn new(session: Session, registry: Arc<Registry>, patient: Key, filter: Filter, position: Position) -> Self {
        let types = r4()
            .compartments()
            .iter()
            .filter(|compartment| compartment.code == "Patient")
            .flat_map(|compartment| &compartment.params)
            .filter(|(_, params)| !params.is_empty())
            .filter_map(|(name, _)| ResourceType::named(name))
            .filter(|type_| filter.wants(*type_))
            .collect();
        let patient = match &position.current {
            Some(id) => Key::new(patient.type_, id.as_str()),
            None => patient,
        };
        // A walk that is continued has given the patient out on its first page.
        let own = position.begun.then(|| patient.clone());
        let given = own.into_iter().chain(position.given.iter().filter_map(|name| Key::of(name))).collect();
        Self { session, registry, patient, filter, types, position, given }
    }

    /// Up to `most` further resources; none when there are no more.
    async fn step(&mut self, most: usize) -> Result<Vec<Found>, Error> {
        loop {
            let found = self.of_registration(most).await?;
            if !found.is_empty() {
                return Ok(found);
            }
            let Some(next) = self.position.others.pop() else { break };
            self.patient.id.clone_from(&next);
            let position = std::mem::take(&mut self.position);
            self.position = Position { current: Some(next), begun: false, type_: 0, query: None, ..position };
        }
        self.referred_to(most).await
    }

    /// Up to `most` further resources of the registration it is at.
    async fn of_registration(&mut self, most: usize) -> Result<Vec<Found>, Error> {
        if !self.position.begun {
            let patient = self.session.read(&self.patient).await?;
            let patient = patient.ok_or_else(|| Error::not_found(format!("There is no {}.", self.patient)))?;
            let Some(body) = &patient.body else {
                let text = format!("{} has been deleted.", self.patient);
                return Err(Error::new(Category::Gone, IssueCode::Deleted, text));
            };
            self.position.begun = true;
            references(self.registry.own(), body, &mut self.position.wanted);
            // Another registration, which links to this one, may have brought it along.
            if self.given.insert(self.patient.clone()) && self.filter.wants(self.patient.type_) {
                return Ok(vec![(patient, "match")]);
            }
        }
        while self.position.type_ < self.types.len() {
            let found = self.of_compartment(most).await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    /// A page of resources of the current type.
    async fn of_compartment(&mut self, most: usize) -> Result<Vec<Found>, Error> {
        let type_ = self.types[self.position.type_];
        let parameters = match &self.position.query {
            Some(query) => crate::ask::Query::parse(query)?.into_pairs(),
            None => {
                let mut parameters = vec![("_count".to_owned(), most.to_string())];
                if let Some(since) = &self.filter.since {
                    parameters.push(("_lastUpdated".to_owned(), format!("ge{since}")));
                }
                parameters
            }
        };
        let compartment = Some(self.patient.clone());
        let request = SearchRequest { type_: Some(type_), compartment, parameters, strict: true };
        let page = self.session.search(&request).await?;
        self.position.query = page.next;
        if self.position.query.is_none() {
            self.position.type_ += 1;
        }
        let mut found = Vec::with_capacity(page.matches.len());
        for version in page.matches {
            let Some(body) = &version.body else { continue };
            if self.given.contains(&version.key) || !self.filter.covers(&self.registry, body)? {
                continue;
            }
            references(self.registry.own(), body, &mut self.position.wanted);
            self.given.insert(version.key.clone());
            found.push((version, "match"));
        }
        Ok(found)
    }

    /// Resources outside the compartment that those inside refer to.
    async fn referred_to(&mut self, most: usize) -> Result<Vec<Found>, Error> {
        let mut found = Vec::new();
        while found.len() < most {
            let Some(name) = self.position.wanted.pop_first() else { break };
            let Some(key) = Key::of(&name) else { continue };
            if self.given.contains(&key) || !self.filter.wants(key.type_) || !self.is_common(&key).await? {
                continue;
            }
            if let Some(version) = self.session.read(&key).await?.filter(|version| version.body.is_some()) {
                self.given.insert(key);
                found.push((version, "include"));
            }
        }
        Ok(found)
    }

    /// Whether a resource belongs to no patient. What belongs to this one has been given out; what belongs to
    /// another one is not this one's to give.
    async fn is_common(&self, key: &Key) -> Result<bool, Error> {
        if key.type_.name() == "Patient" {
            return Ok(false);
        }
        let Some(compartment) = r4().compartments().iter().find(|compartment| compartment.code == "Patient") else {
            return Ok(true);
        };
        let codes = compartment.params_of(key.type_.name());
        if codes.is_empty() {
            return Ok(true);
        }
        let Some(body) = self.session.read(key).await?.and_then(|version| version.body) else { return Ok(false) };
        let resource = fhir::json::parse(&body)?;
        let of_patient = self.registry.extract(&resource).iter().any(|entry| {
            matches!(&entry.value, IndexValue::Reference { target } if target.starts_with("Patient/"))
                && codes.contains(&&*self.registry.at(entry.param).code)
        });
        Ok(!of_patient)
    }
}

/// Adds what the literal references in a stored resource point to, as far as it is in this record.
///
/// Stored JSON has no white space, and a quotation mark inside text is escaped, so that the member can be found
/// without parsing.
fn references(own: &OwnAddresses, body: &[u8], wanted: &mut BTreeSet<String>) {
    const MEMBER: &str = "\"reference\":\"";
    let Ok(text) = std::str::from_utf8(body) else { return };
    for (at, _) in text.match_indices(MEMBER) {
        let rest = &text[at + MEMBER.len()..];
        let target = own.relative(rest.split('"').next().unwrap_or_default());
        let target = target.split("/_history/").next().unwrap_or_default();
        if Key::of(target).is_some() {
            wanted.insert(target.to_owned());
        }
    }
}

async fn paged(
    app: &App,
    grant: &Grant,
    walk: &mut Walk,
    base: &str,
    own: &str,
    parameters: &Parameters,
    count: usize,
) -> Result<Answer, Failure> {
    let mut found: Vec<Found> = Vec::new();
    let mut complete = false;
    while found.len() < count && !complete {
        // A page of the compartment is as long as it was first asked for, so that it never has to be cut.
        if walk.position.query.is_some() && !found.is_empty() {
            break;
        }
        let step = walk.step(count - found.len()).await?;
        complete = step.is_empty();
        found.extend(step);
    }
    let common: Vec<String> = ["start", "end", "_since", "_type"]
        .into_iter()
        .filter_map(|name| parameters.text(name).map(|value| format!("{name}={}&", encode(&value))))
        .collect();
    let common = common.concat();
    let mut links = vec![("self", format!("{own}?{common}_count={count}"))];
    if !complete {
        let name = random(&app.record);
        walk.position.actor = grant.actor.to_string();
        if walk.position.whole {
            walk.position.given = walk.given.iter().map(Key::to_string).collect();
        }
        let paper = sonic_rs::to_vec(&walk.position).map_err(Error::fault)?;
        let expires = app.record.surroundings().clock.now() + KEPT;
        app.record.drawer(DRAWER).put(&name, Bytes::from(paper), Some(expires)).await?;
        links.push(("next", format!("{own}?{common}_count={count}&_page={name}")));
    }
    let mut bundle = Bundle::new("searchset", None, &links);
    for (version, mode) in &found {
        bundle.found(base, Some(&version.key), version.body.as_deref().unwrap_or(b"{}"), mode);
    }
    Ok(Answer::resource(bundle.end()))
}

/// A Bundle that is being streamed.
struct Streamed {
    walk: Walk,
    base: String,
    request: String,
    bundle: Option<Bundle>,
    begun: bool,
    ready: VecDeque<Found>,
}

fn streamed(walk: Walk, first: Vec<Found>, base: String, own: String, request: String) -> Answer {
    let bundle = Some(Bundle::new("searchset", None, &[("self", own)]));
    let state = Streamed { walk, base, request, bundle, begun: false, ready: first.into() };
    let chunks = stream::unfold(state, |mut state| async {
        let chunk = state.next().await?;
        Some((chunk, state))
    });
    let mut answer = Answer::resource(Bytes::new());
    answer.headers.push((header::CONTENT_TYPE, FHIR_JSON));
    answer.body = Payload::Stream(Body::from_stream(chunks));
    answer
}

impl Streamed {
    /// The next bytes. A failure ends the stream before its end, which the caller's HTTP notices.
    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        let mut bundle = self.bundle.take()?;
        loop {
            while let Some((version, mode)) = self.ready.pop_front() {
                bundle.found(&self.base, Some(&version.key), version.body.as_deref().unwrap_or(b"{}"), mode);
            }
            // The first bytes do not wait for others.
            if bundle.len() >= CHUNK || !std::mem::replace(&mut self.begun, true) {
                let chunk = bundle.drain();
                self.bundle = Some(bundle);
                return Some(Ok(Bytes::from(chunk)));
            }
            match self.walk.step(STEP).await {
                Ok(found) if found.is_empty() => return Some(Ok(Bytes::from(bundle.end()))),
                Ok(found) => self.ready = found.into(),
                Err(error) => {
                    let failure = Failure::Error(error);
                    outcome::log(&failure, &self.request);
                    let Failure::Error(error) = failure else { return None };
                    return Some(Err(error));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_without_parsing_and_only_those_into_this_record() {
        let body = r##"{"subject":{"reference":"Patient/1"},"a":[{"reference":"Encounter/2/_history/3"},{"reference":"urn:uuid:1"},{"reference":"http://x.example/Patient/9"},{"reference":"#c"}],"text":"\"reference\":\"Group/7\""}"##;
        let mut wanted = BTreeSet::new();
        references(&OwnAddresses::default(), body.as_bytes(), &mut wanted);
        assert_eq!(wanted.iter().collect::<Vec<_>>(), ["Encounter/2", "Patient/1"]);
        references(&OwnAddresses::new(["https://x.example"]), body.as_bytes(), &mut wanted);
        assert_eq!(wanted.iter().collect::<Vec<_>>(), ["Encounter/2", "Patient/1", "Patient/9"]);
    }
}
