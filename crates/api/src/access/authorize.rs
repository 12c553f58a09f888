//! Starting an app, and letting it in: `/auth/authorize`, `/auth/launch`.
//! <http://hl7.org/fhir/smart-app-launch/STU2/app-launch.html>
//!
//! What an app asks for is held here while the portal shows it to the person, in their language, and asks them. The
//! portal is told a name for it, the person answers with their own sign-in, and the app is told a code.

use std::fmt::Write;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use fhir::Error;
use record::{Key, ResourceType, Standing};
use serde::{Deserialize, Serialize};

use super::allowed::{Allowed, Code};
use super::attempts::micros;
use super::client::{Client, random};
use super::people::{No, answer, changing, read};
use super::scope::Level;
use super::sign_in::SignedIn;
use super::{Happening, Scopes, digest, note};
use crate::App;
use crate::ask::{Query, encode};

/// The drawer of what apps ask for.
const ASKED: &str = "authorize";
/// How long a person has to answer, in microseconds.
const ANSWER_TIME: i64 = 600_000_000;
/// The drawer of started apps.
const LAUNCH: &str = "launch";
/// How long an app has to come back after it was started, in microseconds.
const LAUNCH_TIME: i64 = 300_000_000;

/// The routes by which apps are started and let in.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/auth/authorize", get(ask).post(ask_by_form))
        .route("/auth/authorize/{id}", get(asked).post(decide))
        .route("/auth/apps", get(apps))
        .route("/auth/launch", post(launch))
}

/// What an app asks a person for, as it is kept until they answer.
#[derive(Serialize, Deserialize)]
struct Asked {
    client: String,
    redirect: String,
    state: Option<String>,
    scope: String,
    challenge: String,
    nonce: Option<String>,
    launch: Option<Launch>,
}

/// An app that somebody started, as it is kept until it comes back.
#[derive(Clone, Serialize, Deserialize)]
struct Launch {
    client: String,
    login: String,
    patient: Option<String>,
    encounter: Option<String>,
}

async fn ask(State(app): State<App>, request: Request<Body>) -> Response {
    let query = request.uri().query().unwrap_or_default();
    taken(&app, request.headers(), query).await
}

async fn ask_by_form(State(app): State<App>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 << 10).await.unwrap_or_default();
    taken(&app, &parts.headers, std::str::from_utf8(&body).unwrap_or_default()).await
}

/// Why an app is not let in, in the words of OAuth 2. <https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1>
enum Refused {
    /// Nobody may be sent to where it says.
    Here,
    /// It is told itself.
    There(String, Option<String>, &'static str, &'static str),
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

async fn taken(app: &App, headers: &HeaderMap, query: &str) -> Response {
    match keep(app, headers, query).await {
        Ok(id) => Redirect::to(&format!("/authorize?request={id}")).into_response(),
        Err(Refused::Here) => Redirect::to("/authorize").into_response(),
        Err(Refused::There(redirect, state, error, text)) => {
            let told = [("error", error), ("error_description", text)];
            Redirect::to(&back(&redirect, &told, state.as_deref())).into_response()
        }
        Err(Refused::Failed(error)) => No::from(error).into_response(),
    }
}

/// Holds what an app asks for and returns its name.
async fn keep(app: &App, headers: &HeaderMap, query: &str) -> Result<String, Refused> {
    let query = Query::parse(query).map_err(|_| Refused::Here)?;
    let record = &app.record;
    let client = match query.get("client_id") {
        Some(id) => Client::known(record, id).await?.filter(|client| !client.disabled),
        None => None,
    };
    let client = client.ok_or(Refused::Here)?;
    let redirect = query.get("redirect_uri").filter(|redirect| client.redirects.iter().any(|known| known == redirect));
    let redirect = redirect.ok_or(Refused::Here)?.to_owned();
    let state = query.get("state").map(str::to_owned);
    let refused = |error, text| Err(Refused::There(redirect.clone(), state.clone(), error, text));
    if query.get("response_type") != Some("code") {
        return refused("unsupported_response_type", "The response type offered is code.");
    }
    let base = format!("{}/fhir", super::root(app, headers));
    if query.get("aud").is_none_or(|aud| aud.trim_end_matches('/') != base) {
        return refused("invalid_request", "aud must be the address of this FHIR service.");
    }
    let challenge = query.get("code_challenge").filter(|challenge| challenge.len() == 43);
    let Some(challenge) = challenge.filter(|_| query.get("code_challenge_method") == Some("S256")) else {
        return refused("invalid_request", "A code_challenge of the method S256 is needed.");
    };
    let own = Scopes::parse(&client.scope)?;
    let Ok(scopes) = own.of_those(query.get("scope").unwrap_or_default()) else {
        return refused("invalid_scope", "Nothing that is asked for can be given to this app.");
    };
    if scopes.reach(Level::System) {
        return refused("invalid_scope", "Scopes for systems are given to machines and not by people.");
    }
    let launch = match query.get("launch") {
        None => None,
        Some(id) => {
            let kept = record.drawer(LAUNCH).take(&digest(id)).await?;
            let launch: Option<Launch> = kept.and_then(|body| sonic_rs::from_slice(&body).ok());
            let Some(launch) = launch.filter(|launch| launch.client == client.id) else {
                return refused("invalid_request", "The launch is not known or has ended.");
            };
            Some(launch)
        }
    };
    let asked = Asked {
        client: client.id,
        redirect: redirect.clone(),
        state: state.clone(),
        scope: scopes.as_str().to_owned(),
        challenge: challenge.to_owned(),
        nonce: query.get("nonce").map(str::to_owned),
        launch,
    };
    let id = random(record);
    let body = sonic_rs::to_vec(&asked).map_err(Error::fault)?;
    let until = record.surroundings().clock.now() + ANSWER_TIME;
    record.drawer(ASKED).put(&digest(&id), Bytes::from(body), Some(until)).await?;
    Ok(id)
}

/// The address of an app with what it is told.
fn back(redirect: &str, told: &[(&str, &str)], state: Option<&str>) -> String {
    let mut address = redirect.to_owned();
    let mut mark = if redirect.contains('?') { '&' } else { '?' };
    for (name, value) in told.iter().copied().chain(state.map(|state| ("state", state))) {
        write!(address, "{mark}{name}={}", encode(value)).expect("a text can be written to");
        mark = '&';
    }
    address
}

impl Asked {
    /// Whether the person must say which patient it is about.
    fn needs_patient(&self, scopes: &Scopes) -> bool {
        let given = self.launch.as_ref().is_some_and(|launch| launch.patient.is_some());
        !given && (scopes.has("launch/patient") || scopes.reach(Level::Patient))
    }
}

/// What a person is asked.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    client: &'a str,
    name: &'a str,
    scopes: Vec<&'a str>,
    /// The patient it was started for.
    #[serde(skip_serializing_if = "Option::is_none")]
    patient: Option<&'a str>,
    /// Whether the person must say which patient it is about.
    needs_patient: bool,
    /// Of those who are no staff: the patients they can name.
    #[serde(skip_serializing_if = "Option::is_none")]
    patients: Option<Vec<&'a str>>,
}

async fn asked(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, No> {
    let who = app.sign_ins.find(&app, &headers, true).await?.ok_or(No::SignedOut)?;
    let body = app.record.drawer(ASKED).get(&digest(&id)).await?.ok_or(No::Missing)?;
    let asked: Asked = sonic_rs::from_slice(&body).map_err(Error::fault)?;
    let client = Client::known(&app.record, &asked.client).await?.ok_or(No::Missing)?;
    started_by(&asked, &who)?;
    let scopes = Scopes::parse(&asked.scope)?;
    let question = Question {
        client: &client.id,
        name: &client.name,
        scopes: asked.scope.split(' ').collect(),
        patient: asked.launch.as_ref().and_then(|launch| launch.patient.as_deref()),
        needs_patient: asked.needs_patient(&scopes),
        patients: who.lay.as_ref().map(|lay| lay.own.iter().chain(&lay.charges).map(String::as_str).collect()),
    };
    Ok(answer(StatusCode::OK, &question, Vec::new()))
}

/// An app that one person started is not let in by another.
fn started_by(asked: &Asked, who: &SignedIn) -> Result<(), No> {
    let anothers = asked.launch.as_ref().is_some_and(|launch| launch.login != who.account.login);
    if anothers { Err(No::Missing) } else { Ok(()) }
}

#[derive(Deserialize)]
struct Decision {
    allow: bool,
    patient: Option<String>,
}

#[derive(Serialize)]
struct To {
    to: String,
}

async fn decide(State(app): State<App>, Path(id): Path<String>, request: Request<Body>) -> Result<Response, No> {
    let (parts, decision) = read::<Decision>(request).await?;
    let who = changing(&app, &parts).await?;
    let body = app.record.drawer(ASKED).take(&digest(&id)).await?.ok_or(No::Missing)?;
    let asked: Asked = sonic_rs::from_slice(&body).map_err(Error::fault)?;
    started_by(&asked, &who)?;
    if !decision.allow {
        let told = [("error", "access_denied"), ("error_description", "The person said no.")];
        let to = back(&asked.redirect, &told, asked.state.as_deref());
        return Ok(answer(StatusCode::OK, &To { to }, Vec::new()));
    }
    let scopes = Scopes::parse(&asked.scope)?;
    let (patient, encounter) = match &asked.launch {
        Some(Launch { patient: Some(patient), encounter, .. }) => (Some(patient.clone()), encounter.clone()),
        _ if asked.needs_patient(&scopes) => {
            let patient = decision.patient.ok_or(No::Unreadable)?;
            may_open(&app, &who, &parts.headers, &patient).await?;
            (Some(patient), None)
        }
        _ => (None, None),
    };
    let now = app.record.surroundings().clock.now();
    // Without leave to stay it ends with its first token; with leave to stay while the person is there, with them.
    let time = match (scopes.has("offline_access"), scopes.has("online_access")) {
        (true, _) => app.settings.sign_in.offline,
        (false, true) => app.settings.sign_in.length,
        (false, false) => app.settings.token_time,
    };
    let online = scopes.has("online_access") && !scopes.has("offline_access");
    let allowed = Allowed {
        id: Allowed::new_id(&app.record, &who.account.login),
        client: asked.client,
        login: who.account.login.clone(),
        role: who.post.as_ref().map(|held| held.post.role.clone()),
        scope: asked.scope,
        patient,
        encounter,
        sign_in: online.then(|| who.name.clone()),
        began: now,
        ends: now.saturating_add(micros(time)),
    };
    let happening = Happening::AppLetIn(&allowed.client, allowed.patient.as_deref());
    note(&app, &parts, happening, &who.account.actor()).await?;
    let code = Code { allowed, redirect: asked.redirect.clone(), challenge: asked.challenge, nonce: asked.nonce };
    let code = code.keep(&app.record).await?;
    let to = back(&asked.redirect, &[("code", &code)], asked.state.as_deref());
    Ok(answer(StatusCode::OK, &To { to }, Vec::new()))
}

/// Refuses a patient whom the person may not open.
async fn may_open(app: &App, who: &SignedIn, headers: &HeaderMap, patient: &str) -> Result<(), No> {
    let grant = who.grant()?;
    if let Standing::Lay(lay) = &grant.standing
        && !lay.own.iter().chain(&lay.charges).any(|own| own == patient)
    {
        return Err(No::Missing);
    }
    let type_ = ResourceType::named("Patient").expect("Patient is a resource type");
    let session = app.record.session(grant.caller(headers, "authorize")?);
    let found = session.read(&Key::new(type_, patient)).await?.and_then(|version| version.body);
    found.map(drop).ok_or(No::Missing)
}

#[derive(Serialize)]
struct Apps {
    apps: Vec<Startable>,
}

#[derive(Serialize)]
struct Startable {
    client: String,
    name: String,
}

/// Answers `GET /auth/apps`: the apps that can be started from a patient's record.
async fn apps(State(app): State<App>, headers: HeaderMap) -> Result<Response, No> {
    app.sign_ins.find(&app, &headers, true).await?.ok_or(No::SignedOut)?;
    let clients = Client::launched(&app.record).await?;
    let apps = clients.into_iter().map(|client| Startable { client: client.id, name: client.name }).collect();
    Ok(answer(StatusCode::OK, &Apps { apps }, Vec::new()))
}

#[derive(Deserialize)]
struct Start {
    client: String,
    patient: Option<String>,
    encounter: Option<String>,
}

/// Answers `POST /auth/launch`: where to send the browser so that an app begins with this patient.
async fn launch(State(app): State<App>, request: Request<Body>) -> Result<Response, No> {
    let (parts, start) = read::<Start>(request).await?;
    let who = changing(&app, &parts).await?;
    let client = Client::known(&app.record, &start.client).await?.filter(|client| !client.disabled);
    let address = client.as_ref().and_then(|client| client.launch.clone()).ok_or(No::Missing)?;
    if let Some(patient) = &start.patient {
        may_open(&app, &who, &parts.headers, patient).await?;
    }
    let launch = Launch {
        client: start.client,
        login: who.account.login.clone(),
        patient: start.patient,
        encounter: start.encounter,
    };
    let id = random(&app.record);
    let body = sonic_rs::to_vec(&launch).map_err(Error::fault)?;
    let until = app.record.surroundings().clock.now() + LAUNCH_TIME;
    app.record.drawer(LAUNCH).put(&digest(&id), Bytes::from(body), Some(until)).await?;
    let iss = format!("{}/fhir", super::root(&app, &parts.headers));
    let to = back(&address, &[("iss", &iss), ("launch", &id)], None);
    Ok(answer(StatusCode::OK, &To { to }, Vec::new()))
}

/// Answers preflights and lets pages of other origins read what a token opens: they hold the token, and cookies are
/// neither sent to them nor believed. <https://fetch.spec.whatwg.org/#http-cors-protocol>
pub(crate) async fn cross_origin(
    State(app): State<App>,
    request: Request<Body>,
    next: axum::middleware::Next,
) -> Response {
    // Without sign-in there is nothing but the same origin to tell a friend from a stranger.
    let foreign = request.headers().contains_key(header::ORIGIN) && !app.settings.open;
    let preflight = foreign
        && request.method() == axum::http::Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    if foreign {
        let mut add = |name, value| response.headers_mut().insert(name, header::HeaderValue::from_static(value));
        add(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        add(header::ACCESS_CONTROL_EXPOSE_HEADERS, "ETag, Location, Content-Location, Last-Modified, X-Request-Id");
        if preflight {
            add(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, PATCH, DELETE");
            add(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "Authorization, Content-Type, Accept, Prefer, If-Match, If-None-Match, If-None-Exist, \
                 If-Modified-Since, X-Request-Id, X-Purpose-Of-Use, Cache-Control",
            );
            add(header::ACCESS_CONTROL_MAX_AGE, "3600");
        }
    }
    response
}
