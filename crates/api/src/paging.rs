//! Who is on call and how they are paged, over HTTP in plain JSON.
//!
//! - `GET /paging/roster?institution=&from=&to=`: shifts, what there is to be on call for, and who is now
//! - `GET /paging/roster/people?institution=&call=`: who can be put on it
//! - `POST /paging/roster`, `POST /paging/roster/{shift}/off`: a shift set, one taken off
//! - `GET /paging/devices`, `POST /paging/devices`, `POST /paging/devices/{id}/off`: one's own devices
//! - `GET /paging/number`, `POST /paging/number`: the number over which one is called oneself; `number`, empty for none
//! - `POST /paging/devices/trial`: a page to all of them
//! - `GET /paging/trouble`: runs whose pages do not all go out, of those the caller may see
//!
//! What became of the pages of one run is at `GET /runs/{id}/pages`.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ::paging::roster::Wanted;
use ::paging::{Call, Channel, Device, Shift, Subscription, Trouble, Words};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use axum::routing::any;
use fhir::{Category, Error, IssueCode, time};
use record::{Act, Caller, Key, Note, Openness, ResourceType, Session, Standing};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::answer::{Answer, Asked, Format};
use crate::ask::Query;
use crate::interaction::moment;
use crate::outcome::Failure;
use crate::route::{Address, Interaction};
use crate::runs::{Sent, json};
use crate::{App, door};

/// How far ahead a roster is told when the caller does not say, in microseconds: a week.
const AHEAD: i64 = 7 * 86_400_000_000;
/// The longest time a roster is told for, in microseconds: six weeks.
const LONGEST: i64 = 6 * AHEAD;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/paging/{*path}", any(answer))
}

async fn answer(State(app): State<App>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let asked = Asked::of(parts.method == Method::HEAD, &parts.headers);
    let name = door::request_name(&app, &parts.headers);
    let work = pin!(serve(&app, &parts, body, &name));
    let answer = door::answered(&app, &name, work).await;
    let base = door::base(&app, &parts.headers);
    door::named(answer.into_response(&base, Format::default(), &asked).await, &name)
}

/// What is asked for.
enum Question {
    Roster,
    People,
    Set,
    Drop(String),
    Devices,
    Add,
    Remove(String),
    Try,
    Number,
    SetNumber,
    Trouble,
}

impl Question {
    fn named(method: &Method, path: &str) -> Result<Self, Failure> {
        let address = Address::of(method, path);
        match address.segments().as_slice() {
            ["paging", "roster"] if address.is_get() => Ok(Self::Roster),
            ["paging", "roster"] => address.post(Self::Set),
            ["paging", "roster", "people"] => address.get(Self::People),
            ["paging", "roster", id, "off"] => address.post(Self::Drop((*id).to_owned())),
            ["paging", "devices"] if address.is_get() => Ok(Self::Devices),
            ["paging", "devices"] => address.post(Self::Add),
            ["paging", "devices", "trial"] => address.post(Self::Try),
            ["paging", "devices", id, "off"] => address.post(Self::Remove((*id).to_owned())),
            ["paging", "number"] if address.is_get() => Ok(Self::Number),
            ["paging", "number"] => address.post(Self::SetNumber),
            ["paging", "trouble"] => address.get(Self::Trouble),
            _ => address.nowhere(),
        }
    }

    /// What the scopes of a caller must cover for it.
    fn interaction(&self) -> Result<Interaction, Error> {
        let search =
            |type_: &str| Ok(Interaction::Search { type_: Some(ResourceType::parse(type_)?), compartment: None });
        match self {
            Self::Roster | Self::People => search("Slot"),
            Self::Set | Self::Drop(_) => Ok(Interaction::Create(ResourceType::parse("Slot")?)),
            Self::Devices | Self::Add | Self::Remove(_) | Self::Try => search("Communication"),
            Self::Number => search("Practitioner"),
            Self::SetNumber => Ok(Interaction::Create(ResourceType::parse("Practitioner")?)),
            Self::Trouble => search("Task"),
        }
    }
}

async fn serve(app: &App, parts: &Parts, body: Body, name: &str) -> Result<Answer, Failure> {
    let path = parts.uri.path();
    let question = Question::named(&parts.method, path)?;
    let query = Query::parse(parts.uri.query().unwrap_or_default())?;
    let (grant, session) = door::enter(app, parts, name).await?;
    door::allow(app, &grant, &session, &question.interaction()?, &[], path).await?;
    if let Standing::Lay(_) = session.caller().standing {
        return Err(Error::forbidden("Rosters and pages are for staff.").into());
    }
    let paging = &app.paging;
    match question {
        Question::Roster => roster(app, &query).await,
        Question::People => people(app, &query).await,
        Question::Set => {
            let told: Told = Sent::read(app, parts, body).await?.read_as("a shift")?;
            let shift = paging.set_shift(&session, &told.wanted(app)?).await?;
            json(StatusCode::CREATED, &shown(app, &shift).await?)
        }
        Question::Drop(id) => {
            paging.drop_shift(&session, &id).await?;
            nothing()
        }
        Question::Devices => devices(app, &session).await,
        Question::Add => {
            let told: Subscription = Sent::read(app, parts, body).await?.read_as("a push subscription")?;
            let (practitioner, _) = theirs(&session)?;
            let device = paging.add_device(practitioner, &told).await?;
            json(StatusCode::CREATED, &Named::of(&device))
        }
        Question::Remove(id) => {
            paging.drop_device(theirs(&session)?.0, &id).await?;
            nothing()
        }
        Question::Try => json(StatusCode::OK, &paging.try_devices(theirs(&session)?.0).await?),
        Question::Number => json(StatusCode::OK, &OwnNumber { number: paging.own_number(&session).await? }),
        Question::SetNumber => {
            let told: NewNumber = Sent::read(app, parts, body).await?.read_as("a number")?;
            json(StatusCode::OK, &OwnNumber { number: paging.set_own_number(&session, &told.number).await? })
        }
        Question::Trouble => trouble(app, &session).await,
    }
}

/// The number over which whoever asks is called.
#[derive(Serialize)]
struct OwnNumber {
    number: Option<String>,
}

/// The number over which whoever asks is to be called; empty for none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewNumber {
    number: String,
}

/// An answer that says that it was done.
fn nothing() -> Result<Answer, Failure> {
    json(StatusCode::OK, &BTreeMap::<String, String>::new())
}

/// The ids of the practitioner and of the post of whoever asks.
fn theirs(session: &Session) -> Result<(&str, &str), Error> {
    match &session.caller().standing {
        Standing::Staff(post) => Ok((&post.practitioner, &post.role)),
        _ => Err(Error::forbidden("A device is paged for one person at their post.")),
    }
}

#[derive(Serialize)]
struct Named<'a> {
    id: &'a str,
    name: &'a str,
    locale: &'a str,
    since: &'a str,
}

impl<'a> Named<'a> {
    fn of(device: &'a Device) -> Self {
        let Device { id, name, locale, since, .. } = device;
        Self { id, name, locale, since }
    }
}

async fn devices(app: &App, session: &Session) -> Result<Answer, Failure> {
    #[derive(Serialize)]
    struct Told<'a> {
        /// The key that a browser needs to take messages of this server.
        key: String,
        devices: Vec<Named<'a>>,
        /// The channels over which the one who asks is paged at their post.
        channels: Vec<Channel>,
        /// The channels of the gateway that are used here at all.
        gateway: &'a [Channel],
    }
    let (practitioner, role) = theirs(session)?;
    let (key, devices) = (app.paging.public_key().await?, app.paging.devices(practitioner).await?);
    let channels = app.paging.reach(&format!("PractitionerRole/{role}")).await?;
    let settings = app.paging.settings();
    let gateway = if settings.gateway.is_some() { settings.channels.as_slice() } else { &[] };
    json(StatusCode::OK, &Told { key, devices: devices.iter().map(Named::of).collect(), channels, gateway })
}

/// How long what decides who may be told of a run is not looked up again. Only *that* its pages do not go out is told by it.
const FRESH: Duration = Duration::from_secs(1);

/// What decides who may be told of which run, shared by all who ask at one moment.
#[derive(Default)]
pub(crate) struct Tellable(tokio::sync::Mutex<Shared>);

#[derive(Default)]
struct Shared {
    /// When the first of them was looked up.
    since: Option<Instant>,
    runs: BTreeMap<String, Option<Arc<Openness>>>,
}

impl Tellable {
    /// What decides it for each of these runs; nothing for one that is gone.
    async fn of(&self, app: &App, runs: &[Trouble]) -> Result<Vec<Option<Arc<Openness>>>, Error> {
        let mut shared = self.0.lock().await;
        if shared.since.is_none_or(|since| since.elapsed() >= FRESH) {
            *shared = Shared { since: Some(Instant::now()), runs: BTreeMap::new() };
        }
        let mut found = Vec::with_capacity(runs.len());
        for Trouble { run, .. } in runs {
            if !shared.runs.contains_key(run) {
                let looked_up = openness(app, run).await?;
                shared.runs.insert(run.clone(), looked_up);
            }
            found.push(shared.runs.get(run).cloned().flatten());
        }
        Ok(found)
    }
}

async fn openness(app: &App, run: &str) -> Result<Option<Arc<Openness>>, Error> {
    if !Key::is_id(run) {
        return Ok(None);
    }
    let root = Key::new(ResourceType::parse("Task")?, run);
    let platform = app.record.session(Caller::system("HOPERAT"));
    let Some(version) = platform.read(&root).await?.filter(|version| version.body.is_some()) else { return Ok(None) };
    Ok(platform.openness(&root, version.version).await?.map(Arc::new))
}

async fn trouble(app: &App, session: &Session) -> Result<Answer, Failure> {
    #[derive(Serialize)]
    struct Told {
        now: String,
        runs: Vec<Trouble>,
    }
    let troubles = app.paging.troubles().await?;
    let tellable = app.tellable.of(app, &troubles).await?;
    let mut runs = Vec::new();
    for (one, openness) in troubles.into_iter().zip(tellable) {
        if let Some(openness) = openness
            && session.may_be_told(&openness).await?
        {
            runs.push(one);
        }
    }
    // Nothing of a run or of its patient is shown, so no reading of any is noted; that somebody asked is.
    let note = Note { detail: "paging/trouble".to_owned(), ..Note::new(Act::Request) };
    app.record.note(session.caller(), note).await?;
    json(StatusCode::OK, &Told { now: now(app), runs })
}

fn now(app: &App) -> String {
    time::instant(app.record.surroundings().clock.now())
}

/// A shift that is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    key: Option<String>,
    institution: String,
    call: String,
    who: String,
    from: String,
    to: String,
    #[serde(default)]
    instead: Vec<String>,
}

impl Told {
    fn wanted(self, app: &App) -> Result<Wanted, Error> {
        let span = (moment(app, &self.from)?, moment(app, &self.to)?);
        let Self { key, institution, call, who, instead, .. } = self;
        let wrong = |what: &str| Error::invalid(format!("“{what}” is no reference as it is needed here."));
        if !institution.starts_with("Organization/") {
            return Err(wrong("institution"));
        }
        if !who.starts_with("PractitionerRole/") {
            return Err(wrong("who"));
        }
        Ok(Wanted { key, institution, call, who, span, instead })
    }
}

/// A shift, as it is told.
#[derive(Serialize)]
struct ShownShift {
    id: String,
    call: String,
    who: String,
    name: String,
    from: String,
    to: String,
    /// The channels over which they are reached, besides screens.
    channels: Vec<Channel>,
}

async fn shown(app: &App, shift: &Shift) -> Result<ShownShift, Error> {
    let who = shift.who.reference();
    Ok(ShownShift {
        id: shift.id.clone(),
        call: shift.call.clone(),
        name: shift.who.name.clone(),
        from: time::instant(shift.span.0),
        to: time::instant(shift.span.1),
        channels: app.paging.reach(&who).await?,
        who,
    })
}

/// What there is to be on call for: what roles of the protocols say.
async fn calls(app: &App) -> Result<Vec<Call>, Error> {
    let mut calls: BTreeMap<String, Call> = BTreeMap::new();
    for protocol in app.engine.protocols().await? {
        for role in &protocol.roles {
            let Some(code) = &role.call else { continue };
            let title = Words { zh: role.title.zh.clone(), en: role.title.en.clone() };
            let call = Call { code: code.to_string(), title, duties: Vec::new() };
            let call = calls.entry(code.to_string()).or_insert(call);
            let duties: BTreeSet<String> =
                call.duties.drain(..).chain(role.duties.iter().map(ToString::to_string)).collect();
            call.duties = duties.into_iter().collect();
        }
    }
    Ok(calls.into_values().collect())
}

fn institution(query: &Query) -> Result<String, Error> {
    let named = query.get("institution").map(|id| id.trim_start_matches("Organization/")).filter(|id| Key::is_id(id));
    let needed = || Error::new(Category::Invalid, IssueCode::Required, "The parameter “institution” is needed.");
    named.map(|id| format!("Organization/{id}")).ok_or_else(needed)
}

async fn roster(app: &App, query: &Query) -> Result<Answer, Failure> {
    #[derive(Serialize)]
    struct Told {
        now: String,
        calls: Vec<Call>,
        shifts: Vec<ShownShift>,
    }
    let at = app.record.surroundings().clock.now();
    let from = query.get("from").map(|text| moment(app, text)).transpose()?.unwrap_or(at);
    let to = query.get("to").map(|text| moment(app, text)).transpose()?.unwrap_or(from + AHEAD);
    if to <= from || to - from > LONGEST {
        return Err(Error::invalid("A roster is told for six weeks at most.").into());
    }
    let mut shifts = Vec::new();
    for shift in app.paging.shifts(&institution(query)?, (from, to)).await? {
        shifts.push(shown(app, &shift).await?);
    }
    json(StatusCode::OK, &Told { now: now(app), calls: calls(app).await?, shifts })
}

async fn people(app: &App, query: &Query) -> Result<Answer, Failure> {
    #[derive(Serialize)]
    struct Told {
        who: String,
        name: String,
        house: String,
        channels: Vec<Channel>,
    }
    let call = query.get("call").unwrap_or_default();
    let known = calls(app).await?.into_iter().find(|one| one.code == call);
    let known = known.ok_or_else(|| Error::not_found("There is nothing of that code to be on call for."))?;
    let mut told = Vec::new();
    for (who, house) in app.paging.candidates(&institution(query)?, &known.duties).await? {
        let reference = who.reference();
        told.push(Told { channels: app.paging.reach(&reference).await?, who: reference, name: who.name, house });
    }
    json(StatusCode::OK, &told)
}
