//! Care processes over HTTP, for the portal and for other software: what protocols there are, and runs of them.
//!
//! - `GET /protocols`, `GET /protocols/{code}?version=`: what there is, and the whole of one
//! - `POST /protocols/{code}/rehearsal`: one played through under a clock of its own
//! - `GET /protocols/{code}/figures?from=&to=&organization=`: its indicators, with the runs behind each number
//! - `GET /protocols/{code}/suggestions?patient=`, `POST` there: whom it is suggested for and why, and one declined
//! - `POST /runs`, `GET /runs/{id}?with=`, `POST /runs/{id}/acts`: a run started, shown and acted on
//! - `GET /runs/{id}/pages`: whom it has paged
//! - `GET /runs/{id}/documents`, `GET /runs/{id}/documents/{code}`: what it can be printed as
//!
//! Worklists need nothing of their own: they are searches for Tasks. What is refused is told as an OperationOutcome, as
//! everywhere. A browser that opens one of these addresses as a page is given the portal.

mod act;
mod deed;
mod definition;
mod document;
pub(crate) mod figures;
mod list;
mod names;
mod pages;
mod rehearse;
mod show;
mod start;
mod suggest;

use std::pin::pin;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use fhir::{Category, Error, IssueCode, Value};
use jiff::tz::Offset;
use protocol::Standing;
use record::{Act, Key, Note, ResourceType, SearchRequest, Session, Version};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::access::{Extent, Grant};
use crate::answer::{Answer, Asked, Format, Payload};
use crate::ask::{Query, shortened};
use crate::outcome::Failure;
use crate::portal::Portal;
use crate::route::{Address, Interaction};
use crate::{App, door, portal};

pub(crate) fn routes() -> Router<App> {
    let paths = ["/protocols", "/protocols/{*path}", "/runs", "/runs/{*path}"];
    paths.into_iter().fold(Router::new(), |router, path| router.route(path, any(answer)))
}

/// What is asked for.
enum Question {
    Protocols,
    Protocol(String),
    Rehearsal(String),
    Figures(String),
    Suggestions(String),
    Decline(String),
    Start,
    Run(String),
    Act(String),
    Pages(String),
    Documents(String),
    Document(String, String),
}

impl Question {
    fn named(method: &Method, path: &str) -> Result<Self, Failure> {
        let address = Address::of(method, path);
        match address.segments().as_slice() {
            ["protocols"] => address.get(Self::Protocols),
            ["protocols", code] => address.get(Self::Protocol((*code).to_owned())),
            ["protocols", code, "rehearsal"] => address.post(Self::Rehearsal((*code).to_owned())),
            ["protocols", code, "figures"] => address.get(Self::Figures((*code).to_owned())),
            ["protocols", code, "suggestions"] if address.is_get() => Ok(Self::Suggestions((*code).to_owned())),
            ["protocols", code, "suggestions"] if address.is_post() => Ok(Self::Decline((*code).to_owned())),
            ["protocols", _, "suggestions"] => Err(Failure::Method("GET, HEAD, POST")),
            ["runs"] => address.post(Self::Start),
            ["runs", id] => address.get(Self::Run((*id).to_owned())),
            ["runs", id, "acts"] => address.post(Self::Act((*id).to_owned())),
            ["runs", id, "pages"] => address.get(Self::Pages((*id).to_owned())),
            ["runs", id, "documents"] => address.get(Self::Documents((*id).to_owned())),
            ["runs", id, "documents", code] => address.get(Self::Document((*id).to_owned(), (*code).to_owned())),
            _ => address.nowhere(),
        }
    }
}

async fn answer(State(app): State<App>, request: Request<Body>) -> Response {
    if let Some(portal) = screen(&app, &request) {
        return portal::answer(State(portal), request).await;
    }
    let (parts, body) = request.into_parts();
    let asked = Asked::of(parts.method == Method::HEAD, &parts.headers);
    let name = door::request_name(&app, &parts.headers);
    let work = pin!(serve(&app, &parts, body, &name));
    let answer = door::answered(&app, &name, work).await;
    let base = door::base(&app, &parts.headers);
    door::named(answer.into_response(&base, Format::default(), &asked).await, &name)
}

/// The portal, where a browser opens an address as a page.
fn screen(app: &App, request: &Request<Body>) -> Option<Portal> {
    let wants_page = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let is_page = request.method() == Method::GET && wants_page.is_some_and(|accept| accept.contains("text/html"));
    app.settings.portal.clone().filter(|_| is_page)
}

async fn serve(app: &App, parts: &Parts, body: Body, name: &str) -> Result<Answer, Failure> {
    let path = parts.uri.path();
    let question = Question::named(&parts.method, path)?;
    let query = Query::parse(parts.uri.query().unwrap_or_default())?;
    let (grant, session) = door::enter(app, parts, name).await?;
    let visit = Visit { app, grant: &grant, session: &session, path };
    let sent = if parts.method == Method::POST { Some(Sent::read(app, parts, body).await?) } else { None };
    let sent = || sent.ok_or_else(|| Error::invalid("The body must be JSON."));
    match question {
        Question::Protocols => list::run(&visit).await,
        Question::Protocol(code) => definition::run(&visit, &code, query.get("version")).await,
        Question::Rehearsal(code) => rehearse::run(&visit, &code, query.get("version"), &sent()?).await,
        Question::Figures(code) => figures::run(&visit, &code, &query).await,
        Question::Suggestions(code) => suggest::list(&visit, &code, &query).await,
        Question::Decline(code) => suggest::decline(&visit, &code, &sent()?).await,
        Question::Start => start::run(&visit, &sent()?).await,
        Question::Run(id) => show::run(&visit, &id, query.get("with")).await,
        Question::Act(id) => act::run(&visit, &id, &sent()?).await,
        Question::Pages(id) => pages::run(&visit, &id).await,
        Question::Documents(id) => document::list(&visit, &id).await,
        Question::Document(id, code) => document::run(&visit, &id, &code).await,
    }
}

/// The JSON that came with a request.
pub(crate) struct Sent(Value);

impl Sent {
    pub(crate) async fn read(app: &App, parts: &Parts, body: Body) -> Result<Self, Failure> {
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !matches!(kind, "application/json" | "application/fhir+json") {
            return Err(Failure::MediaType);
        }
        Ok(Self(fhir::json::parse(&door::whole(app, parts, body).await?)?))
    }

    /// It, as what is asked for here.
    pub(crate) fn read_as<T: DeserializeOwned>(&self, what: &str) -> Result<T, Error> {
        sonic_rs::from_value(&self.0).map_err(|error| {
            // The message quotes the input after its first line, and the input may hold a patient.
            let told = error.to_string();
            let told = told.lines().next().and_then(|line| line.split(" at line ").next()).unwrap_or_default();
            Error::new(Category::Invalid, IssueCode::Structure, format!("The body does not read as {what}: {told}."))
        })
    }
}

/// Somebody who asks.
struct Visit<'a> {
    app: &'a App,
    grant: &'a Grant,
    session: &'a Session,
    path: &'a str,
}

impl Visit<'_> {
    async fn allow(&self, interaction: Interaction) -> Result<Extent, Failure> {
        door::allow(self.app, self.grant, self.session, &interaction, &[], self.path).await
    }

    fn zone(&self) -> Offset {
        zone(self.app)
    }

    fn now(&self) -> i64 {
        self.app.record.surroundings().clock.now()
    }

    /// One version of a protocol, or the latest, for whoever may read protocols.
    async fn protocol(&self, code: &str, version: Option<&str>) -> Result<std::sync::Arc<protocol::Protocol>, Failure> {
        self.allow(Interaction::Search { type_: Some(ResourceType::parse("PlanDefinition")?), compartment: None })
            .await?;
        let found = self.app.engine.protocol(code, version).await?;
        found.ok_or_else(|| Error::not_found(format!("There is no protocol {}.", shortened(code))).into())
    }

    /// A run as whoever may see its root Task, or one of the Tasks of its steps, may see it. To everybody else there is
    /// none.
    async fn run(&self, id: &str, interaction: impl FnOnce(Key) -> Interaction) -> Result<Standing, Failure> {
        let none = || Error::not_found(format!("There is no run {}.", shortened(id)));
        if !Key::is_id(id) {
            return Err(none().into());
        }
        let root = Key::new(ResourceType::parse("Task")?, id);
        let extent = self.allow(interaction(root.clone())).await?;
        let shown = self.session.read(&root).await?.is_some_and(|version| version.body.is_some());
        if !shown && self.steps_seen(&root).await?.is_empty() {
            return Err(none().into());
        }
        let standing = self.app.engine.load(id).await?.ok_or_else(none)?;
        let one_patient = self.grant.patient.as_deref().filter(|_| extent == Extent::OnePatient);
        let patient = standing.run.patient.as_deref().and_then(|patient| patient.strip_prefix("Patient/"));
        if one_patient.is_some_and(|one| patient != Some(one)) {
            return Err(none().into());
        }
        if !shown {
            // Their step was found by a search; that they were shown the run it is a part of is noted besides.
            let patients = patient.map(str::to_owned).into_iter().collect();
            let note = Note { patients, detail: format!("runs/{id}"), ..Note::new(Act::Request) };
            self.app.record.note(self.session.caller(), note).await?;
        }
        Ok(standing)
    }

    async fn steps_seen(&self, root: &Key) -> Result<Vec<Version>, Error> {
        let asked = [("part-of", root.to_string()), ("_count", "1".to_owned())];
        Ok(self.session.search(&SearchRequest::of(root.type_.name(), &asked)?).await?.matches)
    }
}

/// The record's own time zone.
fn zone(app: &App) -> Offset {
    app.record.settings().zone()
}

/// An answer that is no resource.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Result<Answer, Failure> {
    let body = sonic_rs::to_vec(value).map_err(Error::fault)?;
    Ok(Answer { body: Payload::Json(Bytes::from(body)), ..Answer::empty(status) })
}
