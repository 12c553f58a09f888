//! `/auth/…` for people in browsers: signing in and out, their post, their password, where else they are signed in.
//!
//! Bodies are JSON and must say so: a form of a foreign page cannot, so nobody is signed in, out or over by one.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use fhir::{Category, Error};
use record::Lay;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::account::{Account, login_of};
use super::allowed::Allowed;
use super::attempts::{Attempt, Halted, Whose, micros};
use super::client::Client;
use super::password::Weakness;
use super::post::{self, Held};
use super::sign_in::{self, Cookies, SignedIn};
use super::totp::Totp;
use super::{Happening, note};
use crate::App;
use crate::ask::Query;
use crate::entrance::Peer;
use crate::json::instant;
use crate::outcome::{self, Failure};

/// The largest body taken.
const BODY: usize = 16 << 10;

/// The routes for people.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/auth/session", get(session))
        .route("/auth/sign-in", post(enter))
        .route("/auth/sign-out", post(leave))
        .route("/auth/post", post(choose))
        .route("/auth/password", post(change_password))
        .route("/auth/totp", post(second_factor))
        .route("/auth/sessions", get(sessions))
        .route("/auth/sessions/{id}", delete(end_session))
        .route("/auth/allowed/{id}", delete(end_allowed))
        .route("/auth/demo", get(cast).post(enter_demo))
}

/// Why somebody is told no: a word for programs, which say it to people in their language.
#[derive(Debug)]
pub(crate) enum No {
    Wrong,
    TotpNeeded,
    SignedOut,
    Locked(i64),
    Busy(StatusCode, i64),
    ChangePassword,
    Weak(Weakness, usize, usize),
    Csrf,
    PostNotHeld,
    Unreadable,
    Missing,
    Failed(Error),
}

impl From<Error> for No {
    fn from(error: Error) -> Self {
        match error.category() {
            Category::Busy => Self::Busy(StatusCode::SERVICE_UNAVAILABLE, 2),
            _ => Self::Failed(error),
        }
    }
}

impl From<Halted> for No {
    fn from(halted: Halted) -> Self {
        match halted {
            Halted::Locked(seconds) => Self::Locked(seconds),
            Halted::Address(seconds) => Self::Busy(StatusCode::TOO_MANY_REQUESTS, seconds),
            Halted::Error(error) => error.into(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    classes: Option<usize>,
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let (status, code) = match &self {
            Self::Wrong => (StatusCode::UNAUTHORIZED, "wrong"),
            Self::TotpNeeded => (StatusCode::UNAUTHORIZED, "totp-needed"),
            Self::SignedOut => (StatusCode::UNAUTHORIZED, "signed-out"),
            Self::Locked(_) => (StatusCode::LOCKED, "locked"),
            Self::Busy(status, _) => (*status, "busy"),
            Self::ChangePassword => (StatusCode::CONFLICT, "change-password"),
            Self::Weak(..) => (StatusCode::UNPROCESSABLE_ENTITY, "weak"),
            Self::Csrf => (StatusCode::FORBIDDEN, "csrf"),
            Self::PostNotHeld => (StatusCode::FORBIDDEN, "no-post"),
            Self::Unreadable => (StatusCode::BAD_REQUEST, "unreadable"),
            Self::Missing => (StatusCode::NOT_FOUND, "missing"),
            Self::Failed(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        let mut told = Told { code, retry_after: None, problem: None, length: None, classes: None };
        match self {
            Self::Locked(seconds) | Self::Busy(_, seconds) => told.retry_after = Some(seconds),
            Self::Weak(weakness, length, classes) => {
                (told.problem, told.length, told.classes) = (Some(weakness.code()), Some(length), Some(classes));
            }
            Self::Failed(error) => outcome::log(&Failure::Error(error), "auth"),
            _ => {}
        }
        let retry = told.retry_after;
        let mut response = answer(status, &told, Vec::new());
        if let Some(seconds) = retry {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// What a person is told about themselves.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Me<'a> {
    account: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    practitioner: Option<&'a str>,
    posts: Vec<TheirPost<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    post: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patients: Option<TheirPatients<'a>>,
    csrf: &'a str,
    idle_seconds: u64,
    expires: String,
    demo: bool,
    totp: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TheirPost<'a> {
    role: &'a str,
    organization: &'a str,
    organization_name: &'a str,
    duties: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

#[derive(Serialize)]
struct TheirPatients<'a> {
    own: &'a [String],
    charges: &'a [String],
}

fn their_post(held: &Held) -> TheirPost<'_> {
    TheirPost {
        role: &held.post.role,
        organization: &held.post.organization,
        organization_name: &held.organization_name,
        duties: &held.post.duties,
        until: held.until.map(instant),
    }
}

fn their_patients(lay: &Lay) -> TheirPatients<'_> {
    TheirPatients { own: &lay.own, charges: &lay.charges }
}

fn told(app: &App, who: &SignedIn, cookies: Vec<HeaderValue>) -> Response {
    let told = Me {
        account: &who.account.login,
        name: &who.account.name,
        practitioner: who.account.practitioner.as_deref(),
        posts: who.posts.iter().map(their_post).collect(),
        post: who.post.as_ref().map(|held| held.post.role.as_str()),
        patients: who.lay.as_deref().map(their_patients),
        csrf: &who.paper.csrf,
        idle_seconds: app.settings.sign_in.idle.as_secs(),
        expires: instant(who.paper.ends),
        demo: app.settings.sign_in.demo,
        totp: who.account.totp.as_ref().is_some_and(|totp| totp.confirmed),
    };
    answer(StatusCode::OK, &told, cookies)
}

pub(crate) fn answer(status: StatusCode, body: &impl Serialize, cookies: Vec<HeaderValue>) -> Response {
    let body = sonic_rs::to_vec(body).expect("plain structures of texts and numbers can be written");
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    let mut response = (status, headers, body).into_response();
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn done(cookies: Vec<HeaderValue>) -> Response {
    let mut response = (StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, "no-store")]).into_response();
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The body of a request, which is JSON and says so.
pub(crate) async fn read<T: DeserializeOwned>(request: Request<Body>) -> Result<(Parts, T), No> {
    let (parts, body) = request.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().unwrap_or_default().trim() != "application/json" {
        return Err(No::Unreadable);
    }
    let body = axum::body::to_bytes(body, BODY).await.map_err(|_| No::Unreadable)?;
    let content = sonic_rs::from_slice(&body).map_err(|_| No::Unreadable)?;
    Ok((parts, content))
}

/// Where a request came from.
pub(crate) fn address(app: &App, parts: &Parts) -> Option<IpAddr> {
    if app.settings.behind_proxy {
        // The proxy adds the address it sees at the end; what stands before is what the caller claims.
        let named = parts.headers.get_all("x-forwarded-for").into_iter().next_back()?;
        return named.to_str().ok()?.rsplit(',').next()?.trim().parse().ok();
    }
    parts.extensions.get::<ConnectInfo<Peer>>().map(|ConnectInfo(Peer(address))| address.ip())
}

/// Who is signed in, for a change.
pub(crate) async fn changing(app: &App, parts: &Parts) -> Result<Arc<SignedIn>, No> {
    let who = app.sign_ins.find(app, &parts.headers, true).await?.ok_or(No::SignedOut)?;
    if who.is_ours(&parts.method, &parts.headers) { Ok(who) } else { Err(No::Csrf) }
}

async fn session(State(app): State<App>, request: Request<Body>) -> Result<Response, No> {
    let query = Query::parse(request.uri().query().unwrap_or_default()).map_err(|_| No::Unreadable)?;
    let touch = query.get("peek").is_none();
    let who = app.sign_ins.find(&app, request.headers(), touch).await?.ok_or(No::SignedOut)?;
    Ok(told(&app, &who, Vec::new()))
}

#[derive(Deserialize)]
struct Entry {
    login: String,
    password: String,
    totp: Option<String>,
}

async fn enter(State(app): State<App>, request: Request<Body>) -> Result<Response, No> {
    let (parts, entry) = read::<Entry>(request).await?;
    let account = prove(&app, &parts, &entry).await?;
    if must_change(&app, &account) {
        return Err(No::ChangePassword);
    }
    admit(&app, &parts, &account).await
}

/// Signs a proven account in.
pub(crate) async fn admit(app: &App, parts: &Parts, account: &Account) -> Result<Response, No> {
    let (who, cookies) = begin(app, parts, account).await?;
    Ok(told(app, &who, cookies.set(&app.settings.sign_in)))
}

/// Begins the sign-in of a proven account.
pub(crate) async fn begin(app: &App, parts: &Parts, account: &Account) -> Result<(Arc<SignedIn>, Cookies), No> {
    // A browser that was somebody's before is theirs no longer.
    if let Some(before) = app.sign_ins.find(app, &parts.headers, false).await? {
        app.sign_ins.end(&app.record, &before.name).await?;
    }
    let (who, token) = app.sign_ins.begin(app, account, address(app, parts), &parts.headers).await?;
    let device = sign_in::remember_device(app, &parts.headers, &account.login).await?;
    note(app, parts, Happening::SignedIn, &account.actor()).await?;
    Ok((who, Cookies { sign_in: token, device: Some(device) }))
}

/// The account that login, password and second factor prove. The password may be one that must be changed.
async fn prove(app: &App, parts: &Parts, entry: &Entry) -> Result<Account, No> {
    let login = login_of(&entry.login).map_err(|_| No::Wrong)?;
    let (attempt, account) = attempt(app, parts, &login, &entry.password).await?;
    let Some(mut account) = account else {
        attempt.failed().await?;
        note(app, parts, Happening::Refused, "").await?;
        return Err(No::Wrong);
    };
    if let Some(totp) = account.totp.as_mut().filter(|totp| totp.confirmed) {
        let Some(code) = &entry.totp else {
            attempt.undecided();
            return Err(No::TotpNeeded);
        };
        if !totp.take(code, app.record.surroundings().clock.now()) {
            attempt.failed().await?;
            note(app, parts, Happening::Refused, &account.actor()).await?;
            return Err(No::Wrong);
        }
        account.keep(&app.record).await?;
    }
    attempt.succeeded().await?;
    Ok(account)
}

/// Tries a password; the account if it is right. Whether there is such an account cannot be told from the answer.
async fn attempt<'a>(
    app: &'a App,
    parts: &Parts,
    login: &str,
    password: &str,
) -> Result<(Attempt<'a>, Option<Account>), No> {
    let device = sign_in::known_device(app, &parts.headers, login).await?;
    let from = if device.is_some() { None } else { address(app, parts) };
    let whose = Whose::of(login, device.as_deref());
    let attempt = match app.attempts.begin(&app.record, &app.settings.sign_in, whose, from).await {
        Ok(attempt) => attempt,
        Err(halted) => {
            match halted {
                Halted::Locked(_) => note(app, parts, Happening::Halted("locked"), "").await?,
                Halted::Address(_) => note(app, parts, Happening::Halted("too many from this address"), "").await?,
                Halted::Error(_) => {}
            }
            return Err(halted.into());
        }
    };
    let account = Account::named(&app.record, login).await?;
    let hash = account.as_ref().and_then(|account| account.password.as_deref());
    match app.hashing.verify(password, hash).await {
        Ok(right) => Ok((attempt, account.filter(|account| right && !account.disabled))),
        Err(error) => {
            attempt.undecided();
            Err(error.into())
        }
    }
}

/// The account of somebody who is signed in and proves by their password that it is them, to change something.
async fn prove_again(
    app: &App,
    parts: &Parts,
    who: &SignedIn,
    password: &str,
    otherwise: &'static str,
) -> Result<Account, No> {
    let (attempt, account) = attempt(app, parts, &who.account.login, password).await?;
    match account {
        Some(account) => Ok(attempt.succeeded().await.map(|()| account)?),
        None => {
            attempt.failed().await?;
            note(app, parts, Happening::Unproven(otherwise), &who.account.actor()).await?;
            Err(No::Wrong)
        }
    }
}

/// Whether a password may only be used to replace it.
fn must_change(app: &App, account: &Account) -> bool {
    let age = app.settings.sign_in.password.age;
    let now = app.record.surroundings().clock.now();
    account.must_change || (!age.is_zero() && now - account.password_set > micros(age))
}

async fn leave(State(app): State<App>, request: Request<Body>) -> Result<Response, No> {
    let (parts, _) = request.into_parts();
    let who = changing(&app, &parts).await?;
    app.sign_ins.end(&app.record, &who.name).await?;
    note(&app, &parts, Happening::SignedOut, &who.account.actor()).await?;
    Ok(done(Cookies::unset(&app.settings.sign_in)))
}

#[derive(Deserialize)]
struct Choice {
    role: String,
}

async fn choose(State(app): State<App>, request: Request<Body>) -> Result<Response, No> {
    let (parts, choice) = read::<Choice>(request).await?;
    let who = changing(&app, &parts).await?;
    if !who.posts.iter().any(|held| held.post.role == choice.role) {
        return Err(No::PostNotHeld);
    }
    let who = app.sign_ins.choose(&app, &who, &choice.role).await?;
    note(&app, &parts, Happening::PostChosen(&choice.role), &who.account.actor()).await?;
    Ok(told(&app, &who, Vec::new()))
}

#[derive(Deserialize)]
struct PasswordChange {
    login: Option<String>,
    old: String,
    new: String,
    totp: Option<String>,
}

async fn change_password(State(app): State<App>, request: Request<Body>) -> Result<Response, No> {
    let (parts, change) = read::<PasswordChange>(request).await?;
    // Somebody whose password must be changed is not signed in yet, and proves anew who they are.
    let mut account = match change.login {
        Some(login) => prove(&app, &parts, &Entry { login, password: change.old.clone(), totp: change.totp }).await?,
        None => {
            let who = changing(&app, &parts).await?;
            prove_again(&app, &parts, &who, &change.old, "password not changed").await?
        }
    };
    let settings = &app.settings.sign_in.password;
    let same = (change.old == change.new).then_some(Weakness::Same);
    if let Some(weakness) = same.or_else(|| settings.weakness(&account.login, &change.new)) {
        return Err(No::Weak(weakness, settings.length, settings.classes));
    }
    account.password = Some(app.hashing.hash(&app.record, &change.new).await?);
    account.password_set = app.record.surroundings().clock.now();
    account.must_change = false;
    account.keep(&app.record).await?;
    app.sign_ins.end_others(&app.record, &account.login, None).await?;
    Allowed::end_all(&app.record, &account.login).await?;
    app.tokens.doubt();
    note(&app, &parts, Happening::PasswordChanged, &account.actor()).await?;
    admit(&app, &parts, &account).await
}

#[derive(Deserialize)]
#[serde(tag = "step", rename_all = "lowercase")]
enum SecondFactor {
    Begin { password: String },
    Confirm { code: String },
    Remove { password: String },
}

#[derive(Serialize)]
struct Begun {
    secret: String,
    uri: String,
}

/// A second factor locks out whoever does not have it, so to begin or to remove one takes the password again.
async fn second_factor(State(app): State<App>, request: Request<Body>) -> Result<Response, No> {
    const UNCHANGED: &str = "second factor not changed";
    let (parts, step) = read::<SecondFactor>(request).await?;
    let who = changing(&app, &parts).await?;
    let login = who.account.login.as_str();
    let mut account = match &step {
        SecondFactor::Begin { password } | SecondFactor::Remove { password } => {
            prove_again(&app, &parts, &who, password, UNCHANGED).await?
        }
        SecondFactor::Confirm { .. } => Account::named(&app.record, login).await?.ok_or(No::SignedOut)?,
    };
    match step {
        SecondFactor::Begin { .. } if account.totp.as_ref().is_some_and(|totp| totp.confirmed) => {
            return Err(No::Unreadable);
        }
        SecondFactor::Begin { .. } => {
            let totp = Totp::new(&app.record);
            let secret = totp.secret();
            account.totp = Some(totp);
            account.keep(&app.record).await?;
            let label = percent_encoding::utf8_percent_encode(login, percent_encoding::NON_ALPHANUMERIC);
            let uri = format!("otpauth://totp/Qingshan:{label}?secret={secret}&issuer=Qingshan");
            return Ok(answer(StatusCode::OK, &Begun { secret, uri }, Vec::new()));
        }
        SecondFactor::Confirm { code } => {
            let totp = account.totp.as_mut().ok_or(No::Missing)?;
            if !totp.take(&code, app.record.surroundings().clock.now()) {
                note(&app, &parts, Happening::Unproven(UNCHANGED), &who.account.actor()).await?;
                return Err(No::Wrong);
            }
            totp.confirmed = true;
        }
        SecondFactor::Remove { .. } => account.totp = None,
    }
    account.keep(&app.record).await?;
    app.sign_ins.doubt(login);
    note(&app, &parts, Happening::SecondFactorChanged, &account.actor()).await?;
    Ok(done(Vec::new()))
}

#[derive(Serialize)]
struct Sessions {
    sessions: Vec<TheirSession>,
    /// The apps they let in.
    apps: Vec<TheirApp>,
}

#[derive(Serialize)]
struct TheirApp {
    id: String,
    client: String,
    name: String,
    scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patient: Option<String>,
    began: String,
    ends: String,
}

#[derive(Serialize)]
struct TheirSession {
    id: String,
    began: String,
    seen: String,
    address: String,
    agent: String,
    current: bool,
}

async fn sessions(State(app): State<App>, headers: HeaderMap) -> Result<Response, No> {
    let who = app.sign_ins.find(&app, &headers, true).await?.ok_or(No::SignedOut)?;
    let papers = sign_in::of_account(&app.record, &who.account.login).await?;
    let mut sessions: Vec<_> = papers
        .into_iter()
        .map(|(name, paper)| {
            let current = name == who.name;
            let seen = if current { who.seen() } else { paper.seen };
            (
                seen,
                TheirSession {
                    id: sign_in::public_id(&name).to_owned(),
                    began: instant(paper.began),
                    seen: instant(seen),
                    address: paper.address,
                    agent: paper.agent,
                    current,
                },
            )
        })
        .collect();
    sessions.sort_by_key(|(seen, _)| std::cmp::Reverse(*seen));
    let sessions = sessions.into_iter().map(|(_, session)| session).collect();
    let mut apps = Vec::new();
    for allowed in Allowed::of_account(&app.record, &who.account.login).await? {
        let client = Client::known(&app.record, &allowed.client).await?;
        apps.push(TheirApp {
            id: sign_in::public_id(&allowed.id).to_owned(),
            name: client.map_or_else(|| allowed.client.clone(), |client| client.name),
            scopes: allowed.scope.split(' ').map(str::to_owned).collect(),
            client: allowed.client,
            patient: allowed.patient,
            began: instant(allowed.began),
            ends: instant(allowed.ends),
        });
    }
    Ok(answer(StatusCode::OK, &Sessions { sessions, apps }, Vec::new()))
}

/// Answers `DELETE /auth/allowed/{id}`: an app that was let in is shut out again.
async fn end_allowed(State(app): State<App>, Path(id): Path<String>, request: Request<Body>) -> Result<Response, No> {
    let (parts, _) = request.into_parts();
    let who = changing(&app, &parts).await?;
    let all = Allowed::of_account(&app.record, &who.account.login).await?;
    let allowed = all.iter().find(|allowed| sign_in::public_id(&allowed.id) == id).ok_or(No::Missing)?;
    allowed.end(&app.record).await?;
    app.tokens.doubt();
    let happening = Happening::AppShutOut(&allowed.client, allowed.patient.as_deref());
    note(&app, &parts, happening, &who.account.actor()).await?;
    Ok(done(Vec::new()))
}

async fn end_session(State(app): State<App>, Path(id): Path<String>, request: Request<Body>) -> Result<Response, No> {
    let (parts, _) = request.into_parts();
    let who = changing(&app, &parts).await?;
    let papers = sign_in::of_account(&app.record, &who.account.login).await?;
    let (name, _) = papers.iter().find(|(name, _)| sign_in::public_id(name) == id).ok_or(No::Missing)?;
    app.sign_ins.end(&app.record, name).await?;
    note(&app, &parts, Happening::SignedOut, &who.account.actor()).await?;
    Ok(done(if *name == who.name { Cookies::unset(&app.settings.sign_in) } else { Vec::new() }))
}

#[derive(Serialize)]
struct Cast<'a> {
    accounts: Vec<Player<'a>>,
}

#[derive(Serialize)]
struct Player<'a> {
    login: &'a str,
    name: &'a str,
    posts: Vec<TheirPost<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patients: Option<TheirPatients<'a>>,
}

async fn cast(State(app): State<App>) -> Result<Response, No> {
    if !app.settings.sign_in.demo {
        return Err(No::Missing);
    }
    let mut players = Vec::new();
    for account in Account::of_demo(&app.record).await? {
        let (posts, lay) = match &account.practitioner {
            Some(practitioner) => (post::held(&app.record, practitioner).await?, None),
            None => (Vec::new(), Some(post::lay(&app.record, &account).await?)),
        };
        players.push((account, posts, lay));
    }
    let accounts = players.iter().map(|(account, posts, lay)| Player {
        login: &account.login,
        name: &account.name,
        posts: posts.iter().map(their_post).collect(),
        patients: lay.as_ref().map(their_patients),
    });
    Ok(answer(StatusCode::OK, &Cast { accounts: accounts.collect() }, Vec::new()))
}

#[derive(Deserialize)]
struct DemoEntry {
    login: String,
}

async fn enter_demo(State(app): State<App>, request: Request<Body>) -> Result<Response, No> {
    let (parts, entry) = read::<DemoEntry>(request).await?;
    if !app.settings.sign_in.demo {
        return Err(No::Missing);
    }
    let login = login_of(&entry.login).map_err(|_| No::Missing)?;
    let account = Account::named(&app.record, &login).await?;
    let account = account.filter(|account| account.demo && !account.disabled).ok_or(No::Missing)?;
    admit(&app, &parts, &account).await
}
